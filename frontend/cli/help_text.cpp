#include "frontend/cli/help_text.h"

#include <cassert>

namespace punster {

namespace {

constexpr HelpText texts[] = {
    {"punster", "punster COMMAND [OPTIONS]",
     "Rewrites x86-64 ELF programs and libraries, without source and without control-flow "
     "recovery.",
     R"(Count how often every jump of ls is executed:
  punster patch -M jmp -P count /bin/ls -o ls.counted
  ./ls.counted -R /etc > /dev/null
  punster top ls.counted.counts

`punster COMMAND --help` explains a command with examples.
Addresses are always link-time addresses of the original file, in hexadecimal with 0x.
Exit status: 0 done, 1 failed or nothing matched, 2 wrong usage, 3 not all patched (--strict),
130 interrupted.
)"},
    {"patch",
     "punster patch [-M EXPR]... -P ACTION... [-M EXPR... -P ACTION...]... INPUT -o OUTPUT "
     "[OPTIONS]",
     "Writes OUTPUT: INPUT with an action at every instruction that an expression matches.",
     R"(Expressions: true, jmp, jcc, call, ret, syscall, asm, mnemonic, addr, offset, size, section, symbol,
  target, random, BB, F, op[0].., src[0].., dst[0].., reg[0].., mem[0].., imm[0].., reads, writes; == != < <= > >= in,
  "regular expressions", and, or, not, ( ). Several -M before one -P must all match; none at all matches
  everything.
Actions: empty, count, count(atomic), print, breakpoint, exit(N), signal(SIG), break, and calls of your own functions:
  f(rax, &op[0], asm)@FILE, if f(addr)@FILE break, if f(addr)@FILE goto, with FILE made by `punster cc`. They run before
  the instruction, or as `before`, `replace` or `after` in front says; nop, bytes(31 c0 c3), jump(ADDRESS) stand in its
  place. Several at one site run in this order.

Put an empty trampoline under every jump:
  punster patch -M jmp -P empty /bin/ls -o ls.empty
Count calls of malloc, print every system call, in one go:
  punster patch -M 'call and target == &malloc' -P count -M syscall -P print prog -o prog.traced
Make a check always pass (the instruction at 0x1189 is a conditional jump of two bytes):
  punster patch -M 'addr == 0x1189' -P nop prog -o prog.free
Every instruction, as much as can be had without traps, with a record of each:
  punster patch -M true -P empty --no-traps --stats stats.json --sites sites.jsonl prog -o prog.all
The program and every library that ld.so finds for it, into a folder; the last line printed runs it:
  punster patch -M jmp -P empty --with-libraries /usr/bin/git -o git.all/
)"},
    {"run",
     "punster run [-M EXPR]... -P ACTION... [--with-libraries[=REGEX]] [OPTIONS] -- CMD [ARGS...]",
     "Runs CMD rewritten; what was rewritten once is kept.",
     R"(Rewrites the program, and with --with-libraries the libraries that ld.so finds for it by name, into a
cache, and becomes it: same arguments, environment, streams, exit status. The cache is keyed by the
contents of all files and by the options; runs at the same time share it.

Every instruction of git and of its libraries, while it works:
  punster run -M true -P empty --with-libraries -- git log --oneline
Every call of OpenSSL counted, and nothing else:
  punster run -M call -P count --counters counts --with-libraries='libcrypto.*' -- openssl speed sha256
  punster top counts/libcrypto.so.3.counts --names /usr/lib/x86_64-linux-gnu/libcrypto.so.3
A whole session of a shell; what it starts uses the rewritten libraries, too:
  punster run -M jmp -P empty --with-libraries -- bash
)"},
    {"bisect", "punster bisect [-M EXPR]... -P ACTION... INPUT [OPTIONS] -- CHECK...",
     "Finds the site whose patching makes a program misbehave.",
     R"(Patches INPUT at ever fewer of the sites and runs CHECK on each result; {} in CHECK is the patched file.
Exit status 0 of CHECK means that all is well. Prints the culprit: one site, or several that only
together do harm. n sites take at most log2(n) + 2 runs for one culprit.

Which of the jumps of prog must not be patched, so that it prints what it should?
  punster bisect -M jmp -P empty prog -- sh -c '{} --selftest | cmp - expected'
A library, in a program that loads it:
  punster bisect -M true -P empty libx.so.1 -- env LD_PRELOAD={} prog
)"},
    {"sites", "punster sites -M EXPR... INPUT [OPTIONS]",
     "Prints the instructions that an expression matches, and changes nothing.",
     R"(Which conditional jumps does main have?
  punster sites -M 'jcc and symbol == "main"' prog
Every call through memory, as CSV, which -M takes again:
  punster sites -M 'call and mem[0]' --format csv prog > calls.csv
  punster patch -M 'addr in "calls.csv"' -P count prog -o prog.counted
)"},
    {"explain",
     "punster explain {--sites FILE | -M EXPR... [-P ACTION]... INPUT} --at ADDRESS... [OPTIONS]",
     "Says why an instruction got its tactic, and why the others failed.",
     R"(Plan a rewriting without writing it, and ask about two of its sites:
  punster explain -M true -P empty prog --at 0x1139 0x113b
Look up what an earlier run recorded (the outcome, not the alternatives):
  punster patch -M true -P empty --sites sites.jsonl prog -o prog.all
  punster explain --sites sites.jsonl --at 0x1139
)"},
    {"analyze", "punster analyze INPUT [OPTIONS]",
     "Says what every byte of the executable sections is: code, data, padding or doubt, and why.",
     R"(How much of libcrypto is code, and where is it not sure?
  punster analyze /usr/lib/x86_64-linux-gnu/libcrypto.so.3
Everything, for a script; and a picture:
  punster analyze --format json prog > prog.json
  punster analyze --draw prog.html prog
What another disassembler found counts as evidence, and what you know yourself:
  punster analyze --addresses starts.csv --data 0x4010-0x4050 prog
)"},
    {"show", "punster show PATCHED --at ADDRESS... [OPTIONS]",
     "Disassembles the original instruction, what stands there now, and the way to its trampoline.",
     R"(What became of the instruction at 0x1139?
  punster show ls.empty --at 0x1139
)"},
    {"verify", "punster verify [--sites FILE] ORIGINAL PATCHED [OPTIONS]",
     "Proves, without running anything, that PATCHED does what ORIGINAL does at every patched "
     "site.",
     R"(Exit status 0 only if every site is proven; a file without any patched site is a failure.
  punster patch -M jmp -P empty --sites sites.jsonl /bin/ls -o ls.empty
  punster verify --sites sites.jsonl /bin/ls ls.empty
)"},
    {"check", "punster check FILE... [OPTIONS]",
     "Predicts what the kernel or ld.so would refuse, without starting anything.",
     R"(Exit status 1 when something would be refused. A program is looked at with the libraries that ld.so
would load for it; address space and mappings are those of all of them together.

Would it start in a container with 4 GiB of address space, under Debian 12's kernel?
  punster check --address-space 4096 --kernel 6.1 git.all/git
Can threads with small stacks load this library?
  punster check --stack 16 libx.punned.so
)"},
    {"top", "punster top DATA [OPTIONS]", "Shows the counters of -P count, busiest first, live.",
     R"(Watch a running program (Ctrl-C ends it), with the sites named by its symbols:
  punster top ls.counted.counts --names /bin/ls
The ten busiest sites, for a script:
  punster top ls.counted.counts --once --rows 10 --format json
)"},
    {"export", "punster export DATA INPUT --to FORMAT [OPTIONS]",
     "Prints what -P count counted as coverage: blocks (drcov), source lines (lcov), or all (csv, "
     "json).",
     R"(Which basic blocks ran, for Lighthouse and other viewers of drcov version 2:
  punster patch -M BB.entry -P count /usr/bin/git -o git.cov
  ./git.cov log > /dev/null
  punster export git.cov.counts /usr/bin/git --to drcov > git.drcov
Which source lines ran (the program was compiled with -g), as pages:
  punster export prog.cov.counts prog --to lcov > prog.info && genhtml prog.info -o pages
)"},
    {"calibrate", "punster calibrate [OPTIONS]",
     "Measures what each trap of --trap-with costs on this machine, beside a system call.",
     R"(One hit: the trap, the signal handler that leads to the trampoline, the way back from the handler. Medians.
  punster calibrate
  punster calibrate --format json --rounds 100000
)"},
    {"cc", "punster cc [-o HOOK] [--vector] FILE... [-- FLAGS...]",
     "Compiles a hook: C or C++ functions that -P 'f(...)@HOOK' has called at every site.",
     R"(Uses gcc or clang ($CC, $CXX) with what punster/hook.h needs, and refuses what cannot work in a program
that knows nothing of it: libc, thread-local variables, IFUNCs. FLAGS go to the compiler.

Print where every call leads (entry.c: #include <punster/hook.h>
  void entry(const void* addr, const void* to) { hook_printf("%p calls %p\n", addr, to); }):
  punster cc entry.c
  punster patch -M call -P 'entry((static)addr, target)@entry' prog -o prog.traced
)"},
    {"serve", "punster serve [--stdio | --listen unix:PATH] [OPTIONS]",
     "Serves the protocol with the analysis inside: open a file, list sites, rewrite it, prove it.",
     R"(Programs in any language talk to it: JSON-RPC 2.0, one message a line; protocol/PROTOCOL.md describes
every method, protocol/python is a client.
  echo '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocol_version":1}}' | punster serve
  punster serve --listen unix:$XDG_RUNTIME_DIR/punster
)"},
};

}  // namespace

const HelpText& help_text(std::string_view name) {
  for (const HelpText& text : texts)
    if (name == text.name) return text;
  assert(false && "no such command");
  return texts[0];
}

}  // namespace punster
