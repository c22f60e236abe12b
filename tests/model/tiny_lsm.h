#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/lsm/parts.h"
#include "tests/model/lifetime.h"

namespace muster::model {

inline constexpr std::uint32_t kTinyKeys = 3;
inline constexpr std::uint32_t kTinyTables = 6;

/// By key, the LSN of its newest entry: the end of a log record of one byte. 0: none.
using Newest = std::array<Lsn, kTinyKeys>;

/// Whether a trace is recorded of the thread that runs; none runs while a program is set up.
bool is_told();
void note(const std::string& text);

/// A table file: what is in it, and what of it survives a crash.
struct TinyTable {
  TinyTable(std::uint32_t number, const Newest& entries) : life("table", number), newest(entries) {}

  Lifetime life;
  Newest newest;
  bool synced = false;
  bool named = false;                            // by the manifest
  std::optional<Execution::Access> first_named;  // when
};

/// Up to a few, the newest first.
struct TinyTables {
  std::array<TinyTable*, kTinyTables> tables{};
  std::uint32_t count = 0;

  void push_back(TinyTable* table);
  void erase(const TinyTable* table);
};

/// What a crash leaves: the log from where it was cut, and the tables that the manifest names. After every change of it,
/// all that the log has ever had must be in one or the other.
///
/// A log record counts as durable and acknowledged once it is appended, the earliest that it can be.
class TinyDisk {
 public:
  void appended(std::uint32_t key, Lsn begin) { records_.push_back({key, begin}); }
  TinyTable& create(const Newest& entries);
  void edit(const TinyTables& more, const TinyTables& less);
  void remove(TinyTable& table);
  void cut_log(Lsn begin);

 private:
  struct Record {
    std::uint32_t key;
    Lsn begin;
    bool is_in(const TinyTable& table) const { return table.newest[key] > begin; }
  };

  void want_all_after_a_crash() const;

  Lsn log_begin_ = 0;
  std::vector<Record> records_;
  std::vector<std::unique_ptr<TinyTable>> tables_;  // ever made
};

}  // namespace muster::model
