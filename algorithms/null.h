#pragma once

#include <memory>
#include <utility>

#include "algorithms/parts/workers.h"

namespace muster {

/// Does nothing: the price of the harness around an append.
///
/// Protocol    reserve  the worker's own scratch bytes, at LSNs that it alone counts
///             publish  nothing
///             advance  the start, for ever
/// Progress    wait-free.
/// Unsafe      the ranges of two workers overlap and no byte reaches a drainer.
/// Source      fio's null engine, as an idea.
template <class Platform = NativePlatform>
class Null {
 public:
  static constexpr AlgorithmInfo info{.name = "null",
                                      .title = "Null",
                                      .source = "none: the harness alone",
                                      .reserve = Progress::wait_free,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free,
                                      .unsafe = true};

  explicit Null(const LogBufferOptions& options) : ring_(options), workers_(options), start_(options.start) {}

  WorkerId attach() {
    // Before a slot is taken: one that there is no memory for would stay taken.
    auto scratch = std::make_unique_for_overwrite<std::byte[]>(ring_.capacity());
    const WorkerId worker = workers_.attach();
    workers_[worker].scratch = std::move(scratch);
    return worker;
  }
  void detach(WorkerId worker) { workers_.detach(worker); }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    const Lsn begin = start_ + self.reserved;
    self.reserved += size;
    return {begin, {self.scratch.get(), size}};
  }
  void publish(WorkerId, const Reservation&) {}

  Lsn advance() { return start_; }
  Lsn boundary() const { return start_; }
  Lsn reserved() const { return start_; }
  void recycle(Lsn) {}
  std::span<const std::byte> bytes(Lsn begin, Lsn end) const { return ring_.bytes(begin, end); }

 private:
  struct Worker {
    std::unique_ptr<std::byte[]> scratch;
    Lsn reserved = 0;
  };

  Ring<Platform> ring_;  // for its limits and its (empty) bytes; no worker touches it
  Workers<Platform, Worker> workers_;
  const Lsn start_;
};
static_assert(LogBufferAlgorithm<Null<>>);

}  // namespace muster
