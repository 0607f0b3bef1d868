// A rewritten file as a process will see it: memory at link-time addresses after start.
//
// A loader-mapped file (runtime/loader_abi.h) keeps its original code on disk; the patched code
// comes into being when the runtime maps overlays and trampolines. This reader performs those
// mappings on paper. A header-mapped file is patched on disk; what stood there is kept beside it, for
// this reader. In a raised file every address is higher than in the original; here the
// original's are given, as everywhere. Everything in the file is checked before it is used: it is
// fed mutilated files on purpose.

#pragma once

#include <elf.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "protocol/address.h"
#include "protocol/result.h"
#include "runtime/loader_abi.h"

namespace punster {

/// What stands behind a stretch of memory.
enum class MemoryKind : std::uint8_t { segment, overlay, trampolines };
[[nodiscard]] const char* to_string(MemoryKind kind);  // "segment", "overlay", "trampolines"

/// A stretch of memory that shows consecutive bytes of the file. An address and a size, not a
/// range: what stands right below a position-independent image ends at 2^64, which is 0.
struct MemoryPiece {
  Vaddr address;
  Bytes size;
  FileOffset offset;
  MemoryKind kind = MemoryKind::segment;
  bool readable = false, writable = false, executable = false;
  [[nodiscard]] constexpr bool contains(Vaddr a) const {
    return a.value - address.value < size.value;
  }
};

class PatchedImage {
 public:
  /// Opens any x86-64 ELF file; one that was never rewritten simply has no header() (`verify ls
  /// ls`). All addresses but those inside of file() are the original's, also when the file is
  /// raised. Errors: "unreadable", "not_elf", "malformed": headers or tables that point outside the
  /// file.
  static Result<PatchedImage> open(const std::filesystem::path& path);

  [[nodiscard]] const std::filesystem::path& path() const;
  [[nodiscard]] std::span<const std::uint8_t> file() const;
  [[nodiscard]] const Elf64_Ehdr& elf_header() const;
  [[nodiscard]] std::span<const Elf64_Phdr> segments() const;

  /// The tables of the runtime, or nullptr: not a rewritten file.
  [[nodiscard]] const PunsterHeader* header() const;
  /// Whether program headers map its trampolines.
  [[nodiscard]] bool header_mapped() const {
    return header() != nullptr && (header()->flags & PUNSTER_FLAG_HEADER_MAPPED) != 0;
  }
  /// File offsets are those in this very file, also when `strip` moved them.
  [[nodiscard]] std::span<const PunsterMapping> mappings() const;
  /// How much higher the addresses in the file are than the original's.
  [[nodiscard]] Bytes raised_by() const;
  /// Takes the raise off the 8-byte words at these file offsets, in memory, and off the copies of
  /// them that overlays show. Offsets that do not lie inside the file are ignored.
  void lower(const std::vector<std::uint64_t>& offsets);
  /// Whether `strip` or `objcopy` moved tables and pages within the file since it was written.
  [[nodiscard]] bool was_moved() const;
  [[nodiscard]] std::span<const PunsterTrap> traps() const;  ///< in file order
  /// Where the trap at `site` leads, or nothing. Correct only when traps() ascend, which verify
  /// checks.
  [[nodiscard]] std::optional<Vaddr> trap_target(Vaddr site) const;
  /// The path in the header's strings, or "".
  [[nodiscard]] std::string counters_path() const;

  /// Memory after start, disjoint, ascending by *signed* address (below a position-independent
  /// image addresses are negative). Zero-filled memory (.bss) has no piece. Mappings that point
  /// outside the file or are not page-aligned are left out; where mappings overlap (a fault that
  /// verify reports) the overlay wins over the segment and the earlier mapping over the later.
  [[nodiscard]] std::span<const MemoryPiece> memory() const;
  /// The piece that holds `address`, or nullptr. O(log n).
  [[nodiscard]] const MemoryPiece* piece_at(Vaddr address) const;
  /// Copies up to out.size() bytes of memory after start, across adjacent pieces, until unmapped
  /// memory or memory without file bytes. Returns how many.
  std::size_t read(Vaddr address, std::span<std::uint8_t> out) const;
  /// Likewise, of the original code, as far as the patched file has it. (What that is worth, verify
  /// checks.)
  std::size_t read_unpatched(Vaddr address, std::span<std::uint8_t> out) const;

 private:
  struct Parts;
  std::shared_ptr<Parts> parts_;
};

}  // namespace punster
