#include <catch2/catch.hpp>

#include "frontend/decode/decoder.h"

using namespace punster;

namespace {
FlowInfo flow(std::initializer_list<std::uint8_t> bytes, std::uint64_t address = 0x1000) {
  return decode_flow(std::span(bytes.begin(), bytes.size()), Vaddr{address});
}
std::string att(std::initializer_list<std::uint8_t> bytes) {
  return format(std::span(bytes.begin(), bytes.size()), Vaddr{0x1000}, Syntax::att);
}
}  // namespace

TEST_CASE("direct branches carry their target", "[decode]") {
  const auto jump = flow({0xeb, 0x10});  // jmp 0x1012
  CHECK(jump.kind == FlowKind::jump);
  CHECK(jump.target == Vaddr{0x1012});
  CHECK(jump.ends_flow());
  const auto back = flow({0x0f, 0x84, 0xfa, 0xff, 0xff, 0xff});  // je 0x1000
  CHECK(back.kind == FlowKind::branch);
  CHECK(back.target == Vaddr{0x1000});
  CHECK(!back.ends_flow());
  CHECK(flow({0xe2, 0xfe}).kind == FlowKind::branch);  // loop
  CHECK(flow({0xe3, 0xfe}).kind == FlowKind::branch);  // jrcxz
  const auto transaction = flow({0xc7, 0xf8, 0, 0, 0, 0});  // xbegin 0x1006
  CHECK(transaction.kind == FlowKind::branch);
  CHECK(transaction.target == Vaddr{0x1006});
  // data16 data16 rex.W call: what compilers emit before __tls_get_addr
  const auto tls = flow({0x66, 0x66, 0x48, 0xe8, 1, 0, 0, 0});
  CHECK(tls.kind == FlowKind::call);
  CHECK(tls.length == 8);
  CHECK(tls.target == Vaddr{0x1009});
  CHECK(!tls.odd);
}

TEST_CASE("every way to leave an instruction has its kind", "[decode]") {
  CHECK(flow({0xc3}).kind == FlowKind::ret);
  CHECK(flow({0xf3, 0xc3}).kind == FlowKind::ret);
  CHECK(flow({0xff, 0xe0}).kind == FlowKind::indirect_jump);
  CHECK(flow({0x3e, 0xff, 0xe0}).kind == FlowKind::indirect_jump);  // notrack
  CHECK(flow({0xff, 0x25, 4, 0, 0, 0}).kind == FlowKind::indirect_jump);
  CHECK(flow({0xff, 0xd0}).kind == FlowKind::indirect_call);
  CHECK(flow({0x0f, 0x05}).kind == FlowKind::syscall);
  CHECK(flow({0x0f, 0x0b}).kind == FlowKind::halt);
  CHECK(flow({0xf4}).kind == FlowKind::halt);
  CHECK(flow({0xcc}).kind == FlowKind::breakpoint);
  CHECK(flow({0x90}).kind == FlowKind::nop);
  CHECK(flow({0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0}).kind == FlowKind::nop);
  CHECK(flow({0xf3, 0x0f, 0x1e, 0xfa}).kind == FlowKind::none);  // endbr64
  CHECK(flow({0xf3, 0x90}).kind != FlowKind::nop);               // pause
}

TEST_CASE("invalid and cut-off bytes decode to nothing", "[decode]") {
  CHECK(flow({0x06}).kind == FlowKind::invalid);
  CHECK(flow({0xe8, 1, 2}).kind == FlowKind::invalid);
  CHECK(decode_flow({}, Vaddr{0}).kind == FlowKind::invalid);
}

TEST_CASE("RIP-relative operands carry their address in every encoding", "[decode]") {
  const auto load = flow({0x48, 0x8b, 0x05, 0x10, 0, 0, 0});  // mov 0x10(%rip),%rax
  CHECK(load.rip_relative);
  CHECK(!load.takes_address);
  CHECK(load.memory == Vaddr{0x1017});
  CHECK(flow({0x48, 0x8d, 0x05, 0x10, 0, 0, 0}).takes_address);
  const auto with_immediate = flow({0x83, 0x3d, 0x10, 0, 0, 0, 0x05});  // cmpl $5,0x10(%rip)
  CHECK(with_immediate.memory == Vaddr{0x1017});
  const auto vex = flow({0xc5, 0xf9, 0x6f, 0x05, 0x10, 0, 0, 0});  // vmovdqa 0x10(%rip),%xmm0
  CHECK(vex.memory == Vaddr{0x1018});
  const auto evex = flow({0x62, 0xf1, 0x7c, 0x48, 0x28, 0x05, 0x40, 0, 0, 0});  // vmovaps zmm
  CHECK(evex.memory == Vaddr{0x104a});
  CHECK(!flow({0x48, 0x8b, 0x45, 0x10}).rip_relative);
}

TEST_CASE("what no compiler emits is odd", "[decode]") {
  CHECK(flow({0x00, 0x00}).odd);        // add %al,(%rax)
  CHECK(flow({0xe4, 0x10}).odd);        // in $0x10,%al
  CHECK(flow({0x6c}).odd);              // insb
  CHECK(flow({0xcb}).odd);              // lret
  CHECK(flow({0xc2, 0x08, 0x00}).odd);  // ret $8
  CHECK(flow({0xcd, 0x21}).odd);        // int $0x21
  CHECK(flow({0x66, 0xe9, 0, 0, 0, 0}).odd);
  CHECK(!flow({0x48, 0x89, 0xe5}).odd);
  CHECK(!flow({0x0f, 0xa2}).odd);  // cpuid
  CHECK(!flow({0x0f, 0x31}).odd);  // rdtsc
}

TEST_CASE("operands name registers, memory and immediate", "[decode]") {
  const std::uint8_t movslq[] = {0x48, 0x63, 0x04, 0x82};  // movslq (%rdx,%rax,4),%rax
  const auto info = decode_operands(movslq, Vaddr{0x1000});
  REQUIRE(info);
  CHECK(info->verb == OperandInfo::Verb::movsxd);
  CHECK(info->first == 0);
  CHECK(info->base == 2);
  CHECK(info->index == 0);
  CHECK(info->scale == 4);
  CHECK(info->writes == 1);
  CHECK(info->reads == 5);
  const std::uint8_t cmp[] = {0x83, 0xff, 0x2a};  // cmp $0x2a,%edi
  CHECK(decode_operands(cmp, Vaddr{0})->immediate == 0x2a);
}

TEST_CASE("text is objdump-like in both syntaxes", "[decode]") {
  CHECK(att({0x48, 0x8b, 0x05, 0x10, 0, 0, 0}) == "mov 0x10(%rip), %rax");
  CHECK(att({0xeb, 0x10}) == "jmp 0x1012");
  CHECK(att({0x06}) == "(bad)");
  const std::uint8_t mov[] = {0x48, 0x89, 0xe5};
  CHECK(format(mov, Vaddr{0}, Syntax::intel) == "mov rbp, rsp");
}
