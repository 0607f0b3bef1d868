#include <catch2/catch.hpp>
#include <random>

#include "elf_sample.h"

using namespace punster;
using namespace punster::test;

namespace {
template <typename Bytes>
void append(ByteVector& code, const Bytes& bytes) {
  code.insert(code.end(), bytes.begin(), bytes.end());
}
ByteVector& operator<<(ByteVector& code, std::initializer_list<std::uint8_t> bytes) {
  append(code, bytes);
  return code;
}
}  // namespace

TEST_CASE("a table that code loads from is data, however well it decodes", "[code_map]") {
  ElfSample sample;
  sample.code << std::initializer_list<std::uint8_t>{
      0x48, 0x8b, 0x05, 0x09, 0x00, 0x00, 0x00,  //  0: mov 0x9(%rip),%rax    -> 16
      0xc3,                                      //  7: ret
      0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
      0x48, 0x89, 0xe5, 0x5d, 0x48, 0x89, 0xe5, 0xc3,  // 16: a constant
  };
  const CodeMap map = map_of(sample);
  CHECK(starts(map) == std::vector<std::uint64_t>{0, 7});
  CHECK(class_at(map, 8) == ByteClass::padding);
  CHECK(class_at(map, 16) == ByteClass::data);
  CHECK(class_at(map, 23) == ByteClass::data);
}

TEST_CASE("a table that is accessed through its address is data", "[code_map]") {
  ElfSample sample;
  sample.code << std::initializer_list<std::uint8_t>{
      0x48, 0x8d, 0x0d, 0x09, 0x00, 0x00, 0x00,  //  0: lea 0x9(%rip),%rcx    -> 16
      0x8b, 0x04, 0xb9,                          //  7: mov (%rcx,%rdi,4),%eax
      0xc3,                                      // 10: ret
      0x0f, 0x1f, 0x44, 0x00, 0x00,              // 11: nopl
      0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3, 0xc3, 0xc3,
  };
  const CodeMap map = map_of(sample);
  CHECK(starts(map) == std::vector<std::uint64_t>{0, 7, 10});
  CHECK(class_at(map, 16) == ByteClass::data);
}

TEST_CASE("a position-independent jump table leads to its cases", "[code_map]") {
  ElfSample sample;
  sample.code << std::initializer_list<std::uint8_t>{
      0x83, 0xff, 0x02,                          //  0: cmp $2,%edi
      0x77, 0x1e,                                //  3: ja 35
      0x48, 0x8d, 0x15, 0x24, 0x00, 0x00, 0x00,  //  5: lea 0x24(%rip),%rdx   -> 48
      0x89, 0xff,                                // 12: mov %edi,%edi
      0x48, 0x63, 0x04, 0xba,                    // 14: movslq (%rdx,%rdi,4),%rax
      0x48, 0x01, 0xd0,                          // 18: add %rdx,%rax
      0x3e, 0xff, 0xe0,                          // 21: notrack jmp *%rax
      0x31, 0xc0, 0xc3,                          // 24: xor %eax,%eax; ret
      0xb0, 0x01, 0xc3,                          // 27: mov $1,%al; ret
      0xb0, 0x02, 0xc3, 0x90, 0x90,              // 30: mov $2,%al; ret
      0xb0, 0x03, 0xc3,                          // 35: mov $3,%al; ret
      0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
      0x90, 0x90, 0x90, 0xe8, 0xff, 0xff, 0xff,  // 48: 24 - 48
      0xeb, 0xff, 0xff, 0xff,                    //     27 - 48
      0xee, 0xff, 0xff, 0xff,                    //     30 - 48
  };
  const CodeMap map = map_of(sample);
  CHECK(map.find(Vaddr{ElfSample::text + 24}) != nullptr);
  CHECK(map.find(Vaddr{ElfSample::text + 27}) != nullptr);
  CHECK(map.find(Vaddr{ElfSample::text + 30}) != nullptr);
  CHECK(class_at(map, 48) == ByteClass::data);
  CHECK(map.find(Vaddr{ElfSample::text + 48}) == nullptr);
}

