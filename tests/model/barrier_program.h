#pragma once

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <vector>

#include "engine/lsm/order_barrier.h"
#include "tests/model/lifetime.h"
#include "tests/model/scripts.h"

namespace muster::model {

/// Threads over an order barrier. There is always one object that producers use from now on; a barrier's thread puts
/// another one in its place, waits, and takes the old one for itself. Only the barrier orders anything: the accesses of
/// the object in use are relaxed.
///
///   e  a producer's section: finds the object, uses it twice
///   b  replaces the object, waits, looks at what sections have left in the old one, ends it
///   B  the same, and lets `l` begin once the barrier is issued
///   l  a section that begins after the barrier was issued, and ends only when the barrier's thread has waited
template <class P>
class BarrierProgram : public Program {
  using Order = lsm::OrderBarrier<P>;
  template <class T>
  using Atomic = typename P::template Atomic<T>;

 public:
  explicit BarrierProgram(Scripts scripts) : scripts_(std::move(scripts)) {
    check_letters(scripts_, "ebBl");
    for (const std::string& script : scripts_) {
      for (const char letter : script) objects_wanted_ += letter == 'b' || letter == 'B' ? 1 : 0;
    }
  }

  std::uint32_t threads() const override { return static_cast<std::uint32_t>(scripts_.size()); }
  std::string thread_name(ThreadId thread) const override {
    const bool waits = scripts_[thread].find_first_of("bB") != std::string::npos;
    return (waits ? "barrier " : "producer ") + std::to_string(thread);
  }

  void set_up() override {
    order_.emplace(threads());
    for (ThreadId t = 0; t < threads(); ++t) barriers_.emplace_back(*order_);
    for (std::uint32_t i = 0; i < objects_wanted_; ++i)
      objects_.push_back(std::make_unique<Object>(i, threads()));
    current_.emplace(0);
    current_->describe("object in use");
    issued_.emplace(0);
    issued_->describe("issued");
    waited_.emplace(0);
    waited_->describe("waited");
    last_ = 0;
  }
  void tear_down() override {
    barriers_.clear();
    order_.reset();
    objects_.clear();
    current_.reset();
    issued_.reset();
    waited_.reset();
  }

  void run(ThreadId thread) override {
    for (const char letter : scripts_[thread]) {
      switch (letter) {
        case 'e':
          section(thread);
          break;
        case 'l':
          late_section(thread);
          break;
        default:
          replace(thread, letter == 'B');
      }
    }
  }

 private:
  static constexpr auto relaxed = std::memory_order_relaxed;

  struct Object {
    Object(std::uint32_t number, std::uint32_t producers) : life("object", number) {
      for (std::uint32_t i = 0; i < producers; ++i) {
        uses.push_back(std::make_unique<Atomic<std::uint32_t>>(0));
        uses.back()->describe("uses of an object", number * producers + i);
      }
      left.resize(producers);
    }
    Lifetime life;
    std::vector<std::unique_ptr<Atomic<std::uint32_t>>> uses;    // by producer
    std::vector<typename P::template Cell<std::uint32_t>> left;  // by producer
  };

  void section(ThreadId thread) {
    Execution& execution = Execution::current();
    execution.mark("note", "enters");
    {
      const typename Order::Section inside(*order_, thread);
      Object& object = *objects_[current_->load(relaxed)];
      object.life.use();
      object.uses[thread]->fetch_add(1, relaxed);  // time goes by
      object.life.use();
      object.left[thread].write(object.left[thread].read() + 1);
    }
    execution.mark("note", "has left");
  }

  void late_section(ThreadId thread) {
    const auto is_there = [](std::uint32_t flag) { return flag != 0; };
    P::await(*issued_, is_there, std::memory_order_acquire,
             WaitFor::predecessor);  // so it begins after issue()
    const typename Order::Section inside(*order_, thread);
    P::await(*waited_, is_there, relaxed, WaitFor::predecessor);
  }

  void replace(ThreadId thread, bool tells) {
    Execution& execution = Execution::current();
    Object& old = *objects_[current_->exchange(++last_, relaxed)];
    if (execution.recording()) execution.mark("note", fmt::format("replaces {}", old.life.name()));
    barriers_[thread].issue();
    if (tells) issued_->store(1, std::memory_order_release);
    barriers_[thread].await();
    if (tells) waited_->store(1, relaxed);
    if (execution.recording()) execution.mark("note", fmt::format("takes {}", old.life.name()));
    old.life.end();
    for (const auto& left : old.left) left.read();
  }

  const Scripts scripts_;
  std::uint32_t objects_wanted_ = 1;
  std::optional<Order> order_;
  std::vector<typename Order::Barrier> barriers_;  // by thread
  std::vector<std::unique_ptr<Object>> objects_;
  std::uint32_t last_ = 0;  // the object that was put in place last
  std::optional<Atomic<std::uint32_t>> current_, issued_, waited_;
};

}  // namespace muster::model
