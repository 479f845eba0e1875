/// A selection policy of one's own, plugged into a pipeline without touching the library: from each
/// class the easiest images, but none of the very easiest tenth, where near-duplicates gather.

#include <algorithm>
#include <numeric>
#include <span>
#include <string_view>
#include <vector>

#include <d2c/d2c.hpp>

using namespace d2c;

struct EasyButNotEasiest {
  using role = roles::selection;
  static constexpr std::string_view name = "EasyButNotEasiest";
  static constexpr auto needs = set_of<Scores>; // so the class comes sorted from easy to hard

  std::vector<std::size_t> select(std::span<const Candidate> sorted,
                                  const SelectionRequest& request) const {
    std::vector<std::size_t> ranks(static_cast<std::size_t>(request.budget));
    std::iota(ranks.begin(), ranks.end(),
              std::min(sorted.size() / 10, sorted.size() - ranks.size()));
    return ranks;
  }
};

constexpr TransformerSize small{.depth = 4, .width = 64, .heads = 2, .patch = 4};

using Experiment =
    Pipeline<Source<FashionMNIST, Pixels>, Scorer<DiT<small>>, Selector<EasyButNotEasiest>,
             Trainer<SiT<small>, FlowMatching, NoAlign>, Sampler<Euler>>;

int main(int argc, char** argv) {
  return d2c::run<Experiment>(argc, argv);
}
