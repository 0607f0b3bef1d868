// Random and exhaustive damage: no bit that matters may change unnoticed, and no damage may crash
// the verifier.

#include <catch2/catch.hpp>
#include <fstream>
#include <random>

#include "frontend/verify/patched_image.h"
#include "rewriting.h"

using namespace punster;
using namespace punster::test;

namespace {
constexpr std::uint64_t far = 0x1000000;

/// A jump, a conditional branch and a call through memory, chained in part.
struct Sample : Rewriting {
  std::vector<std::pair<Vaddr, Machine>> code;  // what patched the original, and the bodies
  Sample() {
    const Vaddr callee = insn({0xc3});
    const Vaddr add = insn({0x05, 0x78, 0x56, 0x34, 0x12});
    const Vaddr branch = insn(relative({0x0f, 0x84}, here(), add));
    const Vaddr load = insn(relative({0x48, 0x8b, 0x05}, here(), image(0x4020)));
    const Vaddr call_site = insn(call(here(), callee));
    const Vaddr end = insn({0xc3});
    const Vaddr a = image(far), b = a + Bytes{5}, c = image(far + 0x40), d = image(far + 0x80);
    put(add, jump(add, a));
    put(branch, jump(branch, b));
    put(load, jump(load, c));
    put(call_site, call(call_site, d));
    put(a, {0x05, 0x78, 0x56, 0x34, 0x12});
    put(b, relative({0x0f, 0x84}, b, a) + jump(b + Bytes{6}, load));
    put(c, relative({0x48, 0x8b, 0x05}, c, image(0x4020)) + jump(c + Bytes{7}, call_site));
    put(d, jump(d, callee));
    static_cast<void>(end);
    // The site file says where each body is: without it, the filler in front of one is a payload of
    // int3.
    list(add, 5, "0578563412", "0x1000000");
    list(branch, 6, "0f84f5ffffff", "0x1000005");
    list(load, 7, "488b050d300000", "0x1000040");
    list(call_site, 5, "e8e8ffffff", "0x1000080");
  }
  void list(Vaddr at, unsigned size, const char* bytes, const std::string& trampoline) {
    sites += site_line(at, size, bytes, "patched", "\"trampoline\":\"" + trampoline + "\"");
  }
  void put(Vaddr at, const Machine& bytes) { code.emplace_back(at, bytes), place(at, bytes); }
  void place(Vaddr at, const Machine& bytes) {
    if (at.value < far)
      patch(at, bytes);
    else
      write(at, bytes);
  }
};
}  // namespace

TEST_CASE("no bit of a jump, a displaced instruction or a way back can change unnoticed",
          "[mutation]") {
  Sample file;
  REQUIRE(only_failure(file.verify()) == "0 failures");
  unsigned mutants = 0;
  for (const auto& [at, bytes] : file.code)
    for (std::size_t i = 0; i < bytes.size(); ++i)
      for (unsigned bit = 0; bit < 8; ++bit) {
        // REX.B and REX.X mean nothing before a rip-relative operand: the mutant is equivalent.
        if (bytes[i] == 0x48 && bit < 2) continue;
        Machine mutant = bytes;
        mutant[i] = static_cast<std::uint8_t>(mutant[i] ^ 1u << bit);
        file.place(at, mutant);
        ++mutants;
        if (file.verify().ok())
          FAIL_CHECK("bit " << bit << " of byte " << i << " at " << std::hex << at.value);
        file.place(at, bytes);
      }
  CHECK(mutants > 400);
}

TEST_CASE("damaged headers and tables never crash the verifier", "[mutation]") {
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto below = [&](std::size_t limit) { return random() % limit; };
  Sample file;
  for (int round = 0; round < 300; ++round) {
    file.alter_file = [&](Machine& bytes) {
      for (std::size_t changes = 1 + below(4); changes > 0; --changes) {
        // The ELF header, the program headers, the tables.
        const std::size_t places[] = {below(64), 0x100000 + below(7 * 56), 0x101000 + below(200)};
        const std::uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff, static_cast<std::uint8_t>(random())};
        bytes[places[below(3)]] = values[below(6)];
      }
    };
    const auto report = file.try_verify();
    if (report.has_error()) CHECK_FALSE(report.error().message.empty());
  }
}

TEST_CASE("a file cut off anywhere never crashes the reader", "[mutation]") {
  Sample file;
  const auto path = file.write_patched();
  const auto size = std::filesystem::file_size(path);
  for (std::uintmax_t cut = size; cut > 0;
       cut = cut > 0x4000 ? cut - 0x3f41 : cut - std::min<std::uintmax_t>(cut, 64)) {
    std::filesystem::resize_file(path, cut);
    const auto image = PatchedImage::open(path);
    if (image.has_value()) CHECK(image.value().file().size() == cut);
  }
}
