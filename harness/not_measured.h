#pragma once

#include <string>
#include <vector>

namespace muster {

/// Something that a run could not find out, and what its user may do about that.
struct NotMeasured {
  std::string what;
  std::string reason;
  std::string remedy;
};

/// Those with the same reason and remedy as one.
std::vector<NotMeasured> merged(const std::vector<NotMeasured>& all);

/// All of them in one line.
std::string in_one_line(const std::vector<NotMeasured>& all);

}  // namespace muster
