#pragma once
/// WordPiece, the tokenizer of BERT models (lower case, no accents). Torch-free; Unicode facts come
/// from utf8proc. Holds no vocabulary: that is a text file with one token a line.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <utf8proc.h>

#include <d2c/core/error.hpp>
#include <d2c/encoders/token_ids.hpp>
#include <d2c/encoders/unicode.hpp>

namespace d2c {

/// Splits text into the pieces of a BERT vocabulary. Follows the normaliser, pre-tokenizer and
/// model of the published `tokenizer.json` files of uncased BERT (clean, space out CJK, NFD without
/// marks, lower case, split at white space and punctuation, greedy longest match).
class WordPiece {
public:
  /// `vocabulary`: token by id. Throws InputError if [PAD], [UNK], [CLS] or [SEP] is missing.
  /// `origin` is the file named in messages.
  explicit WordPiece(const std::vector<std::string>& vocabulary,
                     const std::string& origin = "the vocabulary") {
    size_ = static_cast<std::int64_t>(vocabulary.size());
    ids_.reserve(vocabulary.size());
    for (std::size_t id = 0; id < vocabulary.size(); ++id) {
      ids_.emplace(vocabulary[id], static_cast<std::int64_t>(id));
    }
    const auto special = [&](const char* token) {
      const auto found = ids_.find(token);
      if (found == ids_.end()) {
        throw InputError(origin + ": expected the token " + token +
                         " of a BERT vocabulary, found none among " +
                         std::to_string(vocabulary.size()) + " tokens");
      }
      return found->second;
    };
    pad_ = special("[PAD]");
    unknown_ = special("[UNK]");
    begin_ = special("[CLS]");
    end_ = special("[SEP]");
  }

  /// Reads `vocab.txt`: UTF-8, one token a line, the line number is the id. Throws InputError if
  /// the file cannot be read or is no BERT vocabulary.
  static WordPiece from_file(const std::filesystem::path& file) {
    std::ifstream in{file, std::ios::binary};
    if (!in) {
      throw InputError(file.string() +
                       ": expected a vocabulary (one token a line), found no readable file");
    }
    std::vector<std::string> vocabulary;
    for (std::string line; std::getline(in, line);) {
      if (!line.empty() && line.back() == '\r') {
        line.pop_back();
      }
      vocabulary.push_back(line);
    }
    return WordPiece{vocabulary, file.string()};
  }

  /// Tokens in the vocabulary; ids are below it.
  [[nodiscard]] std::int64_t size() const { return size_; }

  /// Ids of `text` (UTF-8; broken bytes are dropped) in exactly `length` places: [CLS], the pieces,
  /// [SEP], then [PAD]. A longer text is cut so that [SEP] still closes it. Throws InputError if
  /// length < 2.
  [[nodiscard]] TokenIds encode(std::string_view text, std::size_t length) const {
    if (length < 2) {
      throw InputError("WordPiece needs room for [CLS] and [SEP], that is at least 2 tokens, and "
                       "was given " +
                       std::to_string(length));
    }
    std::vector<std::int64_t> ids = tokenize(text);
    ids.resize(std::min(ids.size(), length - 2));
    ids.insert(ids.begin(), begin_);
    ids.push_back(end_);
    return TokenIds::padded(std::move(ids), length, pad_);
  }

  /// All pieces of `text`, without [CLS], [SEP] and padding. The special tokens written out in the
  /// text ("[MASK]") stand for themselves, as in the reference.
  [[nodiscard]] std::vector<std::int64_t> tokenize(std::string_view text) const {
    std::vector<std::int64_t> pieces;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size();) {
      const auto [token, id] = special_at(text.substr(at));
      if (token.empty()) {
        ++at;
        continue;
      }
      append_plain(text.substr(begin, at - begin), pieces);
      pieces.push_back(id);
      at += token.size();
      begin = at;
    }
    append_plain(text.substr(begin), pieces);
    return pieces;
  }

private:
  using CodePoint = unicode::CodePoint;

  static constexpr std::size_t longest_word = 100;

