#pragma once
/// Which files a vocabulary of CLIP is read from. Torch-free; reads none.

#include <filesystem>
#include <vector>

namespace d2c {

/// The vocabulary and, for `vocab.json`, the list of pairs beside it.
inline std::vector<std::filesystem::path>
clip_vocabulary_files(const std::filesystem::path& vocabulary) {
  if (vocabulary.extension() != ".json") {
    return {vocabulary};
  }
  return {vocabulary, vocabulary.parent_path() / "merges.txt"};
}

} // namespace d2c
