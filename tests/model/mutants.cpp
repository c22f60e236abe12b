#include "tests/model/mutants.h"

#include <algorithm>
#include <iterator>

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

std::vector<Subject> with_mutants(std::vector<Subject> all, bool scripted) {
  std::sort(mutants().begin(), mutants().end(),
            [](const Subject& a, const Subject& b) { return a.name < b.name; });
  std::copy_if(mutants().begin(), mutants().end(), std::back_inserter(all),
               [=](const Subject& mutant) { return mutant.scripted == scripted; });
  return all;
}

}  // namespace muster::model
