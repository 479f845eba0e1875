#pragma once
/// What a selection policy sees: the images of one class, and what is asked for.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/sections.hpp>

namespace d2c {

/// One image of a class. `score` is NaN where the policy does not need scores.
struct Candidate {
  std::int64_t index = 0; ///< its place in the data set
  std::string_view id;
  double score = 0;
};

/// What is asked of a policy for one class.
struct SelectionRequest {
  std::int64_t budget = 0;   ///< how many images; never more than there are candidates
  std::int64_t interval = 0; ///< [select] interval; 0: the policy's own rule
  std::uint64_t seed = 0;
  int label = 0;                             ///< the class
  std::string_view class_name;               ///< for messages
  std::vector<std::string>* notes = nullptr; ///< takes sentences for the log, if set
  const Sections* sections = nullptr;        ///< of the configuration; null outside a run

  /// A section that the policy names as its `config`. Failure outside a run.
  template <class Section>
  [[nodiscard]] const Section& section() const {
    if (sections == nullptr) {
      throw Failure("selection: expected the configuration section [" +
                    std::string(Section::section) + "], found no configuration");
    }
    return sections->get<Section>();
  }

  void note(std::string sentence) const {
    if (notes != nullptr) {
      notes->push_back(std::move(sentence));
    }
  }
};

} // namespace d2c
