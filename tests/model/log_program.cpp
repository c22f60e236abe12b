#include "tests/model/log_program.h"

namespace muster::model {
namespace {

void fail(const std::string& violation) {
  Execution::current().fail(violation);
}

}  // namespace

std::string range(Lsn begin, Lsn end) {
  return std::to_string(begin) + ".." + std::to_string(end);
}

void WatchedRing::copy(Lsn begin, Lsn end) {
  Execution& execution = Execution::current();
  if (execution.recording()) execution.mark("copy", "bytes " + range(begin, end));
  for (Lsn lsn = begin; lsn < end; ++lsn) {
    Byte& byte = bytes_[lsn % bytes_.size()];
    if (!execution.happened_before(byte.read) || !execution.happened_before(byte.written)) {
      fail("data race: byte " + std::to_string(lsn) + " is copied over byte " + std::to_string(*byte.lsn) +
           ", whose " + (execution.happened_before(byte.read) ? "copy" : "reading") +
           " did not happen before");
    }
    byte.lsn = lsn;
    byte.written = execution.access();
  }
}

void WatchedRing::read(Lsn begin, Lsn end) {
  Execution& execution = Execution::current();
  if (execution.recording() && begin < end) execution.mark("read", "bytes " + range(begin, end));
  for (Lsn lsn = begin; lsn < end; ++lsn) {
    Byte& byte = bytes_[lsn % bytes_.size()];
    if (byte.lsn != lsn) {
      fail("hole: the boundary " + std::to_string(end) + " passes byte " + std::to_string(lsn) +
           ", which has not been copied");
    }
    if (!execution.happened_before(byte.written)) {
      fail("data race: the drainer reads byte " + std::to_string(lsn) + " below the boundary " +
           std::to_string(end) + ", and its copy did not happen before");
    }
    byte.read = execution.access();
  }
}

void Contract::reserved(const Reservation& reservation, Lsn returned_before) {
  if (reservation.begin < returned_before) {
    fail("order: a reservation at " + std::to_string(reservation.begin) +
         " began after one had returned that ends at " + std::to_string(returned_before));
  }
  if (reservation.end() > recycled_ + capacity_) {
    fail("overwrite: a reservation ends at " + std::to_string(reservation.end()) +
         ", and only the space below " + std::to_string(recycled_) + " is recycled");
  }
  const std::byte* const begins = reservation.bytes.data() - reservation.begin % capacity_;
  if (ring_begin_ == nullptr) ring_begin_ = begins;
  if (begins != ring_begin_)
    fail("bytes: those of " + range(reservation.begin, reservation.end()) + " lie elsewhere");
  returned_ = std::max(returned_, reservation.end());
  ranges_.emplace_back(reservation.begin, reservation.end());
}

void Contract::advanced(Lsn boundary) {
  if (boundary < boundary_) {
    fail("the boundary falls from " + std::to_string(boundary_) + " to " + std::to_string(boundary));
  }
  ring_.read(boundary_, boundary);
  const auto ends_there = [boundary](const auto& range) { return range.second == boundary; };
  if (boundary != boundary_ && std::none_of(ranges_.begin(), ranges_.end(), ends_there)) {
    fail("cut: the boundary " + std::to_string(boundary) + " is inside a reservation");
  }
  previous_boundary_ = boundary_;
  boundary_ = boundary;
}

void Contract::observed(Lsn end, const Reservation& own) {
  if (end < own.end()) {
    fail("reserved: " + std::to_string(end) + ", and the worker that asks has reserved up to " +
         std::to_string(own.end()));
  }
  if (end > begun_)
    fail("reserved: " + std::to_string(end) + ", and all that has been asked for ends at " +
         std::to_string(begun_));
}

void Contract::ended(Lsn boundary, Lsn reserved) {
  if (boundary != reserved) {
    fail("quiescence: nothing is in flight, the boundary is " + std::to_string(boundary) + " and the end " +
         std::to_string(reserved));
  }
  std::sort(ranges_.begin(), ranges_.end());
  Lsn expected = start_;
  for (const auto& [begin, end] : ranges_) {
    if (begin != expected)
      fail("tiling: " + range(begin, end) + " does not begin at " + std::to_string(expected));
    expected = end;
  }
  if (expected != reserved)
    fail("tiling: the end is " + std::to_string(reserved) + ", and the last record's " +
         std::to_string(expected));
  std::sort(previous_.begin(), previous_.end());
  expected = start_;  // of the first record, which has none before it
  for (const auto& [begin, previous] : previous_) {
    if (previous != expected)
      fail("back-link: before " + std::to_string(begin) + " a record is said to begin at " +
           std::to_string(previous) + ", and it is at " + std::to_string(expected));
    expected = begin;
  }
}

}  // namespace muster::model
