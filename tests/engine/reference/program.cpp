#include "tests/engine/reference/program.h"

#include <algorithm>
#include <array>
#include <istream>
#include <map>
#include <ostream>
#include <random>
#include <sstream>
#include <stdexcept>
#include <string_view>

#include "engine/index/table.h"

namespace muster::reference {
namespace {

using Random = std::mt19937_64;

constexpr std::array<std::string_view, 3> kCompressions{"none", "lz4",
                                                        "zstd"};  // in the order of the enumeration

struct Word {
  std::string_view name;
  std::uint32_t weight;  // how often it comes, in 10,000
  bool has_key, has_number;
};
/// In the order of Kind.
constexpr std::array<Word, 25> kWords{{
    {"begin", 500, false, true},
    {"insert", 1700, true, true},
    {"update", 1300, true, true},
    {"remove", 1000, true, false},
    {"find", 1200, true, false},
    {"find_for_update", 200, true, false},
    {"scan", 300, true, true},
    {"increment", 600, true, true},
    {"append", 500, true, true},
    {"modify", 300, true, false},
    {"compare_and_set", 300, true, true},
    {"savepoint", 200, false, false},
    {"roll_back", 100, false, true},
    {"commit", 700, false, false},
    {"abort", 100, false, false},
    {"snapshot", 100, false, true},
    {"snapshot_find", 600, true, true},
    {"snapshot_scan", 60, true, true},
    {"snapshot_end", 80, false, true},
    {"checkpoint", 8, false, false},
    {"flush_log", 20, false, false},
    {"compare", 10, false, false},
    {"close", 4, false, false},
    {"kill", 8, false, false},
    {"kill_soon", 8, false, true},
}};
static_assert(kWords.size() == static_cast<std::size_t>(Kind::kill_soon) + 1);
const Word& word_of(Kind kind) {
  return kWords[static_cast<std::size_t>(kind)];
}

std::string random_bytes(Random& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

/// Keys that are prefixes of one another, differ by zeros at the end or at the last of 512 bytes, empty, too long, and others.
std::vector<std::string> make_keys(Random& random, std::size_t count) {
  const std::string long_one = random_bytes(random, Table::kMaxKeyBytes - 1);
  std::vector<std::string> keys{"",     std::string(1, '\0'), std::string(2, '\0'),
                                "\xff", "\xff\xff",           std::string(Table::kMaxKeyBytes + 1, 'k')};
  while (keys.size() < count) {
    switch (random() % 6) {
      case 0:
        keys.push_back(long_one + static_cast<char>(random()));
        break;
      case 1:
        keys.push_back(random_bytes(random, 1 + random() % 40));
        break;
      case 2: {
        const std::string extended = keys[random() % keys.size()] + static_cast<char>(random() % 3);
        if (extended.size() <= Table::kMaxKeyBytes) keys.push_back(extended);
        break;
      }
      default:
        keys.push_back("key" + std::to_string(random() % (10 * count)));
    }
  }
  keys.resize(count);
  return keys;
}

Setting make_setting(TableKind table, Random& random) {
  constexpr std::array levels{Isolation::snapshot, Isolation::serializable_snapshot,
                              Isolation::read_committed, Isolation::two_phase_locking};
  constexpr std::array<std::size_t, 3> caches{0, 16 << 10, 1 << 20};
  Setting setting{.table = table, .level = levels[random() % levels.size()], .lsm = {}};
  setting.lsm.memtable_bytes = lsm::LsmOptions::kMemtableBytesMin;
  setting.lsm.compaction = static_cast<lsm::CompactionPolicy>(random() % lsm::kCompactionPolicies.size());
  setting.lsm.compression = static_cast<lsm::Compression>(random() % kCompressions.size());
  setting.lsm.bloom_bits = random() % 2 == 0 ? 0 : 10;
  setting.lsm.block_cache_bytes = caches[random() % caches.size()];
  return setting;
}

std::string from_hex(const std::string& text) {
  std::string bytes;
  if (text == "-") return bytes;
  for (std::size_t at = 0; at + 1 < text.size(); at += 2)
    bytes += static_cast<char>(std::stoi(text.substr(at, 2), nullptr, 16));
  return bytes;
}

template <class Value, std::size_t size>
Value choice(const std::array<std::string_view, size>& names, const std::string& name) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) throw std::invalid_argument("a program's setting has " + name);
  return static_cast<Value>(found - names.begin());
}

}  // namespace

