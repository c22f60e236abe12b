#include "harness/config_rows.h"

#include <cmath>

namespace muster {

using Json = nlohmann::ordered_json;

std::size_t choice(const Json& value, const Choices& choices) {
  if (!value.is_string()) return choices.size();
  const auto& name = value.get_ref<const std::string&>();
  return static_cast<std::size_t>(std::find(choices.begin(), choices.end(), name) - choices.begin());
}

std::optional<std::uint64_t> whole_number(const Json& value, std::uint64_t min, std::uint64_t max) {
  constexpr double kExact = 1ULL << 53;  // above it 1.0 and 1 are not always the same number
  std::uint64_t number = 0;
  if (value.is_number_unsigned()) {
    number = value.get<std::uint64_t>();
  } else if (value.is_number_float()) {
    const auto real = value.get<double>();
    if (!(real >= 0 && real <= kExact && std::trunc(real) == real)) return std::nullopt;
    number = static_cast<std::uint64_t>(real);
  } else {
    return std::nullopt;
  }
  if (number < min || number > max) return std::nullopt;
  return number;
}

std::optional<std::vector<std::uint32_t>> whole_numbers(const Json& value, std::uint32_t min,
                                                        std::uint32_t max) {
  if (!value.is_array() || value.empty()) return std::nullopt;
  std::vector<std::uint32_t> list;
  for (const Json& item : value) {
    const auto number = whole_number(item, min, max);
    if (!number) return std::nullopt;
    list.push_back(static_cast<std::uint32_t>(*number));
  }
  return list;
}

}  // namespace muster
