#pragma once
/// Where the weights of a trained denoiser lie. Torch-free.

#include <filesystem>
#include <string>
#include <string_view>

#include <d2c/core/problem.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/io/is_folder.hpp>

namespace d2c {

/// Of the checkpoint that a training leaves in its folder.
inline constexpr std::string_view denoiser_file_name = "final.safetensors";

/// The file of the denoiser that `path` names: itself, or in that folder.
inline std::filesystem::path denoiser_file(const std::filesystem::path& path) {
  return is_folder(path) ? path / denoiser_file_name : path;
}

/// Adds a problem at `key` unless `path`, as a configuration names it, leads to a file; `what` says
/// which files are taken. Whether it does; reads nothing.
inline bool check_denoiser_file(const std::string& key, const std::string& path, Problems& problems,
                                const std::string& what = "a file of weights") {
  const std::filesystem::path file = denoiser_file(path);
  if (is_file(file)) {
    return true;
  }
  problems.add(key, "expected " + what + " or a folder with " + std::string(denoiser_file_name) +
                        ", found " + (path.empty() ? "no path" : "nothing at " + file.string()));
  return false;
}

} // namespace d2c
