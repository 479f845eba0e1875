#include <catch.hpp>
#include <scratch_folder.hpp>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <d2c/app/exit_code.hpp>
#include <d2c/app/program.hpp>
#include <d2c/core.hpp>
#include <d2c/core/named.hpp>

// A world without tensors: five stages of the test's own, which count how often they run.

namespace d2c {
class Codec {};
} // namespace d2c

namespace toy {

namespace fs = std::filesystem;

std::map<std::string, int> runs;
std::string throws_in; // kind of the stage that fails half-way
std::vector<int> threads_seen;
bool tf32_allowed = true;
bool has_gpu = false;
bool images_missing = false;
std::vector<std::pair<fs::path, fs::path>> exported; // checkpoint and folder
std::string found_scores; // what a score stage found in its folder when it began

struct ToyConfig {
  static constexpr std::string_view section = "toy";
  std::int64_t amount = 3;
  std::int64_t columns = 4;
  std::string weights;
};

struct Data {
  static constexpr std::string_view kind = "source";
  static constexpr auto needs = d2c::set_of<>;
  static constexpr auto provides = d2c::set_of<d2c::Images>;

  static std::string name() { return "Data"; }
};

d2c::ImageLoader image_loader_of(const Data&, const d2c::Sections&) {
  return [](d2c::Split) {
    d2c::ImageSet set;
    set.labels.assign(20, 0);
    return set;
  };
}

std::shared_ptr<const d2c::Codec> codec_of(const Data&, const d2c::Sections&, const std::string&) {
  return std::make_shared<d2c::Codec>();
}

void check_stage(const Data&, const d2c::StageContext& context, d2c::Problems& problems) {
  if (images_missing && context.needs_images) {
    problems.add("[data] root", "expected images, found none");
  }
}

using d2c_test::content;

void work(d2c::StageContext& context, const std::string& kind, const std::string& file,
          const std::string& text) {
  ++runs[kind];
  d2c::write_file_atomically(context.out / "first.txt", "first of " + kind);
  if (throws_in == "kill " + kind) {
    d2c::AtomicFile half(context.out / file);
    half.write(text);
    std::raise(SIGKILL);
  }
  if (throws_in == kind) {
    throw d2c::Failure("step 7: the loss is nan, expected a finite number");
  }
  d2c::write_file_atomically(context.out / file, text);
}

struct Score {
  using config = ToyConfig;
  static constexpr std::string_view kind = "score";
  static constexpr std::array<std::string_view, 1> growing_keys = {"toy.columns"};
  static constexpr auto needs = d2c::set_of<d2c::Images>;
  static constexpr auto provides = d2c::set_of<d2c::Scores>;

  static std::string name() { return "Score"; }
};

void run_stage(const Score&, d2c::StageContext& context) {
  found_scores = content(context.out / "scores.csv");
  work(context, "score", "scores.csv", "seed " + std::to_string(context.seed));
}

void check_stage(const Score&, const d2c::StageContext& context, d2c::Problems& problems) {
  const auto& config = context.section<ToyConfig>();
  if (!config.weights.empty() && !fs::exists(config.weights)) {
    problems.add("toy.weights", "expected a file, found none at " + config.weights);
  }
}

template <int K>
struct Select {
  static constexpr std::string_view kind = "select";
  static constexpr auto needs = d2c::set_of<d2c::Images, d2c::Scores>;
  static constexpr auto provides = d2c::set_of<d2c::Subset>;
  static constexpr std::array<std::string_view, 1> fixed_keys = {"select.interval"};

  static std::string name() { return "Select<" + std::to_string(K) + ">"; }
};

template <int K>
void run_stage(const Select<K>&, d2c::StageContext& context) {
  work(context, "select", "subset.csv",
       "id\n" + content(context.artifacts.at<d2c::Scores>() / "scores.csv") + "\n");
}

struct Unselect {
  using config = d2c::SelectConfig;
  static constexpr std::string_view kind = "select";
  static constexpr auto needs = d2c::set_of<d2c::Images, d2c::Scores>;
  static constexpr auto provides = d2c::set_of<d2c::Subset>;
  static constexpr std::array<std::string_view, 1> unread_keys = {"select.interval"};

  static std::string name() { return "Unselect"; }
};

void run_stage(const Unselect&, d2c::StageContext& context) {
  work(context, "select", "subset.csv", "id\n");
}

struct Train {
  using config = d2c::TrainConfig;
  using objective = d2c::PathMatching<d2c::GvpPath, d2c::PredictData>;
  static constexpr std::string_view kind = "train";
  static constexpr auto needs = d2c::set_of<d2c::Images, d2c::Subset>;
  static constexpr auto provides = d2c::set_of<d2c::Denoiser>;

  static std::string name() { return "Train"; }
};

void run_stage(const Train&, d2c::StageContext& context) {
  work(context, "train", "final.safetensors", "weights");
}

void check_stage(const Train&, const d2c::StageContext& context, d2c::Problems& problems) {
  if (context.section<d2c::TrainConfig>().steps == 13) {
    problems.add("train.steps", "expected any number but 13");
  }
}

/// Takes a denoiser from a file, as Pretrained does.
struct Take {
  static constexpr std::string_view kind = "train";
  static constexpr auto needs = d2c::set_of<>;
  static constexpr auto provides = d2c::set_of<d2c::Denoiser>;

