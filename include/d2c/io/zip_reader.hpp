#pragma once
/// Reading the entries of a zip archive held in memory, zip64 included: stored ones where they lie,
/// deflated ones by zlib.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <zlib.h>

#include <d2c/core/error.hpp>
#include <d2c/io/inflation_limit.hpp>

namespace d2c {

/// What a zip entry holds: a part of the archive, or unpacked bytes that `owner` keeps.
struct ZipContent {
  std::span<const std::byte> bytes;
  std::shared_ptr<const std::byte[]> owner;
};

/// Parses the central directory of an archive (PKWARE APPNOTE 4.3). InputError on a truncated or
/// damaged archive and on entries that share bytes or a name; an entry that cannot be read is an
/// InputError when it is asked for.
class ZipReader {
public:
  /// Stored entries are looked at in parts of at most so many bytes.
  static constexpr std::size_t piece = std::size_t{1} << 20;

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
    require_apart(offset);
  }

  static bool is_zip(std::span<const std::byte> bytes) {
    return bytes.size() >= 4 && std::memcmp(bytes.data(), "PK\x03\x04", 4) == 0;
  }

  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

  [[nodiscard]] bool has(std::string_view name) const { return entries_.contains(name); }

  /// The bytes of a stored entry; InputError if it is missing, compressed or out of bounds. Nothing
  /// of it is read, so its checksum is not verified: storages of checkpoints are copied once and by
  /// parts, torch.save may be told not to write checksums, and torch.load ignores them.
  [[nodiscard]] std::span<const std::byte> entry(std::string_view name) const {
    const Entry& entry = found(name);
    if (entry.encrypted || entry.method != stored) {
      throw unreadable(name, entry, "stored without compression");
    }
    return packed_bytes(name, entry);
  }

  /// The content of an entry, stored or deflated, after reading all of it for its checksum.
  /// InputError as entry(), on damage, and on one that claims to unpack to more than
  /// inflation_limit, before anything is allocated. Failure if memory does not suffice.
  /// For its checksum a stored entry is looked at where `bring` puts each of its parts, or where it
  /// lies.
  [[nodiscard]] ZipContent
  content(std::string_view name,
          const std::function<std::span<const std::byte>(std::span<const std::byte>)>& bring = {})
      const {
    const Entry& entry = found(name);
    if (entry.encrypted || (entry.method != stored && entry.method != deflated)) {
      throw unreadable(name, entry, "stored or deflated");
    }
    const auto packed = packed_bytes(name, entry);
    if (entry.method == deflated) {
      return inflated(name, entry, packed);
    }
    uLong checksum = crc32(0, nullptr, 0);
    for (std::size_t at = 0; at < packed.size(); at += piece) {
      const auto stored_part = packed.subspan(at, std::min(piece, packed.size() - at));
      const auto part = bring ? bring(stored_part) : stored_part;
      checksum = crc32_z(checksum, reinterpret_cast<const Bytef*>(part.data()), part.size());
    }
    if (checksum != entry.checksum) {
      throw InputError(where_ + ": expected the zip entry \"" + std::string(name) +
                       "\" to have its checksum, found other data (a damaged file)");
    }
    return {packed, nullptr};
  }

private:
  static constexpr unsigned stored = 0;
  static constexpr unsigned deflated = 8;
  static constexpr std::uint64_t local_header = 30; ///< bytes, without name and extra field

  struct Entry {
    std::uint64_t offset = 0;
    std::uint64_t end = 0; ///< where the next entry or the directory begins
    std::uint64_t packed = 0;
    std::uint64_t size = 0;
    std::uint32_t checksum = 0;
    unsigned method = 0;
    bool encrypted = false;
  };

  struct Directory {
    std::uint64_t count;
    std::uint64_t offset;
    std::uint64_t size;
  };

  [[nodiscard]] const Entry& found(std::string_view name) const {
    const auto entry = entries_.find(name);
    if (entry == entries_.end()) {
      throw InputError(where_ + ": expected the zip entry \"" + std::string(name) +
                       "\", found none of that name");
    }
    return entry->second;
  }

  [[nodiscard]] InputError unreadable(std::string_view name, const Entry& entry,
                                      const std::string& expected) const {
    return InputError(
        where_ + ": expected the zip entry \"" + std::string(name) + "\" to be " + expected +
        ", found " +
        (entry.encrypted ? "it encrypted" : "compression method " + std::to_string(entry.method)));
  }

