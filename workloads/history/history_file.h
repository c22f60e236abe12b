#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "workloads/history/history.h"

namespace muster::history {

/// Jepsen's histories, as EDN or as JSON: a map for each event, one behind the other or all in a list.
///
///   {:index 0, :type :invoke, :process 3, :f :txn, :value [[:append 5 1] [:r 5 nil]]}
///   {"index": 1, "type": "ok", "process": 3, "f": "txn", "value": [["append", 5, 1], ["r", 5, [1]]]}
///
/// Read     :type, :process and :value; :index has to rise where it is there; all else is skipped (:time, since the order of
///          the events is that of the file), and so are events whose process is no number (the nemesis). Registers have :w in
///          the place of :append, and reads of one value or nil. A file without any :invoke has transactions that took no
///          time. An event without a process is process 0's. A key is a number, a keyword, a symbol or a text; values are
///          integers.
/// Written  with :index and without :time, one event a line.
enum class Syntax : std::uint8_t { edn, json };
/// By the name's end, .edn or .json. ConfigError for another one.
Syntax syntax_of(const std::filesystem::path& path);

/// What the text's first operation says, where no model is given. Throws DamageError: `name`, line and reason.
History read_history(std::string_view text, const std::string& name,
                     std::optional<Model> model = std::nullopt);
History read_history(const std::filesystem::path& path, std::optional<Model> model = std::nullopt);

/// Events are numbered from `first`.
std::string to_text(const History& history, Syntax syntax, std::uint64_t first = 0);

}  // namespace muster::history
