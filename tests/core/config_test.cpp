#include <catch.hpp>

#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <d2c/config/dump.hpp>
#include <d2c/config/load.hpp>
#include <d2c/config/read.hpp>

namespace demo {

struct Section {
  static constexpr std::string_view section = "train";
  bool flag = true;
  std::int64_t steps = 700;
  int batch = 64;
  double rate = 3e-3;
  std::string schedule = "constant";
  std::vector<double> times;
  std::vector<std::string> words;

  static void validate(const Section& self, const d2c::KeyPlaces& places, d2c::Problems& problems) {
    if (self.steps < 1) {
      problems.add(places.at("steps"),
                   "steps: expected at least 1, found " + std::to_string(self.steps));
    }
  }

  friend bool operator==(const Section&, const Section&) = default;
};

struct Forgetful {
  static constexpr std::string_view section = "forgetful";
  int a = 0;
  std::string b;
  std::vector<double> c;
};

} // namespace demo

D2C_CONFIG(demo::Section, flag, steps, batch, rate, schedule, times, words);
BOOST_HANA_ADAPT_STRUCT(demo::Forgetful, a, c);

namespace {

std::string problems_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  d2c::ConfigFile file = d2c::parse_config(text, "x.toml");
  for (const std::string& argument : overrides) {
    d2c::apply_override(file, argument);
  }
  d2c::Problems problems;
  static_cast<void>(d2c::load<demo::Section>(file, problems));
  d2c::report_unknown(file, problems);
  return problems.text();
}

demo::Section loaded(const std::string& text, const std::vector<std::string>& overrides = {}) {
  d2c::ConfigFile file = d2c::parse_config(text, "x.toml");
  for (const std::string& argument : overrides) {
    d2c::apply_override(file, argument);
  }
  d2c::Problems problems;
  auto section = d2c::load<demo::Section>(file, problems);
  problems.raise();
  return section;
}

std::string error_of(const auto& action) {
  try {
    action();
  } catch (const d2c::InputError& error) {
    return error.what();
  }
  return "no error";
}

} // namespace

TEST_CASE("config: a field that is not listed is detected") {
  STATIC_REQUIRE(d2c::detail::adapted_completely<demo::Section>);
  STATIC_REQUIRE_FALSE(d2c::detail::adapted_completely<demo::Forgetful>);
}

TEST_CASE("config: keys are read, defaults stay") {
  const demo::Section section = loaded("[train]\nsteps = 12\nrate = 1\ntimes = [0.5, 1]\n");
  demo::Section expected;
  expected.steps = 12;
  expected.rate = 1;
  expected.times = {0.5, 1.0};
  CHECK(section == expected);
}

TEST_CASE("config: all problems are reported at once with their places") {
  CHECK(problems_of("[train]\nstep = 3\nbatch = \"many\"\n  rate = nan\ntimes = [0.1, true]\n"
                    "[trian]\nx = 1\n") ==
        "x.toml:3:9: key \"batch\" in [train]: expected an integer, found a string\n"
        "x.toml:4:10: key \"rate\" in [train]: expected a finite number, found nan\n"
        "x.toml:5:9: key \"times\" in [train]: element 1: expected a number, found a boolean\n"
        "x.toml:2:1: unknown key \"step\" in [train], the nearest known key is \"steps\"\n"
        "x.toml:6:2: unknown table [trian], the nearest known table is [train]");
}

TEST_CASE("config: integers outside of their type and of their section's range") {
  CHECK(problems_of("[train]\nbatch = 3000000000\n") ==
        "x.toml:2:9: key \"batch\" in [train]: expected an integer from -2147483648 to 2147483647, "
        "found 3000000000");
  CHECK(problems_of("[train]\nsteps = 0\n") == "x.toml:2:9: steps: expected at least 1, found 0");
  CHECK(problems_of("[train]\nsteps = 1.5\n") ==
        "x.toml:2:9: key \"steps\" in [train]: expected an integer, found a number");
  CHECK(problems_of("[train]\nflag = 2024-01-01\n") ==
        "x.toml:2:8: key \"flag\" in [train]: expected a boolean, found a date or time");
}

TEST_CASE("config: overrides are TOML values, bare words are strings") {
  const demo::Section section =
      loaded("[train]\nsteps = 12\n", {"train.steps=5", "train.schedule=cosine", "train.flag=false",
                                       "train.words=[\"a b\", \"c=d\"]", "train.rate=1e-3"});
  CHECK(section.steps == 5);
  CHECK(section.schedule == "cosine");
  CHECK_FALSE(section.flag);
  CHECK(section.words == std::vector<std::string>{"a b", "c=d"});
  CHECK(section.rate == 1e-3);
  CHECK(loaded("", {"train.schedule=2024"}).schedule == "2024");
  CHECK(loaded("", {"train.schedule=a/b.c=d"}).schedule == "a/b.c=d");
  CHECK(loaded("", {"train.schedule="}).schedule.empty());
}

TEST_CASE("config: the place of an override is its argument") {
  CHECK(
      problems_of("", {"train.steps=few", "train.stops=3"}) ==
      "--set train.steps=few: key \"steps\" in [train]: expected an integer, found a string\n"
      "--set train.stops=3: unknown key \"stops\" in [train], the nearest known key is \"steps\"");
  for (const std::string argument :
       {"steps=3", "train.steps", "train=a.b", ".a=1", "a.=1", "a.b.c=1"}) {
    d2c::ConfigFile file;
    CHECK(error_of([&] { d2c::apply_override(file, argument); }) ==
          "--set " + argument + ": expected section.key=value, found \"" + argument + "\"");
  }
}

