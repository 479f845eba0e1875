/// libFuzzer's entry point for indexes of shards: whatever the text is, every file that it names
/// lies beside the index, or InputError is thrown. See scripts/fuzz.

#include <cstddef>
#include <cstdint>

#include <fuzz/input_file.hpp>

#include <d2c/io/shard_index.hpp>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const d2c_test::InputFile input{data, size};
  try {
    const d2c::ShardIndex index{input.path()};
    for (const auto& shard : index.shards()) {
      if (shard.parent_path() != input.path().parent_path() || shard.filename() == ".." ||
          shard.filename() == ".") {
        __builtin_trap();
      }
    }
  } catch (const d2c::InputError& refusal) {
    d2c_test::require_sentence(refusal, input.path().string());
  }
  return 0;
}
