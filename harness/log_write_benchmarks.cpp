#include <benchmark/benchmark.h>
#include <fcntl.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/io/file.h"
#include "engine/log/log_manager.h"
#include "harness/benchmark_threads.h"
#include "harness/benchmarks.h"
#include "harness/run_directory.h"

// What a system call a record costs. The table of the course report (final report, Database System, ITE2038, 2020-2,
// In-depth Analysis, 2): 10,000 integers, a write and an fsync for each against one of each, into a file that is opened
// with O_SYNC. Here writes, syncs and O_SYNC are told apart, and Muster's own log stands beside them.

namespace muster {
namespace {

constexpr std::int64_t kRecords = 10'000;

/// `writes` and `syncs` are 1 or kRecords. Of one write and many syncs all but the first find nothing to do.
void file(benchmark::State& state) {
  const auto writes = static_cast<std::uint64_t>(state.range(0)),
             syncs = static_cast<std::uint64_t>(state.range(1));
  const int flags = O_RDWR | O_CREAT | O_TRUNC | (state.range(2) != 0 ? O_SYNC : 0);
  const RunDirectory directory(benchmark_directory(), false);
  std::filesystem::create_directories(directory.database());
  File file = File::open(directory.database() / "records", flags);
  const std::vector<std::int64_t> records(kRecords);
  const auto bytes = std::as_bytes(std::span(records));
  const std::size_t at_once = bytes.size() / writes;
  for ([[maybe_unused]] auto _ : state) {
    for (std::uint64_t i = 0; i < writes; ++i) {
      file.write_at(i * at_once, bytes.subspan(i * at_once, at_once));
      for (std::uint64_t sync = 0; sync < syncs / writes; ++sync) file.sync_data();
    }
    if (syncs < writes) file.sync_data();
  }
}

/// As many of the smallest records through the log manager: durable one by one, or all at once.
void muster_log(benchmark::State& state) {
  const bool force_each = state.range(0) > 1;
  const RunDirectory directory(benchmark_directory(), false);
  LogOptions options;
  options.directory = directory.database() / "log";
  options.write_each = state.range(1) > 1;
  LogManager log(options, "border_collie", {.max_workers = 1});
  const WorkerId worker = log.attach();
  for ([[maybe_unused]] auto _ : state) {
    Lsn end = 0;
    for (TransactionId i = 1; i <= kRecords; ++i) {
      end = log.append_mark(worker, i, 0, RecordType::end).end;
      if (force_each) log.flush(end);
    }
    log.flush(end);
  }
  log.detach(worker);
}

}  // namespace

void register_log_write_benchmarks() {
  auto* const files = benchmark::RegisterBenchmark("log_writes/file", file);
  files->ArgNames({"writes", "syncs", "o_sync"})->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const std::int64_t o_sync : {0, 1}) {
    for (const std::int64_t writes : {kRecords, std::int64_t{1}}) {
      for (const std::int64_t syncs : {kRecords, std::int64_t{1}}) files->Args({writes, syncs, o_sync});
    }
  }
  auto* const log = benchmark::RegisterBenchmark("log_writes/muster", muster_log);
  log->ArgNames({"forces", "writes"})->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();
  log->Args({kRecords, 1})->Args({1, kRecords})->Args({1, 1});
}

}  // namespace muster
