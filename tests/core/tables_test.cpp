/// CSV, PNG and NumPy archives. Oracles: RFC 4180 texts and file layouts by hand; the PNG decoder,
/// which is compared with Pillow. Python's view of the same files is in the formats reference test.

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/io/csv.hpp>
#include <d2c/io/image_decoder.hpp>
#include <d2c/io/npz.hpp>
#include <d2c/io/png.hpp>
#include <d2c/io/zip_reader.hpp>
#include <d2c/io/zip_writer.hpp>

namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Folder = d2c_test::ScratchFolder;
using d2c_test::content;
using d2c_test::written;

using Rows = std::vector<std::vector<std::string>>;

Rows rows_of(const fs::path& path) {
  d2c::CsvReader reader{path};
  Rows rows;
  std::vector<std::string> fields;
  while (reader.next(fields)) {
    rows.push_back(fields);
  }
  return rows;
}

/// The .npy file of an array inside of an archive.
std::string npy_of(const fs::path& path, const std::string& name) {
  const d2c::MappedFile file{path};
  const auto bytes = d2c::ZipReader{"npz", file.bytes()}.entry(name + ".npy");
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace

TEST_CASE("csv: quoting follows RFC 4180 and numbers keep every bit") {
  const Folder folder;
  d2c::CsvWriter table{folder / "a.csv", {"text", "real", "count"}};
  table.row("plain", 0.1, 7);
  table.row("a, b", std::nextafter(1.0, 2.0), -1);
  table.row("say \"hi\"", 0.1f, std::int64_t{1} << 60);
  table.row("two\nlines", std::numeric_limits<double>::quiet_NaN(), 0);
  table.row("", std::numeric_limits<double>::denorm_min(), 0);
  CHECK_FALSE(fs::exists(folder / "a.csv"));
  table.commit();
  CHECK(content(folder / "a.csv") == "text,real,count\n"
                                     "plain,0.1,7\n"
                                     "\"a, b\",1.0000000000000002,-1\n"
                                     "\"say \"\"hi\"\"\",0.1,1152921504606846976\n"
                                     "\"two\nlines\",,0\n"
                                     ",5e-324,0\n");
  const Rows rows = rows_of(folder / "a.csv");
  REQUIRE(rows.size() == 5);
  CHECK(rows[1][0] == "a, b");
  CHECK(rows[2][0] == "say \"hi\"");
  CHECK(rows[3][0] == "two\nlines");
  const d2c::CsvReader reader{folder / "a.csv"};
  CHECK(reader.number<double>(rows[1][1], "real") == std::nextafter(1.0, 2.0));
  CHECK(reader.number<float>(rows[2][1], "real") == 0.1f);
  CHECK_THROWS_AS(table.row("too few", 1), d2c::Failure);
}

TEST_CASE("csv: what other programs write is read") {
  const Folder folder;
  const Rows expected{{"1", "2"}, {"", "x y"}};
  CHECK(rows_of(written(folder / "a", "a,b\r\n1,2\r\n,\"x y\"\r\n")) == expected);
  CHECK(rows_of(written(folder / "a", "\xef\xbb\xbf"
                                      "a,b\n1,2\n,x y")) == expected);
  CHECK(rows_of(written(folder / "a", "a,b\n\"1\",\"2\"\n\"\",\"x y\"")) == expected);
  CHECK(rows_of(written(folder / "a", "a,b\n1,")) == Rows{{"1", ""}});
  CHECK(rows_of(written(folder / "a", "a,b\n")).empty());
}

TEST_CASE("csv: a wrong table is refused with file and line") {
  const Folder folder;

  struct Case {
    const char* what;
    std::string bytes;
    const char* message;
  };

  const Case cases[] = {
      {"nothing", "", "expected a CSV file with a header row"},
      {"too many fields", "a,b\n1,2\n1,2,3\n", "bad.csv:3: expected 2 fields"},
      {"too few fields", "a,b\n1\n", "bad.csv:2: expected 2 fields"},
      {"a blank line", "a,b\n1,2\n\n1,2\n", "bad.csv:3: expected 2 fields"},
      {"an open quote", "a,b\n1,\"2\n", "found the end of the file"},
      {"a quote inside", "a,b\n1,2\"3\n", "bad.csv:2: expected quotes only around whole fields"},
      {"text behind a quote", "a,b\n\"x\ny\"z,2\n", "bad.csv:2: expected a comma"},
      {"a row below a field of two lines", "a,b\n\"x\ny\",2\n1\n", "bad.csv:4: expected 2 fields"},
  };
  for (const Case& wrong : cases) {
    INFO(wrong.what);
    const auto path = written(folder / "bad.csv", wrong.bytes);
    CHECK_THROWS_AS(rows_of(path), d2c::InputError);
    CHECK_THROWS_WITH(rows_of(path), Contains("bad.csv") && Contains(wrong.message));
  }
  d2c::CsvReader reader{written(folder / "a.csv", "a,b\n1e999,0x1\n")};
  std::vector<std::string_view> fields;
  REQUIRE(reader.next(fields));
  CHECK_THROWS_WITH(reader.number<double>(fields[0], "a"),
                    Contains("a.csv:2") && Contains("1e999"));
  CHECK_THROWS_AS(reader.number<int>(fields[1], "b"), d2c::InputError);
  CHECK_THROWS_WITH(reader.column("c"), Contains("\"c\"") && Contains("\"a,b\""));
}

TEST_CASE("png: grey and RGB survive a round trip") {
  const Folder folder;
  for (const int channels : {1, 3}) {
    std::vector<std::uint8_t> pixels(static_cast<std::size_t>(5 * 7 * channels));
    std::iota(pixels.begin(), pixels.end(), std::uint8_t{100});
    d2c::write_png(folder / "a.png", pixels, 7, 5, channels);
    const auto image = d2c::read_image(folder / "a.png");
    CHECK(image.width == 7);
    CHECK(image.height == 5);
    REQUIRE(image.rgb.size() == 5 * 7 * 3);
    for (std::size_t i = 0; i < image.rgb.size(); ++i) {
      CHECK(image.rgb[i] == pixels[channels == 3 ? i : i / 3]);
    }
  }
  const std::vector<std::uint8_t> six(6, 0);
  CHECK_THROWS_AS(d2c::encode_png(six, 2, 2, 1), d2c::Failure);
  CHECK_THROWS_AS(d2c::encode_png(six, 3, 1, 2), d2c::Failure);
}

TEST_CASE("npz: arrays survive a round trip") {
  const Folder folder;
  std::vector<std::uint8_t> images(2 * 4 * 5 * 3);
  std::iota(images.begin(), images.end(), std::uint8_t{0});
  const std::vector<std::int64_t> labels{3, -7};
  const std::vector<float> none;
  const std::vector<double> scalar{0.5};
  d2c::write_npz(folder / "a.npz",
                 {{"arr_0", d2c::DType::U8, {2, 4, 5, 3}, std::as_bytes(std::span(images))},
                  {"arr_1", d2c::DType::I64, {2}, std::as_bytes(std::span(labels))},
                  {"none", d2c::DType::F32, {0, 3}, std::as_bytes(std::span(none))},
                  {"scalar", d2c::DType::F64, {}, std::as_bytes(std::span(scalar))}});
  const d2c::NpzFile file{folder / "a.npz"};
  CHECK(file.names() == std::vector<std::string>{"arr_0", "arr_1", "none", "scalar"});
  const auto first = file.array("arr_0");
  CHECK(first.shape == std::vector<std::int64_t>{2, 4, 5, 3});
  REQUIRE(first.bytes.size() == images.size());
  CHECK(std::memcmp(first.bytes.data(), images.data(), images.size()) == 0);
  const auto second = file.array("arr_1");
  CHECK(second.dtype == d2c::DType::I64);
  CHECK(second.shape == std::vector<std::int64_t>{2});
  CHECK(std::memcmp(second.bytes.data(), labels.data(), 16) == 0);
  CHECK(file.array("none").shape == std::vector<std::int64_t>{0, 3});
  CHECK(file.array("scalar").shape.empty());
  const std::vector<std::uint64_t> large{~std::uint64_t{0}};
  d2c::write_npz(folder / "u.npz", {{"u", d2c::DType::U64, {1}, std::as_bytes(std::span(large))}});
  const d2c::NpzFile unsigned_file{folder / "u.npz"};
  CHECK(unsigned_file.array("u").dtype == d2c::DType::U64);
  CHECK(npy_of(folder / "u.npz", "u").find("'<u8'") != std::string::npos);
  CHECK_THROWS_WITH(file.array("arr_2"), Contains("arr_2.npy"));
  CHECK_THROWS_AS(d2c::write_npz(folder / "b.npz", {{"x", d2c::DType::F32, {3}, first.bytes}}),
                  d2c::Failure);
  CHECK_THROWS_AS(
      d2c::write_npz(folder / "b.npz", {{"x", d2c::DType::BF16, {1}, first.bytes.first(2)}}),
      d2c::Failure);
  CHECK_FALSE(fs::exists(folder / "b.npz"));
}

TEST_CASE("npz: an array written in pieces is the array written at once") {
  const Folder folder;
  std::vector<float> values(3 * 1000);
  std::iota(values.begin(), values.end(), 0.0F);
  const auto bytes = std::as_bytes(std::span(values));
  const std::vector<std::int64_t> labels{5, 6};
  const auto label_bytes = std::as_bytes(std::span(labels));
  d2c::write_npz(folder / "whole.npz", {{"x", d2c::DType::F32, {1000, 3}, bytes},
                                        {"y", d2c::DType::I64, {2}, label_bytes}});
  d2c::NpzWriter writer{folder / "pieces.npz"};
  CHECK_THROWS_WITH(writer.append(bytes), Contains("pieces.npz") && Contains("found none"));
  writer.begin("x", d2c::DType::F32, {1000, 3});
  for (std::size_t at = 0; at < bytes.size(); at += 777) {
    writer.append(bytes.subspan(at, std::min<std::size_t>(777, bytes.size() - at)));
  }
  writer.append({});
  writer.begin("y", d2c::DType::I64, {2});
  writer.append(label_bytes);
  CHECK_FALSE(fs::exists(folder / "pieces.npz"));
  writer.commit();
  CHECK(content(folder / "pieces.npz") == content(folder / "whole.npz"));
}

TEST_CASE("npz: an array with more or fewer bytes than its shape has leaves no file") {
  const Folder folder;
  const std::vector<std::uint8_t> seven(7);
  const auto bytes = std::as_bytes(std::span(seven));
  {
    d2c::NpzWriter writer{folder / "a.npz"};
    writer.begin("x", d2c::DType::U8, {6});
    CHECK_THROWS_WITH(writer.append(bytes),
                      Contains("expected 6 bytes for array \"x\", found at least 7"));
  }
  {
    d2c::NpzWriter writer{folder / "a.npz"};
    writer.begin("x", d2c::DType::U8, {8});
    writer.append(bytes);
    CHECK_THROWS_WITH(writer.begin("y", d2c::DType::U8, {1}),
                      Contains("expected 8 bytes for array \"x\", found 7"));
    CHECK_THROWS_WITH(writer.commit(), Contains("found 7"));
  }
  {
    d2c::NpzWriter writer{folder / "a.npz"};
    writer.begin("x", d2c::DType::U8, {7});
    writer.append(bytes);
    CHECK_THROWS_WITH(writer.begin("x", d2c::DType::U8, {7}), Contains("\"x.npy\" again"));
  }
  CHECK(fs::is_empty(folder.path()));
}

TEST_CASE("npz: wrong archives are refused") {
  const Folder folder;
  const std::vector<std::uint8_t> six{1, 2, 3, 4, 5, 6};
  d2c::write_npz(folder / "a.npz", {{"x", d2c::DType::U8, {2, 3}, std::as_bytes(std::span(six))}});
  const std::string good = content(folder / "a.npz");
  const std::string array = npy_of(folder / "a.npz", "x");
  // The same archive with another text in the array, and the checksum of that.
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string npy = array;
    REQUIRE(from.size() == to.size());
    REQUIRE(npy.find(from) != std::string::npos);
    npy.replace(npy.find(from), from.size(), to);
    d2c::ZipWriter writer{folder / "with.npz"};
    writer.begin("x.npy");
    writer.append(std::as_bytes(std::span(npy)));
    writer.commit();
    return content(folder / "with.npz");
  };
  std::string damaged = good;
  damaged[damaged.find(std::string{1, 2, 3, 4, 5, 6})] = 7;

  struct Case {
    const char* what;
    std::string bytes;
    const char* message;
  };

  const Case cases[] = {
      {"nothing", "", "another beginning"},
      {"a plain array", "\x93NUMPY", "another beginning"},
      {"Fortran order", with("False", "True "), "in C order, found Fortran's"},
      {"objects", with("|u1", "|O8"), "little-endian number type, found '|O8'"},
      {"big-endian", with("|u1", ">u2"), "little-endian number type, found '>u2'"},
      {"a larger shape", with("(2, 3)", "(2, 4)"),
       "of '|u1' to fit its shape, found 6 bytes for (2, 4)"},
      {"a huge shape", with("'shape': (2, 3), }  ", "'shape': (9999999,)}"),
       "to fit its shape, found 6 bytes for (9999999,)"},
      {"a negative shape", with("(2, 3)", "(-2,3)"), "shape of numbers, found (-2,3)"},
      {"a shape without a comma", with("(2, 3)", "(0  6)"), "shape of numbers, found (0  6)"},
      {"no shape", with("(2, 3)", "[2, 3]"), "to have a shape, found none"},
      {"no array inside", with("\x93NUMPY", "\x93NumPy"), "NumPy file"},
      {"a changed byte", damaged, "\"x.npy\" to have its checksum"},
  };
  for (const Case& wrong : cases) {
    INFO(wrong.what);
    const auto path = written(folder / "bad.npz", wrong.bytes);
    const auto load = [&] { return d2c::NpzFile{path}.array("x").shape; };
    CHECK_THROWS_AS(load(), d2c::InputError);
    CHECK_THROWS_WITH(load(), Contains("bad.npz") && Contains(wrong.message));
  }
  for (std::size_t size = 0; size < good.size(); size += 3) {
    const auto path = written(folder / "cut.npz", good.substr(0, size));
    CHECK_THROWS_AS(d2c::NpzFile{path}, d2c::InputError);
  }
}
