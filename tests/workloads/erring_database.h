#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "workloads/ycsb.h"

// Whether a workload finds what an engine did wrong: a database that errs in one place stands between the two.

namespace muster::testing {

enum class Fault { none, repeats_a_row, loses_updates, loses_insertions, tears_a_value, reads_a_stranger };

class ErringSession final : public Session {
 public:
  ErringSession(std::unique_ptr<Session> inner, Fault fault) : inner_(std::move(inner)), fault_(fault) {}
  void begin() override { inner_->begin(); }
  void begin_without_waiting() override { inner_->begin_without_waiting(); }
  void begin_read_only() override { inner_->begin_read_only(); }
  Status read(TableId table, Bytes key, std::vector<std::byte>& value) override {
    const Status status = inner_->read(table, key, value);
    if (status != Status::ok || ++reads_ < 50) {
      before_ = value;
    } else if (fault_ == Fault::tears_a_value) {
      value.back() ^= std::byte{1};
    } else if (fault_ == Fault::reads_a_stranger) {
      value = before_;
    }
    return status;
  }
  Status read_for_update(TableId table, Bytes key, std::vector<std::byte>& value) override {
    return inner_->read_for_update(table, key, value);
  }
  Status insert(TableId table, Bytes key, Bytes value) override {
    if (fault_ == Fault::loses_insertions && ++insertions_ >= 250) return Status::ok;
    return inner_->insert(table, key, value);
  }
  Status update(TableId table, Bytes key, Bytes value) override {
    if (fault_ == Fault::loses_updates && ++updates_ >= 50) return Status::ok;
    return inner_->update(table, key, value);
  }
  Status increment(TableId table, Bytes key, std::size_t offset, std::int64_t by) override {
    if (fault_ == Fault::loses_updates && ++updates_ >= 50) return Status::ok;
    return inner_->increment(table, key, offset, by);
  }
  Status remove(TableId table, Bytes key) override { return inner_->remove(table, key); }
  Status scan(TableId table, Bytes from, const std::function<bool(Bytes, Bytes)>& visit) override {
    return inner_->scan(table, from, [&](Bytes key, Bytes value) {
      if (++rows_ < 50) return visit(key, value);
      if (fault_ == Fault::repeats_a_row) return visit(key, value) && visit(key, value);
      std::vector<std::byte> shown(value.begin(), value.end());
      if (fault_ == Fault::tears_a_value) shown.back() ^= std::byte{1};
      if (fault_ == Fault::reads_a_stranger) shown.swap(before_);
      return visit(key, shown);
    });
  }
  Status lock_table(TableId table, LockMode mode) override { return inner_->lock_table(table, mode); }
  void abort() override { inner_->abort(); }
  Savepoint savepoint() const override { return inner_->savepoint(); }
  void roll_back_to(const Savepoint& savepoint) override { inner_->roll_back_to(savepoint); }
  bool prepare() override { return inner_->prepare(); }
  bool commit(void (*acknowledge)(void*) noexcept, void* context) override {
    return inner_->commit(acknowledge, context);
  }
  Status call(std::string_view procedure, Bytes arguments, std::vector<std::byte>& result,
              void (*acknowledge)(void*) noexcept, void* context) override {
    return inner_->call(procedure, arguments, result, acknowledge, context);
  }
  bool waits() override { return inner_->waits(); }
  void wait_for_acknowledgements() override { inner_->wait_for_acknowledgements(); }

 private:
  std::unique_ptr<Session> inner_;
  Fault fault_;
  int reads_ = 0;
  int rows_ = 0;
  int updates_ = 0;
  int insertions_ = 0;
  std::vector<std::byte> before_;  // what was read before, mostly another key's
};

class ErringDatabase final : public Database {
 public:
  ErringDatabase(std::unique_ptr<Database> inner, Fault fault) : inner_(std::move(inner)), fault_(fault) {}
  TableId create_table(std::string_view name, TableKind kind) override {
    return inner_->create_table(name, kind);
  }
  TableId open_table(const std::filesystem::path& file) override { return inner_->open_table(file); }
  std::optional<TableId> find_table(std::string_view name) const override { return inner_->find_table(name); }
  std::unique_ptr<Session> attach(CommitPolicy policy, Isolation level) override {
    return std::make_unique<ErringSession>(inner_->attach(policy, level), fault_);
  }
  void register_procedure(std::string_view name, Procedure procedure) override {
    inner_->register_procedure(name, std::move(procedure));
  }
  void partition_by_range(TableId table, std::vector<std::string> bounds) override {
    inner_->partition_by_range(table, std::move(bounds));
  }
  LogManager& log() override { return inner_->log(); }
  BufferStatistics buffer_statistics() const override { return inner_->buffer_statistics(); }
  BeginStatistics begin_statistics() const override { return inner_->begin_statistics(); }
  lsm::LsmStatistics lsm_statistics() const override { return inner_->lsm_statistics(); }
  VersionStatistics version_statistics() const override { return inner_->version_statistics(); }
  void checkpoint() override { inner_->checkpoint(); }
  Lsn log_begin() const override { return inner_->log_begin(); }
  std::unique_lock<std::mutex> keep_log() override { return inner_->keep_log(); }
  void check() const override { inner_->check(); }
  void close() override { inner_->close(); }

 private:
  std::unique_ptr<Database> inner_;
  Fault fault_;
};

inline DatabaseOpener erring(Fault fault) {
  return [fault](const DatabaseOptions& options) -> std::unique_ptr<Database> {
    return std::make_unique<ErringDatabase>(Database::open(options), fault);
  };
}

}  // namespace muster::testing
