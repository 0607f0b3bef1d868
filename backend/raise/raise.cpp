// Problem: a rewritten shared object may only use addresses above itself, because ld.so reserves
// memory from its lowest to its highest program header and from nowhere else, and no header can
// have a negative address. Half of all jump targets are lost: in libc one jump in two hundred then
// fits nowhere.
//
// Nothing says that an object must be linked at 0. With a constant D added to every address it says
// the same as before, and has D bytes of room below. The machine code does not notice: it is
// position-independent, and everything that it refers to moves with it.
//
//   before    0 | image |                  raised    0 | D bytes for trampolines | image |
//
// What must move is every *stored* address. They are of many kinds, but all are 8-byte words, so
// the whole pass is one question: where in the file are they?
//
//   headers        e_entry; p_vaddr, p_paddr; sh_addr of sections in memory
//
//   dynamic_tags   the dynamic section: which tags hold addresses is a table; unknown ones refuse
//
//   relocations    r_offset of all; addends of RELATIVE, IRELATIVE, and of JUMP_SLOT under
//                  -z mark-plt; the words of DT_RELR and those in place that they stand for; slots
//                  of the linkage table, which lead back into it until they are bound
//
//   symbols        values of .dynsym and .symtab, unless absolute or thread-local
//
//   refusals       what must not be raised at all, or holds addresses that nobody here moves
//
// Left as they are, on purpose: version tables and hash tables (no addresses); .eh_frame and its
// index (relative); probes of systemtap, whose readers add how far .stapsdt.base has moved; notes;
// thread-local offsets.
//
// A word is checked before it is believed: an address that does not lie in the image, or not in
// code where it must, means that the file is not understood, and then nothing is raised at all.

#include "backend/raise/raise.h"

#include <algorithm>
#include <bit>

#include "backend/raise/carriers.h"

namespace punster {
namespace {

constexpr std::uint64_t least_unit = 2ull << 20;  // a huge page stays one
constexpr std::uint64_t most_unit = 1ull << 30;

}  // namespace

Result<std::vector<FileOffset>> address_words(const ElfView& input) {
  PUNSTER_TRY(refuse_what_must_stay(input));
  PUNSTER_TRY(const auto dynamic, DynamicSection::read(input));
  WordList words(input);
  PUNSTER_TRY(add_headers(input, words));
  PUNSTER_TRY(add_dynamic_section(input, dynamic, words));
  PUNSTER_TRY(const auto relocated, add_relocations(input, dynamic, words));
  PUNSTER_TRY(add_linkage_table(input, dynamic, words));
  PUNSTER_TRY(check_initialisers(input, dynamic, relocated));
  PUNSTER_TRY(add_symbols(input, dynamic, words));
  return std::move(words).sorted();
}

Result<Bytes> raise_unit(const ElfView& input) {
  std::uint64_t unit = least_unit;
  const auto take = [&](std::uint64_t alignment) {
    unit = std::max(unit, alignment);
    return alignment == 0 || (std::has_single_bit(alignment) && alignment <= most_unit);
  };
  for (const auto& p : input.segments())
    if (!take(p.p_align))
      return cannot_raise(input, "a segment has the alignment " + to_hex(Vaddr{p.p_align}));
  for (const auto& s : input.sections())
    if ((s.sh_flags & SHF_ALLOC) && !take(s.sh_addralign))
      return cannot_raise(input, "a section has the alignment " + to_hex(Vaddr{s.sh_addralign}));
  return Bytes{unit};
}

Result<ElfView> raised(const ElfView& input, std::span<const FileOffset> words, Bytes by) {
  return input.with_added(words, by);
}

}  // namespace punster
