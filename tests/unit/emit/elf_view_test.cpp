// Input files that are not what they should be.

#include "backend/emit/elf_view.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>

#include "backend/emit/hook.h"
#include "backend/emit/notes.h"
#include "tests/unit/emit/small_program.h"

namespace punster {
namespace {

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The kind of error that opening `bytes` gives, or "" when it opens.
std::string kind_of(const Workshop& shop, const std::string& bytes) {
  std::ofstream(shop.file("input"), std::ios::binary) << bytes;
  const auto view = ElfView::open(shop.file("input"));
  if (view) return "";
  CHECK(view.error().message.find(shop.file("input").string()) == 0);
  CHECK(view.error().message.find('\n') == std::string::npos);
  return view.error().kind;
}

template <typename T>
std::string with(std::string bytes, std::size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
  return bytes;
}

/// File offset of a field of the n-th PT_LOAD.
std::size_t of_load(const std::string& bytes, unsigned n, std::size_t field) {
  Elf64_Ehdr header;
  std::memcpy(&header, bytes.data(), sizeof header);
  for (std::size_t at = header.e_phoff;; at += sizeof(Elf64_Phdr)) {
    Elf64_Phdr p;
    std::memcpy(&p, bytes.data() + at, sizeof p);
    if (p.p_type == PT_LOAD && n-- == 0) return at + field;
  }
}

}  // namespace

TEST_CASE("every kind of unsuitable file has its own error", "[elf_view]") {
  const Workshop shop;
  const auto good = contents(shop.compile("program", program_source(), ""));
  CHECK(kind_of(shop, good) == "");
  CHECK(kind_of(shop, "") == "not_elf");
  CHECK(kind_of(shop, "#!/bin/sh\n") == "not_elf");
  CHECK(kind_of(shop, std::string(4096, '\0')) == "not_elf");
  CHECK(kind_of(shop, with<char>(good, EI_CLASS, ELFCLASS32)) == "unsupported_class");
  CHECK(kind_of(shop, with<char>(good, EI_DATA, ELFDATA2MSB)) == "unsupported_byte_order");
  CHECK(kind_of(shop, with<Elf64_Half>(good, offsetof(Elf64_Ehdr, e_machine), EM_AARCH64)) ==
        "unsupported_machine");
  CHECK(kind_of(shop, with<Elf64_Half>(good, offsetof(Elf64_Ehdr, e_type), ET_REL)) == "unsupported_type");
  CHECK(kind_of(shop, with<Elf64_Half>(good, offsetof(Elf64_Ehdr, e_phnum), 0)) == "malformed");
  CHECK(kind_of(shop, with<Elf64_Half>(good, offsetof(Elf64_Ehdr, e_phentsize), 32)) == "malformed");
  CHECK(kind_of(shop, with<Elf64_Off>(good, offsetof(Elf64_Ehdr, e_phoff), ~0ull - 8)) == "malformed");
  CHECK(kind_of(shop, with<Elf64_Off>(good, offsetof(Elf64_Ehdr, e_shoff), ~0ull - 8)) == "malformed");
  CHECK(ElfView::open(shop.file("nothing")).error().kind == "unreadable");
  CHECK(ElfView::open("/tmp").error().kind == "unreadable");
}

TEST_CASE("segments that overlap, wrap or are larger in the file are malformed", "[elf_view]") {
  const Workshop shop;
  const auto good = contents(shop.compile("program", program_source(), ""));
  const auto address = offsetof(Elf64_Phdr, p_vaddr);
  CHECK(kind_of(shop, with<Elf64_Addr>(good, of_load(good, 1, address), 0)) == "malformed");
  CHECK(kind_of(shop, with<Elf64_Addr>(good, of_load(good, 3, address), 0 - 4096ull)) == "malformed");
  CHECK(kind_of(shop, with<Elf64_Addr>(good, of_load(good, 3, address), 1)) == "malformed");
  CHECK(kind_of(shop, with<Elf64_Xword>(good, of_load(good, 1, offsetof(Elf64_Phdr, p_memsz)), 1)) ==
        "malformed");
  CHECK(kind_of(shop, with<Elf64_Xword>(good, of_load(good, 3, offsetof(Elf64_Phdr, p_memsz)), ~0ull)) ==
        "malformed");
  CHECK(kind_of(shop, with<Elf64_Xword>(good, of_load(good, 3, offsetof(Elf64_Phdr, p_filesz)), ~0ull)) ==
        "malformed");
}

TEST_CASE("a file truncated anywhere in its headers is refused", "[elf_view]") {
  const Workshop shop;
  const auto good = contents(shop.compile("program", program_source(), ""));
  for (std::size_t size = 0; size < 4096; size += 64) {
    INFO(size);
    const auto kind = kind_of(shop, good.substr(0, size));
    CHECK((kind == "not_elf" || kind == "malformed"));
  }
}

TEST_CASE("damaged headers are refused or read, never fatal", "[elf_view]") {
  const Workshop shop;
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (const std::string flags : {"", "-shared -fPIC"}) {
    const auto good = contents(shop.compile("program", program_source(), flags));
    for (int i = 0; i < 150; ++i) {
      auto bytes = good;
      for (unsigned k = random() % 4 + 1; k > 0; --k)
        bytes[random() % 0x400] = static_cast<char>(random() % 3 ? random() : 0xff);
      std::ofstream(shop.file("input"), std::ios::binary) << bytes;
      const auto view = ElfView::open(shop.file("input"));
      if (!view) continue;
      if (footprint(view.value())) (void)find_hook(view.value(), true);
      (void)clear_features(view.value(), 3);
      (void)fresh_build_id(view.value(), std::vector<std::uint8_t>(32));
      (void)view.value().bytes_at(Vaddr{random()}, Bytes{~0ull});
    }
  }
}

TEST_CASE("kinds of file", "[elf_view]") {
  const Workshop shop;
  const auto kind = [&](const std::filesystem::path& file) {
    return std::string(to_string(ElfView::open(file).value().kind()));
  };
  CHECK(kind(shop.compile("a", program_source(), "-pie -fPIE")) == "pie");
  CHECK(kind(shop.compile("a", program_source(), "-no-pie")) == "exec");
  CHECK(kind(shop.compile("a", program_source(), "-static")) == "static");
  CHECK(kind(shop.compile("a", program_source(), "-static-pie")) == "static-pie");
  CHECK(kind(shop.compile("a", program_source(), "-shared -fPIC")) == "dso");
  CHECK(kind("/lib/x86_64-linux-gnu/libc.so.6") == "dso");  // although it has a PT_INTERP
}

TEST_CASE("addresses and offsets lead to each other within file bytes only", "[elf_view]") {
  const Workshop shop;
  const auto view =
      ElfView::open(shop.compile("a", program_source() + "char zeros[99999];", "-no-pie")).value();
  const auto site = symbol(shop.file("a"), "site"), zeros = symbol(shop.file("a"), "zeros");
  const auto offset = view.to_offset(site);
  REQUIRE(offset);
  CHECK(view.file()[offset->value] == 0xb8);
  CHECK(view.to_vaddr(*offset) == site);
  CHECK(view.bytes_at(site, Bytes{1})[0] == 0xb8);
  CHECK(view.executable(site));
  CHECK_FALSE(view.executable(zeros));
  CHECK_FALSE(view.to_offset(zeros + Bytes{50000}));
  CHECK(view.bytes_at(zeros + Bytes{50000}, Bytes{1}).empty());
  CHECK_FALSE(view.to_offset(Vaddr{0x1000}));
}

TEST_CASE("what cannot be rewritten is refused with the reason", "[elf_view]") {
  const Workshop shop;
  const auto refused = [&](const std::filesystem::path& file) {
    const auto place = footprint(ElfView::open(file).value());
    return place ? "" : place.error().kind;
  };
  CHECK(refused(shop.compile("rwx", answer_source(), "-Wl,--omagic -nostdlib -static -Wl,-e,site 2>/dev/null")) == "unsupported");
  CHECK(refused(shop.compile("textrel", "int x; __asm__(\".text\\n.quad x\\n\");",
                             "-shared -nostdlib -Wl,-z,notext")) == "unsupported");
  CHECK(refused(shop.compile("huge", program_source() + "char b[1l << 31];", "-no-pie -mcmodel=medium")) ==
        "no_room");
}

}  // namespace punster
