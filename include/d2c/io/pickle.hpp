#pragma once
/// An interpreter of Python pickles that builds data and nothing else: no import, no call. It knows
/// the containers and the tensor descriptions of PyTorch checkpoints; everything else in a pickle
/// becomes an opaque value. Torch-free.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/io/dtype.hpp>

namespace d2c {

/// A reference to a storage, as the persistent-id resolver returned it.
struct PickleStorage {
  std::string key;
  std::int64_t offset = 0; ///< of a view within its storage, in elements
};

/// A tensor as a checkpoint describes it; its data lie elsewhere.
struct PickleTensor {
  PickleStorage storage;
  std::int64_t offset = 0;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;
  std::optional<DType> dtype; ///< set where it is not the storage's own
};

struct PickleObject;

/// A handle to an unpickled object. Copies share the object, as Python names do; the PickleReader
/// that made it must outlive it.
class PickleValue {
public:
  PickleValue() = default;

  explicit PickleValue(PickleObject* object) : object_{object} {}

  using Items = std::vector<PickleValue>;
  using Pairs = std::vector<std::pair<PickleValue, PickleValue>>;

  // Each is null if the value is of another kind.
  [[nodiscard]] const bool* as_boolean() const;
  [[nodiscard]] const std::int64_t* as_integer() const;
  [[nodiscard]] const std::string* as_text() const;
  [[nodiscard]] const std::string* as_global() const; ///< "module.name"
  [[nodiscard]] const std::string* as_opaque() const; ///< "module.name" of what made it
  /// What kind of tensor an opaque value is, "one ...", where it is one that is not read here.
  [[nodiscard]] const std::string* as_foreign_tensor() const;
  [[nodiscard]] const Items* as_list() const;
  [[nodiscard]] const Items* as_tuple() const;
  [[nodiscard]] const Pairs* as_dict() const;
  [[nodiscard]] const PickleStorage* as_storage() const;
  [[nodiscard]] const PickleTensor* as_tensor() const;

  /// Which object this is: equal for two handles to one object.
  [[nodiscard]] const void* identity() const { return object_; }

  [[nodiscard]] PickleObject* object() const { return object_; }

private:
  PickleObject* object_ = nullptr;
};

namespace pickle_detail {

struct Text {
  std::string value;
};

struct Global {
  std::string name;
};

struct Opaque {
  std::string name;
  std::string tensor = {}; ///< of as_foreign_tensor(); empty for everything else
};

struct List {
  PickleValue::Items items;
};

struct Tuple {
  PickleValue::Items items;
};

struct Dict {
  PickleValue::Pairs pairs;
};

} // namespace pickle_detail

/// What a PickleValue refers to. `std::monostate` is Python's None.
struct PickleObject {
  std::variant<std::monostate, bool, std::int64_t, double, pickle_detail::Text,
               pickle_detail::Global, pickle_detail::Opaque, pickle_detail::List,
               pickle_detail::Tuple, pickle_detail::Dict, PickleStorage, PickleTensor>
      content;
};

namespace pickle_detail {

template <class T>
const T* content(const PickleValue& value) {
  return value.object() == nullptr ? nullptr : std::get_if<T>(&value.object()->content);
}

} // namespace pickle_detail

inline const bool* PickleValue::as_boolean() const {
  return pickle_detail::content<bool>(*this);
}

inline const std::int64_t* PickleValue::as_integer() const {
  return pickle_detail::content<std::int64_t>(*this);
}

inline const std::string* PickleValue::as_text() const {
  const auto* text = pickle_detail::content<pickle_detail::Text>(*this);
  return text == nullptr ? nullptr : &text->value;
}

inline const std::string* PickleValue::as_global() const {
  const auto* global = pickle_detail::content<pickle_detail::Global>(*this);
  return global == nullptr ? nullptr : &global->name;
}

inline const std::string* PickleValue::as_opaque() const {
  const auto* opaque = pickle_detail::content<pickle_detail::Opaque>(*this);
  return opaque == nullptr ? nullptr : &opaque->name;
}

inline const std::string* PickleValue::as_foreign_tensor() const {
  const auto* opaque = pickle_detail::content<pickle_detail::Opaque>(*this);
  return opaque == nullptr || opaque->tensor.empty() ? nullptr : &opaque->tensor;
}

inline const PickleValue::Items* PickleValue::as_list() const {
  const auto* list = pickle_detail::content<pickle_detail::List>(*this);
  return list == nullptr ? nullptr : &list->items;
}

inline const PickleValue::Items* PickleValue::as_tuple() const {
  const auto* tuple = pickle_detail::content<pickle_detail::Tuple>(*this);
  return tuple == nullptr ? nullptr : &tuple->items;
}

inline const PickleValue::Pairs* PickleValue::as_dict() const {
  const auto* dict = pickle_detail::content<pickle_detail::Dict>(*this);
  return dict == nullptr ? nullptr : &dict->pairs;
}

inline const PickleStorage* PickleValue::as_storage() const {
  return pickle_detail::content<PickleStorage>(*this);
}

inline const PickleTensor* PickleValue::as_tensor() const {
  return pickle_detail::content<PickleTensor>(*this);
}

/// Interprets pickles of protocols 2 to 5, one after another, from bytes in memory. Globals are
/// names only. Known ones (OrderedDict, torch's tensor rebuilders, torch.Size) give data; any other
/// gives an opaque value that REDUCE, NEWOBJ and BUILD accept. InputError on a truncated pickle, an
/// unknown opcode, a stack that does not fit, a tensor of more than 64 extents, and on more than
/// 1 GiB of objects (references let a small pickle copy without end). Opcodes: Python's
/// pickletools.
class PickleReader {
public:
  /// Gives the storage that a persistent id means, or nothing for an object of another kind.
  using Resolve = std::function<std::optional<PickleStorage>(const PickleValue&)>;

