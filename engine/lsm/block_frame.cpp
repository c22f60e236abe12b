#include "engine/lsm/block_frame.h"

#include <fmt/format.h>

#include <stdexcept>
#include <utility>

#include "engine/error.h"
#include "engine/io/crc32c.h"

namespace muster::lsm {
namespace {

using Word = std::uint32_t;

void append_word(std::vector<std::byte>& to, Word word) {
  const Bytes bytes = std::as_bytes(std::span(&word, 1));
  to.insert(to.end(), bytes.begin(), bytes.end());
}

Word read_word(const std::byte* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

}  // namespace

void append_frame(Compression compression, Bytes bytes, std::vector<std::byte>& to) {
  const std::size_t begin = to.size();
  if (compression != Compression::none) {
    if (bytes.size() > kBlockBytesMax) throw std::length_error("a data block of more than 16 MiB");
    append_word(to, static_cast<Word>(bytes.size()));
    if (!compress(compression, bytes, to)) {
      compression = Compression::none;
      to.resize(begin);
    }
  }
  if (compression == Compression::none) to.insert(to.end(), bytes.begin(), bytes.end());
  to.push_back(static_cast<std::byte>(compression));
  append_word(to, crc32c(Bytes(to).subspan(begin)));
}

Buffer open_frame(Buffer frame) {
  if (frame.size < kFrameTrailerBytes) throw DamageError("too short for its checksum");
  const Bytes payload = frame.bytes().first(frame.size - kFrameTrailerBytes);
  const std::byte* const trailer = payload.data() + payload.size();
  const Word stored = read_word(trailer + 1);
  const Word computed = crc32c(frame.bytes().first(payload.size() + 1));
  if (stored != computed)
    throw DamageError(fmt::format("the checksum is {:08x}, its bytes' {:08x}", stored, computed));

  const auto compression = compression_of(static_cast<std::uint8_t>(*trailer));
  if (!compression) throw DamageError(fmt::format("compression {} is not known", static_cast<int>(*trailer)));
  if (*compression == Compression::none) {
    frame.size = payload.size();
    return frame;
  }
  if (payload.size() < sizeof(Word)) throw DamageError("too short for its size");
  const Word size = read_word(payload.data());
  if (size > kBlockBytesMax) throw DamageError(fmt::format("a data block of {} bytes", size));
  Buffer opened(size);
  decompress(*compression, payload.subspan(sizeof(Word)), opened.bytes());
  return opened;
}

}  // namespace muster::lsm
