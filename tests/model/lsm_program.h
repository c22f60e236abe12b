#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "engine/lsm/coordination.h"
#include "tests/model/scripts.h"
#include "tests/model/tiny_lsm.h"

namespace muster::model {

/// Memtables of an atomic a key, and table files that a TinyDisk watches.
template <class P>
class TinyParts {
  template <class T>
  using Atomic = typename P::template Atomic<T>;

 public:
  struct Memtable {
    explicit Memtable(std::uint32_t number, std::uint32_t keys) : life("memtable", number) {
      for (std::uint32_t key = 0; key < keys; ++key) {
        newest.push_back(std::make_unique<Atomic<Lsn>>(0));
        newest.back()->describe("entry of a memtable", number * keys + key);
      }
    }
    void insert(std::uint32_t key, Lsn lsn) {
      life.use();
      newest[key]->store(lsn, std::memory_order_release);
    }
    Lsn find(std::uint32_t key) const {
      life.use();
      return newest[key]->load(std::memory_order_acquire);
    }

    Lifetime life;
    std::vector<std::unique_ptr<Atomic<Lsn>>> newest;  // by key
  };
  using Table = TinyTable;
  struct Tables : TinyTables {
    void add(Table& table) {
      push_back(&table);
      std::rotate(tables.begin(), tables.begin() + count - 1, tables.begin() + count);
    }
    /// What comes of tables has their place: newer ones stay before it, older ones behind.
    void replace(const auto& job) {
      if (job.inputs.empty()) return;
      auto* const place = std::find(tables.begin(), tables.begin() + count, *job.inputs.begin());
      for (const Table* const table : job.inputs) erase(table);
      for (Table* const table : job.outputs) {
        push_back(table);
        std::rotate(place, tables.begin() + count - 1, tables.begin() + count);
      }
    }
  };
  struct Job {
    struct Some : TinyTables {
      auto begin() const { return tables.begin(); }
      auto end() const { return tables.begin() + count; }
      bool empty() const { return count == 0; }
    };
    Some inputs, outputs;
  };
  static constexpr std::uint32_t kMemtables = 3;
  using View = lsm::View<TinyParts>;

  TinyParts(std::uint32_t keys, Lsn log_begin) : keys_(keys), log_end_(log_begin) {
    log_end_.describe("log's end");
  }

  TinyDisk& disk() { return disk_; }
  /// Returns the record's end.
  Lsn append(std::uint32_t key) {
    const Lsn begin = log_end_.fetch_add(1, std::memory_order_relaxed);
    disk_.appended(key, begin);
    if (is_told()) note(fmt::format("logs record {}", begin));
    return begin + 1;
  }
  /// A reader or writer has the view and what it holds.
  void use(const View& view) const { kept_of(view).life.use(); }

  Lsn reserved() const { return log_end_.load(std::memory_order_relaxed); }
  Memtable* make_memtable() {
    memtables_.push_back(std::make_unique<Memtable>(static_cast<std::uint32_t>(memtables_.size()), keys_));
    return memtables_.back().get();
  }
  Table* write_table(const Memtable& memtable) {
    Newest entries{};
    for (std::uint32_t key = 0; key < keys_; ++key) entries[key] = memtable.find(key);
    return entries == Newest{} ? nullptr : &disk_.create(entries);
  }
  void sync(Table& table) { table.synced = true; }
  Job pick(const Tables& tables, const std::vector<const Table*>& busy) const {
    Job job;
    for (std::uint32_t i = 0; i < tables.count; ++i) {
      if (std::ranges::find(busy, tables.tables[i]) == busy.end()) job.inputs.push_back(tables.tables[i]);
    }
    return job;
  }
  void merge(Job& job) {
    Newest entries{};
    for (const Table* const table : job.inputs) {
      table->life.use();
      for (std::uint32_t key = 0; key < keys_; ++key)
        entries[key] = std::max(entries[key], table->newest[key]);
    }
    job.outputs.push_back(&disk_.create(entries));
  }
  void edit(Table& table) {
    TinyTables more;
    more.push_back(&table);
    disk_.edit(more, {});
  }
  void edit(const Job& job) { disk_.edit(job.outputs, job.inputs); }
  const View* keep(const View& view) {
    views_.push_back(std::make_unique<Kept>(static_cast<std::uint32_t>(views_.size()), view));
    if (is_told()) note(fmt::format("makes {}", spelt(*views_.back())));
    return &views_.back()->view;
  }
  void discard(const View* view) { kept_of(*view).life.end(); }
  void discard(Memtable* memtable) { memtable->life.end(); }
  void discard(Table* table) { disk_.remove(*table); }

 private:
  struct Kept {
    Kept(std::uint32_t number, const View& of) : life("view", number), view(of) {}
    Lifetime life;
    View view;
  };

  Kept& kept_of(const View& view) const {
    const auto is_it = [&](const auto& kept) { return &kept->view == &view; };
    return **std::ranges::find_if(views_, is_it);
  }

  /// "view 2: memtables 1 0, tables 0".
  static std::string spelt(const Kept& kept) {
    std::string text = kept.life.name();
    text += ": memtables";
    for (std::uint32_t i = 0; i < kept.view.count; ++i)
      text += fmt::format(" {}", kept.view.memtables[i].memtable->life.number());
    text += kept.view.tables.count == 0 ? ", no table" : ", tables";
    for (std::uint32_t i = 0; i < kept.view.tables.count; ++i)
      text += fmt::format(" {}", kept.view.tables.tables[i]->life.number());
    return text;
  }

