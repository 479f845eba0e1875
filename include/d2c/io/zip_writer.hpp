#pragma once
/// Writing zip archives of stored (uncompressed) entries, whose bytes may come piece by piece.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <zlib.h>

#include <d2c/core/error.hpp>
#include <d2c/io/atomic_file.hpp>

namespace d2c {

/// One zip archive, atomic. begin() an entry, append() its bytes in pieces of any size, then the
/// next entry, then commit(). All sizes are written as zip64, so there is no limit at 4 GiB.
/// Failure if a name comes twice or writing fails.
class ZipWriter {
public:
  explicit ZipWriter(std::filesystem::path path) : file_{std::move(path)} {}

  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }

  /// The entry's bytes begin at a multiple of `alignment` in the file.
  void begin(const std::string& name, std::size_t alignment = 1) {
    end_entry();
    if (!names_.insert(name).second) {
      throw Failure(path().string() + ": expected zip entries of distinct names, found \"" + name +
                    "\" again");
    }
    open_ = Open{.name = name, .offset = at_};
    // The checksum is not known yet: it follows the data (bit 3), sizes too.
    std::string sizes;
    put(sizes, std::uint16_t{1});
    put(sizes, std::uint16_t{16});
    put(sizes, std::uint64_t{0});
    put(sizes, std::uint64_t{0});
    const std::size_t unpadded = static_cast<std::size_t>(at_) + 30 + name.size() + sizes.size();
    if (unpadded % alignment != 0) {
      // A field of an unassigned number that says nothing; its own header has four bytes.
      const std::size_t size = (alignment - (unpadded + 4) % alignment) % alignment;
      put(sizes, std::uint16_t{0x4246});
      put(sizes, static_cast<std::uint16_t>(size));
      sizes.append(size, '\0');
    }
    std::string local = "PK\x03\x04" + common_fields(0, name.size());
    put(local, static_cast<std::uint16_t>(sizes.size()));
    write(local + name + sizes);
  }

  void append(std::span<const std::byte> bytes) {
    if (!open_) {
      throw Failure(path().string() + ": expected a zip entry to be begun, found none");
    }
    if (!bytes.empty()) {
      open_->checksum =
          crc32_z(open_->checksum, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size());
      open_->size += bytes.size();
      file_.write(bytes);
      at_ += bytes.size();
    }
  }

  void append(std::string_view text) { append(std::as_bytes(std::span(text))); }

  void commit() {
    end_entry();
    const std::uint64_t directory_at = at_;
    write(directory_);
    const std::uint64_t record_at = at_;
    const auto entries = static_cast<std::uint64_t>(names_.size());
    std::string end = "PK\x06\x06";
    put(end, std::uint64_t{44});
    put(end, std::uint16_t{45});
    put(end, std::uint16_t{45});
    put(end, std::uint32_t{0});
    put(end, std::uint32_t{0});
    put(end, entries);
    put(end, entries);
    put(end, static_cast<std::uint64_t>(directory_.size()));
    put(end, directory_at);
    end += "PK\x06\x07";
    put(end, std::uint32_t{0});
    put(end, record_at);
    put(end, std::uint32_t{1});
    end += "PK\x05\x06";
    put(end, std::uint32_t{0});
    put(end, std::uint16_t{0xffff});
    put(end, std::uint16_t{0xffff});
    put(end, std::uint32_t{0xffffffff});
    put(end, std::uint32_t{0xffffffff});
    put(end, std::uint16_t{0});
    write(end);
    file_.commit();
  }

private:
  struct Open {
    std::string name;
    std::uint64_t offset = 0; ///< of its local header
    std::uint64_t size = 0;   ///< bytes so far
    uLong checksum = 0;
  };

  template <class T>
  static void put(std::string& out, T value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  }

  /// Version 4.5 (zip64), data descriptor, stored, dated 1980-01-01; sizes are in the extra field.
  static std::string common_fields(uLong checksum, std::size_t name_size) {
    std::string fields;
    put(fields, std::uint16_t{45});
    put(fields, std::uint16_t{8});
    put(fields, std::uint16_t{0});
    put(fields, std::uint16_t{0});
    put(fields, std::uint16_t{0x21});
    put(fields, static_cast<std::uint32_t>(checksum));
    put(fields, std::uint32_t{0xffffffff});
    put(fields, std::uint32_t{0xffffffff});
    put(fields, static_cast<std::uint16_t>(name_size));
    return fields;
  }

  void write(std::string_view text) {
    file_.write(text);
    at_ += text.size();
  }

  void end_entry() {
    if (!open_) {
      return;
    }
    std::string descriptor = "PK\x07\x08";
    put(descriptor, static_cast<std::uint32_t>(open_->checksum));
    put(descriptor, open_->size);
    put(descriptor, open_->size);
    write(descriptor);

    directory_ += "PK\x01\x02";
    put(directory_, std::uint16_t{45});
    directory_ += common_fields(open_->checksum, open_->name.size());
    put(directory_, std::uint16_t{28});
    put(directory_, std::uint16_t{0});
    put(directory_, std::uint16_t{0});
    put(directory_, std::uint16_t{0});
    put(directory_, std::uint32_t{0});
    put(directory_, std::uint32_t{0xffffffff});
    directory_ += open_->name;
    put(directory_, std::uint16_t{1});
    put(directory_, std::uint16_t{24});
    put(directory_, open_->size);
    put(directory_, open_->size);
    put(directory_, open_->offset);
    open_.reset();
  }

  AtomicFile file_;
  std::uint64_t at_ = 0;
  std::string directory_;
  std::set<std::string> names_;
  std::optional<Open> open_;
};

} // namespace d2c
