#include "workloads/history/dependencies.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <utility>

namespace muster::history {
namespace {

using Kind = Operation::Kind;
using Version = Versions::Version;

constexpr std::uint32_t kMany = 4;  // see dependencies()

/// Members by their group, each group in the order in which its members came.
class Groups {
 public:
  void add(std::uint32_t group, std::uint32_t member) { pairs_.emplace_back(group, member); }
  void sort() { std::ranges::stable_sort(pairs_, {}, &std::pair<std::uint32_t, std::uint32_t>::first); }
  auto of(std::uint32_t group) const {
    return std::ranges::equal_range(pairs_, group, {}, &std::pair<std::uint32_t, std::uint32_t>::first);
  }

 private:
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs_;
};

/// Calls emit(from, to, because, operation) for each edge, as often as it is asked to.
class Inference {
 public:
  explicit Inference(const Versions& versions) : versions_(versions), history_(versions.history()) {
    if (history_.model() == Model::list_append) {
      each_operation([&](TransactionIndex, OperationIndex i, const Operation& o) {
        if (o.kind == Kind::write && versions_.place(i) == kNone) next_.add(o.key, i);
      });
    } else {
      each_operation([&](TransactionIndex, OperationIndex i, const Operation& o) {
        if (o.kind == Kind::write && versions_.before(i) != kNone) next_.add(versions_.before(i), i);
      });
    }
    next_.sort();
  }

  template <class Emit>
  void each_edge(const Emit& emit) const {
    // Readers so far: by key, of the last version that was read of a list; by version, of a register.
    std::vector<std::uint32_t> readers(history_.model() == Model::list_append ? history_.key_names().size()
                                                                              : versions_.version_count());
    each_operation([&](TransactionIndex t, OperationIndex i, const Operation& o) {
      if (history_.model() == Model::list_append) {
        if (o.kind == Kind::write) append(t, i, o, emit);
        if (o.kind == Kind::read || o.kind == Kind::read_other) list(t, i, o, readers[o.key], emit);
      } else {
        if (o.kind == Kind::write) write(t, i, emit);
        if (o.kind == Kind::read || o.kind == Kind::read_nothing) value(t, i, o, readers, emit);
      }
    });
  }

 private:
  /// Operations of transactions that were not rolled back.
  template <class F>
  void each_operation(const F& f) const {
    for (TransactionIndex t = 0; t < history_.transactions().size(); ++t) {
      const Transaction& transaction = history_.transactions()[t];
      if (transaction.outcome == Outcome::fail) continue;
      for (OperationIndex i = transaction.operations_begin; i < transaction.operations_end; ++i) {
        const Operation& o = history_.operations()[i];
        // If a transaction's outcome is unknown, what it read is unknown as well.
        if (o.kind == Kind::write || transaction.outcome == Outcome::ok) f(t, i, o);
      }
    }
  }

  bool failed(OperationIndex write) const { return versions_.outcome_of(write) == Outcome::fail; }

  /// The last append of order[0, end) that was not rolled back; kNone: there is none.
  OperationIndex last_of(std::span<const OperationIndex> order, std::size_t end) const {
    while (end > 0 && failed(order[end - 1])) --end;
    return end > 0 ? order[end - 1] : kNone;
  }

  template <class Emit>
  void between(OperationIndex write, TransactionIndex t, Because because, OperationIndex reason,
               const Emit& emit) const {
    if (write != kNone && !failed(write) && !versions_.is_of(write, t))
      emit(versions_.transaction_of(write), t, because, reason);
  }

  template <class Emit>
  void overwritten(TransactionIndex t, OperationIndex read, OperationIndex write, const Emit& emit) const {
    if (!versions_.is_of(write, t)) emit(t, versions_.transaction_of(write), Because::rw, read);
  }

  /// Overwritten by each write that may come next: see dependencies.h on kMany.
  template <class Emit>
  void overwritten_by_all(TransactionIndex t, OperationIndex read, std::uint32_t version,
                          std::uint32_t& readers, const Emit& emit) const {
    std::uint32_t count = 0;
    for (const auto& [group, write] : next_.of(version)) {
      if (readers >= kMany && count++ == kMany) break;
      overwritten(t, read, write, emit);
    }
    ++readers;
  }

  template <class Emit>
  void append(TransactionIndex t, OperationIndex i, const Operation& o, const Emit& emit) const {
    const auto order = versions_.order(o.key);
    const std::size_t end = versions_.place(i) == kNone ? order.size() : versions_.place(i);
    between(last_of(order, end), t, Because::ww, i, emit);
  }

  template <class Emit>
  void list(TransactionIndex t, OperationIndex i, const Operation& o, std::uint32_t& readers,
            const Emit& emit) const {
    const std::span<const Value> list = history_.list(o);
    const OperationIndex last = list.empty() ? kNone : versions_.find(o.key, list.back());
    if (last != kNone && versions_.is_of(last, t)) return;  // its own
    between(last, t, Because::wr, i, emit);
    if (o.kind == Kind::read_other) return;
    const auto order = versions_.order(o.key);
    std::size_t next = list.size();
    while (next < order.size() && failed(order[next])) ++next;
    if (next < order.size()) {
      overwritten(t, i, order[next], emit);
    } else {
      overwritten_by_all(t, i, o.key, readers, emit);
    }
  }

