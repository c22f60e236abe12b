#include "engine/txn/serialization_graph.h"

#include <utility>

namespace muster {
namespace {

/// Holds one latch, or two, which all threads take in the same order.
class LatchedPair {
 public:
  LatchedPair(SpinLatch& a, SpinLatch& b) : first_(&a < &b ? a : b), second_(&a < &b ? b : a) {
    first_.lock();
    if (&first_ != &second_) second_.lock();
  }
  ~LatchedPair() {
    if (&first_ != &second_) second_.unlock();
    first_.unlock();
  }
  LatchedPair(const LatchedPair&) = delete;
  LatchedPair& operator=(const LatchedPair&) = delete;

 private:
  SpinLatch& first_;
  SpinLatch& second_;
};

}  // namespace

SerializationGraph::SerializationGraph(std::uint32_t sessions_max, const MemoryPlacement* memory,
                                       Limits limits, SerializationRules rules)
    : members_max_(sessions_max),
      memory_(memory),
      limits_(limits),
      rules_(rules),
      conflicts_(rules),
      members_(std::make_unique<SerializationMember[]>(sessions_max)) {
  for (std::uint32_t i = sessions_max; i > 0; --i) free_members_.push_back(&members_[i - 1]);
}

SerializationMember& SerializationGraph::join() {
  const std::lock_guard guard(joining_);
  if (buckets_ == nullptr) {
    buckets_ =
        std::make_unique<PlacedArray<Bucket>>(memory_, MemoryRegion::locks, std::size_t{1} << kBucketBits);
  }
  SerializationMember& member = *free_members_.back();
  free_members_.pop_back();
  members_count_.fetch_add(1, std::memory_order_release);  // pairs with is_in_use()
  std::atomic_thread_fence(std::memory_order_seq_cst);     // [members]
  return member;
}

void SerializationGraph::leave(SerializationMember& member, Timestamp visible) {
  collect(member, visible);
  while (member.first_kept_ != nullptr && is_over(*member.first_kept_)) free_first_kept(member, true);
  member.left_ = member.kept_;
  const std::lock_guard guard(joining_);
  free_members_.push_back(&member);
  members_count_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: nothing is taken away
}

SerializableTransaction& SerializationGraph::new_transaction(SerializationMember& member) {
  if (member.free_ == nullptr) member.free_ = &member.transactions_.emplace_back();
  Transaction& me = *member.free_;
  member.free_ = std::exchange(me.next, nullptr);
  me.sweeps = false;
  me.marks_count = 0;
  member.current_ = &me;
  return me;
}

void SerializationGraph::make_room(SerializationMember& member) {
  if (member.free_marks_ == nullptr) member.free_marks_ = &member.marks_.emplace_back();
}

/// Call after make_room(), under the latch of the chain's bucket.
void SerializationGraph::add_mark(SerializationMember& member, Mark*& chain, LockName name, bool is_write) {
  Mark& mark = *member.free_marks_;
  member.free_marks_ = mark.held_next;
  Transaction& me = *member.current_;
  mark.name = name;
  mark.owner = &me;
  mark.is_write = is_write;
  mark.held_next = std::exchange(me.marks, &mark);
  ++me.marks_count;
  link(chain, mark);
}

void SerializationGraph::link(Mark*& chain, Mark& mark) {
  mark.next = chain;
  mark.link = &chain;
  if (chain != nullptr) chain->link = &mark.next;
  chain = &mark;
}

void SerializationGraph::unlink(Mark& mark) {
  *mark.link = mark.next;
  if (mark.next != nullptr) mark.next->link = mark.link;
}

/// Committed, or rolled back by take_back().
bool SerializationGraph::is_over(const Transaction& transaction) {
  const Transaction::State state = transaction.state(std::memory_order_acquire);  // RwConflicts' [word]
  return state == Transaction::committed || state == Transaction::rolled_back;
}

/// Whether `other`, to which a mark leads, is neither rolled back nor shown by the snapshot of `me`.
bool SerializationGraph::is_concurrent(const Transaction& other, const Transaction& me) {
  switch (other.state(std::memory_order_acquire)) {  // RwConflicts' [word]
    case Transaction::committed:
      return other.limit > me.snapshot;
    case Transaction::rolled_back:
      return false;
    default:
      return &other != &me;
  }
}

/// Under the bucket's latch.
void SerializationGraph::meet_readers(Transaction& me, const Bucket& bucket, LockName name) {
  if (!rules_.writes_after_reads) return;
  for (const Mark* mark = bucket.reads; mark != nullptr; mark = mark->next) {
    if (mark->name == name && is_concurrent(*mark->owner, me)) conflicts_.add(*mark->owner, me, me);
  }
  if (bucket.reads_limit > me.snapshot) conflicts_.add_in(me, bucket.reads_limit);
}

/// Under the bucket's latch.
void SerializationGraph::meet_writers(Transaction& me, const Bucket& bucket, LockName name) {
  if (!rules_.stale_reads) return;
  for (const Mark* mark = bucket.writes; mark != nullptr; mark = mark->next) {
    if (mark->name == name && is_concurrent(*mark->owner, me)) conflicts_.add(me, *mark->owner, me);
  }
  // The earliest concurrent writer may have committed right after the snapshot.
  if (bucket.writes_limit > me.snapshot) conflicts_.add_out(me, me.snapshot + 1, bucket.first_beyond);
}

void SerializationGraph::read(SerializationMember& member, LockName record) {
  mark_read(member, record, true);
}

void SerializationGraph::read_gap(SerializationMember& member, LockName gap) {
  if (rules_.gaps) mark_read(member, gap, false);
}

void SerializationGraph::mark_read(SerializationMember& member, LockName name, bool meets_writers) {
  Transaction& me = *member.current_;
  if (me.unmarked || (me.sweeps && !meets_writers)) return;
  make_room(member);
  {
    Bucket& bucket = bucket_of(name);
    const std::lock_guard guard(bucket.latch);
    if (meets_writers) meet_writers(me, bucket, name);
    // A transaction that was not the last one to read here marks twice: a search for its mark would pass all readers of a hot
    // record.
    const bool is_marked =
        bucket.reads != nullptr && bucket.reads->owner == &me && bucket.reads->name == name;
    if (!me.sweeps && !is_marked) add_mark(member, bucket.reads, name, false);
  }
  if (me.marks_count > limits_.marks_max && !me.sweeps) read_everything(member);
}

/// Replaces all read marks by one. Writers can find it before the marks that it replaces are gone, and before the transaction
/// reads anything without a mark. A writer that comes to a bucket afterwards sees that sweeps_ is not 0.
void SerializationGraph::read_everything(SerializationMember& member) {
  Transaction& me = *member.current_;
  make_room(member);
  {
    const std::lock_guard guard(everything_.latch);
    sweeps_.fetch_add(1, std::memory_order_relaxed);  // relaxed: buckets' latches publish it
    add_mark(member, everything_.reads, kEverything, false);
  }
  me.sweeps = true;
  forget_marks(member, me, true, false);
  me.marks_count = 0;
  for (const Mark* mark = me.marks; mark != nullptr; mark = mark->held_next) ++me.marks_count;
}

void SerializationGraph::write(SerializationMember& member, LockName record) {
  Transaction& me = *member.current_;
  me.wrote.store(true, std::memory_order_relaxed);
  make_room(member);
  {
    Bucket& bucket = bucket_of(record);
    const std::lock_guard guard(bucket.latch);
    meet_readers(me, bucket, record);
    const Mark* mark = bucket.writes;
    while (mark != nullptr && (mark->owner != &me || mark->name != record)) mark = mark->next;
    if (mark == nullptr) add_mark(member, bucket.writes, record, true);
  }
  meet_sweepers(me);
}

void SerializationGraph::meet_sweepers(Transaction& me) {
  if (sweeps_.load(std::memory_order_relaxed) == 0) return;  // relaxed: see read_everything()
  const std::lock_guard guard(everything_.latch);
  meet_readers(me, everything_, kEverything);
}

bool SerializationGraph::decide(SerializationMember& member) {
  Transaction& me = *member.current_;
  const bool wrote = me.wrote.load(std::memory_order_relaxed);
  if (!conflicts_.decide(me)) return false;
  if (!wrote && !me.read_only) writer_is_over(member);
  end_current(member);
  (member.last_kept_ != nullptr ? member.last_kept_->next : member.first_kept_) = &me;
  member.last_kept_ = &me;
  ++member.kept_;
  member.kept_marks_ += me.marks_count;
  return true;
}

void SerializationGraph::roll_back(SerializationMember& member) {
  Transaction& me = *member.current_;
  conflicts_.roll_back(me);
  forget_marks(member, me, false, false);
  if (!me.read_only) writer_is_over(member);
  end_current(member);
  me.next = std::exchange(member.free_, &me);
}

void SerializationGraph::take_back(SerializationMember& member, Transaction& me) {
  conflicts_.roll_back(me);
  writer_is_over(member);
}

/// The transaction looks at no marks any more.
void SerializationGraph::end_current(SerializationMember& member) {
  member.current_ = nullptr;
  member.snapshot_.store(RwConflicts::kNever, std::memory_order_release);  // pairs with horizon()
}

void SerializationGraph::writer_is_over(SerializationMember& member) {
  member.writers_.fetch_sub(1, std::memory_order_release);  // pairs with all_is_shown()
}

bool SerializationGraph::all_is_shown(Timestamp snapshot) const {
  std::atomic_thread_fence(
      std::memory_order_seq_cst);  // [snapshot] a writer missed here has a snapshot as new
  for (std::uint32_t i = 0; i < members_max_; ++i) {
    // acquire: pairs with writer_is_over(), and so orders last_commit_, which is relaxed.
    if (members_[i].writers_.load(std::memory_order_acquire) != 0) return false;
    if (members_[i].last_commit_.load(std::memory_order_relaxed) > snapshot) return false;
  }
  return true;
}

Timestamp SerializationGraph::horizon(Timestamp visible) {
  std::atomic_thread_fence(std::memory_order_seq_cst);  // [snapshot] pairs with the one in begin()
  for (std::uint32_t i = 0; i < members_max_; ++i) {
    // acquire: pairs with end_current()
    visible = std::min(visible, members_[i].snapshot_.load(std::memory_order_acquire));
  }
  Timestamp before =
      horizon_.load(std::memory_order_relaxed);  // relaxed, both: a number that publishes nothing
  while (before < visible && !horizon_.compare_exchange_weak(before, visible, std::memory_order_relaxed)) {}
  return visible;
}

void SerializationGraph::collect(SerializationMember& member, Timestamp visible) {
  const Timestamp oldest = horizon(visible);
  const auto first_is_over = [&] { return member.first_kept_ != nullptr && is_over(*member.first_kept_); };
  while (first_is_over() && member.first_kept_->limit <= oldest) free_first_kept(member, false);
  while (first_is_over() &&
         (member.kept_ > limits_.kept_max || member.kept_marks_ > limits_.kept_marks_max)) {
    free_first_kept(member, true);
  }
  member.left_ = member.kept_;
}

void SerializationGraph::free_first_kept(SerializationMember& member, bool summarize) {
  Transaction& first = *member.first_kept_;
  member.first_kept_ = std::exchange(first.next, nullptr);
  if (member.first_kept_ == nullptr) member.last_kept_ = nullptr;
  --member.kept_;
  member.kept_marks_ -= first.marks_count;
  forget_marks(member, first, false, summarize);
  if (summarize) summarized_.fetch_add(1, std::memory_order_relaxed);  // relaxed: a count
  first.next = std::exchange(member.free_, &first);
}

/// Goes on until the transaction has no mark left from which an inserter could make one more.
void SerializationGraph::forget_marks(SerializationMember& member, Transaction& transaction, bool reads_only,
                                      bool summarize) {
  Mark* kept = nullptr;
  for (Mark* marks = std::exchange(transaction.marks, nullptr); marks != nullptr;) {
    for (Mark* mark = marks; mark != nullptr;) {
      Mark* const next = mark->held_next;
      if (reads_only && (mark->is_write || mark->name == kEverything)) {
        mark->held_next = std::exchange(kept, mark);
      } else {
        take_out(*mark, summarize);
        give_back(member, *mark);
      }
      mark = next;
    }
    // acquire: pairs with inherit(), which ran under the latch of a mark that has just been taken out.
    marks = transaction.inherited.exchange(nullptr, std::memory_order_acquire);
  }
  transaction.marks = kept;
}

void SerializationGraph::take_out(Mark& mark, bool summarizes) {
  Bucket& bucket = mark.name == kEverything ? everything_ : bucket_of(mark.name);
  const std::lock_guard guard(bucket.latch);
  unlink(mark);
  if (summarizes) {
    summarize(mark, bucket);
  } else if (mark.name == kEverything) {
    sweeps_.fetch_sub(1, std::memory_order_relaxed);  // relaxed: a number, under the latch
  }
}

void SerializationGraph::summarize(const Mark& mark, Bucket& bucket) const {
  const Transaction& owner = *mark.owner;
  if (!mark.is_write) {
    bucket.reads_limit = std::max(bucket.reads_limit, owner.limit);
    return;
  }
  // If no transaction can meet the summarized writers any more, their least first_out must not count any longer.
  if (bucket.writes_limit <= horizon_.load(std::memory_order_relaxed))
    bucket.first_beyond = RwConflicts::kNever;
  bucket.writes_limit = std::max(bucket.writes_limit, owner.limit);
  bucket.first_beyond = std::min(bucket.first_beyond, owner.first_out);
}

void SerializationGraph::give_back(SerializationMember& member, Mark& mark) {
  if (!mark.shared) {
    mark.held_next = std::exchange(member.free_marks_, &mark);
    return;
  }
  const std::lock_guard guard(sharing_);
  mark.held_next = std::exchange(free_shared_, &mark);
}

Mark& SerializationGraph::new_shared_mark() {
  const std::lock_guard guard(sharing_);
  if (free_shared_ == nullptr) {
    free_shared_ = &shared_.emplace_back();
    free_shared_->shared = true;
  }
  return *std::exchange(free_shared_, free_shared_->held_next);
}

bool SerializationGraph::is_free(LockName gap) {
  if (!is_in_use()) return true;
  const Timestamp oldest = horizon_.load(std::memory_order_relaxed);
  Bucket& bucket = bucket_of(gap);
  const std::lock_guard guard(bucket.latch);
  for (const Mark* mark = bucket.reads; mark != nullptr; mark = mark->next) {
    if (mark->name != gap) continue;
    const Transaction::State state = mark->owner->state(std::memory_order_acquire);  // RwConflicts' [word]
    if (state == Transaction::rolled_back) continue;
    if (state != Transaction::committed || mark->owner->limit > oldest) return false;
  }
  return bucket.reads_limit <= oldest;
}

SerializationGraph::Statistics SerializationGraph::statistics() {
  Statistics found{.summarized = summarized_.load(std::memory_order_relaxed)};
  const auto count = [&](Bucket& bucket) {
    const std::lock_guard guard(bucket.latch);
    for (const Mark* mark = bucket.reads; mark != nullptr; mark = mark->next) ++found.marks;
    for (const Mark* mark = bucket.writes; mark != nullptr; mark = mark->next) ++found.marks;
  };
  count(everything_);
  const std::lock_guard guard(joining_);
  for (std::size_t i = 0; buckets_ != nullptr && i < buckets_->size(); ++i) count((*buckets_)[i]);
  return found;
}

void SerializationGraph::insert(SerializationMember* member, const Insertion& insertion) {
  Bucket& from = bucket_of(insertion.above);
  for (const LockName name : {insertion.gap, insertion.record}) {
    Bucket& to = bucket_of(name);
    const LatchedPair guard(from.latch, to.latch);
    if (member != nullptr && name == insertion.gap) meet_readers(*member->current_, from, insertion.above);
    for (const Mark* mark = from.reads; mark != nullptr && rules_.inheritance; mark = mark->next) {
      if (mark->name == insertion.above) inherit(*mark->owner, to, name);
    }
    to.reads_limit = std::max(to.reads_limit, from.reads_limit);
  }
  if (member != nullptr) meet_sweepers(*member->current_);
}

/// Under the latches of the bucket and of one of the owner's marks.
void SerializationGraph::inherit(Transaction& owner, Bucket& bucket, LockName name) {
  if (owner.state(std::memory_order_relaxed) == Transaction::rolled_back)
    return;  // relaxed: saves a mark, no more
  for (const Mark* mark = bucket.reads; mark != nullptr; mark = mark->next) {
    if (mark->name == name && mark->owner == &owner) return;
  }
  Mark& mark = new_shared_mark();
  mark.name = name;
  mark.owner = &owner;
  link(bucket.reads, mark);
  mark.held_next = owner.inherited.load(std::memory_order_relaxed);  // relaxed: checked by the exchange
  // release: pairs with forget_marks().
  while (!owner.inherited.compare_exchange_weak(mark.held_next, &mark, std::memory_order_release,
                                                std::memory_order_relaxed)) {}
}

}  // namespace muster
