#include "frontend/match/address_file.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "tests/unit/match/listing.h"

using namespace punster;

namespace {

/// A file of the given text that goes away with the object.
struct TemporaryFile {
  explicit TemporaryFile(const std::string& text, const std::string& suffix = "")
      : path(std::filesystem::temp_directory_path() /
             ("punster-match-" + std::to_string(::getpid()) + suffix)) {
    std::ofstream(path) << text;
  }
  ~TemporaryFile() { std::filesystem::remove(path); }
  std::filesystem::path path;
};

std::vector<std::uint64_t> addresses(const std::string& text) {
  const TemporaryFile file(text);
  return read_addresses(file.path).value();
}
std::string fault(const std::string& text) {
  const TemporaryFile file(text);
  const auto result = read_addresses(file.path);
  if (result) return "";
  const std::string message = result.error().message, path = file.path;
  return message.starts_with(path) ? message.substr(path.size()) : message;
}

using List = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("addresses are the first column of a CSV file", "[address_file]") {
  CHECK(addresses("0x1000\n0x2000,x,y\n4096\n") == List{0x1000, 0x2000});
  CHECK(addresses("# found by hand\naddress,name\r\n0x10,main\r\n\n 0x8 , x\n") == List{0x8, 0x10});
  CHECK(addresses("\"0x10\",\"a,b\"\n") == List{0x10});
  CHECK(addresses("").empty());
  CHECK(addresses("-0x1000\n") == List{0xfffffffffffff000});
}

TEST_CASE("addresses are a JSON array, or have a member of that name", "[address_file]") {
  CHECK(addresses("[\"0x1000\", 8192, {\"address\": \"0x10\"}]") == List{0x10, 0x1000, 0x2000});
  CHECK(addresses("[]").empty());
}

TEST_CASE("a sites file is a list of addresses", "[address_file]") {
  CHECK(addresses("{\"address\":\"0x113b\",\"size\":2}\n\n{\"address\":\"0x1120\"}\n") ==
        List{0x1120, 0x113b});
}

TEST_CASE("bad address files name the line", "[address_file]") {
  CHECK(fault("0x10\nmain\n") == ":2: \"main\" is not an address");
  CHECK(fault("0x10\n\"0x11\n") == ":2: a quote is not closed");
  CHECK(fault("[1, \"x\"]") == ": element 1 is neither an address nor has a member \"address\"");
  CHECK(fault("{\"address\":\"0x1\"}\n{\"addr\":1}\n").starts_with(":2: expected JSON"));
  CHECK(fault("[1, 2").starts_with(":1: expected JSON"));
  CHECK_FALSE(read_addresses("/").has_value());
}

TEST_CASE("addr in a file matches its addresses", "[address_file]") {
  const TemporaryFile file("0x1000\n0x1001\n");
  CHECK(matches("90", "addr in \"" + file.path.string() + "\""));
  CHECK_FALSE(matches("90", "addr + 4 in \"" + file.path.string() + "\""));
  CHECK_FALSE(matches("90", "addr not in \"" + file.path.string() + "\""));
  CHECK(matches("e9 fc ff ff ff", "target in \"" + file.path.string() + "\""));
}

TEST_CASE("NAME[i] is a column of NAME.csv in the instruction's row", "[address_file]") {
  const auto directory = std::filesystem::temp_directory_path();
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(directory);
  const std::string name = "punster_match_" + std::to_string(::getpid());
  std::ofstream(name + ".csv") << "0x1000,1,\"Monday\",0xaaa,\"12\"\n0x1005,2,Tuesday\n";
  CHECK(matches("90", name + "[0] == addr and " + name + "[1] == 1 and " + name + "[3] == 0xaaa"));
  CHECK(matches("90", name + "[2] == \"Monday\" and " + name + "[2] =~ /M.*/"));
  CHECK(matches("90", name + "[4] == \"12\""));
  CHECK_FALSE(matches("90", "defined(" + name + "[5])"));
  const Listing elsewhere({"66 90", "90"});
  CHECK_FALSE(
      Match::parse("defined(" + name + "[0])").value().matches(elsewhere.insns[1], elsewhere));
  std::filesystem::remove(name + ".csv");
  std::filesystem::current_path(before);
}