  static std::string name() { return "Take"; }
};

void run_stage(const Take&, d2c::StageContext& context) {
  work(context, "train", "final.safetensors", "weights");
}

struct Judge {
  static constexpr std::string_view kind = "evaluate";
  static constexpr auto needs = d2c::set_of<d2c::Denoiser>;
  static constexpr auto provides = d2c::set_of<d2c::Metrics>;

  static std::string name() { return "Judge"; }
};

void run_stage(const Judge&, d2c::StageContext& context) {
  work(context, "evaluate", "metrics.json",
       R"({"frechet": 12.5, "precision": 0.75, "recall": 0.5, "copies": 0.01, "images": 4})");
}

using Experiment = d2c::Pipeline<Data, Score, Select<2>, Train, Judge>;
using Other = d2c::Pipeline<Data, Score, Select<5>, Train, Judge>;
using A = d2c::Named<"a", Experiment>;
using B = d2c::Named<"b", Other>;

struct FakeMachine : d2c::Backend {
  std::string resolve_device(const std::string& asked) const override {
    if (asked != "cpu" && !has_gpu) {
      throw d2c::InputError("device: " + asked + " was asked for, but there is none");
    }
    return asked;
  }

  void allow_tf32(bool allowed) const override { tf32_allowed = allowed; }

  std::string precision(const std::string&) const override { return "float32, the only one"; }

  void set_threads(int threads) const override { threads_seen.push_back(threads); }

  std::vector<std::pair<std::string, std::string>> versions() const override {
    return {{"toy", "1.0"}};
  }

  double matrix_product_rate(const std::string&, std::int64_t, std::int64_t, std::int64_t,
                             double) const override {
    return 1e9;
  }
};

/// A folder of its own per test, with a configuration.
struct World {
  fs::path path = fs::temp_directory_path() / ("d2c-app-" + std::to_string(::getpid()));
  std::string out;
  std::string err;

  World() {
    fs::remove_all(path);
    fs::create_directories(path);
    config("[run]\nname = \"demo\"\nout = \"" + (path / "runs").string() + "\"\nthreads = 4\n");
    runs.clear();
    throws_in.clear();
    threads_seen.clear();
    has_gpu = false;
    images_missing = false;
    exported.clear();
  }

  ~World() { fs::remove_all(path); }

  void config(const std::string& text) const { std::ofstream(path / "c.toml") << text; }

  template <class... Pipelines>
  int call(std::vector<std::string> arguments, bool with_config = true) {
    if (with_config) {
      arguments.insert(arguments.begin(), {"--config", (path / "c.toml").string(), "--quiet"});
    }
    arguments.insert(arguments.begin(), "program");
    std::vector<const char*> argv;
    argv.reserve(arguments.size());
    for (const auto& argument : arguments) {
      argv.push_back(argument.c_str());
    }
    const FakeMachine machine;
    std::FILE* const out_file = std::tmpfile();
    std::FILE* const err_file = std::tmpfile();
    const int code =
        d2c::run_program<Pipelines...>(static_cast<int>(argv.size()), argv.data(),
                                       {.backend = machine,
                                        .write_report = {},
                                        .export_denoiser =
                                            [](const fs::path& checkpoint, const fs::path& folder) {
                                              exported.emplace_back(checkpoint, folder);
                                              return std::vector{folder / "sit.pt"};
                                            },
                                        .out = out_file,
                                        .err = err_file});
    out = slurp(out_file);
    err = slurp(err_file);
    return code;
  }

  static std::string slurp(std::FILE* file) {
    std::rewind(file);
    std::string text;
    for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) {
      text += static_cast<char>(c);
    }
    std::fclose(file);
    return text;
  }

  [[nodiscard]] fs::path run() const { return path / "runs" / "demo"; }

  [[nodiscard]] nlohmann::json summary() const {
    return nlohmann::json::parse(content(run() / "summary.json"));
  }
};

using Counts = std::map<std::string, int>;

/// The key of every stage of a pipeline, by kind.
template <class P>
std::map<std::string, std::string> keys_of(const d2c::Sections& sections) {
  std::map<std::string, std::string> keys;
  std::map<std::string, std::string> makers;
  std::map<std::string, std::string> files;
  const auto& run = sections.get<d2c::RunConfig>();
  d2c::for_each_type(typename P::resolved_stages{}, [&]<class S>() {
    std::map<std::string, std::string> made_from;
    for (const std::string_view need : d2c::names_of(d2c::needs_t<S>{})) {
      made_from[std::string(need)] = makers[std::string(need)];
    }
    const std::string key = d2c::stage_key_text<S>(sections, d2c::seed_of(run, S::kind),
                                                   d2c::arithmetic_of(run), made_from, files);
    for (const std::string_view artifact : d2c::names_of(d2c::provides_t<S>{})) {
      makers[std::string(artifact)] = key;
    }
    keys[std::string(S::kind)] = key;
  });
  return keys;
}

} // namespace toy

