// Which dynamic tags hold addresses. The gABI says that even tags above 31 do, Solaris gave two
// ranges of numbers to one and the other, and neither rule has been kept. So: a table, and what is
// not in it refuses.

#include <algorithm>
#include <iterator>

#include "backend/raise/carriers.h"

namespace punster {
namespace {

constexpr const char* prelinked = "it is prelinked";
constexpr const char* packed = "its relocations are packed (Android)";
constexpr const char* no_addends = "it has relocations without addends (DT_REL)";
constexpr const char* solaris = "it has tables of Solaris";

struct Tag {
  std::int64_t tag;
  TagKind kind;
  const char* why = "";
};

constexpr auto number = TagKind::number, address = TagKind::address, code = TagKind::code,
               refused = TagKind::refused;

// Ascending. Numbers where <elf.h> of Debian 12 has no name.
constexpr Tag tags[] = {
    {DT_NEEDED, number},
    {DT_PLTRELSZ, number},
    {DT_PLTGOT, address},
    {DT_HASH, address},
    {DT_STRTAB, address},
    {DT_SYMTAB, address},
    {DT_RELA, address},
    {DT_RELASZ, number},
    {DT_RELAENT, number},
    {DT_STRSZ, number},
    {DT_SYMENT, number},
    {DT_INIT, code},
    {DT_FINI, code},
    {DT_SONAME, number},
    {DT_RPATH, number},
    {DT_SYMBOLIC, number},
    {DT_REL, refused, no_addends},
    {DT_RELSZ, refused, no_addends},
    {DT_RELENT, refused, no_addends},
    {DT_PLTREL, number},
    {DT_DEBUG, number},  // ld.so writes it
    {DT_TEXTREL, refused, "it has relocations in its code (DT_TEXTREL)"},
    {DT_JMPREL, address},
    {DT_BIND_NOW, number},
    {DT_INIT_ARRAY, address},
    {DT_FINI_ARRAY, address},
    {DT_INIT_ARRAYSZ, number},
    {DT_FINI_ARRAYSZ, number},
    {DT_RUNPATH, number},
    {DT_FLAGS, number},
    {DT_PREINIT_ARRAY, address},
    {DT_PREINIT_ARRAYSZ, number},
    {DT_SYMTAB_SHNDX, address},
    {35, number},                   // DT_RELRSZ
    {36, address},                  // DT_RELR
    {37, number},                   // DT_RELRENT
    {0x6000000f, refused, packed},  // DT_ANDROID_REL
    {0x60000010, refused, packed},  // DT_ANDROID_RELSZ
    {0x60000011, refused, packed},  // DT_ANDROID_RELA
    {0x60000012, refused, packed},  // DT_ANDROID_RELASZ
    {0x6fffe000, refused, packed},  // DT_ANDROID_RELR
    {0x6fffe001, refused, packed},  // DT_ANDROID_RELRSZ
    {0x6fffe003, refused, packed},  // DT_ANDROID_RELRENT
    {0x6ffffdf4, number},           // DT_GNU_FLAGS_1
    {DT_GNU_PRELINKED, refused, prelinked},
    {DT_GNU_CONFLICTSZ, refused, prelinked},
    {DT_GNU_LIBLISTSZ, refused, prelinked},
    {DT_CHECKSUM, refused, prelinked},
    {DT_PLTPADSZ, refused, solaris},
    {DT_MOVEENT, refused, solaris},
    {DT_MOVESZ, refused, solaris},
    {DT_FEATURE_1, number},
    {DT_POSFLAG_1, number},
    {DT_SYMINSZ, refused, solaris},
    {DT_SYMINENT, refused, solaris},
    {DT_GNU_HASH, address},
    {DT_TLSDESC_PLT, address},
    {DT_TLSDESC_GOT, address},
    {DT_GNU_CONFLICT, refused, prelinked},
    {DT_GNU_LIBLIST, refused, prelinked},
    {DT_CONFIG, number},  // three names in the string table, whatever their range says
    {DT_DEPAUDIT, number},
    {DT_AUDIT, number},
    {DT_PLTPAD, refused, solaris},
    {DT_MOVETAB, refused, solaris},
    {DT_SYMINFO, refused, solaris},
    {DT_VERSYM, address},
    {DT_RELACOUNT, number},
    {DT_RELCOUNT, refused, no_addends},
    {DT_FLAGS_1, number},
    {DT_VERDEF, address},
    {DT_VERDEFNUM, number},
    {DT_VERNEED, address},
    {DT_VERNEEDNUM, number},
    {0x70000000, address},  // DT_X86_64_PLT
    {0x70000001, number},   // DT_X86_64_PLTSZ
    {0x70000003, number},   // DT_X86_64_PLTENT
    {DT_AUXILIARY, number},
    {0x7ffffffe, number},  // DT_USED
    {DT_FILTER, number},
};
static_assert(std::is_sorted(std::begin(tags), std::end(tags),
                             [](const Tag& a, const Tag& b) { return a.tag < b.tag; }));

}  // namespace

TagMeaning meaning_of_tag(std::int64_t tag) {
  const auto* found =
      std::lower_bound(std::begin(tags), std::end(tags), tag,
                       [](const Tag& t, std::int64_t wanted) { return t.tag < wanted; });
  if (found == std::end(tags) || found->tag != tag) return {};
  return {found->kind, found->why};
}

Result<void> add_dynamic_section(const ElfView& input, const DynamicSection& dynamic,
                                 WordList& words) {
  for (const auto& entry : dynamic.entries()) {
    const auto name = "dynamic tag " + to_hex(Vaddr{static_cast<std::uint64_t>(entry.tag)});
    const auto meaning = meaning_of_tag(entry.tag);
    if (meaning.kind == TagKind::refused)
      return cannot_raise(input, std::string(meaning.why) + " (" + name + ")");
    if (meaning.kind == TagKind::number) continue;
    if (!words.in_image(entry.value) ||
        (meaning.kind == TagKind::code && !input.executable(Vaddr{entry.value})))
      return cannot_raise(input, name + " holds " + to_hex(Vaddr{entry.value}) +
                                     ", which does not lie in its " +
                                     (meaning.kind == TagKind::code ? "code" : "image"));
    words.add(entry.offset + Bytes{offsetof(Elf64_Dyn, d_un)});
  }
  if (const auto flags = dynamic.find(DT_FLAGS); flags && (flags->value & DF_TEXTREL))
    return cannot_raise(input, "it has relocations in its code (DF_TEXTREL)");
  return success();
}

}  // namespace punster
