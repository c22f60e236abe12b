#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <string_view>

#include "harness/benchmarks.h"
#include "workloads/history/check.h"
#include "workloads/history/simulated_history.h"

namespace muster {
namespace {

using history::Model;
using history::Order;
using history::Regime;

void check_history(benchmark::State& state, Model model, Regime regime) {
  const history::History all = history::simulate({.model = model,
                                                  .regime = regime,
                                                  .transactions = static_cast<std::uint32_t>(state.range(0)),
                                                  .processes = 32,
                                                  .keys = 32});
  const Order order = state.range(1) == 0 ? Order::none : Order::realtime;
  history::Verdict verdict;
  for (auto _ : state) verdict = history::check(all, order);
  state.counters["dependencies"] = static_cast<double>(verdict.dependencies);
  state.counters["knots"] = static_cast<double>(verdict.knots);
  state.counters["anomalies"] = static_cast<double>(verdict.anomalies.size());
}

}  // namespace

void register_history_benchmarks() {
  constexpr std::string_view kRegimes[] = {"serial", "snapshot", "read_committed"};
  for (const Model model : {Model::list_append, Model::rw_register}) {
    for (const Regime regime : {Regime::serial, Regime::snapshot, Regime::read_committed}) {
      const std::string name =
          fmt::format("history_check/{}/{}", model == Model::list_append ? "list_append" : "rw_register",
                      kRegimes[static_cast<std::size_t>(regime)]);
      auto* const check = benchmark::RegisterBenchmark(name.c_str(), check_history, model, regime);
      check->ArgNames({"transactions", "realtime"})->Iterations(1)->Unit(benchmark::kSecond);
      for (const Order order : {Order::none, Order::realtime})
        check->Args({1'000'000, order == Order::none ? 0 : 1});
    }
  }
}

}  // namespace muster