D2C_CONFIG(toy::ToyConfig, amount, columns, weights)

using toy::A;
using toy::B;
using toy::Counts;
using toy::Experiment;
using toy::runs;
using toy::World;
namespace fs = std::filesystem;

TEST_CASE("app: a run leaves its folder, a second call runs nothing again") {
  World world;
  REQUIRE(world.call<Experiment>({}) == 0);
  CHECK(runs == Counts{{"score", 1}, {"select", 1}, {"train", 1}, {"evaluate", 1}});
  CHECK(world.out.find("0.7500") != std::string::npos);
  for (const char* name :
       {"config.toml", "manifest.json", "summary.json", "scores/scores.csv", "subset.csv",
        "checkpoints/final.safetensors", "evaluation/metrics.json"}) {
    CHECK(fs::exists(world.run() / name));
  }
  CHECK(fs::is_symlink(world.run() / "scores"));
  CHECK(fs::read_symlink(world.run() / "scores").string().rfind("../store/score-", 0) == 0);
  CHECK(world.summary()["arms"]["demo"]["frechet"] == 12.5);
  CHECK(world.summary()["arms"]["demo"]["images"] == 4);
  CHECK(world.summary()["arms"]["demo"]["steps"] == 400000);
  CHECK(world.summary()["seconds"].contains("total"));
  CHECK(world.summary()["stages"][0]["reused"] == false);

  REQUIRE(world.call<Experiment>({}) == 0);
  CHECK(runs == Counts{{"score", 1}, {"select", 1}, {"train", 1}, {"evaluate", 1}});
  CHECK(world.summary()["stages"][0]["reused"] == true);
}

TEST_CASE("app: the effective configuration reads back as the same configuration") {
  World world;
  REQUIRE(world.call<Experiment>({"--set", "train.steps=7", "--set", "toy.amount=9"}) == 0);
  const std::string effective = toy::content(world.run() / "config.toml");
  CHECK(effective.find("steps = 7\n") != std::string::npos);
  CHECK(effective.find("amount = 9\n") != std::string::npos);
  CHECK(effective.find("[sample]") == std::string::npos); // no stage reads it
  world.config(effective);
  REQUIRE(world.call<Experiment>({}) == 0);
  CHECK(toy::content(world.run() / "config.toml") == effective);
  CHECK(runs["train"] == 1);
}

TEST_CASE("app: a change redoes the stage it concerns and what follows, nothing else") {
  World world;
  REQUIRE(world.call<Experiment>({}) == 0);
  REQUIRE(world.call<Experiment>({"--set", "train.steps=5"}) == 0);
  CHECK(runs == Counts{{"score", 1}, {"select", 1}, {"train", 2}, {"evaluate", 2}});
  REQUIRE(world.call<toy::Other>({}) == 0); // another type of selection
  CHECK(runs == Counts{{"score", 1}, {"select", 2}, {"train", 3}, {"evaluate", 3}});
  REQUIRE(world.call<Experiment>({"--set", "run.seed=1"}) == 0);
  CHECK(runs == Counts{{"score", 2}, {"select", 3}, {"train", 4}, {"evaluate", 4}});
  REQUIRE(world.call<Experiment>({"--set", "run.seed=2", "--set", "run.score_seed=1"}) == 0);
  CHECK(runs == Counts{{"score", 2}, {"select", 4}, {"train", 5}, {"evaluate", 5}});
  REQUIRE(world.call<Experiment>({"--set", "data.limit_per_class=3"}) == 0);
  CHECK(runs == Counts{{"score", 3}, {"select", 5}, {"train", 6}, {"evaluate", 6}});
  // What is not part of any result: names, threads, and the prompt for stages without text.
  REQUIRE(world.call<Experiment>({"--set", "run.name=other", "--set", "run.threads=2", "--set",
                                  "data.prompt={}"}) == 0);
  CHECK(runs["score"] == 3);
  REQUIRE(world.call<Experiment>({}) == 0);
  CHECK(runs["train"] == 6);
}

TEST_CASE("app: keys that change no result of a stage do not redo it") {
  World world;
  REQUIRE(world.call<Experiment>({}) == 0);
  const Counts once = {{"score", 1}, {"select", 1}, {"train", 1}, {"evaluate", 1}};
  // The section says so.
  REQUIRE(world.call<Experiment>({"--set", "train.log_every=3", "--set", "train.checkpoint_every=7",
                                  "--set", "train.keep_checkpoints=0"}) == 0);
  CHECK(runs == once);
  // The stage says so: it does not read that key of its section, though others do.
  using Unread = d2c::Pipeline<toy::Data, toy::Score, toy::Unselect, toy::Train, toy::Judge>;
  REQUIRE(world.call<Unread>({}) == 0);
  CHECK(runs == Counts{{"score", 1}, {"select", 2}, {"train", 2}, {"evaluate", 2}});
  REQUIRE(world.call<Unread>({"--set", "select.interval=9"}) == 0);
  CHECK(runs == Counts{{"score", 1}, {"select", 2}, {"train", 2}, {"evaluate", 2}});
  REQUIRE(world.call<Unread>({"--set", "select.per_class=9"}) == 0);
  CHECK(runs["select"] == 3);
}

