// Every kind of element, as the processor would read it.

#include <catch2/catch.hpp>

#include "tests/unit/trampoline/body.h"

using namespace punster;
using namespace punster::test;

TEST_CASE("bytes stand for themselves, nested and null elements for what is in them") {
  const Site site({0x90});
  CHECK(site.text("[15, 5]") == "syscall");
  CHECK(site.text("[[72, [137]], null, [], 224]") == "mov rax, rsp");
  CHECK(site.text("[\"0xc3\"]") == "ret");
  CHECK(site.hex("[]") == "");
  CHECK(site.hex("null") == "");
}

TEST_CASE("integers are little-endian, of either signedness") {
  const Site site({0x90});
  CHECK(site.text(R"([184, {"int32": 60}])") == "mov eax, 0x3c");
  CHECK(site.hex(R"([{"int8": -1}, {"int8": 255}, {"int8": -128}])") == "ffff80");
  CHECK(site.hex(R"([{"int16": -2}, {"int16": 65535}])") == "feffffff");
  CHECK(site.hex(R"([{"int32": "0x12345678"}, {"int32": -16384}])") == "7856341200c0ffff");
  CHECK(site.hex(R"([{"int64": "0xfedcba9876543210"}])") == "1032547698badcfe");
  CHECK(site.hex(R"([{"int8": 256}])") == "error bad_template /template/0/int8");
  CHECK(site.hex(R"([{"int8": -129}])") == "error bad_template /template/0/int8");
  CHECK(site.hex(R"([144, {"int32": 4294967296}])") == "error bad_template /template/1/int32");
}

TEST_CASE("strings are their bytes, without an end mark") {
  const Site site({0x90});
  CHECK(site.hex(R"([{"string": "hi\n"}])") == "68690a");
  CHECK(site.hex(R"([{"string": "\u0000"}])") == "00");
}

TEST_CASE("a label is where it is defined, before or after its use") {
  const Site site({0x90});
  CHECK(site.text(R"([235, {"rel8": ".Lend"}, 144, ".Lend", 195])") == "jmp 0x700003; nop; ret");
  CHECK(site.text(R"([".Lloop", 144, 233, {"rel32": ".Lloop"}])") == "nop; jmp 0x700000");
  CHECK(site.text(R"([72, 141, 53, {"rel32": ".Ltext"}, 195, ".Ltext"])") ==
        "lea rsi, [0x700008]; ret");
}

TEST_CASE("an address in rel32 is absolute in the image") {
  const Site site({0x90});
  CHECK(site.text(R"([233, {"rel32": "0x401234"}])") == "jmp 0x401234");
  CHECK(site.text(R"([233, {"rel32": 4198964}])") == "jmp 0x401234");
  CHECK(site.text(R"([72, 255, 5, {"rel32": "0x6ff000"}])") == "inc [0x6ff000]");
}

TEST_CASE("built-in labels know the site") {
  const Site site({0x74, 0x10});  // jz 0x401012
  CHECK(site.text(R"([233, {"rel32": ".Lbreak"}])") == "jmp 0x401002");
  CHECK(site.text(R"([233, {"rel32": ".Ltake"}])") == "jmp 0x401012");
  CHECK(site.text(R"([233, {"rel32": ".Linstr"}])") == "jmp 0x401000");
  CHECK(site.text(R"([233, {"rel32": ".Lconfig"}])") == "jmp 0x900000");
}

TEST_CASE("built-in macros: instruction, raw bytes, jumps out") {
  const Site site({0x74, 0x10});  // jz 0x401012
  CHECK(site.text(R"(["$instr", "$break"])") == "jz 0x401012; jmp 0x401002");
  CHECK(site.text(R"(["$instr", "$BREAK"])") == "jz 0x401012; jmp 0x401002");
  CHECK(site.text(R"(["$bytes", "$break"])") == "jz 0x700012; jmp 0x401002");
  CHECK(site.text(R"([117, {"rel8": ".Lno"}, "$take", ".Lno", "$break"])") ==
        "jnz 0x700007; jmp 0x401012; jmp 0x401002");
}

TEST_CASE("a payload stands before the displaced instruction") {
  const Site site({0x48, 0x8b, 0x05, 0x10, 0, 0, 0});  // mov rax, [rip+0x10] -> 0x401017
  CHECK(site.text(R"([144, "$instr", "$break"])") == "nop; mov rax, [0x401017]; jmp 0x401007");
}

TEST_CASE("the shape says what the body does") {
  const Site site({0x90});
  const auto full = site.measure(R"(["$instr", "$break"])").value();
  CHECK(full.size == 6);
  CHECK(full.final_break == 5);
  CHECK(full.runs_instruction);
  CHECK(full.ends_closed);
  CHECK_FALSE(full.emulates_call);
  const auto replaced = site.measure(R"([49, 192, "$break"])").value();
  CHECK_FALSE(replaced.runs_instruction);
  const auto open = site.measure(R"(["$instr"])").value();
  CHECK(open.final_break == 0);
  CHECK_FALSE(open.ends_closed);
  CHECK_FALSE(site.measure(R"(["$instr", "$break", ".Ldata", 0])").value().ends_closed);
}

