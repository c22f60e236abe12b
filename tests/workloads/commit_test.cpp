#include "workloads/commit.h"

#include <string>

#include "engine/error.h"
#include "tests/catch.h"
#include "tests/temporary_directory.h"
#include "tests/workloads/drive_workload.h"
#include "tests/workloads/erring_database.h"

namespace {

using namespace muster;
using testing::Fault;
using testing::Ran;

Ran run(CommitPolicy policy, std::uint32_t threads, std::uint32_t value_bytes, Fault fault = Fault::none,
        const LoadOptions& load = {}) {
  const TemporaryDirectory folder;
  DatabaseOptions database;
  database.directory = folder.path();
  database.log.device = "memory";
  database.frames = 1024;
  const auto workload =
      make_commit({.value_bytes = value_bytes},
                  {.database = database, .policy = policy, .threads = threads, .seed = 1, .load = load},
                  testing::erring(fault));
  workload->load([] { return false; });
  Ran ran;
  for (int repetition = 0; repetition < 2; ++repetition) {
    testing::drive(*workload, threads, 400);
    ran.report = workload->finish();
  }
  ran.checks = workload->close();
  return ran;
}

TEST_CASE("commit: every policy and size runs, and every transaction is found in its worker's record") {
  for (const CommitPolicy policy :
       {CommitPolicy::durable, CommitPolicy::group, CommitPolicy::pipelined, CommitPolicy::async}) {
    for (const std::uint32_t bytes : {CommitOptions::kMinBytes, CommitOptions::kMaxBytes}) {
      INFO("policy " << static_cast<int>(policy) << ", " << bytes << " bytes");
      const Ran ran = run(policy, 3, bytes);
      CHECK(ran.checks.at(0).count >= 800);
      CHECK(ran.report.transactions->committed > 0);
      CHECK(ran.report.commit_latency_us->count > 0);
      if (policy == CommitPolicy::async) continue;  // its log may be written after the repetition
      CHECK(ran.report.log->bytes > ran.report.transactions->committed * bytes);
    }
  }
}

TEST_CASE("commit: of an open loop the latency counts from when a transaction was due") {
  for (const Arrivals arrivals : {Arrivals::constant, Arrivals::poisson}) {
    const Ran ran = run(CommitPolicy::durable, 2, 100, Fault::none, {.rate = 1e8, .arrivals = arrivals});
    REQUIRE(ran.report.load);
    CHECK(ran.report.load->offered == 1e8);
    CHECK(ran.report.load->saturated);
    REQUIRE(ran.report.service_time_us);
    REQUIRE(ran.report.start_delay_us);
    CHECK(ran.report.service_time_us->count == ran.report.commit_latency_us->count);
    // No machine keeps up: the last one has waited for nearly all before it.
    CHECK(ran.report.commit_latency_us->max > ran.report.service_time_us->p50);
  }
  const Ran closed = run(CommitPolicy::durable, 2, 100);
  CHECK(!closed.report.load);
  CHECK(!closed.report.service_time_us);
  CHECK(!closed.report.start_delay_us);
}

TEST_CASE("commit: updates that are lost fail the run, which names the worker, expected and found") {
  std::string what;
  try {
    run(CommitPolicy::async, 1, 100, Fault::loses_updates);
  } catch (const VerificationError& error) {
    what = error.what();
  }
  INFO(what);
  CHECK(what.starts_with("commit: worker 0: expected "));
  CHECK(what.find(", found ") != std::string::npos);
}

}  // namespace
