#include "tests/unit/relocate/relocated_text.h"

#include <Zydis/Zydis.h>

#include <catch2/catch.hpp>

#include "protocol/hex.h"

namespace punster::test {

std::vector<std::uint8_t> bytes(std::string_view hex) {
  const auto parsed = parse_hex_bytes(hex);
  REQUIRE(parsed);
  return {parsed->begin(), parsed->end()};
}

std::string disassemble(std::span<const std::uint8_t> code, Vaddr address) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisFormatter formatter;
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_ATT);
  ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
  ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE, 0);
  ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_DISP_PADDING, 0);
  ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_IMM_PADDING, 0);

  std::string text;
  while (!code.empty()) {
    ZydisDecodedInstruction insn;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (!text.empty())
      text += "; ";
    if (!ZYAN_SUCCESS(
            ZydisDecoderDecodeFull(&decoder, code.data(), code.size(), &insn, operands)))
      return text + "(bad)";
    char line[128];
    ZydisFormatterFormatInstruction(&formatter, &insn, operands, insn.operand_count_visible, line,
                                    sizeof line, address.value, nullptr);
    text += line;
    code = code.subspan(insn.length);
    address = address + Bytes{insn.length};
  }
  return text;
}

std::string relocated(std::string_view hex, Image image, std::optional<Vaddr> taken,
                      CallForm calls) {
  const auto planned = Relocation::plan(bytes(hex), original_address, image == Image::fixed, calls);
  if (!planned)
    return planned.error().kind + ": " + planned.error().message;
  std::vector<std::uint8_t> out(planned.value().size());
  const auto encoded = planned.value().encode(new_address, out, taken);
  if (!encoded)
    return encoded.error().kind + ": " + encoded.error().message;
  return disassemble(out, new_address);
}

Relocation plan(std::string_view hex, Image image, CallForm calls) {
  const auto planned = Relocation::plan(bytes(hex), original_address, image == Image::fixed, calls);
  REQUIRE(planned);
  return planned.value();
}

}  // namespace punster::test
