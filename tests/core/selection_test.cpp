/// Selection policies and the subset they make. Oracles: ranks written down by hand, and laws that
/// hold for every policy.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include <catch.hpp>
#include <scratch_folder.hpp>

#include <d2c/core/rng.hpp>
#include <d2c/select/all.hpp>
#include <d2c/select/extremes.hpp>
#include <d2c/select/interval.hpp>
#include <d2c/select/medium.hpp>
#include <d2c/select/random.hpp>
#include <d2c/select/run_selector.hpp>
#include <d2c/select/select_subset.hpp>
#include <d2c/select/subset_file.hpp>

namespace {

namespace fs = std::filesystem;
using Catch::Matchers::Contains;
using Positions = std::vector<std::size_t>;
using Folder = d2c_test::ScratchFolder;

/// Positions that a policy picks from a class of n.
template <class Policy>
Positions picked(int n, std::int64_t m, std::int64_t interval = 0,
                 std::vector<std::string>* notes = nullptr) {
  std::vector<std::string> ids;
  std::vector<d2c::Candidate> sorted;
  ids.reserve(static_cast<std::size_t>(n));
  sorted.reserve(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) {
    ids.push_back("image-" + std::to_string(1000 + i));
  }
  for (int i = 0; i < n; ++i) {
    sorted.push_back({i, ids[static_cast<std::size_t>(i)], 0.1 * i});
  }
  d2c::SelectionRequest request;
  request.budget = m;
  request.interval = interval;
  request.class_name = "Coat";
  request.notes = notes;
  return Policy{}.select(sorted, request);
}

/// A data set whose texts live as long as it does.
struct Data {
  std::vector<std::string> ids;
  std::vector<d2c::ScoredImage> images;
};

/// `sizes[c]` images of class c; scores repeat, so ties occur; shuffled by `seed`.
Data data_of(const std::vector<int>& sizes, std::uint64_t seed) {
  Data data;
  std::vector<d2c::ScoredImage> ordered;
  for (std::size_t c = 0; c < sizes.size(); ++c) {
    for (int i = 0; i < sizes[c]; ++i) {
      data.ids.push_back("train/" + std::to_string(c) + "-" + std::to_string(i));
    }
  }
  std::size_t at = 0;
  for (std::size_t c = 0; c < sizes.size(); ++c) {
    for (int i = 0; i < sizes[c]; ++i, ++at) {
      d2c::ScoredImage image;
      image.id = data.ids[at];
      image.label = static_cast<std::int32_t>(c);
      image.score = (i * 7 % 11) / 10.0;
      image.standard_error = 0.01 * i;
      ordered.push_back(image);
    }
  }
  for (const auto place : d2c::permutation({.seed = seed}, static_cast<std::int64_t>(at))) {
    data.images.push_back(ordered[static_cast<std::size_t>(place)]);
  }
  return data;
}

std::vector<std::string> ids_of(const std::vector<d2c::SubsetRow>& rows) {
  std::vector<std::string> ids;
  ids.reserve(rows.size());
  for (const auto& row : rows) {
    ids.push_back(row.id);
  }
  return ids;
}

struct Everything {
  using role = d2c::roles::selection;
  static constexpr std::string_view name = "Everything";

  static Positions select(std::span<const d2c::Candidate> candidates,
                          const d2c::SelectionRequest&) {
    Positions all(candidates.size());
    std::iota(all.begin(), all.end(), 0U);
    return all;
  }
};

struct FirstConfig {
  static constexpr std::string_view section = "first";
  std::int64_t skip = 0;
};

/// The first images behind those that [first] skip says.
struct First {
  using role = d2c::roles::selection;
  using config = FirstConfig;
  static constexpr std::string_view name = "First";

  static Positions select(std::span<const d2c::Candidate>, const d2c::SelectionRequest& request) {
    Positions positions(static_cast<std::size_t>(request.budget));
    std::iota(positions.begin(), positions.end(),
              static_cast<std::size_t>(request.section<FirstConfig>().skip));
    return positions;
  }
};

struct Stutter {
  using role = d2c::roles::selection;
  static constexpr std::string_view name = "Stutter";

