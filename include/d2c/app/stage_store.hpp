#pragma once
/// The store of finished stage results: one folder per stage and key, `done.json` written last.
/// Knows nothing of what stages compute.

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <d2c/core/error.hpp>
#include <d2c/core/hash.hpp>
#include <d2c/io/atomic_file.hpp>

namespace d2c {

/// One file a stage left. `xxh3` is empty for files above StageStore::largest_hashed_file.
struct StoredFile {
  std::string file; ///< relative to the stage's folder
  std::uint64_t bytes = 0;
  std::string xxh3;
};

/// What `done.json` says of a finished stage.
struct StageRecord {
  std::string stage; ///< type name
  std::string key;
  std::string growth; ///< equal for results that can begin with each other; or empty
  double seconds = 0;
  std::vector<StoredFile> outputs;
  std::map<std::string, std::string> made_from; ///< artifact to key of the stage that made it
};

/// What was found in a stage's folder: a trusted record, or none; `damage` is one sentence if a
/// finished stage can no longer be trusted.
struct StageState {
  std::optional<StageRecord> record;
  std::string damage;
};

/// Exclusive lock on a path, for as long as the object lives (flock: a killed process lets go).
class FolderLock {
public:
  /// Calls `on_wait()` once if another process holds the lock, then waits for it.
  template <class OnWait>
  FolderLock(const std::filesystem::path& path, OnWait&& on_wait) {
    descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor_ < 0) {
      throw Failure("cannot lock " + path.string() + ": " + std::strerror(errno));
    }
    if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) {
      return;
    }
    on_wait();
    while (::flock(descriptor_, LOCK_EX) != 0) {
      if (errno != EINTR) {
        const int reason = errno;
        ::close(descriptor_);
        throw Failure("cannot lock " + path.string() + ": " + std::strerror(reason));
      }
    }
  }

  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  ~FolderLock() { ::close(descriptor_); }

private:
  int descriptor_ = -1;
};

/// `<root>/<kind>-<key>/` for every stage.
class StageStore {
public:
  static constexpr std::uint64_t largest_hashed_file = std::uint64_t{64} << 20;

  explicit StageStore(std::filesystem::path root) : root_{std::move(root)} {}

  [[nodiscard]] const std::filesystem::path& root() const { return root_; }

  [[nodiscard]] std::filesystem::path folder(const std::string& kind,
                                             const std::string& key) const {
    return root_ / (kind + "-" + key);
  }

  /// The record of a finished stage, after its files were compared with it by size, and by hash up
  /// to largest_hashed_file.
  [[nodiscard]] StageState inspect(const std::string& kind, const std::string& key) const {
    const auto where = folder(kind, key);
    const auto damaged = [&](const std::string& what) {
      return StageState{{},
                        "stage " + kind + " in " + where.string() + " is damaged (" + what +
                            "), it is run again"};
    };
    const auto done = where / "done.json";
    if (!std::filesystem::exists(done)) {
      return {};
    }
    StageRecord record;
    try {
      std::ifstream in(done);
      const auto json = nlohmann::json::parse(in);
      record.stage = json.at("stage").get<std::string>();
      record.key = json.at("key").get<std::string>();
      record.growth = json.value("growth", std::string{});
      record.seconds = json.at("seconds").get<double>();
      record.made_from = json.at("made_from").get<std::map<std::string, std::string>>();
      for (const auto& output : json.at("outputs")) {
        record.outputs.push_back({output.at("file").get<std::string>(),
                                  output.at("bytes").get<std::uint64_t>(),
                                  output.at("xxh3").get<std::string>()});
      }
    } catch (const nlohmann::json::exception&) {
      return damaged("done.json: expected the record of a finished stage, found something else");
    }
    if (record.key != key) {
      return damaged("done.json: expected key " + key + ", found " + record.key);
    }
    for (const StoredFile& output : record.outputs) {
      std::error_code missing;
      const auto bytes = std::filesystem::file_size(where / output.file, missing);
      if (missing) {
        return damaged("file " + output.file + ": expected " + std::to_string(output.bytes) +
                       " bytes, found no file");
      }
      if (bytes != output.bytes) {
        return damaged("file " + output.file + ": expected " + std::to_string(output.bytes) +
                       " bytes, found " + std::to_string(bytes));
      }
      if (!output.xxh3.empty()) {
        const std::string found = hash_of_file(where / output.file);
        if (found != output.xxh3) {
          return damaged("file " + output.file + ": expected xxh3 " + output.xxh3 + ", found " +
                         found);
        }
      }
    }
    return {std::move(record), {}};
  }