TEST_CASE("a displaced call is told, and nothing jumps back behind it") {
  const Site site({0xe8, 0x10, 0, 0, 0});  // call 0x401015
  const auto shape = site.measure(R"([144, "$instr", "$break"])").value();
  CHECK(shape.emulates_call);
  CHECK(shape.final_break == 0);
  CHECK(shape.ends_closed);
  const Site ret({0xc3});
  CHECK(ret.text(R"(["$instr", "$break"])") == "ret");
  CHECK(ret.text(R"([144, "$instr", "$break"])") == "nop; ret");
  // A label in between may be jumped to: the break stays.
  CHECK(ret.text(R"([235, {"rel8": ".Lx"}, "$instr", ".Lx", "$break"])") ==
        "jmp 0x700003; ret; jmp 0x401001");
}

TEST_CASE("a retargeted call is told, and its body runs with the return address pushed") {
  Site site({0xe8, 0x10, 0, 0, 0});  // call 0x401015
  site.site.retarget_call = true;
  CHECK(site.text(R"(["$instr", "$break"])") == "jmp 0x401015");
  CHECK(site.text(R"([144, "$instr", "$break"])") == "nop; jmp 0x401015");
  for (const char* code : {R"(["$instr", "$break"])", R"([144, "$instr", "$break"])"}) {
    const auto shape = site.measure(code).value();
    CHECK(shape.retargets_call);
    CHECK_FALSE(shape.emulates_call);
    CHECK(shape.ends_closed);
  }
  CHECK_FALSE(site.measure(R"([144, "$break"])").value().retargets_call);  // $instr is not there
  Site other({0x90});
  other.site.retarget_call = true;
  CHECK_FALSE(other.measure(R"(["$instr", "$break"])").value().retargets_call);
}

TEST_CASE("chaining leaves out the final break, and only that one") {
  Site site({0x90});
  site.site.omit_final_break = true;
  CHECK(site.text(R"(["$instr", "$break"])") == "nop");
  CHECK(site.text(R"([117, {"rel8": ".Lx"}, "$break", ".Lx", "$instr", "$break"])") ==
        "jnz 0x700007; jmp 0x401001; nop");
  const auto shape = site.measure(R"([144, "$instr", "$break"])").value();
  CHECK(shape.size == 2);
  CHECK(shape.final_break == 5);
  CHECK_FALSE(shape.ends_closed);
  CHECK(site.text(R"(["$instr", "$break", 1, 2])") == "nop; jmp 0x401001; add [rdx], eax");
}

TEST_CASE("a body's room may hold the displaced instruction alone, chained or not") {
  Site site({0x74, 0x10});  // 6 bytes displaced, 5 for the way back
  const auto fits = [&](const char* code) { return site.measure(code).value().fits_displaced; };
  for (const bool chained : {false, true}) {
    site.site.omit_final_break = chained;
    CHECK(fits(R"(["$instr", "$break"])"));
    CHECK(fits(R"([204, "$instr", "$break"])"));
    CHECK(fits(R"(["$instr", "$break", ".Ltext", 104, 105])"));
    CHECK_FALSE(fits(R"([144, 144, 144, 144, "$instr"])"));
    CHECK(fits(R"([144, 144, 144, 144, 144, "$instr"])"));
    CHECK_FALSE(fits(R"(["$bytes", "$break", 144, 144, 144, 144, 144, 144, 144, 144])"));
    CHECK_FALSE(fits(R"([233, {"rel32": "0x402000"}, 144, 144, 144, 144, 144, 144])"));
  }
  Site ret({0xc3});
  CHECK(ret.measure(R"(["$instr", "$break"])").value().fits_displaced);
  CHECK(ret.measure(R"([144, "$instr", "$break"])").value().fits_displaced);
}

TEST_CASE("next and taken lead somewhere else") {
  Site site({0x74, 0x10});
  site.site.next = Vaddr{0x500000};
  site.site.taken = Vaddr{0x600000};
  CHECK(site.text(R"(["$instr", "$break"])") == "jz 0x600000; jmp 0x500000");
  CHECK(site.text(R"([144, "$instr", "$break"])") == "nop; jz 0x600000; jmp 0x500000");
  CHECK(site.text(R"(["$take"])") == "jmp 0x600000");
  // A label may be an operand of the payload: it stays the program's address.
  CHECK(site.text(R"([72, 141, 5, {"rel32": ".Lbreak"}, 233, {"rel32": ".Ltake"}])") ==
        "lea rax, [0x401002]; jmp 0x401012");
  Site plain({0x90});
  plain.site.taken = Vaddr{0x600000};  // an instruction that takes nothing does not mind
  CHECK(plain.text(R"(["$instr", "$break"])") == "nop; jmp 0x401001");
}
