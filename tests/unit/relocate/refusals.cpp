// What cannot be displaced is refused with a reason, never copied wrongly.

#include <catch2/catch.hpp>

#include "tests/unit/relocate/relocated_text.h"

using namespace punster;
using namespace punster::test;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

TEST_CASE("66 on a near branch without REX.W: processors differ", "[relocate]") {
  for (const auto* hex : {
           "66 e8 00 10 00 00",     // call
           "66 e9 00 10 00 00",     // jmp
           "66 eb 10",              // jmp, short
           "66 74 10",              // jz, short
           "66 0f 84 00 10 00 00",  // jz
           "66 e2 f0",              // loop
           "66 e3 10",              // jrcxz
           "66 ff d0",              // call *%rax
           "66 ff 15 00 10 00 00",  // call *0x402007(%rip)
           "66 41 e8 00 10 00 00",  // REX without W does not help
       })
    CHECK_THAT(relocated(hex), StartsWith("cannot_relocate") && Contains("AMD and Intel"));
}

TEST_CASE("EIP-relative memory", "[relocate]") {
  CHECK_THAT(relocated("67 8b 05 00 10 00 00"), Contains("EIP-relative"));
  CHECK_THAT(relocated("67 ff 15 00 10 00 00"), Contains("EIP-relative"));
  CHECK_THAT(relocated("67 62 f1 7c 48 10 05 00 10 00 00"), Contains("EIP-relative"));
}

TEST_CASE("far calls", "[relocate]") {
  CHECK_THAT(relocated("ff 5c 24 08"), Contains("far call"));        // lcall *0x8(%rsp)
  CHECK_THAT(relocated("48 ff 1d 00 10 00 00"), Contains("far call"));  // rex.W lcall *(%rip)
}

TEST_CASE("calls whose target the push takes away", "[relocate]") {
  CHECK_THAT(relocated("ff d4"), Contains("%rsp"));                  // call *%rsp
  CHECK_THAT(relocated("ff 54 24 f8"), Contains("overwrites"));      // call *-0x8(%rsp)
  CHECK_THAT(relocated("ff 54 24 ff"), Contains("overwrites"));      // call *-0x1(%rsp)
  CHECK_THAT(relocated("ff 54 24 f1"), Contains("overwrites"));      // call *-0xf(%rsp)
  CHECK_THAT(relocated("ff 94 24 fc ff ff 7f"), Contains("re-encoded"));  // disp32 + 8 overflows
}

TEST_CASE("branches into their own bytes", "[relocate]") {
  for (const auto* hex : {"eb ff", "74 ff", "e2 ff", "e8 fc ff ff ff", "e9 ff ff ff ff",
                          "c7 f8 fd ff ff ff"})
    CHECK_THAT(relocated(hex), Contains("its own bytes"));
}

TEST_CASE("relative operands of instructions that only other machines have", "[relocate]") {
  CHECK_THAT(relocated("c5 f8 84 00 10 00 00"), Contains("no known form"));  // jkzd, Knights Corner
}

TEST_CASE("bytes that are no instruction", "[relocate]") {
  for (const auto* hex : {"06", "f0 74 10", "e9 00", "62", "0f"}) {
    const auto planned = Relocation::plan(bytes(hex), original_address, false);
    REQUIRE_FALSE(planned);
    CHECK(planned.error().kind == "cannot_relocate");
    CHECK(planned.error().address == original_address);
  }
  CHECK_FALSE(Relocation::plan({}, original_address, false));
}
