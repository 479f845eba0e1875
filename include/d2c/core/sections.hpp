#pragma once
/// The configuration as stages and policies see it: structs by their type. Torch-free.

#include <any>
#include <map>
#include <string>
#include <string_view>
#include <typeindex>
#include <utility>

#include <d2c/core/error.hpp>

namespace d2c {

/// The sections of the effective configuration, by their type. A section is a plain struct with a
/// `static constexpr std::string_view section` that names its TOML table.
class Sections {
public:
  template <class Section>
  void set(Section value) {
    by_type_[typeid(Section)] = std::move(value);
  }

  template <class Section>
  [[nodiscard]] const Section& get() const {
    const auto found = by_type_.find(typeid(Section));
    if (found == by_type_.end()) {
      throw Failure("configuration section [" + std::string(Section::section) +
                    "] was not loaded for this pipeline");
    }
    return std::any_cast<const Section&>(found->second);
  }

private:
  std::map<std::type_index, std::any> by_type_;
};

} // namespace d2c
