#pragma once

#include <bit>
#include <string>
#include <vector>

#include "algorithms/consolidation_array.h"
#include "algorithms/handoff_lock.h"
#include "algorithms/workers.h"

namespace muster {

/// Consolidation array, decoupled fill and delegated release: who has filled a range before its predecessors
/// have leaves the release to them instead of waiting.
///
/// Protocol    reserve  as `consolidation_decoupled`. A range, a single worker's or a group's, also gets a
///                      node, the next of a ring of them: nodes stand in the order of LSNs.
///             publish  alone, or the last of a group: put the range's end into its node. If the turn was
///                      there before, release; else the predecessor will find the end there. The first of
///                      every `delegation_chain` nodes is not left: its owner waits for the turn.
///             release  publish the end; put it, the turn, into the next node. If that range's end was there
///                      before, release that range too, and so on; else its owner will find the turn.
///             advance  read what was last published
/// Why nobody is forgotten
///             Owner and predecessor meet in one exchange each on the node, and whoever comes second, and
///             only he, finds the other's value. Both values are LSNs and rise from lap to lap: the turn is
///             the range's begin, which is its predecessor's end, and the range's own end is larger; all
///             that earlier laps have left in the node is smaller than both.
/// Progress    reserve blocking. publish blocking, but only for every delegation_chain-th range; all others
///             take a bounded number of steps, the release of at most that many ranges among them, since no
///             release goes on past a node whose owner waits. advance wait-free.
/// Who waits for whom
///             As `consolidation_decoupled`; the lock's holder also waits until its node may be used again.
/// Invariants  Nodes are used again a chain at a time, once all that a chain was last used for is published.
///             There is a chain more than there are workers, and each unpublished one but the oldest has a
///             worker that waits in it: the next is always found published. A group's slot is kept until the
///             group is published; there is one spare slot more than nodes, so that the group which used the
///             next one had a node that has been used again since.
/// Ordering    [turn]      an owner's exchange releases the group's copies to whoever will release the range,
///                         which acquires them; a predecessor's releases all copies below to the owner, who
///                         acquires them.
///             [published] released by whoever releases a range, acquired by the drainer and by the lock's
///                         holder that starts on a chain of nodes.
///             tail_       written under the lock; relaxed, since reserved() promises nothing about bytes.
/// Source      Aether, PVLDB 3 (2010), section A.3, and VLDBJ 2012 (doi 10.1007/s00778-011-0260-8), delegated
///             buffer release (CDME).
/// Differs     a ring of nodes where the paper links them into a queue like an MCS lock's: the lock that
///             gives out LSNs gives out nodes in their order, so that a successor's node is known before the
///             successor is. Chains are cut at every 32nd range; the authors' code does so at one of 32 slots.
template <class Platform = NativePlatform>
class ConsolidationDelegated;

namespace consolidation_delegated {

struct Range {
  Lsn begin = 0;
  Lsn end = 0;
  std::uint32_t node = 0;
};

template <class Platform>
struct Worker {
  typename ConsolidationArray<Platform, Range>::Slot* group = nullptr;  // of the open reservation, if in one
  std::uint32_t node = 0;                                               // of the open reservation, if alone
  typename Ring<Platform>::KnownRoom room;
};

template <class Platform>
struct alignas(kCacheLine) Node {
  typename Platform::template Atomic<Lsn>
      turn;  // [turn] the range's begin, or its end from an owner who left
};

}  // namespace consolidation_delegated

template <class Platform>
class ConsolidationDelegated : public LogBufferBase<Platform, consolidation_delegated::Worker<Platform>> {
  using Range = consolidation_delegated::Range;
  using Worker = consolidation_delegated::Worker<Platform>;
  using Array = ConsolidationArray<Platform, Range>;
  using Base = LogBufferBase<Platform, Worker>;
  using Base::ring_, Base::workers_;

 public:
  static constexpr std::uint32_t kMaxChain = 1024;
  static constexpr AlgorithmInfo info{.name = "consolidation_delegated",
                                      .title = "Consolidation, delegated",
                                      .source = "Aether, VLDBJ 21 (2012), delegated buffer release",
                                      .reserve = Progress::blocking,
                                      .publish = Progress::blocking,
                                      .advance = Progress::wait_free};

  explicit ConsolidationDelegated(const LogBufferOptions& options)
      : Base(options),
        chain_(checked(options.delegation_chain)),
        chain_begins_(options.max_workers + 1),
        nodes_(chain_begins_.size() * chain_),
        array_(options, static_cast<std::uint32_t>(nodes_.size()) + 1),
        tail_(options.start),
        published_(options.start) {
    tail_.describe("tail");
    published_.describe("published");
    for (auto& begin : chain_begins_) begin.write(options.start);
    for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
      nodes_[i].turn.describe("turn", i);
      nodes_[i].turn.store(options.start, std::memory_order_relaxed);  // before any thread shares it
    }
    next_node_.write(0);
  }

