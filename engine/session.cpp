#include <algorithm>

#include "engine/database.h"
#include "engine/error.h"
#include "engine/number.h"

namespace muster {

Status Session::modify(TableId table, Bytes key,
                       const std::function<void(std::vector<std::byte>& value)>& change) {
  const Status status = read_for_update(table, key, modified_);
  if (status != Status::ok) return status;
  change(modified_);
  return update(table, key, modified_);
}

Status Session::increment(TableId table, Bytes key, std::size_t offset, std::int64_t by) {
  return modify(table, key, [&](std::vector<std::byte>& value) {
    require_number(offset, value.size());
    add_to_number(std::span(value).subspan(offset), by);
  });
}

Status Session::append(TableId table, Bytes key, Bytes suffix) {
  return modify(table, key, [&](std::vector<std::byte>& value) {
    value.insert(value.end(), suffix.begin(), suffix.end());
  });
}

Status Session::compare_and_set(TableId table, Bytes key, Bytes expected, Bytes desired) {
  const Status status = read_for_update(table, key, modified_);
  if (status != Status::ok) return status;
  if (!std::ranges::equal(modified_, expected)) return Status::mismatch;
  return update(table, key, desired);
}

}  // namespace muster
