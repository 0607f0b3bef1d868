#include "tests/e2e/frame_walker.h"

#include <dwarf.h>
#include <fcntl.h>
#include <gelf.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>

namespace {

constexpr int stack_pointer = 7, instruction_pointer = 16;
constexpr std::size_t deepest = 60;

/// What an expression computes; nothing when it has an operation that nobody uses in frames.
std::optional<std::uint64_t> evaluate(const Dwarf_Op* ops, std::size_t count,
                                      const std::uint64_t* registers, std::uint64_t cfa,
                                      const FrameWalker::ReadWord& word) {
  std::vector<std::uint64_t> stack;
  const auto binary = [&](auto f) {
    const auto b = stack.back();
    stack.pop_back();
    stack.back() = f(stack.back(), b);
  };
  for (std::size_t i = 0; i < count; ++i) {
    const auto& op = ops[i];
    if (op.atom >= DW_OP_breg0 && op.atom <= DW_OP_breg0 + instruction_pointer)
      stack.push_back(registers[op.atom - DW_OP_breg0] + op.number);
    else if (op.atom == DW_OP_bregx && op.number <= instruction_pointer)
      stack.push_back(registers[op.number] + op.number2);
    else if (op.atom >= DW_OP_lit0 && op.atom <= DW_OP_lit31)
      stack.push_back(op.atom - DW_OP_lit0);
    else if (op.atom == DW_OP_call_frame_cfa)
      stack.push_back(cfa);
    else if (stack.empty())
      return std::nullopt;
    else if (op.atom == DW_OP_plus_uconst)
      stack.back() += op.number;
    else if (op.atom == DW_OP_deref)
      stack.back() = word(stack.back());
    else if (stack.size() < 2)
      return std::nullopt;
    else if (op.atom == DW_OP_and)
      binary([](auto a, auto b) { return a & b; });
    else if (op.atom == DW_OP_ge)
      binary([](auto a, auto b) { return std::uint64_t{a >= b}; });
    else if (op.atom == DW_OP_shl)
      binary([](auto a, auto b) { return a << b; });
    else if (op.atom == DW_OP_plus)
      binary([](auto a, auto b) { return a + b; });
    else
      return std::nullopt;
  }
  return stack.empty() ? std::nullopt : std::optional(stack.back());
}

}  // namespace

FrameWalker::FrameWalker(const std::string& program) : file_(open(program.c_str(), O_RDONLY)) {
  elf_version(EV_CURRENT);
  elf_ = elf_begin(file_, ELF_C_READ, nullptr);
  GElf_Ehdr header;
  if (elf_ == nullptr || gelf_getehdr(elf_, &header) == nullptr)
    throw std::runtime_error(program + " cannot be read");
  entry_ = header.e_entry;
  dwarf_ = dwarf_begin_elf(elf_, DWARF_C_READ, nullptr);
  debug_frame_ = dwarf_ ? dwarf_getcfi(dwarf_) : nullptr;
  eh_frame_ = dwarf_getcfi_elf(elf_);
}

FrameWalker::~FrameWalker() {
  if (eh_frame_) dwarf_cfi_end(eh_frame_);
  if (dwarf_) dwarf_end(dwarf_);
  elf_end(elf_);
  close(file_);
}

// To the frame that called `machine`'s. `look_up`: the link-time address whose rules hold.
bool FrameWalker::step(Machine& machine, std::uint64_t bias, std::uint64_t look_up,
                       const ReadWord& word, std::uint64_t& cfa) const {
  Dwarf_Frame* found = nullptr;
  for (Dwarf_CFI* table : {debug_frame_, eh_frame_})
    if (table != nullptr && dwarf_cfi_addrframe(table, look_up, &found) == 0) break;
  const std::unique_ptr<Dwarf_Frame, decltype(&std::free)> frame(found, &std::free);
  if (!frame) return false;
  Machine here = machine;
  here.registers[instruction_pointer] -= bias;
  Dwarf_Op* ops = nullptr;
  std::size_t count = 0;
  if (dwarf_frame_cfa(frame.get(), &ops, &count) != 0) return false;
  const auto computed = evaluate(ops, count, here.registers, 0, word);
  if (!computed) return false;
  cfa = *computed;
  machine.registers[stack_pointer] = cfa;
  for (int column = 0; column < columns; ++column) {
    Dwarf_Op memory[3];
    if (column == stack_pointer ||
        dwarf_frame_register(frame.get(), column, memory, &ops, &count) != 0 || count == 0)
      continue;  // it is what it was
    auto value = evaluate(ops, count, here.registers, cfa, word);
    if (!value) return false;
    const bool is_value = ops[count - 1].atom == DW_OP_stack_value;
    machine.registers[column] = is_value ? *value : word(*value);
  }
  return true;
}

std::optional<std::vector<Caller>> FrameWalker::walk(const user_regs_struct& r,
                                                     std::uint64_t at_entry,
                                                     const ReadWord& word) const {
  Machine machine{{r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11,
                   r.r12, r.r13, r.r14, r.r15, r.rip}};
  const auto bias = at_entry - entry_;
  std::vector<Caller> callers;
  for (std::uint64_t before_call = 0; callers.size() < deepest; before_call = 1) {
    std::uint64_t cfa = 0;
    const auto here = machine.registers[instruction_pointer] - bias - before_call;
    if (!step(machine, bias, here, word, cfa)) break;
    callers.push_back({machine.registers[instruction_pointer] - bias, cfa});
  }
  if (callers.empty()) return std::nullopt;
  return callers;
}
