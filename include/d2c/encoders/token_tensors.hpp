#pragma once
/// The ids that a tokenizer makes of many prompts, as tensors.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <d2c/encoders/token_ids.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Ids and mask of n prompts in `length` places each: int64 [n, length] on the CPU.
struct TokenTensors {
  Tensor ids;
  Tensor mask; ///< 1 where an id is not padding, else 0
};

/// What `tokenizer.encode(prompt, length)`, which returns TokenIds, makes of each prompt.
template <class Tokenizer>
TokenTensors token_tensors(const Tokenizer& tokenizer, std::span<const std::string> prompts,
                           std::int64_t length) {
  const auto n = static_cast<std::int64_t>(prompts.size());
  TokenTensors tensors{at::empty({n, length}, at::kLong), at::empty({n, length}, at::kLong)};
  auto* id = tensors.ids.template mutable_data_ptr<std::int64_t>();
  auto* here = tensors.mask.template mutable_data_ptr<std::int64_t>();
  for (const std::string& prompt : prompts) {
    const TokenIds text = tokenizer.encode(prompt, static_cast<std::size_t>(length));
    id = std::copy(text.ids.begin(), text.ids.end(), id);
    here = std::copy(text.mask.begin(), text.mask.end(), here);
  }
  return tensors;
}

} // namespace d2c
