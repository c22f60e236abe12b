#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "algorithms/parts/asymmetric_barrier.h"
#include "engine/error.h"
#include "harness/calibration.h"
#include "harness/commands.h"
#include "harness/config.h"
#include "harness/machine.h"
#include "harness/output.h"
#include "harness/placement.h"
#include "harness/topology_json.h"

namespace muster {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kSecondsMin = 0.001;
constexpr double kSecondsMax = 60;

/// One line on a terminal, and nothing anywhere else.
class Progress {
 public:
  explicit Progress(std::size_t points) : points_(points), shown_(::isatty(STDERR_FILENO) == 1) {}
  ~Progress() {
    if (shown_) fmt::print(stderr, "\r\033[K");
  }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void step() {
    ++done_;
    if (!shown_) return;
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - began_).count();
    const double left = seconds / static_cast<double>(done_) * static_cast<double>(points_ - done_);
    fmt::print(stderr, "\r\033[Kmuster: {} of {} points, about {:.0f} s left", done_, points_,
               std::ceil(left));
    std::fflush(stderr);
  }

 private:
  std::size_t points_;
  std::size_t done_ = 0;
  bool shown_;
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

Json to_json(const Spread& spread) {
  return {{"median", spread.median}, {"q1", spread.q1}, {"q3", spread.q3}};
}

/// Rows and columns of spreads; null where nothing was measured.
Json matrix(std::size_t rows, std::size_t columns) {
  return Json(rows, Json(columns, nullptr));
}

class Calibration {
 public:
  Calibration(const Topology& topology, double seconds)
      : topology_(topology), seconds_(seconds), progress_(points()) {}

  Json run() {
    Json document;
    document["units"] = units_json(topology_);
    document["nodes"] = nodes_json(topology_);
    document["line_transfer_ns"] = line_transfers();
    document["fetch_add"] = fetch_add();
    document["copy_bytes_per_s"] = copies();
    document["costs_ns"] = costs();
    document["membarrier_ns"] = AsymmetricBarrier::has_membarrier() ? membarriers() : Json(nullptr);
    return document;
  }

 private:
  std::size_t size() const { return topology_.units().size(); }
  unsigned unit(std::size_t i) const { return topology_.units()[i].number; }

  std::size_t points() const {
    const std::size_t pairs = size() * (size() - 1) / 2;
    const std::size_t states = 1 + can_prepare(LineState::shared);
    const std::size_t places = topology_.nodes().size() * nodes_with_units();
    return pairs + 2 * pairs * states + orders().size() * thread_counts().size() + cores().size() + places +
           2 + (AsymmetricBarrier::has_membarrier() ? thread_counts().size() : 0);
  }

