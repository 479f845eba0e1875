#pragma once
/// Whether there is a folder, without an exception where nobody may look. Torch-free.

#include <filesystem>
#include <system_error>

namespace d2c {

/// std::filesystem::is_directory, but false also where the path cannot be followed (a folder
/// without permission, a loop of links, a name that is too long).
inline bool is_folder(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored);
}

} // namespace d2c
