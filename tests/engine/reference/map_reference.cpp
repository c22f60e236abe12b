#include <algorithm>
#include <utility>

#include "tests/engine/reference/reference.h"

namespace muster::reference {

std::optional<std::string> MapReference::get(const std::string& key) {
  const auto found = map_.find(key);
  return found == map_.end() ? std::nullopt : std::optional(found->second);
}

void MapReference::put(const std::string& key, const std::string& value) {
  open_.push_back({key, get(key)});
  map_[key] = value;
}

void MapReference::erase(const std::string& key) {
  open_.push_back({key, get(key)});
  map_.erase(key);
}

Rows MapReference::rows(const Map& map, const std::string& from, std::size_t limit) {
  Rows rows;
  for (auto at = map.lower_bound(from); at != map.end() && (limit == 0 || rows.size() < limit); ++at)
    rows.emplace_back(*at);
  return rows;
}

Rows MapReference::scan(const std::string& from, std::size_t limit) {
  return rows(map_, from, limit);
}

void MapReference::undo(Map& map, Changes& changes, std::size_t kept) {
  for (; changes.size() > kept; changes.pop_back()) {
    Before& before = changes.back();
    if (before.value) {
      map[before.key] = *before.value;
    } else {
      map.erase(before.key);
    }
  }
}

void MapReference::roll_back(std::size_t index) {
  undo(map_, open_, savepoints_.at(index));
  savepoints_.resize(index + 1);
}

void MapReference::commit(bool is_durable) {
  savepoints_.clear();
  if (open_.empty()) return;  // what changes nothing waits for nothing but what it has read
  volatile_.push_back(std::exchange(open_, {}));
  if (is_durable) settle();
}

void MapReference::abort() {
  savepoints_.clear();
  undo(map_, open_, 0);
}

void MapReference::take_snapshot(std::uint32_t slot) {
  Changes open = open_;
  Map& snapshot = snapshots_[slot] = map_;
  undo(snapshot, open, 0);
}

std::optional<std::string> MapReference::get_in(std::uint32_t slot, const std::string& key) {
  const Map& snapshot = snapshots_.at(slot);
  const auto found = snapshot.find(key);
  return found == snapshot.end() ? std::nullopt : std::optional(found->second);
}

Rows MapReference::scan_in(std::uint32_t slot, const std::string& from, std::size_t limit) {
  return rows(snapshots_.at(slot), from, limit);
}

void MapReference::undo_commits(std::size_t count) {
  abort();
  snapshots_.clear();
  for (; count > 0; --count) {
    undo(map_, volatile_.back(), 0);
    volatile_.pop_back();
  }
  settle();  // an opening makes durable what it finds
}

std::optional<std::size_t> MapReference::recover(const Rows& found) {
  abort();
  const auto is_found = [&found](const Map& map) {
    return std::ranges::equal(map, found, [](const auto& ours, const auto& theirs) {
      return ours.first == theirs.first && ours.second == theirs.second;
    });
  };
  std::size_t undone = 0;
  Map state = map_;
  for (auto commit = volatile_.rbegin(); !is_found(state); ++commit, ++undone) {
    if (commit == volatile_.rend()) return std::nullopt;
    Changes changes = *commit;
    undo(state, changes, 0);
  }
  undo_commits(undone);
  return undone;
}

}  // namespace muster::reference
