#include "tests/model/trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace muster::model {
namespace {

/// A word as its reader would call it. Border-Collie's flags have a colour in the top bit; elsewhere the top two
/// bits tell states apart. A view is counted, from 0.
std::string spell(const Location& location, std::uint64_t value) {
  if (std::strcmp(location.name, "view") == 0) {  // a pointer: which of those that have stood there
    const auto place = std::ranges::find(location.messages, value, &Message::value);
    return fmt::format("&{}", place - location.messages.begin());
  }
  const std::uint64_t rest = value & ((std::uint64_t{1} << 62) - 1);
  if (std::strcmp(location.name, "flag") == 0 && rest == (value & ((std::uint64_t{1} << 63) - 1))) {
    return fmt::format("{} {}", value >> 63 != 0 ? "black" : "white", rest);
  }
  if (value >> 62 != 0)
    return rest < 1'000'000 ? fmt::format("{}:{}", value >> 62, rest) : fmt::format("{:#x}", value);
  return value >> 40 != 0 ? fmt::format("{:#x}", value) : std::to_string(value);
}

}  // namespace

Trace::Trace(const Program& program) {
  for (ThreadId t = 0; t < program.threads(); ++t) names_.push_back(program.thread_name(t));
}

void Trace::step(const Execution& execution, const Event& event, const Request& request, const Reply& reply) {
  const Location& location = execution.location(event.location);
  const auto newest = static_cast<std::uint32_t>(location.messages.size()) - 1;
  Step step;
  step.thread = event.thread;
  step.operation = name_of(event.action);
  if (event.failed_exchange) step.operation += "_failed";
  step.location = name_of(location);
  step.order = name_of(event.failed_exchange ? request.failure : request.order);
  const bool plain_store = event.writes && !event.reads;
  if (!plain_store) {
    const auto writer = writers_.find({event.location, event.message});
    if (writer != writers_.end()) step.source = writer->second;
    step.stale = event.message + (event.writes ? 1 : 0) != newest;
  }
  if (event.writes) {
    step.value = spell(location, location.messages[newest].value);
    if (event.reads) step.before = spell(location, reply.value);
    writers_[{event.location, newest}] = static_cast<std::uint32_t>(steps_.size());
  } else {
    step.value = spell(location, reply.value);
  }
  if (request.where.line() != 0)
    step.line = fmt::format("{}:{}", file_name(request.where), request.where.line());
  steps_.push_back(std::move(step));
}

void Trace::mark(ThreadId thread, const char* operation, const std::string& text) {
  Step step;
  step.thread = thread;
  step.operation = operation;
  step.text = text;
  step.marks = true;
  steps_.push_back(std::move(step));
}

void Trace::violation(const std::string& sentence) {
  mark(steps_.empty() ? 0 : steps_.back().thread, "violation", sentence);
}

std::string Trace::describe(const Step& step) {
  if (step.marks) return step.text.empty() ? step.operation : step.operation + " " + step.text;
  std::string text = fmt::format("{} {} ", step.operation, step.location);
  if (!step.before.empty()) text += step.before + " -> ";
  text += fmt::format("{} ({})", step.value, step.order);
  if (step.stale) text += " STALE";
  if (step.source != kNone) text += fmt::format(" from {}", step.source);
  return text;
}

std::string Trace::table() const {
  std::vector<std::size_t> widths;
  for (const std::string& name : names_) widths.push_back(name.size());
  for (const Step& step : steps_) {
    if (step.operation != "violation")
      widths[step.thread] = std::max(widths[step.thread], describe(step).size());
  }
  std::string text = fmt::format("{:>4}", "");
  for (std::size_t t = 0; t < names_.size(); ++t) text += fmt::format("  {:<{}}", names_[t], widths[t]);
  text += '\n';
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    if (step.operation == "violation") {
      text += fmt::format("{:>4}  {}\n", "!", step.text);
      continue;
    }
    text += fmt::format("{:>4}", i);
    for (ThreadId t = 0; t < names_.size(); ++t) {
      text += fmt::format("  {:<{}}", t == step.thread ? describe(step) : "", widths[t]);
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

nlohmann::ordered_json Trace::to_json() const {
  nlohmann::ordered_json steps = nlohmann::ordered_json::array();
  for (const Step& step : steps_) {
    nlohmann::ordered_json entry{{"thread", step.thread}, {"operation", step.operation}};
    const auto add = [&](const char* key, const std::string& value) {
      if (!value.empty()) entry[key] = value;
    };
    add("location", step.location);
    add("order", step.order);
    add("value", step.value);
    add("before", step.before);
    add("text", step.text);
    add("line", step.line);
    if (!step.marks) {
      entry["source"] =
          step.source == kNone ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(step.source);
      entry["stale"] = step.stale;
    }
    steps.push_back(std::move(entry));
  }
  return {{"threads", names_}, {"steps", steps}};
}

}  // namespace muster::model
