#include "harness/history_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <vector>

namespace muster {
namespace {

using history::Because;
using history::TransactionIndex;

// In pixels: the width of a letter, and distances.
constexpr double kLetter = 7.3;
constexpr double kLine = 18;
constexpr double kMargin = 16;
constexpr double kBoxLeft = 56;  // the last step of a cycle goes up beside the boxes
constexpr double kArrow = 44;
constexpr std::size_t kLettersMax = 96;  // in a line

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '<') {
      safe += "&lt;";
    } else if (c == '&') {
      safe += "&amp;";
    } else if (c == '"') {
      safe += "&quot;";
    } else {
      safe += c;
    }
  }
  return safe;
}

/// Joins the pieces to as few lines as they need, and cuts none.
std::vector<std::string> lines_of(const std::vector<std::string>& pieces) {
  std::vector<std::string> lines;
  for (const std::string& piece : pieces) {
    if (lines.empty() || lines.back().size() + piece.size() >= kLettersMax) {
      lines.push_back(piece);
    } else {
      lines.back() += " " + piece;
    }
  }
  return lines;
}

/// Colour-blind readers can tell these colours apart; the sentence beside the arrow names the reason as well.
std::string_view colour_of(Because because) {
  switch (because) {
    case Because::ww:
      return "#0072B2";
    case Because::wr:
      return "#009E73";
    case Because::rw:
      return "#D55E00";
    case Because::session:
    case Because::realtime:
    case Because::through:
      break;
  }
  return "#777777";
}

std::string_view name_of(Because because) {
  switch (because) {
    case Because::ww:
      return "ww";
    case Because::wr:
      return "wr";
    case Because::rw:
      return "rw";
    case Because::session:
      return "session";
    case Because::realtime:
    case Because::through:
      break;
  }
  return "real time";
}

class Picture {
 public:
  explicit Picture(const history::History& history) : history_(history) {}

  void draw(const history::Anomaly& anomaly) {
    y_ += kMargin;
    line(kMargin, fmt::format("{}: {}", anomaly.name, anomaly.title), "#D40000", "font-weight=\"bold\" ");
    if (!anomaly.what.empty()) line(kMargin, anomaly.what, "#222222");
    if (anomaly.cycle.empty()) {
      for (const TransactionIndex t : std::set(anomaly.transactions.begin(), anomaly.transactions.end())) {
        y_ += kMargin / 2;
        box(t);
      }
      return;
    }
    y_ += kMargin / 2;
    double first_middle = 0;
    for (std::size_t i = 0; i < anomaly.cycle.size(); ++i) {
      const history::Step& step = anomaly.cycle[i];
      const double middle = box(step.from);
      if (i == 0) first_middle = middle;
      const std::string_view colour = colour_of(step.because);
      const std::string why = fmt::format("{}: {}", name_of(step.because), anomaly.why[i]);
      if (i + 1 < anomaly.cycle.size()) {
        arrow(fmt::format("M {0} {1} L {0} {2}", kBoxLeft + 24, y_, y_ + kArrow - 4), colour);
        text(kBoxLeft + 36, y_ + kArrow / 2 + 4, why, colour);
        y_ += kArrow;
      } else {
        arrow(
            fmt::format("M {0} {1} C {2} {1} {2} {3} {0} {3}", kBoxLeft, middle, kMargin - 12, first_middle),
            colour);
        line(kBoxLeft, why, colour);
      }
    }
  }

  std::string svg() const {
    std::string heads;
    for (const std::string_view colour : {"#0072B2", "#009E73", "#D55E00", "#777777"}) {
      heads += fmt::format(
          "<marker id=\"head{0}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"7\" "
          "markerHeight=\"7\" "
          "orient=\"auto\"><path d=\"M 0 0 L 8 4 L 0 8 z\" fill=\"#{0}\"/></marker>",
          colour.substr(1));
    }
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" font-family=\"DejaVu "
        "Sans Mono, "
        "monospace\" font-size=\"12\">\n<defs>{2}</defs>\n<rect width=\"100%\" height=\"100%\" "
        "fill=\"white\"/>\n{3}</svg>\n",
        width_ + kMargin, y_ + kMargin, heads, body_);
  }

 private:
  void text(double x, double y, std::string_view what, std::string_view colour, std::string_view look = "") {
    body_ += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" {}fill=\"{}\">{}</text>\n", x, y, look, colour,
                         escaped(what));
    width_ = std::max(width_, x + kLetter * static_cast<double>(what.size()));
  }
  void line(double x, std::string_view what, std::string_view colour, std::string_view look = "") {
    y_ += kLine;
    text(x, y_ - 4, what, colour, look);
  }
  void arrow(const std::string& path, std::string_view colour) {
    body_ += fmt::format(
        "<path d=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.6\" marker-end=\"url(#head{})\"/>\n",
        path, colour, colour.substr(1));
  }

  /// Draws a transaction; returns the height of the box's middle.
  double box(TransactionIndex t) {
    const history::Transaction& transaction = history_.transactions()[t];
    std::vector<std::string> operations;
    for (const history::Operation& o : history_.operations_of(t)) operations.push_back(history_.in_words(o));
    std::vector<std::string> lines = lines_of(operations);
    lines.insert(lines.begin(),
                 fmt::format("T{}, process {}{}", t, transaction.process,
                             transaction.line == 0 ? "" : fmt::format(", line {}", transaction.line)));
    std::size_t letters = 0;
    for (const std::string& l : lines) letters = std::max(letters, l.size());
    const double height = kLine * static_cast<double>(lines.size()) + 6;
    const double top = y_;
    body_ += fmt::format(
        "<rect x=\"{}\" y=\"{:.0f}\" width=\"{:.0f}\" height=\"{:.0f}\" rx=\"5\" fill=\"#f7f7f7\" "
        "stroke=\"#444444\"/>\n",
        kBoxLeft, top, kLetter * static_cast<double>(letters) + 20, height);
    for (std::size_t i = 0; i < lines.size(); ++i)
      line(kBoxLeft + 10, lines[i], i == 0 ? "#555555" : "#111111");
    y_ = top + height;
    width_ = std::max(width_, kBoxLeft + kLetter * static_cast<double>(letters) + 20);
    return top + height / 2;
  }

  const history::History& history_;
  std::string body_;
  double y_ = 0;
  double width_ = 0;
};

}  // namespace

std::string picture_of(const history::Verdict& verdict, const history::History& history) {
  Picture picture(history);
  for (const history::Anomaly& anomaly : verdict.anomalies) picture.draw(anomaly);
  return picture.svg();
}

}  // namespace muster
