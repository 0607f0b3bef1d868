// One rewritten ELF object in one process, and the parts of the runtime that work on it.
//
// The rules of this place: no libc, no thread-local storage, no writable data but struct State, no
// relocations (the blob runs before anybody could apply them), no vector registers, little stack
// (a library may be loaded by a thread that has 16 KiB of it).

#ifndef PUNSTER_RUNTIME_OBJECT_H
#define PUNSTER_RUNTIME_OBJECT_H

#include <linux/signal.h>
#include <stddef.h>
#include <stdint.h>

#include "loader_abi.h"
#include "process.h"

enum { page_bytes = 4096, path_bytes = 4096 };

// The state segment. Author and reader: this runtime.
struct State {
  void (*finish)(void);  // what the program was to call at its exit, before we took its place
  // Of an object with traps, from install_trap_handler() on:
  struct Process* process;  // everything about SIGILL that all objects share
  struct State* next;       // the object that joined it before this one
  const struct PunsterHeader* header;
  uint64_t bias;
  uint64_t originals[punster_owned_functions];  // what the slots of imports held, by function
  struct Process shared;                        // `process`, when this object was the first

  char path[path_bytes];      // of our own file, for opening it and for messages
  char value[path_bytes];     // of an environment variable
  char buffer[page_bytes];    // of whatever is being read
  char line[2 * path_bytes];  // of the message being written
};

// One line of /proc/self/maps.
struct MapsEntry {
  uint64_t lo, hi, inode, device;
};

struct Object {
  const struct PunsterHeader* header;
  struct State* state;
  uint64_t bias;          // run-time address minus link-time address
  const uint64_t* stack;  // at argc, as the kernel left it; 0 in a shared object
  const char* name;       // of our file, as well as we know it, for messages
  const char* detail;     // of the reason for a failure, or 0
  uint64_t shift;         // how far our pages stand in the file from where emit wrote them
  uint64_t originals;     // where in a copy of our pages the replaced code stands; 0: it is no copy
  struct MapsEntry own;   // of our header, once it was needed; hi is 0 before
  int reserved;           // known: the loader reserved the span of our program headers
};

// Finds the object that this code belongs to, from its own address. 0: the tables are not what they
// were.
int find_object(struct Object* self);

static inline const struct PunsterMapping* mappings_of(const struct Object* self) {
  return (const struct PunsterMapping*)((const char*)self->header + self->header->mappings_offset);
}
// Whether a mapping shows pages that stand behind the tables, for us to map: no program header did.
static inline int is_ours_to_map(uint32_t kind) {
  return kind != PUNSTER_ARENA && kind != PUNSTER_ORIGINAL;
}
static inline int is_new_memory(uint32_t kind) {
  return is_ours_to_map(kind) && kind != PUNSTER_OVERLAY;
}
static inline const struct PunsterTrap* traps_of(const struct Object* self) {
  return (const struct PunsterTrap*)((const char*)self->header + self->header->traps_offset);
}

// own_file.c: opens our own file, verified to be the very one that was loaded, or returns -1 and
// says why in *reason. Sets self->name.
long open_own_file(struct Object* self, const char** reason);

// copied_pages.c: a file in memory with our pages, or -1.
long copy_own_pages(struct Object* self);

// environment.c: the value of `name` (in state->value, or on the initial stack), or 0. Always 0
// under AT_SECURE: whoever starts a setuid program does not get to say what it maps.
const char* environment(struct Object* self, const char* name);
const char* file_name_from_kernel(const struct Object* self);  // AT_EXECFN, or 0

// pages.c: returns 0, or the reason why not, with nothing left mapped.
const char* map_trampolines(struct Object* self, long fd);
void unmap_trampolines(struct Object* self);
// Maps `bytes` at `address` (run-time), never over anybody else. fd -1: anonymous. Whether it
// worked.
int map_new(struct Object* self, uint64_t address, uint64_t bytes, int protection, int flags,
            long fd, uint64_t offset);
void unmap_new(struct Object* self, uint64_t address, uint64_t bytes);

// overlays.c: replaces code pages by their patched copies; all or, with the reason returned, none.
const char* map_overlays(struct Object* self, long fd);

// calls.c: the client's routines. `stack` is the stack pointer on arrival.
void run_calls_at_start(struct Object* self, const uint64_t* stack);

// counters.c: 0 or the reason why not even anonymous memory could be had.
const char* map_counters(struct Object* self);
void unmap_counters(struct Object* self);

// trap.c: 0 or the reason why not.
const char* install_trap_handler(struct Object* self);
void remove_trap_handler(struct Object* self);

// imports.c: leads the calls of owned functions to this runtime. Cannot fail: what is not had is
// not owned.
void own_imports(struct Object* self);

// binding.c: the run-time address of the function that the dynamic linker would bind `name` to, for
// an object that it binds lazily. 0: not found.
uint64_t find_function(const struct Object* self, const char* name);

// counters.c: counts every trap from here on into the file that PUNSTER_TRAPS names.
void count_traps(struct Object* self, struct Process* process);

// maps.c
// Finds self->own; its path goes to `path` (path_bytes) unless 0. 0: there is no /proc.
int find_own_entry(struct Object* self, char* path);
// Whether the loader reserved the whole span of our program headers for us: no foreign mapping
// inside.
int span_is_reserved(struct Object* self);

// message.c: one line on stderr, "punster: FILE: ...".
void say(struct Object* self, const char* what, const char* detail, const char* advice);

// text.c
void* memcpy(void* to, const void* from, size_t size);
void* memmove(void* to, const void* from, size_t size);
void* memset(void* to, int byte, size_t size);
int memcmp(const void* a, const void* b, size_t size);
size_t length_of(const char* text);
int equal(const char* a, const char* b);
char* append(char* to, const char* end, const char* text);
char* append_hex(char* to, const char* end, uint64_t value);
char* append_decimal(char* to, const char* end, uint64_t value);

#endif
