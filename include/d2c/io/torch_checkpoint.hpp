#pragma once
/// Tensors of PyTorch checkpoints (`torch.save`), zip files and the older plain stream. Torch-free:
/// pickles are interpreted by io/pickle.hpp, which executes nothing.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/element_count.hpp>
#include <d2c/io/mapped_file.hpp>
#include <d2c/io/pickle.hpp>
#include <d2c/io/zip_reader.hpp>

namespace d2c {

/// One tensor of a checkpoint: a strided view of a storage inside the mapped file.
struct CheckpointTensor {
  DType dtype = DType::F32;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides; ///< in elements, as many as `shape`
  std::span<const std::byte> bytes;  ///< from the first element to the last one reached

  [[nodiscard]] std::int64_t count() const { return element_count(shape); }

  [[nodiscard]] bool contiguous() const {
    std::int64_t expected = 1;
    for (std::size_t d = shape.size(); d-- > 0;) {
      if (shape[d] != 1 && strides[d] != expected) {
        return false;
      }
      expected *= shape[d];
    }
    return true;
  }

  /// Writes the elements row-major into `out`, which must have room for all of them.
  void copy_to(std::span<std::byte> out) const {
    const auto item = static_cast<std::size_t>(bits_of(dtype) / 8);
    const auto total = static_cast<std::size_t>(count());
    if (out.size() != total * item) {
      throw Failure("copying a checkpoint tensor: expected room for " +
                    std::to_string(total * item) + " bytes, found " + std::to_string(out.size()));
    }
    if (total == 0) {
      return;
    }
    if (contiguous()) {
      std::memcpy(out.data(), bytes.data(), out.size());
      return;
    }
    switch (item) {
    case 1:
      return copy_strided<1>(out.data());
    case 2:
      return copy_strided<2>(out.data());
    case 4:
      return copy_strided<4>(out.data());
    default:
      return copy_strided<8>(out.data());
    }
  }

private:
  /// Row by row of the last dimension; the size of an element is known to the compiler.
  template <std::size_t Item>
  void copy_strided(std::byte* out) const {
    const std::size_t last = shape.size() - 1; // a scalar is contiguous
    std::vector<std::int64_t> place(shape.size(), 0);
    std::int64_t offset = 0;
    for (std::int64_t rows = count() / shape[last]; rows > 0; --rows) {
      const std::byte* from = bytes.data() + static_cast<std::size_t>(offset) * Item;
      for (std::int64_t i = 0; i < shape[last]; ++i, out += Item) {
        std::memcpy(out, from + static_cast<std::size_t>(i * strides[last]) * Item, Item);
      }
      for (std::size_t d = last; d-- > 0;) {
        offset += strides[d];
        if (++place[d] < shape[d]) {
          break;
        }
        offset -= strides[d] * shape[d];
        place[d] = 0;
      }
    }
  }
};

/// A PyTorch checkpoint file, mapped, with its tensors by name. Nested dicts and lists give dotted
/// names: the weight `a.b` of {"model": {...}, "epoch": 3} is "model.a.b", and
/// `TorchCheckpoint(path, "model")` takes only what lies under "model", under its own names.
/// Anything that is not a tensor or a container of tensors is skipped; no code in the file is ever
/// run. Tensors of kinds that are not read here (sparse, quantised, complex128, ...) count as not
/// there, and unreadable() says why. InputError on a foreign, damaged, truncated or compressed
/// file, on tensors that reach beyond their storage, on containers that hold themselves or are
/// nested beyond 64 levels, and on references that make a small file claim far more than it holds.
/// Layouts: torch/serialization.py (`_legacy_load`, `_load`).
class TorchCheckpoint {
public:
  explicit TorchCheckpoint(const std::filesystem::path& path, std::string_view under = {})
      : file_{path}, under_{under} {
    const bool zip = ZipReader::is_zip(file_.bytes());
    if (!zip && !is_legacy(file_.bytes())) {
      throw InputError(where() + ": expected a PyTorch checkpoint (a zip file, or a pickle that "
                                 "begins with PyTorch's magic number), found another beginning");
    }
    // The objects are needed until the tensors are known: up to 1 GiB that is then given back.
    std::unique_ptr<PickleReader> pickle;
    const PickleValue root = zip ? read_zip(pickle) : read_legacy(pickle);
    std::vector<const void*> open;
    collect(root, "", open);
    if (names_.empty() && !unreadable_.empty()) {
      throw not_read(unreadable_.begin()->first, unreadable_.begin()->second);
    }
    if (names_.empty()) {
      throw InputError(
          where() + ": expected tensors" + (under_.empty() ? "" : " under \"" + under_ + "\"") +
          ", found none in this checkpoint" +
          (under_.empty() && root.as_opaque() == nullptr ? "" : ", which holds " + keys_of(root)));
    }
  }

