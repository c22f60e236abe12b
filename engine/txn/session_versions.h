#pragma once

#include <algorithm>
#include <memory>
#include <utility>

#include "engine/txn/engine.h"
#include "engine/txn/versions.h"

namespace muster {

/// One session's side of the version store: what its transaction has overwritten, and the snapshot in which it reads.
/// Used by the session's thread.
class SessionVersions {
 public:
  enum class SnapshotOf : std::uint8_t {
    operation,    ///< each operation sees what was committed when it began
    transaction,  ///< all operations see what was committed when the transaction began
  };

  SessionVersions(Engine& engine, WorkerId worker, SnapshotOf snapshot_of)
      : engine_(engine),
        worker_(worker),
        snapshot_of_(snapshot_of),
        queue_(engine.versions.join()),
        floor_(engine.log.reserved()) {}
  ~SessionVersions() { engine_.versions.leave(std::move(queue_)); }  ///< between transactions
  SessionVersions(const SessionVersions&) = delete;
  SessionVersions& operator=(const SessionVersions&) = delete;

  void begin() {
    by_ = Stamp::running(worker_, ++transaction_);
    shown_end_ = floor_;
    if (snapshot_of_ == SnapshotOf::transaction) snapshot_ = enter();
  }
  /// The caller commits or takes back what was written.
  void end() {
    leave();
    written_ = {};
  }

  /// Keeps what the record is before the change. Call under the record's exclusive lock.
  void keep(const RecordChange& change) {
    queue_->make_room(change);
    Version* const version = engine_.versions.keep(*queue_, change, by_);
    if (version == nullptr) return;
    if (written_.count++ == 0) written_.first = version;
  }
  WrittenVersions written() const { return written_; }
  /// Only with SnapshotOf::transaction.
  Timestamp snapshot() const { return snapshot_; }

  /// Holds a snapshot while an operation reads. An operation that a scan's visit() calls is nested in the scan's.
  class Reading {
   public:
    explicit Reading(SessionVersions& session) : session_(session), is_outermost_(!session.has_entered_) {
      if (is_outermost_)
        snapshot_ = session.enter();
      else if (session.snapshot_of_ == SnapshotOf::operation)
        snapshot_ = session.engine_.versions.clock().visible();
      else
        snapshot_ = session.snapshot_;
    }
    ~Reading() {
      if (is_outermost_) session_.leave();
    }
    Reading(const Reading&) = delete;
    Reading& operator=(const Reading&) = delete;

    /// Call after reading the page.
    VersionStore::View look(TableId table, Bytes key) const {
      const VersionStore::View view = session_.engine_.versions.look(table, key, snapshot_, session_.by_);
      session_.shown_end_ = std::max(session_.shown_end_, view.depends_on);
      return view;
    }

   private:
    SessionVersions& session_;
    const bool is_outermost_;
    Timestamp snapshot_;
  };

  /// Whether another transaction has written the record and committed since this one's snapshot, and so is the first
  /// committer. Call under the record's exclusive lock.
  bool comes_second(TableId table, Bytes key) const {
    return snapshot_of_ == SnapshotOf::transaction &&
           engine_.versions.is_overwritten_above(table, key, snapshot_, by_);
  }

  /// The number of the current transaction in its session.
  std::uint32_t transaction() const { return transaction_; }
  /// Whatever was read is durable once the log is durable up to here.
  Lsn depends_on() const { return shown_end_; }

  void collect() { engine_.versions.collect(*queue_); }
  void collect_if_due() {
    if (queue_->is_due()) collect();
  }

 private:
  friend class Reading;

  Timestamp enter() {
    has_entered_ = true;
    return engine_.versions.snapshots().enter(worker_);
  }
  void leave() {
    if (std::exchange(has_entered_, false)) engine_.versions.snapshots().leave(worker_);
  }

  Engine& engine_;
  const WorkerId worker_;
  const SnapshotOf snapshot_of_;
  std::unique_ptr<VersionQueue> queue_;
  const Lsn floor_;  // commits of earlier sessions without versions, perhaps not durable yet, end below
  std::uint32_t transaction_ = 0;
  Stamp by_;
  WrittenVersions written_;
  bool has_entered_ = false;
  Timestamp snapshot_ = 0;  // the transaction's
  Lsn shown_end_ = 0;
};

}  // namespace muster
