"""patch --with-libraries and punster run: a program together with the libraries that ld.so finds for it."""

import json
import os
import re
import stat
import subprocess

from contract import covers
from rewriting import PUNSTER, TARGETS, Failure, calls, punster, run

JUMPS = ["-M", "jmp", "-P", "empty"]

LIBRARY = """
int NAME(int x) { int sum = 0; for (int i = 0; i < x; ++i) sum += i & 1 ? i : -1; return sum; }
"""
MAIN = """
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
int near(int), linked(int);
int main(int argc, char **argv) {
  void *byname = dlopen("libbyname.so.2", RTLD_NOW), *bypath = dlopen("%s/plugins/libplugin.so", RTLD_NOW);
  if (!byname || !bypath) { puts(dlerror()); return 1; }
  int (*named)(int) = dlsym(byname, "byname"), (*placed)(int) = dlsym(bypath, "plugin");
  printf("%%s %%d %%d %%d %%d\\n", strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0], near(argc), linked(10),
         named(20), placed(30));
  for (int c; (c = getchar()) != EOF;) putchar(c);
  return argc;
}
"""


def expect(condition, what):
    if not condition:
        raise Failure(str(what))


def compile_(*words):
    done = run(["cc", "-O1", *words])
    expect(done.status == 0, done.stderr)


def library(work, folder, name, file, soname=None):
    place = work / folder
    place.mkdir(exist_ok=True)
    (work / f"{name}.c").write_text(LIBRARY.replace("NAME", name))
    compile_("-shared", "-fPIC", "-o", place / file, work / f"{name}.c", f"-Wl,-soname,{soname or file}")
    if soname and soname != file:
        (place / soname).symlink_to(file)
    return place / file


def program(work, *flags):
    """app needs libnear.so.1 beside itself ($ORIGIN) and liblinked.so.1, opens one by name and one by path."""
    library(work, "app-lib", "near", "libnear.so.1.5", "libnear.so.1")
    library(work, "libs", "linked", "liblinked.so.1")
    library(work, "libs", "byname", "libbyname.so.2.0", "libbyname.so.2")
    library(work, "plugins", "plugin", "libplugin.so")
    (work / "main.c").write_text(MAIN % work)
    compile_("-o", work / "app", work / "main.c", work / "app-lib/libnear.so.1.5", work / "libs/liblinked.so.1",
             "-Wl,--enable-new-dtags,-rpath,$ORIGIN/app-lib", *flags)
    return work / "app", {"LD_LIBRARY_PATH": str(work / "libs")}


def sh(line, env=None, cwd=None):
    return run(["sh", "-c", line], env=env, cwd=cwd, input_text="typed\n")


@covers("subcommand:patch", "option:--with-libraries", "format:json", "action:count", "option:--counters")
def a_program_and_its_libraries_go_into_a_folder(work):
    app, env = program(work)
    done = punster("patch", "-M", "jmp", "-P", "count", "--counters", work / "counts", "--with-libraries", app, "-o",
                   work / "out/", "--stats", work / "stats", "--format", "json", env=env)
    expect(done.status == 0, done)
    told = json.loads(done.stdout)
    files = {f["name"]: f for f in told["files"]}
    for name in ("app", "libnear.so.1", "liblinked.so.1", "libbyname.so.2", "libc.so.6"):
        expect(files[name]["rewritten"] and files[name]["sites"] > 0, files.get(name))
    lib = work / "out/lib"
    expect(os.readlink(lib / "libnear.so.1") == "libnear.so.1.5", "the link to a library's file")
    expect(os.readlink(lib / "libbyname.so.2") == "libbyname.so.2.0", "the link to a library's file")
    expect(str(work / "plugins/libplugin.so") in told["by_path"], told["by_path"])
    before, after = sh(f"{app} x", env), sh(told["run"] + " x", env)
    expect((before.status, before.stdout) == (after.status, after.stdout) and "typed" in after.stdout, after)
    for name in ("app", "libnear.so.1.5", "liblinked.so.1", "libbyname.so.2.0", "libc.so.6"):
        counted = punster("top", work / "counts" / f"{name}.counts", "--once", "--format", "json")
        expect(sum(row["count"] for row in json.loads(counted.stdout)) > 0, f"{name} did not run rewritten")
        expect(json.loads((work / "stats" / f"{name}.json").read_text())["status"] == "ok", name)
    expect(json.loads((work / "out/punster.json").read_text())["run"] == told["run"], "the manifest")


