// Executables of every kind: patched, emitted, run.

#include <catch2/catch.hpp>

#include "tests/unit/emit/small_program.h"

namespace punster {
namespace {

/// Emits and runs with two arguments; the test program prints answer() and argc.
Outcome patched_run(const Workshop& shop, const PlanMaker& maker, const std::string& prefix = "") {
  const auto output = shop.file("patched");
  emit_to(maker, output);
  return run("PUNSTER_STRICT=1 " + prefix + " " + output.string() + " a b");
}

void check_patched(const Outcome& outcome) {
  CHECK(outcome.errors == "");
  CHECK(outcome.output == "42 3\n");
  CHECK(outcome.status == 0);
}

}  // namespace

TEST_CASE("a PIE runs trampolines above and below its image", "[emit]") {
  const Workshop shop;
  const auto input = shop.compile("pie", program_source(), "-pie -fPIE");
  const auto site = symbol(input, "site");
  PlanMaker high(input), low(input);
  REQUIRE(high.view.kind() == FileKind::pie);
  check_patched(patched_run(shop, high.answer(site, above(high.view), 42)));
  check_patched(patched_run(shop, low.answer(site, below(low.view), 42)));
}

TEST_CASE("a fixed-address executable runs trampolines above and below its image", "[emit]") {
  const Workshop shop;
  const auto input = shop.compile("exec", program_source(), "-no-pie");
  const auto site = symbol(input, "site");
  PlanMaker high(input), low(input);
  REQUIRE(high.view.kind() == FileKind::exec);
  check_patched(patched_run(shop, high.answer(site, above(high.view), 42)));
  check_patched(patched_run(shop, low.answer(site, Vaddr{0x10000}, 42)));
}

TEST_CASE("the entry point gets every register as ld.so left it", "[emit]") {
  const Workshop shop;
  // rdx holds ld.so's exit function: without it the library's destructor is never called.
  const auto library = shop.compile("libbye.so", R"(
    #include <stdio.h>
    __attribute__((destructor)) static void bye(void) { puts("bye"); }
  )", "-shared -fPIC");
  const auto input = shop.compile("program", program_source(),
                                  "-Wl,--no-as-needed " + library.string() + " -Wl,-rpath," + shop.file("").string());
  PlanMaker maker(input);
  const auto outcome = patched_run(shop, maker.answer(symbol(input, "site"), above(maker.view), 42));
  CHECK(outcome.errors == "");
  CHECK(outcome.output == "42 3\nbye\n");
}

TEST_CASE("a static executable is patched before it initialises itself", "[emit]") {
  const Workshop shop;
  const auto input = shop.compile("static", program_source(), "-static");
  PlanMaker maker(input);
  REQUIRE(maker.view.kind() == FileKind::static_exec);
  check_patched(patched_run(shop, maker.answer(symbol(input, "site"), above(maker.view), 42)));
}

TEST_CASE("a static PIE is patched before it relocates itself, wherever the vDSO went", "[emit]") {
  const Workshop shop;
  const auto input = shop.compile("static-pie", program_source(), "-static-pie");
  const auto site = symbol(input, "site");
  PlanMaker high(input), low(input), far(input), tempting(input);
  REQUIRE(high.view.kind() == FileKind::static_pie);
  high.answer(site, above(high.view), 42);
  low.answer(site, below(low.view), 42);
  far.answer(site, above(far.view, 0x10000), 42);
  tempting.answer(site, above(tempting.view, 20), 42);  // at the end of a hole of the vDSO's size
  for (int i = 0; i < 10; ++i) {  // the address space is laid out at random
    check_patched(patched_run(shop, high));
    check_patched(patched_run(shop, low));
    check_patched(patched_run(shop, far));
    check_patched(patched_run(shop, tempting));
  }
  check_patched(patched_run(shop, low, "setarch -R"));
  check_patched(patched_run(shop, high, "setarch -R -L"));
  check_patched(patched_run(shop, low, "setarch -L"));
}

TEST_CASE("a PIE that ld.so starts finds its own file and its reserved range", "[emit]") {
  const Workshop shop;
  const auto input = shop.compile("pie", program_source(), "-pie -fPIE");
  PlanMaker maker(input);
  maker.answer(symbol(input, "site"), above(maker.view, 100), 42);
  check_patched(patched_run(shop, maker, "/lib64/ld-linux-x86-64.so.2"));
}

}  // namespace punster
