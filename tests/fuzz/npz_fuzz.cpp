/// libFuzzer's entry point for NumPy archives and with them for zip files, stored and deflated:
/// whatever the bytes are, every array is as long as its shape says, or InputError is thrown. See
/// scripts/fuzz.

#include <cstddef>
#include <cstdint>

#include <fuzz/input_file.hpp>
#include <fuzz/repair.hpp>

#include <d2c/io/npz.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const d2c_test::InputFile input{data, size};
  try {
    const d2c::NpzFile file{input.path()};
    for (const auto& name : file.names()) {
      const d2c::NpzArray array = file.array(name);
      auto bytes = static_cast<std::size_t>(d2c::bits_of(array.dtype) / 8);
      for (const auto extent : array.shape) {
        bytes *= static_cast<std::size_t>(extent);
      }
      std::uint8_t sum = 0; // every byte can be read
      for (const std::byte each : array.bytes) {
        sum = static_cast<std::uint8_t>(sum + std::to_integer<unsigned>(each));
      }
      volatile std::uint8_t kept = sum;
      (void)kept;
      if (bytes != array.bytes.size()) {
        __builtin_trap();
      }
    }
  } catch (const d2c::InputError& refusal) {
    d2c_test::require_sentence(refusal, input.path().string());
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t most, unsigned seed) {
  return d2c_test::mutated(data, size, most, seed, d2c_test::repair_zip);
}
