#pragma once
/// The tokenizer of CLIP: pieces of bytes, merged by a published list of pairs. Torch-free; Unicode
/// facts come from utf8proc.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>
#include <utf8proc.h>

#include <d2c/core/error.hpp>
#include <d2c/encoders/clip_vocabulary_files.hpp>
#include <d2c/encoders/token_ids.hpp>
#include <d2c/encoders/unicode.hpp>
#include <d2c/io/gzip.hpp>
#include <d2c/io/mapped_file.hpp>
#include <d2c/io/parse_json.hpp>

namespace d2c {

/// Byte-pair encoding (Sennrich et al. 2016; over bytes as in GPT-2) with the end of each word in
/// its last piece. Follows transformers' CLIPTokenizer: NFC, white space to single spaces, lower
/// case, words of letters, single digits and runs of other signs. A start or end token written out
/// in a text ("<|endoftext|>") stands for itself.
class CLIPTokenizer {
public:
  /// Reads `vocab.json` with the `merges.txt` beside it (transformers), or a list of pairs alone,
  /// plain or gzip (the authors' `bpe_simple_vocab_16e6.txt.gz`), to which the authors' rule gives
  /// the ids. Throws InputError if a file cannot be read or is something else.
  explicit CLIPTokenizer(const std::filesystem::path& file) : files_{clip_vocabulary_files(file)} {
    if (files_.size() == 2) {
      read_vocabulary(file);
      read_pairs(files_.back(), pairs_of(files_.back(), content(files_.back(), false)));
    } else {
      const std::vector<Pair> pairs = pairs_of(file, content(file, true), most_pairs);
      number_symbols(pairs);
      read_pairs(file, pairs);
    }
    for (std::size_t byte = 0; byte < 256; ++byte) {
      bytes_[byte] = {id_of(file, symbol(byte)), id_of(file, symbol(byte) + word_end)};
    }
    start_ = id_of(file, std::string(start_token));
    end_ = id_of(file, std::string(end_token));
  }

  /// The files it was read from: the vocabulary and, for `vocab.json`, the list of pairs.
  [[nodiscard]] const std::vector<std::filesystem::path>& files() const { return files_; }

  /// Tokens in the vocabulary; ids are below it.
  [[nodiscard]] std::int64_t size() const { return static_cast<std::int64_t>(ids_.size()); }

  /// Ids of `text` (UTF-8; each broken byte counts as U+FFFD) in exactly `length` places: the
  /// start token, the pieces, the end token, then end tokens as padding. A longer text is cut so
  /// that the end token still closes it. Throws InputError if length < 2.
  [[nodiscard]] TokenIds encode(std::string_view text, std::size_t length) const {
    if (length < 2) {
      throw InputError("CLIP's tokenizer needs room for the start and the end token, that is at "
                       "least 2 tokens, and was given " +
                       std::to_string(length));
    }
    std::vector<std::int64_t> ids = tokenize(text);
    ids.resize(std::min(ids.size(), length - 2));
    ids.insert(ids.begin(), start_);
    ids.push_back(end_);
    return TokenIds::padded(std::move(ids), length, end_);
  }

  /// All pieces of `text`, without start, end and padding.
  [[nodiscard]] std::vector<std::int64_t> tokenize(std::string_view text) const {
    std::vector<std::int64_t> pieces;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size();) {
      const std::string_view token = special_at(text.substr(at));
      if (token.empty()) {
        ++at;
        continue;
      }
      append_words(text.substr(begin, at - begin), pieces);
      pieces.push_back(token == start_token ? start_ : end_);
      at += token.size();
      begin = at;
    }
    append_words(text.substr(begin), pieces);
    return pieces;
  }

private:
  using Id = std::int32_t;
  using Pair = std::pair<std::string, std::string>;
  using CodePoint = unicode::CodePoint;

  struct Merge {
    std::size_t rank;
    Id merged;
  };

  static constexpr std::string_view start_token = "<|startoftext|>";
  static constexpr std::string_view end_token = "<|endoftext|>";
  static constexpr const char* word_end = "</w>";
  /// The authors' file lists more pairs than they use.
  static constexpr std::size_t most_pairs = 49152 - 256 - 2;
  static constexpr std::size_t largest_file = std::size_t{16} << 20; // of 1 to 4 MB

  [[noreturn]] static void refuse(const std::filesystem::path& file, const std::string& found) {
    throw InputError(file.string() +
                     ": expected a vocabulary of CLIP (vocab.json with merges.txt beside it, or "
                     "bpe_simple_vocab_16e6.txt.gz), found " +
                     found);
  }

