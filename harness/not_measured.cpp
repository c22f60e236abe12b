#include "harness/not_measured.h"

#include <fmt/format.h>

#include <algorithm>

namespace muster {

std::vector<NotMeasured> merged(const std::vector<NotMeasured>& all) {
  std::vector<NotMeasured> few;
  for (const NotMeasured& one : all) {
    const auto same = std::find_if(few.begin(), few.end(), [&](const NotMeasured& other) {
      return other.reason == one.reason && other.remedy == one.remedy;
    });
    if (same == few.end()) {
      few.push_back(one);
    } else {
      same->what += ", " + one.what;
    }
  }
  return few;
}

std::string in_one_line(const std::vector<NotMeasured>& all) {
  std::string line;
  for (const NotMeasured& one : all) {
    line += fmt::format("{}{}: {}; {}", line.empty() ? "" : ". ", one.what, one.reason, one.remedy);
  }
  return line;
}

}  // namespace muster
