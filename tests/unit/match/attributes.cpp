// Every attribute of the match language, asked of an instruction whose answer is plain.

#include <catch2/catch.hpp>

#include "tests/unit/match/listing.h"

using namespace punster;

namespace {

constexpr const char* jmp_rel32 = "e9 fb 00 00 00";           // jmp 0x1100
constexpr const char* jz_rel8 = "74 0e";                      // jz 0x1010
constexpr const char* call_rel32 = "e8 00 00 00 00";          // call 0x1005
constexpr const char* call_rax = "ff d0";                     // call *%rax
constexpr const char* ret = "c3";                             // ret
constexpr const char* syscall_ = "0f 05";                     // syscall
constexpr const char* load = "48 8b 84 d8 00 02 00 00";       // mov 0x200(%rax,%rbx,8),%rax
constexpr const char* store = "48 89 44 24 f8";               // mov %rax,-0x8(%rsp)
constexpr const char* add_imm = "83 c1 7f";                   // add $0x7f,%ecx
constexpr const char* lea_rip = "48 8d 05 10 00 00 00";       // lea 0x10(%rip),%rax
constexpr const char* canary = "64 48 8b 04 25 28 00 00 00";  // mov %fs:0x28,%rax
constexpr const char* nop = "90";

}  // namespace

TEST_CASE("true matches everything and false nothing", "[attributes]") {
  CHECK(matches(nop, "true"));
  CHECK_FALSE(matches(nop, "false"));
}

TEST_CASE("jmp is every jump, conditional or not, direct or not", "[attributes]") {
  CHECK(matches(jmp_rel32, "jmp"));
  CHECK(matches(jz_rel8, "jmp"));
  CHECK(matches("ff e0", "jmp"));  // jmp *%rax
  CHECK(matches("e2 fe", "jmp"));  // loop
  CHECK(matches("e3 00", "jmp"));  // jrcxz
  CHECK(matches("0f 85 00 00 00 00", "jmp"));
  CHECK(matches("3e ff e0", "jmp"));  // notrack jmp *%rax
  CHECK_FALSE(matches(call_rel32, "jmp"));
  CHECK_FALSE(matches(ret, "jmp"));
  CHECK_FALSE(matches("c7 f8 00 00 00 00", "jmp"));  // xbegin
  CHECK_FALSE(matches("c7 f8 00 00 00 00", "mnemonic == \"xbegin\" and (jmp or jcc)"));
  CHECK_FALSE(matches("ff 30", "jmp"));  // push (%rax)
}

TEST_CASE("jcc is a conditional jump", "[attributes]") {
  CHECK(matches(jz_rel8, "jcc"));
  CHECK(matches("e2 fe", "jcc"));
  CHECK_FALSE(matches(jmp_rel32, "jcc"));
  CHECK_FALSE(matches("0f 94 c0", "jcc"));  // sete %al
}

TEST_CASE("call, ret and syscall", "[attributes]") {
  CHECK(matches(call_rel32, "call"));
  CHECK(matches(call_rax, "call"));
  CHECK(matches("66 66 48 e8 00 00 00 00", "call"));
  CHECK_FALSE(matches(jmp_rel32, "call"));
  CHECK(matches(ret, "ret"));
  CHECK(matches("c2 08 00", "ret"));
  CHECK(matches("f3 c3", "ret"));
  CHECK_FALSE(matches(call_rel32, "ret"));
  CHECK(matches(syscall_, "syscall"));
  CHECK_FALSE(matches("cd 80", "syscall"));
}

TEST_CASE("instruction set extensions", "[attributes]") {
  CHECK(matches("d9 c0", "x87"));                 // fld %st0
  CHECK(matches("0f 6f c1", "mmx"));              // movq %mm1,%mm0
  CHECK(matches("0f 28 c1", "sse"));              // movaps
  CHECK(matches("66 0f ef c0", "sse"));           // pxor
  CHECK(matches("c5 fc 28 c1", "avx"));           // vmovaps %ymm1,%ymm0
  CHECK(matches("c5 fd ef c0", "avx2"));          // vpxor %ymm0,%ymm0,%ymm0
  CHECK(matches("62 f1 7c 48 28 c1", "avx512"));  // vmovaps %zmm1,%zmm0
  CHECK_FALSE(matches(nop, "x87 or mmx or sse or avx or avx2 or avx512"));
}

TEST_CASE("asm is AT&T text, or Intel text on request", "[attributes]") {
  CHECK(matches(load, R"(asm == "movq 0x200(%rax,%rbx,8), %rax")"));
  CHECK(
      matches(load, R"(asm == "mov rax, qword ptr [rax+rbx*8+0x200]")", {Syntax::intel, nullptr}));
  CHECK(matches(call_rax, R"(asm == "call *%rax")"));
  CHECK(matches(jmp_rel32, R"(asm == "jmp 0x1100")"));
  CHECK(matches(lea_rip, R"(asm == "lea 0x10(%rip), %rax")"));
}

