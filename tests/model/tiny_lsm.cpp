#include "tests/model/tiny_lsm.h"

#include <fmt/format.h>

#include <algorithm>

namespace muster::model {
namespace {

void fail(const std::string& violation) {
  Execution::current().fail(violation);
}

}  // namespace

bool is_told() {
  return Execution::current().recording() && Execution::current().self() != kNone;
}

void note(const std::string& text) {
  Execution::current().mark("note", text);
}

void TinyTables::push_back(TinyTable* table) {
  if (count == kTinyTables) throw LimitReached("more tables than kTinyTables: want fewer flushes");
  tables[count++] = table;
}

void TinyTables::erase(const TinyTable* table) {
  auto* const end = tables.begin() + count;
  auto* const place = std::find(tables.begin(), end, table);
  if (place == end) {
    fail(fmt::format("twice: {} is replaced, and the view has it no more", table->life.name()));
    return;
  }
  std::copy(place + 1, end, place);
  --count;
}

TinyTable& TinyDisk::create(const Newest& entries) {
  tables_.push_back(std::make_unique<TinyTable>(static_cast<std::uint32_t>(tables_.size()), entries));
  return *tables_.back();
}

void TinyDisk::edit(const TinyTables& more, const TinyTables& less) {
  for (std::uint32_t i = 0; i < less.count; ++i) less.tables[i]->named = false;
  for (std::uint32_t i = 0; i < more.count; ++i) {
    TinyTable& table = *more.tables[i];
    table.named = true;
    table.first_named = Execution::current().access();
    if (is_told()) note(fmt::format("the manifest names {}", table.life.name()));
  }
  want_all_after_a_crash();
}

void TinyDisk::remove(TinyTable& table) {
  if (table.named) fail(fmt::format("lost: the manifest names {}, whose file is removed", table.life.name()));
  table.life.end();
  if (is_told()) note(fmt::format("removes the file of {}", table.life.name()));
}

/// That a table is durable must have happened before the cut: that it has come true by chance is not enough.
void TinyDisk::cut_log(Lsn begin) {
  if (is_told()) note(fmt::format("the log is cut below {}", begin));
  log_begin_ = std::max(log_begin_, begin);
  want_all_after_a_crash();
  for (const Record& record : records_) {
    if (record.begin >= begin) continue;
    const bool known = std::ranges::any_of(tables_, [&](const auto& table) {
      return record.is_in(*table) && table->first_named &&
             Execution::current().happened_before(*table->first_named);
    });
    if (!known) {
      fail(fmt::format(
          "data race: the log is cut below {}, and that the record at {} is in a durable table did "
          "not happen before",
          begin, record.begin));
    }
  }
}

void TinyDisk::want_all_after_a_crash() const {
  for (const auto& table : tables_) {
    if (table->named && !table->synced) {
      fail(fmt::format("lost: a crash here leaves a manifest that names {}, whose content is not on the disk",
                       table->life.name()));
    }
  }
  for (const Record& record : records_) {
    const auto has_it = [&](const auto& table) { return table->named && record.is_in(*table); };
    if (record.begin < log_begin_ && std::ranges::none_of(tables_, has_it)) {
      fail(fmt::format("lost: after a crash here the record at {} is in no table, and the log begins at {}",
                       record.begin, log_begin_));
    }
  }
}

}  // namespace muster::model
