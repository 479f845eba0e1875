#pragma once
/// Dropped conditions for classifier-free guidance. Torch-free.

#include <cstdint>
#include <span>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/rng.hpp>
#include <d2c/train/data_order.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

/// The labels a batch is trained with: the class of each sample, or `classes` (the null class)
/// where the condition was dropped.
struct DroppedLabels {
  std::vector<std::int64_t> labels;
  std::vector<std::int64_t> text_labels;
};

/// How often conditions are dropped.
struct ConditionDropout {
  double class_rate = 0.1;
  double text_rate = 0.1;
  bool joint = true; ///< text together with class, at class_rate
};

/// What [train] asks for.
inline ConditionDropout condition_dropout(const TrainConfig& config) {
  return {.class_rate = config.class_dropout,
          .text_rate = config.text_dropout < 0 ? config.class_dropout : config.text_dropout,
          .joint = config.text_dropout_joint};
}

/// Drops the class of a share of the visits, and their text: together by one draw (`joint`), or by
/// two independent ones, as in the code the paper descends from (then both are null for class_rate
/// times text_rate of them). `labels` are those of the visited images. A visit's draws do not
/// depend on its batch.
template <class = Once>
DroppedLabels drop_conditions(std::uint64_t seed, std::span<const Visit> visits,
                              std::span<const std::int64_t> labels, std::int64_t classes,
                              const ConditionDropout& dropout) {
  DroppedLabels dropped{{labels.begin(), labels.end()}, {labels.begin(), labels.end()}};
  for (std::size_t i = 0; i < visits.size(); ++i) {
    Draw draw{seed, Stream::class_drop, visits[i].epoch,
              static_cast<std::uint32_t>(visits[i].image)};
    const bool no_class = uniform(draw) < dropout.class_rate;
    draw.stream = Stream::text_drop;
    const bool no_text = dropout.joint ? no_class : uniform(draw) < dropout.text_rate;
    if (no_class) {
      dropped.labels[i] = classes;
    }
    if (no_text) {
      dropped.text_labels[i] = classes;
    }
  }
  return dropped;
}
D2C_COMPILED_ONCE(DroppedLabels drop_conditions<>(std::uint64_t, std::span<const Visit>,
                                                  std::span<const std::int64_t>, std::int64_t,
                                                  const ConditionDropout&))

} // namespace d2c
