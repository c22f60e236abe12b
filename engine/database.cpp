#include "engine/database.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <map>
#include <stdexcept>

#include "algorithms/registry.h"
#include "engine/catalogue.h"
#include "engine/checkpointer.h"
#include "engine/error.h"
#include "engine/io/file.h"
#include "engine/lsm/options_check.h"
#include "engine/lsm_tables.h"
#include "engine/storage/high_water.h"
#include "engine/table_files.h"
#include "engine/txn/engine.h"
#include "engine/txn/restart.h"
#include "engine/txn/transaction_session.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

/// A structure change logs some pages as one record, which must fit into the ring.
constexpr std::size_t kRingBytesMin = std::size_t{64} << 10;

fs::path parent_of(const fs::path& directory) {
  const fs::path whole = fs::absolute(directory).lexically_normal();
  return whole.has_filename() ? whole.parent_path() : whole.parent_path().parent_path();
}

/// Each session may be in the middle of a structure change in a table of its own. With fewer frames all of them
/// may come to wait for one that none gives back.
void check_frames(const DatabaseOptions& options) {
  const std::uint32_t workers = options.log_buffer.max_workers;
  const std::size_t least = std::max(BufferManager::kFramesMin, BTree::kLatchedPagesMax * workers);
  if (options.frames >= least) return;
  throw ConfigError("engine.frames", std::to_string(options.frames),
                    fmt::format("want {} at least, {} for each of {} workers (log_buffer.max_workers)", least,
                                BTree::kLatchedPagesMax, workers));
}

/// As the engine takes them. Throws ConfigError.
DatabaseOptions checked(DatabaseOptions options) {
  if (options.directory.empty()) throw ConfigError("engine.directory", "\"\"", "want a directory");
  const std::size_t ring = options.log_buffer.capacity;
  if (!std::has_single_bit(ring) || ring < kRingBytesMin) {
    throw ConfigError("log_buffer.capacity", std::to_string(ring),
                      fmt::format("want a power of two, {} at least", kRingBytesMin));
  }
  if (options.log.device == "file" && options.log.directory.empty()) {
    options.log.directory = options.directory / "log";
  }
  if (options.log.device == "file" && options.checkpoint_bytes != 0 &&
      options.checkpoint_bytes < options.log.segment_bytes) {
    throw ConfigError(
        "engine.checkpoint_bytes", std::to_string(options.checkpoint_bytes),
        fmt::format(
            "want 0 (never), or log.segment_bytes at least, {}: a checkpoint gives back whole segments",
            options.log.segment_bytes));
  }
  check_frames(options);
  lsm::check(options.lsm);
  if (options.partitions < 1 || options.partitions > kPartitionsMax) {
    throw ConfigError("engine.partitions", std::to_string(options.partitions),
                      fmt::format("want 1 to {}", kPartitionsMax));
  }
  check(options.log, options.algorithm);
  make_log_buffer(options.algorithm, options.log_buffer);  // checks the rest, before anything is touched
  ++options.log_buffer.max_workers;                        // one more for what the database itself appends
  return options;
}

/// Of a name that is no text.
std::string escaped(std::string_view name) {
  std::string text;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    text += byte >= 0x20 && byte < 0x7f ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }
  return text;
}

File lock_directory(const fs::path& directory) {
  make_directories(directory);
  File lock = File::open(directory / "lock", O_RDWR | O_CREAT);
  if (!lock.try_lock()) {
    throw ConfigError("engine.directory", directory.string(), "want one that no other process has open");
  }
  return lock;
}

/// Logs the making of a table, which belongs to no transaction.
class CreationLog : public ChangeLog {
 public:
  explicit CreationLog(LogManager& log) : log_(log), worker_(log.attach()) {}
  ~CreationLog() override { log_.detach(worker_); }
  CreationLog(const CreationLog&) = delete;
  CreationLog& operator=(const CreationLog&) = delete;

  Lsn end() const { return end_; }

