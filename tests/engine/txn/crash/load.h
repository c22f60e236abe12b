#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "engine/database.h"

namespace muster::crash {

/// The load and what can be checked about it.
///
/// Records come in groups: a counter, which holds the group's version and the group that it got there with, and members, whose
/// presence, length and content follow from group and version alone. A transaction takes one or two groups to
/// their next version by inserting, updating and removing. So after a crash
///   whole        a group's members are exactly what its counter's version says;
///   together     a transaction that moved two groups moved both: each names the other in its counter;
///   durable      no group is behind what was acknowledged;
///   not made up  no group is ahead of what a session began to commit, and nothing that was aborted is there
///                (an aborted transaction writes values that say so).
inline constexpr std::uint32_t kGroups = 400;

/// What the load tells the supervisor, 32 bytes at once, which a pipe keeps together.
struct Report {
  enum Kind : std::uint32_t { began = 1, acknowledged, found, finished };
  Kind kind = began;
  std::uint32_t group = 0;
  std::uint64_t version = 0;
  std::uint32_t other_group = 0;  ///< the same as group: there is none
  std::uint32_t unused = 0;
  std::uint64_t other_version = 0;
};
static_assert(sizeof(Report) == 32);

/// A fault that the supervisor must find.
enum class Plant { none, early_acknowledgement, skipped_sync };

struct LoadOptions {
  std::filesystem::path directory;
  std::string algorithm;
  TableKind table = TableKind::btree;
  CommitPolicy policy = CommitPolicy::durable;
  bool early_lock_release = false;
  std::uint32_t threads = 4;
  std::uint64_t seed = 1;
  Plant plant = Plant::none;
};

DatabaseOptions database_options(const LoadOptions& options);
/// Runs until it is killed, reporting to `descriptor`. Returns only when something is wrong.
int run_load(const LoadOptions& options, int descriptor);
/// Opens, which recovers, and checks all that can be checked without knowing what was acknowledged; reports
/// each group's version. Returns the exit code: 1 when something is wrong, after a line on stderr.
int verify(const LoadOptions& options, int descriptor);

}  // namespace muster::crash