@covers("subcommand:patch", "subcommand:verify")
def only_libraries_asked_for_are_rewritten(work):
    app, env = program(work)
    done = punster("patch", *JUMPS, "--with-libraries=lib(linked|absent).*", app, "-o", work / "out", env=env)
    expect(done.status == 0, done)
    line = done.stdout.splitlines()[-1]
    # libnear was found beside the program, where the copy is not: a link leads there.
    expect(os.readlink(work / "out/lib/libnear.so.1") == str(work / "app-lib/libnear.so.1.5"), "no link")
    expect(sorted(os.listdir(work / "out/lib")) == ["liblinked.so.1", "libnear.so.1"], os.listdir(work / "out/lib"))
    expect(re.search(r"libc\.so\.6 .* original: not asked for", done.stdout), done.stdout)
    expect("opened by absolute path" in done.stdout and "libplugin.so" in done.stdout, done.stdout)
    before, after = sh(f"{app} x y", env), sh(line + " x y", env)
    expect((before.status, before.stdout) == (after.status, after.stdout), after)
    verified = punster("verify", work / "libs/liblinked.so.1", work / "out/lib/liblinked.so.1")
    expect(verified.status == 0, verified)


@covers("exit:1", "exit:2")
def a_folder_of_others_is_not_touched(work):
    app, env = program(work)
    words = ["patch", *JUMPS, "--with-libraries=lib(linked|near).*", app, "-o", work / "out"]
    expect(punster(*words, env=env).status == 0 and punster(*words, env=env).status == 0, "our own is replaced")
    (work / "mine").mkdir()
    (work / "mine/letter").write_text("dear")
    refused = punster(*words[:-1], work / "mine", env=env)
    expect(refused.status == 1 and "is not empty" in refused.stderr, refused)
    expect(os.listdir(work / "mine") == ["letter"], os.listdir(work / "mine"))
    refused = punster(*words[:-1], work / "main.c", env=env)
    expect(refused.status == 1 and "is a file" in refused.stderr, refused)
    nothing = punster("patch", "-M", "addr == 0x1", "-P", "empty", "--with-libraries", app, "-o", work / "none", env=env)
    expect(nothing.status == 1 and "no instruction matches" in nothing.stderr, nothing)
    left = [name for name in os.listdir(work) if "draft" in name or name == "none"]
    expect(not left, left)
    for option in ("--code", "--data"):
        wrong = punster(*words, option, "0x1000-0x1010", env=env)
        expect(wrong.status == 2 and "about one file" in wrong.stderr, wrong)
    wrong = punster("patch", *JUMPS, "--with-libraries=lib(", app, "-o", work / "none", env=env)
    expect(wrong.status == 2 and "--with-libraries=lib(" in wrong.stderr, wrong)


@covers("exit:1")
def what_is_no_program_is_refused(work):
    (work / "script").write_text("#!/bin/sh\necho\n")
    (work / "script").chmod(0o755)
    for file, reason in ((work / "script", "is a script"), (TARGETS / "plugin_tls", "is a library"),
                         (work / "absent", "No such file")):
        done = punster("patch", *JUMPS, "--with-libraries", file, "-o", work / "out")
        expect(done.status == 1 and reason in done.stderr and len(done.stderr.splitlines()) == 1, done)
        expect(not (work / "out").exists(), "an output")
    static = punster("patch", *JUMPS, "--with-libraries", TARGETS / "static_c", "-o", work / "static")
    expect(static.status == 0 and not (work / "static/lib").exists(), static)
    expect(run([static.stdout.splitlines()[-1].strip()]) == run([TARGETS / "static_c"]), static.stdout)


