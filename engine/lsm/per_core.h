#pragma once

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <memory>

#include "algorithms/parts/backoff.h"

namespace muster::lsm {

/// Cores that the machine may have; also those that this process may not use, since the others' numbers have gaps.
inline std::size_t core_count() {
  static const auto count = static_cast<std::size_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_CONF)));
  return count;
}

/// One T for each core, each in lines of its own: threads that run at the same time use different ones, so that none of
/// them waits for another one's cache line. The system may move a thread at any time, so two threads can still meet in
/// one T: its members are atomics.
template <class T>
class PerCore {
 public:
  /// Fewer than there are cores: some cores share one.
  explicit PerCore(std::size_t count = core_count())
      : count_(count), places_(std::make_unique<Place[]>(count)) {}

  T& here() {
    const int core = ::sched_getcpu();
    return places_[core < 0 ? 0 : static_cast<std::size_t>(core) % count_].value;
  }

  template <class Visit>
  void for_each(Visit visit) const {
    for (std::size_t i = 0; i < count_; ++i) visit(places_[i].value);
  }

 private:
  struct alignas(kCacheLine) Place {
    T value{};
  };

  std::size_t count_;
  std::unique_ptr<Place[]> places_;
};

}  // namespace muster::lsm
