// RIP-relative operands in every encoding, and instructions that do not care where they stand.

#include <catch2/catch.hpp>

#include "tests/unit/relocate/relocated_text.h"

using namespace punster;
using namespace punster::test;

TEST_CASE("the displacement moves by what the instruction moves, and nothing else", "[relocate]") {
  const auto relocation = plan("48 8b 05 00 10 00 00");  // mov 0x402007(%rip), %rax
  std::vector<std::uint8_t> out(relocation.size());
  REQUIRE(relocation.encode(new_address, out));
  CHECK(out == bytes("48 8b 05 00 10 d0 ff"));  // 0x1000 - 0x300000
}

TEST_CASE("legacy RIP-relative memory", "[relocate]") {
  CHECK(relocated("48 8b 05 00 10 00 00") == "mov 0x402007, %rax");
  CHECK(relocated("48 8d 3d f9 ff ff ff") == "lea 0x401000, %rdi");
  CHECK(relocated("ff 35 00 10 00 00") == "push 0x402006");
  CHECK(relocated("8f 05 00 10 00 00") == "pop 0x402006");
  CHECK(relocated("f0 48 0f b1 0d 00 10 00 00") == "lock cmpxchg %rcx, 0x402009");
  CHECK(relocated("64 8b 05 00 10 00 00") == "mov %fs:0x402007, %eax");
  CHECK(relocated("0f 0f 05 00 10 00 00 b4") == "pfmul 0x402008, %mm0");  // opcode byte at the end
}

TEST_CASE("an immediate behind the displacement counts as part of the instruction", "[relocate]") {
  CHECK(relocated("80 3d 00 10 00 00 05") == "cmpb $0x5, 0x402007");
  CHECK(relocated("66 c7 05 00 10 00 00 34 12") == "movw $0x1234, 0x402009");
  CHECK(relocated("c7 05 00 10 00 00 78 56 34 12") == "movl $0x12345678, 0x40200a");
}

TEST_CASE("VEX, EVEX maps 1, 5 and 6, XOP", "[relocate]") {
  CHECK(relocated("c5 f8 10 05 00 10 00 00") == "vmovups 0x402008, %xmm0");
  CHECK(relocated("c4 e3 79 0f 05 00 10 00 00 07") == "vpalignr $0x7, 0x40200a, %xmm0, %xmm0");
  CHECK(relocated("62 f1 7c 48 10 05 00 10 00 00") == "vmovupsz 0x40200a, %zmm0");
  CHECK(relocated("62 f5 7c 48 58 05 00 10 00 00") == "vaddph 0x40200a, %zmm0, %zmm0");
  CHECK(relocated("62 f6 7d 48 98 05 00 10 00 00") == "vfmadd132ph 0x40200a, %zmm0, %zmm0");
  CHECK(relocated("8f e8 78 c0 05 00 10 00 00 05") == "vprotb $0x5, 0x40200a, %xmm0");
  CHECK(relocated("8f e9 78 81 05 00 10 00 00") == "vfrczpd 0x402009, %xmm0");
  CHECK(relocated("8f ea 78 10 05 00 10 00 00 78 56 34 12") == "bextr $0x12345678, 0x40200d, %eax");
}

TEST_CASE("jumps through memory and registers, near and far", "[relocate]") {
  CHECK(relocated("ff 25 00 10 00 00") == "jmp *0x402006");
  CHECK(relocated("3e ff e0") == "notrack jmp %rax");
  CHECK(relocated("48 ff e0") == "jmp %rax");
  CHECK(relocated("ff 64 24 08") == "jmp 0x8(%rsp)");  // nothing was pushed: the same rsp
  CHECK(relocated("48 ff 2d 00 10 00 00") == "ljmp *0x402007");
  CHECK(plan("ff 25 00 10 00 00").fallthrough() == Fallthrough::never);
}

