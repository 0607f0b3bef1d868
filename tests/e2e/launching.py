"""Ways to start a program and to load a library: each a function from a `Scene` to a command, or to the reason
why it cannot be tried here. `launch_matrix` runs them all.

The same file names stand in the scene of the original and in that of the rewritten file.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


class NotHere(Exception):
    """This machine, or this kind of file, has no such way."""


@dataclass
class Scene:
    directory: Path  # holds `program` or `library.so`, and nothing else that is looked at
    tools: Path      # launcher, host, user, user-origin
    kind: str        # pie, fixed, static, static-pie, dso

    @property
    def program(self):
        return self.directory / "program"

    @property
    def library(self):
        return self.directory / "library.so"

    def launched(self, how, *words):
        return [self.tools / "launcher", how, self.program, *words]

    def hosted(self, how, library=None):
        return [self.tools / "host", how, library or self.library]


def need(*commands):
    for command in commands:
        if not shutil.which(command):
            raise NotHere(f"{command} is not installed")


def works(*command):
    if subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode != 0:
        raise NotHere(f"{command[0]} is not permitted")


def need_dynamic(scene):
    if scene.kind.startswith("static"):
        raise NotHere("not a dynamic program")


PROGRAM_WAYS, LIBRARY_WAYS = {}, {}


def way(function):
    PROGRAM_WAYS[function.__name__] = function
    return function


def loading(function):
    LIBRARY_WAYS[function.__name__] = function
    return function


def shell(scene, script):
    return ["sh", "-c", f'cd "$0" && {script}', scene.directory]


for name, words in {"exec": [], "with_arguments": ["a", "b"], "long_arguments": ["x" * 100000] * 3}.items():
    PROGRAM_WAYS[name] = lambda s, words=words: [s.program, *words]
for name, how in {"descriptor": "fd", "memory_file": "memfd", "proc_self_fd": "path-of-fd", "deleted": "deleted",
                  "replaced": "replaced", "no_argv": "no-arguments", "no_environment": "no-environment",
                  "signals_blocked": "blocked", "few_descriptors": "few-files", "closed_descriptors": "no-files",
                  "deleted_directory": "deleted-directory"}.items():
    PROGRAM_WAYS[name] = lambda s, how=how: s.launched(how)
for name, script in {"relative_path": "./program", "path_variable": "PATH=.:$PATH; program",
                     "symbolic_link": "ln -sf program link; ./link", "hard_link": "ln -f program hard; ./hard",
                     "interpreter_line": "printf '#!%s/program\\n' \"$0\" > script; chmod +x script; ./script x",
                     "unlimited_stack": "ulimit -s unlimited; ./program", "small_stack": "ulimit -s 256; ./program",
                     "limited_memory": "ulimit -v 4000000; ./program", "no_core": "ulimit -c 0; ./program",
                     "background": "./program & wait $!", "bind_now": "LD_BIND_NOW=1 ./program",
                     "renamed": "mv program other; ./other; s=$?; mv other program; exit $s"}.items():
    PROGRAM_WAYS[name] = lambda s, script=script: shell(s, script)


@way
def through_the_loader(scene):
    need_dynamic(scene)
    return ["/lib64/ld-linux-x86-64.so.2", scene.program, "x"]


@way
def fixed_addresses(scene):
    works("setarch", "-R", "true")
    return ["setarch", "-R", scene.program]


@way
def legacy_layout(scene):
    works("setarch", "-L", "true")
    return ["setarch", "-L", scene.program]


@way
def readable_is_executable(scene):
    works("setarch", "-X", "true")
    return ["setarch", "-X", scene.program]


@way
def no_new_privileges(scene):
    works("setpriv", "--no-new-privs", "true")
    return ["setpriv", "--no-new-privs", scene.program]


def other_user(scene, mode):
    if os.getuid() != 0:
        raise NotHere("only root can start it as another user")
    works("setpriv", "--reuid=65534", "--clear-groups", "true")
    scene.directory.chmod(0o755)
    scene.directory.parent.chmod(0o755)
    copy = scene.directory / f"mode-{mode:o}"
    shutil.copy(scene.program, copy)
    copy.chmod(mode)
    return ["setpriv", "--reuid=65534", "--clear-groups", copy]


@way
def execute_only(scene):
    return other_user(scene, 0o111)


@way
def set_user_id(scene):
    return other_user(scene, 0o4755)


def root_directory(scene, *files):
    """A root directory of its own with libc and the loader, without /proc."""
    works("unshare", "-r", "chroot", "/", "true")
    root = scene.directory / "root"
    for file in ("/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6"):
        (root / file[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, root / file[1:])
    for file in files:
        shutil.copy(file, root)
    return ["unshare", "-r", "chroot", root]


@way
def chroot_without_proc(scene):
    return [*root_directory(scene, scene.program), "/program"]


@way
def chroot_descriptor(scene):
    """No /proc, and a name that leads nowhere."""
    command = root_directory(scene, scene.program, scene.tools / "launcher")
    return [*command, "/launcher", "memfd", "/program"]


@way
def under_gdb(scene):
    """Traps are signals, which gdb is told to leave to the program."""
    need("gdb")
    return ["sh", "-c", 'gdb -nx -batch -ex "handle SIGILL nostop noprint pass" -ex run "$0" 2>&1 | grep -oE "^sum.*|exited.*"', scene.program]


@way
def under_valgrind(scene):
    need("valgrind")
    return ["valgrind", "-q", "--tool=none", scene.program]


@way
def under_strace(scene):
    need("strace")
    works("strace", "-o", "/dev/null", "true")
    return ["strace", "-f", "-o", "/dev/null", scene.program]


def without_queries(scene, command):
    """As on Linux before 6.11, where /proc/self/maps must be read."""
    need("strace")
    works("strace", "-o", "/dev/null", "-e", "inject=ioctl:error=ENOTTY", "true")
    return ["strace", "-f", "-o", "/dev/null", "-e", "inject=ioctl:error=ENOTTY", *command]


@way
def older_kernel(scene):
    return without_queries(scene, scene.launched("deleted"))


LIBRARY_WAYS["older_kernel"] = lambda s: without_queries(s, s.hosted("plain"))
for name, how in {"dlopen": "plain", "dlopen_lazy": "lazy", "by_descriptor": "by-descriptor", "reopened": "again",
                  "namespaces": "namespaces", "small_thread_stack": "small-stack"}.items():
    LIBRARY_WAYS[name] = lambda s, how=how: s.hosted(how)
for name, script in {"relative": '"$1" plain ./library.so', "fixed_addresses": 'setarch -R "$1" plain ./library.so',
                     "by_search_path": 'LD_LIBRARY_PATH=. "$1" plain library.so',
                     "preload": 'LD_PRELOAD="$0/library.so" "$1" preloaded',
                     "preload_relative": 'LD_PRELOAD=./library.so "$1" preloaded',
                     "preload_everywhere": 'LD_PRELOAD="$0/library.so" sh -c "echo one | cat; ls / | wc -l"',
                     "two_copies": 'cp library.so copy.so; "$1" two-copies ./library.so ./copy.so',
                     "symbolic_link": 'ln -sf library.so link.so; "$1" plain ./link.so',
                     "limited_memory": 'ulimit -v 6000000; "$1" plain ./library.so',
                     "few_descriptors": 'ulimit -n 6; "$1" plain ./library.so',
                     "bind_now": 'LD_BIND_NOW=1 "$1" plain ./library.so'}.items():
    LIBRARY_WAYS[name] = lambda s, script=script: [
        "sh", "-c", f'cd "$0" && {script}', s.directory, s.tools / "host"]


@loading
def linked(scene):
    return ["env", f"LD_LIBRARY_PATH={scene.directory}", scene.tools / "user"]


@loading
def origin(scene):
    shutil.copy(scene.tools / "user-origin", scene.directory)
    return [scene.directory / "user-origin"]


@loading
def chroot_without_proc_(scene):
    return [*root_directory(scene, scene.library, scene.tools / "host"), "/host", "plain", "/library.so"]
