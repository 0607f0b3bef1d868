// One way to decode, for details.cpp and assembly.cpp.

#pragma once

#include <Zydis/Zydis.h>

#include <cassert>
#include <cstdint>
#include <span>

namespace punster::zydis {

inline const ZydisDecoder& decoder() {
  static const ZydisDecoder instance = [] {
    ZydisDecoder d;
    [[maybe_unused]] const auto status =
        ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    assert(ZYAN_SUCCESS(status));
    return d;
  }();
  return instance;
}

/// VEX encoded instructions that only the Xeon Phi coprocessor had ("jknzd"): undefined everywhere
/// else.
inline bool is_coprocessor_only(const ZydisDecodedInstruction& insn) {
  return insn.meta.isa_ext == ZYDIS_ISA_EXT_KNC || insn.meta.isa_ext == ZYDIS_ISA_EXT_KNCE ||
         insn.meta.isa_ext == ZYDIS_ISA_EXT_KNCV;
}

/// Without operands.
inline bool decode(std::span<const std::uint8_t> bytes, ZydisDecodedInstruction& insn) {
  return ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder(), nullptr, bytes.data(), bytes.size(),
                                                    &insn)) &&
         !is_coprocessor_only(insn);
}

/// `operands` holds ZYDIS_MAX_OPERAND_COUNT.
inline bool decode(std::span<const std::uint8_t> bytes, ZydisDecodedInstruction& insn,
                   ZydisDecodedOperand* operands) {
  return ZYAN_SUCCESS(
             ZydisDecoderDecodeFull(&decoder(), bytes.data(), bytes.size(), &insn, operands)) &&
         !is_coprocessor_only(insn);
}

}  // namespace punster::zydis
