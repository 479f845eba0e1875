#pragma once
/// The hashes of the files that a program reads, each computed once.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

#include <d2c/core/hash.hpp>
#include <d2c/core/stage_context.hpp>

namespace d2c {

/// Hashes files of gigabytes once, however many stages name them: a file is read again only if its
/// size or time has changed. Copies share what is known; safe from several threads.
class FileHashes {
public:
  using Hash = std::function<std::string(const std::filesystem::path&)>;

  /// `hash` reads a file: hash_of_file, or what a caller that needs no hashes puts in its place.
  explicit FileHashes(Hash hash = hash_of_file)
      : known_{std::make_shared<Known>()}, hash_{std::move(hash)} {}

  /// Throws InputError when the file cannot be read.
  [[nodiscard]] std::string operator()(const std::filesystem::path& file) const {
    const std::lock_guard guard(known_->mutex);
    std::error_code missing; // then the hash says so
    const Stamp stamp{std::filesystem::file_size(file, missing),
                      std::filesystem::last_write_time(file, missing)};
    const auto found = known_->hashes.find(file);
    if (found != known_->hashes.end() && found->second.first == stamp) {
      return found->second.second;
    }
    std::string hash = hash_(file);
    known_->hashes[file] = {stamp, hash};
    return hash;
  }

private:
  using Stamp = std::pair<std::uintmax_t, std::filesystem::file_time_type>;

  struct Known {
    std::mutex mutex;
    std::map<std::filesystem::path, std::pair<Stamp, std::string>> hashes;
  };

  std::shared_ptr<Known> known_;
  Hash hash_;
};

/// The hash of a file that a stage reads; it is known already where the stage's key covers the
/// file.
[[nodiscard]] inline std::string hash_of_input(const StageContext& context,
                                               const std::filesystem::path& file) {
  return context.hashes != nullptr ? (*context.hashes)(file) : hash_of_file(file);
}

} // namespace d2c
