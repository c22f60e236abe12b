#pragma once

#include <atomic>

namespace muster {

/// A store-load barrier for two sides, one frequent and one rare. A frequent thread stores, passes light(), and loads; a rare
/// thread stores, passes heavy(), and loads what the frequent one stores. At least one of the two sees the other's store.
///
/// light()  a compiler's barrier where the kernel has membarrier(2); else a fence.
/// heavy()  makes every thread of this process pass a fence (membarrier, private expedited): some microseconds, and an
///          interrupt of each unit on which a thread of the process runs. Without membarrier a fence.
/// Source   membarrier(2); Dice, Huang, Yang: Asymmetric Dekker Synchronization, 2001.
class AsymmetricBarrier {
 public:
  static void light() noexcept {
    if (has_membarrier_) {
      std::atomic_signal_fence(std::memory_order_seq_cst);  // heavy() makes the machine keep the order
    } else {
      std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with heavy()'s
    }
  }
  static void heavy() noexcept;

 private:
  static bool register_process() noexcept;
  /// False before main(): both halves are fences then, and a fence is right with either half.
  static inline const bool has_membarrier_ = register_process();
};

}  // namespace muster
