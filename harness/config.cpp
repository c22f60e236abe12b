#include "harness/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <filesystem>
#include <set>

#include "algorithms/registry.h"
#include "engine/error.h"
#include "harness/workload_kind.h"

namespace muster {
namespace {

using Json = nlohmann::ordered_json;

/// Instead of a place in a command that others read: what a path says of a machine is nobody else's business.
constexpr std::string_view kAnyPlace = "DIRECTORY";

/// Sections in sections: more than any key has, and little enough to recurse.
constexpr std::size_t kDepthMax = 16;

bool is_utf8_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0x80;
}
bool is_utf8_lead(char c) {
  return (static_cast<unsigned char>(c) & 0xc0) == 0xc0;
}

std::string shown(const Json& value) {
  constexpr std::size_t kEnough = 100;
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() <= kEnough) return text;
  text.resize(kEnough);
  while (is_utf8_continuation(text.back())) text.pop_back();
  if (is_utf8_lead(text.back())) text.pop_back();
  return text + "...";
}

bool is_utf8(std::string_view text) {
  try {
    static_cast<void>(Json(text).dump());
    return true;
  } catch (const Json::type_error&) {
    return false;
  }
}

/// In an error, which is one line.
std::string shown_key(const std::string& key) {
  const std::string quoted = shown(key);
  return quoted == '"' + key + '"' ? key : quoted;
}

[[noreturn]] void refuse(const std::string& key, const Json& value, const std::string& want) {
  throw ConfigError(shown_key(key), shown(value), "want " + want);
}

std::string line_and_column(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size()));
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const std::size_t line_begin = lines == 0 ? 0 : before.rfind('\n') + 1;
  return fmt::format("line {}, column {}", lines + 1, before.size() - line_begin + 1);
}

struct TooDeep {};

/// Notices keys that an object has twice, which the parser itself would settle silently, and brackets in brackets
/// without end, which would exhaust the stack.
class DuplicateKeys {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > static_cast<int>(kDepthMax)) throw TooDeep();
    switch (event) {
      case Json::parse_event_t::object_start:
        open_.emplace_back();
        break;
      case Json::parse_event_t::object_end:
        open_.pop_back();
        break;
      case Json::parse_event_t::key:
        key(parsed.get<std::string>());
        break;
      default:
        break;
    }
    return true;
  }
  const std::string& first() const { return first_; }

 private:
  struct Object {
    std::set<std::string> keys;
    std::string current;
  };

  void key(const std::string& name) {
    open_.back().current = name;
    if (open_.back().keys.insert(name).second || !first_.empty()) return;
    for (const Object& object : open_) first_ += (first_.empty() ? "" : ".") + object.current;
  }

  std::vector<Object> open_;
  std::string first_;
};

const ConfigKey* find_key(std::string_view name) {
  const auto& keys = config_keys();
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const ConfigKey& key) { return key.name == name; });
  return found == keys.end() ? nullptr : &*found;
}

bool is_section(const std::string& name) {
  const auto& keys = config_keys();
  return std::any_of(keys.begin(), keys.end(),
                     [&](const ConfigKey& key) { return key.name.starts_with(name + "."); });
}

