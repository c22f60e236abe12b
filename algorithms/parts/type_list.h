#pragma once

#include <type_traits>

namespace muster {

template <class... Ts>
struct TypeList {};

/// Calls `f(std::type_identity<T>{})` for every T of the list.
template <class... Ts, class F>
constexpr void for_each_type(TypeList<Ts...>, F&& f) {
  (f(std::type_identity<Ts>{}), ...);
}

}  // namespace muster
