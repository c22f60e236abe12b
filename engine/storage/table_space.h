#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "algorithms/parts/memory_placement.h"
#include "engine/error.h"
#include "engine/io/file.h"
#include "engine/storage/page_state.h"
#include "engine/types.h"

namespace muster {

/// Throws DamageError where `file` is none of table `id` or lacks pages that its header counts. What the log
/// holds from `log_begin` on may be missing from it, unless the database was closed (`clean`).
void check_table_file(const File& file, TableId id, Lsn log_begin, bool clean);

/// Gives the memory of pages back, of whatever tables. Only under their exclusive latches. In one call where the kernel
/// takes several (Linux 6.14): each call interrupts every processing unit that the process is running on.
void release_memory(std::span<std::byte* const> pages);
/// Addresses that take memory only where they are touched, of the region `buffers`.
class ReservedAddresses {
 public:
  /// A multiple of the page size. Throws std::system_error where the machine has none left.
  ReservedAddresses(std::size_t bytes, const MemoryPlacement* placement);
  ReservedAddresses(const ReservedAddresses&) = delete;
  ReservedAddresses& operator=(const ReservedAddresses&) = delete;
  ~ReservedAddresses();
  std::byte* data() const { return data_; }

 private:
  std::size_t bytes_;
  const MemoryPlacement* placement_;
  std::byte* data_ = nullptr;
};

/// One table's file and the addresses of its pages: page n lives at base + n * 4096 whenever it is resident,
/// its state word at index n of an array beside it. Both are reserved in full and take memory only where
/// touched.
class TableSpace {
 public:
  /// `name` is for errors; empty: the id is. `placement` is told of the pages' addresses and of the state words'; it may be
  /// null, and outlives this. Throws std::system_error where the machine has no addresses left.
  TableSpace(TableId id, File file, std::uint64_t bytes_max, std::string name,
             const MemoryPlacement* placement = nullptr);
  TableSpace(const TableSpace&) = delete;
  TableSpace& operator=(const TableSpace&) = delete;

  TableId id() const { return id_; }
  PageNumber pages_max() const { return pages_max_; }
  std::byte* page(PageNumber number) const { return pages_.data() + number * kPageBytes; }
  PageState& state(PageNumber number) const { return reinterpret_cast<PageState*>(states_.data())[number]; }

  /// What the file holds of a page; zeros where it ends. DamageError if that is not a page that was written here.
  void read(PageNumber number, std::span<std::byte, kPageBytes> into) const;
  void prefetch(PageNumber number) const { file_.will_need(number * kPageBytes, kPageBytes); }
  /// `sealed`: what the page holds, as the file is to hold it. Under a latch that keeps the page still.
  void write(PageNumber number, Bytes sealed) { file_.write_at(number * kPageBytes, sealed); }
  void sync() { file_.sync_data(); }
  std::uint64_t file_bytes() const { return file_.size(); }
  /// `what` goes on where "page 7 of table t (its file), LSN 4711," ends.
  DamageError damage(PageNumber number, Lsn lsn, std::string_view what) const;

 private:
  TableId id_;
  std::string name_;
  File file_;
  PageNumber pages_max_;
  ReservedAddresses pages_;
  ReservedAddresses states_;
};

}  // namespace muster
