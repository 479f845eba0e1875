#pragma once
/// What the program asks of the machine and the tensor library, so that everything else of app/
/// stays free of it.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace d2c {

/// Implemented by TorchBackend, and by tests with numbers of their own.
class Backend {
public:
  virtual ~Backend() = default;

  /// "cpu" or "cuda:N" for what the configuration asks. Throws InputError for a device that this
  /// process cannot use.
  [[nodiscard]] virtual std::string resolve_device(const std::string& asked) const = 0;

  /// Whether GPUs may use TF32 in matrix products and convolutions; else they compute in full
  /// float32, as the CPU does. Said once, before anything is computed.
  virtual void allow_tf32(bool allowed) const = 0;

  /// One sentence: which arithmetic the device gets, and why.
  [[nodiscard]] virtual std::string precision(const std::string& device) const = 0;

  /// Threads for tensor operations of the calling thread.
  virtual void set_threads(int threads) const = 0;

  /// Names and versions of the libraries in use.
  [[nodiscard]] virtual std::vector<std::pair<std::string, std::string>> versions() const = 0;

  /// Measured floating-point operations per second of a float32 matrix product [rows, inner] x
  /// [inner, columns] on the device, over about `seconds`.
  [[nodiscard]] virtual double matrix_product_rate(const std::string& device, std::int64_t rows,
                                                   std::int64_t inner, std::int64_t columns,
                                                   double seconds) const = 0;

protected:
  Backend() = default;
  Backend(const Backend&) = default;
  Backend& operator=(const Backend&) = default;
};

} // namespace d2c
