#include <rocksdb/db.h>
#include <rocksdb/utilities/write_batch_with_index.h>

#include <array>
#include <stdexcept>

#include "tests/engine/reference/program.h"
#include "tests/engine/reference/reference.h"
#include "tests/engine/txn/database_testing.h"

namespace muster::reference {
namespace {

void require(const rocksdb::Status& status) {
  if (!status.ok()) throw std::runtime_error("RocksDB: " + status.ToString());
}

std::optional<std::string> value_or_none(const rocksdb::Status& status, const std::string& value) {
  if (status.IsNotFound()) return std::nullopt;
  require(status);
  return value;
}

class RocksdbReference final : public Reference {
 public:
  explicit RocksdbReference(std::filesystem::path directory) : directory_(std::move(directory)) { open(); }
  ~RocksdbReference() override { end_snapshots(); }

  std::optional<std::string> get(const std::string& key) override {
    std::string value;
    return value_or_none(batch_.GetFromBatchAndDB(db_.get(), {}, key, &value), value);
  }
  void put(const std::string& key, const std::string& value) override { require(batch_.Put(key, value)); }
  void erase(const std::string& key) override { require(batch_.Delete(key)); }
  Rows scan(const std::string& from, std::size_t limit) override {
    return rows(std::unique_ptr<rocksdb::Iterator>(batch_.NewIteratorWithBase(db_->NewIterator({}))), from,
                limit);
  }
  void save() override {
    batch_.SetSavePoint();
    ++savepoints_;
  }
  void roll_back(std::size_t index) override {
    for (; savepoints_ > index; --savepoints_) require(batch_.RollbackToSavePoint());
    save();
  }
  void commit(bool is_durable) override {
    rocksdb::WriteOptions options;
    options.sync = is_durable;
    require(db_->Write(options, batch_.GetWriteBatch()));
    abort();
  }
  void abort() override {
    batch_.Clear();
    savepoints_ = 0;
  }
  void settle() override {}

  void take_snapshot(std::uint32_t slot) override { snapshots_[slot] = db_->GetSnapshot(); }
  std::optional<std::string> get_in(std::uint32_t slot, const std::string& key) override {
    std::string value;
    return value_or_none(db_->Get(in(slot), key, &value), value);
  }
  Rows scan_in(std::uint32_t slot, const std::string& from, std::size_t limit) override {
    return rows(std::unique_ptr<rocksdb::Iterator>(db_->NewIterator(in(slot))), from, limit);
  }
  void end_snapshot(std::uint32_t slot) override {
    if (snapshots_[slot] != nullptr) db_->ReleaseSnapshot(snapshots_[slot]);
    snapshots_[slot] = nullptr;
  }

  std::optional<std::size_t> recover(const Rows& found) override {
    abort();
    end_snapshots();
    std::filesystem::path copy = directory_;
    copy += "+";
    copy_as_killed(directory_, copy);
    db_.reset();
    std::filesystem::remove_all(directory_);
    directory_ = std::move(copy);
    open();
    return scan("", 0) == found ? std::optional<std::size_t>(0) : std::nullopt;
  }

 private:
  void open() {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = 64 << 10;
    options.max_background_jobs = 1;
    rocksdb::DB* db = nullptr;
    require(rocksdb::DB::Open(options, directory_.string(), &db));
    db_.reset(db);
  }
  void end_snapshots() {
    for (std::uint32_t slot = 0; slot < kSnapshots; ++slot) end_snapshot(slot);
  }
  rocksdb::ReadOptions in(std::uint32_t slot) const {
    rocksdb::ReadOptions options;
    options.snapshot = snapshots_[slot];
    return options;
  }
  static Rows rows(std::unique_ptr<rocksdb::Iterator> at, const std::string& from, std::size_t limit) {
    Rows rows;
    for (at->Seek(from); at->Valid() && (limit == 0 || rows.size() < limit); at->Next())
      rows.emplace_back(at->key().ToString(), at->value().ToString());
    require(at->status());
    return rows;
  }

  std::filesystem::path directory_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::WriteBatchWithIndex batch_{rocksdb::BytewiseComparator(), 0, true};
  std::size_t savepoints_ = 0;
  std::array<const rocksdb::Snapshot*, kSnapshots> snapshots_{};
};

}  // namespace

std::unique_ptr<Reference> make_rocksdb_reference(const std::filesystem::path& directory) {
  return std::make_unique<RocksdbReference>(directory);
}

}  // namespace muster::reference
