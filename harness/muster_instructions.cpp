// What scripts/instructions.py runs under callgrind: so many appends, or advances, of one algorithm by one thread,
// what is counted in functions of its own. Without arguments it prints what it was built with, and where it runs.
#include <array>
#include <charconv>
#include <cstring>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>

#include "algorithms/all.h"
#include "harness/machine.h"

namespace muster {
namespace {

constexpr std::uint32_t kRecord = 120;                    // bytes
constexpr std::size_t kCapacity = std::size_t{16} << 20;  // bytes
// No window of any algorithm is filled by so many: one thread would wait for itself.
constexpr std::uint64_t kCountMax = (std::size_t{1} << 19) / kRecord;

/// Reserve, copy, publish, and the loop around them.
template <class A>
[[gnu::noinline]] void counted_appends(A& log, WorkerId worker, std::uint64_t count) {
  const std::array<std::byte, kRecord> record{};
  for (; count > 0; --count) {
    const Reservation r = log.reserve(worker, kRecord);
    std::memcpy(r.bytes.data(), record.data(), kRecord);
    log.publish(worker, r);
  }
}

template <class A>
[[gnu::noinline]] Lsn counted_advance(A& log) {
  asm volatile("" ::: "memory");  // it is called also where it does nothing
  return log.advance();
}

template <class A>
void run(std::string_view operation, std::uint64_t count) {
  A log({.capacity = kCapacity, .max_workers = 1});
  const WorkerId worker = log.attach();
  if (operation == "append") return counted_appends(log, worker, count);
  for (; count > 0; --count) {
    log.publish(worker, log.reserve(worker, kRecord));
    log.recycle(counted_advance(log));
  }
}

void run(std::string_view algorithm, std::string_view operation, std::string_view count_text) {
  std::uint64_t count = 0;
  const char* const end = count_text.data() + count_text.size();
  if (std::from_chars(count_text.data(), end, count).ptr != end || count == 0 || count > kCountMax) {
    throw std::invalid_argument("count = " + std::string(count_text) + ": want 1 to " +
                                std::to_string(kCountMax));
  }
  if (operation != "append" && operation != "advance") {
    throw std::invalid_argument("operation = " + std::string(operation) + ": want append or advance");
  }
  with_algorithm(algorithm, LogBufferOptions{},
                 [&](auto type) { run<typename decltype(type)::type>(operation, count); });
}

void describe() {
  nlohmann::ordered_json context = describe_build();
  context.update(describe_machine(Topology::this_machine(), ""));
  context["record_bytes"] = kRecord;
  std::cout << context.dump() << "\n";
}

}  // namespace
}  // namespace muster

int main(int argc, char** argv) {
  if (argc == 1) {
    muster::describe();
    return 0;
  }
  try {
    if (argc != 4) throw std::invalid_argument("want ALGORITHM append|advance COUNT, or nothing");
    muster::run(argv[1], argv[2], argv[3]);
  } catch (const std::invalid_argument& error) {
    std::cerr << "muster_instructions: " << error.what() << "\n";
    return 2;
  }
}
