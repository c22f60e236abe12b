#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace muster::testing {

/// A table of predicate locks, as the textbook has them. What a reader has asked for stays here until its transaction ends.
/// Every writer asks each predicate of the other transactions whether its record satisfies it. For measuring what that costs;
/// the engine locks ranges of an index instead.
/// Source: Eswaran, Gray, Lorie, Traiger, CACM 19(11), 1976.
class PredicateLocks {
 public:
  using Owner = std::size_t;
  using Predicate = std::function<bool(const std::string& key, const std::string& value)>;

  void read(Owner owner, Predicate predicate) {
    const std::lock_guard guard(mutex_);
    predicates_.emplace_back(owner, std::move(predicate));
  }
  /// Whether the record belongs to nothing that another owner has read.
  bool may_write(Owner owner, const std::string& key, const std::string& value) {
    const std::lock_guard guard(mutex_);
    for (const auto& [reader, predicate] : predicates_) {
      if (reader != owner && predicate(key, value)) return false;
    }
    return true;
  }
  void end(Owner owner) {
    const std::lock_guard guard(mutex_);
    std::erase_if(predicates_, [&](const auto& entry) { return entry.first == owner; });
  }

 private:
  std::mutex mutex_;
  std::vector<std::pair<Owner, Predicate>> predicates_;
};

}  // namespace muster::testing
