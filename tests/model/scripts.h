#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace muster::model {

/// What the threads of a program do, an operation a letter: {"ee", "b"} are two threads. The program says which letters.
using Scripts = std::vector<std::string>;

/// Throws std::invalid_argument for none at all, or a letter that is not one of `known`.
inline void check_letters(const Scripts& scripts, std::string_view known) {
  if (scripts.empty())
    throw std::invalid_argument("--threads: want letters of " + std::string(known) + " for each");
  for (const std::string& script : scripts) {
    if (script.find_first_not_of(known) != std::string::npos || script.empty())
      throw std::invalid_argument("--threads = " + script + ": want letters of " + std::string(known));
  }
}

}  // namespace muster::model
