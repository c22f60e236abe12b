#include "engine/c_api.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/catalogue.h"
#include "engine/error.h"
#include "engine/index/btree.h"
#include "engine/io/file.h"
#include "engine/numbered_transactions.h"
#include "engine/table_files.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

static_assert(MUSTER_TRANSACTIONS_MAX == NumberedTransactions::kMax);
static_assert(MUSTER_TABLES_MAX == BufferManager::kMaxTables - 1);  // no table has id 0

constexpr std::size_t kFramesMin =
    std::max(BufferManager::kFramesMin, BTree::kLatchedPagesMax* NumberedTransactions::kMax);

/// What the C functions share. Never destroyed: a process may end while its threads are at work, and one that ends without
/// shutdown_db has crashed.
struct Api {
  enum class Phase : std::uint8_t { closed, cut, open };

  std::mutex control;  // of what opens and closes; guards `phase` and `database`
  Phase phase = Phase::closed;
  std::unique_ptr<Database> database;
  NumberedTransactions transactions;
  /// Relaxed: the program that passes a table's id to another thread orders the two threads.
  std::array<std::atomic<bool>, BufferManager::kMaxTables> open_tables{};

  void require_open() const {
    if (phase == Phase::cut)
      throw std::logic_error("the restart was broken off: want init_db or shutdown_db");
    if (phase == Phase::closed) throw std::logic_error("no database is open: init_db comes first");
  }
  void close_tables() {
    for (auto& table : open_tables) table.store(false, std::memory_order_relaxed);
  }
};

Api& api() {
  static Api& only = *new Api;
  return only;
}

thread_local std::array<char, 512> last_error{};

void remember(const char* function, const char* what) noexcept {
  std::snprintf(last_error.data(), last_error.size(), "%s: %s", function, what);
}

/// No exception gets into a C program.
template <class Call>
int guarded(const char* function, int failure, Call call) noexcept {
  try {
    return call();
  } catch (const std::exception& error) {
    remember(function, error.what());
  } catch (...) {
    remember(function, "failed");
  }
  return failure;
}

template <class Pointer>
void require(Pointer* pointer, const char* name) {
  if (pointer == nullptr) throw ConfigError(name, "null", "want a pointer");
}

TableId open_table_of(int id) {
  const auto table = static_cast<TableId>(id);
  if (id > 0 && id <= MUSTER_TABLES_MAX && api().open_tables[table].load(std::memory_order_relaxed))
    return table;
  throw ConfigError("table_id", std::to_string(id), "want one that is open");
}

/// Bytes in the order of the numbers.
using Key = std::array<std::byte, sizeof(std::int64_t)>;
Key key_of(std::int64_t number) {
  std::uint64_t rest =
      static_cast<std::uint64_t>(number) ^ (std::uint64_t{1} << 63);  // negative ones come first
  Key key;
  for (std::size_t i = key.size(); i-- > 0; rest >>= 8) key[i] = static_cast<std::byte>(rest & 0xff);
  return key;
}

Bytes value_at(const char* value) {
  return std::as_bytes(std::span(value, MUSTER_VALUE_BYTES));
}

int result_of(const char* function, Status status) {
  switch (status) {
    case Status::ok:
      return 0;
    case Status::not_found:
      remember(function, "no record has this key");
      return MUSTER_NOT_FOUND;
    case Status::already_exists:
      remember(function, "a record has this key already");
      return MUSTER_EXISTS;
    case Status::mismatch:  // no function of the C API compares
      break;
    case Status::deadlock:
    case Status::conflict:  // two-phase locking has none
      remember(function, "the transaction was a deadlock's victim and has been rolled back");
      return MUSTER_DEADLOCK;
  }
  return MUSTER_FAILED;
}

/// `operation(session)` in a transaction of its own.
template <class Operation>
int as_own_transaction(const char* function, Operation operation) {
  NumberedTransactions::Use own = api().transactions.begin_without_waiting();
  try {
    const Status status = own.attempt(operation);
    if (status == Status::deadlock) {
      remember(function, "a running transaction holds the record's lock");
      return MUSTER_LOCKED;
    }
    own.commit();  // of nothing, where it failed
    return result_of(function, status);
  } catch (...) {
    own.drop();
    throw;
  }
}

