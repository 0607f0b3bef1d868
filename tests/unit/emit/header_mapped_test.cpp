// Trampolines with program headers of their own: what stands in the file, whatever this machine's
// kernel would put up with; and that it runs, also after tools were there.

#include <LIEF/ELF.hpp>
#include <algorithm>
#include <catch2/catch.hpp>

#include "tests/unit/emit/small_program.h"

namespace punster {
namespace {

struct HeaderMapped {
  Workshop shop;
  std::filesystem::path original, patched;
  EmitResult result;

  /// `arenas`: pages with trampolines, apart from each other; only the first is used.
  HeaderMapped(const std::string& source, const std::string& flags, unsigned arenas = 1,
               bool below_image = false) {
    original = shop.compile("original", source, flags);
    patched = shop.file("patched");
    PlanMaker maker(original);
    maker.plan.layout = Layout::headers;
    const auto address = below_image ? below(maker.view) : above(maker.view, 0x1000);
    for (unsigned i = 1; i < arenas; ++i)
      maker.trampoline(above(maker.view, 0x1000 + 2 * i), {0xcc});
    maker.answer(symbol(original, "site"), address, 42);
    std::sort(maker.plan.mappings.begin(), maker.plan.mappings.end(),
              [](const auto& a, const auto& b) { return a.address < b.address; });
    result = emit_to(maker, patched);
  }
};

const std::vector<std::string> program_flags = {"-pie -fPIE", "-no-pie", "-static", "-static-pie"};

std::vector<std::string> section_names(const std::filesystem::path& file) {
  std::vector<std::string> names;
  const auto binary = LIEF::ELF::Parser::parse(file.string());
  for (const auto& s : binary->sections()) names.push_back(s.name());
  return names;
}

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

TEST_CASE("a header-mapped program runs patched from its first instruction on", "[emit][headers]") {
  for (const auto& flags : program_flags) {
    INFO(flags);
    const HeaderMapped test(program_source(), flags);
    check_headers(test.patched);
    const auto outcome = run(test.patched.string());
    CHECK(outcome.errors == "");
    CHECK(outcome.output == "42 1\n");
  }
}

TEST_CASE("there is no runtime in it, and its entry point stays", "[emit][headers]") {
  for (const auto& flags : program_flags) {
    const HeaderMapped test(program_source(), flags);
    const auto names = section_names(test.patched);
    CHECK(has(names, ".punster.stubs"));
    CHECK(has(names, ".punster.original"));
    CHECK_FALSE(has(names, ".punster.text"));
    CHECK_FALSE(has(names, ".punster.state"));
    CHECK(LIEF::ELF::Parser::parse(test.patched.string())->entrypoint() ==
          LIEF::ELF::Parser::parse(test.original.string())->entrypoint());
  }
}

TEST_CASE("trampolines below a program with a fixed address have program headers too",
          "[emit][headers]") {
  for (const std::string flags : {"-no-pie", "-static"}) {
    const HeaderMapped test(program_source(), flags, 1, true);
    check_headers(test.patched);
    CHECK(run(test.patched.string()).output == "42 1\n");
    const auto names = section_names(test.patched);
    CHECK(has(names, ".punster.low_end"));
  }
}

TEST_CASE("a program header for each run of pages, and 73 in all", "[emit][headers]") {
  const HeaderMapped few(program_source(), "-pie -fPIE", 1);
  const auto headers = [](const HeaderMapped& test) {
    return LIEF::ELF::Parser::parse(test.patched.string())->header().numberof_segments();
  };
  const auto one = headers(few);
  const HeaderMapped all(program_source(), "-pie -fPIE", 73 - one + 1);
  CHECK(headers(all) == 73);
  check_headers(all.patched);
  CHECK(run(all.patched.string()).output == "42 1\n");

  PlanMaker maker(few.original);
  maker.plan.layout = Layout::headers;
  for (unsigned i = 0; i < 73 - one + 2; ++i)
    maker.trampoline(above(maker.view, 0x1000 + 2 * i), {0xcc});
  const auto refused = emit(maker.view, maker.plan, few.shop.file("refused"));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().kind == "no_room");
  CHECK_FALSE(std::filesystem::exists(few.shop.file("refused")));
  maker.plan.most_headers = 200;
  const auto allowed = emit(maker.view, maker.plan, few.shop.file("allowed"));
  CHECK(allowed);
}

TEST_CASE("strip and objcopy keep a header-mapped file working", "[emit][headers]") {
  for (const auto& flags : program_flags)
    for (const bool low : {false, true}) {
      if (low && flags.find("pie") != std::string::npos && flags != "-no-pie") continue;
      INFO(flags << " " << low);
      const HeaderMapped test(program_source(), flags, 3, low);
      const auto smaller = test.shop.file("smaller").string();
      for (const std::string tool :
           {"strip -o OUT IN", "objcopy --strip-debug IN OUT", "strip -g -o OUT IN"}) {
        auto command = tool;
        command.replace(command.find("OUT"), 3, smaller);
        command.replace(command.find("IN"), 2, test.patched.string());
        CHECK(run(command).errors == "");
        CHECK(run(smaller).output == "42 1\n");
        if (low) check_headers(smaller);
        std::filesystem::remove(smaller);
      }
    }
}

TEST_CASE("readelf, elflint and patchelf find nothing to complain about in it", "[emit][headers]") {
  for (const auto& flags : program_flags) {
    INFO(flags);
    const HeaderMapped test(program_source(), flags, 3);
    CHECK(run("readelf -aW " + test.patched.string() + " >/dev/null").errors == "");
    if (run("command -v eu-elflint").status == 0)
      CHECK(run("eu-elflint --gnu-ld " + test.patched.string()).output ==
            run("eu-elflint --gnu-ld " + test.original.string()).output);
    if (run("command -v patchelf").status == 0 && flags.find("static") == std::string::npos)
      CHECK(run("patchelf --print-needed " + test.patched.string()).output == "libc.so.6\n");
  }
}

TEST_CASE("the same page at two addresses", "[emit][headers]") {
  const Workshop shop;
  const auto original = shop.compile("original", program_source(), "-pie -fPIE");
  PlanMaker maker(original);
  maker.plan.layout = Layout::headers;
  maker.answer(symbol(original, "site"), above(maker.view, 0x1000), 42);
  maker.plan.mappings.insert(maker.plan.mappings.begin(), {above(maker.view, 0x800), 1, 0, false});
  emit_to(maker, shop.file("patched"));
  check_headers(shop.file("patched"));
  CHECK(run(shop.file("patched").string()).output == "42 1\n");
  CHECK(run("strip " + shop.file("patched").string()).errors == "");
  CHECK(run(shop.file("patched").string()).output == "42 1\n");
}

TEST_CASE("a page with a trap stays original in the file, others are patched there",
          "[emit][headers]") {
  const std::string source = program_source() + R"(
    __asm__(".text\n.balign 4096\n.globl second, second_site\nsecond:\nsecond_site: mov $1, %eax\n ret\n"
            ".balign 4096\n");)";
  for (const auto& flags : program_flags) {
    INFO(flags);
    const Workshop shop;
    const auto original = shop.compile("original", source, flags);
    const auto site = symbol(original, "site"), second = symbol(original, "second_site");
    PlanMaker maker(original);
    maker.plan.layout = Layout::headers;
    maker.trampoline(above(maker.view, 0x1000),
                     answer_trampoline(site, above(maker.view, 0x1000), 42));
    const auto other = above(maker.view, 0x1002);
    maker.trampoline(other, answer_trampoline(second, other, 42));
    maker.patch(site, {0x0f, 0x0b}).trap(site, above(maker.view, 0x1000));
    maker.patch(second, jump(second, other));
    std::sort(maker.plan.mappings.begin(), maker.plan.mappings.end(),
              [](const auto& a, const auto& b) { return a.address < b.address; });
    const auto patched = shop.file("patched");
    emit_to(maker, patched);
    check_headers(patched);
    const auto outcome = run("PUNSTER_STRICT=1 " + patched.string());
    CHECK(outcome.errors == "");
    CHECK(outcome.output == "42 1\n");
    const auto view = ElfView::open(patched).value();
    CHECK(view.bytes_at(site, Bytes{1})[0] == 0xb8);
    CHECK(view.bytes_at(second, Bytes{1})[0] == 0xe9);
    CHECK(run("strip " + patched.string()).errors == "");
    CHECK(run("PUNSTER_STRICT=1 " + patched.string()).output == "42 1\n");
  }
}