TEST_CASE("everything else is copied byte for byte", "[relocate]") {
  for (const auto* hex : {
           "54",                             // push %rsp
           "5c",                             // pop  %rsp
           "ff 74 24 08",                    // push 0x8(%rsp)
           "8f 44 24 08",                    // pop  0x8(%rsp)
           "66 48 8d 7c 24 08",              // data16 lea 0x8(%rsp), %rdi
           "a1 00 10 00 00 00 00 00 00",     // mov 0x1000, %eax
           "67 a1 00 10 00 00",              // addr32 mov 0x1000, %eax
           "8b 04 25 00 10 00 00",           // mov 0x1000, %eax: absolute, by a SIB
           "41 8b 84 24 00 10 00 00",        // mov 0x1000(%r12), %eax
           "0f 22 05",                       // mov %rbp, %cr0: mod 0, rm 5, and no displacement
           "c8 10 00 00",                    // enter $0x10, $0
           "c9",                             // leave
           "0f 05",                          // syscall
           "f4",                             // hlt
           "0f 0b",                          // ud2
           "cc",                             // int3
           "cd 80",                          // int $0x80
           "90",                             // nop
           "66 2e 0f 1f 84 00 00 00 00 00",  // cs nopw 0x0(%rax,%rax,1)
       }) {
    const auto relocation = plan(hex);
    std::vector<std::uint8_t> out(relocation.size());
    REQUIRE(relocation.encode(new_address, out));
    CHECK(out == bytes(hex));
    CHECK(relocation.fallthrough() == Fallthrough::always);
    CHECK_FALSE(relocation.is_endbr());
  }
}

TEST_CASE("a system call comes by the gate when there is one", "[relocate]") {
  const auto relocation = Relocation::plan(bytes("0f 05"), original_address, false,
                                           CallForm::emulated, Vaddr{0x500000});
  REQUIRE(relocation);
  std::vector<std::uint8_t> out(relocation.value().size());
  REQUIRE(relocation.value().encode(new_address, out));
  // 0x70100c is the system call itself.
  CHECK(disassemble(out, new_address) == "lea 0x70100c, %r11; jmp 0x500000; syscall");
  CHECK(relocation.value().fallthrough() == Fallthrough::always);
  CHECK_FALSE(relocation.value().direct_target());
}

TEST_CASE("a gate out of reach is refused", "[relocate]") {
  CHECK_FALSE(Relocation::plan(bytes("0f 05"), original_address, false, CallForm::emulated,
                               Vaddr{0x100000000}));
}

TEST_CASE("returns are copied and do not run on", "[relocate]") {
  for (const auto* hex : {"c3", "c2 08 00", "f3 c3", "f2 c3", "66 c3", "48 cf", "cb", "48 0f 07"}) {
    const auto relocation = plan(hex);
    std::vector<std::uint8_t> out(relocation.size());
    REQUIRE(relocation.encode(new_address, out));
    CHECK(out == bytes(hex));
    CHECK(relocation.fallthrough() == Fallthrough::never);
  }
}

TEST_CASE("endbr64 is copied and says what it is", "[relocate]") {
  CHECK(relocated("f3 0f 1e fa") == "endbr64");
  CHECK(plan("f3 0f 1e fa").is_endbr());
}

TEST_CASE("instructions whose place the kernel is told say so", "[relocate]") {
  for (const char* shown : {"0f 05", "0f 34", "cd 80", "cc", "0f 0b", "f4"})
    CHECK(plan(shown).shows_address());
  for (const char* plain : {"90", "c3", "74 10", "48 8b 05 00 10 00 00"})
    CHECK_FALSE(plan(plain).shows_address());
}

TEST_CASE("memory out of reach is an error at the original address", "[relocate]") {
  const auto relocation = plan("8b 05 00 10 00 00");
  std::vector<std::uint8_t> out(relocation.size());
  const auto far_away = relocation.encode(Vaddr{0x100000000}, out);
  REQUIRE_FALSE(far_away);
  CHECK(far_away.error().kind == "out_of_range");
  CHECK(far_away.error().address == original_address);
}
