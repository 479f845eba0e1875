#pragma once
/// The work of d2c-evaluate: features of each set in one pass, then the asked numbers.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <d2c/app/evaluate_command.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/hash.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/encoders/configured_file.hpp>
#include <d2c/encoders/dinov2_shape_of.hpp>
#include <d2c/encoders/inception_v3.hpp>
#include <d2c/encoders/published_moments.hpp>
#include <d2c/evaluate/archive_parts.hpp>
#include <d2c/evaluate/class_score.hpp>
#include <d2c/evaluate/dinov2_features.hpp>
#include <d2c/evaluate/evaluate_config.hpp>
#include <d2c/evaluate/evaluator_convention.hpp>
#include <d2c/evaluate/feature_accumulator.hpp>
#include <d2c/evaluate/feature_extractor.hpp>
#include <d2c/evaluate/feature_parts.hpp>
#include <d2c/evaluate/frechet_distance.hpp>
#include <d2c/evaluate/inception_v3_features.hpp>
#include <d2c/evaluate/judged_features.hpp>
#include <d2c/evaluate/judged_set.hpp>
#include <d2c/evaluate/kernel_distance.hpp>
#include <d2c/evaluate/manifold_density.hpp>
#include <d2c/evaluate/manifold_overlap.hpp>
#include <d2c/evaluate/metric_choice.hpp>
#include <d2c/evaluate/near_copies.hpp>
#include <d2c/evaluate/reference_batch.hpp>
#include <d2c/evaluate/reference_features.hpp>
#include <d2c/models/weights_file.hpp>
#include <d2c/tensor/torch.hpp>
#include <d2c/version.hpp>

namespace d2c {

/// Judges images by the metrics of a command. The constructor opens both sets and reads the
/// networks' weights, so that everything that is missing is said before the long work; it throws
/// InputError then.
class ImageJudge {
public:
  ImageJudge(const EvaluateCommand& command, at::Device device)
      : command_{command},
        device_{device},
        convention_{evaluator_convention(command.convention)},
        metrics_{metrics_of(command, convention_)} {
    samples_.emplace(command.samples);
    if (!command.reference.empty()) {
      reference_.emplace(command.reference);
    }
    if (!command.held_out.empty() && asks("copies")) {
      held_out_.emplace(command.held_out);
    }
    require_writable("--json", command.json);
    require_writable("--write-reference", command.write_reference);
    plan();
    require_enough();
    for (auto& [which, judged] : networks_) {
      judged.network = which == JudgedBy::inception ? make_inception() : make_dinov2();
    }
  }

  /// Computes everything and returns what goes into the JSON file. Throws InputError for images
  /// that cannot be read.
  nlohmann::ordered_json run(Progress& progress) {
    const auto began = std::chrono::steady_clock::now();
    pass(*samples_, &Judged::samples, progress, "samples");
    if (reference_) {
      pass(*reference_, &Judged::reference, progress, "reference");
    }
    if (held_out_) {
      pass(*held_out_, &Judged::held_out, progress, "held-out images");
    }
    nlohmann::ordered_json result;
    result["d2c"] = std::string{version};
    result["samples"] = facts_of(*samples_);
    if (reference_) {
      result["reference"] = facts_of(*reference_);
    }
    if (held_out_) {
      result["held_out"] = facts_of(*held_out_);
    }
    result["convention"] = name_of(convention_);
    result["metrics"] = nlohmann::ordered_json::object();
    measure(result);
    result["networks"] = nlohmann::ordered_json::array();
    for (const auto& [which, judged] : networks_) {
      const auto file = judged.network->file();
      result["networks"].push_back({{"name", judged.name},
                                    {"weights", file.filename().string()},
                                    {"xxh3", hash_of_file(file)}});
    }
    result["device"] = device_.str();
    result["seconds"] =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    return result;
  }

