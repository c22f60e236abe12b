#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "engine/txn/serial_partitions.h"

namespace muster {

class Session;

/// A transaction that runs as a whole, called by name with arguments that are bytes. Any number of threads may be in it.
struct Procedure {
  /// Names the partitions whose keys a call with these arguments may touch. Asked under Isolation::serial only.
  std::function<void(Bytes arguments, PartitionSet& touched)> partitions;
  /// Neither begins nor ends the transaction. Ok commits it, whatever else it returns or throws rolls it back. `result` is
  /// the caller's, empty at first.
  std::function<Status(Session& session, Bytes arguments, std::vector<std::byte>& result)> run;
};

/// The procedures of a database; none ever goes. Thread-safe.
class Procedures {
 public:
  /// Throws ConfigError where the name is taken, or nothing is to be called.
  void add(std::string_view name, Procedure procedure) {
    if (!procedure.partitions || !procedure.run)
      throw ConfigError("procedure", std::string(name), "want both partitions and run");
    const std::lock_guard guard(mutex_);
    if (!procedures_.try_emplace(std::string(name), std::move(procedure)).second)
      throw ConfigError("procedure", std::string(name), "want a name that is not taken");
  }
  /// Throws ConfigError where there is none. The reference stays.
  const Procedure& get(std::string_view name) const {
    const std::lock_guard guard(mutex_);
    const auto found = procedures_.find(name);
    if (found == procedures_.end())
      throw ConfigError("procedure", std::string(name), "want one that was registered");
    return found->second;
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, Procedure, std::less<>> procedures_;
};

/// A session's own look at them, so that a call writes nothing shared.
class KnownProcedures {
 public:
  explicit KnownProcedures(const Procedures& all) : all_(all) {}
  const Procedure& get(std::string_view name) {
    const auto found = known_.find(name);
    if (found != known_.end()) return *found->second;
    return *known_.emplace(std::string(name), &all_.get(name)).first->second;
  }

 private:
  const Procedures& all_;
  std::map<std::string, const Procedure*, std::less<>> known_;
};

}  // namespace muster
