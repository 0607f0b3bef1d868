// What is said about expressions that are wrong, and where the caret points.

#include <catch2/catch.hpp>

#include "tests/unit/match/listing.h"

using namespace punster;

TEST_CASE("an error shows the expression with a caret below the place", "[errors]") {
  CHECK(complaint("size > 3 and adr == 3") ==
        "unknown attribute `adr`, did you mean `addr`?\n"
        "    size > 3 and adr == 3\n"
        "                 ^");
  const auto error = Match::parse("size > 3 and adr == 3").error();
  CHECK(error.kind == "bad_expression");
  CHECK(error.where == "column 14");
}

TEST_CASE("line breaks and multi-byte characters do not move the caret", "[errors]") {
  CHECK(complaint("asm == \"\xc3\xa9\"\nand foo") ==
        "unknown attribute `foo`\n"
        "    asm == \"\xc3\xa9\" and foo\n"
        "                   ^");
}

TEST_CASE("every kind of mistake points at its column", "[errors]") {
  struct Row {
    const char* expression;
    const char* complaint;
  };
  const Row rows[] = {
      {"", "column 1: expected something to match, not the end"},
      {"jmp and", "column 8: expected something to match, not the end"},
      {"jmp call", "column 5: expected `and`, `or` or the end, not `call`"},
      {"(jmp", "column 1: this parenthesis is not closed"},
      {"jmp)", "column 4: expected `and`, `or` or the end, not `)`"},
      {"asm == \"x", "column 8: this quote is not closed"},
      {"asm =~ /x", "column 8: this regular expression is not closed by a slash"},
      {"asm =~ /a(b/", "column 10: this group is not closed"},
      {"asm =~ /[a/", "column 9: this bracket is not closed"},
      {"asm =~ 3", "column 8: expected a regular expression: /.../"},
      {"size =~ /3/", "column 1: regular expressions match text, but this is a number"},
      {"asm < /3/", "column 5: regular expressions are compared by =~, == or !="},
      {"/x/", "column 1: a regular expression stands behind =~ or ==, as in asm =~ /mov.*/"},
      {"asm == 3", "column 5: cannot compare text with a number"},
      {"asm < \"x\"", "column 1: expected a number, but this is text"},
      {"mem[0].base == 3", "column 13: cannot compare a register with a number"},
      {"op[0].type == rax", "column 12: cannot compare an operand type with a register"},
      {"op[0].access == mem", "column 14: cannot compare an access type with an operand type"},
      {"asm", "column 1: expected a condition, but this is text; compare it with something"},
      {"jmp or rax",
       "column 8: expected a condition, but this is a register; compare it with something"},
      {"size == 1 == 2", "column 11: comparisons do not chain; join them by `and`"},
      {"reads == rax", "column 7: a set of registers is asked by `in`: rax in reads"},
      {"3 in reads", "column 1: expected a register before `in`, but this is a number"},
      {"rax in size",
       "column 8: expected a set behind `in`: {1, 2}, \"FILE\", reads, writes or regs"},
      {"{3} in reads", "column 2: a set on the left of `in` holds registers, but this is a number"},
      {"{rax} in size", "column 10: expected reads, writes or regs"},
      {"addr in {\"x\"}", "column 10: cannot compare a number with text"},
      {"addr in {1 2}", "column 12: expected `,`, not `2`"},
      {"addr in {/x/}", "column 10: regular expressions match text, but the left side is a number"},
      {"asm in \"x.csv\"", "column 1: expected a number, but this is text"},
      {"addr in \"/nonexistent.csv\"", "column 9: cannot read the file \"/nonexistent.csv\""},
      {"size < 12ab",
       "column 8: not a number; hexadecimal numbers begin with 0x, decimal ones have digits only"},
      {"size < 0x", "column 8: a hexadecimal number needs digits behind 0x"},
      {"size < 0x12g", "column 12: not a hexadecimal digit"},
      {"size < 0x10000000000000000", "column 8: a number of more than 64 bits"},
      {"op[0].bas == rax", "column 7: unknown field `bas`, did you mean `base`?"},
      {"op[x] == 1", "column 4: expected a number from 0 on, not `x`"},
      {"op.length", "column 4: expected `op.size` or `op[0]`"},
      {"op[0] == mem64<(%foo)>",
       "column 16: not a memory operand; write it as in AT&T assembly: mem64<0x8(%rsp,%rax,8)>"},
      {"op[0] == mem64<(%rax)", "column 15: this `<` is not closed"},
      {"addr == &nowhere", "column 9: no symbol or section `nowhere` in this file"},
      {"addr == .nowhere", "column 9: no symbol or section `.nowhere` in this file"},
      {"I[1].foo", "column 6: expected an attribute behind I[...]"},
      {"I[x].jmp", "column 3: expected a number of instructions, at most 1000, not `x`"},
      {"nothing[0] == 1",
       "column 1: unknown attribute `nothing`; and cannot read the file \"nothing.csv\""},
      {"jump", "column 1: unknown attribute `jump`, did you mean `jmp`?"},
      {"mnemonc == \"x\"", "column 1: unknown attribute `mnemonc`, did you mean `mnemonic`?"},
      {"xyzzyxyzzy", "column 1: unknown attribute `xyzzyxyzzy`"},
      {"size \x01", "column 6: unexpected character"},
      {"size # 3", "column 6: unexpected character"},
      {"size @ 3", "column 6: expected `and`, `or` or the end, not `@`"},
      {"asm + 1 == 2", "column 1: expected a number, but this is text"},
      {"-asm == 2", "column 2: expected a number, but this is text"},
  };
  for (const auto& row : rows) {
    INFO(row.expression);
    CHECK(short_complaint(row.expression) == row.complaint);
  }
}

TEST_CASE("nesting has a limit, not a crash", "[errors]") {
  const std::string open(100'000, '('), nots(100'000, '!'), minus(100'000, '-');
  CHECK(short_complaint(open).find("nested too deeply") != std::string::npos);
  CHECK(short_complaint(nots + "true").find("nested too deeply") != std::string::npos);
  CHECK(short_complaint(minus + "1").find("nested too deeply") != std::string::npos);
  CHECK(short_complaint("asm =~ /" + open + "/").find("too many nested groups") !=
        std::string::npos);
}

TEST_CASE("a long chain of and is not nesting", "[errors]") {
  std::string chain = "size == 1";
  for (int i = 0; i < 2'000; ++i) chain += " and size == 1";
  CHECK(matches("90", chain));
}
