#include "harness/placed_memory.h"

#include <fmt/format.h>
#include <numaif.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

#include "algorithms/parts/placed_array.h"

namespace muster {
namespace {

using Kind = MemoryPolicy::Kind;

/// 4 GiB of pages of 4 KiB, in each region: looked at in well below a second. Of more, a sample.
constexpr std::uint64_t kLookAtMost = std::uint64_t{1} << 20;
/// Fewer pages a node say nothing about how evenly they are spread.
constexpr std::uint64_t kEnoughToJudge = 64;

/// `move`: also the pages that are there already.
void set_policy(std::span<std::byte> range, int mode, const std::vector<unsigned>& nodes, bool move,
                const std::string& asked) {
  constexpr unsigned kBits = std::numeric_limits<unsigned long>::digits;
  const unsigned last = nodes.empty() ? 0 : std::ranges::max(nodes);
  std::vector<unsigned long> mask(last / kBits + 1);
  for (const unsigned node : nodes) mask[node / kBits] |= 1ul << (node % kBits);
  const unsigned long bits = nodes.empty() ? 0 : mask.size() * kBits + 1;  // the kernel reads one less
  if (::mbind(range.data(), range.size(), mode, nodes.empty() ? nullptr : mask.data(), bits,
              move ? MPOL_MF_MOVE : 0) == 0)
    return;
  throw std::system_error(errno, std::generic_category(), fmt::format("{}: mbind: {}", asked, kMemoryRemedy));
}

unsigned this_threads_unit() {
  const int unit = ::sched_getcpu();
  return unit < 0 ? 0 : static_cast<unsigned>(unit);
}

}  // namespace

std::uint64_t misplaced_pages(const WantedNodes& wanted, const PagesFound& found) {
  if (wanted.nodes.empty()) return 0;
  const std::uint64_t share = (found.looked_at + wanted.nodes.size() - 1) / wanted.nodes.size();
  std::uint64_t elsewhere = 0;
  for (const auto& [node, pages] : found.of_nodes) {
    const bool asked = std::ranges::find(wanted.nodes, node) != wanted.nodes.end();
    elsewhere += asked ? pages - std::min(pages, share) : pages;
  }
  return elsewhere;
}

bool too_many(std::uint64_t misplaced, const WantedNodes& wanted, const PagesFound& found) {
  const std::size_t nodes = wanted.nodes.size();
  if (nodes <= 1) return misplaced > 0;
  return found.looked_at >= kEnoughToJudge * nodes && misplaced > found.looked_at / nodes / 2;
}

PlacedMemory::PlacedMemory(const Configuration& c, const Topology& topology, const Placement& placement)
    : configuration_(c), topology_(topology) {
  for (std::size_t i = 0; i < wanted_.size(); ++i)
    wanted_[i] = wanted_nodes(c, topology, placement, static_cast<MemoryRegion>(i));
  placement_.reserved = [this](MemoryRegion region, std::span<std::byte> range) { reserve(region, range); };
  placement_.owned = [this](std::span<std::byte> part) { own(part); };
  placement_.released = [this](std::span<std::byte> range) { release(range); };
  placement_.pages_for_each_worker = wanted(MemoryRegion::workers).kind == Kind::local;
}

void PlacedMemory::reserve(MemoryRegion region, std::span<std::byte> range) {
  const WantedNodes& nodes = wanted(region);
  const std::string asked = in_words(configuration_, region);
  if (nodes.nodes.size() == 1) {
    // Preferred and not bound: a node that is full is found out, and kills nobody.
    set_policy(range, MPOL_PREFERRED, nodes.nodes, false, asked);
  } else if (nodes.kind == Kind::interleave) {
    set_policy(range, MPOL_INTERLEAVE, nodes.nodes, false, asked);
  } else if (nodes.kind == Kind::local) {
    set_policy(range, MPOL_LOCAL, {}, false, asked);
  }
  const std::lock_guard lock(mutex_);
  ranges_[range.data()] = {region, range.size(), {}};
}

void PlacedMemory::own(std::span<std::byte> part) {
  const unsigned node = memory_node_of(topology_, this_threads_unit());
  set_policy(part, MPOL_PREFERRED, {node}, true, in_words(configuration_, MemoryRegion::workers));
  const std::lock_guard lock(mutex_);
  std::prev(ranges_.upper_bound(part.data()))->second.owned[part.data()] = {part.size(), node};
}

void PlacedMemory::release(std::span<std::byte> range) {
  const std::lock_guard lock(mutex_);
  ranges_.erase(range.data());
}

MemoryLook PlacedMemory::look(std::string after) {
  MemoryLook look{std::move(after), {}};
  try {
    const std::lock_guard lock(mutex_);
    const Mappings mappings = Mappings::now();
    for (std::size_t i = 0; i < wanted_.size(); ++i) {
      RegionFound found = find(static_cast<MemoryRegion>(i), mappings);
      if (found.pages.resident != 0) look.regions.push_back(std::move(found));
    }
  } catch (const std::system_error& error) {
    const bool asked =
        std::ranges::any_of(wanted_, [](const WantedNodes& w) { return w.kind != Kind::first_touch; });
    if (asked && configuration_.memory.strict)
      throw std::system_error(error.code(), fmt::format("look where memory is: {}", kMemoryRemedy));
    refused_ = error.what();
    look.regions.clear();
  }
  if (!configuration_.memory.strict) return look;
  for (const RegionFound& found : look.regions) {
    const std::string said = complaint(found);
    if (!said.empty())
      throw MisplacedMemory(fmt::format("after {}: {}, or \"memory.strict\": false", look.after, said));
  }
  return look;
}

RegionFound PlacedMemory::find(MemoryRegion region, const Mappings& mappings) const {
  RegionFound found;
  found.region = region;
  std::uint64_t owned_elsewhere = 0;
  for (const auto& [begin, range] : ranges_) {
    if (range.region != region) continue;
    const Mappings::Sizes sizes = mappings.of({begin, range.bytes});
    // Of the ring there are pages that only its second mapping has; and a mapping may have become one with another.
    const bool known = region != MemoryRegion::ring && sizes.resident_bytes != 0;
    found.pages += find_pages({begin, range.bytes}, kLookAtMost,
                              known ? sizes.resident_bytes / RegionMemory::page_bytes() : UINT64_MAX);
    found.huge_bytes += sizes.huge_bytes;
    for (const auto& [part, owner] : range.owned) {
      const PagesFound own = find_pages({part, owner.bytes}, kLookAtMost);
      const auto there = own.of_nodes.find(owner.node);
      owned_elsewhere += own.looked_at - (there == own.of_nodes.end() ? 0 : there->second);
    }
  }
  found.misplaced = owned_elsewhere + misplaced_pages(wanted(region), found.pages);
  return found;
}

/// Empty where all is as it was asked to be.
std::string PlacedMemory::complaint(const RegionFound& found) const {
  const RingPages asked = configuration_.database.log_buffer.pages;
  if (found.region == MemoryRegion::ring && asked != RingPages::small && found.huge_bytes == 0) {
    return fmt::format(
        "log_buffer.pages = {}: none of the ring's pages is huge; want small, or memory that is less in "
        "pieces",
        kRingPagesNames[static_cast<std::size_t>(asked)]);
  }
  const WantedNodes& nodes = wanted(found.region);
  if (!too_many(found.misplaced, nodes, found.pages)) return "";
  const bool spread = nodes.nodes.size() > 1;
  std::vector<std::string> counts;
  for (const auto& [node, pages] : found.pages.of_nodes)
    counts.push_back(fmt::format("{} on node {}", pages, node));
  const std::string huge =
      spread && found.huge_bytes > 0
          ? fmt::format("; {} KiB of it are huge pages, which go to a node as a whole: want small ones",
                        found.huge_bytes >> 10)
          : std::string("; want nodes with room");
  return fmt::format("{}: {} of {} pages are elsewhere ({}){}", in_words(configuration_, found.region),
                     found.misplaced, found.pages.looked_at, fmt::join(counts, ", "), huge);
}

}  // namespace muster