TEST_CASE("a jump past a lock prefix makes the instruction doubt", "[code_map]") {
  ElfSample sample;
  sample.code << std::initializer_list<std::uint8_t>{
      0x85, 0xff,              // 0: test %edi,%edi
      0x74, 0x01,              // 2: je 5
      0xf0,                    // 4: lock
      0x48, 0x0f, 0xb1, 0x16,  // 5: cmpxchg %rdx,(%rsi)
      0xc3,                    // 9: ret
  };
  const CodeMap map = map_of(sample);
  CHECK(starts(map) == std::vector<std::uint64_t>{0, 2, 9});
  CHECK(class_at(map, 4) == ByteClass::doubt);
  CHECK(class_at(map, 5) == ByteClass::doubt);
}

TEST_CASE("fill inside a function is code, fill between functions is padding", "[code_map]") {
  ElfSample sample;
  sample.code << std::initializer_list<std::uint8_t>{
      0xeb, 0x06,                          //  0: jmp 8
      0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00,  //  2: nopw
      0x31, 0xc0,                          //  8: xor %eax,%eax
      0xc3,                                // 10: ret
      0x0f, 0x1f, 0x44, 0x00, 0x00,        // 11: nopl
      0xc3,                                // 16: ret
  };
  sample.unwind = {{0, 11}, {16, 1}};
  const CodeMap map = map_of(sample);
  CHECK(starts(map) == std::vector<std::uint64_t>{0, 2, 8, 10, 16});
  CHECK(map.unreached == std::vector<AddressRange>{{Vaddr{0x1002}, Vaddr{0x1008}}});
  CHECK(class_at(map, 11) == ByteClass::padding);
}

TEST_CASE("constants inside a function stay data when only unreached code refers to them",
          "[code_map]") {
  const auto use = GENERATE(0x8b, 0x8d);  // mov: reads them; lea: computes their address
  ElfSample sample;
  sample.code << std::initializer_list<std::uint8_t>{
      0xff, 0xe0,  //  0: jmp *%rax
      0x48, static_cast<std::uint8_t>(use),
      0x05, 2,
      0,    0,
      0,           //  2: mov or lea 11(%rip),%rax
      0xeb, 0x03,  //  9: jmp 14
      0x31, 0xc9,
      0x50,  // 11: a constant that decodes
      0xc3,  // 14: ret
  };
  sample.unwind = {{0, 15}};
  const CodeMap map = map_of(sample);
  CHECK(class_at(map, 11) != ByteClass::code);
  CHECK(class_at(map, 0) == ByteClass::code);
}

TEST_CASE("every byte of a constant that an operand reads is data", "[code_map]") {
  ElfSample sample;
  sample.code << std::initializer_list<std::uint8_t>{
      0x48, 0x8b, 0x05, 0x02, 0x00, 0x00, 0x00,        //  0: mov 0x2(%rip),%rax    -> 9
      0xeb, 0x08,                                      //  7: jmp 17
      0x45, 0xcc, 0xf2, 0x2d, 0x11, 0x22, 0x33, 0x44,  //  9: from 11 on: sub $0x44332211,%eax
      0xc3,                                            // 17: ret
  };
  sample.unwind = {{0, 18}};
  const CodeMap map = map_of(sample);
  CHECK(starts(map) == std::vector<std::uint64_t>{0, 7, 17});
  for (std::uint64_t at = 9; at < 17; ++at) CHECK(class_at(map, at) == ByteClass::data);
}

TEST_CASE("an int3 with a prefix is no fill", "[code_map]") {
  ElfSample sample;
  sample.code = {0xeb, 0x03, 0x45, 0xcc, 0x50, 0xc3};  // jmp 5; int3 with a prefix; push; 5: ret
  sample.unwind = {{0, 6}};
  const CodeMap map = map_of(sample);
  CHECK(starts(map) == std::vector<std::uint64_t>{0, 5});
  CHECK(class_at(map, 2) == ByteClass::doubt);
}

