// A displaced call pushes the original's return address and jumps.

#include <catch2/catch.hpp>

#include "tests/unit/relocate/relocated_text.h"

using namespace punster;
using namespace punster::test;

namespace {
/// The push in a movable image, as relocated() prints it.
std::string pushing(const std::string& return_address) {
  return "push %rax; lea " + return_address + ", %rax; xchg %rax, (%rsp); ";
}
std::string retargeted(std::string_view hex, std::optional<Vaddr> taken = std::nullopt) {
  const auto text = relocated(hex, Image::movable, taken, CallForm::retargeted);
  CHECK(relocated(hex, Image::fixed, taken, CallForm::retargeted) == text);
  return text;
}
}  // namespace

TEST_CASE("a direct call at a fixed address pushes an immediate", "[relocate]") {
  CHECK(relocated("e8 00 10 00 00", Image::fixed) == "push $0x401005; jmp 0x402005");
  CHECK(plan("e8 00 10 00 00", Image::fixed).size() == 10);
}

TEST_CASE("a direct call in a movable image computes what it pushes", "[relocate]") {
  CHECK(relocated("e8 00 10 00 00") == pushing("0x401005") + "jmp 0x402005");
  CHECK(plan("e8 00 10 00 00").size() == 17);
}

TEST_CASE("a return address that push would sign-extend is computed instead", "[relocate]") {
  const auto code = bytes("e8 00 10 00 00");
  const auto size_at = [&](std::uint64_t address) {
    return Relocation::plan(code, Vaddr{address}, true).value().size();
  };
  CHECK(size_at(0x7ffffffa) == 10);  // returns to 0x7fffffff
  CHECK(size_at(0x7ffffffb) == 17);  // returns to 0x80000000
}

TEST_CASE("calls say that they are emulated and do not run on", "[relocate]") {
  for (const auto* hex : {"e8 00 10 00 00", "ff d0", "ff 15 00 10 00 00", "ff 54 24 08"}) {
    CHECK(plan(hex).emulates_call());
    CHECK(plan(hex).fallthrough() == Fallthrough::never);
  }
  CHECK_FALSE(plan("ff e0").emulates_call());
}

TEST_CASE("prefixed direct calls: linker padding, bnd, TLS", "[relocate]") {
  CHECK(relocated("67 e8 00 10 00 00") == pushing("0x401006") + "jmp 0x402006");  // addr32 call
  CHECK(relocated("f2 e8 00 10 00 00") == pushing("0x401006") + "bnd jmp 0x402006");
  // data16 data16 rex.W call __tls_get_addr
  CHECK(relocated("66 66 48 e8 00 10 00 00") == pushing("0x401008") + "jmp 0x402008");
  // data16 rex.W call *__tls_get_addr@GOTPCREL(%rip)
  CHECK(relocated("66 48 ff 15 00 10 00 00") == pushing("0x401008") + "jmp *0x402008");
}

TEST_CASE("call *register becomes jmp *register", "[relocate]") {
  CHECK(relocated("ff d0") == pushing("0x401002") + "jmp %rax");  // rax is whole again by then
  CHECK(relocated("41 ff d4") == pushing("0x401003") + "jmp %r12");
  CHECK(relocated("48 ff d3") == pushing("0x401003") + "jmp %rbx");
  CHECK(relocated("3e ff d0") == pushing("0x401003") + "notrack jmp %rax");
  CHECK(relocated("ff d0", Image::fixed) == "push $0x401002; jmp %rax");
}

TEST_CASE("call through memory keeps every part of the operand", "[relocate]") {
  CHECK(relocated("ff 10") == pushing("0x401002") + "jmp (%rax)");
  CHECK(relocated("ff 50 18") == pushing("0x401003") + "jmp 0x18(%rax)");
  CHECK(relocated("43 ff 54 ec 18") == pushing("0x401005") + "jmp 0x18(%r12,%r13,8)");
  CHECK(relocated("ff 15 00 10 00 00") == pushing("0x401006") + "jmp *0x402006");
  CHECK(relocated("f2 ff 15 00 10 00 00") == pushing("0x401007") + "bnd jmp *0x402007");
  CHECK(relocated("64 ff 14 25 10 00 00 00") == pushing("0x401008") + "jmp %fs:*0x10");
  CHECK(relocated("67 ff 50 18") == pushing("0x401004") + "jmp 0x18(%eax)");
}

