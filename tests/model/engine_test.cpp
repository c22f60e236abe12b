// Parts of the engine, a bounded share of scripts/model: small shapes to their end, every mutant, every order.
#include <map>
#include <set>

#include "tests/catch.h"
#include "tests/model/programs.h"
#include "tests/model/search.h"

namespace muster::model {
namespace {

/// From small to large: a mutant is found out in one of them.
const std::map<std::string, std::vector<Scripts>> kShapes{
    {"order_barrier", {{"e", "b"}, {"ee", "b"}, {"l", "B"}, {"e", "b", "b"}, {"ee", "ee", "b", "b"}}},
    {"lsm",
     {{"w", "sf"},
      {"wr", "sf"},
      {"w", "sft"},
      {"w", "s", "ft"},
      {"w", "sf", "t"},
      {"c", "r"},
      {"c", "c"},
      {"w", "sf", "f"},
      {"wswsfr"},
      {"wr", "wr", "sft"},
      {"wr", "c", "c", "sf"},
      {"wr", "r", "c", "sf"}}},
};

std::string part_of(const Subject& subject) {
  return subject.name.substr(0, subject.name.find(':'));
}

Report explore(const Subject& subject, const Scripts& scripts, bool sequential = false,
               const Weakening& weakening = {}) {
  Execution execution;
  execution.make_sequential(sequential);
  execution.weaken(weakening);
  Shape shape;
  shape.scripts = scripts;
  const std::unique_ptr<Program> program = subject.make(shape);
  return search_reduced(execution, *program, {.executions = 300'000});
}

/// The first violation that some shape shows.
std::string violation(const Subject& subject, const Weakening& weakening = {}) {
  for (const Scripts& scripts : kShapes.at(part_of(subject))) {
    const std::string found = explore(subject, scripts, false, weakening).violation;
    if (!found.empty()) return found;
  }
  return "";
}

}  // namespace

TEST_CASE("Model: parts of the engine keep what they promise, in all executions of small shapes", "[model]") {
  for (const Subject& subject : scripted_subjects()) {
    if (subject.mutant) continue;
    for (const Scripts& scripts : kShapes.at(subject.name)) {
      for (const bool sequential : {false, true}) {
        INFO(subject.name << " " << scripts.front() << " and " << scripts.size() - 1 << " threads more");
        const Report report = explore(subject, scripts, sequential);
        CHECK(report.violation == "");
        CHECK(report.exhausted);
      }
    }
  }
}

TEST_CASE("Model: what is wrong with a part of the engine is found out", "[model]") {
  for (const Subject& subject : scripted_subjects()) {
    if (!subject.mutant) continue;
    INFO(subject.name << ": " << subject.why);
    CHECK((violation(subject) != "") == subject.wrong);
  }
}

TEST_CASE("Model: each order of the order barrier and of the LSM tree's view is needed", "[model]") {
  std::set<std::string> places;
  for (const Subject& subject : scripted_subjects()) {
    if (subject.mutant) continue;
    std::vector<Site> sites;
    Execution execution;
    execution.collect_sites(&sites);
    for (const Scripts& scripts : kShapes.at(subject.name)) {
      Shape shape;
      shape.scripts = scripts;
      const std::unique_ptr<Program> program = subject.make(shape);
      search_random(execution, *program, 1, 3, {.executions = 50});
    }
    for (const Site& site : sites) {
      const std::string file = file_name(site.where);
      if (file.ends_with("_program.h")) continue;  // of the threads that try it
      const std::uint32_t line = site.where.line();
      INFO(subject.name << " " << file << ":" << line << " " << site.location);
      places.insert(file + ":" + std::to_string(line));
      CHECK(violation(subject, {.file = file, .line = line, .column = site.where.column()}) != "");
    }
  }
  CHECK(places.size() == 7);  // four of the barrier, three of the view
}

}  // namespace muster::model