// --- opening ---

/// The file that tells of the restart.
class RestartWords final : public RestartObserver {
 public:
  /// Replaces what is there, but for a file that is the database's.
  RestartWords(const fs::path& path, const fs::path& database) {
    const fs::path catalogue = database / "catalogue";
    const bool is_table =
        fs::exists(catalogue) && Catalogue::read(catalogue).find_at(fs::weakly_canonical(fs::absolute(path)));
    if (is_table || TableFiles(database, database / "log").is_own_name(path)) {
      throw ConfigError("logmsg_path", path.string(), "want a path that the database does not use itself");
    }
    file_ = File::open(path, O_WRONLY | O_CREAT | O_TRUNC);
  }

  void progress(const RestartProgress&) override {}
  void finished(const RestartStatistics& found) override { found_ = found; }

  void tell() { write(in_words(found_)); }
  void tell(const RestartCut& cut) {
    const RestartStatistics& found = cut.statistics();
    const bool redo = cut.phase() == RestartPhase::redo;
    write(in_words(found) + fmt::format("broken off in {}, as asked, after {} records\n",
                                        to_string(cut.phase()), redo ? found.redo_records : found.undone));
  }
  void tell(const std::exception& error) noexcept {
    try {
      write(fmt::format("failed: {}\n", error.what()));
    } catch (const std::exception&) {  // the caller is told of the first error
    }
  }

 private:
  void write(const std::string& text) { file_.append(std::as_bytes(std::span(text))); }

  File file_;
  RestartStatistics found_;
};

std::size_t frames_from(int num_buf) {
  const auto most = static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) *
                    static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) / kPageBytes;
  const auto frames = static_cast<std::size_t>(std::max(num_buf, 0));
  if (frames > most) {
    throw ConfigError("num_buf", std::to_string(num_buf),
                      fmt::format("want {} at most, the machine's memory", most));
  }
  return std::max(frames, kFramesMin);
}

RestartLimits limits_from(int flag, int log_num) {
  if (flag < 0 || flag > 2) {
    throw ConfigError("flag", std::to_string(flag),
                      "want 0 to recover, 1 to break off redo, 2 to break off undo");
  }
  if (flag == 0) return {};
  if (log_num < 0) throw ConfigError("log_num", std::to_string(log_num), "want 0 at least");
  const auto records = static_cast<std::uint64_t>(log_num);
  return flag == 1 ? RestartLimits{.redo = records, .undo = {}} : RestartLimits{.redo = {}, .undo = records};
}

/// Absolute, so that the program may go elsewhere.
fs::path directory_from(const char* log_path) {
  const fs::path directory = fs::absolute(log_path);
  if (fs::exists(directory) && !fs::is_directory(directory)) {
    throw ConfigError("log_path", log_path, "want a directory, or a path where one can be made");
  }
  return directory;
}

int open_database(Api& shared, DatabaseOptions options, RestartWords& words) {
  options.restart_observer = &words;
  try {
    std::unique_ptr<Database> database = Database::open(options);
    words.tell();
    shared.transactions.open(*database);
    shared.database = std::move(database);
    shared.phase = Api::Phase::open;
  } catch (const RestartCut& cut) {
    words.tell(cut);
    shared.phase = Api::Phase::cut;
  } catch (const std::exception& error) {
    words.tell(error);
    throw;
  }
  return 0;
}

}  // namespace
}  // namespace muster

using namespace muster;

