#include "harness/interrupt.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <system_error>

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
  struct sigaction hang_up {};
  ::sigaction(SIGHUP, nullptr, &hang_up);
  if (hang_up.sa_handler != SIG_IGN) ::sigaction(SIGHUP, &action, nullptr);
}

void end_with_parent(int parent) {
  if (::prctl(PR_SET_PDEATHSIG, SIGTERM) != 0)
    throw std::system_error(errno, std::generic_category(), "prctl");
  if (::getppid() != parent) notice(SIGTERM);  // it ended before it could be watched
}

bool interrupted() {
  return noticed.load(std::memory_order_relaxed);
}

}  // namespace muster
