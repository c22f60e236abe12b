#include "tests/model/programs.h"

#include <algorithm>

#include "algorithms/all.h"
#include "tests/model/checking_platform.h"

namespace muster::model {
namespace {

std::vector<Subject>& mutants() {
  static std::vector<Subject> all;
  return all;
}

}  // namespace

bool add_mutant(Subject subject) {
  mutants().push_back(std::move(subject));
  return true;
}

std::vector<Subject> subjects() {
  std::vector<Subject> all;
  for_each_type(AllAlgorithms<CheckingPlatform<>>{}, [&](auto type) {
    using A = typename decltype(type)::type;
    all.push_back(
        {.name = std::string(A::info.name), .info = A::info, .why = "", .make = &make_log_program<A>});
  });
  std::sort(mutants().begin(), mutants().end(),
            [](const Subject& a, const Subject& b) { return a.name < b.name; });
  all.insert(all.end(), mutants().begin(), mutants().end());
  return all;
}

}  // namespace muster::model
