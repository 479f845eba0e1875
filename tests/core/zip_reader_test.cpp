/// Zip archives with deflated entries, and every way they can lie. Oracles: archives laid out by
/// hand from PKWARE's APPNOTE, deflated by zlib. Stored and zip64 entries:
/// torch_checkpoint_test.cpp.

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include <zlib.h>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/io/npz.hpp>
#include <d2c/io/zip_reader.hpp>

namespace {

using namespace std::string_literals;
using Catch::Matchers::Contains;
using d2c_test::written;

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::string deflated(const std::string& content) {
  z_stream stream{};
  if (deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw std::runtime_error("zlib could not be started");
  }
  std::string packed(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

/// What the directory says of an entry, and the bytes that lie at its place.
struct Entry {
  std::string name;
  std::string packed;
  std::uint64_t size = 0;
  std::uint32_t checksum = 0;
  std::uint16_t method = 8;
  std::uint16_t flags = 0;
};

Entry entry(const std::string& name, const std::string& content) {
  const auto* data = reinterpret_cast<const Bytef*>(content.data());
  return {name, deflated(content), content.size(),
          static_cast<std::uint32_t>(crc32(0, data, static_cast<uInt>(content.size())))};
}

/// All sizes in zip64 fields.
std::string zip_of(const std::vector<Entry>& entries) {
  std::string file;
  std::string directory;
  for (const Entry& each : entries) {
    const std::uint64_t offset = file.size();
    const auto facts = raw(each.flags) + raw(each.method) + raw(std::uint32_t{0}) +
                       raw(each.checksum) + raw(~0U) + raw(~0U) +
                       raw(static_cast<std::uint16_t>(each.name.size()));
    file += "PK\x03\x04"s + raw(std::uint16_t{45}) + facts + raw(std::uint16_t{0}) + each.name +
            each.packed;
    directory += "PK\x01\x02"s + raw(std::uint16_t{45}) + raw(std::uint16_t{45}) + facts +
                 raw(std::uint16_t{20}) + raw(std::uint16_t{0}) + raw(std::uint64_t{0}) +
                 raw(static_cast<std::uint32_t>(offset)) + each.name + raw(std::uint16_t{1}) +
                 raw(std::uint16_t{16}) + raw(each.size) +
                 raw(static_cast<std::uint64_t>(each.packed.size()));
  }
  const auto count = raw(static_cast<std::uint16_t>(entries.size()));
  const auto at = raw(static_cast<std::uint32_t>(file.size()));
  return file + directory + "PK\x05\x06"s + raw(std::uint32_t{0}) + count + count +
         raw(static_cast<std::uint32_t>(directory.size())) + at + raw(std::uint16_t{0});
}

std::string content_of(const std::string& archive, const std::string& name) {
  const d2c::ZipReader zip{"a.zip", std::as_bytes(std::span(archive))};
  const d2c::ZipContent content = zip.content(name);
  return {reinterpret_cast<const char*>(content.bytes.data()), content.bytes.size()};
}

} // namespace

TEST_CASE("zip: deflated entries are unpacked, stored ones lie in the archive") {
  std::string text;
  for (int i = 0; i < 5000; ++i) {
    text += std::to_string(i * i);
  }
  Entry stored = entry("stored", "as it is");
  stored.packed = "as it is";
  stored.method = 0;
  const std::string archive = zip_of({entry("text", text), entry("", ""), stored});
  CHECK(content_of(archive, "text") == text);
  CHECK(content_of(archive, "").empty());
  CHECK(content_of(archive, "stored") == "as it is");
  const d2c::ZipReader zip{"a.zip", std::as_bytes(std::span(archive))};
  CHECK(zip.content("stored").owner == nullptr);
  std::size_t read = 0;
  const auto bring = [&](std::span<const std::byte> part) {
    read += part.size();
    return part;
  };
  CHECK(zip.content("stored", bring).bytes.size() == 8);
  CHECK(read == 8);
  CHECK_THROWS_WITH(zip.content("stored", [](auto part) { return part.first(7); }),
                    Contains("its checksum"));
  CHECK_THROWS_WITH(zip.entry("text"), Contains("compression method 8"));
}

TEST_CASE("zip: what lies about its content is refused before memory is asked for") {
  const std::string text(4000, 'x');
  const Entry good = entry("x", text);
  const auto with = [&](auto change) {
    Entry changed = good;
    change(changed);
    return zip_of({changed});
  };

  struct Case {
    const char* what;
    std::string archive;
    const char* message;
  };

  const Case cases[] = {
      {"10^18 bytes", with([](Entry& e) { e.size = 1'000'000'000'000'000'000; }),
       "found a claim of 1000000000000000000"},
      {"more than deflate can hold", with([](Entry& e) { e.size = e.packed.size() * 1032 + 1; }),
       "found a claim of"},
      {"a byte less", with([](Entry& e) { --e.size; }), "to unpack to 3999 bytes"},
      {"a byte more", with([](Entry& e) { ++e.size; }), "to unpack to 4001 bytes"},
      {"another checksum", with([](Entry& e) { e.checksum ^= 1; }), "with its checksum"},
      {"damage", with([](Entry& e) { e.packed[2] = '\xff'; }), "a damaged file"},
      {"a cut stream", with([](Entry& e) { e.packed.pop_back(); }), "a damaged file"},
      {"bytes behind the stream", with([](Entry& e) { e.packed += 'x'; }), "a damaged file"},
      {"another method", with([](Entry& e) { e.method = 12; }), "compression method 12"},
      {"encryption", with([](Entry& e) { e.flags = 1; }), "found it encrypted"},
      {"a stored entry with another checksum", with([](Entry& e) {
         e.method = 0;
         e.packed = std::string(4000, 'y');
       }),
       "to have its checksum"},
      {"a stored entry of two sizes", with([](Entry& e) { e.method = 0; }), "found fewer"},
  };
  REQUIRE(content_of(zip_of({good}), "x") == text);
  for (const Case& wrong : cases) {
    INFO(wrong.what);
    CHECK_THROWS_AS(content_of(wrong.archive, "x"), d2c::InputError);
    CHECK_THROWS_WITH(content_of(wrong.archive, "x"),
                      Contains("a.zip: expected") && Contains(wrong.message));
  }
}

TEST_CASE("zip: entries that share bytes are refused") {
  const std::string archive = zip_of({entry("a", "one"), entry("b", "two")});
  for (const std::uint32_t offset : {0U, 1U, 20U}) {
    std::string shared = archive;
    std::memcpy(shared.data() + shared.rfind("PK\x01\x02") + 42, &offset, 4);
    CHECK_THROWS_WITH(content_of(shared, "a"), Contains("\"a\" to overlap what follows it"));
  }
}

TEST_CASE("zip: what stands in front of an entry is its own header") {
  Entry first = entry("a", "one");
  first.method = 0;
  first.packed = "one";
  const std::string archive = zip_of({first, entry("b", "two")});
  REQUIRE(content_of(archive, "a") == "one");
  const d2c::ZipReader unread{"a.zip", std::as_bytes(std::span(archive))};
  CHECK(unread.entry("a").size() == 3);
  // A longer extra field in the local header than what lies between the entries.
  std::string longer = archive;
  longer[28] = 2;
  CHECK_THROWS_WITH(content_of(longer, "a"), Contains("\"a\" to overlap what follows it"));
  std::string renamed = archive;
  renamed[30] = 'c';
  CHECK_THROWS_WITH(content_of(renamed, "a"), Contains("\"a\" to have its name in front of it"));
  // Torch's checkpoints have no checksums that count.
  std::string changed = archive;
  changed[changed.find("one")] = 'O';
  CHECK_THROWS_WITH(content_of(changed, "a"), Contains("\"a\" to have its checksum"));
  CHECK(d2c::ZipReader{"a.zip", std::as_bytes(std::span(changed))}.entry("a").size() == 3);
}

TEST_CASE("zip: how much may be unpacked") {
  CHECK(d2c::inflation_limit(0) == 0);
  CHECK(d2c::inflation_limit(1000) == 1'032'000);
  CHECK(d2c::inflation_limit(2 << 20) == std::uint64_t{1} << 30);
  CHECK(d2c::inflation_limit(std::uint64_t{1} << 30) == std::uint64_t{100} << 30);
  CHECK(d2c::inflation_limit(~std::uint64_t{0}) < std::uint64_t{1} << 60);
}

TEST_CASE("npz: a compressed array outlives the file that it came from") {
  const d2c_test::ScratchFolder folder;
  std::string npy = "\x93NUMPY\x01\x00"s + raw(std::uint16_t{70});
  std::string header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }";
  header.resize(69, ' ');
  npy += header + "\n" + "abcdef";
  const auto array = [&] {
    return d2c::NpzFile{written(folder / "a.npz", zip_of({entry("x.npy", npy)}))}.array("x");
  }();
  CHECK(array.shape == std::vector<std::int64_t>{2, 3});
  REQUIRE(array.owner != nullptr);
  CHECK(std::memcmp(array.bytes.data(), "abcdef", 6) == 0);
}
