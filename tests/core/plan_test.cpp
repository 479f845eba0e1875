// What plan and describe count. Oracles: the totals of the published files, PyTorch's
// FlopCounterMode on the same networks (diffusers, timm, torchvision), the calls of each method by
// its definition, and sums by hand.

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/app/needed_files.hpp>
#include <d2c/app/plain_numbers.hpp>
#include <d2c/app/plan.hpp>
#include <d2c/app/stage_cost.hpp>
#include <d2c/core.hpp>
#include <d2c/io/dtype.hpp>
#include <d2c/io/safetensors_writer.hpp>
#include <d2c/models/forward_operations.hpp>
#include <d2c/models/transformer_size.hpp>
#include <d2c/sample/network_calls.hpp>
#include <d2c/select/run_selector.hpp>

using namespace d2c;

namespace {

constexpr Parametrisation flow{PathKind::linear, TargetKind::velocity};
constexpr Parametrisation ddpm{PathKind::ddpm_linear, TargetKind::noise};

SampleConfig steps(std::int64_t count) {
  SampleConfig config;
  config.steps = count;
  return config;
}

StageNode node(const std::string& kind) {
  StageNode stage;
  stage.text.kind = kind;
  return stage;
}

} // namespace

TEST_CASE("plan: frozen networks are counted from their types") {
  CHECK(network_cost(T5{}).parameters == 1'223'527'424);
  // Without the mask tokens, which inference does not read.
  CHECK(network_cost(DINOv2{}).parameters == 86'580'480 - 768);
  CHECK(network_cost(OnGrid<DINOv2g, 32>{}).parameters == 1'136'480'768 - 1536);
  // The published file's, without pooler and numbers of places.
  CHECK(network_cost(MiniLM{}).parameters == 22'713'728 - 512 - 384 * 385);
  CHECK(network_cost(MiniLM{}).operations == 339'738'624); // of its maps, for 16 tokens
  CHECK(network_cost(InceptionV3<>{}).parameters == 23'885'392);
  CHECK(network_cost(MAE{}).parameters == 303'301'632);
  CHECK(network_cost(WithPositions<MAE, PositionRule::plain>{}).parameters == 303'301'632);
  CHECK(network_cost(MAE{}).file == "mae_pretrain_vit_large.pth");
  CHECK(network_cost(MoCoV3{}).parameters == 85'798'656);
  // Without the projections; of the text tower what Stable Diffusion publishes.
  CHECK(network_cost(CLIP{}).parameters == 303'966'208 - 1024 * 768);
  CHECK(network_cost(CLIPText{}).parameters == 123'060'480);
  CHECK(network_cost(SigLIPL{}).parameters == 315'956'224);
  const NetworkCost vae = codec_cost(Latent<SDVae>{}, 256, 256);
  CHECK(vae.parameters == 83'653'863);

  CHECK(vae.operations == Approx(272'722'034'688.0).epsilon(1e-3));
  CHECK(vae.decode_operations == Approx(622'187'249'664.0).epsilon(1e-3));
  CHECK(codec_cost(Latent<SDVae>{}, 512, 512).decode_operations ==
        Approx(2'514'518'802'432.0).epsilon(1e-3));
  CHECK(network_cost(DINOv2{}).operations == Approx(46'322'454'528.0).epsilon(1e-3));
  CHECK(network_cost(DINOv2g{}).operations == Approx(598'780'133'376.0).epsilon(1e-2));
  CHECK(network_cost(InceptionV3<>{}).operations == Approx(11'426'464'960.0).epsilon(1e-2));
  CHECK(network_cost(WithClassToken<DINOv2>{}).operations == network_cost(DINOv2{}).operations);
}

TEST_CASE("plan: a sentence encoder costs its T5 encoder and its matrix, by hand") {
  const NetworkCost cost = network_cost(SentenceT5{});
  // Blocks of four maps of 768 x 768, two of 768 x 3072 and two norms; buckets and the last norm.
  constexpr std::int64_t blocks = 12 * (4 * 768 * 768 + 2 * 768 * 3072 + 2 * 768) + 32 * 12 + 768;
  CHECK(blocks == 84'954'240);
  CHECK(cost.parameters == 32128 * 768 + blocks + 768 * 768);
  CHECK(network_cost(T5Base{}).parameters == 32128 * 768 + blocks);
  // 16 pieces through the blocks, whose attention takes 2 x 16 x 768 each, one vector through the
  // matrix; twice, for multiplying and adding.
  CHECK(cost.operations == 2.0 * (16 * (blocks + 12 * 2 * 16 * 768) + 768 * 768));
  // 256 pieces.
  CHECK(cost.activations == 256.0 * 4 * (4 * 768 + 2 * 3072));
  CHECK(cost.vocabulary == "spiece.model");
  CHECK(network_cost(SentenceT5XXL{}).parameters == 4'864'791'552 + 1024 * 768);
}

TEST_CASE("plan: the files of CLIP's towers by their published names") {
  const auto file = [](const auto& tag) { return network_cost(tag).file; };
  CHECK(file(CLIP{}) == "ViT-L-14.pt (OpenAI), or model.safetensors");
  CHECK(file(CLIPText{}) == file(CLIP{}));
  CHECK(file(CLIPL336{}) == "ViT-L-14-336px.pt (OpenAI), or model.safetensors");
  CHECK(file(CLIPB32{}) == "ViT-B-32.pt (OpenAI), or model.safetensors");
  CHECK(file(CLIPB16{}) == "ViT-B-16.pt (OpenAI), or model.safetensors");
  CHECK(file(CLIPTextB{}) == "ViT-B-32.pt or ViT-B-16.pt (OpenAI), or model.safetensors");
  CHECK(file(CLIPH{}) == "open_clip_pytorch_model.bin (OpenCLIP ViT-H-14), or model.safetensors");
  CHECK(file(CLIPTextH{}) == file(CLIPH{}));
}

TEST_CASE("plan: network calls are counted by running the method") {
  CHECK(network_calls<Euler>(steps(250), flow) == 250);
  CHECK(network_calls<Heun>(steps(250), flow) == 499);
  CHECK(network_calls<EulerMaruyama>(steps(250), flow) == 250);
  CHECK(network_calls<SdeHeun>(steps(250), flow) == 499);
  CHECK(network_calls<DDIM>(steps(50), ddpm) == 50);
  CHECK(network_calls<DPMSolver2M>(steps(20), flow) == 20);
  CHECK(network_calls<DDPM>(steps(250), ddpm) == 250);
  CHECK(network_calls<DDPM>(steps(250), flow) == 0);

  // t = 1, 0.996, ..., 0.004: guidance acts on the 175 times up to 0.7.
  SampleConfig guided = steps(250);
  guided.guidance = 1.5;
  CHECK(network_calls<Euler>(guided, flow) == 500);
  guided.guidance_high = 0.7;
  CHECK(network_calls<Euler>(guided, flow) == 425);
  guided.guidance_null = "independent";
  CHECK(network_calls<Euler>(guided, flow) == 600);

  // Two calls to begin with and six a step, more for a tighter tolerance; `steps` is not read.
  SampleConfig adaptive;
  const double usual = network_calls<Dopri5>(adaptive, flow);
  CHECK((usual > 20 && std::fmod(usual - 2, 6) == 0));
  adaptive.rtol = 1e-5;
  adaptive.atol = 1e-8;
  CHECK(network_calls<Dopri5>(adaptive, flow) > usual);
  adaptive.steps = 1000;
  adaptive.guidance = 1.5;
  CHECK(network_calls<Dopri5>(adaptive, flow) > 2 * usual);
}

TEST_CASE("plan: a stage costs what its networks do for its images") {
  Arm arm;
  arm.facts = {.classes = 10,
               .latent_channels = 4,
               .latent_height = 32,
               .latent_width = 32,
               .text_tokens = 16,
               .text_width = 2048,
               .visual_tokens = 256,
               .visual_width = 768};
  arm.size = {.classes = 10, .channels = 3, .height = 256, .width = 256};
  StageNode source = node("source");
  source.frozen = {{FrozenNetwork::Use::codec,
                    "codec",
                    "",
                    "",
                    {.parameters = 100, .operations = 7, .decode_operations = 11}}};
  StageNode attach = node("attach");
  attach.frozen = {
      {FrozenNetwork::Use::text, "text", "", "", {.parameters = 5, .operations = 2}},
      {FrozenNetwork::Use::images, "image", "", "", {.parameters = 6, .operations = 3}}};
  StageNode train = node("train");
  train.network = NetworkShape{.size = sizes::S(2), .classes = 10};
  train.sections = {"train"};
  train.parametrisation = flow;
  StageNode sample = node("sample");
  sample.network_calls = [](const Parametrisation& predicted) {
    return predicted.target == TargetKind::velocity ? 44.0 : 0.0;
  };
  arm.stages = {source, attach, train, sample};

  Sections sections;
  sections.set(AttachConfig{});
  sections.set(EvaluateConfig{});
  sections.set(ScoreConfig{});
  TrainConfig training;
  training.steps = 10;
  training.batch = 4;
  sections.set(training);
  sections.set(steps(250));
  const ImageCounts images{.train = 1000, .held_out = 50, .kept = 20, .samples = 30};

  const StageCost attached = stage_cost(arm, arm.stages[1], sections, images);
  CHECK(attached.frozen_operations == 20 * 7 + 10 * 2 + 20 * 3);
  CHECK(attached.disk_bytes == 4.0 * 10 * 16 * 2048 + 20 * (4.0 * 256 * 768 + 4.0 * 4 * 32 * 32));
  // The tokens, the codec and the larger encoder: they are loaded one after the other.
  CHECK(attached.memory_bytes == 4.0 * 10 * 16 * 2048 + 4 * 100 + 4 * 6);
  const double forward = forward_operations(*arm.stages[2].network);
  CHECK(stage_cost(arm, arm.stages[2], sections, images).operations == 3 * forward * 10 * 4);
  const StageCost sampled = stage_cost(arm, arm.stages[3], sections, images);
  CHECK(sampled.operations == forward * 30 * 44);
  CHECK(sampled.frozen_operations == 30 * 11);
  CHECK(sampled.disk_bytes == 3.0 * 30 * 3 * 256 * 256);

  StageNode evaluate = node("evaluate");
  evaluate.text.policies = {"FID", "PrecisionRecall<InceptionV3<TensorFlowResize>>"};
  evaluate.frozen = {{FrozenNetwork::Use::judging, "network", "", "", {.operations = 5}}};
  CHECK(stage_cost(arm, evaluate, sections, images).frozen_operations ==
        (50 + 20 + 30) * 5 + 40.0 * 2048 * 2048 * 2048);
  // Images pass by in batches: only features are kept of each.
  ImageCounts many = images;
  many.kept += 1e6;
  CHECK(stage_cost(arm, evaluate, sections, many).memory_bytes -
            stage_cost(arm, evaluate, sections, images).memory_bytes ==
        1e6 * 4 * (2048 + 1008));

  // A scorer that is loaded is not trained: each image is encoded once, scored in every column.
  StageNode score = node("score");
  score.network = arm.stages[2].network;
  ScoreConfig scoring;
  scoring.columns = 6;
  scoring.checkpoint = "weights.pt";
  sections.set(scoring);
  const StageCost loaded = stage_cost(arm, score, sections, images);
  CHECK(loaded.operations == forward * 1000 * 6);
  CHECK(loaded.frozen_operations == 1000 * 7);
  scoring.checkpoint = "scratch";
  scoring.steps = 3;
  scoring.batch = 2;
  sections.set(scoring);
  const StageCost trained = stage_cost(arm, score, sections, images);
  CHECK(trained.operations == forward * 1000 * 6 + 3 * forward * 3 * 2);
  CHECK(trained.frozen_operations == 2 * 1000 * 7);

  // With a cache the images are encoded once, and not by the stages.
  arm.make_latents = [](const std::string&, Progress&) {};
  CHECK(stage_cost(arm, score, sections, images).frozen_operations == 0);
  CHECK(stage_cost(arm, arm.stages[1], sections, images).frozen_operations == 10 * 2 + 20 * 3);
  CHECK(stage_cost(arm, arm.stages[2], sections, images).frozen_operations == 0);
  CHECK(stage_cost(arm, arm.stages[3], sections, images).frozen_operations == 30 * 11);
  const StageCost cache = latent_cache_cost(arm, images);
  CHECK(cache.frozen_operations == 1000 * 7);
  CHECK(cache.disk_bytes == 1000.0 * 9 * 4096); // 32 KB and a header
}

TEST_CASE("plan: images are kept by class, altogether, or are those of a pack") {
  const d2c_test::ScratchFolder folder;
  Arm arm;
  arm.facts.classes = 10;
  arm.published = {500, 100};
  arm.images = [](Split) -> ImageSet { throw InputError("not there"); };
  StageNode source = node("source");
  source.text.provides = {"Images"};
  arm.stages = {source, node("select"), node("train")};
  Sections sections;
  DataConfig data;
  data.pack = folder.path().string();
  SelectConfig selecting;
  selecting.per_class = 7;
  sections.set(data);
  sections.set(selecting);
  sections.set(EvaluateConfig{});
  sections.set(SampleConfig{});
  CHECK(image_counts(arm, sections).kept == 70);
  arm.stages[1].text.policies = {"Random", "PerClass<5>"};
  CHECK(image_counts(arm, sections).kept == 50);
  std::map<std::string, std::string> makers;
  arm.stages[1] = make_stage_node<Selector<All>, type_list<Images>>(sections, arm.facts, 0, "",
                                                                    FileHashes{}, makers);
  CHECK(image_counts(arm, sections).kept == 500);

  arm.stages[0].text.provides = {"CondensedPack"};
  arm.stages[1] = node("train");
  CHECK(image_counts(arm, sections).kept == 70); // nothing there yet
  const std::vector<std::int64_t> labels{0, 1, 2};
  write_safetensors(folder / "condensed.safetensors",
                    {{"labels", DType::I64, {3}, std::as_bytes(std::span{labels})}});
  CHECK(image_counts(arm, sections).kept == 3);
}

TEST_CASE("plan: what a run reads is listed with its place, an index is there with its shards") {
  Arm arm;
  StageNode source = node("source");
  source.text.provides = {"Images", "CondensedPack"};
  StageNode attach = node("attach");
  attach.frozen = {{FrozenNetwork::Use::text,
                    "text",
                    "[attach] text_weights",
                    "w/a.index.json",
                    {.file = "a file", .vocabulary = "spiece.model", .parameters = 5}}};
  attach.companions = {"w/2_Dense/config.json"};
  StageNode train = node("train");
  train.network = NetworkShape{.size = sizes::S(2), .classes = 10};
  train.sections = {"train"};
  arm.stages = {source, attach, train, node("sample"), node("evaluate")};
  Sections sections;
  DataConfig data;
  data.pack = "pack";
  TrainConfig training;
  training.initial_weights = "initial";
  SampleConfig sampling;
  sampling.guide_checkpoint = "guide";
  AttachConfig attaching;
  attaching.text_vocabulary = "w/spiece.model";
  sections.set(data);
  sections.set(training);
  sections.set(sampling);
  sections.set(attaching);
  sections.set(EvaluateConfig{});
  std::string listed;
  for (const NeededFile& file : needed_files(arm, sections)) {
    listed += file.key + ": " + file.path + (file.is_there() ? ", there\n" : "\n");
  }
  CHECK(listed == "[data] pack: pack\n"
                  "[attach] text_weights: w/a.index.json\n"
                  "[attach] text_vocabulary: w/spiece.model\n"
                  "beside the weights: w/2_Dense/config.json\n"
                  "[train] initial_weights: initial\n"
                  "[sample] guide_checkpoint: guide\n");

  const d2c_test::ScratchFolder folder;
  const NeededFile index{.key = "", .what = "", .path = (folder.path() / "w.index.json").string()};
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(folder.path() / name) << text;
  };
  CHECK_FALSE(index.is_there());
  write("w.index.json", R"({"weight_map": {"a": "1.safetensors", "b": "2.safetensors"}})");
  write("1.safetensors", "one");
  CHECK_FALSE(index.is_there());
  write("2.safetensors", "two");
  CHECK(index.is_there());
  write("w.index.json", "broken");
  CHECK_FALSE(index.is_there());
}

TEST_CASE("plan: numbers are written in their own unit") {
  CHECK(size_text(3e6) == "3 MB");
  CHECK(size_text(4.894e9) == "4.9 GB");
  CHECK(duration_text(12) == "12 s");
  CHECK(duration_text(600) == "10.0 min");
  CHECK(duration_text(2.5 * 3600) == "2.5 h");
  CHECK(duration_text(10 * 86400) == "10.0 days");
}
