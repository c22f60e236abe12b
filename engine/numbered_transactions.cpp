#include "engine/numbered_transactions.h"

#include <fmt/format.h>

#include <limits>
#include <stdexcept>

namespace muster {
namespace {

constexpr const char* kNotOpen = "no database is open";

}  // namespace

NumberedTransactions::Use::~Use() {
  if (slot_ != nullptr) slot_->state.store(number(), std::memory_order_release);  // [state]
}

int NumberedTransactions::Use::number() const {
  return -slot_->state.load(std::memory_order_relaxed);  // this call's own
}

Session& NumberedTransactions::Use::session() const {
  return *slot_->session;
}

std::vector<std::byte>& NumberedTransactions::Use::value() {
  return slot_->value;
}

void NumberedTransactions::Use::end() noexcept {
  Slot& slot = *std::exchange(slot_, nullptr);
  all_.free(slot, std::move(slot.session));
}

void NumberedTransactions::Use::drop() noexcept {
  if (slot_ == nullptr) return;
  Slot& slot = *std::exchange(slot_, nullptr);
  slot.session.reset();
  all_.free(slot, nullptr);
}

void NumberedTransactions::Use::commit() {
  try {
    session().commit();
  } catch (...) {
    drop();
    throw;
  }
  end();
}

void NumberedTransactions::Use::abort() {
  try {
    session().abort();
    LogManager& log = all_.database_->log();  // which close() leaves alone while a call has a transaction
    log.flush(log.reserved());
  } catch (...) {
    drop();
    throw;
  }
  end();
}

void NumberedTransactions::open(Database& database) {
  const std::lock_guard guard(mutex_);
  idle_.reserve(kMax);  // free() cannot fail
  database_ = &database;
}

void NumberedTransactions::close() {
  const std::lock_guard guard(mutex_);
  std::vector<std::pair<Slot*, int>> taken;
  for (Slot& slot : slots_) {
    int number = slot.state.load(std::memory_order_relaxed);  // checked by the exchange
    if (number > 0 &&
        slot.state.compare_exchange_strong(number, -number, std::memory_order_acquire)) {  // [state]
      taken.emplace_back(&slot, number);
    }
  }
  if (taken.size() != running_) {
    for (const auto& [slot, number] : taken) slot->state.store(number, std::memory_order_release);  // [state]
    throw std::logic_error("another call is on its way");
  }
  for (const auto& [slot, number] : taken) {
    slot->session.reset();
    slot->state.store(0, std::memory_order_relaxed);  // [state] under the mutex, as in free()
  }
  running_ = 0;
  idle_.clear();
  database_ = nullptr;
}

NumberedTransactions::Use NumberedTransactions::begin() {
  return begin_with([](Session& session) { session.begin(); });
}

NumberedTransactions::Use NumberedTransactions::begin_without_waiting() {
  return begin_with([](Session& session) { session.begin_without_waiting(); });
}

template <class Begin>
NumberedTransactions::Use NumberedTransactions::begin_with(Begin begin) {
  Slot& slot = take_slot();
  Use use(*this, slot);
  try {
    if (!slot.session) slot.session = database_->attach(CommitPolicy::durable);  // as in abort()
    begin(*slot.session);
  } catch (...) {
    use.drop();
    throw;
  }
  return use;
}

/// Numbers go up by one, past those whose place an old transaction has.
NumberedTransactions::Slot& NumberedTransactions::take_slot() {
  const std::lock_guard guard(mutex_);
  if (database_ == nullptr) throw std::logic_error(kNotOpen);
  if (running_ == kMax) throw std::logic_error(fmt::format("{} transactions run: want fewer", kMax));
  do {
    last_ = last_ == std::numeric_limits<int>::max() ? 1 : last_ + 1;
    // relaxed: it becomes 0 and stops being 0 under the mutex
  } while (slot_of(last_).state.load(std::memory_order_relaxed) != 0);
  Slot& slot = slot_of(last_);
  if (!idle_.empty()) {
    slot.session = std::move(idle_.back());
    idle_.pop_back();
  }
  ++running_;
  slot.state.store(-last_, std::memory_order_relaxed);  // this call's
  return slot;
}

void NumberedTransactions::free(Slot& slot, std::unique_ptr<Session> session) noexcept {
  const std::lock_guard guard(mutex_);
  if (session) idle_.push_back(std::move(session));
  --running_;
  slot.state.store(0, std::memory_order_relaxed);  // the mutex orders it
}

NumberedTransactions::Use NumberedTransactions::use(int number) {
  int found = 0;
  if (number > 0) {
    Slot& slot = slot_of(number);
    found = number;
    if (slot.state.compare_exchange_strong(found, -number, std::memory_order_acquire,
                                           std::memory_order_relaxed)) {  // [state]; relaxed: it refuses
      return {*this, slot};
    }
  }
  if (number > 0 && found == -number) {
    throw std::logic_error(fmt::format("trx_id = {}: another call is at work on it", number));
  }
  const std::lock_guard guard(mutex_);
  throw std::logic_error(
      database_ == nullptr
          ? kNotOpen
          : fmt::format("trx_id = {}: want one that runs: it never began, or has ended", number));
}

}  // namespace muster
