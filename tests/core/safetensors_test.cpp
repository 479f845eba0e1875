/// Safetensors: round trips, and every way a file can be wrong. Oracle: files laid out by hand from
/// the format's description.

#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/io/safetensors.hpp>
#include <d2c/io/safetensors_writer.hpp>

namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Folder = d2c_test::ScratchFolder;
using d2c_test::written;

/// Header size, header, data: the whole format.
std::string file_of(const std::string& header, const std::string& data = {}) {
  const std::uint64_t size = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &size, 8);
  return bytes + header + data;
}

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

} // namespace

TEST_CASE("safetensors: what is written is read back") {
  const Folder folder;
  std::vector<float> weights(12);
  std::iota(weights.begin(), weights.end(), -3.5f);
  const std::vector<std::uint8_t> pixels{1, 2, 250};
  const std::vector<std::int64_t> labels{7};
  const std::vector<float> none;
  const auto path = folder / "a.safetensors";
  d2c::write_safetensors(path,
                         {{"pixels", d2c::DType::U8, {3}, bytes_of(pixels)},
                          {"weights", d2c::DType::F32, {3, 4}, bytes_of(weights)},
                          {"scalar", d2c::DType::I64, {}, bytes_of(labels)},
                          {"empty", d2c::DType::F32, {0, 5}, bytes_of(none)}},
                         {{"format", "pt"}, {"note", "line\n\"quoted\" \u00e9"}});

  const d2c::SafetensorsFile file{path};
  CHECK(file.names() == std::vector<std::string>{"scalar", "weights", "empty", "pixels"});
  CHECK(file.values<float>("weights") == weights);
  CHECK(file.values<std::uint8_t>("pixels") == pixels);
  CHECK(file.values<std::int64_t>("scalar") == labels);
  CHECK(file.values<float>("empty").empty());
  CHECK(file.entry("weights").shape == std::vector<std::int64_t>{3, 4});
  CHECK(file.entry("scalar").shape.empty());
  CHECK(file.entry("scalar").count() == 1);
  CHECK(file.metadata().at("note") == "line\n\"quoted\" \u00e9");
  CHECK(file.metadata().size() == 2);

  std::uint64_t header = 0;
  std::ifstream(path, std::ios::binary).read(reinterpret_cast<char*>(&header), 8);
  CHECK((8 + header) % 64 == 0);
  CHECK_THROWS_WITH(file.entry("bias"), Contains("a.safetensors") && Contains("\"bias\""));
  CHECK_THROWS_WITH(file.values<double>("weights"), Contains("expected tensor \"weights\" as F64"));
}

TEST_CASE("safetensors: streamed pieces give the same file as one write") {
  const Folder folder;
  std::vector<float> values(1000);
  std::iota(values.begin(), values.end(), 0.0f);
  d2c::write_safetensors(folder / "once", {{"x", d2c::DType::F32, {10, 100}, bytes_of(values)}});
  d2c::SafetensorsWriter writer{folder / "pieces", {{"x", d2c::DType::F32, {10, 100}}}};
  writer.append(bytes_of(values).first(1234));
  CHECK_FALSE(fs::exists(folder / "pieces"));
  CHECK_THROWS_WITH(writer.commit(), Contains("expected 4000 bytes of tensors, found 1234"));
  writer.append(bytes_of(values).subspan(1234));
  writer.commit();
  const d2c::MappedFile once{folder / "once"};
  const d2c::MappedFile pieces{folder / "pieces"};
  CHECK(once.text() == pieces.text());
}

TEST_CASE("safetensors: a writer given wrong sizes or names refuses") {
  const Folder folder;
  const std::vector<float> three{1, 2, 3};
  CHECK_THROWS_AS(
      d2c::write_safetensors(folder / "a", {{"x", d2c::DType::F32, {4}, bytes_of(three)}}),
      d2c::Failure);
  CHECK_THROWS_AS(
      d2c::write_safetensors(folder / "a", {{"x", d2c::DType::F32, {3}, bytes_of(three)},
                                            {"x", d2c::DType::F32, {3}, bytes_of(three)}}),
      d2c::Failure);
  // No reader takes a header of more than 100 MB.
  CHECK_THROWS_WITH(
      (d2c::SafetensorsWriter{folder / "a", {}, {{"note", std::string(100'000'000, 'x')}}}),
      Contains("of at most 100000000 bytes, found 1000000"));
  d2c::SafetensorsWriter writer{folder / "a", {{"x", d2c::DType::F32, {2}}}};
  CHECK_THROWS_AS(writer.append(bytes_of(three)), d2c::Failure);
  CHECK_FALSE(fs::exists(folder / "a"));
}

