#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/parts/locks.h"
#include "tests/model/execution.h"
#include "tests/model/scripts.h"

namespace muster::model {

/// What is explored of a log buffer: so many workers that append so many records each, and a drainer. Of the engine's
/// programs: `scripts`, and nothing else.
struct Shape {
  Scripts scripts;  // by thread
  std::uint32_t workers = 2;
  std::uint32_t records = 2;            // of each worker
  std::uint32_t advances = 2;           // by the drainer, anywhere among the workers' steps
  std::vector<std::uint32_t> sizes{3};  // of the records, in turn, in bytes
  std::uint32_t idle = 0;               // workers that are attached and do nothing
  bool churn = false;  // workers attach and detach among the steps, not before and after them
  bool lag = false;  // the drainer recycles up to the boundary before the last, as one that still writes does
  bool observe = false;  // workers ask for the end of what is reserved when they have published
  LogBufferOptions options{.capacity = 8,
                           .max_workers = 0,
                           .start = 0,
                           .consolidation_slots = 1,
                           .delegation_chain = 2,
                           .slot_pool = 2,
                           .insert_locks = 2,
                           .lock_free_insert_locks = 2,
                           .link_window = 4,
                           .hop_bits = 1,
                           .funnel_slots = 1};

  std::uint32_t size_of(ThreadId worker, std::uint32_t record) const {
    return sizes[(worker * records + record) % sizes.size()];
  }
};

/// The bytes of the ring as the contract sees them: who has written which byte of the log there, who has read it.
class WatchedRing {
 public:
  explicit WatchedRing(std::size_t capacity) : bytes_(capacity) {}

  void copy(Lsn begin, Lsn end);
  void read(Lsn begin, Lsn end);

 private:
  struct Byte {
    std::optional<Lsn> lsn;
    Execution::Access written, read;
  };
  std::vector<Byte> bytes_;
};

/// What the contract (algorithms/log_buffer.h) promises, watched from outside the log buffer.
class Contract {
 public:
  explicit Contract(const Shape& shape)
      : ring_(shape.options.capacity),
        capacity_(shape.options.capacity),
        start_(shape.options.start),
        recycled_(start_),
        boundary_(start_),
        previous_boundary_(start_),
        returned_(start_),
        begun_(start_) {}

  /// The largest end that any reserve has returned by now.
  Lsn returned() const { return returned_; }
  Lsn boundary() const { return boundary_; }
  Lsn previous_boundary() const { return previous_boundary_; }
  Lsn recycled() const { return recycled_; }

  void reserving(std::uint32_t size) { begun_ += size; }
  void reserved(const Reservation& reservation, Lsn returned_before);
  /// Of an algorithm that says where the record before a reservation begins.
  void follows(const Reservation& reservation, Lsn previous) {
    previous_.emplace_back(reservation.begin, previous);
  }
  void copied(const Reservation& reservation) { ring_.copy(reservation.begin, reservation.end()); }
  void advanced(Lsn boundary);
  void recycling(Lsn upto) { recycled_ = upto; }
  /// `end`, which a worker was told that has published `own`.
  void observed(Lsn end, const Reservation& own);
  /// Nothing is in flight.
  void ended(Lsn boundary, Lsn reserved);

 private:
  WatchedRing ring_;
  const std::size_t capacity_;
  const Lsn start_;
  Lsn recycled_;
  Lsn boundary_;
  Lsn previous_boundary_;
  Lsn returned_;
  Lsn begun_;                              // where the log ends once all that has been asked for is in it
  const std::byte* ring_begin_ = nullptr;  // as the first reservation's bytes say
  std::vector<std::pair<Lsn, Lsn>> ranges_;
  std::vector<std::pair<Lsn, Lsn>> previous_;  // a begin, and that of the record before
};

std::string range(Lsn begin, Lsn end);

/// The algorithms in which a worker's number says no more than where its own state lies, and nobody looks at another's:
/// all workers are alike. With more than one slot, consolidation begins at one that the number chooses; an MCS lock's
/// nodes are told apart by where they lie.
inline constexpr std::string_view kAnonymous[] = {"mutex",
                                                  "latch_flush_latch",
                                                  "decoupled",
                                                  "consolidation",
                                                  "consolidation_decoupled",
                                                  "consolidation_delegated",
                                                  "wiredtiger_slots",
                                                  "mysql_link_buf",
                                                  "length_word"};

inline bool has_workers_alike(std::string_view algorithm, const Shape& shape) {
  return !shape.churn && shape.sizes.size() == 1 && shape.options.consolidation_slots == 1 &&
         shape.options.lock != LockKind::mcs &&
         std::ranges::find(kAnonymous, algorithm) != std::end(kAnonymous);
}

/// Workers and a drainer over one algorithm.
template <class A>
class LogProgram : public Program {
 public:
  explicit LogProgram(Shape shape) : shape_(std::move(shape)) {
    shape_.options.max_workers = shape_.workers + shape_.idle;
  }

