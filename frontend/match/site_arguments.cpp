#include "frontend/match/site_arguments.h"

#include "frontend/match/instruction_view.h"

namespace punster {
namespace {

using Kind = CallArgument::Kind;
using What = SiteArgument::What;
using Base = HookType::Base;

constexpr HookType plain(Base base) {
  return {base, false, false};
}
constexpr HookType pointer(Base base, bool constant) {
  return {base, true, constant};
}
constexpr HookType const_void = pointer(Base::nothing, true);

Base integer_of(unsigned size) {
  return size == 1 ? Base::i8 : size == 2 ? Base::i16 : size == 4 ? Base::i32 : Base::i64;
}

SiteArgument null() {
  SiteArgument a;
  a.type = plain(Base::null);
  return a;
}

SiteArgument constant(std::int64_t number, HookType type) {
  SiteArgument a;
  a.number = number;
  a.type = type;
  return a;
}

SiteArgument with_text(What what, std::string text, HookType type) {
  SiteArgument a;
  a.what = what;
  a.text = std::move(text);
  a.type = type;
  return a;
}

SiteArgument plain_what(What what, HookType type) {
  SiteArgument a;
  a.what = what;
  a.type = type;
  return a;
}

std::string little_endian(std::int64_t value, unsigned size) {
  std::string bytes;
  for (unsigned i = 0; i < size; ++i) bytes += static_cast<char>(value >> 8 * i);
  return bytes;
}

unsigned size_of(const Register& reg) {
  switch (reg.kind) {
    case RegisterKind::low8:
    case RegisterKind::high8:
      return 1;
    case RegisterKind::gpr16:
      return 2;
    case RegisterKind::gpr32:
      return 4;
    case RegisterKind::gpr64:
    case RegisterKind::mask:
      return 8;
    default:
      return 0;
  }
}

class AtSite {
 public:
  explicit AtSite(const CallSite& site)
      : site_(site),
        view_(site.insn, *site.context, site.syntax),
        bytes_(site.context->bytes(site.insn)),
        details_(details(bytes_, site.insn.address())) {}

  SiteArgument of(const CallArgument& argument) {
    SiteArgument result = value_of(argument);
    if (argument.cast && result.type.base != Base::null) result.type = *argument.cast;
    return result;
  }

 private:
  SiteArgument value_of(const CallArgument& a) {
    switch (a.kind) {
      case Kind::number:
        return constant(a.number, plain(Base::i64));
      case Kind::text:
        return with_text(What::data, a.text + '\0', pointer(Base::character, true));
      case Kind::name:
        return address(Vaddr{static_cast<std::uint64_t>(a.number)}, a.fixed);
      case Kind::null:
        return null();
      case Kind::assembly:
        return with_text(What::data, text() + '\0', pointer(Base::character, true));
      case Kind::asm_size:
        return constant(static_cast<std::int64_t>(text().size() + 1), plain(Base::i64));
      case Kind::asm_length:
        return constant(static_cast<std::int64_t>(text().size()), plain(Base::i64));
      case Kind::base:
        return address(Vaddr{}, !site_.relocated);
      case Kind::addr:
      case Kind::rip:
        return here(a.fixed);
      case Kind::id:
        return constant(site_.id, plain(Base::i64));
      case Kind::bytes:
        return with_text(What::data,
                         std::string(reinterpret_cast<const char*>(bytes_.data()), bytes_.size()),
                         pointer(Base::byte, true));
      case Kind::next:
        return next(a.fixed);
      case Kind::target:
        return target(a.fixed);
      case Kind::trampoline:
        return with_text(What::label, ".Lbody", const_void);
      case Kind::state:
        return plain_what(What::state, pointer(Base::nothing, false));
      case Kind::flags:
        return a.by_pointer ? plain_what(What::flags_pointer, pointer(Base::i16, false))
                            : plain_what(What::flags, plain(Base::i16));
      case Kind::rflags:
        return a.by_pointer ? plain_what(What::rflags_pointer, pointer(Base::i64, false))
                            : plain_what(What::rflags, plain(Base::i64));
      case Kind::reg:
        return reg(a.reg, a.by_pointer);
      case Kind::operand:
        return operand(a);
      case Kind::operand_reg: {
        const Value v = view_.field(a.family, a.index, a.field);
        return v.type == is::reg ? reg(v.reg, a.by_pointer) : null();
      }
      case Kind::operand_number:
        return operand_number(a);
      case Kind::memory:
        return memory(a.memory, a.by_pointer, false);
      case Kind::extent: {
        const Extent* extent = site_.context->extent(a.extent_kind, site_.insn.address());
        return extent != nullptr ? address(extent->lo, a.fixed) : null();
      }
      case Kind::expression:
        return expression(a);
    }
    return null();
  }

