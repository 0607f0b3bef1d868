#include "backend/emit/output_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/unit/emit/small_program.h"

namespace punster {
namespace {

std::vector<std::string> names(const std::filesystem::path& directory) {
  std::vector<std::string> result;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    result.push_back(entry.path().filename().string());
  std::sort(result.begin(), result.end());
  return result;
}

Result<void> write_all(const std::filesystem::path& path, const std::filesystem::path& original) {
  PUNSTER_TRY(auto file, OutputFile::create(path));
  const std::uint8_t bytes[] = {1, 2, 3};
  PUNSTER_TRY(file.write(FileOffset{5}, bytes));
  return file.commit(original);
}

}  // namespace

TEST_CASE("an output file appears complete, with its original's mode, or not at all", "[emit]") {
  const Workshop shop;
  std::ofstream(shop.file("original")) << "x";
  chmod(shop.file("original").c_str(), 0751);
  std::ofstream(shop.file("output")) << "what was there before";
  {
    auto file = OutputFile::create(shop.file("output"));
    REQUIRE(file);
    CHECK(names(shop.file("")) == std::vector<std::string>{"original", "output"});
  }  // not committed
  CHECK(std::filesystem::file_size(shop.file("output")) == 21);
  REQUIRE(write_all(shop.file("output"), shop.file("original")));
  CHECK(std::filesystem::file_size(shop.file("output")) == 8);
  struct stat status {};
  stat(shop.file("output").c_str(), &status);
  CHECK((status.st_mode & 07777) == 0751);
  CHECK(names(shop.file("")) == std::vector<std::string>{"original", "output"});
}

TEST_CASE("a symbolic link is followed, a device is refused", "[emit]") {
  const Workshop shop;
  std::ofstream(shop.file("original")) << "x";
  std::filesystem::create_symlink("target", shop.file("link"));
  REQUIRE(write_all(shop.file("link"), shop.file("original")));
  CHECK(std::filesystem::is_symlink(shop.file("link")));
  CHECK(std::filesystem::file_size(shop.file("target")) == 8);
  for (const std::string path : {"/dev/null", "/dev", "/nonexistent/output"}) {
    const auto result = write_all(path, shop.file("original"));
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == "unwritable");
  }
}

TEST_CASE("a full disk is said to be one, and nothing is left behind", "[emit]") {
  const Workshop shop;
  const auto full = shop.file("full");
  std::filesystem::create_directory(full);
  if (run("mount -t tmpfs -o size=64k none " + full.string()).status != 0) {
    WARN("cannot mount here");
    return;
  }
  const auto input = shop.compile("original", program_source(), "-static");
  PlanMaker maker(input);
  const auto result = emit(maker.view, maker.plan, full / "patched");
  CHECK_FALSE(result);
  if (!result) CHECK(result.error().kind == "disk_full");
  CHECK(names(full).empty());
  run("umount " + full.string());
}

}  // namespace punster
