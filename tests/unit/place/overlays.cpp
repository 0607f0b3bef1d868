// Overlays show whole pages of the file, so what stands around the code must be copied, too.

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "backend/place/page_store.h"

using namespace punster;

namespace {

/// A file with one executable segment: file offset 0x100 and up is mapped at 0x400100 and up. Byte
/// i of the code is i / 4096 + 1.
class CodeFile {
 public:
  explicit CodeFile(std::size_t code_size) : code(code_size) {
    for (std::size_t i = 0; i < code_size; ++i) code[i] = static_cast<std::uint8_t>(i / 4096 + 1);
    Elf64_Ehdr header{};
    std::memcpy(header.e_ident, ELFMAG "\x02\x01\x01", 7);
    header.e_type = ET_EXEC;
    header.e_machine = EM_X86_64;
    header.e_version = 1;
    header.e_entry = 0x400100;
    header.e_phoff = 64;
    header.e_ehsize = 64;
    header.e_phentsize = 56;
    header.e_phnum = 1;
    Elf64_Phdr segment{};
    segment.p_type = PT_LOAD;
    segment.p_flags = PF_R | PF_X;
    segment.p_offset = 0x100;
    segment.p_vaddr = segment.p_paddr = 0x400100;
    segment.p_filesz = segment.p_memsz = code_size;
    segment.p_align = 0x1000;
    file.assign(0x100, 0x77);
    std::memcpy(file.data(), &header, sizeof header);
    std::memcpy(file.data() + 64, &segment, sizeof segment);
    file.insert(file.end(), code.begin(), code.end());
    file.insert(file.end(), 0x20, 0x55);
    path_ =
        std::filesystem::temp_directory_path() / ("punster-overlay-" + std::to_string(getpid()));
    std::ofstream(path_, std::ios::binary)
        .write(reinterpret_cast<const char*>(file.data()),
               static_cast<std::streamsize>(file.size()));
  }
  ~CodeFile() { std::filesystem::remove(path_); }

  /// Overlays for the code with the bytes at `changed` (offsets into the code) set to EE.
  SharedPages overlays(const std::vector<std::size_t>& changed, std::int64_t join_distance) {
    auto patched = code;
    for (const auto at : changed) patched[at] = 0xee;
    const auto view = ElfView::open(path_);
    REQUIRE(view);
    SharedPages shared;
    append_overlays(view.value(), Vaddr{0x400100}, code, patched, join_distance, shared);
    return shared;
  }

  std::vector<std::uint8_t> code, file;

 private:
  std::filesystem::path path_;
};

}  // namespace

TEST_CASE("unchanged code has no overlay") {
  CodeFile program(0x3000);
  CHECK(program.overlays({}, 16).mappings.empty());
}

TEST_CASE("the first page shows the file's header as well") {
  CodeFile program(0x3000);
  const auto shared = program.overlays({0}, 0);
  REQUIRE(shared.mappings.size() == 1);
  CHECK(shared.mappings[0].address == Vaddr{0x400000});
  CHECK(shared.mappings[0].overlay);
  REQUIRE(shared.pages.size() == 4096);
  CHECK(std::equal(shared.pages.begin(), shared.pages.begin() + 0x100, program.file.begin()));
  CHECK(shared.pages[0x100] == 0xee);
  CHECK(shared.pages[0x101] == 1);
}

TEST_CASE("the last page shows what the file has behind the code, then zeros") {
  CodeFile program(0x1000);
  const auto shared = program.overlays({0xfff}, 0);
  REQUIRE(shared.mappings.size() == 1);
  CHECK(shared.mappings[0].address == Vaddr{0x401000});
  REQUIRE(shared.pages.size() == 4096);
  CHECK(shared.pages[0xff] == 0xee);
  CHECK(shared.pages[0x100] == 0x55);
  CHECK(shared.pages[0x11f] == 0x55);
  CHECK(shared.pages[0x120] == 0);
}

TEST_CASE("a change on each side of a page edge overlays both pages") {
  CodeFile program(0x3000);
  const auto shared = program.overlays({0xeff, 0xf00}, 1);
  REQUIRE(shared.mappings.size() == 1);
  CHECK(shared.mappings[0].pages == 2);
  CHECK(shared.pages[0xfff] == 0xee);
  CHECK(shared.pages[0x1000] == 0xee);
}

TEST_CASE("unchanged pages in between are copied up to the join distance") {
  CodeFile program(0x8000);
  CHECK(program.overlays({0, 0x4000}, 3).mappings.size() == 2);
  const auto joined = program.overlays({0, 0x4000}, 4);
  REQUIRE(joined.mappings.size() == 1);
  CHECK(joined.mappings[0].pages == 5);
  for (std::size_t i = 0x1000; i < 0x4000; ++i)
    if (joined.pages[i] != program.code[i - 0x100]) FAIL("byte " << i);
}
