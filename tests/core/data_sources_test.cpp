/// CIFAR, image folders, ImageNet's layout, tar shards and NumPy archives as data sets. Oracles:
/// files laid out by hand here.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/app/experiment_facts.hpp>
#include <d2c/core.hpp>
#include <d2c/data/load_cifar.hpp>
#include <d2c/data/load_fashion_mnist.hpp>
#include <d2c/data/load_npz_images.hpp>
#include <d2c/data/open_image_folder.hpp>
#include <d2c/data/open_imagenet.hpp>
#include <d2c/data/open_web_dataset.hpp>
#include <d2c/io/npy.hpp>
#include <d2c/io/npz.hpp>
#include <d2c/io/png.hpp>
#include <d2c/io/tar_reader.hpp>

namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Folder = d2c_test::ScratchFolder;
using d2c::DataConfig;
using d2c::Split;
using d2c_test::content;
using d2c_test::written;

constexpr d2c::TransformerSize small{.depth = 2, .width = 64, .heads = 2, .patch = 4};

// The compiler knows the sizes of pinned sets, and leaves those of open ones to the run.
template <class Dataset, class Codec = d2c::Pixels>
using Experiment = d2c::Pipeline<d2c::Source<Dataset, Codec>, d2c::Scorer<d2c::DiT<small>>,
                                 d2c::Selector<d2c::Interval<>, d2c::PerClass<100>>>;
static_assert(Experiment<d2c::Cifar10>::well_formed);
static_assert(Experiment<d2c::Cifar100>::well_formed);
static_assert(Experiment<d2c::Cifar100Coarse>::well_formed);
static_assert(Experiment<d2c::ImageFolder<10, 64>>::well_formed);
static_assert(Experiment<d2c::ImageFolder<10, 64>, d2c::Latent<d2c::SDVae>>::well_formed);
static_assert(Experiment<d2c::WebDataset<10, 64, 32>>::well_formed);
static_assert(Experiment<d2c::NpzImages<10, 28, 28, 1>>::well_formed);
static_assert(Experiment<d2c::ImageFolder<>>::well_formed);
static_assert(d2c::Cifar10::name == "Cifar10" &&
              d2c::ImageFolder<10, 64>::name == "ImageFolder<10, 64, 64>");
// 62 is no multiple of the patch; 500 images are too few; grey images have no SD latents.
template <class... Stages>
constexpr bool is_sound =
    std::is_same_v<d2c::pipeline_verdict_t<Stages...>, d2c::diagnostics::passed>;
static_assert(
    !is_sound<d2c::Source<d2c::ImageFolder<10, 62>, d2c::Pixels>, d2c::Scorer<d2c::DiT<small>>>);
static_assert(!is_sound<d2c::Source<d2c::Cifar100, d2c::Pixels>, d2c::Scorer<d2c::DiT<small>>,
                        d2c::Selector<d2c::Interval<10>, d2c::PerClass<100>>>);
static_assert(!is_sound<d2c::Source<d2c::NpzImages<10, 32, 32, 1>, d2c::Latent<d2c::SDVae>>,
                        d2c::Selector<d2c::Random>>);

DataConfig config_at(const fs::path& root) {
  DataConfig config;
  config.root = root.string();
  return config;
}

template <class Dataset>
std::string problems_of(Dataset tag, const DataConfig& config, bool needs_test_images = true) {
  d2c::Problems problems;
  if constexpr (requires { check_images(tag, config, problems, needs_test_images); }) {
    check_images(tag, config, problems, needs_test_images);
  } else {
    check_images(tag, config, problems);
  }
  return problems.text();
}

/// CIFAR records: the labels, then 3072 bytes that start at `first` and rise by one.
std::string record(std::initializer_list<int> labels, int first) {
  std::string bytes;
  for (const int label : labels) {
    bytes += static_cast<char>(label);
  }
  for (int i = 0; i < 3072; ++i) {
    bytes += static_cast<char>(first + i);
  }
  return bytes;
}

/// Two records in each training file of CIFAR-10, all ten in the test file.
void write_cifar10(const fs::path& folder) {
  fs::create_directories(folder);
  for (int i = 0; i < 5; ++i) {
    written(folder / ("data_batch_" + std::to_string(i + 1) + ".bin"),
            record({2 * i}, i) + record({2 * i + 1}, 100 + i));
  }
  std::string test;
  for (int i = 0; i < 10; ++i) {
    test += record({9 - i}, i);
  }
  written(folder / "test_batch.bin", test);
}

/// A PNG of one colour.
std::string flat_png(int width, int height, std::array<int, 3> color) {
  std::vector<std::uint8_t> pixels;
  for (int i = 0; i < width * height; ++i) {
    for (const int value : color) {
      pixels.push_back(static_cast<std::uint8_t>(value));
    }
  }
  const auto bytes = d2c::encode_png(pixels, width, height, 3);
  return {bytes.begin(), bytes.end()};
}

fs::path place(const fs::path& path, const std::string& bytes) {
  fs::create_directories(path.parent_path());
  return written(path, bytes);
}

