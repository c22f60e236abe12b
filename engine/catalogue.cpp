#include "engine/catalogue.h"

#include <fcntl.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "engine/io/file.h"

namespace muster {
namespace {

using Json = nlohmann::json;

/// What DESIGN of a file this version reads and writes.
constexpr int kFormat = 1;

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
      throw DamageError(path.string() + ": format " + document.at("format").dump() + ", want " +
                        std::to_string(kFormat));
    }
    return take(document);
  } catch (const Json::exception& error) {
    throw DamageError(path.string() + ": " + error.what());
  }
}

void write_document(const std::filesystem::path& path, const Json& document) {
  const std::string text = document.dump(2) + "\n";
  replace_file(path, std::as_bytes(std::span(text)));
}

}  // namespace

Catalogue Catalogue::read(const std::filesystem::path& path) {
  return read_document(path, [](const Json& document) {
    Catalogue catalogue;
    for (const Json& table : document.at("tables")) {
      catalogue.add({table.at("id").get<TableId>(), table.at("name").get<std::string>()});
    }
    return catalogue;
  });
}

void Catalogue::write(const std::filesystem::path& path) const {
  Json tables = Json::array();
  for (const Table& table : tables_) tables.push_back({{"id", table.id}, {"name", table.name}});
  write_document(path, {{"format", kFormat}, {"tables", tables}});
}

const Catalogue::Table* Catalogue::find(std::string_view name) const {
  const auto found =
      std::find_if(tables_.begin(), tables_.end(), [&](const Table& t) { return t.name == name; });
  return found == tables_.end() ? nullptr : &*found;
}

const Catalogue::Table* Catalogue::find(TableId id) const {
  const auto found = std::find_if(tables_.begin(), tables_.end(), [&](const Table& t) { return t.id == id; });
  return found == tables_.end() ? nullptr : &*found;
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