@covers("subcommand:patch")
def what_is_found_elsewhere_first_is_named(work):
    app, env = program(work, "-Wl,--disable-new-dtags,-rpath," + str(work / "libs"))
    done = punster("patch", *JUMPS, "--with-libraries=liblinked.*", app, "-o", work / "out", env=env)
    expect(done.status == 0, done)
    expect("ld.so takes another file first" in done.stdout, done.stdout)
    expect(f"liblinked.so.1: {work}/libs/liblinked.so.1" in done.stdout, done.stdout)


@covers("subcommand:run", "option:--cache", "option:--cache-size", "option:--verbose")
def a_program_runs_as_if_it_were_rewritten(work):
    app, env = program(work)
    words = ["run", *JUMPS, "--with-libraries=lib(linked|byname).*", "--cache", work / "cache", "--verbose"]
    before = run([app, "x", "y"], env=env, input_text="typed\n")
    first = punster(*words, "--", app, "x", "y", env=env, input_text="typed\n")
    expect((before.status, before.stdout) == (first.status, first.stdout), first)
    expect("liblinked.so.1: rewritten" in first.stderr and "libnear.so.1: not asked for" in first.stderr, first.stderr)
    expect("libplugin.so: original, opened by absolute path" in first.stderr, first.stderr)
    second = punster(*words, "--", app, "x", "y", env=env, input_text="typed\n")
    expect((before.status, before.stdout, "") == (second.status, second.stdout, second.stderr), second)
    # Another content is another entry.
    LIBRARY_OF_ANOTHER_DAY = LIBRARY.replace("-1", "-2").replace("NAME", "linked")
    (work / "linked.c").write_text(LIBRARY_OF_ANOTHER_DAY)
    compile_("-shared", "-fPIC", "-o", work / "libs/liblinked.so.1", work / "linked.c", "-Wl,-soname,liblinked.so.1")
    third = punster(*words, "--", app, "x", "y", env=env, input_text="typed\n")
    expect(third.stdout == run([app, "x", "y"], env=env, input_text="typed\n").stdout != first.stdout, third)
    expect(len(os.listdir(work / "cache/programs")) == 2 and len(os.listdir(work / "cache/files")) == 4,
           os.listdir(work / "cache/files"))
    # What was not used lately goes when the cache is too large.
    for record in (work / "cache").glob("*/*/record"):
        os.utime(record, (1e9, 1e9))
    last = punster(*words, "--cache-size", "0", "--", app, env=env, input_text="")
    expect(last.status == 1 and len(os.listdir(work / "cache/programs")) == 1, os.listdir(work / "cache/programs"))


@covers("subcommand:run", "environment:PUNSTER_CACHE")
def a_broken_cache_is_mended(work):
    app, env = program(work)
    env["PUNSTER_CACHE"] = str(work / "cache")
    words = ["run", *JUMPS, "--with-libraries=lib(linked|byname).*", "--", app, "x"]
    good = punster(*words, env=env, input_text="")
    expect(good.status == 2, good)

    def cached(pattern):
        return sorted((work / "cache").glob(pattern))
    damages = {
        "cut off": lambda: [os.truncate(f, 100) for f in cached("files/*/liblinked.so.1")],
        "a record is gone": lambda: [f.unlink() for f in cached("*/*/record")],
        "a record is half": lambda: [f.write_text(f.read_text()[:-2]) for f in cached("*/*/record")],
        "a library is gone": lambda: [f.unlink() for f in cached("programs/*/lib/*")],
        "the program is another": lambda: [f.write_bytes(b"#!/bin/false\n") for f in cached("*/*/app")],
        "hashes are cut off": lambda: [f.write_text("12") for f in cached("contents/*")],
        "somebody died at work": lambda: [(f.parent / (f.name + ".draft-1")).mkdir() for f in cached("files/*")],
    }
    for name, damage in damages.items():
        damage()
        again = punster(*words, env=env, input_text="")
        expect((again.status, again.stdout) == (good.status, good.stdout), (name, again))


