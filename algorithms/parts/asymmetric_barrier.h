#pragma once

#include <atomic>

namespace muster {

/// A store-load barrier for two sides, one frequent and one rare. A frequent thread stores, passes light(), and loads; a rare
/// thread stores, passes heavy(), and loads what the frequent one stores. At least one of the two sees the other's store.
///
/// light()  a compiler's barrier where the kernel has membarrier(2); else a fence.
/// heavy()  makes every thread of this process pass a fence (membarrier, private expedited): some microseconds, and an
///          interrupt of each unit on which a thread of the process runs. Without membarrier a fence.
/// Source   membarrier(2); Dice, Huang, Yang: Asymmetric Dekker Synchronization, 2001; P1202R5, asymmetric fences.
class AsymmetricBarrier {
 public:
  /// Whether the kernel has membarrier(2), and this process has registered for it. Before main() false: both halves are
  /// fences then. A thread that has passed a fence as its light half needs no membarrier, so that the change does no harm.
  static bool has_membarrier() noexcept { return has_membarrier_; }

  static void light() noexcept {
    if (has_membarrier_) {
      light_of_membarrier();
    } else {
      std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with heavy()'s
    }
  }
  /// light() for a caller that has asked has_membarrier() once, and does something else where there is none.
  static void light_of_membarrier() noexcept {
    std::atomic_signal_fence(std::memory_order_seq_cst);  // heavy() makes the machine keep the order
  }
  /// Ends the process where the kernel refuses a membarrier that it has granted before.
  static void heavy() noexcept;

 private:
  static bool register_process() noexcept;
  static inline const bool has_membarrier_ = register_process();
};

}  // namespace muster
