#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/types.h"

namespace muster::lsm {

/// How a block's bytes are stored. The numbers are part of the file format.
enum class Compression : std::uint8_t { none = 0, lz4 = 1, zstd = 2 };

std::string_view to_string(Compression compression);
/// The compression of that number in a file, if there is one.
std::optional<Compression> compression_of(std::uint8_t number);

/// Appends the compressed bytes to `to`. Returns false, and appends nothing, for Compression::none and where compressing
/// saves less than an eighth. Any thread; a thread keeps zstd's working memory until it ends.
bool compress(Compression compression, Bytes bytes, std::vector<std::byte>& to);

/// Fills `into`, which has the size of what was compressed; not for Compression::none. Throws DamageError where the bytes
/// decompress to anything else. Any thread, as above.
void decompress(Compression compression, Bytes compressed, std::span<std::byte> into);

}  // namespace muster::lsm