  std::uint32_t threads() const override { return shape_.workers + 1; }
  ThreadId alike(ThreadId thread) const override {
    return thread < shape_.workers && has_workers_alike(A::info.name, shape_) ? 0 : thread;
  }
  std::string thread_name(ThreadId thread) const override {
    return thread == shape_.workers ? "drainer" : "worker " + std::to_string(thread);
  }

  void set_up() override {
    log_.emplace(shape_.options);
    contract_.emplace(shape_);
    ids_.resize(shape_.workers);
    for (std::uint32_t i = 0; i < shape_.idle; ++i) log_->attach();
    if (!shape_.churn) {
      for (WorkerId& id : ids_) id = log_->attach();
    }
  }
  void tear_down() override { log_.reset(); }

  void run(ThreadId thread) override {
    if (thread == shape_.workers) {
      drain();
    } else {
      work(thread);
    }
  }

 private:
  void work(ThreadId thread) {
    Execution& execution = Execution::current();
    if (shape_.churn) {
      execution.mark("attach");
      ids_[thread] = log_->attach();
      execution.mark("attached", "slot " + std::to_string(ids_[thread]));
    }
    const WorkerId worker = ids_[thread];
    for (std::uint32_t i = 0; i < shape_.records; ++i) {
      execution.mark("reserve");
      const std::uint32_t size = shape_.size_of(thread, i);
      const Lsn before = contract_->returned();
      contract_->reserving(size);
      const Reservation reservation = log_->reserve(worker, size);
      contract_->reserved(reservation, before);
      if constexpr (requires { log_->previous(worker); }) {
        contract_->follows(reservation, log_->previous(worker));
      }
      if (execution.recording()) execution.mark("reserved", range(reservation.begin, reservation.end()));
      contract_->copied(reservation);
      execution.mark("publish");
      log_->publish(worker, reservation);
      execution.mark("published");
      if (shape_.observe) contract_->observed(log_->reserved(), reservation);
    }
    if (shape_.churn || A::info.stalls_on_idle) {
      execution.mark("detach");
      log_->detach(worker);
      execution.mark("detached");
    }
  }

  void advance(bool lag) {
    Execution& execution = Execution::current();
    execution.mark("advance");
    const Lsn boundary = log_->advance();
    if (execution.recording()) execution.mark("boundary", std::to_string(boundary));
    contract_->advanced(boundary);
    const Lsn upto = lag ? contract_->previous_boundary() : boundary;
    if (upto == contract_->recycled()) return;
    execution.mark("recycle", std::to_string(upto));
    contract_->recycling(upto);
    log_->recycle(upto);
  }

  void drain() {
    Execution& execution = Execution::current();
    for (std::uint32_t i = 0; i < shape_.advances; ++i) advance(shape_.lag);
    for (;;) {  // not searched: one way to the end from wherever the search has led
      execution.rest();
      bool all_finished = true;
      for (ThreadId t = 0; t < shape_.workers; ++t) all_finished = all_finished && execution.finished(t);
      if (all_finished) break;
      const Lsn before = contract_->boundary() + contract_->recycled();
      advance(false);
      if (contract_->boundary() + contract_->recycled() == before) {
        execution.fail("deadlock: workers wait, and the boundary stays at " +
                       std::to_string(contract_->boundary()));
      }
    }
    execution.join_all();
    advance(false);
    contract_->ended(contract_->boundary(), log_->reserved());
  }

  Shape shape_;
  std::optional<A> log_;
  std::optional<Contract> contract_;
  std::vector<WorkerId> ids_;
};

}  // namespace muster::model
