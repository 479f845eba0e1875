/// libFuzzer's entry point for zip archives, stored and deflated: whatever the bytes are, stored
/// entries lie in them apart from each other, or InputError is thrown. See scripts/fuzz.

#include <cstddef>
#include <cstdint>
#include <span>

#include <fuzz/input_file.hpp>
#include <fuzz/repair.hpp>

#include <d2c/io/zip_reader.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    const d2c::ZipReader zip{"input", bytes};
    std::size_t held = 0;
    for (const auto& name : zip.names()) {
      try {
        const d2c::ZipContent content = zip.content(name);
        std::uint8_t sum = 0; // every byte can be read
        for (const std::byte each : content.bytes) {
          sum = static_cast<std::uint8_t>(sum + std::to_integer<unsigned>(each));
        }
        volatile std::uint8_t kept = sum;
        (void)kept;
        held += content.owner ? 0 : content.bytes.size();
        if (!content.owner && !content.bytes.empty() &&
            (content.bytes.data() < bytes.data() || &content.bytes.back() > &bytes.back())) {
          __builtin_trap();
        }
      } catch (const d2c::InputError& refusal) {
        d2c_test::require_sentence(refusal, "input");
      }
    }
    if (held > size) {
      __builtin_trap();
    }
  } catch (const d2c::InputError& refusal) {
    d2c_test::require_sentence(refusal, "input");
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  return d2c_test::mutated(data, size, most, seed, d2c_test::repair_zip);
}
