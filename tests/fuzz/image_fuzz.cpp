/// libFuzzer's entry point for the PNG and JPEG decoders: whatever the bytes are, they are decoded
/// or refused with InputError. See scripts/fuzz.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include <fuzz/repair.hpp>

#include <d2c/core/error.hpp>
#include <d2c/io/image_decoder.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto image = d2c::decode_image("input", std::as_bytes(std::span(data, size)), 1 << 20);
    if (image.rgb.size() != 3 * std::size_t(image.width) * std::size_t(image.height)) {
      __builtin_trap();
    }
  } catch (const d2c::InputError& refusal) {
    if (!std::string(refusal.what()).starts_with("input: expected ")) {
      __builtin_trap();
    }
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  return d2c_test::mutated(data, size, most, seed, d2c_test::repair_png);
}
