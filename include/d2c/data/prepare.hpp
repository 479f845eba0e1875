#pragma once
/// Preparing images: decode, centre crop, store, on several threads. Torch-free.

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <filesystem>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <d2c/core/compiled_once.hpp>
#include <d2c/core/error.hpp>
#include <d2c/core/hash.hpp>
#include <d2c/core/progress.hpp>
#include <d2c/data/adm_crop.hpp>
#include <d2c/data/byte_image.hpp>
#include <d2c/data/colour_planes.hpp>
#include <d2c/data/image_source.hpp>
#include <d2c/data/prepared_images.hpp>
#include <d2c/data/prepared_shard.hpp>
#include <d2c/io/csv.hpp>

namespace d2c {

struct PrepareOptions {
  int height = 256; ///< of the images that come out
  int width = 256;
  std::int64_t shard_images = 512; ///< files of the source per shard
  double refused_share = 0.01;     ///< InputError if more of the files than this are refused
  int threads = 1;
  bool verify = false; ///< compare the content of shards that are there already with their hashes
  std::string task = "preparing";
};

struct PrepareResult {
  std::int64_t images = 0;
  std::int64_t refused = 0;
  std::int64_t shards_made = 0;
  std::int64_t shards_kept = 0; ///< sound ones that an earlier call had made
};

namespace prepare_detail {

/// Shards in memory at once: one is filled while one is written.
inline constexpr std::size_t most_open_shards = 2;

struct ShardPlan {
  std::int64_t first = 0;
  std::int64_t count = 0;
  std::string file;
  std::string recipe;
};

/// A shard being filled. Rows of refused files stay unused.
struct OpenShard {
  const ShardPlan* plan = nullptr;
  std::vector<std::uint8_t> pixels;
  std::vector<std::string> reasons; ///< empty: accepted
  std::int64_t claimed = 0;
  std::int64_t done = 0;
};

inline std::vector<ShardPlan> shard_plans(const ImageSource& source,
                                          const PrepareOptions& options) {
  std::vector<ShardPlan> plans;
  for (std::int64_t first = 0; first < source.size(); first += options.shard_images) {
    ShardPlan plan;
    plan.first = first;
    plan.count = std::min(options.shard_images, source.size() - first);
    plan.file = PreparedShard::file_name(plans.size());
    std::string text = std::string(PreparedShard::format) + " adm centre crop " +
                       std::to_string(options.height) + " x " + std::to_string(options.width) +
                       "\n";
    for (std::int64_t i = first; i < first + plan.count; ++i) {
      text += std::to_string(source.label(i)) + " " + source.id(i);
      text.push_back('\0');
    }
    plan.recipe = hash_of_text(text);
    plans.push_back(std::move(plan));
  }
  return plans;
}

/// The shard of a plan if it is there and sound.
inline std::optional<PreparedShard> sound_shard(const std::filesystem::path& folder,
                                                const ShardPlan& plan, bool verify) {
  const auto path = folder / plan.file;
  if (!std::filesystem::exists(path)) {
    return std::nullopt;
  }
  try {
    PreparedShard shard(path);
    const auto files = static_cast<std::int64_t>(shard.labels().size() + shard.refused().size());
    if (shard.recipe() == plan.recipe && files == plan.count && (!verify || shard.is_intact())) {
      return shard;
    }
  } catch (const InputError&) { // a damaged shard is made again
  }
  return std::nullopt;
}

/// Decodes and crops on its threads, and writes full shards on the one that calls it.
class Workers {
public:
  Workers(const ImageSource& source, const std::filesystem::path& folder,
          const PrepareOptions& options, std::vector<const ShardPlan*> plans, std::int64_t refused,
          Progress& progress)
      : source_{source},
        folder_{folder},
        options_{options},
        plans_{std::move(plans)},
        refused_{refused},
        refused_in_shards_{refused},
        most_refused_{static_cast<std::int64_t>(
            std::floor(options.refused_share * static_cast<double>(source.size())))},
        progress_{progress} {}

