/// PyTorch checkpoints without PyTorch: the real EfficientNet-Lite0 file, and pickles and zip files
/// written by hand. Oracles: the file's published facts (296 tensors, 4 652 008 parameters);
/// Python's pickletools for the opcodes.

#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/io/torch_checkpoint.hpp>

namespace {

namespace fs = std::filesystem;
using namespace std::string_literals;
using Catch::Matchers::Contains;
using Folder = d2c_test::ScratchFolder;
using d2c_test::written;

template <class T>
std::string raw(T value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::string text(const std::string& value) {
  return "X" + raw(static_cast<std::uint32_t>(value.size())) + value;
}

std::string integer(std::int64_t value) {
  return "\x8a\x08"s + raw(value);
}

std::string tuple(const std::vector<std::int64_t>& values) {
  std::string bytes = "(";
  for (const auto value : values) {
    bytes += integer(value);
  }
  return bytes + "t";
}

/// A storage of `count` elements under `key`.
std::string storage(const std::string& type, const std::string& key, std::int64_t count) {
  return "(" + text("storage") + "ctorch\n" + type + "\n" + text(key) + text("cpu") +
         integer(count) + "tQ";
}

std::string tensor(const std::string& stored, std::int64_t offset,
                   const std::vector<std::int64_t>& shape,
                   const std::vector<std::int64_t>& strides) {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + stored + integer(offset) + tuple(shape) +
         tuple(strides) + "\x89" + "ccollections\nOrderedDict\n)RtR";
}

std::string pickle(const std::string& body) {
  return "\x80\x02" + body + ".";
}

/// A legacy file: magic, protocol, system facts, object, keys, storages.
std::string legacy(const std::string& object, const std::vector<std::string>& keys = {},
                   const std::string& storages = {}) {
  std::string file = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."s;
  file += pickle("M"s + raw(std::uint16_t{1001}));
  file += pickle("}" + text("little_endian") + "\x88s");
  file += pickle(object);
  std::string list = "](";
  for (const auto& key : keys) {
    list += text(key);
  }
  return file + pickle(list + "e") + storages;
}

std::string floats(const std::vector<float>& values) {
  std::string bytes = raw(static_cast<std::int64_t>(values.size()));
  for (const float value : values) {
    bytes += raw(value);
  }
  return bytes;
}

struct ZipEntry {
  std::string name;
  std::string data;
  std::uint16_t method = 0;
};

/// A zip file, with zip64 fields throughout if asked.
std::string zip_of(const std::vector<ZipEntry>& entries, bool wide = false) {
  std::string file;
  std::string directory;
  for (const auto& entry : entries) {
    const std::uint64_t offset = file.size();
    const auto size = static_cast<std::uint32_t>(entry.data.size());
    const auto names = static_cast<std::uint16_t>(entry.name.size());
    const std::string local_extra = "FB"s + raw(std::uint16_t{3}) + "ZZZ";
    file += "PK\x03\x04"s + raw(std::uint16_t{20}) + raw(std::uint16_t{0}) + raw(entry.method) +
            raw(std::uint32_t{0}) + raw(std::uint32_t{0}) + raw(size) + raw(size) + raw(names) +
            raw(static_cast<std::uint16_t>(local_extra.size())) + entry.name + local_extra +
            entry.data;
    const std::string extra = wide ? raw(std::uint16_t{1}) + raw(std::uint16_t{24}) +
                                         raw(std::uint64_t{size}) + raw(std::uint64_t{size}) +
                                         raw(offset)
                                   : ""s;
    const std::uint32_t narrow_size = wide ? ~0U : size;
    directory += "PK\x01\x02"s + raw(std::uint32_t{0}) + raw(std::uint16_t{0}) + raw(entry.method) +
                 raw(std::uint32_t{0}) + raw(std::uint32_t{0}) + raw(narrow_size) +
                 raw(narrow_size) + raw(names) + raw(static_cast<std::uint16_t>(extra.size())) +
                 raw(std::uint16_t{0}) + raw(std::uint32_t{0}) + raw(std::uint32_t{0}) +
                 raw(wide ? ~0U : static_cast<std::uint32_t>(offset)) + entry.name + extra;
  }
  const std::uint64_t at = file.size();
  const auto count = static_cast<std::uint16_t>(entries.size());
  file += directory;
  if (wide) {
    const std::uint64_t record = file.size();
    file += "PK\x06\x06"s + raw(std::uint64_t{44}) + raw(std::uint32_t{0}) + raw(std::uint64_t{0}) +
            raw(std::uint64_t{count}) + raw(std::uint64_t{count}) +
            raw(std::uint64_t{directory.size()}) + raw(at);
    file += "PK\x06\x07"s + raw(std::uint32_t{0}) + raw(record) + raw(std::uint32_t{1});
  }
  return file + "PK\x05\x06"s + raw(std::uint32_t{0}) + raw(wide ? std::uint16_t(0xffff) : count) +
         raw(wide ? std::uint16_t(0xffff) : count) +
         raw(wide ? ~0U : static_cast<std::uint32_t>(directory.size())) +
         raw(wide ? ~0U : static_cast<std::uint32_t>(at)) + raw(std::uint16_t{0});
}

std::vector<float> values(const d2c::TorchCheckpoint& checkpoint, const std::string& name) {
  const auto& stored = checkpoint.tensor(name);
  REQUIRE(stored.dtype == d2c::DType::F32);
  std::vector<float> copy(static_cast<std::size_t>(stored.count()));
  stored.copy_to(std::as_writable_bytes(std::span(copy)));
  return copy;
}

std::string dict(const std::vector<std::pair<std::string, std::string>>& entries) {
  std::string bytes = "}(";
  for (const auto& [key, value] : entries) {
    bytes += text(key) + value;
  }
  return bytes + "u";
}

const std::string six = floats({0, 1, 2, 3, 4, 5});

std::string simple() {
  return tensor(storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1});
}

} // namespace

