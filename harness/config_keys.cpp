#include <algorithm>
#include <iterator>
#include <limits>

#include "algorithms/registry.h"
#include "engine/lsm/bloom_filter.h"
#include "harness/config_rows.h"
#include "harness/placement_keys.h"
#include "harness/workload_kind.h"

namespace muster {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kCapacityMax = std::uint64_t{1} << 36;
constexpr double kDay_s = 86'400;

// The names of each enumeration, in its order: what stands in a configuration.
const Choices kPolicies{"durable", "group", "pipelined", "async", "queued_group"};
const Choices kDevices{"file", "memory"};
const Choices kTables(kTableKinds.begin(), kTableKinds.end());
const Choices kCompactionPolicies(lsm::kCompactionPolicies.begin(), lsm::kCompactionPolicies.end());
const Choices kCompressions{"none", "lz4", "zstd"};
const Choices kReplacements{"clock", "lru"};
const Choices kReadLatches{"optimistic", "shared", "exclusive"};
const Choices kIsolationLevels(kIsolations.begin(), kIsolations.end());
const Choices kReadCommittedWays{"locks", "versions"};
const Choices kDeadlockWays(kDeadlockPolicies.begin(), kDeadlockPolicies.end());
const Choices kBeginRecords{"lazy", "eager", "elided"};
const Choices kArrivals{"constant", "poisson"};
const Choices kLocks(kLockNames.begin(), kLockNames.end());
const Choices kCounters(kCounterNames.begin(), kCounterNames.end());
const Choices kAsymmetricBarriers(kAsymmetricBarrierNames.begin(), kAsymmetricBarrierNames.end());
const Choices kPages(kRingPagesNames.begin(), kRingPagesNames.end());

ConfigKey workload_key() {
  Choices names;
  std::string meaning;
  for (const WorkloadKind& kind : workload_kinds()) {
    names.push_back(kind.name);
    meaning += fmt::format("{}{}: {}", meaning.empty() ? "what is run; " : "; ", kind.name, kind.meaning);
  }
  return {"workload",
          UsedBy::all,
          "one of " + one_of(names),
          meaning,
          true,
          [names](const Json& value, Configuration& into) {
            const std::size_t index = choice(value, names);
            if (index == names.size()) return false;
            const WorkloadKind& kind = workload_kinds()[index];
            if (into.workload != &kind) into.use(kind);
            return true;
          },
          [](const Configuration& from) { return Json(from.workload->name); }};
}

ConfigKey directory_key() {
  return {"engine.directory",
          UsedBy::engine,
          "a path",
          "where the run's database goes, in a folder muster.db of its own; its tables only, while the run "
          "lasts, where log.device is memory (empty: a temporary one)",
          false,
          [](const Json& value, Configuration& into) {
            if (!value.is_string()) return false;
            const auto& path = value.get_ref<const std::string&>();
            if (path.find('\0') != std::string::npos) return false;  // for the system it would end there
            into.database.directory = path;
            return true;
          },
          [](const Configuration& from) { return Json(from.database.directory.string()); },
          true};
}

ConfigKey rate_key() {
  static constexpr double kMax = 1e9;  // a tick of the processor is about as short as the interval then
  static constexpr const char* kClosed = "closed";
  return {"load.rate",
          UsedBy::engine,
          fmt::format("a number above 0, at most {:.0f}, or \"{}\"", kMax, kClosed),
          "transactions a second over all workers, due whatever becomes of those before; closed: each worker "
          "begins the next when it is done with the last",
          false,
          [](const Json& value, Configuration& into) {
            into.load.rate = 0;
            if (value == kClosed) return true;
            if (!value.is_number()) return false;
            into.load.rate = value.get<double>();
            return into.load.rate > 0 && into.load.rate <= kMax;
          },
          [](const Configuration& from) {
            const double rate = from.load.rate;
            if (!from.load.is_open()) return Json(kClosed);
            const auto whole = static_cast<std::uint64_t>(rate);
            return static_cast<double>(whole) == rate ? Json(whole) : Json(rate);
          }};
}

/// Every workload's.
std::vector<ConfigKey> common_keys() {
  Choices algorithm_names;
  std::vector<std::string_view> with_lock, handing_on, with_counter, with_barrier;
  for (const AlgorithmInfo& info : algorithms()) {
    algorithm_names.push_back(info.name);
    if (info.lock_use != LockUse::none) with_lock.push_back(info.name);
    if (info.lock_use == LockUse::handed_on) handing_on.push_back(info.name);
    if (info.takes_counter) with_counter.push_back(info.name);
    if (info.asymmetric_barrier) with_barrier.push_back(info.name);
  }

  // clang-format off
  std::vector<ConfigKey> keys{
      workload_key(),
      choice_of("algorithm", UsedBy::all, [](auto& c) -> auto& { return c.database.algorithm; }, algorithm_names,
              "the log buffer's; `muster list` says more"),
      integer("threads", UsedBy::all, [](auto& c) -> auto& { return c.threads; }, 1, 4096,
              "workers"),
      placement_key(),
      flusher_placement_key(),
      memory_key(MemoryRegion::ring, UsedBy::all, "the log's bytes; local: the flusher's or drainer's"),
      memory_key(MemoryRegion::workers, UsedBy::all,
                 "what a log buffer and the log keep of each worker; local: the worker's, in pages of its own"),
      boolean("memory.strict", UsedBy::all, [](auto& c) -> auto& { return c.memory.strict; },
              "end the run where memory is found on another node than was asked for"),
      boolean("oversubscribe", UsedBy::all, [](auto& c) -> auto& { return c.oversubscribe; },
              "allow more workers than processing units: they go round the units"),
      integer("seed", UsedBy::all, [](auto& c) -> auto& { return c.seed; }, 0,
              std::numeric_limits<std::uint64_t>::max(), "of every random number of the run"),
      number("warmup_s", UsedBy::all, [](auto& c) -> auto& { return c.warmup_s; }, 0, kDay_s,
             "seconds that run before the first window"),
      number("window_s", UsedBy::all, [](auto& c) -> auto& { return c.window_s; }, 0.001, kDay_s,
             "seconds of one measured window"),
      integer("windows", UsedBy::all, [](auto& c) -> auto& { return c.windows; }, 1, 100'000,
              "measured windows; the result has their median and spread"),
      integer("repetitions", UsedBy::all, [](auto& c) -> auto& { return c.repetitions; }, 1, 100'000,
              "times that threads are started anew, each with its own warm-up and windows, over the same data"),
      power_of_two("log_buffer.capacity", UsedBy::all, [](auto& c) -> auto& { return c.database.log_buffer.capacity; },
                   4096, kCapacityMax, "bytes in the ring"),
      integer("log_buffer.consolidation_slots", UsedBy::all,
              [](auto& c) -> auto& { return c.database.log_buffer.consolidation_slots; }, 1, 64,
              "slots that arriving threads may join; algorithms consolidation, consolidation_decoupled, consolidation_delegated"),
      power_of_two("log_buffer.delegation_chain", UsedBy::all,
                   [](auto& c) -> auto& { return c.database.log_buffer.delegation_chain; }, 1, 1024,
                   "every so many ranges one is not left to its predecessor's release; algorithm consolidation_delegated"),
      power_of_two("log_buffer.slot_pool", UsedBy::all, [](auto& c) -> auto& { return c.database.log_buffer.slot_pool; }, 2, 65536,
              "slots, one of which is active; algorithm wiredtiger_slots"),
      integer("log_buffer.insert_locks", UsedBy::all,
              [](auto& c) -> auto& { return c.database.log_buffer.insert_locks; }, 1, 256,
              "locks of which a worker holds one while it appends; algorithm postgres_insert_locks"),
      integer("log_buffer.lock_free_insert_locks", UsedBy::all,
              [](auto& c) -> auto& { return c.database.log_buffer.lock_free_insert_locks; }, 1, 256,
              "locks of which a worker holds one while it appends; algorithm postgres_lock_free"),
      power_of_two("log_buffer.link_window", UsedBy::all,
                   [](auto& c) -> auto& { return c.database.log_buffer.link_window; }, 1, 1 << 30,
                   "bytes that a published record may begin above the first hole; algorithm mysql_link_buf"),
      integer("log_buffer.hop_bits", UsedBy::all, [](auto& c) -> auto& { return c.database.log_buffer.hop_bits; }, 0, 36,
              "log2 of the bytes that a hop skips, 1 to log2(capacity), or 0: 14, less in a ring below 1 MiB; algorithm eleda"),
      choice_of("log_buffer.lock", UsedBy::all, [](auto& c) -> auto& { return c.database.log_buffer.lock; }, kLocks,
                fmt::format("the lock of an algorithm that takes one, not std_mutex with {}; algorithms {}",
                            fmt::join(handing_on, ", "), fmt::join(with_lock, ", "))),
      choice_of("log_buffer.counter", UsedBy::all, [](auto& c) -> auto& { return c.database.log_buffer.counter; }, kCounters,
                fmt::format("how each record adds to the counter that all add to: hardware, the processor's fetch-add; aggregating, in "
                            "funnels, where one worker adds for all; adaptive, in funnels while others come between; algorithms {}",
                            fmt::join(with_counter, ", "))),
      integer("log_buffer.funnel_slots", UsedBy::all, [](auto& c) -> auto& { return c.database.log_buffer.funnel_slots; }, 1, 64,
              "funnels, which workers go to by their number; log_buffer.counter aggregating and adaptive"),
      choice_of("log_buffer.asymmetric_barrier", UsedBy::all,
                [](auto& c) -> auto& { return c.database.log_buffer.asymmetric_barrier; }, kAsymmetricBarriers,
                fmt::format("what keeps a worker's load from coming before its store: membarrier, the drainer's system call; "
                            "exchange, a locked instruction of each append; auto, membarrier where the kernel has it; algorithm {}",
                            fmt::join(with_barrier, ", "))),
      choice_of("log_buffer.pages", UsedBy::all, [](auto& c) -> auto& { return c.database.log_buffer.pages; }, kPages,
                "what the ring is made of: small pages; transparent huge ones, as far as the kernel has them; huge ones that were "
                "reserved"),
  };
  // clang-format on
  return keys;
}

/// Those of the workloads that run on the engine.
std::vector<ConfigKey> engine_keys() {
  constexpr std::uint64_t kMany = std::numeric_limits<std::uint32_t>::max();

  // clang-format off
  return {
      rate_key(),
      choice_of("load.arrivals", UsedBy::engine, [](auto& c) -> auto& { return c.load.arrivals; }, kArrivals,
                "of an open loop: constant, equally far apart; poisson, at random, each worker's independently"),
      memory_key(MemoryRegion::buffers, UsedBy::engine,
                 "tables' pages and their state words; local: of the thread that touches a page first"),
      memory_key(MemoryRegion::locks, UsedBy::engine,
                 "the lock table; local: of the thread that touches a page first"),
      directory_key(),
      integer("engine.frames", UsedBy::engine, [](auto& c) -> auto& { return c.database.frames; }, 64, kMany,
              "pages of 4 KiB that may be in memory at a time: 4 at least for each worker and for one more"),
      choice_of("engine.table", UsedBy::engine, [](auto& c) -> auto& { return c.table; }, kTables,
                "how the workload's table keeps its records: btree, a B+ tree in pages; lsm, a log-structured merge tree"),
      choice_of("engine.replacement", UsedBy::engine, [](auto& c) -> auto& { return c.database.replacement; }, kReplacements,
                "which page goes: clock, one not used while the hand went round; lru, the least recently used, by a list under one latch"),
      choice_of("engine.read_latch", UsedBy::engine, [](auto& c) -> auto& { return c.database.read_latch; }, kReadLatches,
                "what a reader of the tree takes of each page on its way down: optimistic no latch, shared or exclusive that one"),
      choice_of("engine.begin_record", UsedBy::engine, [](auto& c) -> auto& { return c.database.begin_record; }, kBeginRecords,
                "when begin is logged: lazy with the first change; eager at once, so that commit is logged as well; elided at once, and taken back from the log buffer where nothing was changed, if it is still there"),
      choice_of("engine.isolation", UsedBy::engine, [](auto& c) -> auto& { return c.isolation; }, kIsolationLevels,
                "what a transaction may see of others: read_committed, snapshot, and three that are serializable: two_phase_locking, serializable_snapshot, serial"),
      choice_of("engine.read_committed", UsedBy::engine, [](auto& c) -> auto& { return c.database.read_committed; }, kReadCommittedWays,
                "how a reader at engine.isolation read_committed reads: under short locks, or the version before an uncommitted one"),
      integer("engine.partitions", UsedBy::engine, [](auto& c) -> auto& { return c.database.partitions; }, 1, kPartitionsMax,
              "partitions of engine.isolation serial; one transaction at a time runs in each"),
      choice_of("engine.deadlock", UsedBy::engine, [](auto& c) -> auto& { return c.database.deadlock.policy; }, kDeadlockWays,
                "how the engine breaks or avoids deadlocks; it rolls back: wait_for_graph, a transaction that closes a cycle; no_wait, one that would wait; wait_die, one that would wait for an older one; wound_wait, younger ones that an older one would wait for; timeout, one that has waited for engine.lock_timeout_ms"),
      duration<std::chrono::milliseconds>("engine.lock_timeout_ms", UsedBy::engine, [](auto& c) -> auto& { return c.database.deadlock.timeout; }, 1,
              3'600'000, "milliseconds that a transaction waits for a lock under engine.deadlock timeout, and for a whole table's users under any"),
      integer("engine.checkpoint_bytes", UsedBy::engine, [](auto& c) -> auto& { return c.database.checkpoint_bytes; }, 0,
              std::uint64_t{1} << 40,
              "bytes of log between two checkpoints, log.segment_bytes at least; 0: only when the database opens and closes; log.device file"),
      duration<std::chrono::seconds>("engine.checkpoint_s", UsedBy::engine, [](auto& c) -> auto& { return c.database.checkpoint_time; }, 0,
              static_cast<std::uint64_t>(kDay_s),
              "seconds after which a checkpoint is due however little the log has grown; 0: whatever the time; log.device file only"),
      boolean("engine.early_lock_release", UsedBy::engine, [](auto& c) -> auto& { return c.database.early_lock_release; },
              "release locks once the commit record is in the log buffer, not once it is durable"),
      choice_of("engine.policy", UsedBy::engine, [](auto& c) -> auto& { return c.policy; }, kPolicies,
                "commit: durable waits; group waits for a group; pipelined goes on and is acknowledged later; async is not durable; "
                "queued_group, a baseline, waits for a group before the commit is in the log"),
      integer("lsm.memtable_bytes", UsedBy::engine, [](auto& c) -> auto& { return c.database.lsm.memtable_bytes; },
              lsm::LsmOptions::kMemtableBytesMin, kCapacityMax,
              "bytes of memory at which a table's changes go to a file; there may be four times as many; engine.table lsm"),
      integer("lsm.block_cache_bytes", UsedBy::engine, [](auto& c) -> auto& { return c.database.lsm.block_cache_bytes; }, 0,
              kCapacityMax, "bytes of blocks of files that are kept in memory, of all tables; engine.table lsm"),
      choice_of("lsm.compaction", UsedBy::engine, [](auto& c) -> auto& { return c.database.lsm.compaction; }, kCompactionPolicies,
                "which files become one: leveled, some of a level and those of the level below that they overlap; size_tiered, files of like sizes; engine.table lsm"),
      choice_of("lsm.compression", UsedBy::engine, [](auto& c) -> auto& { return c.database.lsm.compression; }, kCompressions,
                "of blocks in files; engine.table lsm"),
      integer("lsm.bloom_bits", UsedBy::engine, [](auto& c) -> auto& { return c.database.lsm.bloom_bits; }, 0, lsm::kBloomBitsMax,
              "bits a key of a file's filter, which spares a look-up most files without the key; 0: no filter; engine.table lsm"),
      choice_of("log.device", UsedBy::engine, [](auto& c) -> auto& { return c.database.log.device; }, kDevices,
              "where the log goes"),
      boolean("log.direct", UsedBy::engine, [](auto& c) -> auto& { return c.database.log.direct; },
              "O_DIRECT through io_uring; log.device file only"),
      duration<std::chrono::microseconds>("log.latency_us", UsedBy::engine, [](auto& c) -> auto& { return c.database.log.latency; }, 0, 10'000'000,
                   "microseconds that a sync takes; log.device memory only"),
      integer("log.segment_bytes", UsedBy::engine, [](auto& c) -> auto& { return c.database.log.segment_bytes; }, 65'536,
              std::uint64_t{1} << 40, "size of a segment file; log.device file"),
      integer("log.group_commits", UsedBy::engine, [](auto& c) -> auto& { return c.database.log.group_commits; }, 1, 1'000'000,
              "commits that a flush waits for; engine.policy group, queued_group"),
      duration<std::chrono::microseconds>("log.group_timeout_us", UsedBy::engine, [](auto& c) -> auto& { return c.database.log.group_timeout; }, 1,
                   10'000'000, "microseconds after which it waits no longer; engine.policy group, queued_group"),
      boolean("log.force_each", UsedBy::engine, [](auto& c) -> auto& { return c.database.log.force_each; },
              "a baseline: every record is durable before its worker goes on, not a commit's only"),
      boolean("log.write_each", UsedBy::engine, [](auto& c) -> auto& { return c.database.log.write_each; },
              "a baseline: the log is written record by record, not all that is there at once; not with log.direct"),
  };
  // clang-format on
}

std::vector<ConfigKey> make_keys() {
  std::vector<ConfigKey> keys = common_keys();
  const auto add = [&](std::vector<ConfigKey> more) {
    std::move(more.begin(), more.end(), std::back_inserter(keys));
  };
  for (const WorkloadKind& kind : workload_kinds()) add(kind.keys);
  add(engine_keys());
  for (ConfigKey& key : keys) key.required = key.name == "workload" || key.name == "algorithm";
  return keys;
}

}  // namespace

const std::vector<ConfigKey>& config_keys() {
  static const std::vector<ConfigKey> keys = make_keys();
  return keys;
}

}  // namespace muster
