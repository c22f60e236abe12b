#include "tests/engine/reference/shrinker.h"

#include <algorithm>

#include "tests/catch.h"

namespace muster::reference {
namespace {

/// Fails at the first `compare` that three `checkpoint`s and then a `close` come before.
std::optional<Failure> fails(const Program& program) {
  int checkpoints = 0;
  bool has_closed = false;
  for (std::size_t at = 0; at < program.operations.size(); ++at) {
    const Kind kind = program.operations[at].kind;
    checkpoints += kind == Kind::checkpoint;
    has_closed |= checkpoints >= 3 && kind == Kind::close;
    if (has_closed && kind == Kind::compare) return Failure{at, "failed"};
  }
  return std::nullopt;
}

TEST_CASE("shrink: what the failure takes is left, in its order, and nothing else") {
  const Program program = make_program(TableKind::btree, 3, 20'000, 50);
  const auto failure = fails(program);
  REQUIRE(failure);
  const Shrunk shrunk = shrink(program, *failure, fails, 1, std::chrono::seconds(60));
  std::vector<Kind> kinds;
  for (const Operation& operation : shrunk.program.operations) kinds.push_back(operation.kind);
  CHECK(kinds ==
        std::vector{Kind::checkpoint, Kind::checkpoint, Kind::checkpoint, Kind::close, Kind::compare});
  CHECK(shrunk.runs < 1000);
}

TEST_CASE("shrink: a program that fails every third time only is run so often") {
  const Program program = make_program(TableKind::btree, 3, 2'000, 50);
  std::size_t runs = 0;
  const auto sometimes = [&runs](const Program& candidate) -> std::optional<Failure> {
    if (++runs % 3 != 0 || candidate.operations.size() < 3) return std::nullopt;
    return Failure{candidate.operations.size(), "failed"};
  };
  CHECK(
      shrink(program, {2'000, "failed"}, sometimes, 3, std::chrono::seconds(60)).program.operations.size() ==
      3);
}

}  // namespace
}  // namespace muster::reference