TEST_CASE("checkpoint: views, transposes and expansions of one storage") {
  const Folder folder;
  const std::string stored = storage("FloatStorage", "0", 6);
  constexpr auto most = std::numeric_limits<std::int64_t>::max();
  const auto object = dict({{"whole", tensor(stored, 0, {2, 3}, {3, 1})},
                            {"turned", tensor(stored, 0, {3, 2}, {1, 3})},
                            {"column", tensor(stored, 1, {2}, {3})},
                            {"scalar", tensor(stored, 5, {}, {})},
                            {"wide", tensor(stored, 2, {2, 2}, {0, 1})},
                            {"nothing", tensor(stored, 6, {0, 3}, {3, 1})},
                            {"ones", tensor(stored, 2, {1, 2, 1}, {most, 3, most})}});
  const d2c::TorchCheckpoint file{written(folder / "a.pth", legacy(object, {"0"}, six))};
  CHECK(file.names() ==
        std::vector<std::string>{"whole", "turned", "column", "scalar", "wide", "nothing", "ones"});
  CHECK(values(file, "whole") == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(values(file, "turned") == std::vector<float>{0, 3, 1, 4, 2, 5});
  CHECK(values(file, "column") == std::vector<float>{1, 4});
  CHECK(values(file, "scalar") == std::vector<float>{5});
  CHECK(values(file, "wide") == std::vector<float>{2, 3, 2, 3});
  CHECK(values(file, "nothing").empty());
  CHECK(values(file, "ones") == std::vector<float>{2, 5});
  CHECK_FALSE(file.tensor("turned").contiguous());
  CHECK_THROWS_WITH(file.tensor("bias"), Contains("a.pth") && Contains("\"bias\""));
}

TEST_CASE("checkpoint: nested containers give dotted names and can be chosen") {
  const Folder folder;
  const auto object =
      dict({{"model", dict({{"a.weight", simple()}})},
            {"ema", dict({{"a.weight", simple()}})},
            {"list", "](" + simple() + simple() + "e"},
            {"epoch", integer(3)},
            {"rate", "G"s + "\x3f\xf0\0\0\0\0\0\0"s},
            {"args", "cargparse\nNamespace\n)\x81" + dict({{"lr", integer(1)}}) + "b"}});
  const auto path = written(folder / "a.pth", legacy(object, {"0"}, six));
  CHECK(d2c::TorchCheckpoint{path}.names() ==
        std::vector<std::string>{"model.a.weight", "ema.a.weight", "list.0", "list.1"});
  CHECK(d2c::TorchCheckpoint{path, "ema"}.names() == std::vector<std::string>{"a.weight"});
  CHECK_THROWS_WITH((d2c::TorchCheckpoint{path, "state_dict"}),
                    Contains("\"state_dict\"") && Contains("\"model\", \"ema\""));
  CHECK_THROWS_WITH((d2c::TorchCheckpoint{path, "args"}), Contains("found none"));
  CHECK_THROWS_WITH((d2c::TorchCheckpoint{path, "mod"}), Contains("found none"));
  CHECK(d2c::TorchCheckpoint{path, "list.1"}.names() == std::vector<std::string>{"tensor"});
  CHECK(d2c::TorchCheckpoint{path, "model.a"}.names() == std::vector<std::string>{"weight"});
}

TEST_CASE("checkpoint: foreign objects are never called and do not hide the tensors") {
  const Folder folder;
  const auto marker = folder / "called";
  const std::string call = "cos\nsystem\n(" + text("touch " + marker.string()) + "tR";
  const auto object = dict({{"evil", call},
                            {"twice", "cbuiltins\neval\n(" + text("1/0") + "tR)R"},
                            {"built", call + dict({{"x", integer(1)}}) + "b"},
                            {"subclass", "cmine\nDict\n)\x81(" + text("k") + integer(1) + "u"},
                            {"w", simple()}});
  const d2c::TorchCheckpoint file{written(folder / "a.pth", legacy(object, {"0"}, six))};
  CHECK(file.names() == std::vector<std::string>{"w"});
  CHECK_FALSE(fs::exists(marker));
  CHECK_THROWS_WITH(d2c::TorchCheckpoint{written(folder / "b.pth", legacy(call))},
                    Contains("found none"));
  CHECK_FALSE(fs::exists(marker));
  const auto sparse = dict({{"s", "ctorch._utils\n_rebuild_sparse_tensor\n)R"}});
  CHECK_THROWS_WITH(d2c::TorchCheckpoint{written(folder / "c.pth", legacy(sparse))},
                    Contains("\"s\" to be dense") && Contains("_rebuild_sparse_tensor"));
}

TEST_CASE("checkpoint: cycles, deep nesting and bombs of references are refused") {
  const Folder folder;
  const auto refused = [&](const std::string& object, const std::string& message) {
    const auto path = written(folder / "bad.pth", legacy(object, {"0"}, six));
    CHECK_THROWS_AS(d2c::TorchCheckpoint{path}, d2c::InputError);
    CHECK_THROWS_WITH(d2c::TorchCheckpoint{path}, Contains("bad.pth") && Contains(message));
  };
  // d = {}; d["model"] = [d]; d["w"] = tensor
  const std::string tensor_entry = text("w") + simple() + "u";
  refused("}q\x07(" + text("model") + "](h\x07" + "e" + tensor_entry,
          "found \"model.0\" to be one");
  // The cycle counts where tensors are looked for alone.
  const auto beside =
      "}(" + text("w") + simple() + text("log") + "}q\x07(" + text("me") + "h\x07uu";
  const auto path = written(folder / "beside.pth", legacy(beside, {"0"}, six));
  CHECK(d2c::TorchCheckpoint{path, "w"}.names() == std::vector<std::string>{"tensor"});
  // A million nested lists neither recurse on reading nor on destruction.
  refused("}(" + text("deep") + std::string(1'000'000, ']') + std::string(999'999, 'a') +
              tensor_entry,
          "at most 64 levels");
  // Thirty lists, each holding the next one eight times, are 8^30 paths.
  const auto laughs = [](std::string all) {
    all += "q\x01";
    for (int i = 2; i < 32; ++i) {
      const std::string get = "h"s + static_cast<char>(i - 1);
      all += "0](" + get + get + get + get + get + get + get + get + "eq" + static_cast<char>(i);
    }
    return all;
  };
  refused("}(" + text("laughs") + laughs("]") + tensor_entry, "at most 10000000 values");
  refused("}(" + text("laughs") + laughs(simple()) + tensor_entry, "at most 1000000 tensors");
  // Long names count, too.
  std::string names = text(std::string(1 << 20, 'n')) + "q\x01" + "0]q\x02";
  for (int i = 3; i < 40; ++i) {
    names += "0}(h\x01h"s + static_cast<char>(i - 1) + "uq" + static_cast<char>(i);
  }
  refused("}(" + text("names") + names + tensor_entry, "at most 10000000 values");
}

TEST_CASE("checkpoint: strided tensors count with all that lies between their elements") {
  const Folder folder;
  // Each takes the first and the last of eight million bytes: 500 of them stay below 4 GiB, and
  // below 16 times the file besides.
  constexpr std::int64_t count = 2'000'000;
  const std::string stored = storage("FloatStorage", "0", count);
  const std::string data = raw(count) + std::string(4 * count, '\0');
  const auto file = [&](int tensors) {
    std::vector<std::pair<std::string, std::string>> entries;
    for (int i = 0; i < tensors; ++i) {
      entries.emplace_back(std::to_string(i), tensor(stored, 0, {2}, {count - 1}));
    }
    return written(folder / "spans.pth", legacy(dict(entries), {"0"}, data));
  };
  CHECK(d2c::TorchCheckpoint{file(500)}.names().size() == 500);
  const auto path = file(600);
  CHECK_THROWS_AS(d2c::TorchCheckpoint{path}, d2c::InputError);
  CHECK_THROWS_WITH(d2c::TorchCheckpoint{path}, Contains("of at most 16 times the file and 4 GiB"));
}

TEST_CASE("checkpoint: a pickle that copies without end is refused before memory is gone") {
  const Folder folder;
  const auto refused = [&](const std::string& start, const std::string& again) {
    std::string object = start;
    for (int i = 0; i < 3000; ++i) {
      object += again;
    }
    CHECK_THROWS_WITH((d2c::TorchCheckpoint{written(folder / "a.pth", legacy(object + "}"))}),
                      Contains("more than 1073741824 bytes of objects"));
  };
  const std::string long_text = text(std::string(1 << 20, 'x')) + "q\x01";
  refused("c" + std::string(1 << 20, 'm') + "\nx\nq\x01", "h\x01)R0"); // names of what made it
  refused(long_text, "h\x01h\x01\x93"
                     "0"); // names put together
  std::string many = "](";
  for (int i = 0; i < 100'000; ++i) {
    many += "\x88\x88\x86";
  }
  many += "eq\x01";
  refused(many, "ccollections\nOrderedDict\nh\x01\x85R0");
  refused(many, "ctorch\nSize\nh\x01\x85R0");
}

TEST_CASE("checkpoint: what is not needed may be of any kind") {
  const Folder folder;
  const auto other = storage("ComplexDoubleStorage", "1", 2);
  const auto object = dict({{"ema", dict({{"w", simple()}})},
                            {"opt", dict({{"q", tensor(other, 0, {2}, {1})}})},
                            {"net", "(" + text("module") + "cmine\nNet\n" + text("net.py") +
                                        text("class Net: pass") + "tQ)\x81}b"}});
  const auto whole = legacy(object, {"0", "1"}, six + raw(std::int64_t{2}) + std::string(32, 'x'));
  const auto path = written(folder / "a.pth", whole);
  CHECK(values(d2c::TorchCheckpoint{path, "ema"}, "w").size() == 6);
  CHECK(d2c::TorchCheckpoint{path}.names() == std::vector<std::string>{"ema.w"});
  // Storages of a GPU, and other protocols of the stream.
  const auto gpu = tensor(storage("cuda.FloatStorage", "0", 6), 0, {6}, {1});
  std::string framed = legacy(dict({{"w", gpu}}), {"0"}, six);
  framed.replace(0, 2, "\x80\x04\x95"s + raw(std::uint64_t{13}));
  CHECK(values(d2c::TorchCheckpoint{written(folder / "b.pth", framed)}, "w").size() == 6);
  // A whole network instead of its state dict.
  const auto network = "ctorch.nn.modules.linear\nLinear\n)\x81}(" + text("w") + simple() + "ub";
  CHECK_THROWS_WITH((d2c::TorchCheckpoint{written(folder / "c.pth", legacy(network, {"0"}, six))}),
                    Contains("torch.nn.modules.linear.Linear (save its state_dict() instead)"));
}

TEST_CASE("checkpoint: tensors of other kinds are not there, and say why when they are asked for") {
  const Folder folder;
  const std::string newer = "ctorch._utils\n_rebuild_tensor_v3\n(" +
                            storage("storage.UntypedStorage", "2", 8) + integer(0) + tuple({2}) +
                            tuple({1}) + "\x89" + "ccollections\nOrderedDict\n)Rctorch\n";
  const auto object = dict(
      {{"ema", dict({{"w", simple()}})},
       {"opt", dict({{"sparse", "ctorch._utils\n_rebuild_sparse_tensor\n(" + simple() + "tR"},
                     {"quantised", "ctorch._utils\n_rebuild_qtensor\n(" +
                                       storage("QInt8Storage", "1", 2) + "tR"},
                     {"complex128", tensor(storage("ComplexDoubleStorage", "3", 1), 0, {1}, {1})},
                     {"complex32", newer + "complex32\ntR"},
                     {"parameter",
                      "ctorch._utils\n_rebuild_parameter\n(" + newer + "complex32\ntR\x89NtR"},
                     {"bits", newer + "bits8\ntR"}})}});
  const std::string storages = six + raw(std::int64_t{2}) + "qq" + raw(std::int64_t{8}) +
                               "complex3" + raw(std::int64_t{1}) + std::string(16, 'x');
  const d2c::TorchCheckpoint file{
      written(folder / "a.pth", legacy(object, {"0", "1", "2", "3"}, storages))};
  CHECK(file.names() == std::vector<std::string>{"ema.w"});
  CHECK(values(file, "ema.w") == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(file.unreadable().size() == 6);
  const std::pair<const char*, const char*> reasons[] = {
      {"opt.sparse", "found one made by torch._utils._rebuild_sparse_tensor"},
      {"opt.quantised", "found one made by torch._utils._rebuild_qtensor"},
      {"opt.complex128", "found one in a storage of the type torch.ComplexDoubleStorage"},
      {"opt.complex32", "found one of the dtype torch.complex32"},
      {"opt.parameter", "found one of the dtype torch.complex32"},
      {"opt.bits", "found one of the dtype torch.bits8"},
  };
  for (const auto& [name, reason] : reasons) {
    INFO(name);
    CHECK_FALSE(file.has(name));
    CHECK_THROWS_AS(file.tensor(name), d2c::InputError);
    CHECK_THROWS_WITH(file.tensor(name),
                      Contains("a.pth: expected tensor \"" + std::string(name)) &&
                          Contains(reason));
  }
  // Where there is nothing else, that is said.
  CHECK_THROWS_WITH((d2c::TorchCheckpoint{file.path(), "opt.bits"}), Contains("torch.bits8"));

  // A class of storages that comes later than this library: a zip file says how long each is.
  const auto later = tensor(storage("LaterStorage", "9", 3), 0, {3}, {1});
  const auto both = dict({{"w", simple()}, {"opt", dict({{"later", later}})}});
  const d2c::TorchCheckpoint zip{written(
      folder / "b.pt",
      zip_of({{"m/data.pkl", pickle(both)}, {"m/data/0", six.substr(8)}, {"m/data/9", "?"}}))};
  CHECK(zip.names() == std::vector<std::string>{"w"});
  CHECK_THROWS_WITH(zip.tensor("opt.later"), Contains("torch.LaterStorage"));
  // One name for two of them is refused as it is for tensors that can be read.
  const auto twice = dict({{"w", later}, {"w", simple()}});
  CHECK_THROWS_WITH(
      (d2c::TorchCheckpoint{written(
          folder / "c.pt", zip_of({{"m/data.pkl", pickle(twice)}, {"m/data/0", six.substr(8)}}))}),
      Contains("found \"w\" twice"));
}

TEST_CASE("checkpoint: arguments and optimizers that refer to themselves are no cycle") {
  const Folder folder;
  // args.parser = args; opt.state = [opt]; both are objects, which are not looked into.
  const auto object = dict(
      {{"w", simple()},
       {"args", "cargparse\nNamespace\n)\x81q\x01}(" + text("parser") + "h\x01" + text("all") +
                    "}q\x02(" + text("me") + "h\x02uub"},
       {"opt", "ctorch.optim.adamw\nAdamW\n)\x81q\x03}" + text("state") + "](h\x03" + "esb"},
       {"groups", "ccollections\ndefaultdict\ncbuiltins\nlist\n\x85R(" + text("a") + "]uq\x04"}});
  const d2c::TorchCheckpoint file{written(folder / "a.pth", legacy(object, {"0"}, six))};
  CHECK(file.names() == std::vector<std::string>{"w"});
}

TEST_CASE("checkpoint: a tensor has at most 64 extents, however many refer to it") {
  const Folder folder;
  const auto of = [&](std::size_t rank, int times) {
    const std::vector<std::int64_t> ones(rank, 1);
    std::string object = "](" + tensor(storage("FloatStorage", "0", 6), 0, ones, ones) + "q\x02";
    for (int i = 1; i < times; ++i) {
      object += "h\x02";
    }
    return written(folder / "a.pth", legacy(object + "e", {"0"}, six));
  };
  CHECK(d2c::TorchCheckpoint{of(64, 3)}.tensor("2").shape.size() == 64);
  CHECK_THROWS_WITH(d2c::TorchCheckpoint{of(65, 1)}, Contains("a tensor of 65 extents"));
}

TEST_CASE("checkpoint: zip files are read, zip64 too") {
  const Folder folder;
  const auto object = pickle(dict({{"w", simple()}}));
  const std::string data = six.substr(8);
  for (const bool wide : {false, true}) {
    const auto bytes = zip_of({{"model/data.pkl", object},
                               {"model/data/0", data},
                               {"model/byteorder", "little"},
                               {"model/version", "3\n"}},
                              wide);
    const d2c::TorchCheckpoint file{written(folder / "a.pt", bytes)};
    CHECK(values(file, "w") == std::vector<float>{0, 1, 2, 3, 4, 5});
    // However short a zip file is cut, it is refused and never read beyond its end.
    for (std::size_t size = 0; size < bytes.size(); size += 7) {
      const auto path = written(folder / "cut.pt", bytes.substr(0, size));
      CHECK_THROWS_AS(d2c::TorchCheckpoint{path}, d2c::InputError);
    }
  }
}

TEST_CASE("checkpoint: a TorchScript archive gives the tensors of its modules") {
  const Folder folder;
  const auto module = [](const std::string& name,
                         const std::vector<std::pair<std::string, std::string>>& attributes) {
    return "c__torch__." + name + "\n)\x81" + dict(attributes) + "b";
  };
  const auto inner = module("nets\nLayer", {{"weight", simple()}, {"training", "\x89"}});
  const auto object = module("nets\nNet", {{"bias", simple()},
                                           {"_is_full_backward_hook", "N"},
                                           {"layers", module("torch\nList", {{"0", inner}})}});
  const auto bytes = zip_of({{"m/data.pkl", pickle(object)},
                             {"m/code/__torch__/nets.py", "class Net(Module):", 8},
                             {"m/constants.pkl", pickle("]")},
                             {"m/data/0", six.substr(8)}});
  const d2c::TorchCheckpoint file{written(folder / "a.pt", bytes)};
  CHECK(file.names() == std::vector<std::string>{"bias", "layers.0.weight"});
  CHECK(values(file, "layers.0.weight") == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK_THROWS_WITH((d2c::TorchCheckpoint{
                        written(folder / "b.pt", zip_of({{"m/data.pkl", pickle(module("a\nB", {}))},
                                                         {"m/constants.pkl", pickle("]")}}))}),
                    Contains("b.pt: expected tensors, found none"));
}

TEST_CASE("checkpoint: wrong zip files are refused") {
  const Folder folder;
  const auto object = pickle(dict({{"w", simple()}}));
  const std::string data = six.substr(8);

  struct Case {
    const char* what;
    std::string bytes;
    const char* message;
  };

  auto far = zip_of({{"m/data.pkl", object}, {"m/data/0", data}});
  // The directory's offset of the first entry, 42 bytes into its record.
  const auto record = far.find("PK\x01\x02");
  std::memcpy(far.data() + record + 42, "\xf0\xff\xff\x7f", 4);
  // Both entries of the directory begin at the first one.
  auto shared = zip_of({{"m/data.pkl", object}, {"m/data/0", data}});
  std::memset(shared.data() + shared.rfind("PK\x01\x02") + 42, 0, 4);
  const Case cases[] = {
      {"compressed", zip_of({{"m/data.pkl", object, 8}, {"m/data/0", data}}),
       "compression method 8"},
      {"compressed data", zip_of({{"m/data.pkl", object}, {"m/data/0", data, 8}}), "\"m/data/0\""},
      {"no data.pkl", zip_of({{"m/other", object}}), "data.pkl"},
      {"two of them", zip_of({{"m/data.pkl", object}, {"m/data/0", data}, {"n/data.pkl", object}}),
       "one data.pkl, found \"m/data.pkl\" and \"n/data.pkl\""},
      {"no storage", zip_of({{"m/data.pkl", object}}), "\"m/data/0\""},
      {"a short storage", zip_of({{"m/data.pkl", object}, {"m/data/0", data.substr(4)}}),
       "expected 6 elements in storage \"0\", found 20 bytes"},
      {"a name twice", zip_of({{"m/data.pkl", object}, {"m/data.pkl", object}}), "twice"},
      {"big-endian", zip_of({{"m/data.pkl", object}, {"m/byteorder", "big"}}), "little-endian"},
      {"an entry beyond the end", far, "zip archive"},
      {"entries of the same bytes", shared, "\"m/data.pkl\" to overlap"},
  };
  for (const Case& wrong : cases) {
    INFO(wrong.what);
    const auto path = written(folder / "bad.pt", wrong.bytes);
    CHECK_THROWS_AS(d2c::TorchCheckpoint{path}, d2c::InputError);
    CHECK_THROWS_WITH(d2c::TorchCheckpoint{path}, Contains("bad.pt") && Contains(wrong.message));
  }
}

TEST_CASE("checkpoint: wrong legacy files are refused") {
  const Folder folder;
  const auto of = [](const std::string& stored, std::int64_t offset,
                     const std::vector<std::int64_t>& shape,
                     const std::vector<std::int64_t>& strides) {
    return legacy(dict({{"w", tensor(stored, offset, shape, strides)}}), {"0"}, six);
  };
  const std::string stored = storage("FloatStorage", "0", 6);
  const std::string good = of(stored, 0, {2, 3}, {3, 1});
  REQUIRE_NOTHROW(d2c::TorchCheckpoint{written(folder / "good.pth", good)});
  constexpr std::int64_t huge = 1'000'000'000'000'000'000;

  struct Case {
    const char* what;
    std::string bytes;
    const char* message;
  };

  const Case cases[] = {
      {"nothing", "", "another beginning"},
      {"a text file", "hello, this is no checkpoint", "another beginning"},
      {"the start alone", good.substr(0, 15), "truncated"},
      {"a cut pickle", good.substr(0, 120), "truncated"},
      {"no storages", good.substr(0, good.size() - 32), "found the end of the file"},
      {"cut storages", good.substr(0, good.size() - 1), "truncated"},
      {"another protocol", good.substr(0, 15) + pickle("M"s + raw(std::uint16_t{1002})),
       "protocol 1001"},
      {"big-endian",
       good.substr(0, 15) + pickle("M"s + raw(std::uint16_t{1001})) +
           pickle("}" + text("little_endian") + "\x89s"),
       "big-endian"},
      {"a storage too small", of(storage("FloatStorage", "0", 7), 0, {2, 3}, {3, 1}),
       "expected 7 elements in storage \"0\""},
      {"a storage of 10^18", of(storage("FloatStorage", "0", huge), 0, {2, 3}, {3, 1}), "elements"},
      {"a storage that claims 10^18",
       legacy(dict({{"w", tensor(stored, 0, {6}, {1})}}), {"0"}, raw(huge) + six.substr(8)),
       "expected 1000000000000000000 elements"},
      {"a shape beyond the storage", of(stored, 0, {2, 4}, {3, 1}), "leaves it"},
      {"an offset beyond the storage", of(stored, 1, {2, 3}, {3, 1}), "leaves it"},
      {"a stride beyond the storage", of(stored, 0, {2, 3}, {4, 1}), "leaves it"},
      {"a shape of 10^18", of(stored, 0, {huge, huge, huge}, {huge, huge, huge}), "leaves it"},
      {"a shape that repeats one element for ever", of(stored, 0, {huge}, {0}), "leaves it"},
      {"no elements, but a shape of 10^54", of(stored, 0, {huge, huge, huge, 0}, {0, 0, 0, 0}),
       "at most 2^63 elements"},
      {"a negative shape", of(stored, 0, {-1}, {1}), "not a list of sizes"},
      {"a negative offset", of(stored, -1, {1}, {1}), "without storage, offset"},
      {"a stride too many", of(stored, 0, {2}, {1, 1}), "1 extents and 2 strides"},
      {"a tensor without a storage", legacy("ctorch._utils\n_rebuild_tensor_v2\n(NNNNtR"),
       "without storage, offset"},
      {"an unknown storage type", of(storage("TextStorage", "0", 6), 0, {2}, {1}),
       "storage type torch.TextStorage"},
      {"a key that nothing uses", legacy("}", {"0"}, six), "found \"0\""},
      {"a storage without data", legacy(dict({{"w", simple()}})), "found none in the list of keys"},
      {"a storage listed twice", legacy(dict({{"w", simple()}}), {"0", "0"}, six + six),
       "every storage once"},
      {"an empty stack", legacy(""), "an empty stack"},
      {"a pop too many", legacy("0"), "an empty stack"},
      {"a pop below a mark", legacy("N(R"), "an empty stack"},
      {"no mark", legacy("Nt"), "no mark"},
      {"a set item on None", legacy("NNNs"), "not a dict"},
      {"an append to None", legacy("NNa"), "not a list"},
      {"a key without a value", legacy("}(Nu"), "a key without a value"},
      {"an unknown reference", legacy("h\x05"), "never stored"},
      {"an unknown instruction", legacy("i"), "unknown instruction 0x69"},
      {"a text of 4 GB", legacy("X\xff\xff\xff\xff"), "truncated"},
      {"a global without an end", legacy("cos"), "truncated"},
      {"an unknown persistent id", legacy("NQ"), "another persistent id"},
      {"a storage of two sizes",
       legacy(dict({{"a", simple()}, {"b", tensor(storage("FloatStorage", "0", 5), 0, {1}, {1})}}),
              {"0"}, six),
       "two types or sizes"},
      {"a name twice", legacy(dict({{"w", simple()}, {"w", simple()}}), {"0"}, six),
       "found \"w\" twice"},
  };
  for (const Case& wrong : cases) {
    INFO(wrong.what);
    const auto path = written(folder / "bad.pth", wrong.bytes);
    CHECK_THROWS_AS(d2c::TorchCheckpoint{path}, d2c::InputError);
    CHECK_THROWS_WITH(d2c::TorchCheckpoint{path}, Contains("bad.pth") && Contains(wrong.message));
  }
  // However short a legacy file is cut, it is refused and never read beyond its end.
  for (std::size_t size = 0; size < good.size(); ++size) {
    const auto path = written(folder / "cut.pth", good.substr(0, size));
    CHECK_THROWS_AS(d2c::TorchCheckpoint{path}, d2c::InputError);
  }
}

TEST_CASE("checkpoint: a changed byte is refused or read as what it says, never trusted") {
  const Folder folder;
  const std::string stored = storage("FloatStorage", "0", 6);
  const auto object = dict({{"model", dict({{"w", simple()}})},
                            {"turned", tensor(stored, 0, {3, 2}, {1, 3})},
                            {"args", "cargparse\nNamespace\n)\x81" + dict({}) + "b"}});
  const std::string files[] = {
      legacy(object, {"0"}, six),
      zip_of({{"m/data.pkl", pickle(object)}, {"m/data/0", six.substr(8)}}, true)};
  int refused = 0;
  for (const std::string& good : files) {
    for (std::size_t at = 0; at < good.size(); ++at) {
      for (const int change : {0x01, 0x10, 0x80, 0xff}) {
        std::string bytes = good;
        bytes[at] = static_cast<char>(bytes[at] ^ change);
        const auto path = written(folder / "changed", bytes);
        try {
          const d2c::TorchCheckpoint file{path};
          for (const auto& name : file.names()) {
            const auto& found = file.tensor(name);
            std::vector<std::byte> copy(
                static_cast<std::size_t>(found.count() * d2c::bits_of(found.dtype) / 8));
            found.copy_to(copy);
          }
        } catch (const d2c::InputError&) {
          ++refused;
        }
      }
    }
  }
  CHECK(refused > 1000);
}
