/// Programs on folders of image files: prepared once, into the store, before the stages. The
/// stages are the test's own; the files are real ones, some of them broken.

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/app/image_preparation.hpp>
#include <d2c/app/program.hpp>
#include <d2c/core.hpp>
#include <d2c/data/open_image_folder.hpp>
#include <d2c/io/png.hpp>

namespace d2c {
class Codec {};
} // namespace d2c

namespace prepared_world {

namespace fs = std::filesystem;

struct Files {
  static constexpr std::string_view kind = "source";
  static constexpr auto needs = d2c::set_of<>;
  static constexpr auto provides = d2c::set_of<d2c::Images>;

  static std::string name() { return "Files"; }
};

std::shared_ptr<const d2c::ImagePreparation> image_preparation_of(const Files&,
                                                                  const d2c::Sections& sections) {
  return d2c::preparation_of<d2c::ImageFolder<>>(sections);
}

d2c::ImageLoader image_loader_of(const Files& files, const d2c::Sections& sections) {
  return [preparation = image_preparation_of(files, sections)](d2c::Split split) {
    return preparation->load(split);
  };
}

std::shared_ptr<const d2c::Codec> codec_of(const Files&, const d2c::Sections&, const std::string&) {
  return std::make_shared<d2c::Codec>();
}

struct Keep {
  static constexpr std::string_view kind = "select";
  static constexpr auto needs = d2c::set_of<d2c::Images>;
  static constexpr auto provides = d2c::set_of<d2c::Subset>;

  static std::string name() { return "Keep"; }
};

struct Judge {
  static constexpr std::string_view kind = "evaluate";
  static constexpr auto needs = d2c::set_of<d2c::Subset>;
  static constexpr auto provides = d2c::set_of<d2c::Metrics>;

  static std::string name() { return "Judge"; }
};

std::string text_of(const d2c::ImageSet& set) {
  std::string text;
  for (std::int64_t i = 0; i < set.size(); ++i) {
    text += set.ids[static_cast<std::size_t>(i)] + " " + std::to_string(set.image(i)[0]) + "\n";
  }
  return text;
}

void run_stage(const Keep&, d2c::StageContext& context) {
  d2c::write_file_atomically(context.out / "subset.csv",
                             text_of(context.images(d2c::Split::train)));
}

void run_stage(const Judge&, d2c::StageContext& context) {
  d2c::write_file_atomically(context.out / "metrics.json",
                             text_of(context.images(d2c::Split::test)));
}

using Experiment = d2c::Pipeline<Files, Keep, Judge>;

struct FakeMachine : d2c::Backend {
  std::string resolve_device(const std::string&) const override { return "cpu"; }

  void allow_tf32(bool) const override {}

  std::string precision(const std::string&) const override { return "none"; }

  void set_threads(int) const override {}

  std::vector<std::pair<std::string, std::string>> versions() const override { return {}; }

  double matrix_product_rate(const std::string&, std::int64_t, std::int64_t, std::int64_t,
                             double) const override {
    return 1e9;
  }
};

struct World {
  d2c_test::ScratchFolder folder;
  std::string err;

  World() {
    // 9 training images and 2 test images of two classes; the first pixel is the image's number.
    for (int i = 0; i < 11; ++i) {
      const fs::path where = folder / "files" / (i < 9 ? "train" : "val") / (i % 2 ? "owl" : "fox");
      fs::create_directories(where);
      const int width = 32 + 5 * i;
      const std::vector<std::uint8_t> pixels(static_cast<std::size_t>(width * 32 * 3),
                                             static_cast<std::uint8_t>(10 * i));
      d2c::write_png(where / (std::to_string(i) + ".png"), pixels, width, 32, 3);
    }
    d2c_test::written(folder / "c.toml",
                      "[run]\nname = \"demo\"\nout = \"" + (folder / "runs").string() +
                          "\"\nthreads = 2\n[data]\ndataset = \"image-folder\"\ncodec = "
                          "\"pixels\"\nclasses = 2\nimage_size = 16\nroot = \"" +
                          (folder / "files").string() + "\"\n");
  }

  [[nodiscard]] fs::path file(const std::string& name) const { return folder / "files" / name; }

  int call(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"program", "--config", (folder / "c.toml").string()});
    arguments.emplace_back("--quiet");
    std::vector<const char*> argv;
    argv.reserve(arguments.size());
    for (const auto& argument : arguments) {
      argv.push_back(argument.c_str());
    }
    const FakeMachine machine;
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> out(std::tmpfile(), &std::fclose);
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> errors(std::tmpfile(), &std::fclose);
    const int code = d2c::run_program<Experiment>(
        static_cast<int>(argv.size()), argv.data(),
        {.backend = machine, .write_report = {}, .out = out.get(), .err = errors.get()});
    std::rewind(errors.get());
    err.clear();
    for (int c = std::fgetc(errors.get()); c != EOF; c = std::fgetc(errors.get())) {
      err += static_cast<char>(c);
    }
    return code;
  }

  [[nodiscard]] std::vector<fs::path> prepared() const {
    std::vector<fs::path> folders;
    if (fs::exists(folder / "runs" / "store")) {
      for (const auto& entry : fs::directory_iterator(folder / "runs" / "store")) {
        if (entry.is_directory() && entry.path().filename().string().starts_with("prepare-")) {
          folders.push_back(entry.path());
        }
      }
    }
    return folders;
  }
};

} // namespace prepared_world

