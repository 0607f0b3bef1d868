// Claims about real files: this test program itself (C++ with exceptions) and those of the system.

#include <catch2/catch.hpp>

#include <set>

#include "elf_sample.h"
#include "frontend/decode/decoder.h"

using namespace punster;
using namespace punster::test;

namespace {

const std::filesystem::path self = "/proc/self/exe";

const char* libc() { return "/lib/x86_64-linux-gnu/libc.so.6"; }

std::set<std::uint64_t> all_starts(const CodeMap& map) {
  std::set<std::uint64_t> found;
  for (const Insn& insn : map.instructions)
    found.insert(insn.address().value);
  return found;
}

}  // namespace

TEST_CASE("classes partition the code sections and instructions fill the code", "[code_map][real]") {
  for (const auto& path : {self, std::filesystem::path(libc())}) {
    const Image image = Image::open(path).value();
    const CodeMap map = analyse(image).value();
    Bytes sections;
    for (const Section& s : image.code_sections())
      sections = sections + s.range.size();
    CHECK(map.text == sections);
    CHECK(map.text == map.code + map.data + map.padding + map.doubt);
    Bytes instructions;
    for (std::size_t i = 0; i < map.instructions.size(); ++i) {
      instructions = instructions + Bytes{map.instructions[i].length()};
      if (i > 0 && map.instructions[i].address() < map.instructions[i - 1].end())
        FAIL("instructions overlap");
    }
    CHECK(instructions == map.code);
    for (std::size_t i = 1; i < map.ranges.size(); ++i)
      if (map.ranges[i].range.lo < map.ranges[i - 1].range.hi)
        FAIL("ranges overlap");
    CHECK(map.code.value * 100 > map.text.value * 95);
  }
}

TEST_CASE("functions and landing pads start with an instruction", "[code_map][real]") {
  const Image image = Image::open(self).value();
  const auto found = all_starts(analyse(image).value());
  std::size_t pads = 0, lost = 0;
  for (const UnwindEntry& entry : image.unwind()) {
    lost += found.count(entry.range.lo.value) == 0;
    for (const Vaddr pad : entry.landing_pads) {
      ++pads;
      lost += found.count(pad.value) == 0;
    }
  }
  CHECK(image.unwind().size() > 1000);
  CHECK(pads > 100);
  CHECK(lost == 0);
}

TEST_CASE("without unwind entries nothing is code that is not code with them", "[code_map][real]") {
  const Image image = Image::open(libc()).value();
  const auto with = all_starts(analyse(image).value());
  AnalysisOptions blind;
  blind.use_unwind = false;
  const CodeMap map = analyse(image, blind).value();
  std::size_t common = 0, extra = 0;
  for (const Insn& insn : map.instructions) {
    const auto bytes = image.bytes_at(insn.address(), Bytes{insn.length()});
    if (with.count(insn.address().value) != 0)
      ++common;
    else if (decode_flow(bytes, insn.address()).kind != FlowKind::nop)  // fill between functions
      ++extra;
  }
  CHECK(extra == 0);
  CHECK(common * 100 > with.size() * 90);
}

TEST_CASE("the same file gives the same map twice, and without section headers", "[code_map][real]") {
  ByteVector bytes = read_file("/bin/true");
  const auto first = analyse(open_bytes(bytes).value()).value();
  AnalysisOptions two_jobs;
  two_jobs.jobs = 2;
  const auto again = analyse(open_bytes(bytes).value(), two_jobs).value();
  CHECK(first.instructions == again.instructions);
  put(bytes, offsetof(Elf64_Ehdr, e_shoff), std::uint64_t{0});
  put(bytes, offsetof(Elf64_Ehdr, e_shnum), std::uint32_t{0});  // and e_shstrndx
  const auto headless = analyse(open_bytes(bytes).value()).value();
  CHECK(first.instructions == headless.instructions);
}

TEST_CASE("kinds of real files are told apart", "[image][real]") {
  CHECK(Image::open("/bin/true").value().kind() == ImageKind::pie);
  CHECK(Image::open(libc()).value().kind() == ImageKind::dso);  // although it has an interpreter
  CHECK(Image::open("/lib64/ld-linux-x86-64.so.2").value().kind() == ImageKind::dso);
}

TEST_CASE("symbols of libc are found by name and by address", "[image][real]") {
  const Image image = Image::open(libc()).value();
  const auto& symbols = image.symbols();
  const auto puts = std::find_if(symbols.begin(), symbols.end(),
                                 [](const Symbol& s) { return s.name == "fopen"; });
  REQUIRE(puts != symbols.end());
  CHECK(puts->function);
  const Symbol* at = image.symbol_at(puts->address + Bytes{1});
  REQUIRE(at != nullptr);
  CHECK(at->address == puts->address);
  CHECK(!image.build_id().empty());
  CHECK(!image.pointed_to().empty());
}
