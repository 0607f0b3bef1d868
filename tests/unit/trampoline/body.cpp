#include "tests/unit/trampoline/body.h"

#include <Zydis/Zydis.h>

#include <catch2/catch.hpp>

#include "protocol/hex.h"

namespace punster::test {

Site::Site(std::vector<std::uint8_t> instruction) : bytes(std::move(instruction)) {
  site.address = Vaddr{0x401000};
  site.bytes = bytes;
  site.length = static_cast<unsigned>(bytes.size());
  site.fixed_address = true;
  site.macros = &scope;
  site.config = Vaddr{0x900000};
}

Result<BodyShape> Site::measure(const char* code) const {
  PUNSTER_TRY(const auto compiled, Template::compile(nlohmann::json::parse(code), "/template"));
  return compiled.measure(site);
}

Result<std::vector<std::uint8_t>> Site::encode(const char* code) const {
  PUNSTER_TRY(const auto compiled, Template::compile(nlohmann::json::parse(code), "/template"));
  PUNSTER_TRY(const auto shape, compiled.measure(site));
  // A guard behind the body: nothing may be written past the measured size.
  std::vector<std::uint8_t> out(shape.size + 16, 0xcc);
  PUNSTER_TRY(compiled.encode(site, at, std::span(out).first(shape.size)));
  CHECK(std::all_of(out.end() - 16, out.end(), [](std::uint8_t b) { return b == 0xcc; }));
  out.resize(shape.size);
  return out;
}

std::string Site::text(const char* code) const {
  const auto body = encode(code);
  if (body.has_error()) return "error " + body.error().kind + " " + body.error().where;
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisFormatter formatter;
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE,
                            ZYDIS_PADDING_DISABLED);
  ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
  ZydisFormatterSetProperty(&formatter, ZYDIS_FORMATTER_PROP_IMM_PADDING, ZYDIS_PADDING_DISABLED);
  std::string text;
  for (std::size_t i = 0; i < body.value().size();) {
    ZydisDecodedInstruction instruction;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    if (ZYAN_FAILED(ZydisDecoderDecodeFull(&decoder, body.value().data() + i,
                                           body.value().size() - i, &instruction, operands)))
      return text + "; ??";
    char line[128];
    ZydisFormatterFormatInstruction(&formatter, &instruction, operands,
                                    instruction.operand_count_visible, line, sizeof line,
                                    at.value + i, nullptr);
    text += text.empty() ? "" : "; ";
    text += line;
    i += instruction.length;
  }
  return text;
}

std::string Site::hex(const char* code) const {
  const auto body = encode(code);
  if (body.has_error()) return "error " + body.error().kind + " " + body.error().where;
  return to_hex(body.value());
}

}  // namespace punster::test
