// Every carrier of an address, corrupted in turn: refused, and the reason names what is wrong.

#include <catch2/catch.hpp>

#include "tests/unit/raise/sample.h"

namespace punster {
namespace {

constexpr std::uint64_t outside = 0x7000000000;

struct Corruption {
  const char* what;
  const char* reason;  ///< a part of the message
  std::function<void(Draft&)> apply;
};

template <typename T, typename Member>
void set(Draft& draft, std::uint64_t at, Member T::*member, std::uint64_t value) {
  auto entry = draft.read<T>(at);
  entry.*member = static_cast<Member>(value);
  draft.write(at, entry);
}
void set_tag(Draft& draft, std::int64_t from, std::int64_t to) {
  set(draft, draft.dynamic(from), &Elf64_Dyn::d_tag, static_cast<std::uint64_t>(to));
}
void set_value(Draft& draft, std::int64_t tag, std::uint64_t value) {
  draft.write(draft.dynamic(tag) + 8, value);
}
std::uint64_t data_of(Draft& draft) {
  return draft.read<Elf64_Shdr>(draft.section(".data")).sh_addr;
}

const std::vector<Corruption>& corruptions() {
  using D = Draft&;
  static const std::vector<Corruption> all = {
      {"entry point", "its entry point", [](D d) { set(d, 0, &Elf64_Ehdr::e_entry, data_of(d)); }},
      {"segment elsewhere", "program header",
       [](D d) { set(d, d.segment(PT_GNU_EH_FRAME), &Elf64_Phdr::p_vaddr, outside); }},
      {"segment shifted", "program header",
       [](D d) { set(d, d.segment(PT_DYNAMIC), &Elf64_Phdr::p_vaddr, data_of(d)); }},
      {"segment too long", "program header",
       [](D d) { set(d, d.segment(PT_TLS), &Elf64_Phdr::p_vaddr, outside); }},
      {"section elsewhere", "section",
       [](D d) { set(d, d.section(".text"), &Elf64_Shdr::sh_addr, outside); }},
      {"section shifted", "section",
       [](D d) { set(d, d.section(".data"), &Elf64_Shdr::sh_offset, 0); }},
      {"dynamic pointer", "dynamic tag 0x5 holds", [](D d) { set_value(d, DT_STRTAB, outside); }},
      {"initialiser no code", "dynamic tag 0xc holds",
       [](D d) { set_value(d, DT_INIT, data_of(d)); }},
      {"finaliser no code", "dynamic tag 0xd holds",
       [](D d) { set_value(d, DT_FINI, data_of(d)); }},
      {"unknown tag", "unknown dynamic tag", [](D d) { set_tag(d, DT_RELACOUNT, 0x6ffffd00); }},
      {"unknown tag of the processor", "unknown dynamic tag",
       [](D d) { set_tag(d, DT_RELACOUNT, 0x70000002); }},
      {"Android's relocations", "Android", [](D d) { set_tag(d, DT_RELACOUNT, 0x60000011); }},
      {"Android's RELR", "Android", [](D d) { set_tag(d, DT_RELACOUNT, 0x6fffe000); }},
      {"DT_REL", "without addends", [](D d) { set_tag(d, DT_RELACOUNT, DT_REL); }},
      {"PLTREL", "no addends", [](D d) { set_value(d, DT_PLTREL, DT_REL); }},
      {"prelinked", "prelinked", [](D d) { set_tag(d, DT_RELACOUNT, DT_GNU_PRELINKED); }},
      {"text relocations", "DT_TEXTREL", [](D d) { set_tag(d, DT_RELACOUNT, DT_TEXTREL); }},
      {"text relocations, by flag", "DF_TEXTREL",
       [](D d) {
         set_tag(d, DT_RELACOUNT, DT_FLAGS);
         set_value(d, DT_RELACOUNT, DF_TEXTREL);
       }},
      {"table of relocations cut", "no whole number", [](D d) { set_value(d, DT_RELASZ, 25); }},
      {"table of relocations outside", "do not lie in the file",
       [](D d) { set_value(d, DT_RELASZ, 24 * 100000); }},
      {"place of a relocation", "applies to no memory",
       [](D d) { set(d, d.relocation(R_X86_64_RELATIVE), &Elf64_Rela::r_offset, outside); }},
      {"place of a slot", "applies to no memory",
       [](D d) { set(d, d.relocation(R_X86_64_JUMP_SLOT), &Elf64_Rela::r_offset, outside); }},
      {"addend", "points outside",
       [](D d) { set(d, d.relocation(R_X86_64_RELATIVE), &Elf64_Rela::r_addend, outside); }},
      {"resolver", "which is no code",
       [](D d) { set(d, d.relocation(R_X86_64_IRELATIVE), &Elf64_Rela::r_addend, data_of(d)); }},
      {"type of relocation", "unknown type",
       [](D d) { set(d, d.relocation(R_X86_64_GLOB_DAT), &Elf64_Rela::r_info, R_X86_64_32); }},
      {"relocation without symbol", "names no symbol",
       [](D d) {
         set(d, d.relocation(R_X86_64_GLOB_DAT), &Elf64_Rela::r_info, R_X86_64_GLOB_DAT);
       }},
      {"slot of the linkage table", "slot at",
       [](D d) {
         const auto slot = d.read<Elf64_Rela>(d.relocation(R_X86_64_JUMP_SLOT)).r_offset;
         d.write(d.offset_of(slot), data_of(d));
       }},
      {"slot twice", "two tables hold an address",
       [](D d) {
         const auto at = d.relocation(R_X86_64_JUMP_SLOT);
         const auto slot = d.read<Elf64_Rela>(at).r_offset;
         set(d, at + sizeof(Elf64_Rela), &Elf64_Rela::r_offset, slot);
       }},
      {"global offset table", "global offset table begins",
       [](D d) { d.write(d.pointed_to(DT_PLTGOT), data_of(d)); }},
      {"lost initialiser", "has no relocation",
       [](D d) {
         const auto slot = d.read<Elf64_Dyn>(d.dynamic(DT_INIT_ARRAY)).d_un.d_ptr;
         for (auto at = d.pointed_to(DT_RELA);; at += sizeof(Elf64_Rela))
           if (d.read<Elf64_Rela>(at).r_offset == slot)
             return set(d, at, &Elf64_Rela::r_info, R_X86_64_NONE);
       }},
      {"initialisers cut", "are cut off", [](D d) { set_value(d, DT_INIT_ARRAYSZ, 9); }},
      {"symbol", "does not lie in the image",
       [](D d) { set(d, d.symbol(STT_FUNC), &Elf64_Sym::st_value, outside); }},
      {"section of a symbol", "unknown kind of section",
       [](D d) { set(d, d.symbol(STT_FUNC), &Elf64_Sym::st_shndx, 0xff10); }},
      {"symbols of .symtab", "does not lie in the image",
       [](D d) {
         auto at = d.read<Elf64_Shdr>(d.section(".symtab")).sh_offset;
         while (ELF64_ST_TYPE(d.read<Elf64_Sym>(at).st_info) != STT_FUNC) at += sizeof(Elf64_Sym);
         set(d, at, &Elf64_Sym::st_value, outside);
       }},
      {"symbols outside of the file", "symbols do not lie in the file",
       [](D d) { set(d, d.section(".symtab"), &Elf64_Shdr::sh_offset, outside); }},
      {"hash table", "hash table is cut off",
       [](D d) { d.write(d.pointed_to(DT_GNU_HASH), std::uint32_t{0x10000000}); }},
      {"alignment", "alignment",
       [](D d) { set(d, d.segment(PT_DYNAMIC), &Elf64_Phdr::p_align, 24); }},
      {"alignment above 1 GiB", "alignment",
       [](D d) { set(d, d.segment(PT_TLS), &Elf64_Phdr::p_align, 1ull << 31); }},
      {"debug information", "debug information",
       [](D d) {
         const auto comment = d.read<Elf64_Shdr>(d.section(".comment"));
         const auto names = d.read<Elf64_Shdr>(d.section(".shstrtab")).sh_offset;
         std::memcpy(d.bytes.data() + names + comment.sh_name, ".debug_x", 9);
       }},
      {"kept relocations", "--emit-relocs",
       [](D d) { set(d, d.section(".comment"), &Elf64_Shdr::sh_type, SHT_RELA); }},
      {"probes without base", ".stapsdt.base",
       [](D d) { set(d, d.section(".stapsdt.base"), &Elf64_Shdr::sh_flags, 0); }},
  };
  return all;
}

std::string refusal(const Draft& draft) {
  const auto view = draft.open();
  if (!view) return view.error().message;  // some faults nothing gets past
  if (const auto words = address_words(view.value()); !words) {
    CHECK(words.error().kind == "cannot_raise");
    return words.error().message;
  }
  const auto unit = raise_unit(view.value());
  return unit ? "" : unit.error().message;
}

}  // namespace

TEST_CASE("each carrier of an address, corrupted, refuses with its reason", "[raise][refusals]") {
  const Workshop shop;
  const auto original = shop.compile("sample.so", sample_source(), "-shared -fPIC -z lazy");
  REQUIRE(refusal(Draft(shop, original)).empty());
  for (const auto& corruption : corruptions()) {
    Draft draft(shop, original);
    corruption.apply(draft);
    INFO(corruption.what);
    CHECK_THAT(refusal(draft), Catch::Contains(corruption.reason));
  }
}

TEST_CASE("packed relocations, corrupted, refuse with their reason", "[raise][refusals]") {
  const Workshop shop;
  const auto original =
      shop.compile("sample.so", sample_source(), "-shared -fPIC -Wl,-z,pack-relative-relocs");
  REQUIRE(refusal(Draft(shop, original)).empty());
  const auto damaged = [&](std::uint64_t word_of_table, std::uint64_t value) {
    Draft draft(shop, original);
    draft.write(draft.pointed_to(36) + word_of_table * 8, value);
    return refusal(draft);
  };
  Draft draft(shop, original);
  const auto first = draft.read<std::uint64_t>(draft.pointed_to(36));
  CHECK_THAT(damaged(0, 3), Catch::Contains("begins with a bitmap"));
  CHECK_THAT(damaged(0, outside), Catch::Contains("applies to no bytes"));
  CHECK_THAT(damaged(1, first), Catch::Contains("has no relocation"));
  draft.write(draft.offset_of(first), outside);
  CHECK_THAT(refusal(draft), Catch::Contains("points outside"));
}

TEST_CASE("what must stay where it is says why", "[raise][refusals]") {
  const Workshop shop;
  const auto why = [&](const std::string& flags) {
    return refusal(Draft(shop, shop.compile("file", program_source(), flags)));
  };
  CHECK_THAT(why("-no-pie"), Catch::Contains("fixed address"));
  CHECK_THAT(why("-static"), Catch::Contains("fixed address"));
  CHECK_THAT(why("-static-pie"), Catch::Contains("relocates itself"));
  CHECK_THAT(why("-shared -fPIC -Wl,-soname,ld-mine.so.1"), Catch::Contains("dynamic loader"));
  CHECK_THAT(why("-shared -fPIC -g"), Catch::Contains("debug information"));
  CHECK_THAT(why("-shared -fPIC -Wl,--emit-relocs"), Catch::Contains("--emit-relocs"));
  CHECK(why("-shared -fPIC").empty());
  CHECK(why("-pie -fPIE").empty());
  CHECK_THAT(refusal(Draft(shop, "/lib64/ld-linux-x86-64.so.2")),
             Catch::Contains("dynamic loader"));
  // Under whatever name it is installed.
  const auto loader =
      shop.compile("file", program_source() + "void _dl_debug_state(void) {}", "-shared -fPIC");
  CHECK_THAT(refusal(Draft(shop, loader)), Catch::Contains("dynamic loader"));
}

}  // namespace punster