 private:
  Lsn change(const RecordChange&) override { throw std::logic_error("an empty table holds no record"); }
  Lsn restructure(std::span<const PageImage> pages) override {
    return end_ = log_.append_structure(worker_, pages).end;
  }
  bool may_reclaim(TableId, Bytes) override { return false; }
  Lsn reclaim(const Reclaim&) override { throw std::logic_error("an empty table holds no ghost"); }

  LogManager& log_;
  const WorkerId worker_;
  Lsn end_ = 0;
};

/// What a database has open, from its files to its transactions. Its sessions own it, too.
class OpenDatabase {
 public:
  explicit OpenDatabase(const DatabaseOptions& options);

  TableId create_table(std::string_view name, TableKind kind);
  TableId open_table(const fs::path& file);
  std::optional<TableId> find_table(std::string_view name) const;
  LogManager& log() { return *log_; }
  /// Throws std::logic_error behind close().
  Engine& engine_in_use() const;
  void check() const;
  /// As Database::checkpoint.
  void checkpoint();
  std::unique_lock<std::mutex> keep_log() { return std::unique_lock(checkpointing_); }
  Lsn log_begin() const { return log_begin_.load(std::memory_order_relaxed); }
  BufferStatistics buffer_statistics() const { return buffers_.statistics(); }
  BeginStatistics begin_statistics() const { return engine_->begins.statistics(); }
  VersionStatistics version_statistics() const { return engine_->versions.statistics(); }
  lsm::LsmStatistics lsm_statistics() const { return lsm_.statistics(); }
  void close();
  /// The user has destroyed the Database. Sessions that are still attached keep this object alive; from now on they
  /// can only roll back.
  void abandon() noexcept;

 private:
  bool outlives_process() const { return options_.log.device == "file"; }
  fs::path master_path() const { return options_.directory / "master"; }
  fs::path catalogue_path() const { return options_.directory / "catalogue"; }
  fs::path double_write_path() const { return options_.directory / "doublewrite"; }
  fs::path high_water_path() const { return options_.directory / "high_water"; }

  void create_files() const;
  void begin_double_write();
  void open_files();
  void open_tables(const Master& master);
  void check_log_reaches_pages(const Restart& restart) const;
  void flush_log_before_pages(Lsn lsn);
  void open_log(Lsn scan_from, Lsn log_end);
  void start_engine(TransactionId next_transaction);
  void remove_leftovers();
  void advance_master(bool clean);
  void start_checkpointer();
  void forget_log_below(Lsn lsn);
  void check_new_table(std::string_view name) const;
  void make_table(File file, std::string name);

  const DatabaseOptions options_;
  const File lock_;
  const TableFiles files_;
  std::unique_ptr<LogManager> log_;
  std::unique_ptr<HighWater> high_water_;  // none where nothing outlives the process
  BufferManager buffers_;
  LsmTables lsm_;
  Tables tables_;
  std::unique_ptr<Engine> engine_;
  /// Stops the trees' threads before engine_ is destroyed: they ask it what they may drop. Must stand behind it.
  struct Stop {
    LsmTables& tables;
    ~Stop() { tables.stop(); }
  } stop_lsm_{lsm_};
  bool closed_ = false;
  std::exception_ptr close_failure_;
  std::mutex checkpointing_;       // held by one checkpoint at a time
  std::atomic<Lsn> log_begin_{0};  // relaxed: a number, which publishes nothing

  mutable std::mutex creating_;  // guards what follows, and lets one table at a time be made
  Catalogue catalogue_;
  TableId next_table_ = 1;

  std::optional<Checkpointer> checkpointer_;  // last: its thread uses the others
};

OpenDatabase::OpenDatabase(const DatabaseOptions& options)
    : options_(checked(options)),
      lock_(lock_directory(options_.directory)),
      files_(options_.directory, options_.log.directory),
      buffers_({.frames = options_.frames,
                .replacement = options_.replacement,
                .memory = options_.log_buffer.memory},
               [this](Lsn lsn) { flush_log_before_pages(lsn); }),
      lsm_(
          options_.directory, options_.lsm, !outlives_process(),
          [this](Lsn lsn) { flush_log_before_pages(lsn); }, [this] { return log_->reserved(); }) {
  if (!outlives_process()) {
    open_log(0, kFirstLsn);
    start_engine(1);
    return;
  }
  if (!fs::exists(master_path())) create_files();
  open_files();
  start_checkpointer();
}

