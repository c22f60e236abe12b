#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/temporary_directory.h"

namespace muster {

/// A machine's /proc and /sys, as far as a test plants them.
struct PlantedMachine {
  TemporaryDirectory root;

  void file(const std::string& path, const std::string& content) const {
    std::filesystem::create_directories((root / path).parent_path());
    std::ofstream(root / path) << content;
  }
  const std::filesystem::path& path() const { return root.path(); }
};

}  // namespace muster
