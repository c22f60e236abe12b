#pragma once
#include <cstdint>
namespace muster {
struct YcsbValue { static constexpr std::uint32_t kMaxBytes = 1024; static constexpr std::uint32_t kMinBytes = 24; };
}