TEST_CASE("app: another kind of device is another result, another GPU is not") {
  World world;
  REQUIRE(world.call<Experiment>({}) == 0);
  CHECK_FALSE(toy::tf32_allowed);
  toy::has_gpu = true;
  REQUIRE(world.call<Experiment>({"--device", "cuda"}) == 0);
  CHECK_FALSE(toy::tf32_allowed);
  // A stage that computes nothing on the device follows only because its scores are others.
  CHECK(runs == Counts{{"score", 2}, {"select", 2}, {"train", 2}, {"evaluate", 2}});
  REQUIRE(world.call<Experiment>({"--device", "cuda:1"}) == 0);
  CHECK(runs["score"] == 2);
  REQUIRE(world.call<Experiment>({"--device", "cuda", "--set", "run.tf32=true"}) == 0);
  CHECK(runs["score"] == 3);
  CHECK(toy::tf32_allowed);
  // The CPU has no TF32.
  REQUIRE(world.call<Experiment>({"--set", "run.tf32=true"}) == 0);
  CHECK(runs["score"] == 3);
}

TEST_CASE("app: the real stages' keys hold what they read") {
  using Picked =
      d2c::Pipeline<d2c::Scorer<d2c::SiT_S2>, d2c::Selector<d2c::Interval<>>, d2c::Attacher<>,
                    d2c::Trainer<d2c::SiT_S2, d2c::FlowMatching, d2c::NoAlign>,
                    d2c::Sampler<d2c::Euler>,
                    d2c::Evaluator<d2c::CopyAudit<d2c::EfficientNetLite0Pool>>>;
  using Drawn = d2c::Pipeline<d2c::Selector<d2c::Random>,
                              d2c::Trainer<d2c::SiT_S2, d2c::FlowMatching, d2c::NoAlign>>;
  const auto keys = [](auto pipeline, const auto& change) {
    d2c::Sections sections;
    d2c::RunConfig run;
    d2c::DataConfig data;
    data.dataset = "fashion-mnist";
    data.codec = "pixels";
    d2c::ScoreConfig score;
    d2c::SelectConfig select;
    select.per_class = 5;
    d2c::AttachConfig attach;
    d2c::TrainConfig train;
    d2c::SampleConfig sample;
    d2c::EvaluateConfig evaluate;
    change(run, select, attach, train, evaluate);
    sample.batch = attach.batch; // two habits that change together
    sections.set(run);
    sections.set(data);
    sections.set(score);
    sections.set(select);
    sections.set(attach);
    sections.set(train);
    sections.set(sample);
    sections.set(evaluate);
    return toy::keys_of<decltype(pipeline)>(sections);
  };
  const auto nothing = [](auto&...) {};
  const auto picked = keys(Picked{}, nothing);
  const auto drawn = keys(Drawn{}, nothing);
  const auto changed = [&](const auto& before, const auto& after) {
    std::string kinds;
    for (const auto& [kind, key] : before) {
      kinds += after.at(kind) == key ? "" : kind + " ";
    }
    return kinds;
  };
  const auto other_interval = [](auto&, auto& select, auto&...) { select.interval = 7; };
  const auto other_draw = [](auto&, auto& select, auto&...) { select.seed_offset = 7; };
  const auto habits = [](auto& run, auto&, auto& attach, auto& train, auto& evaluate) {
    run.threads = 3;
    attach.batch = 7;
    evaluate.batch = 7;
    train.log_every = train.checkpoint_every = train.keep_checkpoints = 7;
  };
  CHECK(changed(picked, keys(Picked{}, habits)).empty());
  CHECK(changed(picked, keys(Picked{}, other_draw)).empty());
  CHECK(changed(picked, keys(Picked{}, other_interval)) == "attach evaluate sample select train ");
  CHECK(changed(drawn, keys(Drawn{}, other_interval)).empty());
  CHECK(changed(drawn, keys(Drawn{}, other_draw)) == "select train ");
  // Another seed for everything but the scores: the interval's subset and its pack stay.
  const auto seed = [](auto& run, auto&...) { run.score_seed = 0, run.seed = 1; };
  CHECK(changed(picked, keys(Picked{}, seed)) == "evaluate sample train ");
  const auto gpu = [](auto& run, auto&...) { run.device = "cuda"; };
  CHECK(changed(drawn, keys(Drawn{}, gpu)) == "train ");
}

TEST_CASE("app: what is said to have no part in a key names keys that exist") {
  std::vector<std::string> known;
  d2c::for_each_type(d2c::StandardSections{}, [&]<class Section>() {
    std::vector<std::string> fields;
    const Section section;
    d2c::for_each_field(section, [&](std::string_view key, const auto&) {
      fields.emplace_back(key);
      known.push_back(std::string(Section::section) + "." + std::string(key));
    });
    if constexpr (requires { Section::no_effect; }) {
      for (const std::string_view key : Section::no_effect) {
        INFO(Section::section << "." << key);
        CHECK(std::count(fields.begin(), fields.end(), key) == 1);
        CHECK_FALSE(d2c::changes_results<Section>(key));
      }
    }
    CHECK(d2c::changes_results<Section>("no key of this name"));
  });
  using Policies = d2c::type_list<d2c::Random, d2c::Min, d2c::Max, d2c::Medium, d2c::Interval<>,
                                  d2c::Interval<3>, d2c::All>;
  d2c::for_each_type(Policies{}, [&]<class Policy>() {
    for (const std::string_view key : Policy::unread_keys) {
      INFO(std::string_view{Policy::name} << " " << key);
      CHECK(std::count(known.begin(), known.end(), key) == 1);
    }
  });
}

