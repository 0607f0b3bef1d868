// Payloads executed: every general register, every flag, the red zone and all above it must come
// out as they went in.
//
// A payload runs on a processor state that the test makes up, so it cannot be called as a function.
// The assembly below swaps states: it stores its own stack pointer, loads the state
// `punster_test_in`, jumps to the code, and, when that jumps to punster_test_leave, stores the
// state to `punster_test_out`.

#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <random>
#include <thread>

#include "tests/unit/match/payload_code.h"

extern "C" {
// In the order rax rcx rdx rbx rsp rbp rsi rdi r8..r15 rflags.
std::uint64_t punster_test_in[17], punster_test_out[17];
std::uint64_t punster_test_own_rsp;
std::uint64_t punster_test_code;
void punster_test_enter();
void punster_test_leave();
}

asm(R"(
  .text
  .globl punster_test_enter, punster_test_leave
punster_test_enter:
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp,punster_test_own_rsp(%rip)
  push punster_test_in+128(%rip)
  popfq
  mov punster_test_in+0(%rip),%rax
  mov punster_test_in+8(%rip),%rcx
  mov punster_test_in+16(%rip),%rdx
  mov punster_test_in+24(%rip),%rbx
  mov punster_test_in+32(%rip),%rsp
  mov punster_test_in+40(%rip),%rbp
  mov punster_test_in+48(%rip),%rsi
  mov punster_test_in+56(%rip),%rdi
  mov punster_test_in+64(%rip),%r8
  mov punster_test_in+72(%rip),%r9
  mov punster_test_in+80(%rip),%r10
  mov punster_test_in+88(%rip),%r11
  mov punster_test_in+96(%rip),%r12
  mov punster_test_in+104(%rip),%r13
  mov punster_test_in+112(%rip),%r14
  mov punster_test_in+120(%rip),%r15
  jmp *punster_test_code(%rip)
punster_test_leave:
  mov %rax,punster_test_out+0(%rip)
  mov %rcx,punster_test_out+8(%rip)
  mov %rdx,punster_test_out+16(%rip)
  mov %rbx,punster_test_out+24(%rip)
  mov %rsp,punster_test_out+32(%rip)
  mov %rbp,punster_test_out+40(%rip)
  mov %rsi,punster_test_out+48(%rip)
  mov %rdi,punster_test_out+56(%rip)
  mov %r8,punster_test_out+64(%rip)
  mov %r9,punster_test_out+72(%rip)
  mov %r10,punster_test_out+80(%rip)
  mov %r11,punster_test_out+88(%rip)
  mov %r12,punster_test_out+96(%rip)
  mov %r13,punster_test_out+104(%rip)
  mov %r14,punster_test_out+112(%rip)
  mov %r15,punster_test_out+120(%rip)
  mov punster_test_own_rsp(%rip),%rsp
  pushfq
  pop punster_test_out+128(%rip)
  cld
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  ret
)");

using namespace punster;

namespace {

constexpr std::uint64_t carry = 1, parity = 4, adjust = 16, zero = 64, sign = 128, direction = 1024,
                        overflow = 2048, always_set = 2, interrupts = 512;

/// Executable memory with counters behind it, as a rewritten program would have.
class Arena {
 public:
  Arena() {
    base_ = static_cast<std::uint8_t*>(
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(base_ != MAP_FAILED);
  }
  ~Arena() { munmap(base_, size); }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// The code of `action` up to `end_of_body`, which takes the place of the jump back.
  void load(std::string_view action, const std::string& end_of_body, std::string_view text = "") {
    const Patch patch = Patch::compose({Action::parse(action).value()}).value();
    const auto [string, length] = text_values(text);
    Holes holes;
    holes.numbers = {{"$counter", reinterpret_cast<std::uint64_t>(counter())},
                     {"$asmstrlen", length.get<std::uint64_t>()}};
    holes.bytes = {
        {"$instr", ""}, {"$break", end_of_body}, {"$asmstr", string["string"].get<std::string>()}};
    const auto bytes =
        assemble(patch.trampoline_code(), reinterpret_cast<std::uint64_t>(base_), holes);
    REQUIRE(bytes.size() <= 4096);
    std::memcpy(base_, bytes.data(), bytes.size());
    REQUIRE(mprotect(base_, 4096, PROT_READ | PROT_EXEC) == 0);
  }
  [[nodiscard]] std::uint8_t* code() const { return base_; }
  [[nodiscard]] volatile std::uint64_t* counter() const {
    return reinterpret_cast<volatile std::uint64_t*>(base_ + 4096);
  }

 private:
  static constexpr std::size_t size = 8192;
  std::uint8_t* base_;
};

/// jmp *0x0(%rip), and where to
std::string jump_to(void (*function)()) {
  std::string code("\xff\x25\x00\x00\x00\x00", 6);
  const auto address = reinterpret_cast<std::uint64_t>(function);
  code.append(reinterpret_cast<const char*>(&address), 8);
  return code;
}

/// Runs the arena's code on random registers with the given flags and requires that nothing
/// changed.
void run_and_compare(const Arena& arena, std::mt19937_64& random, std::uint64_t flags) {
  // Room for a signal frame below; only the red zone and what lies above must stay.
  static std::vector<std::uint8_t> stack(64 * 1024);
  // At odd alignments too: nothing promises that rsp is aligned between two instructions.
  const std::size_t top = stack.size() - 512 - random() % 64;
  const auto kept = stack.begin() + static_cast<std::ptrdiff_t>(top - 128);
  std::generate(kept, stack.end(), [&] { return static_cast<std::uint8_t>(random()); });
  for (auto& r : punster_test_in) r = random();
  punster_test_in[4] = reinterpret_cast<std::uint64_t>(stack.data() + top);
  punster_test_in[16] = flags | always_set | interrupts;
  punster_test_code = reinterpret_cast<std::uint64_t>(arena.code());
  const std::vector<std::uint8_t> before(kept, stack.end());
  punster_test_enter();
  for (unsigned r = 0; r < 17; ++r) {
    INFO("register " << r << " flags " << flags);
    REQUIRE(punster_test_out[r] == punster_test_in[r]);
  }
  REQUIRE(std::equal(kept, stack.end(), before.begin()));
}

template <typename Check>
void for_all_flags(Check check) {
  constexpr std::uint64_t flags[] = {carry, parity, adjust, zero, sign, direction, overflow};
  for (unsigned set = 0; set < 128; ++set) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < 7; ++i)
      if (set & (1u << i)) value |= flags[i];
    check(value);
  }
}