  static bool shown_as_itself(std::size_t byte) {
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  }

  /// The letter that stands for a byte in the files: printable bytes for themselves, the others
  /// from U+0100 on.
  static std::string symbol(std::size_t byte) {
    std::size_t point = byte;
    if (!shown_as_itself(byte)) {
      point = 256;
      for (std::size_t other = 0; other < byte; ++other) {
        point += shown_as_itself(other) ? 0 : 1;
      }
    }
    return unicode::utf8(static_cast<CodePoint>(point));
  }

  /// `packed`: gzip is unpacked, as the authors publish their list of pairs.
  static std::string content(const std::filesystem::path& file, bool packed) {
    const MappedFile mapped{file};
    std::span<const std::byte> bytes = mapped.bytes();
    std::string text;
    if (packed && GzipReader::is_gzip(bytes)) {
      GzipReader gzip{file.string(), bytes};
      std::array<std::byte, 1 << 16> part;
      for (std::size_t got = 1; got > 0 && text.size() <= largest_file;) {
        got = gzip.read(part);
        text.append(reinterpret_cast<const char*>(part.data()), got);
      }
    } else {
      bytes = bytes.first(std::min(bytes.size(), largest_file + 1));
      text.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }
    if (text.size() > largest_file) {
      refuse(file, "more than " + std::to_string(largest_file) + " bytes");
    }
    return text;
  }

  void read_vocabulary(const std::filesystem::path& file) {
    // Values inside of values take many times the file's size in memory.
    const auto json = parse_json(content(file, false), 1);
    if (!json.is_object() || json.empty()) {
      refuse(file, "no JSON object of tokens and ids");
    }
    std::vector<bool> taken(json.size(), false);
    for (const auto& [token, id] : json.items()) {
      const bool fits = id.is_number_unsigned() && id.template get<std::uint64_t>() < json.size();
      if (!fits || taken[id.template get<std::size_t>()]) {
        refuse(file, "the id " + id.dump() + " of \"" + token + "\" where each number below " +
                         std::to_string(json.size()) + " should stand once");
      }
      taken[id.template get<std::size_t>()] = true;
      ids_.emplace(token, id.template get<Id>());
    }
  }

