// The parts of the pass, one per kind of carrier, and the list that they fill. Included by this
// room only.

#pragma once

#include <string>

#include "backend/emit/dynamic_section.h"
#include "backend/emit/elf_view.h"
#include "protocol/hex.h"

namespace punster {

/// The error "cannot_raise": FILE: cannot be raised: `why`.
[[nodiscard]] Error cannot_raise(const ElfView& input, const std::string& why);

/// Words that hold addresses, as they are found.
class WordList {
 public:
  explicit WordList(const ElfView& input);

  void add(FileOffset word) { words_.push_back(word); }
  /// The image, its end included: symbols stand there.
  [[nodiscard]] bool in_image(std::uint64_t address) const {
    return lo_ <= address && address <= hi_;
  }
  /// A pointer may also stand a little outside, as that of an array that is counted from 1.
  [[nodiscard]] bool near_image(std::uint64_t address) const;
  /// Whether all `size` bytes at `address` are memory of one segment.
  [[nodiscard]] bool in_memory(std::uint64_t address, std::uint64_t size) const;
  /// O(n).
  [[nodiscard]] bool has(FileOffset word) const;

  /// Errors: "cannot_raise" when two overlap or one does not lie inside the file.
  Result<std::vector<FileOffset>> sorted() &&;

 private:
  const ElfView& input_;
  std::uint64_t lo_ = ~0ull, hi_ = 0;
  std::vector<FileOffset> words_;
};

/// What a dynamic tag's value is.
enum class TagKind : std::uint8_t { number, address, code, refused };
struct TagMeaning {
  TagKind kind = TagKind::refused;
  const char* why = "an unknown dynamic tag";  ///< when refused
};
[[nodiscard]] TagMeaning meaning_of_tag(std::int64_t tag);

/// Errors of all of these: "cannot_raise", "malformed".
Result<void> refuse_what_must_stay(const ElfView& input);
Result<void> add_headers(const ElfView& input, WordList& words);
Result<void> add_dynamic_section(const ElfView& input, const DynamicSection& dynamic,
                                 WordList& words);
/// Returns the addresses that relocations apply to, ascending.
Result<std::vector<std::uint64_t>> add_relocations(const ElfView& input,
                                                   const DynamicSection& dynamic, WordList& words);
/// The first word of the global offset table. Precondition: relocations are added.
Result<void> add_linkage_table(const ElfView& input, const DynamicSection& dynamic,
                               WordList& words);
/// Initialisers and finalisers hold code addresses, which relocations must have announced.
Result<void> check_initialisers(const ElfView& input, const DynamicSection& dynamic,
                                const std::vector<std::uint64_t>& relocated);
Result<void> add_symbols(const ElfView& input, const DynamicSection& dynamic, WordList& words);

}  // namespace punster
