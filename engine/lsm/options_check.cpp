#include "engine/lsm/options_check.h"

#include <fmt/format.h>
#include <unistd.h>

#include <string>

#include "engine/error.h"
#include "engine/lsm/bloom_filter.h"
#include "engine/lsm/tree_parts.h"

namespace muster::lsm {
namespace {

std::size_t machine_bytes() {
  return static_cast<std::size_t>(::sysconf(_SC_PHYS_PAGES)) *
         static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

[[noreturn]] void refuse(const char* key, std::size_t value, const std::string& want) {
  throw ConfigError(key, std::to_string(value), want);
}

}  // namespace

void check(const LsmOptions& options) {
  if (options.memtable_bytes < LsmOptions::kMemtableBytesMin)
    refuse("lsm.memtable_bytes", options.memtable_bytes,
           fmt::format("want {} at least", LsmOptions::kMemtableBytesMin));
  if (options.bloom_bits > kBloomBitsMax)
    refuse("lsm.bloom_bits", options.bloom_bits, fmt::format("want 0 to {}", kBloomBitsMax));
  const std::size_t memory = machine_bytes();
  if (options.block_cache_bytes > memory)
    refuse("lsm.block_cache_bytes", options.block_cache_bytes,
           fmt::format("want at most this machine's memory, {}", memory));
  const std::size_t most = (memory - options.block_cache_bytes) / TreeParts::kMemtables;
  if (options.memtable_bytes > most) {
    refuse("lsm.memtable_bytes", options.memtable_bytes,
           fmt::format("want at most {}: this machine's memory holds {} of them and lsm.block_cache_bytes",
                       most, TreeParts::kMemtables));
  }
}

}  // namespace muster::lsm
