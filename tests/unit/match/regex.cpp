#include "frontend/match/regex.h"

#include <catch2/catch.hpp>
#include <random>
#include <regex>

using namespace punster;

namespace {

bool full_match(std::string_view pattern, std::string_view text) {
  return Regex::compile(pattern).value().matches(text);
}
std::string fault(std::string_view pattern) {
  const auto regex = Regex::compile(pattern);
  return regex ? "" : regex.error().where + ": " + regex.error().message;
}

}  // namespace

TEST_CASE("a pattern matches the whole text or nothing", "[regex]") {
  CHECK(full_match("mov", "mov"));
  CHECK_FALSE(full_match("mov", "movq"));
  CHECK_FALSE(full_match("mov", "a mov"));
  CHECK(full_match("", ""));
  CHECK_FALSE(full_match("", "x"));
}

TEST_CASE("repetition", "[regex]") {
  CHECK(full_match("a*", ""));
  CHECK(full_match("a*b", "aaab"));
  CHECK_FALSE(full_match("a+", ""));
  CHECK(full_match("ab?c", "ac"));
  CHECK(full_match("(ab){2}", "abab"));
  CHECK_FALSE(full_match("(ab){2}", "ab"));
  CHECK(full_match("a{2,}", "aaaa"));
  CHECK(full_match("a{0,2}", ""));
  CHECK_FALSE(full_match("a{1,2}", "aaa"));
  CHECK(full_match("a*?b+?c??", "aabb"));
  CHECK(full_match("(a*)*", "aaa"));
  CHECK(full_match("(a|)*b", "aab"));
  CHECK(full_match("a{0}b", "b"));
}

TEST_CASE("alternatives and groups", "[regex]") {
  CHECK(full_match("mov|lea", "lea"));
  CHECK(full_match("(mov|lea) %rax", "lea %rax"));
  CHECK(full_match("(?:a|b)c", "bc"));
  CHECK(full_match("a(|b)c", "ac"));
  CHECK_FALSE(full_match("mov|lea", "movlea"));
}

TEST_CASE("characters, classes and escapes", "[regex]") {
  CHECK(full_match("m.v", "mov"));
  CHECK(full_match("[a-cx]+", "abcx"));
  CHECK_FALSE(full_match("[^a-c]", "b"));
  CHECK(full_match("[^,]+", "mov %rax"));
  CHECK(full_match("[]a]+", "]a"));
  CHECK(full_match("[a-]+", "a-"));
  CHECK(full_match("[\\d\\]]+", "3]"));
  CHECK(full_match("\\d+\\s\\w+", "12 r_8"));
  CHECK_FALSE(full_match("\\D", "1"));
  CHECK(full_match("\\$0x\\x31", "$0x1"));
  CHECK(full_match("mov.+\\(%rax.*", "mov 0x8(%rax),%rcx"));
  CHECK(full_match("\xc3.", "\xc3\xa9"));
}

TEST_CASE("^ and $ hold at the ends only", "[regex]") {
  CHECK(full_match("^mov$", "mov"));
  CHECK(full_match("(^a|b)$", "b"));
  CHECK(full_match("a$|b", "a"));
  CHECK_FALSE(full_match("a^b", "ab"));
  CHECK_FALSE(full_match("a$b", "ab"));
  CHECK(full_match("^^$$", ""));
  CHECK_FALSE(full_match("(^a)*", "aa"));
}

TEST_CASE("bad patterns name the position", "[regex]") {
  CHECK(fault("a(b") == "1: this group is not closed");
  CHECK(fault("a)") == "1: `)` without `(`");
  CHECK(fault("[a") == "0: this bracket is not closed");
  CHECK(fault("*a") == "0: nothing to repeat; write a backslash before a literal `*`");
  CHECK(fault("a|+") == "2: nothing to repeat; write a backslash before a literal `+`");
  CHECK(fault("a{2,1}") ==
        "1: expected {m}, {m,} or {m,n} with m <= n <= 1000; write \\{ for a brace");
  CHECK(fault("a{x}").starts_with("1: expected {m}"));
  CHECK(fault("a{1001}").starts_with("1: expected {m}"));
  CHECK(fault("[b-a]") == "4: a range runs from low to high");
  CHECK(fault("a\\") == "1: a backslash with nothing behind it");
  CHECK(fault("a\\q") == "1: unknown escape \\q");
  CHECK(fault("(?=a)") == "2: only (?:...) is supported among the (? groups");
  CHECK(fault("((a{1000}){1000}){1000}").find("too large") != std::string::npos);
}

TEST_CASE("patterns that explode when made deterministic still match in linear time", "[regex]") {
  const std::string pattern = ".*a.{24}";  // 2^25 deterministic states
  const std::string tail(24, 'b');
  CHECK(full_match(pattern, std::string(5000, 'a') + tail));
  CHECK_FALSE(full_match(pattern, std::string(5000, 'b') + tail));
  CHECK(full_match("(x+x+)+y", std::string(3000, 'x') + "y"));
  CHECK_FALSE(full_match("(x+x+)+y", std::string(3000, 'x')));
}

TEST_CASE("random patterns agree with std::regex", "[regex][random]") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  const std::vector<std::string> atoms = {"a",   "b",     "c",      ".",      "[ab]",   "[^a]",
                                          "\\w", "(a|b)", "(ab|c)", "(?:b*)", "(a|bc?)"};
  const std::vector<std::string> counts = {"", "", "", "*", "+", "?", "{2}", "{1,2}", "{0,}"};
  for (int round = 0; round < 400; ++round) {
    std::string pattern;
    for (unsigned n = 1 + below(4); n > 0; --n) {
      pattern += atoms[below(static_cast<unsigned>(atoms.size()))];
      pattern += counts[below(static_cast<unsigned>(counts.size()))];
      if (n > 1 && below(6) == 0) pattern += '|';
    }
    const Regex ours = Regex::compile(pattern).value();
    const std::regex theirs(pattern);
    for (int i = 0; i < 60; ++i) {
      std::string text;
      for (unsigned n = below(7); n > 0; --n) text += "abcd"[below(4)];
      INFO("pattern " << pattern << " text " << text);
      REQUIRE(ours.matches(text) == std::regex_match(text, theirs));
    }
  }
}