TEST_CASE("mnemonic has no size suffix", "[attributes]") {
  CHECK(matches("c7 04 24 01 00 00 00", R"x(asm == "movl $0x1, (%rsp)" and mnemonic == "mov")x"));
  CHECK(matches(jz_rel8, R"(mnemonic == "jz")"));
}

TEST_CASE("addr, offset and size", "[attributes]") {
  CHECK(matches(nop, "addr == 0x1000"));
  CHECK(matches(nop, "offset == 0x400"));
  CHECK(matches(load, "size == 8"));
}

TEST_CASE("section and symbol are undefined where there is none", "[attributes]") {
  Listing listing({nop});
  const auto main = Match::parse("symbol == \"main\"").value();
  const auto other = Match::parse("symbol != \"main\"").value();
  const auto text = Match::parse("section == \".text\"").value();
  CHECK(main.matches(listing.insns[0], listing));
  CHECK(text.matches(listing.insns[0], listing));
  listing.symbol_name = "";
  CHECK_FALSE(main.matches(listing.insns[0], listing));
  CHECK_FALSE(other.matches(listing.insns[0], listing));
}

TEST_CASE("target is where a direct jump or call leads", "[attributes]") {
  CHECK(matches(jmp_rel32, "target == 0x1100"));
  CHECK(matches(jz_rel8, "target == 0x1010"));
  CHECK(matches(call_rel32, "target == 0x1005"));
  CHECK_FALSE(matches(call_rax, "defined(target)"));
  CHECK_FALSE(matches(load, "defined(target)"));
}

TEST_CASE("target == &name asks for a symbol's address", "[attributes]") {
  const MatchOptions options{Syntax::att, [](std::string_view name) -> std::optional<Vaddr> {
                               if (name == "puts@plt" || name == "end") return Vaddr{0x1005};
                               if (name == ".text" || name == ".text.start") return Vaddr{0x1000};
                               if (name == ".text.end") return Vaddr{0x1001};
                               return std::nullopt;
                             }};
  CHECK(matches(call_rel32, "target == &puts@plt", options));
  CHECK(matches(call_rel32, "target == end", options));
  CHECK(matches(nop, "addr >= .text and addr < .text.end", options));
  CHECK(matches(nop, "addr == &.text.start", options));
}

TEST_CASE("parts of the encoding", "[attributes]") {
  CHECK(matches(load, "rex == 0x48 and modrm == 0x84 and sib == 0xd8 and disp32 == 0x200"));
  CHECK(matches(store, "disp8 == -8"));
  CHECK(matches(add_imm, "imm8 == 0x7f"));
  CHECK(matches("b8 ff ff 00 00", "imm32 == 0xffff"));
  CHECK_FALSE(matches(nop,
                      "defined(rex) or defined(modrm) or defined(sib) or defined(disp8) or "
                      "defined(disp32) or defined(imm8) or defined(imm32)"));
  CHECK(matches(load, "bytes[0] == 0x48 and bytes[1] == 0x8b and not defined(bytes[8])"));
}

TEST_CASE("operands stand in the order of the text", "[attributes][operands]") {
  CHECK(matches(load, "op[0].type == mem and op[1] == rax and op.size == 2"));
  CHECK(matches(store, "op[0] == rax and op[1].type == mem"));
  CHECK(matches(add_imm, "op[0] == 0x7f and op[0].type == imm and op[1] == ecx"));
  const MatchOptions intel{Syntax::intel, nullptr};
  CHECK(matches(load, "op[0] == rax and op[1].type == mem", intel));
  CHECK(matches(add_imm, "op[0] == ecx and op[1] == 0x7f", intel));
}

TEST_CASE("src and dst are operands by access", "[attributes][operands]") {
  CHECK(matches(load, "dst[0] == rax and src[0].type == mem and dst.size == 1 and src.size == 1"));
  CHECK(matches(add_imm, "dst[0] == ecx and src[0] == 0x7f and src[1] == ecx"));
  CHECK(matches(lea_rip, "src.size == 0 and dst.size == 1"));
}

TEST_CASE("reg, mem and imm are operands by type", "[attributes][operands]") {
  CHECK(matches(load, "reg[0] == rax and reg.size == 1 and mem.size == 1 and imm.size == 0"));
  CHECK(matches("48 01 d8", "reg[0] == rbx and reg[1] == rax"));  // add %rbx,%rax
  CHECK(matches(add_imm, "imm[0] == 127"));
  CHECK_FALSE(matches(load, "defined(imm[0])"));
}

TEST_CASE("the fields of an operand", "[attributes][operands]") {
  CHECK(matches(load, "mem[0].base == rax and mem[0].index == rbx and mem[0].scale == 8"));
  CHECK(matches(load, "mem[0].disp == 0x200 and mem[0].displacement == 0x200"));
  CHECK(matches(load, "mem[0].size == 8 and op[1].size == 8"));
  CHECK(matches(canary, "mem[0].seg == fs and mem[0].segment == fs and mem[0].base == nil"));
  CHECK(matches(load, "mem[0].seg == nil"));
  CHECK(matches(store, "mem[0].index == nil and mem[0].disp == -8"));
  CHECK_FALSE(matches(load, "defined(op[1].base)"));
}

