#include "tests/unit/relocate/random_instruction.h"

#include <initializer_list>

namespace punster::test {
namespace {

class Draw {
 public:
  static constexpr unsigned families = 19;

  explicit Draw(std::mt19937_64& random) : random_(random) {
    for (auto& byte : bytes_)
      byte = static_cast<std::uint8_t>(below(256));
  }

  std::array<std::uint8_t, 15> run(unsigned family) {
    switch (family) {
      case 0: return prefixed_legacy({});
      case 1: return prefixed_legacy({0x0f});
      case 2: return prefixed_legacy({0x0f, 0x38});
      case 3: return prefixed_legacy({0x0f, 0x3a});
      case 4: return vex(1);
      case 5: return vex(2);
      case 6: return vex(3);
      case 7: return evex(1);
      case 8: return evex(2);
      case 9: return evex(3);
      case 10: return evex(5);
      case 11: return evex(6);
      case 12: return xop(8);
      case 13: return xop(9);
      case 14: return xop(10);
      case 15:
      case 16: return direct_branch();
      default: return indirect_branch();
    }
  }

 private:
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  void put(unsigned byte) {
    if (size_ < bytes_.size())
      bytes_[size_++] = static_cast<std::uint8_t>(byte);
  }

  void prefixes() {
    static constexpr std::uint8_t legacy[] = {0x66, 0x67, 0xf2, 0xf3, 0x2e, 0x3e, 0x64, 0x65, 0x26};
    while (below(3) == 0)
      put(legacy[below(sizeof legacy)]);
    if (below(3) == 0)
      put(0x40 | below(16));
  }

  /// Half of all operands RIP-relative; the rest, and what follows, stays as drawn.
  void modrm() {
    if (below(2))
      put(below(8) << 3 | 5);
    else
      ++size_;
  }

  std::array<std::uint8_t, 15> prefixed_legacy(std::initializer_list<unsigned> escape) {
    prefixes();
    for (const auto byte : escape)
      put(byte);
    put(below(256));
    modrm();
    return bytes_;
  }

  std::array<std::uint8_t, 15> vex(unsigned map) {
    if (below(4) == 0)
      put(0x67);
    if (map == 1 && below(2)) {
      put(0xc5);
    } else {
      put(0xc4);
      put(below(8) << 5 | map);
    }
    put(below(256));
    put(below(256));
    modrm();
    return bytes_;
  }

  std::array<std::uint8_t, 15> evex(unsigned map) {
    if (below(8) == 0)
      put(0x67);
    put(0x62);
    put(below(16) << 4 | map);
    // Most opcodes take no vvvv (all ones); W and pp as drawn.
    put((below(2) ? 0x78 : below(16) << 3) | 0x04 | below(2) << 7 | below(4));
    put((below(4) ? below(4) << 5 | 0x08 : below(256)));
    put(below(256));
    modrm();
    return bytes_;
  }

  std::array<std::uint8_t, 15> xop(unsigned map) {
    put(0x8f);
    put(0xe0 | map);
    put((below(2) ? 0x78 : below(16) << 3) | below(2) << 7 | below(4));
    put(below(256));
    modrm();
    return bytes_;
  }

  std::array<std::uint8_t, 15> direct_branch() {
    prefixes();
    switch (below(6)) {
      case 0: put(0x70 | below(16)); break;
      case 1: put(0x0f), put(0x80 | below(16)); break;
      case 2: put(0xe0 | below(4)); break;
      case 3: put(below(2) ? 0xe9 : 0xeb); break;
      case 4: put(0xe8); break;
      case 5: put(0xc7), put(0xf8); break;
    }
    if (below(8) == 0) {  // a target nearby, perhaps inside
      put(0x100 - below(16));
      for (unsigned i = 0; i < 3; ++i)
        put(0xff);
    }
    return bytes_;
  }

  std::array<std::uint8_t, 15> indirect_branch() {
    prefixes();
    put(0xff);
    const unsigned operation = 2 + below(4);  // call, lcall, jmp, ljmp
    switch (below(4)) {
      case 0: put(0xc0 | operation << 3 | below(8)); break;   // register
      case 1: put(operation << 3 | 5); break;                 // RIP-relative
      case 2:                                                 // stack
        put(below(3) << 6 | operation << 3 | 4);
        put(below(2) ? 0x24 : 0x04 | below(256));
        if (below(2))
          put(0xe8 + below(32));
        break;
      default: put((below(256) & ~0x38U) | operation << 3); break;
    }
    return bytes_;
  }

  std::mt19937_64& random_;
  std::array<std::uint8_t, 15> bytes_;
  unsigned size_ = 0;
};

}  // namespace

RandomInstruction draw_instruction(std::mt19937_64& random) {
  static const ZydisDecoder decoder = [] {
    ZydisDecoder d;
    ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    return d;
  }();
  RandomInstruction drawn;
  const auto family = static_cast<unsigned>(random() % Draw::families);
  do
    drawn.bytes = Draw(random).run(family);
  while (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, drawn.bytes.data(), drawn.bytes.size(),
                                              &drawn.insn, drawn.operands)));
  return drawn;
}

}  // namespace punster::test