std::string octal(std::uint64_t value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%0*llo", digits, static_cast<unsigned long long>(value));
  return text;
}

/// The header's checksum made right.
void sum(std::string& header) {
  header.replace(148, 8, 8, ' ');
  std::uint64_t total = 0;
  for (const char c : header.substr(0, 512)) {
    total += static_cast<unsigned char>(c);
  }
  header.replace(148, 8, octal(total, 6) + std::string("\0 ", 2));
}

/// A member of a tar file, with its padding.
std::string member(const std::string& name, const std::string& bytes, char type = '0') {
  std::string header(512, '\0');
  header.replace(0, std::min<std::size_t>(name.size(), 100), name.substr(0, 100));
  header.replace(100, 7, "0000644");
  header.replace(124, 11, octal(bytes.size(), 11));
  header.replace(136, 11, octal(0, 11));
  header[156] = type;
  header.replace(257, 8, std::string("ustar\00000", 8));
  sum(header);
  return header + bytes + std::string((512 - bytes.size() % 512) % 512, '\0');
}

std::vector<std::string> ids_of(const d2c::ImageSource& source) {
  std::vector<std::string> ids;
  for (std::int64_t i = 0; i < source.size(); ++i) {
    ids.push_back(source.id(i));
  }
  return ids;
}

std::vector<std::int32_t> labels_of(const d2c::ImageSource& source) {
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < source.size(); ++i) {
    labels.push_back(source.label(i));
  }
  return labels;
}

const std::string tar_end(1024, '\0');

std::vector<d2c::TarEntry> listed(const std::string& bytes) {
  return d2c::read_tar("a shard", std::as_bytes(std::span(bytes.data(), bytes.size())));
}

} // namespace

TEST_CASE("cifar: records become planes, labels and ids in the files' order") {
  const Folder folder;
  write_cifar10(folder / "cifar-10-batches-bin");
  // The archive's folder, or the folder above it.
  for (const fs::path& root : {folder.path(), folder / "cifar-10-batches-bin"}) {
    CHECK(problems_of(d2c::Cifar10{}, config_at(root)).empty());
    const auto set = load_images(d2c::Cifar10{}, config_at(root), Split::train);
    REQUIRE(set.size() == 10);
    CHECK(set.channels == 3);
    CHECK(set.height == 32);
    CHECK(set.width == 32);
    CHECK(set.classes() == 10);
    CHECK(set.class_names[9] == "truck");
    for (std::int64_t i = 0; i < 10; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const int first = static_cast<int>(i % 2 == 0 ? i / 2 : 100 + i / 2);
      CHECK(set.labels[at] == i);
      CHECK(set.ids[at] == "train/00000" + std::to_string(i));
      CHECK(set.image(i)[0] == first);
      CHECK(set.image(i)[3071] == static_cast<std::uint8_t>(first + 3071));
    }
  }
  const auto test = load_images(d2c::Cifar10{}, config_at(folder.path()), Split::test);
  CHECK(test.labels.front() == 9);
  CHECK(test.ids.back() == "test/000009");
}

TEST_CASE("cifar: the two labellings of CIFAR-100") {
  const Folder folder;
  std::string train;
  for (int fine = 0; fine < 100; ++fine) {
    train += record({fine / 5, fine}, fine);
  }
  written(folder / "train.bin", train);
  const auto config = config_at(folder.path());
  const auto fine = load_images(d2c::Cifar100{}, config, Split::train);
  CHECK(fine.classes() == 100);
  CHECK(fine.labels[57] == 57);
  CHECK(fine.class_names[57] == "pear");
  CHECK(fine.image(57)[1] == 58);
  const auto coarse = load_images(d2c::Cifar100Coarse{}, config, Split::train);
  CHECK(coarse.classes() == 20);
  CHECK(coarse.labels[57] == 11);
  CHECK(coarse.labels_of(std::vector<std::int64_t>{57, 0}) == std::vector<std::int64_t>{11, 0});
  CHECK(coarse.class_names[4] == "fruit and vegetables");
  auto fewer = config;
  fewer.limit_per_class = 2;
  CHECK(load_images(d2c::Cifar100Coarse{}, fewer, Split::train).size() == 40);
  for (const auto& names : {fine.class_names, coarse.class_names}) {
    CHECK(std::unordered_set<std::string>(names.begin(), names.end()).size() == names.size());
  }
  CHECK_THAT(problems_of(d2c::Cifar100{}, config),
             Contains("test.bin in " + folder.path().string()) && !Contains("train.bin"));
}

