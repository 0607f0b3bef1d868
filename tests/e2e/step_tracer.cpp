// step_tracer REPORT PROGRAM MODE: steps through tests/targets/stepped.c, and sends a signal at
// every place.
//
// Between the program's `begin` and `end` it is run instruction by instruction. Wherever it stands
// for the first time, except in libraries, SIGUSR1 is delivered. The program's handler must find in
// its context the very registers that were there; when it returns, control must be back at that
// place with every register, flag and the vector state as they were (but r15, when MODE is
// `change`: then it must be what the handler made of it). With MODE `jump` the handler leaves by
// siglongjmp, and stepping goes on from there. With MODE `backtrace` the handler has asked the
// program's own unwinder, which must have found the callers that are found here. Nothing is known
// here about how programs are rewritten.
//
// Written to REPORT, with MODE `return`: one line for each change of the callers on the way: return
// addresses and frames, as frame_walker.h finds them by the program's own tables, relative to a
// function of the program and to the stack at `begin`. `nobody ADDRESS` for a place that they do
// not describe, as a link-time address. With MODE `backtrace`: `blind ADDRESS` for a place where
// the program's unwinder knew no caller. With every MODE, at last `places N`. Exit status: the
// program's, or 125 and a line on stderr.

#include <elf.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/e2e/frame_walker.h"

namespace {

enum Told : unsigned long { begin = 0x5701, handled = 0x5702, end = 0x5703 };

struct Registers {
  user_regs_struct general{};
  std::vector<std::uint8_t> vectors;
};

[[noreturn]] void fail(const std::string& what) {
  std::cerr << "step_tracer: " << what << '\n';
  std::exit(125);
}

std::string hex(std::uint64_t value) {
  std::ostringstream out;
  out << "0x" << std::hex << value;
  return out.str();
}

class Tracee {
 public:
  explicit Tracee(char** command) {
    child_ = fork();
    if (child_ == 0) {
      personality(ADDR_NO_RANDOMIZE);
      ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      execv(command[0], command);
      _exit(126);
    }
    wait();
  }

  [[nodiscard]] bool stopped() const { return WIFSTOPPED(status_); }
  [[nodiscard]] int exit_status() const {
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : 128 + WTERMSIG(status_);
  }

  [[nodiscard]] user_regs_struct general() const {
    user_regs_struct registers{};
    if (ptrace(PTRACE_GETREGS, child_, nullptr, &registers) != 0) fail("registers cannot be read");
    return registers;
  }
  [[nodiscard]] Registers registers() const {
    Registers all{general(), std::vector<std::uint8_t>(16384)};
    iovec into{all.vectors.data(), all.vectors.size()};
    if (ptrace(PTRACE_GETREGSET, child_, NT_X86_XSTATE, &into) != 0)
      fail("vector registers cannot be read");
    all.vectors.resize(into.iov_len);
    // Which parts are in use is not the program's business, and the kernel keeps notes there.
    std::fill(all.vectors.begin() + 416, all.vectors.begin() + 576, std::uint8_t{0});
    return all;
  }

  /// The eight bytes there, or 0.
  [[nodiscard]] std::uint64_t word(std::uint64_t address) const {
    std::uint64_t value = 0;
    const iovec here{&value, sizeof value}, there{reinterpret_cast<void*>(address), sizeof value};
    return process_vm_readv(child_, &here, 1, &there, 1, 0) == sizeof value ? value : 0;
  }

  /// Whether something in a library or of the kernel's stands there.
  [[nodiscard]] bool foreign(std::uint64_t address) const {
    for (const auto& [lo, hi] : foreign_)
      if (lo <= address && address < hi) return true;
    return false;
  }
  [[nodiscard]] std::uint64_t auxiliary(std::uint64_t wanted) const {
    std::ifstream vector("/proc/" + std::to_string(child_) + "/auxv", std::ios::binary);
    std::array<std::uint64_t, 2> entry{};
    while (vector.read(reinterpret_cast<char*>(entry.data()), sizeof entry))
      if (entry[0] == wanted) return entry[1];
    fail("it has no such entry in its auxiliary vector");
  }
  void look_at_mappings() {
    std::ifstream maps("/proc/" + std::to_string(child_) + "/maps");
    for (std::string line; std::getline(maps, line);)
      if (line.find(".so") != std::string::npos || line.find("[v") != std::string::npos) {
        char* rest = nullptr;
        const auto lo = std::strtoull(line.c_str(), &rest, 16);
        foreign_.emplace_back(lo, std::strtoull(rest + 1, nullptr, 16));
      }
  }

