#pragma once
/// The names under which a run folder shows the results that lie in the store.

#include <array>
#include <filesystem>
#include <string>
#include <string_view>

#include <unistd.h>

#include <d2c/core/error.hpp>

namespace d2c {

/// One link of a run folder: the artifact, the link's name, and the file inside the stage's folder
/// it points at (empty: the folder itself).
struct StageLink {
  std::string_view artifact;
  std::string_view link;
  std::string_view file;
};

inline constexpr std::array<StageLink, 6> stage_links = {{{"Scores", "scores", ""},
                                                          {"Subset", "subset.csv", "subset.csv"},
                                                          {"CondensedPack", "condensed", ""},
                                                          {"Denoiser", "checkpoints", ""},
                                                          {"Samples", "samples", ""},
                                                          {"Metrics", "evaluation", ""}}};

/// Makes `link` a relative symbolic link to `target`, replacing an older link in one step. Throws
/// Failure if something else stands in its place.
inline void link_relative(const std::filesystem::path& target, const std::filesystem::path& link) {
  namespace fs = std::filesystem;
  const auto refuse = [&](const std::string& reason) {
    throw Failure("cannot link " + link.string() + " to " + target.string() + ": " + reason);
  };
  std::error_code reason;
  const auto status = fs::symlink_status(link, reason);
  if (fs::exists(status) && !fs::is_symlink(status)) {
    refuse("expected a link or nothing there, found a file or folder");
  }
  const auto text = fs::absolute(target).lexically_normal().lexically_relative(
      fs::absolute(link.parent_path()).lexically_normal());
  auto temporary = link;
  temporary += ".tmp-" + std::to_string(::getpid());
  fs::remove(temporary, reason);
  fs::create_symlink(text, temporary, reason);
  if (reason) {
    refuse(reason.message());
  }
  fs::rename(temporary, link, reason);
  if (reason) {
    const std::string why = reason.message();
    fs::remove(temporary, reason);
    refuse(why);
  }
}

} // namespace d2c
