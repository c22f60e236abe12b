#include "engine/storage/cleaner.h"

#include <utility>

namespace muster {

Cleaner::Cleaner(std::function<void()> work) : work_(std::move(work)), thread_([this] { run(); }) {}

Cleaner::~Cleaner() {
  stopped_.store(true, std::memory_order_relaxed);  // released by asked_
  asked_.store(true, std::memory_order_release);
  asked_.notify_one();
  thread_.join();
}

void Cleaner::ask() {
  if (asked_.load(std::memory_order_relaxed)) return;  // relaxed: a hint; a thread that asks comes again
  if (!asked_.exchange(true, std::memory_order_release)) asked_.notify_one();
}

void Cleaner::run() {
  for (;;) {
    asked_.wait(false, std::memory_order_relaxed);
    asked_.exchange(false, std::memory_order_acquire);  // pairs with ask() and the destructor
    if (stopped_.load(std::memory_order_relaxed)) return;
    work_();
  }
}

}  // namespace muster
