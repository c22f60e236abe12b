#include "engine/io/crc32c.h"

#include <isa-l/crc.h>

namespace muster {

std::uint32_t crc32c(Bytes bytes, std::uint32_t continued) {
  // ISA-L works on the register itself: it inverts neither the initial nor the final value, and it takes the
  // length as an int, which no record comes near. Its parameter lacks a const that its code keeps.
  auto* data = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(bytes.data()));
  return ~crc32_iscsi(data, static_cast<int>(bytes.size()), ~continued);
}

}  // namespace muster