  static std::vector<Pair> pairs_of(const std::filesystem::path& file, const std::string& text,
                                    std::size_t most = largest_file) {
    std::vector<Pair> pairs;
    for (std::size_t begin = 0, number = 1; begin < text.size() && pairs.size() < most; ++number) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      std::string_view line = std::string_view(text).substr(begin, end - begin);
      begin = end + 1;
      if (line.ends_with('\r')) {
        line.remove_suffix(1);
      }
      if (line.empty() || (number == 1 && line.find("#version") != std::string_view::npos)) {
        continue;
      }
      const std::size_t space = line.find(' ');
      if (space == std::string_view::npos || space == 0 || space + 1 == line.size() ||
          line.find(' ', space + 1) != std::string_view::npos) {
        refuse(file, "no pair of pieces in line " + std::to_string(number));
      }
      pairs.emplace_back(line.substr(0, space), line.substr(space + 1));
    }
    return pairs;
  }

  /// The authors' rule: bytes, printable ones first, the same at the end of a word, what each pair
  /// makes, start and end.
  void number_symbols(const std::vector<Pair>& pairs) {
    const auto add = [&](const std::string& token) {
      ids_.emplace(token, static_cast<Id>(ids_.size()));
    };
    for (const char* ending : {"", word_end}) {
      for (const bool printable : {true, false}) {
        for (std::size_t byte = 0; byte < 256; ++byte) {
          if (shown_as_itself(byte) == printable) {
            add(symbol(byte) + ending);
          }
        }
      }
    }
    for (const auto& [first, second] : pairs) {
      add(first + second);
    }
    add(std::string(start_token));
    add(std::string(end_token));
  }

  void read_pairs(const std::filesystem::path& file, const std::vector<Pair>& pairs) {
    for (std::size_t rank = 0; rank < pairs.size(); ++rank) {
      const auto& [first, second] = pairs[rank];
      merges_.insert_or_assign(key_of(id_of(file, first), id_of(file, second)),
                               Merge{rank, id_of(file, first + second)});
    }
  }

  [[nodiscard]] Id id_of(const std::filesystem::path& file, const std::string& token) const {
    const auto found = ids_.find(token);
    if (found == ids_.end()) {
      refuse(file, std::to_string(ids_.size()) + " tokens without \"" + token + "\"");
    }
    return found->second;
  }

  static std::uint64_t key_of(Id first, Id second) {
    return static_cast<std::uint64_t>(first) << 32 | static_cast<std::uint32_t>(second);
  }

  static std::string_view special_at(std::string_view text) {
    for (const std::string_view token : {start_token, end_token}) {
      if (text.starts_with(token)) {
        return token;
      }
    }
    return {};
  }

  enum class Kind { space, letter, number, other };

  static Kind kind_of(CodePoint c) {
    if (unicode::is_space(c)) {
      return Kind::space;
    }
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return Kind::letter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return Kind::number;
    default:
      return Kind::other;
    }
  }

  /// Composed (NFC), then lower case. The dotted capital I is the one letter that becomes two.
  static std::vector<CodePoint> normalise(std::string_view text) {
    const std::string sound = unicode::utf8(unicode::code_points(text));
    std::vector<CodePoint> points(sound.size() * 3 + 1);
    constexpr auto compose = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
    utf8proc_ssize_t count =
        utf8proc_decompose(reinterpret_cast<const utf8proc_uint8_t*>(sound.data()),
                           static_cast<utf8proc_ssize_t>(sound.size()), points.data(),
                           static_cast<utf8proc_ssize_t>(points.size()), compose);
    if (count < 0 || count > static_cast<utf8proc_ssize_t>(points.size())) {
      throw Failure("the text \"" + sound + "\" could not be decomposed: " +
                    (count < 0 ? utf8proc_errmsg(count) : "it grows more than threefold"));
    }
    count = utf8proc_normalize_utf32(points.data(), count, compose);
    std::vector<CodePoint> out;
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      const CodePoint c = points[static_cast<std::size_t>(i)];
      if (c == 0x130) {
        out.insert(out.end(), {'i', 0x307});
      } else {
        out.push_back(utf8proc_tolower(c));
      }
    }
    return out;
  }

  /// How many points a fixed word ("'s", ...) takes at the beginning of a text, or 0.
  static std::size_t fixed_word(std::span<const CodePoint> text) {
    for (const std::string_view word : {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}) {
      if (text.size() >= word.size() && std::equal(word.begin(), word.end(), text.begin())) {
        return word.size();
      }
    }
    return 0;
  }

  void append_words(std::string_view text, std::vector<std::int64_t>& pieces) const {
    const std::vector<CodePoint> points = normalise(text);
    for (std::span<const CodePoint> rest{points}; !rest.empty();) {
      const Kind kind = kind_of(rest.front());
      std::size_t size = fixed_word(rest);
      if (size == 0) {
        size = 1;
        while (kind != Kind::number && size < rest.size() && kind_of(rest[size]) == kind) {
          ++size;
        }
      }
      if (kind != Kind::space) {
        append_word(unicode::utf8(rest.first(size)), pieces);
      }
      rest = rest.subspan(size);
    }
  }

  /// Merges the pair of the lowest rank wherever it stands, until no pair is in the list.
  void append_word(const std::string& word, std::vector<std::int64_t>& pieces) const {
    std::vector<Id> parts;
    for (const char c : word) {
      parts.push_back(bytes_[static_cast<unsigned char>(c)][0]);
    }
    parts.back() = bytes_[static_cast<unsigned char>(word.back())][1];
    for (;;) {
      const Merge* best = nullptr;
      std::uint64_t pair = 0;
      for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
        const auto found = merges_.find(key_of(parts[i], parts[i + 1]));
        if (found != merges_.end() && (best == nullptr || found->second.rank < best->rank)) {
          best = &found->second;
          pair = found->first;
        }
      }
      if (best == nullptr) {
        break;
      }
      std::size_t kept = 0;
      for (std::size_t i = 0; i < parts.size(); ++kept) {
        const bool merged = i + 1 < parts.size() && key_of(parts[i], parts[i + 1]) == pair;
        parts[kept] = merged ? best->merged : parts[i];
        i += merged ? 2 : 1;
      }
      parts.resize(kept);
    }
    pieces.insert(pieces.end(), parts.begin(), parts.end());
  }

  std::vector<std::filesystem::path> files_;
  std::unordered_map<std::string, Id> ids_;
  std::unordered_map<std::uint64_t, Merge> merges_;
  std::array<std::array<Id, 2>, 256> bytes_{}; ///< inside and at the end of a word
  Id start_ = 0;
  Id end_ = 0;
};

} // namespace d2c
