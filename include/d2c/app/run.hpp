#pragma once
/// d2c::run: the main function of a program with one pipeline.

#include <filesystem>

#include <d2c/app/network_of.hpp>
#include <d2c/app/program.hpp>
#include <d2c/app/report.hpp>
#include <d2c/app/source_data.hpp>
#include <d2c/app/torch_backend.hpp>
#include <d2c/train/export_denoiser.hpp>

namespace d2c {

namespace detail {

/// run_program with what needs LibTorch: devices, report, export.
template <class... Pipelines>
int run_with_torch(int argc, const char* const* argv) {
  const TorchBackend backend;
  return run_program<Pipelines...>(
      argc, argv,
      {.backend = backend,
       .write_report = [](const ReportInput& input) { write_report(input); },
       .export_denoiser =
           [](const std::filesystem::path& checkpoint, const std::filesystem::path& folder) {
             return export_denoiser(checkpoint, folder);
           }});
}

} // namespace detail

/// Runs the pipeline P as the command line says: `run` (default), `check`, `describe`, `plan`, a
/// stage's name, `export`, or `report`; results go to `<out>/<name>/`. Returns the exit code: 0, 2
/// for bad input, 1 for a failure.
template <class P>
int run(int argc, const char* const* argv) {
  return detail::run_with_torch<P>(argc, argv);
}

} // namespace d2c
