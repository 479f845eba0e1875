#pragma once
/// Selection of a subset: classes, order from easy to hard, the policy's pick. Arithmetic only: no
/// files, no torch.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <range/v3/view/chunk_by.hpp>

#include <d2c/core/artifact.hpp>
#include <d2c/core/contract.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/type_list.hpp>
#include <d2c/score/score_file.hpp>
#include <d2c/select/candidate.hpp>
#include <d2c/select/subset_row.hpp>

namespace d2c {

/// Whether a selection policy sorts by score: it lists Scores among its needs.
template <class Policy>
inline constexpr bool selects_by_score = contains_v<own_needs_t<Policy>, Scores>;

/// Whether a selection policy keeps whole classes, so that no budget is asked for.
template <class Policy>
concept KeepsWholeClass = requires {
  requires Policy::whole_class;
};

/// What select_subset() asks for in every class.
struct SubsetRequest {
  std::int64_t budget = 0; ///< images per class; without meaning to a policy that keeps them all
  std::int64_t interval = 0;
  std::uint64_t seed = 0;
  std::vector<std::string> class_names;      ///< by label; a class without name is called by number
  std::vector<std::string>* notes = nullptr; ///< takes sentences for the log, if set
  const Sections* sections = nullptr;        ///< of the configuration, for the policy
};

namespace select_detail {

/// InputError if two images have one id.
inline void require_unique(std::span<const ScoredImage> images) {
  std::size_t slots = 16;
  while (slots < 2 * images.size()) {
    slots *= 2;
  }
  // A slot holds the place of an image plus one, and half of its hash: texts are compared, far away
  // in memory, only where those agree.
  std::vector<std::uint64_t> table(slots, 0);
  const std::hash<std::string_view> hash;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::uint64_t hashed = hash(images[i].id);
    const std::uint64_t half = hashed & 0xffffffff00000000U;
    std::size_t slot = hashed & (slots - 1);
    for (; table[slot] != 0; slot = (slot + 1) & (slots - 1)) {
      const std::uint64_t place = table[slot] & 0xffffffffU;
      if ((table[slot] ^ place) == half && images[place - 1].id == images[i].id) {
        throw InputError("selection: expected every image once, found the id \"" +
                         std::string(images[i].id) + "\" twice");
      }
    }
    table[slot] = half | (i + 1);
  }
}

inline std::string name_of_class(const SubsetRequest& request, int label) {
  const auto place = static_cast<std::size_t>(label);
  return place < request.class_names.size() ? request.class_names[place] : std::to_string(label);
}

/// InputError if a named class before `label` was skipped.
inline void require_class(const SubsetRequest& request, int expected, int label) {
  if (expected < label && expected < static_cast<int>(request.class_names.size())) {
    throw InputError("selection: expected images of every class, found none of \"" +
                     name_of_class(request, expected) + "\" (class " + std::to_string(expected) +
                     ")");
  }
}

/// Failure unless the policy gave as many positions as asked, all different and within the class.
inline void require_promise(std::string_view policy, const SelectionRequest& asked,
                            std::size_t candidates, std::vector<std::size_t> positions) {
  std::sort(positions.begin(), positions.end());
  const bool repeated = std::adjacent_find(positions.begin(), positions.end()) != positions.end();
  if (static_cast<std::int64_t>(positions.size()) != asked.budget || repeated ||
      (!positions.empty() && positions.back() >= candidates)) {
    throw Failure("selection policy " + std::string(policy) + ": expected " +
                  std::to_string(asked.budget) + " different positions below " +
                  std::to_string(candidates) + " in class \"" + std::string(asked.class_name) +
                  "\", found " + std::to_string(positions.size()) +
                  (repeated ? " with a repetition" : ""));
  }
}

/// Sorts one class from easy to hard, ties by id; by id alone where scores have no say.
inline void sort_class(std::vector<Candidate>& candidates, bool by_score) {
  if (by_score) {
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
      return a.score != b.score ? a.score < b.score : a.id < b.id;
    });
  } else {
    std::sort(candidates.begin(), candidates.end(),
              [](const Candidate& a, const Candidate& b) { return a.id < b.id; });
  }
}

} // namespace select_detail

