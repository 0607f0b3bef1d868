// What a program learns about itself from AT_PHDR and dl_iterate_phdr stays true.
#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <sys/auxv.h>

static __thread int tls_word = 7;
static int visit(struct dl_phdr_info* info, size_t size, void* data) {
  (void)size;
  int covers = 0, dynamic = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr)* p = &info->dlpi_phdr[i];
    const unsigned long at = (unsigned long)&visit - info->dlpi_addr;
    if (p->p_type == PT_LOAD && at >= p->p_vaddr && at < p->p_vaddr + p->p_memsz) covers++;
    if (p->p_type == PT_DYNAMIC) dynamic++;
  }
  printf("covers main %d dynamic %d\n", covers, dynamic);
  *(int*)data += covers;
  return 1;  // the program itself comes first
}

int main(void) {
  int found = 0;
  dl_iterate_phdr(visit, &found);
  const ElfW(Phdr)* phdr = (const ElfW(Phdr)*)getauxval(AT_PHDR);
  const unsigned long count = getauxval(AT_PHNUM);
  int loads = 0, tls = 0;
  for (unsigned long i = 0; i < count; i++) loads += phdr[i].p_type == PT_LOAD, tls += phdr[i].p_type == PT_TLS;
  printf("loads %d tls %d word %d\n", loads >= 2, tls, tls_word);
  return found != 1;
}