TEST_CASE("app: a batch that its images depend on has a part in their key") {
  d2c::SampleConfig sample;
  CHECK_FALSE(d2c::changes_results(sample, "batch"));
  CHECK(d2c::changes_results(sample, "steps"));
  sample.step_control = "torchdiffeq";
  CHECK(d2c::changes_results(sample, "batch"));
}

TEST_CASE("app: the content of a named file is part of the key, its place is not") {
  World world;
  const fs::path first = world.path / "w1";
  const fs::path second = world.path / "w2";
  std::ofstream(first) << "weights";
  std::ofstream(second) << "weights";
  REQUIRE(world.call<Experiment>({"--set", "toy.weights=" + first.string()}) == 0);
  REQUIRE(world.call<Experiment>({"--set", "toy.weights=" + second.string()}) == 0);
  CHECK(runs["score"] == 1);
  std::ofstream(second) << "other weights";
  REQUIRE(world.call<Experiment>({"--set", "toy.weights=" + second.string()}) == 0);
  CHECK(runs["score"] == 2);
  const auto manifest = nlohmann::json::parse(toy::content(world.run() / "manifest.json"));
  CHECK(manifest["input_files_xxh3"].contains(second.string()));
  // A folder stands for the denoiser in it.
  const fs::path folder = world.path / "denoiser";
  fs::create_directories(folder);
  std::ofstream(folder / "final.safetensors") << "other weights";
  REQUIRE(world.call<Experiment>({"--set", "toy.weights=" + folder.string()}) == 0);
  CHECK(runs["score"] == 2);
  std::ofstream(folder / "final.safetensors") << "third weights";
  REQUIRE(world.call<Experiment>({"--set", "toy.weights=" + folder.string()}) == 0);
  CHECK(runs["score"] == 3);
  // An index stands for its shards as well, and a broken one for itself.
  const fs::path index = folder / "w.safetensors.index.json";
  std::ofstream(index) << R"({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})";
  std::ofstream(folder / "1.safetensors") << "one";
  const auto with_index = [&] {
    REQUIRE(world.call<Experiment>({"--set", "toy.weights=" + index.string()}) == 0);
    return runs["score"];
  };
  CHECK(with_index() == 4);
  std::ofstream(folder / "2.safetensors") << "two";
  CHECK(with_index() == 5);
  std::ofstream(folder / "2.safetensors") << "too";
  CHECK(with_index() == 6);
  CHECK(with_index() == 6);
  std::ofstream(index) << "broken";
  CHECK(with_index() == 7);
}

TEST_CASE("app: a file is read once for its hash, however many stages and arms name it") {
  World world;
  const fs::path file = world.path / "codec";
  std::ofstream(file) << "weights";
  std::map<fs::path, int> reads;
  const d2c::FileHashes hashes([&](const fs::path& read) {
    ++reads[read];
    return d2c::hash_of_file(read);
  });
  d2c::Sections sections;
  d2c::DataConfig data;
  data.dataset = "fashion-mnist";
  data.codec = "pixels";
  data.codec_weights = file.string(); // read by every stage
  sections.set(data);
  sections.set(d2c::RunConfig{});
  sections.set(toy::ToyConfig{});
  sections.set(d2c::SelectConfig{});
  sections.set(d2c::TrainConfig{});
  d2c::Problems problems;
  const auto arm = d2c::make_arm<A>(sections, problems, hashes);
  CHECK(d2c::make_arm<B>(sections, problems, hashes).stages[1].key == arm.stages[1].key);
  CHECK(arm.stages.back().input_files.at(file.string()) == d2c::hash_of_text("weights"));
  CHECK(arm.hashes(file) == d2c::hash_of_text("weights"));
  CHECK(reads == std::map<fs::path, int>{{file, 1}});
  std::ofstream(file) << "other weights";
  CHECK(arm.hashes(file) == d2c::hash_of_text("other weights"));
  CHECK(reads[file] == 2);
  fs::remove(file);
  CHECK_THROWS_AS(arm.hashes(file), d2c::InputError);
}

TEST_CASE("app: a stage that only grows begins with the results of its relative") {
  World world;
  REQUIRE(world.call<Experiment>({}) == 0);
  CHECK(toy::found_scores.empty());
  REQUIRE(world.call<Experiment>({"--set", "toy.columns=8"}) == 0);
  CHECK(runs["score"] == 2);
  CHECK(toy::found_scores == "seed 0");
  REQUIRE(world.call<Experiment>({"--set", "toy.amount=8"}) == 0);
  CHECK(runs["score"] == 3);
  CHECK(toy::found_scores.empty());
}

