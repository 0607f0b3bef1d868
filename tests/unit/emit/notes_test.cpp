// What the notes of a rewritten file promise.

#include <catch2/catch.hpp>

#include "tests/unit/emit/small_program.h"

namespace punster {
namespace {

std::string notes(const std::filesystem::path& file) { return run("readelf -nW " + file.string()).output; }

using Catch::Matchers::Contains;

}  // namespace

TEST_CASE("control-flow enforcement is disclaimed only as far as the plan says", "[emit]") {
  const Workshop shop;
  const auto input = shop.compile("original", answer_source(),
                                  "-shared -fPIC -nostdlib -fcf-protection=full -Wl,-z,ibt -Wl,-z,shstk");
  REQUIRE_THAT(notes(input), Contains("IBT") && Contains("SHSTK"));
  PlanMaker maker(input);
  const auto output = shop.file("patched");
  emit_to(maker, output);
  CHECK_THAT(notes(output), Contains("IBT") && Contains("SHSTK"));
  maker.plan.clear_shstk = true;
  emit_to(maker, output);
  CHECK_THAT(notes(output), Contains("IBT") && !Contains("SHSTK"));
  maker.plan.clear_ibt = true;
  emit_to(maker, output);
  CHECK_THAT(notes(output), !Contains("IBT") && !Contains("SHSTK"));
}

TEST_CASE("the build id is kept, or made from the build key", "[emit]") {
  const Workshop shop;
  const auto input =
      shop.compile("original", program_source(), "-Wl,--build-id=0x0123456789abcdef0123456789abcdef01234567");
  PlanMaker maker(input);
  emit_to(maker, shop.file("patched"));
  CHECK_THAT(notes(shop.file("patched")), Contains("0123456789abcdef0123456789abcdef01234567"));
  maker.plan.build_id = BuildId::fresh;
  emit_to(maker, shop.file("patched"));
  CHECK_THAT(notes(shop.file("patched")), Contains("5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"));
}

}  // namespace punster
