#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "tests/engine/power/disk.h"
#include "tests/engine/power/faults.h"
#include "tests/engine/power/load.h"

namespace muster::power {

/// A run, or a recovery, that may lose power anywhere.
struct Scenario {
  Trace trace;
  Disk disk;                                    // before the trace
  History history;                              // of all transactions, those of the trace too
  std::set<TransactionNumber> promised, begun;  // before the trace
  TransactionNumber next = 1;                   // a number that nobody has used
};

struct ExplorerOptions {
  Setting setting;
  std::uint64_t seed = 1;
  std::uint64_t images = 500;
  bool torn = false;                ///< pages of tables may be torn
  const Fault* fault = nullptr;     ///< planted into every trace
  std::filesystem::path directory;  ///< for databases; made, and gone afterwards
  std::function<bool()> is_enough;  ///< asked between images
  bool stop_at_violation = false;
};

/// An image whose database is not what it must be. Its number leads there: the cut and the variant in the run's
/// trace, then, after a '/', in the trace of its recovery, and so on: "112.5/31.0"; "112.k/31.0": the process
/// was killed at the cut and recovered without a power loss.
struct Violation {
  std::string image;
  std::string what;
};

struct Findings {
  std::uint64_t operations = 0;  ///< of files, in the run's trace
  std::uint64_t cuts = 0;        ///< places, of recoveries too, at which a power loss was tried
  std::uint64_t recoveries = 0;  ///< that were recorded and cut themselves
  std::array<std::uint64_t, std::size(kDamages)> images{};
  std::vector<Violation> violations;

  std::uint64_t all_images() const;
};

/// Runs a load and records it; the scenario of its power losses.
Scenario record(const ExplorerOptions& options);
/// Loses power at every operation of the scenario, and of recoveries of what that leaves, and of their recoveries.
Findings explore(const Scenario& scenario, const ExplorerOptions& options);
/// What is wrong with one image; empty: nothing. Its files stay in `options.directory`. A recovery that the
/// number leads through runs anew, and does the same as far as its threads agree.
std::string replay(const Scenario& scenario, const ExplorerOptions& options, const std::string& image);

/// A scenario's file, for a replay another day.
void save(const Scenario& scenario, const std::filesystem::path& path);
Scenario load_scenario(const std::filesystem::path& path);

/// The image that is being opened, for who has to report a crash of this process.
const char* image_at_work();

}  // namespace muster::power
