#include <fmt/format.h>
#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>

#include <stdexcept>

#include "rivals/store.h"

namespace muster::rivals {
namespace {

leveldb::Slice slice_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

void want(const leveldb::Status& status) {
  if (!status.ok()) throw std::runtime_error("LevelDB: " + status.ToString());
}

class LeveldbClient final : public Client {
 public:
  LeveldbClient(leveldb::DB& store, bool sync) : store_(store) { writing_.sync = sync; }

  void put(Bytes key, Bytes value) override { want(store_.Put(writing_, slice_of(key), slice_of(value))); }

  bool get(Bytes key, std::vector<std::byte>& value) override {
    const leveldb::Status status = store_.Get({}, slice_of(key), &found_);
    if (status.IsNotFound()) return false;
    want(status);
    const auto* const begin = reinterpret_cast<const std::byte*>(found_.data());
    value.assign(begin, begin + found_.size());
    return true;
  }

  std::size_t scan(Bytes from, std::size_t count) override {
    const std::unique_ptr<leveldb::Iterator> at(store_.NewIterator({}));
    std::size_t seen = 0;
    for (at->Seek(slice_of(from)); at->Valid() && seen < count; at->Next()) {
      if (at->key().size() + at->value().size() == 0) throw std::runtime_error("LevelDB: an empty record");
      ++seen;
    }
    want(at->status());
    return seen;
  }

 private:
  leveldb::DB& store_;
  leveldb::WriteOptions writing_;
  std::string found_;
};

class LeveldbStore final : public Store {
 public:
  explicit LeveldbStore(const StoreOptions& options)
      : options_(options), cache_(leveldb::NewLRUCache(options.cache_bytes)) {
    if (options.bloom_bits > 0)
      filter_.reset(leveldb::NewBloomFilterPolicy(static_cast<int>(options.bloom_bits)));
    leveldb::Options its;
    its.create_if_missing = true;
    its.error_if_exists = true;
    its.write_buffer_size = options.memtable_bytes;
    its.block_cache = cache_.get();
    its.filter_policy = filter_.get();
    its.compression = leveldb::kNoCompression;
    its.max_file_size = options.memtable_bytes / 2;
    leveldb::DB* store = nullptr;
    want(leveldb::DB::Open(its, options.directory.string(), &store));
    store_.reset(store);
  }

  std::unique_ptr<Client> client() override {
    return std::make_unique<LeveldbClient>(*store_, options_.sync);
  }

  nlohmann::json settings() const override {
    return {{"version", fmt::format("{}.{}", int{leveldb::kMajorVersion}, int{leveldb::kMinorVersion})},
            {"write_buffer_size", options_.memtable_bytes},
            {"memtables at most", 2},
            {"block_cache", options_.cache_bytes},
            {"filter_policy, bits", options_.bloom_bits},
            {"compression", "none"},
            {"level 1, bytes", 10 << 20},
            {"max_file_size", options_.memtable_bytes / 2},
            {"background threads", 1},
            {"WriteOptions::sync", options_.sync},
            {"a process that is killed loses", "nothing: each put is a write to the log"},
            {"an operation", "without a transaction"},
            {"put", "blind"},
            {"all else", "as LevelDB has it"}};
  }

  nlohmann::json written() const override { return nlohmann::json::object(); }
  void close() override { store_.reset(); }

 private:
  const StoreOptions options_;
  const std::unique_ptr<leveldb::Cache> cache_;
  std::unique_ptr<const leveldb::FilterPolicy> filter_;
  std::unique_ptr<leveldb::DB> store_;
};

}  // namespace

std::unique_ptr<Store> open_leveldb(const StoreOptions& options) {
  return std::make_unique<LeveldbStore>(options);
}

}  // namespace muster::rivals
