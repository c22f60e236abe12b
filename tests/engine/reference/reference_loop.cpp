// Runs random programs on a table and on a reference, and compares everything that they see; kills the database at random places
// (runner.h). A program that fails is shrunk to the operations that it takes.
//
//   reference_loop [--operations N] [--seed N] [--table btree|lsm]... [--reference map|rocksdb] [--keys N]
//                  [--program FILE] [--directory DIR] [--shrink-s N] [--expect-failure N]
//
// N operations for each table kind, in programs of 20,000 at most, which differ in their seeds and with that in their settings.
// Exit code: 0 all is well, 1 it is not, 2 the command line, 3 the machine. With --expect-failure a program must fail, and
// shrink to N operations or fewer.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/error.h"
#include "tests/engine/reference/shrinker.h"
#include "tests/engine/txn/crash/crash_testing.h"

namespace muster::reference {
namespace {

constexpr std::size_t kProgramOperations = 20'000;
constexpr unsigned kTries = 3;

struct Request {
  std::size_t operations = 20'000;
  std::uint64_t seed = 1;
  std::vector<TableKind> tables;
  ReferenceKind reference = ReferenceKind::map;
  std::size_t keys = 0;
  std::string program;
  std::filesystem::path directory = "reference-loop";
  std::uint32_t shrink_s = 60;
  std::optional<std::size_t> expect_failure;
};

/// Runs programs. Shrinks one that fails, prints it and keeps it in a file.
class Runs {
 public:
  explicit Runs(const Request& request)
      : request_(request), options_{.directory = request.directory, .reference = request.reference} {}

  /// `replay`: the options that make the program.
  bool run(const Program& program, const std::string& replay) {
    const auto failure = reference::run(program, options_, &counts_);
    if (!failure) return true;
    fmt::print("{}: operation {} of {}: {}\n", replay, failure->at, program.operations.size(), failure->what);
    std::fflush(stdout);
    const Shrunk shrunk = shrink(
        program, *failure, [&](const Program& candidate) { return reference::run(candidate, options_); },
        kTries, std::chrono::seconds(request_.shrink_s));
    fmt::print("{} operations are left after {} runs. The last one: {}\n", shrunk.program.operations.size(),
               shrunk.runs, shrunk.failure.what);
    const std::filesystem::path file = request_.directory.string() + ".program";
    std::ofstream kept(file);
    print(kept, shrunk.program);
    kept.close();
    print(std::cout, shrunk.program);
    std::cout << "to replay: reference_loop --program " << file.string() << std::endl;
    left_ = shrunk.program.operations.size();
    return false;
  }

  const RunCounts& counts() const { return counts_; }
  std::size_t left() const { return left_; }

 private:
  const Request& request_;
  const RunOptions options_;
  RunCounts counts_;
  std::size_t left_ = 0;
};

bool run_program_file(const Request& request, Runs& runs) {
  std::ifstream file(request.program);
  if (!file) throw ConfigError("--program", request.program, "want a file that can be read");
  return runs.run(parse(file), "--program " + request.program);
}

bool run_random(const Request& request, Runs& runs) {
  for (const TableKind table : request.tables) {
    std::uint64_t seed = request.seed;
    for (std::size_t left = request.operations; left > 0; ++seed) {
      const std::size_t operations = std::min(left, kProgramOperations);
      left -= operations;
      const std::string replay = fmt::format("--table {} --seed {} --operations {} --keys {}", name_of(table),
                                             seed, operations, request.keys);
      if (!runs.run(make_program(table, seed, operations, request.keys), replay)) return false;
    }
    fmt::print("{}: {} operations in programs of {} at most, seeds {} to {}: all agree\n", name_of(table),
               request.operations, kProgramOperations, request.seed, seed - 1);
    std::fflush(stdout);
  }
  return true;
}

int run_all(const Request& request) {
  Runs runs(request);
  const bool well = request.program.empty() ? run_random(request, runs) : run_program_file(request, runs);
  fmt::print("{} processes killed, {} commits lost that may be\n", runs.counts().kills,
             runs.counts().commits_lost);
  if (!request.expect_failure) return well ? 0 : 1;
  const bool found = !well && runs.left() <= *request.expect_failure;
  fmt::print("a failure was to be found and shrunk to {} operations: {}\n", *request.expect_failure,
             found  ? "it was"
             : well ? "none was found"
                    : "more are left");
  return found ? 0 : 1;
}

int run_command(int argc, char** argv) {
  CLI::App app("Runs random programs on a table and on a reference, and compares what they see");
  Request request;
  std::vector<std::string> tables{kTableKinds.begin(), kTableKinds.end()};
  std::string reference = "map";
  app.add_option("--operations", request.operations, "for each kind of table (20000)")
      ->check(CLI::Range(1, 1'000'000'000))
      ->take_last();
  app.add_option("--seed", request.seed, "of the first program; the next ones count up (1)");
  app.add_option("--table", tables, "btree, lsm (both)")->check(CLI::IsMember({"btree", "lsm"}));
  std::vector<std::string> references{"map"};
#ifdef MUSTER_HAS_ROCKSDB
  references.push_back("rocksdb");
#endif
  app.add_option("--reference", reference, fmt::format("{} (map)", fmt::join(references, ", ")))
      ->check(CLI::IsMember(references));
  app.add_option("--keys", request.keys, "that a program has; 0: as its seed says (0)")
      ->check(CLI::Range(0, 1'000'000));
  app.add_option("--program", request.program, "a file with one, as a failure has printed it");
  app.add_option("--directory", request.directory, "for the databases (reference-loop)")->take_last();
  app.add_option("--shrink-s", request.shrink_s, "seconds to shrink a program that fails (60)")
      ->check(CLI::Range(0, 86'400));
  app.add_option("--expect-failure", request.expect_failure,
                 "a program must fail, and shrink to so many operations or fewer");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  for (const std::string& table : tables)
    request.tables.push_back(table == "lsm" ? TableKind::lsm : TableKind::btree);
  if (reference == "rocksdb") request.reference = ReferenceKind::rocksdb;
  return run_all(request);
}

}  // namespace
}  // namespace muster::reference

int main(int argc, char** argv) {
  return muster::crash::exit_code_of("reference_loop",
                                     [&] { return muster::reference::run_command(argc, argv); });
}
