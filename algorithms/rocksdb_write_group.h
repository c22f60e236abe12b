#pragma once

#include <algorithm>

#include "algorithms/parts/workers.h"

namespace muster {

/// RocksDB's write thread: workers link themselves into a list, and the oldest of them leads a group of those that it
/// finds there.
///
/// Protocol    reserve  put the own writer at the list's newest end by a compare-and-swap, the one before as its `older`.
///                      There was none: lead. Else wait to be told: to lead, or where the own range begins.
///                      lead: from the newest writer back, say of each which is the next newer one. The group goes
///                      from the leader on, up to that newest writer or as many bytes as a group may have. Take space
///                      for all in one piece, wait for room, tell each member where its range begins
///             publish  count the group's open ranges down. Not the last: wait until the group is over. The last: the
///                      boundary goes to the group's end; take the group off the list; if workers have joined behind it,
///                      tell the oldest of them to lead; then tell the other members that the group is over.
///             advance  the boundary
/// Progress    reserve and publish blocking: a leader, and the members of the own group. advance wait-free.
/// Why it is right
///             There is one group at a time. Its space is one piece, which begins where the last group's ended; the
///             boundary reaches its end once all its members have published, and no other space has been taken then.
/// Invariants  A writer is in the list from its reserve until its group is over. Its worker returns from publish after
///             that only, so that no other thread looks at a writer that has joined again.
///             The leader alone uses `tail` and the group, then the last member. The last member hands them on: to the next
///             leader by that one's state, or, if no worker is behind, through the list's end to the worker that joins next.
///             A group's bytes fit in the ring: the leader waits for room with the boundary at the group's begin.
/// Ordering    [newest]  joined and left by read-modify-writes with release, which carry on each other's: a writer's size
///                       and `older` are there for the leader that comes upon it, and what the last group left for a
///                       leader that found the list empty. A leader's look acquires, that of the last member too, which
///                       looks for the next leader.
///             [state]   released, acquired by the wait: where the range begins and what is known of room; leadership, with
///                       the tail and the group; the group's end, after which the writer may be used again.
///             [open]    counted down with acq_rel: the last member has every copy of the group.
///             [boundary] released by the last member, acquired by the drainer: the copies of the group, and of those before.
/// Source      RocksDB, db/write_thread.cc: LinkOne, JoinBatchGroup, EnterAsBatchGroupLeader, CreateMissingNewerLinks,
///             ExitAsBatchGroupLeader, and LaunchParallelMemTableWriters; include/rocksdb/options.h.
/// Differs     RocksDB's leader writes the batches of all to the log; its members may then fill the memtable side by side,
///             each a part, and the last of them does the leader's exit. A log buffer's record is written in
///             place by its worker, so that here the group fills the log in that second way.
///             A waiting writer spins, yields and then sleeps on a condition variable of its own; here it waits as
///             all waits do here. There are no writers that refuse to be in a group (sync, disable WAL, callbacks), no
///             write stall, and no second queue for the memtables. The size of a group is RocksDB's (1 MiB, and little
///             more than a small leader brings), but no more than the ring.
template <class Platform = NativePlatform>
class RocksdbWriteGroup;

namespace rocksdb_write_group {

enum State : std::uint32_t {
  kWaiting,   // in the list, and in no group yet
  kLeads,     // the oldest in the list
  kMember,    // its range begins at `begin`
  kFinished,  // its group is over
};

/// What one worker puts in the list. The leader of the group that it comes into reads and writes it.
template <class Platform>
struct Writer {
  typename Platform::template Atomic<std::uint32_t> state{kFinished};  // [state]
  typename Platform::template Cell<std::uint32_t> size;
  typename Platform::template Cell<Writer*> older;  // null: no writer was there before
  typename Platform::template Cell<Writer*> newer;  // null until a leader has found it
  typename Platform::template Cell<Lsn> begin;
};

}  // namespace rocksdb_write_group

template <class Platform>
class RocksdbWriteGroup : public LogBufferBase<Platform, rocksdb_write_group::Writer<Platform>> {
  using Writer = rocksdb_write_group::Writer<Platform>;
  using Base = LogBufferBase<Platform, Writer>;
  using Base::ring_, Base::workers_;

 public:
  /// Bytes that a group may have, and by how much a leader with few bytes may exceed its own.
  static constexpr std::uint64_t kGroupBytes = std::uint64_t{1} << 20;
  static constexpr std::uint64_t kSmallBytes = kGroupBytes / 8;
  static constexpr AlgorithmInfo info{.name = "rocksdb_write_group",
                                      .title = "RocksDB write group",
                                      .source = "RocksDB, db/write_thread.cc",
                                      .reserve = Progress::blocking,
                                      .publish = Progress::blocking,
                                      .advance = Progress::wait_free};

