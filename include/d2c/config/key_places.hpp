#pragma once
/// Where the keys of one configuration section were set, for messages about their values.

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace d2c {

/// Handed to a section's `static void validate(const Section&, const KeyPlaces&, Problems&)`.
/// `at("steps")` is `file:line:col` or `--set train.steps=0` where the key was set, otherwise the
/// section and the key themselves; use it as the `where` of a problem.
class KeyPlaces {
public:
  explicit KeyPlaces(std::string section) : section_{std::move(section)} {}

  void set(std::string_view key, std::string place) {
    places_[std::string(key)] = std::move(place);
  }

  [[nodiscard]] std::string at(std::string_view key) const {
    const auto found = places_.find(key);
    return found != places_.end() ? found->second : "[" + section_ + "] " + std::string(key);
  }

private:
  std::string section_;
  std::map<std::string, std::string, std::less<>> places_;
};

} // namespace d2c