  /// Names of all tensors that can be read, in the order of the file.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

  [[nodiscard]] bool has(std::string_view name) const { return tensors_.contains(name); }

  /// Names of the tensors that cannot be read, each with what it is ("one made by ...").
  [[nodiscard]] const std::map<std::string, std::string, std::less<>>& unreadable() const {
    return unreadable_;
  }

  /// The tensor of that name; InputError if there is none, or one that cannot be read.
  [[nodiscard]] const CheckpointTensor& tensor(std::string_view name) const {
    const auto found = tensors_.find(name);
    if (found == tensors_.end()) {
      if (const auto foreign = unreadable_.find(name); foreign != unreadable_.end()) {
        throw not_read(foreign->first, foreign->second);
      }
      throw InputError(where() + ": expected a tensor named \"" + std::string(name) + "\", found " +
                       std::to_string(names_.size()) + " tensors without it");
    }
    return found->second;
  }

  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }

  /// The mapping that the bytes of all tensors lie in.
  [[nodiscard]] const MappedFile& file() const { return file_; }

private:
  /// LONG1 of ten bytes, the magic number 0x1950a86a20f9469cfc6c, STOP.
  static constexpr std::array<unsigned char, 13> magic = {0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                                          0x20, 0x6a, 0xa8, 0x50, 0x19, 0x2e};

  /// Wide enough for a product of two 64-bit numbers; GNU C++, on every target we build for.
  __extension__ using Wide = unsigned __int128;

  static bool is_legacy(std::span<const std::byte> bytes) {
    // Behind PROTO, and from protocol 4 on behind FRAME.
    const auto follows = [&](std::size_t at) {
      return bytes.size() >= at + magic.size() &&
             std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
    };
    return !bytes.empty() && bytes[0] == std::byte{0x80} && (follows(2) || follows(11));
  }

  /// A class of storages: its name, the bytes of an element, and its dtype where tensors of it can
  /// be read.
  struct StorageType {
    std::string_view name;
    std::uint64_t item;
    std::optional<DType> dtype;
  };

  struct Storage {
    const StorageType* type = nullptr; ///< null for a class that is not known
    std::string name;                  ///< of its class
    std::uint64_t count = 0;
    std::span<const std::byte> bytes;
    bool filled = false;
  };

  [[nodiscard]] std::string where() const { return file_.path().string(); }

  [[nodiscard]] InputError not_read(const std::string& name, const std::string& found) const {
    return InputError(where() + ": expected tensor \"" + name +
                      "\" to be dense and of a plain number type, found " + found);
  }

  static const PickleValue* find(const PickleValue& value, std::string_view key) {
    if (const auto* dict = value.as_dict()) {
      for (const auto& [name, item] : *dict) {
        const std::string* text = name.as_text();
        if (text != nullptr && *text == key) {
          return &item;
        }
      }
    }
    return nullptr;
  }

  static std::string keys_of(const PickleValue& value) {
    const auto* dict = value.as_dict();
    if (const std::string* made_by = value.as_opaque()) {
      return "an object made by " + *made_by + " (save its state_dict() instead)";
    }
    if (dict == nullptr) {
      return "something that is not a dict";
    }
    std::string keys = "the keys";
    std::size_t shown = 0;
    for (const auto& [name, item] : *dict) {
      if (const std::string* text = name.as_text(); text != nullptr && shown < 8) {
        keys += (shown++ == 0 ? " \"" : ", \"") + *text + "\"";
      }
    }
    return shown == 0 ? "no named entry" : keys;
  }

