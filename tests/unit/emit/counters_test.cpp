// Counters: the payload increments memory that is a file.

#include <catch2/catch.hpp>
#include <fstream>

#include "runtime/loader_abi.h"
#include "tests/unit/emit/small_program.h"

namespace punster {
namespace {

using Catch::Matchers::Contains;

constexpr std::uint64_t file_bytes = 8192;  // a page of header, a page of slots

void make_counters(const std::filesystem::path& path, std::uint8_t key) {
  PunsterCounters header{};
  header.magic = PUNSTER_COUNTERS_MAGIC;
  header.abi_version = PUNSTER_ABI_VERSION;
  header.capacity = 256;
  header.slots_offset = 4096;
  header.sites_offset = 4096 + 2048;
  std::fill(std::begin(header.build_key), std::end(header.build_key), key);
  std::string bytes(file_bytes, '\0');
  std::memcpy(bytes.data(), &header, sizeof header);
  std::ofstream(path, std::ios::binary) << bytes;
}

std::uint64_t first_slot(const std::filesystem::path& path) {
  std::uint64_t value = ~0ull;
  std::ifstream in(path, std::ios::binary);
  in.seekg(4096);
  in.read(reinterpret_cast<char*>(&value), sizeof value);
  return value;
}

/// answer() counts its calls; the counters lie between the trampoline and the tables.
std::filesystem::path counting(const Workshop& shop, const std::string& flags) {
  const auto input = shop.compile("original", program_source(), flags);
  PlanMaker maker(input);
  const auto site = symbol(input, "site"), at = above(maker.view), counters = above(maker.view, 4);
  std::vector<std::uint8_t> code = {0x48, 0xff, 0x05};  // incq slot(%rip)
  const auto slot = displacement(at + Bytes{7}, counters + Bytes{4096}).value();
  for (unsigned i = 0; i < 4; ++i) code.push_back(static_cast<std::uint8_t>(slot >> (8 * i)));
  const auto rest = answer_trampoline(site, at + Bytes{7}, 42);
  code.insert(code.end(), rest.begin(), rest.end());
  maker.trampoline(at, code).patch(site, jump(site, at));
  maker.plan.counters = CounterRegion{counters, Bytes{file_bytes}, shop.file("counters").string()};
  emit_to(maker, shop.file("patched"));
  return shop.file("patched");
}

}  // namespace

TEST_CASE("counts reach the file, and runs add up", "[emit][counters]") {
  for (const std::string flags : {"-pie -fPIE", "-no-pie", "-static", "-static-pie"}) {
    const Workshop shop;
    const auto program = counting(shop, flags);
    make_counters(shop.file("counters"), 0x5a);
    for (int i = 0; i < 3; ++i) {
      const auto outcome = run(program.string());
      CHECK(outcome.errors == "");
      CHECK(outcome.output == "42 1\n");
    }
    CHECK(first_slot(shop.file("counters")) == 3);
  }
}

TEST_CASE("PUNSTER_COUNTERS names another file", "[emit][counters]") {
  const Workshop shop;
  const auto program = counting(shop, "");
  make_counters(shop.file("counters"), 0);
  make_counters(shop.file("elsewhere"), 0);
  run("PUNSTER_COUNTERS=" + shop.file("elsewhere").string() + " " + program.string());
  CHECK(first_slot(shop.file("counters")) == 0);
  CHECK(first_slot(shop.file("elsewhere")) == 1);
}

TEST_CASE("a set-user-ID program does not let its caller choose the counters file", "[emit][counters]") {
  if (run("setpriv --reuid=65534 --clear-groups true").status != 0) return;
  const Workshop shop;
  const auto program = counting(shop, "");
  make_counters(shop.file("counters"), 0);
  make_counters(shop.file("elsewhere"), 0);
  run("chown root " + program.string() + " && chmod 4755 " + program.string() + " && chmod 755 " +
      shop.file("").string() + " && chmod 666 " + shop.file("elsewhere").string());
  const auto outcome = run("PUNSTER_COUNTERS=" + shop.file("elsewhere").string() +
                           " setpriv --reuid=65534 --clear-groups " + program.string());
  CHECK(outcome.output == "42 1\n");
  CHECK(first_slot(shop.file("elsewhere")) == 0);
  CHECK(first_slot(shop.file("counters")) == 1);
}

TEST_CASE("without a usable counters file the program runs patched and says what is not counted",
          "[emit][counters]") {
  const Workshop shop;
  const auto program = counting(shop, "");
  const auto check = [&](const std::string& reason) {
    const auto outcome = run("PUNSTER_STRICT=1 " + program.string());
    CHECK(outcome.output == "42 1\n");
    CHECK(std::count(outcome.errors.begin(), outcome.errors.end(), '\n') == 1);
    CHECK_THAT(outcome.errors, Contains(reason) && Contains("counters") && Contains("not counted"));
  };
  check("cannot be opened");
  std::ofstream(shop.file("counters")) << "text";
  check("is not a counters file");
  make_counters(shop.file("counters"), 0x33);
  check("belong to another output");
  make_counters(shop.file("counters"), 0x5a);
  std::filesystem::resize_file(shop.file("counters"), 4096);
  check("too short");
  CHECK(std::filesystem::file_size(shop.file("counters")) == 4096);
}

}  // namespace punster
