// What a slot of the GOT will lead to that the dynamic linker has not bound yet.
//
// With lazy binding a slot first leads into the file's own PLT, and the dynamic linker writes the
// function's address into it when the function is called for the first time. From then on calls
// would pass by us; to take the slot back after that first call is too late when another thread
// calls meanwhile, or when the first call waits, or does not return. So the function is looked up
// here, before any code of the file runs, and the dynamic linker never gets to write the slot.
//
// The order is the dynamic linker's: the objects of our namespace as they were loaded, which begins
// with the global scope, where libc is. Of several versions of a symbol the default one counts; no
// function that is owned has others that behave differently. What is not found, or is chosen by a
// resolver of its own (IFUNC), is left to the dynamic linker and not owned.

#include <linux/elf.h>

#include "object.h"

// The part of ld.so's record of an object that <link.h> promises.
struct LinkMap {
  uint64_t bias;
  const char* name;
  const Elf64_Dyn* dynamic;
  const struct LinkMap *next, *previous;
};

struct Symbols {
  const Elf64_Sym* at;
  const char* strings;
  const uint16_t* versions;    // or 0
  const uint32_t *gnu, *sysv;  // the hash tables, or 0
};

// <linux/elf.h> lacks them.
enum { dt_gnu_hash = 0x6ffffef5, stt_gnu_ifunc = 10, version_is_hidden = 0x8000 };

static const void* pointer_of(const struct LinkMap* map, int64_t tag) {
  for (const Elf64_Dyn* d = map->dynamic; d->d_tag != DT_NULL; ++d)
    if (d->d_tag == tag) {
      // ld.so has added the bias, but not in pages that cannot be written: the vDSO's.
      const uint64_t value = d->d_un.d_ptr;
      return (const void*)(value < map->bias ? value + map->bias : value);
    }
  return 0;
}

static int is_definition(const struct Symbols* symbols, uint32_t i, const char* name) {
  const Elf64_Sym* const s = &symbols->at[i];
  return s->st_shndx != SHN_UNDEF && s->st_value != 0 && ELF_ST_BIND(s->st_info) != STB_LOCAL &&
         !(symbols->versions && (symbols->versions[i] & version_is_hidden)) &&
         equal(symbols->strings + s->st_name, name);
}

static const Elf64_Sym* find_by_gnu_hash(const struct Symbols* symbols, const char* name) {
  const uint32_t* const table = symbols->gnu;
  const uint32_t buckets = table[0], first = table[1], filter_words = table[2];
  const uint32_t* const bucket = table + 4 + 2 * filter_words;
  const uint32_t* const chain = bucket + buckets;
  uint32_t hash = 5381;
  for (const char* c = name; *c; ++c) hash = hash * 33 + (uint8_t)*c;
  uint32_t i = buckets ? bucket[hash % buckets] : 0;
  if (i < first) return 0;
  for (;; ++i) {
    if ((chain[i - first] | 1) == (hash | 1) && is_definition(symbols, i, name))
      return &symbols->at[i];
    if (chain[i - first] & 1) return 0;
  }
}

static const Elf64_Sym* find_one_by_one(const struct Symbols* symbols, const char* name) {
  for (uint32_t i = 1; i < symbols->sysv[1]; ++i)
    if (is_definition(symbols, i, name)) return &symbols->at[i];
  return 0;
}

static const Elf64_Sym* find_in(const struct LinkMap* map, const char* name) {
  const struct Symbols symbols = {pointer_of(map, DT_SYMTAB), pointer_of(map, DT_STRTAB),
                                  pointer_of(map, DT_VERSYM), pointer_of(map, dt_gnu_hash),
                                  pointer_of(map, DT_HASH)};
  if (!symbols.at || !symbols.strings) return 0;
  if (symbols.gnu) return find_by_gnu_hash(&symbols, name);
  return symbols.sysv ? find_one_by_one(&symbols, name) : 0;
}

// ld.so leaves its record of an object that it binds lazily in the second word of the GOT.
static const struct LinkMap* own_record(const struct Object* self) {
  if (!self->header->dynamic_address) return 0;
  const struct LinkMap ours = {
      .bias = self->bias,
      .dynamic = (const Elf64_Dyn*)(self->header->dynamic_address + self->bias)};
  const uint64_t* const got = pointer_of(&ours, DT_PLTGOT);
  return got ? (const struct LinkMap*)got[1] : 0;
}

uint64_t find_function(const struct Object* self, const char* name) {
  const struct LinkMap* map = own_record(self);
  while (map && map->previous) map = map->previous;
  for (; map; map = map->next) {
    const Elf64_Sym* const found = map->dynamic ? find_in(map, name) : 0;
    if (found)
      return ELF_ST_TYPE(found->st_info) == stt_gnu_ifunc ? 0 : found->st_value + map->bias;
  }
  return 0;
}
