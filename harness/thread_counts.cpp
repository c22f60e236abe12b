#include "harness/thread_counts.h"

#include <unistd.h>

#include <charconv>
#include <fstream>
#include <sstream>
#include <string>

#include "harness/host_files.h"

namespace muster {
namespace {

namespace fs = std::filesystem;

/// schedstat: ran, waited, slices. A kernel that does not keep them says 0 of all, also of threads that have run.
void read_times(const fs::path& folder, ThreadCounts& into) {
  std::ifstream in(folder / "schedstat");
  std::uint64_t ran_ns = 0;
  std::uint64_t waited_ns = 0;
  std::uint64_t slices = 0;
  if (!(in >> ran_ns >> waited_ns >> slices) || slices == 0) return;
  into.ran_ns = ran_ns;
  into.waited_ns = waited_ns;
}

/// stat: "number (name) state" and numbers; the name may hold anything.
void read_page_faults(const fs::path& folder, ThreadCounts& into) {
  const auto line = first_line(folder / "stat");
  if (!line || line->rfind(')') == std::string::npos) return;
  std::istringstream fields(line->substr(line->rfind(')') + 1));
  std::string other;
  std::uint64_t minor = 0;
  std::uint64_t major = 0;
  for (int i = 0; i < 7; ++i) fields >> other;  // state, parent, group, session, terminal, its group, flags
  if (fields >> minor >> other >> major) into.page_faults = minor + major;  // between them: of children
}

ThreadCounts counts_in(const fs::path& folder) {
  ThreadCounts counts;
  read_times(folder, counts);
  read_page_faults(folder, counts);
  counts.voluntary = number_of(folder / "status", "voluntary_ctxt_switches");
  counts.involuntary = number_of(folder / "status", "nonvoluntary_ctxt_switches");
  counts.migrations = number_of(folder / "sched", "se.nr_migrations");
  return counts;
}

}  // namespace

std::map<pid_t, ThreadCounts> thread_counts(const fs::path& root) {
  std::map<pid_t, ThreadCounts> all;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(root / "proc/self/task", error)) {
    const std::string name = entry.path().filename();
    pid_t thread = 0;
    std::from_chars(name.data(), name.data() + name.size(), thread);
    if (thread != ::getpid()) all[thread] = counts_in(entry.path());
  }
  return all;
}

}  // namespace muster
