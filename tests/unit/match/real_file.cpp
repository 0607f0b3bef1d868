// Expressions on a real file, through the adapter for Image; and, on request, how long they take:
//   unit_match "[speed]"          prints a table for git; PUNSTER_SPEED_FILE names another file

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "frontend/match/image_context.h"

using namespace punster;

namespace {

struct File {
  explicit File(const std::filesystem::path& path)
      : image(Image::open(path).value()), code(analyse(image).value()), context(image, code) {}
  Image image;
  CodeMap code;
  ImageContext context;

  [[nodiscard]] std::size_t count(const char* expression) const {
    const auto match = Match::parse(expression, {Syntax::att, context.names()}).value();
    return static_cast<std::size_t>(
        std::count_if(code.instructions.begin(), code.instructions.end(),
                      [&](const Insn& insn) { return match.matches(insn, context); }));
  }
};

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

const File& true_program() {
  static const File file("/bin/true");
  return file;
}

}  // namespace

TEST_CASE("ImageContext answers for a real file", "[image_context]") {
  const File& file = true_program();
  const std::size_t all = file.code.instructions.size();
  REQUIRE(all > 1'000);
  CHECK(file.count("true") == all);
  CHECK(file.count("offset == addr or section != \"\"") == all);
  CHECK(file.count("addr >= .text and addr < .text.end") == file.count("section == \".text\""));
  CHECK(file.count("jmp") > file.count("jcc"));
  CHECK(file.count("jmp") == file.count("asm =~ /(notrack |bnd )?(j|loop).*/"));
  CHECK(file.count("call") == file.count("mnemonic == \"call\""));
  CHECK(file.count("ret") == file.count("asm =~ /.*ret( .*)?/"));
  CHECK(file.count("bytes[0] == 0xe8 and call") == file.count("bytes[0] == 0xe8"));
}

TEST_CASE("neighbours of real instructions follow address order", "[image_context]") {
  const File& file = true_program();
  const auto& insns = file.code.instructions;
  CHECK(file.context.neighbour(insns[5], 1) == insns[6]);
  CHECK(file.context.neighbour(insns[5], -5) == insns[0]);
  CHECK_FALSE(file.context.neighbour(insns[5], -6));
  CHECK_FALSE(file.context.neighbour(insns.back(), 1));
  CHECK_FALSE(file.context.neighbour(Insn(Vaddr{1}, 1), 1));
}

TEST_CASE("how long matching takes", "[.][speed]") {
  const char* chosen = std::getenv("PUNSTER_SPEED_FILE");
  const File file(chosen ? chosen : "/usr/bin/git");
  const double n = static_cast<double>(file.code.instructions.size());
  std::printf("%zu instructions\n%10s %8s %9s  expression\n", file.code.instructions.size(),
              "ns each", "ms", "matches");
  for (const char* expression :
       {"true", "addr >= 0x1000 and size > 4", "jmp", "call or ret", "mnemonic == \"mov\"",
        "op[0].type == mem", "rax in writes", "symbol == \"main\"", "asm =~ /mov.*%rax/",
        "jcc and asm =~ /j(z|nz) .*/", "I[-1].mnemonic == \"cmp\" and jcc"}) {
    const auto match = Match::parse(expression, {Syntax::att, file.context.names()}).value();
    double best = 1e9;
    std::size_t hits = 0;
    for (int round = 0; round < 3; ++round) {
      hits = 0;
      const double begin = cpu_seconds();
      for (const Insn& insn : file.code.instructions)
        if (match.matches(insn, file.context)) ++hits;
      best = std::min(best, cpu_seconds() - begin);
    }
    std::printf("%10.1f %8.1f %9zu  %s\n", best * 1e9 / n, best * 1e3, hits, expression);
  }
}
