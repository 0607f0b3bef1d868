// Random expressions, actions and bytes: whatever is typed gets an answer, never a crash or a hang.

#include <catch2/catch.hpp>
#include <random>

#include "frontend/match/action.h"
#include "tests/unit/match/listing.h"

using namespace punster;

namespace {

const std::vector<std::string> words = {"true",        "false",    "jmp",
                                        "jcc",         "call",     "asm",
                                        "mnemonic",    "addr",     "offset",
                                        "size",        "section",  "symbol",
                                        "target",      "reads",    "writes",
                                        "regs",        "op",       "src",
                                        "dst",         "reg",      "mem",
                                        "imm",         "op[0]",    "mem[0]",
                                        "reg[1]",      ".base",    ".index",
                                        ".type",       ".access",  ".size",
                                        ".disp",       "rax",      "eax",
                                        "rflags",      "nil",      "r",
                                        "w",           "rw",       "-",
                                        "and",         "or",       "not",
                                        "in",          "defined",  "(",
                                        ")",           "{",        "}",
                                        "[",           "]",        ",",
                                        "==",          "!=",       "=",
                                        "<",           "<=",       ">",
                                        ">=",          "=~",       "!~",
                                        "!",           "&&",       "||",
                                        "+",           "*",        "/",
                                        "%",           "&",        "|",
                                        "^",           "~",        "<<",
                                        ">>",          "0",        "1",
                                        "0x1000",      "-1",       "0xffffffffffffffff",
                                        "\"nop\"",     "'x'",      "/nop/",
                                        "/[a-z]+ .*/", "/(a|b)*/", "I[1].",
                                        "I[-1].",      "bytes[0]", "mem64<(%rax)>",
                                        "mem8<",       "&main",    ".text",
                                        "\"",          "/",        "\\",
                                        "foo",         "0x",       "12x"};

}  // namespace

TEST_CASE("random tokens parse or are refused, and what parses can be asked", "[fuzz]") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const Listing listing({"90", "48 8b 84 d8 00 02 00 00", "74 0e", "e8 00 00 00 00",
                         "62 f1 7c 48 28 c1", "06", "c3"});
  unsigned parsed = 0;
  for (int round = 0; round < 60'000; ++round) {
    std::string expression;
    for (auto n = 1 + random() % 9; n > 0; --n) {
      expression += words[random() % words.size()];
      if (random() % 3 != 0) expression += ' ';
    }
    CAPTURE(expression);
    const auto match = Match::parse(expression);
    if (!match) {
      const Error& error = match.error();
      // Message, copy of the expression, caret; and the caret stands within or just behind it.
      REQUIRE(error.kind == "bad_expression");
      REQUIRE(error.where.starts_with("column "));
      REQUIRE(std::stoul(error.where.substr(7)) <= expression.size() + 1);
      REQUIRE(error.message.ends_with("^"));
      continue;
    }
    ++parsed;
    for (const Insn& insn : listing.insns) {
      const bool first = match.value().matches(insn, listing);
      REQUIRE(match.value().matches(insn, listing) == first);
      if (match.value().always()) REQUIRE(first);
    }
  }
  CHECK(parsed > 1'000);
}

TEST_CASE("random characters are no danger to expressions and actions", "[fuzz]") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const std::string alphabet = "abcjmp0x19 ()[]{}<>=!&|^~+-*/%,.\"'\\\t\n$@#;:?\x80\xff";
  for (int round = 0; round < 60'000; ++round) {
    std::string text;
    for (auto n = random() % 24; n > 0; --n) text += alphabet[random() % alphabet.size()];
    (void)Match::parse(text);
    (void)Action::parse(text);
    (void)Match::parse("asm =~ /" + text + "/");
    (void)Action::parse("bytes(" + text + ")");
  }
}

TEST_CASE("random bytes: the quick look at the opcode never denies a transfer of control",
          "[fuzz]") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  unsigned transfers = 0;
  for (int round = 0; round < 300'000; ++round) {
    std::array<std::uint8_t, 15> bytes;
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(random());
    const auto kind = classify(bytes, Vaddr{0x1000});
    if (!kind) continue;
    const Kinds& k = kind->kinds;
    if (k.jmp || k.call || k.ret || k.syscall || kind->target) {
      ++transfers;
      CAPTURE(to_hex(bytes), kind->mnemonic);
      REQUIRE(may_transfer_control(bytes));
    }
    REQUIRE((!k.jcc || k.jmp));
    const auto full = details(bytes, Vaddr{0x1000});
    REQUIRE(full);
    REQUIRE(full->mnemonic == kind->mnemonic);
    REQUIRE(full->target == kind->target);
    REQUIRE(assembly(bytes, Vaddr{0x1000}).size() < 128);
  }
  CHECK(transfers > 1'000);
}
