// Planted faults in headers, tables and mappings, one per test.

#include <catch2/catch.hpp>

#include "rewriting.h"

using namespace punster;
using namespace punster::test;

namespace {
constexpr std::uint64_t far = 0x1000000;
const Machine add5 = {0x05, 0x78, 0x56, 0x34, 0x12};  // add $0x12345678,%eax

struct Sound : Rewriting {
  Vaddr site, body;
  explicit Sound(bool movable = true) : Rewriting(movable) {
    site = insn(add5);
    const Vaddr next = insn({0xc3});
    body = image(far);
    patch(site, jump(site, body));
    write(body, add5 + jump(body + Bytes{5}, next));
  }
  std::string judged() { return only_failure(verify()); }
};

PunsterMapping trampolines(std::uint64_t address, std::uint32_t pages = 1) {
  return {address, 0x5000, pages, PUNSTER_TRAMPOLINES};
}
bool found(const VerifyReport& report, const std::string& kind) {
  return report.failures_by_kind.count(kind) > 0;
}
}  // namespace

TEST_CASE("the sound layout that the faults are planted in is accepted", "[layout]") {
  CHECK(Sound().judged() == "0 failures");
}

TEST_CASE("mappings that overlap each other are rejected", "[layout]") {
  Sound file;
  file.extra_mappings = {trampolines(far)};
  CHECK(file.judged() == "mappings_overlap");
}
TEST_CASE("overlays that overlap each other are rejected", "[layout]") {
  Sound file;
  file.extra_mappings = {{0x2000, 0x6000, 1, PUNSTER_OVERLAY}};
  CHECK(file.judged() == "mappings_overlap");
}
TEST_CASE("a mapping over a segment of the original is rejected", "[layout]") {
  Sound file;
  file.extra_mappings = {trampolines(0x4000)};
  CHECK(file.judged() == "mapping_over_image");
}
TEST_CASE("a mapping over the headers or the runtime is rejected", "[layout]") {
  for (const std::uint64_t address : {0x0ull, 0x100000ull, 0x101000ull, 0x102000ull, 0x103000ull}) {
    Sound file;
    file.extra_mappings = {trampolines(address)};
    CHECK(file.judged() == "mapping_over_image");
  }
}
TEST_CASE("a mapping over the counters is rejected", "[layout]") {
  Sound file;
  file.alter_header = [](PunsterHeader& header) {
    header.counters_address = 0x3000000;
    header.counters_bytes = 0x2000;
    header.counters_path = sizeof header - 1;  // some zero byte
  };
  file.extra_mappings = {trampolines(0x3001000)};
  CHECK(file.judged() == "mapping_over_image");
}
TEST_CASE("an overlay over something that is not code is rejected", "[layout]") {
  Sound file;
  file.extra_mappings = {{0x4000, 0x4000, 1, PUNSTER_OVERLAY}};
  CHECK(file.judged() == "overlay_outside_code");
}
TEST_CASE("a mapping that is not page-aligned is rejected", "[layout]") {
  Sound file;
  file.extra_mappings = {trampolines(0x3000010)};
  CHECK(file.judged() == "bad_mapping");
}
TEST_CASE("a mapping of no pages is rejected", "[layout]") {
  Sound file;
  file.extra_mappings = {trampolines(0x3000000, 0)};
  CHECK(file.judged() == "bad_mapping");
}
TEST_CASE("a mapping past the end of the file is rejected", "[layout]") {
  Sound file;
  file.extra_mappings = {trampolines(0x3000000, 0x10000)};
  CHECK(file.judged() == "bad_mapping");
  file.extra_mappings = {trampolines(0x3000000, 0xffffffff)};
  CHECK(file.judged() == "bad_mapping");
}
TEST_CASE("a mapping of an unknown kind is rejected", "[layout]") {
  Sound file;
  file.extra_mappings = {{0x3000000, 0x5000, 1, 7}};
  CHECK(file.judged() == "bad_mapping");
}
TEST_CASE("a trampoline page that is missing is rejected", "[layout]") {
  Sound file;
  file.alter_mappings = [](std::vector<PunsterMapping>& mappings) { mappings.pop_back(); };
  CHECK(file.judged() == "unmapped_target");
}
TEST_CASE("a trampoline page that shows another page of the file is rejected", "[layout]") {
  Sound file;
  file.alter_mappings = [](std::vector<PunsterMapping>& mappings) {
    mappings.back().file_offset -= 0x1000;
  };
  CHECK(file.judged() == "displaced_altered");
}
TEST_CASE("an overlay that shows another page of the file is rejected", "[layout]") {
  Sound file;
  file.alter_mappings = [](std::vector<PunsterMapping>& mappings) {
    mappings.front().file_offset += 0x1000;
  };
  CHECK_FALSE(file.verify().ok());
}
TEST_CASE("a fixed-address mapping that no process may have is rejected", "[layout]") {
  Sound file(false);
  file.extra_mappings = {trampolines(0x1000)};
  CHECK(file.judged() == "bad_mapping");
}
TEST_CASE("a shared object's mapping outside what ld.so reserves is rejected", "[layout]") {
  Sound file;
  file.alter_header = [](PunsterHeader& header) { header.flags |= PUNSTER_FLAG_SHARED_OBJECT; };
  CHECK(file.judged() == "outside_span");
}