/// The master comes last: without it, what a crash leaves here is not a database yet.
void OpenDatabase::create_files() const {
  const bool tables = fs::exists(catalogue_path()) && !Catalogue::read(catalogue_path()).tables().empty();
  if (tables || !list_segments(options_.log.directory).empty()) {
    throw DamageError(fmt::format("{}: there is a {} but no file called master", options_.directory.string(),
                                  tables ? "catalogue of tables" : "log"));
  }
  make_directories(options_.log.directory);
  // A process that was killed may have made them and not come to this.
  for (const fs::path& made : {options_.directory, options_.log.directory}) sync_directory(parent_of(made));
  Catalogue().write(catalogue_path());
  Master{.log_begin = kFirstLsn,
         .redo_begin = kFirstLsn,
         .settled = kFirstLsn,
         .next_transaction = 1,
         .clean = true}
      .write(master_path());
}

void OpenDatabase::open_files() {
  // A process that was killed may have renamed a master or a catalogue and not synced the name. What follows
  // builds on them and removes what the ones before still need.
  sync_directory(options_.directory);
  Master master = Master::read(master_path());
  catalogue_ = Catalogue::read(catalogue_path());
  next_table_ = catalogue_.next_id();

  // Up to here nothing on the disk changes, and then nothing but torn pages until damage is ruled out. After a
  // failed sync the kernel may remember a log and pages that the disk does not hold.
  if (!master.clean) forget_cached_segments(options_.log.directory);
  open_tables(master);
  Restart restart(options_.log.directory, master, catalogue_, buffers_, lsm_.self_stored(),
                  options_.restart_observer, options_.restart_limits, options_.redo_workers);
  if (!master.clean) check_log_reaches_pages(restart);

  if (master.clean) {
    master.clean = false;
    master.write(master_path());
  }
  open_log(restart.last_record(), restart.log_end());
  // Behind the log's opening, which syncs what it found: a killed process may have left an end that no disk has.
  high_water_ = std::make_unique<HighWater>(high_water_path(), restart.log_end());
  begin_double_write();
  lsm_.begin_writing();
  restart.redo();
  for (const Catalogue::Table& table : catalogue_.tables()) {
    if (table.kind != TableKind::btree) continue;
    tables_.add(table.id, std::make_unique<BTree>(buffers_, table.id, options_.read_latch));
  }
  restart.undo(*log_, tables_);
  start_engine(restart.next_transaction());
  if (restart.log_is_empty()) {
    forget_log_below(master.log_begin);
  } else {
    advance_master(false);
  }
  remove_leftovers();
}

void OpenDatabase::open_tables(const Master& master) {
  std::map<TableId, File> files = files_.open_all(catalogue_);
  if (!master.clean) std::ranges::for_each(files, [](auto& entry) { entry.second.forget_cached(); });
  if (fs::exists(double_write_path())) restore_torn_pages(File::open(double_write_path(), O_RDONLY), files);
  for (auto& [id, file] : files) {
    check_table_file(file, id, master.log_begin, master.clean);
    buffers_.open_table(id, std::move(file), catalogue_.find(id)->name);
  }
  for (const Catalogue::Table& table : catalogue_.tables()) {
    if (table.kind == TableKind::lsm)
      tables_.add(table.id, lsm_.open(table.id, master.redo_begin, master.clean));
  }
}

/// The tables' files are sound and durable: what the area holds is not needed any more.
void OpenDatabase::begin_double_write() {
  buffers_.write_twice(File::open(double_write_path(), O_RDWR | O_CREAT | O_TRUNC));
  sync_directory(options_.directory);
}

