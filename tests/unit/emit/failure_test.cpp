// What can go wrong at start, and that the program then runs as it was, says so once, or under
// PUNSTER_STRICT=1 does not run.

#include <catch2/catch.hpp>
#include <fstream>

#include "protocol/hex.h"
#include "runtime/loader_abi.h"
#include "tests/unit/emit/small_program.h"

namespace punster {
namespace {

using Catch::Matchers::Contains;

std::size_t lines(const std::string& text) { return std::count(text.begin(), text.end(), '\n'); }

void check_unpatched(const Outcome& outcome, const std::string& output, const std::string& reason) {
  CHECK(outcome.output == output);
  CHECK(outcome.status == 0);
  CHECK(lines(outcome.errors) == 1);
  CHECK_THAT(outcome.errors, Catch::Matchers::StartsWith("punster: "));
  CHECK_THAT(outcome.errors, Contains(reason) && Contains("running unpatched"));
}

void check_refused(const Outcome& outcome) {
  CHECK(outcome.output == "");
  CHECK(outcome.status == 127);
  CHECK(lines(outcome.errors) == 1);
  CHECK_THAT(outcome.errors, Contains("PUNSTER_STRICT=1"));
}

/// A program whose second trampoline page is taken: an initialiser of a preloaded library maps something
/// of its own there, before the program's entry point is reached.
struct Occupied {
  Workshop shop;
  std::string environment;
  explicit Occupied(const std::string& source, const std::string& flags) {
    const auto input = shop.compile("original", source, flags);
    PlanMaker maker(input);
    maker.answer(symbol(input, "site"), above(maker.view, 100), 42);
    maker.trampoline(above(maker.view, 200), {0xcc});
    emit_to(maker, shop.file("patched"));
    const auto squatter = shop.compile("squatter.so", R"(
      #define _GNU_SOURCE
      #include <link.h>
      #include <stdlib.h>
      #include <sys/mman.h>
      static int first(struct dl_phdr_info *program, size_t size, void *base) {
        *(char **)base = (char *)program->dlpi_addr;
        return 1;
      }
      __attribute__((constructor)) static void squat(void) {
        char *base;
        dl_iterate_phdr(first, &base);
        char *at = base + strtoul(getenv("SQUAT"), 0, 16);
        if (mmap(at, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
          abort();
        *at = 77;
      }
      __attribute__((destructor)) static void look(void) {
        char *base;
        dl_iterate_phdr(first, &base);
        if (base[strtoul(getenv("SQUAT"), 0, 16)] != 77) abort();
      })", "-shared -fPIC");
    environment = "LD_PRELOAD=" + squatter.string() + " SQUAT=" + to_hex(above(maker.view, 200)) + " ";
  }
  [[nodiscard]] Outcome start(const std::string& more = "") const {
    return run(environment + more + " " + shop.file("patched").string());
  }
};

}  // namespace

TEST_CASE("an occupied address leaves the program unpatched, and its occupant alone", "[emit][failure]") {
  for (const std::string flags : {"-pie -fPIE", "-no-pie"}) {
    const Occupied test(program_source(), flags);
    check_unpatched(test.start(), "1 1\n", "cannot be mapped at 0x");
    check_refused(test.start("PUNSTER_STRICT=1"));
    CHECK(run(test.shop.file("patched").string()).output == "42 1\n");
  }
}

TEST_CASE("what was mapped before a failure is unmapped again", "[emit][failure]") {
  const Occupied test(answer_source() + R"(
    #include <stdio.h>
    #include <string.h>
    int main(void) {
      char line[5000];
      int executable = 0;
      FILE *maps = fopen("/proc/self/maps", "r");
      while (fgets(line, sizeof line, maps)) executable += strstr(line, "r-xp") && strstr(line, "patched");
      printf("%d\n", executable);
      return 0;
    })", "");
  // The program's own code and the runtime; not the first trampoline.
  CHECK(test.start().output == "2\n");
}

TEST_CASE("a file that was replaced since ld.so mapped it is not trusted", "[emit][failure]") {
  const Workshop shop;
  // Initialised before the library that needs it, hence between ld.so's mapping it and our hook.
  const auto replacer = shop.compile("libreplacer.so", R"(
    #include <stdio.h>
    #include <stdlib.h>
    __attribute__((constructor)) static void replace(void) { rename(getenv("OTHER"), getenv("LIBRARY")); }
  )", "-shared -fPIC");
  const auto original = shop.compile("original", answer_source(), "-shared -fPIC -Wl,-soname,liba.so "
                                     "-Wl,--no-as-needed " + replacer.string());
  PlanMaker maker(original);
  maker.answer(symbol(original, "site"), above(maker.view, 9), 42);
  const auto library = shop.file("liba.so"), other = shop.file("other");
  emit_to(maker, library);
  const auto program = shop.compile("program", R"(
    #include <stdio.h>
    int answer(void);
    int main(void) { printf("%d\n", answer()); return 0; })", library.string());
  const std::string command = "LD_LIBRARY_PATH=" + shop.file("").string() + " LIBRARY=" + library.string() +
                              " OTHER=" + other.string() + " " + program.string();
  CHECK(run(command).output == "42\n");  // nothing to rename

  maker.plan.build_key.assign(32, 0x77);
  emit_to(maker, other);
  const auto outcome = run(command);
  CHECK(outcome.output == "42\n");  // its own, not the other's
  CHECK(outcome.errors == "");
  maker.plan.build_key.assign(32, 0x78);
  emit_to(maker, other);
  if (run("setpriv --reuid=65534 --clear-groups true").status == 0) {
    run("chmod -R a+rwX " + shop.file("").string());
    // The privileged reach the file that was mapped through /proc/self/map_files; others copy its pages.
    const auto unprivileged = run("setpriv --reuid=65534 --clear-groups env " + command);
    CHECK(unprivileged.output == "42\n");
    CHECK(unprivileged.errors == "");
  }
}

TEST_CASE("another output at the file's own path is not mistaken for it", "[emit][failure]") {
  if (run("unshare -m true").status != 0) {
    WARN("cannot mount here");
    return;
  }
  const Workshop shop;
  // Initialised before our hook: puts another file where ours still is, as far as /proc/self/maps knows.
  const auto cover = shop.compile("libcover.so", R"(
    #include <stdlib.h>
    #include <sys/mount.h>
    __attribute__((constructor)) static void cover(void) {
      if (mount(getenv("OTHER"), getenv("LIBRARY"), 0, MS_BIND, 0) != 0) abort();
    }
  )", "-shared -fPIC");
  const auto original = shop.compile("original", answer_source(), "-shared -fPIC -Wl,-soname,liba.so "
                                     "-Wl,--no-as-needed " + cover.string());
  const auto library = shop.file("liba.so"), other = shop.file("other");
  PlanMaker ours(original), theirs(original);
  emit_to(ours.answer(symbol(original, "site"), above(ours.view, 9), 42), library);
  theirs.plan.build_key.assign(32, 0x77);
  emit_to(theirs.answer(symbol(original, "site"), above(theirs.view, 9), 43), other);
  const auto program = shop.compile("program", R"(
    #include <stdio.h>
    int answer(void);
    int main(void) { printf("%d\n", answer()); return 0; })", library.string());
  const auto outcome = run("LD_LIBRARY_PATH=" + shop.file("").string() + " LIBRARY=" + library.string() +
                           " OTHER=" + other.string() + " unshare -m " + program.string());
  INFO(outcome.errors);
  CHECK(outcome.output == "42\n");
  CHECK(outcome.errors == "");
}

TEST_CASE("without /proc a shared object stays unpatched, an executable finds itself by name",
          "[emit][failure]") {
  if (run("unshare -r chroot / true").status != 0) {
    WARN("no user namespaces here");
    return;
  }
  const Workshop shop;
  const auto input = shop.compile("original", program_source(), "-static");
  PlanMaker maker(input);
  maker.answer(symbol(input, "site"), above(maker.view), 42);
  emit_to(maker, shop.file("patched"));
  const auto outcome = run("unshare -r chroot " + shop.file("").string() + " /patched");
  CHECK(outcome.errors == "");
  CHECK(outcome.output == "42 1\n");
}

TEST_CASE("an executable that was deleted or renamed since it started still finds itself",
          "[emit][failure]") {
  const Workshop shop;
  const auto input = shop.compile("original", program_source(), "");
  PlanMaker maker(input);
  maker.answer(symbol(input, "site"), above(maker.view), 42);
  emit_to(maker, shop.file("patched"));
  const auto launcher = shop.compile("launcher", R"(
    #define _GNU_SOURCE
    #include <fcntl.h>
    #include <unistd.h>
    int main(int argc, char **argv, char **envp) {
      int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
      unlink(argv[1]);
      fexecve(fd, argv + 1, envp);
      return 1;
    })", "");
  const auto outcome = run(launcher.string() + " " + shop.file("patched").string());
  CHECK(outcome.errors == "");
  CHECK(outcome.output == "42 1\n");
}

TEST_CASE("a program that runs out of mappings is restored", "[emit][failure]") {
  const Workshop shop;
  // Two functions on pages of their own, so that overlays split the code twice over.
  std::string source = "#include <stdio.h>\nint main(void) { puts(\"original\"); return 0; }\n";
  for (int i = 0; i < 3; ++i)
    source += "__asm__(\".text\\n.balign 8192\\n.globl page" + std::to_string(i) + "\\npage" +
              std::to_string(i) + ": nop\\n.balign 8192\\n\");\n";
  const auto input = shop.compile("original", source, "");
  PlanMaker maker(input);
  for (int i = 0; i < 3; ++i) maker.patch(symbol(input, "page" + std::to_string(i)), {0x90});
  // The last one cannot be mapped: a file offset past 2^63 is refused by the kernel. Only a damaged file
  // can hold one, so the file is damaged here.
  emit_to(maker, shop.file("patched"));
  const auto view = ElfView::open(shop.file("patched"));
  REQUIRE(view);
  for (const auto& p : view.value().segments()) {
    if (p.p_type != PT_LOAD) continue;
    const auto header = view.value().read<PunsterHeader>(FileOffset{p.p_offset});
    if (!header || header.value().magic != PUNSTER_MAGIC) continue;
    const auto last = p.p_offset + header.value().mappings_offset + 2 * sizeof(PunsterMapping);
    std::fstream file(shop.file("patched"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(last + offsetof(PunsterMapping, file_offset)));
    const std::uint64_t impossible = 1ull << 63;
    file.write(reinterpret_cast<const char*>(&impossible), sizeof impossible);
  }
  check_unpatched(run(shop.file("patched").string()), "original\n", "patched code pages cannot be mapped");
}

}  // namespace punster
