#pragma once
/// The section [run] of the configuration: where results go, seeds, threads, device.

#include <cstdint>
#include <string>
#include <string_view>

#include <d2c/config/adapt.hpp>
#include <d2c/config/key_places.hpp>
#include <d2c/core/problem.hpp>

namespace d2c {

/// What is true of the whole run. A run leaves its results in `<out>/<name>/`, links into
/// `<out>/store/`.
struct RunConfig {
  static constexpr std::string_view section = "run";

  std::string name = "run";
  std::string out = "runs";     ///< holds all runs and the store they share
  std::int64_t seed = 0;        ///< of everything random
  std::int64_t score_seed = -1; ///< of the scoring alone, to share scores over seeds; -1: seed
  int threads = 0;              ///< 0: all cores
  int parallel_arms = 1;        ///< arms that run at once, each with its share of the threads
  std::string device = "cpu";   ///< "cpu", "cuda" or "cuda:N"
  bool tf32 = false;            ///< a GPU may round the factors of products to 10 bits

  static void validate(const RunConfig& run, const KeyPlaces& places, Problems& problems) {
    const auto expect = [&](bool holds, const char* key, const std::string& expected,
                            const std::string& found) {
      if (!holds) {
        problems.add(places.at(key), std::string("key \"") + key + "\" in [run]: expected " +
                                         expected + ", found " + found);
      }
    };
    const bool plain = !run.name.empty() && run.name != "." && run.name != ".." &&
                       run.name != "store" && run.name.find('/') == std::string::npos;
    expect(plain, "name", "a folder name other than \"store\"", "\"" + run.name + "\"");
    expect(!run.out.empty(), "out", "a folder", "an empty string");
    expect(run.seed >= 0, "seed", "zero or a positive number", std::to_string(run.seed));
    expect(run.score_seed >= -1, "score_seed", "-1, zero or a positive number",
           std::to_string(run.score_seed));
    expect(run.threads >= 0, "threads", "zero or a positive number", std::to_string(run.threads));
    expect(run.parallel_arms >= 1, "parallel_arms", "a positive number",
           std::to_string(run.parallel_arms));
  }
};

/// What decides the bits of a result besides its inputs: the kind of device and its arithmetic. Not
/// the number of a GPU, and not the number of threads, which change rounding alone.
[[nodiscard]] inline std::string arithmetic_of(const RunConfig& run) {
  if (run.device.starts_with("cuda")) {
    return run.tf32 ? "cuda tf32" : "cuda";
  }
  return run.device;
}

/// The seed of a stage of that kind: [run] score_seed for scoring where it is set, else [run] seed.
[[nodiscard]] inline std::uint64_t seed_of(const RunConfig& run, std::string_view kind) {
  return static_cast<std::uint64_t>(kind == "score" && run.score_seed >= 0 ? run.score_seed
                                                                           : run.seed);
}

} // namespace d2c

D2C_CONFIG(d2c::RunConfig, name, out, seed, score_seed, threads, parallel_arms, device, tf32)
