#pragma once

#include <cstdint>

#include "engine/types.h"

namespace muster {

/// CRC-32C (Castagnoli), as iSCSI defines it: crc32c("123456789") = 0xE3069283. A checksum may be continued:
/// crc32c(b, crc32c(a)) is the checksum of a followed by b.
std::uint32_t crc32c(Bytes bytes, std::uint32_t continued = 0);

}  // namespace muster