TEST_CASE("app: arms share equal stages, and compare sets them side by side") {
  World world;
  REQUIRE(world.call<A, B>({}) == 0);
  CHECK(runs == Counts{{"score", 1}, {"select", 2}, {"train", 2}, {"evaluate", 2}});
  CHECK(fs::equivalent(world.run() / "arms/a/scores", world.run() / "arms/b/scores"));
  CHECK_FALSE(
      fs::equivalent(world.run() / "arms/a/checkpoints", world.run() / "arms/b/checkpoints"));
  const auto summary = world.summary();
  CHECK(summary["arms"]["a"]["recall"] == 0.5);
  CHECK(summary["arms"]["b"]["recall"] == 0.5);
  CHECK(summary["stages"][0]["arms"] == nlohmann::json{"a", "b"});
  CHECK(summary["stages"].size() == 7);
  double total = 0;
  for (const auto& [kind, seconds] : summary["seconds"].items()) {
    total += kind == "total" ? 0 : seconds.get<double>();
  }
  CHECK(total == Approx(summary["seconds"]["total"].get<double>()));
}

TEST_CASE("app: arms may run at once, each with its share of the threads") {
  World world;
  REQUIRE(world.call<A, B>({"--set", "run.parallel_arms=2"}) == 0);
  CHECK(runs["train"] == 2);
  // Scoring is one shared stage and has all four threads; two selections have two each.
  CHECK(toy::threads_seen.front() == 4);
  CHECK(std::count(toy::threads_seen.begin(), toy::threads_seen.end(), 2) == 6);
  CHECK(toy::threads_seen.back() == 4);
}

TEST_CASE("app: a stage that fails is one sentence and code 1, and is taken up again") {
  World world;
  toy::throws_in = "train";
  CHECK(world.call<Experiment>({}) == 1);
  CHECK(world.err == "error: step 7: the loss is nan, expected a finite number\n");
  CHECK(fs::exists(world.run() / "scores"));
  CHECK_FALSE(fs::exists(world.run() / "checkpoints"));
  CHECK_FALSE(fs::exists(world.run() / "summary.json"));
  // Something a killed process would leave: it must be gone, finished files must stay.
  for (const auto& entry : fs::directory_iterator(world.path / "runs/store")) {
    if (entry.path().filename().string().rfind("train-", 0) == 0 && entry.is_directory()) {
      CHECK(fs::exists(entry.path() / "first.txt"));
      std::ofstream(entry.path() / "final.safetensors.tmp-1-1") << "half";
    }
  }
  toy::throws_in.clear();
  REQUIRE(world.call<Experiment>({"--resume"}) == 0);
  CHECK(runs == Counts{{"score", 1}, {"select", 1}, {"train", 2}, {"evaluate", 1}});
  CHECK_FALSE(fs::exists(world.run() / "checkpoints/final.safetensors.tmp-1-1"));
}

TEST_CASE("app: a killed process leaves nothing half-written and is taken up again") {
  for (const std::string kind : {"score", "select", "train", "evaluate"}) {
    World world;
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      toy::throws_in = "kill " + kind;
      world.call<Experiment>({});
      ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    CHECK_FALSE(fs::exists(world.run() / "summary.json"));
    REQUIRE(world.call<Experiment>({}) == 0);
    CHECK(runs[kind] == 1);
    CHECK(world.summary()["arms"]["demo"]["recall"] == 0.5);
    for (const auto& entry : fs::recursive_directory_iterator(world.path)) {
      CHECK(entry.path().string().find(".tmp-") == std::string::npos);
    }
  }
}

TEST_CASE("app: a damaged result is not trusted") {
  World world;
  REQUIRE(world.call<Experiment>({}) == 0);
  const fs::path scores = fs::canonical(world.run() / "scores");
  const d2c::StageStore store(world.path / "runs/store");
  const std::string key = scores.filename().string().substr(6);
  const std::string head = "stage score in " + scores.string() + " is damaged (";

  SECTION("a truncated file") {
    std::ofstream(scores / "scores.csv") << "see";
    CHECK(store.inspect("score", key).damage ==
          head + "file scores.csv: expected 6 bytes, found 3), it is run again");
  }
  SECTION("a changed file of equal size") {
    std::ofstream(scores / "scores.csv") << "seed 9";
    CHECK(store.inspect("score", key).damage.rfind(head + "file scores.csv: expected xxh3 ", 0) ==
          0);
  }
  SECTION("a missing file") {
    fs::remove(scores / "first.txt");
    CHECK(store.inspect("score", key).damage ==
          head + "file first.txt: expected 14 bytes, found no file), it is run again");
  }
  SECTION("a damaged done.json") {
    std::ofstream(scores / "done.json") << "{\"stage\": \"Sc";
    CHECK(store.inspect("score", key).damage ==
          head + "done.json: expected the record of a finished stage, found something else), it "
                 "is run again");
  }
  REQUIRE(world.call<Experiment>({}) == 0);
  CHECK(runs == Counts{{"score", 2}, {"select", 1}, {"train", 1}, {"evaluate", 1}});
  CHECK(toy::content(scores / "scores.csv") == "seed 0");
  CHECK(store.inspect("score", key).damage.empty());
}

