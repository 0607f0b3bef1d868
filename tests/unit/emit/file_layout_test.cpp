// What emit wrote, re-read by LIEF, and treated by the tools that people run on files.

#include <LIEF/ELF.hpp>
#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>

#include "runtime/loader_abi.h"
#include "tests/unit/emit/small_program.h"

namespace punster {
namespace {

std::vector<std::uint8_t> contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<const LIEF::ELF::Segment*> loads(const LIEF::ELF::Binary& binary) {
  std::vector<const LIEF::ELF::Segment*> result;
  for (const auto& s : binary.segments())
    if (s.type() == static_cast<LIEF::ELF::SEGMENT_TYPES>(PT_LOAD)) result.push_back(&s);
  return result;
}

struct Rewritten {
  Workshop shop;
  std::filesystem::path original, patched;
  EmitResult result;
  Rewritten(const std::string& source, const std::string& flags) {
    original = shop.compile("original", source, flags);
    patched = shop.file("patched");
    result = emit_to(maker(), patched);
  }
  [[nodiscard]] PlanMaker maker() const {
    PlanMaker maker(original);
    maker.answer(symbol(original, "site"), above(maker.view, 0x1000), 42);
    return maker;
  }
};

std::vector<std::string> all_flags() { return {"-pie -fPIE", "-no-pie", "-static", "-static-pie", "-shared -fPIC"}; }

}  // namespace

TEST_CASE("segments ascend, are disjoint, and never writable and executable", "[emit][layout]") {
  for (const auto& flags : all_flags()) {
    const Rewritten test(program_source(), flags);
    const auto binary = LIEF::ELF::Parser::parse(test.patched.string());
    const auto before = LIEF::ELF::Parser::parse(test.original.string());
    REQUIRE(binary);
    const auto segments = loads(*binary);
    CHECK(segments.size() == loads(*before).size() + 4);
    for (std::size_t i = 0; i < segments.size(); ++i) {
      const auto& s = *segments[i];
      CHECK((s.virtual_address() - s.file_offset()) % 4096 == 0);
      const auto flags_of = static_cast<std::uint32_t>(s.flags());
      CHECK((flags_of & (PF_W | PF_X)) != (PF_W | PF_X));
      if (i + 1 < segments.size())
        CHECK(s.virtual_address() + s.virtual_size() <= segments[i + 1]->virtual_address());
    }
    // ld.so reserves up to the end of the last one, and the heap begins there: no .bss behind it.
    CHECK(segments.back()->physical_size() == segments.back()->virtual_size());
  }
}

TEST_CASE("the header table is as far from the first segment in the file as in memory", "[emit][layout]") {
  for (const auto& flags : all_flags()) {
    const Rewritten test(program_source(), flags);
    const auto binary = LIEF::ELF::Parser::parse(test.patched.string());
    const auto segments = loads(*binary);
    const auto offset = binary->header().program_headers_offset();
    const auto home = std::find_if(segments.begin(), segments.end(), [&](const auto* s) {
      return s->file_offset() <= offset && offset < s->file_offset() + s->physical_size();
    });
    REQUIRE(home != segments.end());
    CHECK((*home)->virtual_address() - (*home)->file_offset() ==
          segments.front()->virtual_address() - segments.front()->file_offset());
    for (const auto& s : binary->segments())
      if (s.type() == static_cast<LIEF::ELF::SEGMENT_TYPES>(PT_PHDR)) CHECK(s.file_offset() == offset);
  }
}

TEST_CASE("original bytes keep their offsets and, but for a few words, their values", "[emit][layout]") {
  for (const auto& flags : all_flags()) {
    const Rewritten test(program_source(), flags);
    const auto before = contents(test.original), after = contents(test.patched);
    std::size_t changed = 0;
    for (std::size_t i = sizeof(Elf64_Ehdr); i < before.size(); ++i) changed += before[i] != after[i];
    CHECK(changed <= 8);  // DT_INIT's value in the shared object, nothing elsewhere
  }
}

TEST_CASE("old sections keep their numbers, ours follow", "[emit][layout]") {
  for (const auto& flags : all_flags()) {
    const Rewritten test(program_source(), flags);
    const auto before = LIEF::ELF::Parser::parse(test.original.string());
    const auto after = LIEF::ELF::Parser::parse(test.patched.string());
    std::vector<std::string> names;
    for (const auto& s : after->sections()) names.push_back(s.name());
    REQUIRE(names.size() == before->sections().size() + 5);
    std::size_t i = 0;
    for (const auto& s : before->sections()) CHECK(names[i++] == s.name());
    CHECK(std::vector<std::string>(names.end() - 5, names.end()) ==
          std::vector<std::string>{".punster.phdr", ".punster.tables", ".punster.pages", ".punster.text",
                                   ".punster.state"});
  }
}

TEST_CASE("readelf and elflint find nothing to complain about", "[emit][layout]") {
  for (const auto& flags : all_flags()) {
    const Rewritten test(program_source(), flags);
    CHECK(run("readelf -aW " + test.patched.string() + " >/dev/null").errors == "");
    if (run("command -v eu-elflint").status != 0) continue;
    const auto before = run("eu-elflint --gnu-ld " + test.original.string());
    const auto after = run("eu-elflint --gnu-ld " + test.patched.string());
    CHECK(after.output == before.output);
  }
}

TEST_CASE("strip and objcopy keep a rewritten file working", "[emit][layout]") {
  for (const std::string flags : {"-pie -fPIE", "-no-pie", "-static", "-static-pie"}) {
    const Rewritten test(program_source(), flags + " -g");
    const auto stripped = test.shop.file("stripped").string();
    for (const std::string tool : {"strip -o ", "objcopy --strip-debug "}) {
      const auto arguments = tool.starts_with("strip") ? stripped + " " + test.patched.string()
                                                       : test.patched.string() + " " + stripped;
      CHECK(run(tool + arguments).errors == "");
      const auto outcome = run("PUNSTER_STRICT=1 " + stripped);
      CHECK(outcome.errors == "");
      CHECK(outcome.output == "42 1\n");
      std::filesystem::remove(stripped);
    }
  }
}

TEST_CASE("a file without section headers stays without, and works", "[emit][layout]") {
  const Workshop shop;
  const auto input = shop.compile("original", program_source(), "-Wl,-z,noseparate-code");
  const auto site = symbol(input, "site");
  {
    std::fstream file(input, std::ios::in | std::ios::out | std::ios::binary);
    Elf64_Ehdr header{};
    file.read(reinterpret_cast<char*>(&header), sizeof header);
    header.e_shoff = 0;
    header.e_shnum = header.e_shstrndx = 0;
    file.seekp(0);
    file.write(reinterpret_cast<const char*>(&header), sizeof header);
  }
  PlanMaker maker(input);
  CHECK(maker.view.sections().empty());
  maker.answer(site, above(maker.view), 42);
  emit_to(maker, shop.file("patched"));
  CHECK(run(shop.file("patched").string()).output == "42 1\n");
}

TEST_CASE("an image with a large .bss leaves a sparse hole", "[emit][layout]") {
  const Rewritten test(program_source() + "char large[300 << 20];", "-Wl,--gc-sections -g");
  CHECK(run("PUNSTER_STRICT=1 " + test.patched.string()).output == "42 1\n");
  std::istringstream blocks(run("stat -c %b " + test.patched.string()).output);
  std::uint64_t count = 0;
  blocks >> count;
  CHECK(count * 512 < 4 << 20);
  CHECK(test.result.file_size.value == std::filesystem::file_size(test.patched));
}

TEST_CASE("the number of added mappings is what /proc/self/maps shows", "[emit][layout]") {
  const std::string source = answer_source() + R"(
    #include <stdio.h>
    #include <string.h>
    int main(void) {
      char line[5000];
      int count = 0;
      FILE *maps = fopen("/proc/self/maps", "r");
      while (fgets(line, sizeof line, maps)) count += strstr(line, "/original") || strstr(line, "/patched");
      printf("%d\n", count);
      return 0;
    })";
  for (const std::string flags : {"-pie -fPIE", "-no-pie", "-static"}) {
    const Rewritten test(source, flags);
    const auto before = std::stoul(run(test.original.string()).output);
    const auto after = std::stoul(run(test.patched.string()).output);
    CHECK(after - before == test.result.mappings);
  }
}

