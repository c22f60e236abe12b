#include "workloads/history/history_file.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <unordered_map>

#include "engine/io/file.h"

namespace muster::history {
namespace {

using Kind = Operation::Kind;

/// A line that is wrong, and the reason.
class Bad : public std::runtime_error {
 public:
  Bad(std::uint32_t line, const std::string& reason) : std::runtime_error(reason), line_(line) {}
  std::uint32_t line() const { return line_; }

 private:
  std::uint32_t line_;
};

struct Token {
  enum class Kind : std::uint8_t {
    end,
    open_map,
    close_map,
    open_list,
    close_list,
    word,
    integer,
    fraction,
    nil
  };
  Kind kind = Kind::end;
  std::string_view text{};  // of a word, without its quotes or colon
  Value integer = 0;
};

/// Scans EDN and JSON, as far as histories need them, by one set of rules: JSON's commas and colons are empty space, keywords
/// and texts are words, and EDN's tags are skipped.
class Scanner {
 public:
  Scanner(std::string_view text, Syntax syntax) : text_(text), syntax_(syntax) {}

  std::uint32_t line() const { return line_; }
  struct Place {
    std::size_t at;
    std::uint32_t line;
  };
  Place place() const { return {at_, line_}; }
  void go_to(const Place& place) { at_ = place.at, line_ = place.line; }

  Token next() {
    skip_space();
    if (at_ == text_.size()) return {};
    const char c = text_[at_];
    switch (c) {
      case '{':
        return ++at_, Token{Token::Kind::open_map};
      case '}':
        return ++at_, Token{Token::Kind::close_map};
      case '[':
      case '(':
        return ++at_, Token{Token::Kind::open_list};
      case ']':
      case ')':
        return ++at_, Token{Token::Kind::close_list};
      case '"':
        return quoted();
      case ':':
        ++at_;
        return {Token::Kind::word, bare()};
      case '#':
        ++at_;
        if (at_ < text_.size() && text_[at_] == '{') return ++at_, Token{Token::Kind::open_map};
        bare();  // a tag of the value that follows
        return next();
      default:
        return number_or_word();
    }
  }

  /// Skips the value that begins with `token`.
  void skip(const Token& token) {
    if (token.kind != Token::Kind::open_map && token.kind != Token::Kind::open_list) return;
    const std::uint32_t begin = line_;
    for (int depth = 1; depth > 0;) {
      const Token::Kind kind = next().kind;
      if (kind == Token::Kind::end) throw Bad(begin, "cut: what begins here has no end");
      depth += kind == Token::Kind::open_map || kind == Token::Kind::open_list;
      depth -= kind == Token::Kind::close_map || kind == Token::Kind::close_list;
    }
  }

 private:
  void skip_space() {
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\n') {
        ++line_;
      } else if (c == ';' && syntax_ == Syntax::edn) {
        while (at_ + 1 < text_.size() && text_[at_ + 1] != '\n') ++at_;
      } else if (c != ' ' && c != ',' && c != '\t' && c != '\r' && !(c == ':' && syntax_ == Syntax::json)) {
        return;
      }
    }
  }

  std::string_view bare() {
    const std::size_t begin = at_;
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n,{}[]()\";").find(text_[at_]) == std::string_view::npos &&
           !(text_[at_] == ':' && syntax_ == Syntax::json))
      ++at_;
    if (at_ == begin)
      throw Bad(line_,
                fmt::format("not a history: '{}' says nothing here", at_ < text_.size() ? text_[at_] : ' '));
    return text_.substr(begin, at_ - begin);
  }

  Token quoted() {
    const std::uint32_t begin_line = line_;
    const std::size_t begin = ++at_;
    for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\n') ++line_;
      if (text_[at_] == '\\') ++at_;
    }
    if (at_ >= text_.size()) throw Bad(begin_line, "cut: a text has no end");
    return {Token::Kind::word, text_.substr(begin, at_++ - begin)};
  }

  Token number_or_word() {
    const std::string_view word = bare();
    if (word == "nil" || word == "null") return {Token::Kind::nil};
    if (word[0] != '-' && (word[0] < '0' || word[0] > '9')) return {Token::Kind::word, word};
    Token token{Token::Kind::integer, word};
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), token.integer);
    if (error != std::errc() || end != word.data() + word.size()) token.kind = Token::Kind::fraction;
    return token;
  }

  const std::string_view text_;
  const Syntax syntax_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
};