  explicit RocksdbWriteGroup(const LogBufferOptions& options)
      : Base(options), tail_(options.start), boundary_(options.start) {
    newest_.describe("newest");
    open_.describe("open");
    tail_.describe("tail");
    boundary_.describe("group's end");
    for (WorkerId w = 0; w < workers_.max(); ++w) workers_[w].state.describe("state", w);
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Writer& self = workers_[worker];
    if (joins_as_leader(self, size) || is_told_to_lead(self)) lead(self);
    const Lsn begin = self.begin.read();
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId worker, const Reservation&) {
    Writer& self = workers_[worker];
    if (open_.fetch_sub(1, std::memory_order_acq_rel) != 1) {  // [open]
      const auto is_finished = [](std::uint32_t state) { return state == rocksdb_write_group::kFinished; };
      Platform::await(self.state, is_finished, std::memory_order_acquire, WaitFor::predecessor);  // [state]
      return;
    }
    const Group group = group_.read();
    boundary_.store(group.end, std::memory_order_release);  // [boundary]
    hand_on(*group.last);
    finish(group, self);
  }

  Lsn advance() { return this->found(boundary_.load(std::memory_order_acquire)); }  // [boundary]
  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }  // a number, which orders nothing

 private:
  struct Group {
    Writer* first = nullptr;
    Writer* last = nullptr;
    Lsn end = 0;
  };

  /// RocksDB: LinkOne.
  bool joins_as_leader(Writer& self, std::uint32_t size) {
    self.state.store(rocksdb_write_group::kWaiting, std::memory_order_relaxed);  // [newest] carries it
    self.size.write(size);
    self.newer.write(nullptr);
    Writer* before = newest_.load(std::memory_order_relaxed);
    do {
      self.older.write(before);
    } while (!newest_.compare_exchange(before, &self, std::memory_order_release,
                                       std::memory_order_relaxed));  // [newest]
    return before == nullptr;
  }

  static bool is_told_to_lead(Writer& self) {
    const auto is_told = [](std::uint32_t state) { return state != rocksdb_write_group::kWaiting; };
    Platform::await(self.state, is_told, std::memory_order_acquire, WaitFor::predecessor);  // [state]
    return self.state.load(std::memory_order_relaxed) == rocksdb_write_group::kLeads;
  }

  /// RocksDB: EnterAsBatchGroupLeader. The leader alone is here.
  void lead(Writer& self) {
    Writer* const newest = newest_.load(std::memory_order_acquire);  // [newest]
    link_newer(newest);
    const std::uint64_t most = most_bytes(self.size.read());
    std::uint64_t bytes = self.size.read();
    std::uint32_t members = 1;
    Writer* last = &self;
    while (last != newest && bytes + last->newer.read()->size.read() <= most) {
      last = last->newer.read();
      bytes += last->size.read();
      ++members;
    }
    Lsn begin = tail_.load(std::memory_order_relaxed);  // the last leader's, which handed it on
    const Lsn end = begin + bytes;
    tail_.store(end, std::memory_order_relaxed);
    ring_.wait_for_room(end, room_);
    group_.write({.first = &self, .last = last, .end = end});
    open_.store(members, std::memory_order_relaxed);  // [state] carries it to the members
    // A member that has been told may publish, but the group is not over before its leader has.
    for (Writer* writer = &self;; writer = writer->newer.read()) {
      writer->begin.write(begin);
      begin += writer->size.read();
      if (writer != &self)
        writer->state.store(rocksdb_write_group::kMember, std::memory_order_release);  // [state]
      if (writer == last) break;
    }
  }

  /// RocksDB: CreateMissingNewerLinks.
  static void link_newer(Writer* newest) {
    for (Writer* writer = newest; Writer* const older = writer->older.read(); writer = older) {
      if (older->newer.read() != nullptr) break;
      older->newer.write(writer);
    }
  }

  /// RocksDB: ExitAsBatchGroupLeader. The last member takes the group, which ends with `last`, off the list.
  void hand_on(Writer& last) {
    Writer* newest = &last;
    if (newest_.compare_exchange(newest, nullptr, std::memory_order_release, std::memory_order_acquire)) {
      return;  // [newest]
    }
    link_newer(newest);
    Writer* const next = last.newer.read();
    next->older.write(nullptr);
    next->state.store(rocksdb_write_group::kLeads, std::memory_order_release);  // [state]
  }

  void finish(const Group& group, Writer& self) {
    Writer* writer = group.first;
    for (bool is_last = false; !is_last;) {
      is_last = writer == group.last;
      Writer* const newer = is_last ? nullptr : writer->newer.read();  // before it may join again
      if (writer != &self)
        writer->state.store(rocksdb_write_group::kFinished, std::memory_order_release);  // [state]
      writer = newer;
    }
  }

  std::uint64_t most_bytes(std::uint32_t of_leader) const {
    const std::uint64_t most = of_leader <= kSmallBytes ? of_leader + kSmallBytes : kGroupBytes;
    return std::min<std::uint64_t>(most, ring_.capacity());
  }

  // Every worker's.
  alignas(kCacheLine) typename Platform::template Atomic<Writer*> newest_{nullptr};  // [newest]
  alignas(kCacheLine) typename Platform::template Atomic<std::uint32_t> open_{0};    // [open] ranges
  // The leader's, and the last member's.
  alignas(kCacheLine) typename Platform::template Cell<Group> group_;
  typename Ring<Platform>::KnownRoom room_;
  typename Platform::template Atomic<Lsn> tail_;
  alignas(kCacheLine) typename Platform::template Atomic<Lsn> boundary_;  // [boundary] the last member writes
};
static_assert(LogBufferAlgorithm<RocksdbWriteGroup<>>);

}  // namespace muster