TEST_CASE("a run of int3 behind a call is code, and what follows it no padding", "[code_map]") {
  ElfSample sample;
  sample.code = {0xe8, 0x0b, 0,    0,    0,    0xcc, 0xcc, 0xcc, 0x90,  // call 16; int3 x 3; nop
                 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xc3};
  SECTION("inside the function") {
    sample.unwind = {{0, 17}};
    const CodeMap map = map_of(sample);
    CHECK(map.find(Vaddr{ElfSample::text + 6}) != nullptr);
    CHECK(map.find(Vaddr{ElfSample::text + 7}) != nullptr);
    CHECK(class_at(map, 8) == ByteClass::code);
    CHECK(map.unreached.empty());
  }
  SECTION("of unknown extent: neither code nor padding") {
    const CodeMap map = map_of(sample);
    CHECK(class_at(map, 5) == ByteClass::doubt);
    CHECK(class_at(map, 7) == ByteClass::doubt);
  }
  SECTION("the function ends with the call: fill") {
    sample.unwind = {{0, 5}, {16, 1}};
    const CodeMap map = map_of(sample);
    CHECK(starts(map) == std::vector<std::uint64_t>{0, 16});
    CHECK(class_at(map, 5) == ByteClass::padding);
  }
}

TEST_CASE("a path that runs into garbage is doubt back to its last call", "[code_map]") {
  ElfSample sample;
  sample.code << std::initializer_list<std::uint8_t>{
      0xe8, 0x0b, 0x00, 0x00, 0x00,                    //  0: call 16, which does not return
      0x48, 0x89, 0xc7,                                //  5: nonsense that decodes,
      0x06, 0x06,                                      //  8: and nonsense that does not
      0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x0f, 0x0b,  // 16: ud2
  };
  sample.unwind = {{0, 10}, {16, 2}};
  const CodeMap map = map_of(sample);
  CHECK(starts(map) == std::vector<std::uint64_t>{0, 16});
  CHECK(class_at(map, 5) == ByteClass::doubt);
}

TEST_CASE("a string that a call jumps over is not code", "[code_map]") {
  ElfSample sample;
  sample.code << std::initializer_list<std::uint8_t>{
      0xe8, 0x08, 0x00, 0x00, 0x00,                 //  0: call 13
      'P',  'Q',  'R',  'S',  'P',  'Q', 'R', 'S',  //  5: push, push, push, ...
      0x58,                                         // 13: pop %rax
      0xc3,                                         // 14: ret
  };
  sample.unwind = {{0, 15}};
  const CodeMap map = map_of(sample);
  CHECK(starts(map) == std::vector<std::uint64_t>{0, 13, 14});
  CHECK(class_at(map, 5) == ByteClass::data);
}

TEST_CASE("an object symbol in .text is data", "[code_map]") {
  ElfSample sample;
  sample.code = {0xc3, 0x55, 0x48, 0x89, 0xe5, 0x5d, 0xc3};
  sample.symbols = {{"f", 0, 1, STT_FUNC}, {"table", 1, 6, STT_OBJECT}};
  const CodeMap map = map_of(sample);
  CHECK(starts(map) == std::vector<std::uint64_t>{0});
  CHECK(class_at(map, 1) == ByteClass::data);
}

namespace {

/// Random words, small integers, text, or one byte repeated.
ByteVector random_constant(std::mt19937_64& random, std::size_t size) {
  const auto flavour = random() % 4;
  const auto repeated = static_cast<std::uint8_t>(random());
  ByteVector constant;
  for (std::size_t i = 0; i < size; ++i) {
    const auto any = static_cast<std::uint8_t>(random());
    constant.push_back(flavour == 0   ? any
                       : flavour == 1 ? (i % 4 == 0 ? any : std::uint8_t{0})
                       : flavour == 2 ? static_cast<std::uint8_t>(0x20 + any % 95)
                                      : repeated);
  }
  return constant;
}

}  // namespace