/// The first map begins with a keyword in EDN, with a text in JSON.
Syntax syntax_in(std::string_view text) {
  const std::size_t mark = text.find_first_of(":\"");
  return mark != std::string_view::npos && text[mark] == '"' ? Syntax::json : Syntax::edn;
}

/// An event as its map describes it.
struct Event {
  enum class Type : std::uint8_t { none, invoke, ok, fail, info };
  Type type = Type::none;
  std::uint32_t line = 0;
  bool is_client = true;  // false: the nemesis
  std::int64_t process = 0;
  std::optional<Value> index;
  std::optional<Scanner::Place> value;
};

class Reader {
 public:
  Reader(std::string_view text, Model model) : scanner_(text, syntax_in(text)), history_(model) {}

  History read() {
    bool has_list = false;
    for (Token token = scanner_.next(); token.kind != Token::Kind::end; token = scanner_.next()) {
      if (token.kind == Token::Kind::open_map) {
        take(event());
      } else if (token.kind == Token::Kind::open_list && !has_list && events_ == 0) {
        has_list = true;
      } else if (token.kind == Token::Kind::close_list && has_list) {
        has_list = false;
      } else {
        throw Bad(scanner_.line(),
                  "not a history: want a map for each event, one behind the other or all in one list");
      }
    }
    if (has_list) throw Bad(scanner_.line(), "cut: the list of events has no end");
    if (events_ == 0) throw Bad(scanner_.line(), "not a history: no event is in it");
    for (const auto& [process, open] : open_)
      add(open, Transaction::kNever, Outcome::info, open.line, open.value);
    history_.seal();
    return std::move(history_);
  }

 private:
  struct Open {
    std::uint32_t process = 0;
    std::uint32_t line = 0;
    std::uint64_t invoked = 0;
    std::optional<Scanner::Place> value;
  };

  /// Reads on after the { of the event's map.
  Event event() {
    Event event;
    event.line = scanner_.line();
    for (;;) {
      const Token key = scanner_.next();
      if (key.kind == Token::Kind::close_map) break;
      if (key.kind == Token::Kind::end) throw Bad(event.line, "cut: the event has no end");
      if (key.kind != Token::Kind::word)
        throw Bad(scanner_.line(),
                  "not a history: want a keyword or a text in front of each value of an event");
      const Scanner::Place place = scanner_.place();
      const Token value = scanner_.next();
      if (value.kind == Token::Kind::end) throw Bad(event.line, "cut: the event has no end");
      if (key.text == "type") {
        event.type = type_of(value);
      } else if (key.text == "process") {
        event.is_client = value.kind == Token::Kind::integer || value.kind == Token::Kind::nil;
        event.process = value.integer;
      } else if (key.text == "index" && value.kind == Token::Kind::integer) {
        event.index = value.integer;
      } else if (key.text == "value" && value.kind != Token::Kind::nil) {
        event.value = place;
      }
      scanner_.skip(value);
    }
    return event;
  }

  Event::Type type_of(const Token& value) const {
    static const std::map<std::string_view, Event::Type> types{{"invoke", Event::Type::invoke},
                                                               {"ok", Event::Type::ok},
                                                               {"fail", Event::Type::fail},
                                                               {"info", Event::Type::info}};
    const auto found = types.find(value.text);
    if (value.kind != Token::Kind::word || found == types.end())
      throw Bad(scanner_.line(), fmt::format("type = {}: want invoke, ok, fail or info", value.text));
    return found->second;
  }

  void take(const Event& event) {
    const Scanner::Place behind = scanner_.place();
    const std::uint64_t now = events_++;
    if (event.index && last_index_ && *event.index <= *last_index_)
      throw Bad(event.line, fmt::format("index = {}, and {} before it: want events in their order",
                                        *event.index, *last_index_));
    if (event.index) last_index_ = event.index;
    if (!event.is_client) return;
    if (event.type == Event::Type::none) throw Bad(event.line, "not a history: an event without a type");
    const auto open = open_.find(event.process);
    if (event.type == Event::Type::invoke) {
      if (open != open_.end())
        throw Bad(event.line, fmt::format("process {} begins a transaction while that of line {} is open",
                                          event.process, open->second.line));
      if (event.value == std::nullopt)
        throw Bad(event.line, "a transaction without a value: want a list of operations");
      open_.emplace(event.process, Open{process_of(event.process), event.line, now, event.value});
      has_invocations_ = true;
      return;
    }
    if (open == open_.end() && has_invocations_)
      throw Bad(event.line,
                fmt::format("process {} ends a transaction that it has not begun", event.process));
    const Open begun =
        open != open_.end() ? open->second : Open{process_of(event.process), event.line, now, event.value};
    if (open != open_.end()) open_.erase(open);
    const Outcome outcome = event.type == Event::Type::ok     ? Outcome::ok
                            : event.type == Event::Type::fail ? Outcome::fail
                                                              : Outcome::info;
    if (outcome == Outcome::ok && !event.value)
      throw Bad(event.line, "a committed transaction without a value: want a list of operations");
    add(begun, outcome == Outcome::info ? Transaction::kNever : now, outcome, event.line,
        event.value ? event.value : begun.value);
    scanner_.go_to(behind);
  }

