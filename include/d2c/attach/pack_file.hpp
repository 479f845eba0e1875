#pragma once
/// The condensed pack on disk: kept images with everything attached to them. Written by
/// attach/run_attacher.hpp.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <d2c/attach/condensed_file.hpp>
#include <d2c/core/error.hpp>
#include <d2c/io/safetensors.hpp>
#include <d2c/io/tensor_io.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

/// An open `condensed.safetensors`: checked as a whole, tensors copied when asked for.
///   images         U8  [n, C, H, W]       pixel-space experiments
///   latents        F32 [n, C, H, W]       others
///   labels         I64 [n]
///   text_tokens    F32 [classes, L, W]    with text_mask F32 [classes, L]; absent without text
///   visual_tokens  F32 [n, N, V]          absent without a vision encoder
///   class_tokens   F32 [n, V]             present if the vision encoder is a WithClassToken
class PackFile {
public:
  static constexpr std::string_view file_name = condensed_file_name;

  /// `path`: the file, or the folder it lies in. InputError if it is no such pack: a tensor is
  /// missing, has another type, or the sizes do not fit each other.
  explicit PackFile(const std::filesystem::path& path) : file_{condensed_file(path)} {
    const bool images = file_.has("images");
    if (images == file_.has("latents")) {
      throw InputError(where() +
                       ": expected a condensed pack with either images or latents, found " +
                       (images ? "both" : "neither"));
    }
    const auto& labels = expect("labels", DType::I64, 1);
    const auto& pixels = images ? expect("images", DType::U8, 4) : expect("latents", DType::F32, 4);
    same("labels", labels.shape[0], pixels.shape[0]);
    if (file_.has("text_tokens")) {
      const auto& tokens = expect("text_tokens", DType::F32, 3);
      const auto& mask = expect("text_mask", DType::F32, 2);
      same("text_mask", mask.shape[0], tokens.shape[0]);
      same("text_mask", mask.shape[1], tokens.shape[1]);
    }
    if (file_.has("visual_tokens")) {
      same("visual_tokens", expect("visual_tokens", DType::F32, 3).shape[0], pixels.shape[0]);
    }
    if (file_.has("class_tokens")) {
      const auto& tokens = expect("class_tokens", DType::F32, 2);
      same("class_tokens", tokens.shape[0], pixels.shape[0]);
      same("class_tokens", tokens.shape[1], expect("visual_tokens", DType::F32, 3).shape[2]);
    }
  }

  [[nodiscard]] std::int64_t size() const { return file_.entry("labels").shape[0]; }

  [[nodiscard]] bool has_images() const { return file_.has("images"); }

  [[nodiscard]] bool has_text() const { return file_.has("text_tokens"); }

  [[nodiscard]] bool has_visual() const { return file_.has("visual_tokens"); }

  [[nodiscard]] bool has_class_tokens() const { return file_.has("class_tokens"); }

  /// A copy of the tensor of that name, on the CPU. InputError if the pack has none.
  [[nodiscard]] Tensor tensor(std::string_view name) const { return to_tensor(file_, name); }

  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }

private:
  [[nodiscard]] std::string where() const { return file_.path().string(); }

  const SafetensorsEntry& expect(std::string_view name, DType type, std::size_t rank) const {
    const SafetensorsEntry& entry = file_.entry(name);
    if (entry.dtype != type || entry.shape.size() != rank) {
      throw InputError(where() + ": expected tensor \"" + std::string(name) + "\" as " +
                       std::string(name_of(type)) + " with " + std::to_string(rank) +
                       " dimensions, found " + std::string(name_of(entry.dtype)) + " with " +
                       std::to_string(entry.shape.size()));
    }
    return entry;
  }

  void same(const char* name, std::int64_t found, std::int64_t expected) const {
    if (found != expected) {
      throw InputError(where() + ": expected tensor \"" + name + "\" with an extent of " +
                       std::to_string(expected) + " as the rest of the pack, found " +
                       std::to_string(found));
    }
  }

  SafetensorsFile file_;
};

} // namespace d2c
