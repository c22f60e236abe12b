#include "algorithms/all.h"
#include "harness/benchmarks.h"
#include "harness/lag_benchmark.h"

namespace muster {

void register_lag_benchmarks() {
  for_each_type(AllAlgorithms<NativePlatform>{}, [](auto type) {
    using A = typename decltype(type)::type;
    add_lag_benchmarks<A>(std::string(A::info.name));
  });
}

}  // namespace muster