  /// The checkpoint's object, which `pickle` holds.
  PickleValue read_zip(std::unique_ptr<PickleReader>& pickle) {
    const ZipReader zip{where(), file_.bytes()};
    const std::string suffix = "data.pkl";
    std::optional<std::string> prefix;
    for (const std::string& name : zip.names()) {
      const bool at_top = name == suffix;
      const bool in_folder = name.size() > suffix.size() && name.ends_with("/" + suffix) &&
                             name.find('/') == name.size() - suffix.size() - 1;
      if (at_top || in_folder) {
        if (prefix) {
          throw InputError(where() + ": expected a zip file with one data.pkl, found \"" + *prefix +
                           suffix + "\" and \"" + name + "\"");
        }
        prefix = name.substr(0, name.size() - suffix.size());
      }
    }
    if (!prefix) {
      throw InputError(where() + ": expected a zip file written by torch.save with a data.pkl, "
                                 "found none");
    }
    if (zip.has(*prefix + "byteorder")) {
      const auto order = zip.entry(*prefix + "byteorder");
      const std::string_view text{reinterpret_cast<const char*>(order.data()), order.size()};
      if (text != "little") {
        throw InputError(where() + ": expected little-endian storages, found byte order \"" +
                         std::string(text.substr(0, 20)) + "\"");
      }
    }
    pickle = std::make_unique<PickleReader>(where(), zip.entry(*prefix + suffix));
    const PickleValue root = pickle->read([&](const PickleValue& id) { return storage_of(id); });
    for (auto& [key, storage] : storages_) {
      if (storage.type != nullptr) {
        const auto bytes = zip.entry(*prefix + "data/" + key);
        fill(key, storage, bytes, bytes.size());
      }
    }
    return root;
  }

  /// The checkpoint's object, which `reader` holds.
  PickleValue read_legacy(std::unique_ptr<PickleReader>& reader) {
    reader = std::make_unique<PickleReader>(where(), file_.bytes());
    PickleReader& pickle = *reader;
    const auto no_storage = [&](const PickleValue&) -> std::optional<PickleStorage> {
      throw InputError(where() + ": expected no storage before the checkpoint's object, found one");
    };
    pickle.read(no_storage); // the magic number, compared already
    const PickleValue protocol = pickle.read(no_storage);
    if (protocol.as_integer() == nullptr || *protocol.as_integer() != 1001) {
      throw InputError(where() + ": expected a legacy checkpoint of protocol 1001, found another");
    }
    const PickleValue system = pickle.read(no_storage);
    const PickleValue* little = find(system, "little_endian");
    if (little != nullptr && little->as_boolean() != nullptr && !*little->as_boolean()) {
      throw InputError(where() + ": expected little-endian storages, found big-endian ones");
    }
    const PickleValue root = pickle.read([&](const PickleValue& id) { return storage_of(id); });
    const PickleValue keys = pickle.read(no_storage);
    const auto* list = keys.as_list();
    if (list == nullptr) {
      throw InputError(where() +
                       ": expected a list of storage keys behind the checkpoint's object, "
                       "found something else");
    }
    auto rest = file_.bytes().subspan(pickle.position());
    for (const PickleValue& key : *list) {
      const std::string* text = key.as_text();
      const auto found = text == nullptr ? storages_.end() : storages_.find(*text);
      if (found == storages_.end()) {
        throw InputError(where() + ": expected only storages that tensors refer to, found " +
                         (text == nullptr ? "a key that is no string" : "\"" + *text + "\""));
      }
      if (found->second.type == nullptr) {
        // Nobody knows where its bytes end and the next storage begins.
        throw InputError(where() +
                         ": expected storages of known classes in a file of the older "
                         "kind, found the storage type " +
                         found->second.name);
      }
      std::uint64_t count = 0;
      if (rest.size() < sizeof count) {
        throw InputError(where() + ": expected storage \"" + *text +
                         "\", found the end of the file (a truncated file)");
      }
      std::memcpy(&count, rest.data(), sizeof count);
      rest = rest.subspan(sizeof count);
      const std::uint64_t item = found->second.type->item;
      if (found->second.filled) {
        throw InputError(where() + ": expected every storage once, found \"" + *text + "\" twice");
      }
      if (count > rest.size() / item) {
        throw InputError(where() + ": expected " + std::to_string(count) +
                         " elements in storage \"" + *text + "\", found " +
                         std::to_string(rest.size()) +
                         " bytes to the end of the file (a truncated file)");
      }
      fill(*text, found->second, rest.first(count * item), count * item);
      rest = rest.subspan(count * item);
    }
    for (const auto& [key, storage] : storages_) {
      if (!storage.filled) {
        throw InputError(where() + ": expected data for storage \"" + key +
                         "\", found none in the list of keys");
      }
    }
    return root;
  }

