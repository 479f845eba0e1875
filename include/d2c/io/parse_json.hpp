#pragma once
/// JSON of files that anybody may have written. Torch-free.

#include <string_view>

#include <nlohmann/json.hpp>

namespace d2c {

/// The value that `text` holds, whose lists and objects stand at most `most_depth` deep in each
/// other; one that is_discarded() for deeper ones and for text that is no JSON. nlohmann's parser
/// and destructor take any depth, but copies and dump() recurse: millions of brackets would end the
/// stack.
inline nlohmann::json parse_json(std::string_view text, int most_depth = 16) {
  struct TooDeep {};

  using Event = nlohmann::json::parse_event_t;
  const auto shallow = [most_depth](int depth, Event event, const nlohmann::json&) {
    if ((event == Event::array_start || event == Event::object_start) && depth >= most_depth) {
      throw TooDeep{};
    }
    return true;
  };
  try {
    return nlohmann::json::parse(text, shallow, false);
  } catch (const TooDeep&) {
    return nlohmann::json(nlohmann::json::value_t::discarded);
  }
}

} // namespace d2c
