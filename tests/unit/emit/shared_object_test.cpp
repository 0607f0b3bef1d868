// Shared objects, hooked in every way there is, loaded by a program and by dlopen.

#include <LIEF/ELF.hpp>
#include <catch2/catch.hpp>

#include "tests/unit/emit/small_program.h"

namespace punster {
namespace {

const std::string caller = R"(
#include <stdio.h>
int answer(void);
int main(void) { printf("%d\n", answer()); return 0; }
)";

std::string with_constructor() {
  return answer_source() + R"(
#include <stdio.h>
#include <string.h>
__attribute__((constructor)) static void greet(int argc, char **argv, char **envp) {
  int here = 0;
  for (; *envp; ++envp) here += strcmp(*envp, "HERE=1") == 0;
  printf("%d %s %d %d\n", argc, argv[1], here, answer());
  fflush(stdout);
}
)";
}

/// Compiles `source` to liba.so, patches its answer, runs a program linked to it.
struct Loaded {
  Workshop shop;
  std::filesystem::path original, patched, program;
  Loaded(const std::string& source, const std::string& flags) {
    std::filesystem::create_directory(shop.file("original"));
    std::filesystem::create_directory(shop.file("patched-dir"));
    original = shop.compile("original/liba.so", source, "-shared -fPIC -Wl,-soname,liba.so " + flags);
    patched = shop.file("patched-dir/liba.so");
    program = shop.compile("caller", caller, original.string());
  }
  PlanMaker patch_answer() const {
    PlanMaker maker(original);
    REQUIRE(maker.view.kind() == FileKind::dso);
    maker.answer(symbol(original, "site"), above(maker.view, 40), 42);
    return maker;
  }
  Outcome run_with(const std::string& environment) const {
    return run(environment + " HERE=1 PUNSTER_STRICT=1 LD_LIBRARY_PATH=" + patched.parent_path().string() + " " +
               program.string() + " first");
  }
};

bool has(const std::filesystem::path& file, int tag) {
  return LIEF::ELF::Parser::parse(file.string())->has(static_cast<LIEF::ELF::DYNAMIC_TAGS>(tag));
}

}  // namespace

TEST_CASE("DT_INIT leads to the runtime, and constructors still get their arguments", "[emit]") {
  const Loaded test(with_constructor(), "");
  REQUIRE(has(test.original, DT_INIT));
  emit_to(test.patch_answer(), test.patched);
  const auto outcome = test.run_with("");
  CHECK(outcome.errors == "");
  // The constructor runs after the hook, so it calls the patched function.
  CHECK(outcome.output == "2 first 1 42\n42\n");
}

TEST_CASE("without DT_INIT the first constructor's relocation leads to the runtime", "[emit]") {
  const Loaded test(with_constructor(), "-nostartfiles");
  REQUIRE_FALSE(has(test.original, DT_INIT));
  emit_to(test.patch_answer(), test.patched);
  const auto outcome = test.run_with("");
  CHECK(outcome.errors == "");
  CHECK(outcome.output == "2 first 1 42\n42\n");
}

TEST_CASE("packed relative relocations are hooked in place", "[emit]") {
  const Loaded test(with_constructor(), "-nostartfiles -Wl,-z,pack-relative-relocs");
  emit_to(test.patch_answer(), test.patched);
  CHECK(test.run_with("").output == "2 first 1 42\n42\n");
}

TEST_CASE("without any initialiser a spare entry becomes one", "[emit]") {
  const Loaded test(answer_source(), "-nostartfiles -nostdlib");
  REQUIRE_FALSE(has(test.original, DT_INIT));
  REQUIRE_FALSE(has(test.original, DT_INIT_ARRAY));
  emit_to(test.patch_answer(), test.patched);
  CHECK(has(test.patched, DT_INIT));
  CHECK(test.run_with("").output == "42\n");
}

TEST_CASE("without a spare entry there is no hook, and no output", "[emit]") {
  const Loaded test(answer_source(), "-nostartfiles -nostdlib -Wl,-z,nospare-dynamic-tags "
                                   "-Wl,--spare-dynamic-tags=0");
  const auto maker = test.patch_answer();
  const auto result = emit(maker.view, maker.plan, test.patched);
  REQUIRE_FALSE(result);
  CHECK(result.error().kind == "no_hook");
  CHECK_FALSE(std::filesystem::exists(test.patched));
}

