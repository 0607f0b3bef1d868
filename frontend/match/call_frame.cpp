// As everything that trampolines do (payloads.cpp), a call moves rsp below the red zone first, by
// lea, and saves before it changes. Two things are special.
//
// Flags. pushf and popf cost some 20 cycles together; the six status flags are kept by lahf and
// seto instead, in the layout that e9tool calls `flags`. pushf is used where somebody asks for
// `rflags`, and where the hook has string instructions, which must find the direction flag clear.
//
// `goto`. Every register holds the program's value again and nothing below the red zone is ours any
// more when control leaves; so the address must come from the stack *while* rsp moves back: the
// slot above the saved registers takes it, and `ret $n` reads it and skips the rest of the frame.
// With a shadow stack, which knows no such return, that would fault.

#include "frontend/match/call_frame.h"

#include <array>
#include <cassert>

namespace punster {
namespace {

constexpr std::int32_t red_zone = 128;
/// In the order in which they are pushed: struct hook_state backwards.
constexpr std::array<Gpr, 15> push_order = {rax, rcx, rdx, rbx, rbp, rsi, rdi, r8,
                                            r9,  r10, r11, r12, r13, r14, r15};

std::int32_t bytes_of(const Register& vector) {
  switch (vector.kind) {
    case RegisterKind::xmm:
      return 16;
    case RegisterKind::ymm:
      return 32;
    case RegisterKind::zmm:
      return 64;
    default:
      return 8;
  }
}

/// movdqu or the like between a vector register and memory at rsp + displacement.
void move_vector(CodeWriter& code, const Register& reg, std::int32_t displacement, bool save) {
  const unsigned number = reg.number, opcode = save ? 0x11 : 0x10;
  const unsigned r = (number & 8) != 0 ? 0 : 0x80, r_high = (number & 16) != 0 ? 0 : 0x10;
  const Place at{rsp, displacement};
  if (reg.kind == RegisterKind::mask) {  // kmovq
    code.bytes({0xc4, 0xe1, 0xf8, save ? 0x91u : 0x90u});
    return code.place(number, at);
  }
  if (reg.kind == RegisterKind::zmm || number >= 16) {  // EVEX vmovups; its disp8 is scaled
    const unsigned length = reg.kind == RegisterKind::zmm   ? 0x48
                            : reg.kind == RegisterKind::ymm ? 0x28
                                                            : 0x08;
    code.bytes(
        {0x62, r + 0x60 + r_high + 1, 0x7c, length, opcode, 0x84 + ((number & 7) << 3), 0x24});
    return code.int32(displacement);
  }
  if (reg.kind == RegisterKind::ymm) {  // VEX vmovups
    code.bytes({0xc5, r + 0x7c, opcode});
    return code.place(number, at);
  }
  code.with_place({}, false, {0x0f, opcode}, number, at);  // movups
}

}  // namespace

CallFrame::CallFrame(FrameNeeds needs) : needs_(std::move(needs)) {
  for (const Register& vector : needs_.vectors) vectors_ += bytes_of(vector);
  flags_at_ = vectors_;
  std::int32_t at = vectors_ + (needs_.flags ? 8 : 0);
  for (const Gpr reg : push_order) at += is_saved(reg) ? 8 : 0;
  rsp_at_ = at;
  at += needs_.rsp ? 8 : 0;
  rip_at_ = at;
  at += needs_.rip ? 8 : 0;
  rflags_at_ = at;
  at += needs_.rflags ? 8 : 0;
  total_ = at + red_zone;
  assert(!needs_.rip || needs_.rsp);
}

Place CallFrame::slot(Gpr reg, std::int32_t pushed) const {
  std::int32_t at = rsp_at_;
  for (const Gpr other : push_order) {
    at -= is_saved(other) ? 8 : 0;
    if (other == reg) break;
  }
  return {rsp, at + pushed};
}

Place CallFrame::slot(const Register& vector, std::int32_t pushed) const {
  std::int32_t at = 0;
  for (const Register& other : needs_.vectors) {
    if (other == vector) break;
    at += bytes_of(other);
  }
  return {rsp, at + pushed};
}

void CallFrame::enter(CodeWriter& code) const {
  const std::int32_t slots = (needs_.rsp ? 8 : 0) + (needs_.rip ? 8 : 0);
  code.move_stack(-red_zone - (needs_.rflags ? 0 : slots));
  if (needs_.rflags) {
    code.bytes({0x9c});  // pushf
    if (slots > 0) code.move_stack(-slots);
  }
  for (const Gpr reg : push_order)
    if (is_saved(reg)) code.push(reg);
  if (needs_.flags) {
    code.bytes({0x9f, 0x0f, 0x90, 0xc0});  // lahf, seto %al
    code.push(rax);
  }
  if (needs_.clear_direction) code.bytes({0xfc});  // cld
  if (vectors_ > 0) {
    code.move_stack(-vectors_);
    move_vectors(code, true);
  }
  fill_slots(code);
}

void CallFrame::fill_slots(CodeWriter& code) const {
  if (needs_.rip) {
    code.lea_of(rax, ".Linstr");
    code.store({rsp, rip_at_}, rax);
  }
  if (needs_.rip || needs_.rsp_written) {
    code.lea(rax, stack(0, 0));
    code.store({rsp, rsp_at_}, rax);
  }
}

void CallFrame::move_vectors(CodeWriter& code, bool save) const {
  for (const Register& vector : needs_.vectors)
    move_vector(code, vector, slot(vector, 0).displacement, save);
}

void CallFrame::restore_rflags(CodeWriter& code, std::int32_t pushed) const {
  code.with_place({}, false, {0xff}, 6, rflags(pushed));  // push
  code.bytes({0x9d});                                     // popf
}

void CallFrame::to_flags(CodeWriter& code) {
  code.bytes({0x04, 0x7f, 0x9e});  // add $0x7f, %al: overflows if it was 1; sahf
}

void CallFrame::restore_flags(CodeWriter& code, std::int32_t pushed) const {
  if (needs_.rflags) return restore_rflags(code, pushed);
  if (!needs_.flags) return;  // nobody changed them
  code.load(rax, flags(pushed));
  to_flags(code);
}

void CallFrame::leave(CodeWriter& code, bool go) const {
  if (go) code.store({rsp, rsp_at_}, rax);
  if (vectors_ > 0) {
    move_vectors(code, false);
    code.move_stack(vectors_);
  }
  if (needs_.rflags) restore_rflags(code, -vectors_);
  if (needs_.flags) {
    code.pop(rax);
    if (needs_.flags_written || !needs_.rflags) to_flags(code);
  }
  for (auto reg = push_order.rbegin(); reg != push_order.rend(); ++reg)
    if (is_saved(*reg)) code.pop(*reg);
  const std::int32_t above = total_ - rsp_at_;  // from the slot of rsp up
  if (go) {
    code.bytes(
        {0xc2, static_cast<unsigned>(above - 8) & 0xff, static_cast<unsigned>(above - 8) >> 8});
  } else if (needs_.rsp_written) {
    code.pop(rsp);
  } else {
    code.move_stack(above);
  }
}

}  // namespace punster
