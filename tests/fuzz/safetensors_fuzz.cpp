/// libFuzzer's entry point for safetensors files: whatever the bytes are, the tensors lie in them
/// one behind the other and are as long as they say, or InputError is thrown. See scripts/fuzz.

#include <cstddef>
#include <cstdint>

#include <fuzz/input_file.hpp>

#include <d2c/io/safetensors.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const d2c_test::InputFile input{data, size};
  try {
    const d2c::SafetensorsFile file{input.path()};
    const auto bytes = file.file().bytes();
    std::size_t held = 0;
    for (const auto& name : file.names()) {
      const d2c::SafetensorsEntry& entry = file.entry(name);
      held += entry.bytes.size();
      const bool inside = entry.bytes.empty() || (entry.bytes.data() >= bytes.data() + 8 &&
                                                  &entry.bytes.back() <= &bytes.back());
      const auto bits = static_cast<std::uint64_t>(entry.count()) *
                        static_cast<std::uint64_t>(d2c::bits_of(entry.dtype));
      if (!inside || bits != entry.bytes.size() * 8) {
        __builtin_trap();
      }
    }
    if (held > size) {
      __builtin_trap();
    }
  } catch (const d2c::InputError& refusal) {
    d2c_test::require_sentence(refusal, input.path().string());
  }
  return 0;
}
