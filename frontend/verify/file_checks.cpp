#include "frontend/verify/file_checks.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "frontend/verify/dynamic_table.h"
#include "frontend/verify/layout_checks.h"
#include "protocol/hex.h"

namespace punster {
namespace {

/// Half-open ranges of file offsets that may differ.
class AllowedEdits {
 public:
  void allow(std::uint64_t offset, std::uint64_t size) {
    ranges_.emplace_back(offset, offset + size);
  }
  void sort() { std::sort(ranges_.begin(), ranges_.end()); }
  [[nodiscard]] bool covers(std::uint64_t offset) const {
    return std::any_of(ranges_.begin(), ranges_.end(), [&](const auto& range) {
      return range.first <= offset && offset < range.second;
    });
  }
  /// Calls `check(lo, hi)` for the parts of [0, end) that are in no range.
  template <typename Check>
  void for_each_fixed_part(std::uint64_t end, const Check& check) const {
    std::uint64_t at = 0;
    for (const auto& [lo, hi] : ranges_) {
      if (at < std::min(lo, end)) check(at, std::min(lo, end));
      at = std::max(at, hi);
    }
    if (at < end) check(at, end);
  }

 private:
  std::vector<std::pair<std::uint64_t, std::uint64_t>> ranges_;
};

void allow_hook(const PatchedImage& original, std::uint32_t hook, AllowedEdits& edits) {
  const DynamicEntries dynamic(original);
  // What may change in the dynamic section is decided entry by entry.
  for (const auto& entry : dynamic.entries()) edits.allow(entry.offset, sizeof entry.value);
  if (hook != PUNSTER_HOOK_INIT_ARRAY) return;
  if (const auto word = dynamic.first_initialiser(original))
    edits.allow(*word, sizeof(std::uint64_t));
  // Prelinked, or for tools that do not apply relocations, the slot may say the same as its
  // relocation.
  const auto array = dynamic.value(DT_INIT_ARRAY);
  if (const auto slot = array ? offset_of(original, *array) : std::nullopt)
    edits.allow(*slot, sizeof(std::uint64_t));
}

/// Promises about control-flow enforcement that a rewriter may take back.
constexpr std::uint32_t revocable =
    GNU_PROPERTY_X86_FEATURE_1_IBT | GNU_PROPERTY_X86_FEATURE_1_SHSTK;

/// Allows the word of x86 features in a property note's description to lose those bits, no others.
void allow_fewer_features(const PatchedImage& original, const PatchedImage& patched,
                          std::uint64_t at, std::uint64_t size, AllowedEdits& edits) {
  for (const std::uint64_t end = at + size; at + 8 <= end;) {
    const auto type = value_at<std::uint32_t>(original.file(), at);
    const auto bytes = value_at<std::uint32_t>(original.file(), at + 4);
    if (!type || !bytes) return;
    const auto before = value_at<std::uint32_t>(original.file(), at + 8);
    const auto after = value_at<std::uint32_t>(patched.file(), at + 8);
    if (*type == GNU_PROPERTY_X86_FEATURE_1_AND && *bytes == 4 && before && after &&
        (*before & ~revocable) == (*after & ~revocable) && (*after & *before) == *after)
      edits.allow(at + 8, 4);
    at += 8 + ((std::uint64_t{*bytes} + 7) & ~std::uint64_t{7});
  }
}

/// What may change in notes: a build id, and those features.
void allow_notes(const PatchedImage& original, const PatchedImage& patched, AllowedEdits& edits) {
  for (const Elf64_Phdr& segment : original.segments()) {
    if (segment.p_type != PT_NOTE && segment.p_type != PT_GNU_PROPERTY) continue;
    const std::uint64_t align = segment.p_align == 8 ? 8 : 4;
    const auto padded = [&](std::uint64_t size) { return (size + align - 1) & ~(align - 1); };
    const std::uint64_t end =
        std::min<std::uint64_t>(segment.p_filesz, original.file().size()) + segment.p_offset;
    for (std::uint64_t at = segment.p_offset; at < end;) {
      const auto note = value_at<Elf64_Nhdr>(original.file(), at);
      if (!note) break;
      const auto description = at + padded(sizeof(Elf64_Nhdr) + note->n_namesz);
      if (note->n_namesz == 4 && note->n_type == NT_GNU_BUILD_ID)
        edits.allow(description, note->n_descsz);
      if (note->n_namesz == 4 && note->n_type == NT_GNU_PROPERTY_TYPE_0)
        allow_fewer_features(original, patched, description, note->n_descsz, edits);
      at = description + padded(note->n_descsz);
    }
  }
}

/// Allows whatever no program header of the original covers: symbols, section headers. After
/// `strip`, other things may stand there.
void allow_unloaded(const PatchedImage& original, AllowedEdits& edits) {
  std::vector<std::pair<std::uint64_t, std::uint64_t>> covered{{0, sizeof(Elf64_Ehdr)}};
  for (const Elf64_Phdr& segment : original.segments())
    covered.emplace_back(segment.p_offset, segment.p_offset + segment.p_filesz);
  std::sort(covered.begin(), covered.end());
  std::uint64_t end = 0;
  for (const auto& [lo, hi] : covered) {
    if (lo > end) edits.allow(end, lo - end);
    end = std::max(end, hi);
  }
  if (end < original.file().size()) edits.allow(end, original.file().size() - end);
}

/// The added executable segment that `address` lies in: where the runtime must be.
const Elf64_Phdr* added_code_at(const PatchedImage& original, const PatchedImage& patched,
                                std::uint64_t address) {
  for (const Elf64_Phdr& segment : patched.segments()) {
    if (!kept_header(original, segment) && segment.p_type == PT_LOAD &&
        (segment.p_flags & PF_X) != 0 && address >= segment.p_vaddr &&
        address - segment.p_vaddr < segment.p_filesz)
      return &segment;
  }
  return nullptr;
}

/// Whether the runtime in `segment` was told where its tables and its state are.
bool is_configured(const PatchedImage& patched, const Elf64_Phdr& segment) {
  for (std::uint64_t at = 0; at + sizeof(PunsterConfig) <= segment.p_filesz; at += 8) {
    const auto config = value_at<PunsterConfig>(patched.file(), segment.p_offset + at);
    const auto by = patched.raised_by().value;
    if (!config || config->config_address - by != segment.p_vaddr + at ||
        config->header_address - by != patched.header()->header_address)
      continue;
    const auto state = config->state_address - by;
    return std::any_of(patched.segments().begin(), patched.segments().end(),
                       [&](const Elf64_Phdr& s) {
                         return s.p_type == PT_LOAD && s.p_flags == (PF_R | PF_W) &&
                                s.p_vaddr <= state && config->state_bytes <= s.p_memsz &&
                                state - s.p_vaddr <= s.p_memsz - config->state_bytes;
                       });
  }
  return false;
}

AllowedEdits allowed_edits(const PatchedImage& original, const PatchedImage& patched) {
  const Elf64_Ehdr& elf = original.elf_header();
  AllowedEdits edits;
  edits.allow(offsetof(Elf64_Ehdr, e_entry),
              3 * sizeof(std::uint64_t));  // e_entry, e_phoff, e_shoff
  edits.allow(offsetof(Elf64_Ehdr, e_phnum), sizeof elf.e_phnum);
  edits.allow(offsetof(Elf64_Ehdr, e_shnum), sizeof elf.e_shnum + sizeof elf.e_shstrndx);
  edits.allow(elf.e_phoff, std::uint64_t{elf.e_phnum} * sizeof(Elf64_Phdr));
  if (patched.header() != nullptr) {
    allow_hook(original, patched.header()->hook, edits);
    allow_notes(original, patched, edits);
  }
  if (patched.was_moved()) allow_unloaded(original, edits);
  edits.sort();
  return edits;
}

}  // namespace

std::vector<Vaddr> without_allowed_edits(std::vector<Vaddr> bytes, const PatchedImage& original,
                                         const PatchedImage& patched) {
  const AllowedEdits edits = allowed_edits(original, patched);
  std::erase_if(bytes, [&](Vaddr at) {
    const auto offset = offset_of(original, at.value);
    const MemoryPiece* piece = patched.piece_at(at);
    // An overlay shows other bytes of the file: none of those edits is in it.
    return offset && piece != nullptr && edits.covers(*offset) &&
           piece->offset.value + (at.value - piece->address.value) == *offset;
  });
  return bytes;
}

void check_original_bytes(const PatchedImage& original, const PatchedImage& patched,
                          FailureLog& log) {
  const auto before = original.file(), after = patched.file();
  if (after.size() < before.size() && !patched.was_moved()) {
    log.add("original_bytes_changed", "the patched file is shorter than the original");
    return;
  }
  if (patched.header() != nullptr) {
    const auto change = unexplained_change(DynamicEntries(original), DynamicEntries(patched),
                                           patched.header()->hook);
    if (change)
      log.add("dynamic_section", "the dynamic entry at file offset " + to_hex(FileOffset{*change}) +
                                     " was changed, and not for the hook");
  }
  AllowedEdits edits = allowed_edits(original, patched);
  // Code that is patched in the file is compared byte by byte where changes are looked for.
  // Where a segment grew, the original had nothing.
  if (patched.header_mapped())
    for (const Elf64_Phdr& segment : patched.segments())
      if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0 &&
          kept_header(original, segment))
        edits.allow(segment.p_offset, segment.p_filesz);
  edits.sort();
  edits.for_each_fixed_part(before.size(), [&](std::uint64_t lo, std::uint64_t hi) {
    constexpr std::uint64_t stride = 4096;
    if (hi > after.size()) {
      log.add("original_bytes_changed", "the patched file ends within a segment of the original");
      return;
    }
    for (; lo < hi; lo += std::min(stride, hi - lo)) {
      const auto end = std::min(lo + stride, hi);
      if (std::memcmp(before.data() + lo, after.data() + lo, end - lo) == 0) continue;
      const auto differs =
          std::mismatch(before.begin() + lo, before.begin() + end, after.begin() + lo);
      log.add("original_bytes_changed",
              "the byte at file offset " +
                  to_hex(FileOffset{static_cast<std::uint64_t>(differs.first - before.begin())}) +
                  " was changed from " + to_hex(std::span(&*differs.first, 1)) + " to " +
                  to_hex(std::span(&*differs.second, 1)));
    }
  });
}

