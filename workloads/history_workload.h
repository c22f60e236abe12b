#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "workloads/engine_run.h"
#include "workloads/history/history.h"
#include "workloads/workload.h"

namespace muster {

struct HistoryOptions {
  static constexpr std::uint32_t kWritesMax = 256;  ///< so that a list is one record: 4 bytes a value

  history::Model model = history::Model::list_append;
  std::uint32_t keys = 10;          ///< in use at a time
  std::uint32_t operations = 4;     ///< a transaction, at most; from 1
  double reads = 0.5;               ///< share of the operations that only read
  std::uint32_t writes_a_key = 16;  ///< after so many, another key takes its place
  std::filesystem::path file{};     ///< for the history, .edn or .json; empty: it is not kept
};

/// Small random transactions over few keys, whose workers record what each one sees: Jepsen's list-append or rw-register. A
/// list is one record. A worker does not try a transaction again that was rolled back; it draws a new one.
///
/// Verified after each repetition: the history of all its transactions, warm-up included, satisfies what the isolation level
/// promises (history::promised_by). That includes real time: a transaction lasts from begin until commit() has returned. Under
/// `pipelined`, whose commits are acknowledged later, no order is asked for. At the end: every tree is whole.
///
/// Each transaction draws two numbers from one counter, for the order of events; measured throughput includes that cost. A
/// worker keeps all that it read in memory until the repetition ends, 4 bytes a value.
std::unique_ptr<Workload> make_history_workload(const HistoryOptions& options, const EngineRun& run,
                                                const DatabaseOpener& open = Database::open);

}  // namespace muster
