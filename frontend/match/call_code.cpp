// The code of one call. Everything that an argument may be made of was saved before any of them is
// made, so they are made one after the other from what was saved, and none can spoil another.
// Functions are reached by rel32: hooks are mapped beside the trampolines.

#include <algorithm>
#include <array>

#include "frontend/match/call_frame.h"
#include "frontend/match/site_arguments.h"
#include "protocol/hex.h"

namespace punster {
namespace {

using What = SiteArgument::What;

constexpr std::array<Gpr, 6> argument_registers = {rdi, rsi, rdx, rcx, r8, r9};
constexpr std::array<Gpr, 9> caller_saved = {rax, rcx, rdx, rsi, rdi, r8, r9, r10, r11};

bool is_general(const Register& reg) {
  return reg.kind == RegisterKind::gpr64 || reg.kind == RegisterKind::gpr32 ||
         reg.kind == RegisterKind::gpr16 || reg.kind == RegisterKind::low8 ||
         reg.kind == RegisterKind::high8;
}

/// The 64-bit register that it is a part of.
Gpr whole(const Register& reg) {
  // ah, ch, dh, bh are numbered as the registers they are in.
  return static_cast<Gpr>(reg.number);
}

unsigned bytes_of(const Register& reg) {
  switch (reg.kind) {
    case RegisterKind::gpr64:
    case RegisterKind::mask:
      return 8;
    case RegisterKind::gpr32:
      return 4;
    case RegisterKind::gpr16:
      return 2;
    default:
      return 1;
  }
}

bool needs_scratch(const SiteArgument& a) {
  return a.what == What::memory || a.what == What::memory_pointer || a.what == What::next;
}

FrameNeeds needs_of(const CallAction& call, const std::vector<SiteArgument>& arguments) {
  FrameNeeds needs;
  if (call.naked) {
    needs.flags = false;
    for (std::size_t i = 0; i < arguments.size(); ++i) needs.save(argument_registers[i]);
    if (std::any_of(arguments.begin(), arguments.end(), needs_scratch))
      for (const Gpr reg : {rax, r10, r11}) needs.save(reg);
    if (call.condition != CallAction::Condition::none) needs.save(rax);
  } else {
    for (const Gpr reg : caller_saved) needs.save(reg);
    needs.rflags = needs.clear_direction = call.file->uses_direction_flag();
    needs.flags = !needs.rflags;
  }
  const bool go = call.condition == CallAction::Condition::go;
  needs.rsp = go;
  for (const SiteArgument& a : arguments) {
    if (a.what == What::state) {
      for (unsigned reg = 0; reg < 16; ++reg)
        if (reg != rsp) needs.save(static_cast<Gpr>(reg));
      needs.rip = needs.rsp = needs.flags = needs.flags_written = true;
      needs.rsp_written |= !go;
    }
    if (a.what == What::flags || a.what == What::flags_pointer) needs.flags = true;
    needs.flags_written |= a.what == What::flags_pointer;
    needs.rflags |= a.what == What::rflags || a.what == What::rflags_pointer;
    if (a.what == What::reg && a.reg.kind == RegisterKind::high8) needs.save(whole(a.reg));
    if (a.what != What::reg_pointer) continue;
    if (!is_general(a.reg)) {
      if (std::find(needs.vectors.begin(), needs.vectors.end(), a.reg) == needs.vectors.end())
        needs.vectors.push_back(a.reg);
    } else if (whole(a.reg) == rsp) {
      needs.rsp = needs.rsp_written = true;
    } else {
      needs.save(whole(a.reg));
    }
  }
  return needs;
}

class CallWriter {
 public:
  CallWriter(const CallAction& call, const CallSite& site, unsigned number,
             std::vector<SiteArgument> arguments)
      : call_(call),
        site_(site),
        prefix_(".Lcall" + std::to_string(number) + "_"),
        arguments_(std::move(arguments)),
        frame_(needs_of(call, arguments_)) {}

  CallCode run(const HookFunction& function) {
    frame_.enter(code_);
    CallCode result;
    result.enter = code_.take();
    const std::size_t in_registers = std::min(arguments_.size(), argument_registers.size());
    for (std::size_t i = arguments_.size(); i-- > in_registers;) {
      make(rax, arguments_[i]);
      code_.push(rax);
      pushed_ += 8;
    }
    for (std::size_t i = 0; i < in_registers; ++i) make(argument_registers[i], arguments_[i]);
    result.arguments = code_.take();
    const auto at = [&](Vaddr address) { return address_value(site_.hook + Bytes{address.value}); };
    Vaddr callee = function.address;
    if (const auto vector = call_.file->vector_call()) {
      code_.lea_of(rax, at(callee));
      callee = *vector;
    }
    code_.bytes({0xe8});
    code_.rel32(at(callee));
    if (pushed_ > 0) code_.move_stack(pushed_);
    pushed_ = 0;
    leave();
    result.leave = code_.take();
    result.data = std::move(data_);
    return result;
  }

