#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>

namespace muster {

/// Flips one bit of the byte at the offset, as a disk may.
inline void flip(const std::filesystem::path& path, std::uint64_t offset) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekg(static_cast<std::streamoff>(offset));
  const char byte = static_cast<char>(file.get() ^ 0x20);
  file.seekp(static_cast<std::streamoff>(offset));
  file.put(byte);
}

}  // namespace muster
