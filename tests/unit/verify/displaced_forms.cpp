// What a displaced instruction may become elsewhere, and what it may not.

#include <catch2/catch.hpp>

#include "rewriting.h"

using namespace punster;
using namespace punster::test;

namespace {
constexpr std::uint64_t far = 0x1000000;

/// One site of `length` bytes (at least five), its body written by `write(body, next)`; what verify
/// says. `displaced` makes the original instruction at its address.
template <typename Displaced, typename Write>
std::string judged(bool movable, const Displaced& displaced, const Write& write) {
  Rewriting file(movable);
  file.insn({0xc3});
  const Vaddr site = file.insn(displaced(file.here()));
  const Vaddr next = file.here();
  file.insn({0x90});
  file.insn({0x90});
  file.insn({0xc3});
  // A short instruction borrows: its body stands where the pun leads.
  const Vaddr body = file.image(far);
  const unsigned length = static_cast<unsigned>(next.value - site.value);
  if (length >= 5) {
    file.patch(site, jump(site, body));
  } else {
    const Vaddr pad = file.padding(8);
    file.patch(site, short_jump(site, pad));
    file.patch(pad, jump(pad, body));
  }
  for (Vaddr at = body; const Machine& part : write(body, site, next)) at = file.write(at, part);
  return only_failure(file.verify());
}

using Parts = std::vector<Machine>;
const auto accepted = "0 failures";
constexpr Vaddr target{0x1000};  // the ret in front
}  // namespace

TEST_CASE("a displaced rip-relative load names the same address", "[displaced]") {
  const auto original = [](Vaddr at) { return relative({0x48, 0x8b, 0x05}, at, Vaddr{0x4020}); };
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {
          return Parts{relative({0x48, 0x8b, 0x05}, b, Vaddr{0x4020}), jump(b + Bytes{7}, next)};
        }) == accepted);
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {
          return Parts{relative({0x48, 0x8b, 0x05}, b, Vaddr{0x4028}), jump(b + Bytes{7}, next)};
        }) == "wrong_memory_target");
}

TEST_CASE("a rip-relative operand before an immediate counts from the instruction's end",
          "[displaced]") {
  const auto original = [](Vaddr at) {  // movl $5,0x4020(%rip)
    return relative({0xc7, 0x05}, at, Vaddr{0x4020}, 4) + Machine{5, 0, 0, 0};
  };
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {
          return Parts{relative({0xc7, 0x05}, b, Vaddr{0x4020}, 4) + Machine{5, 0, 0, 0},
                       jump(b + Bytes{10}, next)};
        }) == accepted);
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {
          return Parts{relative({0xc7, 0x05}, b, Vaddr{0x4020}, 4) + Machine{6, 0, 0, 0},
                       jump(b + Bytes{10}, next)};
        }) == "displaced_altered");
}

TEST_CASE("a displaced jcc may be long, short, or inverted around a jump", "[displaced]") {
  const auto original = [](Vaddr at) { return relative({0x0f, 0x84}, at, target); };  // je
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {
          return Parts{relative({0x0f, 0x84}, b, target), jump(b + Bytes{6}, next)};
        }) == accepted);
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {  // jne 1f; jmp target; 1: jmp next
          return Parts{{0x75, 0x05}, jump(b + Bytes{2}, target), jump(b + Bytes{7}, next)};
        }) == accepted);
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {
          return Parts{relative({0x0f, 0x85}, b, target), jump(b + Bytes{6}, next)};
        }) == "wrong_target");
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {
          return Parts{relative({0x0f, 0x88}, b, target), jump(b + Bytes{6}, next)};
        }) == "displaced_altered");
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {
          return Parts{relative({0x0f, 0x84}, b, target + Bytes{1}), jump(b + Bytes{6}, next)};
        }) == "wrong_target");
}

TEST_CASE("a displaced loop becomes a short loop around jumps, with the same counter",
          "[displaced]") {
  const auto original = [](Vaddr at) { return Machine{0xe2, short_jump(at, target)[1]}; };
  // loop 1f; jmp next; 1: jmp target
  const auto body = [](std::uint8_t opcode, Machine prefix) {
    return [=](Vaddr b, Vaddr, Vaddr next) {
      const Vaddr at = b + Bytes{prefix.size() + 2};
      return Parts{prefix + Machine{opcode, 0x05}, jump(at, next), jump(at + Bytes{5}, target)};
    };
  };
  CHECK(judged(true, original, body(0xe2, {})) == accepted);
  CHECK(judged(true, original, body(0xe1, {})) == "displaced_altered");      // loope
  CHECK(judged(true, original, body(0xe2, {0x67})) == "displaced_altered");  // counts ecx
}

