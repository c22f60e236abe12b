#pragma once

#include <cstdint>

#include "workloads/history/history.h"

namespace muster::history {

/// How the database works that there is none of.
enum class Regime : std::uint8_t {
  serial,    ///< a transaction at a time
  snapshot,  ///< reads see what was committed at begin; of two that write one key, the first committer wins
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
  double aborted = 0.02;         ///< share of transactions that are rolled back for nothing
  double unknown = 0.01;         ///< of which nobody ever hears, half of them committed
  std::uint64_t seed = 1;
};

/// What sessions of such a database would record: for tests, and to measure the check.
History simulate(const Simulation& simulation);

}  // namespace muster::history
