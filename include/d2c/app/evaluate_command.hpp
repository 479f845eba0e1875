#pragma once
/// The command line of d2c-evaluate. Its parser is app/parse_evaluate_command.hpp.

#include <cstdint>
#include <string>
#include <vector>

namespace d2c {

/// What the user asked for.
struct EvaluateCommand {
  std::string samples;
  std::string reference;            ///< empty: none was given
  std::vector<std::string> metrics; ///< empty: those of the convention
  std::string convention = "adm";
  std::string inception;       ///< file with the Inception weights of FID
  std::string dinov2;          ///< file with the weights of DINOv2
  std::string held_out;        ///< real images the copy audit compares with; empty: the reference
  std::string write_reference; ///< archive to write; empty: none
  std::string json;            ///< file for the numbers; empty: none
  std::string device = "cpu";
  std::int64_t batch = 64;
  std::int64_t threads = 0; ///< 0: all cores
  std::int64_t neighbours = 3;
  std::int64_t density_neighbours = 5;
  std::int64_t kid_subsets = 100;
  std::int64_t kid_subset_size = 1000;
  std::int64_t reference_images = 10'000; ///< at most so many go into the written archive
  double copy_percentile = 1.0;
  bool quiet = false;
};

} // namespace d2c
