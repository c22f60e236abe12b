#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "engine/lsm/entry.h"
#include "engine/types.h"

namespace muster::lsm {

/// A key that owns its bytes.
using Key = std::vector<std::byte>;

/// The order of compare_keys().
struct KeyLess {
  bool operator()(Bytes a, Bytes b) const { return compare_keys(a, b) < 0; }
};

/// The levels of a tree, from 0. Each but the first is sorted: no two of its tables overlap.
inline constexpr unsigned kLevels = 7;

/// What a tree knows of a table file without opening it.
struct TableInfo {
  std::uint64_t number = 0;  ///< from 1; the file's name
  std::uint64_t bytes = 0;   ///< the file's size
  std::uint64_t entries = 0;
  std::uint64_t tombstones = 0;  ///< of `entries`
  Lsn least_lsn = 0;
  Lsn greatest_lsn = 0;
  Key smallest;
  Key largest;

  bool operator==(const TableInfo&) const = default;
};

struct PlacedTable {
  unsigned level = 0;
  TableInfo table;

  bool operator==(const PlacedTable&) const = default;
};

/// One step of a tree: all of it happens, or nothing. Removal comes first, so that a table moves to another level by being in both.
struct ManifestEdit {
  std::vector<std::uint64_t> removed{};  ///< numbers
  std::vector<PlacedTable> added{};
  Lsn flushed = 0;              ///< the tree needs the log from here on; 0: as before
  std::uint64_t next_file = 0;  ///< no table has this number or a greater one; 0: as before
};

/// The record's payload: CBOR.
std::vector<std::uint8_t> encode(const ManifestEdit& edit);
/// Throws std::exception where the bytes are no edit.
ManifestEdit decode_edit(Bytes payload);

/// What the edits of a manifest come to.
class ManifestState {
 public:
  /// Throws std::logic_error where the edit does not fit: it names an unknown table, one twice, overlapping ones in
  /// a sorted level, or takes `flushed` or `next_file` back. Then this state is of no use any more.
  void apply(const ManifestEdit& edit);

  /// By number.
  const std::map<std::uint64_t, PlacedTable>& tables() const { return tables_; }
  Lsn flushed() const { return flushed_; }
  std::uint64_t next_file() const { return next_file_; }
  /// The edit that makes this state of an empty one.
  ManifestEdit whole() const;

  bool operator==(const ManifestState&) const = default;

 private:
  void remove(std::uint64_t number);
  void add(const PlacedTable& placed);

  std::map<std::uint64_t, PlacedTable> tables_;
  std::array<std::map<Key, std::uint64_t, KeyLess>, kLevels>
      sorted_;  // a sorted level's tables by smallest key
  Lsn flushed_ = 0;
  std::uint64_t next_file_ = 1;
};

}  // namespace muster::lsm
