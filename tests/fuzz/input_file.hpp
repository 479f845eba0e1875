#pragma once
/// What the fuzzers of files share: the input as a file in memory, and what a refusal looks like.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include <sys/mman.h>
#include <unistd.h>

#include <d2c/core/error.hpp>

namespace d2c_test {

/// A file that lies in memory and holds one input; as long as it lives its path can be opened.
class InputFile {
public:
  InputFile(const std::uint8_t* data, std::size_t size)
      : descriptor_{::memfd_create("input", MFD_CLOEXEC)} {
    if (descriptor_ < 0 || ::write(descriptor_, data, size) != static_cast<ssize_t>(size)) {
      __builtin_trap();
    }
  }

  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;

  ~InputFile() { ::close(descriptor_); }

  [[nodiscard]] std::filesystem::path path() const {
    return "/proc/self/fd/" + std::to_string(descriptor_);
  }

private:
  int descriptor_;
};

/// Ends the program unless a refusal names the place and what was expected there.
inline void require_sentence(const d2c::InputError& refusal, const std::string& place) {
  const std::string text = refusal.what();
  if (!text.starts_with(place + ": ") || text.find("expected ") == std::string::npos) {
    __builtin_trap();
  }
}

} // namespace d2c_test
