#include "frontend/cli/site_printer.h"

#include "frontend/decode/details.h"
#include "protocol/hex.h"
#include "protocol/messages.h"

namespace punster {

SitePrinter::SitePrinter(Format format, const Image& image, bool intel_syntax)
    : printer_(format, {{"address", 10},
                        {"offset", 10},
                        {"size", -4},
                        {"bytes", 20},
                        {"section", 8},
                        {"symbol", 28},
                        {"asm"}}),
      image_(image),
      syntax_(intel_syntax ? Syntax::intel : Syntax::att) {}

void SitePrinter::print(const Insn& insn) {
  const Vaddr address = insn.address();
  const auto bytes = image_.bytes_at(address, Bytes{insn.length()});
  const auto offset = image_.to_offset(address);
  const Section* section = image_.section_at(address);
  const std::string symbol = image_.describe(address);
  printer_.record({to_hex(address), offset ? Json(to_hex(*offset)) : Json(), insn.length(),
                   to_hex(bytes), section != nullptr ? Json(section->name) : Json(),
                   symbol.empty() ? Json() : Json(symbol), assembly(bytes, address, syntax_)});
}

}  // namespace punster
