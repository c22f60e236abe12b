#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/model/execution.h"

namespace muster::model {

/// Bytes: two thirds of what the machine has for each of its processing units, as many of which may be searching.
std::size_t memory_of_a_search();

/// When to give up, and what a search may remember in.
struct Limits {
  double seconds = 1e9;
  std::uint64_t executions = ~std::uint64_t{0};
  std::size_t memory = memory_of_a_search();  // bytes, of a bounded search's places; all else is small
};

/// Whether a violation is one of orders, which a reader would rather not see where there is one of bytes.
inline bool is_of_orders(const std::string& violation) {
  return violation.starts_with("data race") || violation.starts_with("unsettled");
}

/// What a search has found.
struct Report {
  std::uint64_t executions = 0;  // that ran to their end
  std::uint64_t abandoned = 0;   // that turned out to be equivalent to others before their end
  std::uint64_t steps = 0;       // of all of them
  double seconds = 0;
  bool full = false;               // a bounded search could not remember all places that it has been to
  bool exhausted = false;          // every execution that the search is to look at has been looked at
  double explored = 0;             // an estimate of the share of the space, where not exhausted
  std::string violation;           // empty: none
  std::vector<Decision> schedule;  // that leads to it
};

/// Calls a function after every complete execution: for tests of the explorer itself.
using Observer = std::function<void(const Execution&)>;

/// Every execution up to equivalence: dynamic partial-order reduction with source sets and sleep sets (Abdulla et
/// al., POPL 2014), where a step of a load is told apart by the message that it reads. Two executions are
/// equivalent when program order, reads-from and the order of the writes to each location are the same. A load
/// that could be put behind a later store, and two writes whose order could be turned round, start the search
/// for the other order; a load behind a store need not be put before it, since it may read the older message
/// where it is. Of a sequentially consistent execution a load and a store are turned round both ways. Of messages
/// that bring the same to a reader the oldest is read alone: it leaves the most open. Of threads that are alike and
/// have not begun the first to be looked at begins: the others would do the same.
Report search_reduced(Execution& execution, Program& program, const Limits& limits,
                      const Observer& observer = nullptr);

/// Whether a bounded search leaves an execution where one that was equivalent so far, or would have been with threads
/// that are alike swapped, has gone on already.
enum class Merging : std::uint8_t { off, on };

inline constexpr std::uint32_t kPreemptionsMax = 100;

/// Every execution, up to equivalence, in which at most `preemptions` times a thread that could go on is made to
/// stop (Musuvathi and Qadeer, PLDI 2007). Looks for the violation with the fewest steps and goes on after it has
/// found one, as long as the limits allow. Throws std::invalid_argument for more than kPreemptionsMax.
Report search_bounded(Execution& execution, Program& program, std::uint32_t preemptions, const Limits& limits,
                      const Observer& observer = nullptr, Merging merging = Merging::on);

/// Random schedules: priorities that change at `changes` random steps (PCT: Burckhardt et al., ASPLOS 2010); loads
/// read the newest message in half of the cases, else any. Each execution has a seed of its own, counted from `seed`.
Report search_random(Execution& execution, Program& program, std::uint64_t seed, std::uint32_t changes,
                     const Limits& limits);

/// One execution: the schedule, then each thread as far as it gets.
Report replay(Execution& execution, Program& program, const std::vector<Decision>& schedule);

/// "0 1 1/2": a thread, or a thread and the message that it reads where that is not the newest.
std::string format_schedule(const std::vector<Decision>& schedule);
/// Throws std::invalid_argument.
std::vector<Decision> parse_schedule(const std::string& text);

}  // namespace muster::model
