#pragma once
/// The list of files in a tar archive held in memory: ustar, with GNU's and pax's long names.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>

namespace d2c {

/// A regular file of an archive; the bytes are borrowed from it.
struct TarEntry {
  std::string name; ///< without a leading "./"
  std::span<const std::byte> bytes;
};

namespace tar_detail {

inline constexpr std::size_t block = 512;
/// Long names and pax headers beyond this are taken for damage.
inline constexpr std::uint64_t most_header = 1 << 20;

/// Goes through an archive once.
class Walk {
public:
  Walk(const std::string& where, std::span<const std::byte> bytes) : where_{where}, bytes_{bytes} {}

  std::vector<TarEntry> entries() {
    std::vector<TarEntry> found;
    while (true) {
      if (bytes_.size() - at_ < block) {
        throw refused("a block of zeros at its end", "the end of the file (a truncated archive)");
      }
      const std::string_view header = text(at_, block);
      if (header.find_first_not_of('\0') == std::string_view::npos) {
        return found;
      }
      check_sum(header);
      const char type = header[156];
      const std::uint64_t stored = number(header.substr(124, 12));
      const std::uint64_t size = type == 'x' || type == 'g' || !has_size_ ? stored : size_;
      const std::uint64_t begin = at_ + block;
      if (size > bytes_.size() - begin) {
        throw refused("a member of " + std::to_string(size) + " bytes",
                      std::to_string(bytes_.size() - begin) + " (a truncated archive)");
      }
      const std::string_view content = text(begin, static_cast<std::size_t>(size));
      if (is_header(type)) {
        if (size > most_header) {
          throw refused("a long name or extended header below 1 MiB",
                        std::to_string(size) + " bytes");
        }
        take_header(type, content);
      } else {
        std::string name = safe_name(has_name_ ? name_ : short_name(header));
        if (type == '0' || type == '\0' || type == '7') {
          if (!name.ends_with('/')) {
            found.push_back({std::move(name), bytes_.subspan(begin, content.size())});
          }
        } else if (type != '5') {
          throw refused("files and folders alone",
                        std::string(type == '1' || type == '2' ? "the link" : "the special file") +
                            " \"" + name + "\"");
        }
        has_name_ = has_size_ = false;
      }
      const std::uint64_t padded = (size + block - 1) / block * block;
      if (padded > bytes_.size() - begin) {
        throw refused("members padded to blocks of 512 bytes",
                      "the end of the file (a truncated archive)");
      }
      at_ = begin + padded;
    }
  }

private:
  [[nodiscard]] InputError refused(const std::string& expected, const std::string& found) const {
    return InputError(where_ + ": expected a tar archive with " + expected + ", found " + found +
                      " at byte " + std::to_string(at_));
  }

  [[nodiscard]] std::string_view text(std::size_t begin, std::size_t size) const {
    return {reinterpret_cast<const char*>(bytes_.data()) + begin, size};
  }

  /// The sum of the header's bytes with its own field as blanks; some old programs summed signed.
  void check_sum(std::string_view header) const {
    std::int64_t sum = 0;
    std::int64_t signed_sum = 0;
    for (std::size_t i = 0; i < header.size(); ++i) {
      const char c = i >= 148 && i < 156 ? ' ' : header[i];
      sum += static_cast<unsigned char>(c);
      signed_sum += static_cast<signed char>(c);
    }
    const auto stored = static_cast<std::int64_t>(number(header.substr(148, 8)));
    if (stored != sum && stored != signed_sum) {
      throw refused("a header of checksum " + std::to_string(sum), std::to_string(stored));
    }
  }

  /// An octal number between blanks and zeros, or GNU's big-endian one behind a byte of 0x80.
  [[nodiscard]] std::uint64_t number(std::string_view field) const {
    std::uint64_t value = 0;
    if (static_cast<unsigned char>(field.front()) == 0x80) {
      for (const char c : field.substr(1)) {
        if (value >> 55 != 0) {
          throw refused("numbers below 2^63", "a larger one");
        }
        value = value << 8 | static_cast<unsigned char>(c);
      }
      return value;
    }
    const auto begin = field.find_first_not_of(' ');
    field.remove_prefix(begin == std::string_view::npos ? field.size() : begin);
    std::size_t digits = 0;
    while (digits < field.size() && field[digits] >= '0' && field[digits] <= '7') {
      value = value * 8 + static_cast<std::uint64_t>(field[digits++] - '0');
    }
    const auto rest = field.substr(digits);
    if (rest.find_first_not_of(std::string_view(" \0", 2)) != std::string_view::npos) {
      throw refused("headers of octal numbers", "another header (no tar archive, or damage)");
    }
    return value;
  }

