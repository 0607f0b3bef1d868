// The input file as the frontend sees it: what LIEF reads, in our types. image.cpp is the only file
// that includes LIEF.

#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "frontend/image/source_lines.h"
#include "protocol/address.h"
#include "protocol/result.h"

namespace punster {

enum class ImageKind : std::uint8_t { pie, exec, dso, static_exec, static_pie };
[[nodiscard]] const char* to_string(ImageKind kind);  // as in --stats: "static-pie", ...

struct Segment {
  AddressRange range;  // memory
  FileOffset offset;
  Bytes file_size;
  bool readable = false, writable = false, executable = false;
};

struct Section {
  std::string name;
  AddressRange range;
  FileOffset offset;
  bool executable = false, writable = false, has_bytes = true;
};

struct Symbol {
  Vaddr address;
  Bytes size;
  std::string name;
  bool function = false;  // STT_FUNC or STT_GNU_IFUNC; else STT_OBJECT, STT_NOTYPE
  bool object = false;    // STT_OBJECT
};

/// A function's extent from .eh_frame, and its landing pads from the LSDA.
struct UnwindEntry {
  AddressRange range;
  std::vector<Vaddr> landing_pads;
};

class Image {
 public:
  /// Errors: kinds "unreadable", "not_elf", "unsupported_class", "unsupported_machine",
  /// "unsupported_byte_order", "malformed", "already_rewritten"; the message names the file.
  /// `debug_file` adds its symbols and source lines: what `objcopy --only-keep-debug` made, or an unstripped copy.
  /// Kind "bad_evidence" when its build-id is another.
  static Result<Image> open(const std::filesystem::path& path,
                            const std::optional<std::string>& debug_file = {});

  [[nodiscard]] const std::filesystem::path& path() const;
  [[nodiscard]] ImageKind kind() const;
  [[nodiscard]] Vaddr entry() const;  // 0 when none
  [[nodiscard]] std::span<const std::uint8_t> file() const;
  [[nodiscard]] const std::vector<Segment>& segments() const;   // PT_LOADs, ascending
  [[nodiscard]] const std::vector<Section>& sections() const;   // allocated ones, ascending; may be empty
  /// Executable regions to analyse: executable sections, or executable segments when there are no
  /// section headers (then named ".text"). Ascending, disjoint.
  [[nodiscard]] const std::vector<Section>& code_sections() const;
  [[nodiscard]] const std::vector<Symbol>& symbols() const;     // .symtab and .dynsym, by address
  [[nodiscard]] const std::vector<UnwindEntry>& unwind() const; // by address; empty without .eh_frame
  /// Code addresses named by relocations, RELR, init/fini arrays, DT_INIT/FINI: sorted, unique.
  [[nodiscard]] const std::vector<Vaddr>& pointed_to() const;
  [[nodiscard]] const std::string& build_id() const;  // hex, or empty
  [[nodiscard]] const std::string& sha256() const;    // hex, of the whole file
  /// Of the file itself, or else of the debug file; read when first asked, which takes a second for
  /// a million lines. Errors of SourceLines::read.
  [[nodiscard]] Result<const SourceLines*> lines() const;

  [[nodiscard]] std::optional<FileOffset> to_offset(Vaddr address) const;
  /// File bytes from `address`, at most `size`, cut at the segment's end; empty when there are none.
  [[nodiscard]] std::span<const std::uint8_t> bytes_at(Vaddr address, Bytes size) const;
  /// The named function or object that contains `address` (a symbol of size 0 reaches to the next
  /// one), preferring functions; nullptr when none. O(log n).
  [[nodiscard]] const Symbol* symbol_at(Vaddr address) const;
  [[nodiscard]] const Section* section_at(Vaddr address) const;
  /// "main+0x12", or "" when nothing covers it.
  [[nodiscard]] std::string describe(Vaddr address) const;

 private:
  struct Parts;
  std::shared_ptr<const Parts> parts_;
};

}  // namespace punster
