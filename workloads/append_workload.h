#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/histogram.h"
#include "workloads/append.h"
#include "workloads/append_drainer.h"
#include "workloads/summary.h"

namespace muster {

/// `append` over one algorithm: a template, so that no virtual call is in the measured loop.
template <LogBufferAlgorithm A>
class AppendWorkload final : public Workload {
 public:
  AppendWorkload(const LogBufferOptions& log_buffer, const AppendOptions& options, std::uint32_t threads,
                 std::uint64_t seed)
      : log_buffer_(log_buffer),
        sizes_(options.bytes),
        largest_(*std::max_element(sizes_.begin(), sizes_.end())),
        straggler_(options.straggler),
        threads_(threads),
        payload_(largest_, seed),
        seed_(seed),
        workers_(threads + options.idle_workers) {
    log_buffer_.max_workers = threads + options.idle_workers;
  }

  std::string_view operations() const override { return "records"; }

  void prepare() override {
    drainer_.reset();
    buffer_.reset();  // before the next one is made: memory for two is not needed
    buffer_ = std::make_unique<A>(log_buffer_);
    LogBufferOptions busy = log_buffer_;  // idle workers want no room
    busy.max_workers = threads_;
    drainer_.emplace(*buffer_, busy, largest_);
    verifier_.emplace(sizes_, payload_, seed_, static_cast<std::uint32_t>(workers_.size()));
    lag_.emplace();
    lag_gained_ = {};
    intervals_.clear();
    sampled_ = false;
    fault_.clear();
    compared_while_warming_up_.reset();
    std::fill(workers_.begin(), workers_.end(), Worker{});
    attach_idle_workers();
  }

  void work(std::uint32_t worker, const RunControl& control, WorkerProgress& progress) override {
    if (worker == 0 && straggler_.count() != 0) {
      straggle(worker, control, progress);
    } else if (sizes_.size() == 1) {
      append(worker, EqualRecords(sizes_[0]), control, progress);
    } else {
      append(worker, DrawnRecords(sizes_, seed_, worker), control, progress);
    }
  }

  bool drains() const override { return true; }

  void drain(RunControl& control) override {
    for (bool last = false; !last;) {
      last = control.workers_have_left();  // asked first: what they appended is there for this look
      const Phase phase = control.phase();
      if (phase == Phase::stop) detach_idle_workers();  // the others may wait for what they hold back
      const Lsn moved = drainer_->look();
      if (phase == Phase::measure) {
        if (!compared_while_warming_up_) begin_windows();
        const Lsn lag = buffer_->reserved() - drainer_->boundary();
        if (moved != 0 || lag != 0) lag_->record(lag);
      }
      if (phase == Phase::measure || A::info.unsafe) {
        drainer_->recycle_batches();
      } else {
        compare(control, phase);
      }
      if (!fault_.empty()) control.stop();
      if (!last) drainer_->pause(moved);
    }
  }

  /// Reads the drainer's histogram while it records.
  Progressed sample(const Progressed& counted) override {
    const HistogramSnapshot lag = lag_gained_(lag_->snapshot());
    if (sampled_) intervals_.emplace_back();
    if (sampled_ && lag.count() != 0) intervals_.back().boundary_lag_max_bytes = lag.max();
    sampled_ = true;
    return counted;
  }

  RepetitionReport finish() override {
    RepetitionReport report;
    report.intervals = intervals_;
    AppendTally all;
    for (const Worker& worker : workers_) {
      all.add(worker.appended);
      add(report.waits, worker.waits);
    }
    if constexpr (!A::info.unsafe) verify(all);
    appended_ += all.records;
    const HistogramSnapshot lag = lag_->snapshot();
    report.boundary_lag_bytes = summary(lag);
    report.distributions.push_back(distribution("boundary_lag", "bytes", lag));
    return report;
  }

  std::vector<Check> close() override {
    if constexpr (A::info.unsafe) {
      return {{fmt::format("records not verified: {} is unsafe", A::info.name), appended_}};
    } else {
      return {{"warm-up: records compared byte by byte", compared_first_},
              {"drain after the last window: records compared byte by byte", compared_last_},
              {"windows included: records whose LSNs tile the log", appended_}};
    }
  }

 private:
  /// Compared between two looks at the phase, and given back at once: workers may wait for room.
  static constexpr std::size_t kStretches = 16;  // in a ring

  /// Records between two looks at the phase: so few that no window notices, and an append costs a nanosecond less.
  static constexpr int kBetweenLooks = 8;

  struct Worker {
    AppendTally appended;
    WaitCounters waits;
  };

  /// Not inlined: of two such loops in one function the compiler keeps half of the variables on the stack.
  template <class Records>
  [[gnu::noinline]] void append(std::uint32_t worker, Records records, const RunControl& control,
                                WorkerProgress& progress) {
    MeasuredWaits waits;
    A& buffer = *buffer_;
    const WorkerId id = buffer.attach();
    for (Phase phase = control.phase(); phase != Phase::stop; phase = control.phase()) {
      waits.begin();
      while (control.phase() == phase) {
        for (int i = 0; i < kBetweenLooks; ++i) {
          const std::uint32_t size = records.next_size();
          records.add(append_record(buffer, id, payload_, {size, worker, records.records()}), size);
        }
        progress.set(records.records(), records.bytes());
      }
    }
    buffer.detach(id);
    workers_[worker] = {records.tally(), waits.end()};
  }

