// A raised program whose trampolines have program headers.

#include <catch2/catch.hpp>

#include "backend/raise/raise.h"
#include "tests/unit/emit/small_program.h"

namespace punster {

TEST_CASE("a raised program: the first segment is ours and holds the table", "[raise][headers]") {
  const Workshop shop;
  const auto original = shop.compile("original", program_source(), "-pie -fPIE");
  PlanMaker before(original);
  const Bytes by{16ull << 20};
  const auto words = address_words(before.view);
  REQUIRE(words);
  const auto lifted = raised(before.view, words.value(), by);
  REQUIRE(lifted);
  PlanMaker maker(original);
  maker.view = lifted.value();
  maker.plan.layout = Layout::headers;
  maker.plan.raised_by = by;
  maker.answer(symbol(original, "site") + by, Vaddr{1ull << 20}, 42);
  emit_to(maker, shop.file("patched"));
  check_headers(shop.file("patched"));
  CHECK(run(shop.file("patched").string()).output == "42 1\n");
  CHECK(run("/lib64/ld-linux-x86-64.so.2 " + shop.file("patched").string()).output == "42 1\n");
  CHECK(run("strip " + shop.file("patched").string()).errors == "");
  check_headers(shop.file("patched"));
  CHECK(run(shop.file("patched").string()).output == "42 1\n");
}

}  // namespace punster