int init_db(int num_buf, int flag, int log_num, char* log_path, char* logmsg_path) {
  return guarded("init_db", MUSTER_FAILED, [&] {
    require(log_path, "log_path");
    require(logmsg_path, "logmsg_path");
    Api& shared = api();
    const std::lock_guard guard(shared.control);
    if (shared.phase == Api::Phase::open)
      throw std::logic_error("a database is open: shutdown_db comes first");
    DatabaseOptions options;
    options.frames = frames_from(num_buf);
    options.restart_limits = limits_from(flag, log_num);
    options.directory = directory_from(log_path);
    options.log_buffer.max_workers = NumberedTransactions::kMax;
    make_directories(options.directory);  // the file of words may lie there
    RestartWords words(logmsg_path, options.directory);
    shared.phase = Api::Phase::closed;
    return open_database(shared, std::move(options), words);
  });
}

int shutdown_db(void) {
  return guarded("shutdown_db", MUSTER_FAILED, [] {
    Api& shared = api();
    const std::lock_guard guard(shared.control);
    if (shared.phase == Api::Phase::closed) shared.require_open();
    if (shared.phase == Api::Phase::open) shared.transactions.close();
    shared.close_tables();
    shared.phase = Api::Phase::closed;
    const std::unique_ptr<Database> database = std::move(shared.database);
    if (database) database->close();
    return 0;
  });
}

int open_table(char* pathname) {
  return guarded("open_table", MUSTER_FAILED, [&] {
    require(pathname, "pathname");
    Api& shared = api();
    const std::lock_guard guard(shared.control);
    shared.require_open();
    const TableId table = shared.database->open_table(pathname);
    shared.open_tables[table].store(true, std::memory_order_relaxed);
    return static_cast<int>(table);
  });
}

int close_table(int table_id) {
  return guarded("close_table", MUSTER_FAILED, [&] {
    Api& shared = api();
    const std::lock_guard guard(shared.control);
    shared.require_open();
    shared.open_tables[open_table_of(table_id)].store(false, std::memory_order_relaxed);
    return 0;
  });
}

int db_insert(int table_id, int64_t key, char* value) {
  return guarded("db_insert", MUSTER_FAILED, [&] {
    require(value, "value");
    return as_own_transaction("db_insert", [&](Session& session) {
      return session.insert(open_table_of(table_id), key_of(key), value_at(value));
    });
  });
}

int db_delete(int table_id, int64_t key) {
  return guarded("db_delete", MUSTER_FAILED, [&] {
    return as_own_transaction(
        "db_delete", [&](Session& session) { return session.remove(open_table_of(table_id), key_of(key)); });
  });
}

int db_find(int table_id, int64_t key, char* ret_val, int trx_id) {
  return guarded("db_find", MUSTER_FAILED, [&] {
    require(ret_val, "ret_val");
    NumberedTransactions::Use transaction = api().transactions.use(trx_id);
    std::vector<std::byte>& value = transaction.value();
    const Status status = transaction.attempt(
        [&](Session& session) { return session.read(open_table_of(table_id), key_of(key), value); });
    if (status != Status::ok) return result_of("db_find", status);
    if (value.size() != MUSTER_VALUE_BYTES) {
      throw std::logic_error(
          fmt::format("a value of {} bytes, which no C program has written", value.size()));
    }
    std::memcpy(ret_val, value.data(), value.size());
    return 0;
  });
}

int db_update(int table_id, int64_t key, char* values, int trx_id) {
  return guarded("db_update", MUSTER_FAILED, [&] {
    require(values, "values");
    NumberedTransactions::Use transaction = api().transactions.use(trx_id);
    return result_of("db_update", transaction.attempt([&](Session& session) {
      return session.update(open_table_of(table_id), key_of(key), value_at(values));
    }));
  });
}

int trx_begin(void) {
  return guarded("trx_begin", 0, [] { return api().transactions.begin().number(); });
}

int trx_commit(int trx_id) {
  return guarded("trx_commit", 0, [&] {
    api().transactions.use(trx_id).commit();
    return trx_id;
  });
}

int trx_abort(int trx_id) {
  return guarded("trx_abort", 0, [&] {
    api().transactions.use(trx_id).abort();
    return trx_id;
  });
}

const char* muster_last_error(void) {
  return last_error.data();
}
