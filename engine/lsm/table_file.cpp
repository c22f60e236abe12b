#include "engine/lsm/table_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <utility>

#include "engine/error.h"
#include "engine/lsm/block_frame.h"
#include "engine/lsm/table_iterator.h"
#include "engine/lsm/varint.h"

namespace muster::lsm {
namespace {

/// Calls `f`, which reads a part of the file; what is wrong with it is said with the place.
template <class F>
auto reading(const File& file, const char* part, std::uint64_t offset, F&& f) {
  try {
    return f();
  } catch (const DamageError& error) {
    throw DamageError(
        fmt::format("{}: the {} at offset {}: {}", file.path().string(), part, offset, error.what()));
  }
}

/// Within the file's size, as far as is known.
Buffer read(const File& file, Section place) {
  Buffer buffer(place.bytes);
  const std::size_t bytes = file.read_at(place.offset, buffer.bytes());
  if (bytes != place.bytes) throw DamageError(fmt::format("cut off: {} bytes, want {}", bytes, place.bytes));
  return buffer;
}

void want(bool condition, const char* what) {
  if (!condition) throw DamageError(what);
}

/// What the entries of a table, met in order, come to.
class Tally {
 public:
  void add(const Entry& entry, const BloomFilter& filter) {
    const bool is_first = properties_.entries == 0 && is_whole_;
    want(is_first || compare_entries(properties_.largest, last_lsn_, entry.key, entry.lsn) < 0,
         "its entries are not in order");
    want(filter.may_contain(entry.key), "the filter does not know one of its keys");
    if (is_first) {
      properties_.smallest.assign(entry.key.begin(), entry.key.end());
      properties_.least_lsn = entry.lsn;
    }
    properties_.largest.assign(entry.key.begin(), entry.key.end());
    properties_.least_lsn = std::min(properties_.least_lsn, entry.lsn);
    properties_.greatest_lsn = std::max(properties_.greatest_lsn, entry.lsn);
    properties_.raw_bytes += entry.key.size() + entry.value.size();
    if (entry.tombstone) ++properties_.tombstones;
    ++properties_.entries;
    last_lsn_ = entry.lsn;
  }

  /// The entries up to `last_key` could not be read.
  void skip_to(Bytes last_key) {
    is_whole_ = false;
    properties_.largest.assign(last_key.begin(), last_key.end());
    last_lsn_ = ~Lsn{0};  // the next entry may be of the same key
  }
  bool is_whole() const { return is_whole_; }

  /// The last key so far, empty before the first.
  Bytes last_key() const { return properties_.largest; }

  /// With what the entries do not tell taken from `stored`.
  TableProperties properties(const TableProperties& stored) const {
    TableProperties all = properties_;
    all.number = stored.number;
    all.blocks = stored.blocks;
    all.file_bytes = stored.file_bytes;
    all.compression = stored.compression;
    all.format_version = stored.format_version;
    return all;
  }