  /// Makes the folder of a stage and takes away what a killed process left half-written. Throws
  /// InputError if the store cannot be written.
  std::filesystem::path prepare(const std::string& kind, const std::string& key) const {
    auto where = folder(kind, key);
    make_folder(where);
    std::vector<std::filesystem::path> leftovers;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(where)) {
      if (is_temporary(entry.path())) {
        leftovers.push_back(entry.path());
      }
    }
    for (const auto& leftover : leftovers) {
      std::filesystem::remove(leftover);
    }
    return where;
  }

  /// Removes everything in the folder of a stage.
  void clear(const std::string& kind, const std::string& key) const {
    const auto where = folder(kind, key);
    // done.json first: a folder that is half cleared must not look finished.
    std::filesystem::remove(where / "done.json");
    std::filesystem::remove_all(where);
  }

  /// Lets a stage that has no folder yet begin with the files of a sound finished one of equal
  /// `growth`. Returns the folder they came from; empty if there is none.
  [[nodiscard]] std::filesystem::path begin_with_related(const std::string& kind,
                                                         const std::string& key,
                                                         const std::string& growth) const {
    namespace fs = std::filesystem;
    const auto where = folder(kind, key);
    if (growth.empty() || fs::exists(where) || !fs::exists(root_)) {
      return {};
    }
    for (const auto& entry : fs::directory_iterator(root_)) {
      const std::string name = entry.path().filename().string();
      if (!entry.is_directory() || !name.starts_with(kind + "-") || is_temporary(entry.path())) {
        continue;
      }
      const StageState state = inspect(kind, name.substr(kind.size() + 1));
      if (!state.record || state.record->growth != growth) {
        continue;
      }
      auto copy = where;
      copy += ".tmp-" + std::to_string(::getpid());
      std::error_code reason;
      fs::remove_all(copy, reason);
      for (const StoredFile& output : state.record->outputs) {
        fs::create_directories((copy / output.file).parent_path(), reason);
        if (!reason) {
          fs::copy_file(entry.path() / output.file, copy / output.file, reason);
        }
        if (reason) {
          const std::string why = reason.message();
          fs::remove_all(copy, reason);
          throw Failure("cannot copy " + (entry.path() / output.file).string() + " to " +
                        where.string() + ": " + why);
        }
      }
      fs::rename(copy, where);
      return entry.path();
    }
    return {};
  }

  /// Lists what the stage left and writes done.json: from here on the stage is finished.
  StageRecord finish(const std::string& kind, StageRecord record) const {
    const auto where = folder(kind, record.key);
    record.outputs.clear();
    for (const auto& entry : std::filesystem::recursive_directory_iterator(where)) {
      if (!entry.is_regular_file() || is_temporary(entry.path()) ||
          entry.path() == where / "done.json") {
        continue;
      }
      const std::uint64_t bytes = entry.file_size();
      record.outputs.push_back(
          {entry.path().lexically_relative(where).string(), bytes,
           bytes <= largest_hashed_file ? hash_of_file(entry.path()) : std::string{}});
    }
    std::sort(record.outputs.begin(), record.outputs.end(),
              [](const StoredFile& a, const StoredFile& b) { return a.file < b.file; });
    nlohmann::ordered_json json;
    json["stage"] = record.stage;
    json["key"] = record.key;
    if (!record.growth.empty()) {
      json["growth"] = record.growth;
    }
    json["seconds"] = record.seconds;
    json["outputs"] = nlohmann::ordered_json::array();
    for (const StoredFile& output : record.outputs) {
      json["outputs"].push_back(
          {{"file", output.file}, {"bytes", output.bytes}, {"xxh3", output.xxh3}});
    }
    json["made_from"] = record.made_from;
    write_file_atomically(where / "done.json", json.dump(2) + "\n");
    return record;
  }

  [[nodiscard]] FolderLock lock(const std::string& kind, const std::string& key,
                                const auto& on_wait) const {
    make_folder(root_);
    return FolderLock(root_ / (kind + "-" + key + ".lock"), on_wait);
  }

  /// Makes a folder and its parents. Throws naming the folder and the reason: Failure on a full
  /// disk, else InputError.
  static void make_folder(const std::filesystem::path& where) {
    std::error_code reason;
    std::filesystem::create_directories(where, reason);
    if (reason) {
      const std::string sentence =
          "cannot make the folder " + where.string() + ": " + reason.message();
      if (reason == std::errc::no_space_on_device) {
        throw Failure(sentence);
      }
      throw InputError(sentence);
    }
    if (::access(where.c_str(), W_OK) != 0) {
      throw InputError("cannot write to the folder " + where.string() + ": " +
                       std::strerror(errno));
    }
  }

private:
  static bool is_temporary(const std::filesystem::path& path) {
    return path.filename().string().find(".tmp-") != std::string::npos;
  }

  std::filesystem::path root_;
};

} // namespace d2c