  /// `where` names the file in messages; `bytes` must outlive the reader.
  PickleReader(std::string where, std::span<const std::byte> bytes)
      : where_{std::move(where)}, bytes_{bytes} {}

  PickleReader(const PickleReader&) = delete;
  PickleReader& operator=(const PickleReader&) = delete;

  /// The place behind the last pickle read, in bytes.
  [[nodiscard]] std::size_t position() const { return at_; }

  /// Reads one pickle up to its STOP. Storages come from `resolve`.
  PickleValue read(const Resolve& resolve) {
    stack_.clear();
    marks_.clear();
    memo_.clear();
    for (;;) {
      const auto opcode = static_cast<unsigned char>(take(1)[0]);
      if (opcode == '.') {
        return pop();
      }
      step(opcode, resolve);
    }
  }

private:
  using Content = decltype(PickleObject::content);

  [[nodiscard]] InputError error(const std::string& found) const {
    return InputError(where_ + ": expected a sound pickle, found " + found + " near byte " +
                      std::to_string(at_));
  }

  /// Counts memory that the pickle asks for.
  void charge(std::size_t bytes) {
    if (bytes > content_limit - charged_) {
      throw error("more than " + std::to_string(content_limit) + " bytes of objects");
    }
    charged_ += bytes;
  }

  PickleValue make(Content content) {
    charge(sizeof(PickleObject));
    return PickleValue{&heap_.emplace_back(PickleObject{std::move(content)})};
  }

  std::span<const std::byte> take(std::uint64_t count) {
    if (count > bytes_.size() - at_) {
      throw error("its end in the middle of an instruction (a truncated file)");
    }
    const auto taken = bytes_.subspan(at_, static_cast<std::size_t>(count));
    at_ += static_cast<std::size_t>(count);
    return taken;
  }

  template <class T>
  T number() {
    T value{};
    const auto raw = take(sizeof value);
    std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }

  std::string text(std::uint64_t size) {
    const auto raw = take(size);
    charge(raw.size());
    return {reinterpret_cast<const char*>(raw.data()), raw.size()};
  }

  std::string line() {
    const auto rest = bytes_.subspan(at_);
    const auto end = std::find(rest.begin(), rest.end(), std::byte{'\n'});
    std::string value = text(static_cast<std::uint64_t>(end - rest.begin()));
    take(1);
    return value;
  }

