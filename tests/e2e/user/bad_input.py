"""Item by item, what a user may get wrong about the input file: one clear line, the right status, no
output, nothing left behind."""

import os
import shutil
import struct
import subprocess

from contract import covers
from elf_file import PT_LOAD, PT_NOTE, ElfFile
from refusal import refused
from rewriting import TARGETS, Failure, compare_runs, patch, punster, skip, verify


def variant(work, name, change):
    """A copy of the target hello with `change(ElfFile)` applied."""
    path = work / name
    elf = ElfFile((TARGETS / "hello").read_bytes())
    change(elf)
    path.write_bytes(elf.data)
    path.chmod(0o755)
    return path


@covers("exit:1", "status:refused", "statistic:error")
def not_an_elf_file(work):
    for name, content in (("text", b"#!/bin/sh\necho no\n"), ("empty", b""), ("short", b"\x7fEL"),
                          ("zeros", bytes(4096))):
        (work / name).write_bytes(content)
        refused(work, work / name, kind="not_elf", says=name)


@covers("exit:1")
def thirty_two_bit(work):
    refused(work, variant(work, "class32", lambda e: e.put(4, "B", 1)), kind="unsupported_class")


@covers("exit:1")
def big_endian(work):
    refused(work, variant(work, "msb", lambda e: e.put(5, "B", 2)), kind="unsupported_byte_order")


@covers("exit:1")
def other_machine(work):
    refused(work, variant(work, "arm", lambda e: e.put(18, "<H", 183)), kind="unsupported_machine")


@covers("exit:1")
def neither_program_nor_library(work):
    for number in (0, 1, 4):  # ET_NONE, ET_REL, ET_CORE
        refused(work, variant(work, f"type{number}", lambda e: e.put(16, "<H", number)))


