/// usage: bench_prepare FOLDER SCRATCH SIZE THREADS
/// Waits for lines on standard input; for each, prepares the image folder anew into SCRATCH
/// (decode, centre crop, shards with checksums on the disk) and prints the seconds.

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include <d2c/data/image_folder_source.hpp>
#include <d2c/data/prepare.hpp>

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fputs("usage: bench_prepare FOLDER SCRATCH SIZE THREADS\n", stderr);
    return 2;
  }
  const d2c::ImageFolderSource source(argv[1]);
  const std::filesystem::path scratch = argv[2];
  d2c::PrepareOptions options;
  options.height = options.width = std::atoi(argv[3]);
  options.threads = std::atoi(argv[4]);
  d2c::Progress silent(true);
  std::puts("ready");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    std::filesystem::remove_all(scratch);
    std::filesystem::create_directories(scratch);
    const auto began = std::chrono::steady_clock::now();
    prepare(source, scratch, options, silent);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::printf("%.6f\n", took.count());
    std::fflush(stdout);
  }
  std::filesystem::remove_all(scratch);
  return 0;
}
