#include "engine/lsm/manifest.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <system_error>

#include "engine/error.h"
#include "engine/io/crc32c.h"
#include "engine/lsm/table_format.h"

namespace muster::lsm {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kName = "MANIFEST";
constexpr std::string_view kUnfinished = ".new";

constexpr std::array<char, 8> kMagic{'M', 'U', 'S', 'T', 'R', 'L', 'S', 'M'};
constexpr std::uint32_t kVersion = 1;

/// Little-endian on disk, as on every machine that this runs on.
struct FileHeader {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t crc;  ///< of what precedes it
};
static_assert(sizeof(FileHeader) == 16);

struct RecordHeader {
  std::uint32_t bytes;  ///< of the payload that follows, at least 1
  std::uint32_t crc;    ///< of the record's offset (u64), `bytes` and the payload
};
static_assert(sizeof(RecordHeader) == 8);

template <class T>
Bytes bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

std::uint32_t checksum(const FileHeader& header) {
  return crc32c(bytes_of(header).first(offsetof(FileHeader, crc)));
}

std::uint32_t checksum(std::uint64_t offset, std::uint32_t bytes, Bytes payload) {
  return crc32c(payload, crc32c(bytes_of(bytes), crc32c(bytes_of(offset))));
}

void add_header(std::vector<std::byte>& content) {
  FileHeader header{kMagic, kVersion, 0};
  header.crc = checksum(header);
  const Bytes bytes = bytes_of(header);
  content.insert(content.end(), bytes.begin(), bytes.end());
}

/// `offset`: the place in the file that the record gets.
void add_record(std::vector<std::byte>& content, std::uint64_t offset, const ManifestEdit& edit) {
  const std::vector<std::uint8_t> encoded = encode(edit);
  const Bytes payload = std::as_bytes(std::span(encoded));
  const auto size = static_cast<std::uint32_t>(payload.size());
  const RecordHeader header{size, checksum(offset, size, payload)};
  const Bytes bytes = bytes_of(header);
  content.insert(content.end(), bytes.begin(), bytes.end());
  content.insert(content.end(), payload.begin(), payload.end());
}

/// The payload of the record at `offset`; none where no sound one lies there.
std::optional<Bytes> record_at(Bytes content, std::uint64_t offset) {
  RecordHeader header;
  if (content.size() - offset < sizeof header) return std::nullopt;
  std::memcpy(&header, content.data() + offset, sizeof header);
  const Bytes rest = content.subspan(offset + sizeof header);
  if (header.bytes == 0 || header.bytes > rest.size()) return std::nullopt;
  const Bytes payload = rest.first(header.bytes);
  if (header.crc != checksum(offset, header.bytes, payload)) return std::nullopt;
  return payload;
}

std::optional<std::uint64_t> sound_record_behind(Bytes content, std::uint64_t offset) {
  for (std::uint64_t at = offset + 1; at < content.size(); ++at) {
    if (record_at(content, at)) return at;
  }
  return std::nullopt;
}

[[noreturn]] void damaged(const fs::path& path, std::uint64_t offset, std::string_view what) {
  throw DamageError(fmt::format("{} at byte {}: {}", path.string(), offset, what));
}

void check_header(const fs::path& path, Bytes content) {
  FileHeader header;
  if (content.size() < sizeof header) {
    damaged(path, content.size(), fmt::format("ends within the header of {} bytes", sizeof header));
  }
  std::memcpy(&header, content.data(), sizeof header);
  if (header.magic != kMagic) damaged(path, 0, "is no manifest: its first bytes are not MUSTRLSM");
  if (header.version != kVersion) {
    damaged(path, offsetof(FileHeader, version),
            fmt::format("has format version {}, want {}: only the version of Muster that made it can open it",
                        header.version, kVersion));
  }
  if (header.crc != checksum(header))
    damaged(path, offsetof(FileHeader, crc), "the header's checksum is wrong");
}

ManifestContent parse(const fs::path& path, Bytes content,
                      const std::function<void(std::uint64_t, const ManifestEdit&)>& visit) {
  check_header(path, content);
  ManifestContent manifest{.state = {}, .end = sizeof(FileHeader), .bytes = content.size()};
  for (bool first = true; first || manifest.end < content.size(); first = false) {
    const std::optional<Bytes> payload = record_at(content, manifest.end);
    if (!payload) {
      // The first record was synced before the file got its name.
      if (first) damaged(path, manifest.end, "the first record, which holds a whole state, is damaged");
      if (const auto behind = sound_record_behind(content, manifest.end)) {
        damaged(path, manifest.end,
                fmt::format("a damaged record in front of a sound one at byte {}", *behind));
      }
      break;
    }
    ManifestEdit edit;
    try {
      edit = decode_edit(*payload);
      manifest.state.apply(edit);
    } catch (const std::exception& error) {
      damaged(path, manifest.end, fmt::format("a record with a right checksum is wrong: {}", error.what()));
    }
    if (visit) visit(manifest.end, edit);
    manifest.end += sizeof(RecordHeader) + payload->size();
  }
  return manifest;
}

void require_tables(const fs::path& directory, const ManifestState& state) {
  for (const auto& [number, placed] : state.tables()) {
    const fs::path path = table_path(directory, number);
    std::error_code error;
    const std::uint64_t bytes = fs::file_size(path, error);
    if (is_missing(error)) {
      throw DamageError(fmt::format("{}: missing: {} names it", path.string(), (directory / kName).string()));
    }
    if (error) throw std::system_error(error, "stat " + path.string());
    if (bytes != placed.table.bytes) {
      throw DamageError(fmt::format("{}: has {} bytes, want {} as {} says", path.string(), bytes,
                                    placed.table.bytes, (directory / kName).string()));
    }
  }
}

void remove_leftovers(const fs::path& directory, const ManifestState& state) {
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::optional<std::uint64_t> number = table_number(entry.path());
    if (number && !state.tables().contains(*number)) leftovers.push_back(entry.path());
  }
  for (const fs::path& path : leftovers) remove_file(path);
  remove_file(directory / (std::string(kName) + std::string(kUnfinished)));
}

}  // namespace

