#pragma once
/// Whose numbers the metrics on Inception-v3 are to equal.

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include <d2c/core/error.hpp>

namespace d2c {

/// The evaluators that papers cite: ADM's evaluator.py, torch-fidelity and pytorch-fid.
enum class EvaluatorConvention { adm, torch_fidelity, pytorch_fid };

namespace detail {

inline constexpr std::array<std::pair<std::string_view, EvaluatorConvention>, 3>
    evaluator_conventions = {{{"adm", EvaluatorConvention::adm},
                              {"torch-fidelity", EvaluatorConvention::torch_fidelity},
                              {"pytorch-fid", EvaluatorConvention::pytorch_fid}}};

} // namespace detail

inline std::string name_of(EvaluatorConvention convention) {
  for (const auto& [name, each] : detail::evaluator_conventions) {
    if (each == convention) {
      return std::string{name};
    }
  }
  return {};
}

/// The convention of that name. Throws InputError if there is none.
inline EvaluatorConvention evaluator_convention(std::string_view name) {
  for (const auto& [each, convention] : detail::evaluator_conventions) {
    if (each == name) {
      return convention;
    }
  }
  throw InputError("--convention: expected adm, torch-fidelity or pytorch-fid, found \"" +
                   std::string{name} + "\"");
}

} // namespace d2c
