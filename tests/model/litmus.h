#pragma once

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "tests/model/checking_platform.h"
#include "tests/model/search.h"

namespace muster::model {

/// A few atomics and a few threads: for tests of the explorer itself. Those that share a body may be told to be alike.
class Litmus : public Program {
 public:
  using Word = CheckingPlatform<>::Atomic<std::uint64_t>;
  struct State {
    Word x{0}, y{0}, z{0};
    CheckingPlatform<>::Mutex mutex;
    CheckingPlatform<>::Cell<int> cell;
    std::uint64_t r[8] = {};
  };
  using Body = std::function<void(State&)>;

  explicit Litmus(std::vector<Body> bodies, std::vector<ThreadId> alike = {})
      : bodies_(std::move(bodies)), alike_(std::move(alike)) {}

  std::uint32_t threads() const override { return static_cast<std::uint32_t>(bodies_.size()); }
  ThreadId alike(ThreadId thread) const override { return alike_.empty() ? thread : alike_[thread]; }
  std::string thread_name(ThreadId thread) const override { return "thread " + std::to_string(thread); }
  void set_up() override {
    state_ = std::make_unique<State>();
    state_->x.describe("x");
    state_->y.describe("y");
    state_->z.describe("z");
  }
  void run(ThreadId thread) override { bodies_[thread](*state_); }
  void tear_down() override {
    std::copy(std::begin(state_->r), std::end(state_->r), registers_);
    state_.reset();
  }

  /// What the registers held at the end of the last run.
  std::string registers(std::size_t count) const {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += std::to_string(registers_[i]);
    return text;
  }

 private:
  std::vector<Body> bodies_;
  std::vector<ThreadId> alike_;
  std::unique_ptr<State> state_;
  std::uint64_t registers_[8] = {};
};

/// What tells an execution from those that are not equivalent to it: for each thread what it read, for each
/// location who wrote it in which order. Of the threads, which go by the names that `names` gives them.
inline std::string class_of(const Execution& execution, const std::vector<ThreadId>& names) {
  std::string text;
  const auto name = [&](std::uint32_t event) {
    if (event == kNone) return std::string("-");
    const Event& e = execution.events()[event];
    return std::to_string(names[e.thread]) + "." + std::to_string(e.step);
  };
  for (ThreadId t = 0; t < execution.threads(); ++t) {
    text += "|";
    for (const Event& e : execution.events()) {
      if (names[e.thread] == t) {
        text += std::to_string(static_cast<int>(e.action)) +
                (e.reads ? std::string("r").append(name(e.source)) : "") + (e.writes ? "w" : "") + " ";
      }
    }
  }
  std::string writes;
  for (LocationId l = 0; l < kMaxLocations; ++l) {
    std::string order;
    for (const Event& e : execution.events()) {
      if (e.location == l && e.writes) {
        order += std::to_string(names[e.thread]) + "." + std::to_string(e.step) + " ";
      }
    }
    if (!order.empty()) writes += std::to_string(l) + ":" + order;
  }
  return text + "#" + writes;
}

/// The same of all executions that differ in how threads that are alike are swapped.
inline std::string class_of(const Execution& execution, const Program& program) {
  std::vector<ThreadId> names(execution.threads());
  std::iota(names.begin(), names.end(), 0);
  std::string first = class_of(execution, names);
  while (std::next_permutation(names.begin(), names.end())) {
    bool swaps_alike = true;
    for (ThreadId t = 0; t < names.size(); ++t) {
      swaps_alike = swaps_alike && program.alike(t) == program.alike(names[t]);
    }
    if (swaps_alike) first = std::min(first, class_of(execution, names));
  }
  return first;
}

}  // namespace muster::model
