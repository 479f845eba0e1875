#pragma once
/// What a program does before its stages when the data set is one of image files: every split is
/// prepared once, into the store. Torch-free.

#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <d2c/app/run_config.hpp>
#include <d2c/app/stage_store.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/hash.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/core/stage_context.hpp>
#include <d2c/data/data_config.hpp>
#include <d2c/data/data_set_size.hpp>
#include <d2c/data/image_set.hpp>
#include <d2c/data/image_source.hpp>
#include <d2c/data/limited_source.hpp>
#include <d2c/data/prepare.hpp>
#include <d2c/data/prepare_config.hpp>
#include <d2c/data/prepared_images.hpp>

namespace d2c {

/// A data set that is a list of files: open_images(D{}, config, split) returns an ImageSource. Its
/// images are prepared once instead of being decoded by every stage.
template <class D>
concept ListedDataset = requires(const DataConfig& config) {
  { open_images(D{}, config, Split::train) } -> std::convertible_to<std::unique_ptr<ImageSource>>;
};

/// The preparation of one data set as one program configures it: folders `prepare-KEY` of the
/// store, one for each split. The key covers the data set's name, its folder, the size of images
/// and what of [data] chooses among the files, but not the files themselves.
class ImagePreparation {
public:
  using Open = std::function<std::unique_ptr<ImageSource>(Split)>;

  ImagePreparation(std::string dataset, DataConfig data, const PrepareConfig& prepare,
                   const RunConfig& run, const DataSetSize& size, Open open)
      : dataset_{std::move(dataset)},
        data_{std::move(data)},
        store_{std::filesystem::path(run.out) / "store"},
        size_{size},
        open_{std::move(open)} {
    options_.height = size.height;
    options_.width = size.width;
    options_.shard_images = prepare.shard_images;
    options_.refused_share = prepare.refused_share;
  }

  /// Where the images of a split lie, or will lie.
  [[nodiscard]] std::filesystem::path folder(Split split) const {
    return store_.folder(kind, key(split));
  }

  /// Prepares what is missing on `threads` threads; with `verify`, a finished split is compared
  /// with the source's list and with its hashes first. Throws as prepare().
  void run(Split split, int threads, bool verify, Progress& progress) const {
    const auto where = folder(split);
    const FolderLock lock = store_.lock(kind, key(split), [&] {
      progress.line("prepare: waiting for another process that works in " + where.string());
    });
    if (!verify && PreparedFolder::read(where)) {
      return;
    }
    StageStore::make_folder(where);
    PrepareOptions options = options_;
    options.threads = threads;
    options.verify = verify;
    options.task = std::string("preparing ") + name_of(split) + " images";
    const PrepareResult result = prepare(*source(split), where, options, progress);
    progress.line(std::string("prepare: ") + name_of(split) + ", " + std::to_string(result.images) +
                  " images in " + where.string() +
                  (result.refused == 0 ? std::string{}
                                       : ", " + std::to_string(result.refused) + " refused (" +
                                             (where / "refused.csv").string() + ")"));
  }

  /// The prepared images. InputError if they are not prepared.
  [[nodiscard]] ImageSet load(Split split) const { return open_prepared(folder(split)); }

  [[nodiscard]] bool is_finished(Split split) const {
    return PreparedFolder::read(folder(split)).has_value();
  }

  /// How many images there are, or would be if none is refused.
  [[nodiscard]] std::int64_t count(Split split) const {
    const auto finished = PreparedFolder::read(folder(split));
    return finished ? finished->images : source(split)->size();
  }

private:
  static constexpr const char* kind = "prepare";

  static const char* name_of(Split split) { return split == Split::train ? "training" : "test"; }

  [[nodiscard]] std::unique_ptr<ImageSource> source(Split split) const {
    return std::make_unique<LimitedSource>(open_(split), data_, size_.classes, data_.root);
  }

  [[nodiscard]] std::string key(Split split) const {
    std::error_code ignored;
    const auto root = std::filesystem::weakly_canonical(data_.root, ignored);
    return hash_of_text("d2c prepare 1\n" + dataset_ + "\n" + root.string() + "\n" +
                        std::to_string(size_.height) + " x " + std::to_string(size_.width) +
                        "\nlimit " + std::to_string(data_.limit_per_class) + "\npixels " +
                        std::to_string(data_.pixel_limit) + "\n" + name_of(split) + "\n");
  }

  std::string dataset_;
  DataConfig data_;
  StageStore store_;
  DataSetSize size_;
  Open open_;
  PrepareOptions options_;
};

/// The preparation of data set D; empty for one that is loaded as it is.
template <class D>
std::shared_ptr<const ImagePreparation> preparation_of(const Sections& sections) {
  if constexpr (ListedDataset<D>) {
    const DataConfig& data = sections.get<DataConfig>();
    return std::make_shared<const ImagePreparation>(
        std::string(D::name), data, sections.get<PrepareConfig>(), sections.get<RunConfig>(),
        data_set_size<D>(data), [data](Split split) { return open_images(D{}, data, split); });
  } else {
    static_cast<void>(sections);
    return nullptr;
  }
}

} // namespace d2c