TEST_CASE("app: check reports all problems at once and writes nothing") {
  World world;
  CHECK(world.call<Experiment>({"check"}) == 0);
  CHECK(world.out == "no problems found\n");
  CHECK(world.call<A, B>({"check", "--set", "toy.weights=/nonexistent-w", "--set", "train.steps=13",
                          "--device", "cuda"}) == 2);
  CHECK(world.err == "error: device: cuda was asked for, but there is none\n"
                     "error: toy.weights: expected a file, found none at /nonexistent-w\n"
                     "error: train.steps: expected any number but 13\n");
  CHECK_FALSE(fs::exists(world.path / "runs"));
  CHECK(runs.empty());
}

TEST_CASE("app: an unwritable run folder is one sentence and code 2") {
  World world;
  std::ofstream(world.path / "file") << "x";
  const std::string out = (world.path / "file" / "runs").string();
  for (const std::string command : {"check", "run"}) {
    CHECK(world.call<Experiment>({command, "--out", out}) == 2);
    CHECK(world.err == "error: [run] out: cannot make the folder " + out +
                           "/demo: " + (world.path / "file").string() + " is not a folder\n");
  }
  CHECK(runs.empty());
}

TEST_CASE("app: problems of the configuration come all at once, with places") {
  World world;
  world.config("[run]\nname = \"a/b\"\nsede = 1\n[toy]\namount = \"x\"\n[select]\ninterval = 3\n"
               "[bogus]\n[sample]\nsteps = 3\n");
  const std::string file = (world.path / "c.toml").string();
  CHECK(world.call<Experiment>({}) == 2);
  CHECK(world.err ==
        "error: " + file +
            ":2:8: key \"name\" in [run]: expected a folder name other than \"store\", found "
            "\"a/b\"\n"
            "error: " +
            file +
            ":5:10: key \"amount\" in [toy]: expected an integer, found a "
            "string\n"
            "error: " +
            file +
            ":8:2: unknown table [bogus], the nearest known table is [run]\n"
            "error: " +
            file +
            ":3:1: unknown key \"sede\" in [run], the nearest known key is "
            "\"seed\"\n"
            "error: " +
            file +
            ":7:1: [d2c.config.fixed] the type Select<2> fixes "
            "select.interval. Fix: remove the key or use the policy that reads "
            "it\n");
}

TEST_CASE("app: bad command lines are one sentence and code 2") {
  World world;
  CHECK(world.call<Experiment>({"bogus"}) == 2);
  CHECK(world.err == "error: command line: The following argument was not expected: bogus\n");
  CHECK(world.call<Experiment>({"run"}, false) == 2);
  CHECK(world.err ==
        "error: command line: expected --config FILE with the configuration, found none\n");
  CHECK(world.call<Experiment>({"--set", "toy.amount"}) == 2);
  CHECK(world.err == "error: --set toy.amount: expected section.key=value, found \"toy.amount\"\n");
  CHECK(world.call<Experiment>({"--resume"}) == 2);
  CHECK(world.err ==
        "error: --resume: expected a run in " + world.run().string() + ", found none\n");
  CHECK(world.call<Experiment>({"--device", "cuda"}) == 2);
  CHECK(world.call<Experiment>({"report"}) == 2);
  CHECK(world.err.find("stage score of arm demo is not finished") != std::string::npos);
  CHECK(world.call<A, A>({}) == 2);
  CHECK(world.err == "error: arm a: expected arms of distinct names, found it twice\n");
  CHECK(world.call<Experiment>({"--help"}, false) == 0);
  CHECK(world.out.find("--set SECTION.KEY=VALUE") != std::string::npos);
}

TEST_CASE("app: stage commands stop after their stage") {
  World world;
  REQUIRE(world.call<A, B>({"score"}) == 0);
  CHECK(runs == Counts{{"score", 1}});
  REQUIRE(world.call<A, B>({"train"}) == 0);
  CHECK(runs == Counts{{"score", 1}, {"select", 2}, {"train", 2}});
  REQUIRE(world.call<A, B>({"run"}) == 0);
  CHECK(runs == Counts{{"score", 1}, {"select", 2}, {"train", 2}, {"evaluate", 2}});
  fs::remove(world.run() / "summary.json");
  REQUIRE(world.call<A, B>({"report"}) == 0);
  CHECK(world.summary()["arms"]["a"]["precision"] == 0.75);
  CHECK(runs["evaluate"] == 2);
}

TEST_CASE("app: the table has a column for each number that an arm has") {
  // Laid out by hand.
  const nlohmann::ordered_json both = {
      {"arms",
       {{"a",
         {{"images", 4}, {"steps", 7}, {"fid", 12.34}, {"inception_score", 1.5}, {"none", 3.0}}},
        {"two", {{"images", 40}, {"fid", 1.5}, {"copies", "none"}}}}},
      {"seconds", {{"total", 2.0}}}};
  CHECK(d2c::summary_table(both) ==
        "arm     images      steps        fid  inception_score     copies\n"
        "a            4          7       12.3           1.5000          -\n"
        "two         40          -     1.5000                -          -\n\n"
        "seconds:  total 2.0\n");
}