/// A log that lost its end cannot be told from one that ended there, but by what the pages hold.
void OpenDatabase::check_log_reaches_pages(const Restart& restart) const {
  for (const auto& [id, table] : lsm_.self_stored()) {
    if (table->newest_change() <= restart.log_end()) continue;
    throw DamageError(fmt::format("the log ends at LSN {}, but the files in {} go up to LSN {}",
                                  restart.log_end(), lsm_.path_of(id).string(), table->newest_change()));
  }
  const std::optional<Lsn> durable_once = HighWater::read(high_water_path());
  if (durable_once && *durable_once <= restart.log_end()) return;
  for (const Catalogue::Table& table : catalogue_.tables()) {
    if (table.kind == TableKind::btree) restart.check_pages(files_.path_of(table), table.id);
  }
  if (!durable_once) return;
  throw DamageError(fmt::format("the log ends at LSN {}, but was durable up to LSN {} once",
                                restart.log_end(), *durable_once));
}

/// The WAL rule. The mark takes all that is durable, so that it need not follow every single page.
void OpenDatabase::flush_log_before_pages(Lsn lsn) {
  log_->flush(lsn);
  if (high_water_) high_water_->raise(std::max(lsn, log_->durable()));
}

void OpenDatabase::open_log(Lsn scan_from, Lsn log_end) {
  LogOptions log = options_.log;
  log.scan_from = scan_from;
  log.retract = options_.begin_record == BeginRecord::elided;
  if (options_.make_log_device) {
    log_ = std::make_unique<LogManager>(log, options_.algorithm, options_.log_buffer,
                                        options_.make_log_device(log, log_end));
  } else {
    log_ = std::make_unique<LogManager>(log, options_.algorithm, options_.log_buffer);
  }
}

void OpenDatabase::start_engine(TransactionId next_transaction) {
  const SessionOptions options{.early_lock_release = options_.early_lock_release,
                               .begin_record = options_.begin_record,
                               .read_committed = options_.read_committed,
                               .partitions = options_.partitions,
                               .deadlock = options_.deadlock};
  engine_ = std::make_unique<Engine>(*log_, tables_, options, options_.log, next_transaction,
                                     options_.log_buffer.max_workers - 1, options_.log_buffer.memory);
  lsm_.start([this](TableId table, Bytes key) { return engine_->may_reclaim(table, key); });
}

/// Of tables whose creation a crash cut off.
void OpenDatabase::remove_leftovers() {
  files_.remove_leftovers(catalogue_);
  if (catalogue_.unfinished().empty()) return;
  catalogue_.forget_unfinished();
  catalogue_.write(catalogue_path());
}

/// While no transaction is active: brings everything into the files, so that restart needs no record below the
/// log's end.
void OpenDatabase::advance_master(bool clean) {
  const Lsn log_begin = log_->reserved();
  log_->flush(log_begin);
  const Master master{.log_begin = log_begin,
                      .redo_begin = log_begin,
                      .settled = log_begin,
                      .next_transaction = engine_->next_transaction(),
                      .clean = clean};
  if (lsm_.write_back() < log_begin) throw std::logic_error("a tree needs the log from below its end");
  if (clean) lsm_.stop();  // what a compaction did behind a clean master would not be checked
  buffers_.flush_all();
  master.write(master_path());
  forget_log_below(log_begin);
}

void OpenDatabase::start_checkpointer() {
  const Checkpointer::Interval interval{options_.checkpoint_bytes, options_.checkpoint_time};
  if (interval.bytes == 0 && interval.time.count() == 0) return;
  checkpointer_.emplace(
      interval, [this] { return log_->reserved(); },
      [this] {
        try {
          checkpoint();
        } catch (const NoRoom&) {  // nothing is lost but time: the log stays, and the next one tries again
        } catch (const std::exception&) {
          engine_->fail(std::current_exception());  // every session throws it from now on
        }
      });
}

