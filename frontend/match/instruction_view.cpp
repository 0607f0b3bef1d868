#include "frontend/match/instruction_view.h"

namespace punster {
namespace {

bool belongs(const Operand& operand, Family family) {
  const auto access = static_cast<unsigned>(operand.access);
  switch (family) {
    case Family::op:
      return true;
    case Family::dst:
      return access & static_cast<unsigned>(Access::write);
    case Family::src:
      return access & static_cast<unsigned>(Access::read);
    case Family::reg:
      return operand.type == OperandType::reg;
    case Family::mem:
      return operand.type == OperandType::mem;
    case Family::imm:
      return operand.type == OperandType::imm;
  }
  return false;
}

Value value_of(Types type, std::int64_t number) {
  Value v;
  v.type = type;
  v.number = number;
  return v;
}

Value value_of(Register reg) {
  Value v;
  v.type = is::reg;
  v.reg = reg;
  return v;
}

template <typename Number>
Value value_of(const std::optional<Number>& number) {
  return number ? value_of(is::number, static_cast<std::int64_t>(*number)) : Value{};
}

// From 0 to RAND_MAX. The same in every run: equal requests make equal files. (SplitMix64, Steele,
// Lea, Flood, OOPSLA 2014.)
std::int64_t random_at(Vaddr address) {
  std::uint64_t z = address.value + 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return static_cast<std::int64_t>((z ^ (z >> 31)) >> 33);
}

}  // namespace

std::span<const std::uint8_t> InstructionView::bytes() {
  if (bytes_.empty()) bytes_ = context_.bytes(insn_);
  return bytes_;
}

const InsnKind* InstructionView::kind() {
  if (details_) return &*details_;
  if (!kind_asked_) {
    kind_asked_ = true;
    kind_ = classify(bytes(), insn_.address());
  }
  return kind_ ? &*kind_ : nullptr;
}

const Details* InstructionView::details() {
  if (!details_asked_) {
    details_asked_ = true;
    details_ = punster::details(bytes(), insn_.address());
  }
  return details_ ? &*details_ : nullptr;
}

const Operand* InstructionView::find(Family family, std::uint32_t index) {
  const Details* d = details();
  if (!d) return nullptr;
  // In the order of the text: AT&T has sources first.
  const auto all = d->operands();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Operand& operand = syntax_ == Syntax::att ? all[all.size() - 1 - i] : all[i];
    if (belongs(operand, family) && index-- == 0) return &operand;
  }
  return nullptr;
}

bool InstructionView::condition(Attribute attribute) {
  if (attribute <= Attribute::syscall && !kind_asked_ && !may_transfer_control(bytes()))
    return false;
  const InsnKind* k = kind();
  if (!k) return false;
  switch (attribute) {
    case Attribute::jmp:
      return k->kinds.jmp;
    case Attribute::jcc:
      return k->kinds.jcc;
    case Attribute::call:
      return k->kinds.call;
    case Attribute::ret:
      return k->kinds.ret;
    case Attribute::syscall:
      return k->kinds.syscall;
    case Attribute::x87:
      return k->kinds.x87;
    case Attribute::mmx:
      return k->kinds.mmx;
    case Attribute::sse:
      return k->kinds.sse;
    case Attribute::avx:
      return k->kinds.avx;
    case Attribute::avx2:
      return k->kinds.avx2;
    default:
      return k->kinds.avx512;
  }
}

Value InstructionView::number(Attribute attribute) {
  switch (attribute) {
    case Attribute::addr:
      return value_of(is::number, static_cast<std::int64_t>(insn_.address().value));
    case Attribute::size:
      return value_of(is::number, insn_.length());
    case Attribute::random:
      return value_of(is::number, random_at(insn_.address()));
    case Attribute::offset: {
      const auto offset = context_.offset(insn_.address());
      return offset ? value_of(is::number, static_cast<std::int64_t>(offset->value)) : Value{};
    }
    case Attribute::target: {
      const bool possible = kind_asked_ || may_transfer_control(bytes());
      const InsnKind* k = possible ? kind() : nullptr;
      return k && k->target ? value_of(is::number, static_cast<std::int64_t>(k->target->value))
                            : Value{};
    }
    default:
      break;
  }
  const Details* d = details();
  if (!d) return {};
  switch (attribute) {
    case Attribute::rex:
      return value_of(d->encoding.rex);
    case Attribute::modrm:
      return value_of(d->encoding.modrm);
    case Attribute::sib:
      return value_of(d->encoding.sib);
    case Attribute::disp8:
      return value_of(d->encoding.disp8);
    case Attribute::disp32:
      return value_of(d->encoding.disp32);
    case Attribute::imm8:
      return value_of(d->encoding.imm8);
    default:
      return value_of(d->encoding.imm32);
  }
}

