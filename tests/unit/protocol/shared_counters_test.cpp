#include "protocol/shared_counters.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

#include "runtime/loader_abi.h"

using namespace punster;

namespace {

/// A directory that goes away with the test.
struct Scratch {
  std::filesystem::path dir;
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "counters.XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    dir = pattern;
  }
  ~Scratch() { std::filesystem::remove_all(dir); }
  [[nodiscard]] std::filesystem::path file() const { return dir / "counts"; }
};

const std::vector<Vaddr> three_sites{Vaddr{0x1000}, Vaddr{0x1005}, Vaddr{0x200000}};

void overwrite(const std::filesystem::path& path, std::streamoff at, std::uint64_t value) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(at);
  file.write(reinterpret_cast<const char*>(&value), 8);
}

std::string kind_of_open(const std::filesystem::path& path) {
  const auto opened = SharedCounters::open(path);
  return opened.has_error() ? opened.error().kind : "opened";
}

}  // namespace

TEST_CASE("a new counters file has its sites and zeroed slots", "[shared_counters]") {
  const Scratch scratch;
  REQUIRE(SharedCounters::create(scratch.file(), three_sites).has_value());
  const auto counters = SharedCounters::open(scratch.file()).value();
  REQUIRE(counters.capacity() == 3);
  for (std::uint64_t i = 0; i < 3; ++i) {
    CHECK(counters.site(i) == three_sites[i]);
    CHECK(counters.count(i) == 0);
  }
}

TEST_CASE("slots begin on their own page and the file is whole pages", "[shared_counters]") {
  CHECK(counters_file_size(0) == Bytes{4096});
  CHECK(counters_file_size(1) == Bytes{3 * 4096});
  CHECK(counters_file_size(512) == Bytes{3 * 4096});
  CHECK(counters_file_size(513) == Bytes{5 * 4096});
  const Scratch scratch;
  REQUIRE(SharedCounters::create(scratch.file(), three_sites).has_value());
  CHECK(std::filesystem::file_size(scratch.file()) == 3 * 4096);
}

TEST_CASE("an increment by another mapping is seen without reopening", "[shared_counters]") {
  const Scratch scratch;
  REQUIRE(SharedCounters::create(scratch.file(), three_sites).has_value());
  const auto counters = SharedCounters::open(scratch.file()).value();
  overwrite(scratch.file(), 4096 + 8, 41);
  CHECK(counters.count(1) == 41);
  CHECK(counters.count(0) == 0);
}

TEST_CASE("creating over a file leaves those who map the old one alone", "[shared_counters]") {
  const Scratch scratch;
  REQUIRE(SharedCounters::create(scratch.file(), three_sites).has_value());
  const auto old = SharedCounters::open(scratch.file()).value();
  overwrite(scratch.file(), 4096, 7);
  REQUIRE(SharedCounters::create(scratch.file(), std::vector{Vaddr{0x4000}}).has_value());
  CHECK(old.capacity() == 3);
  CHECK(old.count(0) == 7);
  CHECK(SharedCounters::open(scratch.file()).value().count(0) == 0);
}

TEST_CASE("a directory that is not there is unwritable and nothing is left", "[shared_counters]") {
  const Scratch scratch;
  const auto made = SharedCounters::create(scratch.dir / "no" / "counts", three_sites);
  REQUIRE(made.has_error());
  CHECK(made.error().kind == "unwritable");
  CHECK(std::filesystem::is_empty(scratch.dir));
}

TEST_CASE("a counters file may be a memfd", "[shared_counters]") {
  const Scratch scratch;
  REQUIRE(SharedCounters::create(scratch.file(), three_sites).has_value());
  std::ifstream file(scratch.file(), std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const int fd = ::memfd_create("counts", MFD_CLOEXEC);
  REQUIRE(::write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  CHECK(SharedCounters::open("/proc/self/fd/" + std::to_string(fd)).value().site(2) ==
        Vaddr{0x200000});
  ::close(fd);
}

TEST_CASE("what is no counters file is refused", "[shared_counters]") {
  const Scratch scratch;
  CHECK(kind_of_open(scratch.file()) == "unreadable");
  CHECK(kind_of_open(scratch.dir) == "not_counters");
  std::ofstream(scratch.file()) << "";
  CHECK(kind_of_open(scratch.file()) == "not_counters");
  std::ofstream(scratch.file()) << std::string(8192, 'x');
  CHECK(kind_of_open(scratch.file()) == "not_counters");
}

TEST_CASE("every field of a damaged header is caught", "[shared_counters]") {
  // Offsets of PunsterCounters' fields, and values that would read outside the file or overlap.
  const struct {
    std::size_t field;
    std::uint64_t value;
  } damages[] = {
      {offsetof(PunsterCounters, magic), 0},
      {offsetof(PunsterCounters, abi_version), PUNSTER_ABI_VERSION + 1},
      {offsetof(PunsterCounters, capacity), 4096},
      {offsetof(PunsterCounters, capacity), ~0ull},
      {offsetof(PunsterCounters, capacity), 1ull << 61},  // times 8 wraps to 0
      {offsetof(PunsterCounters, slots_offset), 0},
      {offsetof(PunsterCounters, slots_offset), 4097},
      {offsetof(PunsterCounters, slots_offset), ~7ull},
      {offsetof(PunsterCounters, slots_offset), 3 * 4096 - 8},
      {offsetof(PunsterCounters, sites_offset), 3 * 4096 - 16},
      {offsetof(PunsterCounters, sites_offset), 4096},
      {offsetof(PunsterCounters, sites_offset), 4096 + 16},
  };
  for (const auto& damage : damages) {
    const Scratch scratch;
    REQUIRE(SharedCounters::create(scratch.file(), three_sites).has_value());
    overwrite(scratch.file(), static_cast<std::streamoff>(damage.field), damage.value);
    CAPTURE(damage.field, damage.value);
    CHECK(kind_of_open(scratch.file()) == "not_counters");
  }
}

TEST_CASE("a truncated counters file is refused at every page", "[shared_counters]") {
  const Scratch scratch;
  for (std::uintmax_t size = 0; size < 3 * 4096 - 8; size += 2048) {
    REQUIRE(SharedCounters::create(scratch.file(), std::vector<Vaddr>(512, Vaddr{1})).has_value());
    std::filesystem::resize_file(scratch.file(), size);
    CAPTURE(size);
    CHECK(kind_of_open(scratch.file()) == "not_counters");
  }
}