using Catch::Matchers::Contains;
using d2c_test::content;
using prepared_world::World;
namespace fs = std::filesystem;

TEST_CASE("preparation: a stage's command prepares what it needs, once") {
  World world;
  REQUIRE(world.call({"select"}) == 0);
  CHECK(world.prepared().size() == 1);
  CHECK(content(world.folder / "runs" / "demo" / "subset.csv") ==
        "train/fox/0.png 0\ntrain/fox/2.png 20\ntrain/fox/4.png 40\ntrain/fox/6.png 60\n"
        "train/fox/8.png 80\ntrain/owl/1.png 10\ntrain/owl/3.png 30\ntrain/owl/5.png 50\n"
        "train/owl/7.png 70\n");
  const auto record = world.prepared().front() / "prepared.json";
  const auto written = fs::last_write_time(record);
  // Only the judge needs the test images. Nothing is prepared twice, not even listed.
  fs::rename(world.file("train/fox"), world.folder / "away");
  fs::create_directories(world.file("train/fox"));
  REQUIRE(world.call({"evaluate"}) == 0);
  CHECK(world.prepared().size() == 2);
  CHECK(fs::last_write_time(record) == written);
  CHECK(content(world.folder / "runs" / "demo" / "evaluation" / "metrics.json") ==
        "val/fox/10.png 100\nval/owl/9.png 90\n");
}

TEST_CASE("preparation: a reference batch stands for the test images") {
  World world;
  REQUIRE(world.call({"prepare", "--set", "evaluate.reference=batch.npz"}) == 0);
  CHECK(world.prepared().size() == 1);
  REQUIRE(world.call({"prepare"}) == 0);
  CHECK(world.prepared().size() == 2);
}

TEST_CASE("preparation: broken files end the program with code 2, or are listed") {
  World world;
  const std::string whole = content(world.file("train/fox/2.png"));
  d2c_test::written(world.file("train/fox/2.png"), whole.substr(0, whole.size() / 2));
  d2c_test::written(world.file("train/owl/3.png"), "GIF89a and so on");
  d2c_test::written(world.file("train/owl/5.png"), "");
  REQUIRE(world.call({"prepare"}) == 2);
  CHECK_THAT(world.err, Contains("refused.csv: expected at most 1 % of 9 files refused, found 3"));
  REQUIRE(world.prepared().size() == 1);
  const std::string list = content(world.prepared().front() / "refused.csv");
  CHECK_THAT(list, Contains("train/fox/2.png,"));
  CHECK_THAT(list, Contains("fox/2.png: expected "));
  CHECK_THAT(list, Contains("expected a PNG or JPEG file, found a GIF"));
  CHECK_THAT(list, Contains("expected a PNG or JPEG file, found an empty one"));

  REQUIRE(world.call({"prepare", "--set", "prepare.refused_share=0.5"}) == 0);
  CHECK(world.prepared().size() == 2);
  REQUIRE(world.call({"evaluate"}) == 0);
  CHECK(content(world.folder / "runs" / "demo" / "subset.csv") ==
        "train/fox/0.png 0\ntrain/fox/4.png 40\ntrain/fox/6.png 60\n"
        "train/fox/8.png 80\ntrain/owl/1.png 10\ntrain/owl/7.png 70\n");
}

TEST_CASE("preparation: the command prepare finds files that came later, and damage") {
  World world;
  REQUIRE(world.call({"prepare"}) == 0);
  REQUIRE(world.prepared().size() == 2);
  std::uintmax_t images = 0;
  for (const auto& folder : world.prepared()) {
    images += fs::file_size(folder / "images-00000.safetensors") > 0;
    std::string bytes = content(folder / "images-00000.safetensors");
    bytes[bytes.size() / 2] ^= 1;
    d2c_test::written(folder / "images-00000.safetensors", bytes);
  }
  CHECK(images == 2);
  fs::copy_file(world.file("train/owl/7.png"), world.file("train/owl/later.png"));
  REQUIRE(world.call({"prepare"}) == 0);
  REQUIRE(world.call({"select"}) == 0);
  CHECK_THAT(content(world.folder / "runs" / "demo" / "subset.csv"),
             Contains("train/owl/7.png 70\ntrain/owl/later.png 70\n"));
}

TEST_CASE("preparation: limits, classes and impossible sections are seen") {
  World world;
  REQUIRE(world.call({"select", "--set", "data.limit_per_class=2"}) == 0);
  CHECK(content(world.folder / "runs" / "demo" / "subset.csv") ==
        "train/fox/0.png 0\ntrain/fox/2.png 20\ntrain/owl/1.png 10\ntrain/owl/3.png 30\n");
  CHECK(world.call({"select", "--set", "data.classes=3"}) == 2);
  CHECK_THAT(world.err, Contains("expected 3 classes, found 2"));
  CHECK(world.call({"select", "--set", "prepare.shard_images=0"}) == 2);
  CHECK_THAT(world.err, Contains("\"shard_images\" in [prepare]: expected 1 to 1000000"));
  CHECK(world.call({"select", "--set", "prepare.refused_share=1.5"}) == 2);
  CHECK_THAT(world.err, Contains("\"refused_share\" in [prepare]: expected a share from 0 to 1"));
}
