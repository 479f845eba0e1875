#pragma once
/// The parser of d2c-evaluate's command line, by CLI11.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include <d2c/app/evaluate_command.hpp>
#include <d2c/core/error.hpp>
#include <d2c/version.hpp>

namespace d2c {

/// Parses the arguments. Returns nothing if help or the version was asked for; `shown` is the text
/// then. Throws InputError with one sentence for anything it does not know, and for numbers out of
/// range.
inline std::optional<EvaluateCommand> parse_evaluate_command(int argc, const char* const* argv,
                                                             std::string& shown) {
  EvaluateCommand line;
  CLI::App app{"Judges images, from whatever model they are: SAMPLES against REFERENCE. Both are "
               ".npz archives (arr_0 of uint8 [n, H, W, 3]) or folders of PNG and JPEG files; "
               "REFERENCE may hold moments (mu, sigma, mu_s, sigma_s).",
               "d2c-evaluate"};
  app.set_version_flag("--version", "d2c " + std::string(version));
  app.add_option("SAMPLES", line.samples, "the images to judge")->required();
  app.add_option("REFERENCE", line.reference, "the real images, or their moments");
  std::string metrics;
  app.add_option("--metrics", metrics,
                 "of fid, sfid, is, precision, recall, kid, density, coverage, fd-dinov2, copies; "
                 "left out: those of the convention")
      ->type_name("NAME,NAME...");
  app.add_option("--convention", line.convention,
                 "whose numbers: adm (default), torch-fidelity or pytorch-fid")
      ->type_name("NAME");
  app.add_option("--inception", line.inception,
                 "Inception weights of FID, pt_inception-2015-12-05-6726825d.pth")
      ->type_name("FILE");
  app.add_option("--dinov2", line.dinov2,
                 "weights of DINOv2; FD-DINOv2 is defined on dinov2_vitl14_pretrain.pth")
      ->type_name("FILE");
  app.add_option("--held-out", line.held_out,
                 "real images that are not in REFERENCE, for copies; left out: those of REFERENCE, "
                 "each against the others")
      ->type_name("PATH");
  app.add_option("--write-reference", line.write_reference,
                 "write REFERENCE (SAMPLES if it is alone) with its moments as an .npz")
      ->type_name("FILE");
  app.add_option("--reference-images", line.reference_images,
                 "at most so many images go into that file, evenly spaced (10000)")
      ->type_name("N");
  app.add_option("--json", line.json, "write the numbers as JSON")->type_name("FILE");
  app.add_option("--batch", line.batch, "images per forward pass (64)")->type_name("N");
  app.add_option("--device", line.device, "cpu (default), cuda or cuda:N")->type_name("DEVICE");
  app.add_option("--threads", line.threads, "CPU threads; 0, the default: all cores")
      ->type_name("N");
  app.add_option("--neighbours", line.neighbours, "k of precision and recall (3)")->type_name("K");
  app.add_option("--density-neighbours", line.density_neighbours, "k of density and coverage (5)")
      ->type_name("K");
  app.add_option("--kid-subsets", line.kid_subsets, "random subsets of KID (100)")->type_name("N");
  app.add_option("--kid-subset-size", line.kid_subset_size, "images of each (1000)")
      ->type_name("N");
  app.add_option("--copy-percentile", line.copy_percentile,
                 "a sample nearer to REFERENCE than this percentile of real images is a copy (1)")
      ->type_name("P");
  app.add_flag("--quiet", line.quiet, "no progress, only results and errors");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    shown = app.help();
    return {};
  } catch (const CLI::CallForVersion& asked) {
    shown = std::string(asked.what()) + "\n";
    return {};
  } catch (const CLI::ParseError& error) {
    throw InputError("command line: " + std::string(error.what()));
  }
  for (std::size_t begin = 0; begin < metrics.size();) {
    const std::size_t end = std::min(metrics.find(',', begin), metrics.size());
    line.metrics.push_back(metrics.substr(begin, end - begin));
    begin = end + 1;
  }
  const auto expect = [](bool good, const char* option, const char* expected, auto found) {
    if (!good) {
      throw InputError(std::string(option) + ": expected " + expected + ", found " +
                       std::to_string(found));
    }
  };
  expect(line.batch >= 1, "--batch", "at least 1 image", line.batch);
  expect(line.threads >= 0, "--threads", "0 or more", line.threads);
  expect(line.neighbours >= 1, "--neighbours", "at least 1", line.neighbours);
  expect(line.density_neighbours >= 1, "--density-neighbours", "at least 1",
         line.density_neighbours);
  expect(line.kid_subsets >= 1, "--kid-subsets", "at least 1", line.kid_subsets);
  expect(line.kid_subset_size >= 2, "--kid-subset-size", "at least 2 images", line.kid_subset_size);
  expect(line.reference_images >= 0, "--reference-images", "0 or more", line.reference_images);
  expect(line.copy_percentile >= 0 && line.copy_percentile <= 100, "--copy-percentile",
         "a number from 0 to 100", line.copy_percentile);
  return line;
}

} // namespace d2c
