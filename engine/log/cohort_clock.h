#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

namespace muster {

/// Says for how long a sync should wait for the clients that the last one released.
///
/// A sync does not cover a commit that a client asks for while the sync runs: the client waits for the next sync. So
/// clients settle into two cohorts that take turns, and each sync carries one cohort. Where the drainer waits a little
/// after a sync, the cohort that this sync released joins the one that waits already.
///
/// Promises    A wait is at most one sync's smoothed duration, where it breaks even: two cohorts need two syncs for what
///             one does with a sync and a wait. It is no longer than clients usually need to come back.
///             Only clients that mostly were back in time are waited for. One that is new, slow or gone for good is
///             not; that it became so costs two waits at most.
/// Threads     The drainer alone calls it, and passes the times: it reads no clock.
class CohortClock {
 public:
  using Nanoseconds = std::chrono::nanoseconds;

  explicit CohortClock(std::uint32_t clients) : clients_(clients) {}

  void synced(Nanoseconds took) { sync_ = sync_.count() == 0 ? took : sync_ + (took - sync_) / 8; }

  /// A sync has covered the commit that `client` asked for at `asked`. True when it is likely to bring the next one
  /// within one sync's duration.
  bool release(std::uint32_t client, Nanoseconds asked, Nanoseconds now);

  /// The longest wait that may begin now.
  Nanoseconds patience() const { return std::min(sync_, usual_ + 4 * deviation_); }

 private:
  /// A client's record of coming back, as a branch predictor keeps one: up when it was in time, down when late.
  static constexpr std::uint8_t kLikely = 2, kCertain = 3;
  struct Client {
    Nanoseconds released{0};  // 0: never
    std::uint8_t in_time = 0;
  };

  void learn(Client& client, Nanoseconds away);

  std::vector<Client> clients_;
  Nanoseconds sync_{0};  // smoothed
  // From a release to the next commit, of clients that were in time; smoothed as TCP does it (RFC 6298).
  Nanoseconds usual_{0};
  Nanoseconds deviation_{0};
};

}  // namespace muster