TEST_CASE("pages joined to one with a trap stay original with it", "[emit][headers]") {
  const std::string source = program_source() + R"(
    __asm__(".text\n.balign 4096\n.skip 4092, 0x90\n.globl torn\ntorn: mov $1, %eax\n ret\n.balign 4096\n");)";
  const Workshop shop;
  const auto original = shop.compile("original", source, "-pie -fPIE");
  const auto torn = symbol(original, "torn");
  for (const bool trap : {false, true}) {
    PlanMaker maker(original);
    maker.plan.layout = Layout::headers;
    const auto body = above(maker.view, 0x1000);
    maker.trampoline(body, answer_trampoline(torn, body, 42));
    const auto code = jump(torn, body);
    maker.patch(torn, {code[0], code[1], code[2], code[3]});
    maker.patch(torn + Bytes{4}, {code[4]});
    if (trap) {
      maker.patch(torn + Bytes{8}, {0x0f, 0x0b}).trap(torn + Bytes{8}, body);
    }
    std::sort(maker.plan.mappings.begin(), maker.plan.mappings.end(),
              [](const auto& a, const auto& b) { return a.address < b.address; });
    emit_to(maker, shop.file("patched"));
    const auto view = ElfView::open(shop.file("patched")).value();
    CHECK(view.bytes_at(torn, Bytes{1})[0] == (trap ? 0xb8 : 0xe9));
  }
}

}  // namespace punster
