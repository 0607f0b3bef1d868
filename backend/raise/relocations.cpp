// Relocations: DT_RELA, DT_JMPREL (which some linkers make a part of DT_RELA), DT_RELR.

#include <algorithm>
#include <iterator>

#include "backend/raise/carriers.h"

// Not in every <elf.h>.
#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#endif
#ifndef DT_X86_64_PLT
#define DT_X86_64_PLT 0x70000000
#endif

namespace punster {
namespace {

/// What a type does with its symbol and its addend.
enum class Meaning : std::uint8_t {
  unknown,
  nothing,
  symbol,    ///< an address: symbol + addend
  slot,      ///< likewise, in the linkage table, later perhaps
  own,       ///< address of this object + addend
  resolver,  ///< likewise, of code
  thread_local_offset,
};

Meaning meaning_of(std::uint64_t type) {
  switch (type) {
    case R_X86_64_NONE:
      return Meaning::nothing;
    case R_X86_64_64:
    case R_X86_64_PC32:
    case R_X86_64_PC64:
    case R_X86_64_GLOB_DAT:
    case R_X86_64_COPY:
    case R_X86_64_SIZE32:
    case R_X86_64_SIZE64:
      return Meaning::symbol;
    case R_X86_64_JUMP_SLOT:
      return Meaning::slot;
    case R_X86_64_RELATIVE:
      return Meaning::own;
    case R_X86_64_IRELATIVE:
      return Meaning::resolver;
    case R_X86_64_DTPMOD64:
    case R_X86_64_DTPOFF64:
    case R_X86_64_TPOFF64:
    case R_X86_64_TLSDESC:
      return Meaning::thread_local_offset;
    default:
      return Meaning::unknown;
  }
}

struct Table {
  Vaddr address;
  FileOffset offset;
  std::uint64_t size = 0;
};

class RelocationReader {
 public:
  RelocationReader(const ElfView& input, const DynamicSection& dynamic, WordList& words)
      : input_(input), dynamic_(dynamic), words_(words) {}

  Result<std::vector<std::uint64_t>> run() {
    marks_linkage_table_ = dynamic_.find(DT_X86_64_PLT).has_value();
    PUNSTER_TRY(const auto rela, table(DT_RELA, DT_RELASZ, sizeof(Elf64_Rela)));
    PUNSTER_TRY(const auto jump, table(DT_JMPREL, DT_PLTRELSZ, sizeof(Elf64_Rela)));
    PUNSTER_TRY(const auto packed, table(DT_RELR, DT_RELRSZ, sizeof(std::uint64_t)));
    if (const auto kind = dynamic_.find(DT_PLTREL); kind && kind->value != DT_RELA)
      return cannot_raise(input_, "its linkage table's relocations have no addends (DT_PLTREL)");
    PUNSTER_TRY(add_rela(rela, {}));
    PUNSTER_TRY(add_rela(jump, rela));
    PUNSTER_TRY(add_relr(packed));
    std::sort(relocated_.begin(), relocated_.end());
    return std::move(relocated_);
  }

 private:
  Result<Table> table(std::int64_t tag, std::int64_t size_tag, std::uint64_t entry) const {
    const auto at = dynamic_.find(tag), size = dynamic_.find(size_tag);
    if (!at || !size || size->value == 0) return Table{};
    const auto name = "the relocations at " + to_hex(Vaddr{at->value});
    if (size->value % entry != 0)
      return cannot_raise(input_, name + " are no whole number of entries");
    if (input_.bytes_at(Vaddr{at->value}, Bytes{size->value}).size() != size->value)
      return cannot_raise(input_, name + " do not lie in the file");
    return Table{Vaddr{at->value}, *input_.to_offset(Vaddr{at->value}), size->value};
  }

  Result<void> add_rela(const Table& table, const Table& done) {
    for (std::uint64_t i = 0; i < table.size; i += sizeof(Elf64_Rela)) {
      const FileOffset at = table.offset + Bytes{i};
      if (at.value - done.offset.value < done.size) continue;
      PUNSTER_TRY(const auto r, input_.read<Elf64_Rela>(at));
      PUNSTER_TRY(add_one(r, at));
    }
    return success();
  }

  Result<void> add_one(const Elf64_Rela& r, FileOffset at) {
    const auto type = ELF64_R_TYPE(r.r_info);
    const auto meaning = meaning_of(type);
    const auto refused = [&](const std::string& what) {
      return cannot_raise(input_, "the relocation of " + to_hex(Vaddr{r.r_offset}) + " (type " +
                                      std::to_string(type) + ") " + what);
    };
    if (meaning == Meaning::nothing) return success();
    if (meaning == Meaning::unknown) return refused("is of an unknown type");
    if (!words_.in_memory(r.r_offset, type == R_X86_64_PC32 || type == R_X86_64_SIZE32 ? 4 : 8))
      return refused("applies to no memory of the image");
    if ((meaning == Meaning::symbol || meaning == Meaning::slot) && ELF64_R_SYM(r.r_info) == 0)
      return refused("names no symbol");
    words_.add(at + Bytes{offsetof(Elf64_Rela, r_offset)});
    relocated_.push_back(r.r_offset);

    const auto addend = static_cast<std::uint64_t>(r.r_addend);
    const bool marked = meaning == Meaning::slot && marks_linkage_table_ && addend != 0;
    if (meaning == Meaning::own && !words_.near_image(addend))
      return refused("points outside the image, to " + to_hex(Vaddr{addend}));
    if ((meaning == Meaning::resolver || marked) && !input_.executable(Vaddr{addend}))
      return refused("leads to " + to_hex(Vaddr{addend}) + ", which is no code");
    if (meaning == Meaning::own || meaning == Meaning::resolver || marked)
      words_.add(at + Bytes{offsetof(Elf64_Rela, r_addend)});
    if (meaning == Meaning::slot) return add_slot(r.r_offset);
    return success();
  }