  void fill(const std::string& key, Storage& storage, std::span<const std::byte> bytes,
            std::uint64_t found) {
    const std::uint64_t item = storage.type->item;
    // Compared as counts: the product of a lying count would wrap around.
    if (found % item != 0 || found / item != storage.count) {
      throw InputError(where() + ": expected " + std::to_string(storage.count) +
                       " elements in storage \"" + key + "\", found " + std::to_string(found) +
                       " bytes");
    }
    storage.bytes = bytes;
    storage.filled = true;
  }

  /// The class of that name; those on a GPU differ by "cuda." in very old files.
  static const StorageType* storage_type(std::string_view name) {
    static constexpr std::array<StorageType, 20> known = {{
        {"FloatStorage", 4, DType::F32},
        {"DoubleStorage", 8, DType::F64},
        {"HalfStorage", 2, DType::F16},
        {"BFloat16Storage", 2, DType::BF16},
        {"LongStorage", 8, DType::I64},
        {"IntStorage", 4, DType::I32},
        {"ShortStorage", 2, DType::I16},
        {"CharStorage", 1, DType::I8},
        {"ByteStorage", 1, DType::U8},
        {"BoolStorage", 1, DType::BOOL},
        {"ComplexFloatStorage", 8, DType::C64},
        {"ComplexDoubleStorage", 16, std::nullopt},
        {"UntypedStorage", 1, DType::U8},
        {"Float8_e5m2Storage", 1, DType::F8_E5M2},
        {"Float8_e4m3fnStorage", 1, DType::F8_E4M3},
        {"QInt8Storage", 1, std::nullopt},
        {"QUInt8Storage", 1, std::nullopt},
        {"QInt32Storage", 4, std::nullopt},
        {"QUInt4x2Storage", 1, std::nullopt},
        {"QUInt2x4Storage", 1, std::nullopt},
    }};
    for (const std::string_view prefix : {"torch.storage.", "torch.cuda.", "torch."}) {
      if (name.starts_with(prefix)) {
        name.remove_prefix(prefix.size());
        break;
      }
    }
    const auto* const found = std::find_if(known.begin(), known.end(),
                                           [&](const auto& type) { return type.name == name; });
    return found == known.end() ? nullptr : found;
  }

  /// ('storage', type, key, location, count[, view]) to a storage value. A view of a storage is
  /// (key, offset, count) in elements. ('module', ...) is the class of a pickled network: nothing.
  std::optional<PickleStorage> storage_of(const PickleValue& id) {
    const auto* parts = id.as_tuple();
    const auto fail = [&](const std::string& found) -> InputError {
      return InputError(where() + ": expected a reference to a storage, found " + found);
    };
    if (parts != nullptr && !parts->empty() && (*parts)[0].as_text() != nullptr &&
        *(*parts)[0].as_text() == "module") {
      return std::nullopt;
    }
    if (parts == nullptr || parts->size() < 5 || (*parts)[0].as_text() == nullptr ||
        *(*parts)[0].as_text() != "storage") {
      throw fail("another persistent id");
    }
    const std::string* type = (*parts)[1].as_global();
    const std::string* key = (*parts)[2].as_text();
    const std::int64_t* count = (*parts)[4].as_integer();
    if (type == nullptr || key == nullptr || count == nullptr || *count < 0) {
      throw fail("one without type, key and size");
    }
    const StorageType* const known = storage_type(*type);
    std::int64_t view_offset = 0;
    if (parts->size() > 5) {
      if (const auto* view = (*parts)[5].as_tuple()) {
        const std::int64_t* offset = view->size() == 3 ? (*view)[1].as_integer() : nullptr;
        if (offset == nullptr || *offset < 0) {
          throw fail("a view without an offset");
        }
        view_offset = *offset;
      }
    }
    const auto [place, fresh] = storages_.try_emplace(*key);
    const std::string name = type->substr(0, name_limit);
    if (!fresh &&
        (place->second.type != known || (known == nullptr && place->second.name != name) ||
         place->second.count != static_cast<std::uint64_t>(*count))) {
      throw fail("storage \"" + *key + "\" with two types or sizes");
    }
    place->second.type = known;
    place->second.name = name;
    place->second.count = static_cast<std::uint64_t>(*count);
    return PickleStorage{*key, view_offset};
  }

