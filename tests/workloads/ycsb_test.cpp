#include "workloads/ycsb.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "engine/io/memory_log_device.h"
#include "engine/log/log_reader.h"
#include "tests/catch.h"
#include "tests/temporary_directory.h"
#include "tests/workloads/drive_workload.h"
#include "tests/workloads/erring_database.h"
#include "workloads/ycsb_operations.h"

namespace {

using namespace muster;

using testing::Fault;
using testing::Ran;

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

Ran run(const YcsbOptions& options, const DatabaseOptions& database, CommitPolicy policy,
        std::uint32_t threads, Fault fault = Fault::none, const LoadOptions& load = {},
        Isolation isolation = Isolation::two_phase_locking, TableKind table = TableKind::btree) {
  const EngineRun engine{.database = database,
                         .table = table,
                         .policy = policy,
                         .isolation = isolation,
                         .threads = threads,
                         .seed = 3,
                         .load = load};
  const auto workload = make_ycsb(options, engine, testing::erring(fault));
  workload->load([] { return false; });
  Ran ran;
  for (int repetition = 0; repetition < 2; ++repetition) {
    testing::drive(*workload, threads, 400);
    ran.report = workload->finish();
  }
  ran.checks = workload->close();
  return ran;
}

std::string error(const YcsbOptions& options, Fault fault) {
  const TemporaryDirectory folder;
  try {
    run(options, in_memory(folder), CommitPolicy::async, 1, fault);
  } catch (const VerificationError& e) {
    return e.what();
  }
  return "none";
}
std::string error(YcsbMix mix, Fault fault) {
  return error(small(mix), fault);
}

TEST_CASE("YCSB: every policy runs over every mix, and what it did is verified") {
  for (const YcsbMix mix : {YcsbMix::a, YcsbMix::b, YcsbMix::c, YcsbMix::e, YcsbMix::f, YcsbMix::load}) {
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

TEST_CASE("YCSB: under serial each transaction is a procedure's call, and what it did is verified") {
  for (const YcsbMix mix : {YcsbMix::a, YcsbMix::c, YcsbMix::f, YcsbMix::load}) {
    for (const CommitPolicy policy : {CommitPolicy::durable, CommitPolicy::pipelined}) {
      INFO("mix " << static_cast<int>(mix) << ", policy " << static_cast<int>(policy));
      const TemporaryDirectory folder;
      YcsbOptions options = small(mix);
      options.operations = 3;
      const Ran ran = run(options, in_memory(folder), policy, 2, Fault::none, {}, Isolation::serial);
      CHECK(ran.report.transactions->committed > 0);
      CHECK(ran.report.transactions->aborted == 0);
      CHECK(ran.report.commit_latency_us.has_value() == (mix != YcsbMix::c));
      CHECK(ran.checks.at(1).count == 200);
    }
  }
}

TEST_CASE("YCSB: the load phase inserts at random places, and every insertion is found again") {
  const TemporaryDirectory folder;
  DatabaseOptions database = in_memory(folder);
  database.log.device = "file";
  YcsbOptions options = small(YcsbMix::load);
  options.operations = 3;
  const Ran ran = run(options, database, CommitPolicy::durable, 2);
  REQUIRE(ran.checks.size() == 6);
  CHECK(ran.checks.at(2).name.starts_with("insertions found"));
  CHECK(ran.checks.at(2).count == 3 * ran.checks.at(4).count);
  CHECK(ran.report.transactions->aborted == 0);
}

TEST_CASE("YCSB: an insertion that is lost fails the run") {
  CHECK(error(YcsbMix::load, Fault::loses_insertions).find("found no whole value") != std::string::npos);
}

TEST_CASE("YCSB: scans over both kinds of tables are verified, and insertions are found again") {
  for (const TableKind kind : {TableKind::btree, TableKind::lsm}) {
    const TemporaryDirectory folder;
    YcsbOptions options = small(YcsbMix::e);
    options.scan_records = 20;
    options.reads = 0.7;
    const Ran ran = run(options, in_memory(folder), CommitPolicy::durable, 2, Fault::none, {},
                        Isolation::two_phase_locking, kind);
    REQUIRE(ran.checks.size() >= 4);
    CHECK(ran.checks.at(2).name.starts_with("scans"));
    CHECK(ran.checks.at(2).count > 400);
    CHECK(ran.checks.at(3).name.starts_with("insertions found"));
    CHECK(ran.checks.at(3).count > 100);
  }
}

TEST_CASE("YCSB: a scan that shows a torn value, another key's or a row twice fails the run") {
  CHECK(error(YcsbMix::e, Fault::tears_a_value).find("expected a whole value") != std::string::npos);
  CHECK(error(YcsbMix::e, Fault::reads_a_stranger).find("expected a whole value") != std::string::npos);
  CHECK(error(YcsbMix::e, Fault::repeats_a_row).find("expected rising keys") != std::string::npos);
}

TEST_CASE("YCSB: without reads every transaction updates") {
  const TemporaryDirectory folder;
  YcsbOptions options = small(YcsbMix::a);
  options.reads = 0;
  const Ran ran = run(options, in_memory(folder), CommitPolicy::durable, 1);
  CHECK(ran.checks.at(0).count == 0);
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

TEST_CASE("YCSB: increments of hot keys add up at every level, and one that is lost is found") {
  YcsbOptions options = small(YcsbMix::f);
  options.reads = 0.2;
  options.operations = 3;
  options.distribution = KeyDistribution::same_page;
  options.modify = YcsbModify::increment;
  for (const Isolation level : {Isolation::read_committed, Isolation::snapshot, Isolation::two_phase_locking,
                                Isolation::serializable_snapshot, Isolation::serial}) {
    INFO("level " << static_cast<int>(level));
    const TemporaryDirectory folder;
    const Ran ran = run(options, in_memory(folder), CommitPolicy::async, 3, Fault::none, {}, level);
    CHECK(ran.report.transactions->committed > 0);
    CHECK(ran.checks.at(1).count == 200);
  }
  CHECK(error(options, Fault::loses_updates).find("expected the committed update") != std::string::npos);
}

TEST_CASE("YCSB: some workers only read, in long transactions") {
  YcsbOptions options = small(YcsbMix::a);
  options.reads = 0;
  options.readers = 1;
  options.reader_operations = 300;
  std::vector<YcsbOperation> drawn;
  YcsbOperations(options, 3, 1, 0, 2).next(drawn);
  CHECK(drawn.size() == 300);
  CHECK(std::ranges::all_of(drawn, [](const auto& one) { return one.kind == YcsbOperation::Kind::read; }));
  YcsbOperations(options, 3, 2, 1, 2).next(drawn);
  CHECK(drawn.size() == options.operations);
  CHECK(drawn.front().kind == YcsbOperation::Kind::update);
  for (const Isolation level : {Isolation::two_phase_locking, Isolation::serializable_snapshot}) {
    const TemporaryDirectory folder;
    const Ran ran = run(options, in_memory(folder), CommitPolicy::async, 2, Fault::none, {}, level);
    CHECK(ran.checks.at(0).count >= 300);  // values that were read
  }
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

TEST_CASE("YCSB: whenever begins are logged, the log holds the commits that it must") {
  for (const BeginRecord begin_record : {BeginRecord::eager, BeginRecord::elided}) {
    const TemporaryDirectory folder;
    DatabaseOptions database = in_memory(folder);
    database.log.device = "file";
    database.begin_record = begin_record;
    YcsbOptions options = small(YcsbMix::f);
    options.records = 8;
    options.operations = 3;  // deadlocks, some of them of transactions that have changed nothing yet
    const Ran ran = run(options, database, CommitPolicy::durable, 3);
    REQUIRE(ran.report.begins.has_value());
    CHECK(ran.report.begins->retracted + ran.report.begins->kept > 0);
    CHECK((begin_record == BeginRecord::elided || ran.report.begins->retracted == 0));
  }
}

TEST_CASE("YCSB: pages that are read from the files are counted") {
  const TemporaryDirectory folder;
  DatabaseOptions database = in_memory(folder);
  database.frames = 64;
  YcsbOptions options = small(YcsbMix::c);
  options.records = 10'000;
  for (const Replacement replacement : {Replacement::clock, Replacement::lru}) {
    database.replacement = replacement;
    const Ran ran = run(options, database, CommitPolicy::async, 2);
    REQUIRE(ran.report.buffers.has_value());
    CHECK(ran.report.buffers->misses > 0);
    CHECK(ran.report.buffers->evictions > 0);
  }
}

TEST_CASE("YCSB, same_page: every update is on one leaf page, whatever the values' size") {
  for (const std::uint32_t value_bytes : {24u, 100u, 1024u}) {
    const TemporaryDirectory folder;
    DatabaseOptions database = in_memory(folder);
    database.log.device = "file";
    YcsbOptions options = small(YcsbMix::a);
    options.reads = 0;
    options.value_bytes = value_bytes;
    options.distribution = KeyDistribution::same_page;
    run(options, database, CommitPolicy::durable, 2);
    std::set<PageNumber> pages;
    LogReader reader(folder.path() / "log");
    while (const auto record = reader.next()) {
      if (record->type == RecordType::update && change_of(*record).kind == ChangeKind::update)
        pages.insert(change_of(*record).page);
    }
    CHECK(pages.size() == 1);
  }
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

TEST_CASE("YCSB: constant arrivals of all workers are equally far apart") {
  std::vector<double> due;
  for (std::uint32_t worker = 0; worker < 3; ++worker) {
    Schedule schedule({.rate = 1000}, worker, 3, 7);
    for (int i = 0; i < 1000; ++i, schedule.advance()) due.push_back(schedule.due_s());
  }
  std::sort(due.begin(), due.end());
  for (std::size_t i = 0; i < due.size(); ++i)
    REQUIRE(due[i] == Approx(static_cast<double>(i) / 1000).margin(1e-9));
}

TEST_CASE("YCSB: Poisson arrivals keep the rate, and lie apart as an exponential distribution says") {
  Schedule schedule({.rate = 4000, .arrivals = Arrivals::poisson}, 1, 4, 7);
  constexpr int kArrivals = 100'000;
  int longer = 0;  // than the mean
  double before = 0;
  for (int i = 0; i < kArrivals; ++i, schedule.advance()) {
    if (schedule.due_s() - before > 1e-3) ++longer;
    before = schedule.due_s();
  }
  CHECK(before == Approx(kArrivals / 1000.0).epsilon(0.02));
  CHECK(longer == Approx(kArrivals * std::exp(-1)).epsilon(0.02));
}

TEST_CASE("YCSB: a load beyond what the machine can do is saturated") {
  const TemporaryDirectory folder;
  const Ran ran = run(small(YcsbMix::a), in_memory(folder), CommitPolicy::pipelined, 2, Fault::none,
                      {.rate = 1e8, .arrivals = Arrivals::poisson});
  REQUIRE(ran.report.load);
  CHECK(ran.report.load->saturated);
  CHECK(ran.report.load->backlog > 0);
  CHECK(ran.report.load->achieved < 1e8);
}

TEST_CASE("YCSB: a closed loop reports no load, and whole distributions") {
  const TemporaryDirectory folder;
  const Ran ran = run(small(YcsbMix::a), in_memory(folder), CommitPolicy::durable, 2);
  CHECK(!ran.report.load);
  CHECK(!ran.report.service_time_us);
  for (const Distribution& distribution : ran.report.distributions) {
    std::uint64_t count = 0;
    for (const Distribution::Bucket& bucket : distribution.buckets) count += bucket.count;
    if (distribution.name == "commit_latency") CHECK(count == ran.report.commit_latency_us->count);
    CHECK((distribution.buckets.empty() || distribution.buckets.back().upper == distribution.max));
  }
  CHECK(ran.report.distributions.size() == 2);
}

}  // namespace
