#include "workloads/history_workload.h"

#include <string>

#include "tests/catch.h"
#include "tests/temporary_directory.h"
#include "tests/workloads/drive_workload.h"
#include "tests/workloads/erring_database.h"
#include "workloads/history/check.h"
#include "workloads/history/history_file.h"

namespace {

using namespace muster;
using history::Model;
using testing::Fault;
using testing::Ran;

Ran run(const TemporaryDirectory& folder, const HistoryOptions& options, CommitPolicy policy,
        Fault fault = Fault::none) {
  DatabaseOptions database;
  database.directory = folder.path();
  database.log.device = "memory";
  database.frames = 1024;
  const EngineRun run{.database = database, .policy = policy, .threads = 3, .seed = 7};
  const auto workload = make_history_workload(options, run, testing::erring(fault));
  workload->load([] { return false; });
  Ran ran;
  for (int repetition = 0; repetition < 2; ++repetition) {
    testing::drive(*workload, 3, 600);
    ran.report = workload->finish();
  }
  ran.checks = workload->close();
  return ran;
}

TEST_CASE("list_append, rw_register: every policy runs, and its history satisfies the level") {
  for (const Model model : {Model::list_append, Model::rw_register}) {
    for (const CommitPolicy policy :
         {CommitPolicy::durable, CommitPolicy::group, CommitPolicy::pipelined, CommitPolicy::async}) {
      INFO("policy " << static_cast<int>(policy));
      const TemporaryDirectory folder;
      const Ran ran = run(folder, {.model = model, .keys = 4}, policy);
      CHECK(ran.checks.at(0).count >= 1200);
      CHECK(ran.checks.at(0).name == (policy == CommitPolicy::pipelined
                                          ? "transactions whose history is serializable"
                                          : "transactions whose history is strict_serializable"));
      CHECK(ran.report.transactions->committed > 0);
      CHECK(ran.report.commit_latency_us->count > 0);
    }
  }
}

TEST_CASE("list_append: the file has the history of all repetitions, and it can be checked again") {
  for (const char* name : {"history.edn", "history.json"}) {
    const TemporaryDirectory folder, files;
    const Ran ran = run(folder, {.keys = 3, .file = files / name}, CommitPolicy::durable);
    const history::History history = history::read_history(files / name);
    const history::Verdict verdict = history::check(history, history::Order::realtime);
    CHECK(verdict.committed == ran.checks.at(0).count);
    CHECK(verdict.satisfies(history::Level::strict_serializable));
  }
}

TEST_CASE("list_append, rw_register: an engine that loses updates fails the run, which names the anomaly") {
  for (const Model model : {Model::list_append, Model::rw_register}) {
    std::string what;
    try {
      const TemporaryDirectory folder;
      run(folder, {.model = model, .keys = 2}, CommitPolicy::durable, Fault::loses_updates);
    } catch (const VerificationError& error) {
      what = error.what();
    }
    INFO(what);
    CHECK(what.starts_with("history: not strict_serializable: "));
  }
}

}  // namespace
