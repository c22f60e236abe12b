#pragma once

#include <cstring>

#include "engine/types.h"

namespace muster {

/// What a lock is called: a hash of table and key. Two records that share a name share a lock, which costs a
/// false conflict once in a very long while and is never wrong. 0 stands for "no lock".
using LockName = std::uint64_t;

namespace lock_name_detail {

/// Both halves of the 128-bit product, folded: every bit of the result depends on every bit of `a`.
inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint64_t load(const std::byte* from, std::size_t size) {
  std::uint64_t word = 0;
  std::memcpy(&word, from, size);
  return word;
}

}  // namespace lock_name_detail

namespace lock_name_detail {

inline LockName name(TableId table, Bytes key, std::uint64_t salt) {
  constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15, kAlsoOdd = 0xd6e8feb86659fd93;
  // The size goes in first: keys that differ in trailing zero bytes have different names.
  std::uint64_t hash = mix((std::uint64_t{table} << 32 | key.size()) ^ kOdd ^ salt, kAlsoOdd);
  std::size_t at = 0;
  for (; at + 8 <= key.size(); at += 8) hash = mix(hash ^ load(key.data() + at, 8) ^ kAlsoOdd, kOdd);
  if (at < key.size()) hash = mix(hash ^ load(key.data() + at, key.size() - at) ^ kOdd, kAlsoOdd);
  hash = mix(hash ^ kOdd, kAlsoOdd);
  return hash != 0 ? hash : 1;
}

}  // namespace lock_name_detail

/// The name of a record.
inline LockName lock_name(TableId table, Bytes key) {
  return lock_name_detail::name(table, key, 0);
}
/// The name of the gap below a key: all keys between the previous key, a ghost's too, and this one, both excluded.
inline LockName gap_name(TableId table, Bytes key) {
  return lock_name_detail::name(table, key, 0x5851f42d4c957f2d);
}
/// The name of the gap above a table's last key.
inline LockName end_gap_name(TableId table) {
  return lock_name_detail::name(table, {}, 0x14057b7ef767814f);
}

/// The names of a whole table: one for its readers, one for its writers.
inline LockName readers_name(TableId table) {
  return lock_name_detail::name(table, {}, 0x27bb2ee687b0b0fd);
}
inline LockName writers_name(TableId table) {
  return lock_name_detail::name(table, {}, 0x369dea0f31a53f85);
}

}  // namespace muster