  void push(PickleValue value) {
    charge(sizeof value);
    stack_.push_back(value);
  }

  /// An object of a class or function that is not known here.
  PickleValue foreign(const std::string& name) {
    charge(name.size());
    return make(pickle_detail::Opaque{name});
  }

  /// A tensor that is not dense, or of a type that no DType names.
  PickleValue foreign_tensor(const std::string& made_by, std::string found) {
    charge(made_by.size() + found.size());
    return make(pickle_detail::Opaque{made_by, std::move(found)});
  }

  /// Values below the last mark are out of reach until it is taken.
  [[nodiscard]] std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  PickleValue pop() {
    require_top();
    const PickleValue value = stack_.back();
    stack_.pop_back();
    return value;
  }

  void require_top() const {
    if (stack_.size() <= floor()) {
      throw error("an empty stack");
    }
  }

  [[nodiscard]] PickleValue& top() {
    require_top();
    return stack_.back();
  }

  PickleValue::Items pop_to_mark() {
    if (marks_.empty()) {
      throw error("no mark on the stack");
    }
    const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    marks_.pop_back();
    PickleValue::Items items(from, stack_.end());
    charge(items.size() * sizeof(PickleValue));
    stack_.erase(from, stack_.end());
    return items;
  }

  PickleValue::Items pop_last(std::size_t count) {
    PickleValue::Items items(count);
    for (std::size_t i = count; i-- > 0;) {
      items[i] = pop();
    }
    return items;
  }

  void remember(std::uint64_t index) {
    charge(sizeof(std::pair<std::uint64_t, PickleValue>) + 2 * sizeof(void*));
    memo_[index] = top();
  }

  void recall(std::uint64_t index) {
    const auto found = memo_.find(index);
    if (found == memo_.end()) {
      throw error("a reference to an object that was never stored");
    }
    push(found->second);
  }

  /// Two's complement, little-endian. More than 64 bits stay opaque: nothing here needs them.
  PickleValue long_integer(std::uint64_t size) {
    const auto raw = take(size);
    if (size > 8) {
      return make(pickle_detail::Opaque{"int"});
    }
    std::uint64_t value = 0;
    std::memcpy(&value, raw.data(), raw.size());
    if (size > 0 && size < 8 && (value >> (8 * size - 1)) != 0) {
      value |= ~std::uint64_t{0} << (8 * size);
    }
    return make(static_cast<std::int64_t>(value));
  }

  PickleValue big_endian_double() {
    const auto raw = take(8);
    std::uint64_t bits = 0;
    for (const std::byte byte : raw) {
      bits = bits << 8 | std::to_integer<std::uint64_t>(byte);
    }
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return make(value);
  }

  /// Python's append: lists grow, foreign objects swallow it.
  void append(const PickleValue::Items& items) {
    if (auto* list = std::get_if<pickle_detail::List>(&content_of(top()))) {
      list->items.insert(list->items.end(), items.begin(), items.end());
    } else if (top().as_opaque() == nullptr) {
      throw error("an append to something that is not a list");
    }
  }

  void set_items(const PickleValue::Items& items) {
    if (items.size() % 2 != 0) {
      throw error("a key without a value");
    }
    if (auto* dict = std::get_if<pickle_detail::Dict>(&content_of(top()))) {
      for (std::size_t i = 0; i < items.size(); i += 2) {
        dict->pairs.emplace_back(items[i], items[i + 1]);
      }
    } else if (top().as_opaque() == nullptr) {
      throw error("a key set in something that is not a dict");
    }
  }

  [[nodiscard]] Content& content_of(const PickleValue& value) const {
    if (value.object() == nullptr) {
      throw error("a missing object");
    }
    return value.object()->content;
  }

