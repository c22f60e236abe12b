#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/io/file.h"
#include "engine/storage/page_state.h"
#include "engine/types.h"

namespace muster {

/// Throws DamageError where `file` is none of table `id` or lacks pages that its header counts. What the log
/// holds from `log_begin` on may be missing from it, unless the database was closed (`clean`).
void check_table_file(const File& file, TableId id, Lsn log_begin, bool clean);

/// One table's file and the addresses of its pages: page n lives at base + n * 4096 whenever it is resident,
/// its state word at index n of an array beside it. Both are reserved in full and take memory only where
/// touched.
class TableSpace {
 public:
  /// Throws std::system_error where the machine has no addresses left.
  TableSpace(TableId id, File file, std::uint64_t bytes_max);
  TableSpace(const TableSpace&) = delete;
  TableSpace& operator=(const TableSpace&) = delete;
  ~TableSpace();

  TableId id() const { return id_; }
  PageNumber pages_max() const { return pages_max_; }
  std::byte* page(PageNumber number) const { return pages_ + number * kPageBytes; }
  PageState& state(PageNumber number) const { return states_[number]; }

  /// What the file holds of a page; zeros where it ends. DamageError if that is not a page that was written here.
  void read(PageNumber number, std::span<std::byte, kPageBytes> into) const;
  void prefetch(PageNumber number) const { file_.will_need(number * kPageBytes, kPageBytes); }
  /// `sealed`: what the page holds, as the file is to hold it. Under a latch that keeps the page still.
  void write(PageNumber number, Bytes sealed) { file_.write_at(number * kPageBytes, sealed); }
  void sync() { file_.sync_data(); }
  /// Gives the page's memory back. Only under the exclusive latch.
  void release_memory(PageNumber number);

 private:
  TableId id_;
  File file_;
  PageNumber pages_max_;
  std::byte* pages_ = nullptr;
  PageState* states_ = nullptr;
};

}  // namespace muster
