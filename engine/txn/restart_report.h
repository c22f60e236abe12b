#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "engine/types.h"

namespace muster {

struct RestartStatistics {
  Lsn log_begin = 0;          ///< where restart reads the log from
  Lsn log_end = 0;            ///< where the crash has cut it off
  std::uint64_t records = 0;  ///< between the two
  std::uint64_t below = 0;    ///< of those, below master.redo_begin: the files have them
  std::uint64_t log_bytes_read = 0;
  std::uint64_t redo_records = 0;   ///< that redo has passed: records - below, if it was not cut
  std::uint64_t redone = 0;         ///< page changes that the files did not have
  std::uint64_t up_to_date = 0;     ///< page changes that they had
  std::uint64_t without_table = 0;  ///< page changes of tables whose creation the crash cut off
  std::uint64_t reclaimed = 0;      ///< ghosts that the log takes off their pages
  std::uint64_t winners = 0;        ///< transactions that had ended: committed or rolled back
  std::uint64_t losers = 0;         ///< transactions that the crash cut off
  std::uint64_t undone = 0;         ///< their changes that were taken back
};

enum class RestartPhase : std::uint8_t {
  read,  ///< analysis, and redo of what fits into memory
  redo,  ///< of the rest
  undo,
};

inline std::string_view to_string(RestartPhase phase) {
  switch (phase) {
    case RestartPhase::read:
      return "reading the log";
    case RestartPhase::redo:
      return "redo";
    case RestartPhase::undo:
      return "undo";
  }
  return "unknown";
}

/// Some lines for people.
std::string in_words(const RestartStatistics& found);

/// Where a restart breaks off, as if the process had died there. For tests and for teaching: the next opening goes on from there.
struct RestartLimits {
  /// Records that redo passes, of any type and from redo_begin on. It breaks off at redo's end if there are fewer.
  std::optional<std::uint64_t> redo;
  /// Changes of losers that undo takes back. It breaks off at undo's end if there are fewer.
  std::optional<std::uint64_t> undo;
};

/// A restart broke off as RestartLimits say. Nothing but another opening can be done with the files.
class RestartCut : public std::runtime_error {
 public:
  RestartCut(RestartPhase phase, const RestartStatistics& until_then)
      : std::runtime_error("restart was to break off in " + std::string(to_string(phase))),
        phase_(phase),
        statistics_(until_then) {}
  RestartPhase phase() const { return phase_; }
  const RestartStatistics& statistics() const { return statistics_; }

 private:
  RestartPhase phase_;
  RestartStatistics statistics_;
};

struct RestartProgress {
  RestartPhase phase = RestartPhase::read;
  std::uint64_t done = 0;   ///< bytes of the log that the phase has passed
  std::uint64_t total = 1;  ///< that it will pass at most; more than 0
};

/// Is told by the thread that opens a database how far its restart is.
class RestartObserver {
 public:
  virtual ~RestartObserver() = default;
  virtual void progress(const RestartProgress& progress) = 0;
  /// Everything is redone and undone.
  virtual void finished(const RestartStatistics& statistics) = 0;
};

}  // namespace muster