TEST_CASE("jrcxz keeps its sense: it has no inverse", "[displaced]") {
  const auto original = [](Vaddr at) { return Machine{0xe3, short_jump(at, target)[1]}; };
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {
          return Parts{{0xe3, 0x05}, jump(b + Bytes{2}, next), jump(b + Bytes{7}, target)};
        }) == accepted);
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {
          return Parts{{0xe3, 0x05}, jump(b + Bytes{2}, target), jump(b + Bytes{7}, next)};
        }) == "wrong_target");
}

TEST_CASE("xbegin aborts to the same address", "[displaced]") {
  const auto original = [](Vaddr at) { return relative({0xc7, 0xf8}, at, target); };
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {
          return Parts{relative({0xc7, 0xf8}, b, target), jump(b + Bytes{6}, next)};
        }) == accepted);
  CHECK(judged(true, original, [](Vaddr b, Vaddr site, Vaddr next) {  // the displacement was copied
          const auto copied = relative({0xc7, 0xf8}, site, target);
          return Parts{copied, jump(b + Bytes{6}, next)};
        }) == "wrong_target");
}

TEST_CASE("a displaced call pushes the original return address by push and xchg", "[displaced]") {
  const auto original = [](Vaddr at) { return call(at, target); };
  const auto body = [](int off) {
    return [=](Vaddr b, Vaddr, Vaddr next) {
      const Vaddr pushed = displaced(next, off);
      return Parts{{0x50},                                              // push %rax
                   relative({0x48, 0x8d, 0x05}, b + Bytes{1}, pushed),  // lea next(%rip),%rax
                   {0x48, 0x87, 0x04, 0x24},                            // xchg %rax,(%rsp)
                   jump(b + Bytes{12}, target)};
    };
  };
  CHECK(judged(true, original, body(0)) == accepted);
  CHECK(judged(true, original, body(1)) == "wrong_call_return");
  CHECK(judged(true, original, body(-5)) == "wrong_call_return");
}

TEST_CASE("a constant return address is right only where the image cannot move", "[displaced]") {
  const auto original = [](Vaddr at) { return call(at, Vaddr{at.value & ~0xfffull}); };
  const auto body = [](Vaddr b, Vaddr site, Vaddr next) {
    Machine push = {0x68, 0, 0, 0, 0};  // push $next
    for (int i = 0; i < 4; ++i)
      push[static_cast<std::size_t>(i) + 1] = static_cast<std::uint8_t>(next.value >> 8 * i);
    return Parts{push, jump(b + Bytes{5}, Vaddr{site.value & ~0xfffull})};
  };
  CHECK(judged(false, original, body) == accepted);
  CHECK(judged(true, original, body) == "wrong_call_return");
}

TEST_CASE("an emulated call restores what it used and writes one slot only", "[displaced]") {
  const auto original = [](Vaddr at) { return call(at, target); };
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {  // mov instead of xchg: rax is lost
          return Parts{{0x50},
                       relative({0x48, 0x8d, 0x05}, b + Bytes{1}, next),
                       {0x48, 0x89, 0x04, 0x24},
                       jump(b + Bytes{12}, target)};
        }) == "wrong_call_state");
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {  // a second push, into the red zone
          return Parts{{0x50, 0x50},
                       relative({0x48, 0x8d, 0x05}, b + Bytes{2}, next),
                       {0x48, 0x89, 0x44, 0x24, 0x08, 0x58},
                       jump(b + Bytes{15}, target)};
        }) == "displaced_altered");
}

TEST_CASE("a displaced indirect call shifts operands that count from rsp", "[displaced]") {
  const auto original = [](Vaddr) {
    return Machine{0xff, 0x94, 0x24, 0x10, 0, 0, 0};
  };  // *0x10(%rsp)
  const auto body = [](std::uint8_t offset) {
    return [=](Vaddr b, Vaddr, Vaddr next) {
      return Parts{{0x50},
                   relative({0x48, 0x8d, 0x05}, b + Bytes{1}, next),
                   {0x48, 0x87, 0x04, 0x24},
                   {0xff, 0x64, 0x24, offset}};
    };
  };
  CHECK(judged(true, original, body(0x18)) == accepted);
  CHECK(judged(true, original, body(0x10)) == "wrong_target");
}

