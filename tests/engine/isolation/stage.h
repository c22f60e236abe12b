#pragma once

#include <array>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "engine/database.h"
#include "tests/temporary_directory.h"

namespace muster::isolation {

/// One column of the table.
struct Level {
  std::string_view name;
  Isolation isolation;
  ReadCommitted read_committed = ReadCommitted::versions;
  std::string_view algorithm = "border_collie";  ///< the log buffer's
};
inline constexpr std::array<Level, 6> kLevels{{
    {"read committed, locks", Isolation::read_committed, ReadCommitted::locks},
    {"read committed, versions", Isolation::read_committed, ReadCommitted::versions},
    {"snapshot", Isolation::snapshot},
    {"two-phase locking", Isolation::two_phase_locking},
    {"serializable snapshot", Isolation::serializable_snapshot},
    {"serial", Isolation::serial},
}};

using Rows = std::map<std::string, std::string>;

/// What one operation of one transaction came to. It may not have happened yet: its actor waits in it, or before it. It is
/// final when the stage is over.
struct Step {
  std::function<Status(Session&, Step&)> act;
  bool begins = false;
  bool commits = false;
  std::size_t order = 0;  ///< in which it was told, among all of the stage

  bool done = false;     ///< it happened
  bool waited = false;   ///< for another transaction
  bool skipped = false;  ///< the transaction had been rolled back before it
  Status status = Status::ok;
  std::string value{};  ///< that was read
  Rows rows{};          ///< that were scanned

  bool succeeded() const { return done && !skipped && status == Status::ok; }
  bool saw(std::string_view wanted) const { return succeeded() && value == wanted; }
  bool saw(const Rows& wanted) const { return succeeded() && rows == wanted; }
};

class Stage;

/// A session with a thread of its own, told what to do step by step. A step returns once it has happened, or once the actor
/// waits in it for another transaction; what it is told then happens later, as soon as it goes on. Moved by the main thread.
class Actor {
 public:
  ~Actor();
  Actor(const Actor&) = delete;
  Actor& operator=(const Actor&) = delete;

  const Step& begin();
  const Step& read(std::string_view key);
  const Step& read_for_update(std::string_view key);
  const Step& insert(std::string_view key, std::string_view value);
  const Step& update(std::string_view key, std::string_view value);
  const Step& remove(std::string_view key);
  /// All rows, of which `wanted` says by their values which are kept: a predicate.
  const Step& scan(std::function<bool(std::string_view value)> wanted = {});
  const Step& commit();
  const Step& abort();
  /// What an application does that looks before it writes. Its operations are one step: no other actor comes in between
  /// unless it waits.
  const Step& then(std::function<Status(Session&, Step&)> act);

  /// Whether the step that it was told last has not happened.
  bool waits() const { return next_ < steps_.size(); }
  /// Whether the transaction that it was told of last was committed.
  bool committed() const { return committed_; }
  /// Whether the engine has rolled back its transaction: it may begin again.
  bool was_refused() const { return refused_; }

 private:
  friend class Stage;
  Actor(Stage& stage, std::unique_ptr<Session> session);

  const Step& tell(Step step);
  void start_next();
  void collect();     ///< the step that was started, if it has happened
  bool is_running();  ///< and does not wait
  void ask_to_leave();
  void leave();
  void work();

  Stage& stage_;
  std::unique_ptr<Session> session_;
  std::deque<Step> steps_;
  std::size_t next_ = 0;  // of steps_: all before have happened
  bool running_ = false;  // the next one has been started
  bool committed_ = false;
  bool refused_ = false;

  std::mutex mutex_;  // guards what follows
  std::condition_variable told_;
  Step* now_ = nullptr;
  bool finished_ = false;  // with *now_
  bool leaves_ = false;
  std::thread thread_;  // last: uses the others
};

/// A database at one level, a table of texts, and the transactions that run in it. The order in which steps happen is the order
/// in which they are told, whatever the threads' speed: whether a step has happened or waits is asked, not timed.
class Stage {
 public:
  Stage(const Level& level, const Rows& rows);
  ~Stage();
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  const Level& level() const { return level_; }
  TableId table() const { return table_; }
  Actor& actor();

  /// After the last step: the rows that are there. No actor is told anything any more.
  const Rows& end();

  bool some_actor_waited() const;
  bool some_actor_was_refused() const;

 private:
  friend class Actor;
  /// Until every actor has done all it was told, or waits. First, every actor that need not wait any more ends its step. Then
  /// one step happens at a time, the one that was told first.
  void settle();
  void wait_until_no_actor_runs();
  Actor* next_to_start();

  const Level level_;
  TemporaryDirectory directory_;
  std::unique_ptr<Database> database_;
  TableId table_ = 0;
  std::vector<std::unique_ptr<Actor>> actors_;
  std::size_t told_ = 0;  // steps
  std::optional<Rows> rows_at_the_end_;
  bool waited_ = false;
  bool refused_ = false;
};

/// The number that a value shows.
int number(std::string_view value);

/// For steps of Actor::then.
Status read(Session& session, TableId table, std::string_view key, std::string& value);
Status read_for_update(Session& session, TableId table, std::string_view key, std::string& value);
Status insert(Session& session, TableId table, std::string_view key, std::string_view value);
Status update(Session& session, TableId table, std::string_view key, std::string_view value);
Status scan(Session& session, TableId table, Rows& rows);

}  // namespace muster::isolation
