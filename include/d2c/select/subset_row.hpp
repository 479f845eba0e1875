#pragma once
/// One kept image: a row of subset.csv.

#include <cstdint>
#include <limits>
#include <string>

namespace d2c {

/// `rank` is the place in the class from easy to hard, or the order of picking where scores had no
/// say; then score and standard error are NaN.
struct SubsetRow {
  std::string id;
  std::string path; ///< empty where images are not files of their own
  std::int32_t label = 0;
  std::int64_t rank = 0;
  double score = std::numeric_limits<double>::quiet_NaN();
  double standard_error = std::numeric_limits<double>::quiet_NaN();
};

} // namespace d2c
