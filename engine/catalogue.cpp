#include "engine/catalogue.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "engine/error.h"
#include "engine/io/file.h"

namespace muster {
namespace {

using Json = nlohmann::json;

/// Of a database's files, all of them. 2: pages have checksums. 3: a removal leaves a ghost, so that the log of a
/// database of format 2, where it gave back its room, would be redone into pages that are too full.
constexpr int kFormat = 3;

/// `take` turns the document into what it says.
template <class Take>
auto read_document(const std::filesystem::path& path, Take take) {
  const File file = File::open(path, O_RDONLY);
  std::vector<std::byte> content(file.size());
  content.resize(file.read_at(0, content));
  try {
    const auto* text = reinterpret_cast<const char*>(content.data());
    const Json document = Json::parse(text, text + content.size());
    if (document.at("format") != kFormat) {
      throw DamageError(fmt::format(
          "{}: a database of format {}, want format {}: only the version of Muster that made it can open it",
          path.string(), document.at("format").dump(), kFormat));
    }
    return take(document);
  } catch (const Json::exception& error) {
    throw DamageError(path.string() + ": " + error.what());
  } catch (const std::invalid_argument& error) {
    throw DamageError(path.string() + ": " + error.what());
  }
}

Json to_json(const Catalogue::Table& table) {
  Json json = {{"id", table.id}, {"name", table.name}};
  if (!table.file.empty()) json["file"] = table.file.string();
  if (table.kind != TableKind::btree) json["kind"] = name_of(table.kind);
  return json;
}

/// Catalogues of before there was a choice name no kind.
TableKind kind_from(const std::string& name) {
  const auto found = std::ranges::find(kTableKinds, name);
  if (found == kTableKinds.end()) throw std::invalid_argument("a table of the unknown kind " + name);
  return static_cast<TableKind>(found - kTableKinds.begin());
}

Catalogue::Table table_from(const Json& json) {
  return {json.at("id").get<TableId>(), json.at("name").get<std::string>(), json.value("file", std::string()),
          kind_from(json.value("kind", std::string(kTableKinds.front())))};
}

const Catalogue::Table* find_if(const std::vector<Catalogue::Table>& tables, auto is_it) {
  const auto found = std::ranges::find_if(tables, is_it);
  return found == tables.end() ? nullptr : &*found;
}

void write_document(const std::filesystem::path& path, const Json& document) {
  const std::string text = document.dump(2) + "\n";
  replace_file(path, std::as_bytes(std::span(text)));
}

}  // namespace

Catalogue Catalogue::read(const std::filesystem::path& path) {
  return read_document(path, [](const Json& document) {
    Catalogue catalogue;
    for (const Json& table : document.at("tables")) catalogue.add(table_from(table));
    if (document.contains("unfinished")) {
      for (const Json& table : document.at("unfinished")) catalogue.add_unfinished(table_from(table));
    }
    return catalogue;
  });
}

void Catalogue::write(const std::filesystem::path& path) const {
  Json document = {{"format", kFormat}, {"tables", Json::array()}};
  for (const Table& table : tables_) document["tables"].push_back(to_json(table));
  for (const Table& table : unfinished_) document["unfinished"].push_back(to_json(table));
  write_document(path, document);
}

const Catalogue::Table* Catalogue::find(std::string_view name) const {
  return find_if(tables_, [&](const Table& table) { return table.name == name; });
}

const Catalogue::Table* Catalogue::find(TableId id) const {
  return find_if(tables_, [&](const Table& table) { return table.id == id; });
}

const Catalogue::Table* Catalogue::find_at(const std::filesystem::path& file) const {
  return find_if(tables_, [&](const Table& table) { return table.file == file; });
}

void Catalogue::finish(TableId id) {
  const auto found = std::ranges::find_if(unfinished_, [&](const Table& table) { return table.id == id; });
  tables_.push_back(std::move(*found));
  unfinished_.erase(found);
}

bool Catalogue::can_hold(std::string_view name) {
  try {
    static_cast<void>(Json(name).dump());
    return true;
  } catch (const Json::type_error&) {
    return false;
  }
}

TableId Catalogue::next_id() const {
  TableId next = 1;
  for (const Table& table : tables_) next = std::max(next, table.id + 1);
  for (const Table& table : unfinished_) next = std::max(next, table.id + 1);
  return next;
}

Master Master::read(const std::filesystem::path& path) {
  return read_document(path, [](const Json& document) {
    const Lsn log_begin = document.at("log_begin").get<Lsn>();
    // A master of before checkpoints were taken beside transactions has no more than this.
    return Master{.log_begin = log_begin,
                  .redo_begin = document.value("redo_begin", log_begin),
                  .settled = document.value("settled", log_begin),
                  .next_transaction = document.at("next_transaction").get<TransactionId>(),
                  .clean = document.at("clean").get<bool>()};
  });
}

void Master::write(const std::filesystem::path& path) const {
  write_document(path, {{"format", kFormat},
                        {"log_begin", log_begin},
                        {"redo_begin", redo_begin},
                        {"settled", settled},
                        {"next_transaction", next_transaction},
                        {"clean", clean}});
}

}  // namespace muster