  /// Makes all shards, or stops early when too many files are refused. Rethrows what a thread
  /// threw.
  void run() {
    std::vector<std::thread> threads;
    try {
      for (int i = 0; i < std::max(1, options_.threads); ++i) {
        const std::lock_guard guard(mutex_);
        threads.emplace_back([this] { work(); });
        ++working_;
      }
    } catch (const std::system_error& reason) { // with fewer threads than asked it is only slower
      if (threads.empty()) {
        throw Failure(std::string("preparing images: cannot start a thread: ") + reason.what());
      }
    }
    try {
      while (OpenShard* const shard = next_full()) {
        write(*shard);
      }
    } catch (...) {
      stop(std::current_exception());
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    if (error_) {
      std::rethrow_exception(error_);
    }
  }

private:
  void work() {
    try {
      while (auto claim = next_image()) {
        auto& [shard, row] = *claim;
        make_image(*shard, row);
        count_done(*shard, row);
      }
    } catch (...) {
      stop(std::current_exception());
    }
    const std::lock_guard guard(mutex_);
    --working_;
    changed_.notify_all();
  }

  void stop(std::exception_ptr error) {
    const std::lock_guard guard(mutex_);
    error_ = error_ ? error_ : std::move(error);
    stopped_ = true;
    changed_.notify_all();
  }

  /// The next shard to write, waiting for it. Null: there will be none.
  OpenShard* next_full() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !full_.empty() || working_ == 0; });
    if (full_.empty()) {
      return nullptr;
    }
    OpenShard* const shard = full_.front();
    full_.pop_front();
    return shard;
  }

