#pragma once
/// Comma-separated values (RFC 4180), written atomically and read from a mapped file. Numbers are
/// written in the shortest form that reads back to the same bits.

#include <array>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/io/mapped_file.hpp>

namespace d2c {

/// Writes a table row by row; the file appears on commit(). Text is quoted where it must be, NaN is
/// an empty field, lines end in "\n". Failure if a row has another number of fields than the header
/// or the file cannot be written.
class CsvWriter {
public:
  CsvWriter(const std::filesystem::path& path, std::initializer_list<std::string_view> header)
      : file_{path}, columns_{header.size()} {
    for (const std::string_view name : header) {
      add(name);
    }
    end_row();
  }

  /// One row; fields are texts, integers, floats or doubles.
  template <class... Fields>
  void row(const Fields&... fields) {
    if (sizeof...(Fields) != columns_) {
      throw Failure(file_.path().string() + ": expected rows of " + std::to_string(columns_) +
                    " fields, found " + std::to_string(sizeof...(Fields)));
    }
    (add(fields), ...);
    end_row();
  }

  void commit() {
    file_.write(buffer_.data(), buffer_.size());
    buffer_.clear();
    file_.commit();
  }

private:
  void add(std::string_view text) {
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
      buffer_ += text;
    } else {
      buffer_ += '"';
      for (const char c : text) {
        buffer_.append(c == '"' ? 2 : 1, c);
      }
      buffer_ += '"';
    }
    buffer_ += ',';
  }

  template <class Number>
    requires std::integral<Number> || std::floating_point<Number>

  void add(Number value) {
    if constexpr (std::floating_point<Number>) {
      if (std::isnan(value)) {
        buffer_ += ',';
        return;
      }
    }
    std::array<char, 48> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    buffer_.append(digits.data(), end);
    buffer_ += ',';
  }

  void end_row() {
    buffer_.back() = '\n';
    if (buffer_.size() > (1U << 18)) {
      file_.write(buffer_.data(), buffer_.size());
      buffer_.clear();
    }
  }

  AtomicFile file_;
  std::size_t columns_;
  std::string buffer_;
};

/// Reads a table whose first row names its columns. InputError, with the line, on broken quotes, a
/// row of another width, or a field that is not the number it should be.
class CsvReader {
public:
  explicit CsvReader(const std::filesystem::path& path) : file_{path}, rest_{file_.text()} {
    if (rest_.starts_with("\xef\xbb\xbf")) {
      rest_.remove_prefix(3);
    }
    std::vector<std::string_view> names;
    if (!parse(names)) {
      throw InputError(path.string() + ": expected a CSV file with a header row, found nothing");
    }
    header_.assign(names.begin(), names.end());
  }

  [[nodiscard]] const std::vector<std::string>& header() const { return header_; }

  /// The place of a column; InputError if the header does not name it.
  [[nodiscard]] std::size_t column(std::string_view name) const {
    for (std::size_t i = 0; i < header_.size(); ++i) {
      if (header_[i] == name) {
        return i;
      }
    }
    std::string found;
    for (const std::string& each : header_) {
      found += (found.empty() ? "" : ",") + each;
    }
    throw InputError(file_.path().string() + ": expected a column \"" + std::string(name) +
                     "\", found the header \"" + found + "\"");
  }

  /// Reads the next row, as many fields as the header has; false at the end. The views stay valid
  /// as long as the reader.
  bool next(std::vector<std::string_view>& fields) {
    if (!parse(fields)) {
      return false;
    }
    if (fields.size() != header_.size()) {
      throw InputError(place() + ": expected " + std::to_string(header_.size()) +
                       " fields as in the header, found " + std::to_string(fields.size()));
    }
    return true;
  }

  bool next(std::vector<std::string>& fields) {
    std::vector<std::string_view> views;
    if (!next(views)) {
      return false;
    }
    fields.assign(views.begin(), views.end());
    return true;
  }

  /// A field of the current row as a number; InputError if it is none, or has a rest.
  template <class Number>
  [[nodiscard]] Number number(std::string_view field, std::string_view column) const {
    Number value{};
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (error != std::errc{} || end != field.data() + field.size()) {
      throw InputError(place() + ": expected a number in column \"" + std::string(column) +
                       "\", found \"" + std::string(field.substr(0, 40)) + "\"");
    }
    return value;
  }

  /// "file:line" of the row read last.
  [[nodiscard]] std::string place() const {
    return file_.path().string() + ":" + std::to_string(row_line_);
  }

private:
  bool parse(std::vector<std::string_view>& fields) {
    fields.clear();
    if (rest_.empty()) {
      return false;
    }
    row_line_ = line_;
    for (;;) {
      fields.push_back(!rest_.empty() && rest_.front() == '"' ? quoted() : plain());
      if (rest_.empty()) {
        return true;
      }
      const char separator = rest_.front();
      rest_.remove_prefix(1);
      if (separator == '\n') {
        ++line_;
        return true;
      }
    }
  }

  /// Up to the next comma or line end, which stays.
  std::string_view plain() {
    std::size_t size = 0;
    while (size < rest_.size() && rest_[size] != ',' && rest_[size] != '\n') {
      if (rest_[size] == '"') {
        throw InputError(place() + ": expected quotes only around whole fields, found one inside");
      }
      ++size;
    }
    std::string_view field = rest_.substr(0, size);
    rest_.remove_prefix(size);
    const bool ends_line = rest_.empty() || rest_.front() == '\n';
    if (ends_line && field.ends_with('\r')) {
      field.remove_suffix(1);
    }
    return field;
  }

  std::string_view quoted() {
    rest_.remove_prefix(1);
    std::string* copy = nullptr;
    std::string_view field;
    for (;;) {
      const std::size_t quote = rest_.find('"');
      if (quote == std::string_view::npos) {
        throw InputError(place() + ": expected a closing quote, found the end of the file");
      }
      const std::string_view piece = rest_.substr(0, quote);
      for (const char c : piece) {
        line_ += c == '\n' ? 1 : 0;
      }
      rest_.remove_prefix(quote + 1);
      const bool doubled = rest_.starts_with('"');
      if (doubled && copy == nullptr) {
        copy = &unescaped_.emplace_back();
      }
      if (copy == nullptr) {
        field = piece;
      } else {
        *copy += piece;
      }
      if (!doubled) {
        break;
      }
      *copy += '"';
      rest_.remove_prefix(1);
    }
    if (rest_.starts_with("\r\n")) {
      rest_.remove_prefix(1);
    }
    if (!rest_.empty() && rest_.front() != ',' && rest_.front() != '\n') {
      throw InputError(place() + ": expected a comma or a line end behind a quoted field, found '" +
                       rest_.front() + "'");
    }
    return copy == nullptr ? field : std::string_view(*copy);
  }

  MappedFile file_;
  std::string_view rest_;
  std::vector<std::string> header_;
  std::deque<std::string> unescaped_; ///< fields that held doubled quotes
  std::int64_t line_ = 1;
  std::int64_t row_line_ = 1;
};

} // namespace d2c