/// The keys and sections that stand directly in a section ("": the top).
std::string known_in(const std::string& section, const WorkloadKind& workload) {
  std::vector<std::string> names;
  const std::string prefix = section.empty() ? "" : section + ".";
  for (const ConfigKey& key : config_keys()) {
    if (!key.name.starts_with(prefix) || !uses(workload, key)) continue;
    std::string name = key.name.substr(prefix.size());
    name = name.substr(0, name.find('.'));
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

void take_section(const std::string& section, const Json& object, Configuration& into) {
  for (const auto& [name, value] : object.items()) {
    const std::string key = section.empty() ? name : section + "." + name;
    if (const ConfigKey* row = find_key(key)) {
      if (!uses(*into.workload, *row)) {
        refuse(key, value, fmt::format("no such key: workload {} does not use it", into.workload->name));
      }
      if (!row->take(value, into)) refuse(key, value, row->want);
    } else if (is_section(key)) {
      if (!value.is_object()) refuse(key, value, "an object with " + known_in(key, *into.workload));
      const std::string known = known_in(key, *into.workload);
      if (known.empty()) {
        refuse(key, value, fmt::format("no such section: workload {} does not use it", into.workload->name));
      }
      take_section(key, value, into);
    } else {
      refuse(key, value,
             fmt::format("a known key{}: {}", section.empty() ? "" : " of " + section,
                         known_in(section, *into.workload)));
    }
  }
}

void check_engine(const Configuration& c) {
  const bool in_memory = c.database.log.device == "memory";
  if (in_memory && c.database.log.direct) refuse(c, "log.direct", "false, or \"log.device\": \"file\"");
  if (in_memory && c.database.checkpoint_time.count() != 0) {
    refuse(c, "engine.checkpoint_s", "0, or \"log.device\": \"file\"");
  }
  if (c.database.log.direct && c.database.log.write_each)
    refuse(c, "log.write_each", "false, or log.direct = false");
  if (c.database.early_lock_release && c.policy == CommitPolicy::queued_group) {
    refuse(c, "engine.early_lock_release", "false with engine.policy = queued_group: nothing is early there");
  }
  if (!in_memory && c.database.log.latency.count() != 0) {
    refuse(c, "log.latency_us", "0, or \"log.device\": \"memory\"");
  }
  if (c.database.directory.empty() && !in_memory) {
    refuse(c, "engine.directory",
           "a directory on the disk that is to be measured, such as \"build/data\", or \"log.device\": "
           "\"memory\"");
  }
}

/// What no single key can say.
void check_combinations(const Configuration& c) {
  const LogBufferOptions& buffer = c.database.log_buffer;
  const auto capacity_bits = static_cast<std::uint32_t>(std::countr_zero(buffer.capacity));
  if (buffer.hop_bits > capacity_bits) {
    refuse(c, "log_buffer.hop_bits", fmt::format("0, or 1 to {}, log2 of the capacity", capacity_bits));
  }
  for (const AlgorithmInfo& info : algorithms()) {
    if (info.name == c.database.algorithm && !may_have(info, buffer.lock)) {
      refuse(c, "log_buffer.lock", locks_of(info));
    }
    if (info.name == c.database.algorithm && !may_have(info, buffer.counter)) {
      refuse(c, "log_buffer.counter", counters_of(info));
    }
  }
  if (c.workload->engine) check_engine(c);
  if (c.workload->check) c.workload->check(c);
}

/// No key has null as its value, and one algorithm has that name.
bool reads_as_json(const std::string& text) {
  return text != "null" && Json::accept(text);
}

/// Of a string: bare where override_key() reads it back as that string.
std::string assigned(const Json& value) {
  if (!value.is_string()) return value.dump();
  const auto& text = value.get_ref<const std::string&>();
  return reads_as_json(text) ? value.dump() : text;
}

std::string quoted_for_shell(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=:,+@%";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  return "'" + word + "'";  // no key's value has such a quote in it
}

std::vector<std::string_view> users_of(const ConfigKey& key) {
  std::vector<std::string_view> users;
  for (const WorkloadKind& kind : workload_kinds()) {
    if (uses(kind, key)) users.push_back(kind.name);
  }
  return users;
}

}  // namespace

bool uses(const WorkloadKind& kind, const ConfigKey& key) {
  switch (key.used_by) {
    case UsedBy::all:
      return true;
    case UsedBy::engine:
      return kind.engine;
    case UsedBy::own:
      break;
  }
  return std::ranges::find(kind.keys, key.name, &ConfigKey::name) != kind.keys.end();
}

Json default_of(const ConfigKey& key) {
  Configuration defaults;
  for (const WorkloadKind& kind : workload_kinds()) {
    if (uses(kind, key)) defaults.use(kind);
  }
  return key.show(defaults);
}

void refuse(const Configuration& configuration, std::string_view key, const std::string& want) {
  refuse(std::string(key), find_key(key)->show(configuration), want);
}

Json parse_json(std::string_view text, const std::string& name) {
  DuplicateKeys duplicates;
  Json document;
  try {
    document = Json::parse(text, std::ref(duplicates));
  } catch (const Json::parse_error& error) {
    // error.byte counts from 1 and points behind what was read last.
    throw std::invalid_argument(
        fmt::format("{}: {}: want JSON", name, line_and_column(text, error.byte == 0 ? 0 : error.byte - 1)));
  } catch (const Json::out_of_range&) {
    throw std::invalid_argument(name + ": a number beyond all ranges: want one of double precision at most");
  } catch (const TooDeep&) {
    throw std::invalid_argument(fmt::format("{}: want {} brackets in one another at most", name, kDepthMax));
  }
  if (!duplicates.first().empty())
    throw ConfigError(shown_key(duplicates.first()), "twice", "want each key once in " + name);
  return document;
}

void override_key(Json& document, std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == 0 || equals == std::string_view::npos) {
    throw ConfigError("--set", shown_key(std::string(assignment)), "want key=value, such as threads=2");
  }
  if (!is_utf8(assignment)) throw ConfigError("--set", shown(assignment), "want UTF-8");
  const std::string key(assignment.substr(0, equals));
  const std::string text(assignment.substr(equals + 1));
  if (static_cast<std::size_t>(std::count(key.begin(), key.end(), '.')) >= kDepthMax) {
    refuse(key, text, "a known key");
  }
  if (text.starts_with('"') && !reads_as_json(text)) {  // a quote in a name is rarer than one too few
    throw ConfigError(shown_key(key), shown(text), "want JSON where the value begins with a quote");
  }
  Json* at = &document;
  for (std::size_t begin = 0; begin <= key.size();) {
    const std::size_t dot = std::min(key.find('.', begin), key.size());
    if (at->is_null()) *at = Json::object();
    if (!at->is_object())
      refuse(key.substr(0, begin - 1), *at, "an object, since --set " + key + " is given");
    at = &(*at)[key.substr(begin, dot - begin)];
    begin = dot + 1;
  }
  *at = reads_as_json(text) ? parse_json(text, "--set " + key) : Json(text);
}