std::string hex(std::string_view bytes) {
  if (bytes.empty()) return "-";
  std::string text;
  for (const char byte : bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    text += digits[static_cast<unsigned char>(byte) >> 4U];
    text += digits[static_cast<unsigned char>(byte) & 15U];
  }
  return text;
}

Program make_program(TableKind table, std::uint64_t seed, std::size_t operations, std::size_t keys) {
  Random random(seed);
  constexpr std::array<std::size_t, 3> sizes{40, 300, 3000};  // of the last, an LSM tree has three levels
  const std::size_t chosen = sizes[random() % sizes.size()];
  Program program{.setting = make_setting(table, random),
                  .keys = make_keys(random, keys == 0 ? chosen : keys),
                  .operations = {}};
  std::vector<std::uint32_t> weights;
  for (const Word& word : kWords) weights.push_back(word.weight);
  std::discrete_distribution<std::size_t> kinds(weights.begin(), weights.end());
  program.operations.reserve(operations);
  for (std::size_t i = 0; i < operations; ++i) {
    const auto kind = static_cast<Kind>(kinds(random));
    program.operations.push_back({.kind = kind,
                                  .key = static_cast<std::uint32_t>(random() % program.keys.size()),
                                  .number = static_cast<std::uint32_t>(random() % 20'000)});
  }
  return program;
}

std::string value_of(std::uint32_t number) {
  Random random(number);
  switch (random() % 8) {
    case 0:
      return {};
    case 1:
      return random_bytes(random, Table::kMaxValueBytes + random() % 4 / 3);  // a quarter is a byte too long
    case 2:
    case 3:
      return random_bytes(random, 8 + random() % 600);
    case 4:
      return std::string(random() % 1000, static_cast<char>(number));
    default:
      return random_bytes(random, 1 + random() % 40);
  }
}

std::string text_of(const Program& program, const Operation& operation) {
  const Word& word = word_of(operation.kind);
  std::string text(word.name);
  if (word.has_key) text.append(1, ' ').append(hex(program.keys[operation.key]));
  if (word.has_number) text.append(1, ' ').append(std::to_string(operation.number));
  return text;
}

void print(std::ostream& to, const Program& program) {
  const Setting& setting = program.setting;
  to << "setting " << name_of(setting.table) << " " << name_of(setting.level) << " "
     << lsm::kCompactionPolicies[static_cast<std::size_t>(setting.lsm.compaction)] << " "
     << kCompressions[static_cast<std::size_t>(setting.lsm.compression)] << " " << setting.lsm.bloom_bits
     << " " << setting.lsm.block_cache_bytes << "\n";
  for (const Operation& operation : program.operations) to << text_of(program, operation) << "\n";
}

Program parse(std::istream& from) {
  Program program;
  std::string word, table, level, compaction, compression;
  Setting& setting = program.setting;
  if (!(from >> word >> table >> level >> compaction >> compression >> setting.lsm.bloom_bits >>
        setting.lsm.block_cache_bytes) ||
      word != "setting") {
    throw std::invalid_argument("a program begins with its setting");
  }
  setting.table = choice<TableKind>(kTableKinds, table);
  setting.level = choice<Isolation>(kIsolations, level);
  setting.lsm.compaction = choice<lsm::CompactionPolicy>(lsm::kCompactionPolicies, compaction);
  setting.lsm.compression = choice<lsm::Compression>(kCompressions, compression);
  setting.lsm.memtable_bytes = lsm::LsmOptions::kMemtableBytesMin;
  std::map<std::string, std::uint32_t> known;
  while (from >> word) {
    const auto found = std::ranges::find(kWords, word, &Word::name);
    if (found == kWords.end()) throw std::invalid_argument("a program has no operation " + word);
    Operation operation{.kind = static_cast<Kind>(found - kWords.begin())};
    std::string key = "-";
    if (found->has_key) from >> key;
    if (found->has_number) from >> operation.number;
    if (!from) throw std::invalid_argument("a program ends within " + word);
    const auto [at, is_new] =
        known.try_emplace(from_hex(key), static_cast<std::uint32_t>(program.keys.size()));
    if (is_new) program.keys.push_back(at->first);
    operation.key = at->second;
    program.operations.push_back(operation);
  }
  return program;
}

}  // namespace muster::reference
