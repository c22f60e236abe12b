#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "algorithms/parts/backoff.h"
#include "harness/calibration.h"
#include "harness/calibration_threads.h"

namespace muster {
namespace {

constexpr int kHandoffs = 500;           // round trips of a sample
constexpr std::size_t kLinks = 128;      // loads of a sample: so many lines fit into any first cache
constexpr std::size_t kLinkBytes = 256;  // apart, so that no prefetcher that pairs lines brings the next
constexpr std::size_t kSamplesOfCounts = 5;
constexpr std::uint64_t kAddsBetweenClocks = 1024;  // a clock costs as much as a few of them
constexpr int kAddsBetweenLooks = 32;               // at the flag that says stop

/// Waits until `done`. It looks without a pause, which would be measured, for as long as the other thread takes if it
/// runs; later the other thread is not running, the sample is spoilt, and the wait backs off.
template <class Done>
void look_until(Done done) {
  constexpr int kLooks = 1 << 16;
  for (int look = 0; look < kLooks; ++look) {
    if (done()) return;
  }
  for (Backoff backoff; !done(); backoff.pause()) {}
}

/// A line of a chain: a load finds where the next one is, so that no two are under way at once.
struct alignas(kLinkBytes) Link {
  std::atomic<Link*> next = nullptr;
};

/// Links in an order that no prefetcher guesses, the last leading to the first.
class Chain {
 public:
  Chain() {
    std::array<std::size_t, kLinks> order;
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin() + 1, order.end(), std::mt19937_64(1));  // the same chain every time
    for (std::size_t i = 0; i < kLinks; ++i) {
      links_[order[i]].next.store(&links_[order[(i + 1) % kLinks]], std::memory_order_relaxed);
    }
  }

  /// Called by the owner: its cache has every line in that state, and no other cache has one.
  void prepare(LineState state) {
    for (Link& link : links_) {
      link.next.store(link.next.load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    if (state == LineState::shared) {
      evict();
      walk();
    }
  }

  /// Through all links; what it returns keeps a compiler from leaving them out.
  const Link* walk() const {
    const Link* link = &links_.front();
    // relaxed: the turn below, released and acquired, orders one thread's walk after the other's preparation.
    for (std::size_t i = 0; i < kLinks; ++i) link = link->next.load(std::memory_order_relaxed);
    return link;
  }

 private:
  void evict() {
#if defined(__x86_64__)
    for (Link& link : links_) _mm_clflush(&link);
    _mm_mfence();  // evictions are ordered by it before the loads that follow, and by nothing weaker
#endif
  }

  std::array<Link, kLinks> links_;
};

}  // namespace

Spread handoff_ns(const Topology& topology, unsigned one, unsigned other, double seconds) {
  constexpr std::uint64_t kOver = ~std::uint64_t{0};  // odd
  alignas(kCacheLine) std::atomic<std::uint64_t> line = 0;
  std::vector<double> found;
  on_units(topology, {one, other}, [&](std::size_t thread) {
    // [line] release and acquire, each with the other thread's: as a flag would be handed on. Odd is the other's turn.
    if (thread == 1) {
      for (std::uint64_t seen = 0;;) {
        look_until([&] { return (seen = line.load(std::memory_order_acquire)) % 2 == 1; });
        if (seen == kOver) return;
        line.store(seen + 1, std::memory_order_release);
      }
    }
    std::uint64_t turn = 0;
    found = samples_for(seconds, [&] {
      const auto begin = CalibrationClock::now();
      for (int i = 0; i < kHandoffs; ++i) {
        line.store(turn + 1, std::memory_order_release);
        turn += 2;
        look_until([&] { return line.load(std::memory_order_acquire) == turn; });
      }
      return ns_since(begin) / (2 * kHandoffs);
    });
    line.store(kOver, std::memory_order_release);
  });
  return spread(found);
}

bool can_prepare(LineState state) {
#if defined(__x86_64__)
  return state == LineState::modified || state == LineState::shared;
#else
  return state == LineState::modified;
#endif
}

Spread load_ns(const Topology& topology, unsigned owner, unsigned reader, LineState state, double seconds) {
  enum Turn : int { kOwner, kReader, kOver };
  const auto chain = std::make_unique<Chain>();
  alignas(kCacheLine) std::atomic<int> turn = kOwner;
  std::vector<double> found;
  on_units(topology, {owner, reader}, [&](std::size_t thread) {
    // [turn] released by the thread that has had the chain, acquired by the thread that has it next.
    if (thread == 0) {
      for (int seen = kOwner;;) {
        look_until([&] { return (seen = turn.load(std::memory_order_acquire)) != kReader; });
        if (seen == kOver) return;
        chain->prepare(state);
        turn.store(kReader, std::memory_order_release);
      }
    }
    const auto is_prepared = [&] { return turn.load(std::memory_order_acquire) == kReader; };  // [turn]
    const Link* last = nullptr;
    found = samples_for(seconds, [&] {
      look_until(is_prepared);
      const auto begin = CalibrationClock::now();
      last = chain->walk();
      const double ns = ns_since(begin) / kLinks;
      turn.store(kOwner, std::memory_order_release);
      return ns;
    });
    look_until(is_prepared);  // the owner may be preparing once more; afterwards it writes the turn no more
    turn.store(kOver, std::memory_order_release);
    if (last == nullptr) throw std::logic_error("a chain has an end");
  });
  return spread(found);
}

FetchAdds fetch_adds(const Topology& topology, const std::vector<unsigned>& units, double seconds) {
  std::vector<double> rates;
  FetchAdds found;
  for (std::size_t sample = 0; sample < kSamplesOfCounts; ++sample) {
    alignas(kCacheLine) std::atomic<std::uint64_t> line = 0;
    alignas(kCacheLine) std::atomic<bool> stop = false;
    std::vector<std::uint64_t> counts(units.size());
    std::vector<double> lasted_ns(units.size());
    on_units(topology, units, [&](std::size_t thread) {
      const auto begin = CalibrationClock::now();
      std::uint64_t count = 0;
      // relaxed: it counts and publishes nothing; `stop` publishes nothing either.
      while (!stop.load(std::memory_order_relaxed)) {
        for (int i = 0; i < kAddsBetweenLooks; ++i) line.fetch_add(1, std::memory_order_relaxed);
        count += kAddsBetweenLooks;
        if (thread == 0 && count % kAddsBetweenClocks == 0 &&
            ns_since(begin) >= seconds * 1e9 / kSamplesOfCounts) {
          stop.store(true, std::memory_order_relaxed);
        }
      }
      counts[thread] = count;
      lasted_ns[thread] = ns_since(begin);
    });
    const std::uint64_t all = std::reduce(counts.begin(), counts.end());
    if (all != line.load(std::memory_order_relaxed)) throw std::logic_error("an addition was lost");
    rates.push_back(static_cast<double>(all) / *std::ranges::max_element(lasted_ns) * 1e9);
    const auto [least, most] = std::ranges::minmax_element(counts);
    found.least_share = static_cast<double>(*least) / static_cast<double>(all);
    found.most_share = static_cast<double>(*most) / static_cast<double>(all);
  }
  found.per_s = spread(rates);
  return found;
}

}  // namespace muster
