/// A full disk, a failing flush and short writes under everything that writes files without
/// tensors. Oracle: what was there before the fault, and the same files without one.

#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>

#include <catch.hpp>
#include <failing_disk.hpp>
#include <scratch_folder.hpp>

#include <d2c/app/stage_store.hpp>
#include <d2c/io/csv.hpp>
#include <d2c/io/npz.hpp>
#include <d2c/io/png.hpp>
#include <d2c/score/loss_matrix.hpp>
#include <d2c/train/loss_log.hpp>

namespace {

namespace fs = std::filesystem;
using Folder = d2c_test::ScratchFolder;
using d2c_test::content;
using d2c_test::FailingDisk;

/// Name to content of every file below a folder.
std::map<std::string, std::string> tree(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) {
      files[entry.path().lexically_relative(folder).string()] = content(entry.path());
    }
  }
  return files;
}

std::string failure_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const d2c::Failure& failure) {
    return failure.what();
  }
  return "no failure";
}

/// Writes file number `version` of its kind into a folder and returns its path.
struct Writer {
  std::string_view name;
  std::function<fs::path(const fs::path&, int)> write;
};

const std::vector<float>& losses(int version) {
  static std::vector<float> values;
  values.assign(40000, static_cast<float>(version));
  return values;
}

const std::vector<Writer>& writers() {
  static const std::vector<Writer> all = {
      {"text",
       [](const fs::path& folder, int version) {
         auto path = folder / "config.toml";
         d2c::write_file_atomically(path, "version = " + std::to_string(version));
         return path;
       }},
      {"csv",
       [](const fs::path& folder, int version) {
         auto path = folder / "scores.csv";
         d2c::CsvWriter csv{path, {"id", "score"}};
         for (int row = 0; row < 20000; ++row) {
           csv.row("train/" + std::to_string(row), 0.25 * row + version);
         }
         csv.commit();
         return path;
       }},
      {"npz",
       [](const fs::path& folder, int version) {
         auto path = folder / "samples.npz";
         const auto bytes = std::as_bytes(std::span(losses(version)));
         d2c::write_npz(path, {{"arr_0", d2c::DType::F32, {40000}, bytes},
                               {"arr_1", d2c::DType::U8, {160000}, bytes}});
         return path;
       }},
      {"png",
       [](const fs::path& folder, int version) {
         auto path = folder / "grid.png";
         std::vector<std::uint8_t> pixels(300 * 300);
         for (std::size_t i = 0; i < pixels.size(); ++i) {
           pixels[i] = static_cast<std::uint8_t>((i * i * 31 + i / 7 + version) % 251);
         }
         d2c::write_png(path, pixels, 300, 300, 1);
         return path;
       }},
      {"loss matrix",
       [](const fs::path& folder, int version) {
         return d2c::LossMatrix::write_shard(folder, 40000 * version, {{.time = 0.5, .seed = 3}},
                                             losses(version));
       }},
      {"stage store",
       [](const fs::path& folder, int version) {
         const d2c::StageStore store(folder);
         const std::string key = "000000000000000" + std::to_string(version);
         const auto where = store.prepare("select", key);
         d2c::write_file_atomically(where / "subset.csv", "id\n" + std::string(1000, '7'));
         store.finish("select", {.stage = "Select",
                                 .key = key,
                                 .growth = {},
                                 .seconds = 1,
                                 .outputs = {},
                                 .made_from = {}});
         return where / "done.json";
       }},
  };
  return all;
}

} // namespace

TEST_CASE("failing disk: writes that are short or interrupted change nothing") {
  for (const Writer& writer : writers()) {
    INFO(writer.name);
    const Folder plain;
    const Folder chopped;
    writer.write(plain.path(), 1);
    {
      const FailingDisk disk(chopped.path(), {.piece = 997});
      writer.write(chopped.path(), 1);
      CHECK(FailingDisk::written() > 0);
    }
    CHECK(tree(chopped.path()) == tree(plain.path()));
  }
}