  std::vector<std::int64_t> extents(const PickleValue& value) {
    const auto* items = value.as_tuple() != nullptr ? value.as_tuple() : value.as_list();
    if (items == nullptr) {
      throw error("a tensor without a shape");
    }
    if (items->size() > rank_limit) {
      throw error("a tensor of " + std::to_string(items->size()) + " extents or strides");
    }
    charge(items->size() * sizeof(std::int64_t));
    std::vector<std::int64_t> result;
    result.reserve(items->size());
    for (const PickleValue& item : *items) {
      const std::int64_t* extent = item.as_integer();
      if (extent == nullptr || *extent < 0) {
        throw error("a tensor with a shape or stride that is not a list of sizes");
      }
      result.push_back(*extent);
    }
    return result;
  }

  static std::optional<DType> torch_dtype(std::string_view name) {
    static constexpr std::pair<std::string_view, DType> known[] = {
        {"torch.float32", DType::F32},
        {"torch.float64", DType::F64},
        {"torch.float16", DType::F16},
        {"torch.bfloat16", DType::BF16},
        {"torch.int64", DType::I64},
        {"torch.int32", DType::I32},
        {"torch.int16", DType::I16},
        {"torch.int8", DType::I8},
        {"torch.uint8", DType::U8},
        {"torch.uint16", DType::U16},
        {"torch.uint32", DType::U32},
        {"torch.uint64", DType::U64},
        {"torch.bool", DType::BOOL},
        {"torch.complex64", DType::C64},
        {"torch.float8_e5m2", DType::F8_E5M2},
        {"torch.float8_e4m3fn", DType::F8_E4M3},
        {"torch.float8_e8m0fnu", DType::F8_E8M0},
        {"torch.float8_e4m3fnuz", DType::F8_E4M3FNUZ},
        {"torch.float8_e5m2fnuz", DType::F8_E5M2FNUZ},
    };
    for (const auto& [spelled, dtype] : known) {
      if (spelled == name) {
        return dtype;
      }
    }
    return std::nullopt;
  }

  /// (storage, offset, size, stride, ...) of torch._utils._rebuild_tensor{,_v2,_v3}.
  PickleValue rebuild_tensor(const PickleValue::Items& arguments, bool with_dtype) {
    if (arguments.size() < (with_dtype ? 7U : 4U) || arguments[0].as_storage() == nullptr ||
        arguments[1].as_integer() == nullptr || *arguments[1].as_integer() < 0) {
      throw error("a tensor without storage, offset, size and stride");
    }
    PickleTensor tensor;
    tensor.storage = *arguments[0].as_storage();
    charge(tensor.storage.key.size());
    tensor.offset = *arguments[1].as_integer();
    tensor.shape = extents(arguments[2]);
    tensor.strides = extents(arguments[3]);
    if (tensor.shape.size() != tensor.strides.size()) {
      throw error("a tensor with " + std::to_string(tensor.shape.size()) + " extents and " +
                  std::to_string(tensor.strides.size()) + " strides");
    }
    if (with_dtype) {
      const std::string* name = arguments[6].as_global();
      tensor.dtype = name == nullptr ? std::nullopt : torch_dtype(*name);
      if (!tensor.dtype) {
        return foreign_tensor("torch._utils._rebuild_tensor_v3",
                              "one of the dtype " + (name == nullptr ? "(none)" : *name));
      }
    }
    return make(std::move(tensor));
  }

  PickleValue ordered_dict(const PickleValue::Items& arguments) {
    pickle_detail::Dict dict;
    if (!arguments.empty()) {
      const auto* pairs = arguments[0].as_list();
      charge(pairs == nullptr ? 0 : pairs->size() * 2 * sizeof(PickleValue));
      for (const PickleValue& pair : pairs == nullptr ? PickleValue::Items{} : *pairs) {
        const auto* both = pair.as_tuple() != nullptr ? pair.as_tuple() : pair.as_list();
        if (both == nullptr || both->size() != 2) {
          throw error("an OrderedDict of something that is not pairs");
        }
        dict.pairs.emplace_back((*both)[0], (*both)[1]);
      }
    }
    return make(std::move(dict));
  }

  /// The attributes of a TorchScript module become its content: submodules, parameters and buffers
  /// by name. The state of any other object (a dict's _metadata, hooks) is not needed.
  void build(const PickleValue& state) {
    require_top();
    const std::string* made_by = top().as_opaque();
    if (const auto* attributes = state.as_dict();
        made_by != nullptr && made_by->starts_with("__torch__.") && attributes != nullptr) {
      charge(attributes->size() * sizeof(PickleValue::Pairs::value_type));
      content_of(top()) = pickle_detail::Dict{*attributes};
    }
  }