  /// The next image in order, waiting until its shard may be opened. Nothing: all are claimed.
  std::optional<std::pair<OpenShard*, std::int64_t>> next_image() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (stopped_) {
        return std::nullopt;
      }
      if (!open_.empty() && open_.back().claimed < open_.back().plan->count) {
        return std::pair{&open_.back(), open_.back().claimed++};
      }
      if (next_plan_ == plans_.size()) {
        return std::nullopt;
      }
      if (open_.size() < most_open_shards) {
        OpenShard& shard = open_.emplace_back();
        shard.plan = plans_[next_plan_++];
        const auto rows = static_cast<std::size_t>(shard.plan->count);
        shard.pixels = std::move(spare_); // memory that was touched before
        spare_.clear();
        shard.pixels.resize(rows * image_bytes());
        shard.reasons.resize(rows);
        continue;
      }
      changed_.wait(lock);
    }
  }

  void make_image(OpenShard& shard, std::int64_t row) const {
    const auto index = static_cast<std::size_t>(row);
    try {
      DecodedImage decoded = source_.decode(shard.plan->first + row);
      ByteImage image{decoded.width, decoded.height, 3, std::move(decoded.rgb)};
      if (image.width != options_.width || image.height != options_.height) {
        image = crop(std::move(image), source_.id(shard.plan->first + row));
      }
      separate_colours(image, shard.pixels.data() + index * image_bytes());
    } catch (const InputError& refusal) {
      shard.reasons[index] = refusal.what();
    }
  }

  [[nodiscard]] ByteImage crop(ByteImage image, const std::string& id) const {
    using resample_detail::size_text;
    if (options_.width != options_.height) {
      throw InputError(id + ": expected an image of " + size_text(options_.width, options_.height) +
                       ", which is no square to crop to, found " +
                       size_text(image.width, image.height));
    }
    if (!adm_crop_detail::fits(image, options_.width)) {
      throw InputError(id + ": expected an image whose longer side fits after scaling, found " +
                       size_text(image.width, image.height));
    }
    return adm_centre_crop(std::move(image), options_.width);
  }

  void count_done(OpenShard& shard, std::int64_t row) {
    const std::lock_guard guard(mutex_);
    refused_ += shard.reasons[static_cast<std::size_t>(row)].empty() ? 0 : 1;
    progress_.advance(1, refused_ > 0 ? std::to_string(refused_) + " refused" : std::string{});
    if (++shard.done == shard.plan->count) {
      full_.push_back(&shard);
      changed_.notify_all();
    }
  }

  void write(OpenShard& shard) {
    std::vector<std::int64_t> labels;
    std::vector<std::string> ids;
    std::vector<RefusedImage> refused;
    std::uint8_t* to = shard.pixels.data();
    for (std::int64_t row = 0; row < shard.plan->count; ++row) {
      const auto index = static_cast<std::size_t>(row);
      const std::int64_t i = shard.plan->first + row;
      if (!shard.reasons[index].empty()) {
        refused.push_back({source_.id(i), shard.reasons[index]});
        continue;
      }
      labels.push_back(source_.label(i));
      ids.push_back(source_.id(i));
      std::memmove(to, shard.pixels.data() + index * image_bytes(), image_bytes());
      to += image_bytes();
    }
    PreparedShard::write(folder_ / shard.plan->file, shard.plan->recipe, options_.height,
                         options_.width, {shard.pixels.data(), labels.size() * image_bytes()},
                         labels, ids, refused);
    const std::lock_guard guard(mutex_);
    spare_ = std::move(shard.pixels);
    open_.remove_if([&](const OpenShard& one) { return &one == &shard; });
    // Only what stands in finished shards counts: prepare() reads the list from there.
    refused_in_shards_ += static_cast<std::int64_t>(refused.size());
    stopped_ = stopped_ || refused_in_shards_ > most_refused_;
    changed_.notify_all();
  }

  [[nodiscard]] std::size_t image_bytes() const {
    return 3 * static_cast<std::size_t>(options_.height) * static_cast<std::size_t>(options_.width);
  }

  const ImageSource& source_;
  const std::filesystem::path& folder_;
  const PrepareOptions& options_;
  std::vector<const ShardPlan*> plans_;
  std::size_t next_plan_ = 0;
  std::list<OpenShard> open_;
  std::deque<OpenShard*> full_; ///< to be written
  std::vector<std::uint8_t> spare_;
  int working_ = 0;                ///< threads that decode
  std::int64_t refused_;           ///< so far, for the progress
  std::int64_t refused_in_shards_; ///< in finished ones
  std::int64_t most_refused_;
  Progress& progress_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopped_ = false;
  std::exception_ptr error_;
};

/// Takes away what is not of this preparation: half-written files and shards under other names.
inline void remove_strangers(const std::filesystem::path& folder,
                             const std::vector<ShardPlan>& plans) {
  std::vector<std::filesystem::path> strangers;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool shard = name.starts_with("images-");
    const bool ours = std::any_of(plans.begin(), plans.end(),
                                  [&](const ShardPlan& plan) { return plan.file == name; });
    if (name.find(".tmp-") != std::string::npos || (shard && !ours)) {
      strangers.push_back(entry.path());
    }
  }
  for (const auto& stranger : strangers) {
    std::filesystem::remove(stranger);
  }
}

inline void write_refused(const std::filesystem::path& folder,
                          const std::vector<RefusedImage>& refused) {
  CsvWriter table(folder / "refused.csv", {"id", "reason"});
  for (const RefusedImage& one : refused) {
    table.row(one.id, one.reason);
  }
  table.commit();
}

inline void require_options(const ImageSource& source, const PrepareOptions& options) {
  if (source.size() < 1) {
    throw InputError("preparing images: expected at least one image, found none");
  }
  if (options.height < 1 || options.width < 1 || options.shard_images < 1) {
    throw InputError("preparing images: expected sizes and shards of at least 1, found " +
                     resample_detail::size_text(options.width, options.height) + " and shards of " +
                     std::to_string(options.shard_images));
  }
}

} // namespace prepare_detail

