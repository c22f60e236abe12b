// A scenario on disk, as CBOR.
#include <fcntl.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>

#include "engine/io/file.h"
#include "tests/engine/power/explorer.h"

namespace muster::power {
namespace {

using Json = nlohmann::json;

Json describe(const Event& event) {
  std::vector<std::uint8_t> bytes(event.bytes.size());
  std::transform(event.bytes.begin(), event.bytes.end(), bytes.begin(),
                 [](std::byte byte) { return std::to_integer<std::uint8_t>(byte); });
  return {static_cast<int>(event.kind), event.file,   event.name,  event.target, event.offset, event.size,
          Json::binary(bytes),          event.number, event.began, event.done,   event.thread};
}

Event event_of(const Json& from) {
  Event event;
  event.kind = static_cast<Event::Kind>(from.at(0).get<int>());
  event.file = from.at(1);
  event.name = from.at(2);
  event.target = from.at(3);
  event.offset = from.at(4);
  event.size = from.at(5);
  for (const std::uint8_t byte : from.at(6).get_binary()) event.bytes.push_back(std::byte{byte});
  event.number = from.at(7);
  event.began = from.at(8);
  event.done = from.at(9);
  event.thread = from.at(10);
  return event;
}

}  // namespace

void save(const Scenario& scenario, const std::filesystem::path& path) {
  Json trace = Json::array();
  for (const Event& event : scenario.trace) trace.push_back(describe(event));
  const std::vector<std::uint8_t> all =
      Json::to_cbor({{"trace", trace}, {"history", scenario.history.to_json()}, {"next", scenario.next}});
  File::open(path, O_WRONLY | O_CREAT | O_TRUNC).write_at(0, std::as_bytes(std::span(all)));
}

Scenario load_scenario(const std::filesystem::path& path) {
  const File file = File::open(path, O_RDONLY);
  std::vector<std::uint8_t> all(file.size());
  file.read_at(0, std::as_writable_bytes(std::span(all)));
  const Json from = Json::from_cbor(all);
  Scenario scenario;
  for (const Json& event : from.at("trace")) scenario.trace.push_back(event_of(event));
  scenario.history = History::from_json(from.at("history"));
  scenario.next = from.at("next");
  return scenario;
}

}  // namespace muster::power
