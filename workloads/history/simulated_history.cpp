#include "workloads/history/simulated_history.h"

#include <algorithm>
#include <limits>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "workloads/history/rotating_keys.h"
#include "workloads/random.h"

namespace muster::history {
namespace {

struct Recorded {
  Operation operation;
  std::vector<Value> list;  // that was read
};

/// One process: it begins a transaction, does its operations one by one, ends it, and begins the next.
struct Process {
  std::uint32_t number = 0;
  bool is_open = false;
  std::uint64_t invoked = 0;
  std::uint64_t snapshot = 0;
  std::uint32_t left = 0;  // operations
  std::vector<Recorded> recorded;
};

struct Committed {
  std::uint64_t at;
  Value value;
};

class Simulator {
 public:
  explicit Simulator(const Simulation& s)
      : s_(s), history_(s.model), random_(s.seed), keys_(s.keys, s.writes_a_key), processes_(s.processes) {
    for (std::uint32_t i = 0; i < s.processes; ++i) processes_[i].number = next_process_++;
  }

  History run() {
    while (ended_ < s_.transactions) {
      Process& p = processes_[random_.below(processes_.size())];
      if (!p.is_open) {
        begin(p);
      } else if (s_.regime == Regime::serial) {
        p.snapshot = commits_;
        while (p.is_open) step(p);
      } else {
        step(p);
      }
    }
    history_.seal();
    return std::move(history_);
  }

 private:
  void begin(Process& p) {
    p.is_open = true;
    p.invoked = events_++;
    p.snapshot = commits_;
    p.left = 1 + static_cast<std::uint32_t>(random_.below(s_.operations));
    p.recorded.clear();
  }

  void step(Process& p) {
    if (p.left == 0) return end(p, random_.uniform() >= s_.aborted && commits(p));
    --p.left;
    const auto place = static_cast<std::uint32_t>(random_.below(s_.keys));
    if (random_.uniform() < 0.5) return read(p, id_of(keys_.to_read(place)));
    const auto [key, value] = keys_.to_write(place);
    write(p, id_of(key), value);
  }

  Key id_of(std::uint64_t key) {
    const auto [place, is_new] = ids_.try_emplace(key, 0);
    if (is_new) {
      place->second = history_.key(std::to_string(key));
      committed_.emplace_back();
      locked_by_.push_back(nullptr);
    }
    return place->second;
  }

  void read(Process& p, Key key) {
    Recorded read{{Operation::Kind::read_nothing, key, 0}, {}};
    const auto sees = [&](Value value) {
      read.operation = {Operation::Kind::read, key, value};
      if (s_.model == Model::list_append) read.list.push_back(value);
    };
    for (const Committed& c : committed_[key]) {
      if (s_.regime == Regime::read_committed || c.at <= p.snapshot) sees(c.value);
    }
    for (const Recorded& own : p.recorded) {
      if (own.operation.kind == Operation::Kind::write && own.operation.key == key) sees(own.operation.value);
    }
    p.recorded.push_back(std::move(read));
  }

  void write(Process& p, Key key, Value value) {
    p.recorded.push_back({{Operation::Kind::write, key, value}, {}});
    if (s_.regime != Regime::read_committed) return;
    if (locked_by_[key] != nullptr && locked_by_[key] != &p) return end(p, false);
    locked_by_[key] = &p;
  }

  bool commits(const Process& p) const {
    return s_.regime == Regime::read_committed || std::ranges::none_of(p.recorded, [&](const Recorded& r) {
             return r.operation.kind == Operation::Kind::write && !committed_[r.operation.key].empty() &&
                    committed_[r.operation.key].back().at > p.snapshot;
           });
  }

  void end(Process& p, bool commits) {
    const bool unknown = random_.uniform() < s_.unknown;
    if (unknown && random_.uniform() < 0.5) commits = false;
    commits_ += commits;
    for (const Recorded& r : p.recorded) {
      const Operation& o = r.operation;
      if (o.kind != Operation::Kind::write) continue;
      if (locked_by_[o.key] == &p) locked_by_[o.key] = nullptr;
      if (!commits) continue;
      committed_[o.key].push_back({commits_, o.value});
    }
    record(p, unknown ? Outcome::info : commits ? Outcome::ok : Outcome::fail);
    p.is_open = false;
    if (unknown) p.number = next_process_++;
    ++ended_;
  }

  void record(const Process& p, Outcome outcome) {
    const std::uint64_t completed = outcome == Outcome::info ? Transaction::kNever : events_++;
    history_.add({p.number, outcome, p.invoked, completed, 0, 0, 0});
    for (const Recorded& r : p.recorded) {
      const Operation& o = r.operation;
      if (o.kind == Operation::Kind::write) {
        history_.write(o.key, o.value);
      } else if (outcome != Outcome::ok) {
        history_.read_unknown(o.key);
      } else if (s_.model == Model::list_append) {
        history_.read_list(o.key, r.list);
      } else {
        history_.read_register(o.key,
                               o.kind == Operation::Kind::read ? std::optional(o.value) : std::nullopt);
      }
    }
  }

  const Simulation s_;
  History history_;
  Random random_;
  RotatingKeys keys_;
  std::vector<Process> processes_;
  std::uint32_t next_process_ = 0;
  std::uint32_t ended_ = 0;
  std::uint64_t events_ = 0;
  std::uint64_t commits_ = 0;
  std::unordered_map<std::uint64_t, Key> ids_;
  std::vector<std::vector<Committed>> committed_;  // by Key, in the order of commits
  std::vector<const Process*> locked_by_;          // by Key
};

}  // namespace

History simulate(const Simulation& simulation) {
  return Simulator(simulation).run();
}

}  // namespace muster::history
