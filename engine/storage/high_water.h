#pragma once

#include <atomic>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>

#include "engine/io/file.h"
#include "engine/types.h"

namespace muster {

/// An LSN that no page in the tables' files exceeds, in a file of its own. A restart compares it with the log's end and
/// thereby sees that a log has lost its end, without looking at the tables.
///
/// It is written before the pages are, and not synced: after kill -9 the kernel has both. A restart of the machine may
/// have kept a page and not the mark, so the mark counts only as long as the machine runs; read() compares the
/// kernel's boot id. Where it does not count, the pages must be read.
class HighWater {
 public:
  /// None: there is no mark, or none that counts.
  static std::optional<Lsn> read(const std::filesystem::path& path);

  /// Creates the file or takes over what is there; from now on the mark is `lsn`.
  HighWater(const std::filesystem::path& path, Lsn lsn);
  /// Before a page with an LSN up to `lsn` is written. Any thread.
  void raise(Lsn lsn);

 private:
  void write(Lsn lsn);

  File file_;
  const std::string boot_;
  std::mutex writing_;
  std::atomic<Lsn> mark_{0};  // written under writing_, after the file
};

}  // namespace muster
