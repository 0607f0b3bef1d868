// The text of an instruction, by Zydis' formatter, in the two spellings that people grep for.

#include <cassert>
#include <cstring>

#include "frontend/decode/details.h"
#include "frontend/decode/zydis_decoding.h"

namespace punster {
namespace {

struct Formatters {
  ZydisFormatter formatter;
  ZydisFormatter sized;  // the same, always with the size of memory operands

  explicit Formatters(ZydisFormatterStyle style) {
    ZydisFormatterInit(&formatter, style);
    // As objdump and e9tool write it: no leading zeros, and "0x2f10(%rip)" rather than its address.
    for (const auto padding :
         {ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, ZYDIS_FORMATTER_PROP_ADDR_PADDING_RELATIVE,
          ZYDIS_FORMATTER_PROP_DISP_PADDING, ZYDIS_FORMATTER_PROP_IMM_PADDING})
      ZydisFormatterSetProperty(&formatter, padding, ZYDIS_PADDING_DISABLED);
    ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_FORCE_RELATIVE_RIPREL, ZYAN_TRUE);
    ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
    sized = formatter;
    ZydisFormatterSetProperty(&sized, ZYDIS_FORMATTER_PROP_FORCE_SIZE, ZYAN_TRUE);
  }
};

const Formatters& formatters(Syntax syntax) {
  static const Formatters att(ZYDIS_FORMATTER_STYLE_ATT), intel(ZYDIS_FORMATTER_STYLE_INTEL);
  return syntax == Syntax::att ? att : intel;
}

// Zydis leaves the size out where a memory operand stands alone: "inc (%rax)" for all four of them.
bool hides_size(const ZydisDecodedInstruction& insn, const ZydisDecodedOperand* operands) {
  if (insn.operand_count_visible != 1 || operands[0].type != ZYDIS_OPERAND_TYPE_MEMORY)
    return false;
  switch (insn.mnemonic) {
    case ZYDIS_MNEMONIC_INC:
    case ZYDIS_MNEMONIC_DEC:
    case ZYDIS_MNEMONIC_NEG:
    case ZYDIS_MNEMONIC_NOT:
    case ZYDIS_MNEMONIC_MUL:
    case ZYDIS_MNEMONIC_IMUL:
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV:
      return true;
    default:
      return false;
  }
}

// Zydis puts a space behind the commas between operands, in both styles.
std::size_t without_spaces_behind_commas(char* text, std::size_t length) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < length; ++i)
    if (text[i] != ' ' || i == 0 || text[i - 1] != ',') text[kept++] = text[i];
  return kept;
}

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
  const auto& styles = formatters(syntax);
  ZydisDecodedInstruction insn;
  ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
  if (!zydis::decode(bytes, insn, operands)) return "(bad)";
  const auto& formatter = hides_size(insn, operands) ? styles.sized : styles.formatter;
  if (!ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, &insn, operands,
                                                    insn.operand_count_visible, buffer.data(),
                                                    buffer.size() - 1, address.value, nullptr)))
    return "(bad)";
  std::size_t length = std::strlen(buffer.data());
  if (syntax == Syntax::att) {
    length = without_spaces_behind_commas(buffer.data(), length);
    if (is_indirect_branch(insn, operands)) length = with_asterisk(buffer.data(), length);
  }
  return {buffer.data(), length};
}

std::string assembly(std::span<const std::uint8_t> bytes, Vaddr address, Syntax syntax) {
  char buffer[256];
  return std::string(assembly(bytes, address, syntax, buffer));
}

}  // namespace punster
