#include "engine/index/table.h"

#include <fmt/format.h>

#include <string>

#include "engine/error.h"

namespace muster {
namespace {

void check_size(const char* what, std::size_t bytes, std::size_t most) {
  if (bytes > most) throw ConfigError(what, std::to_string(bytes), fmt::format("want at most {}", most));
}

}  // namespace

void Table::refuse_record(std::size_t key_bytes, std::size_t value_bytes) {
  check_size("key bytes", key_bytes, kMaxKeyBytes);
  check_size("value bytes", value_bytes, kMaxValueBytes);
}

}  // namespace muster
