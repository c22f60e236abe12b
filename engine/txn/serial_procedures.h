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

/// A transaction that runs as a whole. Sessions call it by name, with bytes as arguments. Any number of threads may run it.
struct Procedure {
  /// Names the partitions whose keys a call with these arguments may touch. Called under Isolation::serial only.
  std::function<void(Bytes arguments, PartitionSet& touched)> partitions;
  /// Neither begins nor ends the transaction, and does not prepare() it. The engine commits if it returns ok, and rolls back if
  /// it returns anything else or throws. `result` is the caller's, empty at first.
  std::function<Status(Session& session, Bytes arguments, std::vector<std::byte>& result)> run;
};

/// The procedures of a database. A registered procedure stays. Thread-safe.
class Procedures {
 public:
  /// Throws ConfigError where the name is taken, or either function is missing.
  void add(std::string_view name, Procedure procedure) {
    if (!procedure.partitions || !procedure.run)
      throw ConfigError("procedure", std::string(name), "want both partitions and run");
    const std::lock_guard guard(mutex_);
    if (!procedures_.try_emplace(std::string(name), std::move(procedure)).second)
      throw ConfigError("procedure", std::string(name), "want a name that is not taken");
  }
  /// Throws ConfigError where there is none. The reference stays valid.
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

/// A session's own list of procedures that it has called, so that a call takes no shared mutex.
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
