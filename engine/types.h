#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "algorithms/log_buffer.h"

namespace muster {

using TableId = std::uint32_t;
using PageNumber = std::uint64_t;     ///< within one table, from 0
using TransactionId = std::uint64_t;  ///< from 1, rising; 0 means none
using Bytes = std::span<const std::byte>;

inline constexpr std::size_t kPageBytes = 4096;

/// How a table keeps its records.
enum class TableKind : std::uint8_t {
  btree,  ///< engine/index: pages of the buffer manager
  lsm,    ///< engine/lsm: memtables, and files that are written once
};
inline constexpr std::array<std::string_view, 2> kTableKinds{"btree", "lsm"};
constexpr std::string_view name_of(TableKind kind) {
  return kTableKinds[static_cast<std::size_t>(kind)];
}

/// What an operation came to. Failures of the machine are exceptions instead.
enum class [[nodiscard]] Status : std::uint8_t{
    ok,       not_found, already_exists,
    mismatch,  ///< the record is not what compare_and_set() expected, and stays as it is
    deadlock,  ///< this transaction was the victim: it has been rolled back, its locks are released
    conflict,  ///< likewise rolled back: its isolation level could not hold beside what others have committed or read
};

/// Whether the engine has rolled the transaction back. The session may begin it again.
constexpr bool was_rolled_back(Status status) {
  return status == Status::deadlock || status == Status::conflict;
}

}  // namespace muster
