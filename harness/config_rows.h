#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "harness/config.h"

// What the tables of keys are made of: a row by the type of its member.

namespace muster {

using Choices = std::vector<std::string_view>;  // by the enumerator's value

template <class Names>
std::string one_of(const Names& names) {
  std::string list;
  for (const auto& name : names) list += fmt::format("{}\"{}\"", list.empty() ? "" : ", ", name);
  return list;
}

/// The index of a string among the choices; their number where it is none of them.
std::size_t choice(const nlohmann::ordered_json& value, const Choices& choices);

/// A whole number in the range, also one that is written 1.0; nothing where it is anything else.
std::optional<std::uint64_t> whole_number(const nlohmann::ordered_json& value, std::uint64_t min,
                                          std::uint64_t max);

/// A list, not an empty one, of such.
std::optional<std::vector<std::uint32_t>> whole_numbers(const nlohmann::ordered_json& value,
                                                        std::uint32_t min, std::uint32_t max);

// Rows by the member's type. `member` is a generic lambda from a Configuration to the member, so that one
// serves for reading and for writing.

template <class Member>
ConfigKey integer(std::string name, UsedBy used_by, Member member, std::uint64_t min, std::uint64_t max,
                  std::string meaning) {
  return {std::move(name),
          used_by,
          fmt::format("an integer from {} to {}", min, max),
          std::move(meaning),
          false,
          [=](const nlohmann::ordered_json& value, Configuration& into) {
            const auto number = whole_number(value, min, max);
            if (number) member(into) = static_cast<std::remove_reference_t<decltype(member(into))>>(*number);
            return number.has_value();
          },
          [=](const Configuration& from) { return nlohmann::ordered_json(member(from)); }};
}

template <class Member>
ConfigKey power_of_two(std::string name, UsedBy used_by, Member member, std::uint64_t min, std::uint64_t max,
                       std::string meaning) {
  ConfigKey key = integer(std::move(name), used_by, member, min, max, std::move(meaning));
  key.want = fmt::format("a power of two from {} to {}", min, max);
  key.take = [=](const nlohmann::ordered_json& value, Configuration& into) {
    const auto number = whole_number(value, min, max);
    if (!number || !std::has_single_bit(*number)) return false;
    member(into) = static_cast<std::remove_reference_t<decltype(member(into))>>(*number);
    return true;
  };
  return key;
}

/// A whole number of units, such as std::chrono::seconds.
template <class Unit, class Member>
ConfigKey duration(std::string name, UsedBy used_by, Member member, std::uint64_t min, std::uint64_t max,
                   std::string meaning) {
  return {std::move(name),
          used_by,
          fmt::format("an integer from {} to {}", min, max),
          std::move(meaning),
          false,
          [=](const nlohmann::ordered_json& value, Configuration& into) {
            const auto count = whole_number(value, min, max);
            if (count) member(into) = Unit(*count);
            return count.has_value();
          },
          [=](const Configuration& from) {
            const auto units = std::chrono::duration_cast<Unit>(member(from));
            return nlohmann::ordered_json(static_cast<std::uint64_t>(units.count()));
          }};
}

template <class Member>
ConfigKey number(std::string name, UsedBy used_by, Member member, double min, double max,
                 std::string meaning) {
  return {std::move(name),
          used_by,
          fmt::format("a number from {} to {}", min, max),
          std::move(meaning),
          false,
          [=](const nlohmann::ordered_json& value, Configuration& into) {
            if (!value.is_number()) return false;
            const auto n = value.get<double>();
            if (!(n >= min && n <= max)) return false;
            member(into) = n;
            return true;
          },
          [=](const Configuration& from) { return nlohmann::ordered_json(member(from)); }};
}

template <class Member>
ConfigKey boolean(std::string name, UsedBy used_by, Member member, std::string meaning) {
  return {std::move(name),
          used_by,
          "true or false",
          std::move(meaning),
          false,
          [=](const nlohmann::ordered_json& value, Configuration& into) {
            if (!value.is_boolean()) return false;
            member(into) = value.get<bool>();
            return true;
          },
          [=](const Configuration& from) { return nlohmann::ordered_json(member(from)); }};
}

/// A member that is one of an enumeration, in the order of the choices, or that holds the chosen name itself.
template <class Member>
ConfigKey choice_of(std::string name, UsedBy used_by, Member member, const Choices& choices,
                    std::string meaning) {
  using Value = std::remove_cvref_t<decltype(member(std::declval<Configuration&>()))>;
  return {std::move(name),
          used_by,
          "one of " + one_of(choices),
          std::move(meaning),
          false,
          [=](const nlohmann::ordered_json& value, Configuration& into) {
            const std::size_t index = choice(value, choices);
            if (index == choices.size()) return false;
            if constexpr (std::is_enum_v<Value>) {
              member(into) = static_cast<Value>(index);
            } else {
              member(into) = choices[index];
            }
            return true;
          },
          [=](const Configuration& from) {
            if constexpr (std::is_enum_v<Value>) {
              return nlohmann::ordered_json(choices[static_cast<std::size_t>(member(from))]);
            } else {
              return nlohmann::ordered_json(member(from));
            }
          }};
}

}  // namespace muster
