// A database whose LSM tree finds no room on the machine, or whose background lags behind.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "engine/io/file_observer.h"
#include "engine/lsm/no_room.h"
#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"

namespace muster {
namespace {

using Kind = FileOperation::Kind;
using Model = std::map<std::string, std::string>;

/// Refuses some operations on the files of trees while it is full. The thread that makes the first table file is the flusher:
/// before that there is nothing to compact.
class FullDisk final : public FileObserver {
 public:
  using Wanted = std::function<bool(const FileOperation& operation, bool by_flusher)>;
  FullDisk(int error, Wanted refuses) : error_(error), refuses_(std::move(refuses)) { observe_files(this); }
  ~FullDisk() override { observe_files(nullptr); }

  FileVerdict before(const FileOperation& operation) override {
    const bool of_a_tree =
        operation.path.parent_path().extension() == ".lsm" || operation.path.extension() == ".lsm";
    if (!of_a_tree) return {};
    const std::lock_guard guard(mutex_);
    const bool makes_a_file = operation.kind == Kind::open && (operation.flags & O_CREAT) != 0;
    if (makes_a_file && operation.path.extension() == ".sst" && !flusher_)
      flusher_ = std::this_thread::get_id();
    if (!full.load() || !refuses_(operation, flusher_ == std::this_thread::get_id())) return {};
    ++refused;
    return {.error = error_};
  }
  void after(const FileOperation&, std::int64_t) override {}

  std::atomic<bool> full{false};
  std::atomic<int> refused{0};

 private:
  const int error_;
  const Wanted refuses_;
  std::mutex mutex_;
  std::optional<std::thread::id> flusher_;
};

/// A database with one tree, and what is committed there.
class Subject {
 public:
  Subject() { open(); }

  /// The log has what it needs: its failure ends the engine.
  void open() {
    DatabaseOptions options = small_database(directory.path());
    options.log.segment_bytes = std::uint64_t{32} << 20;
    database = Database::open(options);
  }
  void close() {
    session.reset();
    database->close();
    database.reset();
  }
  /// One transaction with one record. The keys are all over the tree, so that compactions do not only move files.
  void insert() {
    if (!session) session = database->attach(CommitPolicy::async);
    const std::string key = key_of(next_ * 7919 % 100'003), value(900, static_cast<char>('a' + next_ % 26));
    session->begin();
    try {
      const Status status = session->insert(table, as_bytes(key), as_bytes(value));
      if (status != Status::ok) throw std::logic_error(key);
    } catch (const std::system_error&) {
      session->abort();
      throw;
    }
    session->commit();
    model.emplace(key, value);
    ++next_;
  }
  /// What the first refusal says; empty: there was none.
  std::string insert_until_refused(int most, int error) {
    try {
      for (int i = 0; i < most; ++i) insert();
    } catch (const NoRoom& refusal) {
      CHECK(refusal.code().value() == error);
      return refusal.what();
    }
    return {};
  }
  bool inserts_again() {
    return comes_true([this] {
      try {
        insert();
        return true;
      } catch (const NoRoom&) {
        return false;
      }
    });
  }

  TemporaryDirectory directory;
  std::unique_ptr<Database> database;
  std::unique_ptr<Session> session;
  TableId table = 0;
  Model model;

 private:
  std::uint64_t next_ = 0;
};

bool is_table_file(const FileOperation& operation) {
  return operation.path.extension() == ".sst";
}

std::size_t table_files(const Subject& subject) {
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(subject.directory.path() / "1.lsm"))
    files += entry.path().extension() == ".sst";
  return files;
}

/// Fills the memtables while no flush finds room; then gives it room.
void flush_without_room(int error, const FullDisk::Wanted& refuses) {
  FullDisk disk(error, refuses);  // goes when the tree's threads have
  Subject subject;
  subject.table = subject.database->create_table("t", TableKind::lsm);
  for (int i = 0; i < 100; ++i) subject.insert();
  subject.database->checkpoint();
  disk.full = true;
  const std::string refusal = subject.insert_until_refused(5000, error);
  CAPTURE(refusal);
  CHECK(refusal.find("1.lsm: no more changes until there is room again") != std::string::npos);
  CHECK(disk.refused > 0);
  CHECK(subject.database->lsm_statistics().stopped > 0);
  CHECK_THROWS_AS(subject.insert(), NoRoom);  // and each one that follows
  CHECK(contents(*subject.database, subject.table) == subject.model);
  CHECK_THROWS_AS(subject.database->checkpoint(), NoRoom);
  // What was begun takes no room, but while it is tried again.
  CHECK(comes_true([&] { return table_files(subject) == subject.database->lsm_statistics().files; }));
  disk.full = false;
  CHECK(subject.inserts_again());
  for (int i = 0; i < 500; ++i) subject.insert();
  subject.database->checkpoint();
  CHECK(contents(*subject.database, subject.table) == subject.model);
  subject.close();
  subject.open();
  CHECK(contents(*subject.database, "t") == subject.model);
}

/// Lets only a few more files be open than there are, as long as it lives.
class FewFiles {
 public:
  explicit FewFiles(std::size_t more) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int free = ::open("/dev/null", O_RDONLY);  // the lowest free number
    ::close(free);
    const rlimit few{static_cast<rlim_t>(free) + more, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
  }
  ~FewFiles() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  FewFiles(const FewFiles&) = delete;
  FewFiles& operator=(const FewFiles&) = delete;

 private:
  rlimit before_{};
};

/// Holds the compactor where it makes a file.
class HeldCompactor final : public FileObserver {
 public:
  HeldCompactor() { observe_files(this); }
  ~HeldCompactor() override {
    released = true;
    observe_files(nullptr);
  }

