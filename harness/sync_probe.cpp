#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>
#include <vector>

#include "engine/io/file.h"
#include "harness/fitness.h"
#include "harness/machine.h"

namespace muster {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kBytes = 4096;
constexpr int kWrites = 20;
constexpr std::chrono::seconds kLongest{2};  // on a slow disk fewer writes tell enough

File unnamed_file(const fs::path& directory) {
  std::string name = directory / "muster-doctor-XXXXXX";
  const int descriptor = ::mkstemp(name.data());
  if (descriptor < 0) throw std::system_error(errno, std::generic_category(), "mkstemp " + name);
  ::close(descriptor);
  File file = File::open(name, O_RDWR);
  fs::remove(name);
  return file;
}

std::vector<Clock::duration> timed_syncs(File& file) {
  const std::array<std::byte, kBytes> page{};
  const auto write = [&](int i) { file.write_at(kBytes * static_cast<std::uint64_t>(i), page); };
  for (int i = 0; i < kWrites; ++i) write(i);  // a log's space is there before it is written, too
  file.sync_data();
  std::vector<Clock::duration> times;
  const auto enough = Clock::now() + kLongest;
  for (int i = 0; i < kWrites && (times.empty() || Clock::now() < enough); ++i) {
    const auto begin = Clock::now();
    write(i);
    file.sync_data();
    times.push_back(Clock::now() - begin);
  }
  return times;
}

}  // namespace

SyncProbe probe_sync(const fs::path& directory) {
  SyncProbe probe;
  probe.file_system = file_system_type(directory);
  fs::path existing = fs::absolute(directory);
  std::error_code error;
  while (!fs::exists(existing, error) && existing.has_relative_path()) existing = existing.parent_path();
  try {
    File file = unnamed_file(existing);
    std::vector<Clock::duration> times = timed_syncs(file);
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    probe.median = *middle;
  } catch (const std::system_error& failed) {
    probe.failure = failed.code().message();
  }
  return probe;
}

}  // namespace muster
