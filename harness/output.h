#pragma once

#include <cstdio>
#include <filesystem>
#include <optional>
#include <string_view>

#include "engine/io/file.h"

namespace muster {

/// Where a result goes. Made before the run, so that no run is for nothing.
///
/// A file is replaced as a whole. A pipe, a terminal or another character device is written into: it is never
/// replaced by a file.
class Output {
 public:
  /// An empty path stands for `standard`. Throws ConfigError for a folder or a disk, std::system_error.
  Output(const std::filesystem::path& path, std::FILE* standard);
  /// Throws std::system_error.
  void write(std::string_view text);

 private:
  std::filesystem::path file_;  // empty: none is replaced
  std::FILE* stream_ = nullptr;
  std::optional<File> device_;
};

/// Keeps the descriptors 0 to 2 from going to whatever is opened next where the caller has closed them: what is
/// written there fails instead.
void hold_standard_descriptors();

/// Throws std::system_error if anything that was printed to the standard output has not got there.
void flush_standard_output();

}  // namespace muster
