#include <catch2/catch.hpp>

#include <random>

#include "elf_sample.h"
#include "runtime/loader_abi.h"

using namespace punster;
using namespace punster::test;

namespace {

ElfSample small_program() {
  ElfSample sample;
  sample.code = {
      0x55,                          // main: push %rbp
      0xe8, 0x0a, 0x00, 0x00, 0x00,  // call helper
      0x5d,                          // pop %rbp
      0xc3,                          // ret
      0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90,
      0x31, 0xc0,                    // helper: xor %eax,%eax
      0xc3,                          // ret
  };
  sample.symbols = {{"main", 0, 8, STT_FUNC}, {"helper", 16, 3, STT_FUNC}};
  sample.unwind = {{0, 8}, {16, 3}};
  return sample;
}

template <typename T>
ByteVector with(ByteVector file, std::size_t at, T value) {
  put(file, at, value);
  return file;
}

constexpr std::size_t load_at = sizeof(Elf64_Ehdr);

}  // namespace

TEST_CASE("a small program opens with all its parts", "[image]") {
  const Image image = open_bytes(small_program().build()).value();
  CHECK(image.kind() == ImageKind::pie);
  CHECK(image.entry() == Vaddr{0x1000});
  REQUIRE(image.segments().size() == 1);
  CHECK(image.segments()[0].executable);
  CHECK(!image.segments()[0].writable);
  REQUIRE(image.code_sections().size() == 1);
  CHECK(image.code_sections()[0].name == ".text");
  CHECK(image.section_at(Vaddr{0x2000})->name == ".eh_frame");
  CHECK(image.symbols().size() == 2);
  CHECK(image.unwind().size() == 2);
  CHECK(image.describe(Vaddr{0x1000}) == "main");
  CHECK(image.describe(Vaddr{0x1012}) == "helper+0x2");
  CHECK(image.describe(Vaddr{0x100c}).empty());
  CHECK(image.to_offset(Vaddr{0x1001}) == FileOffset{0x1001});
  CHECK(image.to_offset(Vaddr{0x9000}) == std::nullopt);
  CHECK(image.bytes_at(Vaddr{0x1000}, Bytes{2}).size() == 2);
  CHECK(image.bytes_at(Vaddr{0x9000}, Bytes{2}).empty());
  CHECK(image.bytes_at(Vaddr{0x2000}, Bytes{~0ull}).size() < 0x1000);
  CHECK(image.sha256().size() == 64);
}

TEST_CASE("every refusal has its kind and names the file", "[image]") {
  const ByteVector good = small_program().build();
  CHECK(open_error(good) == "opened");
  CHECK(open_error({}) == "not_elf");
  CHECK(open_error({'#', '!', '/', 'b'}) == "not_elf");
  CHECK(open_error(with(good, EI_CLASS, std::uint8_t{ELFCLASS32})) == "unsupported_class");
  CHECK(open_error(with(good, EI_DATA, std::uint8_t{ELFDATA2MSB})) == "unsupported_byte_order");
  CHECK(open_error(with(good, 18, std::uint16_t{EM_AARCH64})) == "unsupported_machine");
  CHECK(open_error(with(good, 16, std::uint16_t{ET_REL})) == "unsupported_type");
  CHECK(open_error(with(good, 16, std::uint16_t{ET_CORE})) == "unsupported_type");

  const auto missing = Image::open("/nonexistent/program");
  REQUIRE(!missing);
  CHECK(missing.error().kind == "unreadable");
  CHECK(missing.error().message.find("/nonexistent/program") != std::string::npos);
  CHECK(Image::open("/").error().kind == "unreadable");
  CHECK(Image::open("/dev/null").error().kind == "unreadable");
}