  /// Writes the reference archive if one was asked for; after run(). Throws InputError or Failure
  /// if its images differ in size, Failure if writing fails.
  void write_reference() const {
    if (command_.write_reference.empty()) {
      return;
    }
    const JudgedSet& set = reference_ ? *reference_ : *samples_;
    const Judged& judged = networks_.at(JudgedBy::inception);
    const SetFeatures& features = (reference_ ? judged.reference : judged.samples).features;
    // pytorch-fid's files hold moments alone.
    const std::int64_t count = half_pixel() ? 0 : std::min(set.size(), command_.reference_images);
    const auto spread = [&](std::int64_t begin, std::int64_t end) {
      std::vector<Tensor> images;
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t at = i * set.size() / count;
        images.push_back(set.images(at, at + 1).front());
        if (images.back().sizes() != images.front().sizes()) {
          throw InputError(set.path().string() +
                           ": expected images of one size, as an archive holds them, found " +
                           c10::str(images.front().sizes().slice(1)) + " and " +
                           c10::str(images.back().sizes().slice(1)));
        }
      }
      return at::cat(images);
    };
    write_reference_batch(command_.write_reference, features.moments, features.spatial, count,
                          spread);
  }

private:
  /// One role of a set of images: what is asked of it, and its features.
  struct Role {
    FeatureParts asked;
    FeatureParts of_images; ///< without what an archive stores
    SetFeatures features;   ///< what an archive stores, then all
  };

  struct Judged {
    std::unique_ptr<FeatureExtractor> network;
    std::string name;
    Role samples;
    Role reference;
    Role held_out;
  };

  static std::vector<NamedMetric> metrics_of(const EvaluateCommand& command,
                                             EvaluatorConvention convention) {
    const bool writes = !command.write_reference.empty();
    if (command.reference.empty() && writes && command.metrics.empty()) {
      return {};
    }
    std::vector<NamedMetric> metrics = chosen_metrics(command.metrics, convention);
    for (const NamedMetric& metric : metrics) {
      if (command.reference.empty() && !metric.of_samples_alone) {
        throw InputError("command line: expected REFERENCE for " + std::string{metric.name} +
                         ", found SAMPLES alone");
      }
    }
    return metrics;
  }

  /// Refuses a path that no file can be written to, as far as that is known before it is.
  static void require_writable(const std::string& option, const std::filesystem::path& file) {
    if (file.empty()) {
      return;
    }
    const auto folder = file.parent_path();
    std::error_code none;
    if (std::filesystem::is_directory(file, none) || !file.has_filename()) {
      throw InputError(option + ": expected a file to write, found the folder " + file.string());
    }
    if (!folder.empty() && !std::filesystem::is_directory(folder, none)) {
      throw InputError(option + ": expected a folder to write " + file.string() +
                       " into, found none");
    }
  }

  [[nodiscard]] bool asks(std::string_view name) const {
    return std::any_of(metrics_.begin(), metrics_.end(),
                       [&](const NamedMetric& metric) { return metric.name == name; });
  }

  /// Which parts of which set each network has to give.
  void plan() {
    for (const NamedMetric& metric : metrics_) {
      Judged& judged = networks_[metric.network];
      judged.samples.asked = judged.samples.asked | metric.parts;
      if (!metric.of_samples_alone) {
        judged.reference.asked = judged.reference.asked | metric.parts;
      }
      if (held_out_ && metric.name == "copies") {
        judged.held_out.asked = metric.parts;
      }
    }
    if (!command_.write_reference.empty()) {
      Judged& judged = networks_[JudgedBy::inception];
      Role& role = reference_ ? judged.reference : judged.samples;
      role.asked = role.asked | FeatureParts{.moments = true, .spatial = !half_pixel()};
    }
    for (auto& [which, judged] : networks_) {
      split(*samples_, which, judged.samples);
      if (reference_) {
        split(*reference_, which, judged.reference);
      }
      if (held_out_) {
        split(*held_out_, which, judged.held_out);
      }
    }
  }

  /// Takes from an archive what it stores of the asked features.
  void split(const JudgedSet& set, JudgedBy network, Role& role) const {
    role.of_images = role.asked;
    if (set.archive()) {
      ArchiveParts parts = parts_of_archive(*set.archive(), published(network), role.asked);
      role.features = std::move(parts.stored);
      role.of_images = parts.of_images;
    }
  }

  [[nodiscard]] std::optional<PublishedMoments> published(JudgedBy network) const {
    if (network != JudgedBy::inception) {
      return {};
    }
    return half_pixel() ? InceptionV3<HalfPixelResize>::published_moments
                        : InceptionV3<>::published_moments;
  }