/// Fuzzy: pages go to the files one by one, each under its own latch, and change again behind.
///
/// A page that a record below `redo_begin` changes is latched from before the record is appended until it is changed, so that
/// flush_all() meets it latched, dirty, or written already; the sync that ends flush_all() is for those, too.
void OpenDatabase::checkpoint() {
  if (!outlives_process()) return;
  const std::lock_guard one_at_a_time(checkpointing_);
  engine_->throw_if_failed();
  Master master{.redo_begin = log_->reserved()};
  // Behind the log's end, so that no transaction that began below it is missed (active_transactions.h).
  // A slot may name an LSN of long before its transaction's first record, which lies above the last checkpoint's begin.
  master.log_begin = std::max(log_begin(), std::min(master.redo_begin, engine_->active.oldest()));
  // Read behind the slots: a transaction whose slot was empty by then has its last record below this.
  master.settled = log_->reserved();
  master.next_transaction = engine_->next_transaction();
  log_->flush(master.settled);
  // Each tree writes its memtable, with all changes that were logged before this call, to a file.
  master.redo_begin = std::min(master.redo_begin, lsm_.write_back());
  master.log_begin = std::min(master.log_begin, master.redo_begin);
  buffers_.flush_all();
  engine_->throw_if_failed();
  master.write(master_path());
  forget_log_below(master.log_begin);
}

void OpenDatabase::forget_log_below(Lsn lsn) {
  log_begin_.store(lsn, std::memory_order_relaxed);
  log_->remove_below(lsn);
}

/// The catalogue comes last: until it names the table, a crash leaves a file that the next opening removes and
/// a record that redo passes over. A number is not used again before the log has forgotten such a record.
TableId OpenDatabase::create_table(std::string_view name, TableKind kind) {
  const std::lock_guard guard(creating_);
  check_new_table(name);
  const TableId id = next_table_;
  std::unique_ptr<Table> table;
  lsm::LsmTable* tree = nullptr;
  if (kind == TableKind::lsm) {
    ++next_table_;
    std::unique_ptr<lsm::LsmTable> made = lsm_.create(id);
    tree = made.get();
    table = std::move(made);
  } else {
    make_table(outlives_process() ? files_.create(id) : files_.create_unnamed(id), std::string(name));
    table = std::make_unique<BTree>(buffers_, id, options_.read_latch);
  }
  Catalogue larger = catalogue_;
  larger.add({id, std::string(name), {}, kind});
  if (outlives_process()) {
    sync_directory(options_.directory);
    larger.write(catalogue_path());
  }
  tables_.add(id, std::move(table));
  if (tree != nullptr) lsm_.adopt(id, *tree);
  catalogue_ = std::move(larger);
  return id;
}

/// Here the catalogue says beforehand that the file will hold pages, so that a crash leaves none that no opening knows.
TableId OpenDatabase::open_table(const fs::path& file) {
  const fs::path path = fs::weakly_canonical(fs::absolute(file));
  const std::lock_guard guard(creating_);
  engine_in_use();
  if (const Catalogue::Table* table = catalogue_.find_at(path)) return table->id;
  if (!outlives_process())
    throw ConfigError("log.device", options_.log.device, "want file, for a table at a path");
  check_new_table(path.string());
  File empty = files_.create_at(path);
  const TableId id = next_table_;
  Catalogue larger = catalogue_;
  larger.add_unfinished({id, path.string(), path, TableKind::btree});
  larger.write(catalogue_path());
  catalogue_ = larger;
  make_table(std::move(empty), path.string());
  larger.finish(id);
  larger.write(catalogue_path());
  tables_.add(id, std::make_unique<BTree>(buffers_, id, options_.read_latch));
  catalogue_ = std::move(larger);
  return id;
}

void OpenDatabase::check_new_table(std::string_view name) const {
  engine_in_use().throw_if_failed();
  if (name.empty()) throw ConfigError("table", "\"\"", "want a name");
  if (!Catalogue::can_hold(name)) throw ConfigError("table", escaped(name), "want a name in UTF-8");
  if (catalogue_.find(name) != nullptr)
    throw ConfigError("table", std::string(name), "want a name that is not taken");
  if (next_table_ >= BufferManager::kMaxTables) {
    throw ConfigError("table", std::string(name),
                      fmt::format("want fewer than {} tables", BufferManager::kMaxTables));
  }
}

