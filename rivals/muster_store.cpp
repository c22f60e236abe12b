#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>

#include "engine/database.h"
#include "rivals/store.h"

namespace muster::rivals {
namespace {

void want(bool condition, const char* what) {
  if (!condition) throw std::runtime_error(what);
}

/// An operation is a transaction.
class MusterClient final : public Client {
 public:
  MusterClient(std::unique_ptr<Session> session, TableId table)
      : session_(std::move(session)), table_(table) {}

  void put(Bytes key, Bytes value) override {
    for (;;) {
      session_->begin();
      Status status = session_->insert(table_, key, value);
      if (status == Status::already_exists) status = session_->update(table_, key, value);
      if (status == Status::ok) {
        if (session_->commit()) return;
        continue;  // rolled back: once more
      }
      want(status == Status::deadlock || status == Status::conflict, "put: refused");
    }
  }

  bool get(Bytes key, std::vector<std::byte>& value) override {
    session_->begin_read_only();
    const Status status = session_->read(table_, key, value);
    session_->commit();
    want(status == Status::ok || status == Status::not_found, "get: refused");
    return status == Status::ok;
  }

  std::size_t scan(Bytes from, std::size_t count) override {
    std::size_t seen = 0;
    session_->begin_read_only();
    const Status status = session_->scan(table_, from, [&](Bytes key, Bytes value) {
      want(key.size() + value.size() > 0, "scan: an empty record");
      return ++seen < count;
    });
    want(status == Status::ok, "scan: refused");
    session_->commit();
    return seen;
  }

 private:
  const std::unique_ptr<Session> session_;
  const TableId table_;
};

class MusterStore final : public Store {
 public:
  explicit MusterStore(const StoreOptions& options)
      : policy_(options.sync ? CommitPolicy::durable : CommitPolicy::async),
        level_(level_of(options.isolation)),
        options_(options) {
    DatabaseOptions database;
    database.directory = options.directory;
    database.log_buffer.max_workers = options.threads + 1;
    database.frames = std::max<std::size_t>(
        16, 4 * database.log_buffer.max_workers);  // for the B+ trees that are not there
    database.lsm = {.memtable_bytes = options.memtable_bytes,
                    .block_cache_bytes = options.cache_bytes,
                    .compression = lsm::Compression::none,
                    .bloom_bits = options.bloom_bits};
    database_ = Database::open(database);
    table_ = database_->create_table("rivals", TableKind::lsm);
  }

  std::unique_ptr<Client> client() override {
    return std::make_unique<MusterClient>(database_->attach(policy_, level_), table_);
  }

  nlohmann::json settings() const override {
    return {
        {"version", "this tree's"},
        {"lsm.memtable_bytes", options_.memtable_bytes},
        {"memtables at most", 4},
        {"lsm.block_cache_bytes", options_.cache_bytes},
        {"lsm.bloom_bits", options_.bloom_bits},
        {"lsm.compression", "none"},
        {"lsm.compaction", "leveled"},
        {"level 1, bytes", 4 * options_.memtable_bytes},
        {"table file, bytes", options_.memtable_bytes / 2},
        {"background threads", "a flusher, a compactor; the log's flusher"},
        {"commit.policy", options_.sync ? "durable" : "async"},
        {"a process that is killed loses", options_.sync ? "nothing" : "some 10 ms: the log syncs so often"},
        {"an operation", "a transaction, isolation " + options_.isolation},
        {"put", "insert, which looks whether the key is there; update where it is"}};
  }

  nlohmann::json written() const override {
    const lsm::LsmStatistics lsm = database_->lsm_statistics();
    return {{"log", database_->log().statistics().bytes},
            {"flush", lsm.flush_bytes},
            {"compaction", lsm.compaction_bytes},
            {"slowed puts", lsm.slowed},
            {"stopped puts", lsm.stopped},
            {"files", lsm.files}};
  }

  void close() override { database_->close(); }

 private:
  static Isolation level_of(const std::string& name) {
    const auto found = std::ranges::find(kIsolations, name);
    if (found == kIsolations.end())
      throw std::invalid_argument(
          fmt::format("isolation = {}: want one of {}", name, fmt::join(kIsolations, ", ")));
    return static_cast<Isolation>(found - kIsolations.begin());
  }

  const CommitPolicy policy_;
  const Isolation level_;
  const StoreOptions options_;
  std::unique_ptr<Database> database_;
  TableId table_ = 0;
};

}  // namespace

std::unique_ptr<Store> open_muster(const StoreOptions& options) {
  return std::make_unique<MusterStore>(options);
}

}  // namespace muster::rivals