  /// Both deliver the signal that stopped it.
  void step() { go_on(PTRACE_SINGLESTEP); }
  void run() { go_on(PTRACE_CONT); }
  /// To be delivered before its next instruction. (A signal given to ptrace gets lost where a step
  /// has just led into another one's handler.)
  void send(int number) {
    kill(child_, number);
    run();
    if (signal() != number) fail("a signal that was sent does not come");
  }
  /// The signal that is about to be delivered, or 0.
  [[nodiscard]] int signal() const {
    return WIFSTOPPED(status_) && WSTOPSIG(status_) != SIGTRAP ? WSTOPSIG(status_) : 0;
  }

  /// What the program tells here by its int3, or 0.
  [[nodiscard]] unsigned long told() const {
    if (!WIFSTOPPED(status_) || WSTOPSIG(status_) != SIGTRAP) return 0;
    siginfo_t info{};
    if (ptrace(PTRACE_GETSIGINFO, child_, nullptr, &info) != 0 || info.si_code != SI_KERNEL)
      return 0;
    const auto said = general().rax;
    return said == begin || said == handled || said == end ? said : 0;
  }

 private:
  // <sys/ptrace.h> has a type of its own for the request.
  template <typename Request>
  void go_on(Request how) {
    if (ptrace(how, child_, nullptr, signal()) != 0) fail("it cannot be resumed");
    wait();
  }
  void wait() {
    if (waitpid(child_, &status_, 0) != child_) fail("it cannot be waited for");
  }

  pid_t child_ = 0;
  int status_ = 0;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> foreign_;
};

/// What the handler found must be what is found here. False: it found no caller.
bool check_backtrace(const Tracee& tracee, std::uint64_t frames, const user_regs_struct& r,
                     const std::vector<Caller>& callers, std::uint64_t bias) {
  constexpr std::uint64_t frame_size = 16;
  while (tracee.word(frames) != r.rip) {
    if (tracee.word(frames) == 0) fail("the handler's backtrace does not come to " + hex(r.rip));
    frames += frame_size;
  }
  if (tracee.word(frames + frame_size) == 0) return false;
  for (const auto& caller : callers) {
    frames += frame_size;
    if (tracee.word(frames) != caller.return_address + bias ||
        tracee.word(frames + 8) != caller.cfa)
      fail("the handler's backtrace from " + hex(r.rip) + " has " + hex(tracee.word(frames)) +
           " at " + hex(tracee.word(frames + 8)) + ", and not " +
           hex(caller.return_address + bias) + " at " + hex(caller.cfa));
  }
  return true;
}

/// Who called whom, step by step.
class Callers {
 public:
  Callers(const Tracee& tracee, const char* program)
      : tracee_(tracee),
        walker_(program),
        at_entry_(tracee.auxiliary(AT_ENTRY)),
        begin_(tracee.general()) {}

  /// Where it stands now.
  void note() {
    const auto now = tracee_.general();
    const auto callers =
        walker_.walk(now, at_entry_, [this](std::uint64_t at) { return tracee_.word(at); });
    if (!callers) {
      undescribed_.insert(walker_.link_time(now.rip, at_entry_));
      return;
    }
    std::ostringstream line;
    const auto anchor = walker_.link_time(begin_.rdi, at_entry_);
    for (const auto& caller : *callers) {
      const auto distance = static_cast<std::int64_t>(caller.return_address - anchor);
      if (std::abs(distance) > 0x100000) break;  // libc's
      line << distance << '@' << static_cast<std::int64_t>(begin_.rsp - caller.cfa) << ' ';
    }
    if (changes_.empty() || changes_.back() != line.str()) changes_.push_back(line.str());
  }
  /// The program's unwinder has noted at `frames` whom it found from where `r` was.
  void compare_backtrace(std::uint64_t frames, const user_regs_struct& r) {
    const auto callers =
        walker_.walk(r, at_entry_, [this](std::uint64_t at) { return tracee_.word(at); });
    const auto bias = r.rip - walker_.link_time(r.rip, at_entry_);
    if (callers && !check_backtrace(tracee_, frames, r, *callers, bias))
      blind_.insert(r.rip - bias);
  }
  void report(std::ostream& out) const {
    for (const auto& line : changes_) out << line << '\n';
    for (const auto place : undescribed_) out << "nobody " << hex(place) << '\n';
    for (const auto place : blind_) out << "blind " << hex(place) << '\n';
  }

