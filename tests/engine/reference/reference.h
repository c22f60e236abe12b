#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace muster::reference {

using Rows = std::vector<std::pair<std::string, std::string>>;

/// What a table must be like: keys and values under one transaction at a time, and snapshots. Used by one thread.
class Reference {
 public:
  virtual ~Reference() = default;

  // As the open transaction sees it.
  virtual std::optional<std::string> get(const std::string& key) = 0;
  virtual void put(const std::string& key, const std::string& value) = 0;
  virtual void erase(const std::string& key) = 0;
  /// `limit`: rows at most; 0: all.
  virtual Rows scan(const std::string& from, std::size_t limit) = 0;
  virtual void save() = 0;
  /// To the savepoint of this index, which stays; those behind it go.
  virtual void roll_back(std::size_t index) = 0;
  /// `is_durable`: a kill cannot take it back, nor what was committed before.
  virtual void commit(bool is_durable) = 0;
  virtual void abort() = 0;
  /// All that is committed is durable now.
  virtual void settle() = 0;

  // Of what is committed. A slot is free before take_snapshot().
  virtual void take_snapshot(std::uint32_t slot) = 0;
  virtual std::optional<std::string> get_in(std::uint32_t slot, const std::string& key) = 0;
  virtual Rows scan_in(std::uint32_t slot, const std::string& from, std::size_t limit) = 0;
  virtual void end_snapshot(std::uint32_t slot) = 0;

  /// After a kill, which ends the transaction and all snapshots. `found`: what the table has now. The reference goes to the
  /// newest state that a kill may leave and that has this content; none if there is no such state. Returns how many commits it has undone.
  virtual std::optional<std::size_t> recover(const Rows& found) = 0;
};

/// A std::map, and what undoes each commit that may be lost.
class MapReference final : public Reference {
 public:
  std::optional<std::string> get(const std::string& key) override;
  void put(const std::string& key, const std::string& value) override;
  void erase(const std::string& key) override;
  Rows scan(const std::string& from, std::size_t limit) override;
  void save() override { savepoints_.push_back(open_.size()); }
  void roll_back(std::size_t index) override;
  void commit(bool is_durable) override;
  void abort() override;
  void settle() override { volatile_.clear(); }
  void take_snapshot(std::uint32_t slot) override;
  std::optional<std::string> get_in(std::uint32_t slot, const std::string& key) override;
  Rows scan_in(std::uint32_t slot, const std::string& from, std::size_t limit) override;
  void end_snapshot(std::uint32_t slot) override { snapshots_.erase(slot); }
  std::optional<std::size_t> recover(const Rows& found) override;

  /// What recover() has undone in another process. The transaction and the snapshots end.
  void undo_commits(std::size_t count);

 private:
  using Map = std::map<std::string, std::string>;
  struct Before {
    std::string key;
    std::optional<std::string> value;
  };
  using Changes = std::vector<Before>;

  static void undo(Map& map, Changes& changes, std::size_t kept);
  static Rows rows(const Map& map, const std::string& from, std::size_t limit);

  Map map_;
  Changes open_;
  std::vector<std::size_t> savepoints_;
  std::deque<Changes> volatile_;  // of each commit that is not durable yet
  std::map<std::uint32_t, Map> snapshots_;
};

/// RocksDB in a directory of its own, which a kill copies. Every commit must be durable before a kill. Throws
/// std::runtime_error where RocksDB fails.
std::unique_ptr<Reference> make_rocksdb_reference(const std::filesystem::path& directory);

}  // namespace muster::reference