  std::size_t nodes_with_units() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        topology_.nodes(), [&](const NumaNode& node) { return !cores_of(node.number).empty(); }));
  }

  /// By units' places in "units": row the owner or writer, column who has the line next.
  Json line_transfers() {
    Json handoff = matrix(size(), size());
    for (std::size_t i = 0; i < size(); ++i) {
      for (std::size_t j = i + 1; j < size(); ++j) {
        handoff[i][j] = handoff[j][i] = to_json(handoff_ns(topology_, unit(i), unit(j), seconds_));
        progress_.step();
      }
    }
    return {{"handoff", std::move(handoff)},
            {"modified", loads(LineState::modified)},
            {"shared", can_prepare(LineState::shared) ? loads(LineState::shared) : Json(nullptr)}};
  }

  Json loads(LineState state) {
    Json found = matrix(size(), size());
    for (std::size_t i = 0; i < size(); ++i) {
      for (std::size_t j = 0; j < size(); ++j) {
        if (i == j) continue;
        found[i][j] = to_json(load_ns(topology_, unit(i), unit(j), state, seconds_));
        progress_.step();
      }
    }
    return found;
  }

  struct Order {
    const char* name;
    std::vector<unsigned> units;
  };
  /// Each order of units once.
  std::vector<Order> orders() const {
    std::vector<Order> found{{"compact", unit_order(topology_, PlacementPolicy::compact)}};
    std::vector<unsigned> scatter = unit_order(topology_, PlacementPolicy::scatter);
    if (scatter != found.front().units) found.push_back({"scatter", std::move(scatter)});
    return found;
  }

  /// Powers of two, and all.
  std::vector<std::size_t> thread_counts() const {
    std::vector<std::size_t> found;
    for (std::size_t count = 1; count < size(); count *= 2) found.push_back(count);
    found.push_back(size());
    return found;
  }

  Json fetch_add() {
    Json found = Json::array();
    for (const Order& order : orders()) {
      Json series = Json::array();
      for (const std::size_t count : thread_counts()) {
        const std::vector<unsigned> on(order.units.begin(),
                                       order.units.begin() + static_cast<std::ptrdiff_t>(count));
        const FetchAdds adds = fetch_adds(topology_, on, seconds_);
        series.push_back({{"threads", count},
                          {"operations_per_s", to_json(adds.per_s)},
                          {"least_share", adds.least_share},
                          {"most_share", adds.most_share}});
        progress_.step();
      }
      found.push_back({{"placement", order.name}, {"units", order.units}, {"points", std::move(series)}});
    }
    return found;
  }

  /// The first unit of each core.
  std::vector<const ProcessingUnit*> cores() const {
    std::vector<const ProcessingUnit*> found;
    for (const ProcessingUnit& one : topology_.units()) {
      if (std::ranges::none_of(found, [&](const ProcessingUnit* seen) { return seen->core == one.core; })) {
        found.push_back(&one);
      }
    }
    return found;
  }

  std::vector<unsigned> cores_of(unsigned node) const {
    std::vector<unsigned> found;
    for (const ProcessingUnit* core : cores()) {
      if (core->node == node) found.push_back(core->number);
    }
    return found;
  }

  std::size_t place_of(unsigned node) const {
    return static_cast<std::size_t>(std::ranges::find(topology_.nodes(), node, &NumaNode::number) -
                                    topology_.nodes().begin());
  }

  Json copies() {
    Json cores = Json::array();
    for (const ProcessingUnit* core : this->cores()) {
      const std::size_t place = place_of(core->node);
      const bool has_memory = place < topology_.nodes().size() && topology_.nodes()[place].memory_bytes > 0;
      const Json found = has_memory ? to_json(copied_bytes_per_s(topology_, {core->number}, place, seconds_))
                                    : Json(nullptr);
      cores.push_back({{"unit", core->number}, {"node", core->node}, {"own_node", found}});
      progress_.step();
    }
    // Rows: the node whose cores copy. Columns: the node whose memory it is.
    Json nodes = matrix(topology_.nodes().size(), topology_.nodes().size());
    for (std::size_t i = 0; i < topology_.nodes().size(); ++i) {
      const std::vector<unsigned> on = cores_of(topology_.nodes()[i].number);
      for (std::size_t j = 0; j < topology_.nodes().size() && !on.empty(); ++j) {
        if (topology_.nodes()[j].memory_bytes > 0) {
          nodes[i][j] = to_json(copied_bytes_per_s(topology_, on, j, seconds_));
        }
        progress_.step();
      }
    }
    return {{"cores", std::move(cores)}, {"nodes", std::move(nodes)}};
  }

  Json costs() {
    const std::vector<unsigned> order = unit_order(topology_, PlacementPolicy::compact);
    const Costs found = costs_ns(topology_, order.front(), seconds_);
    progress_.step();
    const unsigned other = order[order.size() > 1 ? 1 : 0];
    const Spread woken = wake_up_ns(topology_, order.front(), other, seconds_);
    progress_.step();
    return {{"units", Json::array({order.front(), other})},
            {"fetch_add", to_json(found.fetch_add)},
            {"compare_exchange", to_json(found.compare_exchange)},
            {"pause", to_json(found.pause)},
            {"clock", to_json(found.clock)},
            {"wake_up", to_json(woken)}};
  }

  Json membarriers() {
    const std::vector<unsigned> order = unit_order(topology_, PlacementPolicy::compact);
    Json found = Json::array();
    for (const std::size_t count : thread_counts()) {
      const std::vector<unsigned> on(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count));
      found.push_back({{"threads", count}, {"ns", to_json(membarrier_ns(topology_, on, seconds_))}});
      progress_.step();
    }
    return found;
  }

  const Topology& topology_;
  double seconds_;
  Progress progress_;
};

}  // namespace

void calibrate_command(const CalibrateRequest& request, std::FILE* out) {
  if (!(request.seconds >= kSecondsMin && request.seconds <= kSecondsMax)) {
    throw ConfigError("--seconds", fmt::format("{}", request.seconds),
                      fmt::format("want {} to {}, of one point", kSecondsMin, kSecondsMax));
  }
  Output output(request.out, out);
  const Topology topology = Topology::this_machine();
  Json document{{"calibration", 1},
                {"muster", describe_build()},
                {"machine", describe_machine(topology, {})},
                {"time", fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)))},
                {"command", fmt::format("muster calibrate --seconds {}", request.seconds)},
                {"seconds_a_point", request.seconds}};
  if (request.host_name) document["machine"]["host_name"] = host_name();
  document.update(Calibration(topology, request.seconds).run());
  output.write(document.dump() + "\n");
}

}  // namespace muster
