#include "engine/lsm/thread_slot.h"

#include <mutex>
#include <set>

namespace muster::lsm {
namespace {

/// The numbers that threads have given back.
class Numbers {
 public:
  std::uint32_t take() {
    const std::lock_guard guard(mutex_);
    if (free_.empty()) return next_++;
    return free_.extract(free_.begin()).value();
  }
  void give_back(std::uint32_t number) {
    const std::lock_guard guard(mutex_);
    free_.insert(number);
  }

 private:
  std::mutex mutex_;
  std::set<std::uint32_t> free_;
  std::uint32_t next_ = 0;
};

Numbers& numbers() {
  static Numbers all;
  return all;
}

struct Mine {
  Mine() : number(numbers().take()) {}
  ~Mine() { numbers().give_back(number); }
  Mine(const Mine&) = delete;
  Mine& operator=(const Mine&) = delete;
  const std::uint32_t number;
};

}  // namespace

std::uint32_t thread_slot() {
  thread_local const Mine mine;
  return mine.number;
}

}  // namespace muster::lsm
