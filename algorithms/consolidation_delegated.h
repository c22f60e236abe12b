#pragma once

#include <bit>
#include <string>
#include <vector>

#include "algorithms/parts/consolidating.h"

namespace muster {

/// Consolidation array, decoupled fill and delegated release: a worker that has filled a range before its predecessors
/// have filled theirs leaves the release to them and does not wait.
///
/// Protocol    reserve  as `consolidation_decoupled`. A range, a single worker's or a group's, also gets a
///                      node, the next of a ring of them: nodes stand in the order of LSNs.
///             publish  alone, or the last of a group: put the range's end into its node. If the turn was
///                      there before, release; else the predecessor will find the end there. The first of
///                      every `delegation_chain` nodes is not left: its owner waits for the turn.
///             release  publish the end; put it, the turn, into the next node. If that range's end was there
///                      before, release that range too, and so on; else its owner will find the turn.
///             advance  read what was last published
/// Why no range is forgotten
///             Owner and predecessor meet in one exchange each on the node. The one that comes second finds the
///             other's value; the one that comes first does not. Both values are LSNs and rise from lap to lap: the
///             turn is the range's begin, which is its predecessor's end, and the range's own end is larger; all
///             that earlier laps have left in the node is smaller than both.
/// Progress    reserve blocking. publish blocking, but only for every delegation_chain-th range; all others
///             take a bounded number of steps, the release of at most that many ranges among them, since no
///             release goes on past a node whose owner waits. advance wait-free.
/// Why no worker waits for ever
///             As `consolidation_decoupled`; the lock's holder also waits until its node may be used again.
/// Invariants  Nodes are used again a chain at a time, once all that a chain was last used for is published.
///             There is a chain more than there are workers, and each unpublished one but the oldest has a
///             worker that waits in it: the next is always found published. A group's slot is kept until the
///             group is published; there is one spare slot more than nodes, so that the group which used the
///             next one had a node that has been used again since.
/// Ordering    [turn]      an owner's exchange releases the group's copies; the worker that will release the range
///                         acquires them. A predecessor's exchange releases all copies below; the owner acquires
///                         them.
///             [published] released by the worker that releases a range, acquired by the drainer and by the lock's
///                         holder that starts on a chain of nodes.
/// Source      Aether, PVLDB 3 (2010), section A.3, and VLDBJ 2012 (doi 10.1007/s00778-011-0260-8), delegated
///             buffer release (CDME).
/// Differs     a ring of nodes where the paper links them into a queue like an MCS lock's: the lock that
///             gives out LSNs gives out nodes in their order, so that a successor's node is known before the
///             successor is. Chains are cut at every 32nd range; the authors' code does so at one of 32 slots.
template <class Platform = NativePlatform, template <class> class Lock = TtasLock>
class ConsolidationDelegated;

namespace consolidation_delegated {

struct Range : ConsolidatedRange {
  std::uint32_t node = 0;
};

template <class Platform>
struct Locked {
  typename Platform::template Cell<std::uint32_t> next_node;
};

template <class Platform>
struct alignas(kCacheLine) Node {
  typename Platform::template Atomic<Lsn>
      turn;  // [turn] the range's begin, or its end from an owner who left
};

template <class Platform, template <class> class Lock>
using Base = Consolidating<ConsolidationDelegated<Platform, Lock>, Platform, Lock, Range, Locked<Platform>>;

}  // namespace consolidation_delegated

template <class Platform, template <class> class Lock>
class ConsolidationDelegated : public consolidation_delegated::Base<Platform, Lock> {
  using Range = consolidation_delegated::Range;
  using Base = consolidation_delegated::Base<Platform, Lock>;
  using Base::lock_, Base::locked_, Base::published_;
  friend Base;

 public:
  static constexpr std::uint32_t kMaxChain = 1024;
  static constexpr AlgorithmInfo info{.name = "consolidation_delegated",
                                      .title = "Consolidation, delegated",
                                      .source = "Aether, VLDBJ 21 (2012), delegated buffer release",
                                      .reserve = Progress::blocking,
                                      .publish = Progress::blocking,
                                      .advance = Progress::wait_free,
                                      .lock_use = LockUse::handed_on};

  explicit ConsolidationDelegated(const LogBufferOptions& options)
      : Base(options, static_cast<std::uint32_t>(nodes_for(options) + 1)),
        chain_(options.delegation_chain),
        chain_begins_(options.max_workers + 1),
        nodes_(nodes_for(options)) {
    for (auto& begin : chain_begins_) begin.write(options.start);
    for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
      nodes_[i].turn.describe("turn", i);
      nodes_[i].turn.store(options.start, std::memory_order_relaxed);  // before any thread shares it
    }
    locked_.next_node.write(0);
  }

  void publish(WorkerId worker, const Reservation& reservation) {
    const Range* const range = this->filled(worker, reservation);
    if (range != nullptr) finish(range->begin, range->end, range->node);
  }

 private:
  static std::size_t nodes_for(const LogBufferOptions& options) {
    const std::uint32_t chain = options.delegation_chain;
    if (!std::has_single_bit(chain) || chain > kMaxChain) {
      reject("delegation_chain", chain, "a power of two from 1 to " + std::to_string(kMaxChain));
    }
    return chain * (std::size_t{options.max_workers} + 1);
  }

  bool starts_chain(std::uint32_t node) const { return (node & (chain_ - 1)) == 0; }
  std::uint32_t after(std::uint32_t node) const { return node + 1 == nodes_.size() ? 0 : node + 1; }

  Range take(std::uint64_t bytes, typename Base::Worker& self) {
    const std::uint32_t node = locked_.next_node.read();
    if (starts_chain(node)) start_chain(node / chain_);
    const Lsn begin = this->take_bytes(bytes, self);
    locked_.next_node.write(after(node));
    return {{begin, begin + bytes}, node};
  }
  void before_closing() {}  // more slots than nodes: the next one's last group is published
  void taken() { lock_.unlock(); }

  /// Lock held: waits until all that the chain's nodes were last used for is published.
  void start_chain(std::uint32_t chain) {
    const Lsn last_end = chain_begins_[chain + 1 == chain_begins_.size() ? 0 : chain + 1].read();
    const auto is_reached = [last_end](Lsn published) { return published >= last_end; };
    Platform::await(published_, is_reached, std::memory_order_acquire, WaitFor::predecessor);  // [published]
    chain_begins_[chain].write(this->reserved());
  }

  /// The range is filled: releases it, or leaves that to its predecessor. Values, not the group's range: once the end
  /// is left, the slot is its next leader's.
  void finish(Lsn begin, Lsn end, std::uint32_t node) {
    const auto is_mine = [begin](Lsn turn) { return turn == begin; };
    auto& turn = nodes_[node].turn;
    if (starts_chain(node)) {
      Platform::await(turn, is_mine, std::memory_order_acquire, WaitFor::predecessor);  // [turn]
    } else if (!is_mine(turn.load(std::memory_order_acquire)) &&                        // [turn]
               !is_mine(turn.exchange(end, std::memory_order_acq_rel))) {               // [turn]
      return;
    }
    release(node, end);
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

  alignas(kCacheLine) const std::uint32_t chain_;  // nodes, a power of two; off published_'s line
  std::vector<typename Platform::template Cell<Lsn>> chain_begins_;  // under the lock
  std::vector<consolidation_delegated::Node<Platform>> nodes_;       // in the order of LSNs
};
static_assert(LogBufferAlgorithm<ConsolidationDelegated<>>);

}  // namespace muster
