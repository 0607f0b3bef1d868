"""The files of this system that the slow proofs are about: which there are, how they are loaded, and what tools say of them."""

import re
import shutil
from pathlib import Path

from rewriting import Failure, run

PLACES = [Path("/usr/lib/x86_64-linux-gnu"), Path("/lib/x86_64-linux-gnu")]
# First these: everything depends on them, or they are unlike others.
FIRST = """libc.so.6 libm.so.6 libstdc++.so.6 libgcc_s.so.1 libcrypto.so.3 libssl.so.3 libz.so.1 libselinux.so.1 libpcre2-8.so.0
    libtinfo.so.6 libreadline.so.8 libsqlite3.so.0 libexpat.so.1 liblzma.so.5 libbz2.so.1.0 libzstd.so.1 libgmp.so.10 libmpfr.so.6
    libffi.so.8 libuuid.so.1 libcurl.so.4 libperl.so.5.36 libpython3.11.so.1.0 libresolv.so.2 libanl.so.1 librt.so.1 libdl.so.2
    libpthread.so.0 libacl.so.1 libattr.so.1 libcap.so.2 libblkid.so.1 libmount.so.1 libsystemd.so.0 libglib-2.0.so.0 libtsan.so.2
    libgomp.so.1 libatomic.so.1 libquadmath.so.0 libitm.so.1 libbfd-2.40-system.so libopcodes-2.40-system.so libLLVM-14.so.1
    libx265.so.199 libicui18n.so.72 libxml2.so.2""".split()
LOADER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static const char *wanted;
static int seen;
static int look(struct dl_phdr_info *info, size_t size, void *unused) {
  if (!strstr(info->dlpi_name, wanted)) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type != PT_LOAD) continue;
    const Elf64_Ehdr *header = (void *)(info->dlpi_addr + (info->dlpi_phdr[i].p_vaddr & -4096));
    const Elf64_Phdr *table = (void *)((char *)header + header->e_phoff);
    seen = !memcmp(header->e_ident, ELFMAG, SELFMAG) && header->e_phnum == info->dlpi_phnum;
    if (seen) seen = !memcmp(table, info->dlpi_phdr, sizeof *table * header->e_phnum);
    break;
  }
  return 0;
}
int main(int argc, char **argv) {
  wanted = argv[1];
  void *library = dlopen(argv[1], strcmp(argv[2], "now") ? RTLD_LAZY : RTLD_NOW);
  if (!library) { printf("%s\n", dlerror()); return 1; }
  struct link_map *map;
  if (dlinfo(library, RTLD_DI_LINKMAP, &map)) return 2;
  Dl_info info;
  if (!dladdr((void *)map->l_ld, &info)) return 3;
  if (memcmp(info.dli_fbase, ELFMAG, SELFMAG)) { printf("no header at dli_fbase\n"); return 4; }
  dl_iterate_phdr(look, 0);
  if (!seen && argc == 3) { printf("no headers at the lowest address\n"); return 5; }
  printf("loaded\n");
  return 0;
}
"""


def build_loader(work):
    """Loads argv[1] (argv[2]: now or lazy) and looks for it as debuggers and unwinders do."""
    source, loader = work / "loader.c", work / "loader"
    source.write_text(LOADER)
    built = run(["cc", "-w", "-O1", source, "-o", loader])
    if built.status != 0:
        raise Failure(built.stderr)
    return loader


def candidates(names, count):
    found, seen = [], set()
    others = sorted(p.name for p in PLACES[0].glob("*.so.*"))
    for name in names or FIRST + others:
        path = next((p / name for p in PLACES if (p / name).exists()), None)
        if path is None or not path.is_file() or path.resolve() in seen or path.read_bytes()[:4] != b"\x7fELF":
            continue
        seen.add(path.resolve())
        found.append((name, path.resolve()))
        if len(found) == count:
            break
    return found


def new_complaints(before, after):
    """What readelf and eu-elflint say of `after`, and not of `before`, as {tool: [line]}."""
    new = {}
    for tool in (["readelf", "-aW"], ["eu-elflint", "--gnu-ld"]):
        if shutil.which(tool[0]):
            new[tool[0]] = sorted(set(complaints(tool, after)) - set(complaints(tool, before)))
    return new


def complaints(tool, path):
    """What a tool says, without file names and numbers."""
    done = run([*tool, path])
    text = done.stderr + (done.stdout if tool[0] == "eu-elflint" else "")
    lines = [re.sub(r"0x[0-9a-f]+|\d+|" + re.escape(str(path)), "#", line) for line in text.splitlines()]
    # The second is said of every rewritten object, raised or not.
    return sorted({line for line in lines if line and line != "No errors" and "text relocation flag" not in line})


def loads_as_before(work, loader, name, directory, *more):
    for when in ("now", "lazy"):
        before = run([loader, name, when, *more], cwd=work)
        after = run([loader, name, when, *more], cwd=work, env={"LD_LIBRARY_PATH": str(directory), "PUNSTER_STRICT": "1"})
        said = [re.sub(rf"\S*/{re.escape(name)}", name, done.stdout) for done in (before, after)]
        if before.status != after.status or said[0] != said[1]:
            raise Failure(f"{name}, {when}: {before.stdout}{before.stderr} becomes {after.status} {after.stdout}{after.stderr}")
