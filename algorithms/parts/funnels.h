#pragma once

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "algorithms/parts/ring.h"

namespace muster {

/// Aggregating funnels: workers that add to a counter meet in one of a few funnels, and one of them adds for all that
/// are there.
///
/// Protocol    A funnel is a word that counts bytes and tickets, and a ring of entries, one a ticket in turn.
///             add   word += (size, 1 ticket). Wait at the ticket's entry: it leads, or it is told.
///                   told: begin = where its batch begins + the bytes that came into the funnel between its leader and it
///                   leads: read the word: the batch is all that has come in by now. begin = counter.fetch_add(the
///                   batch's bytes). Tell each of the others where the batch begins, in the order of tickets. Then tell the
///                   entry of the next ticket that it leads. A worker may take that ticket later.
/// Progress    blocking: a leader is waited for. It waits for nothing but for a worker to have read what it has been told
///             a lap of the entries ago.
/// Why it is right
///             A batch is one fetch-add of the counter, between the begin and the return of each of its members, and
///             gives them adjacent ranges in the order of their tickets: linearisable. A worker that came in after
///             another one had returned is behind the batch of that one, which had been closed.
/// Invariants  One ticket of a funnel leads at a time. A leader hands on only after every entry of its batch has been told,
///             or a worker that comes back would take an entry that is still to be told. An entry is told anew only once
///             the worker of a lap ago has read it: that worker may sleep while others go round.
///             The word is 2^16 times the bytes plus the tickets, exactly, modulo 2^64: a difference of two of its values
///             gives the bytes and the tickets between them, whatever has overflowed.
/// Ordering    `order` is as with one fetch-add of the counter:
///             [word]   added to with release, read by the leader with acquire, if that is asked for: what a member
///                      has done before comes before the leader's fetch-add, which releases it in turn. Additions continue
///                      one another's release sequence.
///             [entry]  told with release, acquired by the wait: where the batch begins; and the fetch-add, so that a
///                      member that looks at the counter afterwards finds its own range in it. Read: released, for the one
///                      that tells the entry anew, which acquires it.
/// Source      Roh, Wei, Ruppert, Fatourou, Jayanti and Shun, Aggregating Funnels for Faster Fetch&Add and Queues, PPoPP
///             2025 (doi 10.1145/3710848.3710873).
/// Differs     The paper's leader leaves one object for its batch, in a list that its members search and that is freed by
///             epochs. Here it tells each of them: nothing is allocated, and a member reads a line that no other member reads;
///             the leader writes as many lines as there are members. Only additions, of 32 bits.
template <class Platform>
class Funnels {
 public:
  static constexpr std::uint32_t kMaxSlots = 64;
  static constexpr std::uint32_t kMaxWorkers = std::uint32_t{1} << 15;
  using Counter = typename Platform::template Atomic<Lsn>;

  explicit Funnels(const LogBufferOptions& options) : funnels_(checked(options)) {
    const std::size_t most =
        (options.max_workers + funnels_.size() - 1) / funnels_.size();  // workers in one of them
    for (Funnel& funnel : funnels_) funnel.open(std::bit_ceil(most));
  }

  Lsn add(Counter& counter, WorkerId worker, std::uint32_t size, std::memory_order order) {
    Funnel& funnel = funnels_[worker % funnels_.size()];
    const std::uint64_t joined =
        funnel.word.fetch_add((std::uint64_t{size} << kTicketBits) | 1, order);  // [word]
    Entry& entry = funnel.entry(joined);
    const auto is_mine = [=](std::uint64_t state) { return state == leads(joined) || state == told(joined); };
    Platform::await(entry.state, is_mine, std::memory_order_acquire, WaitFor::predecessor);  // [entry]
    const bool is_leader = entry.state.load(std::memory_order_relaxed) == leads(joined);
    const Batch batch = is_leader ? Batch{} : entry.batch.read();
    entry.state.store(free(joined + funnel.entries.size()), std::memory_order_release);  // [entry]
    return is_leader ? lead(funnel, counter, joined, order) : batch.begin + bytes(joined - batch.joined);
  }

 private:
  /// Of the word: tickets, of which entries have the number; above them bytes.
  static constexpr std::uint32_t kTicketBits = 16;
  static constexpr std::uint64_t ticket(std::uint64_t word) {
    return word & ((std::uint64_t{1} << kTicketBits) - 1);
  }
  static constexpr std::uint64_t bytes(std::uint64_t difference) { return difference >> kTicketBits; }

  // An entry's state: the ticket that it belongs to, and what it says.
  static constexpr std::uint64_t free(std::uint64_t word) { return ticket(word) << 2; }
  static constexpr std::uint64_t told(std::uint64_t word) { return free(word) | 1; }
  static constexpr std::uint64_t leads(std::uint64_t word) { return free(word) | 2; }

  struct Batch {
    Lsn begin = 0;             // in the counter
    std::uint64_t joined = 0;  // the word that its leader has found
  };

  struct alignas(kCacheLine) Entry {
    typename Platform::template Atomic<std::uint64_t> state;  // [entry]
    typename Platform::template Cell<Batch> batch;
  };

  struct alignas(kCacheLine) Funnel {
    Funnel() { word.describe("funnel"); }
    void open(std::size_t size) {
      entries = std::vector<Entry>(size);
      for (std::uint32_t i = 0; i < size; ++i) {
        entries[i].state.describe("entry", i);
        entries[i].state.store(i == 0 ? leads(0) : free(i), std::memory_order_relaxed);  // not shared yet
      }
    }
    Entry& entry(std::uint64_t joined) { return entries[ticket(joined) & (entries.size() - 1)]; }

    typename Platform::template Atomic<std::uint64_t> word{0};  // [word]
    std::vector<Entry> entries;                                 // a power of two
  };

  static std::uint32_t checked(const LogBufferOptions& options) {
    if (options.funnel_slots == 0 || options.funnel_slots > kMaxSlots) {
      reject("funnel_slots", options.funnel_slots, "1 to " + std::to_string(kMaxSlots));
    }
    if (options.max_workers > kMaxWorkers) {
      reject("max_workers", options.max_workers,
             std::to_string(kMaxWorkers) + " at most, what a funnel can tell apart");
    }
    return options.funnel_slots;
  }

  Lsn lead(Funnel& funnel, Counter& counter, std::uint64_t joined, std::memory_order order) {
    const bool releases = order != std::memory_order_relaxed;
    const std::uint64_t closed =
        funnel.word.load(releases ? std::memory_order_acquire : std::memory_order_relaxed);  // [word]
    const Lsn begin = counter.fetch_add(bytes(closed - joined), order);
    const std::uint64_t members = ticket(closed - joined);
    for (std::uint64_t i = 1; i < members; ++i) tell(funnel, joined + i, told(joined + i), {begin, joined});
    tell(funnel, closed, leads(closed), {});
    return begin;
  }

  static void tell(Funnel& funnel, std::uint64_t of_ticket, std::uint64_t what, const Batch& batch) {
    Entry& entry = funnel.entry(of_ticket);
    const auto is_free = [=](std::uint64_t state) { return state == free(of_ticket); };
    Platform::await(entry.state, is_free, std::memory_order_acquire, WaitFor::predecessor);  // [entry]
    entry.batch.write(batch);
    entry.state.store(what, std::memory_order_release);  // [entry]
  }

  std::vector<Funnel> funnels_;
};

}  // namespace muster
