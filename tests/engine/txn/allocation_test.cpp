#include <cstdlib>
#include <new>

#include "tests/catch.h"
#include "tests/engine/txn/database_testing.h"

namespace {

thread_local std::uint64_t allocations = 0;

void* allocate(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size != 0 ? size : 1)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) {
  return allocate(size);
}
void* operator new[](std::size_t size) {
  return allocate(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace muster {

TEST_CASE("Session: reading and updating allocate nothing once a session has done it before") {
  const auto policy = GENERATE(CommitPolicy::durable, CommitPolicy::pipelined, CommitPolicy::async);
  TemporaryDirectory directory;
  DatabaseOptions options = memory_database(directory.path());
  options.frames = 4096;
  options.early_lock_release = GENERATE(false, true);
  const auto level = GENERATE(Isolation::two_phase_locking, Isolation::read_committed, Isolation::snapshot,
                              Isolation::serializable_snapshot);
  const auto database = Database::open(options);
  const TableId table = database->create_table("t");
  const auto session = database->attach(policy, level);
  std::vector<std::string> keys;
  for (std::uint64_t i = 0; i < 500; ++i) keys.push_back(key_of(i));
  const std::string value(100, 'v');
  session->begin();
  for (const std::string& key : keys)
    REQUIRE(session->insert(table, as_bytes(key), as_bytes(value)) == Status::ok);
  session->commit();

  std::vector<std::byte> read;
  int wrong = 0;
  const auto run = [&](std::size_t transactions) {
    for (std::size_t i = 0; i < transactions; ++i) {
      session->begin();
      for (std::size_t operation = 0; operation < 4; ++operation) {
        const Bytes key = as_bytes(keys[(i * 7 + operation) % keys.size()]);
        const bool reading = operation % 2 == 0;
        wrong += (reading ? session->read(table, key, read) : session->update(table, key, as_bytes(value))) !=
                 Status::ok;
      }
      session->commit();
      if (i % 16 == 0) session->wait_for_acknowledgements();
    }
  };
  run(2000);
  const std::uint64_t before = allocations;
  run(2000);
  CHECK(allocations == before);
  CHECK(wrong == 0);
}

}  // namespace muster