  /// As append(), but each record is published only when the straggler has slept.
  void straggle(std::uint32_t worker, const RunControl& control, WorkerProgress& progress) {
    MeasuredWaits waits;
    DrawnRecords records(sizes_, seed_, worker);
    const WorkerId id = buffer_->attach();
    for (Phase phase = control.phase(); phase != Phase::stop; phase = control.phase()) {
      waits.begin();
      while (control.phase() == phase) {
        const std::uint32_t size = records.next_size();
        const Reservation reservation = buffer_->reserve(id, size);
        payload_.write(reservation.bytes.first(size), {size, worker, records.records()});
        std::this_thread::sleep_for(straggler_);
        buffer_->publish(id, reservation);
        records.add(reservation.begin, size);
        progress.set(records.records(), records.bytes());
      }
    }
    buffer_->detach(id);
    workers_[worker] = {records.tally(), waits.end()};
  }

  /// Each appends one record. They need no threads: what counts is that they are attached.
  void attach_idle_workers() {
    idle_.clear();
    for (std::uint32_t worker = threads_; worker < workers_.size(); ++worker) {
      DrawnRecords records(sizes_, seed_, worker);
      const std::uint32_t size = records.next_size();
      idle_.push_back(buffer_->attach());
      records.add(append_record(*buffer_, idle_.back(), payload_, {size, worker, 0}), size);
      workers_[worker].appended = records.tally();
    }
  }

  void detach_idle_workers() {
    for (const WorkerId id : idle_) buffer_->detach(id);
    idle_.clear();
  }

  /// From here on records are not compared until the workers leave.
  void begin_windows() {
    compared_while_warming_up_ = verifier_->compared();
    verifier_->skip();
  }

  /// Compares the records from where the drainer has recycled to, which is where a record begins, up to the boundary,
  /// or until the phase ends. After the windows these are the records of the last batch at least.
  void compare(const RunControl& control, Phase phase) {
    const Lsn boundary = drainer_->boundary();
    while (drainer_->recycled() < boundary && control.phase() == phase) {
      drainer_->recycle(fault_.empty() ? compared_from(drainer_->recycled(), boundary) : boundary);
    }
  }

  Lsn compared_from(Lsn at, Lsn boundary) {
    const Lsn enough = std::min(boundary, at + log_buffer_.capacity / kStretches);
    for (auto bytes = buffer_->bytes(at, boundary); at < enough;) {
      const std::optional<std::uint32_t> size = verifier_->take(at, bytes);
      if (!size) {
        fault_ = verifier_->fault();
        return boundary;
      }
      at += *size;
      bytes = bytes.subspan(*size);
    }
    return at;
  }

  void verify(const AppendTally& all) {
    const auto fail = [](const std::string& what) {
      throw VerificationError(fmt::format("append, {}: {}", A::info.name, what));
    };
    if (!fault_.empty()) fail(fault_);
    const Lsn start = log_buffer_.start;
    const Lsn end = buffer_->reserved();
    if (drainer_->recycled() != end) {
      fail(fmt::format("LSN {}: expected the boundary at the end, {}, once all workers had left",
                       drainer_->recycled(), end));
    }
    for (std::uint32_t worker = 0; worker < workers_.size(); ++worker) {
      const std::uint64_t appended = workers_[worker].appended.records;
      if (!verifier_->ended(worker, appended)) {
        fail(fmt::format("worker {}: expected {} records, found {}", worker, appended,
                         verifier_->next(worker)));
      }
    }
    if (!all.tiles(start, end)) {
      fail(fmt::format("LSNs {} to {}: expected records of {} bytes that tile them, found {} bytes{}", start,
                       end, end - start, all.bytes,
                       all.bytes == end - start ? " with gaps and overlaps" : ""));
    }
    const std::uint64_t first = compared_while_warming_up_.value_or(verifier_->compared());
    compared_first_ += first;
    compared_last_ += verifier_->compared() - first;
  }

  LogBufferOptions log_buffer_;
  const std::vector<std::uint32_t> sizes_;
  const std::uint32_t largest_;
  const std::chrono::microseconds straggler_;
  const std::uint32_t threads_;  // those that append
  const AppendPayload payload_;
  const std::uint64_t seed_;

  std::unique_ptr<A> buffer_;
  std::vector<Worker> workers_;  // each written once, by its worker, when it leaves; idle ones last

  // The drainer's, until it has been joined; away from what the workers read.
  alignas(kCacheLine) std::optional<AppendDrainer<A>> drainer_;
  std::optional<AppendVerifier> verifier_;
  std::optional<std::uint64_t> compared_while_warming_up_;  // records, once the windows have begun
  std::optional<Histogram> lag_;
  std::vector<WorkerId> idle_;  // attached before the threads start
  std::string fault_;

  // Of the thread that samples.
  alignas(kCacheLine) Gained lag_gained_;
  std::vector<IntervalReport> intervals_;
  bool sampled_ = false;  // in this repetition

  // Records, over all repetitions.
  std::uint64_t appended_ = 0;
  std::uint64_t compared_first_ = 0;
  std::uint64_t compared_last_ = 0;
};

}  // namespace muster