TEST_CASE("the access of an operand", "[attributes][operands]") {
  CHECK(matches(load, "op[0].access == r and op[1].access == w"));
  CHECK(matches(add_imm, "op[1].access == rw"));
  CHECK(matches(lea_rip, "op[0].access == -"));
  CHECK(matches(lea_rip, "(op[0].access == -) and op[0].access != r"));
  CHECK(matches("0f 1f 40 00", "mem[0].access == -"));  // nopl 0x0(%rax)
}

TEST_CASE("a branch target as an operand is an address, as in the text", "[attributes][operands]") {
  CHECK(matches(jmp_rel32, "op[0] == 0x1100 and imm[0] == target"));
}

TEST_CASE("&mem[i] is an address that does not depend on registers", "[attributes][operands]") {
  CHECK(matches(lea_rip, "&mem[0] == 0x1017 and &op[0] == 0x1017"));
  CHECK(matches("8b 04 25 00 20 00 00", "&mem[0] == 0x2000"));  // mov 0x2000,%eax
  CHECK_FALSE(matches(load, "defined(&mem[0])"));
  CHECK_FALSE(matches(canary, "defined(&mem[0])"));
}

TEST_CASE("memory operands can be written down", "[attributes][operands]") {
  CHECK(matches(load, "op[0] == mem64<0x200(%rax,%rbx,8)>"));
  CHECK(matches(store, "mem[0] == mem64<-8(%rsp)>"));
  CHECK(matches(canary, "mem[0] == mem64<%fs:0x28>"));
  CHECK(matches(load, "op[0] in {mem64<(%rax)>, mem64<0x200(%rax,%rbx,8)>}"));
  CHECK_FALSE(matches(load, "op[0] == mem64<0x200(%rax,%rbx,4)>"));
  CHECK_FALSE(matches(load, "op[0] == mem64<0x208(%rax,%rbx,8)>"));
  CHECK_FALSE(matches(load, "op[0] == mem32<0x200(%rax,%rbx,8)>"));
  CHECK_FALSE(matches(load, "op[1] == mem64<0x200(%rax,%rbx,8)>"));
}

TEST_CASE("reads, writes and regs include implicit registers", "[attributes][registers]") {
  CHECK(matches("50", "rax in reads and rsp in reads and rsp in writes"));  // push %rax
  CHECK(
      matches("f3 48 a5", "{rcx, rsi, rdi} in reads and {rcx, rsi, rdi} in writes"));  // rep movsq
  CHECK(matches(syscall_, "{rcx, r11} in writes"));
  CHECK(matches(jz_rel8, "rflags in reads and not rflags in writes"));
  CHECK(matches(add_imm, "rflags in writes and rflags not in reads"));
  CHECK(matches(load, "{rax, rbx} in reads and rbx not in writes and rbx in regs"));
  CHECK(matches(canary, "fs in reads"));
  CHECK(matches("f5", "rflags in reads and rflags in writes"));  // cmc
  CHECK(matches("d3 e0", "cl in reads"));                        // shl %cl,%eax
}

TEST_CASE("reads rax is short for rax in reads", "[attributes][registers]") {
  CHECK(matches("50", "reads rax and not writes rax"));
  CHECK(matches("50", "reads rax && writes rsp"));
}

TEST_CASE("a part of a register is in a set that holds the whole", "[attributes][registers]") {
  CHECK(matches(add_imm, "rcx in writes and cl in writes and ch in writes"));
  CHECK(matches("88 e0", "ah in reads and not al in reads"));  // mov %ah,%al
}

TEST_CASE("I[n] asks the instructions around", "[attributes]") {
  const Listing listing({"39 c8", jz_rel8, nop});  // cmp %ecx,%eax; jz; nop
  const auto fused = Match::parse("jcc and I[-1].mnemonic == \"cmp\"").value();
  CHECK(fused.matches(listing.insns[1], listing));
  CHECK_FALSE(fused.matches(listing.insns[0], listing));
  CHECK(Match::parse("I[1].jmp").value().matches(listing.insns[0], listing));
  CHECK(Match::parse("I[-1].op[0] == ecx").value().matches(listing.insns[1], listing));
  CHECK(Match::parse("I[0].size == 1").value().matches(listing.insns[2], listing));
  CHECK_FALSE(Match::parse("defined(I[1].size)").value().matches(listing.insns[2], listing));
}

TEST_CASE("expressions that need no bytes do not ask for them", "[attributes]") {
  const Listing listing({load});
  for (const char* cheap : {"true", "addr >= 0x1000", "size == 8", "symbol == \"main\"",
                            "section == \".text\" and offset > 0", "addr in {0x1000}"}) {
    CHECK(Match::parse(cheap).value().matches(listing.insns[0], listing));
    CHECK(listing.bytes_asked == 0);
  }
  CHECK(Match::parse("true or asm == /x/").value().always());
  CHECK_FALSE(Match::parse("jmp").value().always());
}