TEST_CASE("safetensors: names that are not UTF-8 are refused in one sentence") {
  const Folder folder;
  const auto path = folder / "a.safetensors";
  const std::byte one[1] = {};
  const auto write = [&](const std::string& name, const std::string& note) {
    d2c::write_safetensors(path, {{name, d2c::DType::U8, {1}, one}}, {{"note", note}});
  };
  CHECK_THROWS_AS(write("w\xff", ""), d2c::InputError);
  CHECK_THROWS_WITH(write("w\xff", ""),
                    path.string() +
                        ": tensors: expected names in UTF-8, found the byte 0xff behind \"w\"");
  CHECK_THROWS_WITH(write("w", "caf\xe9"), path.string() + ": metadata \"note\": expected names in "
                                                           "UTF-8, found the byte 0xe9 behind "
                                                           "\"caf\"");
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("safetensors: unaligned and unpadded files of other writers are read") {
  const Folder folder;
  const std::string header = R"({"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("a":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})";
  const float value = 2.5f;
  std::string data(5, '\x07');
  std::memcpy(data.data() + 1, &value, 4);
  const d2c::SafetensorsFile file{written(folder / "a", file_of(header, data))};
  CHECK(file.values<float>("a") == std::vector<float>{2.5f});
  CHECK(file.names() == std::vector<std::string>{"b", "a"});
  CHECK(d2c::SafetensorsFile{written(folder / "b", file_of("{}  "))}.names().empty());
  const std::string half = R"({"a":{"dtype":"F4","shape":[3,2],"data_offsets":[0,3]}})";
  CHECK(d2c::SafetensorsFile{written(folder / "c", file_of(half, "abc"))}.entry("a").count() == 6);
}

