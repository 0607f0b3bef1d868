// Writes the rewritten ELF file: original bytes + pages + tables + runtime blob + hook.
//
// emit is *handed* every decision (what is mapped where, what the code bytes are, which layout) and
// makes none: it only turns them into a file that the kernel and ld.so accept. LIEF re-reads the
// result in tests as a second opinion.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "backend/emit/body_list.h"
#include "backend/emit/elf_view.h"
#include "protocol/address.h"
#include "protocol/result.h"

namespace punster {

/// What pages hold, which is how they are mapped: no page is writable and executable.
enum class Contents : std::uint8_t { code, constants, variables };

/// A run of pages of `EmitPlan::pages` and where it is mapped.
struct PageMapping {
  Vaddr address;                 ///< link-time, page-aligned
  std::uint32_t pages = 0;       ///< > 0
  std::uint32_t first_page = 0;  ///< index into EmitPlan::pages; the run is contiguous there too
  bool overlay = false;          ///< replaces original code pages, else a new trampoline address
  Contents contents = Contents::code;  ///< an overlay's are code

  [[nodiscard]] Vaddr end() const { return address + Bytes{pages * page_size.value}; }
  /// Whether `next` begins where this ends, in memory and in the file.
  [[nodiscard]] bool continued_by(const PageMapping& next) const {
    return end() == next.address && first_page + pages == next.first_page;
  }
};

/// A client's routine that the runtime calls.
struct ClientCall {
  enum class Time : std::uint8_t { before_init = 1, init, after_init, fini };
  Vaddr address;  ///< link-time
  Time time = Time::init;
};

struct TrapRoute {
  Vaddr site, trampoline;
};

/// A file of counters that the runtime maps shared at `address`.
struct CounterRegion {
  Vaddr address;     ///< page-aligned, outside everything else
  Bytes size;        ///< multiple of the page size
  std::string path;  ///< as the program will open it; made absolute by the caller
};

/// `loader`: the runtime maps pages at start and code in the file stays original. `headers`: every
/// run of trampolines is a PT_LOAD and code is patched in place.
enum class Layout : std::uint8_t { loader, headers };

enum class BuildId : std::uint8_t { keep, fresh };

/// Bytes of EmitPlan::syscall_gate.
inline constexpr std::uint64_t gate_size = 16;

struct EmitPlan {
  Layout layout = Layout::loader;
  std::vector<std::uint8_t> pages;    ///< physical pages, 4096 bytes each, holes filled with CC
  std::vector<PageMapping> mappings;  ///< ascending by address, disjoint
  /// Program headers that the file may have, those of the input included; 0: what every kernel and
  /// any thread that calls dlopen() can bear (see Footprint).
  unsigned most_headers = 0;
  std::vector<TrapRoute> traps;   ///< ascending by site
  std::uint32_t trap_kind = 0;    ///< enum PunsterTrapKind: what stands there
  std::vector<ClientCall> calls;  ///< in the client's order; `fini` in executables only
  std::optional<CounterRegion> counters;
  /// Where displaced `syscall` instructions come by; emit writes the code there. Room for
  /// `gate_size` in a page of trampolines.
  std::optional<Vaddr> syscall_gate;
  bool owns_calls = false;  ///< no `syscall` instruction is left that does not
  BuildId build_id = BuildId::keep;
  bool clear_shstk = false;             ///< a call is emulated by a push
  bool clear_ibt = false;               ///< an endbr64 is patched
  std::vector<std::uint8_t> build_key;  ///< 32 bytes, see PunsterHeader::build_key
  /// The input is a raised one, and all addresses of this plan are, too: memory from address 0 on
  /// is reserved, and the tables say so. 0: it is not. A multiple of the page size.
  Bytes raised_by;
  /// Whose bodies get symbols and unwind rows; null: none. Outlives the call of emit().
  const BodyList* bodies = nullptr;
  /// The running program finds unwind rows, too. Precondition: can_unwind_itself(), and `bodies`.
  bool frames_for_process = false;
};

/// What debuggers and profilers were given.
struct UnwindSummary {
  std::uint64_t functions = 0;  ///< functions that have unwind rows for their bodies
  std::uint64_t left_out = 0;   ///< functions with bodies, and rows that cannot be carried over
  std::uint64_t scattered = 0;  ///< stubs, and other pieces far from their function, with rows
  std::uint64_t for_process = 0;  ///< functions with rows that the running program finds
  std::uint64_t symbols = 0;    ///< functions that have a symbol for their bodies
  std::uint64_t bytes = 0;      ///< of the file that all this takes, copies of old tables included
  std::string note;             ///< why there is less than asked for; empty: there is not
};

struct EmitResult {
  Bytes file_size;
  std::uint64_t mappings = 0;  ///< VMAs that the output adds, ours and ld.so's fillers together
  UnwindSummary unwind;
};

/// What emit will add to the image besides the plan's pages, known before anything is solved, so
/// that the solver keeps clear of it.
struct Footprint {
  AddressRange image;  ///< page-aligned span of the input's PT_LOADs
  /// Page-aligned home of the new program header table; unused where the file begins with a segment
  /// of ours, which then holds the table.
  AddressRange header_table;
  unsigned most_headers = 0;  ///< that the output may have, those of the input included
  /// Where trampolines may stand in this kind of file, disjoint and ascending *by signed distance
  /// to the image*: below it (position-independent executables: down to 2 GiB below, wrapping past
  /// 0; fixed address: from 0x10000 up to it), above it up to 2 GiB. Shared objects: below only
  /// when raised.
  std::vector<AddressRange> free;
};

struct FootprintOptions {
  /// Where a range of Footprint::free below the image is wanted: a program header can only name
  /// addresses that a file can hold, so what cannot be raised has none there.
  enum class Below : std::uint8_t { as_kind, raised, none } below = Below::as_kind;
  unsigned most_headers = 0;  ///< as in EmitPlan
};

/// Errors: kinds "no_room" (header table), "already_rewritten", "unsupported" with the reason.
Result<Footprint> footprint(const ElfView& input, const FootprintOptions& options = {});

/// Of the lowest addresses of the output: that much lies below the lowest page of a plan in a
/// raised file, and in a program with a fixed address.
inline constexpr std::uint64_t room_for_low_end = 256 * 1024;

/// Whether the input has an index of unwind rows that an output's can take the place of.
[[nodiscard]] bool can_unwind_itself(const ElfView& input);

/// Whether the output has the runtime in it: it maps pages, answers traps, or counts.
[[nodiscard]] bool needs_runtime(const EmitPlan& plan);

/// Why code of this file cannot be patched where it stands in the file; empty: it can.
[[nodiscard]] std::string why_not_in_place(const ElfView& input);

/// e_phnum of the output.
[[nodiscard]] std::size_t header_count(const ElfView& input, const EmitPlan& plan);

/// Writes the rewritten file to a temporary file beside `output` and renames it. Mode, and where
/// permitted owner and group, are those of the input. On any error nothing is left behind.
/// Precondition: `output` is not the input (the caller compares device and inode).
/// Errors: "no_hook", "unwritable", "disk_full", "no_room", "unsupported".
Result<EmitResult> emit(const ElfView& input, const EmitPlan& plan,
                        const std::filesystem::path& output);

}  // namespace punster