TEST_CASE("config: bad files are one sentence with the place") {
  CHECK(error_of([] {
          d2c::parse_config("[train]\nsteps = \n", "x.toml");
        }).rfind("x.toml:2:9: this is not valid TOML: ", 0) == 0);
  CHECK(error_of([] { d2c::parse_config("steps = 1\n", "x.toml"); }) ==
        "x.toml:1:1: key \"steps\" stands outside of a table, expected it below a header such as "
        "[run]");
  CHECK(error_of([] {
          d2c::parse_config("[train]\nsteps = 1\nsteps = 2\n", "x.toml");
        }).rfind("x.toml:3:", 0) == 0);
  CHECK(error_of([] {
          d2c::parse_config(std::string_view("\x00\xff\x89PNG", 6), "x.toml");
        }).rfind("x.toml:1:1: this is not valid TOML", 0) == 0);
  CHECK(error_of([] { d2c::read_config("/nonexistent-d2c.toml"); }) ==
        "cannot read the configuration /nonexistent-d2c.toml: No such file or directory");
  CHECK(error_of([] { d2c::read_config("/tmp"); }) ==
        "cannot read the configuration /tmp: expected a TOML file, found a folder");
}

TEST_CASE("config: depth that would end in recursion is refused, text with dots is not") {
  const auto of_parts = [](int parts) {
    std::string key = "a";
    for (int i = 1; i < parts; ++i) {
      key += i % 2 == 0 ? ".a" : ".\"=\"";
    }
    return key;
  };
  const std::string sentence = ":1: expected keys of at most 16 parts, found a longer one";
  for (const int parts : {17, 500'000}) {
    CHECK(error_of([&] { d2c::parse_config("[" + of_parts(parts) + "]\n", "x"); }) ==
          "x:1" + sentence);
    CHECK(error_of([&] { d2c::parse_config("[a]\n" + of_parts(parts) + " = 1\n", "x"); }) ==
          "x:2" + sentence);
  }
  // A string of three quotes may end in five: the last two are its own.
  for (const std::string quote : {"\"", "'"}) {
    const std::string three = quote + quote + quote;
    for (const std::string& more : {std::string(), quote, quote + quote}) {
      CHECK(error_of([&] {
              d2c::parse_config("[a]\nb = { c = " + three + "d" + more + three + ", " +
                                    of_parts(500'000) + " = 1 }\n",
                                "x");
            }) == "x:2" + sentence);
      CHECK(error_of([&] {
              d2c::parse_config("[a]\nb = { c = " + three + more + three + ", " +
                                    of_parts(500'000) + " = 1 }\n",
                                "x");
            }) == "x:2" + sentence);
      const auto file = d2c::parse_config("[a]\nb = " + three + "d" + more + three + "\n", "x");
      CHECK(std::get<std::string>(file.tables.at("a").keys.at("b").value.data) == "d" + more);
    }
  }
  CHECK(error_of([&] {
          d2c::parse_config("[a]\nb = \"\"\"c \\\n d\"\"\"\n" + of_parts(17) + " = 1", "x");
        }) == "x:4" + sentence);
  CHECK_THROWS_AS(d2c::parse_config("[a]\nb = " + std::string(500'000, '['), "x"), d2c::InputError);
  // The deepest that is read.
  std::string nested = "[" + of_parts(16) + "]\nx = ";
  for (int i = 0; i < 250; ++i) {
    nested += "{" + of_parts(16) + " = ";
  }
  CHECK_NOTHROW(d2c::parse_config(nested + "1" + std::string(250, '}'), "x"));
  const std::string dots(40, '.');
  const auto file =
      d2c::parse_config("[a] # " + dots + "\nb = \"" + dots + "\\\"" + dots + "\"\nc = '" + dots +
                            "'\nd = \"\"\"\n" + dots + "\n\"\" " + dots + "\"\"\"\n",
                        "x");
  CHECK(file.tables.at("a").keys.size() == 3);
}

TEST_CASE("config: a key fixed by a type is an error") {
  d2c::ConfigFile file = d2c::parse_config("[select]\ninterval = 9\n", "x.toml");
  d2c::Problems problems;
  d2c::report_fixed(file, "select.interval", "Interval<96>", problems);
  d2c::report_fixed(file, "select.per_class", "PerClass<10>", problems);
  CHECK(problems.text() == "x.toml:2:1: [d2c.config.fixed] the type Interval<96> fixes "
                           "select.interval. Fix: remove the key or use the policy that reads it");
}

TEST_CASE("config: what is dumped loads back equal") {
  demo::Section section;
  section.flag = false;
  section.steps = std::numeric_limits<std::int64_t>::max();
  section.batch = -1;
  section.rate = 0.1 + 0.2;
  section.schedule = "a \"b\" \\ c\n\td\x01 \xc3\xa4";
  section.times = {1, 1e300, 5e-324, -0.25};
  section.words = {"", "#", "[x]"};
  CHECK(loaded(d2c::dump(section)) == section);
  CHECK(loaded(d2c::dump(demo::Section{})) == demo::Section{});
}

TEST_CASE("config: keys that a type fixes are not dumped") {
  const std::string name{demo::Section::section};
  const std::string all = d2c::dump(demo::Section{});
  const std::string some = d2c::dump(demo::Section{}, {name + ".steps", "other.batch"});
  CHECK(all.find("\nsteps = ") != std::string::npos);
  CHECK(some.find("\nsteps = ") == std::string::npos);
  CHECK(some.find("\nbatch = ") != std::string::npos);
}

TEST_CASE("config: edit distance counts swaps once") {
  CHECK(d2c::edit_distance("", "abc") == 3);
  CHECK(d2c::edit_distance("trian", "train") == 1);
  CHECK(d2c::edit_distance("kitten", "sitting") == 3);
}
