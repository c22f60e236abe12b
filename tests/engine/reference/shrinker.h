#pragma once

#include <chrono>
#include <functional>

#include "tests/engine/reference/runner.h"

namespace muster::reference {

/// Takes out whatever the failure does not need, in smaller and smaller pieces, until no single operation can go, or the time is
/// up. `run` runs a program. A kill meets the background at another place each time: a short program that went well is run
/// `tries` times before it counts as one that does.
/// Source: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE TSE 28(2), 2002: complements only.
struct Shrunk {
  Program program;
  Failure failure;
  std::size_t runs = 0;
};
Shrunk shrink(const Program& program, const Failure& failure,
              const std::function<std::optional<Failure>(const Program&)>& run, unsigned tries,
              std::chrono::seconds time);

}  // namespace muster::reference
