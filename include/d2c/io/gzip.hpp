#pragma once
/// Reading gzip data (RFC 1952) piece by piece, with its checks. Torch-free; inflating is zlib's.

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <zlib.h>

#include <d2c/core/error.hpp>

namespace d2c {

/// Inflates one gzip file held in memory (several members in a row are one stream, zeros may fill
/// it up). read() never produces more than it is asked for, so a file cannot claim memory;
/// InputError on a foreign, damaged (checksum) or truncated file, and on other data behind it.
class GzipReader {
public:
  /// `where` names the file in messages; `compressed` must outlive the reader.
  GzipReader(std::string where, std::span<const std::byte> compressed)
      : where_{std::move(where)}, rest_{compressed}, stream_{std::make_unique<z_stream>()} {
    if (!is_gzip(compressed)) {
      throw InputError(where_ + ": expected a gzip file, found another beginning");
    }
    // 15: the largest window; 16: gzip framing and nothing else.
    if (inflateInit2(stream_.get(), 15 + 16) != Z_OK) {
      throw Failure(where_ + ": zlib could not be started");
    }
  }

  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;

  ~GzipReader() { inflateEnd(stream_.get()); }

  static bool is_gzip(std::span<const std::byte> bytes) {
    return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
  }

  /// Fills `out` as far as the data reach; returns the number of bytes, less than asked only at the
  /// end of the data.
  std::size_t read(std::span<std::byte> out) {
    std::size_t done = 0;
    while (done < out.size() && !finished_) {
      const std::size_t room = std::min<std::size_t>(out.size() - done, 1U << 30);
      const std::size_t fuel = std::min<std::size_t>(rest_.size(), 1U << 30);
      stream_->next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(rest_.data()));
      stream_->avail_in = static_cast<uInt>(fuel);
      stream_->next_out = reinterpret_cast<Bytef*>(out.data() + done);
      stream_->avail_out = static_cast<uInt>(room);
      const int result = inflate(stream_.get(), Z_NO_FLUSH);
      rest_ = rest_.subspan(fuel - stream_->avail_in);
      done += room - stream_->avail_out;
      if (result == Z_STREAM_END) {
        finished_ = !is_gzip(rest_);
        if (finished_ && std::any_of(rest_.begin(), rest_.end(),
                                     [](std::byte each) { return each != std::byte{0}; })) {
          throw InputError(where_ + ": expected gzip data to the end of the file, found " +
                           std::to_string(rest_.size()) + " bytes of something else behind them");
        }
        if (!finished_ && inflateReset(stream_.get()) != Z_OK) {
          throw Failure(where_ + ": zlib could not be restarted");
        }
      } else if (result == Z_BUF_ERROR ||
                 (result == Z_OK && rest_.empty() && stream_->avail_out > 0)) {
        throw InputError(where_ + ": expected a complete gzip file, found its end in the middle "
                                  "of the data (a truncated file)");
      } else if (result != Z_OK) {
        throw InputError(where_ + ": expected sound gzip data, found damage (" +
                         (stream_->msg != nullptr ? stream_->msg : "zlib gives no reason") + ")");
      }
    }
    return done;
  }

  /// True if nothing is left; also verifies the checksum when everything was read.
  bool at_end() {
    std::byte one{};
    return read({&one, 1}) == 0;
  }

private:
  std::string where_;
  std::span<const std::byte> rest_;
  std::unique_ptr<z_stream> stream_;
  bool finished_ = false;
};

} // namespace d2c