@covers("exit:1")
def truncated_at_every_64_bytes_of_the_headers(work):
    elf = ElfFile((TARGETS / "hello").read_bytes())
    headers = [(0, elf.phoff + 56 * elf.phnum), (elf.shoff, len(elf.data))]
    cuts = [c for lo, hi in headers for c in range(lo // 64 * 64, hi, 64)]
    for cut in cuts:
        path = work / f"cut{cut}"
        path.write_bytes(elf.data[:cut])
        refused(work, path)
    print(f"{len(cuts)} cuts")


@covers("exit:1")
def overlapping_segments(work):
    def overlap(elf):
        loads = elf.indices(PT_LOAD)
        elf.set_segment(loads[2], vaddr=elf.segment(loads[1]).vaddr)
    refused(work, variant(work, "overlap", overlap), kind="malformed")


@covers("exit:1")
def wrapping_segments(work):
    def wrap(field, value):
        return lambda elf: elf.set_segment(elf.indices(PT_LOAD)[-1], **{field: value})
    for name, field, value in (("memory", "memsz", 2**64 - 4096), ("file", "filesz", 2**64 - 16),
                               ("offset", "offset", 2**64 - 4096), ("address", "vaddr", 2**64 - 4096),
                               ("past", "filesz", 1 << 40)):
        refused(work, variant(work, name, wrap(field, value)), kind="malformed")


@covers("exit:1")
def header_counts_that_lie(work):
    def lie(offset, value):
        return lambda elf: elf.put(offset, "<H", value)
    refused(work, variant(work, "phnum", lie(56, 0xfff0)), kind="malformed")
    refused(work, variant(work, "phentsize", lie(54, 8)), kind="malformed")
    refused(work, variant(work, "no_segments", lie(56, 0)))


@covers("exit:0")
def no_section_headers_works(work):
    def strip(elf):
        elf.put(40, "<Q", 0), elf.put(60, "<HH", 0, 0)
    before, after = work / "before", work / "punned"
    before.mkdir(), after.mkdir()
    path = variant(before, "bare", strip)
    rewritten = patch(path, after / "bare", ["-M", "jmp", "-P", "empty"])
    if rewritten.stats["patched"] < 10:
        raise Failure(f"only {rewritten.stats['patched']} sites found without section headers")
    verify(path, rewritten)
    compare_runs(before, after, lambda d: [d / "bare"])


@covers("exit:1")
def no_room_for_a_program_header(work):
    def fill(elf):
        entries = [elf.segment_bytes(i) for i in range(elf.phnum)]
        note = struct.pack("<IIQQQQQQ", PT_NOTE, 4, 0, 0, 0, 0, 0, 4)
        entries += [note] * (73 - len(entries))  # what kernels before 6.17 take at most
        elf.data += bytes(-len(elf.data) % 8)
        elf.put(32, "<Q", len(elf.data)), elf.put(56, "<H", 73)
        elf.data += b"".join(entries)
    refused(work, variant(work, "full", fill), kind="no_room")


@covers("exit:1")
def already_rewritten(work):
    patch(TARGETS / "hello", work / "once", ["-M", "jmp", "-P", "empty"])
    refused(work, work / "once", kind="already_rewritten")


@covers("exit:1")
def unreadable(work):
    refused(work, work / "no-such-file", says="no-such-file", kind="unreadable")
    refused(work, work, kind="unreadable")  # a folder
    shutil.copy(TARGETS / "hello", work / "secret")
    os.chmod(work / "secret", 0)
    refused(work, work / "secret", kind="unreadable", powerless=True)


@covers("exit:1")
def unwritable_output(work):
    refused(work, TARGETS / "hello", output=work / "no/such/folder/out", kind="unwritable")
    (work / "locked").mkdir()
    os.chmod(work / "locked", 0o555)
    refused(work, TARGETS / "hello", output=work / "locked/out", kind="unwritable", powerless=True)
    (work / "folder").mkdir()
    refused(work, TARGETS / "hello", output=work / "folder", output_exists=True)


@covers("exit:1")
def disk_full(work):
    (work / "small").mkdir()
    mount = f"mount -t tmpfs -o size=24k none {work}/small && exec \"$0\" \"$@\"; exit 99"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount, "true"], capture_output=True).returncode:
        skip("mounting a small tmpfs is not permitted here")
    leftovers = f"mount -t tmpfs -o size=24k none {work}/small; \"$0\" \"$@\"; s=$?; ls {work}/small | sed 's/^/LEFT /' >&2; exit $s"
    refused(work, TARGETS / "containers", output=work / "small/out", kind="disk_full",
            wrapper=["unshare", "-m", "sh", "-c", leftovers])


@covers("exit:1")
def file_size_limit(work):
    limit = "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""
    refused(work, TARGETS / "containers", wrapper=["bash", "-c", limit])


def output_is_input(work, make):
    shutil.copy(TARGETS / "hello", work / "program")
    before = (work / "program").read_bytes()
    output = make(work)
    refused(work, work / "program", output=output, output_exists=True, status=None)
    if (work / "program").read_bytes() != before:
        raise Failure("the input was changed")


@covers("subcommand:patch")
def output_equal_to_input(work):
    output_is_input(work, lambda w: w / "program")


@covers("subcommand:patch")
def output_is_a_link_to_the_input(work):
    output_is_input(work, lambda w: os.symlink(w / "program", w / "link") or w / "link")
    os.unlink(work / "link")
    output_is_input(work, lambda w: os.link(w / "program", w / "hard") or w / "hard")


@covers("subcommand:patch", "subcommand:sites", "subcommand:verify", "subcommand:show", "subcommand:top")
def every_subcommand_refuses_garbage(work):
    (work / "garbage").write_bytes(bytes(range(256)) * 40)
    for command in (["sites", "-M", "jmp", work / "garbage"], ["verify", work / "garbage", work / "garbage"],
                    ["show", work / "garbage", "--at", "0x1000"], ["top", "--once", work / "garbage"]):
        done = punster(*command)
        if done.status != 1 or done.stdout or len(done.stderr.splitlines()) != 1:
            raise Failure(f"{command}: status {done.status}, stdout {done.stdout!r}, stderr {done.stderr!r}")
    refused(work, work / "garbage", kind="not_elf")
