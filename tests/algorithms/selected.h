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

template <class... As>
std::tuple<As*...> pointers(TypeList<As...>);

/// The algorithms that `keep` accepts, as the std::tuple that Catch2 wants; of pointers, since none is made.
template <bool (*keep)(const AlgorithmInfo&), class... As>
auto filtered(TypeList<As...>) -> decltype(std::tuple_cat(
    std::declval<std::conditional_t<keep(As::info), std::tuple<As*>, std::tuple<>>>()...));

/// Those with each lock that they may have.
template <class... As>
auto locked(std::tuple<As*...>) -> decltype(std::tuple_cat(pointers(WithEachLock<As>{})...));

template <class Platform>
using SafeAlgorithmsOn = decltype(filtered<is_safe>(AllAlgorithms<Platform>{}));

}  // namespace muster::test
