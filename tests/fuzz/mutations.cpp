/// The main program of a fuzzer without libFuzzer, for any compiler: runs the entry point on every
/// file of a folder and on inputs that are made of them, the same ones on every machine.
/// usage: fuzz_NAME CORPUS [COUNT [FIRST]]     inputs FIRST ... FIRST + COUNT - 1, 10000 from 0
/// An input that ends the program is named on the error stream and left in the folder as
/// fuzz-input.

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);
extern "C" [[gnu::weak]] std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                                             std::size_t most, unsigned seed);
extern "C" [[gnu::weak]] void __asan_set_death_callback(void (*callback)());

namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes current;
char label[64];

/// Uses nothing but system calls: it runs inside of signal handlers.
void report() {
  const auto say = [](const char* text) {
    if (::write(2, text, std::strlen(text)) < 0) {
    }
  };
  say("fuzz: ended by input ");
  say(label);
  say(", kept as fuzz-input\n");
  const int file = ::open("fuzz-input", O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file >= 0) {
    if (::write(file, current.data(), current.size()) < 0) {
    }
    ::close(file);
  }
}

void on_signal(int number) {
  report();
  std::signal(number, SIG_DFL);
  std::raise(number);
}

/// SplitMix64 (Steele, Lea and Flood 2014): the same numbers everywhere, unlike std's
/// distributions.
class Random {
public:
  explicit Random(std::uint64_t seed) : state_{seed * 0x9e3779b97f4a7c15U} {}

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
  }

  /// 0 ... count - 1; 0 if count is 0.
  std::size_t below(std::size_t count) {
    return count == 0 ? 0 : static_cast<std::size_t>(next() % count);
  }

private:
  std::uint64_t state_;
};

/// Numbers that lie at the edges of what sizes and offsets may be.
std::uint64_t edge(Random& random, std::size_t size) {
  const std::array<std::uint64_t, 14> edges = {0,
                                               1,
                                               0x7f,
                                               0x80,
                                               0xff,
                                               0x7fff,
                                               0xffff,
                                               0x7fffffff,
                                               0x80000000,
                                               0xffffffff,
                                               0x7fffffffffffffff,
                                               0x8000000000000000,
                                               0xffffffffffffffff,
                                               size};
  return edges[random.below(edges.size())] + random.below(3) - 1;
}

void mutate(Bytes& bytes, Random& random, const std::vector<Bytes>& seeds) {
  const std::size_t at = random.below(bytes.size());
  const std::size_t length = std::min(random.below(1 + random.below(64)), bytes.size() - at);
  const auto place = bytes.begin() + static_cast<std::ptrdiff_t>(at);
  switch (random.below(10)) {
  case 0: // a bit
    if (!bytes.empty()) {
      bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ 1U << random.below(8));
    }
    break;
  case 1: // a byte
    if (!bytes.empty()) {
      bytes[at] = static_cast<std::uint8_t>(random.next());
    }
    break;
  case 2:
  case 3: { // a number, in either order of bytes
    if (bytes.empty()) {
      break;
    }
    std::uint64_t value = edge(random, bytes.size());
    const std::size_t width = std::size_t{1} << random.below(4);
    if (random.below(2) == 0) {
      value = __builtin_bswap64(value) >> 8 * (8 - width);
    }
    std::memcpy(bytes.data() + at, &value, std::min(width, bytes.size() - at));
    break;
  }
  case 4: { // a number as text, in the place of one where there is one
    const auto digit = [](std::uint8_t c) { return c >= '0' && c <= '9'; };
    const auto first = std::find_if(place, bytes.end(), digit);
    const auto last = std::find_if_not(first, bytes.end(), digit);
    const std::string text = std::to_string(edge(random, bytes.size()));
    const auto gap = bytes.erase(first, last);
    bytes.insert(gap, text.begin(), text.end());
    break;
  }
  case 5: // less
    bytes.erase(place, place + static_cast<std::ptrdiff_t>(length));
    break;
  case 6: { // the same again
    const Bytes part(place, place + static_cast<std::ptrdiff_t>(length));
    const std::size_t times = 1 + (random.below(8) == 0 ? random.below(200) : 0);
    Bytes more;
    for (std::size_t i = 0; i < times; ++i) {
      more.insert(more.end(), part.begin(), part.end());
    }
    const auto to = static_cast<std::ptrdiff_t>(random.below(bytes.size() + 1));
    bytes.insert(bytes.begin() + to, more.begin(), more.end());
    break;
  }
  case 7: { // a part of one of the files over what is there
    const Bytes& other = seeds[random.below(seeds.size())];
    const std::size_t from = random.below(other.size());
    const std::size_t count = std::min({length, other.size() - from, bytes.size() - at});
    std::copy_n(other.begin() + static_cast<std::ptrdiff_t>(from), count, place);
    break;
  }
  case 8: { // the head of one and the tail of another
    const Bytes& other = seeds[random.below(seeds.size())];
    const std::size_t from = random.below(other.size());
    bytes.resize(at);
    bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
    break;
  }
  default: // an early end
    if (random.below(4) == 0) {
      bytes.resize(at);
    }
  }
}

std::vector<Bytes> seeds;
Random randomness{0}; ///< of the input that is being made

void run(const Bytes& input, const std::string& name) {
  current = input;
  std::snprintf(label, sizeof label, "%s", name.c_str());
  LLVMFuzzerTestOneInput(current.data(), current.size());
}

} // namespace

/// As libFuzzer's: the new size. Targets with checksums call it from their LLVMFuzzerCustomMutator.
std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most) {
  Bytes bytes(data, data + size);
  for (std::size_t i = 1 + randomness.below(6); i > 0; --i) {
    mutate(bytes, randomness, seeds);
  }
  bytes.resize(std::min(bytes.size(), most));
  std::copy(bytes.begin(), bytes.end(), data);
  return bytes.size();
}

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) {
    std::fprintf(stderr, "usage: %s CORPUS [COUNT [FIRST]]\n", argv[0]);
    return 2;
  }
  const std::uint64_t count = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 10'000;
  const std::uint64_t first = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 0;
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
  }
  if (seeds.empty()) {
    std::fprintf(stderr, "fuzz: expected files in %s, found none\n", argv[1]);
    return 2;
  }
  if (__asan_set_death_callback != nullptr) {
    __asan_set_death_callback(report);
  } else {
    // Who allocates what a damaged header claims is found out. (The sanitizer reserves far more.)
    const rlimit memory{rlim_t{2} << 30, rlim_t{2} << 30};
    setrlimit(RLIMIT_AS, &memory);
    for (const int number : {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP}) {
      std::signal(number, on_signal);
    }
  }
  std::signal(SIGABRT, on_signal);
  run({}, "of no bytes");
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    run(seeds[i], files[i].filename().string());
  }
  constexpr std::size_t most = std::size_t{1} << 16;
  for (std::uint64_t number = first; number < first + count; ++number) {
    randomness = Random{number};
    Bytes bytes = seeds[randomness.below(seeds.size())];
    const std::size_t size = std::min(bytes.size(), most);
    bytes.resize(most);
    bytes.resize(
        LLVMFuzzerCustomMutator != nullptr
            ? LLVMFuzzerCustomMutator(bytes.data(), size, most, static_cast<unsigned>(number))
            : LLVMFuzzerMutate(bytes.data(), size, most));
    run(bytes, std::to_string(number));
  }
  std::printf("%zu files and %llu inputs made of them: read or refused\n", seeds.size(),
              static_cast<unsigned long long>(count));
  return 0;
}