TEST_CASE("safetensors: a wrong file is refused with what was expected and found") {
  const Folder folder;
  const auto header = [](const std::string& fields) { return "{\"a\":{" + fields + "}}"; };
  const std::string good = R"("dtype":"F32","shape":[2],"data_offsets":[0,8])";
  const std::string data(8, 'x');
  REQUIRE_NOTHROW(d2c::SafetensorsFile{written(folder / "ok", file_of(header(good), data))});
  REQUIRE_NOTHROW(d2c::SafetensorsFile{
      written(folder / "empty",
              file_of(header(R"("dtype":"F32","shape":[4096,0,4096],"data_offsets":[0,0])")))});

  struct Case {
    const char* what;
    std::string bytes;
    const char* message;
  };

  const auto ones = [](int rank) {
    std::string list = "1";
    for (int i = 1; i < rank; ++i) {
      list += ",1";
    }
    return list;
  };
  REQUIRE_NOTHROW(d2c::SafetensorsFile{
      written(folder / "64",
              file_of(header(R"("dtype":"F32","shape":[)" + ones(64) + R"(],"data_offsets":[0,4])"),
                      "data"))});
  std::string huge = file_of("{}");
  const std::uint64_t claimed = 1'000'000'000'000'000'000;
  std::memcpy(huge.data(), &claimed, 8);
  const auto truncated = file_of(header(good), data);
  const Case cases[] = {
      {"nothing", "", "at least 8 bytes, found 0"},
      {"a few bytes", "abc", "at least 8 bytes, found 3"},
      {"a header of 10^18 bytes", huge, "header size of 1000000000000000000"},
      {"a cut header", truncated.substr(0, 40), "truncated"},
      {"cut data", truncated.substr(0, truncated.size() - 1),
       "expected 8 bytes of data for tensor"},
      {"a longer file", truncated + "x", "cover 9 bytes of data, found that they end at 8"},
      {"an empty header", file_of(""), "begins with '{'"},
      {"another format", file_of("[1,2]"), "begins with '{'"},
      {"broken JSON", file_of("{\"a\":"), "syntax error"},
      {"text after the header", file_of("{} x"), "syntax error"},
      {"invalid UTF-8", file_of("{\"\xff\xfe\":{}}"), "syntax error"},
      {"an unknown dtype",
       file_of(header(R"("dtype":"F33","shape":[2],"data_offsets":[0,8])"), data),
       "unknown dtype \"F33\""},
      {"no dtype", file_of(header(R"("shape":[2],"data_offsets":[0,8])"), data), "no dtype"},
      {"no shape", file_of(header(R"("dtype":"F32","data_offsets":[0,8])"), data), "no shape"},
      {"no offsets", file_of(header(R"("dtype":"F32","shape":[2])"), data), "no data_offsets"},
      {"three offsets",
       file_of(header(R"("dtype":"F32","shape":[2],"data_offsets":[0,8,9])"), data),
       "two rising data_offsets"},
      {"falling offsets",
       file_of(header(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), data),
       "two rising data_offsets"},
      {"a negative extent",
       file_of(header(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), data),
       "negative number -2"},
      {"a fractional extent",
       file_of(header(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"), data),
       "the number 2.0"},
      {"a nested list",
       file_of(header(R"("dtype":"F32","shape":[[2]],"data_offsets":[0,8])"), data),
       "a list where none belongs"},
      {"65 extents",
       file_of(header(R"("dtype":"F32","shape":[)" + ones(65) + R"(],"data_offsets":[0,4])"),
               "data"),
       "more than 64 numbers in shape"},
      {"an unknown field", file_of(header(good + R"(,"more":1)"), data), "unknown field \"more\""},
      {"a field twice", file_of(header(good + R"(,"shape":[2])"), data), "shape twice"},
      {"a size that is not the shape's",
       file_of(header(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"), data), "hold 12 bytes"},
      {"half a byte", file_of(header(R"("dtype":"F4","shape":[3],"data_offsets":[0,1])"), "x"),
       "and a part"},
      {"an overflowing shape",
       file_of(header(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0])")),
       "at most 2^63 bits"},
      {"an overflow hidden by a zero",
       file_of(header(R"("dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0])")),
       "at most 2^63 bits"},
      {"an overflow behind a zero",
       file_of(
           header(R"("dtype":"U8","shape":[0,1099511627776,1099511627776],"data_offsets":[0,0])")),
       "at most 2^63 bits"},
      {"an extent beyond 2^63",
       file_of(header(R"("dtype":"U8","shape":[9223372036854775808,0],"data_offsets":[0,0])")),
       "at most 2^63 bits"},
      {"an offset beyond the file",
       file_of(header(R"("dtype":"U8","shape":[1000000000000],"data_offsets":[0,1000000000000])"),
               data),
       "truncated"},
      {"a tensor twice", file_of("{\"a\":{" + good + "},\"a\":{" + good + "}}", data),
       "the key \"a\" twice"},
      {"overlapping tensors",
       file_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
               R"("b":{"dtype":"U8","shape":[5],"data_offsets":[3,8]}})",
               data),
       "overlaps"},
      {"a gap",
       file_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
               R"("b":{"dtype":"U8","shape":[3],"data_offsets":[5,8]}})",
               data),
       "a gap"},
      {"data that begins late",
       file_of(header(R"("dtype":"U8","shape":[7],"data_offsets":[1,8])"), data), "a gap"},
      {"a tensor that is a number", file_of(R"({"a":3})"), "the number 3"},
      {"a tensor that is a string", file_of(R"({"a":"b"})"), "the string \"b\""},
      {"a tensor that is null", file_of(R"({"a":null})"), "null"},
      {"metadata with a number", file_of(R"({"__metadata__":{"a":3}})"), "strings to strings"},
      {"metadata with an object", file_of(R"({"__metadata__":{"a":{}}})"), "strings to strings"},
      {"metadata with a key twice", file_of(R"({"__metadata__":{"a":"1","a":"2"}})"), "twice"},
  };
  for (const Case& wrong : cases) {
    INFO(wrong.what);
    const auto path = written(folder / "bad.safetensors", wrong.bytes);
    CHECK_THROWS_AS(d2c::SafetensorsFile{path}, d2c::InputError);
    CHECK_THROWS_WITH(d2c::SafetensorsFile{path},
                      Contains("bad.safetensors") && Contains(wrong.message));
  }
  CHECK_THROWS_WITH(d2c::SafetensorsFile{folder / "absent"}, Contains("No such file"));
  CHECK_THROWS_WITH(d2c::SafetensorsFile{folder / ""}, Contains("regular file"));
}

TEST_CASE("safetensors: deep nesting is refused without deep recursion") {
  const Folder folder;
  const std::string deep = "{\"a\":" + std::string(1'000'000, '[');
  CHECK_THROWS_AS(d2c::SafetensorsFile{written(folder / "deep", file_of(deep))}, d2c::InputError);
}

TEST_CASE("safetensors: a changed byte is refused or read as what it says, never trusted") {
  const Folder folder;
  const std::string header = R"({"__metadata__":{"a":"b"},)"
                             R"("x":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},)"
                             R"("y":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}} )";
  const std::string good = file_of(header, "0123456789a");
  int refused = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int change : {0x01, 0x04, 0x10, 0x80, 0xff}) {
      std::string bytes = good;
      bytes[at] = static_cast<char>(bytes[at] ^ change);
      const auto path = written(folder / "changed", bytes);
      try {
        const d2c::SafetensorsFile file{path};
        for (const auto& name : file.names()) {
          const auto& found = file.entry(name).bytes;
          CHECK(std::vector<std::byte>(found.begin(), found.end()).size() <= 11);
        }
      } catch (const d2c::InputError&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 300);
}
