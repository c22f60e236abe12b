#include "tests/model/barrier_program.h"
#include "tests/model/checking_platform.h"
#include "tests/model/lsm_program.h"
#include "tests/model/mutants.h"
#include "tests/model/programs.h"

namespace muster::model {

std::vector<Subject> scripted_subjects() {
  using P = CheckingPlatform<>;
  return with_mutants({{.name = "order_barrier",
                        .scripted = true,
                        .info = {},
                        .why = "",
                        .make = &make_scripted_program<BarrierProgram<P>>},
                       {.name = "lsm",
                        .scripted = true,
                        .info = {},
                        .why = "",
                        .make = &make_scripted_program<LsmProgram<P>>}},
                      true);
}

}  // namespace muster::model
