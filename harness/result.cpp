#include "harness/result.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "algorithms/registry.h"
#include "harness/machine.h"
#include "harness/workload_kind.h"

namespace muster {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const Spread& spread) {
  return {{"median", spread.median},
          {"min", spread.min},
          {"max", spread.max},
          {"q1", spread.q1},
          {"q3", spread.q3}};
}

Json throughput(const std::string& operations, const std::vector<Window>& windows) {
  Json json = {{"unit", operations + "/s"}};
  json.update(to_json(operations_per_s(windows)));
  return json;
}

Json three(const Percentiles& p) {
  return {{"p50", p.p50}, {"p99", p.p99}, {"max", p.max}};
}

Json all(const Percentiles& p) {
  return {{"count", p.count}, {"p50", p.p50},   {"p95", p.p95},
          {"p99", p.p99},     {"p999", p.p999}, {"max", p.max}};
}

Json to_json(const WaitCounters::Counter& counter) {
  return {{"count", counter.count}, {"ns", counter.ns}};
}

Json to_json(const WaitCounters& waits) {
  return {{"room", to_json(waits.room)},
          {"predecessor", to_json(waits.predecessor)},
          {"lock", to_json(waits.lock)}};
}

Json to_json(const LogActivity& log) {
  return {{"bytes", log.bytes},
          {"writes", log.writes},
          {"syncs", log.syncs},
          {"flush_bytes", three(log.flush_bytes)},
          {"commits_per_sync", log.commits_per_sync}};
}

Json to_json(const BufferStatistics& buffers) {
  return {{"misses", buffers.misses}, {"evictions", buffers.evictions}, {"writes", buffers.writes}};
}

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json to_json(const StorageReport& storage) {
  return {{"user_bytes", storage.user_bytes},         {"log_bytes", storage.log_bytes},
          {"page_bytes", storage.page_bytes},         {"double_write_bytes", storage.double_write_bytes},
          {"flush_bytes", storage.flush_bytes},       {"compaction_bytes", storage.compaction_bytes},
          {"file_bytes", storage.file_bytes},         {"log_kept_bytes", or_null(storage.log_kept_bytes)},
          {"live_bytes", or_null(storage.live_bytes)}};
}

Json to_json(const lsm::LsmStatistics& lsm) {
  return {{"flushes", lsm.flushes},
          {"compactions", lsm.compactions},
          {"slowed", lsm.slowed},
          {"stopped", lsm.stopped},
          {"files", lsm.files}};
}

Json to_json(const BeginStatistics& begins) {
  return {{"retracted", begins.retracted}, {"kept", begins.kept}};
}

Json to_json(const VersionStatistics& versions) {
  return {{"versions", versions.versions},
          {"bytes", versions.bytes},
          {"memory_bytes", versions.memory_bytes},
          {"memory_bytes_peak", versions.memory_bytes_peak},
          {"oldest_snapshot_age", versions.oldest_snapshot_age}};
}

Json to_json(const TransactionCounts& counts) {
  return {{"committed", counts.committed},
          {"aborted", counts.aborted},
          {"deadlocks", counts.deadlocks},
          {"conflicts", counts.conflicts}};
}

Json to_json(const std::vector<Distribution>& distributions) {
  Json all = Json::object();
  for (const Distribution& one : distributions) {
    Json buckets = Json::array();
    for (const Distribution::Bucket& bucket : one.buckets) buckets.push_back({bucket.upper, bucket.count});
    all[one.name] = {{"unit", one.unit}, {"max", one.max}, {"buckets", std::move(buckets)}};
  }
  return all;
}

Json to_json(const LoadReport& load) {
  return {{"offered", load.offered},
          {"achieved", load.achieved},
          {"backlog", load.backlog},
          {"saturated", load.saturated}};
}

/// Adds the list of what `value_of` says of each interval, unless it is unknown of all of them.
template <class ValueOf>
void add_column(Json& series, const char* name, const std::vector<IntervalReport>& reports,
                ValueOf value_of) {
  Json column = Json::array();
  for (const IntervalReport& report : reports) column.push_back(value_of(report));
  if (!std::ranges::all_of(column, &Json::is_null)) series[name] = std::move(column);
}

/// A list a column, with an item an interval.
Json series(const Measured& measured, const std::vector<IntervalReport>& reports) {
  Json json = {{"interval_s", measured.interval_s}};
  double start_s = 0;
  for (const Window& interval : measured.intervals) {
    json["start_s"].push_back(start_s);
    json["seconds"].push_back(interval.seconds);
    json["operations"].push_back(interval.operations);
    json["bytes"].push_back(interval.bytes);
    start_s += interval.seconds;
  }
  const auto add_latency = [&](const char* name, double Percentiles::*which) {
    add_column(json, name, reports, [which](const IntervalReport& report) {
      return report.commit_latency_us ? Json((*report.commit_latency_us).*which) : Json(nullptr);
    });
  };
  add_latency("commit_latency_p50_us", &Percentiles::p50);
  add_latency("commit_latency_p99_us", &Percentiles::p99);
  add_latency("commit_latency_p999_us", &Percentiles::p999);
  add_latency("commit_latency_max_us", &Percentiles::max);
  add_column(json, "boundary_lag_max_bytes", reports,
             [](const IntervalReport& report) { return or_null(report.boundary_lag_max_bytes); });
  add_column(json, "durable_lag_bytes", reports,
             [](const IntervalReport& report) { return or_null(report.durable_lag_bytes); });
  add_column(json, "table_bytes", reports,
             [](const IntervalReport& report) { return or_null(report.table_bytes); });
  add_column(json, "slowed", reports, [](const IntervalReport& report) { return or_null(report.slowed); });
  add_column(json, "stopped", reports, [](const IntervalReport& report) { return or_null(report.stopped); });
  return json;
}

