#pragma once

#include <tuple>
#include <type_traits>
#include <utility>

#include "algorithms/all.h"

namespace muster::test {

constexpr bool is_safe(const AlgorithmInfo& info) {
  return !info.unsafe;
}
constexpr bool is_prompt(const AlgorithmInfo& info) {
  return is_safe(info) && !info.stalls_on_idle;
}

/// The algorithms that `keep` accepts, as the std::tuple that Catch2 wants; of pointers, since none is made.
template <bool (*keep)(const AlgorithmInfo&), class... As>
auto filtered(TypeList<As...>) -> decltype(std::tuple_cat(
    std::declval<std::conditional_t<keep(As::info), std::tuple<As*>, std::tuple<>>>()...));

template <class Platform>
using SafeAlgorithmsOn = decltype(filtered<is_safe>(AllAlgorithms<Platform>{}));

}  // namespace muster::test
