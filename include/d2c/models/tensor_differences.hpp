#pragma once
/// What a weights file lacks and what it holds too much, said in one error.

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/models/named_shape.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// Compares the tensors of a file with those that a network reads; the file must outlive it.
class TensorDifferences {
public:
  explicit TensorDifferences(const WeightsFile& file) : file_{file} {}

  /// Notes the tensor if it has another shape, or is missing although it is needed.
  void expect(const NamedShape& tensor) {
    known_.insert(tensor.name);
    if (!file_.has(tensor.name)) {
      if (tensor.needed) {
        note("missing " + tensor.name + " " + text(tensor.shape));
      }
    } else if (file_.shape(tensor.name) != tensor.shape) {
      note("mis-shaped " + tensor.name + ", expected " + text(tensor.shape) + ", found " +
           text(file_.shape(tensor.name)));
    }
  }

  void expect(const std::vector<NamedShape>& tensors) {
    for (const NamedShape& tensor : tensors) {
      expect(tensor);
    }
  }

  /// Notes each tensor that was not expected, of those for which `counts(name)` is true.
  template <class Counts>
  void refuse_others(const Counts& counts) {
    for (const std::string& name : file_.names()) {
      if (!known_.contains(name) && counts(name)) {
        note("unexpected " + name + " " + text(file_.shape(name)));
      }
    }
  }

  /// Throws InputError with everything noted, if there is any: "FILE: expected NETWORK, found:
  /// missing ...; mis-shaped ...; unexpected ...".
  void raise(const std::string& network) const {
    if (!wrong_.empty()) {
      throw InputError(file_.path().string() + ": expected " + network + ", found: " + wrong_);
    }
  }

private:
  static std::string text(const std::vector<std::int64_t>& sizes) {
    return c10::str(at::IntArrayRef{sizes});
  }

  void note(const std::string& what) { wrong_ += (wrong_.empty() ? "" : "; ") + what; }

  const WeightsFile& file_;
  std::set<std::string, std::less<>> known_;
  std::string wrong_;
};

} // namespace d2c
