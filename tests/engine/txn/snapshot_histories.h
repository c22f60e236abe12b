#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/txn/serialization_graph.h"
#include "tests/engine/log/log_testing.h"

namespace muster {

/// Random histories of small transactions under snapshot isolation over a tiny versioned table, in one thread. The graph under
/// test says which transactions commit. The full graph of their dependencies says whether these could have run one after the
/// other.
class SnapshotHistories {
 public:
  struct Outcome {
    int committed = 0;
    int refused = 0;  ///< by the graph; not a transaction that wrote what another had written
    bool serializable = true;
  };

  SnapshotHistories(SerializationRules rules, SerializationGraph::Limits limits)
      : graph_(kSessions, nullptr, limits, rules) {
    for (Session& session : sessions_) session.member = &graph_.join();
  }
  ~SnapshotHistories() {
    for (Session& session : sessions_) graph_.leave(*session.member, next_);
  }
  SnapshotHistories(const SnapshotHistories&) = delete;
  SnapshotHistories& operator=(const SnapshotHistories&) = delete;

  /// Plays one history, of a table that some keys have never been in. At its end no transaction is open.
  Outcome run(std::uint64_t seed, int steps) {
    random_.seed(seed);
    outcome_ = {};
    transactions_.clear();
    versions_.clear();
    in_tree_ = {0, 3, 6};
    for (int i = 0; i < steps; ++i) step();
    while (!decided_.empty()) stamp();
    while (!stamped_.empty()) finish();
    for (Session& session : sessions_) {
      if (session.transaction >= 0) roll_back(session);
    }
    outcome_.serializable = is_serializable();
    return outcome_;
  }
  Timestamp now() const { return next_; }
  SerializationGraph& graph() { return graph_; }

 private:
  static constexpr int kSessions = 4;
  static constexpr int kKeys = 7;
  using Key = int;
  using Id = int;  // of a transaction; -1 for the first state

  struct Transaction {
    Timestamp snapshot = 0;
    Timestamp at = 0;
    bool committed = false;
    bool read_only = false;
    std::map<Key, Id> read;  // the writer of the version that was read
    std::set<Key> written;
  };
  struct Version {
    Timestamp at = 0;
    Id writer = -1;
  };
  struct Session {
    SerializationMember* member = nullptr;
    Id transaction = -1;
  };
  struct Commit {
    SerializationMember* member;
    SerializableTransaction* node;
    Id transaction;
  };

  int any(int below) { return static_cast<int>(random_() % static_cast<unsigned>(below)); }
  static std::string name_of(Key key) { return std::string(1, static_cast<char>('a' + key)); }
  static LockName record(Key key) {
    const std::string name = name_of(key);
    return lock_name(1, as_bytes(name));
  }
  static LockName gap(Key key) {
    const std::string name = name_of(key);
    return gap_name(1, as_bytes(name));
  }
  Transaction& of(const Session& session) {
    return transactions_[static_cast<std::size_t>(session.transaction)];
  }

  void step() {
    const int choice = any(20);
    if (choice == 0 && !decided_.empty()) return stamp();
    if (choice == 1 && !stamped_.empty()) return finish();
    Session& session = sessions_[static_cast<std::size_t>(any(kSessions))];
    if (session.transaction < 0) return begin(session);
    if (choice <= 8) return read(session, any(kKeys));
    if (choice <= 12) return of(session).read_only ? read(session, any(kKeys)) : write(session, any(kKeys));
    if (choice <= 14) return scan(session, any(kKeys));
    if (choice <= 18) return commit(session);
    roll_back(session);
  }

  Timestamp visible() const {
    Timestamp least = next_;
    for (const Commit& commit : stamped_) {
      least = std::min(least, transactions_[static_cast<std::size_t>(commit.transaction)].at - 1);
    }
    return least;
  }

  void begin(Session& session) {
    if (graph_.is_due(*session.member) || any(4) == 0) graph_.collect(*session.member, visible());
    session.transaction = static_cast<Id>(transactions_.size());
    Transaction& mine = transactions_.emplace_back();
    mine.read_only = any(6) == 0;
    mine.snapshot = graph_.begin(
        *session.member, [&] { return visible(); }, mine.read_only);
  }

  void see(Session& session, Key key) {
    Transaction& mine = of(session);
    if (mine.written.contains(key)) return;
    Id seen = -1;
    for (const Version& version : versions_[key]) {
      if (version.at <= mine.snapshot) seen = version.writer;
    }
    mine.read[key] = seen;
  }

  void read(Session& session, Key key) {
    if (SerializationGraph::is_doomed(session.member->current())) return refuse(session);
    graph_.read(*session.member, record(key));
    see(session, key);
  }

