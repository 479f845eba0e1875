/// libFuzzer's entry point for configurations: whatever the text is, it is read, or InputError
/// names line and column. See scripts/fuzz.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <d2c/config/read.hpp>
#include <d2c/core/error.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  try {
    d2c::parse_config(text, "input");
  } catch (const d2c::InputError& refusal) {
    if (!std::string(refusal.what()).starts_with("input:")) {
      __builtin_trap();
    }
  }
  d2c::ConfigFile file;
  try {
    d2c::apply_override(file, std::string(text));
  } catch (const d2c::InputError& refusal) {
    if (!std::string(refusal.what()).starts_with("--set ")) {
      __builtin_trap();
    }
  }
  return 0;
}
