// The problem. A call that is moved must push the return address it would have pushed at home, or
// C++ exceptions, backtraces and code that reads its own return address break; and it must do so
// without a scratch register, without touching flags and without a write to anything but the one
// slot below rsp. There are several ways to write that (push imm32; push and xchg through lea; push
// and two stores), and a matcher of byte patterns would accept exactly the ones its author had in
// mind, mistakes included.
//
// So the sequence is executed, on values that are either "what this register held at first, plus n"
// or an address of the image or a constant. A handful of instructions is understood; any other ends
// the attempt. At the final jump the machine must be the one a call leaves behind:
//
//   rsp      = first rsp - 8
//   [rsp]    = the return address: an address of the image (which moves with it), or the same
//   number as
//              a constant where the image cannot move
//   others   = as at first
//   written  = nothing outside the 8 bytes below the first rsp
//
// and an indirect jump must name the register or the memory that the call named, counted from the
// *first* rsp. Memory that the pushed slot overlaps is refused: the call reads it before it pushes.

#include "frontend/verify/call_emulation.h"

#include <array>

namespace punster {
namespace {

/// A symbolic 64-bit value.
struct Value {
  enum class Base : std::uint8_t { constant, image, first } base = Base::constant;
  RegisterNumber reg = no_register;  // of Base::first: which register's first value
  std::uint64_t offset = 0;
  friend bool operator==(const Value&, const Value&) = default;
};

constexpr std::uint64_t below = ~std::uint64_t{7};  // -8
constexpr std::uint64_t low_half = 0xffffffffu;

class Machine {
 public:
  explicit Machine(const OriginalCall& call) : call_(call) {
    for (RegisterNumber reg = 0; reg < 16; ++reg) registers_[reg] = first(reg);
    if (call.pushed) {
      registers_[rsp_register].offset = below;
      slot_ = image_address(call.return_address.value);
    }
  }

  /// Runs one step; false when it does something that no emulated call needs.
  bool run(const StackStep& step) {
    using Kind = StackStep::Kind;
    switch (step.kind) {
      case Kind::push_immediate:
        return push(constant(static_cast<std::uint64_t>(step.immediate)));
      case Kind::push_register:
        return push(registers_[step.reg]);
      case Kind::pop_register:
        return pop(step.reg);
      case Kind::load_address:
        return load_address(step);
      case Kind::copy:
        registers_[step.reg] = registers_[step.source];
        return true;
      case Kind::exchange:
        if (!in_slot(step.memory, 0) || step.bits != 64 || !slot_) return false;
        std::swap(*slot_, registers_[step.reg]);
        return true;
      case Kind::load:
        if (!in_slot(step.memory, 0) || step.bits != 64 || !slot_) return false;
        registers_[step.reg] = *slot_;
        return true;
      case Kind::store_register:
        if (!in_slot(step.memory, 0) || step.bits != 64) return false;
        slot_ = registers_[step.reg];
        return true;
      case Kind::store_immediate:
        return store_immediate(step);
      default:
        return false;
    }
  }

  [[nodiscard]] const std::optional<Value>& slot() const { return slot_; }
  [[nodiscard]] bool return_address_is_right() const {
    return slot_ && *slot_ == image_address(call_.return_address.value);
  }
  [[nodiscard]] bool registers_are_right() const {
    for (RegisterNumber reg = 0; reg < 16; ++reg) {
      Value expected = first(reg);
      if (reg == rsp_register) expected.offset = below;
      if (registers_[reg] != expected) return false;
    }
    return true;
  }

  /// Whether the memory that `now` names in this state is the memory that `then` named at first.
  [[nodiscard]] bool same_memory(const MemoryOperand& then, const MemoryOperand& now) const {
    MemoryOperand expected = then;
    if (then.base == rsp_register)
      expected.displacement += 8;  // every register but rsp is back in place by now
    if (expected != now) return false;
    const bool on_stack =
        then.base == rsp_register && then.index == no_register && then.segment == 0;
    return !on_stack || then.displacement <= -16 || then.displacement >= 0;
  }

 private:
  [[nodiscard]] static Value first(RegisterNumber reg) { return {Value::Base::first, reg, 0}; }
  [[nodiscard]] static Value constant(std::uint64_t value) {
    return {Value::Base::constant, no_register, value};
  }
  /// Where the image cannot move, its addresses are constants like any other.
  [[nodiscard]] Value image_address(std::uint64_t value) const {
    return {call_.movable ? Value::Base::image : Value::Base::constant, no_register, value};
  }