  /// To the first key that is there at or above a random one, or the end.
  void scan(Session& session, Key from) {
    if (SerializationGraph::is_doomed(session.member->current())) return refuse(session);
    const Key until = any(kKeys);
    Key last = kKeys;
    for (auto at = in_tree_.lower_bound(from); at != in_tree_.end(); ++at) {
      graph_.read(*session.member, record(*at));
      graph_.read_gap(*session.member, gap(*at));
      if (*at < until) continue;
      last = *at;
      break;
    }
    if (last == kKeys) graph_.read_gap(*session.member, end_gap_name(1));
    for (Key key = from; key <= std::min(last, kKeys - 1); ++key) see(session, key);
  }

  void write(Session& session, Key key) {
    if (SerializationGraph::is_doomed(session.member->current())) return refuse(session);
    const auto holder = locked_.find(key);
    if (holder != locked_.end() && holder->second != session.transaction) return roll_back(session);
    const auto& versions = versions_[key];
    if (!versions.empty() && versions.back().at > of(session).snapshot) return roll_back(session);
    locked_[key] = session.transaction;
    graph_.write(*session.member, record(key));
    of(session).written.insert(key);
    if (in_tree_.contains(key)) return;
    const auto above = in_tree_.upper_bound(key);
    graph_.insert(session.member, {.above = above == in_tree_.end() ? end_gap_name(1) : gap(*above),
                                   .gap = gap(key),
                                   .record = record(key)});
    in_tree_.insert(key);
  }

  void commit(Session& session) {
    SerializableTransaction& node = session.member->current();
    if (!graph_.decide(*session.member)) return refuse(session);
    Transaction& mine = of(session);
    if (mine.written.empty()) {
      mine.committed = true;
      ++outcome_.committed;
    } else {
      decided_.push_back({session.member, &node, session.transaction});
      if (any(2) == 0) stamp();
      if (!stamped_.empty() && any(2) == 0) finish();
    }
    session.transaction = -1;
  }

  /// Any of the transactions that have decided may come next in the log.
  void stamp() {
    const auto which = decided_.begin() + any(static_cast<int>(decided_.size()));
    const Commit commit = *which;
    decided_.erase(which);
    Transaction& mine = transactions_[static_cast<std::size_t>(commit.transaction)];
    mine.at = graph_.commit(*commit.member, *commit.node, [&] { return ++next_; });
    mine.committed = true;
    ++outcome_.committed;
    for (const Key key : mine.written) versions_[key].push_back({mine.at, commit.transaction});
    stamped_.push_back(commit);
  }

  /// New snapshots show the commit from now on, once they show the commits before it.
  void finish() {
    const auto which = stamped_.begin() + any(static_cast<int>(stamped_.size()));
    for (const Key key : transactions_[static_cast<std::size_t>(which->transaction)].written)
      locked_.erase(key);
    stamped_.erase(which);
  }

  void refuse(Session& session) {
    ++outcome_.refused;
    roll_back(session);
  }
  void roll_back(Session& session) {
    graph_.roll_back(*session.member);
    for (const Key key : of(session).written)
      locked_.erase(key);  // what it inserted stays in the tree, as a ghost
    session.transaction = -1;
  }

  bool is_serializable() {
    edges_.assign(transactions_.size(), {});
    for (const auto& [key, versions] : versions_) {
      for (std::size_t i = 1; i < versions.size(); ++i) edge(versions[i - 1].writer, versions[i].writer);
    }
    for (Id reader = 0; reader < static_cast<Id>(transactions_.size()); ++reader) {
      const Transaction& its = transactions_[static_cast<std::size_t>(reader)];
      if (!its.committed) continue;
      for (const auto& [key, writer] : its.read) {
        edge(writer, reader);
        const auto& versions = versions_[key];
        auto next = versions.begin();
        if (writer >= 0) {
          next = 1 + std::find_if(versions.begin(), versions.end(),
                                  [&](const Version& v) { return v.writer == writer; });
        }
        if (next != versions.end()) edge(reader, next->writer);
      }
    }
    state_.assign(transactions_.size(), 0);
    for (Id id = 0; id < static_cast<Id>(transactions_.size()); ++id) {
      if (state_[static_cast<std::size_t>(id)] == 0 && on_cycle(id)) return false;
    }
    return true;
  }
  void edge(Id from, Id to) {
    if (from >= 0 && from != to) edges_[static_cast<std::size_t>(from)].push_back(to);
  }
  bool on_cycle(Id id) {
    state_[static_cast<std::size_t>(id)] = 1;
    for (const Id to : edges_[static_cast<std::size_t>(id)]) {
      const int state = state_[static_cast<std::size_t>(to)];
      if (state == 1 || (state == 0 && on_cycle(to))) return true;
    }
    state_[static_cast<std::size_t>(id)] = 2;
    return false;
  }

  std::mt19937_64 random_;
  SerializationGraph graph_;
  std::array<Session, kSessions> sessions_;
  std::vector<Transaction> transactions_;
  std::map<Key, std::vector<Version>> versions_;
  std::map<Key, Id> locked_;
  std::set<Key> in_tree_;
  std::vector<Commit> decided_, stamped_;
  Timestamp next_ = 0;
  std::vector<std::vector<Id>> edges_;
  std::vector<int> state_;
  Outcome outcome_;
};

}  // namespace muster