  /// Refuses sets that are too small for what is asked of them.
  void require_enough() const {
    const auto expect = [](const std::string& what, std::int64_t least, const JudgedSet& set) {
      if (set.size() < least) {
        throw InputError(what + ": expected at least " + std::to_string(least) + " images, found " +
                         std::to_string(set.size()) + " in " + set.path().string());
      }
    };
    if (asks("precision") || asks("recall")) {
      expect("--neighbours", command_.neighbours + 1, *samples_);
      expect("--neighbours", command_.neighbours + 1, *reference_);
    }
    if (asks("density") || asks("coverage")) {
      expect("density and coverage", 1, *samples_);
      expect("--density-neighbours", command_.density_neighbours + 1, *reference_);
    }
    if (asks("kid")) {
      expect("--kid-subset-size", command_.kid_subset_size, *samples_);
      expect("--kid-subset-size", command_.kid_subset_size, *reference_);
    }
    if (asks("is")) {
      constexpr std::int64_t parts = 10; // of shuffled_class_score
      expect("is", convention_ == EvaluatorConvention::torch_fidelity ? parts : 1, *samples_);
    }
    if (asks("copies")) {
      expect("copies", 1, *samples_);
      expect("copies", held_out_ ? 1 : 2, *reference_);
      if (held_out_) {
        expect("copies", 1, *held_out_);
      }
    }
    const auto of_moments = [&](const Role& role, const JudgedSet& set) {
      if (role.of_images.moments || role.of_images.spatial) {
        expect("moments", 2, set);
      }
    };
    for (const auto& [which, judged] : networks_) {
      of_moments(judged.samples, *samples_);
      if (reference_) {
        of_moments(judged.reference, *reference_);
      }
    }
  }

  [[nodiscard]] bool half_pixel() const { return convention_ == EvaluatorConvention::pytorch_fid; }

  std::unique_ptr<FeatureExtractor> make_inception() {
    EvaluateConfig config;
    config.inception_weights = command_.inception;
    require_configured_file("--inception", config.inception_weights, inception_v3_file);
    networks_[JudgedBy::inception].name =
        half_pixel() ? InceptionV3<HalfPixelResize>::name : InceptionV3<>::name;
    return make_inception_v3(
        half_pixel() ? InceptionResize::half_pixel : InceptionResize::tensorflow, config, device_);
  }

  std::unique_ptr<FeatureExtractor> make_dinov2() {
    EvaluateConfig config;
    config.dinov2_weights = command_.dinov2;
    require_configured_file("--dinov2", config.dinov2_weights,
                            dinov2_features_file(dinov2_shapes::L));
    DINOv2Shape shape;
    {
      const WeightsFile file{command_.dinov2};
      shape = dinov2_shape_of(
          file.names(), [&](const std::string& name) { return file.shape(name); }, command_.dinov2);
    }
    networks_[JudgedBy::dinov2].name = dinov2_name(shape);
    return make_dinov2_features(shape, config, device_);
  }

  /// The asked features of a set on every network, each image being read once.
  void pass(const JudgedSet& set, Role Judged::*role, Progress& progress, const std::string& task) {
    std::vector<std::pair<Judged*, FeatureAccumulator>> running;
    for (auto& [which, judged] : networks_) {
      const FeatureParts& parts = (judged.*role).of_images;
      if (parts != FeatureParts{}) {
        running.emplace_back(&judged, FeatureAccumulator{parts, set.size()});
      }
    }
    if (!running.empty()) {
      progress.start(task, set.size(), "images");
      for (std::int64_t begin = 0; begin < set.size(); begin += command_.batch) {
        const std::int64_t end = std::min(set.size(), begin + command_.batch);
        for (const Tensor& images : set.images(begin, end)) {
          for (auto& [judged, features] : running) {
            features.add(judged->network->extract(images));
          }
        }
        progress.advance(end - begin);
      }
      progress.finish();
    }
    for (auto& [judged, features] : running) {
      SetFeatures& all = (judged->*role).features;
      all = with_stored(features.finish(), all);
    }
  }

  static nlohmann::ordered_json facts_of(const JudgedSet& set) {
    return {{"path", set.path().string()}, {"images", set.size()}};
  }

  /// Distances between many features are taken where the networks run.
  [[nodiscard]] Tensor near(const Role& role) const { return role.features.neighbours.to(device_); }