  template <class Emit>
  void write(TransactionIndex t, OperationIndex i, const Emit& emit) const {
    const Version before = versions_.before(i);
    if (before != kNone && !versions_.is_empty(before)) between(before, t, Because::ww, i, emit);
  }

  template <class Emit>
  void value(TransactionIndex t, OperationIndex i, const Operation& o, std::vector<std::uint32_t>& readers,
             const Emit& emit) const {
    const Version version = versions_.version_read(o);
    if (!versions_.is_empty(version)) {
      if (versions_.is_of(version, t)) return;  // its own
      between(version, t, Because::wr, i, emit);
    }
    overwritten_by_all(t, i, version, readers[version], emit);
  }

  const Versions& versions_;
  const History& history_;
  Groups
      next_;  // lists: by key, the appends that no read shows; registers: by version, the writes of the next
};

template <class Emit>
void each_session_edge(const History& history, const Emit& emit) {
  const std::vector<Transaction>& all = history.transactions();
  std::vector<TransactionIndex> order(all.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {},
                           [&](TransactionIndex t) { return std::pair(all[t].process, all[t].invoked); });
  TransactionIndex last = kNone;  // the process's last committed one
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Transaction& t = all[order[i]];
    if (i == 0 || all[order[i - 1]].process != t.process) last = kNone;
    if (t.outcome == Outcome::fail) continue;
    if (last != kNone) emit(last, order[i], Because::session, 0);
    if (t.outcome == Outcome::ok) last = order[i];
  }
}

/// Events in their order: of a committed transaction both, of one with an unknown outcome the invocation.
class Timeline {
 public:
  explicit Timeline(const History& history) {
    for (TransactionIndex t = 0; t < history.transactions().size(); ++t) {
      const Transaction& transaction = history.transactions()[t];
      if (transaction.outcome == Outcome::fail) continue;
      events_.push_back({transaction.invoked, t, false});
      if (transaction.outcome == Outcome::ok) events_.push_back({transaction.completed, t, true});
    }
    std::ranges::stable_sort(events_, {}, &Event::at);
  }

  /// Points are numbered from `first`. Returns how many there are.
  template <class Emit>
  std::uint32_t each_edge(std::uint32_t first, const Emit& emit) const {
    std::uint32_t point = kNone;  // the last one; earlier completions lead to it
    std::size_t completed = 0;    // of the events below this one, completions have an edge to a point
    for (std::size_t i = 0; i < events_.size(); ++i) {
      if (events_[i].completes) continue;
      bool is_new = false;
      const std::uint32_t next = point == kNone ? first : point + 1;
      for (; completed < i; ++completed) {
        if (!events_[completed].completes) continue;
        emit(events_[completed].transaction, next, Because::realtime, 0);
        is_new = true;
      }
      if (is_new && point != kNone) emit(point, next, Because::through, 0);
      if (is_new) point = next;
      if (point != kNone) emit(point, events_[i].transaction, Because::through, 0);
    }
    return point == kNone ? 0 : point + 1 - first;
  }

 private:
  struct Event {
    std::uint64_t at;
    TransactionIndex transaction;
    bool completes;
  };
  std::vector<Event> events_;
};

}  // namespace

Graph dependencies(const Versions& versions, Order order) {
  const History& history = versions.history();
  const auto transactions = static_cast<std::uint32_t>(history.transactions().size());
  const Inference inference(versions);
  const Timeline timeline = order == Order::realtime ? Timeline(history) : Timeline(History(history.model()));
  const auto each_edge = [&](const auto& emit) {
    inference.each_edge(emit);
    if (order == Order::session) each_session_edge(history, emit);
    timeline.each_edge(transactions, emit);
  };

  Graph graph;
  graph.transactions = transactions;
  const std::uint32_t points =
      timeline.each_edge(transactions, [](std::uint32_t, std::uint32_t, Because, OperationIndex) {});
  graph.begin.assign(std::size_t{transactions} + points + 1, 0);
  std::uint64_t edges = 0;
  each_edge([&](std::uint32_t from, std::uint32_t, Because, OperationIndex) {
    ++graph.begin[from];
    ++edges;
  });
  if (edges >= kNone) throw std::length_error("history: more dependencies than can be counted in 32 bits");
  graph.edges.resize(edges);
  std::inclusive_scan(graph.begin.begin(), graph.begin.end(), graph.begin.begin());
  each_edge([&](std::uint32_t from, std::uint32_t to, Because because, OperationIndex operation) {
    graph.edges[--graph.begin[from]] = Edge(to, because, operation);
  });
  return graph;
}

}  // namespace muster::history
