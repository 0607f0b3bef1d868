// The contract between a rewritten file and the runtime inside it.
//
// `backend/emit` writes these structures, the freestanding runtime reads them at start, `punster
// verify` and `punster show` read them from the file. Nothing else of runtime/ is included by
// anybody. Fixed-width fields, no padding, little-endian. All addresses are link-time addresses of
// the output file; the runtime adds the load bias. A change of meaning moves PUNSTER_ABI_VERSION.
//
//   tables segment (R):   PunsterHeader | PunsterMapping[] | PunsterTrap[] | PunsterImport[] |
//   PunsterCall[] | strings | pages
//   runtime segment (RX): the blob; at its symbol `punster_config` stands a PunsterConfig
//   state segment (RW):   at least one page, zero-filled, for the runtime's own variables
//
// Plain C, because the runtime is C.

#ifndef PUNSTER_RUNTIME_LOADER_ABI_H
#define PUNSTER_RUNTIME_LOADER_ABI_H

#include <stdint.h>

#define PUNSTER_ABI_VERSION 6u
// The bytes 'P' 'U' 'N' 'S' 'T' 'E' 'R' 1. They begin the tables segment: a rewritten file is
// recognised by a PT_LOAD whose first file bytes these are, with or without section headers.
#define PUNSTER_MAGIC 0x01524554534e5550ull

// What a mapping holds. Trampolines are mapped first; overlays only when every trampoline page is
// there.
enum PunsterMappingKind {
  PUNSTER_TRAMPOLINES = 1,  // stubs and bodies: read + execute, at a new address
  PUNSTER_OVERLAY = 2,      // a patched copy of code pages: replaces the original, same protection
  PUNSTER_CONSTANTS = 3,    // a client's data: read only, at a new address
  PUNSTER_VARIABLES = 4,    // a client's data: read and write, private, at a new address
  PUNSTER_ARENA = 5,        // trampolines that a program header of their own maps
  PUNSTER_ORIGINAL = 6,     // code pages as they were before they were patched in the file; never
                            // mapped there, kept for those who want to know
};

// Routines of a client that run beside the program. The arguments of `init` are those of main and
// the run-time address of the dynamic section (0: none); the others have none.
enum PunsterCallTime {
  PUNSTER_BEFORE_INIT = 1,  // once everything is mapped
  PUNSTER_INIT = 2,         // next
  PUNSTER_AFTER_INIT = 3,   // last, before the program goes on
  PUNSTER_FINI = 4,         // when the program exits by exit(); executables only
};

// Author: backend/emit, in the order of the client's requests. Reader: runtime at start and exit.
struct PunsterCall {
  uint64_t address;    // link-time
  uint32_t when;       // enum PunsterCallTime
  uint32_t reserved0;  // 0
};

enum PunsterHook {
  PUNSTER_HOOK_NONE = 0,
  PUNSTER_HOOK_ENTRY = 1,  // e_entry leads to the runtime; original_entry is jumped to afterwards
  PUNSTER_HOOK_INIT = 2,   // DT_INIT leads to the runtime; original_entry (0: none) is called after
  PUNSTER_HOOK_INIT_ARRAY = 3,  // the first slot of DT_INIT_ARRAY does; original_entry likewise
};

enum PunsterHeaderFlags {
  PUNSTER_FLAG_POSITION_INDEPENDENT = 1u
                                      << 0,  // link address 0 means nothing; a load bias is added
  PUNSTER_FLAG_SHARED_OBJECT = 1u << 1,      // ld.so reserved [span_lo, span_hi) for us
  PUNSTER_FLAG_OWNS_CALLS = 1u << 2,         // every `syscall` instruction comes by syscall_gate
  PUNSTER_FLAG_HEADER_MAPPED = 1u << 3,      // trampolines have program headers, code is patched in
                                             // the file, but for pages that overlays replace; so
                                             // are counters, private. Without a hook no runtime
  PUNSTER_FLAG_MANY_HEADERS = 1u << 4,       // somebody asked for more program headers than Linux
                                             // before 6.17 takes
};

// One run of pages. Author: backend/emit. Readers: runtime at start, verify, show.
struct PunsterMapping {
  uint64_t address;      // link-time, page-aligned
  uint64_t file_offset;  // in the rewritten file as emit wrote it, page-aligned; see header_offset.
                         // Of an arena the program header knows better
  uint32_t pages;        // > 0; both address and file offset advance together
  uint32_t kind;         // enum PunsterMappingKind
};

// What stands at trapped sites. X(name, bytes 1 and 2, how many of them, the byte where an
// instruction has only one, the signal that Linux makes of it). ud2: undefined, and a byte that is.
// int3, int 03: SIGTRAP, which debuggers keep for themselves. hlt: privileged, hence a general
// protection fault.
#define PUNSTER_TRAP_FORMS(X)       \
  X(ud2, 0x0f, 0x0b, 2, 0x06, 4)    \
  X(int3, 0xcc, 0x00, 1, 0xcc, 5)   \
  X(int_03, 0xcd, 0x03, 2, 0xcc, 5) \
  X(hlt, 0xf4, 0x00, 1, 0xf4, 11)

enum PunsterTrapKind {
#define PUNSTER_TRAP_NUMBER(name, first, second, bytes, alone, signal) punster_trap_##name,
  PUNSTER_TRAP_FORMS(PUNSTER_TRAP_NUMBER)
#undef PUNSTER_TRAP_NUMBER
      punster_trap_kinds  // how many
};

// One trapped site. Author: backend/emit, ascending by site. Readers: SIGILL handler, verify, show.
struct PunsterTrap {
  uint64_t site;        // link-time address of the instruction that was replaced
  uint64_t trampoline;  // link-time address of its trampoline
};

