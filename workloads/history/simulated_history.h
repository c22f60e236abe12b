#pragma once

#include <cstdint>

#include "workloads/history/history.h"

namespace muster::history {

/// How the simulated database works.
enum class Regime : std::uint8_t {
  serial,    ///< a transaction at a time
  snapshot,  ///< reads see what was committed at begin; of two writers of a key, the first to commit wins
  read_committed,  ///< reads see what is committed; a written key is locked until the end
};

struct Simulation {
  Model model = Model::list_append;
  Regime regime = Regime::serial;
  std::uint32_t transactions = 1000;
  std::uint32_t processes = 10;
  std::uint32_t keys = 10;  ///< at a time
  std::uint32_t writes_a_key = 16;
  std::uint32_t operations = 4;  ///< of a transaction, at most
  double aborted = 0.02;         ///< share of transactions that are rolled back without a reason
  double unknown = 0.01;         ///< share whose outcome is not recorded; half of these are committed
  std::uint64_t seed = 1;
};

/// The history that sessions of such a database would record: for tests, and to measure the check.
History simulate(const Simulation& simulation);

}  // namespace muster::history
