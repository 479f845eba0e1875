/// libFuzzer's entry point for the list of a tar archive: whatever the bytes are, the members lie
/// in them under names that stay inside, or InputError is thrown. See scripts/fuzz.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <fuzz/repair.hpp>

#include <d2c/core/error.hpp>
#include <d2c/io/tar_reader.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    for (const d2c::TarEntry& entry : d2c::read_tar("input", bytes)) {
      const bool inside = entry.bytes.empty() || (entry.bytes.data() >= bytes.data() &&
                                                  &entry.bytes.back() <= &bytes.back());
      if (!inside || entry.name.starts_with('/') ||
          ("/" + entry.name + "/").find("/../") != std::string::npos) {
        __builtin_trap();
      }
    }
  } catch (const d2c::InputError& refusal) {
    if (!std::string(refusal.what()).starts_with("input: expected a tar archive")) {
      __builtin_trap();
    }
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  return d2c_test::mutated(data, size, most, seed, d2c_test::repair_tar);
}
