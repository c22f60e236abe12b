#include "tests/engine/isolation/stage.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "algorithms/parts/backoff.h"
#include "tests/engine/txn/database_testing.h"

namespace muster::isolation {
namespace {

constexpr std::chrono::seconds kHangs{60};

/// Ends the program: a step that no transaction ends would hang for ever.
[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "isolation: %s\n", what);
  std::abort();
}

}  // namespace

int number(std::string_view value) {
  return std::stoi(std::string(value));
}

Status read(Session& session, TableId table, std::string_view key, std::string& value) {
  std::vector<std::byte> bytes;
  const Status status = session.read(table, as_bytes(key), bytes);
  if (status == Status::ok) value = as_text(bytes);
  return status;
}

Status read_for_update(Session& session, TableId table, std::string_view key, std::string& value) {
  std::vector<std::byte> bytes;
  const Status status = session.read_for_update(table, as_bytes(key), bytes);
  if (status == Status::ok) value = as_text(bytes);
  return status;
}

Status insert(Session& session, TableId table, std::string_view key, std::string_view value) {
  return session.insert(table, as_bytes(key), as_bytes(value));
}

Status update(Session& session, TableId table, std::string_view key, std::string_view value) {
  return session.update(table, as_bytes(key), as_bytes(value));
}

Status scan(Session& session, TableId table, Rows& rows) {
  return session.scan(table, {}, [&](Bytes key, Bytes value) {
    rows.emplace(as_text(key), as_text(value));
    return true;
  });
}

Actor::Actor(Stage& stage, std::unique_ptr<Session> session)
    : stage_(stage), session_(std::move(session)), thread_([this] { work(); }) {}

Actor::~Actor() {
  leave();
}

void Actor::ask_to_leave() {
  {
    const std::lock_guard guard(mutex_);
    leaves_ = true;
  }
  told_.notify_one();
}

void Actor::leave() {
  ask_to_leave();
  if (thread_.joinable()) thread_.join();
}

void Actor::work() {
  std::unique_lock guard(mutex_);
  for (;;) {
    told_.wait(guard, [&] { return leaves_ || (now_ != nullptr && !finished_); });
    if (leaves_) break;
    Step* const step = now_;
    guard.unlock();
    const Status status = step->act(*session_, *step);
    guard.lock();
    step->status = status;
    finished_ = true;
  }
  session_.reset();  // what is open is aborted
}

void Actor::start_next() {
  Step& step = steps_[next_];
  if (step.begins) committed_ = refused_ = false;
  if (refused_) {
    step.done = step.skipped = true;
    ++next_;
    return;
  }
  running_ = true;
  {
    const std::lock_guard guard(mutex_);
    now_ = &step;
    finished_ = false;
  }
  told_.notify_one();
}

void Actor::collect() {
  {
    const std::lock_guard guard(mutex_);
    if (!running_ || !finished_) return;
    now_ = nullptr;
  }
  running_ = false;
  Step& step = steps_[next_++];
  step.done = true;
  refused_ = was_rolled_back(step.status);
  committed_ = step.commits && step.status == Status::ok;
  stage_.refused_ = stage_.refused_ || refused_;
}

bool Actor::is_running() {
  collect();
  if (!running_) return false;
  if (!session_->waits()) return true;
  steps_[next_].waited = stage_.waited_ = true;
  return false;
}

const Step& Actor::tell(Step step) {
  step.order = stage_.told_++;
  Step& told = steps_.emplace_back(std::move(step));
  stage_.settle();
  return told;
}

const Step& Actor::begin() {
  return tell({.act =
                   [](Session& session, Step&) {
                     session.begin();
                     return Status::ok;
                   },
               .begins = true});
}

const Step& Actor::read(std::string_view key) {
  return then([this, key = std::string(key)](Session& session, Step& step) {
    return isolation::read(session, stage_.table(), key, step.value);
  });
}

const Step& Actor::read_for_update(std::string_view key) {
  return then([this, key = std::string(key)](Session& session, Step& step) {
    return isolation::read_for_update(session, stage_.table(), key, step.value);
  });
}

const Step& Actor::insert(std::string_view key, std::string_view value) {
  return then([this, key = std::string(key), value = std::string(value)](Session& session, Step&) {
    return isolation::insert(session, stage_.table(), key, value);
  });
}

