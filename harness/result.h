#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "harness/activity.h"
#include "harness/config.h"
#include "harness/not_measured.h"
#include "harness/phases.h"
#include "harness/placement.h"
#include "harness/topology.h"
#include "workloads/workload.h"

namespace muster {

struct Repetition {
  Measured measured;
  RepetitionReport report;
  Activity activity;
};

/// What a verified run came to.
struct RunResult {
  Configuration configuration;
  Placement placement;
  std::string operations;  ///< what one operation is, in the plural
  std::vector<Repetition> repetitions;
  std::vector<Check> checks;
  nlohmann::ordered_json machine;  ///< as it was when the run began
  nlohmann::ordered_json memory;   ///< see describe_memory()
  std::map<unsigned, unsigned> node_of_unit;
  std::vector<NotMeasured> not_measured;
};

/// The document that results/schema.json describes.
nlohmann::ordered_json to_json(const RunResult& result);

}  // namespace muster
