#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "engine/index/btree.h"
#include "engine/index/redo.h"

namespace muster::test {

inline Bytes bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
inline std::string text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A table's file that has no name and goes with the test.
inline File unnamed_file() {
  return File::open(std::filesystem::temp_directory_path(), O_TMPFILE | O_RDWR);
}

struct LogFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A log in memory that keeps all it is given and can be told to fail.
class RecordingLog : public ChangeLog {
 public:
  struct Record {
    std::optional<RecordChange> change;  // its bytes are in the strings
    std::string key, before, after;
    std::vector<std::pair<PageImage, std::string>> pages;
    std::optional<Reclaim> reclaim;
    Lsn end = 0;
  };

  Lsn change(const RecordChange& change) override {
    Record record;
    record.change = change;
    record.key = text(change.key);
    record.before = text(change.before);
    record.after = text(change.after);
    return append(std::move(record));
  }

  Lsn restructure(std::span<const PageImage> pages) override {
    Record record;
    for (const PageImage& page : pages) record.pages.emplace_back(page, text(page.bytes));
    return append(std::move(record));
  }

  bool may_reclaim(TableId, Bytes key) override { return !still_needed.contains(text(key)); }

  Lsn reclaim(const Reclaim& ghosts) override {
    Record record;
    record.reclaim = ghosts;
    return append(std::move(record));
  }

  /// Redoes record `index`, with the bytes that were kept. Returns how many pages it changed.
  int replay(std::size_t index, BufferManager& buffers) const {
    const Record& record = records[index];
    if (record.change) {
      RecordChange change = *record.change;
      change.key = bytes(record.key);
      change.before = bytes(record.before);
      change.after = bytes(record.after);
      return redo(buffers, change, record.end) ? 1 : 0;
    }
    if (record.reclaim) return redo(buffers, *record.reclaim, record.end) ? 1 : 0;
    int changed = 0;
    for (const auto& [page, content] : record.pages) {
      const PageImage image{.table = page.table, .page = page.page, .bytes = bytes(content)};
      changed += redo(buffers, image, record.end) ? 1 : 0;
    }
    return changed;
  }

  std::vector<Record> records;                                      // in LSN order
  std::size_t fail_from = std::numeric_limits<std::size_t>::max();  // the record that fails, and all after it
  std::atomic<Lsn> end{0};
  std::set<std::string> still_needed;  // ghosts that may not go

 private:
  Lsn append(Record record) {
    const std::lock_guard lock(mutex_);
    if (records.size() >= fail_from) throw LogFailure("the log has failed");
    record.end = end.load() + 100;
    end.store(record.end);
    records.push_back(std::move(record));
    return record.end;
  }

  std::mutex mutex_;
};

/// What a log gives that is not looked at: LSNs.
class CountingLog : public ChangeLog {
 public:
  Lsn change(const RecordChange&) override { return end_.fetch_add(8) + 8; }
  Lsn restructure(std::span<const PageImage>) override { return end_.fetch_add(8) + 8; }
  bool may_reclaim(TableId, Bytes) override { return true; }
  Lsn reclaim(const Reclaim&) override { return end_.fetch_add(8) + 8; }

 private:
  std::atomic<Lsn> end_{0};
};

inline constexpr TableId kTable = 3;

/// One tree over few frames.
struct TreeFixture {
  explicit TreeFixture(ChangeLog& log, std::size_t frames = BufferManager::kFramesMin,
                       ReadLatch read_latch = ReadLatch::optimistic)
      : buffers({.frames = frames}, [](Lsn) {}) {
    buffers.open_table(kTable, unnamed_file());
    BTree::create(buffers, kTable, log);
    tree.emplace(buffers, kTable, read_latch);
  }

  BufferManager buffers;
  std::optional<BTree> tree;
};

/// As a transaction that nobody else minds.
inline Status remove_and_reclaim(BTree& tree, Bytes key, ChangeLog& log) {
  const Status status = tree.remove(key, log);
  tree.reclaim(key, log);
  return status;
}

inline std::map<std::string, std::string> contents(const BTree& tree) {
  std::map<std::string, std::string> all;
  tree.scan({}, [&](const TableRecord& record) {
    if (!record.ghost) all.emplace(text(record.key), text(record.value));
    return true;
  });
  return all;
}

}  // namespace muster::test
