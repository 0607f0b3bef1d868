// Direct branches: from 0x401000 to 0x701000. A branch must reach the same place from there.

#include <catch2/catch.hpp>

#include "tests/unit/relocate/relocated_text.h"

using namespace punster;
using namespace punster::test;

TEST_CASE("a short jump becomes a near jump to the same target", "[relocate]") {
  CHECK(relocated("eb 10") == "jmp 0x401012");  // jmp .+0x12
  CHECK(plan("eb 10").size() == 5);
  CHECK(plan("eb 10").length() == 2);
  CHECK(plan("eb 10").fallthrough() == Fallthrough::never);
}

TEST_CASE("a near jump keeps its target, its bnd, and nothing it does not need", "[relocate]") {
  CHECK(relocated("e9 00 10 00 00") == "jmp 0x402005");
  CHECK(relocated("f2 e9 00 10 00 00") == "bnd jmp 0x402006");
  CHECK(relocated("67 e9 00 10 00 00") == "jmp 0x402006");     // addr32 jmp
  CHECK(relocated("48 e9 00 10 00 00") == "jmp 0x402006");     // rex.W jmp
  CHECK(relocated("66 48 e9 00 10 00 00") == "jmp 0x402007");  // REX.W overrules the 66
}

TEST_CASE("all sixteen conditional jumps, short and near", "[relocate]") {
  const char* names[] = {"jo", "jno", "jb", "jnb", "jz", "jnz", "jbe", "jnbe",
                         "js", "jns", "jp", "jnp", "jl", "jnl", "jle", "jnle"};
  for (unsigned condition = 0; condition < 16; ++condition) {
    const char digit = "0123456789abcdef"[condition];
    const std::string name = names[condition];
    CHECK(relocated(std::string("7") + digit + " 10") == name + " 0x401012");
    CHECK(relocated(std::string("0f 8") + digit + " 00 10 00 00") == name + " 0x402006");
    CHECK(plan(std::string("7") + digit + " 10").fallthrough() == Fallthrough::always);
    CHECK(plan(std::string("7") + digit + " 10").size() == 6);
  }
}

TEST_CASE("branch hints and bnd survive on conditional jumps", "[relocate]") {
  const auto encoded = [](std::string_view hex) {
    const auto relocation = plan(hex);
    std::vector<std::uint8_t> out(relocation.size());
    REQUIRE(relocation.encode(new_address, out));
    out.resize(out.size() - 4);
    return out;
  };
  CHECK(encoded("3e 74 10") == bytes("3e 0f 84"));              // jz,pt
  CHECK(encoded("2e 0f 85 00 10 00 00") == bytes("2e 0f 85"));  // jnz,pn
  CHECK(encoded("f2 75 10") == bytes("f2 0f 85"));              // bnd jnz
}

TEST_CASE("loops and jrcxz, which have no rel32, become three jumps", "[relocate]") {
  CHECK(relocated("e2 f0") == "loop 0x701004; jmp 0x701009; jmp 0x400ff2");
  CHECK(relocated("e1 f0") == "loope 0x701004; jmp 0x701009; jmp 0x400ff2");
  CHECK(relocated("e0 f0") == "loopne 0x701004; jmp 0x701009; jmp 0x400ff2");
  CHECK(relocated("e3 10") == "jrcxz 0x701004; jmp 0x701009; jmp 0x401012");
  CHECK(plan("e2 f0").fallthrough() == Fallthrough::always);
  CHECK(plan("e2 f0").size() == 9);
}

TEST_CASE("67 keeps counting in ecx", "[relocate]") {
  CHECK(relocated("67 e3 10") == "jecxz 0x701005; jmp 0x70100a; jmp 0x401013");
  const auto relocation = plan("67 e2 f0");  // addr32 loop
  std::vector<std::uint8_t> out(relocation.size());
  REQUIRE(relocation.encode(new_address, out));
  CHECK(std::vector(out.begin(), out.begin() + 6) == bytes("67 e2 02 eb 05 e9"));
}

TEST_CASE("xbegin keeps its abort address, also from the 16-bit form", "[relocate]") {
  CHECK(relocated("c7 f8 00 01 00 00") == "xbegin 0x401106");
  CHECK(relocated("66 c7 f8 00 01") == "xbegin 0x401105");
  CHECK(relocated("66 c7 f8 00 ff") == "xbegin 0x400f05");
  CHECK(plan("c7 f8 00 01 00 00").fallthrough() == Fallthrough::always);
  CHECK_FALSE(plan("c7 f8 00 01 00 00").direct_target());
}

