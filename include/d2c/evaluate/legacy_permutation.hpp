#pragma once
/// The permutations of numpy.random.RandomState, by which published evaluators choose subsets.

#include <cstdint>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

namespace d2c {

/// One stream of permutations, equal to RandomState(seed).permutation(n) called again and again;
/// choice(n, m, replace=False) is its first m entries. NumPy has frozen this stream.
class LegacyPermutation {
public:
  explicit LegacyPermutation(std::uint32_t seed) : words_{seed} {}

  /// The numbers 0 ... n - 1 in random order.
  std::vector<std::int64_t> next(std::int64_t n) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), std::int64_t{0});
    for (std::size_t i = order.size(); i-- > 1;) {
      std::swap(order[i], order[at_most(static_cast<std::uint32_t>(i))]);
    }
    return order;
  }

private:
  /// Uniform in 0 ... limit: words cut to its bits until one fits.
  std::size_t at_most(std::uint32_t limit) {
    std::uint32_t mask = limit;
    for (const int shift : {1, 2, 4, 8, 16}) {
      mask |= mask >> shift;
    }
    std::uint32_t value = 0;
    do {
      value = static_cast<std::uint32_t>(words_()) & mask;
    } while (value > limit);
    return value;
  }

  std::mt19937 words_;
};

} // namespace d2c