Configuration read_configuration(const Json& document) {
  if (!document.is_object())
    refuse("configuration", document, "an object with " + known_in("", workload_kinds().front()));
  Configuration configuration;
  for (const ConfigKey& key : config_keys()) {
    if (!key.required) continue;
    const auto found = document.find(key.name);
    if (found == document.end()) throw ConfigError(key.name, "nothing", "want " + key.want);
    if (!key.take(*found, configuration)) refuse(key.name, *found, key.want);
  }
  take_section("", document, configuration);
  check_combinations(configuration);
  return configuration;
}

Json effective(const Configuration& configuration) {
  Json document = Json::object();
  for (const ConfigKey& key : config_keys()) {
    if (!uses(*configuration.workload, key) || key.place) continue;
    const std::size_t dot = key.name.find('.');
    Json& section = dot == std::string::npos ? document : document[key.name.substr(0, dot)];
    section[dot == std::string::npos ? key.name : key.name.substr(dot + 1)] = key.show(configuration);
  }
  return document;
}

std::string repeating_command(const Configuration& configuration) {
  std::string command = "muster run";
  for (const ConfigKey& key : config_keys()) {
    if (!uses(*configuration.workload, key)) continue;
    const Json value = key.show(configuration);
    if (!key.required && value == default_of(key)) continue;
    const std::string shown_value = key.place ? std::string(kAnyPlace) : assigned(value);
    command += " --set " + quoted_for_shell(key.name + "=" + shown_value);
  }
  return command;
}

std::string describe_keys() {
  std::string text =
      "Keys of a configuration (JSON; a dot stands for a section), their defaults, ranges and meaning:\n";
  for (const ConfigKey& key : config_keys()) {
    const std::string value = key.required ? "required" : "default " + default_of(key).dump();
    const std::vector<std::string_view> users = users_of(key);
    const std::string only =
        users.size() == workload_kinds().size() ? "" : fmt::format("{} only; ", fmt::join(users, ", "));
    text +=
        fmt::format("\n  {}   ({}{})\n      {}\n      {}\n", key.name, only, value, key.want, key.meaning);
  }
  return text;
}

Json keys_as_json() {
  Json rows = Json::array();
  for (const ConfigKey& key : config_keys()) {
    rows.push_back({{"name", key.name},
                    {"workloads", users_of(key)},
                    {"required", key.required},
                    {"place", key.place},
                    {"default", key.required ? Json(nullptr) : default_of(key)},
                    {"want", key.want},
                    {"meaning", key.meaning}});
  }
  return rows;
}

}  // namespace muster
