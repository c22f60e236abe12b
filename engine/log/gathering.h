#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace muster {

/// After a sync: how many of the clients that it released are still waited for, and who keeps the time.
///
/// Protocol    The drainer gives each client that it waits for a ticket, the gathering's number, and opens it. Clients
///             join as they come. The last one with a ticket completes it and drains for all. The first one that has
///             to wait keeps the time, unless the flusher does; when the time is up it closes the gathering and drains.
///             Every drain closes it when it begins.
/// Ordering    One word; all operations are seq_cst. A client says that it sleeps (parked) and then looks whether the
///             gathering is still open. A drainer closes it and then looks who sleeps. One of the two sees the other.
class Gathering {
 public:
  enum class Role : std::uint8_t {
    none,      ///< there is no gathering (any more): drain, or wait for the drainer
    keeper,    ///< keeps the time
    follower,  ///< somebody else does
  };

  /// What the next gathering's tickets are.
  std::uint32_t next_ticket() const { return next_ticket_; }
  /// The drainer. `clients` > 0 have tickets.
  void open(std::uint32_t clients, bool flusher_keeps_time) {
    word_.store(pack(next_ticket_, clients, flusher_keeps_time ? kFlusher : kNobody),
                std::memory_order_seq_cst);
    if (++next_ticket_ == 0) ++next_ticket_;  // 0: no ticket
  }
  /// The drainer.
  void close() {
    if (is_open(word_.load(std::memory_order_relaxed))) word_.store(0, std::memory_order_seq_cst);
  }

  /// What a client brings, and then knows of the gathering that it last saw open.
  struct Member {
    std::uint32_t ticket = 0;  // used up by join()
    std::uint32_t number = 0;
    bool keeps_time = false;
  };
  /// A client joins. It may do so again, to see what has become of the gathering.
  Role join(Member& member) {
    const std::uint32_t ticket = std::exchange(member.ticket, 0);
    std::uint64_t seen = word_.load(std::memory_order_seq_cst);
    while (is_open(seen)) {
      if (member.keeps_time && number(seen) == member.number) return Role::keeper;
      const std::uint64_t rest = ticket == number(seen) ? seen - 1 : seen;
      const bool complete = !is_open(rest);
      const bool keeps = !complete && keeper(seen) == kNobody;
      const std::uint64_t next = keeps ? rest | kClient : rest;
      if (next != seen && !word_.compare_exchange_weak(seen, next, std::memory_order_seq_cst)) continue;
      if (complete) return Role::none;
      member.number = number(seen);
      member.keeps_time = keeps;
      return keeps ? Role::keeper : Role::follower;
    }
    return Role::none;
  }
  /// A member, when its gathering's time is up.
  void give_up(const Member& member) {
    std::uint64_t seen = word_.load(std::memory_order_seq_cst);
    while (is_open(seen) && number(seen) == member.number &&
           !word_.compare_exchange_weak(seen, 0, std::memory_order_seq_cst)) {}
  }
  bool is_open_for(const Member& member) const {
    const std::uint64_t seen = word_.load(std::memory_order_seq_cst);
    return is_open(seen) && number(seen) == member.number;
  }

  bool open() const { return is_open(word_.load(std::memory_order_seq_cst)); }
  bool kept_by_client() const {
    const std::uint64_t seen = word_.load(std::memory_order_seq_cst);
    return is_open(seen) && keeper(seen) == kClient;
  }

 private:
  // number: 32 bits, keeper: 2, clients that are still to come: 30
  static constexpr std::uint64_t kNobody = 0, kClient = std::uint64_t{1} << 30,
                                 kFlusher = std::uint64_t{2} << 30;
  static constexpr std::uint64_t kClients = kClient - 1;
  static constexpr std::uint64_t pack(std::uint32_t number, std::uint32_t clients, std::uint64_t keeper) {
    return (std::uint64_t{number} << 32) | keeper | clients;
  }
  static constexpr bool is_open(std::uint64_t word) { return (word & kClients) != 0; }
  static constexpr std::uint64_t keeper(std::uint64_t word) { return word & (kClient | kFlusher); }
  static constexpr std::uint32_t number(std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); }

  std::atomic<std::uint64_t> word_{0};
  std::uint32_t next_ticket_ = 1;  // the drainer's
};

}  // namespace muster
