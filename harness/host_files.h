#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace muster {

// Small files of /proc and /sys. A file that is not there, or that says something else, gives nothing: containers
// hide some of them, kernels lack others.

std::optional<std::string> first_line(const std::filesystem::path& file);

/// The number at the file's begin; nothing for words such as "max", or below 0.
std::optional<std::uint64_t> number_in(const std::filesystem::path& file);

/// The number in the first line "key number" or "key: number", for a key without spaces.
std::optional<std::uint64_t> number_of(const std::filesystem::path& file, const std::string& key);

/// What stands behind the colon in the first line "key: text".
std::optional<std::string> text_of(const std::filesystem::path& file, const std::string& key);

/// Whether the processor says that it is a virtual machine's; nothing where it has no way to say so. `root` is where
/// /proc is.
std::optional<bool> is_guest(const std::filesystem::path& root = "/");

}  // namespace muster
