#pragma once
/// Class names for data sets whose files hold numbers alone.

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/io/mapped_file.hpp>
#include <d2c/io/utf8_name.hpp>

namespace d2c {

/// The lines of `folder`/classes.txt, one class each in the order of the numbers; without that file
/// the numbers as text. InputError if the file cannot be read, or has another number of lines or an
/// empty one.
inline std::vector<std::string> class_list(const std::filesystem::path& folder, int classes) {
  std::vector<std::string> names;
  const auto path = folder / "classes.txt";
  std::error_code unknown; // where it may be there, opening it says what is wrong
  if (!std::filesystem::exists(path, unknown) && !unknown) {
    for (int label = 0; label < classes; ++label) {
      names.push_back(std::to_string(label));
    }
    return names;
  }
  const MappedFile file{path};
  for (std::string_view rest = file.text(); !rest.empty();) {
    const auto end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.empty()) {
      throw InputError(path.string() + ":" + std::to_string(names.size() + 1) +
                       ": expected the name of a class, found an empty line");
    }
    require_utf8(path.string(), line);
    names.emplace_back(line);
  }
  if (names.size() != static_cast<std::size_t>(classes)) {
    throw InputError(path.string() + ": expected " + std::to_string(classes) +
                     " class names, one a line, found " + std::to_string(names.size()));
  }
  return names;
}

/// Reports what class_list refuses.
inline void check_class_list(const std::filesystem::path& folder, int classes, Problems& problems) {
  problems.check("[data] root", [&] { class_list(folder, classes); });
}

} // namespace d2c
