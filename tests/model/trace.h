#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/model/execution.h"

namespace muster::model {

/// An execution written down for a reader.
class Trace : public Recorder {
 public:
  explicit Trace(const Program& program);

  void step(const Execution& execution, const Event& event, const Request& request,
            const Reply& reply) override;
  void mark(ThreadId thread, const char* operation, const std::string& text) override;
  void violation(const std::string& sentence);

  /// A column a thread, a row a step.
  std::string table() const;
  nlohmann::ordered_json to_json() const;

 private:
  struct Step {
    ThreadId thread = 0;
    std::string operation, location, order, value, before, text, line;
    std::uint32_t source = kNone;
    bool stale = false;
    bool marks = false;
  };
  static std::string describe(const Step& step);

  std::vector<std::string> names_;
  std::vector<Step> steps_;
  std::map<std::pair<LocationId, std::uint32_t>, std::uint32_t> writers_;  // of a message: a step
};

}  // namespace muster::model