 private:
  void leave() {
    if (call_.condition != CallAction::Condition::none) {
      const bool go = call_.condition == CallAction::Condition::go;
      if (go) code_.bytes({0x48});
      code_.bytes({0x85, 0xc0, 0x0f, 0x84});  // test %eax, %eax or all of rax; jz
      code_.rel32(prefix_ + "on");
      frame_.leave(code_, go);
      if (!go) code_.element("$break");
      code_.element(prefix_ + "on");
    }
    frame_.leave(code_, false);
  }

  void make(Gpr to, const SiteArgument& a) {
    switch (a.what) {
      case What::constant:
        return code_.move_constant(to, a.number);
      case What::address:
        return code_.lea_of(to, address_value(Vaddr{static_cast<std::uint64_t>(a.number)}));
      case What::label:
        return code_.lea_of(to, a.text);
      case What::data:
        return code_.lea_of(to, data(a.text));
      case What::reg:
        return make_register(to, a.reg);
      case What::reg_pointer:
        return make_register_pointer(to, a.reg);
      case What::memory:
      case What::memory_pointer:
        return make_memory(to, a);
      case What::state:
      case What::flags_pointer:
        return code_.lea(to, frame_.flags(pushed_));
      case What::flags:
        return code_.load_signed(to, frame_.flags(pushed_), 2);
      case What::rflags:
        return code_.load(to, frame_.rflags(pushed_));
      case What::rflags_pointer:
        return code_.lea(to, frame_.rflags(pushed_));
      case What::next:
        return make_next(to, a);
      case What::stack_top:
        return code_.load(to, frame_.stack(0, pushed_));
    }
  }

  std::string data(const std::string& bytes) {
    const std::string label = prefix_ + "data" + std::to_string(data_count_++);
    data_.push_back(label);
    const auto plain = [](char c) { return c >= ' ' && c <= '~'; };
    const auto text_end = std::find_if_not(bytes.begin(), bytes.end(), plain);
    if (text_end != bytes.begin())
      data_.push_back({{"string", std::string(bytes.begin(), text_end)}});
    for (auto byte = text_end; byte != bytes.end(); ++byte)
      data_.push_back(static_cast<std::uint8_t>(*byte));
    return label;
  }

  void make_register(Gpr to, const Register& reg) {
    if (reg.kind == RegisterKind::mask) {  // kmovq
      code_.bytes(
          {0xc4, to >= r8 ? 0x61u : 0xe1u, 0xfb, 0x93, 0xc0u + ((to & 7u) << 3) + reg.number});
      return;
    }
    const Gpr source = whole(reg);
    const unsigned size = bytes_of(reg);
    if (source == rsp) {
      code_.lea(to, frame_.stack(0, pushed_));
      return extend(to, to, size);
    }
    if (!frame_.is_saved(source)) return extend(to, source, size);
    Place at = frame_.slot(source, pushed_);
    if (reg.kind == RegisterKind::high8) ++at.displacement;
    code_.load_signed(to, at, size);
  }

  /// Of a register of which `size` bytes count.
  void extend(Gpr to, Gpr from, unsigned size) {
    if (size == 8) {
      if (to != from) code_.move(to, from);
      return;
    }
    code_.bytes({0x48u + (to >= r8 ? 4 : 0) + (from >= r8 ? 1 : 0)});
    if (size == 4) code_.bytes({0x63});
    if (size == 2) code_.bytes({0x0f, 0xbf});
    if (size == 1) code_.bytes({0x0f, 0xbe});
    code_.bytes({0xc0u + ((to & 7u) << 3) + (from & 7u)});
  }

  void make_register_pointer(Gpr to, const Register& reg) {
    if (!is_general(reg)) return code_.lea(to, frame_.slot(reg, pushed_));
    // The slot of rsp is the one above that of rax.
    Place at = whole(reg) == rsp ? frame_.rsp_slot(pushed_) : frame_.slot(whole(reg), pushed_);
    if (reg.kind == RegisterKind::high8) ++at.displacement;
    code_.lea(to, at);
  }