  void measure(nlohmann::ordered_json& result) {
    nlohmann::ordered_json& numbers = result["metrics"];
    const auto of = [&](JudgedBy which) -> const Judged& { return networks_.at(which); };
    const auto distance = [&](JudgedBy which, FeatureMoments SetFeatures::*moments) {
      const Judged& judged = of(which);
      return frechet_distance(judged.samples.features.*moments, judged.reference.features.*moments);
    };
    if (asks("fid")) {
      numbers["fid"] = distance(JudgedBy::inception, &SetFeatures::moments);
    }
    if (asks("sfid")) {
      numbers["sfid"] = distance(JudgedBy::inception, &SetFeatures::spatial);
    }
    if (asks("is")) {
      const Tensor& logits = of(JudgedBy::inception).samples.features.logits;
      const ClassScore score = convention_ == EvaluatorConvention::torch_fidelity
                                   ? shuffled_class_score(logits)
                                   : class_score(logits);
      numbers["inception_score"] = score.mean;
      numbers["inception_score_deviation"] = score.deviation;
    }
    if (asks("precision") || asks("recall")) {
      const Judged& judged = of(JudgedBy::inception);
      const ManifoldOverlap overlap =
          manifold_overlap(near(judged.reference), near(judged.samples), command_.neighbours);
      if (asks("precision")) {
        numbers["precision"] = overlap.precision;
      }
      if (asks("recall")) {
        numbers["recall"] = overlap.recall;
      }
    }
    if (asks("kid")) {
      const Judged& judged = of(JudgedBy::inception);
      const KernelDistance kid =
          kernel_distance(judged.samples.features.neighbours, judged.reference.features.neighbours,
                          command_.kid_subsets, command_.kid_subset_size);
      numbers["kid"] = kid.mean;
      numbers["kid_deviation"] = kid.deviation;
    }
    if (asks("density") || asks("coverage")) {
      const Judged& judged = of(JudgedBy::inception);
      const ManifoldDensity found = manifold_density(near(judged.reference), near(judged.samples),
                                                     command_.density_neighbours);
      if (asks("density")) {
        numbers["density"] = found.density;
      }
      if (asks("coverage")) {
        numbers["coverage"] = found.coverage;
      }
    }
    if (asks("fd-dinov2")) {
      // FD-DINOv2 is defined on ViT-L/14 alone.
      const bool defined = of(JudgedBy::dinov2).name == dinov2_name(dinov2_shapes::L);
      numbers[defined ? "fd_dinov2" : "frechet_dinov2"] =
          distance(JudgedBy::dinov2, &SetFeatures::moments);
    }
    if (asks("copies")) {
      audit(result);
    }
  }

  void audit(nlohmann::ordered_json& result) {
    constexpr std::int64_t shown = 20;
    const Judged& dinov2 = networks_.at(JudgedBy::dinov2);
    const NearCopies found =
        near_copies(near(dinov2.samples), near(dinov2.reference),
                    held_out_ ? near(dinov2.held_out) : Tensor{}, command_.copy_percentile);
    nlohmann::ordered_json& numbers = result["metrics"];
    numbers["copies"] = found.share;
    numbers["copies_chance"] = command_.copy_percentile / 100.0;
    numbers["copies_threshold"] = found.threshold;
    const Tensor distance = found.samples.distance.to(at::kCPU);
    const Tensor index = found.samples.index.to(at::kCPU);
    const Tensor order = distance.argsort().slice(0, 0, shown);
    result["nearest"] = nlohmann::ordered_json::array();
    for (std::int64_t i = 0; i < order.size(0); ++i) {
      const auto at = order[i].item<std::int64_t>();
      result["nearest"].push_back({{"sample", samples_->name(at)},
                                   {"reference", reference_->name(index[at].item<std::int64_t>())},
                                   {"distance", distance[at].item<double>()}});
    }
  }

  EvaluateCommand command_;
  at::Device device_;
  EvaluatorConvention convention_;
  std::vector<NamedMetric> metrics_;
  std::optional<JudgedSet> samples_;
  std::optional<JudgedSet> reference_;
  std::optional<JudgedSet> held_out_;
  std::map<JudgedBy, Judged> networks_;
};

} // namespace d2c
