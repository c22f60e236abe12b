#pragma once

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/types.h"

namespace muster {

/// An LSM tree on disk.
struct TreePlace {
  std::filesystem::path directory;
  std::string table;  ///< its name, where a catalogue says it; else empty
};

/// The trees that a user means by a path: a tree's directory, or all of a database's or of a run's. Throws ConfigError where it
/// is neither, or has no tree. Where the database's catalogue is damaged, `damage` says so, and every directory that is called
/// like a tree's counts.
std::vector<TreePlace> trees_of(const std::filesystem::path& directory, std::string& damage);

/// `tree DIRECTORY (table NAME)`
std::string describe(const TreePlace& tree);

/// In quotes where all of it is printable ASCII without a quote or a backslash, else as hexadecimal digits behind 0x. What is
/// longer than `bytes_max` is cut, and its size said.
std::string readable(Bytes key, std::size_t bytes_max);

}  // namespace muster
