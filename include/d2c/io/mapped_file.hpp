#pragma once
/// A whole file mapped read-only into memory. Bytes only; whoever reads them knows the format.

#include <algorithm>
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

/// Owns one read-only mapping; pages are read when touched. Throws InputError if the path is not a
/// readable regular file. An empty file is an empty span.
class MappedFile {
public:
  explicit MappedFile(std::filesystem::path path) : path_{std::move(path)} {
    const int descriptor = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
      throw InputError(path_.string() + ": expected a readable file, but opening it failed: " +
                       std::strerror(errno));
    }

    struct stat status {};

    if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
      ::close(descriptor);
      throw InputError(path_.string() + ": expected a regular file, found something else");
    }
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ > 0) {
      void* address = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
      if (address == MAP_FAILED) {
        const int reason = errno;
        ::close(descriptor);
        throw InputError(path_.string() + ": mapping " + std::to_string(size_) +
                         " bytes into memory failed: " + std::strerror(reason));
      }
      data_ = static_cast<const std::byte*>(address);
    }
    ::close(descriptor);
  }

  MappedFile(MappedFile&& other) noexcept
      : path_{std::move(other.path_)},
        data_{std::exchange(other.data_, nullptr)},
        size_{std::exchange(other.size_, 0)} {}

  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
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

  /// Gives the pages of `part` of bytes() back to the system, with all that was mapped together
  /// with them; they are read again when they are touched again, in whatever thread.
  void give_back(std::span<const std::byte> part) const {
    if (part.empty()) {
      return;
    }
    const auto offset = static_cast<std::size_t>(part.data() - data_);
    const std::size_t begin = offset / window * window;
    const std::size_t end = std::min((offset + part.size() + window - 1) / window * window, size_);
    // Advice: where it is not taken, only more memory is used.
    ::madvise(const_cast<std::byte*>(data_) + begin, end - begin, MADV_DONTNEED);
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

private:
  /// Linux maps as much of a file at one touch as lies together in its cache: with large folios up
  /// to a huge page, 2 MiB, counted from the start of the file.
  static constexpr std::size_t window = std::size_t{2} << 20;

  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

} // namespace d2c
