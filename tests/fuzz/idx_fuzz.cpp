/// libFuzzer's entry point for IDX files, plain and gzipped: whatever the bytes are, the values are
/// as many as the extents say, or InputError is thrown. See scripts/fuzz.

#include <cstddef>
#include <cstdint>

#include <fuzz/input_file.hpp>

#include <d2c/io/idx.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const d2c_test::InputFile input{data, size};
  for (const int dimensions : {1, 3}) {
    try {
      const d2c::IdxArray array = d2c::read_idx(input.path(), dimensions);
      std::size_t count = 1;
      for (const auto extent : array.shape) {
        count *= static_cast<std::size_t>(extent);
      }
      if (count != array.values.size()) {
        __builtin_trap();
      }
    } catch (const d2c::InputError& refusal) {
      d2c_test::require_sentence(refusal, input.path().string());
    }
  }
  return 0;
}
