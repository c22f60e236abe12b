#include "harness/interrupt.h"

#include <atomic>
#include <csignal>

namespace muster {
namespace {

std::atomic<bool> noticed{false};  // lock-free, so that a handler may store to it
static_assert(std::atomic<bool>::is_always_lock_free);

void notice(int /*signal*/) {
  noticed.store(true, std::memory_order_relaxed);
}

}  // namespace

void catch_interrupts() {
  struct sigaction action {};
  action.sa_handler = notice;
  action.sa_flags = static_cast<int>(SA_RESETHAND);  // the second one finds the default action
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

bool interrupted() {
  return noticed.load(std::memory_order_relaxed);
}

}  // namespace muster