TEST_CASE("IFUNC resolvers, which run before any hook, run the original code", "[emit]") {
  const Loaded test(answer_source() + R"(
    int site(void) __attribute__((visibility("hidden")));  // the same code, called without a PLT
    static int forty_two(void) { return site() + 41; }
    static int never(void) { return 0; }
    static void *choose(void) { return site() == 1 ? forty_two : never; }
    int chosen(void) __attribute__((ifunc("choose")));
    __attribute__((constructor)) static void show(void) {
      __builtin_printf("%d\n", chosen());
      fflush(0);
    }
  )", "-include stdio.h -Wl,-z,now");
  emit_to(test.patch_answer(), test.patched);
  CHECK(test.run_with("").output == "83\n42\n");
}

TEST_CASE("dlclose gives everything back, and a reload works", "[emit]") {
  const Loaded test(answer_source(), "");
  emit_to(test.patch_answer(), test.patched);
  const auto loader = test.shop.compile("loader", R"(
    #include <dlfcn.h>
    #include <stdio.h>
    #include <string.h>
    static int mapped(void) {
      char line[5000];
      int count = 0;
      FILE *maps = fopen("/proc/self/maps", "r");
      while (fgets(line, sizeof line, maps)) count += strstr(line, "liba.so") != 0;
      fclose(maps);
      return count;
    }
    int main(int argc, char **argv) {
      for (int i = 0; i < 3; ++i) {
        void *handle = dlopen(argv[1], RTLD_NOW);
        int (*answer)(void) = (int (*)(void))dlsym(handle, "answer");
        printf("%d %d ", answer(), mapped() > 0);
        dlclose(handle);
        printf("%d\n", mapped());
      }
      return 0;
    })", "");
  const auto outcome = run("PUNSTER_STRICT=1 " + loader.string() + " " + test.patched.string());
  CHECK(outcome.errors == "");
  CHECK(outcome.output == "42 1 0\n42 1 0\n42 1 0\n");
}

TEST_CASE("a thread with a small stack can load a rewritten object", "[emit]") {
  const Loaded test(answer_source(), "");
  emit_to(test.patch_answer(), test.patched);
  const auto loader = test.shop.compile("loader", R"(
    #include <dlfcn.h>
    #include <pthread.h>
    #include <stdio.h>
    static void *load(void *path) {
      int (*answer)(void) = (int (*)(void))dlsym(dlopen(path, RTLD_NOW), "answer");
      printf("%d\n", answer());
      return 0;
    }
    int main(int argc, char **argv) {
      pthread_attr_t small;
      pthread_t thread;
      pthread_attr_init(&small);
      pthread_attr_setstacksize(&small, 16384);
      pthread_create(&thread, &small, load, argv[1]);
      pthread_join(thread, 0);
      return 0;
    })", "-pthread");
  CHECK(run("PUNSTER_STRICT=1 " + loader.string() + " " + test.patched.string()).output == "42\n");
}

TEST_CASE("the system's libraries all have a hook", "[emit]") {
  for (const std::string name : {"libc.so.6", "libm.so.6", "libstdc++.so.6", "libgcc_s.so.1"}) {
    const std::filesystem::path input = "/lib/x86_64-linux-gnu/" + name;
    if (!std::filesystem::exists(input)) continue;
    INFO(name);
    const Workshop shop;
    PlanMaker maker(input);
    REQUIRE(maker.view.kind() == FileKind::dso);
    maker.trampoline(above(maker.view, 3), {0xc3});
    emit_to(maker, shop.file(name));
    const auto outcome = run("PUNSTER_STRICT=1 LD_LIBRARY_PATH=" + shop.file("").string() +
                             " python3 -c 'print(sum(range(5)))' 2>&1");
    CHECK(outcome.output == "10\n");
  }
}

TEST_CASE("ld.so itself is refused", "[emit]") {
  const auto view = ElfView::open("/lib64/ld-linux-x86-64.so.2");
  REQUIRE(view);
  const auto place = footprint(view.value());
  REQUIRE_FALSE(place);
  CHECK(place.error().kind == "unsupported");
}

}  // namespace punster
