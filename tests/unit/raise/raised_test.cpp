// Raised files: LIEF's view of both, and whether they run.

#include <LIEF/ELF.hpp>
#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>

#include "tests/unit/raise/sample.h"

namespace punster {
namespace {

constexpr std::uint64_t by = 0x80000000;

void write(const std::filesystem::path& path, std::span<const std::uint8_t> bytes) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
}

/// Raises `from` to the file `to`.
void raise(const std::filesystem::path& from, const std::filesystem::path& to) {
  const auto view = ElfView::open(from);
  REQUIRE(view);
  const auto words = address_words(view.value());
  INFO((words ? "" : words.error().message));
  REQUIRE(words);
  const auto result = raised(view.value(), words.value(), Bytes{by});
  REQUIRE(result);
  write(to, result.value().file());
}

bool moves(const LIEF::ELF::Symbol& s) {
  const auto section = s.shndx();
  return static_cast<unsigned>(s.type()) != STT_TLS && section != SHN_ABS &&
         (section != SHN_UNDEF || s.value() != 0);
}

/// LIEF's opinion: every address is higher by `by`, nothing else differs.
void compare(const std::filesystem::path& before, const std::filesystem::path& after) {
  const auto a = LIEF::ELF::Parser::parse(before.string()),
             b = LIEF::ELF::Parser::parse(after.string());
  REQUIRE(a);
  REQUIRE(b);
  CHECK(b->entrypoint() == (a->entrypoint() == 0 ? 0 : a->entrypoint() + by));
  for (std::size_t i = 0; i < a->segments().size(); ++i) {
    const auto &x = a->segments()[i], &y = b->segments()[i];
    const bool stack = static_cast<std::uint32_t>(x.type()) == PT_GNU_STACK;
    CHECK(y.virtual_address() == x.virtual_address() + (stack ? 0 : by));
    CHECK(y.file_offset() == x.file_offset());
  }
  for (std::size_t i = 0; i < a->sections().size(); ++i) {
    const auto &x = a->sections()[i], &y = b->sections()[i];
    CHECK(y.virtual_address() == x.virtual_address() + ((x.flags() & SHF_ALLOC) ? by : 0));
  }
  // LIEF hands out relocations sorted in its own way; their sum of differences cannot hide an error
  // that each of them would show.
  const auto &ra = a->relocations(), &rb = b->relocations();
  REQUIRE(ra.size() == rb.size());
  for (std::size_t i = 0; i < ra.size(); ++i) {
    CHECK(rb[i].type() == ra[i].type());
    if (ra[i].type() == R_X86_64_NONE) continue;
    CHECK(rb[i].address() == ra[i].address() + by);
    const bool based = ra[i].type() == R_X86_64_RELATIVE || ra[i].type() == R_X86_64_IRELATIVE;
    CHECK(rb[i].addend() == ra[i].addend() + (based ? std::int64_t{by} : 0));
  }
  for (const auto& [x, y] : {std::pair(a->dynamic_symbols(), b->dynamic_symbols()),
                             std::pair(a->static_symbols(), b->static_symbols())})
    for (std::size_t i = 1; i < x.size(); ++i) {
      INFO(x[i].name());
      if (x[i].shndx() < a->sections().size() && x[i].shndx() != SHN_UNDEF &&
          !(a->sections()[x[i].shndx()].flags() & SHF_ALLOC))
        continue;
      CHECK(y[i].value() == x[i].value() + (moves(x[i]) ? by : 0));
    }
}

const std::string loader = R"(
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
int main(int argc, char **argv) {
  for (int i = 0; i < 2; ++i) {
    void *library = dlopen(argv[1], i ? RTLD_NOW : RTLD_LAZY);
    if (!library) { puts(dlerror()); return 1; }
    int (*check)(void) = (int (*)(void))dlsym(library, "check");
    Dl_info info;
    if (!dladdr((void *)check, &info) || !info.dli_sname) return 2;
    printf("%s %d\n", info.dli_sname, check());
    fflush(stdout);
    if (dlclose(library)) return 3;
  }
  return 0;
}
)";
const std::string expected = "check 42\nunloaded\ncheck 42\nunloaded\n";

}  // namespace

TEST_CASE("a raised object says the same, higher, and runs", "[raise]") {
  const Workshop shop;
  const auto program = shop.compile("loader", loader, "");
  for (const std::string flags :
       {"-z lazy", "-z now", "-z norelro", "-nostartfiles", "-Wl,-z,pack-relative-relocs",
        "-Wl,-z,noseparate-code", "-mtls-dialect=gnu2", "-Wl,--hash-style=sysv", "-s",
        "-Wl,-Bsymbolic", "-fuse-ld=gold", "-fuse-ld=lld", "-fuse-ld=lld -Wl,-z,now",
        "-Wl,-z,max-page-size=0x200000", "-Wl,-Ttext-segment=0x10000000",
        "-Wl,-z,stack-size=1048576"}) {
    INFO(flags);
    const auto original = shop.compile("sample.so", sample_source(), "-shared -fPIC " + flags);
    const auto lifted = shop.file("raised.so");
    raise(original, lifted);
    CHECK(run(program.string() + " " + original.string()).output == expected);
    CHECK(run(program.string() + " " + lifted.string()).output == expected);
    if (flags.find("relr") == std::string::npos && flags.find("pack") == std::string::npos)
      compare(original, lifted);  // LIEF 0.9 does not know DT_RELR
  }
}

