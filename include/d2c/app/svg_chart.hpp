#pragma once
/// Charts as inline SVG for the report: lines over steps, histograms, horizontal bars. Colours come
/// from the page's style sheet (classes s0, s1, ... for series), so the charts follow its theme.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

namespace d2c::svg {

/// One curve: points in data units, in drawing order.
struct Series {
  std::string label;
  std::vector<double> x;
  std::vector<double> y;
};

/// Title and axis names of a chart; sizes in CSS pixels of the view box.
struct Axes {
  std::string title;
  std::string x_label;
  std::string y_label;
  int width = 560;
  int height = 300;
};

/// A text with the characters that HTML gives a meaning replaced.
inline std::string escape(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    default:
      out += c;
    }
  }
  return out;
}

/// A number in at most four significant digits.
inline std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

namespace detail {

inline std::string fixed(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

/// Round steps (1, 2, 5 times a power of ten) that cover [low, high] with about `count` ticks.
inline std::vector<double> ticks(double low, double high, int count = 5) {
  const double raw = (high - low) / count;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double candidate : {1.0, 2.0, 5.0}) {
    if (candidate * power >= raw) {
      step = candidate * power;
      break;
    }
  }
  std::vector<double> at;
  for (double tick = std::ceil(low / step) * step; tick <= high + 1e-9 * step; tick += step) {
    at.push_back(std::abs(tick) < 1e-9 * step ? 0 : tick);
  }
  return at;
}

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value) {
    if (std::isfinite(value)) {
      low = std::min(low, value);
      high = std::max(high, value);
    }
  }

  /// A range of positive length, also when nothing or one value was added.
  void widen() {
    if (!(low <= high)) {
      low = 0;
      high = 1;
    }
    if (high - low <= 0) {
      high = low + std::max(1.0, std::abs(low));
    }
  }
};

/// The frame of a chart: grid, tick labels, titles, and the map from data to pixels.
class Frame {
public:
  Frame(const Axes& axes, Range x, Range y) : axes_{axes}, x_{x}, y_{y} {}

  [[nodiscard]] double px(double x) const {
    return left + (x - x_.low) / (x_.high - x_.low) * (axes_.width - left - right);
  }

  [[nodiscard]] double py(double y) const {
    return axes_.height - bottom -
           (y - y_.low) / (y_.high - y_.low) * (axes_.height - top - bottom);
  }

  [[nodiscard]] std::string open() const {
    std::string out = "<svg class=\"chart\" role=\"img\" aria-label=\"" + escape(axes_.title) +
                      "\" viewBox=\"0 0 " + std::to_string(axes_.width) + " " +
                      std::to_string(axes_.height) + "\">\n";
    for (const double tick : ticks(y_.low, y_.high)) {
      const std::string at = fixed(py(tick));
      out += "<line class=\"grid\" x1=\"" + fixed(left) + "\" x2=\"" + fixed(axes_.width - right) +
             "\" y1=\"" + at + "\" y2=\"" + at + "\"/><text x=\"" + fixed(left - 6) + "\" y=\"" +
             fixed(py(tick) + 4) + "\" text-anchor=\"end\">" + number(tick) + "</text>\n";
    }
    for (const double tick : ticks(x_.low, x_.high)) {
      out += "<text x=\"" + fixed(px(tick)) + "\" y=\"" + fixed(axes_.height - bottom + 16) +
             "\" text-anchor=\"middle\">" + number(tick) + "</text>\n";
    }
    out += "<text class=\"title\" x=\"" + fixed(left) + "\" y=\"16\">" + escape(axes_.title) +
           "</text>\n<text x=\"" + fixed(0.5 * (left + axes_.width - right)) + "\" y=\"" +
           fixed(axes_.height - 6) + "\" text-anchor=\"middle\">" + escape(axes_.x_label) +
           "</text>\n<text x=\"" + fixed(left - 46) + "\" y=\"" + fixed(top - 8) + "\">" +
           escape(axes_.y_label) + "</text>\n";
    return out;
  }

  [[nodiscard]] std::string legend(const std::vector<std::string>& labels) const {
    std::string out;
    double at = axes_.width - right;
    for (std::size_t i = labels.size(); i-- > 0;) {
      at -= 7.0 * static_cast<double>(labels[i].size()) + 26;
      out += "<rect class=\"s" + std::to_string(i) + " fill\" x=\"" + fixed(at) +
             "\" y=\"7\" width=\"10\" height=\"10\" rx=\"2\"/><text x=\"" + fixed(at + 15) +
             "\" y=\"16\">" + escape(labels[i]) + "</text>\n";
    }
    return out;
  }

