#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <vector>

#include "engine/lsm/order_barrier.h"
#include "engine/lsm/parts.h"

namespace muster::lsm {

/// One LSM tree's writes, reads, flushes, compactions and the point from which it needs the log. What memtables, table
/// files and the manifest are is the parts' (parts.h).
///
/// View        What there is, an immutable View behind one pointer: the memtables, the active one first, and the tables.
///             A change makes the next view and puts it in the place of the current one, in one step.
/// Flush       F1 active    switch_memtable() returns at once: writes that begin from now on find the new memtable
///             F2 readable  the old memtable answers reads until its table does
///             F3 whole     a flush reads a memtable after all writes into it have ended. Its table is on the disk (sync)
///                          before the manifest names it (edit), and that is on the disk before a view has the table
///             F4 one step  one view has the memtable, the next one its table: no read finds neither
///             F5 log last  needed_from() passes a memtable's records only with that view
/// Compaction  C1 readable  the old tables answer reads until the new ones do; their files go when no reader is left
///             C2 claimed   one table is never in two compactions at a time
/// Cut         W1           a writer enters, then finds the active memtable, then appends its log record
///             W2           a switch reads the log's reserved end, which becomes the new memtable's `lower`, before any
///                          writer can find the new memtable
///             So a record below `lower` lies in an older memtable: its writer found its memtable before the switch. That
///             writer also entered before the flush of that memtable issues its barrier, so the flush sees its entry.
///             Once the older memtables are flushed, the log is needed from `lower` only. An older memtable may hold
///             records above `lower`, too: redo finds them in the log again, and their LSNs make that harmless.
/// Points      The three moments that decide what a crash leaves: the switch (W2), the end of a flush (F3, then F4), and
///             the cut of the log, which the caller makes at needed_from() (F5).
/// Use         Writes of one key come one after the other (the caller has a record lock): a later one finds the same
///             memtable or a newer one. So the first memtable that has the key, newest first, has its newest entry, and
///             every table's entry is older.
///             Sections are short: an append and an insert; a look-up, or some rows of a scan. Callbacks call nothing here.
/// Progress    write and read wait-free, but for what the callbacks do: a load, a read-modify-write and a store, the last
///             two in a line of the thread's own. switch_memtable and needed_from wait for other changes of the view, flush
///             and compact for open sections, too.
/// Threads     All from any thread. A slot number is one thread's at a time (OrderBarrier).
/// Errors      What parts throw passes through. A flush or compaction that throws has changed no view and has given its
///             claim back. Whether the manifest has the edit is unknown then: the parts refuse every later one.
/// Ordering    [view] released by a change, acquired by a reader or writer: the view is complete, and so is what it points to.
///             Before a thread frees a view, memtable or table, it waits at the barriers of readers and of writers
///             (order_barrier.h has their orders). Everything else is under a mutex.
/// Explored    tests/model/lsm_program.h, with a mutant for each rule.
/// Source      Cassandra: ColumnFamilyStore (a flush behind a barrier of writes, and the log's position that it notes) and
///             Tracker (one view that is replaced as a whole).
template <class Platform, LsmParts Parts>
class Coordination {
  using Order = OrderBarrier<Platform>;
  using Section = typename Order::Section;
  using Barrier = typename Order::Barrier;
  using Locked = std::lock_guard<typename Platform::Mutex>;
  using Memtable = typename Parts::Memtable;
  using Table = typename Parts::Table;
  using Tables = typename Parts::Tables;
  using Job = typename Parts::Job;

 public:
  using View = lsm::View<Parts>;