 private:
  const Tracee& tracee_;
  FrameWalker walker_;
  std::uint64_t at_entry_;
  user_regs_struct begin_;
  std::vector<std::string> changes_;
  std::set<std::uint64_t> undescribed_, blind_;
};

constexpr unsigned long resume_and_trap_flags = 0x10100;

void compare(const Registers& before, const Registers& after, bool changes) {
  auto expected = before.general;
  auto found = after.general;
  if (changes) expected.r15 += 1000;
  expected.eflags &= ~resume_and_trap_flags;
  found.eflags &= ~resume_and_trap_flags;
  expected.orig_rax = found.orig_rax;  // the kernel's own
  if (std::memcmp(&expected, &found, sizeof expected) != 0)
    fail("behind the handler registers differ at " + hex(before.general.rip));
  if (before.vectors != after.vectors)
    fail("behind the handler vectors differ at " + hex(before.general.rip));
}

/// What the handler is shown; `gregs`: of its context.
void check_context(const Tracee& tracee, std::uint64_t gregs, const user_regs_struct& r,
                   bool changes) {
  const std::array<std::pair<int, std::uint64_t>, 17> expected = {
      {{REG_RAX, r.rax},
       {REG_RBX, r.rbx},
       {REG_RCX, r.rcx},
       {REG_RDX, r.rdx},
       {REG_RSI, r.rsi},
       {REG_RDI, r.rdi},
       {REG_RBP, r.rbp},
       {REG_RSP, r.rsp},
       {REG_RIP, r.rip},
       {REG_R8, r.r8},
       {REG_R9, r.r9},
       {REG_R10, r.r10},
       {REG_R11, r.r11},
       {REG_R12, r.r12},
       {REG_R13, r.r13},
       {REG_R14, r.r14},
       {REG_R15, r.r15 + (changes ? 1000 : 0)}}};
  for (const auto& [number, value] : expected)
    if (tracee.word(gregs + 8 * static_cast<unsigned>(number)) != value)
      fail("the handler sees register " + std::to_string(number) + " wrong at " + hex(r.rip));
}

/// Delivers a signal where it stands. Behind this the program is where it was, or wherever it
/// jumped.
void interrupt(Tracee& tracee, char mode, Callers& callers) {
  const auto before = tracee.registers();
  tracee.send(SIGUSR1);
  while (tracee.stopped() && tracee.told() != handled) tracee.run();
  if (!tracee.stopped()) fail("it ended in the handler, interrupted at " + hex(before.general.rip));
  check_context(tracee, tracee.general().rdi, before.general, mode == 'c');
  if (mode == 'b') callers.compare_backtrace(tracee.general().rsi, before.general);
  if (mode == 'j') {
    while (tracee.stopped() && tracee.told() != begin) tracee.run();
    return;
  }
  for (unsigned steps = 0; steps < 100000 && tracee.stopped(); ++steps) {
    tracee.step();
    const auto now = tracee.general();
    if (now.rip != before.general.rip || now.rsp != before.general.rsp) continue;
    return compare(before, tracee.registers(), mode == 'c');
  }
  fail("it does not come back to " + hex(before.general.rip));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: step_tracer REPORT PROGRAM return|change|jump|backtrace\n";
    return 2;
  }
  const char mode = argv[3][0];
  Tracee tracee(argv + 2);
  while (tracee.stopped() && tracee.told() != begin) tracee.run();
  if (!tracee.stopped()) fail("it ended before it began");
  tracee.look_at_mappings();
  Callers callers(tracee, argv[2]);

  std::set<std::uint64_t> places;
  while (tracee.stopped() && tracee.told() != end) {
    const auto now = tracee.general();
    // Where a signal of its own waits, that one comes first.
    if (tracee.signal() == 0 && !tracee.foreign(now.rip)) {
      if (mode == 'r') callers.note();
      if (places.insert(now.rip).second) {
        interrupt(tracee, mode, callers);
        continue;
      }
    }
    tracee.step();
  }
  while (tracee.stopped()) tracee.run();

  std::ofstream out(argv[1]);
  callers.report(out);
  out << "places " << places.size() << '\n';
  return tracee.exit_status();
}
