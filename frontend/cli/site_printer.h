// Instructions as records on standard output: address, offset, size, bytes, section, symbol, asm.

#pragma once

#include "frontend/cli/record_printer.h"
#include "frontend/decode/decoder.h"
#include "frontend/image/image.h"
#include "protocol/instruction.h"

namespace punster {

class SitePrinter {
 public:
  SitePrinter(Format format, const Image& image, bool intel_syntax);
  void print(const Insn& insn);
  /// Every use ends with this.
  void end() { printer_.end(); }

 private:
  RecordPrinter printer_;
  const Image& image_;
  Syntax syntax_;
};

}  // namespace punster
