#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "engine/io/file.h"
#include "engine/lsm/block.h"
#include "engine/lsm/bloom_filter.h"
#include "engine/lsm/table_format.h"

namespace muster::lsm {

struct TableOptions {
  Compression compression = Compression::lz4;
  std::uint32_t bloom_bits = 10;  ///< a key; 0 (no filter) to kBloomBitsMax
  std::size_t block_bytes =
      4096;  ///< a data block is closed when it has as many, before compression; at most 1 MiB
};

/// Writes one table file. The format is in format.md. One thread at a time. Every call may throw std::system_error; after that,
/// or if finish() is never called, the file is of no use, and the destructor removes it.
class TableWriter {
 public:
  /// Creates the file, or empties it. Throws std::invalid_argument for options out of range.
  TableWriter(std::filesystem::path path, std::uint64_t number, const TableOptions& options);
  TableWriter(const TableWriter&) = delete;
  TableWriter& operator=(const TableWriter&) = delete;
  ~TableWriter();

  /// The next entry in compare_entries() order, else std::logic_error. Copies its bytes.
  void add(const Entry& entry);
  /// Writes the rest and syncs the file's data. The caller syncs the directory. No other call follows.
  TableProperties finish();

  std::uint64_t entries() const { return properties_.entries; }
  /// About the size of the file if finish() came now, without the filter and the index.
  std::uint64_t bytes() const { return written_ + pending_.size() + block_.bytes(); }

 private:
  void end_block();
  Section append_part(Compression compression, Bytes bytes);
  void write_pending();

  const std::filesystem::path path_;
  const TableOptions options_;
  File file_;
  bool finished_ = false;
  BlockBuilder block_;
  BlockBuilder index_;
  BloomFilterBuilder filter_;
  TableProperties properties_;
  Lsn last_lsn_ = 0;
  std::vector<std::byte> pending_;  // of the file, not yet written
  std::uint64_t written_ = 0;
};

}  // namespace muster::lsm
