// Not a test: a program that has a data race and that the thread sanitizer must reject. Border-Collie on a
// platform that turns every release store into a relaxed one, so that publishing carries no copy to the
// drainer. A build in which the copies are inlined out of the detector's sight would let it pass.
#include <cstdio>
#include <cstring>
#include <thread>

#include "algorithms/border_collie.h"

namespace muster {
namespace {

struct RelaxedPlatform : NativePlatform {
  template <class T>
  class Atomic : public NativePlatform::Atomic<T> {
   public:
    using NativePlatform::Atomic<T>::Atomic;
    void store(T value, std::memory_order) {
      NativePlatform::Atomic<T>::store(value, std::memory_order_relaxed);
    }
  };
};

}  // namespace
}  // namespace muster

int main() {
  using namespace muster;
  BorderCollie<RelaxedPlatform> log({.capacity = 1 << 20, .max_workers = 1});
  constexpr int kRecords = 10000;
  std::byte record[64] = {};
  std::jthread worker([&] {
    const WorkerId id = log.attach();
    for (int i = 0; i < kRecords; ++i) {
      const Reservation r = log.reserve(id, sizeof(record));
      std::memcpy(r.bytes.data(), record, sizeof(record));
      log.publish(id, r);
    }
    log.detach(id);
  });
  std::byte copy[64];
  unsigned sum = 0;
  for (Lsn drained = 0; drained < kRecords * sizeof(record); log.recycle(drained)) {
    for (const Lsn boundary = log.advance(); drained < boundary; drained += sizeof(record)) {
      std::memcpy(copy, log.bytes(drained, drained + sizeof(record)).data(), sizeof(record));
      sum += static_cast<unsigned>(copy[0]);
    }
  }
  std::printf("%u\n", sum);
}
