#include <thread>

#include "tests/catch.h"
#include "tests/engine/index/tree_fixture.h"

namespace muster::test {
namespace {

constexpr PageNumber kRoot = 1;

std::string key_of(int number) {
  return fmt::format("key{:05}", number);
}

/// Two levels: the root and leaves.
struct Tree : TreeFixture {
  Tree(ChangeLog& log, ReadLatch read_latch) : TreeFixture(log, 64, read_latch) {
    for (int i = 0; i < 1000; ++i) REQUIRE(tree->insert(bytes(key_of(i)), bytes("value"), log) == Status::ok);
  }
  TableSpace& space() { return buffers.space(kTable); }
  std::uint64_t state(PageNumber page) { return space().state(page).load(); }
  PageNumber leaf_of(const std::string& key) {
    const SharedGuard root(buffers, space(), kRoot);
    const PageView page(root.bytes());
    return page.child_for(page.shape(), bytes(key));
  }
};

Status read(const BTree& tree, const std::string& key) {
  std::vector<std::byte> value;
  return tree.find(bytes(key), value);
}

/// Reads while the leaf is latched, waits until the reader stands there with the root's latch, and lets it go on.
template <class Guard>
void read_behind(Tree& tree, std::uint64_t root_latch) {
  std::optional<Guard> held(std::in_place, tree.buffers, tree.space(), tree.leaf_of(key_of(7)));
  std::atomic<bool> done{false};
  Status found = Status::not_found;  // the reader's until it is joined: assertions are this thread's alone
  std::thread reader([&] {
    found = read(*tree.tree, key_of(7));
    done.store(true);
  });
  while (latch_of(tree.state(kRoot)) != root_latch) std::this_thread::yield();
  CHECK_FALSE(done.load());
  held.reset();
  reader.join();
  CHECK(found == Status::ok);
}

}  // namespace

TEST_CASE(
    "BTree, exclusive read latches: a reader waits for a reader of the leaf, the root's latch in its hand") {
  CountingLog log;
  Tree tree(log, ReadLatch::exclusive);
  read_behind<SharedGuard>(tree, kExclusive);
}

TEST_CASE("BTree, shared read latches: a reader waits for a writer of the leaf, and for no reader") {
  CountingLog log;
  Tree tree(log, ReadLatch::shared);
  read_behind<ExclusiveGuard>(tree, kOneSharer);
  const SharedGuard held(tree.buffers, tree.space(), tree.leaf_of(key_of(7)));
  CHECK(read(*tree.tree, key_of(7)) == Status::ok);
}

TEST_CASE("BTree: whatever readers latch, a read changes no page's version and leaves no latch") {
  const auto read_latch = GENERATE(ReadLatch::optimistic, ReadLatch::shared, ReadLatch::exclusive);
  CountingLog log;
  Tree tree(log, read_latch);
  const PageNumber leaf = tree.leaf_of(key_of(7));
  CHECK(read(*tree.tree, key_of(7)) == Status::ok);
  const std::uint64_t root_before = tree.state(kRoot), leaf_before = tree.state(leaf);
  CHECK(read(*tree.tree, key_of(7)) == Status::ok);
  CHECK(contents(*tree.tree).size() == 1000);
  std::vector<std::byte> value;
  CHECK(tree.tree->find(bytes("key"), value) == Status::not_found);
  CHECK(tree.state(kRoot) == root_before);
  CHECK(tree.state(leaf) == leaf_before);
}

}  // namespace muster::test