  std::uint32_t process_of(std::int64_t number) {
    if (number < 0 || number >= kNone)
      throw Bad(scanner_.line(), fmt::format("process = {}: want a number from 0", number));
    return static_cast<std::uint32_t>(number);
  }

  void add(const Open& begun, std::uint64_t completed, Outcome outcome, std::uint32_t line,
           const std::optional<Scanner::Place>& value) {
    history_.add({begun.process, outcome, begun.invoked, completed, line, 0, 0});
    if (!value) return;
    scanner_.go_to(*value);
    if (scanner_.next().kind != Token::Kind::open_list)
      throw Bad(value->line, "value: want a list of operations");
    for (Token token = scanner_.next(); token.kind != Token::Kind::close_list; token = scanner_.next()) {
      if (token.kind != Token::Kind::open_list)
        throw Bad(scanner_.line(), "value: want a list for each operation");
      operation(outcome);
    }
  }

  /// Reads on after the [ of the operation.
  void operation(Outcome outcome) {
    const Token name = scanner_.next();
    const bool lists = history_.model() == Model::list_append;
    const bool reads = name.text == "r";
    if (name.kind != Token::Kind::word || (!reads && name.text != (lists ? "append" : "w")))
      throw Bad(scanner_.line(),
                fmt::format("operation {}: want r or {}", name.text, lists ? "append" : "w"));
    const Token key_token = scanner_.next();
    if (key_token.kind != Token::Kind::word && key_token.kind != Token::Kind::integer)
      throw Bad(scanner_.line(), "operation: want a number, a keyword or a text for its key");
    const Key key = history_.key(key_token.text);
    const Token value = scanner_.next();
    if (!reads) {
      if (value.kind != Token::Kind::integer)
        throw Bad(scanner_.line(),
                  fmt::format("operation {} {}: want an integer for its value", name.text, key_token.text));
      history_.write(key, value.integer);
    } else if (outcome != Outcome::ok) {
      scanner_.skip(value);
      history_.read_unknown(key);
    } else if (lists) {
      read_list(key, value);
    } else {
      if (value.kind != Token::Kind::nil && value.kind != Token::Kind::integer)
        throw Bad(
            scanner_.line(),
            fmt::format("operation r {}: want an integer or nil, what a register holds", key_token.text));
      history_.read_register(key,
                             value.kind == Token::Kind::nil ? std::nullopt : std::optional(value.integer));
    }
    if (scanner_.next().kind != Token::Kind::close_list)
      throw Bad(scanner_.line(), "operation: want three parts, such as [:r x nil]");
  }

  void read_list(Key key, const Token& value) {
    list_.clear();
    if (value.kind == Token::Kind::open_list) {
      for (Token token = scanner_.next(); token.kind != Token::Kind::close_list; token = scanner_.next()) {
        if (token.kind != Token::Kind::integer)
          throw Bad(scanner_.line(),
                    fmt::format("operation r {}: want a list of integers", history_.key_names()[key]));
        list_.push_back(token.integer);
      }
    } else if (value.kind != Token::Kind::nil) {
      throw Bad(scanner_.line(),
                fmt::format("operation r {}: want a list of integers, or nil", history_.key_names()[key]));
    }
    history_.read_list(key, list_);
  }

  Scanner scanner_;
  History history_;
  std::uint64_t events_ = 0;
  std::optional<Value> last_index_;
  bool has_invocations_ = false;
  std::map<std::int64_t, Open> open_;  // by process
  std::vector<Value> list_;
};

