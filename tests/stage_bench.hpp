#pragma once
/// The surroundings of one stage: what a StageContext refers to, in a folder of its own.

#include <filesystem>
#include <stdexcept>
#include <utility>

#include <scratch_folder.hpp>

#include <d2c/core/progress.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/pixels_codec.hpp>

namespace d2c_test {

/// Hands a stage its context. `out` is the scratch folder until a test says otherwise, the seed 5.
struct StageBench {
  ScratchFolder folder;
  d2c::Sections sections;
  d2c::ExperimentFacts facts;
  d2c::ImageLoader images;
  d2c::PixelsCodec codec;
  d2c::Progress progress{true};
  d2c::StageContext context;

  explicit StageBench(d2c::ImageLoader loader = no_images, d2c::ExperimentFacts sizes = {})
      : facts{std::move(sizes)},
        images{std::move(loader)},
        context{.out = folder.path(),
                .artifacts = {},
                .sections = sections,
                .facts = facts,
                .images = images,
                .codec = codec,
                .device = "cpu",
                .seed = 5,
                .progress = progress} {}

  /// The context with this section of the configuration.
  template <class Section>
  d2c::StageContext& with(Section section) {
    sections.set(std::move(section));
    return context;
  }

  /// Makes a folder for each name; the stage writes into the first one.
  template <class... Names>
  void make_folders(const char* out, Names... others) {
    for (const char* name : {out, others...}) {
      std::filesystem::create_directories(folder / name);
    }
    context.out = folder / out;
  }

  static d2c::ImageSet no_images(d2c::Split) { throw std::logic_error("no images are needed"); }
};

} // namespace d2c_test
