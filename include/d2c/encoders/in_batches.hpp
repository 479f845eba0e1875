#pragma once
/// A loop over many prompts, some at a time. Torch-free.

#include <algorithm>
#include <cstdint>

namespace d2c {

/// How many prompts a text network takes at once: the inner widths of a large one would take
/// gigabytes for the prompts of a thousand classes.
inline constexpr std::int64_t prompts_at_once = 64;

/// Calls f(begin, end) for `size` of `n` things after another, at last for those that are left.
template <class F>
void in_batches(std::int64_t n, std::int64_t size, const F& f) {
  for (std::int64_t begin = 0; begin < n; begin += size) {
    f(begin, std::min(n, begin + size));
  }
}

} // namespace d2c