TEST_CASE("cifar: wrong files are refused") {
  const Folder folder;
  write_cifar10(folder.path());
  const auto config = config_at(folder.path());
  const auto load = [&] { return load_images(d2c::Cifar10{}, config, Split::train); };
  const fs::path third = folder / "data_batch_3.bin";
  const std::string good = content(third);
  written(third, good.substr(0, good.size() - 1));
  CHECK_THROWS_WITH(load(), Contains("data_batch_3.bin") && Contains("records of 3073 bytes") &&
                                Contains("found 6145 bytes"));
  written(third, "");
  CHECK_THROWS_WITH(load(), Contains("found 0 bytes"));
  written(third, record({10}, 0));
  CHECK_THROWS_WITH(load(), Contains("labels 0 to 9, found 10 in record 0"));
  written(third, record({4}, 0));
  CHECK_THROWS_WITH(load(), Contains("none of \"dog\" (class 5)"));
  fs::remove(third);
  fs::remove(folder / "test_batch.bin");
  CHECK_THROWS_WITH(load(), Contains("Cifar10's data_batch_3.bin in " + folder.path().string()));
  CHECK_THAT(problems_of(d2c::Cifar10{}, config), Contains("data_batch_3.bin") &&
                                                      Contains("test_batch.bin") &&
                                                      !Contains("data_batch_1.bin"));
  CHECK_THAT(problems_of(d2c::Cifar10{}, DataConfig{}), Contains("found an empty string"));
}

TEST_CASE("image folder: splits, ids, classes and pixels") {
  const Folder folder;
  const std::string left = flat_png(4, 4, {1, 2, 3});
  place(folder / "train/cat/b.png", left);
  place(folder / "train/cat/a/z.png", flat_png(8, 5, {200, 100, 50}));
  place(folder / "train/ant/x.PNG", flat_png(12, 4, {9, 8, 7}));
  place(folder / "train/ant/readme.txt", "no image");
  place(folder / "val/cat/1.png", left);
  place(folder / "val/ant/1.png", left);
  auto config = config_at(folder.path());
  using Set = d2c::ImageFolder<2, 4>;
  CHECK(problems_of(Set{}, config).empty());
  const auto train = open_images(Set{}, config, Split::train);
  CHECK(ids_of(*train) ==
        std::vector<std::string>{"train/ant/x.PNG", "train/cat/b.png", "train/cat/a/z.png"});
  CHECK(labels_of(*train) == std::vector<std::int32_t>{0, 1, 1});
  CHECK(train->class_names() == std::vector<std::string>{"ant", "cat"});
  const auto image = train->decode(2);
  CHECK(image.width == 8);
  CHECK(image.height == 5);
  REQUIRE(image.rgb.size() == 120);
  CHECK(std::vector<int>(image.rgb.end() - 3, image.rgb.end()) == std::vector<int>{200, 100, 50});
  CHECK(ids_of(*open_images(Set{}, config, Split::test)) ==
        std::vector<std::string>{"val/ant/1.png", "val/cat/1.png"});

  // The open type takes the same sizes from the configuration.
  CHECK_THAT(problems_of(d2c::ImageFolder<>{}, config),
             Contains("[data] classes: expected the number of classes") && Contains("image_size"));
  config.classes = 2;
  config.image_size = 4;
  CHECK(problems_of(d2c::ImageFolder<>{}, config).empty());
  CHECK(ids_of(*open_images(d2c::ImageFolder<>{}, config, Split::train)) == ids_of(*train));
  config.classes = 3;
  CHECK_THAT(problems_of(d2c::ImageFolder<>{}, config), Contains("3 classes, found 2"));
  CHECK_THAT(problems_of(Set{}, config),
             Contains("[data] classes: expected none or 2") && Contains("found 3"));
  config.classes = 2;
  config.pixel_limit = 20;
  CHECK_THROWS_WITH(open_images(Set{}, config, Split::train)->decode(0),
                    Contains("train/ant/x.PNG: expected at most 20 pixels"));
  config.pixel_limit = 0;
  CHECK_THROWS_WITH(open_images(Set{}, config, Split::train), Contains("pixel_limit"));
  config.pixel_limit = 1000;

  // One bad image is named with the reason; a class without images and splits that differ too.
  place(folder / "train/cat/b.png", "GIF89a");
  CHECK_THROWS_WITH(train->decode(1),
                    Contains("train/cat/b.png: expected a PNG or JPEG file, found a GIF"));
  CHECK(train->decode(0).width == 12);
  fs::create_directories(folder / "train/bee");
  CHECK_THAT(problems_of(Set{}, config),
             Contains("2 classes, found 3") && Contains("none of the name \"bee\""));
  CHECK_THROWS_WITH(open_images(Set{}, config, Split::train), Contains("images of class \"bee\""));
  CHECK_THROWS_WITH(open_images(Set{}, config, Split::test), Contains("\"bee\""));
}

TEST_CASE("image folder: without a folder train the classes lie in the root, for training alone") {
  const Folder folder;
  place(folder / "no/1.png", flat_png(2, 2, {1, 1, 1}));
  place(folder / "yes/1.png", flat_png(2, 2, {2, 2, 2}));
  const auto config = config_at(folder.path());
  using Set = d2c::ImageFolder<2, 2>;
  CHECK(problems_of(Set{}, config).empty());
  CHECK(ids_of(*open_images(Set{}, config, Split::train)) ==
        std::vector<std::string>{"no/1.png", "yes/1.png"});
  CHECK_THROWS_WITH(open_images(Set{}, config, Split::test), Contains("val, validation or test"));
  CHECK_THAT(problems_of(Set{}, config_at(folder / "missing")), Contains("no folder at"));
  fs::create_directory_symlink(folder / "no", folder / "no/again");
  CHECK_THROWS_WITH(open_images(Set{}, config, Split::train), Contains("32 levels deep"));
  const Folder empty;
  CHECK_THROWS_WITH(d2c::ImageFolderSource{empty.path()}, Contains("one folder for each class"));
}

