#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "engine/io/log_device.h"
#include "engine/io/segment_writer.h"

struct io_uring;
struct io_uring_sqe;

namespace muster {

/// Segments written past the page cache (O_DIRECT) through io_uring: a flush is its blocks and an fdatasync
/// behind them, linked, in one system call.
///
/// The device writes whole blocks, the log ends where it ends: the bytes of the last, unfinished block stay
/// in the staging memory and are written once more with what follows. So everything that was synced is
/// durable and its space in the log buffer can be given back, to the byte.
class DirectLogDevice : public LogDevice {
 public:
  /// Throws std::system_error where the file system knows no O_DIRECT or the kernel no io_uring.
  DirectLogDevice(File lock, Lsn start, std::uint64_t segment_bytes);
  ~DirectLogDevice() override;

  Lsn start() const override { return start_; }
  std::uint64_t incarnation() const override { return segments_.incarnation(); }
  void write(Lsn begin, Bytes bytes) override;
  void sync() override;
  void remove_below(Lsn lsn) override;

 private:
  static constexpr std::size_t kBlock = 4096;
  static constexpr std::size_t kStagingBytes = std::size_t{1} << 20;
  static_assert(kSegmentHeaderBytes % kBlock == 0);

  struct FreeAligned {
    void operator()(std::byte* memory) const { std::free(memory); }
  };

  /// Writes the staged blocks and, if asked to, syncs; keeps the unfinished block.
  void submit(bool and_sync);
  std::size_t submit(std::size_t done, std::size_t blocks, bool and_sync);
  io_uring_sqe* next_entry();
  using Results = std::array<std::int32_t, 2>;  // bytes or -errno: of the write, of the sync
  Results complete(unsigned entries);

  const Lsn start_;
  SegmentWriter segments_;
  std::unique_ptr<std::byte[], FreeAligned> staging_;
  Lsn staged_begin_;  // at a block's beginning in the file
  Lsn staged_end_;
  Lsn written_;  // below lies what the device has been given
  std::unique_ptr<io_uring> ring_;
};

}  // namespace muster