TEST_CASE("segments that overlap, wrap or leave the file are malformed", "[image]") {
  const ByteVector good = small_program().build();
  const auto load_with = [&](auto change) {
    Elf64_Phdr load;
    std::memcpy(&load, good.data() + load_at, sizeof load);
    change(load);
    return open_error(with(good, load_at, load));
  };
  CHECK(load_with([](Elf64_Phdr& p) { p.p_filesz = 1 << 30; }) == "malformed");
  CHECK(load_with([](Elf64_Phdr& p) { p.p_memsz = p.p_filesz - 1; }) == "malformed");
  CHECK(load_with([](Elf64_Phdr& p) { p.p_vaddr = ~0ull << 12; }) == "malformed");
  CHECK(load_with([](Elf64_Phdr& p) { p.p_memsz = ~0ull; }) == "malformed");
  CHECK(load_with([](Elf64_Phdr& p) { p.p_offset = ~0ull << 12; }) == "malformed");
  CHECK(load_with([](Elf64_Phdr& p) { p.p_vaddr += 8; }) == "malformed");
  CHECK(load_with([](Elf64_Phdr& p) { p.p_flags = PF_R; }) == "malformed");  // .text contradicts
  CHECK(load_with([](Elf64_Phdr& p) { p.p_type = PT_NULL; }) == "malformed");

  Elf64_Phdr load;
  std::memcpy(&load, good.data() + load_at, sizeof load);
  CHECK(open_error(with(good, load_at + sizeof load, load)) == "malformed");  // twice the same
}

TEST_CASE("a file that was rewritten before is recognised with and without section headers",
          "[image]") {
  ElfSample sample = small_program();
  for (const bool headers : {true, false}) {
    sample.section_headers = headers;
    ByteVector file = sample.build();
    const std::uint64_t at = (file.size() + 0xfff) & ~0xfffull;
    put(file, at, std::uint64_t{PUNSTER_MAGIC});
    Elf64_Phdr tables{};
    tables.p_type = PT_LOAD;
    tables.p_flags = PF_R;
    tables.p_offset = at;
    tables.p_vaddr = 0x100000;
    tables.p_filesz = tables.p_memsz = 8;
    CHECK(open_error(with(file, load_at + sizeof tables, tables)) == "already_rewritten");
  }
}

TEST_CASE("without section headers the executable segment is analysed", "[image]") {
  ElfSample sample = small_program();
  sample.section_headers = false;
  const Image image = open_bytes(sample.build()).value();
  REQUIRE(image.code_sections().size() == 1);
  CHECK(image.code_sections()[0].name == ".text");
  CHECK(image.sections().empty());
  const CodeMap map = analyse(image).value();
  CHECK(starts(map) == std::vector<std::uint64_t>{0, 1, 6, 7, 16, 18});
}

TEST_CASE("truncation at every 64-byte boundary is refused or harmless", "[image]") {
  const ByteVector good = small_program().build();
  for (std::size_t size = 0; size < good.size(); size += 64) {
    const ByteVector cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size));
    INFO("cut to " << size);
    CHECK(open_error(cut) != "opened");
  }
}

// The headers of a real program, whose tables are all there, and of the sample.
TEST_CASE("two thousand mutated headers neither crash nor hang", "[image][mutation]") {
  const unsigned seed = 20170623;
  WARN("seed " << seed);
  std::mt19937_64 random(seed);
  const std::vector<ByteVector> originals = {small_program().build(), read_file("/bin/true")};
  const TemporaryFile file({});
  unsigned opened = 0;
  for (unsigned round = 0; round < 2000; ++round) {
    ByteVector bytes = originals[round % originals.size()];
    REQUIRE(bytes.size() > sizeof(Elf64_Ehdr));
    Elf64_Ehdr header;
    std::memcpy(&header, bytes.data(), sizeof header);
    const std::size_t programs = sizeof header + header.e_phnum * sizeof(Elf64_Phdr);
    for (std::uint64_t left = 1 + random() % 4; left > 0; --left) {
      const std::size_t sections_at = header.e_shoff;
      const std::size_t at = random() % 4 != 0 || sections_at >= bytes.size()
                                 ? random() % programs
                                 : sections_at + random() % (bytes.size() - sections_at);
      const std::uint64_t extremes[] = {0, 1, 0x7f, 0xff, 0x80, random() & 0xff};
      const std::uint64_t value = extremes[random() % 6];
      if (random() % 3 == 0 && at + 8 <= bytes.size())
        put(bytes, at, random() % 2 ? ~0ull - value : value << (8 * (random() % 8)));
      else
        bytes[at] = static_cast<std::uint8_t>(value);
    }
    file.rewrite(bytes);
    const auto image = Image::open(file.path());
    if (!image) {
      CHECK(!image.error().kind.empty());
      continue;
    }
    ++opened;
    const auto map = analyse(image.value());
    if (map) {
      const CodeMap& m = map.value();
      CHECK(m.text == m.code + m.data + m.padding + m.doubt);
    }
    (void)image.value().describe(image.value().entry());
  }
  CHECK(opened > 100);  // else the mutations test the first check only
  CHECK(opened < 1900);
}
