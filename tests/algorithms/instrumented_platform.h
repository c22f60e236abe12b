#pragma once

#include <functional>
#include <string_view>
#include <utility>

#include "algorithms/platform.h"

namespace muster::test {

/// The native platform with a hook after every load and read-modify-write, so that a test can put another
/// worker's step exactly there. One thread only.
struct InstrumentedPlatform : NativePlatform {
  /// Called with the location's name and index. It is off while it runs.
  using Hook = std::function<void(std::string_view name, std::uint32_t index)>;
  static inline Hook after_read;

  template <class T>
  class Atomic : public NativePlatform::Atomic<T> {
    using Base = NativePlatform::Atomic<T>;

   public:
    using Base::Base;

    void describe(const char* name, std::uint32_t index = 0) {
      name_ = name;
      index_ = index;
    }
    T load(std::memory_order order) const {
      const T value = Base::load(order);
      call();
      return value;
    }
    T fetch_add(T value, std::memory_order order) {
      const T before = Base::fetch_add(value, order);
      call();
      return before;
    }

   private:
    void call() const {
      if (!after_read) return;
      const auto hook = std::exchange(after_read, nullptr);
      hook(name_, index_);
      if (!after_read) after_read = hook;
    }

    std::string_view name_ = "";
    std::uint32_t index_ = 0;
  };
};

/// The hook, as long as this lives.
class Hooked {
 public:
  explicit Hooked(InstrumentedPlatform::Hook hook) { InstrumentedPlatform::after_read = std::move(hook); }
  Hooked(const Hooked&) = delete;
  Hooked& operator=(const Hooked&) = delete;
  ~Hooked() { InstrumentedPlatform::after_read = nullptr; }
};

}  // namespace muster::test
