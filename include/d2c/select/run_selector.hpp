#pragma once
/// Runs the selection stage: scores.csv (or the data set alone) in, subset.csv out. Torch-free.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include <d2c/core/artifact.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/score/score_file.hpp>
#include <d2c/select/select_config.hpp>
#include <d2c/select/select_subset.hpp>
#include <d2c/select/selector.hpp>
#include <d2c/select/subset_file.hpp>

namespace d2c {

namespace detail {

/// Images per class: the type's number, or the configuration's.
template <class Stage>
std::int64_t selection_budget(const StageContext& context) {
  return Stage::budget::per_class > 0 ? Stage::budget::per_class
                                      : context.section<SelectConfig>().per_class;
}

} // namespace detail

/// Writes `subset.csv` into the stage's folder. Policies that need scores read `scores.csv` of the
/// scoring stage; the others only ask the data set for ids and classes.
template <class... Policies>
void run_stage(const Selector<Policies...>&, StageContext& context) {
  using Stage = Selector<Policies...>;
  const SelectConfig& config = context.section<SelectConfig>();
  std::vector<std::string> notes;
  SubsetRequest request;
  request.budget = detail::selection_budget<Stage>(context);
  request.interval = config.interval;
  request.seed = context.seed + static_cast<std::uint64_t>(config.seed_offset);
  request.notes = &notes;
  request.sections = &context.sections;

  const typename Stage::selection policy{};
  std::vector<SubsetRow> rows;
  std::size_t from = 0;
  if constexpr (selects_by_score<typename Stage::selection>) {
    const ScoreFile scores{context.artifacts.at<Scores>() / "scores.csv"};
    from = scores.images().size();
    rows = select_subset(policy, scores.images(), request);
  } else {
    const ImageSet images = context.images(Split::train);
    request.class_names = images.class_names;
    std::vector<ScoredImage> unscored(images.labels.size());
    for (std::size_t i = 0; i < unscored.size(); ++i) {
      unscored[i].id = images.ids[i];
      unscored[i].label = images.labels[i];
    }
    from = unscored.size();
    rows = select_subset(policy, unscored, request);
  }
  for (const std::string& note : notes) {
    context.progress.line(note);
  }
  write_subset(context.out / "subset.csv", rows);
  context.progress.line("kept " + std::to_string(rows.size()) + " of " + std::to_string(from) +
                        " images by " + std::string(Stage::selection::name));
}

/// What can be known before anything runs: a budget and an interval that make sense.
template <class... Policies>
void check_stage(const Selector<Policies...>&, const StageContext& context, Problems& problems) {
  using Stage = Selector<Policies...>;
  const SelectConfig& config = context.section<SelectConfig>();
  if (!KeepsWholeClass<typename Stage::selection> && detail::selection_budget<Stage>(context) < 1) {
    problems.add("[select] per_class",
                 "expected at least 1 image per class, found " + std::to_string(config.per_class));
  }
  if (config.interval < 0) {
    problems.add("[select] interval",
                 "expected 0 (the rule round(0.7 * class size / per_class)) or a step between "
                 "ranks, found " +
                     std::to_string(config.interval));
  }
}

} // namespace d2c