/// Picks `request.budget` images of every class by `policy`. Rows come sorted by class, then rank;
/// the result does not depend on the order of `images`. A policy that needs scores sees each class
/// sorted by ascending score (easy first, ties by id; Eq. 7 with positive sign) and `rank` is the
/// place in that order; any other sees it sorted by id, `rank` is the order of its picks, and the
/// scores stay empty. InputError on two images of one id, a class smaller than the budget (named),
/// a budget below one, and a score that is not finite; Failure if the policy breaks its promise of
/// `budget` different positions.
template <class Policy>
std::vector<SubsetRow> select_subset(const Policy& policy, std::span<const ScoredImage> images,
                                     const SubsetRequest& request) {
  constexpr bool by_score = selects_by_score<Policy>;
  if (!KeepsWholeClass<Policy> && request.budget < 1) {
    throw InputError("[select] per_class: expected at least 1 image per class, found " +
                     std::to_string(request.budget));
  }
  select_detail::require_unique(images);

  // Images by class: one word of label and place each, so that sorting touches nothing else.
  std::vector<std::uint64_t> order;
  order.reserve(images.size());
  for (std::size_t i = 0; i < images.size(); ++i) {
    const ScoredImage& image = images[i];
    if (image.label < 0 || (by_score && !std::isfinite(image.score))) {
      throw InputError("selection: expected a class from 0 on" +
                       std::string(by_score ? " and a finite score" : "") + " for image \"" +
                       std::string(image.id) + "\", found class " + std::to_string(image.label) +
                       (by_score ? " and score " + std::to_string(image.score) : ""));
    }
    order.push_back(static_cast<std::uint64_t>(image.label) << 32 | i);
  }
  std::sort(order.begin(), order.end());
  const auto label_of = [](std::uint64_t place) { return static_cast<int>(place >> 32); };
  const auto same_class = [&](auto a, auto b) { return label_of(a) == label_of(b); };

  std::vector<SubsetRow> rows;
  std::vector<Candidate> candidates;
  int expected_label = 0;
  for (auto&& places : order | ranges::views::chunk_by(same_class)) {
    candidates.clear();
    for (const std::uint64_t place : places) {
      const auto index = static_cast<std::uint32_t>(place);
      candidates.push_back({index, images[index].id, images[index].score});
    }
    const int label = label_of(*places.begin());
    select_detail::require_class(request, expected_label, label);
    if (!request.class_names.empty() && label >= static_cast<int>(request.class_names.size())) {
      throw InputError("selection: expected classes below " +
                       std::to_string(request.class_names.size()) + ", found class " +
                       std::to_string(label) + " of image \"" + std::string(candidates[0].id) +
                       "\"");
    }
    expected_label = label + 1;

    const auto size = static_cast<std::int64_t>(candidates.size());
    SelectionRequest asked{KeepsWholeClass<Policy> ? size : request.budget,
                           request.interval,
                           request.seed,
                           label,
                           {},
                           request.notes,
                           request.sections};
    const std::string class_name = select_detail::name_of_class(request, label);
    asked.class_name = class_name;
    if (size < asked.budget) {
      throw InputError("[select] per_class: expected at most as many images as every class has, "
                       "found " +
                       std::to_string(asked.budget) + " asked of the " + std::to_string(size) +
                       " in class \"" + class_name + "\"");
    }
    select_detail::sort_class(candidates, by_score);
    std::vector<std::size_t> positions =
        policy.select(std::span<const Candidate>(candidates), asked);
    if (by_score) {
      std::sort(positions.begin(), positions.end());
    }
    select_detail::require_promise(Policy::name, asked, candidates.size(), positions);
    for (std::size_t pick = 0; pick < positions.size(); ++pick) {
      const ScoredImage& image =
          images[static_cast<std::size_t>(candidates[positions[pick]].index)];
      SubsetRow row{std::string(image.id), std::string(image.path), label,
                    static_cast<std::int64_t>(by_score ? positions[pick] : pick)};
      if (by_score) {
        row.score = image.score;
        row.standard_error = image.standard_error;
      }
      rows.push_back(std::move(row));
    }
  }
  select_detail::require_class(
      request, expected_label,
      std::max(expected_label, static_cast<int>(request.class_names.size())));
  return rows;
}

} // namespace d2c
