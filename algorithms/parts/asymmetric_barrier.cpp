#include "algorithms/parts/asymmetric_barrier.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <exception>

namespace muster {

bool AsymmetricBarrier::register_process() noexcept {
  return ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

void AsymmetricBarrier::heavy() noexcept {
  if (!has_membarrier_) {
    std::atomic_thread_fence(std::memory_order_seq_cst);  // pairs with light()'s
  } else if (::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0) {
    std::
        terminate();  // for lack of kernel memory, or by a new filter: to go on would lose a lock, or leave a hole
  }
}

}  // namespace muster
