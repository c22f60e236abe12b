#pragma once

#include "algorithms/log_buffer.h"
#include "algorithms/platform.h"

namespace muster {

/// MCS queue lock: each thread that waits looks at a word of its own, and the holder tells the next.
///
/// Protocol  tail     null: free; the lock's own node: held, and no thread waits; else the last waiting thread's node
///           lock     free: put the lock's node there. Else put the own node there, link it behind the one that was
///                    there, and wait to be told. Told, leave the lock's node in the place of the own one.
///           unlock   nobody behind the lock's node: tail = null. Else tell the next.
/// Progress  lock blocking; try_lock wait-free. unlock blocking: a thread that has put its node there and has not
///           linked it yet is waited for.
/// Fairness  first come, first served. Where threads outnumber processing units, the lock waits for a thread that is
///           not running.
/// Hands on  yes: the lock's node stands in the queue for the holder, so that any thread that releases the lock finds
///           the next one there. A thread needs a node of its own only while it waits; the node lies on its stack.
/// Invariants
///           The lock's node has a successor only while the lock is held. `tail` is written by read-modify-writes alone:
///           an acquire of it synchronises with every release of it before.
/// Ordering  [tail]  put in the queue with acq_rel: the node is there for the thread that comes next, and the one before
///                   is there for this thread. Freed with release, taken with acquire: critical sections follow one
///                   another. The lock's node put in the own one's place with release: the thread that links itself
///                   behind it does so after the last unlock has cleared the link.
///           [next]  released by the thread that links itself, acquired by the one that tells it.
///           [told]  released by unlock, acquired by the thread that gets the lock: critical sections follow one
///                   another.
/// Source    Mellor-Crummey and Scott, ACM TOCS 9 (1991), section 2.4; the lock's own node is the K42 variant's
///           (Scott, Shared-Memory Synchronization, 2013, section 4.3). Aether's authors use an MCS lock.
/// Differs   from the authors' code in where nodes lie: theirs are in a consolidation slot, which is handed on with
///           the lock; here the holder has none to hand on.
template <class Platform>
class McsLock {
 public:
  static constexpr LockKind kKind = LockKind::mcs;
  static constexpr Progress kUnlock = Progress::blocking;

  McsLock() {
    tail_.describe("lock");
    held_.next.describe("next of the lock");
  }

  bool try_lock() {
    Node* expected = nullptr;
    return tail_.load(std::memory_order_relaxed) == nullptr &&  // do not write a busy lock's line
           tail_.compare_exchange(expected, &held_, std::memory_order_acquire,
                                  std::memory_order_relaxed);  // [tail]
  }

  void lock() {
    if (!try_lock()) lock_in_queue();
  }

  void unlock() {
    Node* next = held_.next.load(std::memory_order_acquire);  // [next]
    if (next == nullptr) {
      Node* expected = &held_;
      if (tail_.compare_exchange(expected, nullptr, std::memory_order_release, std::memory_order_relaxed)) {
        return;  // [tail]
      }
      next = linked_behind(held_);
    }
    held_.next.store(nullptr, std::memory_order_relaxed);  // carried by [told], and from there by [tail]
    static_cast<Waiter*>(next)->told.store(1, std::memory_order_release);  // [told]
  }

 private:
  struct Node {
    typename Platform::template Atomic<Node*> next{nullptr};  // [next] the one behind it writes
  };
  struct alignas(kCacheLine) Waiter : Node {
    Waiter() {
      this->next.describe("next");
      told.describe("told");
    }
    typename Platform::template Atomic<std::uint32_t> told{0};  // [told] unlock writes
  };

  /// Another thread has come behind `node`, and has linked itself there or is about to.
  static Node* linked_behind(const Node& node) {
    const auto is_linked = [](const Node* next) { return next != nullptr; };
    Platform::await(node.next, is_linked, std::memory_order_acquire, WaitFor::lock);  // [next]
    return node.next.load(std::memory_order_relaxed);
  }

  /// Out of line, so that callers inline what a thread alone does.
  [[gnu::noinline]] void lock_in_queue() {
    Waiter self;
    Node* const before = tail_.exchange(&self, std::memory_order_acq_rel);  // [tail]
    if (before != nullptr) {
      before->next.store(&self, std::memory_order_release);  // [next]
      const auto is_told = [](std::uint32_t told) { return told != 0; };
      Platform::await(self.told, is_told, std::memory_order_acquire, WaitFor::lock);  // [told]
    }
    Node* expected = &self;
    if (tail_.compare_exchange(expected, &held_, std::memory_order_release, std::memory_order_relaxed)) {
      return;  // [tail]
    }
    // The thread that releases the lock reads it; whatever hands the lock on carries it there.
    held_.next.store(linked_behind(self), std::memory_order_relaxed);
  }

  typename Platform::template Atomic<Node*> tail_{nullptr};  // [tail] every thread that comes writes
  Node held_;                                                // the holder's
};

}  // namespace muster
