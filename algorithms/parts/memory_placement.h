#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace muster {

/// What memory is for, of that which may be put on a NUMA node of its own.
enum class MemoryRegion : std::uint8_t {
  ring,     ///< the log's bytes
  workers,  ///< what a log buffer and the log keep of each worker
  buffers,  ///< tables' pages and their state words
  locks,    ///< the lock table
};
/// By the enumerator's value, as in configurations and results.
inline constexpr std::array<std::string_view, 4> kMemoryRegionNames = {"ring", "workers", "buffers", "locks"};

/// Functions that the harness gives to the layers below: they put memory on a NUMA node, and remember it so that the
/// harness can verify later where it is. A log buffer, buffer pool or lock table calls them for its memory. Ranges are
/// whole pages of the system. Each function may be empty; any thread may call it, also several at a time. The caller
/// passes on what it throws.
struct MemoryPlacement {
  /// The range is mapped, and no thread has touched it yet.
  std::function<void(MemoryRegion region, std::span<std::byte> range)> reserved{};
  /// The calling thread is a worker, and this part of a reserved range its own from now on.
  std::function<void(std::span<std::byte> part)> owned{};
  /// A reserved range is about to go. Does not throw.
  std::function<void(std::span<std::byte> range)> released{};
  /// A worker's state gets pages of its own, for `owned` to put somewhere. Otherwise many share a page.
  bool pages_for_each_worker = false;
};

}  // namespace muster
