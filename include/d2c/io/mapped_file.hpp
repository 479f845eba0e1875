#pragma once
/// A whole file mapped read-only into memory. Bytes only; whoever reads them knows the format.

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <d2c/core/error.hpp>

namespace d2c {

namespace mapped_file_detail {

/// A regular file, open for reading. Throws InputError for anything else.
class OpenFile {
public:
  explicit OpenFile(const std::filesystem::path& path) {
    // Without waiting for somebody to write into a named pipe, which is then refused.
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor_ < 0) {
      throw InputError(path.string() + ": expected a readable file, but opening it failed: " +
                       std::strerror(errno));
    }
    if (::fstat(descriptor_, &status_) != 0 || !S_ISREG(status_.st_mode)) {
      ::close(descriptor_);
      throw InputError(path.string() + ": expected a regular file, found something else");
    }
  }

  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  ~OpenFile() { ::close(descriptor_); }

  [[nodiscard]] int descriptor() const { return descriptor_; }

  [[nodiscard]] const struct ::stat& status() const { return status_; }

private:
  int descriptor_ = -1;

  struct ::stat status_ {};
};

} // namespace mapped_file_detail

/// Owns one read-only mapping; pages are read when touched. Throws InputError if the path is not a
/// readable regular file. An empty file is an empty span.
class MappedFile {
public:
  explicit MappedFile(std::filesystem::path path) : path_{std::move(path)} {
    const mapped_file_detail::OpenFile file{path_};
    device_ = file.status().st_dev;
    number_ = file.status().st_ino;
    size_ = static_cast<std::size_t>(file.status().st_size);
    if (size_ > 0) {
      void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
      if (address == MAP_FAILED) {
        throw InputError(path_.string() + ": mapping " + std::to_string(size_) +
                         " bytes into memory failed: " + std::strerror(errno));
      }
      data_ = static_cast<const std::byte*>(address);
    }
  }

  MappedFile(MappedFile&& other) noexcept
      : path_{std::move(other.path_)},
        data_{std::exchange(other.data_, nullptr)},
        size_{std::exchange(other.size_, 0)},
        device_{other.device_},
        number_{other.number_} {}

  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(device_, other.device_);
    std::swap(number_, other.number_);
    return *this;
  }

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  ~MappedFile() {
    if (data_ != nullptr) {
      ::munmap(const_cast<std::byte*>(data_), size_);
    }
  }

  [[nodiscard]] std::span<const std::byte> bytes() const { return {data_, size_}; }

  [[nodiscard]] std::string_view text() const {
    return {reinterpret_cast<const char*>(data_), size_};
  }

  [[nodiscard]] std::size_t size() const { return size_; }

  /// The same file, opened for reading instead of touching the mapping: no page of it becomes
  /// memory of this process, and a file that became shorter is an error, not a signal.
  class Reader {
  public:
    /// Throws InputError where the path no longer leads to the mapped file.
    explicit Reader(const MappedFile& mapped) : mapped_{&mapped}, file_{mapped.path_} {
      if (file_.status().st_dev != mapped.device_ || file_.status().st_ino != mapped.number_) {
        throw InputError(mapped.path_.string() +
                         ": expected the file that was opened, found another one in its place");
      }
    }

    /// Copies `part` of bytes() to `out`; from several threads, too. Throws InputError where the
    /// file no longer has them.
    void read(std::span<const std::byte> part, std::byte* out) const {
      auto offset = static_cast<std::size_t>(part.data() - mapped_->data_);
      for (std::size_t left = part.size(); left > 0;) {
        const ::ssize_t got = ::pread(file_.descriptor(), out, left, static_cast<::off_t>(offset));
        if (got < 0 && errno == EINTR) {
          continue;
        }
        if (got <= 0) {
          throw InputError(
              mapped_->path_.string() + ": expected " + std::to_string(mapped_->size_) +
              " bytes, as when it was opened, found " +
              (got == 0 ? "its end at byte " + std::to_string(offset)
                        : "that reading failed: " + std::string(std::strerror(errno))));
        }
        offset += static_cast<std::size_t>(got);
        out += got;
        left -= static_cast<std::size_t>(got);
      }
    }

  private:
    const MappedFile* mapped_;
    mapped_file_detail::OpenFile file_;
  };

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  ::dev_t device_ = 0;
  ::ino_t number_ = 0;
};

} // namespace d2c