TEST_CASE("image names: those that are not UTF-8 are refused when they are listed") {
  const std::string image = flat_png(2, 2, {1, 1, 1});
  const Folder folder;
  place(folder / "a/caf\xe9.png", image);
  CHECK_THROWS_WITH(d2c::ImageFolderSource{folder.path()},
                    Contains("/a: expected names in UTF-8, found the byte 0xe9 behind \"caf\""));
  const Folder classes;
  place(classes / "\xff/1.png", image);
  CHECK_THROWS_WITH(d2c::ImageFolderSource{classes.path()}, Contains("the byte 0xff"));
  const auto shard = written(folder / "s.tar", member("k\x80.png", image) + tar_end);
  CHECK_THROWS_WITH((d2c::WebDatasetSource{{shard}, {"a"}}),
                    Contains("s.tar: expected names in UTF-8, found the byte 0x80"));
  const auto odd_shard = written(folder / "s\xe9.tar", tar_end);
  CHECK_THROWS_AS((d2c::WebDatasetSource{{odd_shard}, {"a"}}), d2c::InputError);
  CHECK_THROWS_WITH((d2c::WebDatasetSource{{odd_shard}, {"a"}}),
                    Contains("expected names in UTF-8, found the byte 0xe9 behind \"s\""));
}

TEST_CASE("image source: decoding from several threads gives the same images") {
  const Folder folder;
  for (int i = 0; i < 12; ++i) {
    place(folder / "a" / (std::to_string(i + 10) + ".png"), flat_png(3 + i, 5, {i, 2 * i, 3 * i}));
  }
  const d2c::ImageFolderSource source{folder.path(), "all/"};
  REQUIRE(source.size() == 12);
  CHECK(source.id(3) == "all/a/13.png");
  std::array<bool, 4> right{};
  {
    std::vector<std::jthread> threads;
    threads.reserve(right.size());
    for (bool& ok : right) {
      threads.emplace_back([&] {
        ok = true;
        for (int i = 0; i < 12; ++i) {
          const auto image = source.decode(i);
          ok = ok && image.width == 3 + i && image.height == 5 && image.rgb[2] == 3 * i;
        }
      });
    }
  }
  CHECK(right == std::array<bool, 4>{true, true, true, true});
}

TEST_CASE("imagenet: synset folders in order, names from the meta list") {
  const Folder folder;
  CHECK_THAT(problems_of(d2c::ImageNet{}, DataConfig{}), Contains("found an empty string"));
  auto config = config_at(folder.path());
  CHECK_THAT(problems_of(d2c::ImageNet{}, config),
             Contains("a folder train") && Contains("val, validation or test"));
  std::string names;
  const std::string image = flat_png(300, 256, {5, 6, 7});
  for (int i = 0; i < 1000; ++i) {
    char synset[16];
    std::snprintf(synset, sizeof synset, "n%08d", 1440764 + 13 * i);
    place(folder / "train" / synset / (std::string(synset) + "_1.JPEG"), image);
    fs::create_directories(folder / "val" / synset);
    names = std::string(synset) + " first " + std::to_string(i) + ", second name\n" + names;
  }
  CHECK(problems_of(d2c::ImageNet{}, config).empty());
  const auto plain = open_images(d2c::ImageNet{}, config, Split::train);
  CHECK(plain->size() == 1000);
  CHECK(plain->class_names()[1] == "n01440777");
  CHECK(plain->id(0) == "train/n01440764/n01440764_1.JPEG");
  CHECK(plain->decode(7).width == 300);
  written(folder / "LOC_synset_mapping.txt", names);
  const auto named = open_images(d2c::ImageNet{}, config, Split::train);
  CHECK(named->class_names()[0] == "first 0");
  CHECK(named->class_names()[999] == "first 999");
  CHECK(named->label(999) == 999);
  written(folder / "LOC_synset_mapping.txt", names.substr(names.find('\n') + 1));
  CHECK_THROWS_WITH(open_images(d2c::ImageNet{}, config, Split::train), Contains("a line for"));
  written(folder / "LOC_synset_mapping.txt", "n01440764\n" + names);
  CHECK_THROWS_WITH(open_images(d2c::ImageNet{}, config, Split::train),
                    Contains("LOC_synset_mapping.txt:1"));
  fs::rename(folder / "train/n01440764", folder / "train/tench");
  CHECK_THAT(problems_of(d2c::ImageNet{}, config), Contains("found \"tench\""));
}