namespace {

/// Nothing enters a runtime: then nothing may need one.
void check_without_runtime(const PatchedImage& original, const PatchedImage& patched,
                           FailureLog& log) {
  const PunsterHeader& header = *patched.header();
  const bool maps = std::any_of(patched.mappings().begin(), patched.mappings().end(),
                                [](const PunsterMapping& m) {
                                  return m.kind == PUNSTER_OVERLAY || m.kind == PUNSTER_TRAMPOLINES;
                                });
  if (maps || header.trap_count > 0 || header.counters_address != 0)
    log.add("hook", "nothing enters the runtime at start, and there is something for it to do");
  if (patched.elf_header().e_entry != original.elf_header().e_entry)
    log.add(Vaddr{patched.elf_header().e_entry}, "hook", "the entry point changed");
}

}  // namespace

void check_hook(const PatchedImage& original, const PatchedImage& patched, FailureLog& log) {
  if (patched.header() == nullptr) return;
  const PunsterHeader& header = *patched.header();
  const DynamicEntries before(original), after(patched);
  const auto entry = original.elf_header().e_entry;
  std::optional<std::uint64_t> hook, kept;
  switch (header.hook) {
    case PUNSTER_HOOK_ENTRY:
      hook = patched.elf_header().e_entry;
      kept = entry;
      break;
    case PUNSTER_HOOK_INIT:
      hook = after.value(DT_INIT);
      kept = before.value(DT_INIT).value_or(0);
      break;
    case PUNSTER_HOOK_INIT_ARRAY:
      if (const auto word = before.first_initialiser(original)) {
        hook = value_at<std::uint64_t>(patched.file(), *word);
        kept = value_at<std::uint64_t>(original.file(), *word);
      }
      break;
    case PUNSTER_HOOK_NONE:
      if (patched.header_mapped()) return check_without_runtime(original, patched, log);
      break;
    default:
      break;
  }
  if (!hook) {
    log.add("hook",
            "nothing enters the runtime at start (hook " + std::to_string(header.hook) + ")");
    return;
  }
  const Elf64_Phdr* runtime = added_code_at(original, patched, *hook);
  if (runtime == nullptr)
    log.add(Vaddr{*hook}, "hook",
            "the hook leads to " + to_hex(Vaddr{*hook}) + ", where no runtime is");
  else if (!is_configured(patched, *runtime))
    log.add(Vaddr{*hook}, "hook",
            "the runtime at " + to_hex(Vaddr{*hook}) +
                " does not know these tables, or has no writable state");
  if (kept != header.original_entry)
    log.add(Vaddr{header.original_entry}, "hook",
            "the runtime goes on at " + to_hex(Vaddr{header.original_entry}) + " instead of " +
                to_hex(Vaddr{kept.value_or(0)}));
  if (header.hook != PUNSTER_HOOK_ENTRY && patched.elf_header().e_entry != entry)
    log.add(Vaddr{patched.elf_header().e_entry}, "hook", "the entry point changed");
}

void check_gate(const PatchedImage& original, const PatchedImage& patched, FailureLog& log) {
  if (patched.header() == nullptr || patched.header()->syscall_gate == 0) return;
  const Vaddr gate{patched.header()->syscall_gate};
  std::array<std::uint8_t, 5> code{};
  const auto size = patched.read(gate, code);
  constexpr std::uint8_t straight_back[] = {0x41, 0xff, 0xe3};  // jmp *%r11
  if (size >= sizeof straight_back &&
      std::equal(std::begin(straight_back), std::end(straight_back), code.begin()))
    return;
  std::int32_t distance = 0;
  std::memcpy(&distance, code.data() + 1, sizeof distance);
  const Vaddr target = displaced(gate + Bytes{code.size()}, distance);
  if (size < code.size() || code[0] != 0xe9 ||
      added_code_at(original, patched, target.value) == nullptr)
    log.add(gate, "gate",
            "the way that system calls take at " + to_hex(gate) + " does not lead to the runtime");
}

}  // namespace punster
