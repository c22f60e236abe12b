#include "engine/checkpointer.h"

#include <utility>

namespace muster {
namespace {

/// Between two looks at the log's end, which workers write: rare enough that none of them notices, and at a gigabyte
/// a second 20 MB of log.
constexpr std::chrono::milliseconds kLook{20};

}  // namespace

Checkpointer::Checkpointer(Interval interval, std::function<Lsn()> reserved, std::function<void()> checkpoint)
    : interval_(interval),
      reserved_(std::move(reserved)),
      checkpoint_(std::move(checkpoint)),
      last_(reserved_()),
      thread_([this] { run(); }) {}

Checkpointer::~Checkpointer() {
  {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  stops_.notify_one();
  thread_.join();
}

void Checkpointer::run() {
  auto since = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!stops_.wait_for(lock, kLook, [this] { return stopped_; })) {
    if (!is_due(since)) continue;
    last_ = reserved_();
    since = std::chrono::steady_clock::now();
    lock.unlock();
    checkpoint_();
    lock.lock();
  }
}

bool Checkpointer::is_due(std::chrono::steady_clock::time_point since) const {
  const Lsn grown = reserved_() - last_;
  if (interval_.bytes != 0 && grown >= interval_.bytes) return true;
  return interval_.time.count() != 0 && grown != 0 &&
         std::chrono::steady_clock::now() - since >= interval_.time;
}

}  // namespace muster
