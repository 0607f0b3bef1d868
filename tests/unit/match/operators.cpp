// Operators: what they compute, how they bind, and what undefined values do to them.

#include <catch2/catch.hpp>

#include "tests/unit/match/listing.h"

using namespace punster;

namespace {
bool holds(std::string_view expression) {
  return matches("90", expression);
}
}  // namespace

TEST_CASE("and, or, not and their C spellings", "[operators]") {
  CHECK(holds("true and true"));
  CHECK_FALSE(holds("true && false"));
  CHECK(holds("false or true"));
  CHECK(holds("false || true"));
  CHECK(holds("not false"));
  CHECK(holds("!false"));
  CHECK(holds("!!true"));
}

TEST_CASE("not binds tighter than and, and tighter than or", "[operators]") {
  CHECK(holds("true or true and false"));
  CHECK_FALSE(holds("(true or true) and false"));
  CHECK(holds("not false and true"));
  CHECK_FALSE(holds("not (false or true)"));
  CHECK(holds("not size == 2"));  // not (size == 2)
}

TEST_CASE("comparisons of numbers are signed", "[operators]") {
  CHECK(holds("size == 1"));
  CHECK(holds("size = 1"));
  CHECK(holds("size != 2"));
  CHECK_FALSE(holds("size != 1"));
  CHECK(holds("size < 2"));
  CHECK(holds("size <= 1"));
  CHECK(holds("size > 0"));
  CHECK(holds("size >= 1"));
  CHECK(holds("size > -1"));
  CHECK_FALSE(holds("size < 1"));
  CHECK_FALSE(holds("size > 1"));
}

TEST_CASE("numbers are decimal or hexadecimal with 0x", "[operators]") {
  CHECK(holds("addr == 4096 and addr == 0x1000 and addr == 0X1000"));
  CHECK(holds("0xffffffffffffffff == -1"));
}

TEST_CASE("a number that is not zero is a condition", "[operators]") {
  CHECK(holds("size"));
  CHECK_FALSE(holds("0"));
  CHECK_FALSE(holds("size - 1"));
}

TEST_CASE("arithmetic has C's precedences, but comparisons bind weaker than bits", "[operators]") {
  CHECK(holds("1 + 2 * 3 == 7"));
  CHECK(holds("7 - 2 - 1 == 4"));
  CHECK(holds("7 / 2 == 3 and 7 div 2 == 3 and 7 % 4 == 3 and 7 mod 4 == 3"));
  CHECK(holds("addr & 0xfff == 0"));
  CHECK(holds("1 << 4 | 1 == 17"));
  CHECK(holds("0x30 >> 4 == 3"));
  CHECK(holds("5 ^ 1 == 4"));
  CHECK(holds("~0 == -1"));
  CHECK(holds("-(2 + 3) == -5"));
  CHECK(holds("- -5 == 5"));
}

TEST_CASE("arithmetic wraps, shifts out, and division by zero is undefined", "[operators]") {
  CHECK(holds("0x7fffffffffffffff + 1 == 0x8000000000000000"));
  CHECK(holds("1 << 64 == 0 and 1 >> 64 == 0 and 1 << -1 == 0"));
  CHECK_FALSE(holds("defined(1 / 0) or defined(1 % 0)"));
  CHECK(holds("0x8000000000000000 / -1 == 0x8000000000000000"));
  CHECK(holds("0x8000000000000000 % -1 == 0"));
}

TEST_CASE("a comparison with an undefined value is false, either way", "[operators]") {
  CHECK_FALSE(holds("op[3] == 1"));
  CHECK_FALSE(holds("op[3] != 1"));
  CHECK(holds("not op[3] == 1"));
  CHECK_FALSE(holds("target < 0 or target >= 0"));
  CHECK_FALSE(holds("op[3] in {1, 2}"));
  CHECK_FALSE(holds("mem[0].base in {rax, nil}"));
  CHECK_FALSE(holds("op[3] + 1 == 1"));
}

TEST_CASE("defined tells undefined from false", "[operators]") {
  CHECK(holds("defined(false)"));
  CHECK(holds("defined(addr)"));
  CHECK_FALSE(holds("defined(target)"));
  CHECK(holds("not defined(mem[0])"));
}

TEST_CASE("values of different kinds are different", "[operators]") {
  CHECK(matches("48 01 d8", "op[0] != 3 and not op[0] == 3"));  // add %rbx,%rax
  CHECK(matches("48 01 d8", "op[0] != op[1]"));
  CHECK_FALSE(matches("48 01 d8", "op[0] in {0, 1}"));  // rbx is no number
  CHECK(matches("48 01 c0", "op[0] == op[1]"));         // add %rax,%rax
}

TEST_CASE("regular expressions match the whole text", "[operators][regex]") {
  CHECK(holds("asm =~ /nop/"));
  CHECK(holds("asm == /n.p/"));
  CHECK_FALSE(holds("asm =~ /no/"));
  CHECK(holds("asm != /no/"));
  CHECK(holds("asm !~ /no/"));
  CHECK(holds("asm =~ \"n[op]*\""));
  CHECK(holds("\"a/b\" == /a\\/b/"));
}

TEST_CASE("a slash divides behind an operand and opens a pattern before one",
          "[operators][regex]") {
  CHECK(holds("size / 1 == 1 and asm == /nop/"));
  CHECK(holds("(size) / 1 == 1"));
  CHECK(holds("asm in {/x/, /nop/}"));
}

TEST_CASE("strings are quoted twice or once, with backslashes", "[operators]") {
  CHECK(holds("asm == \"nop\" and asm == 'nop'"));
  CHECK(holds(R"("a\"b" == 'a"b')"));
  CHECK(holds(R"("\\" == /\\/)"));
}

TEST_CASE("in asks for members of a literal set", "[operators][sets]") {
  CHECK(holds("addr in {1, 0x1000, 5}"));
  CHECK_FALSE(holds("addr in {1, 5}"));
  CHECK_FALSE(holds("addr in {}"));
  CHECK(holds("addr not in {1, 5}"));
  CHECK(holds("size in {-1, 1}"));
  CHECK(holds("mnemonic in {\"mov\", \"nop\"}"));
  CHECK(holds("asm in {\"mov\", /no.*/}"));
  CHECK(holds("addr in {size, size + 0xfff}"));
  CHECK(matches("48 01 d8", "op[0] in {rbx, rcx}"));
  CHECK(matches("48 01 d8", "op[0] in {3, rbx}"));
  CHECK_FALSE(matches("48 01 d8", "op[1] in {3, rbx}"));
}

TEST_CASE("all of the registers on the left must be in the set", "[operators][sets]") {
  CHECK(matches("48 01 d8", "{rax, rbx} in reads"));
  CHECK_FALSE(matches("48 01 d8", "{rax, rcx} in reads"));
  CHECK(matches("48 01 d8", "op[1] in writes and op[0] not in writes"));
}

TEST_CASE("several expressions are joined by and", "[operators]") {
  const Listing listing({"90"});
  const auto joined = [&](const std::vector<std::string>& expressions) {
    std::vector<Match> all;
    for (const auto& e : expressions) all.push_back(Match::parse(e).value());
    return Match::all_of(all);
  };
  CHECK(joined({"true", "size == 1"}).matches(listing.insns[0], listing));
  CHECK_FALSE(joined({"size == 1", "false"}).matches(listing.insns[0], listing));
  CHECK(joined({}).always());
  CHECK(joined({"true", "true"}).always());
}
