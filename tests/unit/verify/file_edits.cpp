// What a rewriter may change of the original's own bytes: the hook's word, one flag, a note.

#include <catch2/catch.hpp>

#include "rewriting.h"

using namespace punster;
using namespace punster::test;

namespace {
constexpr std::uint64_t table = 0x4100, entry_size = sizeof(Elf64_Dyn);

Elf64_Dyn entry(std::int64_t tag, std::uint64_t value) {
  Elf64_Dyn made{};
  made.d_tag = tag;
  made.d_un.d_val = value;
  return made;
}

/// A rewritten shared object: DT_INIT is the hook unless a test says otherwise.
struct Object : Rewriting {
  Vaddr first;
  std::vector<std::pair<std::uint64_t, Machine>> edits;  // of the patched file
  Object(std::vector<Elf64_Dyn> entries, std::uint32_t hook, std::uint64_t original_entry) {
    first = insn({0x05, 0x78, 0x56, 0x34, 0x12});
    const Vaddr next = insn({0xc3});
    const Vaddr body = image(0x1000000);
    patch(first, jump(first, body));
    write(body, Machine{0x05, 0x78, 0x56, 0x34, 0x12} + jump(body + Bytes{5}, next));
    dynamic(entries);
    alter_header = [=](PunsterHeader& header) {
      header.hook = hook;
      header.original_entry = original_entry;
    };
    alter_file = [this](Machine& bytes) {
      for (const auto& [offset, change] : edits)
        std::copy(change.begin(), change.end(),
                  bytes.begin() + static_cast<std::ptrdiff_t>(offset));
    };
  }
  void set_entry(unsigned index, std::int64_t tag, std::uint64_t value) {
    edits.emplace_back(table + index * entry_size, bytes_of(entry(tag, value)));
  }
  std::string judged() { return only_failure(verify()); }
};

const Elf64_Dyn needed = entry(DT_NEEDED, 1), end_mark = entry(DT_NULL, 0);

/// Hooked at a DT_INIT that was there.
struct HookedInit : Object {
  explicit HookedInit(std::vector<Elf64_Dyn> more = {end_mark})
      : Object(joined(std::move(more)), PUNSTER_HOOK_INIT, 0x1005) {
    set_entry(1, DT_INIT, runtime().value);
  }
  static std::vector<Elf64_Dyn> joined(std::vector<Elf64_Dyn> more) {
    more.insert(more.begin(), {needed, entry(DT_INIT, 0x1005)});
    return more;
  }
};
}  // namespace

