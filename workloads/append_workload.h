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
        payload_(*std::max_element(sizes_.begin(), sizes_.end()), seed),
        seed_(seed),
        workers_(threads) {
    log_buffer_.max_workers = threads;
  }

  std::string_view operations() const override { return "records"; }

  void prepare() override {
    buffer_.reset();  // before the next one is made: memory for two is not needed
    buffer_ = std::make_unique<A>(log_buffer_);
    drained_ = seen_ = log_buffer_.start;
    verifier_.emplace(sizes_, payload_, seed_, static_cast<std::uint32_t>(workers_.size()));
    lag_.emplace();
    fault_.clear();
    std::fill(workers_.begin(), workers_.end(), Worker{});
  }

  void work(std::uint32_t worker, const RunControl& control, WorkerProgress& progress) override {
    AppendSizes sizes(sizes_, seed_, worker);
    AppendHeader header{.worker = worker};
    MeasuredWaits waits;
    Phase seen = Phase::warm_up;
    const WorkerId id = buffer_->attach();
    for (Phase phase = control.phase(); phase != Phase::stop; phase = control.phase()) {
      if (phase != seen) [[unlikely]] {
        seen = phase;
        waits.begin();
      }
      header.bytes = sizes.next();
      const Reservation reservation = buffer_->reserve(id, header.bytes);
      payload_.write(reservation.bytes, header);
      buffer_->publish(id, reservation);
      progress.add(1, header.bytes);
      ++header.sequence;
    }
    buffer_->detach(id);
    workers_[worker] = {header.sequence, waits.end()};
  }

  bool drains() const override { return true; }

  void drain(RunControl& control) override {
    for (bool last = false; !last;) {
      last = control.workers_have_left();  // asked first: what they appended is there for this look
      const Lsn boundary = buffer_->advance();
      const Lsn moved = boundary - seen_;
      seen_ = boundary;
      if (moved != 0 && control.phase() == Phase::measure) lag_->record(buffer_->reserved() - boundary);
      take(boundary);
      if (!fault_.empty()) control.stop();
      if (moved < log_buffer_.capacity / kUnhurried && !last) std::this_thread::sleep_for(kPause);
    }
  }

  RepetitionReport finish() override {
    RepetitionReport report;
    for (std::uint32_t worker = 0; worker < workers_.size(); ++worker) {
      appended_ += workers_[worker].appended;
      add(report.waits, workers_[worker].waits);
    }
    if constexpr (!A::info.unsafe) verify();
    report.boundary_lag_bytes = summary(lag_->snapshot());
    return report;
  }

  std::vector<Check> close() override {
    if constexpr (A::info.unsafe) {
      return {{fmt::format("records not verified: {} is unsafe", A::info.name), appended_}};
    } else {
      return {{"records: no gap, none lost, worker, sequence, size, first and last bytes", verified_},
              {"records compared byte by byte", compared_whole_}};
    }
  }

 private:
  /// A drainer that moved by less than this part of the ring lets the workers alone for a moment, as one that
  /// writes would: looking for the boundary without a break costs the workers the cache lines that it reads, and
  /// most where there is least else to do, as `bound`'s drainer has.
  static constexpr std::size_t kUnhurried = 4;
  static constexpr std::chrono::microseconds kPause{20};

  struct Worker {
    std::uint64_t appended = 0;
    WaitCounters waits;
  };

  void take(Lsn boundary) {
    for (bool more = true; more && drained_ < boundary;) {
      Lsn next = boundary;
      if constexpr (!A::info.unsafe) {
        if (fault_.empty()) next = verified_up_to(boundary);
      }
      more = next != drained_;  // else the boundary lies inside a record: the rest of it comes later
      if (more) buffer_->recycle(next);
      drained_ = next;
    }
  }

  /// Verifies an eighth of the ring or so, such that space is given back before all of it has been read.
  Lsn verified_up_to(Lsn boundary) {
    const bool behind = buffer_->reserved() - drained_ > log_buffer_.capacity / 2;
    const auto depth = behind ? AppendVerifier::Depth::edges : AppendVerifier::Depth::every_byte;
    const Lsn enough = drained_ + log_buffer_.capacity / 8;
    Lsn at = drained_;
    for (auto bytes = buffer_->bytes(at, boundary); !bytes.empty() && at < enough;) {
      const std::optional<std::uint32_t> size = verifier_->take(at, bytes, depth);
      if (!size) {
        fault_ = verifier_->fault();
        return boundary;
      }
      if (*size == 0) break;
      at += *size;
      bytes = bytes.subspan(*size);
    }
    return at;
  }

  void verify() {
    const auto fail = [](const std::string& what) {
      throw VerificationError(fmt::format("append, {}: {}", A::info.name, what));
    };
    if (!fault_.empty()) fail(fault_);
    if (drained_ != buffer_->reserved()) {
      fail(fmt::format("LSN {}: expected the boundary at the end, {}, once all workers had left", drained_,
                       buffer_->reserved()));
    }
    for (std::uint32_t worker = 0; worker < workers_.size(); ++worker) {
      const std::uint64_t found = verifier_->records_of(worker);
      if (found != workers_[worker].appended) {
        fail(fmt::format("worker {}: expected {} records, found {}", worker, workers_[worker].appended,
                         found));
      }
    }
    verified_ += verifier_->records();
    compared_whole_ += verifier_->compared_whole();
  }

  LogBufferOptions log_buffer_;
  const std::vector<std::uint32_t> sizes_;
  const AppendPayload payload_;
  const std::uint64_t seed_;

  std::unique_ptr<A> buffer_;
  std::vector<Worker> workers_;  // each written once, by its worker, when it leaves

  // The drainer's, until it has been joined; away from what the workers read.
  alignas(kCacheLine) Lsn drained_ = 0;  // up to here: verified and given back
  Lsn seen_ = 0;                         // the boundary at the last look
  std::optional<AppendVerifier> verifier_;
  std::optional<Histogram> lag_;
  std::string fault_;

  std::uint64_t appended_ = 0;  // over all repetitions
  std::uint64_t verified_ = 0;
  std::uint64_t compared_whole_ = 0;
};

}  // namespace muster
