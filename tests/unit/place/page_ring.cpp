// Stubs that share the pages of a ring are seen where they were put, however their virtual pages
// lie.

#include "backend/place/page_ring.h"

#include <catch2/catch.hpp>
#include <map>
#include <random>

#include "backend/solve/solve.h"

using namespace punster;

namespace {

constexpr std::int64_t page = 4096;

SharedPages pages_of(const PageRing& ring, TakenRanges taken = {}) {
  SharedPages shared;
  ring.append_to(shared, taken);
  return shared;
}

std::optional<std::uint8_t> seen(const SharedPages& shared, std::int64_t address) {
  for (const auto& mapping : shared.mappings) {
    const auto at = address - static_cast<std::int64_t>(mapping.address.value);
    if (at >= 0 && at < mapping.pages * page)
      return shared.pages[static_cast<std::size_t>(mapping.first_page * page + at)];
  }
  return std::nullopt;
}

void put(PageRing& ring, std::int64_t address, std::uint8_t byte) {
  ring.put(address, std::vector<std::uint8_t>(5, byte));
}

}  // namespace

TEST_CASE("ring: virtual pages a multiple of its size apart show one page of the file") {
  PageRing ring(7);
  put(ring, 100 * page + 10, 1);
  put(ring, 100 * page + 70 * page + 20, 2);
  put(ring, 100 * page - 700 * page + 30, 3);
  const auto shared = pages_of(ring);
  CHECK(shared.mappings.size() == 3);
  CHECK(shared.pages.size() == page);
  CHECK(seen(shared, 100 * page + 10) == 1);
  CHECK(seen(shared, 170 * page + 20) == 2);
  CHECK(seen(shared, -600 * page + 30) == 3);
  CHECK(seen(shared, 170 * page + 10) == 1);  // the neighbour's bytes, which nobody jumps to
  CHECK(seen(shared, 170 * page + 15) == 0xcc);
}

TEST_CASE("ring: what lies in one turn is one mapping, unless something lies between") {
  PageRing ring(10);
  put(ring, 0, 1);
  put(ring, 9 * page, 2);
  const auto shared = pages_of(ring);
  REQUIRE(shared.mappings.size() == 1);
  CHECK(shared.virtual_pages == 10);
  CHECK(shared.pages.size() == 10 * page);
  const std::pair<std::int64_t, std::int64_t> taken[] = {{4 * page, 5 * page}};
  const auto parted = pages_of(ring, taken);
  CHECK(parted.mappings.size() == 2);
  CHECK(parted.virtual_pages < 10);
}

TEST_CASE("ring: what passes the ring's end is two mappings") {
  PageRing ring(10);
  put(ring, 8 * page, 1);
  put(ring, 12 * page, 2);
  const auto shared = pages_of(ring);
  REQUIRE(shared.mappings.size() == 2);
  CHECK(shared.mappings[0].pages == 1);
  CHECK(shared.mappings[1].pages == 1);
  CHECK(seen(shared, 8 * page) == 1);
  CHECK(seen(shared, 12 * page) == 2);
}

TEST_CASE("ring: a stub may lie across pages, and across the ring's end") {
  PageRing ring(4);
  put(ring, 8 * page - 2, 9);
  const auto shared = pages_of(ring);
  for (std::int64_t a = 8 * page - 2; a < 8 * page + 3; ++a) CHECK(seen(shared, a) == 9);
}

TEST_CASE("ring: random stubs are seen where they were put") {
  for (unsigned seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    std::mt19937 random(seed);
    const auto size = 1 + static_cast<std::uint32_t>(random() % 40);
    PageRing ring(size);
    std::map<std::int64_t, std::uint8_t> wanted;
    std::vector<bool> used(size * page);
    const std::int64_t spread = 1 + random() % 2000;
    for (unsigned n = static_cast<unsigned>(random() % 200); n > 0; --n) {
      const std::int64_t at =
          (static_cast<std::int64_t>(random() % (spread * page)) - spread * page / 2);
      const auto place = [&](std::int64_t a) {
        return static_cast<std::size_t>(ring_page(a >> 12, size) * page + (a & 4095));
      };
      bool free = true;
      for (std::int64_t a = at; a < at + 5; ++a) free &= !used[place(a)];
      if (!free) continue;
      std::vector<std::uint8_t> bytes;
      for (std::int64_t a = at; a < at + 5; ++a) {
        used[place(a)] = true;
        bytes.push_back(wanted[a] = static_cast<std::uint8_t>(random()));
      }
      ring.put(at, bytes);
    }
    const std::int64_t lo = -static_cast<std::int64_t>(random() % 50) * page;
    const std::pair<std::int64_t, std::int64_t> taken[] = {{lo, lo + page}};
    const auto shared = pages_of(ring, taken);
    for (const auto& [at, byte] : wanted)
      if (seen(shared, at) != byte) FAIL("address " << at);
    CHECK(shared.pages.size() <= size * page);
    std::int64_t end = INT64_MIN;
    for (const auto& mapping : shared.mappings) {
      const auto first = static_cast<std::int64_t>(mapping.address.value);
      CHECK(first >= end);
      end = first + mapping.pages * page;
      CHECK((mapping.first_page + mapping.pages) * page <=
            static_cast<std::int64_t>(shared.pages.size()));
      if (first < taken[0].second &&
          taken[0].first < end)  // then a stub of ours is there, no filler
        CHECK(wanted.lower_bound(taken[0].first) != wanted.lower_bound(taken[0].second));
    }
  }
}
