#include "tests/unit/emit/small_program.h"

#include <sys/wait.h>

#include <LIEF/ELF.hpp>
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace punster {
namespace {

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

void put32(std::vector<std::uint8_t>& code, std::uint32_t value) {
  for (unsigned i = 0; i < 4; ++i) code.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

}  // namespace

std::string answer_source() {
  return R"(
__asm__(".text\n.globl answer, site\n.type answer,@function\n.balign 16\n"
        "answer:\n"
        "site: mov $1, %eax\n"
        "      ret\n"
        ".size answer, .-answer\n");
int answer(void);
)";
}

std::string program_source() {
  return answer_source() + R"(
#include <stdio.h>
int main(int argc, char **argv) { printf("%d %d\n", answer(), argc); return argc > 5; }
)";
}

Workshop::Workshop() {
  char name[] = "/tmp/punster-emit-XXXXXX";
  REQUIRE(mkdtemp(name));
  root_ = name;
}

Workshop::~Workshop() {
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

std::filesystem::path Workshop::compile(const std::string& name, const std::string& source,
                                        const std::string& flags) const {
  const auto code = file(name + ".c");
  std::ofstream(code) << source;
  const auto outcome =
      run("cc -O1 -w -o " + file(name).string() + " " + code.string() + " " + flags);
  INFO(outcome.errors);
  REQUIRE(outcome.status == 0);
  return file(name);
}

Outcome run(const std::string& command) {
  const Workshop shop;
  const auto out = shop.file("out"), err = shop.file("err");
  // In a shell of its own, so that "Segmentation fault" messages go to err too.
  const auto script = shop.file("command");
  std::ofstream(script) << command << "\n";
  const int raw = std::system(("sh " + script.string() + " >" + out.string() + " 2>" + err.string()).c_str());
  return {WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw), contents(out), contents(err)};
}

Vaddr symbol(const std::filesystem::path& file, const std::string& name) {
  const auto binary = LIEF::ELF::Parser::parse(file.string());
  REQUIRE(binary);
  return Vaddr{dynamic_cast<const LIEF::ELF::Symbol&>(binary->get_symbol(name)).value()};
}

PlanMaker::PlanMaker(const std::filesystem::path& input) : view([&] {
  auto opened = ElfView::open(input);
  REQUIRE(opened);
  return opened.value();
}()) {
  plan.build_key.assign(32, 0x5a);
}

PlanMaker& PlanMaker::trampoline(Vaddr address, const std::vector<std::uint8_t>& code) {
  const auto first = static_cast<std::uint32_t>(plan.pages.size() / page_size.value);
  plan.pages.insert(plan.pages.end(), code.begin(), code.end());
  plan.pages.resize((first + 1) * page_size.value, 0xcc);
  plan.mappings.push_back({address, 1, first, false});
  return *this;
}

PlanMaker& PlanMaker::patch(Vaddr site, const std::vector<std::uint8_t>& bytes) {
  const auto page = page_floor(site);
  auto overlay = std::find_if(plan.mappings.begin(), plan.mappings.end(),
                              [&](const auto& m) { return m.overlay && m.address == page; });
  if (overlay == plan.mappings.end()) {
    const auto first = static_cast<std::uint32_t>(plan.pages.size() / page_size.value);
    plan.pages.resize((first + 1) * page_size.value, 0);
    const auto offset = view.to_offset(site).value().value & ~0xfffull;
    const auto rest = view.file().subspan(offset, std::min<std::size_t>(4096, view.file().size() - offset));
    std::copy(rest.begin(), rest.end(), plan.pages.begin() + first * 4096l);
    overlay = plan.mappings.insert(plan.mappings.end(), {page, 1, first, true});
  }
  const auto at = overlay->first_page * 4096l + static_cast<long>((site - page).value);
  REQUIRE((site - page).value + bytes.size() <= 4096);
  std::copy(bytes.begin(), bytes.end(), plan.pages.begin() + at);
  return *this;
}

PlanMaker& PlanMaker::trap(Vaddr site, Vaddr trampoline) {
  plan.traps.push_back({site, trampoline});
  return *this;
}

PlanMaker& PlanMaker::answer(Vaddr site, Vaddr address, std::uint8_t value) {
  return trampoline(address, answer_trampoline(site, address, value)).patch(site, jump(site, address));
}

PlanMaker& PlanMaker::answer_by_trap(Vaddr site, Vaddr address, std::uint8_t value) {
  return trampoline(address, answer_trampoline(site, address, value))
      .patch(site, {0x0f, 0x0b})  // ud2
      .trap(site, address);
}

EmitResult emit_to(const PlanMaker& maker, const std::filesystem::path& output) {
  const auto result = emit(maker.view, maker.plan, output);
  INFO((result ? "" : result.error().message));
  REQUIRE(result);
  return result.value();
}

void check_headers(const std::filesystem::path& file) {
  const auto binary = LIEF::ELF::Parser::parse(file.string());
  REQUIRE(binary);
  CHECK(binary->header().numberof_segments() <= 73);
  const auto table = binary->header().program_headers_offset();
  const LIEF::ELF::Segment *first = nullptr, *before = nullptr, *home = nullptr;
  for (const auto& s : binary->segments()) {
    if (s.type() == LIEF::ELF::SEGMENT_TYPES::PT_PHDR) CHECK(s.file_offset() == table);
    if (s.type() != LIEF::ELF::SEGMENT_TYPES::PT_LOAD) continue;
    if (!first) first = &s;
    if (before) CHECK(before->virtual_address() + before->virtual_size() <= s.virtual_address());
    before = &s;
    constexpr std::uint32_t execute = 1, write = 2;
    CHECK((static_cast<std::uint32_t>(s.flags()) & (execute | write)) != (execute | write));
    if (s.file_offset() <= table && table < s.file_offset() + s.physical_size()) home = &s;
  }
  REQUIRE(home);
  CHECK(home->virtual_address() - home->file_offset() ==
        first->virtual_address() - first->file_offset());
}

Vaddr above(const ElfView& view, std::uint64_t pages) {
  return footprint(view).value().free.back().lo + Bytes{pages * page_size.value};
}

Vaddr below(const ElfView& view) { return footprint(view).value().free.front().hi - page_size; }

std::vector<std::uint8_t> jump(Vaddr from, Vaddr to) {
  std::vector<std::uint8_t> code = {0xe9};
  put32(code, static_cast<std::uint32_t>(displacement(from + Bytes{5}, to).value()));
  return code;
}

std::vector<std::uint8_t> answer_trampoline(Vaddr site, Vaddr address, std::uint8_t value) {
  std::vector<std::uint8_t> code = {0xb8, value, 0, 0, 0};  // mov $value, %eax
  const auto back = jump(address + Bytes{5}, site + Bytes{5});
  code.insert(code.end(), back.begin(), back.end());
  return code;
}

}  // namespace punster
