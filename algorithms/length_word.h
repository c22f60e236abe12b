#pragma once

#include <vector>

#include "algorithms/parts/workers.h"

namespace muster {

/// A record's length is written last: the drainer goes from length to length, and stops at the first that is not there.
///
/// Protocol    reserve  begin = tail.fetch_add(size); wait for room
///             publish  length[begin] = size
///             advance  while length[boundary] is there: clear it, and go on by as much
/// Progress    reserve (while the ring has room) and publish wait-free. advance wait-free: O(records), of which there are no
///             more than the ring holds, since nothing is recycled meanwhile.
/// Why it is right
///             Records are dense, so that the one at the boundary begins exactly there. Its word is written once it is
///             published, and the drainer alone clears it.
/// Invariants  Every word at or above the boundary is either 0 or the length of the published record that begins there:
///             the drainer clears a word as it goes past, before the space is recycled, and a record of the next lap has
///             its word written after that.
///             Workers have no state that the drainer reads: one that is idle, newly attached or gone holds nothing back.
/// Ordering    [length] stored with release, loaded with acquire: the copy is visible to the drainer. Cleared relaxed: the
///                      worker of the next lap writes behind it, since it has acquired the room (ring.h).
///             tail_    relaxed: it hands out disjoint ranges and publishes nothing.
/// Source      Aeron's log buffers, github.com/real-logic/aeron: TermAppender's claim, HeaderWriter, TermReader; as an idea.
/// Differs     Aeron's length is the first word of a frame, in the log itself: frames are aligned, a term ends in a frame
///             of padding, and a clean term is ready before the log gets there, which some thread has filled with zeros.
///             Here records have any size, nothing lies between them, and their bytes are the worker's alone. So
///             lengths lie beside the ring, a word for each byte at which a record may begin, and each costs a cache
///             line that the header's length does not. The drainer clears what it has read, and nothing else.
///             Aeron also writes a negative length before the copy, by which a dead publisher's frame can be skipped.
template <class Platform = NativePlatform>
class LengthWord : public LogBufferBase<Platform, typename Ring<Platform>::KnownRoom> {
  using Base = LogBufferBase<Platform, typename Ring<Platform>::KnownRoom>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr AlgorithmInfo info{.name = "length_word",
                                      .title = "Length word",
                                      .source = "Aeron's log buffers, github.com/real-logic/aeron",
                                      .reserve = Progress::wait_free,
                                      .publish = Progress::wait_free,
                                      .advance = Progress::wait_free};

  explicit LengthWord(const LogBufferOptions& options)
      : Base(options), lengths_(ring_.capacity()), tail_(options.start) {
    tail_.describe("tail");
    for (std::size_t i = 0; i < lengths_.size(); ++i)
      lengths_[i].describe("length", static_cast<std::uint32_t>(i));
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    const Lsn begin = tail_.fetch_add(size, std::memory_order_relaxed);
    ring_.wait_for_room(begin + size, workers_[worker]);
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId, const Reservation& reservation) {
    const auto size = static_cast<std::uint32_t>(reservation.bytes.size());
    length_at(reservation.begin).store(size, std::memory_order_release);  // [length]
  }

  Lsn advance() {
    Lsn boundary = this->last_found();
    for (;;) {
      auto& length = length_at(boundary);
      const std::uint32_t size = length.load(std::memory_order_acquire);  // [length]
      if (size == 0) return this->found(boundary);
      length.store(0, std::memory_order_relaxed);  // [length]
      boundary += size;
    }
  }

  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }  // a number, which orders nothing

 private:
  auto& length_at(Lsn lsn) { return lengths_[lsn & (lengths_.size() - 1)]; }

  std::vector<typename Platform::template Atomic<std::uint32_t>> lengths_;  // [length]
  alignas(kCacheLine) typename Platform::template Atomic<Lsn> tail_;        // every worker writes
};
static_assert(LogBufferAlgorithm<LengthWord<>>);

}  // namespace muster
