#pragma once

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "algorithms/platform.h"

namespace muster {

/// An unbounded first-in, first-out list between one producer and one consumer, in chunks.
///
/// Progress   push wait-free; prepare() but for the allocator, which it asks once in kChunk pushes at most. The
///            consumer hands one emptied chunk back, so that a list of steady length allocates nothing.
/// Ordering   [filled] released by the producer, acquired by the consumer: the items below it are written.
///            [next]   likewise: the chunk that it leads to is initialised.
///            [spare]  given with release by the consumer, taken with acquire by the producer: the consumer has
///                     read what the producer then overwrites. A spare one that the consumer finds there was its
///                     own before, so that it need not acquire it to delete it.
template <class Platform, class T>
class SpscList {
 public:
  static constexpr std::uint32_t kChunk = Platform::kListChunk;

  SpscList() : tail_(new Chunk), head_(tail_) { spare_.describe("spare"); }
  SpscList(const SpscList&) = delete;
  SpscList& operator=(const SpscList&) = delete;
  ~SpscList() {
    delete spare_.load(std::memory_order_relaxed);  // both sides are gone
    while (head_ != nullptr) delete std::exchange(head_, head_->next.load(std::memory_order_relaxed));
  }

  /// Names the list in a trace, before it is shared.
  void describe(const char* name, std::uint32_t index) {
    name_ = name;
    index_ = index;
    head_->describe(name, index);
  }

  /// Producer: sees to it that the next push has a place. The one thing that may throw std::bad_alloc.
  void prepare() {
    if (tail_filled_ == kChunk) [[unlikely]]
      grow();
  }

  /// Producer, prepared: appends, and returns how many items were pushed before.
  std::uint64_t push(const T& item) {
    tail_->items[tail_filled_].write(item);
    tail_->filled.store(++tail_filled_, std::memory_order_release);  // [filled]
    return pushed_++;
  }

  /// Consumer: the oldest item, or null.
  const T* front() {
    if (head_read_ == kChunk && !next_chunk()) return nullptr;
    if (head_read_ == head_filled_) {
      head_filled_ = head_->filled.load(std::memory_order_acquire);  // [filled]
      if (head_read_ == head_filled_) return nullptr;
    }
    return &head_->items[head_read_].read();
  }

  /// Consumer: removes what front() returned.
  void pop() {
    ++head_read_;
    ++popped_;
  }

  /// Consumer: removes the oldest items until `count` in all have been; they have all been pushed.
  void drop_until(std::uint64_t count) {
    while (popped_ < count) {
      if (head_read_ == kChunk) next_chunk();
      const std::uint64_t step = std::min<std::uint64_t>(kChunk - head_read_, count - popped_);
      head_read_ += static_cast<std::uint32_t>(step);
      popped_ += step;
    }
    // head_filled_ may now lie behind head_read_; the next front() must read it again.
    if (head_filled_ < head_read_) head_filled_ = head_read_;
  }

 private:
  struct Chunk {
    void describe(const char* name, std::uint32_t index) {
      filled.describe(name, index);
      next.describe("next", index);
    }
    std::array<typename Platform::template Cell<T>, kChunk> items;
    typename Platform::template Atomic<std::uint32_t> filled{0};  // [filled]
    typename Platform::template Atomic<Chunk*> next{nullptr};     // [next]
  };

  void grow() {
    Chunk* chunk = spare_.exchange(nullptr, std::memory_order_acquire);  // [spare]
    if (chunk == nullptr) {
      chunk = new Chunk;
      chunk->describe(name_, index_);
    } else {
      chunk->filled.store(0, std::memory_order_relaxed);  // carried by [next]
      chunk->next.store(nullptr, std::memory_order_relaxed);
    }
    tail_->next.store(chunk, std::memory_order_release);  // [next]
    tail_ = chunk;
    tail_filled_ = 0;
  }

  bool next_chunk() {
    Chunk* const next = head_->next.load(std::memory_order_acquire);  // [next]
    if (next == nullptr) return false;
    delete spare_.exchange(std::exchange(head_, next), std::memory_order_release);  // [spare]
    head_read_ = head_filled_ = 0;
    return true;
  }

  // Producer's.
  const char* name_ = "filled";
  std::uint32_t index_ = 0;
  Chunk* tail_;
  std::uint32_t tail_filled_ = 0;
  std::uint64_t pushed_ = 0;
  typename Platform::template Atomic<Chunk*> spare_{nullptr};  // [spare]
  // Consumer's.
  alignas(kCacheLine) Chunk* head_;
  std::uint32_t head_read_ = 0;
  std::uint32_t head_filled_ = 0;
  std::uint64_t popped_ = 0;
};

}  // namespace muster
