#pragma once
/// Reading the stored (uncompressed) entries of a zip archive held in memory, zip64 included.
/// Inflating is not offered: the archives read here (PyTorch checkpoints, npz) store their entries.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>

namespace d2c {

/// Parses the central directory of an archive (PKWARE APPNOTE 4.3). InputError on a truncated or
/// damaged archive; a compressed or encrypted entry is an InputError when it is asked for. Entry
/// checksums are not verified: torch.save may be told not to write them, and torch.load ignores
/// them.
class ZipReader {
public:
  /// `where` names the file in messages; `bytes` must outlive the reader.
  ZipReader(std::string where, std::span<const std::byte> bytes)
      : where_{std::move(where)}, bytes_{bytes} {
    const auto [count, offset, size] = find_directory();
    std::uint64_t at = offset;
    for (std::uint64_t i = 0; i < count; ++i) {
      at = read_header(at);
    }
    if (at - offset > size) {
      throw damaged("a central directory of " + std::to_string(size) + " bytes");
    }
  }

  static bool is_zip(std::span<const std::byte> bytes) {
    return bytes.size() >= 4 && std::memcmp(bytes.data(), "PK\x03\x04", 4) == 0;
  }

  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

  [[nodiscard]] bool has(std::string_view name) const { return entries_.contains(name); }

  /// The bytes of a stored entry; InputError if it is missing, compressed or out of bounds.
  [[nodiscard]] std::span<const std::byte> entry(std::string_view name) const {
    const auto found = entries_.find(name);
    if (found == entries_.end()) {
      throw InputError(where_ + ": expected the zip entry \"" + std::string(name) +
                       "\", found none of that name");
    }
    const Entry& entry = found->second;
    if (entry.encrypted || entry.method != 0) {
      throw InputError(where_ + ": expected the zip entry \"" + std::string(name) +
                       "\" to be stored without compression, found " +
                       (entry.encrypted ? "it encrypted"
                                        : "compression method " + std::to_string(entry.method)));
    }
    if (number<4>(entry.offset) != 0x04034b50) {
      throw damaged("the header of entry \"" + std::string(name) + "\"");
    }
    // Name and extra field of the local header may differ in length from the directory's.
    const std::uint64_t data =
        entry.offset + 30 + number<2>(entry.offset + 26) + number<2>(entry.offset + 28);
    if (entry.packed != entry.size || data > bytes_.size() || entry.size > bytes_.size() - data) {
      throw InputError(where_ + ": expected " + std::to_string(entry.size) +
                       " bytes of zip entry \"" + std::string(name) +
                       "\", found fewer (a truncated or damaged file)");
    }
    return bytes_.subspan(static_cast<std::size_t>(data), static_cast<std::size_t>(entry.size));
  }

private:
  struct Entry {
    std::uint64_t offset = 0;
    std::uint64_t packed = 0;
    std::uint64_t size = 0;
    unsigned method = 0;
    bool encrypted = false;
  };

  struct Directory {
    std::uint64_t count;
    std::uint64_t offset;
    std::uint64_t size;
  };

  [[nodiscard]] InputError damaged(const std::string& expected) const {
    return InputError(where_ + ": expected a complete zip archive, found no place for " + expected +
                      " (a truncated or damaged file)");
  }

  /// Little-endian number of N bytes at `at`; InputError beyond the end.
  template <std::size_t N>
  [[nodiscard]] std::uint64_t number(std::uint64_t at) const {
    if (at > bytes_.size() || bytes_.size() - at < N) {
      throw damaged("a number at byte " + std::to_string(at));
    }
    std::uint64_t value = 0;
    std::memcpy(&value, bytes_.data() + at, N);
    return value;
  }

  [[nodiscard]] Directory find_directory() const {
    constexpr std::size_t record = 22;
    const std::size_t reach = std::min<std::size_t>(bytes_.size(), record + 65535);
    for (std::size_t back = record; back <= reach; ++back) {
      const std::size_t at = bytes_.size() - back;
      if (std::memcmp(bytes_.data() + at, "PK\x05\x06", 4) != 0 ||
          number<2>(at + 20) != back - record) {
        continue;
      }
      if (at >= 20 && std::memcmp(bytes_.data() + at - 20, "PK\x06\x07", 4) == 0) {
        const std::uint64_t wide = number<8>(at - 20 + 8);
        if (number<4>(wide) != 0x06064b50) {
          throw damaged("the zip64 directory");
        }
        return {number<8>(wide + 32), number<8>(wide + 48), number<8>(wide + 40)};
      }
      return {number<2>(at + 10), number<4>(at + 16), number<4>(at + 12)};
    }
    throw damaged("its directory");
  }

  /// Reads one directory entry at `at` and returns the place of the next.
  std::uint64_t read_header(std::uint64_t at) {
    if (number<4>(at) != 0x02014b50) {
      throw damaged("a directory entry at byte " + std::to_string(at));
    }
    Entry entry;
    entry.encrypted = (number<2>(at + 8) & 1U) != 0;
    entry.method = static_cast<unsigned>(number<2>(at + 10));
    entry.packed = number<4>(at + 20);
    entry.size = number<4>(at + 24);
    const std::uint64_t name_size = number<2>(at + 28);
    const std::uint64_t extra_size = number<2>(at + 30);
    const std::uint64_t comment_size = number<2>(at + 32);
    entry.offset = number<4>(at + 42);
    const std::uint64_t extra = at + 46 + name_size;
    const std::uint64_t next = extra + extra_size + comment_size;
    if (next > bytes_.size()) {
      throw damaged("the name of a directory entry");
    }
    for (std::uint64_t field = extra; field + 4 <= extra + extra_size;) {
      const std::uint64_t size = number<2>(field + 2);
      if (number<2>(field) == 1) {
        // zip64: only the numbers that did not fit, in this order.
        std::uint64_t value = field + 4;
        for (std::uint64_t* wide : {&entry.size, &entry.packed, &entry.offset}) {
          if (*wide == std::numeric_limits<std::uint32_t>::max()) {
            *wide = number<8>(value);
            value += 8;
          }
        }
      }
      field += 4 + size;
    }
    std::string name(reinterpret_cast<const char*>(bytes_.data() + at + 46),
                     static_cast<std::size_t>(name_size));
    if (!entries_.emplace(name, entry).second) {
      throw InputError(where_ + ": expected zip entries of distinct names, found \"" + name +
                       "\" twice");
    }
    names_.push_back(std::move(name));
    return next;
  }

  std::string where_;
  std::span<const std::byte> bytes_;
  std::vector<std::string> names_;
  std::map<std::string, Entry, std::less<>> entries_;
};

} // namespace d2c
