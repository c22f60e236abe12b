#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace muster {

/// What a transaction may see of others that run beside it. Each session chooses its level; the table of what each level
/// prevents is in engine/txn/levels.md.
/// Source: Berenson et al., A Critique of ANSI SQL Isolation Levels, SIGMOD'95; Cahill, Röhm, Fekete, SIGMOD'08; Adya's thesis, 1999.
enum class Isolation : std::uint8_t {
  read_committed,  ///< each operation sees committed values only; ReadCommitted says how
  snapshot,  ///< reads see what was committed at begin; of two that write one record, the first committer wins
  two_phase_locking,  ///< serializable: reads and writes wait for each other
  serializable_snapshot,  ///< serializable: as snapshot, and the engine breaks each dangerous structure by a rollback
  serial,                 ///< serializable: one transaction at a time in a partition
};
inline constexpr std::array<std::string_view, 5> kIsolations{
    "read_committed", "snapshot", "two_phase_locking", "serializable_snapshot", "serial"};
constexpr std::string_view name_of(Isolation level) {
  return kIsolations[static_cast<std::size_t>(level)];
}

/// How Isolation::read_committed keeps uncommitted writes from readers.
enum class ReadCommitted : std::uint8_t {
  locks,     ///< a read waits for the record's writer, and releases its own lock at once
  versions,  ///< a read sees the version before the uncommitted one, and never waits
};

}  // namespace muster