  static Positions select(std::span<const d2c::Candidate>, const d2c::SelectionRequest& request) {
    return Positions(static_cast<std::size_t>(request.budget), 1);
  }
};

} // namespace

TEST_CASE("selection: interval keeps ranks 0, k, 2k and stops at the budget") {
  CHECK(picked<d2c::Interval<3>>(20, 4) == Positions{0, 3, 6, 9});
  CHECK(picked<d2c::Interval<1>>(5, 5) == Positions{0, 1, 2, 3, 4});
  CHECK(picked<d2c::Interval<96>>(1300, 10) ==
        Positions{0, 96, 192, 288, 384, 480, 576, 672, 768, 864});
  CHECK(picked<d2c::Interval<>>(20, 4, 3) == Positions{0, 3, 6, 9});
  CHECK(picked<d2c::Interval<100>>(7, 1) == Positions{0});
}

TEST_CASE("selection: the interval rule is round(0.7 n / m)") {
  CHECK(picked<d2c::Interval<>>(6000, 100)[1] == 42);
  CHECK(picked<d2c::Interval<>>(1281, 10)[1] == 90);
  CHECK(picked<d2c::Interval<>>(1281, 50)[1] == 18);
  CHECK(picked<d2c::Interval<>>(5000, 100)[1] == 35);
  CHECK(picked<d2c::Interval<>>(10, 10) == Positions{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(picked<d2c::Interval<>>(3, 1) == Positions{0});
  // The rule itself fits into every class, so it never has to shrink.
  for (int n = 1; n <= 60; ++n) {
    for (int m = 1; m <= n; ++m) {
      std::vector<std::string> notes;
      CHECK(picked<d2c::Interval<>>(n, m, 0, &notes).back() < static_cast<std::size_t>(n));
      CHECK(notes.empty());
    }
  }
}

TEST_CASE("selection: a class too small for the interval shrinks it and says so") {
  std::vector<std::string> notes;
  CHECK(picked<d2c::Interval<96>>(732, 10, 0, &notes).back() == 9 * 81);
  REQUIRE(notes.size() == 1);
  CHECK(notes[0] == "class \"Coat\" has 732 images: interval 96 shrinks to 81 to keep 10");
  CHECK(picked<d2c::Interval<96>>(865, 10, 0, &notes)[1] == 96);
  CHECK(notes.size() == 1);
  CHECK(picked<d2c::Interval<96>>(864, 10, 0, &notes)[1] == 95);
  CHECK(picked<d2c::Interval<>>(10, 5, std::numeric_limits<std::int64_t>::max())[4] == 8);
}

TEST_CASE("selection: extremes and middle by hand") {
  CHECK(picked<d2c::Min>(10, 3) == Positions{0, 1, 2});
  CHECK(picked<d2c::Max>(10, 3) == Positions{7, 8, 9});
  CHECK(picked<d2c::Medium>(9, 3) == Positions{3, 4, 5});
  CHECK(picked<d2c::Medium>(10, 3) == Positions{3, 4, 5});
  CHECK(picked<d2c::Medium>(10, 4) == Positions{3, 4, 5, 6});
  CHECK(picked<d2c::Medium>(4, 4) == Positions{0, 1, 2, 3});
}

TEST_CASE("selection: a subset by hand, ties by id") {
  std::vector<d2c::ScoredImage> images(6);
  const char* ids[] = {"f", "e", "d", "c", "b", "a"};
  const double scores[] = {0.5, 0.1, 0.3, 0.3, 0.9, 0.2};
  const int labels[] = {1, 0, 0, 0, 1, 1};
  for (std::size_t i = 0; i < 6; ++i) {
    images[i] = {ids[i], "", labels[i], scores[i], 0.25};
  }
  d2c::SubsetRequest request;
  request.budget = 2;
  const auto rows = d2c::select_subset(d2c::Interval<1>{}, images, request);
  CHECK(ids_of(rows) == std::vector<std::string>{"e", "c", "a", "f"});
  CHECK(rows[1].rank == 1);
  CHECK(rows[1].score == 0.3);
  CHECK(rows[1].standard_error == 0.25);
  CHECK(ids_of(d2c::select_subset(d2c::Interval<2>{}, images, request)) ==
        std::vector<std::string>{"e", "d", "a", "b"});
  CHECK(ids_of(d2c::select_subset(d2c::Max{}, images, request)) ==
        std::vector<std::string>{"c", "d", "f", "b"});
  const auto random = d2c::select_subset(d2c::Random{}, images, request);
  CHECK(std::isnan(random[0].score));
  CHECK(random[1].rank == 1);
}

TEMPLATE_TEST_CASE("selection: laws of every policy", "", d2c::Interval<>, d2c::Interval<4>,
                   d2c::Min, d2c::Max, d2c::Medium, d2c::Random) {
  const std::vector<int> sizes{40, 13, 29, 7};
  for (const std::int64_t budget : {1, 3, 7}) {
    d2c::SubsetRequest request;
    request.budget = budget;
    request.seed = 5;
    const Data data = data_of(sizes, 0);
    const auto rows = d2c::select_subset(TestType{}, data.images, request);
    // As many as asked, each once, each from the input with its own class.
    REQUIRE(rows.size() == static_cast<std::size_t>(budget) * sizes.size());
    std::map<std::string, std::int32_t> label_of;
    for (const auto& image : data.images) {
      label_of[std::string(image.id)] = image.label;
    }
    std::set<std::string> seen;
    std::map<std::int32_t, std::int64_t> per_class;
    for (const auto& row : rows) {
      CHECK(seen.insert(row.id).second);
      REQUIRE(label_of.contains(row.id));
      CHECK(label_of[row.id] == row.label);
      ++per_class[row.label];
    }
    for (const auto& [label, count] : per_class) {
      CHECK(count == budget);
    }
    // Sorted by class, then rank.
    CHECK(std::is_sorted(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
      return std::pair(a.label, a.rank) < std::pair(b.label, b.rank);
    }));
    // Whatever the order of the input, and every time.
    for (const std::uint64_t seed : {0, 1, 2, 3}) {
      const Data shuffled = data_of(sizes, seed);
      CHECK(ids_of(d2c::select_subset(TestType{}, shuffled.images, request)) == ids_of(rows));
    }
  }
}

TEST_CASE("selection: all keeps classes of different sizes whole, without a budget") {
  const Data data = data_of({5, 1, 3}, 0);
  const auto rows = d2c::select_subset(d2c::All{}, data.images, d2c::SubsetRequest{});
  REQUIRE(rows.size() == data.images.size());
  std::set<std::string> seen;
  for (const auto& row : rows) {
    seen.insert(row.id);
  }
  CHECK(seen.size() == rows.size());
  CHECK(std::count_if(rows.begin(), rows.end(), [](const auto& row) { return row.label == 0; }) ==
        5);
  CHECK(ids_of(d2c::select_subset(d2c::All{}, data_of({5, 1, 3}, 7).images,
                                  d2c::SubsetRequest{})) == ids_of(rows));
}

TEST_CASE("selection: random depends on the seed, nests budgets and draws evenly") {
  const Data data = data_of({30, 30}, 0);
  d2c::SubsetRequest request;
  request.budget = 10;
  const auto first = ids_of(d2c::select_subset(d2c::Random{}, data.images, request));
  request.seed = 1;
  CHECK(ids_of(d2c::select_subset(d2c::Random{}, data.images, request)) != first);
  request.seed = 0;
  request.budget = 4;
  const auto fewer = ids_of(d2c::select_subset(d2c::Random{}, data.images, request));
  CHECK(std::equal(fewer.begin(), fewer.begin() + 4, first.begin()));

  // 3000 draws of 10 in 30: each image 1000 times, standard deviation 26; 6 of them allowed.
  std::map<std::string, int> count;
  request.budget = 10;
  for (request.seed = 0; request.seed < 3000; ++request.seed) {
    for (const auto& id : ids_of(d2c::select_subset(d2c::Random{}, data.images, request))) {
      ++count[id];
    }
  }
  REQUIRE(count.size() == 60);
  for (const auto& [id, times] : count) {
    INFO(id);
    CHECK(std::abs(times - 1000) < 155);
  }
}

TEST_CASE("selection: random ignores what else is in the data set") {
  const Data data = data_of({30}, 0);
  d2c::SubsetRequest request;
  request.budget = 30;
  const auto all = ids_of(d2c::select_subset(d2c::Random{}, data.images, request));
  Data fewer = data;
  std::erase_if(fewer.images, [&](const auto& image) { return image.id == all[3]; });
  request.budget = 29;
  auto expected = all;
  expected.erase(expected.begin() + 3);
  CHECK(ids_of(d2c::select_subset(d2c::Random{}, fewer.images, request)) == expected);
}

TEST_CASE("selection: wrong input is named") {
  Data data = data_of({5, 4, 6}, 0);
  d2c::SubsetRequest request;
  request.class_names = {"Shirt", "Bag", "Coat"};
  const auto run = [&] { return d2c::select_subset(d2c::Interval<>{}, data.images, request); };
  CHECK_THROWS_WITH(run(), Contains("[select] per_class") && Contains("found 0"));
  request.budget = 5;
  CHECK_THROWS_AS(run(), d2c::InputError);
  CHECK_THROWS_WITH(run(), Contains("found 5 asked of the 4 in class \"Bag\""));
  request.budget = 2;
  CHECK_NOTHROW(run());
  request.class_names = {"Shirt", "Bag"};
  CHECK_THROWS_WITH(run(), Contains("below 2, found class 2"));
  request.class_names = {"Shirt", "Bag", "Coat", "Boot"};
  CHECK_THROWS_WITH(run(), Contains("found none of \"Boot\" (class 3)"));
  request.class_names.clear();
  data.images[3].score = std::nan("");
  CHECK_THROWS_WITH(run(), Contains("finite score") && Contains(std::string(data.images[3].id)));
  CHECK_NOTHROW(d2c::select_subset(d2c::Random{}, data.images, request));
  data.images[3].score = 0;
  data.images[4].id = data.images[9].id;
  CHECK_THROWS_WITH(run(),
                    Contains("found the id \"" + std::string(data.images[9].id) + "\" twice"));
}

TEST_CASE("selection: a policy that breaks its promise is stopped") {
  const Data data = data_of({5}, 0);
  d2c::SubsetRequest request;
  request.budget = 3;
  CHECK_THROWS_AS(d2c::select_subset(Everything{}, data.images, request), d2c::Failure);
  CHECK_THROWS_WITH(d2c::select_subset(Stutter{}, data.images, request),
                    Contains("Stutter") && Contains("with a repetition"));
}

TEST_CASE("selection: subset.csv keeps every bit") {
  const Folder folder;
  std::vector<d2c::SubsetRow> rows{{"train/000001", "a, \"b\".png", 3, 42, 0.1 + 0.2, 1e-300},
                                   {"train/000002", "", 4, 0}};
  d2c::write_subset(folder / "subset.csv", rows);
  const auto back = d2c::read_subset(folder / "subset.csv");
  REQUIRE(back.size() == 2);
  CHECK(back[0].id == "train/000001");
  CHECK(back[0].path == "a, \"b\".png");
  CHECK(back[0].label == 3);
  CHECK(back[0].rank == 42);
  CHECK(back[0].score == 0.1 + 0.2);
  CHECK(back[0].standard_error == 1e-300);
  CHECK(std::isnan(back[1].score));

  const auto refuse = [&](const std::string& text, const char* message) {
    std::ofstream(folder / "bad.csv") << text;
    CHECK_THROWS_AS(d2c::read_subset(folder / "bad.csv"), d2c::InputError);
    CHECK_THROWS_WITH(d2c::read_subset(folder / "bad.csv"),
                      Contains("bad.csv") && Contains(message));
  };
  const std::string header = "id,path,class,rank,score,standard_error\n";
  refuse("", "header row");
  refuse("id,path\na,b\n", "column \"class\"");
  refuse(header, "at least one kept image");
  refuse(header + "a,,0,0,,\na,,0,1,,\n", "bad.csv:3");
  refuse(header + "a,,zero,0,,\n", "expected a number in column \"class\", found \"zero\"");
  refuse(header + "a,,-1,0,,\n", "class from 0 on");
  refuse(header + "a,,0,0,1.5x,\n", "column \"score\"");
  refuse(header + "a,,0,0\n", "expected 6 fields as in the header, found 4");
}

TEST_CASE("selection: the stage writes subset.csv from scores.csv or from the data set") {
  const Folder folder;
  const Data data = data_of({20, 20}, 0);
  d2c::write_scores(folder / "scores.csv", data.images);
  d2c::Sections sections;
  d2c::SelectConfig config;
  config.per_class = 4;
  sections.set(config);
  const d2c::ExperimentFacts facts;
  const d2c::ImageLoader images = [&](d2c::Split) {
    d2c::ImageSet set;
    set.class_names = {"a", "b"};
    for (const auto& image : data.images) {
      set.labels.push_back(image.label);
      set.ids.emplace_back(image.id);
    }
    return set;
  };
  // The stage never touches the codec, which belongs to the tensor ring.
  const d2c::Codec& codec = *reinterpret_cast<const d2c::Codec*>(&facts);
  d2c::Progress progress{true};
  d2c::StageContext context{folder.path(), {}, sections, facts, images, codec, "cpu", 3, progress};
  context.artifacts.set("Scores", folder.path());

  d2c::run_stage(d2c::Selector<d2c::Interval<5>>{}, context);
  d2c::SubsetRequest request;
  request.budget = 4;
  request.seed = 3;
  CHECK(ids_of(d2c::read_subset(folder / "subset.csv")) ==
        ids_of(d2c::select_subset(d2c::Interval<5>{}, data.images, request)));
  d2c::run_stage(d2c::Selector<d2c::Random, d2c::PerClass<6>>{}, context);
  request.budget = 6;
  CHECK(ids_of(d2c::read_subset(folder / "subset.csv")) ==
        ids_of(d2c::select_subset(d2c::Random{}, data.images, request)));

  // A policy with a section of its own.
  sections.set(FirstConfig{.skip = 5});
  d2c::run_stage(d2c::Selector<First>{}, context);
  const auto first = d2c::read_subset(folder / "subset.csv");
  request.budget = 4;
  request.sections = &sections;
  CHECK(ids_of(first) == ids_of(d2c::select_subset(First{}, data.images, request)));
  sections.set(FirstConfig{.skip = 6});
  CHECK(ids_of(first) != ids_of(d2c::select_subset(First{}, data.images, request)));
  request.sections = nullptr;
  CHECK_THROWS_WITH(d2c::select_subset(First{}, data.images, request),
                    Contains("expected the configuration section [first]"));

  d2c::Problems problems;
  d2c::check_stage(d2c::Selector<d2c::Interval<>>{}, context, problems);
  CHECK(problems.empty());
  config.per_class = 0;
  config.interval = -2;
  sections.set(config);
  d2c::check_stage(d2c::Selector<d2c::Interval<>>{}, context, problems);
  REQUIRE(problems.list().size() == 2);
  CHECK(problems.list()[0].where == "[select] per_class");
  CHECK(problems.list()[1].where == "[select] interval");
}
