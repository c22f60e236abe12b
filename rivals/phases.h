#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "rivals/store.h"
#include "workloads/random.h"

namespace muster::rivals {

struct PhaseOptions {
  std::uint64_t records = 1'000'000;  ///< that `load` and `write` put in, all threads together
  double seconds = 5;                 ///< of each other phase; with StoreOptions::sync of these two at most
  std::size_t value_bytes = 100;
  std::size_t scan_records = 100;
};

/// What is done to a store, one phase after the other, each with all threads:
///   load       puts new records, keys rising; the threads take turns in them
///   write      likewise, keys in no order
///   overwrite  puts records that are there, at random
///   settle     waits until the process has written nothing for a second: flushes and compactions have ended
///   warm       reads every record, so that caches have what fits
///   read       reads records that are there, at random
///   scan       from a record on at random
/// A record that is missing is an error. One thread at a time.
class Phases {
 public:
  Phases(Store& store, const StoreOptions& store_options, const PhaseOptions& options);

  static bool knows(std::string_view name);
  /// Operations, seconds, processor time of all threads, and what the process has had read and written meanwhile, in bytes as
  /// the kernel counts them.
  /// Throws std::runtime_error.
  nlohmann::json run(std::string_view name);

 private:
  using Key = std::array<std::byte, sizeof(std::uint64_t)>;
  struct Worker {
    std::uint32_t number;
    Client& client;
    Random random;
    std::vector<std::byte> found;
    std::uint64_t operations = 0;
  };
  using Work = void (Phases::*)(Worker&);

  Key key_of(std::uint64_t number) const;
  Key some_key(Worker& worker) const;
  Bytes some_value(Worker& worker) const;
  void fill(Worker& worker);
  void overwrite(Worker& worker);
  void warm(Worker& worker);
  void read(Worker& worker);
  void scan(Worker& worker);
  /// How many operations, and the seconds from the start of the first thread to the end of the last.
  std::pair<std::uint64_t, double> in_all_threads(Work work);
  bool is_over() const { return over_.load(std::memory_order_relaxed); }  // relaxed: a thread may see it late

  Store& store_;
  const std::uint32_t threads_;
  const bool sync_;
  const PhaseOptions options_;
  const std::vector<std::byte> noise_;  // values are pieces of it: no codec makes them smaller
  std::vector<std::uint64_t> filled_;   // records of each thread; it writes its own at the end of fill()
  std::uint64_t phases_run_ = 0;        // each phase draws other keys
  bool is_ordered_ = false;
  bool is_timed_ = false;
  std::atomic<bool> over_{false};
};

}  // namespace muster::rivals
