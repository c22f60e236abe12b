#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/table.h>
#include <rocksdb/version.h>

#include <stdexcept>

#include "rivals/store.h"

namespace muster::rivals {
namespace {

rocksdb::Slice slice_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void want(const rocksdb::Status& status) {
  if (!status.ok()) throw std::runtime_error("RocksDB: " + status.ToString());
}

rocksdb::Options options_of(const StoreOptions& options) {
  rocksdb::Options its;
  its.create_if_missing = true;
  its.error_if_exists = true;
  its.write_buffer_size = options.memtable_bytes;
  its.max_write_buffer_number = 4;
  its.max_bytes_for_level_base = 4 * options.memtable_bytes;
  its.target_file_size_base = options.memtable_bytes / 2;
  its.max_background_jobs = 2;
  its.compression = rocksdb::kNoCompression;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(options.cache_bytes);
  if (options.bloom_bits > 0) table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(options.bloom_bits));
  its.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return its;
}

class RocksdbClient final : public Client {
 public:
  RocksdbClient(rocksdb::DB& store, bool sync) : store_(store) { writing_.sync = sync; }

  void put(Bytes key, Bytes value) override { want(store_.Put(writing_, slice_of(key), slice_of(value))); }

  bool get(Bytes key, std::vector<std::byte>& value) override {
    const rocksdb::Status status = store_.Get(reading_, store_.DefaultColumnFamily(), slice_of(key), &found_);
    if (status.IsNotFound()) return false;
    want(status);
    const auto* const begin = reinterpret_cast<const std::byte*>(found_.data());
    value.assign(begin, begin + found_.size());
    found_.Reset();
    return true;
  }

  std::size_t scan(Bytes from, std::size_t count) override {
    const std::unique_ptr<rocksdb::Iterator> at(store_.NewIterator(reading_));
    std::size_t seen = 0;
    for (at->Seek(slice_of(from)); at->Valid() && seen < count; at->Next()) {
      if (at->key().size() + at->value().size() == 0) throw std::runtime_error("RocksDB: an empty record");
      ++seen;
    }
    want(at->status());
    return seen;
  }

 private:
  rocksdb::DB& store_;
  rocksdb::WriteOptions writing_;
  rocksdb::ReadOptions reading_;
  rocksdb::PinnableSlice found_;
};

class RocksdbStore final : public Store {
 public:
  explicit RocksdbStore(const StoreOptions& options) : options_(options) {
    rocksdb::DB* store = nullptr;
    want(rocksdb::DB::Open(options_of(options), options.directory.string(), &store));
    store_.reset(store);
  }

  std::unique_ptr<Client> client() override {
    return std::make_unique<RocksdbClient>(*store_, options_.sync);
  }

  nlohmann::json settings() const override {
    return {{"version", fmt::format("{}.{}.{}", ROCKSDB_MAJOR, ROCKSDB_MINOR, ROCKSDB_PATCH)},
            {"write_buffer_size", options_.memtable_bytes},
            {"max_write_buffer_number", 4},
            {"block_cache", options_.cache_bytes},
            {"filter_policy, bits", options_.bloom_bits},
            {"compression", "none"},
            {"compaction_style", "level"},
            {"max_bytes_for_level_base", 4 * options_.memtable_bytes},
            {"target_file_size_base", options_.memtable_bytes / 2},
            {"max_background_jobs", 2},
            {"WriteOptions::sync", options_.sync},
            {"a process that is killed loses", "nothing: each put is a write to the WAL"},
            {"an operation", "of a plain DB, without a transaction"},
            {"put", "blind"},
            {"all else", "as RocksDB has it"}};
  }

  nlohmann::json written() const override {
    std::map<std::string, std::string> said;
    if (!store_->GetMapProperty(rocksdb::DB::Properties::kCFStats, &said)) return nlohmann::json::object();
    const auto bytes = [&](const char* name) {
      const auto found = said.find(name);
      return found == said.end() ? 0.0 : std::stod(found->second) * double(1 << 30);
    };
    const double flush = bytes("compaction.L0.WriteGB");
    return {{"flush", flush}, {"compaction", bytes("compaction.Sum.WriteGB") - flush}};
  }

  void close() override { want(store_->Close()); }

 private:
  const StoreOptions options_;
  std::unique_ptr<rocksdb::DB> store_;
};

}  // namespace

std::unique_ptr<Store> open_rocksdb(const StoreOptions& options) {
  return std::make_unique<RocksdbStore>(options);
}

}  // namespace muster::rivals
