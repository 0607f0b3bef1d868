// What was put must be seen again through the mappings, and nothing may be mapped where something
// else stands.

#include "backend/place/page_store.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

using namespace punster;

namespace {

constexpr std::int64_t page = 4096;

std::int64_t signed_start(const PageMapping& mapping) {
  return static_cast<std::int64_t>(mapping.address.value);
}

/// The byte that a program would find at `address`, or nothing.
std::optional<std::uint8_t> seen(const SharedPages& shared, std::int64_t address) {
  for (const auto& mapping : shared.mappings) {
    const auto at = address - signed_start(mapping);
    if (at >= 0 && at < mapping.pages * page)
      return shared.pages[static_cast<std::size_t>(mapping.first_page * page + at)];
  }
  return std::nullopt;
}

SharedPages pages_of(const PageStore& store, std::int64_t join_distance, TakenRanges taken = {}) {
  SharedPages shared;
  store.append_to(shared, join_distance, taken);
  return shared;
}

void put(PageStore& store, std::int64_t address, std::size_t count, std::uint8_t byte) {
  store.put(address, std::vector<std::uint8_t>(count, byte));
}

}  // namespace

TEST_CASE("bytes are seen where they were put, int3 around them") {
  PageStore store;
  put(store, 0x10ffe, 4, 0xab);
  const auto shared = pages_of(store, 1);
  CHECK(seen(shared, 0x10ffd) == 0xcc);
  for (std::int64_t a = 0x10ffe; a < 0x11002; ++a) CHECK(seen(shared, a) == 0xab);
  CHECK(seen(shared, 0x11002) == 0xcc);
  REQUIRE(shared.mappings.size() == 1);
  CHECK(shared.mappings[0].pages == 2);
}

TEST_CASE("nothing put is nothing mapped") {
  const auto shared = pages_of(PageStore(), 16);
  CHECK(shared.mappings.empty());
  CHECK(shared.pages.empty());
}

TEST_CASE("runs join over gaps of at most the join distance") {
  PageStore store;
  put(store, 10 * page, 5, 1);
  put(store, 14 * page, 5, 2);
  CHECK(pages_of(store, 3).mappings.size() == 2);
  const auto joined = pages_of(store, 4);
  CHECK(joined.mappings.size() == 1);
  CHECK(joined.virtual_pages == 5);
}

TEST_CASE("runs join over address zero") {
  PageStore store;
  put(store, -page, 5, 1);
  put(store, page, 5, 2);
  const auto shared = pages_of(store, 16);
  REQUIRE(shared.mappings.size() == 1);
  CHECK(signed_start(shared.mappings[0]) == -page);
}

TEST_CASE("no filler stands on what is taken") {
  PageStore store;
  put(store, 10 * page, 5, 1);
  put(store, 14 * page, 5, 2);
  const std::pair<std::int64_t, std::int64_t> in_between[] = {{12 * page, 12 * page + 1}};
  const std::pair<std::int64_t, std::int64_t> beside[] = {{8 * page, 10 * page},
                                                          {15 * page, 20 * page}};
  CHECK(pages_of(store, 16, in_between).mappings.size() == 2);
  CHECK(pages_of(store, 16, beside).mappings.size() == 1);
}

TEST_CASE("random contents are seen where they were put") {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const auto pick = [&](std::uint32_t n) { return static_cast<std::int64_t>(random() % n); };
    PageStore store;
    std::map<std::int64_t, std::uint8_t> wanted;
    const auto spread = 20 + static_cast<std::uint32_t>(pick(400)) * page;
    for (auto pieces = pick(200); pieces > 0; --pieces) {
      const auto at = pick(static_cast<std::uint32_t>(spread)) - spread / 2;
      const auto count = 1 + pick(pick(8) == 0 ? 9000 : 40);
      const auto next = wanted.lower_bound(at);
      if (next != wanted.end() && next->first < at + count) continue;  // every byte is put once
      std::vector<std::uint8_t> bytes;
      for (std::int64_t j = 0; j < count; ++j)
        bytes.push_back(wanted[at + j] = static_cast<std::uint8_t>(random()));
      store.put(at, bytes);
    }
    std::vector<std::pair<std::int64_t, std::int64_t>> taken;
    for (auto count = pick(3); count > 0; --count) {
      const auto lo = (pick(static_cast<std::uint32_t>(spread)) - spread / 2) & -page;
      const auto next = wanted.lower_bound(lo);
      if (next == wanted.end() || next->first >= lo + page) taken.emplace_back(lo, lo + page);
    }
    const auto shared = pages_of(store, pick(20), taken);
    for (const auto& [at, byte] : wanted)
      if (seen(shared, at) != byte) FAIL("byte at " << at);
    std::int64_t end = INT64_MIN;
    std::uint64_t pages = 0;
    for (const auto& mapping : shared.mappings) {
      const auto lo = signed_start(mapping), hi = lo + mapping.pages * page;
      CHECK(lo >= end);  // ascending, disjoint
      end = hi;
      pages += mapping.pages;
      CHECK((mapping.first_page + mapping.pages) * page <=
            static_cast<std::int64_t>(shared.pages.size()));
      for (const auto& range : taken) CHECK((range.second <= lo || hi <= range.first));
    }
    CHECK(pages == shared.virtual_pages);
  }
}
