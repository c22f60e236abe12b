#include "engine/lsm/compaction.h"

#include <algorithm>
#include <memory>
#include <set>

#include "engine/lsm/merging_iterator.h"
#include "engine/lsm/newest_iterator.h"

namespace muster::lsm {
namespace {

TablePtr open_output(const std::filesystem::path& path, const TableProperties& properties,
                     BlockCache& cache) {
  try {
    return std::make_shared<const Table>(info_of(properties),
                                         TableFile::open(path, cache, properties.number));
  } catch (...) {
    remove_leftover(path);
    throw;
  }
}

/// Which tombstones hide an entry in a table that is no input.
class OlderEntries {
 public:
  OlderEntries(const Compaction& compaction, const Levels& levels) : levels_(levels), to_(compaction.to) {
    if (to_ > 0) return;  // tables of level 0 that overlap are inputs
    std::set<std::uint64_t> inputs;
    for (const TablePtr& table : compaction.inputs) inputs.insert(table->info().number);
    for (const TablePtr& table : levels.level(0)) {
      if (!inputs.contains(table->info().number)) beside_.push_back(table);
    }
  }
  bool may_be_hidden_by(const Entry& tombstone) const {
    return levels_.may_hold_below(to_, tombstone.key) ||
           std::ranges::any_of(beside_, [&](const TablePtr& table) {
             return table->info().least_lsn < tombstone.lsn && table->may_hold(tombstone.key);
           });
  }

 private:
  const Levels& levels_;
  const unsigned to_;
  std::vector<TablePtr> beside_;  // in level 0
};

}  // namespace

std::optional<std::vector<TablePtr>> write_tables(EntryIterator& entries,
                                                  const std::function<bool(const Entry&)>& keeps,
                                                  std::uint64_t bytes_max, const TableWriting& writing,
                                                  std::atomic<std::uint64_t>& written,
                                                  const std::stop_token& stop) {
  std::vector<TablePtr> tables;
  std::filesystem::path path;
  std::optional<TableWriter> writer;
  const auto finish = [&] {
    const TableProperties properties = writer->finish();
    writer.reset();
    written.fetch_add(properties.file_bytes, std::memory_order_relaxed);
    tables.push_back(open_output(path, properties, writing.cache));
  };
  for (entries.seek_to_first(); entries.valid(); entries.next()) {
    if (stop.stop_requested()) return std::nullopt;
    const Entry entry = entries.entry();
    if (!keeps(entry)) continue;
    if (!writer) {
      const std::uint64_t number = writing.new_number();
      path = table_path(writing.directory, number);
      writer.emplace(path, number, writing.options);
    }
    writer->add(entry);
    if (writer->bytes() >= bytes_max) finish();
  }
  if (writer) finish();
  return tables;
}

std::optional<std::vector<TablePtr>> run_compaction(const Compaction& compaction, const Levels& levels,
                                                    const TableWriting& writing, const MayDrop& may_drop,
                                                    Traffic& traffic, const std::stop_token& stop) {
  std::vector<std::unique_ptr<EntryIterator>> sources;
  std::uint64_t bytes = 0;
  for (const TablePtr& table : compaction.inputs) {
    sources.push_back(table->file().iterator(Caching::bypass));
    bytes += table->info().bytes;
  }
  NewestIterator newest(std::make_unique<MergingIterator>(std::move(sources)));
  const OlderEntries older(compaction, levels);
  const auto keeps = [&](const Entry& entry) {
    return !entry.tombstone || older.may_be_hidden_by(entry) || !may_drop(entry);
  };
  auto tables =
      write_tables(newest, keeps, compaction.output_bytes, writing, traffic.compaction_written, stop);
  if (tables) traffic.compaction_read.fetch_add(bytes, std::memory_order_relaxed);
  return tables;
}

}  // namespace muster::lsm
