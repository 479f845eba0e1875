#pragma once
/// All of d2c: the types of the core ring, what its stages do, and the two entry points d2c::run
/// and d2c::compare. Includes LibTorch; include it in the one file of a program that has main.

#include <d2c/app/compare.hpp>
#include <d2c/app/run.hpp>
#include <d2c/attach/run_attacher.hpp>
#include <d2c/core.hpp>
#include <d2c/evaluate/run_evaluator.hpp>
#include <d2c/sample/log_likelihood.hpp>
#include <d2c/sample/run_sampler.hpp>
#include <d2c/score/run_scorer.hpp>
#include <d2c/select/run_selector.hpp>
#include <d2c/train/export_denoiser.hpp>
#include <d2c/train/run_pretrained.hpp>
#include <d2c/train/run_trainer.hpp>
#include <d2c/version.hpp>