TEST_CASE("image files: the test split is asked for only where it is read") {
  const Folder folder;
  auto config = config_at(folder.path());
  config.classes = 1;
  config.image_size = 8;
  const auto expect = [&](auto tag) {
    CHECK_THAT(problems_of(tag, config), Contains("val, validation or test"));
    CHECK(problems_of(tag, config, false).empty());
  };
  place(folder / "train/n01440764/1.png", flat_png(8, 8, {1, 1, 1}));
  expect(d2c::ImageNetSubset<1, 8>{});
  expect(d2c::ImageFolder<>{});
  written(folder / "train/0.tar", tar_end);
  expect(d2c::WebDataset<>{});
  // One that is there and is not read may be of any kind.
  fs::create_directories(folder / "val/other");
  CHECK_THAT(problems_of(d2c::ImageNetSubset<1, 8>{}, config), Contains("found \"other\""));
  CHECK(problems_of(d2c::ImageNetSubset<1, 8>{}, config, false).empty());
}

TEST_CASE("data sets: roots that cannot be followed are problems, not exceptions of the library") {
  const Folder folder;
  const fs::path loop = folder / "loop";
  fs::create_symlink(loop, loop);
  // Once where the root is one problem, else for every file that is missed there.
  const auto expect = [](const DataConfig& config, auto tag, std::size_t count) {
    INFO(tag.name << " in " << config.root);
    d2c::Problems problems;
    check_images(tag, config, problems);
    CHECK(problems.list().size() == count);
    if constexpr (requires { open_images(tag, config, Split::train); }) {
      CHECK_THROWS_AS(open_images(tag, config, Split::train), d2c::InputError);
      CHECK_THROWS_AS(open_images(tag, config, Split::test), d2c::InputError);
    } else {
      CHECK_THROWS_AS(load_images(tag, config, Split::train), d2c::InputError);
      CHECK_THROWS_AS(load_images(tag, config, Split::test), d2c::InputError);
    }
  };
  for (const fs::path& root : {loop, loop / "below", folder / std::string(300, 'x')}) {
    const auto config = config_at(root);
    expect(config, d2c::ImageFolder<2, 8>{}, 1);
    expect(config, d2c::ImageNetSubset<2, 8>{}, 1);
    expect(config, d2c::WebDataset<2, 8>{}, 1);
    expect(config, d2c::NpzImages<2, 8>{}, 2);
    expect(config, d2c::Cifar10{}, 6);
    expect(config, d2c::Cifar100{}, 2);
    expect(config, d2c::FashionMNIST{}, 4);
  }

  // Links in a sound root.
  const fs::path root = folder / "root";
  fs::create_directories(root);
  for (const char* name :
       {"train", "val", "classes.txt", "cifar-10-batches-bin", "train-images-idx3-ubyte.gz"}) {
    fs::create_symlink(name, root / name);
  }
  const auto config = config_at(root);
  expect(config, d2c::ImageFolder<2, 8>{}, 1);
  expect(config, d2c::ImageNetSubset<2, 8>{}, 2);
  expect(config, d2c::WebDataset<2, 8>{}, 3);
  expect(config, d2c::NpzImages<2, 8>{}, 3);
  expect(config, d2c::Cifar10{}, 6);
  expect(config, d2c::FashionMNIST{}, 4);
  CHECK_THAT(problems_of(d2c::NpzImages<2, 8>{}, config),
             Contains("classes.txt: expected a readable file"));
}

TEST_CASE("imagenet: a subset has its own classes and size") {
  using Three = d2c::ImageNetSubset<3, 512>;
  STATIC_REQUIRE(Three::name == "ImageNetSubset<3, 512>");
  STATIC_REQUIRE((Three::classes == 3 && Three::height == 512 && Three::width == 512));
  STATIC_REQUIRE(d2c::DatasetPolicy<Three>);
  const Folder folder;
  const auto config = config_at(folder.path());
  CHECK_THAT(problems_of(Three{}, DataConfig{}), Contains("the folder of ImageNetSubset<3, 512>"));
  for (const char* synset : {"n02119022", "n01440764", "n01514668"}) {
    place(folder / "train" / synset / "one.JPEG", flat_png(9, 9, {1, 2, 3}));
    fs::create_directories(folder / "val" / synset);
  }
  CHECK(problems_of(Three{}, config).empty());
  const auto source = open_images(Three{}, config, Split::train);
  CHECK(source->class_names() == std::vector<std::string>{"n01440764", "n01514668", "n02119022"});
  CHECK_THAT(problems_of(d2c::ImageNetSubset<4>{}, config),
             Contains("expected 4 folders, one for each synset, found 3"));
}

