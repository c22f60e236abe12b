#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/io/file.h"
#include "engine/lsm/block_cache.h"
#include "engine/lsm/block_index.h"
#include "engine/lsm/bloom_filter.h"
#include "engine/lsm/table_format.h"

namespace muster::lsm {

/// Whether a reader's blocks go into the cache. A compaction, which reads each block once, finds there what it has and adds
/// nothing.
enum class Caching : std::uint8_t { fill, bypass };

/// One immutable table file, open for reading. Index and filter stay in memory, data blocks in the cache, which outlives the
/// table. Any number of threads. Reads throw DamageError, which names file and offset, where the file is not as it was
/// written, and std::system_error where it cannot be read.
class TableFile {
 public:
  /// Reads and checks all but the data blocks. Throws DamageError also for another format version and for another number.
  static std::unique_ptr<TableFile> open(const std::filesystem::path& path, BlockCache& cache,
                                         std::uint64_t number);
  TableFile(const TableFile&) = delete;
  TableFile& operator=(const TableFile&) = delete;
  /// Its blocks leave the cache.
  ~TableFile();

  /// The newest entry of the key; true if there is one. Then a removal has an empty `value`. Else the arguments stay.
  bool find(Bytes key, std::vector<std::byte>& value, bool& tombstone, Lsn& lsn) const;

  /// All entries. The iterator holds the block that it is at; the caller keeps the table. One that threw is no longer valid().
  std::unique_ptr<EntryIterator> iterator(Caching caching = Caching::fill) const;

  /// How many data blocks there are; each of them by its number. For readers that go on behind a damaged block.
  std::size_t blocks() const { return parts_.index.size(); }
  std::shared_ptr<const Block> block(std::size_t index, Caching caching) const;

  /// Reads the whole file, past the cache, and checks every checksum, the order of all entries, and that index, filter and
  /// properties say what the entries are. Throws DamageError for the first thing that is wrong.
  void verify() const;
  /// The same, but tells `report` of what is wrong, a line for a part of the file or a data block, and goes on with the next.
  void verify(const std::function<void(const std::string& what)>& report) const;

  const TableProperties& properties() const { return parts_.properties; }
  const std::filesystem::path& path() const { return file_.path(); }

 private:
  friend class TableIterator;

  struct Parts {
    TableProperties properties;
    BlockIndex index;
    BloomFilter filter;
  };

  TableFile(File file, BlockCache& cache, std::uint64_t number);
  static Parts read_parts(const File& file, std::uint64_t number);
  static BlockIndex read_index(const File& file, const TableFooter& footer);

  std::shared_ptr<const Block> read_block(Section place) const;

  const File file_;
  BlockCache& cache_;
  const std::uint64_t owner_;  // as the cache knows this table
  const Parts parts_;
};

}  // namespace muster::lsm