Json to_json(const Repetition& repetition, const std::string& operations) {
  const RepetitionReport& report = repetition.report;
  Json windows = Json::array();
  for (const Window& window : repetition.measured.windows) {
    windows.push_back(
        {{"seconds", window.seconds}, {"operations", window.operations}, {"bytes", window.bytes}});
  }
  Json json = {
      {"windows", std::move(windows)},
      {"throughput", throughput(operations, repetition.measured.windows)},
      {"bytes_per_s", to_json(bytes_per_s(repetition.measured.windows))},
      {"commit_latency_us", report.commit_latency_us ? all(*report.commit_latency_us) : Json(nullptr)},
      {"boundary_lag_bytes", three(report.boundary_lag_bytes)},
      {"log", report.log ? to_json(*report.log) : Json(nullptr)},
      {"waits", to_json(report.waits)},
      {"transactions", report.transactions ? to_json(*report.transactions) : Json(nullptr)},
      {"series", series(repetition.measured, report.intervals)},
      {"activity", to_json(repetition.activity)},
      {"distributions", to_json(report.distributions)}};
  if (report.buffers) json["buffers"] = to_json(*report.buffers);
  if (report.storage) json["storage"] = to_json(*report.storage);
  if (report.lsm) json["lsm"] = to_json(*report.lsm);
  if (report.begins) json["begins"] = to_json(*report.begins);
  if (report.versions) json["versions"] = to_json(*report.versions);
  if (report.load) {
    json["load"] = to_json(*report.load);
    json["service_time_us"] = report.service_time_us ? all(*report.service_time_us) : Json(nullptr);
    json["start_delay_us"] = report.start_delay_us ? all(*report.start_delay_us) : Json(nullptr);
  }
  return json;
}

/// What figures say of the algorithm; its place is that in `muster list`.
Json algorithm_json(std::string_view name, const LogBufferOptions& options) {
  const std::span<const AlgorithmInfo> known = algorithms();
  const auto info =
      std::ranges::find(known, name, &AlgorithmInfo::name);  // a configuration names a known one
  Json json = {{"title", info->title},
               {"place", info - known.begin()},
               {"unsafe", info->unsafe},
               {"stalls_on_idle", info->stalls_on_idle}};
  if (info->asymmetric_barrier) json["asymmetric_barrier"] = to_string(barrier_used(options));
  return json;
}

/// null: the topology does not have the unit.
Json node_of(const RunResult& result, unsigned unit) {
  const auto found = result.node_of_unit.find(unit);
  return found == result.node_of_unit.end() ? Json(nullptr) : Json(found->second);
}

/// Of the last repetition: every repetition places its threads anew, and a pin that does not hold is an
/// error.
Json placement(const RunResult& result) {
  const Found& found = result.repetitions.back().measured.found;
  Json workers = Json::array();
  for (std::size_t worker = 0; worker < found.workers.size(); ++worker) {
    workers.push_back({{"worker", worker},
                       {"asked", or_null(result.placement.workers[worker])},
                       {"found", found.workers[worker]},
                       {"node", node_of(result, found.workers[worker])}});
  }
  const Json configuration = effective(result.configuration);
  const Json& request = configuration.at("placement");
  return {{"policy", request.is_string() ? request : Json("list")},
          {"workers", std::move(workers)},
          {"flusher",
           {{"asked", or_null(result.placement.flusher)},
            {"found", or_null(found.drainer)},
            {"node", found.drainer ? node_of(result, *found.drainer) : Json(nullptr)},
            {"shares_unit_with_worker", result.placement.flusher_shares_unit}}},
          {"oversubscribed", result.placement.oversubscribed}};
}

}  // namespace

Json to_json(const RunResult& result) {
  std::vector<Window> windows;
  Json repetitions = Json::array();
  for (const Repetition& repetition : result.repetitions) {
    repetitions.push_back(to_json(repetition, result.operations));
    windows.insert(windows.end(), repetition.measured.windows.begin(), repetition.measured.windows.end());
  }
  Json total = throughput(result.operations, windows);
  total["windows"] = windows.size();
  Json not_measured = Json::array();
  for (const NotMeasured& one : result.not_measured) {
    not_measured.push_back({{"what", one.what}, {"reason", one.reason}, {"remedy", one.remedy}});
  }
  Json checks = Json::array();
  for (const Check& check : result.checks) checks.push_back({{"name", check.name}, {"count", check.count}});

  return {{"schema", 1},
          {"muster", describe_build()},
          {"title", title_of(result.configuration)},
          {"command", repeating_command(result.configuration)},
          {"time", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))},
          {"configuration", effective(result.configuration)},
          {"algorithm",
           algorithm_json(result.configuration.database.algorithm, result.configuration.database.log_buffer)},
          {"machine", result.machine},
          {"placement", placement(result)},
          {"memory", result.memory},
          {"not_measured", std::move(not_measured)},
          {"repetitions", std::move(repetitions)},
          {"throughput", std::move(total)},
          {"verification", {{"ok", true}, {"checks", std::move(checks)}}}};
}

}  // namespace muster
