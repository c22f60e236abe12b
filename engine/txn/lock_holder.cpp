#include "engine/txn/lock_holder.h"

namespace muster {
namespace {

constexpr std::size_t kFirstSlots = 32;

}  // namespace

LockHolder::LockHolder() : table_(kFirstSlots) {}

LockRequest* LockHolder::find(LockName name) const {
  const std::uint64_t serial = serial_.load(std::memory_order_relaxed);  // relaxed: this thread wrote it
  const std::size_t mask = table_.size() - 1;
  for (std::size_t i = name & mask; table_[i].serial == serial; i = (i + 1) & mask) {
    if (table_[i].name == name) return table_[i].request;
  }
  return nullptr;
}

LockRequest& LockHolder::take(LockName name, LockMode mode) {
  if (2 * (held_count_ + 1) > table_.size()) grow();
  if (free_ == nullptr) {
    free_ = &requests_.emplace_back();
  }
  LockRequest& request = *free_;
  free_ = request.held_next;
  request.name = name;
  request.holder = this;
  request.serial = serial_.load(std::memory_order_relaxed);  // relaxed: this thread wrote it
  request.begun = begun_;
  request.mode = mode;
  request.upgrading = false;
  return request;
}

void LockHolder::hold(LockRequest& request) {
  request.held_next = held_;
  held_ = &request;
  ++held_count_;
  put(request);
}

void LockHolder::put(LockRequest& request) {
  const std::size_t mask = table_.size() - 1;
  std::size_t i = request.name & mask;
  while (table_[i].serial == request.serial) i = (i + 1) & mask;
  table_[i] = {request.name, request.serial, &request};
}

/// A transaction that releases a lock early has taken it a moment ago, so the request is near the chain's front.
void LockHolder::drop(LockRequest& request) {
  LockRequest** link = &held_;
  while (*link != &request) link = &(*link)->held_next;
  *link = request.held_next;
  --held_count_;
  clear_slot_of(request);
}

/// Moves later entries back, which find() would not reach across an empty slot.
void LockHolder::clear_slot_of(const LockRequest& request) {
  const std::size_t mask = table_.size() - 1;
  std::size_t hole = request.name & mask;
  while (table_[hole].request != &request) hole = (hole + 1) & mask;
  for (std::size_t i = (hole + 1) & mask; table_[i].serial == request.serial; i = (i + 1) & mask) {
    const std::size_t steps_from_home = (i - table_[i].name) & mask;
    if (steps_from_home < ((i - hole) & mask)) continue;
    table_[hole] = table_[i];
    hole = i;
  }
  table_[hole] = {};
}

void LockHolder::grow() {
  std::vector<Slot> larger(table_.size() * 2);
  table_.swap(larger);
  for (LockRequest* request = held_; request != nullptr; request = request->held_next) put(*request);
}

void LockHolder::give_back(LockRequest& request) {
  request.held_next = free_;
  free_ = &request;
}

void LockHolder::take_back(LockRequest* chain) {
  while (chain != nullptr) {
    LockRequest* next = chain->held_next;
    give_back(*chain);
    chain = next;
  }
}

LockRequest* LockHolder::end_transaction() {
  LockRequest* chain = held_;
  held_ = nullptr;
  held_count_ = 0;
  depends_on_ = 0;
  // relaxed: a search that compares serials (LockManager::closes_cycle) is right with the old and with the new one.
  serial_.store(serial_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return chain;
}

}  // namespace muster
