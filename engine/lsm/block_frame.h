#pragma once

#include <vector>

#include "engine/lsm/block.h"
#include "engine/lsm/compression.h"

namespace muster::lsm {

/// How a block, the filter, the index or the properties lie in a table file: the payload, a byte that says how it is
/// compressed, and the CRC-32C of both. A compressed payload begins with the size of what was compressed (32 bits).
inline constexpr std::size_t kFrameTrailerBytes = 5;
/// A data block, decompressed, is no larger. It bounds what a reader allocates for bytes that only claim to be one.
inline constexpr std::size_t kBlockBytesMax = std::size_t{1} << 24;

/// Appends the bytes in a frame; not compressed where that would save little. Throws std::length_error where a payload
/// that is to be compressed exceeds kBlockBytesMax.
void append_frame(Compression compression, Bytes bytes, std::vector<std::byte>& to);

/// What a frame holds, decompressed. Throws DamageError where the frame is not as it was written.
Buffer open_frame(Buffer frame);

}  // namespace muster::lsm
