#pragma once
/// The losses that a training has written, read back.

#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <catch.hpp>

#include <d2c/train/loss_log.hpp>

namespace d2c_test {

/// The rows of a loss.csv.
inline std::vector<d2c::LossRow> loss_rows(const std::filesystem::path& path) {
  std::ifstream table(path);
  std::string line;
  std::getline(table, line);
  std::vector<d2c::LossRow> rows;
  while (std::getline(table, line)) {
    d2c::LossRow row;
    REQUIRE(std::sscanf(line.c_str(), "%" SCNd64 ",%lf,%lf,%lf,%lf,%lf", &row.step, &row.loss,
                        &row.denoise, &row.align, &row.learning_rate, &row.gradient_norm) == 6);
    rows.push_back(row);
  }
  return rows;
}

} // namespace d2c_test
