// WordPiece by hand on a small vocabulary. The published vocabulary is compared with the reference
// tokenizer in tests/tensor/minilm_reference_test.cpp.

#include <cstdint>
#include <string>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/core/error.hpp>
#include <d2c/encoders/in_batches.hpp>
#include <d2c/encoders/unicode.hpp>
#include <d2c/encoders/wordpiece.hpp>

namespace {

using namespace d2c;
using Catch::Matchers::Contains;
using Ids = std::vector<std::int64_t>;

// Ids by place: 0 [PAD], 1 [UNK], 2 [CLS], 3 [SEP], then pieces.
const std::vector<std::string> pieces = {
    "[PAD]", "[UNK]", "[CLS]", "[SEP]",  "a",    "photo",  "##s", "of",  "ankle", "boot",
    "-",     "un",    "##aff", "##able", "cafe", "\u732b", "$",   "##a", "\u03c3"};

const WordPiece tokenizer{pieces};

} // namespace

TEST_CASE("wordpiece: words, the longest match first, and lower case") {
  CHECK(tokenizer.tokenize("A photo of") == Ids{4, 5, 7});
  CHECK(tokenizer.tokenize("photos") == Ids{5, 6});
  CHECK(tokenizer.tokenize("UNAFFABLE") == Ids{11, 12, 13});
  CHECK(tokenizer.tokenize("  \t\n") == Ids{});
}

TEST_CASE("wordpiece: one part without a match makes the whole word unknown") {
  CHECK(tokenizer.tokenize("unaffxable of") == Ids{1, 7});
}

TEST_CASE("wordpiece: punctuation and ideographs stand alone") {
  CHECK(tokenizer.tokenize("ankle-boot") == Ids{8, 10, 9});
  CHECK(tokenizer.tokenize("a$a") == Ids{4, 16, 4});
  CHECK(tokenizer.tokenize("a\u732ba") == Ids{4, 15, 4});
}

TEST_CASE("wordpiece: accents go, composed or not") {
  CHECK(tokenizer.tokenize("Caf\u00e9") == Ids{14});
  CHECK(tokenizer.tokenize("CAFE\u0301") == Ids{14});
  CHECK(tokenizer.tokenize("\u03a3") == Ids{18}); // capital sigma
}

TEST_CASE("wordpiece: control characters and broken bytes are dropped") {
  CHECK(tokenizer.tokenize("pho\u200bto") == Ids{5}); // a format character, not a space
  CHECK(tokenizer.tokenize("pho\x01to") == Ids{5});
  CHECK(tokenizer.tokenize("pho\xffto\xc3") == Ids{5});
  CHECK(tokenizer.tokenize("a\u00a0photo") == Ids{4, 5}); // the no-break space is a space
}

TEST_CASE("wordpiece: a word of more than 100 characters is unknown") {
  const std::string hundred(100, 'a');
  CHECK(tokenizer.tokenize(hundred) == [] {
    Ids ids(100, 17);
    ids[0] = 4;
    return ids;
  }());
  CHECK(tokenizer.tokenize(hundred + "a") == Ids{1});
}

TEST_CASE("wordpiece: special tokens written in the text stand for themselves") {
  CHECK(tokenizer.tokenize("a[SEP]photo [sep]") == Ids{4, 3, 5, 1, 1, 1});
}

TEST_CASE("wordpiece: padding, and truncation that keeps the closing token") {
  const auto padded = tokenizer.encode("a photo", 6);
  CHECK(padded.ids == Ids{2, 4, 5, 3, 0, 0});
  CHECK(padded.mask == Ids{1, 1, 1, 1, 0, 0});
  const auto cut = tokenizer.encode("a photo of a boot", 4);
  CHECK(cut.ids == Ids{2, 4, 5, 3});
  CHECK(cut.mask == Ids{1, 1, 1, 1});
  CHECK(tokenizer.encode("", 3).ids == Ids{2, 3, 0});
  CHECK_THROWS_AS(tokenizer.encode("a", 1), InputError);
}

TEST_CASE("unicode: each broken byte is one replacement character") {
  using namespace d2c::unicode;
  const auto points = code_points("a\xff\xe7\x8c\u732b");
  CHECK(points == std::vector<CodePoint>{'a', replacement, replacement, replacement, 0x732b});
  CHECK(utf8(points) == "a\ufffd\ufffd\ufffd\u732b");
}

TEST_CASE("in_batches: all in order, the last batch with what is left") {
  Ids bounds;
  const auto note = [&](std::int64_t begin, std::int64_t end) {
    bounds.insert(bounds.end(), {begin, end});
  };
  in_batches(0, 64, note);
  CHECK(bounds.empty());
  in_batches(130, 64, note);
  CHECK(bounds == Ids{0, 64, 64, 128, 128, 130});
}

TEST_CASE("wordpiece: a file that is no BERT vocabulary is refused in one sentence") {
  CHECK_THROWS_WITH(WordPiece({"a", "b"}),
                    Contains("expected the token [PAD]") && Contains("among 2"));
  CHECK_THROWS_WITH(WordPiece::from_file("/nonexistent/vocab.txt"),
                    Contains("/nonexistent/vocab.txt") && Contains("no readable"));
  const d2c_test::ScratchFolder folder;
  const auto file =
      d2c_test::written(folder / "vocabulary.txt", "[PAD]\r\n[UNK]\r\n[CLS]\r\n[SEP]\r\nboot\r\n");
  CHECK(WordPiece::from_file(file).tokenize("boot") == Ids{4});
}
