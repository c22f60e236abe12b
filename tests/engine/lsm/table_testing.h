#pragma once

#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "engine/lsm/block.h"
#include "tests/catch.h"

namespace muster::lsm {

inline Bytes bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}
inline std::string text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// What a key's newest entry says.
struct Item {
  Lsn lsn = 0;
  bool tombstone = false;
  std::string value;
  bool operator==(const Item&) const = default;
};
using Model =
    std::map<std::string, Item>;  // std::string compares bytes as unsigned ones, as compare_keys() does

inline Entry entry_of(const Model::value_type& from) {
  return {bytes_of(from.first), from.second.lsn, from.second.tombstone, bytes_of(from.second.value)};
}
inline Model::value_type read_entry_of(const EntryIterator& iterator) {
  const Entry entry = iterator.entry();
  return {text_of(entry.key), {entry.lsn, entry.tombstone, text_of(entry.value)}};
}

/// Keys that share much, little or nothing, some empty, some of 512 bytes; any bytes; removals among them.
inline Model random_model(std::mt19937_64& random, std::size_t keys) {
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
  const auto any_bytes = [&](std::size_t size) {
    std::string bytes(size, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    return bytes;
  };
  Model model;
  std::string before;
  while (model.size() < keys) {
    const std::size_t kind = below(16);
    std::string key = kind < 8 ? before.substr(0, below(before.size() + 1)) : std::string();
    key += kind == 8 ? any_bytes(512) : any_bytes(below(kind < 4 ? 3 : 24));
    key.resize(std::min<std::size_t>(key.size(), 512));
    const bool tombstone = below(8) == 0;
    const std::size_t value_bytes = tombstone ? 0 : below(16) == 0 ? 1024 : below(100);
    model[key] = {random() >> below(64), tombstone,
                  below(2) == 0 ? any_bytes(value_bytes) : std::string(value_bytes, 'v')};
    before = key;
  }
  return model;
}

/// A key beside one of the model's, or one of them.
inline std::string some_key(std::mt19937_64& random, const Model& model) {
  std::string key = std::next(model.begin(), static_cast<std::ptrdiff_t>(random() % model.size()))->first;
  switch (random() % 5) {
    case 0:
      key.push_back('\0');
      break;
    case 1:
      if (!key.empty()) key.pop_back();
      break;
    case 2:
      if (!key.empty()) ++key.back();
      break;
    case 3:
      if (!key.empty()) --key.back();
      break;
    default:
      break;
  }
  return key;
}

/// Holds an iterator against the model: there and back, from anywhere, with changes of direction.
inline void check_iterator(EntryIterator& iterator, const Model& model, std::mt19937_64& random) {
  iterator.seek_to_first();
  for (const auto& item : model) {
    REQUIRE(iterator.valid());
    REQUIRE(read_entry_of(iterator) == item);
    iterator.next();
  }
  REQUIRE_FALSE(iterator.valid());
  iterator.seek_to_last();
  for (auto item = model.rbegin(); item != model.rend(); ++item) {
    REQUIRE(iterator.valid());
    REQUIRE(read_entry_of(iterator) == *item);
    iterator.previous();
  }
  REQUIRE_FALSE(iterator.valid());

  for (int i = 0; i < 200 && !model.empty(); ++i) {
    const std::string key = some_key(random, model);
    auto at = model.lower_bound(key);
    bool is_valid = at != model.end();
    if (random() % 2 == 0) {
      iterator.seek(bytes_of(key));
    } else {
      iterator.seek_below(bytes_of(key));
      is_valid = at != model.begin();
      if (is_valid) --at;
    }
    for (int step = 0; step < 12 && is_valid; ++step) {
      REQUIRE(iterator.valid());
      REQUIRE(read_entry_of(iterator) == *at);
      if (random() % 2 == 0) {
        iterator.next();
        is_valid = ++at != model.end();
      } else {
        iterator.previous();
        is_valid = at != model.begin();
        if (is_valid) --at;
      }
    }
    REQUIRE(iterator.valid() == is_valid);
  }
}

}  // namespace muster::lsm