TEST_CASE("app: a command for a stage that no pipeline has is refused before anything else") {
  World world;
  CHECK(world.call<A, B>({"sample"}) == 2);
  CHECK(world.err == "error: sample: expected a pipeline with a Sampler, found none\n");
  CHECK(world.call<A, B>({"attach", "--config", "/nonexistent.toml"}, false) == 2);
  CHECK(world.err == "error: attach: expected a pipeline with an Attacher, found none\n");
  using Short = d2c::Pipeline<toy::Data, toy::Score>;
  CHECK(world.call<Short>({"evaluate"}) == 2);
  CHECK(world.err == "error: evaluate: expected a pipeline with an Evaluator, found none\n");
  CHECK(runs.empty());
  CHECK_FALSE(fs::exists(world.path / "runs"));
  // One arm that has it is enough.
  REQUIRE(world.call<A, d2c::Named<"short", Short>>({"train"}) == 0);
  CHECK(runs == Counts{{"score", 1}, {"select", 1}, {"train", 1}});
}

TEST_CASE("app: export trains if need be and writes the denoiser of every arm") {
  World world;
  REQUIRE(world.call<A, B>({"export"}) == 0);
  CHECK(runs == Counts{{"score", 1}, {"select", 2}, {"train", 2}});
  REQUIRE(toy::exported.size() == 2);
  const fs::path arm = world.run() / "arms" / "a";
  CHECK(d2c_test::content(toy::exported[0].first) == "weights");
  CHECK(fs::equivalent(toy::exported[0].first, arm / "checkpoints" / "final.safetensors"));
  CHECK(toy::exported[0].second == arm / "exported");
  CHECK(world.out == (arm / "exported" / "sit.pt").string() + "\n" +
                         (world.run() / "arms" / "b" / "exported" / "sit.pt").string() + "\n");
  CHECK(world.call<d2c::Pipeline<toy::Data, toy::Score>>({"export"}) == 2);
  CHECK(world.err == "error: export: expected a pipeline with a denoiser, found none\n");
}

TEST_CASE("app: a pipeline that reads no images needs none, and trains no steps") {
  World world;
  toy::images_missing = true;
  CHECK(world.call<Experiment>({"check"}) == 2);
  CHECK(world.err == "error: [data] root: expected images, found none\n");
  using Taken = d2c::Pipeline<toy::Data, toy::Take, toy::Judge>;
  CHECK(world.call<Taken>({"check"}) == 0);
  REQUIRE(world.call<Taken>({}) == 0);
  CHECK(world.summary()["arms"]["demo"].count("steps") == 0);
}

TEST_CASE("app: describe needs no file and says what stages need and provide") {
  World world;
  REQUIRE(world.call<A, B>({"describe"}, false) == 0);
  CHECK(world.out.find("arm a\nPipeline<Data, Score, Select<2>, Train, Judge>\n") == 0);
  CHECK(world.out.find("needs Images, Scores\n            provides Subset\n            reads "
                       "[data]\n            fixes select.interval by its type\n") !=
        std::string::npos);
  CHECK(world.out.find("            path gvp, predicts data\n") != std::string::npos);
  CHECK(world.out.find("device cpu: float32, the only one\n") != std::string::npos);
  CHECK(runs.empty());
  // Nor does it read one that is named: this one cannot be opened.
  const fs::path closed = world.path / "closed";
  fs::create_symlink("/proc/self/mem", closed);
  CHECK(world.call<A>({"describe", "--set", "toy.weights=" + closed.string()}) == 0);
  CHECK(world.call<A>({"plan", "--set", "toy.weights=" + closed.string()}) == 2);
  CHECK(world.err.find("error: cannot read " + closed.string()) == 0);
}

TEST_CASE("app: plan says what is finished and what is shared") {
  World world;
  REQUIRE(world.call<A, B>({"score"}) == 0);
  REQUIRE(world.call<A, B>({"plan"}) == 0);
  CHECK(world.out.find("a          score      finished earlier in") != std::string::npos);
  CHECK(world.out.find("b          score      shared with an arm above") != std::string::npos);
  CHECK(runs == Counts{{"score", 1}});
}

TEST_CASE("errors: what a terminal would obey is written out, text of any language stays") {
  using namespace std::string_literals;
  using d2c::detail::printable;
  CHECK(printable("a\x1b[2J\r\x7f\0z"s) == "a\\x1B[2J\\x0D\\x7F\\x00z");
  CHECK(printable("\xc2\x9b") == "\xc2\\x9B"); // one character that begins a command
  CHECK(printable("Grün 狐 \xc2\xa0") == "Grün 狐 \xc2\xa0");
  // A line ends at 100 000 bytes, and no character of UTF-8 is cut.
  using d2c::detail::shortened;
  const std::string most(100'000, 'n');
  CHECK(shortened(most) == most);
  CHECK(shortened(most + "n") == most + "...");
  const std::string fox = std::string(99'998, 'n') + "狐狐";
  CHECK(shortened(fox) == std::string(99'998, 'n') + "...");
}
