#pragma once
/// Files that appear whole or not at all: written beside their place, flushed to the disk, then
/// renamed. Every file of a run is written this way.

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <d2c/core/error.hpp>

namespace d2c {

/// A file under construction. `write` appends to a temporary beside `path`; `commit` flushes it to
/// the disk and renames it to `path`. Without a commit the temporary is removed on destruction and
/// `path` is untouched. Throws Failure naming the path and the reason (folder not writable, disk
/// full).
class AtomicFile {
public:
  explicit AtomicFile(std::filesystem::path path) : path_{std::move(path)} {
    temporary_ = path_;
    temporary_ += ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(next_number());
    file_ = std::fopen(temporary_.c_str(), "wbx");
    if (file_ == nullptr) {
      fail(errno);
    }
  }

  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  ~AtomicFile() { discard(); }

  /// Appends `bytes` bytes.
  void write(const void* data, std::size_t bytes) {
    if (bytes != 0 && std::fwrite(data, 1, bytes, stream()) != bytes) {
      fail(errno);
    }
  }

  void write(std::string_view text) { write(text.data(), text.size()); }

  void write(std::span<const std::byte> bytes) { write(bytes.data(), bytes.size()); }

  /// The open stream, for libraries that write to a FILE*. Errors are noticed by commit().
  [[nodiscard]] std::FILE* stream() {
    if (file_ == nullptr) {
      throw Failure("cannot write " + path_.string() + ": the file was committed already");
    }
    return file_;
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  /// Makes the content durable and visible under `path`, replacing what was there.
  void commit() {
    std::FILE* const file = stream();
    errno = 0;
    if (std::fflush(file) != 0 || std::ferror(file) != 0 || ::fsync(::fileno(file)) != 0) {
      fail(errno);
    }
    file_ = nullptr;
    if (std::fclose(file) != 0 || std::rename(temporary_.c_str(), path_.c_str()) != 0) {
      const int reason = errno;
      std::remove(temporary_.c_str());
      fail(reason);
    }
    sync_folder();
  }

private:
  static unsigned next_number() {
    static unsigned number = 0;
    return __atomic_add_fetch(&number, 1U, __ATOMIC_RELAXED);
  }

  void discard() noexcept {
    if (file_ != nullptr) {
      std::fclose(file_);
      std::remove(temporary_.c_str());
      file_ = nullptr;
    }
  }

  [[noreturn]] void fail(int reason) {
    discard();
    throw Failure("cannot write " + path_.string() + ": " +
                  (reason != 0 ? std::strerror(reason) : "the stream reported an error"));
  }

  /// The rename itself lives in the folder. File systems that cannot sync a folder are left alone.
  void sync_folder() const {
    const auto folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
    const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0) {
      ::fsync(descriptor);
      ::close(descriptor);
    }
  }

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::FILE* file_ = nullptr;
};

/// Writes the whole file in one go. Throws Failure naming the path and the reason.
inline void write_file_atomically(const std::filesystem::path& path,
                                  std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

inline void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

} // namespace d2c