  // Until it is bound, a slot leads back into the linkage table; ld.so only adds the load address.
  Result<void> add_slot(std::uint64_t slot) {
    const auto offset = input_.to_offset(Vaddr{slot});
    if (!offset) return success();  // zeros
    PUNSTER_TRY(const auto word, input_.read<std::uint64_t>(*offset));
    if (word == 0) return success();
    if (!input_.executable(Vaddr{word}))
      return cannot_raise(input_, "the linkage table's slot at " + to_hex(Vaddr{slot}) +
                                      " leads to " + to_hex(Vaddr{word}) + ", which is no code");
    words_.add(*offset);
    return success();
  }

  // An even word is an address, which is relocated; an odd one is a bitmap of the 63 words behind
  // the last one that it or its predecessor covered.
  Result<void> add_relr(const Table& table) {
    std::uint64_t next = 0;
    bool any_address = false;
    for (std::uint64_t i = 0; i < table.size; i += 8) {
      PUNSTER_TRY(const auto word, input_.read<std::uint64_t>(table.offset + Bytes{i}));
      if ((word & 1) == 0) {
        words_.add(table.offset + Bytes{i});
        PUNSTER_TRY(add_in_place(word));
        next = word + 8;
        any_address = true;
        continue;
      }
      if (!any_address) return cannot_raise(input_, "DT_RELR begins with a bitmap");
      for (unsigned bit = 0; bit < 63; ++bit) {
        if ((word >> (bit + 1) & 1) == 0) continue;
        PUNSTER_TRY(add_in_place(next + bit * 8));
      }
      next += 63 * 8;
    }
    return success();
  }

  Result<void> add_in_place(std::uint64_t address) {
    const auto refused = [&](const std::string& what) {
      return cannot_raise(input_,
                          "the packed relocation of " + to_hex(Vaddr{address}) + " " + what);
    };
    const auto offset = input_.to_offset(Vaddr{address});
    if (!offset || input_.bytes_at(Vaddr{address}, Bytes{8}).size() != 8)
      return refused("applies to no bytes of the file");
    PUNSTER_TRY(const auto word, input_.read<std::uint64_t>(*offset));
    if (!words_.near_image(word))
      return refused("points outside the image, to " + to_hex(Vaddr{word}));
    words_.add(*offset);
    relocated_.push_back(address);
    return success();
  }

  const ElfView& input_;
  const DynamicSection& dynamic_;
  WordList& words_;
  bool marks_linkage_table_ =
      false;  // -z mark-plt: a slot's addend is the entry that jumps through it
  std::vector<std::uint64_t> relocated_;
};

}  // namespace

Result<std::vector<std::uint64_t>> add_relocations(const ElfView& input,
                                                   const DynamicSection& dynamic, WordList& words) {
  return RelocationReader(input, dynamic, words).run();
}

// Its first word is the address of the dynamic section, in files with a linkage table that is bound
// lazily; the next two are ld.so's (or a prelinker's). Without one, DT_PLTGOT may name any other
// table.
Result<void> add_linkage_table(const ElfView& input, const DynamicSection& dynamic,
                               WordList& words) {
  const auto table = dynamic.find(DT_PLTGOT);
  const auto offset = table ? input.to_offset(Vaddr{table->value}) : std::nullopt;
  if (!offset || words.has(*offset)) return success();
  PUNSTER_TRY(const auto first, input.read<std::uint64_t>(*offset));
  if (first == 0) return success();
  const auto segments = input.segments();
  const bool dynamic_section = std::any_of(
      segments.begin(), segments.end(),
      [&](const Elf64_Phdr& p) { return p.p_type == PT_DYNAMIC && p.p_vaddr == first; });
  if (!dynamic_section)
    return cannot_raise(input, "the global offset table begins with " + to_hex(Vaddr{first}) +
                                   " instead of the address of the dynamic section");
  words.add(*offset);
  return success();
}

Result<void> check_initialisers(const ElfView& input, const DynamicSection& dynamic,
                                const std::vector<std::uint64_t>& relocated) {
  constexpr std::pair<std::int64_t, std::int64_t> arrays[] = {
      {DT_PREINIT_ARRAY, DT_PREINIT_ARRAYSZ},
      {DT_INIT_ARRAY, DT_INIT_ARRAYSZ},
      {DT_FINI_ARRAY, DT_FINI_ARRAYSZ}};
  for (const auto& [tag, size_tag] : arrays) {
    const auto array = dynamic.find(tag), size = dynamic.find(size_tag);
    if (!array || !size) continue;
    const auto bytes = input.bytes_at(Vaddr{array->value}, Bytes{size->value});
    if (bytes.size() != size->value || size->value % 8 != 0)
      return cannot_raise(input,
                          "its initialisers at " + to_hex(Vaddr{array->value}) + " are cut off");
    for (std::uint64_t i = 0; i < size->value; i += 8) {
      const auto slot = array->value + i;
      if (std::binary_search(relocated.begin(), relocated.end(), slot)) continue;
      return cannot_raise(input,
                          "the initialiser at " + to_hex(Vaddr{slot}) + " has no relocation");
    }
  }
  return success();
}

}  // namespace punster