  /// Begins with `tables` and an empty memtable; the memtable takes records from LSN `lower` on. `writers` and `readers` bound
  /// the threads that write and read at a time. `parts` and `placement` outlive this; `placement` may be null.
  Coordination(Parts& parts, std::uint32_t writers, std::uint32_t readers, const Tables& tables, Lsn lower,
               const MemoryPlacement* placement = nullptr)
      : parts_(parts), writers_(writers, placement), readers_(readers, placement) {
    View first{.count = 1, .tables = tables};
    first.memtables[0] = {parts_.make_memtable(), lower};
    current_.write(parts_.keep(first));
    view_.describe("view");
    view_.store(current_.read(), std::memory_order_relaxed);  // no other thread is there
  }
  Coordination(const Coordination&) = delete;
  Coordination& operator=(const Coordination&) = delete;
  /// No thread is inside. Tables stay the parts', to be closed.
  ~Coordination() {
    const View& last = *current_.read();
    for (std::uint32_t i = 0; i < last.count; ++i) parts_.discard(last.memtables[i].memtable);
    discard_views(replaced_);
    parts_.discard(&last);
  }

  /// `append(view)` appends the log record and returns its LSN; it may look up the old value in the view.
  /// `insert(memtable, lsn)` puts the entry into that memtable. Returns the LSN. If append throws, nothing has happened;
  /// insert must not throw: the log has the record already.
  template <class Append, class Insert>
  Lsn write(WorkerId writer, Append append, Insert insert) {
    const Section inside(writers_, writer);                     // W1: before all that follows
    const View& view = *view_.load(std::memory_order_acquire);  // [view]
    const Lsn lsn = append(view);                               // W1: after the memtable was found
    insert(*view.memtables[0].memtable, lsn);
    return lsn;
  }

  /// What `look(view)` returns, which may use all that the view holds until then.
  template <class Look>
  auto read(WorkerId reader, Look look) {
    const Section inside(readers_, reader);
    return look(*view_.load(std::memory_order_acquire));  // [view]
  }

  /// Makes a new memtable the active one; false if `full`, unless it is null, is not active any more, or there are as many
  /// memtables as there may be: a flush has to end first.
  bool switch_memtable(const Memtable* full = nullptr) {
    const auto discard = [this](Memtable* memtable) { parts_.discard(memtable); };
    std::unique_ptr<Memtable, decltype(discard)> fresh(parts_.make_memtable(), discard);
    const Locked changing(views_);
    const View& now = *current_.read();
    const bool is_active = full == nullptr || full == now.memtables[0].memtable;
    if (!is_active || now.count == Parts::kMemtables) return false;
    View next = now;
    std::copy_backward(now.memtables.begin(), now.memtables.begin() + now.count,
                       next.memtables.begin() + now.count + 1);
    next.memtables[0] = {fresh.get(), parts_.reserved()};  // W2
    ++next.count;
    publish(next);  // F1
    fresh.release();
    return true;
  }

  /// Makes a table of the oldest memtable that is not active; false if there is none, or another thread is at it.
  bool flush() {
    Claim claim(*this);
    Memtable* const oldest = claim.take_memtable();
    if (oldest == nullptr) return false;
    flushed_.wait();  // F3: no write goes on in it
    Table* const table = parts_.write_table(*oldest);
    if (table != nullptr) {
      parts_.sync(*table);  // F3
      const Locked editing(manifest_);
      parts_.edit(*table);
    }
    const View* replaced = nullptr;
    {
      const Locked changing(views_);
      View next = *current_.read();
      --next.count;                                   // F4, and with it F5
      if (table != nullptr) next.tables.add(*table);  // F4
      publish(next);
      claim.give_back();
      replaced = std::exchange(replaced_, nullptr);
    }
    wait_for_sections();
    discard_views(replaced);
    parts_.discard(oldest);
    return true;
  }

  /// Runs the compaction that the parts pick; false if they pick none.
  bool compact() {
    Claim claim(*this);
    Job job = claim.take_tables();
    if (std::empty(job.inputs)) return false;
    parts_.merge(job);
    for (Table* const table : job.outputs) parts_.sync(*table);
    {
      const Locked editing(manifest_);
      parts_.edit(job);
    }
    const View* replaced = nullptr;
    {
      const Locked changing(views_);
      View next = *current_.read();
      next.tables.replace(job);  // C1: in one step
      publish(next);
      claim.give_back();
      replaced = std::exchange(replaced_, nullptr);
    }
    wait_for_sections();  // C1
    discard_views(replaced);
    for (Table* const table : job.inputs) parts_.discard(table);
    return true;
  }

