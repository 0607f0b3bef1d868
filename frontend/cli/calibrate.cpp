// punster calibrate: what a trap costs here.
//
// Processors and hypervisors differ: where undefined instructions are looked at by a hypervisor
// first, ud2 costs four times as much as an interrupt instruction. Each trap is hit in a child
// process, whose handler does what the runtime's does: it moves the interrupted program on. A
// system call that does next to nothing stands beside them.

#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <optional>
#include <string_view>

#include "frontend/cli/failure.h"
#include "frontend/cli/record_printer.h"
#include "protocol/messages.h"

extern "C" {
extern const char punster_trap_ud2[], punster_trap_int3[], punster_trap_int_03[],
    punster_trap_hlt[];
}
asm(R"(
.pushsection .text
.macro a_trap name, code:vararg
punster_trap_\name:
  .byte \code
  ret
.endm
a_trap ud2, 0x0f, 0x0b
a_trap int3, 0xcc
a_trap int_03, 0xcd, 0x03
a_trap hlt, 0xf4
.popsection
)");

namespace punster {

namespace {

using Clock = std::chrono::steady_clock;

/// In the order of `trap_names`.
struct Trap {
  const char* code;
  int signal;
  unsigned to_pass;  ///< bytes of it that are still ahead when the signal comes
};
constexpr Trap traps[] = {{punster_trap_ud2, SIGILL, 2},
                          {punster_trap_int3, SIGTRAP, 0},
                          {punster_trap_int_03, SIGTRAP, 0},
                          {punster_trap_hlt, SIGSEGV, 1}};
static_assert(std::size(traps) == std::size(trap_names));

unsigned to_pass;  // of the trap that is being measured

void pass(int, siginfo_t*, void* context) {
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP] += to_pass;
}

/// Nanoseconds of one call: the median of 15 measurements of `rounds` calls.
template <typename Call>
double measure(unsigned rounds, Call call) {
  std::array<double, 15> results{};
  for (auto& result : results) {
    const auto start = Clock::now();
    for (unsigned i = 0; i < rounds; ++i) call();
    result = std::chrono::duration<double, std::nano>(Clock::now() - start).count() / rounds;
  }
  std::nth_element(results.begin(), results.begin() + results.size() / 2, results.end());
  return results[results.size() / 2];
}

double cost_of(const Trap& trap, unsigned rounds) {
  struct sigaction action {};
  action.sa_sigaction = pass;
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  ::sigaction(trap.signal, &action, nullptr);
  to_pass = trap.to_pass;
  return measure(
      rounds, [&] { reinterpret_cast<void (*)()>(reinterpret_cast<std::uintptr_t>(trap.code))(); });
}

/// Runs `work` in a child: nothing when a signal ends it, as debuggers and sandboxes may have it.
template <typename Work>
std::optional<double> in_child(Work work) {
  void* const shared =
      ::mmap(nullptr, sizeof(double), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (shared == MAP_FAILED) return std::nullopt;
  auto& result = *static_cast<double*>(shared);
  const auto child = ::fork();
  if (child == 0) {
    result = work();
    ::_exit(0);
  }
  int status = 1;
  if (child > 0) ::waitpid(child, &status, 0);
  const auto measured = status == 0 ? std::optional(result) : std::nullopt;
  ::munmap(shared, sizeof(double));
  return measured;
}

}  // namespace

int run_calibrate(const CalibrateOptions& options) {
  RecordPrinter printer(options.format, {{"trap", 16}, {"signal", 8}, {"ns", -8}, {"default", 0}});
  const auto record = [&](const std::string& name, const std::string& signal,
                          std::optional<double> ns, bool standard) {
    Json cost;
    if (ns) cost = std::round(*ns * 10) / 10;
    printer.record({name, signal, cost, standard ? "default" : ""});
  };
  for (std::size_t i = 0; i < std::size(traps); ++i)
    record(std::string(trap_names[i]), "SIG" + std::string(::sigabbrev_np(traps[i].signal)),
           in_child([&] { return cost_of(traps[i], options.rounds); }), i == 0);
  record("(system call)", "",
         in_child([&] { return measure(options.rounds, [] { ::syscall(SYS_getppid); }); }), false);
  printer.end();
  return finish_stdout(exit_status::done);
}

}  // namespace punster