  /// Whether a value of that dotted name lies on the way to `under_` or below it.
  [[nodiscard]] bool leads_to(std::string_view name) const {
    const std::size_t shared = std::min(name.size(), under_.size());
    if (name.substr(0, shared) != std::string_view(under_).substr(0, shared)) {
      return false;
    }
    const std::string_view longer = name.size() > shared ? name : std::string_view(under_);
    return shared == 0 || longer.size() == shared || longer[shared] == '.';
  }

  /// Walks containers. Names are made for what may hold tensors alone: lists of a million numbers
  /// are common.
  void collect(const PickleValue& value, const std::string& name, std::vector<const void*>& open) {
    visits_ += 1 + name.size() / 64; // long names cost, too
    if (visits_ > visit_limit) {
      throw InputError(where() + ": expected a checkpoint of at most " +
                       std::to_string(visit_limit) + " values, found more");
    }
    if (!leads_to(name)) {
      return;
    }
    const PickleTensor* const tensor = value.as_tensor();
    const std::string* const foreign = value.as_foreign_tensor();
    if (tensor != nullptr || foreign != nullptr) {
      if (name.size() >= under_.size()) {
        const std::string rest = name.substr(under_.size());
        const std::string own =
            rest.empty() ? "tensor" : rest.substr(rest.starts_with('.') ? 1 : 0);
        if (tensor != nullptr) {
          add(*tensor, own);
        } else {
          add_unreadable(own, *foreign);
        }
      }
      return;
    }
    const auto* const dict = value.as_dict();
    const auto* const items = value.as_list() != nullptr ? value.as_list() : value.as_tuple();
    if (dict == nullptr && items == nullptr) {
      return;
    }
    const void* const identity = value.identity();
    if (std::find(open.begin(), open.end(), identity) != open.end()) {
      throw InputError(where() + ": expected containers that do not hold themselves, found \"" +
                       name + "\" to be one of those around it");
    }
    if (open.size() >= depth_limit) {
      throw InputError(where() + ": expected containers of at most " + std::to_string(depth_limit) +
                       " levels, found more");
    }
    open.push_back(identity);
    const std::string prefix = name.empty() ? "" : name + ".";
    for (std::size_t i = 0; dict != nullptr && i < dict->size(); ++i) {
      const auto& [key, item] = (*dict)[i];
      if (!may_hold_tensors(item)) {
        ++visits_;
      } else if (const std::string* text = key.as_text()) {
        collect(item, prefix + *text, open);
      } else if (const std::int64_t* number = key.as_integer()) {
        collect(item, prefix + std::to_string(*number), open);
      }
    }
    for (std::size_t i = 0; items != nullptr && i < items->size(); ++i) {
      if (may_hold_tensors((*items)[i])) {
        collect((*items)[i], prefix + std::to_string(i), open);
      } else {
        ++visits_;
      }
    }
    open.pop_back();
  }

  static bool may_hold_tensors(const PickleValue& value) {
    return value.as_tensor() != nullptr || value.as_opaque() != nullptr ||
           value.as_dict() != nullptr || value.as_list() != nullptr || value.as_tuple() != nullptr;
  }

  /// References to one tensor are cheap, what is kept of each is not.
  void claim(const std::string& name, std::uint64_t bytes) {
    claimed_ += bytes;
    if (names_.size() + unreadable_.size() >= tensor_limit ||
        claimed_ > claim_limit + 16 * file_.size()) {
      throw InputError(where() + ": expected at most " + std::to_string(tensor_limit) +
                       " tensors of at most 16 times the file and 4 GiB, found more");
    }
    if (tensors_.contains(name) || unreadable_.contains(name)) {
      throw InputError(where() + ": expected every tensor once, found \"" + name + "\" twice");
    }
  }