  Reservation reserve(WorkerId worker, std::uint32_t size) {
    ring_.check_size(size);
    Worker& self = workers_[worker];
    if (lock_.try_lock()) {
      const Range range = take(size, self);
      lock_.unlock();
      self.group = nullptr;
      self.node = range.node;
      return {range.begin, ring_.bytes(range.begin, size)};
    }
    const auto [group, offset] = array_.join(worker, size, ring_.capacity());
    self.group = group;
    if (offset == 0) {
      lead(*group, self);
    } else {
      array_.await_range(*group);
    }
    const Lsn begin = array_.range(*group).begin + offset;
    return {begin, ring_.bytes(begin, size)};
  }

  void publish(WorkerId worker, const Reservation& reservation) {
    const Worker& self = workers_[worker];
    if (self.group == nullptr) {
      finish({reservation.begin, reservation.end(), self.node});
    } else if (array_.leave(*self.group, reservation.bytes.size())) {
      finish(array_.range(*self.group));
    }
  }

  Lsn advance() { return this->found(published_.load(std::memory_order_acquire)); }  // [published]
  Lsn reserved() const { return tail_.load(std::memory_order_relaxed); }

  /// For tests and diagnosis.
  typename Array::Joined joined() const { return array_.joined(); }

 private:
  static std::uint32_t checked(std::uint32_t chain) {
    if (!std::has_single_bit(chain) || chain > kMaxChain) {
      reject("delegation_chain", chain, "a power of two from 1 to " + std::to_string(kMaxChain));
    }
    return chain;
  }

  bool starts_chain(std::uint32_t node) const { return (node & (chain_ - 1)) == 0; }
  std::uint32_t after(std::uint32_t node) const { return node + 1 == nodes_.size() ? 0 : node + 1; }

  /// Lock held: the next `size` bytes and their node.
  Range take(std::uint64_t size, Worker& self) {
    const Lsn begin = tail_.load(std::memory_order_relaxed);
    const std::uint32_t node = next_node_.read();
    if (starts_chain(node)) start_chain(node / chain_, begin);
    ring_.wait_for_room(begin + size, self.room);
    tail_.store(begin + size, std::memory_order_relaxed);
    next_node_.write(after(node));
    return {begin, begin + size, node};
  }

  /// Lock held: waits until all that the chain's nodes were last used for is published.
  void start_chain(std::uint32_t chain, Lsn begin) {
    const Lsn last_end = chain_begins_[chain + 1 == chain_begins_.size() ? 0 : chain + 1].read();
    const auto is_reached = [last_end](Lsn published) { return published >= last_end; };
    Platform::await(published_, is_reached, std::memory_order_acquire, WaitFor::predecessor);  // [published]
    chain_begins_[chain].write(begin);
  }

  /// The first of a group: reserves for all who have joined by the time the lock is free.
  void lead(typename Array::Slot& group, Worker& self) {
    lock_.lock();
    const std::uint64_t joined = array_.close(group);
    array_.fill(group, take(joined, self));
    lock_.unlock();
  }

  /// The range is filled: releases it, or leaves that to its predecessor.
  void finish(Range range) {  // a copy: once the end is left, the group's slot is its next leader's
    const auto is_mine = [&](Lsn turn) { return turn == range.begin; };
    auto& turn = nodes_[range.node].turn;
    if (starts_chain(range.node)) {
      Platform::await(turn, is_mine, std::memory_order_acquire, WaitFor::predecessor);  // [turn]
    } else if (!is_mine(turn.load(std::memory_order_acquire)) &&                        // [turn]
               !is_mine(turn.exchange(range.end, std::memory_order_acq_rel))) {         // [turn]
      return;
    }
    release(range.node, range.end);
  }

  /// With the turn: publishes up to `end`, and what has been left to the predecessor behind that.
  void release(std::uint32_t node, Lsn end) {
    for (;;) {
      published_.store(end, std::memory_order_release);  // [published]
      node = after(node);
      const Lsn left = nodes_[node].turn.exchange(end, std::memory_order_acq_rel);  // [turn]
      if (left <= end) return;
      end = left;
    }
  }

  const std::uint32_t chain_;                                        // nodes, a power of two
  std::vector<typename Platform::template Cell<Lsn>> chain_begins_;  // under the lock
  std::vector<consolidation_delegated::Node<Platform>> nodes_;       // in the order of LSNs
  Array array_;
  alignas(kCacheLine) HandoffLock<Platform> lock_;
  typename Platform::template Atomic<Lsn> tail_;                           // the lock's holder writes
  typename Platform::template Cell<std::uint32_t> next_node_;              // under the lock
  alignas(kCacheLine) typename Platform::template Atomic<Lsn> published_;  // handed on; the drainer reads
};
static_assert(LogBufferAlgorithm<ConsolidationDelegated<>>);

}  // namespace muster
