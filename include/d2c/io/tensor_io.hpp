#pragma once
/// Between files and tensors: safetensors and PyTorch checkpoints to CPU tensors, tensors to
/// safetensors. The file formats themselves are torch-free.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/mapped_file.hpp>
#include <d2c/io/safetensors.hpp>
#include <d2c/io/safetensors_writer.hpp>
#include <d2c/io/torch_checkpoint.hpp>
#include <d2c/tensor/large_memory.hpp>
#include <d2c/tensor/parallel.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// LibTorch's type for a stored one. Failure for the packed 4- and 6-bit floats.
inline at::ScalarType scalar_type_of(DType type) {
  switch (type) {
  case DType::BOOL:
    return at::kBool;
  case DType::U8:
    return at::kByte;
  case DType::I8:
    return at::kChar;
  case DType::F8_E5M2:
    return at::kFloat8_e5m2;
  case DType::F8_E4M3:
    return at::kFloat8_e4m3fn;
  case DType::F8_E8M0:
    return at::kFloat8_e8m0fnu;
  case DType::F8_E4M3FNUZ:
    return at::kFloat8_e4m3fnuz;
  case DType::F8_E5M2FNUZ:
    return at::kFloat8_e5m2fnuz;
  case DType::I16:
    return at::kShort;
  case DType::U16:
    return at::kUInt16;
  case DType::F16:
    return at::kHalf;
  case DType::BF16:
    return at::kBFloat16;
  case DType::I32:
    return at::kInt;
  case DType::U32:
    return at::kUInt32;
  case DType::F32:
    return at::kFloat;
  case DType::C64:
    return at::kComplexFloat;
  case DType::F64:
    return at::kDouble;
  case DType::I64:
    return at::kLong;
  case DType::U64:
    return at::kUInt64;
  case DType::F4:
  case DType::F6_E2M3:
  case DType::F6_E3M2:
    break;
  }
  throw Failure("tensors of the packed type " + std::string(name_of(type)) +
                " cannot be held by LibTorch");
}

/// The stored type for LibTorch's; Failure where safetensors has none.
inline DType dtype_of(at::ScalarType type) {
  for (const DTypeFact& fact : dtype_facts) {
    if (fact.bits >= 8 && scalar_type_of(fact.type) == type) {
      return fact.type;
    }
  }
  throw Failure(std::string("tensors of type ") + at::toString(type) +
                " cannot be stored as safetensors");
}

/// Reads the bytes of a mapped file, on all threads, into a contiguous tensor on the CPU of as many
/// bytes. InputError if the file is no longer what it was when it was mapped.
inline void read_bytes(const MappedFile& file, std::span<const std::byte> bytes,
                       const Tensor& tensor) {
  // Pages of new memory are made while they are read into: pieces that a core's cache holds.
  constexpr std::size_t piece = std::size_t{1} << 20;
  const MappedFile::Reader reader{file};
  auto* out = static_cast<std::byte*>(tensor.data_ptr());
  parallel_ranges(static_cast<std::int64_t>((bytes.size() + piece - 1) / piece), 1,
                  [&](std::int64_t from, std::int64_t to) {
                    for (std::int64_t i = from; i < to; ++i) {
                      const std::size_t begin = static_cast<std::size_t>(i) * piece;
                      const std::size_t size = std::min(piece, bytes.size() - begin);
                      reader.read(bytes.subspan(begin, size), out + begin);
                    }
                  });
}

namespace tensor_io_detail {

/// LibTorch's type of a stored tensor; InputError where it has none.
inline at::ScalarType stored_type(const std::filesystem::path& path, std::string_view name,
                                  DType type) {
  if (bits_of(type) < 8) {
    throw InputError(path.string() + ": expected tensor \"" + std::string(name) +
                     "\" of whole bytes per number, found " + std::string(name_of(type)));
  }
  return scalar_type_of(type);
}

} // namespace tensor_io_detail

