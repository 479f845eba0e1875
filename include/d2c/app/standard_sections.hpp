#pragma once
/// The sections every d2c program understands, whether one of its stages reads them or not, so that
/// one configuration serves several programs.

#include <d2c/app/run_config.hpp>
#include <d2c/attach/attach_config.hpp>
#include <d2c/core/type_list.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/prepare_config.hpp>
#include <d2c/evaluate/evaluate_config.hpp>
#include <d2c/sample/sample_config.hpp>
#include <d2c/score/score_config.hpp>
#include <d2c/select/select_config.hpp>
#include <d2c/train/pretrained_config.hpp>
#include <d2c/train/train_config.hpp>

namespace d2c {

using StandardSections =
    type_list<RunConfig, DataConfig, PrepareConfig, ScoreConfig, SelectConfig, AttachConfig,
              TrainConfig, PretrainedConfig, SampleConfig, EvaluateConfig>;

} // namespace d2c
