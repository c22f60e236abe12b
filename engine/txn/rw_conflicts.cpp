#include "engine/txn/rw_conflicts.h"

#include <algorithm>

namespace muster {

void RwConflicts::begin(Transaction& me, Timestamp snapshot) {
  me.snapshot = snapshot;
  me.wrote.store(false, std::memory_order_relaxed);
  me.doomed.store(false, std::memory_order_relaxed);
  me.first_out = me.first_beyond = kNever;
  me.last_in = 0;
  // relaxed: other transactions find it by its marks, which a bucket's latch publishes.
  me.word.store(Transaction::active, std::memory_order_relaxed);
}

/// The state of the other transaction. If it is not over, it will take the latch before it moves on.
SerializableTransaction::State RwConflicts::meet(Transaction& other) {
  std::uint8_t word = other.word.load(std::memory_order_acquire);  // [word]
  for (Backoff backoff;;) {
    const auto state = static_cast<Transaction::State>(word & Transaction::kStates);
    if (state == Transaction::committed || state == Transaction::rolled_back) return state;
    if (state == Transaction::stamping) {
      backoff.pause();
      word = other.word.load(std::memory_order_acquire);  // [word]
    } else if (other.word.compare_exchange_weak(word, word | Transaction::kHasEdges,
                                                std::memory_order_acquire,
                                                std::memory_order_acquire)) {  // [edges], [word]
      return state;
    }
  }
}

void RwConflicts::add(Transaction& reader, Transaction& writer, Transaction& actor) {
  const std::lock_guard guard(latch_);
  Transaction& other = &actor == &reader ? writer : reader;
  const Transaction::State state = meet(other);
  if (state == Transaction::rolled_back) return;
  actor.word.fetch_or(Transaction::kHasEdges, std::memory_order_relaxed);  // [edges]
  if (state == Transaction::committed) {
    if (&other == &writer) return learn_out(reader, writer.limit, writer.first_out);
    return learn_in(writer, limit_of_committed(reader));
  }
  if (!take_row(reader) || !take_row(writer)) {
    actor.doomed.store(true, std::memory_order_relaxed);
    return;
  }
  rows_[reader.slot].out.add(writer.slot);
  rows_[writer.slot].in.add(reader.slot);
}

void RwConflicts::add_out(Transaction& reader, Timestamp first_out, Timestamp first_beyond) {
  const std::lock_guard guard(latch_);
  reader.word.fetch_or(Transaction::kHasEdges, std::memory_order_relaxed);  // [edges]
  learn_out(reader, first_out, first_beyond);
}

void RwConflicts::add_in(Transaction& writer, Timestamp last_in) {
  const std::lock_guard guard(latch_);
  writer.word.fetch_or(Transaction::kHasEdges, std::memory_order_relaxed);  // [edges]
  learn_in(writer, last_in);
}

bool RwConflicts::take_row(Transaction& transaction) {
  if (transaction.slot != Transaction::kNoSlot) return true;
  if (free_count_ == 0) return false;
  transaction.slot = free_[--free_count_];
  rows_[transaction.slot].transaction = &transaction;
  return true;
}

void RwConflicts::give_row_back(Transaction& me) {
  if (me.slot == Transaction::kNoSlot) return;
  Row& row = rows_[me.slot];
  row.in.any([&](std::uint32_t i) { return rows_[i].out.remove(me.slot), false; });
  row.out.any([&](std::uint32_t i) { return rows_[i].in.remove(me.slot), false; });
  row.in.clear();
  row.out.clear();
  row.transaction = nullptr;
  free_[free_count_++] = me.slot;
  me.slot = Transaction::kNoSlot;
}

void RwConflicts::learn_out(Transaction& reader, Timestamp first_out, Timestamp first_beyond) const {
  reader.first_out = std::min(reader.first_out, first_out);
  reader.first_beyond = std::min(reader.first_beyond, first_beyond);
  doom_if_certain(reader);
}

void RwConflicts::learn_in(Transaction& writer, Timestamp last_in) const {
  writer.last_in = std::max(writer.last_in, last_in);
  doom_if_certain(writer);
}

/// With `t` as T1, T3 is dangerous if it has committed up to the result.
Timestamp RwConflicts::limit_as_first(const Transaction& t) const {
  if (t.wrote.load(std::memory_order_relaxed)) return kOpen;
  return rules_.read_only_anomaly ? t.snapshot : 0;
}

Timestamp RwConflicts::limit_of_committed(const Transaction& t) const {
  return t.wrote.load(std::memory_order_relaxed) || rules_.read_only_anomaly ? t.limit : 0;
}

/// Dooms a transaction that decide() would refuse whatever running transactions do.
void RwConflicts::doom_if_certain(Transaction& transaction) const {
  const bool pivot = rules_.pivot && transaction.first_out <= transaction.last_in;
  const bool first = rules_.first && transaction.first_beyond <= limit_as_first(transaction);
  if (pivot || first) transaction.doomed.store(true, std::memory_order_relaxed);
}

bool RwConflicts::has_decided(std::uint32_t row) const {
  // relaxed: a transaction with edges decides under the latch. One that has committed has no row.
  return rows_[row].transaction->state(std::memory_order_relaxed) == Transaction::decided;
}

/// (a) T1 -> me -> T3
bool RwConflicts::is_pivot(const Transaction& me) const {
  Timestamp last_in = me.last_in;
  bool third_is_open = false;
  if (me.slot != Transaction::kNoSlot) {
    rows_[me.slot].in.any([&](std::uint32_t row) {
      last_in = std::max(last_in, limit_as_first(*rows_[row].transaction));
      return false;
    });
    third_is_open = rows_[me.slot].out.any([&](std::uint32_t row) { return has_decided(row); });
  }
  // A T3 that has only decided will commit after all snapshots in use, and after all that have committed.
  return me.first_out <= last_in || (third_is_open && last_in == kOpen);
}

/// (b) me -> T2 -> T3
bool RwConflicts::is_first(const Transaction& me) const {
  const Timestamp limit = limit_as_first(me);
  if (me.first_beyond <= limit) return true;
  if (me.slot == Transaction::kNoSlot) return false;
  return rows_[me.slot].out.any([&](std::uint32_t second) {
    if (!has_decided(second)) return false;
    if (rows_[second].transaction->first_out <= limit) return true;
    return limit == kOpen && rows_[second].out.any([&](std::uint32_t third) { return has_decided(third); });
  });
}

/// (c) T1 -> T2 -> me
bool RwConflicts::is_last(const Transaction& me) const {
  if (me.slot == Transaction::kNoSlot) return false;
  return rows_[me.slot].in.any([&](std::uint32_t second) {
    return has_decided(second) &&
           rows_[second].in.any([&](std::uint32_t first) { return has_decided(first); });
  });
}

bool RwConflicts::is_dangerous(const Transaction& me) const {
  return (rules_.pivot && is_pivot(me)) || (rules_.first && is_first(me)) || (rules_.last && is_last(me));
}

bool RwConflicts::decide(Transaction& me) {
  if (me.doomed.load(std::memory_order_relaxed)) return false;
  const bool wrote = me.wrote.load(std::memory_order_relaxed);
  me.limit = me.snapshot;
  std::uint8_t expected = Transaction::active;
  // [word] release, where that is its commit. [edges] relaxed where it fails: the latch comes next.
  if (me.word.compare_exchange_strong(expected, wrote ? Transaction::decided : Transaction::committed,
                                      std::memory_order_release, std::memory_order_relaxed)) {
    return true;
  }
  const std::lock_guard guard(latch_);
  if (is_dangerous(me)) return false;
  if (wrote) {
    me.word.store(Transaction::decided | Transaction::kHasEdges, std::memory_order_relaxed);  // [edges]
  } else {
    settle(me);
  }
  return true;
}

/// The transaction has committed at `limit`. It leaves its numbers with its neighbours.
void RwConflicts::settle(Transaction& me) {
  if (me.slot != Transaction::kNoSlot) {
    const Row& row = rows_[me.slot];
    row.in.any([&](std::uint32_t i) {
      learn_out(*rows_[i].transaction, me.limit, me.first_out);
      return false;
    });
    row.out.any([&](std::uint32_t i) {
      learn_in(*rows_[i].transaction, limit_of_committed(me));
      return false;
    });
    give_row_back(me);
  }
  me.word.store(Transaction::committed, std::memory_order_release);  // [word]
}

void RwConflicts::roll_back(Transaction& me) {
  std::uint8_t expected = Transaction::active;
  // relaxed: other transactions read nothing more of it.
  if (me.word.compare_exchange_strong(expected, Transaction::rolled_back, std::memory_order_relaxed)) return;
  const std::lock_guard guard(latch_);
  give_row_back(me);
  me.word.store(Transaction::rolled_back, std::memory_order_relaxed);
}

}  // namespace muster
