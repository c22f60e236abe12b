#pragma once

#include <set>

namespace muster {

/// append/<algorithm>/bytes:<n>/real_time/threads:<t>: one iteration is one append: reserve, copy, publish. An algorithm
/// that takes a lock is there once more with each other one, as append/<algorithm>:<lock>/...
void register_append_benchmarks();

/// advance/<algorithm>/registered:<n>/... and advance/<algorithm>/outstanding:<n>/...: one iteration is one
/// advance(), and nothing else of it is inside the time.
void register_advance_benchmarks();

/// lag/<algorithm>/idle:<n>/...: one iteration is a pause and one advance(), while a worker appends; counted is what
/// had been reserved above the boundary when it returned.
void register_lag_benchmarks();

/// workload/append/<algorithm>/bytes:<n>/workers:<n>/... and workload/ycsb: a window of `muster run`, between a short
/// warm-up and the verification; bare/ycsb: the transactions of workload/ycsb in a bare loop.
void register_workload_benchmarks();

/// log_writes/file/writes:<n>/syncs:<n>/o_sync:<0|1>/... and log_writes/muster/forces:<n>/writes:<n>/...: one iteration
/// writes 10,000 records, in so many writes with so many syncs, into a file of --directory.
void register_log_write_benchmarks();

/// crash/<policy>/group:<n>/...: one iteration kills a process at work on a database of --directory; counted are the
/// transactions that clients had finished, and that restart takes back.
void register_crash_benchmarks();

/// restart/<table>/log_mebibytes:<n>/...: one iteration kills a process that has changed so much since its last checkpoint, on a
/// database of --directory, and opens the database again; restart_ms is how long the opening took.
void register_restart_benchmarks();

/// verify_pages/mebibytes:<n>: asks for the node of all pages of so much memory; start_threads/threads:<n>: starts, pins and
/// joins as many workers, however few units there are.
void register_placement_benchmarks();

/// history_check/<model>/<regime>/transactions:<n>/realtime:<0|1>: one iteration checks a simulated
/// history of that regime for every level.
void register_history_benchmarks();

/// memtable/add/random:<0|1>/... and memtable/find/random:<0|1>/...: one iteration adds an entry with a key of 8 bytes and a
/// value of 100 to a memtable, which is empty at first and has a million in the end, or finds one in it. Keys rise, or are
/// random.
void register_memtable_benchmarks();

/// The numbers of threads that the benchmarks of append have.
std::set<int> append_thread_counts();

/// Which threads are placed, in words.
constexpr const char* kBenchmarkThreads =
    "append and lag: the workers and the drainer, as a run's; advance: one thread, not pinned";

}  // namespace muster
