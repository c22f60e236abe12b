#pragma once

#include <array>
#include <mutex>
#include <string>

#include "engine/error.h"
#include "engine/isolation.h"

namespace muster {

/// Decides which levels may run beside each other. The sessions of one database join and leave here.
///
/// Together  read_committed, snapshot and serializable_snapshot, since all of them write versions; two_phase_locking and
///           read_committed with locks, since both read under locks; any level beside itself. A level that reads under locks
///           beside one that reads versions would see writes in two orders.
/// Progress  blocking: one mutex, at attach and detach only. Thread-safe.
class Admission {
 public:
  explicit Admission(ReadCommitted read_committed) : read_committed_(read_committed) {}

  /// Throws a ConfigError that names an attached level which excludes this one.
  void join(Isolation level) {
    const std::lock_guard guard(mutex_);
    for (std::size_t other = 0; other < attached_.size(); ++other) {
      if (attached_[other] == 0 || together(level, static_cast<Isolation>(other))) continue;
      throw ConfigError(
          "engine.isolation", std::string(name_of(level)),
          "a level that may run beside " + std::string(kIsolations[other]) + ", which a session has");
    }
    ++attached_[static_cast<std::size_t>(level)];
  }
  void leave(Isolation level) {
    const std::lock_guard guard(mutex_);
    --attached_[static_cast<std::size_t>(level)];
  }

 private:
  bool together(Isolation a, Isolation b) const {
    if (a == b) return true;
    if (a == Isolation::serial || b == Isolation::serial) return false;
    if (a != Isolation::two_phase_locking && b != Isolation::two_phase_locking) return true;
    const Isolation other = a == Isolation::two_phase_locking ? b : a;
    return other == Isolation::read_committed && read_committed_ == ReadCommitted::locks;
  }

  const ReadCommitted read_committed_;
  std::mutex mutex_;
  std::array<std::uint32_t, kIsolations.size()> attached_{};
};

}  // namespace muster
