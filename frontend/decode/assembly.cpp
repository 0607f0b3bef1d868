// The text of an instruction, by Zydis' formatter. People bring regular expressions that they wrote
// for e9tool, which uses the same formatter; so we set it up to print the same lines.

#include <cassert>
#include <cstring>

#include "frontend/decode/details.h"
#include "frontend/decode/zydis_decoding.h"

namespace punster {
namespace {

struct Formatters {
  ZydisFormatter att, intel;

  Formatters() {
    ZydisFormatterInit(&att, ZYDIS_FORMATTER_STYLE_ATT);
    ZydisFormatterInit(&intel, ZYDIS_FORMATTER_STYLE_INTEL);
    for (auto* formatter : {&att, &intel}) {
      for (const auto padding :
           {ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, ZYDIS_FORMATTER_PROP_ADDR_PADDING_RELATIVE,
            ZYDIS_FORMATTER_PROP_DISP_PADDING, ZYDIS_FORMATTER_PROP_IMM_PADDING})
        ZydisFormatterSetProperty(formatter, padding, ZYDIS_PADDING_DISABLED);
      // "0x2f10(%rip)" rather than the address that it leads to.
      ZydisFormatterSetProperty(formatter, ZYDIS_FORMATTER_PROP_FORCE_RELATIVE_RIPREL, ZYAN_TRUE);
      ZydisFormatterSetProperty(formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
      // Without it Zydis writes "inc (%rax)" for operands of all four sizes.
      ZydisFormatterSetProperty(formatter, ZYDIS_FORMATTER_PROP_FORCE_SIZE, ZYAN_TRUE);
    }
  }
};

// AT&T marks the operand of an indirect jump or call: "jmp *%rax", "call *0x8(%rbx)". Zydis does
// not.
bool is_indirect_branch(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand* operands) {
  return (insn.mnemonic == ZYDIS_MNEMONIC_JMP || insn.mnemonic == ZYDIS_MNEMONIC_CALL) &&
         operands[0].type != ZYDIS_OPERAND_TYPE_IMMEDIATE;
}

// The operand is the last word of the text. Precondition: room for one more character.
std::size_t with_asterisk(char* text, std::size_t length) {
  std::size_t at = length;
  while (at > 0 && text[at - 1] != ' ') --at;
  std::memmove(text + at + 1, text + at, length - at);
  text[at] = '*';
  return length + 1;
}

}  // namespace

std::string_view assembly(std::span<const std::uint8_t> bytes, Vaddr address, Syntax syntax,
                          std::span<char> buffer) {
  assert(buffer.size() >= 128);
  static const Formatters formatters;
  const auto& formatter = syntax == Syntax::att ? formatters.att : formatters.intel;
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  if (!zydis::decode(bytes, insn, operands)) return "(bad)";
  if (!ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, &insn, operands,
                                                    insn.operand_count_visible, buffer.data(),
                                                    buffer.size() - 1, address.value, nullptr)))
    return "(bad)";
  std::size_t length = std::strlen(buffer.data());
  if (syntax == Syntax::att && is_indirect_branch(insn, operands))
    length = with_asterisk(buffer.data(), length);
  return {buffer.data(), length};
}

std::string assembly(std::span<const std::uint8_t> bytes, Vaddr address, Syntax syntax) {
  char buffer[256];
  return std::string(assembly(bytes, address, syntax, buffer));
}

}  // namespace punster