TEST_CASE("call through the stack looks where rsp was before the push", "[relocate]") {
  CHECK(relocated("ff 14 24") == pushing("0x401003") + "jmp 0x8(%rsp)");
  CHECK(relocated("ff 54 24 08") == pushing("0x401004") + "jmp 0x10(%rsp)");
  CHECK(relocated("ff 54 24 7f") == pushing("0x401004") + "jmp 0x87(%rsp)");  // disp8 grows
  CHECK(relocated("ff 54 24 f0") == pushing("0x401004") + "jmp -0x8(%rsp)");
  CHECK(relocated("ff 54 cc 08") == pushing("0x401004") + "jmp 0x10(%rsp,%rcx,8)");
  CHECK(relocated("67 ff 54 24 08") == pushing("0x401005") + "jmp 0x10(%esp)");
  CHECK(relocated("64 ff 54 24 10") == pushing("0x401005") + "jmp %fs:0x18(%rsp)");
  CHECK(relocated("3e ff 54 24 08") == pushing("0x401005") + "notrack jmp 0x10(%rsp)");
  CHECK(relocated("3e 41 ff 14 24") == pushing("0x401005") + "notrack jmp (%r12)");  // not rsp
  CHECK(relocated("ff 54 24 08", Image::fixed) == "push $0x401004; jmp 0x10(%rsp)");
}

TEST_CASE("a call of the next instruction (a position idiom) pushes its address", "[relocate]") {
  CHECK(relocated("e8 00 00 00 00", Image::fixed) == "push $0x401005; jmp 0x401005");
}

TEST_CASE("a return address out of lea's reach is an error", "[relocate]") {
  const auto relocation = plan("ff d0");
  std::vector<std::uint8_t> out(relocation.size());
  const auto far_away = relocation.encode(Vaddr{0x100000000}, out);
  REQUIRE_FALSE(far_away);
  CHECK(far_away.error().kind == "out_of_range");
}

TEST_CASE("a retargeted call is only the jump to the callee", "[relocate]") {
  CHECK(retargeted("e8 00 10 00 00") == "jmp 0x402005");
  CHECK(retargeted("e8 00 10 00 00", Vaddr{0x702000}) == "jmp 0x702000");
  CHECK(retargeted("67 e8 00 10 00 00") == "jmp 0x402006");
  CHECK(retargeted("f2 e8 00 10 00 00") == "bnd jmp 0x402006");
  CHECK(retargeted("66 66 48 e8 00 10 00 00") == "jmp 0x402008");
  CHECK(retargeted("e8 00 00 00 00") == "jmp 0x401005");
  CHECK(retargeted("ff 15 00 10 00 00") == "jmp *0x402006");
  CHECK(retargeted("66 48 ff 15 00 10 00 00") == "jmp *0x402008");
  CHECK(retargeted("ff 90 00 10 00 00") == "jmp 0x1000(%rax)");
  CHECK(retargeted("43 ff 54 ec 18") == "jmp 0x18(%r12,%r13,8)");
  CHECK(retargeted("64 ff 14 25 10 00 00 00") == "jmp %fs:*0x10");
}

TEST_CASE("a retargeted call through the stack finds rsp lower", "[relocate]") {
  CHECK(retargeted("ff 94 24 00 01 00 00") == "jmp 0x108(%rsp)");
  CHECK(retargeted("ff 94 24 f0 ff ff ff") == "jmp -0x8(%rsp)");
  CHECK(retargeted("3e ff 54 24 08") == "notrack jmp 0x10(%rsp)");
  CHECK(retargeted("67 ff 54 24 08") == "jmp 0x10(%esp)");
  // The slot that the call overwrites is lost in either form.
  CHECK(retargeted("ff 94 24 f8 ff ff ff") == relocated("ff 94 24 f8 ff ff ff"));
  CHECK(retargeted("ff 94 24 f8 ff ff ff").find("cannot_relocate") == 0);
}

TEST_CASE("what is too short or too long for a retargeted call is emulated", "[relocate]") {
  for (const auto* hex : {"ff d0", "2e 2e 2e ff d0", "ff 10", "ff 54 24 08", "ff 50 18",
                          "2e 2e 2e 64 ff 14 25 10 00 00 00"}) {
    CHECK(relocated(hex, Image::movable, std::nullopt, CallForm::retargeted) == relocated(hex));
    CHECK(plan(hex, Image::movable, CallForm::retargeted).emulates_call());
    CHECK_FALSE(plan(hex, Image::movable, CallForm::retargeted).retargets_call());
  }
}

TEST_CASE("a retargeted call is no emulated one, and neither is what calls nothing", "[relocate]") {
  const auto call = plan("e8 00 10 00 00", Image::movable, CallForm::retargeted);
  CHECK(call.retargets_call());
  CHECK_FALSE(call.emulates_call());
  CHECK(call.fallthrough() == Fallthrough::never);
  CHECK(call.direct_target() == Vaddr{0x402005});
  CHECK_FALSE(plan("e8 00 10 00 00").retargets_call());
  for (const auto* hex : {"e9 00 10 00 00", "0f 84 00 10 00 00", "ff 25 00 10 00 00"})
    CHECK_FALSE(plan(hex, Image::movable, CallForm::retargeted).retargets_call());
}
