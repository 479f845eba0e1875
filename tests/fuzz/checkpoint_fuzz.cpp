/// libFuzzer's entry point for PyTorch checkpoints, zip files and plain streams: whatever the bytes
/// are, every tensor can be copied out of them, or InputError is thrown. See scripts/fuzz.

#include <cstddef>
#include <cstdint>
#include <vector>

#include <fuzz/input_file.hpp>
#include <fuzz/repair.hpp>

#include <d2c/io/torch_checkpoint.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const d2c_test::InputFile input{data, size};
  try {
    const d2c::TorchCheckpoint file{input.path()};
    const auto bytes = file.file().bytes();
    for (const auto& name : file.names()) {
      const d2c::CheckpointTensor& tensor = file.tensor(name);
      if (!tensor.bytes.empty() &&
          (tensor.bytes.data() < bytes.data() || &tensor.bytes.back() > &bytes.back())) {
        __builtin_trap();
      }
      const auto needed = static_cast<std::size_t>(tensor.count()) *
                          static_cast<std::size_t>(d2c::bits_of(tensor.dtype) / 8);
      if (needed <= 1 << 20) { // an expanded tensor may be larger than the file
        std::vector<std::byte> copy(needed);
        tensor.copy_to(copy);
      }
    }
    for (const auto& [name, found] : file.unreadable()) {
      try {
        static_cast<void>(file.tensor(name));
        __builtin_trap();
      } catch (const d2c::InputError& refusal) {
        d2c_test::require_sentence(refusal, input.path().string());
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
