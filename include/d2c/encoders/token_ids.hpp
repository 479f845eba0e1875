#pragma once
/// The ids that a tokenizer makes of one text. Torch-free.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace d2c {

/// Ids of one text in a fixed number of places; `mask` is 1 where an id is not padding, else 0.
struct TokenIds {
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> mask;

  /// `ids`, which are no more than `length`, then `padding` up to there.
  static TokenIds padded(std::vector<std::int64_t> ids, std::size_t length, std::int64_t padding) {
    TokenIds out{std::move(ids), {}};
    out.mask.assign(out.ids.size(), 1);
    out.ids.resize(length, padding);
    out.mask.resize(length, 0);
    return out;
  }
};

} // namespace d2c
