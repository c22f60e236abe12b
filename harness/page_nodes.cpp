#include "harness/page_nodes.h"

#include <numaif.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace muster {
namespace {

constexpr std::size_t kChunkPages = std::size_t{1} << 18;  // whose residency is asked for in one call
constexpr std::size_t kBatch = std::size_t{1} << 16;       // pages whose node is

[[noreturn]] void fail(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

using Stretch = std::span<std::byte>;

/// The stretches of pages that are in memory; `expected`: as in find_pages().
std::vector<Stretch> resident_stretches(std::span<std::byte> range, std::size_t page,
                                        std::uint64_t expected) {
  std::vector<Stretch> stretches;
  std::vector<unsigned char> resident(std::min(kChunkPages, range.size() / page));
  std::uint64_t found = 0;
  for (std::size_t begin = 0; begin < range.size(); begin += kChunkPages * page) {
    const std::size_t pages = std::min(kChunkPages, (range.size() - begin) / page);
    std::byte* const at = range.data() + begin;
    if (::mincore(at, pages * page, resident.data()) != 0) fail("ask which pages are in memory (mincore)");
    const auto is_in = [](unsigned char byte) { return (byte & 1) != 0; };
    const std::uint64_t before = found;
    for (auto from = resident.begin(), end = from + static_cast<std::ptrdiff_t>(pages); from != end;) {
      from = std::find_if(from, end, is_in);
      const auto to = std::find_if_not(from, end, is_in);
      const auto count = static_cast<std::size_t>(to - from);
      if (count > 0)
        stretches.emplace_back(at + static_cast<std::size_t>(from - resident.begin()) * page, count * page);
      found += count;
      from = to;
    }
    if (found == before && found >= expected) break;
  }
  return stretches;
}

/// Asks for nodes, many pages at a time.
class NodeQuestions {
 public:
  explicit NodeQuestions(PagesFound& into) : into_(into) { pages_.reserve(kBatch); }
  void add(std::byte* page) {
    pages_.push_back(page);
    if (pages_.size() == kBatch) ask();
  }
  void ask() {
    nodes_.assign(pages_.size(), -1);
    if (!pages_.empty() && ::move_pages(0, pages_.size(), pages_.data(), nullptr, nodes_.data(), 0) < 0)
      fail("ask for the node of pages (move_pages)");
    for (const int node : nodes_) {
      if (node < 0) continue;  // it has gone meanwhile, or is the kernel's page of zeros
      ++into_.looked_at;
      ++into_.of_nodes[static_cast<unsigned>(node)];
    }
    pages_.clear();
  }

 private:
  PagesFound& into_;
  std::vector<void*> pages_;
  std::vector<int> nodes_;
};

constexpr std::array<std::string_view, 5> kHuge = {
    "AnonHugePages:", "ShmemPmdMapped:", "FilePmdMapped:", "Shared_Hugetlb:", "Private_Hugetlb:"};

/// Of a line "Name:   123 kB".
std::uint64_t bytes_in(std::string_view line) {
  const std::size_t digits = line.find_first_of("0123456789");
  std::uint64_t kibibytes = 0;
  if (digits != std::string_view::npos)
    std::from_chars(line.data() + digits, line.data() + line.size(), kibibytes);
  return kibibytes << 10;
}

}  // namespace

PagesFound& PagesFound::operator+=(const PagesFound& other) {
  resident += other.resident;
  looked_at += other.looked_at;
  for (const auto& [node, pages] : other.of_nodes) of_nodes[node] += pages;
  return *this;
}

PagesFound find_pages(std::span<std::byte> range, std::uint64_t look_at_most, std::uint64_t expected) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::vector<Stretch> stretches = resident_stretches(range, page, expected);
  PagesFound found;
  for (const Stretch& pages : stretches) {
    ::madvise(pages.data(), pages.size(),
              MADV_POPULATE_READ);  // of shared memory; earlier kernels do not know it
    found.resident += pages.size() / page;
  }
  const std::uint64_t every = std::max<std::uint64_t>(1, (found.resident + look_at_most - 1) / look_at_most);
  NodeQuestions questions(found);
  std::uint64_t seen = 0;
  for (const Stretch& pages : stretches) {
    for (std::size_t at = 0; at < pages.size(); at += page) {
      if (seen++ % every == 0) questions.add(pages.data() + at);
    }
  }
  questions.ask();
  return found;
}

Mappings Mappings::now() {
  Mappings mappings;
  std::ifstream smaps("/proc/self/smaps");
  Sizes* of_mapping = nullptr;
  for (std::string line; std::getline(smaps, line);) {
    std::uintptr_t begin = 0;
    const char* const line_end = line.data() + line.size();
    const auto [end, error] = std::from_chars(line.data(), line_end, begin, 16);
    if (error == std::errc() && end != line_end && *end == '-') {
      of_mapping = &mappings.by_begin_[begin];
    } else if (of_mapping == nullptr) {
      continue;
    } else if (line.starts_with("Rss:")) {
      of_mapping->resident_bytes += bytes_in(line);
    } else if (std::ranges::any_of(kHuge, [&](std::string_view name) { return line.starts_with(name); })) {
      of_mapping->huge_bytes += bytes_in(line);
    }
  }
  return mappings;
}

Mappings::Sizes Mappings::of(std::span<const std::byte> range) const {
  const auto begin = reinterpret_cast<std::uintptr_t>(range.data());
  Sizes sum;
  for (auto at = by_begin_.lower_bound(begin); at != by_begin_.end() && at->first < begin + range.size();
       ++at) {
    sum.resident_bytes += at->second.resident_bytes;
    sum.huge_bytes += at->second.huge_bytes;
  }
  return sum;
}

}  // namespace muster