  const std::uint32_t keys_;
  TinyDisk disk_;
  Atomic<Lsn> log_end_;
  // All that were ever made: what uses them too late must find them.
  std::vector<std::unique_ptr<Memtable>> memtables_;
  std::vector<std::unique_ptr<Kept>> views_;
};

/// Threads over one LSM tree. Each thread that writes has a key of its own; one that does not reads the first writer's.
///
///   w  writes                 r  reads: finds what it has written itself, and what was acknowledged before
///   s  switches the memtable  f  flushes  c  compacts (two tables are there from the start)
///   t  cuts the log where the tree says that it may be cut
template <class P>
class LsmProgram : public Program {
  using Parts = TinyParts<P>;
  using Tree = lsm::Coordination<P, Parts>;

 public:
  explicit LsmProgram(Scripts scripts) : scripts_(std::move(scripts)) {
    check_letters(scripts_, "wrsfct");
    for (const std::string& script : scripts_) {
      const bool writes = script.find('w') != std::string::npos;
      const bool reads = script.find('r') != std::string::npos;
      keys_.push_back(writes ? writers_++ : 0);
      slots_.push_back(reads ? readers_++ : 0);
      has_tables_ |= script.find('c') != std::string::npos;
      tells_ |= reads && !writes;
    }
    if (writers_ > kTinyKeys) throw LimitReached("more threads write than kTinyKeys: want fewer with a w");
  }

  std::uint32_t threads() const override { return static_cast<std::uint32_t>(scripts_.size()); }
  std::string thread_name(ThreadId thread) const override {
    const std::string& script = scripts_[thread];
    const bool uses = script.find_first_of("wr") != std::string::npos;
    const bool changes = script.find_first_of("sfct") != std::string::npos;
    const char* const name = !changes ? "session " : uses ? "thread " : "background ";
    return name + std::to_string(thread);
  }

  void set_up() override {
    const std::uint32_t keys = std::max(writers_, 1u);
    parts_.emplace(keys, has_tables_ ? 2 : 0);
    typename Parts::Tables tables;
    if (has_tables_) {  // two records of the first key, the log cut behind them
      for (const Lsn begin : {0, 1}) {
        parts_->disk().appended(0, begin);
        Newest entries{};
        entries[0] = begin + 1;
        TinyTable& table = parts_->disk().create(entries);
        parts_->sync(table);
        parts_->edit(table);
        tables.add(table);
      }
      parts_->disk().cut_log(2);
    }
    tree_.emplace(*parts_, writers_, readers_, tables, parts_->reserved());
    acknowledged_.emplace(has_tables_ ? 2 : 0);
    acknowledged_->describe("acknowledged");
    written_.assign(threads(), 0);
  }
  void tear_down() override {
    tree_.reset();
    acknowledged_.reset();
    parts_.reset();
  }

  void run(ThreadId thread) override {
    for (const char letter : scripts_[thread]) {
      switch (letter) {
        case 'w':
          write(thread);
          break;
        case 'r':
          read(thread);
          break;
        case 's':
          mark("switches");
          tree_->switch_memtable();
          break;
        case 'f':
          mark("flushes");
          tree_->flush();
          break;
        case 'c':
          mark("compacts");
          tree_->compact();
          break;
        default:
          parts_->disk().cut_log(tree_->needed_from());
      }
    }
  }

 private:
  static void mark(const char* text) { Execution::current().mark("note", text); }

  void write(ThreadId thread) {
    const std::uint32_t key = keys_[thread];
    mark("writes");
    const auto append = [&](const auto& view) {
      parts_->use(view);
      return parts_->append(key);
    };
    const auto insert = [&](auto& memtable, Lsn lsn) {
      if (is_told()) note(fmt::format("puts it into {}", memtable.life.name()));
      memtable.insert(key, lsn);
    };
    written_[thread] = tree_->write(key, append, insert);
    mark("has written");
    if (tells_ && key == 0) acknowledged_->store(written_[thread], std::memory_order_release);
  }

  void read(ThreadId thread) {
    const bool own = written_[thread] != 0;
    const Lsn least = own ? written_[thread] : acknowledged_->load(std::memory_order_acquire);
    const std::uint32_t key = keys_[thread];
    mark("reads");
    const Lsn found = tree_->read(slots_[thread], [&](const auto& view) {
      parts_->use(view);
      Lsn lsn = 0;
      for (std::uint32_t i = 0; i < view.count && lsn == 0; ++i) lsn = view.memtables[i].memtable->find(key);
      for (std::uint32_t i = 0; i < view.tables.count && lsn == 0; ++i) {
        view.tables.tables[i]->life.use();
        lsn = view.tables.tables[i]->newest[key];
      }
      parts_->use(view);
      return lsn;
    });
    if (found >= least) return;
    Execution::current().fail(fmt::format("lost: a read finds {}, and the write of {} was over before",
                                          found == 0 ? "nothing" : fmt::format("{}", found), least));
  }

  const Scripts scripts_;
  std::vector<std::uint32_t> keys_, slots_;  // by thread
  std::uint32_t writers_ = 0;
  std::uint32_t readers_ = 0;
  bool has_tables_ = false;
  bool tells_ = false;  // a thread reads what another has written
  std::optional<Parts> parts_;
  std::optional<Tree> tree_;
  std::optional<typename P::template Atomic<Lsn>> acknowledged_;  // of the first key
  std::vector<Lsn> written_;                                      // by thread, its last
};

}  // namespace muster::model
