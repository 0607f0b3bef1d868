// The search for culprits, against programs that say themselves which sets they cannot bear.

#include "frontend/cli/culprits.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

using namespace punster;

namespace {

using Set = std::vector<std::size_t>;

struct Asked {
  Set culprits;
  unsigned times = 0;
};

/// Misbehaves when all of `guilty` are there.
Asked search(std::size_t count, const Set& guilty) {
  Asked asked;
  const auto found = find_culprits(count, [&](const Set& set) -> Result<bool> {
    ++asked.times;
    CHECK(std::is_sorted(set.begin(), set.end()));
    return std::includes(set.begin(), set.end(), guilty.begin(), guilty.end());
  });
  REQUIRE(found);
  asked.culprits = found.value();
  return asked;
}

}  // namespace

TEST_CASE("a single culprit is found in log2(n) + 2 questions") {
  for (const std::size_t count : {1, 2, 3, 7, 64, 65, 1000})
    for (std::size_t guilty = 0; guilty < count; ++guilty) {
      const auto asked = search(count, {guilty});
      CHECK(asked.culprits == Set{guilty});
      CHECK(asked.times <= std::log2(count) + 2);
    }
}

TEST_CASE("culprits that only do harm together are all found") {
  CHECK(search(100, {3, 97}).culprits == Set{3, 97});
  CHECK(search(2, {0, 1}).culprits == Set{0, 1});
  const auto seed = Catch::rngSeed();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    const std::size_t count = 5 + random() % 200;
    Set guilty;
    for (int n = 0; n < 4; ++n) guilty.push_back(random() % count);
    std::sort(guilty.begin(), guilty.end());
    guilty.erase(std::unique(guilty.begin(), guilty.end()), guilty.end());
    CHECK(search(count, guilty).culprits == guilty);
  }
}

TEST_CASE("nobody is blamed when nothing misbehaves, or everything") {
  const auto innocent = find_culprits(10, [](const Set&) -> Result<bool> { return false; });
  REQUIRE(innocent);
  CHECK(innocent.value().empty());
  const auto broken = find_culprits(10, [](const Set&) -> Result<bool> { return true; });
  REQUIRE(broken.has_error());
  CHECK(broken.error().kind == "check_always_fails");
  unsigned asked = 0;
  const auto failing = find_culprits(10, [&](const Set&) -> Result<bool> {
    if (++asked == 3) return error("over_budget", "no");
    return true;
  });
  REQUIRE(failing.has_error());
  CHECK(failing.error().kind == "over_budget");
}