  /// The LSN from which a restart needs the log for this tree: what lies below is in tables that the manifest durably
  /// names. Never falls.
  Lsn needed_from() {
    const Locked changing(views_);
    const View& now = *current_.read();
    return now.memtables[now.count - 1].lower;  // F5
  }

 private:
  /// What one flush or compaction has for itself; given back at the latest when it ends.
  class Claim {
   public:
    explicit Claim(Coordination& tree) : tree_(tree) {}
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;
    ~Claim() {
      if (memtable_ == nullptr && std::empty(tables_)) return;
      const Locked changing(tree_.views_);
      give_back();
    }

    /// The oldest memtable, which is not active; null: there is none, or a flush has it. One flush at a time: tables
    /// appear in the order of their memtables, or a read would find an older entry first.
    Memtable* take_memtable() {
      const Locked changing(tree_.views_);
      const View& now = *tree_.current_.read();
      if (now.count == 1 || tree_.flushing_.read()) return nullptr;
      tree_.flushing_.write(true);
      return memtable_ = now.memtables[now.count - 1].memtable;
    }

    Job take_tables() {
      const Locked changing(tree_.views_);
      Job job = tree_.parts_.pick(tree_.current_.read()->tables, std::as_const(tree_.claimed_));
      for (Table* const table : job.inputs) {
        if (std::ranges::find(tree_.claimed_, table) != tree_.claimed_.end())
          throw std::logic_error("a compaction was picked with a table that another one has");
      }
      tree_.claimed_.insert(tree_.claimed_.end(), std::begin(job.inputs), std::end(job.inputs));  // C2
      tables_ = job.inputs;
      return job;
    }

    /// With views_ locked.
    void give_back() {
      if (memtable_ != nullptr) tree_.flushing_.write(false);
      memtable_ = nullptr;
      for (Table* const table : tables_) std::erase(tree_.claimed_, table);
      tables_ = {};
    }

   private:
    Coordination& tree_;
    Memtable* memtable_ = nullptr;
    decltype(Job::inputs) tables_{};
  };

  /// With views_ locked.
  void publish(const View& next) {
    const View* const before = current_.read();
    current_.write(parts_.keep(next));
    view_.store(current_.read(), std::memory_order_release);  // [view]
    before->replaced_before = std::exchange(replaced_, before);
  }

  /// Until no section is left that may have found a view which has been replaced by now. Writers, too: they read views.
  void wait_for_sections() {
    const Locked one(reclaiming_);
    written_.issue();
    read_.issue();
    written_.await();
    read_.await();
  }

  void discard_views(const View* view) {
    while (view != nullptr) parts_.discard(std::exchange(view, view->replaced_before));
  }

  Parts& parts_;
  Order writers_;
  Order readers_;
  Barrier flushed_{writers_};            // of the flush that has the memtable
  Barrier written_{writers_};            // under reclaiming_
  Barrier read_{readers_};               // under reclaiming_
  typename Platform::Mutex manifest_;    // edits come one at a time; held while one is written
  typename Platform::Mutex reclaiming_;  // held while its holder waits for sections
  // Changes of the view: views_ is held for no longer than a view is copied.
  typename Platform::Mutex views_;
  typename Platform::template Cell<const View*> current_;  // what view_ is
  typename Platform::template Cell<bool> flushing_;
  const View* replaced_ = nullptr;     // and not freed yet; the newest first
  std::vector<const Table*> claimed_;  // by compactions
  // Every reader and writer loads it; written when the view changes.
  alignas(kCacheLine) typename Platform::template Atomic<const View*> view_{nullptr};
};

}  // namespace muster::lsm
