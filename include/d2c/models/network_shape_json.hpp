#pragma once
/// The shape of a network as JSON, as checkpoints carry it. Torch-free.

#include <cmath>
#include <limits>
#include <string>
#include <type_traits>

#include <nlohmann/json.hpp>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/io/parse_json.hpp>
#include <d2c/models/transformer_size.hpp>

namespace d2c {

namespace detail {

/// Calls visit(name, field) for every field of a shape but its family.
template <class Shape, class Visit>
void for_each_shape_field(Shape& shape, Visit&& visit) {
  visit("depth", shape.size.depth);
  visit("hidden", shape.size.width);
  visit("heads", shape.size.heads);
  visit("patch", shape.size.patch);
  visit("mlp_ratio", shape.size.mlp_ratio);
  visit("channels", shape.channels);
  visit("height", shape.height);
  visit("width", shape.width);
  visit("classes", shape.classes);
  visit("learn_sigma", shape.learn_sigma);
  visit("class_embedding", shape.class_embedding);
  visit("text_embedding", shape.text_embedding);
  visit("text_tokens", shape.text_tokens);
  visit("text_width", shape.text_width);
  visit("align_depth", shape.align_depth);
  visit("align_width", shape.align_width);
  visit("align_hidden", shape.align_hidden);
}

} // namespace detail

/// One JSON object with every field; keys in a fixed order, so equal shapes give equal text. The
/// width of the class token is left out where there is none.
template <class = Once>
std::string network_shape_to_json(const NetworkShape& shape) {
  nlohmann::ordered_json json;
  json["family"] = shape.family == Family::dit ? "dit" : "sit";
  detail::for_each_shape_field(shape,
                               [&](const char* name, const auto& field) { json[name] = field; });
  if (shape.class_token_width > 0) {
    json["class_token_width"] = shape.class_token_width;
  }
  return json.dump();
}
D2C_COMPILED_ONCE(std::string network_shape_to_json<>(const NetworkShape&))

/// Reads what network_shape_to_json wrote. Throws InputError, beginning with `where`, on anything
/// else, such as a number that is not whole or that an int does not hold.
template <class = Once>
NetworkShape network_shape_from_json(const std::string& text, const std::string& where) {
  NetworkShape shape;
  try {
    const auto json = parse_json(text);
    const auto family = json.at("family").get<std::string>();
    if (family != "dit" && family != "sit") {
      throw InputError(where + ": expected a network of family dit or sit, found \"" + family +
                       "\"");
    }
    shape.family = family == "dit" ? Family::dit : Family::sit;
    const auto read = [&](const char* name, auto& field) {
      const auto& value = json.at(name);
      if constexpr (std::is_same_v<decltype(field), int&>) {
        // get_to would round and wrap.
        if (!value.is_number_integer() ||
            std::abs(value.template get<double>()) > std::numeric_limits<int>::max()) {
          throw InputError(where + ": expected a whole number below 2^31 as \"" + name +
                           "\" of the network, found " + value.dump());
        }
      }
      value.get_to(field);
    };
    detail::for_each_shape_field(shape, read);
    if (json.contains("class_token_width")) {
      read("class_token_width", shape.class_token_width);
    }
  } catch (const nlohmann::json::exception& error) {
    throw InputError(where + ": expected the shape of a network as JSON, found another text (" +
                     error.what() + ")");
  }
  return shape;
}
D2C_COMPILED_ONCE(NetworkShape network_shape_from_json<>(const std::string&, const std::string&))

} // namespace d2c
