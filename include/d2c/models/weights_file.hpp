#pragma once
/// Named weights in files of either kind, safetensors or PyTorch, whole or in shards, seen alike.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/core/error.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/is_file.hpp>
#include <d2c/io/safetensors.hpp>
#include <d2c/io/shard_index.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/io/torch_checkpoint.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// A weights file: `*.safetensors` by its name, `*.index.json` for shards of either kind, PyTorch's
/// format otherwise. Throws InputError where a file cannot be read, or where an index lists no such
/// shards (all differences in one sentence). A name that an index lists and its shard does not hold
/// is no tensor of the file: published indices keep the names of tied weights that were stored
/// once.
class WeightsFile {
public:
  explicit WeightsFile(const std::filesystem::path& path) : path_{path} {
    if (ShardIndex::is_index(path)) {
      open_shards(ShardIndex{path});
    } else {
      parts_.push_back(open(path));
      files_ = {path};
      names_ = parts_.front().names();
    }
  }

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

  /// Every file that was opened, an index first.
  [[nodiscard]] const std::vector<std::filesystem::path>& files() const { return files_; }

  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

  [[nodiscard]] bool has(std::string_view name) const { return part_of(name).has(name); }

  /// Tensors of PyTorch files that are of a kind that is not read, and of which: see
  /// TorchCheckpoint. They count as not there.
  [[nodiscard]] std::map<std::string, std::string, std::less<>> unreadable() const {
    std::map<std::string, std::string, std::less<>> all;
    for (const Part& part : parts_) {
      if (part.torch) {
        all.insert(part.torch->unreadable().begin(), part.torch->unreadable().end());
      }
    }
    return all;
  }

  [[nodiscard]] const std::vector<std::int64_t>& shape(std::string_view name) const {
    const Part& part = part_of(name);
    return part.safetensors ? part.safetensors->entry(name).shape : part.torch->tensor(name).shape;
  }

  [[nodiscard]] DType dtype(std::string_view name) const {
    const Part& part = part_of(name);
    return part.safetensors ? part.safetensors->entry(name).dtype : part.torch->tensor(name).dtype;
  }

  /// Text that a safetensors file carries beside its tensors; empty for PyTorch files and shards.
  [[nodiscard]] std::map<std::string, std::string> metadata() const {
    return parts_.size() == 1 && parts_.front().safetensors ? parts_.front().safetensors->metadata()
                                                            : std::map<std::string, std::string>{};
  }

  /// A copy on the CPU in the stored dtype. Throws InputError for a name that is not there.
  [[nodiscard]] Tensor read(std::string_view name) const {
    const Part& part = part_of(name);
    return part.safetensors ? to_tensor(*part.safetensors, name) : to_tensor(*part.torch, name);
  }

  /// Copies a tensor into `target` of the same shape, on any device and in any floating type;
  /// without a copy in between where it is stored as `target` holds it. Errors as read().
  void read_into(std::string_view name, const Tensor& target) const {
    const Part& part = part_of(name);
    const auto fits = [&](DType type, std::size_t bytes) {
      return target.device().is_cpu() && target.is_contiguous() && bits_of(type) >= 8 &&
             scalar_type_of(type) == target.scalar_type() && bytes == target.nbytes();
    };
    if (part.safetensors) {
      const SafetensorsEntry& entry = part.safetensors->entry(name);
      if (fits(entry.dtype, entry.bytes.size())) {
        read_bytes(part.safetensors->file(), entry.bytes, target);
        return;
      }
    } else {
      const CheckpointTensor& stored = part.torch->tensor(name);
      if (stored.contiguous() && fits(stored.dtype, stored.bytes.size())) {
        read_bytes(part.torch->file(), stored.bytes, target);
        return;
      }
    }
    target.copy_(read(name));
  }

private:
  struct Part {
    std::unique_ptr<SafetensorsFile> safetensors;
    std::unique_ptr<TorchCheckpoint> torch;

    [[nodiscard]] const std::vector<std::string>& names() const {
      return safetensors ? safetensors->names() : torch->names();
    }

    [[nodiscard]] bool has(std::string_view name) const {
      return safetensors ? safetensors->has(name) : torch->has(name);
    }
  };

  static Part open(const std::filesystem::path& path) {
    return path.extension() == ".safetensors"
               ? Part{std::make_unique<SafetensorsFile>(path), nullptr}
               : Part{nullptr, std::make_unique<TorchCheckpoint>(path)};
  }

  void open_shards(const ShardIndex& index) {
    std::string wrong;
    const auto note = [&wrong](const std::string& what) {
      wrong += (wrong.empty() ? "" : "; ") + what;
    };
    files_ = {index.path()};
    for (const std::filesystem::path& shard : index.shards()) {
      if (!is_file(shard)) {
        note("no file " + shard.filename().string());
        continue;
      }
      const std::size_t number = parts_.size();
      parts_.push_back(open(shard));
      files_.push_back(shard);
      for (const std::string& name : parts_.back().names()) {
        const auto listed = index.shard_of().find(name);
        if (listed == index.shard_of().end() || listed->second != shard) {
          note("unlisted " + name + " in " + shard.filename().string());
        }
      }
      for (const auto& [name, file] : index.shard_of()) {
        if (file == shard && parts_.back().has(name)) {
          names_.push_back(name);
          shard_of_.emplace(name, number);
        }
      }
    }
    if (!wrong.empty()) {
      throw InputError(path_.string() + ": expected the shards that it lists, found: " + wrong);
    }
  }

  /// The part with this tensor; the first one, which will say so, where there is none.
  [[nodiscard]] const Part& part_of(std::string_view name) const {
    const auto found = shard_of_.find(name);
    return parts_[found == shard_of_.end() ? 0 : found->second];
  }

  std::filesystem::path path_;
  std::vector<std::filesystem::path> files_;
  std::vector<Part> parts_;
  std::vector<std::string> names_;
  std::map<std::string, std::size_t, std::less<>> shard_of_;
};

} // namespace d2c
