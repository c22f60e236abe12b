#include "engine/storage/high_water.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <charconv>
#include <system_error>
#include <vector>

namespace muster {
namespace {

constexpr std::size_t kDigits = 20;
constexpr std::size_t kBootBytes = 36;  // as the kernel prints a UUID
constexpr std::size_t kMarkBytes = kDigits + 1 + kBootBytes + 1;

/// Of this run of the kernel; empty where it does not say.
std::string boot_id() {
  try {
    const std::string id = File::open("/proc/sys/kernel/random/boot_id", O_RDONLY).read_to_end(kMarkBytes);
    return id.size() == kBootBytes + 1 ? id.substr(0, kBootBytes) : std::string();
  } catch (const std::system_error&) {
    return {};
  }
}

}  // namespace

std::optional<Lsn> HighWater::read(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  const File file = File::open(path, O_RDONLY);
  std::string text(kMarkBytes, '\0');
  const std::string boot = boot_id();
  if (file.read_at(0, std::as_writable_bytes(std::span(text))) != kMarkBytes || boot.empty() ||
      text.compare(kDigits + 1, kBootBytes, boot) != 0) {
    return std::nullopt;
  }
  Lsn lsn = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + kDigits, lsn);
  return error == std::errc() && end == text.data() + kDigits ? std::optional(lsn) : std::nullopt;
}

HighWater::HighWater(const std::filesystem::path& path, Lsn lsn)
    : file_(File::open(path, O_RDWR | O_CREAT)), boot_(boot_id()) {
  write(lsn);
}

void HighWater::raise(Lsn lsn) {
  // acquire: pairs with write(); a thread that sees the mark may write pages below it
  if (lsn <= mark_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(writing_);
  if (lsn > mark_.load(std::memory_order_relaxed)) write(lsn);
}

void HighWater::write(Lsn lsn) {
  const std::string text = fmt::format("{:0{}} {:<{}}\n", lsn, kDigits, boot_, kBootBytes);
  file_.write_at(0, std::as_bytes(std::span(text)));
  mark_.store(lsn, std::memory_order_release);  // pairs with raise(): the file has it
}

}  // namespace muster
