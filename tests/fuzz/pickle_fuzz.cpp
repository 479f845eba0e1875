/// libFuzzer's entry point for the interpreter of pickles: whatever the instructions are, they
/// build data or InputError is thrown. See scripts/fuzz.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <fuzz/input_file.hpp>

#include <d2c/io/pickle.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  d2c::PickleReader reader{"input", std::as_bytes(std::span(data, size))};
  const auto resolve = [](const d2c::PickleValue& id) {
    return id.as_tuple() == nullptr ? std::nullopt : std::optional(d2c::PickleStorage{"0", 0});
  };
  try {
    while (reader.position() < size) {
      reader.read(resolve);
    }
  } catch (const d2c::InputError& refusal) {
    d2c_test::require_sentence(refusal, "input");
  }
  return 0;
}
