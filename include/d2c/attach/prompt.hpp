#pragma once
/// The prompt of a class: a pattern with the class name in it.

#include <string>
#include <string_view>

#include <d2c/core/error.hpp>

namespace d2c {

/// `pattern` with every "{}" replaced by `class_name`: "a photo of a {}" gives "a photo of a Bag"
/// (the paper's prompt). Throws InputError if the pattern has no "{}", because
/// all classes would then share one text.
inline std::string class_prompt(std::string_view pattern, std::string_view class_name) {
  std::string text{pattern};
  std::size_t at = text.find("{}");
  if (at == std::string::npos) {
    throw InputError("data.prompt = \"" + text +
                     "\": expected {} where the name of the class belongs, found none");
  }
  for (; at != std::string::npos; at = text.find("{}", at + class_name.size())) {
    text.replace(at, 2, class_name);
  }
  return text;
}

} // namespace d2c