TEST_CASE("the same plan gives the same bytes", "[emit][layout]") {
  const Rewritten test(program_source(), "");
  emit_to(test.maker(), test.shop.file("again"));
  CHECK(contents(test.patched) == contents(test.shop.file("again")));
}

TEST_CASE("a rewritten file is recognised, with or without section headers", "[emit][layout]") {
  const Rewritten test(program_source(), "");
  const auto view = ElfView::open(test.patched);
  REQUIRE(view);
  const auto place = footprint(view.value());
  REQUIRE_FALSE(place);
  CHECK(place.error().kind == "already_rewritten");
}

TEST_CASE("tables describe the plan", "[emit][layout]") {
  const Rewritten test(program_source(), "");
  const auto view = ElfView::open(test.patched).value();
  std::optional<PunsterHeader> header;
  for (const auto& p : view.segments()) {
    if (p.p_type != PT_LOAD) continue;
    const auto h = view.read<PunsterHeader>(FileOffset{p.p_offset}).value();
    if (h.magic == PUNSTER_MAGIC) header = h;
  }
  REQUIRE(header);
  CHECK(header->header_offset == view.to_offset(Vaddr{header->header_address}).value().value);
  CHECK(header->original_entry == ElfView::open(test.original).value().header().e_entry);
  CHECK(header->mapping_count == 2);
  const auto m = view.read<PunsterMapping>(FileOffset{header->header_offset + header->mappings_offset}).value();
  CHECK(m.address == test.maker().plan.mappings[0].address.value);
  CHECK(view.file()[m.file_offset] == 0xb8);
  CHECK(header->build_key[31] == 0x5a);
}

}  // namespace punster