TEST_CASE("a displaced call through a register jumps through the same one", "[displaced]") {
  const auto original = [](Vaddr) { return Machine{0xff, 0xd3}; };  // call *%rbx
  const auto body = [](std::uint8_t modrm) {
    return [=](Vaddr b, Vaddr, Vaddr next) {
      return Parts{{0x50},
                   relative({0x48, 0x8d, 0x05}, b + Bytes{1}, next),
                   {0x48, 0x87, 0x04, 0x24},
                   {0xff, modrm}};
    };
  };
  CHECK(judged(true, original, body(0xe3)) == accepted);        // jmp *%rbx
  CHECK(judged(true, original, body(0xe1)) == "wrong_target");  // jmp *%rcx
}

TEST_CASE("what never falls through needs no way back", "[displaced]") {
  const auto original = [](Vaddr) { return Machine{0xc2, 0x10, 0x00}; };  // ret $0x10
  CHECK(judged(true, original, [](Vaddr, Vaddr, Vaddr) {
          return Parts{{0xc2, 0x10, 0x00}};
        }) == accepted);
  CHECK(judged(true, original, [](Vaddr, Vaddr, Vaddr) {
          return Parts{{0xc2, 0x18, 0x00}};
        }) == "displaced_altered");
}

TEST_CASE("behind a hlt nothing runs, so its jump may use the padding there", "[displaced]") {
  Rewriting file;
  const Vaddr site = file.insn({0xf4});
  file.padding(8);
  const Vaddr body = file.image(far);
  file.patch(site, jump(site, body));
  file.write(body, Machine{0xf4} + jump(body + Bytes{1}, site + Bytes{1}));
  CHECK(only_failure(file.verify()) == accepted);
}

TEST_CASE("a far call cannot be displaced", "[displaced]") {
  const auto original = [](Vaddr) { return Machine{0xff, 0x9c, 0x24, 0x10, 0, 0, 0}; };  // lcall *
  CHECK(judged(true, original, [&](Vaddr b, Vaddr, Vaddr next) {
          return Parts{{0xff, 0x9c, 0x24, 0x10, 0, 0, 0}, jump(b + Bytes{7}, next)};
        }) == "far_call");
}

TEST_CASE("a copy that was encoded anew is compared operand by operand", "[displaced]") {
  // vmovaps disp8(%rax),%ymm1 with a three-byte VEX prefix becomes the two-byte form.
  const auto original = [](Vaddr) { return Machine{0xc4, 0xe1, 0x7c, 0x28, 0x48, 0x20}; };
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {
          return Parts{{0xc5, 0xfc, 0x28, 0x48, 0x20, 0x90}, jump(b + Bytes{6}, next)};
        }) == "wrong_return");  // a NOP too many: the one that follows, which would then run twice
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {
          return Parts{{0xc5, 0xfc, 0x28, 0x48, 0x20}, jump(b + Bytes{5}, next)};
        }) == accepted);
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) {  // xmm: other vector length
          return Parts{{0xc5, 0xf8, 0x28, 0x48, 0x20}, jump(b + Bytes{5}, next)};
        }) == "displaced_altered");
}

TEST_CASE("a displaced NOP may be left out", "[displaced]") {
  const auto original = [](Vaddr) { return Machine{0x0f, 0x1f, 0x44, 0x00, 0x00}; };
  CHECK(judged(true, original, [](Vaddr b, Vaddr, Vaddr next) { return Parts{jump(b, next)}; }) ==
        accepted);
}

TEST_CASE("two jumps at each other cannot prove each other", "[displaced]") {
  Rewriting file;
  const Vaddr a = file.insn(jump(file.here(), file.here() + Bytes{5}));
  const Vaddr b = file.insn(jump(file.here(), a));
  const Vaddr body = file.image(far);
  file.patch(a, jump(a, body));
  file.patch(b, jump(b, body));
  file.write(body, {0xc3});
  CHECK(file.verify().failure_count == 2);
}
