// Every call of the engine to the file system fails: what was acknowledged is there when it works again.
#include <cerrno>
#include <functional>
#include <mutex>
#include <set>

#include "engine/error.h"
#include "tests/catch.h"
#include "tests/engine/power/load.h"
#include "tests/sanitized.h"
#include "tests/temporary_directory.h"

namespace muster::power {
namespace {

using Kind = FileOperation::Kind;

/// Lets one operation fail, or all from it on.
struct Failure {
  std::size_t at = 0;  // counted from 1; 0: none
  int error = 0;
  bool for_ever = false;
};

/// Counts operations and lets some fail. Syncs are not done: nobody cuts the power.
class FailingFiles final : public FileObserver {
 public:
  explicit FailingFiles(Failure failure) : failure_(failure) { observe_files(this); }
  ~FailingFiles() override { observe_files(nullptr); }

  FileVerdict before(const FileOperation& operation) override {
    const std::lock_guard guard(mutex_);
    ++operations_;
    if (operations_ == failure_.at || (failure_.for_ever && failure_.at != 0 && operations_ > failure_.at)) {
      return {.error = failure_.error};
    }
    return {.skip = operation.kind == Kind::sync || operation.kind == Kind::sync_directory};
  }
  void after(const FileOperation&, std::int64_t) override {}

  std::size_t operations() const { return operations_; }

 private:
  const Failure failure_;
  std::mutex mutex_;
  std::size_t operations_ = 0;
};

/// EINTR twice and then a part of it, for every call that may be interrupted.
class InterruptingFiles final : public FileObserver {
 public:
  InterruptingFiles() { observe_files(this); }
  ~InterruptingFiles() override { observe_files(nullptr); }

  FileVerdict before(const FileOperation& operation) override {
    const std::lock_guard guard(mutex_);
    switch (operation.kind) {
      case Kind::open:
      case Kind::read:
      case Kind::write:
      case Kind::allocate:
        if (++calls_ % 3 != 0) return {.error = EINTR};
        // A block at least: the direct device could else not go on where it was.
        return {.bytes_max = std::max<std::size_t>(4096, operation.size / 2)};
      default:
        return {};
    }
  }
  void after(const FileOperation&, std::int64_t) override {}

 private:
  std::mutex mutex_;
  std::size_t calls_ = 0;
};

/// A database at work, and what it promised.
class Subject {
 public:
  Subject(bool direct, TableMix tables) {
    setting_.direct = direct;
    setting_.tables = tables;
  }

  /// Opens, works, closes. Throws what the engine throws.
  void work(std::uint64_t seed) {
    const auto database = Database::open(options());
    Load load(
        *database, history_,
        [this](Event::Kind kind, TransactionNumber number) {
          (kind == Event::Kind::begun ? begun_ : promised_).insert(number);
        },
        next_, setting_.tables);
    next_ += 100;
    load.create_tables();
    load.run(CommitPolicy::durable, 1, 6, seed);
    database->close();
  }

  /// What is wrong with what is there now; empty: nothing.
  std::string judge() {
    const auto database = Database::open(options());
    std::set<TransactionNumber> survivors;
    return history_.judge(read_all(*database), promised_, begun_, survivors);
  }
  std::size_t promises() const { return promised_.size(); }

 private:
  DatabaseOptions options() const { return options_of(setting_, directory_ / "db"); }

  TemporaryDirectory directory_;
  Setting setting_;
  History history_;
  std::set<TransactionNumber> promised_, begun_;
  TransactionNumber next_ = 1;
};

/// Two openings with work, one of them in what the other left. How many operations there were.
std::size_t run_with(Failure failure, bool direct, TableMix tables) {
  Subject subject(direct, tables);
  std::size_t operations = 0;
  {
    FailingFiles files(failure);
    for (const std::uint64_t seed : {1, 2}) {
      try {
        subject.work(seed);
      } catch (const std::system_error& error) {
        CHECK(error.code().value() == failure.error);
        if (!failure.for_ever) break;  // a process that met it ends
      }
    }
    operations = files.operations();
  }
  CAPTURE(failure.at, failure.error, failure.for_ever, direct, name_of(tables));
  std::string wrong;
  try {
    wrong = subject.judge();
  } catch (const std::exception& error) {
    wrong = error.what();
  }
  CHECK(wrong.empty());
  if (!wrong.empty()) WARN(wrong);
  if (failure.at == 0) CHECK(subject.promises() > 4);
  return operations;
}

}  // namespace

TEST_CASE("Failing files: whichever call fails, once or for ever, nothing acknowledged is lost") {
  const TableMix tables = GENERATE(TableMix::btree, TableMix::lsm);
  for (const bool direct : {false, true}) {
    if (direct && tables == TableMix::lsm) continue;  // direct I/O is the log's alone
    const std::size_t operations = run_with({}, direct, tables);
    REQUIRE(operations > 100);
    for (std::size_t at = 1; at <= operations; at += kIsSanitized ? 7 : 1) {
      for (const int error : {EIO, ENOSPC}) {
        for (const bool for_ever : {false, true}) run_with({at, error, for_ever}, direct, tables);
      }
    }
  }
}

TEST_CASE("Failing files: interrupted and short transfers are overcome") {
  const TableMix tables = GENERATE(TableMix::btree, TableMix::lsm);
  for (const bool direct : {false, true}) {
    Subject subject(direct, tables);
    {
      InterruptingFiles files;
      subject.work(1);
      subject.work(2);
    }
    CHECK(subject.promises() > 4);
    CHECK(subject.judge().empty());
  }
}

}  // namespace muster::power