/// Copies one tensor of a safetensors file to the CPU, with its own dtype and shape. InputError if
/// it has no such tensor, or one of 4- or 6-bit floats.
inline Tensor to_tensor(const SafetensorsFile& file, std::string_view name) {
  const SafetensorsEntry& entry = file.entry(name);
  Tensor tensor =
      large_empty(entry.shape, tensor_io_detail::stored_type(file.path(), name, entry.dtype));
  read_bytes(file.file(), entry.bytes, tensor);
  return tensor;
}

/// The same with an expected shape: InputError if the file has another.
inline Tensor to_tensor(const SafetensorsFile& file, std::string_view name, at::IntArrayRef shape) {
  Tensor tensor = to_tensor(file, name);
  if (tensor.sizes() != shape) {
    throw InputError(file.path().string() + ": expected tensor \"" + std::string(name) +
                     "\" of shape " + c10::str(shape) + ", found " + c10::str(tensor.sizes()));
  }
  return tensor;
}

/// Every tensor of a safetensors file, on the CPU.
template <class = Once>
std::map<std::string, Tensor> load_safetensors(const std::filesystem::path& path) {
  const SafetensorsFile file{path};
  std::map<std::string, Tensor> tensors;
  for (const std::string& name : file.names()) {
    tensors.emplace(name, to_tensor(file, name));
  }
  return tensors;
}
D2C_COMPILED_ONCE(std::map<std::string, Tensor> load_safetensors<>(const std::filesystem::path&))

/// Writes tensors (any device, any strides) as one safetensors file, atomically. Contiguous CPU
/// tensors are not copied. Failure if the file cannot be written.
template <class = Once>
void save_tensors(const std::filesystem::path& path,
                  const std::vector<std::pair<std::string, Tensor>>& tensors,
                  const std::map<std::string, std::string>& metadata = {}) {
  std::vector<Tensor> alive;
  std::vector<SafetensorsTensor> entries;
  alive.reserve(tensors.size());
  entries.reserve(tensors.size());
  for (const auto& [name, tensor] : tensors) {
    alive.push_back(tensor.detach().resolve_conj().resolve_neg().to(at::kCPU).contiguous());
    const Tensor& flat = alive.back();
    entries.push_back({name,
                       dtype_of(flat.scalar_type()),
                       flat.sizes().vec(),
                       {static_cast<const std::byte*>(flat.const_data_ptr()), flat.nbytes()}});
  }
  write_safetensors(path, std::move(entries), metadata);
}
D2C_COMPILED_ONCE(void save_tensors<>(const std::filesystem::path&,
                                      const std::vector<std::pair<std::string, Tensor>>&,
                                      const std::map<std::string, std::string>&))

/// Copies one tensor of a PyTorch checkpoint to a contiguous CPU tensor. InputError if it has no
/// such tensor.
inline Tensor to_tensor(const TorchCheckpoint& checkpoint, std::string_view name) {
  const CheckpointTensor& stored = checkpoint.tensor(name);
  const at::ScalarType type = scalar_type_of(stored.dtype);
  Tensor tensor = large_empty(stored.shape, type);
  if (stored.contiguous()) {
    read_bytes(checkpoint.file(), stored.bytes, tensor);
    return tensor;
  }
  const auto item = static_cast<std::int64_t>(at::elementSize(type));
  const Tensor storage = large_empty({static_cast<std::int64_t>(stored.bytes.size()) / item}, type);
  read_bytes(checkpoint.file(), stored.bytes, storage);
  return tensor.copy_(storage.as_strided(stored.shape, stored.strides));
}

/// Every tensor of a PyTorch checkpoint (or of what lies under the dotted name `under`), on the
/// CPU. No code in the file is run. InputError as TorchCheckpoint.
template <class = Once>
std::map<std::string, Tensor> load_torch_checkpoint(const std::filesystem::path& path,
                                                    std::string_view under = {}) {
  const TorchCheckpoint checkpoint{path, under};
  std::map<std::string, Tensor> tensors;
  for (const std::string& name : checkpoint.names()) {
    tensors.emplace(name, to_tensor(checkpoint, name));
  }
  return tensors;
}
D2C_COMPILED_ONCE(std::map<std::string, Tensor> load_torch_checkpoint<>(
    const std::filesystem::path&, std::string_view))

} // namespace d2c