volatile std::sig_atomic_t traps_seen;

}  // namespace

TEST_CASE("counting preserves registers, flags, red zone and stack", "[payload]") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  for (const char* action : {"empty", "count", "count(atomic)"}) {
    INFO(action);
    Arena arena;
    *arena.counter() = 0xfffffffe;  // carries into the upper half
    arena.load(action, jump_to(punster_test_leave));
    for_all_flags([&](std::uint64_t flags) { run_and_compare(arena, random, flags); });
    CHECK(*arena.counter() ==
          (std::string_view(action) == "empty" ? 0xfffffffeull : 0xfffffffeull + 128));
  }
}

TEST_CASE("count(atomic) loses no increment among threads", "[payload]") {
  Arena arena;
  arena.load("count(atomic)", "\xc3");
  const auto run = [&] {
    const auto payload = reinterpret_cast<void (*)()>(arena.code());
    for (int i = 0; i < 200'000; ++i) payload();
  };
  std::thread other(run);
  run();
  other.join();
  CHECK(*arena.counter() == 400'000);
}

TEST_CASE("print writes the text and preserves everything", "[payload]") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  Arena arena;
  arena.load("print", jump_to(punster_test_leave), "mov $0x1,%eax");
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const int saved = dup(2);
  dup2(ends[1], 2);
  std::string failure;
  try {
    for_all_flags([&](std::uint64_t flags) { run_and_compare(arena, random, flags); });
  } catch (...) {
    dup2(saved, 2);
    throw;
  }
  dup2(saved, 2);
  close(saved);
  close(ends[1]);
  std::string written(4096, '\0'), expected;
  written.resize(static_cast<std::size_t>(read(ends[0], written.data(), written.size())));
  close(ends[0]);
  for (int i = 0; i < 128; ++i) expected += "mov $0x1,%eax\n";
  CHECK(written == expected);
}

TEST_CASE("breakpoint raises SIGTRAP and goes on unchanged", "[payload]") {
  std::mt19937_64 random(1);
  Arena arena;
  arena.load("breakpoint", jump_to(punster_test_leave));
  traps_seen = 0;
  struct sigaction handler {};
  struct sigaction before {};
  handler.sa_handler = [](int) { traps_seen = traps_seen + 1; };
  std::vector<char> alternate(64 * 1024);
  stack_t alternate_stack{}, old_stack{};
  alternate_stack.ss_sp = alternate.data();
  alternate_stack.ss_size = alternate.size();
  sigaltstack(&alternate_stack, &old_stack);
  handler.sa_flags = SA_ONSTACK;
  sigaction(SIGTRAP, &handler, &before);
  run_and_compare(arena, random, carry | zero);
  sigaction(SIGTRAP, &before, nullptr);
  sigaltstack(&old_stack, nullptr);
  CHECK(traps_seen == 1);
}

TEST_CASE("exit ends the process with its status", "[payload]") {
  Arena arena;
  arena.load("exit(42)", "\xc3");
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    reinterpret_cast<void (*)()>(arena.code())();
    _exit(1);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 42);
}

TEST_CASE("counting interrupted by signals still preserves the red zone", "[payload]") {
  // A signal frame lands 128 bytes below rsp, wherever rsp is at that moment.
  std::mt19937_64 random(1);
  Arena arena;
  arena.load("count", jump_to(punster_test_leave));
  struct sigaction handler {};
  struct sigaction before {};
  handler.sa_handler = [](int) {};
  sigaction(SIGALRM, &handler, &before);
  const itimerval often{{0, 50}, {0, 50}}, never{{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &often, nullptr);
  for (int i = 0; i < 300; ++i) run_and_compare(arena, random, sign | overflow);
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &before, nullptr);
  CHECK(*arena.counter() == 300);
}
