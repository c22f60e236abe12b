#pragma once

#include <cstdint>

#include "engine/types.h"

namespace muster {

/// LSN of the first byte of a new log. Not 0, which stands for "no record".
inline constexpr Lsn kFirstLsn = 4096;

/// Where the log stream goes. One thread at a time writes and syncs (the log's drainer); each call begins
/// where the last write ended. Errors are std::system_error; after one nothing may be assumed about what was
/// not synced before, and the caller must neither retry nor write on.
class LogDevice {
 public:
  LogDevice() = default;
  LogDevice(const LogDevice&) = delete;
  LogDevice& operator=(const LogDevice&) = delete;
  virtual ~LogDevice() = default;

  /// LSN of the first byte that will be written.
  virtual Lsn start() const = 0;
  /// Differs each time that a log is opened; part of every record's checksum.
  virtual std::uint64_t incarnation() const = 0;

  virtual void write(Lsn begin, Bytes bytes) = 0;
  /// Returns when everything that was written before is durable.
  virtual void sync() = 0;
  /// Nobody will read below `lsn` any more; what lies wholly below it may go. Any thread.
  virtual void remove_below(Lsn lsn) = 0;
};

}  // namespace muster