  static SiteArgument address(Vaddr where, bool fixed) {
    SiteArgument a = constant(static_cast<std::int64_t>(where.value), const_void);
    if (!fixed) a.what = What::address;
    return a;
  }

  SiteArgument here(bool fixed) const {
    return fixed ? address(site_.insn.address(), true)
                 : with_text(What::label, ".Linstr", const_void);
  }

  std::string text() const { return assembly(bytes_, site_.insn.address(), site_.syntax); }

  SiteArgument behind(bool fixed) const {
    return fixed ? address(site_.insn.end(), true) : with_text(What::label, ".Lbreak", const_void);
  }

  // A memory operand as what it holds, whatever was asked.
  SiteArgument target(bool fixed) {
    if (!details_) return null();
    const Kinds& kinds = details_->kinds;
    if (details_->target) return address(*details_->target, fixed);
    if (fixed || !(kinds.jmp || kinds.call || kinds.ret)) return null();
    if (kinds.ret) return plain_what(What::stack_top, const_void);
    if (details_->operand_count == 0) return null();
    const Operand& operand = details_->operands().front();
    if (operand.size != 8) return null();
    SiteArgument a = operand.type == OperandType::reg   ? reg(operand.reg, false)
                     : operand.type == OperandType::mem ? memory(operand, false, false)
                                                        : null();
    if (a.type.base != Base::null) a.type = const_void;
    return a;
  }

  SiteArgument next(bool fixed) {
    if (!details_) return null();
    if (details_->kinds.jcc && branch_condition(bytes_).kind != BranchCondition::Kind::none) {
      if (fixed || !details_->target) return null();
      SiteArgument a = plain_what(What::next, const_void);
      a.number = static_cast<std::int64_t>(details_->target->value);
      return a;
    }
    const Kinds& kinds = details_->kinds;
    if (kinds.jmp || kinds.call || kinds.ret) return target(fixed);
    return behind(fixed);
  }

  static SiteArgument reg(const Register& reg, bool by_pointer) {
    if (reg == *register_named("rip")) return with_text(What::label, ".Lbreak", const_void);
    const unsigned size = size_of(reg);
    const bool vector = reg.kind == RegisterKind::xmm || reg.kind == RegisterKind::ymm ||
                        reg.kind == RegisterKind::zmm;
    if (size == 0 && !(vector && by_pointer)) return null();
    SiteArgument a = plain_what(by_pointer ? What::reg_pointer : What::reg,
                                plain(size == 0 ? Base::nothing : integer_of(size)));
    a.type.pointer = by_pointer;
    a.reg = reg;
    return a;
  }

  SiteArgument operand(const CallArgument& a) {
    const Value v = view_.operand(a.family, a.index);
    const auto size = static_cast<unsigned>(view_.field(a.family, a.index, Field::size).number);
    if (v.type == is::reg) {
      SiteArgument result = reg(v.reg, a.by_pointer);
      result.type.constant = a.by_pointer && !is_written(a);
      return result;
    }
    if (v.type == is::memory) return memory(*v.memory, a.by_pointer, !is_written(a));
    if (v.type != is::number) return null();
    const HookType type = plain(integer_of(size));
    if (!a.by_pointer) return constant(v.number, type);
    return with_text(What::data, little_endian(v.number, 8), pointer(type.base, true));
  }

  bool is_written(const CallArgument& a) {
    const auto access = view_.field(a.family, a.index, Field::access).number;
    return (access & static_cast<int>(Access::write)) != 0;
  }