  /// What calling `callee` would have given, from the closed list of known names.
  PickleValue reduce(const PickleValue& callee, const PickleValue& argument_tuple) {
    const std::string* name = callee.as_global();
    const auto* arguments = argument_tuple.as_tuple();
    if (name == nullptr || arguments == nullptr) {
      const std::string* opaque = callee.as_opaque();
      return foreign(opaque == nullptr ? "object" : *opaque);
    }
    if (*name == "torch._utils._rebuild_tensor_v2" || *name == "torch._utils._rebuild_tensor") {
      return rebuild_tensor(*arguments, false);
    }
    if (*name == "torch._utils._rebuild_tensor_v3") {
      return rebuild_tensor(*arguments, true);
    }
    if ((*name == "torch._utils._rebuild_parameter" ||
         *name == "torch._utils._rebuild_parameter_with_state") &&
        !arguments->empty()) {
      return (*arguments)[0];
    }
    if (*name == "torch._tensor._rebuild_from_type_v2" && arguments->size() >= 3 &&
        (*arguments)[0].as_global() != nullptr && *(*arguments)[0].as_global() != *name) {
      return reduce((*arguments)[0], (*arguments)[2]);
    }
    if (*name == "collections.OrderedDict") {
      return ordered_dict(*arguments);
    }
    if (*name == "collections.defaultdict") {
      return make(pickle_detail::Dict{});
    }
    if (*name == "torch.Size" && arguments->size() == 1) {
      const auto* list = (*arguments)[0].as_list();
      if (list == nullptr) {
        return (*arguments)[0];
      }
      charge(list->size() * sizeof(PickleValue));
      return make(pickle_detail::Tuple{*list});
    }
    return name->starts_with("torch._utils._rebuild_")
               ? foreign_tensor(*name, "one made by " + *name)
               : foreign(*name);
  }