TEST_CASE("tar: names, folders and the end are as the formats say") {
  const std::string long_name = std::string(120, 'd') + "/file.png";
  const auto path_record = [](const std::string& name) {
    std::string text = " path=" + name + "\n";
    for (std::size_t length = text.size() + 1;; ++length) {
      if (std::to_string(length).size() + text.size() == length) {
        return std::to_string(length) + text;
      }
    }
  };
  std::string prefixed = member("file.jpg", "abc");
  prefixed.replace(345, 6, "folder");
  sum(prefixed);
  std::string wide = member("wide", "xyz");
  wide.replace(124, 12, std::string("\x80\0\0\0\0\0\0\0\0\0\0\x03", 12));
  sum(wide);
  const std::string good =
      member("folder/", "", '5') + prefixed + member("././@LongLink", long_name + '\0', 'L') +
      member("short", "1") + member("PaxHeaders/x", path_record("./ä.png"), 'x') +
      member("other", "22") + member("global", "21 comment=something\n", 'g') + wide + tar_end;
  const auto entries = listed(good);
  REQUIRE(entries.size() == 4);
  CHECK(entries[0].name == "folder/file.jpg");
  CHECK(entries[1].name == long_name);
  CHECK(entries[2].name == "ä.png");
  CHECK(entries[3].name == "wide");
  CHECK(entries[3].bytes.size() == 3);
  CHECK(entries[2].bytes[1] == std::byte{'2'});
  CHECK(listed(tar_end).empty());

  std::string dots;
  for (int i = 0; i < 100'000; ++i) {
    dots += "./";
  }
  const auto behind =
      listed(member("h", dots + "b./.c.png" + '\0', 'L') + member("short", "1") + tar_end);
  REQUIRE(behind.size() == 1);
  CHECK(behind[0].name == "b./.c.png");
}

