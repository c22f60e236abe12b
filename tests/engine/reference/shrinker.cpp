#include "tests/engine/reference/shrinker.h"

#include <algorithm>

namespace muster::reference {
namespace {

constexpr std::size_t kLargePiece = 16;

}  // namespace

Shrunk shrink(const Program& program, const Failure& failure,
              const std::function<std::optional<Failure>(const Program&)>& run, unsigned tries,
              std::chrono::seconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  Shrunk shrunk{.program = program, .failure = failure};
  const auto cut_behind_failure = [&shrunk] {
    auto& operations = shrunk.program.operations;
    operations.resize(std::min(operations.size(), shrunk.failure.at + 1));
  };
  const auto still_fails = [&](const Program& candidate, std::size_t piece) {
    // A large piece has many others to go with: tries are for what is left at the end.
    for (unsigned i = 0; i < (piece > kLargePiece ? 1 : tries); ++i) {
      ++shrunk.runs;
      const auto found = run(candidate);
      if (!found) continue;
      shrunk.program = candidate;
      shrunk.failure = *found;
      cut_behind_failure();
      return true;
    }
    return false;
  };
  cut_behind_failure();
  for (std::size_t piece = (shrunk.program.operations.size() + 1) / 2; piece > 0;) {
    bool went = false;
    // From the end on: an operation needs what is before it, not what is behind.
    for (std::size_t end = shrunk.program.operations.size(); end > 0;) {
      if (std::chrono::steady_clock::now() > deadline) return shrunk;
      const std::size_t begin = end > piece ? end - piece : 0;
      Program candidate = shrunk.program;
      candidate.operations.erase(candidate.operations.begin() + static_cast<std::ptrdiff_t>(begin),
                                 candidate.operations.begin() + static_cast<std::ptrdiff_t>(end));
      went |= still_fails(candidate, piece);
      end = std::min(begin, shrunk.program.operations.size());
    }
    if (!went || piece > 1) {
      if (piece == 1) break;
      piece = (piece + 1) / 2;
    }
  }
  return shrunk;
}

}  // namespace muster::reference
