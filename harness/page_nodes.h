#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>

namespace muster {

/// Where the pages of a range are, in pages of the system whatever size the kernel has given them.
struct PagesFound {
  std::uint64_t resident = 0;                  ///< that are in memory
  std::uint64_t looked_at = 0;                 ///< of those, whose node was asked for
  std::map<unsigned, std::uint64_t> of_nodes;  ///< of those: how many each node has
  PagesFound& operator+=(const PagesFound& other);
};

/// Asks for the node of those pages of a range that are in memory, or of every n-th of them, evenly spread, where they
/// are more than `look_at_most`. Touches none; one that is shared and not mapped here yet gets mapped. The range is
/// mapped, and whole pages. Once `expected` pages are found, an empty stretch of 1 GiB ends the search: addresses are
/// reserved by the terabyte. Throws std::system_error: EPERM where a container forbids move_pages().
PagesFound find_pages(std::span<std::byte> range, std::uint64_t look_at_most,
                      std::uint64_t expected = UINT64_MAX);

/// What /proc/self/smaps says of this process's mappings, at one time.
class Mappings {
 public:
  struct Sizes {
    std::uint64_t resident_bytes = 0;
    std::uint64_t huge_bytes = 0;  ///< of those in huge pages
  };
  static Mappings now();
  /// Of those that begin in a range.
  Sizes of(std::span<const std::byte> range) const;

 private:
  std::map<std::uintptr_t, Sizes> by_begin_;
};

}  // namespace muster
