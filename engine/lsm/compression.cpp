#include "engine/lsm/compression.h"

#include <fmt/format.h>
#include <lz4.h>
#include <zstd.h>

#include <limits>
#include <memory>
#include <new>

#include "engine/error.h"

namespace muster::lsm {
namespace {

constexpr int kZstdLevel =
    1;  // compaction is to keep up with the writers; higher levels save little on small blocks

/// zstd's working memory of a thread, which costs more to make than a block costs to compress.
template <class Context, Context* (*create)(), std::size_t (*destroy)(Context*)>
Context* context() {
  struct Destroy {
    void operator()(Context* dead) const { destroy(dead); }
  };
  thread_local const std::unique_ptr<Context, Destroy> kept(create());
  if (kept == nullptr) throw std::bad_alloc();
  return kept.get();
}

/// How many of the bytes at `to` were filled; 0: there was too little room.
std::size_t compress_into(Compression compression, Bytes bytes, std::span<std::byte> to) {
  if (compression == Compression::lz4) {
    if (bytes.size() > LZ4_MAX_INPUT_SIZE) return 0;
    return static_cast<std::size_t>(
        LZ4_compress_default(reinterpret_cast<const char*>(bytes.data()), reinterpret_cast<char*>(to.data()),
                             static_cast<int>(bytes.size()), static_cast<int>(to.size())));
  }
  const std::size_t size = ZSTD_compressCCtx(context<ZSTD_CCtx, ZSTD_createCCtx, ZSTD_freeCCtx>(), to.data(),
                                             to.size(), bytes.data(), bytes.size(), kZstdLevel);
  return ZSTD_isError(size) != 0 ? 0 : size;
}

}  // namespace

std::string_view to_string(Compression compression) {
  switch (compression) {
    case Compression::none:
      return "none";
    case Compression::lz4:
      return "lz4";
    case Compression::zstd:
      return "zstd";
  }
  return "unknown";
}

std::optional<Compression> compression_of(std::uint8_t number) {
  if (number > static_cast<std::uint8_t>(Compression::zstd)) return std::nullopt;
  return static_cast<Compression>(number);
}

bool compress(Compression compression, Bytes bytes, std::vector<std::byte>& to) {
  if (compression == Compression::none) return false;
  const std::size_t before = to.size();
  const std::size_t room = bytes.size() - bytes.size() / 8;
  to.resize(before + room);
  const std::size_t size = compress_into(compression, bytes, std::span(to).subspan(before));
  to.resize(before + size);
  return size != 0;
}

void decompress(Compression compression, Bytes compressed, std::span<std::byte> into) {
  std::size_t size = 0;
  if (compression == Compression::lz4 && compressed.size() <= std::numeric_limits<int>::max() &&
      into.size() <= LZ4_MAX_INPUT_SIZE) {
    const int result = LZ4_decompress_safe(
        reinterpret_cast<const char*>(compressed.data()), reinterpret_cast<char*>(into.data()),
        static_cast<int>(compressed.size()), static_cast<int>(into.size()));
    size = result < 0 ? 0 : static_cast<std::size_t>(result);
  } else if (compression == Compression::zstd) {
    const std::size_t result =
        ZSTD_decompressDCtx(context<ZSTD_DCtx, ZSTD_createDCtx, ZSTD_freeDCtx>(), into.data(), into.size(),
                            compressed.data(), compressed.size());
    size = ZSTD_isError(result) != 0 ? 0 : result;
  }
  if (size != into.size() || size == 0) {
    throw DamageError(
        fmt::format("does not decompress by {} to {} bytes", to_string(compression), into.size()));
  }
}

}  // namespace muster::lsm
