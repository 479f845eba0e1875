#pragma once
/// Element types of stored tensors, under their safetensors names. Sizes and names, no conversion.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace d2c {

/// Every element type of the safetensors format. The floats of 4, 6 and 8 bits are carried as
/// bytes.
enum class DType {
  BOOL,
  U8,
  I8,
  F8_E5M2,
  F8_E4M3,
  F8_E8M0,
  F8_E4M3FNUZ,
  F8_E5M2FNUZ,
  I16,
  U16,
  F16,
  BF16,
  I32,
  U32,
  F32,
  C64,
  F64,
  I64,
  U64,
  F4,
  F6_E2M3,
  F6_E3M2,
};

/// Name in a file and width in bits of one element type.
struct DTypeFact {
  DType type;
  std::string_view name;
  int bits;
};

/// All element types (safetensors README and safetensors/src/tensor.rs).
inline constexpr std::array<DTypeFact, 22> dtype_facts = {{
    {DType::BOOL, "BOOL", 8},
    {DType::U8, "U8", 8},
    {DType::I8, "I8", 8},
    {DType::F8_E5M2, "F8_E5M2", 8},
    {DType::F8_E4M3, "F8_E4M3", 8},
    {DType::F8_E8M0, "F8_E8M0", 8},
    {DType::F8_E4M3FNUZ, "F8_E4M3FNUZ", 8},
    {DType::F8_E5M2FNUZ, "F8_E5M2FNUZ", 8},
    {DType::I16, "I16", 16},
    {DType::U16, "U16", 16},
    {DType::F16, "F16", 16},
    {DType::BF16, "BF16", 16},
    {DType::I32, "I32", 32},
    {DType::U32, "U32", 32},
    {DType::F32, "F32", 32},
    {DType::C64, "C64", 64},
    {DType::F64, "F64", 64},
    {DType::I64, "I64", 64},
    {DType::U64, "U64", 64},
    {DType::F4, "F4", 4},
    {DType::F6_E2M3, "F6_E2M3", 6},
    {DType::F6_E3M2, "F6_E3M2", 6},
}};

/// Bits of one element.
constexpr int bits_of(DType type) {
  return dtype_facts[static_cast<std::size_t>(type)].bits;
}

/// Name as files spell it, for example "BF16".
constexpr std::string_view name_of(DType type) {
  return dtype_facts[static_cast<std::size_t>(type)].name;
}

/// The type of that name, or nothing.
constexpr std::optional<DType> dtype_named(std::string_view name) {
  for (const DTypeFact& fact : dtype_facts) {
    if (fact.name == name) {
      return fact.type;
    }
  }
  return std::nullopt;
}

/// The stored type of a C++ element type.
template <class T>
constexpr DType dtype_of();

template <>
constexpr DType dtype_of<float>() {
  return DType::F32;
}

template <>
constexpr DType dtype_of<double>() {
  return DType::F64;
}

template <>
constexpr DType dtype_of<std::int64_t>() {
  return DType::I64;
}

template <>
constexpr DType dtype_of<std::uint64_t>() {
  return DType::U64;
}

template <>
constexpr DType dtype_of<std::int32_t>() {
  return DType::I32;
}

template <>
constexpr DType dtype_of<std::uint8_t>() {
  return DType::U8;
}

} // namespace d2c
