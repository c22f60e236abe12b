#include "engine/log/cohort_clock.h"

namespace muster {

bool CohortClock::release(std::uint32_t index, Nanoseconds asked, Nanoseconds now) {
  Client& client = clients_[index];
  if (client.released.count() != 0) learn(client, asked - client.released);
  client.released = now;
  return client.in_time >= kLikely;
}

void CohortClock::learn(Client& client, Nanoseconds away) {
  if (away > sync_) {
    if (client.in_time > 0) --client.in_time;
    return;
  }
  if (client.in_time < kCertain) ++client.in_time;
  deviation_ += (std::chrono::abs(away - usual_) - deviation_) / 4;
  usual_ += (away - usual_) / 8;
}

}  // namespace muster
