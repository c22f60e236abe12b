#pragma once

#include <fcntl.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/file.h"
#include "engine/lsm/manifest.h"
#include "engine/lsm/table_format.h"

namespace muster::lsm::test {

inline Key key(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

inline PlacedTable placed(unsigned level, std::uint64_t number, std::string_view smallest,
                          std::string_view largest, std::uint64_t bytes = 64) {
  return {.level = level,
          .table = {.number = number,
                    .bytes = bytes,
                    .entries = bytes / 32,
                    .tombstones = 0,
                    .least_lsn = number * 100,
                    .greatest_lsn = number * 100 + 99,
                    .smallest = key(smallest),
                    .largest = key(largest)}};
}

/// A file of the right name and size. A manifest does not look into it.
inline void write_table_file(const std::filesystem::path& directory, const TableInfo& table) {
  File file = File::open(table_path(directory, table.number), O_WRONLY | O_CREAT);
  file.write_at(0, std::vector<std::byte>(table.bytes, std::byte{'t'}));
  file.sync_data();
  sync_directory(directory);
}

/// Open for edits.
inline Manifest open_manifest(const std::filesystem::path& directory,
                              std::uint64_t rewrite_bytes = Manifest::kRewriteBytes) {
  Manifest manifest = Manifest::open(directory, rewrite_bytes);
  manifest.make_durable();
  return manifest;
}

/// What happens in the life of a small tree: flushes, a compaction, a move, and one more flush.
inline std::vector<ManifestEdit> life_of_a_tree() {
  return {
      {.added = {placed(0, 1, "a", "m")}, .flushed = 200, .next_file = 2},
      {.removed = {},
       .added = {placed(0, 2, "c", std::string_view("\0\xff", 2).substr(1))},
       .flushed = 300,
       .next_file = 3},
      {.removed = {1, 2}, .added = {placed(1, 3, "a", "k"), placed(1, 4, "l", "z")}, .next_file = 5},
      {.removed = {4}, .added = {placed(2, 4, "l", "z")}},
      {.added = {placed(0, 5, "", "zz")}, .flushed = 600, .next_file = 7},
  };
}

/// The states that such a life goes through, the empty one first.
inline std::vector<ManifestState> states_of(const std::vector<ManifestEdit>& edits) {
  std::vector<ManifestState> states(1);
  for (const ManifestEdit& edit : edits) {
    states.push_back(states.back());
    states.back().apply(edit);
  }
  return states;
}

inline std::vector<std::byte> content_of(const std::filesystem::path& path) {
  const File file = File::open(path, O_RDONLY);
  std::vector<std::byte> content(file.size());
  content.resize(file.read_at(0, content));
  return content;
}

}  // namespace muster::lsm::test