/// Lists, unless a write comes before the first append.
Model model_in(std::string_view text) {
  const auto first = [&](std::string_view edn, std::string_view json) {
    return std::min(text.find(edn), text.find(json));
  };
  return first("[:w ", "\"w\"") < first("[:append ", "\"append\"") ? Model::rw_register : Model::list_append;
}

class Writer {
 public:
  Writer(const History& history, Syntax syntax, std::uint64_t first)
      : history_(history), edn_(syntax == Syntax::edn), index_(first) {}

  std::string write() {
    struct At {
      std::uint64_t at;
      TransactionIndex transaction;
      bool completes;
    };
    std::vector<At> events;
    for (TransactionIndex t = 0; t < history_.transactions().size(); ++t) {
      const Transaction& transaction = history_.transactions()[t];
      events.push_back({transaction.invoked, t, false});
      if (transaction.completed != Transaction::kNever) events.push_back({transaction.completed, t, true});
    }
    std::ranges::stable_sort(events, {}, &At::at);
    for (const At& event : events) line(event.transaction, event.completes);
    return std::move(text_);
  }

 private:
  void line(TransactionIndex t, bool completes) {
    const Transaction& transaction = history_.transactions()[t];
    const std::string_view type = !completes ? "invoke" : transaction.outcome == Outcome::ok ? "ok" : "fail";
    const auto mark = [&](auto form) { fmt::format_to(out(), form, index_, type, transaction.process); };
    if (edn_) {
      mark(FMT_STRING("{{:index {}, :type :{}, :process {}, :f :txn, :value ["));
    } else {
      mark(FMT_STRING("{{\"index\": {}, \"type\": \"{}\", \"process\": {}, \"f\": \"txn\", \"value\": ["));
    }
    ++index_;
    bool is_first = true;
    for (const Operation& o : history_.operations_of(t)) {
      if (!is_first) text_ += edn_ ? " " : ", ";
      is_first = false;
      operation(o, completes && transaction.outcome == Outcome::ok);
    }
    text_ += "]}\n";
  }

  std::back_insert_iterator<std::string> out() { return std::back_inserter(text_); }

  void operation(const Operation& o, bool is_known) {
    const bool lists = history_.model() == Model::list_append;
    const std::string_view name = o.kind != Kind::write ? "r" : lists ? "append" : "w";
    const std::string& key = history_.key_names()[o.key];
    const bool is_number =
        !key.empty() && std::ranges::all_of(key, [](char c) { return c >= '0' && c <= '9'; });
    const char* nothing = edn_ ? "nil" : "null";
    const char* quote = is_number ? "" : "\"";
    if (edn_) {
      fmt::format_to(out(), "[:{} {}{}{} ", name, quote, key, quote);
    } else {
      fmt::format_to(out(), "[\"{}\", {}{}{}, ", name, quote, key, quote);
    }
    if (o.kind == Kind::write) {
      fmt::format_to(out(), "{}", o.value);
    } else if (!is_known || o.kind == Kind::read_unknown || o.kind == Kind::read_nothing) {
      text_ += nothing;
    } else if (!lists) {
      fmt::format_to(out(), "{}", o.value);
    } else {
      text_ += '[';
      bool is_first = true;
      for (const Value value : history_.list(o)) {
        if (!is_first) text_ += edn_ ? " " : ", ";
        is_first = false;
        fmt::format_to(out(), "{}", value);
      }
      text_ += ']';
    }
    text_ += ']';
  }

  const History& history_;
  const bool edn_;
  std::uint64_t index_;
  std::string text_;
};

}  // namespace

Syntax syntax_of(const std::filesystem::path& path) {
  if (path.extension() == ".edn") return Syntax::edn;
  if (path.extension() == ".json") return Syntax::json;
  throw ConfigError("history", path.string(), "want a name that ends in .edn or .json");
}

History read_history(std::string_view text, const std::string& name, std::optional<Model> model) {
  try {
    return Reader(text, model ? *model : model_in(text)).read();
  } catch (const Bad& bad) {
    throw DamageError(fmt::format("{}:{}: {}", name, bad.line(), bad.what()));
  }
}

History read_history(const std::filesystem::path& path, std::optional<Model> model) {
  const File file = File::open(path, O_RDONLY);
  return read_history(file.read_to_end(std::size_t{1} << 40), path.string(), model);
}

std::string to_text(const History& history, Syntax syntax, std::uint64_t first) {
  return Writer(history, syntax, first).write();
}

}  // namespace muster::history
