#include "engine/lsm/compaction_picker.h"

#include <algorithm>
#include <set>

namespace muster::lsm {
namespace {

/// What the running compactions forbid.
class Busy {
 public:
  explicit Busy(const RunningCompactions& running) : running_(running) {
    for (const auto& compaction : running) {
      for (const TablePtr& table : compaction->inputs) numbers_.insert(table->info().number);
    }
  }
  bool is(const TablePtr& table) const { return numbers_.contains(table->info().number); }
  bool is_any(const std::vector<TablePtr>& tables) const {
    return std::ranges::any_of(tables, [&](const TablePtr& table) { return is(table); });
  }
  /// Whether what both write would lie across each other.
  bool is_in_the_way(const Compaction& other) const {
    return std::ranges::any_of(running_, [&](const auto& compaction) {
      return other.to > 0 && compaction->to == other.to &&
             compare_keys(compaction->smallest, other.largest) <= 0 &&
             compare_keys(other.smallest, compaction->largest) <= 0;
    });
  }

 private:
  const RunningCompactions& running_;
  std::set<std::uint64_t> numbers_;
};

void widen(Compaction& compaction, const TableInfo& table) {
  if (compaction.inputs.empty() || compare_keys(table.smallest, compaction.smallest) < 0)
    compaction.smallest = table.smallest;
  if (compaction.inputs.empty() || compare_keys(table.largest, compaction.largest) > 0)
    compaction.largest = table.largest;
}

void take(Compaction& compaction, const TablePtr& table) {
  widen(compaction, table->info());
  compaction.inputs.push_back(table);
}

bool has_tombstones(const std::vector<TablePtr>& tables) {
  return std::ranges::any_of(tables, [](const TablePtr& table) { return table->info().tombstones > 0; });
}

/// `upper`: tables of `from`. None where a running compaction is in the way.
std::optional<Compaction> complete(const Levels& levels, Compaction upper, const LeveledOptions& options,
                                   const Busy& busy) {
  if (busy.is_any(upper.inputs)) return std::nullopt;
  const std::vector<TablePtr> lower = levels.overlapping(upper.to, upper.smallest, upper.largest);
  if (busy.is_any(lower)) return std::nullopt;
  // A table with tombstones is written anew, since some may go.
  upper.moves = upper.inputs.size() == 1 && lower.empty() && !has_tombstones(upper.inputs);
  for (const TablePtr& table : lower) take(upper, table);
  upper.output_bytes = options.output_bytes;
  if (busy.is_in_the_way(upper)) return std::nullopt;
  return upper;
}

/// The oldest table of level 0 and all that overlap, directly or through others: no older entry of a key stays above.
std::optional<Compaction> pick_from_level_0(const Levels& levels, const LeveledOptions& options,
                                            const Busy& busy) {
  Compaction compaction{.from = 0, .to = 1};
  take(compaction, levels.level(0).back());
  for (std::size_t taken = 0; taken != compaction.inputs.size();) {
    taken = compaction.inputs.size();
    const std::vector<TablePtr> tables = levels.overlapping(0, compaction.smallest, compaction.largest);
    compaction.inputs.clear();
    for (const TablePtr& table : tables) take(compaction, table);
  }
  return complete(levels, std::move(compaction), options, busy);
}

/// The first table above the cursor that no running compaction hinders, round and round.
std::optional<Compaction> pick_from(unsigned number, const Levels& levels, const LeveledOptions& options,
                                    const Busy& busy, const std::optional<Key>& cursor) {
  const Levels::Level& level = levels.level(number);
  const auto begin =
      !cursor ? level.begin() : std::ranges::partition_point(level, [&](const TablePtr& table) {
        return compare_keys(table->info().smallest, *cursor) <= 0;
      });
  const auto first = static_cast<std::size_t>(begin - level.begin());
  for (std::size_t n = 0; n < level.size(); ++n) {
    const TablePtr& table = level[(first + n) % level.size()];
    Compaction compaction{.from = number, .to = number + 1, .cursor = table->info().largest};
    take(compaction, table);
    auto completed = complete(levels, std::move(compaction), options, busy);
    if (completed) return completed;
  }
  return std::nullopt;
}

/// How much a level has of what begins a compaction; more than 1 does. What a running one takes away is gone already.
double fullness(unsigned number, const Levels& levels, const LeveledOptions& options, const Busy& busy) {
  std::uint64_t tables = 0;
  std::uint64_t bytes = 0;
  for (const TablePtr& table : levels.level(number)) {
    if (busy.is(table)) continue;
    ++tables;
    bytes += table->info().bytes;
  }
  if (number == 0) return static_cast<double>(tables) / (static_cast<double>(options.level0_tables) - 0.5);
  auto target = static_cast<double>(options.level1_bytes);
  for (unsigned n = 1; n < number; ++n) target *= static_cast<double>(options.growth);
  return static_cast<double>(bytes) / std::max(target, 1.0);
}

std::optional<Compaction> flatten(const Levels& levels, const Busy& busy) {
  Compaction compaction{.from = 0, .to = 0, .moves = true};
  for (unsigned number = kLevels; number-- > 1;) {
    for (const TablePtr& table : levels.level(number)) take(compaction, table);
  }
  // All of them or none: an entry must not come to stand above a newer one.
  if (compaction.inputs.empty() || busy.is_any(compaction.inputs)) return std::nullopt;
  return compaction;
}

}  // namespace

std::optional<Compaction> pick_leveled(const Levels& levels, const LeveledOptions& options,
                                       const RunningCompactions& running, const Cursors& cursors) {
  const Busy busy(running);
  std::vector<std::pair<double, unsigned>> full;
  for (unsigned number = 0; number + 1 < kLevels; ++number) {
    const double part = fullness(number, levels, options, busy);
    if (part > 1) full.emplace_back(part, number);
  }
  std::ranges::sort(full, std::greater());
  for (const auto& [part, number] : full) {
    auto compaction = number == 0 ? pick_from_level_0(levels, options, busy)
                                  : pick_from(number, levels, options, busy, cursors[number]);
    if (compaction) return compaction;
  }
  return std::nullopt;
}

std::optional<Compaction> pick_size_tiered(const Levels& levels, const SizeTieredOptions& options,
                                           const RunningCompactions& running) {
  const Busy busy(running);
  if (auto compaction = flatten(levels, busy)) return compaction;
  std::vector<TablePtr> tables;
  std::ranges::copy_if(levels.level(0), std::back_inserter(tables),
                       [&](const TablePtr& table) { return !busy.is(table); });
  std::ranges::stable_sort(tables, {}, [](const TablePtr& table) { return table->info().bytes; });

  // From small to large, so that the first bucket that is full is the cheapest.
  for (std::size_t begin = 0; begin < tables.size();) {
    double sum = 0;
    std::size_t end = begin;
    for (; end < tables.size(); ++end) {
      const auto bytes = static_cast<double>(tables[end]->info().bytes);
      const double mean = end == begin ? bytes : sum / static_cast<double>(end - begin);
      const bool is_small = tables[end]->info().bytes <= options.small_bytes;
      if (!is_small && (bytes < mean * options.low || bytes > mean * options.high)) break;
      sum += bytes;
    }
    if (end - begin >= options.tables_min) {
      Compaction compaction;
      std::vector<TablePtr> bucket(tables.begin() + static_cast<std::ptrdiff_t>(begin),
                                   tables.begin() + static_cast<std::ptrdiff_t>(end));
      std::ranges::sort(bucket, {}, [](const TablePtr& table) { return table->info().greatest_lsn; });
      bucket.resize(std::min(bucket.size(), options.tables_max));  // the oldest
      for (const TablePtr& table : bucket) take(compaction, table);
      return compaction;
    }
    begin = end;
  }
  return std::nullopt;
}

}  // namespace muster::lsm