std::string_view InstructionView::text(Attribute attribute) {
  switch (attribute) {
    case Attribute::section:
      return context_.section(insn_.address());
    case Attribute::symbol:
      return context_.symbol(insn_.address());
    case Attribute::mnemonic:
      return kind() ? kind()->mnemonic : std::string_view();
    default:
      break;
  }
  if (assembly_.empty())
    assembly_ = punster::assembly(bytes(), insn_.address(), syntax_, std::span<char>(buffer_));
  return assembly_;
}

Value InstructionView::registers(Attribute attribute) {
  const Details* d = details();
  if (!d) return {};
  Value v;
  v.type = is::register_set;
  v.registers = attribute == Attribute::reads ? &d->reads : &d->writes;
  if (attribute == Attribute::regs) {
    if (!all_registers_) {
      all_registers_ = d->reads;
      all_registers_->merge(d->writes);
    }
    v.registers = &*all_registers_;
  }
  return v;
}

Value InstructionView::source(Attribute attribute) {
  const auto found = context_.line(insn_.address());
  if (!found) return {};
  if (attribute == Attribute::line) return value_of(is::number, found->line);
  if (attribute == Attribute::line_entry) return value_of(is::condition, found->entry);
  const auto slash = found->full_path.rfind('/');
  const auto name_at = slash == std::string_view::npos ? 0 : slash + 1;
  Value v;
  v.type = is::text;
  v.text = found->full_path;
  if (attribute == Attribute::file) v.text = found->file;
  if (attribute == Attribute::basename) v.text = found->full_path.substr(name_at);
  if (attribute == Attribute::dirname)
    v.text = found->full_path.substr(0, name_at > 1 ? slash : name_at);
  return v;
}

Value InstructionView::attribute(Attribute attribute) {
  if (attribute >= Attribute::file) return source(attribute);
  if (attribute <= Attribute::avx512) return value_of(is::condition, condition(attribute));
  if (attribute >= Attribute::regs) return registers(attribute);
  if (attribute >= Attribute::addr) return number(attribute);
  Value v;
  v.text = text(attribute);
  if (!v.text.empty()) v.type = is::text;
  return v;
}

Value InstructionView::byte(std::uint32_t index) {
  if (index >= bytes().size()) return {};
  return value_of(is::number, bytes()[index]);
}

Value InstructionView::family_count(Family family) {
  const Details* d = details();
  if (!d) return {};
  std::int64_t count = 0;
  for (const Operand& operand : d->operands()) count += belongs(operand, family) ? 1 : 0;
  return value_of(is::number, count);
}

Value InstructionView::operand(Family family, std::uint32_t index) {
  const Operand* found = find(family, index);
  if (!found) return {};
  switch (found->type) {
    case OperandType::imm:
      return value_of(is::number, found->value);
    case OperandType::reg:
      return value_of(found->reg);
    case OperandType::mem:
      break;
  }
  Value v;
  v.type = is::memory;
  v.memory = found;
  return v;
}

Value InstructionView::field(Family family, std::uint32_t index, Field field) {
  const Operand* found = find(family, index);
  if (!found) return {};
  switch (field) {
    case Field::type:
      return value_of(is::operand_type, static_cast<std::int64_t>(found->type));
    case Field::access:
      return value_of(is::operand_access, static_cast<std::int64_t>(found->access));
    case Field::size:
      return value_of(is::number, found->size);
    default:
      break;
  }
  if (found->type != OperandType::mem) return {};
  switch (field) {
    case Field::base:
      return value_of(found->base);
    case Field::index:
      return value_of(found->index);
    case Field::scale:
      return value_of(is::number, found->scale);
    case Field::displacement:
      return value_of(is::number, found->displacement);
    default:
      return value_of(found->segment);
  }
}

Value InstructionView::static_address(Family family, std::uint32_t index) {
  const Operand* found = find(family, index);
  if (!found || found->type != OperandType::mem) return {};
  const auto address = details_->static_address(*found);
  return address ? value_of(is::number, static_cast<std::int64_t>(address->value)) : Value{};
}

Value InstructionView::extent(ExtentKind kind, ExtentField field) {
  const Extent* found = context_.extent(kind, insn_.address());
  if (!found) return {};
  switch (field) {
    case ExtentField::addr:
      return value_of(is::number, static_cast<std::int64_t>(found->lo.value));
    case ExtentField::offset: {
      const auto offset = context_.offset(found->lo);
      return offset ? value_of(is::number, static_cast<std::int64_t>(offset->value)) : Value{};
    }
    case ExtentField::entry:
      return value_of(is::condition, insn_.address() == found->lo);
    case ExtentField::exit:
      return value_of(is::condition, insn_.address() == found->last);
    case ExtentField::best:
      return value_of(is::condition, insn_.address() == found->best);
    case ExtentField::size:
      return value_of(is::number, static_cast<std::int64_t>((found->hi - found->lo).value));
    case ExtentField::len:
      return value_of(is::number, found->instructions);
    case ExtentField::name:
      break;
  }
  Value v;
  v.text = context_.symbol(found->lo);
  if (!v.text.empty()) v.type = is::text;
  return v;
}

}  // namespace punster
