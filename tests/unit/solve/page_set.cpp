// Sets of page numbers.

#include "backend/solve/page_set.h"

#include <catch2/catch.hpp>

using namespace punster;

TEST_CASE("a range that is inserted at once holds what its pages one by one would") {
  constexpr std::int64_t lo = -300, count = 9000;
  for (const std::int64_t from : {-300, -299, -237, -236, 0, 63, 64, 8000, 8699})
    for (const std::int64_t size : {0, 1, 2, 63, 64, 65, 128, 4096, 8000}) {
      const std::int64_t to = std::min(from + size, lo + count);
      PageSet whole(lo, count), single(lo, count);
      whole.insert(5);
      single.insert(5);
      whole.insert(from, to);
      for (std::int64_t page = from; page < to; ++page) single.insert(page);
      for (std::int64_t at = lo; at < lo + count; ++at) {
        const std::int64_t next = whole.next(at);
        REQUIRE(next == single.next(at));
        if (next == PageSet::none) break;
        at = next;
      }
      for (std::int64_t page = from; page < to; ++page) whole.erase(page), single.erase(page);
      REQUIRE(whole.next(lo) == single.next(lo));
    }
}
