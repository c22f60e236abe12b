#include "workloads/ycsb.h"

#include <functional>
#include <string>
#include <utility>

#include "engine/io/memory_log_device.h"
#include "tests/catch.h"
#include "tests/temporary_directory.h"
#include "tests/workloads/drive_workload.h"

// Whether YCSB finds what an engine did wrong: a database that errs in one place stands between the two.

namespace {

using namespace muster;

enum class Fault { none, loses_updates, tears_a_value, reads_a_stranger };

class ErringSession final : public Session {
 public:
  ErringSession(std::unique_ptr<Session> inner, Fault fault) : inner_(std::move(inner)), fault_(fault) {}
  void begin() override { inner_->begin(); }
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
  Status insert(TableId table, Bytes key, Bytes value) override { return inner_->insert(table, key, value); }
  Status update(TableId table, Bytes key, Bytes value) override {
    if (fault_ == Fault::loses_updates && ++updates_ >= 50) return Status::ok;
    return inner_->update(table, key, value);
  }
  Status remove(TableId table, Bytes key) override { return inner_->remove(table, key); }
  Status scan(TableId table, Bytes from, const std::function<bool(Bytes, Bytes)>& visit) override {
    return inner_->scan(table, from, visit);
  }
  void abort() override { inner_->abort(); }
  void commit(void (*acknowledge)(void*) noexcept, void* context) override {
    inner_->commit(acknowledge, context);
  }
  void wait_for_acknowledgements() override { inner_->wait_for_acknowledgements(); }

 private:
  std::unique_ptr<Session> inner_;
  Fault fault_;
  int reads_ = 0;
  int updates_ = 0;
  std::vector<std::byte> before_;  // what was read before, mostly another key's
};

class ErringDatabase final : public Database {
 public:
  ErringDatabase(std::unique_ptr<Database> inner, Fault fault) : inner_(std::move(inner)), fault_(fault) {}
  TableId create_table(std::string_view name) override { return inner_->create_table(name); }
  std::optional<TableId> find_table(std::string_view name) const override { return inner_->find_table(name); }
  std::unique_ptr<Session> attach(CommitPolicy policy) override {
    return std::make_unique<ErringSession>(inner_->attach(policy), fault_);
  }
  LogManager& log() override { return inner_->log(); }
  BufferStatistics buffer_statistics() const override { return inner_->buffer_statistics(); }
  void check() const override { inner_->check(); }
  void close() override { inner_->close(); }

 private:
  std::unique_ptr<Database> inner_;
  Fault fault_;
};

YcsbOptions small(YcsbMix mix) {
  YcsbOptions options;
  options.mix = mix;
  options.records = 200;
  return options;
}

DatabaseOptions in_memory(const TemporaryDirectory& folder) {
  DatabaseOptions options;
  options.directory = folder.path();
  options.log.device = "memory";
  options.frames = 1024;
  return options;
}

struct Ran {
  RepetitionReport report;
  std::vector<Check> checks;
};

Ran run(const YcsbOptions& options, const DatabaseOptions& database, CommitPolicy policy,
        std::uint32_t threads, Fault fault = Fault::none) {
  const auto open = [fault](const DatabaseOptions& o) -> std::unique_ptr<Database> {
    return std::make_unique<ErringDatabase>(Database::open(o), fault);
  };
  const auto workload = make_ycsb(options, database, policy, threads, 3, open);
  workload->load([] { return false; });
  Ran ran;
  for (int repetition = 0; repetition < 2; ++repetition) {
    testing::drive(*workload, threads, 400);
    ran.report = workload->finish();
  }
  ran.checks = workload->close();
  return ran;
}

std::string error(YcsbMix mix, Fault fault) {
  const TemporaryDirectory folder;
  try {
    run(small(mix), in_memory(folder), CommitPolicy::async, 1, fault);
  } catch (const VerificationError& e) {
    return e.what();
  }
  return "none";
}

TEST_CASE("YCSB: every policy runs over every mix, and what it did is verified") {
  for (const YcsbMix mix : {YcsbMix::a, YcsbMix::b, YcsbMix::c, YcsbMix::f}) {
    for (const CommitPolicy policy :
         {CommitPolicy::durable, CommitPolicy::group, CommitPolicy::pipelined, CommitPolicy::async}) {
      INFO("mix " << static_cast<int>(mix) << ", policy " << static_cast<int>(policy));
      const TemporaryDirectory folder;
      const Ran ran = run(small(mix), in_memory(folder), policy, 2);
      CHECK(ran.report.transactions->committed > 0);
      CHECK(ran.report.commit_latency_us.has_value() == (mix != YcsbMix::c));
      CHECK(ran.checks.at(1).count == 200);
    }
  }
}

TEST_CASE("YCSB: hot keys and long transactions meet in deadlocks, whose victims are tried again") {
  const TemporaryDirectory folder;
  YcsbOptions options = small(YcsbMix::f);
  options.records = 4;
  options.operations = 4;
  const Ran ran = run(options, in_memory(folder), CommitPolicy::durable, 4);
  CHECK(ran.report.transactions->committed > 0);
  CHECK(ran.report.transactions->aborted == ran.report.transactions->deadlocks);
}

TEST_CASE("YCSB: early lock release changes no result") {
  const TemporaryDirectory folder;
  DatabaseOptions database = in_memory(folder);
  database.early_lock_release = true;
  YcsbOptions options = small(YcsbMix::f);
  options.records = 8;
  CHECK_NOTHROW(run(options, database, CommitPolicy::pipelined, 4));
}

TEST_CASE("YCSB: the log on files is read back, as many commits as were acknowledged") {
  const TemporaryDirectory folder;
  DatabaseOptions database = in_memory(folder);
  database.log.device = "file";
  database.log.segment_bytes = 1 << 20;
  const Ran ran = run(small(YcsbMix::a), database, CommitPolicy::pipelined, 2);
  CHECK(ran.checks.at(3).name.starts_with("commits found in the log"));
  CHECK(ran.checks.at(3).count > 100);
  CHECK(ran.checks.at(2).count > 2 * ran.checks.at(3).count);
}

TEST_CASE("YCSB: a log that is not on the disk fails the run") {
  const TemporaryDirectory folder;
  DatabaseOptions database = in_memory(folder);
  database.log.device = "file";
  database.make_log_device = [](const LogOptions& log, Lsn) {
    return std::make_unique<MemoryLogDevice>(log.latency);
  };
  CHECK_THROWS_AS(run(small(YcsbMix::a), database, CommitPolicy::durable, 1), VerificationError);
}

TEST_CASE("YCSB: an update that is lost fails the run and names key, expected and found") {
  const std::string what = error(YcsbMix::a, Fault::loses_updates);
  INFO(what);
  CHECK(what.starts_with("ycsb: key "));
  CHECK(what.find("expected the committed update") != std::string::npos);
}

TEST_CASE("YCSB: increments that are lost fail the run, though the values agree with each other") {
  CHECK(error(YcsbMix::f, Fault::loses_updates).find("expected the committed update") != std::string::npos);
}

TEST_CASE("YCSB: a torn value, and another key's, fail the run when they are read") {
  CHECK(error(YcsbMix::c, Fault::tears_a_value).find("expected a whole value") != std::string::npos);
  CHECK(error(YcsbMix::c, Fault::reads_a_stranger).find("expected a whole value") != std::string::npos);
}

}  // namespace
