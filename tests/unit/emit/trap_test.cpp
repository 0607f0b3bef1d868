// Traps: threads, fork, masks, the program's own handling of SIGILL, several objects in one
// process.

#include <catch2/catch.hpp>

#include "tests/unit/emit/small_program.h"

namespace punster {
namespace {

std::filesystem::path trapped(const Workshop& shop, const std::string& source,
                              const std::string& flags) {
  const auto input = shop.compile("original", source, flags);
  PlanMaker maker(input);
  maker.answer_by_trap(symbol(input, "site"), above(maker.view), 42);
  emit_to(maker, shop.file("patched"));
  return shop.file("patched");
}

Outcome run_strictly(const std::filesystem::path& program) {
  return run("PUNSTER_STRICT=1 " + program.string());
}

}  // namespace

TEST_CASE("a trap leads to its trampoline in every kind of executable", "[emit][trap]") {
  for (const std::string flags : {"-pie -fPIE", "-no-pie", "-static", "-static-pie"}) {
    const Workshop shop;
    INFO(flags);
    const auto outcome = run_strictly(trapped(shop, program_source(), flags));
    CHECK(outcome.errors == "");
    CHECK(outcome.output == "42 1\n");
  }
}

TEST_CASE("SIGILL is unblocked at start", "[emit][trap]") {
  const Workshop shop;
  const auto program = trapped(shop, program_source(), "");
  const auto blocker = shop.compile("blocker", R"(
    #include <signal.h>
    #include <unistd.h>
    int main(int argc, char **argv) {
      sigset_t set;
      sigfillset(&set);
      sigprocmask(SIG_BLOCK, &set, 0);
      execv(argv[1], argv + 1);
      return 1;
    })",
                                    "");
  CHECK(run(blocker.string() + " " + program.string()).output == "42 1\n");
}

TEST_CASE("traps work in threads and in forked children", "[emit][trap]") {
  const Workshop shop;
  const auto outcome = run_strictly(trapped(shop, answer_source() + R"(
    #include <pthread.h>
    #include <stdio.h>
    #include <sys/wait.h>
    #include <unistd.h>
    static void *work(void *unused) {
      long sum = 0;
      for (int i = 0; i < 1000; ++i) sum += answer();
      return (void *)sum;
    }
    int main(void) {
      pthread_t threads[4];
      void *sum;
      for (int i = 0; i < 4; ++i) pthread_create(&threads[i], 0, work, 0);
      for (int i = 0; i < 4; ++i) pthread_join(threads[i], &sum), printf("%ld ", (long)sum);
      fflush(stdout);
      if (fork() == 0) return printf("child %d ", answer()), 0;
      int status;
      wait(&status);
      printf("%d %d\n", WIFEXITED(status), answer());
      return 0;
    })",
                                            "-pthread"));
  CHECK(outcome.output == "42000 42000 42000 42000 child 42 1 42\n");
}

TEST_CASE("vector registers, flags and the red zone survive a trap", "[emit][trap]") {
  const Workshop shop;
  const auto outcome = run_strictly(trapped(shop, R"(
    #include <stdio.h>
    // Keeps values in xmm15, the carry flag and just below rsp across the site.
    __asm__(".text\n.globl site, probe\nprobe:\n"
            "mov $0x1234, %ecx\n movq %rcx, %xmm15\n"
            "movq $77, -128(%rsp)\n"
            "stc\n"
            "site: mov $1, %eax\n"
            "setc %al\n movzbl %al, %eax\n"
            "add -128(%rsp), %rax\n"
            "movq %xmm15, %rcx\n add %rcx, %rax\n"
            "ret\n");
    long probe(void);
    int main(void) { printf("%ld\n", probe() - 0x1234); return 0; })",
                                            ""));
  CHECK(outcome.output == "78\n");
}

TEST_CASE("an illegal instruction of the program's own kills it as before", "[emit][trap]") {
  const Workshop shop;
  const std::string source = answer_source() + "int main(void) { answer(); __builtin_trap(); }";
  const auto outcome = run_strictly(trapped(shop, source, ""));
  CHECK(outcome.status == 128 + 4);
  const auto sent = run_strictly(
      trapped(shop,
              answer_source() +
                  "#include <signal.h>\nint main(void) { answer(); raise(SIGILL); return 3; }",
              ""));
  CHECK(sent.status == 128 + 4);
}

TEST_CASE(
    "several rewritten objects of a process share SIGILL, and a handler before them is called",
    "[emit][trap]") {
  const Workshop shop;
  // The plain library, loaded first, installs a handler of its own; then two rewritten ones.
  shop.compile("libhandler.so", R"(
    #define _GNU_SOURCE
    #include <signal.h>
    #include <stdio.h>
    #include <ucontext.h>
    static void own(int number, siginfo_t *info, void *context) {
      ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
      sigset_t blocked;
      sigprocmask(SIG_BLOCK, 0, &blocked);
      printf("own %d %d\n", sigismember(&blocked, SIGILL), sigismember(&blocked, SIGUSR1));
    }
    __attribute__((constructor)) static void install(void) {
      struct sigaction action = {.sa_sigaction = own, .sa_flags = SA_SIGINFO};
      sigaddset(&action.sa_mask, SIGUSR1);
      sigaction(SIGILL, &action, 0);
    })",
               "-shared -fPIC");
  for (const std::string name : {"a", "b"}) {
    std::string source = R"(
      __asm__(".text\n.globl answer_NAME, site\n.type answer_NAME,@function\n"
              "answer_NAME:\nsite: mov $1, %eax\n ret\n");)";
    for (std::size_t at; (at = source.find("NAME")) != std::string::npos;)
      source.replace(at, 4, name);
    const auto original =
        shop.compile("original_" + name, source, "-shared -fPIC -Wl,-soname,lib" + name + ".so");
    PlanMaker maker(original);
    maker.answer_by_trap(symbol(original, "site"), above(maker.view, 5), name == "a" ? 41 : 42);
    emit_to(maker, shop.file("lib" + name + ".so"));
  }
  const auto program =
      shop.compile("program", R"(
    #include <stdio.h>
    int answer_a(void), answer_b(void);
    int main(void) {
      printf("%d %d\n", answer_a(), answer_b());
      __asm__ volatile("ud2");
      printf("%d %d\n", answer_a(), answer_b());
      return 0;
    })",
                   "-L" + shop.file("").string() + " -Wl,--no-as-needed -la -lb -lhandler");
  const auto outcome =
      run("PUNSTER_STRICT=1 LD_LIBRARY_PATH=" + shop.file("").string() + " " + program.string());
  CHECK(outcome.errors == "");
  // Nobody owns the calls of a library that is not rewritten: it sees the kernel's mask.
  CHECK(outcome.output == "41 42\nown 0 1\n41 42\n");
}

TEST_CASE("a shared object with traps is never unloaded", "[emit][trap]") {
  const Workshop shop;
  const auto library = trapped(shop, answer_source(), "-shared -fPIC");
  const auto program = shop.compile("program", R"(
    #include <dlfcn.h>
    #include <stdio.h>
    int main(int argc, char **argv) {
      void *handle = dlopen(argv[1], RTLD_NOW);
      int (*answer)(void) = (int (*)(void))dlsym(handle, "answer");
      dlclose(handle);
      printf("%d\n", answer());
      return 0;
    })",
                                    "");
  CHECK(run(program.string() + " " + library.string()).output == "42\n");
}

}  // namespace punster