  /// Where an entry lies in the archive, as it is stored there.
  [[nodiscard]] std::span<const std::byte> packed_bytes(std::string_view name,
                                                        const Entry& entry) const {
    if (number<4>(entry.offset) != 0x04034b50) {
      throw damaged("the header of entry \"" + std::string(name) + "\"");
    }
    const std::uint64_t name_size = number<2>(entry.offset + 26);
    // The extra field may differ in length from the directory's.
    const std::uint64_t data =
        entry.offset + local_header + name_size + number<2>(entry.offset + 28);
    if (name_size != name.size() || data > bytes_.size() ||
        std::memcmp(bytes_.data() + entry.offset + local_header, name.data(), name.size()) != 0) {
      throw InputError(where_ + ": expected the zip entry \"" + std::string(name) +
                       "\" to have its name in front of it, found another");
    }
    if (data > entry.end || entry.packed > entry.end - data) {
      throw overlapping(std::string(name));
    }
    if ((entry.method == stored && entry.packed != entry.size) || data > bytes_.size() ||
        entry.packed > bytes_.size() - data) {
      throw InputError(where_ + ": expected " + std::to_string(entry.size) +
                       " bytes of zip entry \"" + std::string(name) +
                       "\", found fewer (a truncated or damaged file)");
    }
    return bytes_.subspan(static_cast<std::size_t>(data), static_cast<std::size_t>(entry.packed));
  }

  [[nodiscard]] ZipContent inflated(std::string_view name, const Entry& entry,
                                    std::span<const std::byte> packed) const {
    const std::string subject = "the zip entry \"" + std::string(name) + "\"";
    if (entry.size > inflation_limit(packed.size())) {
      throw InputError(where_ + ": expected " + subject + " to unpack its " +
                       std::to_string(packed.size()) + " bytes to at most " +
                       std::to_string(inflation_limit(packed.size())) + ", found a claim of " +
                       std::to_string(entry.size));
    }
    const auto size = static_cast<std::size_t>(entry.size);
    std::shared_ptr<std::byte[]> unpacked;
    try {
      unpacked = std::make_unique_for_overwrite<std::byte[]>(size);
    } catch (const std::bad_alloc&) {
      throw Failure(where_ + ": expected memory for the " + std::to_string(size) + " bytes of " +
                    subject + ", found too little");
    }

    struct Inflater {
      z_stream stream{};

      ~Inflater() { inflateEnd(&stream); }
    } inflater;

    z_stream& stream = inflater.stream;
    if (inflateInit2(&stream, -15) != Z_OK) { // raw deflate data with the largest window
      throw Failure(where_ + ": zlib could not be started");
    }
    constexpr std::size_t most = 1U << 30; // zlib counts in 32 bits
    std::size_t taken = 0;
    std::size_t given = 0;
    uLong checksum = crc32(0, nullptr, 0);
    std::byte beyond{}; // a place for what must not come
    int result = Z_OK;
    while (result == Z_OK) {
      const std::size_t fuel = std::min(packed.size() - taken, most);
      const bool full = given == size;
      const std::size_t room = full ? 1 : std::min(size - given, most);
      std::byte* const target = full ? &beyond : unpacked.get() + given;
      stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed.data() + taken));
      stream.avail_in = static_cast<uInt>(fuel);
      stream.next_out = reinterpret_cast<Bytef*>(target);
      stream.avail_out = static_cast<uInt>(room);
      result = inflate(&stream, Z_NO_FLUSH);
      taken += fuel - stream.avail_in;
      const std::size_t made = room - stream.avail_out;
      if (full && made > 0) {
        result = Z_DATA_ERROR;
      } else if (made > 0) {
        checksum = crc32_z(checksum, reinterpret_cast<const Bytef*>(target), made);
        given += made;
      }
    }
    if (result != Z_STREAM_END || given != size || taken != packed.size() ||
        checksum != entry.checksum) {
      throw InputError(where_ + ": expected " + subject + " to unpack to " + std::to_string(size) +
                       " bytes with its checksum, found other data (a damaged file)");
    }
    return {{unpacked.get(), size}, unpacked};
  }

  /// Entries that share bytes could claim far more content than the archive has.
  void require_apart(std::uint64_t directory) {
    std::vector<std::pair<Entry*, const std::string*>> order;
    order.reserve(entries_.size());
    for (auto& [name, entry] : entries_) {
      order.emplace_back(&entry, &name);
    }
    std::sort(order.begin(), order.end(),
              [](const auto& a, const auto& b) { return a.first->offset < b.first->offset; });
    for (std::size_t i = 0; i < order.size(); ++i) {
      Entry& entry = *order[i].first;
      entry.end = i + 1 < order.size() ? order[i + 1].first->offset : directory;
      if (entry.offset > entry.end || entry.end - entry.offset < local_header ||
          entry.end - entry.offset - local_header < entry.packed) {
        throw overlapping(*order[i].second);
      }
    }
  }

  [[nodiscard]] InputError overlapping(const std::string& name) const {
    return InputError(where_ + ": expected a zip archive whose entries lie apart, found \"" + name +
                      "\" to overlap what follows it");
  }

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
    entry.checksum = static_cast<std::uint32_t>(number<4>(at + 16));
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
          if (*wide == std::numeric_limits<std::uint32_t>::max() && value + 8 <= field + 4 + size) {
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
