#pragma once

#include <fmt/format.h>

#include <string>

#include "tests/model/execution.h"

namespace muster::model {

/// Watches over something that threads of a program share and one of them ends: freed memory, a removed file. Whatever
/// uses it must have happened before its end. Its memory stays until the program is torn down, so that a wrong use is a
/// sentence and not a crash.
class Lifetime {
 public:
  Lifetime(const char* name, std::uint32_t number) : name_(name), number_(number) {}

  std::string name() const { return fmt::format("{} {}", name_, number_); }
  std::uint32_t number() const { return number_; }
  bool has_ended() const { return ended_; }

  void use() const {
    Execution& execution = Execution::current();
    if (ended_) execution.fail("use after free: " + name() + " is used, and its end was before");
    if (const Execution::Access access = execution.access(); access.thread != kNone)
      uses_.steps[access.thread] = static_cast<std::uint16_t>(access.step);
  }
  void end() {
    Execution& execution = Execution::current();
    if (ended_) execution.fail("use after free: " + name() + " is ended twice");
    for (ThreadId t = 0; t < kMaxThreads; ++t) {
      if (uses_.steps[t] != 0 && !execution.happened_before({t, uses_.steps[t]})) {
        execution.fail(
            fmt::format("data race: {} is ended, and its use by thread {} did not happen before", name(), t));
      }
    }
    ended_ = true;
  }

 private:
  const char* name_;
  std::uint32_t number_;
  bool ended_ = false;
  mutable Clock uses_;  // the last of each thread
};

}  // namespace muster::model
