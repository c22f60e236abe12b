#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <ostream>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/lsm/entry.h"

namespace muster::lsm::test {

inline Bytes bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
inline std::string text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// An entry that has its bytes.
struct Owned {
  std::string key;
  Lsn lsn = 0;
  bool tombstone = false;
  std::string value{};

  bool operator==(const Owned&) const = default;
  Entry entry() const { return {bytes(key), lsn, tombstone, bytes(value)}; }
};
inline Owned owned(const Entry& entry) {
  return {text(entry.key), entry.lsn, entry.tombstone, text(entry.value)};
}
inline std::ostream& operator<<(std::ostream& out, const Owned& entry) {
  std::string key;
  for (const char c : entry.key) key += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out << fmt::format("[{} @{}{} '{}']", key, entry.lsn, entry.tombstone ? " removed" : "",
                            entry.value);
}

/// The order of entries, said another way than in engine/lsm/entry.h.
struct KeyThenNewest {
  bool operator()(const std::pair<std::string, Lsn>& a, const std::pair<std::string, Lsn>& b) const {
    return a.first != b.first ? a.first < b.first : a.second > b.second;
  }
};
using Model = std::map<std::pair<std::string, Lsn>, Owned, KeyThenNewest>;

inline std::vector<Owned> all_of(const Model& model) {
  std::vector<Owned> all;
  for (const auto& [place, entry] : model) all.push_back(entry);
  return all;
}
/// Of each key the newest.
inline std::vector<Owned> newest_of(const Model& model) {
  std::vector<Owned> newest;
  const std::string* last = nullptr;
  for (const auto& [place, entry] : model) {
    if (last != nullptr && *last == place.first) continue;
    last = &place.first;
    newest.push_back(entry);
  }
  return newest;
}

inline std::vector<Owned> forward(EntryIterator& iterator) {
  std::vector<Owned> met;
  for (iterator.seek_to_first(); iterator.valid(); iterator.next()) met.push_back(owned(iterator.entry()));
  return met;
}
inline std::vector<Owned> backward(EntryIterator& iterator) {
  std::vector<Owned> met;
  for (iterator.seek_to_last(); iterator.valid(); iterator.previous()) met.push_back(owned(iterator.entry()));
  return {met.rbegin(), met.rend()};
}

/// Short keys of few bytes, so that keys are often equal, begin with each other, or are empty; seldom a long one.
inline std::string random_key(std::mt19937_64& random) {
  static constexpr std::string_view kBytes("\0\1a\x7f\x80\xff", 6);
  std::string key(random() % 50 == 0 ? 9 + random() % 300 : random() % 4, ' ');
  for (char& c : key) c = kBytes[random() % kBytes.size()];
  return key;
}

inline Owned random_entry(std::mt19937_64& random, Lsn lsn) {
  Owned entry{random_key(random), lsn, random() % 4 == 0};
  if (!entry.tombstone) entry.value = fmt::format("{}{}", lsn, std::string(random() % 200, 'v'));
  return entry;
}

/// Seeks and steps at random, and compares each position with `expected`, which is in the iterator's order. Returns the
/// number of steps until the first position that is wrong; `steps`: all were right.
inline int walk_at_random(EntryIterator& iterator, const std::vector<Owned>& expected,
                          std::mt19937_64& random, int steps) {
  auto at = expected.end();
  const auto before = [&](auto place) {
    return place == expected.begin() ? expected.end() : std::prev(place);
  };
  const auto first_at_least = [&](const std::string& key) {
    return std::ranges::find_if(expected, [&](const Owned& entry) { return entry.key >= key; });
  };
  const auto move = [&](std::uint64_t choice) {
    const std::string key = random_key(random);
    if (choice == 0) {
      iterator.seek_to_first();
      at = expected.begin();
    } else if (choice == 1) {
      iterator.seek_to_last();
      at = before(expected.end());
    } else if (choice == 2) {
      iterator.seek(bytes(key));
      at = first_at_least(key);
    } else if (choice == 3) {
      iterator.seek_below(bytes(key));
      at = before(first_at_least(key));
    } else if (choice < 12) {
      iterator.next();
      ++at;
    } else {
      iterator.previous();
      at = before(at);
    }
  };
  for (int step = 0; step < steps; ++step) {
    move(iterator.valid() ? random() % 20 : random() % 4);
    const bool right =
        iterator.valid() ? at != expected.end() && owned(iterator.entry()) == *at : at == expected.end();
    if (!right) return step;
  }
  return steps;
}

}  // namespace muster::lsm::test