/// Fills `folder` (which exists) with the images of `source`, decoded: those of the right size as
/// they are, others cropped by adm_centre_crop, which needs a square. It leaves shards of
/// consecutive images (prepared_shard.hpp), `refused.csv` (id, reason) with the files that could
/// not be decoded, and `prepared.json` last. The bytes depend on the source and the options alone,
/// not on threads or interruptions: shards that are there and sound are kept, so a killed call
/// loses the two it was working on. At most two shards are held in memory. InputError if more files
/// than refused_share are refused or a class lost all its images; shards with refused files are
/// removed then, so that the next call tries those files again. Failure if a file cannot be
/// written.
template <class = Once>
PrepareResult prepare(const ImageSource& source, const std::filesystem::path& folder,
                      const PrepareOptions& options, Progress& progress) {
  using namespace prepare_detail;
  require_options(source, options);
  const std::vector<ShardPlan> plans = shard_plans(source, options);
  std::string recipes;
  for (const ShardPlan& plan : plans) {
    recipes += plan.recipe;
  }
  remove_strangers(folder, plans);

  PrepareResult result;
  std::vector<const ShardPlan*> missing;
  std::int64_t done = 0;
  std::int64_t refused_before = 0;
  for (const ShardPlan& plan : plans) {
    if (const auto shard = sound_shard(folder, plan, options.verify)) {
      done += plan.count;
      refused_before += static_cast<std::int64_t>(shard->refused().size());
      ++result.shards_kept;
    } else {
      missing.push_back(&plan);
      ++result.shards_made;
    }
  }
  if (!missing.empty()) {
    std::filesystem::remove(folder / PreparedFolder::file_name);
    progress.start(options.task, source.size(), "images", done);
    Workers(source, folder, options, missing, refused_before, progress).run();
    progress.finish();
  }

  PreparedFolder record;
  record.recipe = hash_of_text(recipes);
  record.height = options.height;
  record.width = options.width;
  record.class_names = source.class_names();
  std::vector<RefusedImage> refused;
  std::vector<std::filesystem::path> incomplete;
  std::vector<std::int64_t> per_class(record.class_names.size(), 0);
  for (const ShardPlan& plan : plans) {
    const auto path = folder / plan.file;
    if (!std::filesystem::exists(path)) {
      continue; // stopped early
    }
    const PreparedShard shard(path);
    record.images += static_cast<std::int64_t>(shard.labels().size());
    record.shards.push_back({plan.file, std::filesystem::file_size(path), shard.xxh3()});
    for (const std::int64_t label : shard.labels()) {
      ++per_class.at(static_cast<std::size_t>(label));
    }
    if (!shard.refused().empty()) {
      incomplete.push_back(path);
      refused.insert(refused.end(), shard.refused().begin(), shard.refused().end());
    }
  }
  record.refused = static_cast<std::int64_t>(refused.size());
  write_refused(folder, refused);
  const auto give_up = [&](const std::string& sentence) {
    for (const auto& path : incomplete) {
      std::filesystem::remove(path);
    }
    throw InputError(sentence);
  };
  const auto list = (folder / "refused.csv").string();
  if (static_cast<double>(record.refused) >
      options.refused_share * static_cast<double>(source.size())) {
    char share[32];
    std::snprintf(share, sizeof share, "%g %%", 100 * options.refused_share);
    give_up(list + ": expected at most " + share + " of " + std::to_string(source.size()) +
            " files refused, found " + std::to_string(record.refused) +
            (record.shards.size() < plans.size() ? " so far" : "") + ", the first being " +
            refused.front().id + " (" + refused.front().reason + ")");
  }
  for (std::size_t label = 0; label < per_class.size(); ++label) {
    if (per_class[label] == 0) {
      give_up(list + ": expected images of every class, found none of \"" +
              record.class_names[label] + "\" that could be used");
    }
  }
  record.write(folder);
  result.images = record.images;
  result.refused = record.refused;
  return result;
}
D2C_COMPILED_ONCE(PrepareResult prepare<>(const ImageSource&, const std::filesystem::path&,
                                          const PrepareOptions&, Progress&))

} // namespace d2c
