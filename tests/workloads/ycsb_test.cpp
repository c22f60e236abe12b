#include "workloads/ycsb.h"

#include <string>

#include "engine/io/memory_log_device.h"
#include "tests/catch.h"
#include "tests/temporary_directory.h"
#include "tests/workloads/drive_workload.h"
#include "tests/workloads/erring_database.h"

namespace {

using namespace muster;

using testing::Fault;

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
  const auto workload = make_ycsb(options, database, policy, threads, 3, testing::erring(fault));
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