  [[nodiscard]] std::pair<std::string_view, std::int64_t> special_at(std::string_view text) const {
    static constexpr std::array<std::string_view, 5> specials = {"[PAD]", "[UNK]", "[CLS]", "[SEP]",
                                                                 "[MASK]"};
    if (!text.starts_with('[')) {
      return {};
    }
    for (const std::string_view token : specials) {
      if (text.starts_with(token)) {
        const auto found = ids_.find(std::string{token});
        if (found != ids_.end()) {
          return {token, found->second};
        }
      }
    }
    return {};
  }

  static bool is_control(CodePoint c) {
    if (c == '\t' || c == '\n' || c == '\r') {
      return false;
    }
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
      return true;
    default:
      return false;
    }
  }

  static bool is_punctuation(CodePoint c) {
    if ((c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
        (c >= 123 && c <= 126)) {
      return true; // ASCII symbols such as $ and ^ count, whatever their category
    }
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return true;
    default:
      return false;
    }
  }

  // The ranges that BERT calls Chinese: CJK ideographs, not kana or hangul.
  static bool is_ideograph(CodePoint c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
           (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
  }

  // Clean, space out ideographs, decompose, drop marks, lower case: in this order, which matters
  // (a mark may become visible only by decomposition, and lower case comes last).
  static std::vector<CodePoint> normalise(std::string_view text) {
    std::string clean;
    for (const CodePoint c : unicode::code_points(text)) {
      if (c == 0 || c == unicode::replacement || is_control(c)) {
        continue;
      }
      if (unicode::is_space(c)) {
        clean += ' ';
      } else if (is_ideograph(c)) {
        clean += ' ' + unicode::utf8(c) + ' ';
      } else {
        clean += unicode::utf8(c);
      }
    }
    std::vector<CodePoint> points(clean.size() * 4 + 4);
    const auto options = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | UTF8PROC_STABLE);
    const utf8proc_ssize_t count =
        utf8proc_decompose(reinterpret_cast<const utf8proc_uint8_t*>(clean.data()),
                           static_cast<utf8proc_ssize_t>(clean.size()), points.data(),
                           static_cast<utf8proc_ssize_t>(points.size()), options);
    if (count < 0 || count > static_cast<utf8proc_ssize_t>(points.size())) {
      throw Failure("the text \"" + clean + "\" could not be decomposed: " +
                    (count < 0 ? utf8proc_errmsg(count) : "it grows more than fourfold"));
    }
    points.resize(static_cast<std::size_t>(count));
    std::vector<CodePoint> out;
    out.reserve(points.size());
    for (const CodePoint c : points) {
      if (utf8proc_category(c) != UTF8PROC_CATEGORY_MN) {
        out.push_back(utf8proc_tolower(c));
      }
    }
    return out;
  }

  void append_plain(std::string_view text, std::vector<std::int64_t>& pieces) const {
    const std::vector<CodePoint> points = normalise(text);
    const CodePoint* const end = points.data() + points.size();
    const CodePoint* at = points.data();
    while (at != end) {
      if (unicode::is_space(*at)) {
        ++at;
        continue;
      }
      const CodePoint* word_end = at + 1;
      if (!is_punctuation(*at)) {
        while (word_end != end && !unicode::is_space(*word_end) && !is_punctuation(*word_end)) {
          ++word_end;
        }
      }
      append_word(at, word_end, pieces);
      at = word_end;
    }
  }

  void append_word(const CodePoint* begin, const CodePoint* end,
                   std::vector<std::int64_t>& pieces) const {
    if (static_cast<std::size_t>(end - begin) > longest_word) {
      pieces.push_back(unknown_);
      return;
    }
    const std::size_t before = pieces.size();
    for (const CodePoint* from = begin; from != end;) {
      const CodePoint* to = end;
      for (; to != from; --to) {
        const auto found = ids_.find((from == begin ? "" : "##") + unicode::utf8({from, to}));
        if (found != ids_.end()) {
          pieces.push_back(found->second);
          break;
        }
      }
      if (to == from) { // one part without a match makes the whole word unknown
        pieces.resize(before);
        pieces.push_back(unknown_);
        return;
      }
      from = to;
    }
  }

  std::unordered_map<std::string, std::int64_t> ids_;
  std::int64_t size_ = 0;
  std::int64_t pad_ = 0;
  std::int64_t unknown_ = 0;
  std::int64_t begin_ = 0;
  std::int64_t end_ = 0;
};

} // namespace d2c