TEST_CASE("every dynamic tag that holds an address is raised, and no other", "[raise]") {
  const Workshop shop;
  const auto original =
      shop.compile("sample.so", sample_source(),
                   "-shared -fPIC -z lazy -mtls-dialect=gnu2 -Wl,--hash-style=both");
  const auto view = ElfView::open(original).value();
  const auto words = address_words(view).value();
  const std::set<std::int64_t> pointers = {
      DT_PLTGOT,      DT_HASH,        DT_STRTAB, DT_SYMTAB,     DT_RELA,
      DT_INIT,        DT_FINI,        DT_JMPREL, DT_INIT_ARRAY, DT_GNU_HASH,
      DT_TLSDESC_PLT, DT_TLSDESC_GOT, DT_VERSYM, DT_VERNEED,    DT_FINI_ARRAY};
  std::size_t seen = 0;
  const auto dynamic = DynamicSection::read(view).value();
  for (const auto& entry : dynamic.entries()) {
    INFO(entry.tag);
    seen += pointers.count(entry.tag);
    CHECK(std::binary_search(words.begin(), words.end(), entry.offset + Bytes{8}) ==
          (pointers.count(entry.tag) == 1));
  }
  CHECK(seen == pointers.size());
  const auto got = view.to_offset(Vaddr{dynamic.find(DT_PLTGOT)->value}).value();
  CHECK(std::binary_search(words.begin(), words.end(), got));  // which names the dynamic section
}

TEST_CASE("without section headers symbols are found through the hash tables", "[raise]") {
  const Workshop shop;
  for (const std::string style : {"sysv", "gnu", "gnu -fvisibility=hidden"}) {  // the last: empty
    const auto original =
        shop.compile("sample.so", sample_source(), "-shared -fPIC -s -Wl,--hash-style=" + style);
    const auto words = address_words(ElfView::open(original).value()).value();
    Draft draft(shop, original);
    auto header = draft.read<Elf64_Ehdr>(0);
    const auto sections = FileOffset{header.e_shoff};
    header.e_shoff = header.e_shnum = header.e_shstrndx = 0;
    draft.write(0, header);
    const auto found = address_words(draft.open().value()).value();
    // The section headers are the last thing in the file.
    const auto kept = std::lower_bound(words.begin(), words.end(), sections);
    CHECK(std::equal(words.begin(), kept, found.begin(), found.end()));
  }
}

TEST_CASE("a raised PIE runs", "[raise]") {
  const Workshop shop;
  const auto original = shop.compile("program", program_source(), "-pie -fPIE");
  const auto lifted = shop.file("raised");
  raise(original, lifted);
  compare(original, lifted);
  CHECK(run(lifted.string() + " x").output == run(original.string() + " x").output);
}

TEST_CASE("under -z mark-plt the addends of slots are addresses", "[raise]") {
  const Workshop shop;
  const auto original = shop.compile("sample.so", sample_source(), "-shared -fPIC -z lazy");
  Draft draft(shop, original);
  const auto slot = draft.relocation(R_X86_64_JUMP_SLOT);
  const auto table = draft.read<Elf64_Shdr>(draft.section(".plt")).sh_addr;
  auto rela = draft.read<Elf64_Rela>(slot);
  rela.r_addend = static_cast<Elf64_Sxword>(table + 16);
  draft.write(slot, rela);
  const FileOffset addend{slot + offsetof(Elf64_Rela, r_addend)};
  const auto has = [&] {
    const auto words = address_words(draft.open().value()).value();
    return std::binary_search(words.begin(), words.end(), addend);
  };
  CHECK_FALSE(has());
  const auto spare = DynamicSection::read(draft.open().value()).value().spares().at(0);
  draft.write(spare.value, Elf64_Dyn{0x70000000, {table}});
  CHECK(has());
}

TEST_CASE("Debian's own libraries, raised, look the same to LIEF", "[raise]") {
  const Workshop shop;
  for (const std::string name :
       {"libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libz.so.1"}) {
    const std::filesystem::path path = "/lib/x86_64-linux-gnu/" + name;
    if (!std::filesystem::exists(path)) continue;
    INFO(name);
    raise(path, shop.file("raised"));
    compare(path, shop.file("raised"));
  }
}

}  // namespace punster
