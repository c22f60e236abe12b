#include "engine/lsm/manifest_state.h"

#include <fmt/format.h>

#include <cstring>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace muster::lsm {
namespace {

using Json = nlohmann::json;

Json to_json(const Key& key) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(key.data());
  return Json::binary(std::vector<std::uint8_t>(bytes, bytes + key.size()));
}

Key key_from(const Json& json) {
  const auto& bytes = json.get_binary();
  Key key(bytes.size());
  if (!key.empty()) std::memcpy(key.data(), bytes.data(), bytes.size());
  return key;
}

Json to_json(const PlacedTable& placed) {
  const TableInfo& table = placed.table;
  return {{"level", placed.level},
          {"number", table.number},
          {"bytes", table.bytes},
          {"entries", table.entries},
          {"tombstones", table.tombstones},
          {"lsn", Json::array({table.least_lsn, table.greatest_lsn})},
          {"keys", Json::array({to_json(table.smallest), to_json(table.largest)})}};
}

PlacedTable table_from(const Json& json) {
  return {.level = json.at("level").get<unsigned>(),
          .table = {.number = json.at("number").get<std::uint64_t>(),
                    .bytes = json.at("bytes").get<std::uint64_t>(),
                    .entries = json.at("entries").get<std::uint64_t>(),
                    .tombstones = json.at("tombstones").get<std::uint64_t>(),
                    .least_lsn = json.at("lsn").at(0).get<Lsn>(),
                    .greatest_lsn = json.at("lsn").at(1).get<Lsn>(),
                    .smallest = key_from(json.at("keys").at(0)),
                    .largest = key_from(json.at("keys").at(1))}};
}

[[noreturn]] void refuse(std::string_view what, std::uint64_t number) {
  throw std::logic_error(fmt::format("an edit that {} {}", what, number));
}

}  // namespace

std::vector<std::uint8_t> encode(const ManifestEdit& edit) {
  Json json = {{"flushed", edit.flushed}, {"next_file", edit.next_file}, {"removed", edit.removed}};
  Json& added = json["added"] = Json::array();
  for (const PlacedTable& placed : edit.added) added.push_back(to_json(placed));
  return Json::to_cbor(json);
}

ManifestEdit decode_edit(Bytes payload) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(payload.data());
  const Json json = Json::from_cbor(bytes, bytes + payload.size());
  ManifestEdit edit{.removed = json.at("removed").get<std::vector<std::uint64_t>>(),
                    .added = {},
                    .flushed = json.at("flushed").get<Lsn>(),
                    .next_file = json.at("next_file").get<std::uint64_t>()};
  for (const Json& placed : json.at("added")) edit.added.push_back(table_from(placed));
  return edit;
}

void ManifestState::apply(const ManifestEdit& edit) {
  for (const std::uint64_t number : edit.removed) remove(number);
  if (edit.next_file != 0 && edit.next_file < next_file_) refuse("takes back next_file to", edit.next_file);
  next_file_ = std::max(next_file_, edit.next_file);
  for (const PlacedTable& placed : edit.added) add(placed);
  if (edit.flushed != 0 && edit.flushed < flushed_) refuse("takes back flushed to", edit.flushed);
  flushed_ = std::max(flushed_, edit.flushed);
}

void ManifestState::remove(std::uint64_t number) {
  const auto found = tables_.find(number);
  if (found == tables_.end()) refuse("removes an unknown table:", number);
  const auto& [level, table] = found->second;
  if (level > 0) sorted_[level].erase(table.smallest);
  tables_.erase(found);
}

void ManifestState::add(const PlacedTable& placed) {
  const auto& [level, table] = placed;
  if (table.number == 0 || table.number >= next_file_) refuse("adds a table beyond next_file:", table.number);
  if (level >= kLevels) refuse("adds to an unknown level table", table.number);
  if (compare_keys(table.largest, table.smallest) < 0 || table.greatest_lsn < table.least_lsn ||
      table.tombstones > table.entries) {
    refuse("adds an impossible table:", table.number);
  }
  if (!tables_.emplace(table.number, placed).second) refuse("adds a table that is there:", table.number);
  if (level == 0) return;
  const auto after = sorted_[level].lower_bound(table.smallest);
  if (after != sorted_[level].end() && compare_keys(after->first, table.largest) <= 0) {
    refuse("makes its level overlap with table", table.number);
  }
  if (after != sorted_[level].begin() &&
      compare_keys(tables_.at(std::prev(after)->second).table.largest, table.smallest) >= 0) {
    refuse("makes its level overlap with table", table.number);
  }
  sorted_[level].emplace_hint(after, table.smallest, table.number);
}

ManifestEdit ManifestState::whole() const {
  ManifestEdit edit{.flushed = flushed_, .next_file = next_file_};
  for (const auto& [number, placed] : tables_) edit.added.push_back(placed);
  return edit;
}

}  // namespace muster::lsm
