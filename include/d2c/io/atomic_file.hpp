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
#include <d2c/io/write_fully.hpp>

namespace d2c {

/// When a committed file survives a crash of the machine: at once, or when its file system is
/// synced the next time. The latter is for many small files, which their writer syncs together.
enum class Durability { at_once, with_next_sync };

/// A file under construction. `write` appends to a temporary beside `path`; `commit` flushes it to
/// the disk and renames it to `path`. Without a commit the temporary is removed on destruction and
/// `path` is untouched. Throws Failure naming the path and the reason (folder not writable, disk
/// full, disk that fails to flush); then `path` holds what it held before. Only where the folder
/// itself cannot be flushed, the last step, it holds the whole new content already.
class AtomicFile {
public:
  explicit AtomicFile(std::filesystem::path path) : path_{std::move(path)} {
    do {
      temporary_ = path_;
      temporary_ += ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(next_number());
      descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      // In a container a killed process may have had this very number.
    } while (descriptor_ < 0 && errno == EEXIST);
    if (descriptor_ < 0) {
      fail(errno);
    }
  }

  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  ~AtomicFile() { discard(); }

  /// Appends `bytes` bytes.
  void write(const void* data, std::size_t bytes) {
    if (descriptor_ < 0) {
      throw Failure("cannot write " + path_.string() + ": the file was committed already");
    }
    if (buffer_.size() + bytes > buffered) {
      flush();
    }
    if (bytes > buffered) {
      put(data, bytes);
    } else {
      buffer_.append(static_cast<const char*>(data), bytes);
    }
  }

  void write(std::string_view text) { write(text.data(), text.size()); }

  void write(std::span<const std::byte> bytes) { write(bytes.data(), bytes.size()); }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  /// Makes the content durable and visible under `path`, replacing what was there.
  void commit(Durability durability = Durability::at_once) {
    write("");
    flush();
    if (durability == Durability::at_once && ::fsync(descriptor_) != 0) {
      fail(errno);
    }
    // Some network file systems report a full disk only here.
    if (::close(std::exchange(descriptor_, -1)) != 0 ||
        std::rename(temporary_.c_str(), path_.c_str()) != 0) {
      const int reason = errno;
      std::remove(temporary_.c_str());
      fail(reason);
    }
    if (durability == Durability::at_once) {
      sync_folder();
    }
  }

private:
  static constexpr std::size_t buffered = std::size_t{1} << 16;

  static unsigned next_number() {
    static unsigned number = 0;
    return __atomic_add_fetch(&number, 1U, __ATOMIC_RELAXED);
  }

  void put(const void* data, std::size_t bytes) {
    if (!write_fully(descriptor_, data, bytes)) {
      fail(errno);
    }
  }

  void flush() {
    put(buffer_.data(), buffer_.size());
    buffer_.clear();
  }

  void discard() noexcept {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
      std::remove(temporary_.c_str());
      descriptor_ = -1;
    }
  }

  [[noreturn]] void fail(int reason) {
    discard();
    throw Failure("cannot write " + path_.string() + ": " + std::strerror(reason));
  }

  /// The rename itself lives in the folder. File systems that cannot sync a folder are left alone.
  void sync_folder() {
    const auto folder = path_.has_parent_path() ? path_.parent_path() : std::filesystem::path(".");
    const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
      return;
    }
    const int reason = ::fsync(descriptor) == 0 ? 0 : errno;
    ::close(descriptor);
    if (reason == EIO || reason == ENOSPC || reason == EDQUOT) {
      fail(reason);
    }
  }

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  std::string buffer_;
  int descriptor_ = -1;
};

/// Writes the whole file in one go. Throws Failure naming the path and the reason.
inline void write_file_atomically(const std::filesystem::path& path,
                                  std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

inline void write_file_atomically(const std::filesystem::path& path, std::string_view text,
                                  Durability durability = Durability::at_once) {
  AtomicFile file(path);
  file.write(text);
  file.commit(durability);
}

} // namespace d2c