  /// The register's value at the instruction, in `to` or where it still is.
  Gpr value_of(const Register& reg, Gpr to) {
    const Gpr source = whole(reg);
    if (source != rsp && !frame_.is_saved(source)) return source;
    if (source == rsp)
      code_.lea(to, frame_.stack(0, pushed_));
    else
      code_.load(to, frame_.slot(source, pushed_));
    return to;
  }

  void make_memory(Gpr to, const SiteArgument& a) {
    const Operand& operand = a.operand;
    const unsigned segment = to_string(operand.segment) == "fs"   ? 0x64
                             : to_string(operand.segment) == "gs" ? 0x65
                                                                  : 0;
    const auto displacement = static_cast<std::int32_t>(operand.displacement);
    Place at{to, 0};
    if (a.fixed_place) {
      code_.lea_of(to, address_value(*a.fixed_place));
    } else if (!operand.base.exists() && !operand.index.exists()) {
      code_.move_constant(to, operand.displacement);
    } else {
      if (operand.index.exists()) {
        at.has_index = true;
        at.index = value_of(operand.index, r11);
        at.scale = operand.scale;
      }
      if (operand.base.exists())
        at.base = value_of(operand.base, r10);
      else
        code_.move_constant(at.base = r10, 0);
      at.displacement = displacement;
      const bool narrow =
          operand.base.kind == RegisterKind::gpr32 || operand.index.kind == RegisterKind::gpr32;
      if (a.what == What::memory && !narrow)
        return code_.load_signed(to, at, operand.size, segment);
      code_.lea(to, at, !narrow);
    }
    if (a.what == What::memory) return code_.load_signed(to, {to, 0}, operand.size, segment);
    if (segment != 0x64) return;
    // The first word of a thread's memory is its address, says the ABI.
    code_.bytes({0x64, 0x4c, 0x8b, 0x14, 0x25, 0, 0, 0, 0});  // mov %fs:0, %r10
    code_.lea(to, {r10, 0, true, to, 1});
  }

  /// Both places are made, and the condition chooses, with the flags or the counter as they were.
  void make_next(Gpr to, const SiteArgument& a) {
    const BranchCondition condition = branch_condition(site_.context->bytes(site_.insn));
    code_.lea_of(to, ".Lbreak");
    code_.lea_of(r10, address_value(Vaddr{static_cast<std::uint64_t>(a.number)}));
    const auto choose = [&](unsigned code) {  // cmovcc %r10, to
      code_.bytes({0x49u + (to >= r8 ? 4 : 0), 0x0f, 0x40 + code, 0xc2u + ((to & 7u) << 3)});
    };
    using Kind = BranchCondition::Kind;
    if (condition.kind == Kind::flags) {
      frame_.restore_flags(code_, pushed_);
      return choose(condition.code);
    }
    const Gpr counter = value_of(*register_named("rcx"), r11);
    if (counter != r11) code_.move(r11, counter);
    if (condition.kind == Kind::loop) code_.lea(r11, {r11, -1}, !condition.short_counter);
    if (condition.kind == Kind::loop && condition.code != 2) {
      // Where the other condition fails, the branch is not taken, whatever the counter.
      frame_.restore_flags(code_, pushed_);
      code_.lea_of(rax, ".Lbreak");
      code_.bytes({0x4c, 0x0f, 0x40 + (condition.code ^ 1), 0xd0});  // cmovncc %rax, %r10
    }
    code_.bytes({condition.short_counter ? 0x45u : 0x4du, 0x85, 0xdb});  // test %r11, %r11
    choose(condition.kind == Kind::loop ? 5 : 4);
  }

  const CallAction& call_;
  const CallSite& site_;
  const std::string prefix_;
  const std::vector<SiteArgument> arguments_;
  const CallFrame frame_;
  CodeWriter code_;
  Json data_ = Json::array();
  std::int32_t pushed_ = 0;
  unsigned data_count_ = 0;
};

}  // namespace

Result<CallCode> code_of(const CallAction& call, const CallSite& site, unsigned number) {
  auto arguments = arguments_at(call, site);
  auto function = best_function(call, arguments);
  if (function.has_error()) {
    Error failure = std::move(function).error();
    failure.address = site.insn.address();
    failure.message = "at " + to_hex(site.insn.address()) + " " + failure.message;
    return failure;
  }
  return CallWriter(call, site, number, std::move(arguments)).run(*function.value());
}

}  // namespace punster