  void add_unreadable(const std::string& name, const std::string& found) {
    claim(name, 0);
    unreadable_.emplace(name, found.substr(0, name_limit));
  }

  void add(const PickleTensor& described, const std::string& name) {
    const auto found = storages_.find(described.storage.key);
    if (found == storages_.end()) {
      throw InputError(where() + ": expected tensor \"" + name +
                       "\" to name a storage, found none");
    }
    const Storage& storage = found->second;
    if (storage.type == nullptr || (!described.dtype && !storage.type->dtype)) {
      return add_unreadable(name, "one in a storage of the type " + storage.name);
    }
    CheckpointTensor tensor;
    tensor.dtype = described.dtype ? *described.dtype : *storage.type->dtype;
    const auto item = static_cast<std::size_t>(bits_of(tensor.dtype) / 8);
    const std::uint64_t held = storage.bytes.size() / item;
    tensor.shape = described.shape;
    tensor.strides = described.strides;
    // The last element reached, in unsigned 128-bit arithmetic so that no lying extent wraps.
    Wide last = static_cast<std::uint64_t>(described.storage.offset);
    last += static_cast<std::uint64_t>(described.offset);
    const Wide first = last;
    Wide count = 1;
    constexpr auto limit = static_cast<Wide>(std::numeric_limits<std::int64_t>::max());
    const bool empty = std::count(tensor.shape.begin(), tensor.shape.end(), 0) > 0;
    for (std::size_t d = 0; d < tensor.shape.size(); ++d) {
      if (empty) {
        tensor.strides[d] = 1; // never taken, whatever the file says
        count *= static_cast<std::uint64_t>(std::max<std::int64_t>(tensor.shape[d], 1));
      } else if (tensor.shape[d] > 1) {
        last += static_cast<Wide>(static_cast<std::uint64_t>(tensor.shape[d] - 1)) *
                static_cast<std::uint64_t>(tensor.strides[d]);
        count *= static_cast<std::uint64_t>(tensor.shape[d]);
      } else {
        tensor.strides[d] = 1;
      }
      if (last > limit || count > limit) {
        break;
      }
    }
    if (empty && count > limit) {
      throw InputError(where() + ": expected tensor \"" + name +
                       "\" to have a shape of at most 2^63 elements, found more");
    }
    if (!empty) {
      // A stride of 0 (an expanded tensor) may repeat elements, but not beyond all memory.
      if (last >= held || count > expansion_limit + held) {
        throw InputError(where() + ": expected tensor \"" + name +
                         "\" to lie within its storage of " + std::to_string(held) +
                         " elements, found a shape, stride or offset that leaves it");
      }
      tensor.bytes = storage.bytes.subspan(static_cast<std::size_t>(first) * item,
                                           static_cast<std::size_t>(last - first + 1) * item);
    }
    const std::uint64_t described_by = 2 * tensor.shape.size() * sizeof(std::int64_t);
    // Whoever loads it takes its elements or all that lies from the first to the last.
    const std::uint64_t elements = empty ? 0 : static_cast<std::uint64_t>(count) * item;
    claim(name, described_by + std::max<std::uint64_t>(elements, tensor.bytes.size()));
    tensors_.emplace(name, std::move(tensor));
    names_.push_back(name);
  }

  static constexpr std::size_t name_limit = 200; ///< bytes of names that a file repeats at will
  static constexpr std::size_t depth_limit = 64;
  static constexpr std::size_t visit_limit = 10'000'000;
  static constexpr std::size_t tensor_limit = 1'000'000;
  static constexpr std::uint64_t claim_limit = std::uint64_t{1} << 32;
  static constexpr std::uint64_t expansion_limit = 1U << 28;

  MappedFile file_;
  std::string under_;
  std::map<std::string, Storage, std::less<>> storages_;
  std::vector<std::string> names_;
  std::map<std::string, CheckpointTensor, std::less<>> tensors_;
  std::map<std::string, std::string, std::less<>> unreadable_; ///< what each was found to be
  std::size_t visits_ = 0;
  std::uint64_t claimed_ = 0; ///< bytes to load all tensors, shared storages counted each time
};

} // namespace d2c