TEST_CASE("tar: wrong archives are refused in one sentence") {
  const std::string one = member("a.png", std::string(600, 'x'));
  std::string wrong_sum = one + tar_end;
  wrong_sum[0] = 'b';
  std::string damaged = one + tar_end;
  damaged[125] = 'z';
  sum(damaged);
  std::string negative = one + tar_end;
  negative.replace(124, 12, std::string(12, '\xff'));
  sum(negative);
  std::string huge = one + tar_end;
  huge.replace(124, 12, std::string("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12));
  sum(huge);

  struct Case {
    const char* what;
    std::string bytes;
    const char* message;
  };

  const Case cases[] = {
      {"nothing", "", "a truncated archive"},
      {"a wrong checksum", wrong_sum, "checksum"},
      {"letters in a number", damaged, "octal"},
      {"a negative size", negative, "octal"},
      {"a size beyond the file", huge, "truncated"},
      {"no end mark", one, "block of zeros"},
      {"a cut member", one.substr(0, 700), "truncated"},
      {"cut padding", one.substr(0, 1200), "truncated"},
      {"a way out", member("a/../../b.png", "") + tar_end, "\"a/../../b.png\""},
      {"an absolute name", member("/etc/passwd", "") + tar_end, "\"/etc/passwd\""},
      {"a link", member("a.png", "", '2') + tar_end, "the link \"a.png\""},
      {"a device", member("a.png", "", '3') + tar_end, "special file"},
      {"a broken record", member("h", "99 path=x\n", 'x') + one + tar_end, "whole records"},
      {"a sparse file", member("h", "22 GNU.sparse.major=1\n", 'x') + one + tar_end, "sparse"},
      {"a gzip file", "\x1f\x8b\x08 and so on", "gzipped"},
      {"text", std::string(2000, 't'), "octal"},
  };
  for (const Case& wrong : cases) {
    INFO(wrong.what);
    CHECK_THROWS_AS(listed(wrong.bytes), d2c::InputError);
    CHECK_THROWS_WITH(listed(wrong.bytes), Contains("a shard: expected a tar archive") &&
                                               Contains(wrong.message) && !Contains("\n"));
  }
  const std::string whole = member("h", "16 path=ab/c.d\n", 'x') + one + tar_end;
  for (std::size_t length = 0; length < whole.size() - 512; ++length) {
    CHECK_THROWS_AS(listed(whole.substr(0, length)), d2c::InputError);
  }
  for (std::size_t at = 0; at < 512; ++at) {
    for (const char c : {'\0', '7', 'x', '\xff'}) {
      std::string flipped = whole;
      flipped[at] = c;
      sum(flipped);
      try {
        listed(flipped);
      } catch (const d2c::InputError&) {
      }
    }
  }
}

TEST_CASE("webdataset: files of one key are a sample") {
  const Folder folder;
  const std::string red = flat_png(4, 4, {255, 0, 0});
  place(folder / "train/shard-1.tar", member("./a/0.png", red) + member("./a/0.cls", " 1\n") +
                                          member("./a/1.json", R"({"label": 0, "text": "x"})") +
                                          member("./a/1.seg.PNG", red) +
                                          member("README", "no key") + member(".hidden", "none") +
                                          member("notes.md", "text") + tar_end);
  place(folder / "train/shard-0.tar",
        member("a/0.cls", "2") + member("a/0.json", "broken") + member("a/0.jpg", red) + tar_end);
  place(folder / "test/x.tar", member("k.png", red) + member("k.cls", "0") + tar_end);
  written(folder / "classes.txt", "first\nsecond\r\nthird");
  const auto config = config_at(folder.path());
  using Set = d2c::WebDataset<3, 4>;
  CHECK(problems_of(Set{}, config).empty());
  const auto source = open_images(Set{}, config, Split::train);
  REQUIRE(source->size() == 3);
  CHECK(source->id(0) == "shard-0.tar/a/0");
  CHECK(source->id(1) == "shard-1.tar/a/0");
  CHECK(source->id(2) == "shard-1.tar/a/1");
  CHECK(source->label(0) == 2);
  CHECK(source->label(1) == 1);
  CHECK(source->label(2) == 0);
  CHECK(source->class_names() == std::vector<std::string>{"first", "second", "third"});
  CHECK(source->decode(0).rgb[0] == 255);
  CHECK(source->decode(0).rgb[1] == 0);
  CHECK(open_images(Set{}, config, Split::test)->size() == 1);
  written(folder / "classes.txt", "first\nsecond\n");
  CHECK_THAT(problems_of(Set{}, config), Contains("3 class names") && Contains("found 2"));

  // Shards in the root itself, told apart by their names.
  const Folder flat;
  CHECK_THAT(problems_of(Set{}, config_at(flat.path())),
             Contains("training split") && Contains("test split"));
  place(flat / "set-train-0.tar", member("k.png", red) + member("k.cls", "0") + tar_end);
  place(flat / "set-val-0.tar", member("k.png", red) + member("k.cls", "1") + tar_end);
  CHECK(open_images(Set{}, config_at(flat.path()), Split::train)->label(0) == 0);
  CHECK(open_images(Set{}, config_at(flat.path()), Split::test)->label(0) == 1);
}

TEST_CASE("webdataset: wrong samples are refused with shard and key") {
  const Folder folder;
  const std::string image = flat_png(2, 2, {1, 2, 3});

  struct Case {
    std::string members;
    const char* message;
  };

  const Case cases[] = {
      {member("k.cls", "0"), "an image for \"k\", found none"},
      {member("k.png", image), "a class in a .cls or .json"},
      {member("k.png", image) + member("k.cls", "x"), "a class number in its .cls"},
      {member("k.png", image) + member("k.cls", "-1"), "a class number in its .cls"},
      {member("k.png", image) + member("k.cls", "2"), "a class below 2 for \"k\", found 2"},
      {member("k.png", image) + member("k.json", "[1]"), "a JSON object"},
      {member("k.png", image) + member("k.json", R"({"label": 1.5})"), "a JSON object"},
      {member("k.png", image) + member("k.json", R"({"label": 18446744073709551615})"), "below 2"},
      {member("k.png", image) + member("k.jpg", image) + member("k.cls", "0"), "besides another"},
      {member("k.png", image) + member("k.cls", "0") + member("j.png", image) +
           member("j.cls", "0") + member("k.png", image),
       "\"k\" twice"},
  };
  for (const Case& wrong : cases) {
    INFO(wrong.message);
    const auto path = written(folder / "s.tar", wrong.members + tar_end);
    const auto open = [&] { return d2c::WebDatasetSource{{path}, {"a", "b"}}; };
    CHECK_THROWS_AS(open(), d2c::InputError);
    CHECK_THROWS_WITH(open(), Contains("s.tar: expected") && Contains(wrong.message));
  }
  const auto path = written(folder / "s.tar",
                            member("k.png", image.substr(0, 40)) + member("k.cls", "0") + tar_end);
  const d2c::WebDatasetSource source{{path}, {"a"}};
  CHECK_THROWS_WITH(source.decode(0), Contains("s.tar/k: expected a sound PNG"));
  CHECK_THROWS_WITH((d2c::WebDatasetSource{{path, path}, {"a"}}), Contains("distinct names"));
}

TEST_CASE("npz images: arrays become planes; others are refused") {
  const Folder folder;
  std::vector<std::uint8_t> pixels(3 * 2 * 2 * 3);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<std::uint8_t>(i);
  }
  const std::vector<std::int64_t> labels{1, 0, 1};
  const std::vector<std::int16_t> narrow{1, 0, 1};
  const std::vector<float> floats{1, 0, 1};
  const auto images = [&](const std::vector<std::int64_t>& shape) {
    return d2c::NpzArray{"arr_0", d2c::DType::U8, shape, std::as_bytes(std::span(pixels))};
  };
  const d2c::NpzArray wide{"arr_1", d2c::DType::I64, {3}, std::as_bytes(std::span(labels))};
  const d2c::NpzArray slim{"arr_1", d2c::DType::I16, {3}, std::as_bytes(std::span(narrow))};
  using Set = d2c::NpzImages<2, 2>;
  const auto config = config_at(folder.path());
  CHECK_THAT(problems_of(Set{}, config), Contains("train.npz") && Contains("val.npz"));
  d2c::write_npz(folder / "train.npz", {images({3, 2, 2, 3}), wide});
  d2c::write_npz(folder / "test.npz", {images({3, 2, 2, 3}), slim});
  CHECK(problems_of(Set{}, config).empty());
  const auto set = load_images(Set{}, config, Split::train);
  REQUIRE(set.size() == 3);
  CHECK(set.labels == std::vector<std::int32_t>{1, 0, 1});
  CHECK(set.class_names == std::vector<std::string>{"0", "1"});
  CHECK(set.ids[2] == "train/000002");
  // Channel 1 of image 1: every third byte from 12 + 1.
  CHECK(std::vector<int>(set.image(1) + 4, set.image(1) + 8) == std::vector<int>{13, 16, 19, 22});
  CHECK(load_images(Set{}, config, Split::test).pixels == set.pixels);
  auto one = config;
  one.limit_per_class = 1;
  CHECK(load_images(Set{}, one, Split::train).labels == std::vector<std::int32_t>{1, 0});

  d2c::write_npz(folder / "train.npz", {images({3, 3, 4}), wide});
  CHECK(load_images(d2c::NpzImages<2, 3, 4, 1>{}, config, Split::train).image(1)[0] == 12);
  CHECK_THROWS_WITH(load_images(Set{}, config, Split::train),
                    Contains("arr_0 as U8 [n, 2, 2, 3], found U8 [3, 3, 4]"));
  d2c::write_npz(
      folder / "train.npz",
      {images({3, 2, 2, 3}), {"arr_1", d2c::DType::F32, {3}, std::as_bytes(std::span(floats))}});
  CHECK_THROWS_WITH(load_images(Set{}, config, Split::train),
                    Contains("whole numbers [3], found F32 [3]"));
  d2c::write_npz(folder / "train.npz", {images({3, 2, 2, 3})});
  CHECK_THROWS_AS(load_images(Set{}, config, Split::train), d2c::InputError);
  d2c::write_npz(folder / "train.npz", {images({3, 2, 2, 3}), wide});
  CHECK_THROWS_WITH(load_images(d2c::NpzImages<1, 2>{}, config, Split::train),
                    Contains("labels 0 to 0, found 1 for image 0"));
}

TEST_CASE("npy: an empty array has a shape whose strides are numbers") {
  const Folder folder;
  const auto of = [&](const std::vector<std::int64_t>& shape) {
    d2c::write_npy(folder / "a.npy", d2c::DType::U8, shape, {});
    return d2c::NpyFile{folder / "a.npy"}.array().shape;
  };
  CHECK(of({4, 0, 3}) == std::vector<std::int64_t>{4, 0, 3});
  for (const std::size_t zero : {0, 10, 19}) {
    std::vector<std::int64_t> huge(20, 100);
    huge[zero] = 0;
    CHECK_THROWS_AS(of(huge), d2c::InputError);
    CHECK_THROWS_WITH(of(huge),
                      Contains("a shape of at most 2^63 bytes, found (") && Contains("100"));
  }
}

TEST_CASE("npz images: no cut and no flipped byte does more than throw InputError") {
  const Folder folder;
  const std::vector<std::uint8_t> pixels(2 * 2 * 2 * 3, 7);
  const std::vector<std::int64_t> labels{1, 0};
  d2c::write_npz(folder / "train.npz",
                 {{"arr_0", d2c::DType::U8, {2, 2, 2, 3}, std::as_bytes(std::span(pixels))},
                  {"arr_1", d2c::DType::I64, {2}, std::as_bytes(std::span(labels))}});
  const std::string whole = content(folder / "train.npz");
  const auto config = config_at(folder.path());
  const auto load = [&] { return load_images(d2c::NpzImages<2, 2>{}, config, Split::train); };
  REQUIRE(load().size() == 2);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    written(folder / "train.npz", whole.substr(0, length));
    CHECK_THROWS_AS(load(), d2c::InputError);
  }
  std::size_t read = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ (at % 2 == 0 ? 0xff : 0x01));
    written(folder / "train.npz", flipped);
    try {
      const auto set = load();
      CHECK(set.pixels.size() == 12 * set.labels.size());
      ++read;
    } catch (const d2c::InputError&) {
    }
  }
  CHECK(read < whole.size());
}

