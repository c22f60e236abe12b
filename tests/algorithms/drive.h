#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <functional>
#include <random>
#include <thread>
#include <vector>

#include "algorithms/log_buffer.h"
#include "algorithms/platform.h"

namespace muster::test {

/// What the byte at `lsn` holds once it is filled. It differs from lap to lap of any ring, so that a byte of
/// the lap before, which is what a hole looks like, is told from the right one (but for one chance in 256 a
/// byte).
inline std::byte pattern(Lsn lsn) {
  return static_cast<std::byte>((lsn * 0x9E3779B97F4A7C15u) >> 56);
}

inline void fill(const Reservation& r) {
  for (std::size_t i = 0; i < r.bytes.size(); ++i) r.bytes[i] = pattern(r.begin + i);
}

/// Reserves, and fills what it got; publishing is the caller's.
Reservation filled(auto& log, WorkerId worker, std::uint32_t size) {
  const Reservation r = log.reserve(worker, size);
  fill(r);
  return r;
}

void append(auto& log, WorkerId worker, std::uint32_t size) {
  log.publish(worker, filled(log, worker, size));
}

struct DriveOptions {
  std::uint32_t workers = 2;
  std::uint32_t records = 2000;  // of each worker
  std::uint32_t size_min = 1;    // bytes
  std::uint32_t size_max = 200;  // bytes
  std::uint32_t large_size = 0;  // bytes of every 64th record, where not 0
  bool pauses = false;           // workers sleep, detach and come back
  bool slow_drainer = false;
  std::uint64_t seed = 1;
};

/// What went wrong, counted; nothing is asserted while threads wait for one another.
struct Findings {
  std::uint64_t wrong_bytes = 0;  // below a boundary
  std::uint64_t boundary_fell = 0;
  std::uint64_t past_reserved = 0;     // a boundary above reserved()
  std::uint64_t past_room = 0;         // a boundary above recycled + capacity
  std::uint64_t overwrites = 0;        // a returned reservation above recycled + capacity
  std::uint64_t lsn_fell = 0;          // a reservation below one that had returned before it began
  std::uint64_t gaps_or_overlaps = 0;  // between all reservations, sorted
  std::uint64_t missing = 0;           // bytes that never came below the boundary
  std::uint64_t total() const {
    return wrong_bytes + boundary_fell + past_reserved + past_room + overwrites + lsn_fell +
           gaps_or_overlaps + missing;
  }
};

/// Runs workers and a drainer over `log`, a fresh log buffer, and checks every property of the contract.
template <class A>
Findings drive(A& log, const LogBufferOptions& options, const DriveOptions& how) {
  struct Range {
    Lsn begin, end;
  };
  // Relaxed: the test must not order what the log buffer is there to order, or the race detector would see
  // nothing.
  constexpr auto relaxed = std::memory_order_relaxed;
  std::atomic<Lsn> recycled{options.start};
  std::atomic<Lsn> returned{options.start};  // the largest end of a reservation that has been returned
  std::atomic<std::uint32_t> running{how.workers};
  std::atomic<std::uint64_t> overwrites{0}, lsn_fell{0};
  std::vector<std::vector<Range>> ranges(how.workers);

  const auto work = [&](std::uint32_t index) {
    std::minstd_rand random(static_cast<std::uint32_t>(how.seed * 1000 + index));
    std::uniform_int_distribution<std::uint32_t> sizes(how.size_min, how.size_max);
    WorkerId worker = log.attach();
    for (std::uint32_t i = 0; i < how.records; ++i) {
      const std::uint32_t size = how.large_size != 0 && random() % 64 == 0 ? how.large_size : sizes(random);
      const Lsn before = returned.load(relaxed);
      const Reservation r = log.reserve(worker, size);
      if (r.begin < before) ++lsn_fell;
      if (r.end() > recycled.load(relaxed) + options.capacity) ++overwrites;
      for (Lsn seen = returned.load(relaxed);
           seen < r.end() && !returned.compare_exchange_weak(seen, r.end(), relaxed);) {}
      fill(r);
      if (how.pauses && random() % 256 == 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
      log.publish(worker, r);
      ranges[index].push_back({r.begin, r.end()});
      if (how.pauses && random() % 128 == 0) {
        log.detach(worker);
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
        worker = log.attach();
      }
    }
    log.detach(worker);
    running.fetch_sub(1, std::memory_order_release);  // with drain's acquire: all is published
  };

  Findings findings;
  const auto drain = [&] {
    Lsn drained = options.start;
    const auto step = [&] {
      Lsn boundary = log.advance();
      if (boundary < drained) ++findings.boundary_fell;
      if (boundary > log.reserved()) ++findings.past_reserved;
      if (boundary >
          drained + options.capacity) {  // nobody had room there: draining goes on, so that the test ends
        ++findings.past_room;
        boundary = std::min(log.reserved(), drained + options.capacity);
      }
      if (boundary <= drained) return false;
      const auto bytes = log.bytes(drained, boundary);
      for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (bytes[i] != pattern(drained + i)) ++findings.wrong_bytes;
      }
      // Recycle in two steps, the first of them short of the boundary, as a device that writes whole blocks
      // does.
      const Lsn halfway = drained + (boundary - drained) / 2;
      recycled.store(halfway, relaxed);
      log.recycle(halfway);
      recycled.store(boundary, relaxed);
      log.recycle(boundary);
      drained = boundary;
      return true;
    };
    for (Backoff backoff; running.load(std::memory_order_acquire) != 0;) {
      if (step()) backoff = Backoff{};
      if (how.slow_drainer) std::this_thread::sleep_for(std::chrono::microseconds(100));
      backoff.pause();
    }
    step();
    findings.missing = log.reserved() - drained;
  };

  {
    std::vector<std::jthread> threads;
    threads.emplace_back(drain);
    for (std::uint32_t w = 0; w < how.workers; ++w) threads.emplace_back(work, w);
  }

  findings.overwrites = overwrites;
  findings.lsn_fell = lsn_fell;
  std::vector<Range> all;
  for (const auto& of_worker : ranges) all.insert(all.end(), of_worker.begin(), of_worker.end());
  std::sort(all.begin(), all.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
  Lsn expected = options.start;
  for (const Range& range : all) {
    if (range.begin != expected) ++findings.gaps_or_overlaps;
    expected = range.end;
  }
  if (expected != log.reserved()) ++findings.gaps_or_overlaps;
  return findings;
}

/// Waits, with patience but not for ever, until `condition` holds. For what other threads will do; no test
/// depends on how soon.
inline bool eventually(const std::function<bool()>& condition) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (Backoff backoff; !condition(); backoff.pause()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
  }
  return true;
}

}  // namespace muster::test
