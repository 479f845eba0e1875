#pragma once
/// What a weights file lacks and what it holds too much, said in one error.

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/models/named_shape.hpp>
#include <d2c/models/weight_differences.hpp>
#include <d2c/models/weights_file.hpp>

namespace d2c {

/// Compares the tensors of a file with those that a network reads; the file must outlive it.
class TensorDifferences {
public:
  explicit TensorDifferences(const WeightsFile& file) : file_{file} {}

  /// The tensor must have this shape and a floating type; one that is not needed may be missing
  /// and of any type.
  void expect(const NamedShape& tensor) {
    const bool there = file_.has(tensor.name);
    if (!tensor.needed && (!there || file_.shape(tensor.name) == tensor.shape)) {
      unread_.insert(tensor.name);
      return;
    }
    expected_[tensor.name] = tensor.shape;
    if (there) {
      find(tensor.name);
    }
  }

  void expect(const std::vector<NamedShape>& tensors) {
    for (const NamedShape& tensor : tensors) {
      expect(tensor);
    }
  }

  /// No tensor for whose name `counts(name)` is true may be there beyond the expected ones.
  template <class Counts>
  void refuse_others(const Counts& counts) {
    for (const std::string& name : file_.names()) {
      if (counts(name) && !unread_.contains(name)) {
        find(name);
      }
    }
  }

  /// Throws InputError with all differences, if there is any: "FILE: expected NETWORK, found:
  /// missing ...; unexpected ...; mis-shaped ...".
  void raise(const std::string& network) const {
    if (const auto wrong = weight_differences(expected_, found_, file_.unreadable());
        !wrong.empty()) {
      throw InputError(file_.path().string() + ": expected " + network + ", found: " + wrong);
    }
  }

private:
  void find(const std::string& name) {
    found_[name] = StoredShape{file_.shape(name), file_.dtype(name)};
  }

  const WeightsFile& file_;
  std::map<std::string, std::vector<std::int64_t>> expected_;
  std::map<std::string, StoredShape> found_;
  std::set<std::string> unread_;
};

} // namespace d2c