  FileVerdict before(const FileOperation& operation) override {
    if (operation.kind != Kind::open || (operation.flags & O_CREAT) == 0 || !is_table_file(operation))
      return {};
    {
      const std::lock_guard guard(mutex_);
      if (!flusher_) flusher_ = std::this_thread::get_id();
      if (flusher_ == std::this_thread::get_id()) return {};
    }
    for (Backoff backoff; !released.load(); backoff.pause()) {}
    return {};
  }
  void after(const FileOperation&, std::int64_t) override {}

  std::atomic<bool> released{false};

 private:
  std::mutex mutex_;
  std::optional<std::thread::id> flusher_;
};

}  // namespace

TEST_CASE(
    "LSM database: where no flush finds room, changes are refused, reads go on, and all does once there is "
    "room") {
  SECTION("for a new file") {
    flush_without_room(EMFILE, [](const FileOperation& o, bool) {
      return is_table_file(o) && o.kind == Kind::open && (o.flags & O_CREAT) != 0;
    });
  }
  SECTION("for what is written") {
    flush_without_room(
        ENOSPC, [](const FileOperation& o, bool) { return is_table_file(o) && o.kind == Kind::write; });
  }
  SECTION("when a file is synced, which is then written anew") {
    flush_without_room(ENOSPC,
                       [](const FileOperation& o, bool) { return is_table_file(o) && o.kind == Kind::sync; });
  }
  SECTION("for the manifest's edit") {
    flush_without_room(EDQUOT, [](const FileOperation& o, bool) {
      return o.path.filename() == "MANIFEST" && o.kind == Kind::write;
    });
  }
}

TEST_CASE(
    "LSM database: where no compaction finds room, changes are slowed down, then refused, and go on once "
    "there is room") {
  FullDisk disk(ENOSPC, [](const FileOperation& o, bool by_flusher) {
    return !by_flusher && is_table_file(o) && o.kind == Kind::write;
  });
  Subject subject;
  disk.full = true;
  subject.table = subject.database->create_table("t", TableKind::lsm);
  const std::string refusal = subject.insert_until_refused(20'000, ENOSPC);
  CAPTURE(refusal);
  CHECK(refusal.find("1.lsm: no more changes until there is room again") != std::string::npos);
  const lsm::LsmStatistics statistics = subject.database->lsm_statistics();
  CHECK(statistics.compactions == 0);
  CHECK(statistics.slowed > 0);
  CHECK(statistics.stopped > 0);
  CHECK(contents(*subject.database, subject.table) == subject.model);
  disk.full = false;
  CHECK(subject.inserts_again());
  CHECK(comes_true([&] { return subject.database->lsm_statistics().compactions > 0; }));
  CHECK(contents(*subject.database, subject.table) == subject.model);
  subject.close();
  subject.open();
  CHECK(contents(*subject.database, "t") == subject.model);
}

TEST_CASE(
    "LSM database: a transaction that was refused a change for want of room is rolled back, and others' "
    "changes stay") {
  FullDisk disk(ENOSPC,
                [](const FileOperation& o, bool) { return is_table_file(o) && o.kind == Kind::write; });
  Subject subject;
  subject.table = subject.database->create_table("t", TableKind::lsm);
  subject.insert();
  disk.full = true;
  const auto large = subject.database->attach(CommitPolicy::durable);
  large->begin();
  const auto fill = [&] {
    for (std::uint64_t i = 0; i < 5000; ++i) {
      const std::string key = "large" + key_of(i);
      const Status status = large->insert(subject.table, as_bytes(key), as_bytes(std::string(900, 'x')));
      CHECK(status == Status::ok);
    }
  };
  CHECK_THROWS_AS(fill(), NoRoom);
  large->abort();
  CHECK(contents(*subject.database, subject.table) == subject.model);
  disk.full = false;
  CHECK(subject.inserts_again());
  CHECK(contents(*subject.database, subject.table) == subject.model);
}

TEST_CASE(
    "LSM database: a background that lags behind slows changes down, then stops them until it has caught "
    "up") {
  HeldCompactor held;
  Subject subject;
  subject.table = subject.database->create_table("t", TableKind::lsm);
  std::atomic<bool> ended{false};
  std::jthread writer([&] {
    for (int i = 0; i < 2500; ++i) subject.insert();
    ended = true;
  });
  CHECK(comes_true([&] { return subject.database->lsm_statistics().files >= 24; }));
  CHECK(comes_true([&] { return subject.database->lsm_statistics().stopped > 0; }));
  CHECK(subject.database->lsm_statistics().slowed > 0);
  CHECK_FALSE(ended);
  held.released = true;
  writer.join();
  CHECK(contents(*subject.database, subject.table) == subject.model);
}

TEST_CASE(
    "LSM database: with too few open files it says so in one line, and goes on when there may be more") {
  Subject subject;
  subject.table = subject.database->create_table("t", TableKind::lsm);
  {
    const FewFiles few(0);
    const std::string refusal = subject.insert_until_refused(5000, EMFILE);
    CHECK(refusal.find("(ulimit -n); reads go on: Too many open files") != std::string::npos);
    CHECK(refusal.find('\n') == std::string::npos);
    CHECK_THROWS_AS(subject.insert(), NoRoom);
  }
  CHECK(subject.inserts_again());
  CHECK(contents(*subject.database, subject.table) == subject.model);
  subject.close();
  {
    const FewFiles few(2);
    try {
      subject.open();
      FAIL("opened with too few files");
    } catch (const std::system_error& error) {
      CHECK(error.code() == std::errc::too_many_files_open);
      CHECK(std::string(error.what()).find(subject.directory.path().string()) != std::string::npos);
    }
  }
  subject.open();
  CHECK(contents(*subject.database, "t") == subject.model);
}

}  // namespace muster