// The functions of libc that change what the kernel does on SIGILL: which signals are blocked, who
// handles them, on which stack. A file with traps has its calls of them led through the runtime.
#define PUNSTER_OWNED_FUNCTIONS(X)                                                                 \
  X(sigaction)                                                                                     \
  X(__sigaction)                                                                                   \
  X(signal)                                                                                        \
  X(bsd_signal) X(ssignal) X(sysv_signal) X(__sysv_signal) X(sigset) X(sighold) X(sigrelse)        \
      X(sigignore) X(sigprocmask) X(pthread_sigmask) X(sigblock) X(sigsetmask) X(siggetmask)       \
          X(sigsuspend) X(ppoll) X(__ppoll_chk) X(pselect) X(epoll_pwait) X(epoll_pwait2)          \
              X(sigpending) X(sigwait) X(sigwaitinfo) X(sigtimedwait) X(sigaltstack) X(setcontext) \
                  X(swapcontext) X(pthread_attr_setsigmask_np) X(execve) X(execv) X(execvp)        \
                      X(execvpe) X(fexecve)

enum PunsterOwnedFunction {
#define PUNSTER_OWNED_NUMBER(name) punster_owned_##name,
  PUNSTER_OWNED_FUNCTIONS(PUNSTER_OWNED_NUMBER)
#undef PUNSTER_OWNED_NUMBER
      punster_owned_functions  // how many
};

// A slot of the GOT through which the file calls one of them. Author: backend/emit. Reader: runtime
// at start, which leads the slot to itself.
struct PunsterImport {
  uint64_t slot;       // link-time address of the eight bytes that hold the function's address
  uint32_t function;   // enum PunsterOwnedFunction
  uint32_t reserved0;  // 0
};

// Author: backend/emit. Readers: runtime at start, verify, show.
struct PunsterHeader {
  uint64_t magic;           // PUNSTER_MAGIC
  uint32_t abi_version;     // PUNSTER_ABI_VERSION
  uint32_t flags;           // enum PunsterHeaderFlags
  uint32_t hook;            // enum PunsterHook
  uint32_t mapping_count;   // entries at mappings_offset
  uint32_t trap_count;      // entries at traps_offset
  uint32_t import_count;    // entries at imports_offset
  uint64_t header_address;  // link-time address of this structure
  uint64_t header_offset;  // file offset of this structure as emit wrote it. `strip` may have moved
                           // the tables segment: mappings have moved with it, by as much
  uint64_t mappings_offset;   // bytes from the start of this structure
  uint64_t traps_offset;      // likewise
  uint64_t imports_offset;    // likewise
  uint64_t original_entry;    // link-time; see enum PunsterHook
  uint64_t span_lo, span_hi;  // link-time range of all program headers of the output
  uint64_t
      counters_address;     // link-time, page-aligned; 0: no counters. The counters file is
                            // mapped here from its start: slot 0 stands slots_offset (4096) further
  uint64_t counters_bytes;  // multiple of the page size
  uint64_t counters_path;   // bytes from the start of this structure to a NUL-terminated path
  uint64_t relro_lo,
      relro_hi;  // link-time, pages that ld.so makes read-only before we run; or 0, 0
  uint64_t
      syscall_gate;    // link-time; displaced `syscall` instructions come by here. 0: they do not
  uint64_t raised_by;  // how much higher all addresses are than in the input; a multiple of the
                       // page size. Nothing at run time depends on it
  uint64_t calls_offset;  // bytes from the start of this structure: PunsterCall[call_count]
  uint32_t call_count;
  uint32_t trap_kind;        // enum PunsterTrapKind, of all traps of this file
  uint64_t dynamic_address;  // link-time; of the dynamic section, 0: there is none
  uint8_t build_key[32];     // SHA-256 of the input and the requests: identifies this very file
};

// Inside the blob, at its symbol `punster_config`. Author: backend/emit (the blob carries zeros).
// Reader: the runtime's entry code, which knows only its own run-time address.
struct PunsterConfig {
  uint64_t config_address;  // link-time address of this structure: bias = &config - config_address
  uint64_t header_address;  // link-time address of PunsterHeader
  uint64_t state_address;   // link-time address of the state segment
  uint64_t state_bytes;
};

// A counters file, mapped shared at counters_address. Author: `punster patch` creates it;
// increments: the payloads; readers: `punster top`, protocol/shared_counters.h. Slot i counts
// sites[i].
//   PunsterCounters | uint64_t slots[capacity] | uint64_t sites[capacity]   (link-time addresses)
#define PUNSTER_COUNTERS_MAGIC 0x01544e43534e5550ull  // 'P' 'U' 'N' 'S' 'C' 'N' 'T' 1
struct PunsterCounters {
  uint64_t magic;         // PUNSTER_COUNTERS_MAGIC
  uint32_t abi_version;   // PUNSTER_ABI_VERSION
  uint32_t reserved0;     // 0
  uint64_t capacity;      // slots
  uint64_t slots_offset;  // bytes from the start of the file, 4096
  uint64_t sites_offset;  // bytes from the start of the file
  uint8_t build_key[32];  // of the rewritten file it belongs to; zero until emit knows it
};

#ifdef __cplusplus
static_assert(sizeof(PunsterMapping) == 24 && sizeof(PunsterTrap) == 16 &&
              sizeof(PunsterImport) == 16);
static_assert(sizeof(PunsterCall) == 16);
static_assert(sizeof(PunsterHeader) == 208 && sizeof(PunsterConfig) == 32);
static_assert(sizeof(PunsterCounters) == 72);
#else
_Static_assert(sizeof(struct PunsterHeader) == 208, "no padding");
_Static_assert(sizeof(struct PunsterConfig) == 32, "no padding");
#endif

#endif
