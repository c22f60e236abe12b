#include "tests/model/programs.h"

#include "algorithms/all.h"
#include "tests/model/checking_platform.h"
#include "tests/model/mutants.h"

namespace muster::model {

std::vector<Subject> subjects() {
  std::vector<Subject> all;
  for_each_type(AllAlgorithms<CheckingPlatform<>>{}, [&](auto type) {
    using A = typename decltype(type)::type;
    all.push_back({.name = std::string(A::info.name),
                   .info = A::info,
                   .why = "",
                   .make = &make_log_program_with_policy<A>});
  });
  return with_mutants(std::move(all), false);
}

}  // namespace muster::model
