#include "engine/lsm/table_writer.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <stdexcept>
#include <utility>

#include "engine/lsm/block_frame.h"
#include "engine/lsm/varint.h"

namespace muster::lsm {
namespace {

constexpr std::size_t kWriteBytes = std::size_t{1} << 18;  // a system call's part
constexpr std::size_t kBlockBytesWanted = std::size_t{1} << 20;

std::vector<std::byte> copy(Bytes bytes) {
  return {bytes.begin(), bytes.end()};
}

const TableOptions& checked(const TableOptions& options) {
  if (options.block_bytes == 0 || options.block_bytes > kBlockBytesWanted) {
    throw std::invalid_argument(
        fmt::format("a table's block_bytes = {}: want 1 to {}", options.block_bytes, kBlockBytesWanted));
  }
  return options;
}

}  // namespace

TableWriter::TableWriter(std::filesystem::path path, std::uint64_t number, const TableOptions& options)
    : path_(std::move(path)), options_(checked(options)), filter_(options.bloom_bits) {
  properties_.number = number;
  properties_.compression = options.compression;
  properties_.format_version = kTableFormatVersion;
  file_ = File::open(path_, O_WRONLY | O_CREAT | O_TRUNC);
}

TableWriter::~TableWriter() {
  if (!finished_ && file_.is_open()) remove_leftover(path_);
}

void TableWriter::add(const Entry& entry) {
  const bool is_first = properties_.entries == 0;
  if (!is_first && compare_entries(block_.last_key(), last_lsn_, entry.key, entry.lsn) >= 0)
    throw std::logic_error("an entry that is not behind the one before was added to " + path_.string());
  if (entry.tombstone && !entry.value.empty())
    throw std::logic_error("a removal with a value was added to " + path_.string());
  if (is_first) {
    properties_.smallest = copy(entry.key);
    properties_.least_lsn = entry.lsn;
  }
  block_.add(entry);
  filter_.add(entry.key);
  last_lsn_ = entry.lsn;
  ++properties_.entries;
  if (entry.tombstone) ++properties_.tombstones;
  properties_.least_lsn = std::min(properties_.least_lsn, entry.lsn);
  properties_.greatest_lsn = std::max(properties_.greatest_lsn, entry.lsn);
  properties_.raw_bytes += entry.key.size() + entry.value.size();
  if (block_.bytes() >= options_.block_bytes) end_block();
}

void TableWriter::end_block() {
  const Section block = append_part(options_.compression, block_.finish());
  std::vector<std::byte> bytes;
  append_varint(bytes, block.bytes);
  index_.add({.key = block_.last_key(), .lsn = 0, .tombstone = false, .value = bytes});
  ++properties_.blocks;
  block_.clear();
}

Section TableWriter::append_part(Compression compression, Bytes bytes) {
  const std::size_t before = pending_.size();
  append_frame(compression, bytes, pending_);
  const Section part{.offset = written_ + before, .bytes = pending_.size() - before};
  if (pending_.size() >= kWriteBytes) write_pending();
  return part;
}

void TableWriter::write_pending() {
  file_.write_at(written_, pending_);
  written_ += pending_.size();
  pending_.clear();
}

TableProperties TableWriter::finish() {
  if (finished_) throw std::logic_error("finished twice: " + path_.string());
  if (!block_.empty()) end_block();
  properties_.largest = copy(block_.last_key());
  TableFooter footer;
  footer.filter = append_part(Compression::none, filter_.finish());
  footer.index = append_part(Compression::none, index_.finish());
  footer.properties = append_part(Compression::none, encode_properties(properties_));
  footer.number = properties_.number;
  const std::vector<std::byte> end = footer.encode();
  pending_.insert(pending_.end(), end.begin(), end.end());
  write_pending();
  file_.sync_data();
  properties_.file_bytes = written_;
  finished_ = true;
  return properties_;
}

}  // namespace muster::lsm