TEST_CASE("an entry point that does not lead to the runtime is rejected", "[layout]") {
  Sound file;
  file.alter_file = [](Machine& bytes) { bytes[offsetof(Elf64_Ehdr, e_entry) + 2] = 0; };
  CHECK(file.judged() == "hook");
}
TEST_CASE("a runtime that goes on elsewhere than the original starts is rejected", "[layout]") {
  Sound file;
  file.alter_header = [](PunsterHeader& header) { header.original_entry += 1; };
  CHECK(file.judged() == "hook");
}
TEST_CASE("a runtime that does not know its tables is rejected", "[layout]") {
  Sound file;
  file.alter_file = [](Machine& bytes) {
    bytes[0x102018] ^= 0x10;
  };  // PunsterConfig::header_address
  CHECK(file.judged() == "hook");
}
TEST_CASE("a file without a hook is rejected", "[layout]") {
  Sound file;
  file.alter_header = [](PunsterHeader& header) { header.hook = PUNSTER_HOOK_NONE; };
  CHECK(file.judged() == "hook");
}

TEST_CASE("an altered program header of the original is rejected", "[layout]") {
  Sound file;
  file.alter_segments = [](std::vector<Elf64_Phdr>& segments) { segments[2].p_memsz -= 1; };
  CHECK(found(file.verify(), "program_headers"));
}
TEST_CASE("a lost program header of the original is rejected", "[layout]") {
  Sound file;
  file.alter_segments = [](std::vector<Elf64_Phdr>& segments) { segments.erase(segments.begin()); };
  CHECK(found(file.verify(), "program_headers"));
}
TEST_CASE("a header table at the wrong distance from the first segment is rejected", "[layout]") {
  Sound file;
  file.alter_segments = [](std::vector<Elf64_Phdr>& segments) {
    segments[3].p_vaddr += 0x10000000;
    std::rotate(segments.begin() + 3, segments.begin() + 4, segments.end());
  };
  CHECK(file.judged() == "program_headers");
}
TEST_CASE("an added segment that is writable and executable is rejected", "[layout]") {
  Sound file;
  file.alter_segments = [](std::vector<Elf64_Phdr>& segments) { segments[5].p_flags |= PF_W; };
  CHECK(found(file.verify(), "writable_code"));
}
TEST_CASE("added segments that overlap are rejected", "[layout]") {
  Sound file;
  file.alter_segments = [](std::vector<Elf64_Phdr>& segments) { segments[3].p_memsz = 0x1001; };
  CHECK(file.judged() == "segments_overlap");
}
TEST_CASE("segments that do not ascend are rejected", "[layout]") {
  Sound file;
  file.alter_segments = [](std::vector<Elf64_Phdr>& segments) {
    std::swap(segments[3], segments[4]);
  };
  CHECK(file.judged() == "segments_overlap");
}
TEST_CASE("more program headers than old kernels take are rejected", "[layout]") {
  Sound file(false);
  file.alter_segments = [](std::vector<Elf64_Phdr>& segments) {
    Elf64_Phdr note{};
    note.p_type = PT_NULL;
    segments.resize(74, note);
    segments[3].p_filesz = segments[3].p_memsz = 0x1000 - 0;
  };
  CHECK(found(file.verify(), "too_many_headers"));
}
TEST_CASE("tables that name another address than their own are rejected", "[layout]") {
  Sound file;
  file.alter_header = [](PunsterHeader& header) { header.header_address += 0x1000; };
  CHECK(found(file.verify(), "bad_tables"));
}
TEST_CASE("tables that were moved within the file have taken their pages with them", "[layout]") {
  // What `strip` does, told by the header alone: all pages are as far from where the tables say.
  for (const bool pages_too : {true, false}) {
    Sound file;
    file.alter_header = [](PunsterHeader& header) { header.header_offset += 0x1000; };
    if (pages_too)
      file.alter_mappings = [](std::vector<PunsterMapping>& mappings) {
        for (PunsterMapping& mapping : mappings) mapping.file_offset += 0x1000;
      };
    CHECK(file.verify().ok() == pages_too);
  }
}
TEST_CASE("tables that were moved by less than a page show no pages", "[layout]") {
  Sound file;
  file.alter_header = [](PunsterHeader& header) { header.header_offset += 8; };
  CHECK(found(file.verify(), "bad_mapping"));
}
TEST_CASE("in a moved file what no segment holds may differ, and nothing else", "[layout]") {
  const auto judged = [](std::uint64_t at, bool moved) {
    Sound file;
    // Between the headers and the end of their page, .text's room, and behind all segments.
    file.alter_original_segments = [](std::vector<Elf64_Phdr>& segments) {
      segments[0].p_filesz = segments[0].p_memsz = 0x800;
    };
    file.alter_file = [=](Machine& bytes) { bytes[at] ^= 1; };
    if (!moved) return file.judged();
    file.alter_header = [](PunsterHeader& header) { header.header_offset += 0x1000; };
    file.alter_mappings = [](std::vector<PunsterMapping>& mappings) {
      for (PunsterMapping& mapping : mappings) mapping.file_offset += 0x1000;
    };
    return file.judged();
  };
  CHECK(judged(0x900, true) == "0 failures");
  CHECK(judged(0x900, false) == "original_bytes_changed");
  CHECK(judged(0x700, true) == "original_bytes_changed");
  CHECK(judged(0x4010, true) == "original_bytes_changed");
}
TEST_CASE("tables that reach past their segment are malformed", "[layout]") {
  Sound file;
  file.alter_header = [](PunsterHeader& header) { header.mapping_count = 0x10000000; };
  CHECK(file.judged() == "malformed");
  file.alter_header = [](PunsterHeader& header) {
    header.traps_offset = ~0ull;
    header.trap_count = 1;
  };
  CHECK(file.judged() == "malformed");
}
TEST_CASE("tables of another version are malformed", "[layout]") {
  Sound file;
  file.alter_header = [](PunsterHeader& header) { header.abi_version = 99; };
  CHECK(file.judged() == "malformed");
}
