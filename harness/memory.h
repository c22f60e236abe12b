#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace muster {

/// How much memory this process may still take, in bytes, before the kernel kills somebody: what is available on the
/// machine, or less where a control group (of either version) limits it. Nothing where the system does not say.
/// `root` is where /proc and /sys are.
std::optional<std::uint64_t> available_memory(const std::filesystem::path& root = "/");

}  // namespace muster
