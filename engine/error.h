#pragma once

#include <stdexcept>
#include <string>
#include <system_error>

namespace muster {

/// A request that cannot be met as it stands: exit code 2. One line: `key = value: what would do`.
class ConfigError : public std::invalid_argument {
 public:
  ConfigError(const std::string& key, const std::string& value, const std::string& want)
      : std::invalid_argument(key + " = " + value + ": " + want), key_(key) {}

  const std::string& key() const { return key_; }

 private:
  std::string key_;
};

/// Something else is in the way for now: exit code 4. The same request may do later.
class TemporaryError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What is on the disk is not what the engine wrote: exit code 3. Nothing has been changed.
class DamageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The machine's refusals (no space, no permission, an I/O error) are std::system_error: exit code 3.
// A run whose own verification failed: exit code 1.

}  // namespace muster