@covers("subcommand:run")
def runs_at_the_same_time_share_the_work(work):
    app, env = program(work)
    words = [PUNSTER, "run", *JUMPS, "--with-libraries=lib(linked|byname).*", "--cache", work / "cache", "--", app]
    environment = dict(os.environ, **env)
    started = [subprocess.Popen([str(w) for w in words], env=environment, stdin=subprocess.DEVNULL, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(8)]
    results = {(p.communicate()[0], p.returncode) for p in started}
    before = run([app], env=env, input_text="")
    expect(results == {(before.stdout, before.status)}, results)
    expect(len(os.listdir(work / "cache/programs")) == 1 and len(os.listdir(work / "cache/files")) == 3, "entries")
    punster("run", *JUMPS, "--cache", work / "cache", "--", app, env=env, input_text="")


@covers("exit:1", "exit:2", "subcommand:run")
def what_cannot_be_run_is_said(work):
    app, env = program(work)
    cache = work / "cache"
    cache.mkdir(mode=0o777)
    cache.chmod(0o777)
    unsafe = punster("run", *JUMPS, "--cache", cache, "--", app, env=env)
    expect(unsafe.status == 1 and "others can write there" in unsafe.stderr, unsafe)
    cache.chmod(0o700)
    absent = punster("run", *JUMPS, "--cache", cache, "--", "no-such-program", env=env)
    expect(absent.status == 1 and "no such program in PATH" in absent.stderr, absent)
    homeless = punster("run", *JUMPS, "--", app, env={**env, "HOME": ""})
    expect(homeless.status == 1 and "--cache" in homeless.stderr, homeless)
    none = punster("run", "-M", "addr == 0x1", "-P", "empty", "--cache", cache, "--", app, env=env)
    expect(none.status == 1 and "no instruction matches" in none.stderr, none)
    expect(not os.listdir(cache / "programs"), "an entry of what failed")
    uncounted = punster("run", "-M", "jmp", "-P", "count", "--cache", cache, "--", app, env=env)
    expect(uncounted.status == 2 and "--counters" in uncounted.stderr, uncounted)
    nobody = punster("run", *JUMPS, "--cache", cache)
    expect(nobody.status == 2 and "CMD" in nobody.stderr, nobody)
    app.chmod(0o4755)
    expect(os.stat(app).st_mode & stat.S_ISUID, "no set-user-ID bit")
    noted = punster("run", *JUMPS, "--cache", cache, "--", app, env=env, input_text="")
    expect("is set-user-ID; rewritten, it runs with your own rights" in noted.stderr, noted)
    expect(not list(cache.glob("programs/*/app"))[0].stat().st_mode & stat.S_ISUID, "a copy with that bit")


@covers("exit:130")
def an_interrupted_program_leaves_nothing_behind(work):
    env = dict(os.environ, PUNSTER_CACHE=str(work / "cache"))
    for words in (["patch", "-M", "true", "-P", "empty", "--with-libraries", "/usr/bin/bash", "-o", work / "out"],
                  ["run", "-M", "true", "-P", "empty", "--with-libraries", "-v", "--", "/usr/bin/bash", "-c", "true"]):
        for begun in ("1 of", "2 of", "3 of"):
            started = subprocess.Popen([PUNSTER, *map(str, words)], env=env, stderr=subprocess.PIPE, text=True)
            for line in started.stderr:
                if line.startswith(begun):
                    break
            started.terminate()
            expect(started.wait() == 130, started.returncode)
        calls.append(([words[0]], 130))
    left = [str(p) for p in work.rglob("*") if "draft" in p.name or p.parent.name == "programs" or p == work / "out"]
    expect(not left, left)