/// An empty tree in an empty file, as table next_table_.
void OpenDatabase::make_table(File file, std::string name) {
  const TableId id = next_table_;
  buffers_.open_table(id, std::move(file), std::move(name));
  ++next_table_;  // from here on the log may name it
  CreationLog creation(*log_);
  BTree::create(buffers_, id, creation);
  log_->flush(creation.end());
}

std::optional<TableId> OpenDatabase::find_table(std::string_view name) const {
  const std::lock_guard guard(creating_);
  const Catalogue::Table* const table = catalogue_.find(name);
  return table != nullptr ? std::optional(table->id) : std::nullopt;
}

Engine& OpenDatabase::engine_in_use() const {
  if (closed_) throw std::logic_error("the database has been closed");
  return *engine_;
}

void OpenDatabase::check() const {
  tables_.for_each([](TableId, const Table& table) { table.verify(); });
}

void OpenDatabase::close() {
  if (closed_) {
    if (close_failure_) std::rethrow_exception(close_failure_);
    return;
  }
  if (engine_->sessions() != 0) throw std::logic_error("close: a session is attached");
  closed_ = true;
  checkpointer_.reset();
  try {
    engine_->throw_if_failed();
    if (outlives_process()) advance_master(true);
  } catch (...) {
    close_failure_ = std::current_exception();
    throw;
  }
}

void OpenDatabase::abandon() noexcept {
  try {
    close();
  } catch (const std::exception&) {  // the next opening recovers
  }
  if (closed_) return;
  checkpointer_.reset();
  engine_->fail(std::make_exception_ptr(std::logic_error("the session's database is gone")));
}

/// What users hold.
class DatabaseHandle final : public Database {
 public:
  explicit DatabaseHandle(const DatabaseOptions& options) : open_(std::make_shared<OpenDatabase>(options)) {}
  ~DatabaseHandle() override { open_->abandon(); }
  DatabaseHandle(const DatabaseHandle&) = delete;
  DatabaseHandle& operator=(const DatabaseHandle&) = delete;

  TableId create_table(std::string_view name, TableKind kind) override {
    return open_->create_table(name, kind);
  }
  TableId open_table(const fs::path& file) override { return open_->open_table(file); }
  std::optional<TableId> find_table(std::string_view name) const override { return open_->find_table(name); }
  std::unique_ptr<Session> attach(CommitPolicy policy, Isolation level) override {
    const std::shared_ptr<Engine> engine(open_, &open_->engine_in_use());  // owns all that is open
    return std::make_unique<TransactionSession>(engine, policy, level);
  }
  void register_procedure(std::string_view name, Procedure procedure) override {
    open_->engine_in_use().procedures.add(name, std::move(procedure));
  }
  void partition_by_range(TableId table, std::vector<std::string> bounds) override {
    Engine& engine = open_->engine_in_use();
    if (engine.sessions() != 0) throw std::logic_error("partition_by_range: a session is attached");
    engine.tables.get(table);  // throws where there is no such table
    engine.partitions.split(table, std::move(bounds));
  }
  LogManager& log() override { return open_->log(); }
  BufferStatistics buffer_statistics() const override { return open_->buffer_statistics(); }
  BeginStatistics begin_statistics() const override { return open_->begin_statistics(); }
  VersionStatistics version_statistics() const override { return open_->version_statistics(); }
  lsm::LsmStatistics lsm_statistics() const override { return open_->lsm_statistics(); }
  void checkpoint() override {
    open_->engine_in_use();
    open_->checkpoint();
  }
  Lsn log_begin() const override { return open_->log_begin(); }
  std::unique_lock<std::mutex> keep_log() override { return open_->keep_log(); }
  void check() const override { open_->check(); }
  void close() override { open_->close(); }

 private:
  const std::shared_ptr<OpenDatabase> open_;
};

}  // namespace

void check(const DatabaseOptions& options) {
  static_cast<void>(checked(options));
}

std::unique_ptr<Database> Database::open(const DatabaseOptions& options) {
  return std::make_unique<DatabaseHandle>(options);
}

}  // namespace muster
