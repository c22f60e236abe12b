#include "tests/engine/power/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <thread>

#include "engine/index/btree.h"

namespace muster::power {
namespace {

using Random = std::mt19937_64;

constexpr std::uint64_t kAccounts = 24;
constexpr std::uint64_t kChurnKeys = 160;
/// How hard a load works: changes of a transaction are fewer than `churn`.
struct Pace {
  std::uint64_t churn;
  std::uint64_t between_checkpoints;  // transactions
};
Pace pace_of(TableMix tables) {
  return tables == TableMix::btree ? Pace{6, 12} : Pace{20, 15};
}
constexpr const char* kTables[] = {History::kAccounts, History::kChurn, History::kJournal};

TableKind kind_of(TableMix tables, std::string_view table) {
  const bool is_tree = tables == TableMix::lsm || (tables == TableMix::mixed && table == History::kChurn);
  return is_tree ? TableKind::lsm : TableKind::btree;
}

Bytes bytes(const std::string& text) {
  return std::as_bytes(std::span(text));
}
std::string text(Bytes from) {
  return {reinterpret_cast<const char*>(from.data()), from.size()};
}

void wait_for(std::vector<std::thread>& threads) {
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

DatabaseOptions options_of(const Setting& setting, const std::filesystem::path& directory) {
  DatabaseOptions options;
  options.directory = directory;
  options.algorithm = setting.algorithm;
  options.log_buffer.capacity = 64 << 10;
  options.log_buffer.max_workers = 4;
  options.log.segment_bytes = 64 << 10;
  options.log.direct = setting.direct;
  options.log.group_commits = 2;
  options.frames =
      std::max(BufferManager::kFramesMin, BTree::kLatchedPagesMax * options.log_buffer.max_workers);
  options.early_lock_release = setting.early_lock_release;
  options.redo_workers = setting.redo_workers;
  options.begin_record = setting.begin_record;
  options.lsm.memtable_bytes = lsm::LsmOptions::kMemtableBytesMin;
  return options;
}

/// One session.
class Load::Worker {
 public:
  Worker(Load& load, CommitPolicy policy, std::uint64_t seed, Isolation level)
      : load_(load),
        session_(load.database_.attach(policy, level)),
        level_(level),
        pace_(pace_of(load.tables_)),
        random_(seed) {
    for (const char* name : kTables) tables_[name] = load.database_.find_table(name).value();
  }

  void run() {
    if (random_() % 8 == 0) {
      const char* const table = kTables[random_() % 2];
      return level_ == Isolation::snapshot ? add_up() : scan(table);
    }
    const TransactionNumber number = load_.next_++;
    only_read(number);
    done_ = {};
    session_->begin();
    const bool alive = move_money(number) && churn(number) &&
                       put({History::kJournal, History::journal_key(number)}, number, padding(300));
    if (!alive) return;  // a deadlock's victim, rolled back
    if (number % pace_.between_checkpoints == 0)
      load_.database_.checkpoint();  // beside this transaction at least
    if (random_() % 4 == 0) return session_->abort();
    Promise* promise = nullptr;
    {
      const std::lock_guard guard(load_.mutex_);
      load_.history_.add(number, std::move(done_));
      promise = &load_.promises_.emplace_back(Promise{load_.note_, {number}});
    }
    load_.note_(Event::Kind::begun, number);
    session_->commit(on_acknowledged, promise);
  }

  void finish() { session_->wait_for_acknowledgements(); }

 private:
  static void on_acknowledged(void* context) noexcept {
    const auto& promise = *static_cast<Promise*>(context);
    for (const TransactionNumber number : promise.numbers) promise.note(Event::Kind::promised, number);
  }

  /// Phantoms are not excluded, so it can be asked only about records that nobody has written since the scan began.
  void scan(const std::string& table) {
    const std::map<std::string, History::LastWrite> before = last_writes(table);
    std::map<std::string, std::string> seen;
    session_->begin();
    const Status status = session_->scan(tables_.at(table), {}, [&](Bytes key, Bytes value) {
      seen.emplace(text(key), text(value));
      return true;
    });
    if (was_rolled_back(status)) return;
    Promise promise{load_.note_, {}};
    for (const auto& [key, now] : last_writes(table)) {
      const auto then = before.find(key);
      if (then == before.end()) continue;
      promise.numbers.insert(then->second.writer);  // whoever came later had seen it
      if (then->second.writer == now.writer && now.removed == seen.contains(key)) {
        throw WrongAnswer(fmt::format("a scan has {} {}/{}, which {} has {}", now.removed ? "seen" : "missed",
                                      table, key, now.writer, now.removed ? "removed" : "written"));
      }
    }
    Promise* kept = nullptr;
    {
      const std::lock_guard guard(load_.mutex_);
      kept = &load_.promises_.emplace_back(std::move(promise));
    }
    session_->commit(on_acknowledged, kept);
  }

  /// What a snapshot shows of the accounts.
  void add_up() {
    std::int64_t sum = 0;
    session_->begin();
    const Status status = session_->scan(tables_.at(History::kAccounts), {}, [&](Bytes, Bytes value) {
      sum += History::balance_in(text(value));
      return true;
    });
    session_->commit();
    if (status != Status::ok || sum != 0)
      throw WrongAnswer(fmt::format("a snapshot shows accounts whose sum is {}", sum));
  }

  std::map<std::string, History::LastWrite> last_writes(const std::string& table) {
    const std::lock_guard guard(load_.mutex_);
    return load_.history_.last_writes(table);
  }

  /// One lock, so that it is no deadlock's victim.
  void only_read(TransactionNumber number) {
    session_->begin();
    const Status status =
        session_->read(tables_.at(History::kAccounts), bytes(account(number % kAccounts)), buffer_);
    if (status == Status::deadlock) throw WrongAnswer("a transaction with one lock was a deadlock's victim");
    session_->commit();
  }

  bool move_money(TransactionNumber number) {
    const std::uint64_t from = random_() % kAccounts;
    const std::uint64_t to = (from + 1 + random_() % (kAccounts - 1)) % kAccounts;
    const std::int64_t amount = static_cast<std::int64_t>(random_() % 100);
    std::optional<std::string> other;
    return read({History::kAccounts, account(random_() % kAccounts)}, other, false) &&
           add_to(from, -amount, number) && add_to(to, amount, number);
  }

  bool add_to(std::uint64_t which, std::int64_t amount, TransactionNumber number) {
    const RecordName record{History::kAccounts, account(which)};
    std::optional<std::string> value;
    if (!read(record, value, true)) return false;
    const std::int64_t balance = (value ? History::balance_in(*value) : 0) + amount;
    return put(record, number, fmt::format("{}|{}", balance, padding(120)));
  }

  bool churn(TransactionNumber number) {
    for (std::uint64_t i = random_() % pace_.churn; i > 0; --i) {
      const RecordName record{History::kChurn, fmt::format("{:04}", random_() % kChurnKeys)};
      std::optional<std::string> value;
      if (!read(record, value, true)) return false;
      if (value && random_() % 2 == 0) {
        if (!remove(record)) return false;
      } else if (!put(record, number, padding(900))) {
        return false;
      }
    }
    return true;
  }

  // Each of these is false once the transaction was the victim of a deadlock.

  bool read(const RecordName& record, std::optional<std::string>& value, bool for_update) {
    const TableId table = tables_.at(record.first);
    const Status status = for_update ? session_->read_for_update(table, bytes(record.second), buffer_)
                                     : session_->read(table, bytes(record.second), buffer_);
    if (was_rolled_back(status)) return false;
    value = status == Status::ok ? std::optional(text(buffer_)) : std::nullopt;
    if (done_.writes.contains(record)) return true;
    if (level_ == Isolation::snapshot && !for_update) {  // perhaps not the newest
      if (value) done_.follows.insert(History::number_in(*value));
      return true;
    }
    const std::lock_guard guard(load_.mutex_);
    const TransactionNumber writer = load_.history_.writer_of(record);
    if (value && History::number_in(*value) != writer) {
      throw WrongAnswer(fmt::format("{}/{} was read as {} wrote it, the last writer was {}", record.first,
                                    record.second, History::number_in(*value), writer));
    }
    if (writer != 0) done_.follows.insert(writer);
    return true;
  }

  bool put(const RecordName& record, TransactionNumber number, const std::string& more) {
    const TableId table = tables_.at(record.first);
    std::string value = fmt::format("{}|{}", number, more);
    Status status = session_->update(table, bytes(record.second), bytes(value));
    if (status == Status::not_found) status = session_->insert(table, bytes(record.second), bytes(value));
    if (was_rolled_back(status)) return false;
    done_.writes[record] = std::move(value);
    return true;
  }

  bool remove(const RecordName& record) {
    if (was_rolled_back(session_->remove(tables_.at(record.first), bytes(record.second)))) return false;
    done_.writes[record] = std::nullopt;
    return true;
  }

  std::string padding(std::size_t most) {
    return std::string(random_() % most, static_cast<char>('a' + random_() % 26));
  }
  static std::string account(std::uint64_t which) { return fmt::format("{:04}", which); }

  Load& load_;
  std::unique_ptr<Session> session_;
  const Isolation level_;
  const Pace pace_;
  Random random_;
  std::map<std::string, TableId> tables_;
  History::Transaction done_;
  std::vector<std::byte> buffer_;
};

void Load::create_tables() {
  for (const char* name : kTables) {
    if (!database_.find_table(name)) database_.create_table(name, kind_of(tables_, name));
  }
}

void Load::run(CommitPolicy policy, std::uint32_t threads, std::uint32_t transactions, std::uint64_t seed,
               Isolation level) {
  std::exception_ptr failure;
  std::mutex failing;
  const auto work = [&](std::uint32_t thread) {
    try {
      Worker worker(*this, policy, seed * 64 + thread, level);
      for (std::uint32_t i = 0; i < transactions; ++i) worker.run();
      worker.finish();
    } catch (...) {
      const std::lock_guard guard(failing);
      failure = std::current_exception();
    }
  };
  if (threads == 1) {
    work(0);
  } else {
    std::vector<std::thread> all;
    for (std::uint32_t thread = 0; thread < threads; ++thread) all.emplace_back(work, thread);
    wait_for(all);
  }
  if (failure) std::rethrow_exception(failure);
}

Contents read_all(Database& database) {
  database.check();
  Contents found;
  const auto session = database.attach(CommitPolicy::durable);
  session->begin();
  for (const char* name : kTables) {
    const auto table = database.find_table(name);
    if (!table) continue;
    auto& records = found[name];
    const Status status = session->scan(*table, {}, [&](Bytes key, Bytes value) {
      records.emplace(text(key), text(value));
      return true;
    });
    if (status != Status::ok) throw std::runtime_error("a scan met a deadlock where nobody else is at work");
  }
  session->commit();
  return found;
}

}  // namespace muster::power