  void step(unsigned char opcode, const Resolve& resolve) {
    using namespace pickle_detail;
    switch (opcode) {
    case 0x80: { // PROTO
      const auto protocol = number<std::uint8_t>();
      if (protocol < 2 || protocol > 5) {
        throw error("pickle protocol " + std::to_string(protocol));
      }
      break;
    }
    case 0x95: // FRAME
      number<std::uint64_t>();
      break;
    case '(': // MARK
      charge(sizeof(std::size_t));
      marks_.push_back(stack_.size());
      break;
    case '0': // POP: takes the mark if nothing lies above it
      if (!marks_.empty() && stack_.size() == marks_.back()) {
        marks_.pop_back();
      } else {
        pop();
      }
      break;
    case '1': // POP_MARK
      pop_to_mark();
      break;
    case '2': // DUP
      push(top());
      break;
    case 'N': // NONE
      push(make(std::monostate{}));
      break;
    case 0x88: // NEWTRUE
      push(make(true));
      break;
    case 0x89: // NEWFALSE
      push(make(false));
      break;
    case 'J': // BININT
      push(make(std::int64_t{number<std::int32_t>()}));
      break;
    case 'K': // BININT1
      push(make(std::int64_t{number<std::uint8_t>()}));
      break;
    case 'M': // BININT2
      push(make(std::int64_t{number<std::uint16_t>()}));
      break;
    case 0x8a: // LONG1
      push(long_integer(number<std::uint8_t>()));
      break;
    case 0x8b: // LONG4
      push(long_integer(number<std::uint32_t>()));
      break;
    case 'G': // BINFLOAT
      push(big_endian_double());
      break;
    case 'X': // BINUNICODE
    case 'T': // BINSTRING
      push(make(Text{text(number<std::uint32_t>())}));
      break;
    case 0x8c: // SHORT_BINUNICODE
    case 'U':  // SHORT_BINSTRING
      push(make(Text{text(number<std::uint8_t>())}));
      break;
    case 0x8d: // BINUNICODE8
      push(make(Text{text(number<std::uint64_t>())}));
      break;
    case 'B': // BINBYTES
      take(number<std::uint32_t>());
      push(make(Opaque{"bytes"}));
      break;
    case 'C': // SHORT_BINBYTES
      take(number<std::uint8_t>());
      push(make(Opaque{"bytes"}));
      break;
    case 0x8e: // BINBYTES8
    case 0x96: // BYTEARRAY8
      take(number<std::uint64_t>());
      push(make(Opaque{"bytes"}));
      break;
    case ')': // EMPTY_TUPLE
      push(make(Tuple{}));
      break;
    case 0x85: // TUPLE1
    case 0x86: // TUPLE2
    case 0x87: // TUPLE3
      push(make(Tuple{pop_last(opcode - 0x84U)}));
      break;
    case 't': // TUPLE
      push(make(Tuple{pop_to_mark()}));
      break;
    case ']': // EMPTY_LIST
      push(make(List{}));
      break;
    case 'l': // LIST
      push(make(List{pop_to_mark()}));
      break;
    case 'a': // APPEND
      append(pop_last(1));
      break;
    case 'e': // APPENDS
      append(pop_to_mark());
      break;
    case '}': // EMPTY_DICT
      push(make(Dict{}));
      break;
    case 'd': { // DICT
      const auto items = pop_to_mark();
      push(make(Dict{}));
      set_items(items);
      break;
    }
    case 's': // SETITEM
      set_items(pop_last(2));
      break;
    case 'u': // SETITEMS
      set_items(pop_to_mark());
      break;
    case 0x8f: // EMPTY_SET
      push(make(Opaque{"set"}));
      break;
    case 0x90: // ADDITEMS
      pop_to_mark();
      require_top();
      break;
    case 0x91: // FROZENSET
      pop_to_mark();
      push(make(Opaque{"frozenset"}));
      break;
    case 'q': // BINPUT
      remember(number<std::uint8_t>());
      break;
    case 'r': // LONG_BINPUT
      remember(number<std::uint32_t>());
      break;
    case 0x94: // MEMOIZE
      remember(memo_.size());
      break;
    case 'h': // BINGET
      recall(number<std::uint8_t>());
      break;
    case 'j': // LONG_BINGET
      recall(number<std::uint32_t>());
      break;
    case 'c': { // GLOBAL
      std::string name = line();
      name += '.';
      name += line();
      push(make(Global{std::move(name)}));
      break;
    }
    case 0x93: { // STACK_GLOBAL
      const auto both = pop_last(2);
      if (both[0].as_text() == nullptr || both[1].as_text() == nullptr) {
        throw error("a global whose name is no text");
      }
      charge(both[0].as_text()->size() + both[1].as_text()->size());
      push(make(Global{*both[0].as_text() + "." + *both[1].as_text()}));
      break;
    }
    case 'R':    // REDUCE
    case 0x81: { // NEWOBJ
      const auto both = pop_last(2);
      push(reduce(both[0], both[1]));
      break;
    }
    case 0x92: { // NEWOBJ_EX
      const auto three = pop_last(3);
      push(reduce(three[0], three[1]));
      break;
    }
    case 'b': // BUILD
      build(pop());
      break;
    case 'Q': { // BINPERSID
      const PickleValue id = pop();
      std::optional<PickleStorage> storage = resolve(id);
      if (storage) {
        charge(storage->key.size());
      }
      push(storage ? make(std::move(*storage)) : make(Opaque{"object"}));
      break;
    }
    default: {
      char hex[8];
      std::snprintf(hex, sizeof hex, "0x%02x", opcode);
      throw error(std::string("the unknown instruction ") + hex);
    }
    }
  }

  static constexpr std::size_t content_limit = std::size_t{1} << 30;
  static constexpr std::size_t rank_limit = 64; // PyTorch's own

  std::string where_;
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  std::size_t charged_ = 0;
  // A deque: objects stay where they are, cycles cost nothing, and nothing recurses on destruction.
  std::deque<PickleObject> heap_;
  std::vector<PickleValue> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, PickleValue> memo_;
};

} // namespace d2c
