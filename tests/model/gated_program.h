#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/log_buffer.h"
#include "tests/model/checking_platform.h"
#include "tests/model/execution.h"

namespace muster::model {

/// Workers that append so many records each and stop at a gate before every reserve and publish. Nobody drains.
template <class A>
class GatedProgram : public Program {
 public:
  explicit GatedProgram(std::vector<std::uint32_t> records) : records_(std::move(records)) {}

  std::uint32_t threads() const override { return static_cast<std::uint32_t>(records_.size()); }
  std::string thread_name(ThreadId thread) const override { return "worker " + std::to_string(thread); }
  void set_up() override {
    log_.emplace(LogBufferOptions{
        .capacity = 1024, .max_workers = threads(), .consolidation_slots = 1, .delegation_chain = 1});
    gate_.emplace();
    gate_->describe("gate");
    for (ThreadId t = 0; t < threads(); ++t) log_->attach();
  }
  void run(ThreadId thread) override {
    for (std::uint32_t i = 0; i < records_[thread]; ++i) {
      gate_->load(std::memory_order_relaxed);
      const Reservation reservation = log_->reserve(thread, 3);
      gate_->load(std::memory_order_relaxed);
      log_->publish(thread, reservation);
    }
    gate_->load(std::memory_order_relaxed);
  }
  void tear_down() override {
    log_.reset();
    gate_.reset();
  }

 private:
  const std::vector<std::uint32_t> records_;
  std::optional<A> log_;
  std::optional<CheckingPlatform<>::Atomic<int>> gate_;
};

/// A mutant of which no search reaches what is wrong: guided_test leads there.
struct GuidedMutant {
  std::string name;  // algorithm:mutant
  std::string why;   // what is wrong with it
  std::unique_ptr<Program> (*make)(std::vector<std::uint32_t> records) = nullptr;
};

inline std::vector<GuidedMutant>& guided_mutants() {
  static std::vector<GuidedMutant> all;
  return all;
}

/// Each is a source of its own and adds itself here before main().
inline bool add_guided(GuidedMutant mutant) {
  guided_mutants().push_back(std::move(mutant));
  return true;
}

template <class A>
std::unique_ptr<Program> make_gated_program(std::vector<std::uint32_t> records) {
  return std::make_unique<GatedProgram<A>>(std::move(records));
}

}  // namespace muster::model
