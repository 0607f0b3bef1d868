"""Debian source packages: fetched with an apt of their own, built with listings."""

import os
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
COMPILER = f"gcc -B{HERE}/tools/"
JOBS = os.cpu_count() or 1

# name: source package, needed packages, how to build it, the file that comes out.
LIBRARIES = {
    "libcrypto": ("openssl", "perl", """
        ./Configure linux-x86_64 shared no-tests enable-ec_nistp_64_gcc_128 CC="$CC"
        make -j$JOBS build_generated libcrypto.so""", "libcrypto.so.3"),
    "gmp": ("gmp", "m4", """
        mkdir -p doc && printf 'all:\n' > doc/Makefile.in  # Debian leaves the manual out
        ./configure --enable-fat --disable-static CC="$CC"
        make -j$JOBS""", ".libs/libgmp.so.10.4.1"),
    "nettle": ("nettle", "m4", """
        ./configure --enable-fat --disable-static --enable-mini-gmp --disable-openssl CC="$CC"
        make -j$JOBS libnettle.so""", "libnettle.so"),
    "dav1d": ("dav1d", "meson ninja-build nasm", """
        CC="$CC" meson setup listed -Denable_tests=false -Denable_tools=false --buildtype=release
        ninja -j$JOBS -C listed""", "listed/src/libdav1d.so.6.6.0"),
    "x264": ("x264", "nasm", """
        CC="$CC" ./configure --enable-shared --disable-cli --disable-opencl --enable-pic
        make -j$JOBS""", "libx264.so.164"),
}
# Chosen when the analysis was finished, so that it was not fitted to them: reported, and held to precision.
HELD_OUT = {"x264"}


class Unavailable(Exception):
    """A source or a tool is not to be had; the message says which."""


def run(command, directory, log, environment=None):
    with open(log, "ab") as output:
        done = subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                              env={**os.environ, **(environment or {})})
    if done.returncode:
        raise Unavailable(f"{command[0]} failed in {directory}: see {log}")


def fetch(package, work):
    """The unpacked source of `package`, fetched into `work` unless it is there."""
    def unpacked():
        return sorted(p for p in work.glob(f"{package}-*") if p.is_dir())
    there = unpacked()
    if there:
        return there[0]
    apt = work / "apt"
    for directory in ("lists/partial", "cache/archives/partial"):
        (apt / directory).mkdir(parents=True, exist_ok=True)
    (apt / "sources.list").write_text("deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
                                      "http://deb.debian.org/debian bookworm main\n")
    options = [f"-oDir::Etc::sourcelist={apt}/sources.list", "-oDir::Etc::sourceparts=-",
               f"-oDir::State::lists={apt}/lists", f"-oDir::Cache={apt}/cache"]
    log = work / "fetch.log"
    if not any((apt / "lists").glob("*Sources*")):
        run(["apt-get", *options, "update"], work, log)
    run(["apt-get", *options, "source", "--only-source", package], work, log)
    return unpacked()[0]


def build(name, work):
    """The folder where `name` was built and the unstripped file itself; the linker's map lies beside it."""
    package, needed, commands, output = LIBRARIES[name]
    source = fetch(package, work)
    result = source / output
    if not (source / "built").exists():
        environment = {"CC": COMPILER, "JOBS": str(JOBS), "PATH": f"{HERE}/tools:{os.environ['PATH']}"}
        try:
            run(["bash", "-ec", commands], source, work / f"{name}.log", environment)
        except Unavailable as problem:
            raise Unavailable(f"{problem} (it needs: {needed})") from problem
        (source / "built").touch()
    return source, result.resolve()
