#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "harness/topology.h"

namespace muster {

/// What a result says of the program: version, commit, compiler, flags, allocator.
nlohmann::ordered_json describe_build();

/// What a result says of the machine; what cannot be found out is null. `directory`: of the engine, may be
/// empty.
nlohmann::ordered_json describe_machine(const Topology& topology, const std::filesystem::path& directory);

/// This machine's name. Only where the user wants it in a result: an opaque id of it is always there.
std::string host_name();

/// The type of the file system that holds `path`, as /proc/self/mountinfo names it; empty if that fails.
std::string file_system_type(const std::filesystem::path& path);

}  // namespace muster