TEST_CASE("quiet is what neither faults nor moves the stack", "[relocate]") {
  for (const char* bytes :
       {"eb 10", "74 f0", "0f 84 00 10 00 00", "e2 f0", "ff e0", "90", "0f 1f 40 00", "31 c0",
        "48 89 e8", "44 89 e0", "4c 8d 64 24 08", "48 83 c0 01", "b8 01 00 00 00", "0f b6 c0",
        "85 db", "c1 e8 04", "0f 44 c1"})
    CHECK((bytes + std::string(plan(bytes).is_quiet() ? "" : " is not")) == bytes);
  for (const char* bytes : {"8b 07",
                            "89 07",
                            "ff 27",
                            "ff 25 00 10 00 00",
                            "50",
                            "58",
                            "c3",
                            "e8 00 10 00 00",
                            "f7 f1",
                            "f7 f9",
                            "48 89 e5",
                            "48 89 ec",
                            "48 8d 64 24 08",
                            "48 83 ec 08",
                            "bc 01 00 00 00",
                            "8e d8",
                            "8c d8",
                            "a1 00 00 00 00 00 00 00 00",
                            "0f 05",
                            "0f 0b",
                            "cc",
                            "f4",
                            "0f a2",
                            "f3 a4",
                            "0f 58 c1",
                            "c5 f8 77",
                            "0f 44 07",
                            "0f 94 c0",
                            "c9",
                            "0f 20 c0",
                            "f3 0f 1e fa"})
    CHECK((bytes + std::string(plan(bytes).is_quiet() ? " is" : "")) == bytes);
}

TEST_CASE("direct_target names the target of direct branches and calls only", "[relocate]") {
  CHECK(plan("eb 10").direct_target() == Vaddr{0x401012});
  CHECK(plan("e2 f0").direct_target() == Vaddr{0x400ff2});
  CHECK(plan("0f 84 00 10 00 00").direct_target() == Vaddr{0x402006});
  CHECK(plan("e8 00 10 00 00").direct_target() == Vaddr{0x402005});
  CHECK_FALSE(plan("ff e0").direct_target());              // jmp *%rax
  CHECK_FALSE(plan("ff 15 00 10 00 00").direct_target());  // call *0x402006(%rip)
  CHECK_FALSE(plan("8b 05 00 10 00 00").direct_target());  // mov 0x402006(%rip), %eax
}

TEST_CASE("`taken` sends a taken branch elsewhere", "[relocate]") {
  const Vaddr elsewhere{0x711000};
  CHECK(relocated("74 10", Image::movable, elsewhere) == "jz 0x711000");
  CHECK(relocated("e2 f0", Image::movable, elsewhere) ==
        "loop 0x701004; jmp 0x701009; jmp 0x711000");
  CHECK(relocated("e8 00 10 00 00", Image::fixed, elsewhere) == "push $0x401005; jmp 0x711000");
}

TEST_CASE("a branch to itself and to the next instruction is like any other", "[relocate]") {
  CHECK(relocated("eb fe") == "jmp 0x401000");
  CHECK(relocated("eb 00") == "jmp 0x401002");
  CHECK(relocated("e2 fe") == "loop 0x701004; jmp 0x701009; jmp 0x401000");
}

TEST_CASE("rel32 at the very end of its reach, and one byte further", "[relocate]") {
  const auto relocation = plan("e9 00 10 00 00");  // jmp 0x402005
  std::vector<std::uint8_t> out(relocation.size());
  const Vaddr last{0x402005 + 0x80000000 - 5};  // rel32 = -2^31
  CHECK(relocation.encode(last, out));
  CHECK(out == bytes("e9 00 00 00 80"));
  const auto beyond = relocation.encode(last + Bytes{1}, out);
  REQUIRE_FALSE(beyond);
  CHECK(beyond.error().kind == "out_of_range");
  CHECK(beyond.error().address == original_address);
}

TEST_CASE("an address below 0 wraps, as in a movable image linked at 0", "[relocate]") {
  const auto planned = Relocation::plan(bytes("eb 10"), Vaddr{0x1000}, false);
  REQUIRE(planned);
  std::vector<std::uint8_t> out(5);
  REQUIRE(planned.value().encode(Vaddr{0} - Bytes{0x1000}, out));
  CHECK(out == bytes("e9 0d 20 00 00"));  // 0x1012 - (-0x1000 + 5)
}
