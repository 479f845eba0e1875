#pragma once
/// The Inception score from class scores: how surely single images are classified, and how evenly
/// all of them.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/evaluate/legacy_permutation.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Over the parts of a set.
struct ClassScore {
  double mean = 0;
  double deviation = 0; ///< of the parts, divided by their number
};

namespace detail {

/// exp(mean KL(p(y | x) || p(y))) of the rows of one part, in float64.
inline double class_score_of(const Tensor& logits) {
  constexpr std::int64_t rows = 4096; // at a time
  Tensor marginal = at::zeros({logits.size(1)}, at::kDouble);
  double certainty = 0;
  for (const Tensor& some : logits.split(rows)) {
    const Tensor logarithm = at::log_softmax(some.to(at::kCPU, at::kDouble), 1);
    const Tensor share = logarithm.exp();
    certainty += (share * logarithm).sum().item<double>();
    marginal += share.sum(0);
  }
  const auto n = static_cast<double>(logits.size(0));
  marginal /= n;
  // xlogy: a class of probability 0 adds nothing.
  return std::exp(certainty / n - at::xlogy(marginal, marginal).sum().item<double>());
}

inline ClassScore class_score_of_parts(const std::vector<double>& parts) {
  ClassScore score;
  const auto count = static_cast<double>(parts.size());
  for (const double part : parts) {
    score.mean += part / count;
  }
  for (const double part : parts) {
    score.deviation += (part - score.mean) * (part - score.mean) / count;
  }
  score.deviation = std::sqrt(score.deviation);
  return score;
}

} // namespace detail

/// Score of `logits` [n, classes] over consecutive parts of `part` rows, the last one smaller where
/// they do not divide n: ADM's evaluator, with its 5000, in float64. Throws InputError if there are
/// no rows or parts are empty.
template <class = Once>
ClassScore class_score(const Tensor& logits, std::int64_t part = 5000) {
  if (logits.dim() != 2 || logits.size(0) == 0 || part < 1) {
    throw InputError("Inception score: expected class scores [n, classes] and parts of at least 1 "
                     "image, found shape " +
                     c10::str(logits.sizes()) + " and parts of " + std::to_string(part));
  }
  std::vector<double> parts;
  for (const Tensor& rows : logits.split(part)) {
    parts.push_back(detail::class_score_of(rows));
  }
  return detail::class_score_of_parts(parts);
}
D2C_COMPILED_ONCE(ClassScore class_score<>(const Tensor&, std::int64_t))

/// Score over `parts` parts of the rows in the random order of RandomState(seed): torch-fidelity,
/// with its defaults. Throws InputError if there are fewer rows than parts.
template <class = Once>
ClassScore shuffled_class_score(const Tensor& logits, std::int64_t parts = 10,
                                std::uint32_t seed = 2020) {
  if (logits.dim() != 2 || parts < 1 || logits.size(0) < parts) {
    throw InputError("Inception score: expected class scores [n, classes] of at least as many "
                     "images as parts, found shape " +
                     c10::str(logits.sizes()) + " and " + std::to_string(parts) + " parts");
  }
  const std::int64_t n = logits.size(0);
  const Tensor mixed =
      logits.index_select(0, at::tensor(LegacyPermutation{seed}.next(n), at::kLong));
  std::vector<double> scores;
  for (std::int64_t i = 0; i < parts; ++i) {
    scores.push_back(detail::class_score_of(mixed.slice(0, i * n / parts, (i + 1) * n / parts)));
  }
  return detail::class_score_of_parts(scores);
}
D2C_COMPILED_ONCE(ClassScore shuffled_class_score<>(const Tensor&, std::int64_t, std::uint32_t))

} // namespace d2c