  static constexpr double left = 58;
  static constexpr double right = 14;
  static constexpr double top = 40;
  static constexpr double bottom = 40;

private:
  Axes axes_;
  Range x_;
  Range y_;
};

} // namespace detail

/// Curves over a common axis. Points that are not finite are left out.
inline std::string line_chart(const Axes& axes, const std::vector<Series>& curves) {
  detail::Range x;
  detail::Range y;
  std::vector<std::string> labels;
  for (const Series& curve : curves) {
    labels.push_back(curve.label);
    for (std::size_t i = 0; i < curve.x.size(); ++i) {
      x.add(curve.x[i]);
      y.add(curve.y[i]);
    }
  }
  x.widen();
  y.widen();
  const detail::Frame frame{axes, x, y};
  std::string out = frame.open();
  for (std::size_t c = 0; c < curves.size(); ++c) {
    out += "<polyline class=\"s" + std::to_string(c) + " line\" points=\"";
    for (std::size_t i = 0; i < curves[c].x.size(); ++i) {
      if (std::isfinite(curves[c].y[i])) {
        out += detail::fixed(frame.px(curves[c].x[i])) + "," +
               detail::fixed(frame.py(curves[c].y[i])) + " ";
      }
    }
    out += "\"/>\n";
  }
  return out + frame.legend(labels) + "</svg>\n";
}

/// Histograms of several sets of values over common bins, each scaled to a share of its own set.
inline std::string histogram(const Axes& axes, const std::vector<Series>& sets, int bins = 60) {
  detail::Range x;
  for (const Series& set : sets) {
    for (const double value : set.x) {
      x.add(value);
    }
  }
  x.widen();
  detail::Range y;
  y.add(0);
  std::vector<std::vector<double>> shares;
  std::vector<std::string> labels;
  for (const Series& set : sets) {
    std::vector<double> share(static_cast<std::size_t>(bins));
    for (const double value : set.x) {
      const double place = (value - x.low) / (x.high - x.low) * bins;
      if (std::isfinite(place)) {
        share[static_cast<std::size_t>(std::clamp(place, 0.0, bins - 1.0))] +=
            1.0 / static_cast<double>(set.x.size());
      }
    }
    for (const double value : share) {
      y.add(value);
    }
    shares.push_back(std::move(share));
    labels.push_back(set.label);
  }
  y.widen();
  const detail::Frame frame{axes, x, y};
  std::string out = frame.open();
  const double step = (x.high - x.low) / bins;
  for (std::size_t s = 0; s < shares.size(); ++s) {
    std::string path = "M" + detail::fixed(frame.px(x.low)) + "," + detail::fixed(frame.py(0));
    for (int b = 0; b < bins; ++b) {
      const double height = shares[s][static_cast<std::size_t>(b)];
      path += " L" + detail::fixed(frame.px(x.low + b * step)) + "," +
              detail::fixed(frame.py(height)) + " L" +
              detail::fixed(frame.px(x.low + (b + 1) * step)) + "," +
              detail::fixed(frame.py(height));
    }
    path += " L" + detail::fixed(frame.px(x.high)) + "," + detail::fixed(frame.py(0)) + " Z";
    out += "<path class=\"s" + std::to_string(s) + " area\" d=\"" + path + "\"/>\n";
  }
  return out + frame.legend(labels) + "</svg>\n";
}

/// One horizontal bar a row, its value written behind it.
inline std::string bar_chart(const std::string& title, const std::vector<std::string>& labels,
                             const std::vector<double>& values, const std::string& unit) {
  const int row = 26;
  const int height = 36 + row * static_cast<int>(labels.size());
  const double longest = values.empty() ? 1 : std::max(1e-12, *std::ranges::max_element(values));
  std::string out = "<svg class=\"chart\" role=\"img\" aria-label=\"" + escape(title) +
                    "\" viewBox=\"0 0 560 " + std::to_string(height) +
                    "\">\n<text class=\"title\" x=\"0\" y=\"16\">" + escape(title) + "</text>\n";
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double y = 30 + row * static_cast<double>(i);
    const double width = 300 * std::max(0.0, values[i]) / longest;
    out += "<text x=\"150\" y=\"" + detail::fixed(y + 14) + "\" text-anchor=\"end\">" +
           escape(labels[i]) + "</text><rect class=\"s0 fill\" x=\"158\" y=\"" + detail::fixed(y) +
           "\" width=\"" + detail::fixed(std::max(1.0, width)) +
           "\" height=\"18\" rx=\"3\"/><text x=\"" + detail::fixed(164 + width) + "\" y=\"" +
           detail::fixed(y + 14) + "\">" + number(values[i]) + " " + unit + "</text>\n";
  }
  return out + "</svg>\n";
}

} // namespace d2c::svg
