#pragma once
/// Runs the attaching stage: kept images in, condensed pack out. Text is encoded once per class,
/// images batch by batch, straight into the file. The encoders are in memory one after the other.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <d2c/attach/attach_config.hpp>
#include <d2c/attach/attacher.hpp>
#include <d2c/attach/pack_file.hpp>
#include <d2c/attach/prompt.hpp>
#include <d2c/core/artifact.hpp>
#include <d2c/core/compiled_once.hpp>
#include <d2c/core/contract.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/file_hashes.hpp>
#include <d2c/core/problem.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/core/type_list.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/image_tensor.hpp>
#include <d2c/data/pixels_codec.hpp>
#include <d2c/encoders/clip_encoder.hpp>
#include <d2c/encoders/clip_text_encoder.hpp>
#include <d2c/encoders/configured_file.hpp>
#include <d2c/encoders/dinov2_encoder.hpp>
#include <d2c/encoders/dinov3_encoder.hpp>
#include <d2c/encoders/efficientnet_lite0_encoder.hpp>
#include <d2c/encoders/in_batches.hpp>
#include <d2c/encoders/mae_encoder.hpp>
#include <d2c/encoders/minilm_encoder.hpp>
#include <d2c/encoders/missing_network.hpp>
#include <d2c/encoders/mocov3_encoder.hpp>
#include <d2c/encoders/sentence_t5_encoder.hpp>
#include <d2c/encoders/siglip_encoder.hpp>
#include <d2c/encoders/t5_encoder.hpp>
#include <d2c/encoders/text_encoder.hpp>
#include <d2c/encoders/vision_encoder.hpp>
#include <d2c/encoders/with_class_token.hpp>
#include <d2c/encoders/with_class_token_encoder.hpp>
#include <d2c/io/atomic_file.hpp>
#include <d2c/io/safetensors_writer.hpp>
#include <d2c/select/subset_images.hpp>
#include <d2c/tensor/device.hpp>
#include <d2c/tensor/torch.hpp>

