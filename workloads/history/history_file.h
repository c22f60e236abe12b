#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "workloads/history/history.h"

namespace muster::history {

/// Jepsen's histories, as EDN or as JSON: a map for each event, one after the other or all in a list.
///
///   {:index 0, :type :invoke, :process 3, :f :txn, :value [[:append 5 1] [:r 5 nil]]}
///   {"index": 1, "type": "ok", "process": 3, "f": "txn", "value": [["append", 5, 1], ["r", 5, [1]]]}
///
/// Read     :type, :process and :value. An :index has to rise from event to event. The reader skips all else, :time as well: the
///          file gives the order of events. It skips events whose process is no number (the nemesis). Registers have :w
///          instead of :append, and reads of one value or nil. In a file without any :invoke transactions take no time. An
///          event without a process belongs to process 0. A key is a number, a keyword, a symbol or a text; values are
///          integers.
/// Written  with :index and without :time, one event a line.
enum class Syntax : std::uint8_t { edn, json };
/// By how the name ends: .edn or .json. Any other end is a ConfigError.
Syntax syntax_of(const std::filesystem::path& path);

/// Without `model`, the first write in the text decides. Throws DamageError: `name`, line and reason.
History read_history(std::string_view text, const std::string& name,
                     std::optional<Model> model = std::nullopt);
History read_history(const std::filesystem::path& path, std::optional<Model> model = std::nullopt);

/// Numbers events from `first`.
std::string to_text(const History& history, Syntax syntax, std::uint64_t first = 0);

}  // namespace muster::history
