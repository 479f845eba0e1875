#pragma once
/// Makes checksums and offsets of a damaged file right again, so that fuzzers reach the code behind
/// them. Sizes stay as they are; what cannot be found is left alone.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <zlib.h>

/// libFuzzer's mutations, or those of mutations.cpp.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace d2c_test {

using FuzzBytes = std::span<std::uint8_t>;

/// What LLVMFuzzerCustomMutator returns: a mutated input, every second one repaired.
template <class Repair>
std::size_t mutated(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed,
                    const Repair& repair) {
  const std::size_t result = LLVMFuzzerMutate(data, size, most);
  if (seed % 2 == 0) {
    repair(FuzzBytes{data, result});
  }
  return result;
}

template <class T>
bool load(FuzzBytes bytes, std::size_t at, T& value) {
  const bool inside = at <= bytes.size() && bytes.size() - at >= sizeof value;
  if (inside) {
    std::memcpy(&value, bytes.data() + at, sizeof value);
  }
  return inside;
}

template <class T>
void store(FuzzBytes bytes, std::size_t at, T value) {
  if (at <= bytes.size() && bytes.size() - at >= sizeof value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
  }
}

/// What deflate data give, as far as there is room in 256 KiB, and how many bytes of `packed` they
/// take; nothing if they are damaged.
struct Unpacked {
  std::vector<std::uint8_t> bytes;
  std::size_t taken = 0;
};

inline std::optional<Unpacked> unpacked(FuzzBytes packed) {
  Unpacked result{std::vector<std::uint8_t>(std::size_t{1} << 18)};
  z_stream stream{};
  if (inflateInit2(&stream, -15) != Z_OK) {
    return std::nullopt;
  }
  stream.next_in = packed.data();
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = result.bytes.data();
  stream.avail_out = static_cast<uInt>(result.bytes.size());
  const bool whole = inflate(&stream, Z_FINISH) == Z_STREAM_END;
  result.bytes.resize(stream.total_out);
  result.taken = stream.total_in;
  inflateEnd(&stream);
  return whole ? std::optional(std::move(result)) : std::nullopt;
}

/// The checksum of every chunk, and that of the rows where they lie in one chunk.
inline void repair_png(FuzzBytes bytes) {
  if (bytes.size() < 8 || std::memcmp(bytes.data(), "\x89PNG", 4) != 0) {
    return;
  }
  std::uint32_t length = 0;
  for (std::size_t at = 8; load(bytes, at, length);) {
    length = __builtin_bswap32(length);
    if (bytes.size() - at < 12 || length > bytes.size() - at - 12) {
      return;
    }
    if (length > 6 && std::memcmp(bytes.data() + at + 4, "IDAT", 4) == 0) {
      const FuzzBytes packed = bytes.subspan(at + 10, length - 6); // without zlib's two and four
      if (const auto rows = unpacked(packed)) {
        const uLong sum = adler32_z(1, rows->bytes.data(), rows->bytes.size());
        store(bytes, at + 10 + rows->taken, __builtin_bswap32(static_cast<std::uint32_t>(sum)));
      }
    }
    const uLong crc = crc32_z(0, bytes.data() + at + 4, std::size_t{length} + 4);
    store(bytes, at + 8 + length, __builtin_bswap32(static_cast<std::uint32_t>(crc)));
    at += 12 + std::size_t{length};
  }
}

/// The sum of every header.
inline void repair_tar(FuzzBytes bytes) {
  constexpr std::size_t block = 512;
  for (std::size_t at = 0; bytes.size() - at >= block;) {
    const FuzzBytes header = bytes.subspan(at, block);
    std::memset(header.data() + 148, ' ', 8);
    unsigned sum = 0;
    for (const std::uint8_t each : header) {
      sum += each;
    }
    if (sum == 8 * ' ') { // an empty one, which ends the archive
      std::memset(header.data() + 148, 0, 8);
      return;
    }
    char text[8];
    std::snprintf(text, sizeof text, "%06o", sum);
    std::memcpy(header.data() + 148, text, 7);
    std::size_t size = 0;
    for (const std::uint8_t each : header.subspan(124, 12)) {
      size = each >= '0' && each <= '7' ? size * 8 + (each - '0') : size;
    }
    if (size > bytes.size() - at) {
      return;
    }
    at = std::min(bytes.size(), at + block + (size + block - 1) / block * block);
  }
}

/// The places of entries and directory, the names in front of the entries, and the checksums and
/// sizes of what deflated ones hold.
inline void repair_zip(FuzzBytes bytes) {
  const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  const auto places = [&](std::string_view mark, std::size_t from, std::size_t to) {
    std::vector<std::size_t> found;
    for (auto at = text.find(mark, from); at < to; at = text.find(mark, at + mark.size())) {
      found.push_back(at);
    }
    return found;
  };
  const std::size_t directory = text.find("PK\x01\x02");
  if (directory == std::string_view::npos) {
    return;
  }
  const auto entries = places("PK\x03\x04", 0, directory);
  const auto records = places("PK\x01\x02", directory, text.size());
  for (std::size_t i = 0; i < std::min(entries.size(), records.size()); ++i) {
    const std::size_t record = records[i];
    const std::size_t entry = entries[i];
    std::uint16_t method = 0;
    std::uint32_t packed = 0;
    std::uint32_t offset = 0;
    std::uint16_t name = 0;
    std::uint16_t own_name = 0;
    std::uint16_t extra = 0;
    if (!load(bytes, record + 10, method) || !load(bytes, record + 20, packed) ||
        !load(bytes, record + 28, name) || !load(bytes, record + 42, offset) ||
        !load(bytes, entry + 26, own_name) || !load(bytes, entry + 28, extra)) {
      return;
    }
    if (offset != ~0U) {
      store(bytes, record + 42, static_cast<std::uint32_t>(entry));
    }
    const std::size_t data = entry + 30 + own_name + extra;
    if (name == own_name && record + 46 + name <= bytes.size() && entry + 30 + name <= directory) {
      std::memcpy(bytes.data() + entry + 30, bytes.data() + record + 46, name);
    }
    if (data > bytes.size() || packed > bytes.size() - data) {
      continue;
    }
    if (method == 0) {
      store(bytes, record + 16,
            static_cast<std::uint32_t>(crc32_z(0, bytes.data() + data, packed)));
    } else if (method == 8) {
      if (const auto content = unpacked(bytes.subspan(data, packed))) {
        const uLong crc = crc32_z(0, content->bytes.data(), content->bytes.size());
        store(bytes, record + 16, static_cast<std::uint32_t>(crc));
        store(bytes, record + 20, static_cast<std::uint32_t>(content->taken));
        store(bytes, record + 24, static_cast<std::uint32_t>(content->bytes.size()));
      }
    }
  }
  // The end records: of zip64 with its locator, then the old one.
  for (const std::size_t at : places("PK\x06\x06", directory, text.size())) {
    store(bytes, at + 48, static_cast<std::uint64_t>(directory));
    for (const std::size_t locator : places("PK\x06\x07", at, text.size())) {
      store(bytes, locator + 8, static_cast<std::uint64_t>(at));
    }
  }
  for (const std::size_t at : places("PK\x05\x06", directory, text.size())) {
    store(bytes, at + 16, static_cast<std::uint32_t>(directory));
  }
}

} // namespace d2c_test
