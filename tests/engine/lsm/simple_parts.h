#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

#include "engine/lsm/coordination.h"

namespace muster::lsm {

/// Parts that are arrays in memory, of each key's newest LSN. What is discarded is freed: a use behind that is a
/// sanitizer's to find.
class SimpleParts {
 public:
  static constexpr std::uint32_t kKeys = 64;
  static constexpr std::uint32_t kMemtables = 4;

  struct Memtable {
    std::array<std::atomic<Lsn>, kKeys> newest{};
  };
  struct Table {
    std::array<Lsn, kKeys> newest{};  // plain: written before it is in a view
    bool synced = false;
  };
  /// From new to old.
  struct Tables : std::vector<Table*> {
    void add(Table& table) { insert(begin(), &table); }
    template <class Job>
    void replace(const Job& job) {
      auto place = std::find(begin(), end(), job.inputs.front());
      place = insert(place, job.outputs.begin(), job.outputs.end());
      for (const Table* const table : job.inputs) std::erase(*this, table);
    }
  };
  struct Job {
    std::vector<Table*> inputs, outputs;
  };
  using View = lsm::View<SimpleParts>;

  Lsn append() { return log_end_.fetch_add(1, std::memory_order_relaxed) + 1; }

  Lsn reserved() const { return log_end_.load(std::memory_order_relaxed); }
  Memtable* make_memtable() { return own(memtables_, std::make_unique<Memtable>()); }
  Table* write_table(const Memtable& memtable) {
    before_write();
    auto table = std::make_unique<Table>();
    for (std::uint32_t key = 0; key < kKeys; ++key)
      table->newest[key] = memtable.newest[key].load(std::memory_order_relaxed);
    return table->newest == std::array<Lsn, kKeys>{} ? nullptr : own(tables_, std::move(table));
  }
  void sync(Table& table) { table.synced = true; }
  Job pick(const Tables& tables, const std::vector<const Table*>& busy) const {
    Job job;
    for (Table* const table : tables) {  // the newest ones that stand in a row
      if (std::ranges::find(busy, table) != busy.end()) break;
      job.inputs.push_back(table);
    }
    if (job.inputs.size() < 2) job.inputs.clear();
    return job;
  }
  void merge(Job& job) {
    before_merge();
    auto table = std::make_unique<Table>();
    for (const Table* const input : job.inputs) {
      for (std::uint32_t key = 0; key < kKeys; ++key)
        table->newest[key] = std::max(table->newest[key], input->newest[key]);
    }
    job.outputs.push_back(own(tables_, std::move(table)));
  }
  void edit(Table& table) { edit(Job{.inputs = {}, .outputs = {&table}}); }
  void edit(const Job& job) {
    before_edit();
    const std::lock_guard lock(mutex_);
    for (const Table* const table : job.outputs) {
      if (!table->synced) ++named_unsynced;
      named_.push_back(table);
    }
    for (const Table* const table : job.inputs) std::erase(named_, table);
  }
  const View* keep(const View& view) { return own(views_, std::make_unique<const View>(view)); }
  void discard(const View* view) { free(views_, view); }
  void discard(Memtable* memtable) { free(memtables_, memtable); }
  void discard(Table* table) {
    {
      const std::lock_guard lock(mutex_);
      if (std::ranges::find(named_, table) != named_.end()) ++removed_named;
    }
    free(tables_, table);
  }

  /// The newest LSN of a key in the tables that the manifest names.
  Lsn durable(std::uint32_t key) const {
    const std::lock_guard lock(mutex_);
    Lsn lsn = 0;
    for (const Table* const table : named_) lsn = std::max(lsn, table->newest[key]);
    return lsn;
  }
  // How many are there.
  std::size_t tables() const { return size(tables_); }
  std::size_t memtables() const { return size(memtables_); }
  std::size_t views() const { return size(views_); }

  std::function<void()> before_write = [] {};
  std::function<void()> before_merge = [] {};
  std::function<void()> before_edit = [] {};
  // What must not be.
  std::atomic<std::uint32_t> named_unsynced{0};
  std::atomic<std::uint32_t> removed_named{0};

 private:
  template <class T>
  using Owned = std::vector<std::unique_ptr<T>>;

  template <class T>
  T* own(Owned<T>& all, std::unique_ptr<T> one) {
    const std::lock_guard lock(mutex_);
    return all.emplace_back(std::move(one)).get();
  }
  template <class T>
  void free(Owned<T>& all, const std::type_identity_t<T>* one) {
    const std::lock_guard lock(mutex_);
    std::erase_if(all, [=](const auto& owned) { return owned.get() == one; });
  }
  template <class T>
  std::size_t size(const Owned<T>& all) const {
    const std::lock_guard lock(mutex_);
    return all.size();
  }

  std::atomic<Lsn> log_end_{0};
  mutable std::mutex mutex_;
  Owned<Memtable> memtables_;
  Owned<Table> tables_;
  Owned<const View> views_;
  std::vector<const Table*> named_;  // by the manifest
};
static_assert(LsmParts<SimpleParts>);

/// What a read of the key finds: in the first that has it.
inline Lsn newest_in(const SimpleParts::View& view, std::uint32_t key) {
  for (std::uint32_t i = 0; i < view.count; ++i) {
    const Lsn lsn = view.memtables[i].memtable->newest[key].load(std::memory_order_acquire);
    if (lsn != 0) return lsn;
  }
  for (const SimpleParts::Table* const table : view.tables) {
    if (table->newest[key] != 0) return table->newest[key];
  }
  return 0;
}

}  // namespace muster::lsm