TEST_CASE("failing disk: a full disk leaves what was there and says so in one sentence") {
  for (const Writer& writer : writers()) {
    INFO(writer.name);
    const Folder folder;
    writer.write(folder.path(), 1);
    const auto before = tree(folder.path());
    long long needed = 0;
    {
      const Folder measured;
      writer.write(measured.path(), 1);
      const FailingDisk disk(measured.path(), {});
      writer.write(measured.path(), 2);
      needed = FailingDisk::written();
    }
    REQUIRE(needed > 10);
    for (const long long room : {0LL, 1LL, needed / 2, needed - 1}) {
      INFO("room for " << room << " of " << needed << " bytes");
      std::string sentence;
      {
        const FailingDisk disk(folder.path(), {.room = room});
        sentence = failure_of([&] { writer.write(folder.path(), 2); });
      }
      CHECK(sentence.find("cannot ") == 0);
      CHECK(sentence.find(folder.path().string()) != std::string::npos);
      CHECK(sentence.find(": No space left on device") != std::string::npos);
      CHECK(sentence.find('\n') == std::string::npos);
      auto after = tree(folder.path());
      for (const auto& [file, bytes] : before) {
        CHECK(after[file] == bytes);
        after.erase(file);
      }
      for (const auto& [file, bytes] : after) {
        // A stage may have got as far as its first file; it does not look finished.
        CHECK(file.find("done.json") == std::string::npos);
        CHECK(file.find(".tmp-") == std::string::npos);
        CHECK(writer.name == "stage store");
      }
    }
    CHECK_NOTHROW(writer.write(folder.path(), 2));
  }
}

TEST_CASE("failing disk: a failing flush leaves what was there and says so in one sentence") {
  for (const Writer& writer : writers()) {
    INFO(writer.name);
    const Folder folder;
    const fs::path first = writer.write(folder.path(), 1);
    const std::string before = content(first);
    std::string sentence;
    {
      const FailingDisk disk(folder.path(), {.failing_flush = 1});
      sentence = failure_of([&] { writer.write(folder.path(), 2); });
      CHECK(FailingDisk::flushes() == 1);
    }
    CHECK(sentence.find("cannot write " + folder.path().string()) == 0);
    CHECK(sentence.find(": Input/output error") != std::string::npos);
    CHECK(content(first) == before);
    for (const auto& [file, bytes] : tree(folder.path())) {
      CHECK(file.find(".tmp-") == std::string::npos);
    }
    CHECK_NOTHROW(writer.write(folder.path(), 2));
  }
}

TEST_CASE("failing disk: where the folder cannot be flushed the file is whole, and it is said") {
  const Folder folder;
  const fs::path path = d2c_test::written(folder / "a.txt", "old");
  std::string sentence;
  {
    const FailingDisk disk(folder.path(), {.failing_flush = 2});
    sentence = failure_of([&] { d2c::write_file_atomically(path, std::string_view("new")); });
  }
  CHECK(sentence == "cannot write " + path.string() + ": Input/output error");
  CHECK(content(path) == "new");
}

TEST_CASE("failing disk: the loss log keeps its rows and drops the torn one when it goes on") {
  const Folder folder;
  const fs::path path = folder / "loss.csv";
  {
    d2c::LossLog log(path, 0);
    log.append({.step = 1, .loss = 0.5});
    const FailingDisk disk(folder.path(), {.room = 5});
    CHECK(failure_of([&] { log.append({.step = 2, .loss = 0.25}); }) ==
          "cannot write " + path.string() + ": No space left on device");
  }
  CHECK(content(path) == std::string(d2c::LossLog::header) + "1,0.5,0,0,0,0\n2,0.2");
  {
    const FailingDisk disk(folder.path(), {.failing_flush = 3});
    d2c::LossLog log(path, 2); // its file and folder are flushed: the third flush is the log's
    CHECK(content(path) == std::string(d2c::LossLog::header) + "1,0.5,0,0,0,0\n");
    log.append({.step = 3, .loss = 0.125});
    CHECK(failure_of([&] { log.sync(); }) ==
          "cannot write " + path.string() + ": Input/output error");
  }
}

TEST_CASE("failing disk: a folder that cannot be made on a full disk is a failure of the run") {
  const Folder folder;
  const FailingDisk disk(folder.path(), {.room = 0});
  CHECK(failure_of([&] { d2c::StageStore::make_folder(folder / "runs/store"); }) ==
        "cannot make the folder " + (folder / "runs/store").string() + ": No space left on device");
}
