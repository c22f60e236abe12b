#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <random>

#include "engine/lsm/tree_parts.h"
#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"

namespace muster {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

/// The most memory that this process has had, in bytes.
std::size_t peak_resident() {
  std::FILE* const file = std::fopen("/proc/self/status", "r");
  unsigned long kib = 0;
  char line[256];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::sscanf(line, "VmHWM: %lu kB", &kib) == 1) break;
  }
  std::fclose(file);
  return kib << 10;
}

struct Load {
  std::uint64_t records = 400'000;
  std::size_t value_bytes = 200;
};

/// Loads records in no order, then reads some at random. Returns what the peak has grown by.
std::size_t growth_under(const DatabaseOptions& options, const Load& load) {
  const auto database = Database::open(options);
  const TableId table = database->create_table("t", TableKind::lsm);
  const auto session = database->attach(CommitPolicy::async);
  const std::size_t before = peak_resident();
  std::string value(load.value_bytes, '\0');
  std::mt19937_64 random(1);
  for (std::uint64_t i = 0; i < load.records; ++i) {
    if (i % 8 == 0) session->begin();
    for (char& byte : value) byte = static_cast<char>(random());  // does not compress
    (void)session->insert(table, as_bytes(key_of(i * 7'919 % load.records)), as_bytes(value));
    if (i % 8 == 7) session->commit();
  }
  database->checkpoint();
  std::size_t wrong = 0;
  session->begin();
  for (int i = 0; i < 50'000; ++i)
    wrong += !read_text(*session, table, key_of(random() % load.records)).has_value();
  session->commit();
  if (wrong != 0) throw std::runtime_error("records are missing");
  return peak_resident() - before;
}

/// In a process of its own, whose peak no other test has raised.
std::size_t in_own_process(const std::function<std::size_t()>& measure) {
  int ends[2];
  if (pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  const pid_t process = fork();
  if (process < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (process == 0) {
    std::size_t bytes = 0;
    try {
      bytes = measure();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
    }
    _exit(::write(ends[1], &bytes, sizeof bytes) == sizeof bytes ? 0 : 1);
  }
  std::size_t bytes = 0;
  ::close(ends[1]);
  if (::read(ends[0], &bytes, sizeof bytes) != sizeof bytes) bytes = 0;
  ::close(ends[0]);
  int status = 0;
  waitpid(process, &status, 0);
  return bytes;
}

TEST_CASE(
    "LSM memory: it stays within memtables, block cache and what files keep of themselves, whatever is "
    "loaded") {
  const TemporaryDirectory directory;
  DatabaseOptions options = small_database(directory.path() / "bounded");
  options.log.segment_bytes = 8 * kMiB;
  options.checkpoint_bytes = 32 * kMiB;
  options.lsm.memtable_bytes = 2 * kMiB;
  options.lsm.block_cache_bytes = 4 * kMiB;
  const Load load;
  const std::size_t grown = in_own_process([&] { return growth_under(options, load); });
  // A file keeps its filter and the last key of each block in memory. The rest is buffers of flush and compaction, stacks, and
  // what the allocator has not given back.
  const std::size_t files =
      load.records * (options.lsm.bloom_bits + 7) / 8 + load.records * load.value_bytes / 4096 * 64;
  const std::size_t bound = lsm::TreeParts::kMemtables * options.lsm.memtable_bytes +
                            options.lsm.block_cache_bytes + files + 16 * kMiB;
  // With a cache that holds all blocks, the same load needs more: so the bound is one.
  options.directory = directory.path() / "cached";
  options.lsm.block_cache_bytes = 128 * kMiB;
  const std::size_t grown_with_cache = in_own_process([&] { return growth_under(options, load); });
  INFO("MiB: grown by " << grown / kMiB << ", bound " << bound / kMiB << ", loaded "
                        << load.records * load.value_bytes / kMiB << ", grown with a large cache by "
                        << grown_with_cache / kMiB);
  CHECK(grown > options.lsm.memtable_bytes);
  CHECK(grown <= bound);
  CHECK(grown_with_cache > bound);
}

}  // namespace
}  // namespace muster