ManifestContent read_manifest(
    const fs::path& directory,
    const std::function<void(std::uint64_t offset, const ManifestEdit& edit)>& visit) {
  const fs::path path = directory / kName;
  std::vector<std::byte> content;
  try {
    const File file = File::open(path, O_RDONLY);
    content.resize(file.size());
    content.resize(file.read_at(0, content));
  } catch (const std::system_error& error) {
    if (!is_missing(error.code())) throw;
    throw DamageError(path.string() + ": missing: without it the directory holds no tree");
  }
  return parse(path, content, visit);
}

Manifest Manifest::create(const fs::path& directory, std::uint64_t rewrite_bytes) {
  Manifest manifest(directory, rewrite_bytes);
  if (!manifest.rewrite()) {
    throw std::system_error(ENOSPC, std::generic_category(), "create " + (directory / kName).string());
  }
  return manifest;
}

Manifest Manifest::open(const fs::path& directory, std::uint64_t rewrite_bytes) {
  ManifestContent content = read_manifest(directory);
  require_tables(directory, content.state);
  Manifest manifest(directory, rewrite_bytes);
  manifest.state_ = std::move(content.state);
  manifest.end_ = content.end;
  return manifest;
}

void Manifest::make_durable() {
  // A killed process, or one whose sync failed, may have left in the page cache what the disk does not hold. A new file
  // is durable whatever became of the old one.
  if (!rewrite()) {
    file_ = File::open(directory_ / kName, O_RDWR);
    file_.truncate(end_);
    file_.sync_data();
    sync_directory(directory_);
    state_bytes_ = end_;
  }
  remove_leftovers(directory_, state_);
}

void Manifest::apply(const ManifestEdit& edit) {
  if (in_doubt_) {
    throw std::system_error(
        EIO, std::generic_category(),
        (directory_ / kName).string() + ": an earlier error left it in doubt; open it anew");
  }
  if (!file_.is_open())
    throw std::logic_error((directory_ / kName).string() + ": edited before make_durable()");
  ManifestState next = state_;
  next.apply(edit);
  if (end_ >= rewrite_bytes_ && end_ / 4 >= state_bytes_) rewrite();
  append(edit);
  state_ = std::move(next);
}

void Manifest::append(const ManifestEdit& edit) {
  std::vector<std::byte> record;
  add_record(record, end_, edit);
  in_doubt_ = true;
  try {
    file_.write_at(end_, record);
  } catch (...) {
    // The record is not whole. What there is of it must not stand in front of the next one's end.
    file_.truncate(end_);
    in_doubt_ = false;
    throw;
  }
  file_.sync_data();
  in_doubt_ = false;
  end_ += record.size();
}

bool Manifest::rewrite() {
  const fs::path path = directory_ / kName;
  fs::path unfinished = path;
  unfinished += kUnfinished;
  std::vector<std::byte> content;
  add_header(content);
  add_record(content, content.size(), state_.whole());
  try {
    File file = File::open(unfinished, O_WRONLY | O_CREAT | O_TRUNC);
    file.write_at(0, content);
    file.sync_data();
    rename_file(unfinished, path);
  } catch (const std::system_error& error) {
    remove_leftover(unfinished);
    if (is_lack_of_room(error.code())) return false;
    throw;
  }
  in_doubt_ = true;  // which of the two files has the name, until the directory is synced
  sync_directory(directory_);
  file_ = File::open(path, O_RDWR);
  in_doubt_ = false;
  end_ = state_bytes_ = content.size();
  return true;
}

}  // namespace muster::lsm
