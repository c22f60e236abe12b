#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>

#include "workloads/engine_run.h"
#include "workloads/workload.h"

namespace muster {

/// Of Cooper et al., SoCC'10: what share of the operations only reads, scans, updates, or reads and then updates; and its
/// load phase.
enum class YcsbMix : std::uint8_t {
  a,     ///< half reads, half updates
  b,     ///< 95% reads, 5% updates
  c,     ///< reads only
  e,     ///< 95% scans, 5% insertions of new records at random places
  f,     ///< half reads, half read-modify-writes
  load,  ///< insertions only, of new records at random places
};

enum class KeyDistribution : std::uint8_t {
  uniform,
  zipf,
  partitioned,  ///< uniform over the worker's own share of the keys: no page but at a share's edge is two workers'
  same_page,  ///< uniform over some keys that lie on one leaf page
};

/// How F adds 1 to a record's stamp.
enum class YcsbModify : std::uint8_t {
  update,     ///< read_for_update(), then update(): two such transactions on one record wait for each other
  increment,  ///< Session::increment(): reads nothing, and two on one record need not wait
};

/// What the latency of a closed loop's transaction covers.
enum class LatencyFrom : std::uint8_t {
  commit,  ///< Session::commit(), of transactions that wrote
  begin,  ///< of all transactions but `readers`', from the first begin on: tries that were rolled back count as well
};

struct YcsbOptions {
  YcsbMix mix = YcsbMix::a;
  std::optional<double>
      reads{};  ///< share of A, B, E or F's operations that only read, in place of the mix's own
  std::uint64_t records = 100'000;
  std::uint32_t value_bytes = 100;
  std::uint32_t operations = 1;  ///< a transaction
  std::uint32_t scan_records =
      100;  ///< a scan of E reads at most so many, a number that is drawn uniformly from 1 on
  KeyDistribution distribution = KeyDistribution::uniform;
  double theta = 0.99;  ///< of zipf: the k-th hottest key is drawn with a probability like 1 / k^theta
  /// A transaction reads first, then sleeps for so long, then writes. 0: it reads and writes in the order drawn.
  std::chrono::microseconds think{0};
  LatencyFrom latency_from = LatencyFrom::commit;
  YcsbModify modify = YcsbModify::update;
  /// Of the workers, so many run read-only transactions of `reader_operations` reads each, beside the others.
  std::uint32_t readers = 0;
  std::uint32_t reader_operations = 1000;
};

/// YCSB over the engine: one table, one session a worker. The engine may roll a transaction back, as a deadlock's victim or
/// because it conflicts with another one. Its worker then tries the same operations again until they commit: at once at
/// first, then after growing pauses (algorithms/parts/backoff.h).
///
/// Verified in the measured run: every value that is read is whole and the key's own; a scan's first record is the one that it
/// begins at, and its keys rise. At the end: every
/// record holds what was committed to it last (A, B: the stamp of the last update; F: as many increments as
/// were committed; load, E: every committed insertion is there, and no other); with a log on files, every record of it from the load to the durable end is whole, and as
/// many commits are there as were acknowledged.
///
/// Commit latency, in a closed loop: transactions that wrote, from the begin of Session::commit() to the acknowledgement, or
/// all transactions from their first begin on (LatencyFrom). In an open loop: all, from when they were due. Bytes are those of
/// the log.
std::unique_ptr<Workload> make_ycsb(const YcsbOptions& options, const EngineRun& run,
                                    const DatabaseOpener& open = Database::open);

}  // namespace muster
