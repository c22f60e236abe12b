#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "algorithms/platform.h"

namespace muster::test {

/// A few threads of which one at a time runs, up to an access to an atomic of its own choice or of the
/// director's: the thread of the test, which says who runs, how far, and who stays stopped for good. So it
/// depends on no clock who comes first, and a thread that can go on no more is known and not guessed.
///
/// Each thread is a real one, blocked on a condition variable wherever it has been stopped.
class Stage {
 public:
  enum class State : std::uint8_t {
    stopped,  ///< before an access; would go on
    waiting,  ///< in await or lock
    done,
  };

  Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  /// Whoever is still there is unwound from where it is.
  ~Stage() {
    for (auto& performer : performers_) {
      if (performer->state != State::done) hand_over(*performer, Curtain::falls);
      performer->thread.join();
    }
  }

  /// Adds a thread, which begins when it is first run; returns its number.
  std::size_t add(std::function<void()> script) {
    performers_.push_back(std::make_unique<Performer>());
    Performer& self = *performers_.back();
    self.thread = std::thread([this, &self, script = std::move(script)] {
      current() = &self;
      try {
        await_baton(self);
        script();
      } catch (const Fallen&) {}
      give_back(self, State::done);
    });
    return performers_.size() - 1;
  }

  /// Lets one thread make `accesses` accesses more; it may stop earlier, to wait or since it is done.
  void run(std::size_t performer, std::uint64_t accesses) {
    Performer& self = *performers_[performer];
    self.budget = accesses;
    self.ready = nullptr;
    hand_over(self, Curtain::up);
  }

  State state(std::size_t performer) const { return performers_[performer]->state; }
  bool can_run(std::size_t performer) const {
    const Performer& self = *performers_[performer];
    return self.state == State::stopped || (self.state == State::waiting && self.ready());
  }
  /// How many accesses it has made so far.
  std::uint64_t accesses(std::size_t performer) const { return performers_[performer]->accesses; }
  /// The access that it has been stopped before, or that it waits at.
  std::string place(std::size_t performer) const { return performers_[performer]->place; }

  /// For the platform: the calling thread, if it is one of a stage, is about to access `name`.
  static void access(const char* what, const char* name) {
    Performer* const self = current();
    if (self == nullptr) return;
    if (self->budget == 0) {
      self->place = std::string(what) + " " + name;
      self->stage->stop(*self, State::stopped);
    }
    --self->budget;
    ++self->accesses;
  }
  /// For the platform: the calling thread cannot go on before `ready`. Off the stage nobody would come.
  static void wait(const char* name, std::function<bool()> ready) {
    Performer* const self = current();
    if (self == nullptr) throw std::logic_error(std::string("waits off the stage, for ") + name);
    self->place = std::string("wait for ") + name;
    self->ready = std::move(ready);
    self->stage->stop(*self, State::waiting);
  }

 private:
  enum class Curtain : std::uint8_t { up, falls };
  struct Fallen {};

  struct Performer {
    Stage* stage = nullptr;
    std::thread thread;
    State state = State::stopped;
    bool running = false;
    Curtain curtain = Curtain::up;
    std::condition_variable baton;
    std::uint64_t budget = 0;
    std::uint64_t accesses = 0;
    std::string place;
    std::function<bool()> ready;
  };

  static Performer*& current() {
    thread_local Performer* performer = nullptr;
    return performer;
  }

  void hand_over(Performer& performer, Curtain curtain) {
    std::unique_lock lock(mutex_);
    performer.stage = this;
    performer.curtain = curtain;
    performer.running = true;
    performer.baton.notify_one();
    returned_.wait(lock, [&] { return !performer.running; });
  }

  void await_baton(Performer& self) {
    std::unique_lock lock(mutex_);
    self.baton.wait(lock, [&] { return self.running; });
    if (self.curtain == Curtain::falls) throw Fallen{};
  }

  void give_back(Performer& self, State state) {
    const std::lock_guard lock(mutex_);
    self.state = state;
    self.running = false;
    returned_.notify_one();
  }

  void stop(Performer& self, State state) {
    give_back(self, state);
    await_baton(self);
  }

  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Performer>> performers_;
};

/// A platform on which a thread of a Stage can be stopped before every access to an atomic or a mutex.
struct HaltingPlatform {
  static constexpr std::size_t kMinCapacity = NativePlatform::kMinCapacity;
  static constexpr std::uint32_t kListChunk = 8;  // a list grows now and then, also in a short test
  static constexpr std::uint32_t kRememberedEnds = NativePlatform::kRememberedEnds;
  static constexpr Crowd kCrowd{.others = 1, .times = 1, .stays = 2};
  static constexpr std::uint32_t kAdvancesARound = 2;  // a worker is asleep soon, also in a short test
  using Memory = NativePlatform::Memory;
  template <class T>
  using Cell = NativePlatform::Cell<T>;

  template <class T>
  class Atomic {
   public:
    explicit Atomic(T value = T{}) : value_(value) {}
    void describe(const char* name, std::uint32_t /*index*/ = 0) { name_ = name; }
    const char* name() const { return name_; }
    /// What it holds, without an access.
    T peek() const { return value_.load(std::memory_order_acquire); }

    T load(std::memory_order order) const {
      Stage::access("load", name_);
      return value_.load(order);
    }
    void store(T value, std::memory_order order) {
      Stage::access("store", name_);
      value_.store(value, order);
    }
    T exchange(T value, std::memory_order order) {
      Stage::access("exchange", name_);
      return value_.exchange(value, order);
    }
    T fetch_add(T value, std::memory_order order) {
      Stage::access("fetch_add", name_);
      return value_.fetch_add(value, order);
    }
    T fetch_sub(T value, std::memory_order order) {
      Stage::access("fetch_sub", name_);
      return value_.fetch_sub(value, order);
    }
    bool compare_exchange(T& expected, T desired, std::memory_order success, std::memory_order failure) {
      Stage::access("compare_exchange", name_);
      return value_.compare_exchange(expected, desired, success, failure);
    }

   private:
    NativePlatform::Atomic<T> value_;
    const char* name_ = "an atomic without a name";
  };

  class Mutex {
   public:
    void lock() {
      while (!try_lock()) {
        Stage::wait("mutex", [this] { return !taken_; });
      }
    }
    bool try_lock() {
      Stage::access("lock", "mutex");
      return !std::exchange(taken_, true);
    }
    void unlock() {
      Stage::access("unlock", "mutex");
      taken_ = false;
    }

   private:
    bool taken_ = false;  // one thread at a time runs
  };

  /// One thread at a time runs, and handing over orders what they do.
  static bool has_asymmetric_barrier() { return true; }
  static void light_barrier() { Stage::access("light barrier", ""); }
  static void heavy_barrier() { Stage::access("heavy barrier", ""); }

  template <class T, class Predicate>
  static void await(const Atomic<T>& atomic, Predicate predicate, std::memory_order order, WaitFor) {
    while (!predicate(atomic.load(order))) {
      Stage::wait(atomic.name(), [&] { return predicate(atomic.peek()); });
    }
  }

  /// A few looks: enough to be stopped between.
  template <class T, class Predicate>
  static T linger(const Atomic<T>& atomic, Predicate predicate, std::memory_order order) {
    for (int look = 1;; ++look) {
      const T value = atomic.load(order);
      if (predicate(value) || look == 3) return value;
    }
  }
};

}  // namespace muster::test