  bool push(Value value) {
    Value& rsp = registers_[rsp_register];
    if (rsp != first(rsp_register)) return false;  // a second push would write into the red zone
    rsp.offset = below;
    slot_ = value;
    return true;
  }
  bool pop(RegisterNumber reg) {
    Value& rsp = registers_[rsp_register];
    if (rsp != Value{Value::Base::first, rsp_register, below} || !slot_ || reg == rsp_register)
      return false;
    rsp.offset = 0;
    registers_[reg] = *slot_;
    return true;
  }
  bool load_address(const StackStep& step) {
    if (step.bits != 64) return false;
    if (step.memory.rip) {
      registers_[step.reg] = image_address(static_cast<std::uint64_t>(step.memory.displacement));
      return true;
    }
    if (step.memory.base == no_register || step.memory.index != no_register) return false;
    Value value = registers_[step.memory.base];
    value.offset += static_cast<std::uint64_t>(step.memory.displacement);
    registers_[step.reg] = value;
    return true;
  }
  /// Whether `memory` is the slot below the first rsp, `skip` bytes into it.
  [[nodiscard]] bool in_slot(const MemoryOperand& memory, std::uint64_t skip) const {
    if (memory.rip || memory.base == no_register || memory.index != no_register ||
        memory.segment != 0 || memory.address_bits != 64)
      return false;
    Value value = registers_[memory.base];
    value.offset += static_cast<std::uint64_t>(memory.displacement);
    return value == Value{Value::Base::first, rsp_register, below + skip};
  }
  bool store_immediate(const StackStep& step) {
    const auto value = static_cast<std::uint64_t>(step.immediate);
    if (step.bits == 64 && in_slot(step.memory, 0)) {
      slot_ = constant(value);
      return true;
    }
    if (step.bits != 32 || !slot_ || slot_->base != Value::Base::constant) return false;
    if (in_slot(step.memory, 0))
      slot_->offset = (slot_->offset & ~low_half) | (value & low_half);
    else if (in_slot(step.memory, 4))
      slot_->offset = (slot_->offset & low_half) | value << 32;
    else
      return false;
    return true;
  }

  const OriginalCall& call_;
  std::array<Value, 16> registers_{};
  std::optional<Value> slot_;  // the 8 bytes below the first rsp, once written
};

bool same_indirect_target(const StackStep& original, const StackStep& jump,
                          const Machine& machine) {
  using Kind = StackStep::Kind;
  if (original.kind == Kind::call_register)
    return jump.kind == Kind::jump_register && jump.reg == original.reg && jump.reg != rsp_register;
  return original.kind == Kind::call_memory && jump.kind == Kind::jump_memory &&
         machine.same_memory(original.memory, jump.memory);
}

}  // namespace

CallMatch match_call(const OriginalCall& call, CodeReader& memory, Vaddr at) {
  using Kind = StackStep::Kind;
  constexpr int longest_sequence = 8;
  const auto original = decode(call.code, call.address);
  const auto original_step = stack_step(call.code, call.address);
  if (!original || (original->flow == Flow::call_through && !original_step)) return {};

  Machine machine(call);
  for (int i = 0; i < longest_sequence; ++i) {
    const auto step = stack_step(memory.at(at), at);
    if (!step) return {};
    if (step->kind == Kind::jump || step->kind == Kind::jump_register ||
        step->kind == Kind::jump_memory) {
      if (!machine.slot()) return {};
      CallMatch match;
      match.pushed_value = machine.slot()->offset;
      if (!machine.return_address_is_right())
        match.fault = CallFault::wrong_return_address;
      else if (!machine.registers_are_right())
        match.fault = CallFault::wrong_state;
      else if (original->flow == Flow::call && step->kind == Kind::jump)
        match = {CallFault::none, step->target, {}};
      else if (original->flow == Flow::call_through &&
               same_indirect_target(*original_step, *step, machine))
        match.fault = CallFault::none;
      else
        match.fault = CallFault::wrong_target;
      return match;
    }
    if (!machine.run(*step)) return {};
    at = at + Bytes{step->length};
  }
  return {};
}

}  // namespace punster