namespace d2c {

namespace detail {

/// Makes the encoder that a tag names; empty for NoPolicy. InputError for a tag without a network.
template <class Base, class Tag>
std::function<std::unique_ptr<Base>()> encoder_maker(const AttachConfig& config,
                                                     at::Device device) {
  if constexpr (std::same_as<Tag, NoPolicy>) {
    return {};
  } else if constexpr (requires { make_encoder(Tag{}, config, device); }) {
    return [&config, device] { return make_encoder(Tag{}, config, device); };
  } else {
    throw InputError(missing_network(Tag::name));
  }
}

template <class Tag>
void check_encoder_of(std::string_view key, const std::string& configured,
                      const AttachConfig& config, Problems& problems) {
  if constexpr (std::same_as<Tag, NoPolicy>) {
    return;
  } else {
    if constexpr (!requires(at::Device device) { make_encoder(Tag{}, config, device); }) {
      problems.add("", missing_network(Tag::name));
    }
    if constexpr (requires { check_encoder(Tag{}, config, problems); }) {
      check_encoder(Tag{}, config, problems);
    } else {
      const std::string of_name = " of " + std::string(Tag::name);
      check_configured_file(problems, key, configured, "the file with the weights" + of_name);
      if constexpr (requires { Tag::vocabulary; }) {
        check_configured_file(problems, "[attach] text_vocabulary", config.text_vocabulary,
                              "the vocabulary (" + std::string(Tag::vocabulary) + ")" + of_name);
      }
    }
  }
}

inline nlohmann::ordered_json encoder_record(std::string_view name, std::int64_t tokens,
                                             std::int64_t width,
                                             const std::vector<std::filesystem::path>& files,
                                             const StageContext& context) {
  nlohmann::ordered_json record{{"name", name}, {"tokens", tokens}, {"width", width}};
  record["files"] = nlohmann::ordered_json::array();
  for (const auto& file : files) {
    record["files"].push_back(
        {{"file", file.filename().string()}, {"xxh3", hash_of_input(context, file)}});
  }
  return record;
}

inline std::span<const std::byte> tensor_bytes(const Tensor& tensor) {
  return {static_cast<const std::byte*>(tensor.const_data_ptr()), tensor.nbytes()};
}

/// Throws Failure, in the name of the encoder, unless it gave finite float32 of these sizes on the
/// CPU: encoders may be anyone's, and what they give is written to the pack byte by byte.
inline void require_features(std::string_view encoder, const std::string& what,
                             const Tensor& tensor, at::IntArrayRef sizes) {
  const std::string begin = "attaching with " + std::string(encoder) + ": expected " + what + " ";
  if (!tensor.defined() || !tensor.is_cpu() || tensor.scalar_type() != at::kFloat ||
      tensor.sizes() != sizes) {
    throw Failure(begin + c10::str(sizes) + " of float32 on the CPU, found " +
                  (tensor.defined()
                       ? c10::str(tensor.sizes()) + " of " + c10::toString(tensor.scalar_type()) +
                             " on " + tensor.device().str()
                       : std::string("none")));
  }
  if (!at::isfinite(tensor).all().item<bool>()) {
    throw Failure(begin + "that are finite, found others");
  }
}

/// What an attaching stage does, without its types.
struct AttachJob {
  std::function<std::unique_ptr<TextEncoder>()> text; ///< empty: nothing is attached
  std::function<std::unique_ptr<VisionEncoder>()> vision;
  std::string_view text_name;
  std::string_view vision_name;
  std::int64_t text_tokens = 0;
  std::int64_t text_width = 0;
  std::int64_t vision_tokens = 0;
  std::int64_t vision_width = 0;
  std::string_view class_token = {}; ///< what it is; empty: none is attached
};

inline bool writes_pixels(const StageContext& context) {
  return dynamic_cast<const PixelsCodec*>(&context.codec) != nullptr;
}

/// The prompts' tokens and their mask, as a pack has them; prompts and encoder go into `manifest`.
inline EncodedText encoded_prompts(const AttachJob& job, const std::vector<std::string>& classes,
                                   const StageContext& context, nlohmann::ordered_json& manifest) {
  std::vector<std::string> prompts;
  for (const std::string& name : classes) {
    prompts.push_back(class_prompt(context.section<DataConfig>().prompt, name));
  }
  const auto encoder = job.text(); // gone before the next one takes memory
  EncodedText text = encoder->encode(prompts);
  const auto count = static_cast<std::int64_t>(prompts.size());
  require_features(job.text_name, "text tokens", text.tokens,
                   {count, job.text_tokens, job.text_width});
  require_features(job.text_name, "the mask of text tokens", text.mask, {count, job.text_tokens});
  text.tokens = text.tokens.contiguous();
  text.mask = text.mask.contiguous();
  manifest["prompts"] = prompts;
  manifest["text_encoder"] =
      encoder_record(job.text_name, job.text_tokens, job.text_width, encoder->files(), context);
  return text;
}

/// The tensors of a pack of n images, in the order in which they are written.
inline std::vector<SafetensorsDeclaration> pack_tensors(const AttachJob& job,
                                                        const EncodedText& text,
                                                        const ImageSet& images, std::int64_t n,
                                                        const StageContext& context) {
  // Wide types first, so that readers find every tensor aligned.
  std::vector<SafetensorsDeclaration> declared{{"labels", DType::I64, {n}}};
  if (job.text) {
    declared.push_back({"text_tokens", DType::F32, text.tokens.sizes().vec()});
    declared.push_back({"text_mask", DType::F32, text.mask.sizes().vec()});
  }
  if (job.vision) {
    declared.push_back({"visual_tokens", DType::F32, {n, job.vision_tokens, job.vision_width}});
  }
  if (!job.class_token.empty()) {
    declared.push_back({"class_tokens", DType::F32, {n, job.vision_width}});
  }
  if (writes_pixels(context)) {
    declared.push_back({"images", DType::U8, {n, images.channels, images.height, images.width}});
  } else {
    declared.push_back({"latents",
                        DType::F32,
                        {n, context.codec.channels(images), context.codec.height(images),
                         context.codec.width(images)}});
  }
  return declared;
}

/// Calls use(indices) for the kept images, [attach] batch at a time.
template <class Use>
void for_each_batch(std::span<const std::int64_t> kept, const StageContext& context,
                    const Use& use) {
  in_batches(
      static_cast<std::int64_t>(kept.size()), context.section<AttachConfig>().batch,
      [&](std::int64_t begin, std::int64_t end) {
        use(kept.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
      });
}

inline void write_visual_tokens(const AttachJob& job, const VisionEncoder& vision,
                                const ImageSet& images, std::span<const std::int64_t> kept,
                                SafetensorsWriter& writer, StageContext& context) {
  // Kept until all patch tokens are written, and copied: what an encoder gives may be a view into
  // all tokens of its batch.
  Tensor class_tokens;
  if (!job.class_token.empty()) {
    class_tokens = at::empty({static_cast<std::int64_t>(kept.size()), job.vision_width});
  }
  std::int64_t done = 0;
  context.progress.start("attaching " + std::string(job.vision_name),
                         static_cast<std::int64_t>(kept.size()), "images");
  for_each_batch(kept, context, [&](std::span<const std::int64_t> batch) {
    const auto count = static_cast<std::int64_t>(batch.size());
    VisualFeatures features;
    if (job.class_token.empty()) {
      features.patch_tokens = vision.patch_tokens(image_tensor(images, batch));
    } else {
      features = vision.features(image_tensor(images, batch));
      require_features(job.vision_name, "class tokens", features.class_tokens,
                       {count, job.vision_width});
      class_tokens.narrow(0, done, count).copy_(features.class_tokens);
    }
    require_features(job.vision_name, "patch tokens", features.patch_tokens,
                     {count, job.vision_tokens, job.vision_width});
    writer.append(tensor_bytes(features.patch_tokens.contiguous()));
    done += count;
    context.progress.advance(count);
  });
  context.progress.finish();
  if (class_tokens.defined()) {
    writer.append(tensor_bytes(class_tokens));
  }
}

/// The images themselves, or their latents where the codec has some.
inline void write_images(const ImageSet& images, std::span<const std::int64_t> kept,
                         SafetensorsWriter& writer, StageContext& context) {
  if (writes_pixels(context)) {
    for_each_batch(kept, context, [&](std::span<const std::int64_t> batch) {
      writer.append(tensor_bytes(image_tensor(images, batch)));
    });
    return;
  }
  context.progress.start("encoding", static_cast<std::int64_t>(kept.size()), "images");
  for_each_batch(kept, context, [&](std::span<const std::int64_t> batch) {
    writer.append(tensor_bytes(context.codec.encode(images, batch).contiguous()));
    context.progress.advance(static_cast<std::int64_t>(batch.size()));
  });
  context.progress.finish();
}

template <class = Once>
void write_pack(const AttachJob& job, StageContext& context) {
  const ImageSet images = context.images(Split::train);
  const auto kept = subset_indices(context.artifacts.at<Subset>() / "subset.csv", images);
  const auto n = static_cast<std::int64_t>(kept.size());
  nlohmann::ordered_json manifest;
  manifest["format"] = 1;
  manifest["images"] = n;
  manifest["origin"] = images.origin;
  manifest["classes"] = images.class_names;

  EncodedText text;
  if (job.text) {
    text = encoded_prompts(job, images.class_names, context, manifest);
  }
  const auto vision = job.vision ? job.vision() : nullptr;
  if (vision != nullptr) {
    manifest["vision_encoder"] = encoder_record(job.vision_name, job.vision_tokens,
                                                job.vision_width, vision->files(), context);
    if (!job.class_token.empty()) {
      manifest["vision_encoder"]["class_token"] = job.class_token;
    }
  }

  SafetensorsWriter writer{context.out / PackFile::file_name,
                           pack_tensors(job, text, images, n, context),
                           {{"format", "d2c-pack-1"}}};
  const std::vector<std::int64_t> labels = images.labels_of(kept);
  writer.append(std::as_bytes(std::span{labels}));
  if (job.text) {
    writer.append(tensor_bytes(text.tokens));
    writer.append(tensor_bytes(text.mask));
    text = {};
  }
  if (vision != nullptr) {
    write_visual_tokens(job, *vision, images, kept, writer, context);
  }
  write_images(images, kept, writer, context);
  writer.commit();

  manifest["ids"] = nlohmann::ordered_json::array();
  for (const std::int64_t index : kept) {
    manifest["ids"].push_back(images.ids[static_cast<std::size_t>(index)]);
  }
  // Paths need not be UTF-8; what is not is replaced.
  write_file_atomically(
      context.out / "manifest.json",
      manifest.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}
D2C_COMPILED_ONCE(void write_pack<>(const AttachJob&, StageContext&))

} // namespace detail

/// Writes `condensed.safetensors` (see PackFile) and `manifest.json` (encoders with the hashes of
/// their files, prompts, ids in the order of subset.csv) into the stage's folder. Text tokens
/// follow Eq. 8 of the paper, visual tokens Eq. 10, of unflipped images. InputError if an encoder's
/// files are missing or it has no network.
template <class... Policies>
void run_stage(const Attacher<Policies...>&, StageContext& context) {
  using Stage = Attacher<Policies...>;
  using Text = typename Stage::text_encoder;
  using Vision = typename Stage::vision_encoder;
  const auto& config = context.section<AttachConfig>();
  const at::Device device = device_from(context.device);
  detail::AttachJob job;
  job.text = detail::encoder_maker<TextEncoder, Text>(config, device);
  job.vision = detail::encoder_maker<VisionEncoder, Vision>(config, device);
  if constexpr (!std::same_as<Text, NoPolicy>) {
    job.text_name = Text::name;
    job.text_tokens = Text::tokens;
    job.text_width = Text::width;
  }
  if constexpr (!std::same_as<Vision, NoPolicy>) {
    job.vision_name = Vision::name;
    job.vision_tokens = Vision::tokens;
    job.vision_width = Vision::width;
    if constexpr (contains_v<own_provides_t<Vision>, ClassTokens>) {
      job.class_token = name_of(Vision::class_token);
    }
  }
  detail::write_pack(job, context);
}

/// What can be known before anything runs: networks and files of the encoders, a prompt with a
/// place for the class, a batch size.
template <class... Policies>
void check_stage(const Attacher<Policies...>&, const StageContext& context, Problems& problems) {
  using Stage = Attacher<Policies...>;
  const auto& config = context.section<AttachConfig>();
  detail::check_encoder_of<typename Stage::text_encoder>("[attach] text_weights",
                                                         config.text_weights, config, problems);
  detail::check_encoder_of<typename Stage::vision_encoder>("[attach] vision_weights",
                                                           config.vision_weights, config, problems);
  if (config.batch < 1) {
    problems.add("[attach] batch",
                 "expected at least 1 image per batch, found " + std::to_string(config.batch));
  }
  if constexpr (!std::same_as<typename Stage::text_encoder, NoPolicy>) {
    const std::string& prompt = context.section<DataConfig>().prompt;
    if (prompt.find("{}") == std::string::npos) {
      problems.add("[data] prompt",
                   "expected {} where the name of the class belongs, found \"" + prompt + "\"");
    }
  }
}

} // namespace d2c
