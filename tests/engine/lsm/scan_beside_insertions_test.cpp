#include <atomic>
#include <thread>
#include <vector>

#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"

namespace muster {
namespace {

TEST_CASE("LSM scan: it comes to the table's end while many threads announce insertions of its last keys") {
  constexpr std::uint64_t kMost = 1'000'000;  // insertions, if the scan waits for all of them
  constexpr std::uint64_t kThreads = 8;
  const TemporaryDirectory directory;
  const auto database = Database::open(memory_database(directory.path()));
  const TableId table = database->create_table("t", TableKind::lsm);
  const auto session = database->attach(CommitPolicy::async, Isolation::snapshot);
  session->begin();
  for (std::uint64_t i = 0; i < kThreads; ++i)
    REQUIRE(session->insert(table, as_bytes(key_of(i)), {}) == Status::ok);
  session->commit();

  // A key that is there is announced as well. So the table does not grow, and any machine's scan keeps up.
  std::atomic<std::uint64_t> announced{0}, inserted{0};
  std::atomic<bool> scanned{false};
  std::vector<std::jthread> threads;
  for (std::uint64_t i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, key = key_of(i)] {
      const auto inserter = database->attach(CommitPolicy::async, Isolation::snapshot);
      while (!scanned && ++announced < kMost) {
        inserter->begin();
        if (inserter->insert(table, as_bytes(key), {}) != Status::already_exists) ++inserted;
        inserter->abort();
      }
    });
  }
  CHECK(comes_true([&] { return announced > 1000; }));
  std::uint64_t records = 0;
  session->begin_read_only();
  CHECK(session->scan(table, {}, [&](Bytes, Bytes) { return ++records > 0; }) == Status::ok);
  session->commit();
  scanned = true;
  threads.clear();
  CHECK(announced < kMost);
  CHECK(records == kThreads);
  CHECK(inserted == 0);
}

}  // namespace
}  // namespace muster