  static std::string_view until_zero(std::string_view field) {
    return field.substr(0, field.find('\0'));
  }

  static std::string short_name(std::string_view header) {
    std::string name{until_zero(header.substr(0, 100))};
    if (header.substr(257, 6) == std::string_view("ustar\0", 6)) {
      const std::string_view prefix = until_zero(header.substr(345, 155));
      if (!prefix.empty()) {
        name = std::string(prefix) + "/" + name;
      }
    }
    return name;
  }

  static bool is_header(char type) {
    return type == 'L' || type == 'K' || type == 'x' || type == 'g';
  }

  /// What a header member says of the next member.
  void take_header(char type, std::string_view content) {
    if (type == 'L') {
      name_ = until_zero(content);
      has_name_ = true;
    }
    while ((type == 'x' || type == 'g') && !content.empty()) {
      const auto [key, value, length] = record(content);
      if (key.starts_with("GNU.sparse")) {
        throw refused("whole files", "a sparse one");
      }
      if (type == 'x' && key == "path") {
        name_ = value;
        has_name_ = true;
      } else if (type == 'x' && key == "size") {
        size_ = decimal_number(value);
        has_size_ = true;
      }
      content.remove_prefix(length);
    }
  }

  struct Record {
    std::string_view key;
    std::string_view value;
    std::size_t length;
  };

  /// The first "LENGTH KEY=VALUE\n" of a pax header.
  [[nodiscard]] Record record(std::string_view content) const {
    const auto blank = content.find(' ');
    const auto malformed = [&] { return refused("extended headers of whole records", "another"); };
    if (blank == std::string_view::npos) {
      throw malformed();
    }
    const std::uint64_t length = decimal_number(content.substr(0, blank));
    if (length > content.size() || length < blank + 3 || content[length - 1] != '\n') {
      throw malformed();
    }
    const auto pair = content.substr(blank + 1, length - blank - 2);
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) {
      throw malformed();
    }
    return {pair.substr(0, equals), pair.substr(equals + 1), static_cast<std::size_t>(length)};
  }

  [[nodiscard]] std::uint64_t decimal_number(std::string_view digits) const {
    std::uint64_t value = 0;
    if (digits.empty() || digits.size() > 18 ||
        digits.find_first_not_of("0123456789") != std::string_view::npos) {
      throw refused("extended headers of decimal numbers", "another");
    }
    for (const char c : digits) {
      value = value * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return value;
  }

  /// The name without "./"; names that lead out of the archive are refused.
  [[nodiscard]] std::string safe_name(std::string name) const {
    std::size_t begin = 0;
    while (name.compare(begin, 2, "./") == 0) {
      begin += 2;
    }
    name.erase(0, begin);
    bool safe = name.find('\0') == std::string::npos && !name.starts_with('/');
    for (std::string_view rest = name; safe && !rest.empty();) {
      const auto slash = rest.find('/');
      safe = rest.substr(0, slash) != "..";
      rest.remove_prefix(slash == std::string_view::npos ? rest.size() : slash + 1);
    }
    if (!safe) {
      throw refused("names inside of it", "\"" + name.substr(0, name.find('\0')) + "\"");
    }
    return name;
  }

  const std::string& where_;
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  std::string name_;
  std::uint64_t size_ = 0;
  bool has_name_ = false;
  bool has_size_ = false;
};

} // namespace tar_detail

/// The regular files of an archive, in its order; folders are left out. InputError on a wrong
/// checksum, on a truncated archive or one without its end mark, on names that are absolute or hold
/// "..", on links and special files. `where` names the file in messages; `bytes` must outlive the
/// result.
inline std::vector<TarEntry> read_tar(const std::string& where, std::span<const std::byte> bytes) {
  if (bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b}) {
    throw InputError(where + ": expected a tar archive without compression, found a gzipped file");
  }
  return tar_detail::Walk{where, bytes}.entries();
}

} // namespace d2c