  SiteArgument operand_number(const CallArgument& a) {
    const Value v = view_.field(a.family, a.index, a.field);
    if (!v.defined()) return null();
    switch (a.field) {
      case Field::type:  // 1 immediate, 2 register, 3 memory
        return constant(v.number + 1, plain(Base::i8));
      case Field::access:  // as PROT_READ and PROT_WRITE
        return constant(static_cast<std::int8_t>(0x80 | v.number), plain(Base::i8));
      case Field::scale:
        return constant(v.number, plain(Base::i8));
      case Field::displacement:
        return constant(v.number, plain(Base::i32));
      default:
        return constant(v.number, plain(Base::i64));
    }
  }

  SiteArgument memory(const Operand& operand, bool by_pointer, bool constant_pointer) const {
    const bool gs = to_string(operand.segment) == "gs";
    const bool loadable =
        operand.size == 1 || operand.size == 2 || operand.size == 4 || operand.size == 8;
    const auto general = [](const Register& r) {
      return !r.exists() || r.kind == RegisterKind::gpr64 || r.kind == RegisterKind::gpr32;
    };
    const bool relative = operand.base == *register_named("rip");
    if ((by_pointer && gs) || (!by_pointer && !loadable) || !general(operand.index) ||
        (!general(operand.base) && !relative))
      return null();
    SiteArgument a = plain_what(by_pointer ? What::memory_pointer : What::memory,
                                plain(loadable ? integer_of(operand.size) : Base::nothing));
    a.type.pointer = by_pointer;
    a.type.constant = constant_pointer && by_pointer;
    a.operand = operand;
    // The processor reads rsp after pop has changed it.
    if (details_ && details_->mnemonic == "pop" && to_string(operand.base) == "rsp")
      a.operand.displacement += operand.size;
    if (relative && details_) a.fixed_place = details_->static_address(operand);
    return a;
  }

  SiteArgument expression(const CallArgument& a) const {
    auto value = a.expression->at(site_.insn, *site_.context);
    switch (value.kind) {
      case ExpressionValue::Kind::number:
        return constant(value.number, plain(Base::i64));
      case ExpressionValue::Kind::text:
        return with_text(What::data, value.text + '\0', pointer(Base::character, true));
      case ExpressionValue::Kind::undefined:
        break;
    }
    return null();
  }

  const CallSite& site_;
  InstructionView view_;
  const std::span<const std::uint8_t> bytes_;
  const std::optional<Details> details_;
};

}  // namespace

std::vector<SiteArgument> arguments_at(const CallAction& call, const CallSite& site) {
  AtSite at(site);
  std::vector<SiteArgument> result;
  for (const CallArgument& argument : call.arguments) result.push_back(at.of(argument));
  return result;
}

BranchCondition branch_condition(std::span<const std::uint8_t> insn) {
  BranchCondition condition;
  std::size_t at = 0;
  for (; at < insn.size(); ++at) {
    const std::uint8_t byte = insn[at];
    if (byte == 0x67) condition.short_counter = true;
    const bool prefix = byte == 0x66 || byte == 0x67 || byte == 0x2e || byte == 0x3e ||
                        byte == 0x26 || byte == 0x36 || byte == 0x64 || byte == 0x65 ||
                        byte == 0xf2 || byte == 0xf3 || (byte & 0xf0) == 0x40;
    if (!prefix) break;
  }
  if (at >= insn.size()) return condition;
  const std::uint8_t opcode = insn[at];
  const std::uint8_t second = at + 1 < insn.size() ? insn[at + 1] : 0;
  using Kind = BranchCondition::Kind;
  if ((opcode & 0xf0) == 0x70 || (opcode == 0x0f && (second & 0xf0) == 0x80)) {
    condition.kind = Kind::flags;
    condition.code = (opcode == 0x0f ? second : opcode) & 0xf;
  } else if (opcode == 0xe3) {
    condition.kind = Kind::counter_zero;
  } else if (opcode >= 0xe0 && opcode <= 0xe2) {
    condition.kind = Kind::loop;
    condition.code = opcode == 0xe0 ? 5 : opcode == 0xe1 ? 4 : 2;  // loopne: jne; loope: je
  }
  return condition;
}

}  // namespace punster