TEST_CASE("DT_INIT may become the hook", "[file]") {
  CHECK(HookedInit().judged() == "0 failures");
}
TEST_CASE("a DT_INIT that leads past the runtime is rejected", "[file]") {
  HookedInit file;
  file.set_entry(1, DT_INIT, file.runtime().value + 0x1000);
  CHECK(file.judged() == "hook");
}
TEST_CASE("an initialiser that is forgotten is rejected", "[file]") {
  HookedInit file;
  file.alter_header = [](PunsterHeader& header) {
    header.hook = PUNSTER_HOOK_INIT;
    header.original_entry = 0;
  };
  CHECK(file.judged() == "hook");
}
TEST_CASE("a spare end mark may become the hook, while another one follows", "[file]") {
  Object file({needed, end_mark, end_mark}, PUNSTER_HOOK_INIT, 0);
  file.set_entry(1, DT_INIT, file.runtime().value);
  CHECK(file.judged() == "0 failures");
  Object last({needed, end_mark}, PUNSTER_HOOK_INIT, 0);
  last.set_entry(1, DT_INIT, last.runtime().value);
  CHECK(last.judged() == "dynamic_section");
}
TEST_CASE("the first word of DT_INIT_ARRAY may become the hook", "[file]") {
  const std::vector<Elf64_Dyn> entries = {entry(DT_INIT_ARRAY, 0x4800), entry(DT_INIT_ARRAYSZ, 16),
                                          end_mark};
  Object file(entries, PUNSTER_HOOK_INIT_ARRAY, 0x1005);
  file.datum(0x4800, bytes_of(std::uint64_t{0x1005}));
  file.edits.emplace_back(0x4800, bytes_of(file.runtime().value));
  CHECK(file.judged() == "0 failures");
  file.edits.emplace_back(0x4808, bytes_of(file.runtime().value));  // the second word may not
  CHECK(file.judged() == "original_bytes_changed");
}
TEST_CASE("where a relocation fills that word, its addend is the hook", "[file]") {
  const std::vector<Elf64_Dyn> entries = {entry(DT_INIT_ARRAY, 0x4800), entry(DT_RELA, 0x4900),
                                          entry(DT_RELASZ, sizeof(Elf64_Rela)), end_mark};
  Object file(entries, PUNSTER_HOOK_INIT_ARRAY, 0x1005);
  file.datum(0x4900, bytes_of(Elf64_Rela{0x4800, R_X86_64_RELATIVE, 0x1005}));
  file.edits.emplace_back(0x4910, bytes_of(file.runtime().value));
  CHECK(file.judged() == "0 failures");
  file.edits.back().first = 0x4800;  // the word, which ld.so overwrites
  CHECK(file.judged() == "hook");
}
TEST_CASE("DF_1_NODELETE may be added, in place or in a spare entry", "[file]") {
  HookedInit in_place({entry(DT_FLAGS_1, DF_1_NOW), end_mark});
  in_place.set_entry(2, DT_FLAGS_1, DF_1_NOW | DF_1_NODELETE);
  CHECK(in_place.judged() == "0 failures");
  HookedInit spare({end_mark, end_mark});
  spare.set_entry(2, DT_FLAGS_1, DF_1_NODELETE);
  CHECK(spare.judged() == "0 failures");
}
TEST_CASE("any other flag that is added or lost is rejected", "[file]") {
  HookedInit lost({entry(DT_FLAGS_1, DF_1_NOW), end_mark});
  lost.set_entry(2, DT_FLAGS_1, DF_1_NODELETE);
  CHECK(lost.judged() == "dynamic_section");
  HookedInit added({entry(DT_FLAGS_1, DF_1_NOW), end_mark});
  added.set_entry(2, DT_FLAGS_1, DF_1_NOW | DF_1_NOOPEN);
  CHECK(added.judged() == "dynamic_section");
}
TEST_CASE("any other dynamic entry that changes is rejected", "[file]") {
  HookedInit value;
  value.set_entry(0, DT_NEEDED, 2);
  CHECK(value.judged() == "dynamic_section");
  HookedInit tag;
  tag.set_entry(0, DT_SONAME, 1);
  CHECK(tag.judged() == "dynamic_section");
}
TEST_CASE("a changed entry point beside a hooked initialiser is rejected", "[file]") {
  HookedInit file;
  file.edits.emplace_back(offsetof(Elf64_Ehdr, e_entry), Machine{0x01});
  CHECK(file.judged() == "hook");
}

namespace {
/// A note of "GNU" at 0x4400 and its description.
Machine gnu_note(std::uint32_t type, const Machine& description) {
  return bytes_of(Elf64_Nhdr{4, static_cast<std::uint32_t>(description.size()), type}) +
         Machine{'G', 'N', 'U', 0} + description;
}
constexpr std::uint64_t notes = 0x4400, description = notes + sizeof(Elf64_Nhdr) + 4;
}  // namespace

TEST_CASE("a build id may be made anew", "[file]") {
  HookedInit file;
  const Machine note = gnu_note(NT_GNU_BUILD_ID, {1, 2, 3, 4, 5, 6, 7, 8});
  file.datum(notes, note);
  file.note(notes, note.size());
  file.edits.emplace_back(description, Machine{9, 9, 9});
  CHECK(file.judged() == "0 failures");
  file.edits.emplace_back(notes + 4, Machine{7});  // its size may not
  CHECK(file.judged() == "original_bytes_changed");
}
TEST_CASE("control-flow promises may be taken back, not made", "[file]") {
  HookedInit file;
  const Machine note =
      gnu_note(NT_GNU_PROPERTY_TYPE_0,
               bytes_of(std::uint32_t{GNU_PROPERTY_X86_FEATURE_1_AND}) + Machine{4, 0, 0, 0} +
                   Machine{GNU_PROPERTY_X86_FEATURE_1_IBT, 0, 0, 0, 0, 0, 0, 0});
  file.datum(notes, note);
  file.note(notes, note.size());
  file.edits.emplace_back(description + 8, Machine{0});
  CHECK(file.judged() == "0 failures");
  file.edits.back().second = {GNU_PROPERTY_X86_FEATURE_1_IBT | GNU_PROPERTY_X86_FEATURE_1_SHSTK};
  CHECK(file.judged() == "original_bytes_changed");
}