TEST_CASE("constants that nothing refers to are never code", "[code_map]") {
  const unsigned seed = 20200615;
  WARN("seed " << seed);
  std::mt19937_64 random(seed);
  for (unsigned round = 0; round < 400; ++round) {
    ElfSample sample;
    sample.code = {0x55, 0x48, 0x89, 0xe5, 0x31, 0xc0, 0x5d, 0xc3,
                   0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90};
    append(sample.code, random_constant(random, std::size_t{16} << random() % 6));
    sample.code.push_back(0xc3);
    const CodeMap map = map_of(sample);
    INFO("round " << round);
    CHECK(map.instructions.back().address() < Vaddr{ElfSample::text + 16});
  }
}

TEST_CASE("constants that end where code begins are never code", "[code_map]") {
  const unsigned seed = 20211121;
  WARN("seed " << seed);
  std::mt19937_64 random(seed);
  for (unsigned round = 0; round < 400; ++round) {
    ElfSample sample;
    const ByteVector constant = random_constant(random, 4 + random() % 60);
    sample.code = {0xeb, static_cast<std::uint8_t>(constant.size())};  // a jump over it
    append(sample.code, constant);
    sample.code.push_back(0xc3);
    const CodeMap map = map_of(sample);
    INFO("round " << round);
    CHECK(starts(map) == std::vector<std::uint64_t>{0, 2 + constant.size()});
  }
}

TEST_CASE("what calls end too early to judge is judged together with what it calls", "[code_map]") {
  ElfSample sample;
  sample.code << std::initializer_list<std::uint8_t>{
      0xc3,                                      //  0: ret, all that is certain
      0x0f, 0x1f, 0x40, 0x00, 0x0f, 0x1f, 0x00,  //  1: nops
      0x53,                                      //  8: push %rbx
      0xe8, 0x07, 0x00, 0x00, 0x00,              //  9: call 21
      0x48, 0x89, 0xc3,                          // 14: mov %rax,%rbx
      0x5b, 0xc3, 0x66, 0x90,                    // 17: pop %rbx; ret; nop
      0x48, 0x8b, 0x47, 0x08,                    // 21: mov 0x8(%rdi),%rax
      0x48, 0x85, 0xc0,                          // 25: test %rax,%rax
      0x74, 0x04,                                // 28: je 34
      0x48, 0x83, 0xc0, 0x01,                    // 30: add $1,%rax
      0xc3,                                      // 34: ret
  };
  const CodeMap map = map_of(sample);
  CHECK(starts(map) == std::vector<std::uint64_t>{0, 8, 9, 14, 17, 18, 21, 25, 28, 30, 34});
}

TEST_CASE("an aligned address inside a stretch is no instruction start by itself", "[code_map]") {
  // At 16, behind a prefix, the code reads as well as it does from 15 on.
  ElfSample sample;
  sample.code << std::initializer_list<std::uint8_t>{
      0xc3, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06,  // ret, and what does not decode
      0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x06, 0x66, 0x45, 0x8b, 0x96,
      0xa8, 0x00, 0x00, 0x00,  // 15: mov 0xa8(%r14),%r10w
      0x48, 0x89, 0xe5, 0x48, 0x85, 0xc0, 0x48, 0x89, 0xc3, 0x48, 0x8b,
      0x47, 0x08, 0x48, 0x85, 0xc0, 0x55, 0x5d, 0x48, 0x89, 0xdf, 0xc3,
  };
  CHECK(starts(map_of(sample)) == std::vector<std::uint64_t>{0});
}

TEST_CASE("nearest instructions surround an address", "[code_map]") {
  ElfSample sample;
  sample.code = {0x31, 0xc0, 0xc3};
  const CodeMap map = map_of(sample);
  CHECK(map.nearest(Vaddr{0x1001}) == std::vector<Vaddr>{Vaddr{0x1000}, Vaddr{0x1002}});
  CHECK(map.nearest(Vaddr{0x1002}) == std::vector<Vaddr>{Vaddr{0x1002}});
  CHECK(map.nearest(Vaddr{0xfff}) == std::vector<Vaddr>{Vaddr{0x1000}});
  CHECK(map.find(Vaddr{0x1001}) == nullptr);
  CHECK(map.find(Vaddr{0x1002})->length() == 1);
}