const Step& Actor::update(std::string_view key, std::string_view value) {
  return then([this, key = std::string(key), value = std::string(value)](Session& session, Step&) {
    return isolation::update(session, stage_.table(), key, value);
  });
}

const Step& Actor::remove(std::string_view key) {
  return then([this, key = std::string(key)](Session& session, Step&) {
    return session.remove(stage_.table(), as_bytes(key));
  });
}

const Step& Actor::scan(std::function<bool(std::string_view value)> wanted) {
  return then([this, wanted = std::move(wanted)](Session& session, Step& step) {
    const Status status = isolation::scan(session, stage_.table(), step.rows);
    if (wanted) std::erase_if(step.rows, [&](const auto& row) { return !wanted(row.second); });
    return status;
  });
}

const Step& Actor::commit() {
  return tell(
      {.act = [](Session& session, Step&) { return session.commit() ? Status::ok : Status::conflict; },
       .commits = true});
}

const Step& Actor::abort() {
  return then([](Session& session, Step&) {
    session.abort();
    return Status::ok;
  });
}

const Step& Actor::then(std::function<Status(Session&, Step&)> act) {
  return tell({.act = std::move(act)});
}

Stage::Stage(const Level& level, const Rows& rows) : level_(level) {
  DatabaseOptions options = memory_database(directory_.path());
  options.read_committed = level.read_committed;
  options.algorithm = level.algorithm;
  database_ = Database::open(options);
  table_ = database_->create_table("t", table_under_test());
  const auto session = database_->attach(CommitPolicy::durable, level.isolation);
  session->begin();
  for (const auto& [key, value] : rows) {
    if (insert(*session, table_, key, value) != Status::ok) die("the rows cannot be inserted");
  }
  if (!session->commit()) die("the rows cannot be committed");
}

/// All actors are asked first: one may wait for what another gives back as it leaves.
Stage::~Stage() {
  for (const auto& actor : actors_) actor->ask_to_leave();
}

Actor& Stage::actor() {
  actors_.push_back(
      std::unique_ptr<Actor>(new Actor(*this, database_->attach(CommitPolicy::durable, level_.isolation))));
  return *actors_.back();
}

/// Looks until no actor runs, twice in a row: an actor that was seen to wait may have been let go by one that was seen to run
/// later in the same round.
void Stage::wait_until_no_actor_runs() {
  const auto deadline = std::chrono::steady_clock::now() + kHangs;
  Backoff backoff;
  for (int quiet = 0; quiet < 2; backoff.pause()) {
    bool one_runs = false;
    for (const auto& actor : actors_) one_runs = actor->is_running() || one_runs;
    quiet = one_runs ? 0 : quiet + 1;
    if (std::chrono::steady_clock::now() > deadline)
      die("a step neither happens nor waits for another transaction");
  }
}

Actor* Stage::next_to_start() {
  Actor* next = nullptr;
  const auto order = [](const Actor& actor) { return actor.steps_[actor.next_].order; };
  for (const auto& actor : actors_) {
    if (actor->running_ || actor->next_ == actor->steps_.size()) continue;
    if (next == nullptr || order(*actor) < order(*next)) next = actor.get();
  }
  return next;
}

void Stage::settle() {
  wait_until_no_actor_runs();
  while (Actor* const next = next_to_start()) {
    next->start_next();
    wait_until_no_actor_runs();
  }
}

const Rows& Stage::end() {
  if (rows_at_the_end_) return *rows_at_the_end_;
  for (const auto& actor : actors_) {
    if (actor->waits()) die("a step waits for ever: no actor is left that would end what it waits for");
  }
  for (const auto& actor : actors_) actor->leave();
  rows_at_the_end_.emplace();
  const auto session = database_->attach(CommitPolicy::durable, level_.isolation);
  session->begin();
  if (scan(*session, table_, *rows_at_the_end_) != Status::ok || !session->commit())
    die("the rows cannot be read");
  return *rows_at_the_end_;
}

bool Stage::some_actor_waited() const {
  return waited_;
}
bool Stage::some_actor_was_refused() const {
  return refused_;
}

}  // namespace muster::isolation
