#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "engine/error.h"
#include "harness/commands.h"
#include "harness/config.h"
#include "harness/machine_checks.h"
#include "harness/machine_request.h"
#include "harness/workload_kind.h"

namespace muster {
namespace {

using Json = nlohmann::ordered_json;

Json refusal(int exit_code, const Json& key, const std::exception& error) {
  return {{"ok", false}, {"exit_code", exit_code}, {"key", key}, {"error", error.what()}};
}

Json answer(std::string_view line, std::size_t number, const Topology& topology) {
  try {
    const Configuration c = read_configuration(parse_json(line, fmt::format("configuration {}", number)));
    check_machine(c, topology);
    return {{"ok", true}, {"title", title_of(c)}, {"configuration", effective(c)}};
  } catch (const ConfigError& error) {
    return refusal(kRequest, error.key(), error);
  } catch (const TemporaryError& error) {
    return refusal(kTemporary, nullptr, error);
  } catch (const std::invalid_argument& error) {
    return refusal(kRequest, nullptr, error);
  } catch (const std::exception& error) {
    return refusal(kMachine, nullptr, error);
  }
}

}  // namespace

void check_command(const MachineRequest& machine, std::FILE* in, std::FILE* out) {
  const Topology topology = machine_of(machine);
  char* line = nullptr;
  std::size_t room = 0;
  std::size_t number = 0;
  for (ssize_t length = 0; (length = ::getline(&line, &room, in)) >= 0;) {
    const std::string_view text(line, static_cast<std::size_t>(length));
    fmt::print(out, "{}\n", answer(text, ++number, topology).dump());
  }
  std::free(line);
}

}  // namespace muster