TEST_CASE("data sets: [data] dataset names each, and open ones take their sizes from [data]") {
  d2c::Problems problems;
  DataConfig config;
  config.codec = "pixels";
  using Open = d2c::Pipeline<d2c::Selector<d2c::Random, d2c::PerClass<1>>>;
  for (const auto& [name, classes, size] :
       {std::tuple{"cifar-10", 10, 32}, std::tuple{"cifar-100", 100, 32},
        std::tuple{"cifar-100-coarse", 20, 32}}) {
    config.dataset = name;
    const auto facts = d2c::experiment_facts<Open>(config, problems);
    CHECK(facts.classes == classes);
    CHECK(facts.latent_height == size);
    CHECK(facts.latent_channels == 3);
  }
  CHECK(problems.empty());
  config.dataset = "image-folder";
  d2c::experiment_facts<Open>(config, problems);
  CHECK_THAT(problems.text(), Contains("[data] classes") && Contains("[data] image_size"));
  d2c::Problems none;
  config.classes = 7;
  config.image_size = 48;
  for (const char* name : {"image-folder", "webdataset", "npz"}) {
    config.dataset = name;
    const auto facts = d2c::experiment_facts<Open>(config, none);
    CHECK(facts.classes == 7);
    CHECK(facts.latent_width == 48);
  }
  CHECK(none.empty());
  config.dataset = "cifar-10";
  d2c::experiment_facts<Open>(config, none);
  CHECK_THAT(none.text(), Contains("none or 10") && Contains("found 7"));
}