 private:
  TableProperties properties_;
  Lsn last_lsn_ = 0;
  bool is_whole_ = true;
};

}  // namespace

std::unique_ptr<TableFile> TableFile::open(const std::filesystem::path& path, BlockCache& cache,
                                           std::uint64_t number) {
  return std::unique_ptr<TableFile>(new TableFile(File::open(path, O_RDONLY), cache, number));
}

TableFile::TableFile(File file, BlockCache& cache, std::uint64_t number)
    : file_(std::move(file)), cache_(cache), owner_(cache.new_owner()), parts_(read_parts(file_, number)) {}

TableFile::~TableFile() {
  for (std::size_t i = 0; i < parts_.index.size(); ++i) cache_.erase({owner_, parts_.index.block(i).offset});
}

TableFile::Parts TableFile::read_parts(const File& file, std::uint64_t number) {
  const std::uint64_t file_bytes = file.size();
  const std::uint64_t footer_bytes = std::min<std::uint64_t>(file_bytes, TableFooter::kBytes);
  const Section end{.offset = file_bytes - footer_bytes, .bytes = footer_bytes};
  const TableFooter footer = reading(file, "footer", end.offset, [&] {
    return TableFooter::decode(read(file, end).bytes(), file_bytes, number);
  });
  Parts parts;
  parts.filter = reading(file, "filter", footer.filter.offset,
                         [&] { return BloomFilter(open_frame(read(file, footer.filter)).bytes()); });
  parts.index = reading(file, "index", footer.index.offset, [&] { return read_index(file, footer); });
  parts.properties = reading(file, "properties", footer.properties.offset, [&] {
    TableProperties properties = decode_properties(open_frame(read(file, footer.properties)).bytes());
    want(properties.blocks == parts.index.size(), "another number of blocks than the index has");
    return properties;
  });
  parts.properties.number = footer.number;
  parts.properties.file_bytes = file_bytes;
  parts.properties.format_version = kTableFormatVersion;
  return parts;
}

BlockIndex TableFile::read_index(const File& file, const TableFooter& footer) {
  BlockIndex index;
  std::uint64_t offset = 0;
  BlockIterator blocks(std::make_shared<const Block>(open_frame(read(file, footer.index))));
  for (blocks.seek_to_first(); blocks.valid(); blocks.next()) {
    const Entry entry = blocks.entry();
    const std::byte* const end = entry.value.data() + entry.value.size();
    std::uint64_t bytes = 0;
    want(read_varint(entry.value.data(), end, bytes) == end, "no size of a block");
    want(bytes <= footer.filter.offset - offset, "a block ends behind where the filter begins");
    want(index.size() == 0 || compare_keys(index.last_key(index.size() - 1), entry.key) <= 0,
         "the blocks are not in order");
    index.add(entry.key, {.offset = offset, .bytes = bytes});
    offset += bytes;
  }
  want(offset == footer.filter.offset, "the last block ends before the filter begins");
  index.seal();
  return index;
}

std::shared_ptr<const Block> TableFile::read_block(Section place) const {
  return reading(file_, "block", place.offset,
                 [&] { return std::make_shared<const Block>(open_frame(read(file_, place))); });
}

std::shared_ptr<const Block> TableFile::block(std::size_t index, Caching caching) const {
  const Section place = parts_.index.block(index);
  const BlockId id{.owner = owner_, .offset = place.offset};
  std::shared_ptr<const Block> found = cache_.find(id);
  if (found != nullptr) return found;
  found = read_block(place);
  return caching == Caching::fill ? cache_.insert(id, std::move(found)) : found;
}

bool TableFile::find(Bytes key, std::vector<std::byte>& value, bool& tombstone, Lsn& lsn) const {
  if (!parts_.filter.may_contain(key)) return false;
  const std::size_t index = parts_.index.find(key);
  if (index == parts_.index.size()) return false;
  const std::shared_ptr<const Block> held = block(index, Caching::fill);
  Entry found;
  if (!held->find(key, found)) return false;
  value.assign(found.value.begin(), found.value.end());
  tombstone = found.tombstone;
  lsn = found.lsn;
  return true;
}

std::unique_ptr<EntryIterator> TableFile::iterator(Caching caching) const {
  return std::make_unique<TableIterator>(*this, caching);
}

void TableFile::verify() const {
  verify([](const std::string& what) { throw DamageError(what); });
}

void TableFile::verify(const std::function<void(const std::string& what)>& report) const {
  const auto reporting = [&](const auto& check) {
    try {
      check();
    } catch (const DamageError& error) {
      report(error.what());
      return false;
    }
    return true;
  };
  Parts parts;
  if (!reporting([&] { parts = read_parts(file_, parts_.properties.number); })) return;
  Tally tally;
  for (std::size_t i = 0; i < parts.index.size(); ++i) {
    const Section place = parts.index.block(i);
    const auto check_block = [&] {
      BlockIterator entries(read_block(place));
      reading(file_, "block", place.offset, [&] {
        entries.seek_to_first();
        want(entries.valid(), "it is empty");
        for (; entries.valid(); entries.next()) tally.add(entries.entry(), parts.filter);
        want(std::ranges::equal(tally.last_key(), parts.index.last_key(i)), "the index has another last key");
      });
    };
    if (!reporting(check_block)) tally.skip_to(parts.index.last_key(i));
  }
  if (!tally.is_whole() || tally.properties(parts.properties) == parts.properties) return;
  report(fmt::format("{}: the properties are not those of the entries, {} by their count",
                     file_.path().string(), tally.properties(parts.properties).entries));
}

}  // namespace muster::lsm
