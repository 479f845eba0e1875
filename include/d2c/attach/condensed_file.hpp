#pragma once
/// Where a condensed pack lies. Torch-free.

#include <filesystem>
#include <string_view>

#include <d2c/io/is_folder.hpp>

namespace d2c {

/// Of the pack in a folder.
inline constexpr std::string_view condensed_file_name = "condensed.safetensors";

/// The file of the pack that `path` names: itself, or in that folder.
inline std::filesystem::path condensed_file(const std::filesystem::path& path) {
  return is_folder(path) ? path / condensed_file_name : path;
}

} // namespace d2c
