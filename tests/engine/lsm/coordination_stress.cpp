// Threads that write, read, flush, compact and cut the log of one tree at the same time. What is freed too soon is found
// by the sanitizers, what is lost by the counts.
#include <atomic>
#include <thread>
#include <vector>

#include "tests/catch.h"
#include "tests/engine/lsm/simple_parts.h"

namespace muster::lsm {
namespace {

using Tree = Coordination<NativePlatform, SimpleParts>;
constexpr std::uint32_t kKeys = SimpleParts::kKeys;

class Stress {
 public:
  Stress(std::uint32_t writers, std::uint32_t readers, std::uint32_t writes)
      : writers_(writers), readers_(readers), writes_(writes), keys_(std::size_t{writers} * writes) {}

  void run() {
    std::vector<std::thread> busy, helping;
    for (WorkerId w = 0; w < writers_; ++w) busy.emplace_back([this, w] { write(w); });
    for (WorkerId r = 0; r < readers_; ++r)
      helping.emplace_back([this, r] { until_over([&](std::uint32_t i) { read(r, i % kKeys); }); });
    for (int i = 0; i < 2; ++i) {  // two of each: the rules hold for any thread
      helping.emplace_back([this] { until_over([&](std::uint32_t) { flushes_ += tree_.flush() ? 1 : 0; }); });
      helping.emplace_back(
          [this] { until_over([&](std::uint32_t) { compactions_ += tree_.compact() ? 1 : 0; }); });
    }
    helping.emplace_back([this] { until_over([&](std::uint32_t) { cut_log(); }); });
    for (std::thread& thread : busy) thread.join();
    over_.store(true, std::memory_order_relaxed);
    for (std::thread& thread : helping) thread.join();
    while (tree_.flush()) {}
    if (tree_.switch_memtable()) tree_.flush();
    cut_log();
    for (std::uint32_t key = 0; key < kKeys; ++key) read(0, key);
  }

  const SimpleParts& parts() const { return parts_; }
  std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }
  std::uint64_t lost_by_a_crash() const { return lost_by_a_crash_; }
  Lsn cut() const { return cut_; }
  std::uint32_t flushes() const { return flushes_; }
  std::uint32_t compactions() const { return compactions_; }
  std::uint64_t written() const { return std::uint64_t{writers_} * writes_; }

 private:
  static constexpr std::uint32_t kFull = 50;  // writes of one thread
  static constexpr std::uint32_t kLate = 16;  // of so many sections one lets others run while it is open

  /// Keys that are one writer's alone: the rule that writes of a key come one after the other.
  void write(WorkerId writer) {
    for (std::uint32_t i = 0; i < writes_; ++i) {
      const std::uint32_t key = (i * writers_ + writer) % kKeys / writers_ * writers_ + writer;
      const SimpleParts::Memtable* into = nullptr;
      const Lsn lsn = tree_.write(
          writer,
          [&](const Tree::View&) {
            const Lsn end = parts_.append();
            keys_[end - 1].store(key + 1, std::memory_order_relaxed);
            if (end % kLate == 0) std::this_thread::yield();
            return end;
          },
          [&](SimpleParts::Memtable& memtable, Lsn end) {
            memtable.newest[key].store(end, std::memory_order_release);
            into = &memtable;
          });
      acknowledged_[key].store(lsn, std::memory_order_release);
      if (i % 7 == 0) read(readers_ + writer, key);
      if (i % kFull == kFull - 1) {
        tree_.switch_memtable(into);
        for (Backoff backoff; memtables(writer) == SimpleParts::kMemtables; backoff.pause()) {
        }  // until a flush makes room
      }
    }
  }

  std::uint32_t memtables(WorkerId writer) {
    return tree_.read(readers_ + writer, [](const Tree::View& view) { return view.count; });
  }

  void read(WorkerId reader, std::uint32_t key) {
    const Lsn least = acknowledged_[key].load(std::memory_order_acquire);
    const Lsn found = tree_.read(reader, [&](const Tree::View& view) {
      if (key % kLate == 0) std::this_thread::yield();
      return newest_in(view, key);
    });
    if (found < least) lost_.fetch_add(1, std::memory_order_relaxed);
  }

  /// All below must be in the tables that the manifest names.
  void cut_log() {
    const Lsn needed = tree_.needed_from();
    for (; cut_ < needed; ++cut_) {
      const std::uint32_t key = keys_[cut_].load(std::memory_order_relaxed);
      if (key == 0 || parts_.durable(key - 1) < cut_ + 1) ++lost_by_a_crash_;
    }
  }

  void until_over(const auto& act) {
    for (std::uint32_t i = 0; !over_.load(std::memory_order_relaxed); ++i) {
      act(i);
      std::this_thread::yield();
    }
  }

  const std::uint32_t writers_, readers_, writes_;
  SimpleParts parts_;
  Tree tree_{parts_, writers_, readers_ + writers_, {}, parts_.reserved()};
  std::vector<std::atomic<std::uint32_t>> keys_;  // by LSN, from 1
  std::array<std::atomic<Lsn>, kKeys> acknowledged_{};
  std::atomic<bool> over_{false};
  std::atomic<std::uint64_t> lost_{0};
  std::atomic<std::uint32_t> flushes_{0}, compactions_{0};
  // The cutting thread's, then the main one's.
  std::uint64_t lost_by_a_crash_ = 0;
  Lsn cut_ = 0;
};

}  // namespace

TEST_CASE("Coordination: nothing is lost while threads write, read, flush, compact and cut the log",
          "[lsm]") {
  Stress stress(4, 2, 30'000);
  stress.run();
  INFO(stress.flushes() << " flushes, " << stress.compactions() << " compactions");
  CHECK(stress.flushes() > 500);
  CHECK(stress.lost() == 0);
  CHECK(stress.lost_by_a_crash() == 0);
  CHECK(stress.cut() == stress.written());
  CHECK(stress.parts().named_unsynced == 0);
  CHECK(stress.parts().removed_named == 0);
  CHECK(stress.parts().views() == 1);
  CHECK(stress.parts().memtables() == 1);
}

}  // namespace muster::lsm
