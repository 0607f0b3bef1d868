#include "frontend/hook/hook_code.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "frontend/decode/details.h"

namespace punster {
namespace {

bool is_vector(const Register& r) {
  return r.kind == RegisterKind::xmm || r.kind == RegisterKind::ymm ||
         r.kind == RegisterKind::zmm || r.kind == RegisterKind::mask ||
         r.kind == RegisterKind::mmx || r.kind == RegisterKind::tile;
}

bool touches_vectors(const Details& insn) {
  if (insn.kinds.x87 || insn.kinds.avx || insn.kinds.avx2 || insn.kinds.avx512) return true;
  if (insn.mnemonic == "emms" || insn.mnemonic == "fxrstor" || insn.mnemonic == "xrstor")
    return true;
  const auto operands = insn.operands();
  return std::any_of(operands.begin(), operands.end(),
                     [](const Operand& o) { return is_vector(o.reg) || is_vector(o.index); });
}

bool is_string_instruction(const Details& insn) {
  constexpr std::array<std::string_view, 5> stems = {"movs", "stos", "lods", "scas", "cmps"};
  const std::string_view name = insn.mnemonic;
  return name.size() == 5 && std::string_view("bwdq").find(name.back()) != std::string_view::npos &&
         std::find(stems.begin(), stems.end(), name.substr(0, 4)) != stems.end() &&
         !touches_vectors(insn);
}

}  // namespace

void look_at(std::span<const std::uint8_t> bytes, Vaddr address, HookCode& found) {
  while (!bytes.empty()) {
    const auto insn = details(bytes, address);
    if (!insn) return;
    const std::size_t length = (insn->end - address).value;
    if (!found.vector_use && touches_vectors(*insn)) found.vector_use = address;
    found.string_instructions |= is_string_instruction(*insn);
    bytes = bytes.subspan(length);
    address = insn->end;
  }
}

}  // namespace punster
