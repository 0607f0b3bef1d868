// Damaged requests against a real session on a small file: the service must answer or refuse each
// of them and come to its end. What a client sends is never a reason to crash.

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <random>

#include "backend/session/service.h"
#include "tests/unit/session/tiny_program.h"

using namespace punster;

namespace {

std::string stream_for(const std::string& path) {
  return R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocol_version":1}}
{"jsonrpc":"2.0","id":2,"method":"binary","params":{"filename":")" +
         path + R"("}}
{"jsonrpc":"2.0","id":3,"method":"options","params":{"tactics":["B1","B2","T1","T2","T3","B0"],"max_mappings":100,"traps":true,"jobs":1}}
{"jsonrpc":"2.0","id":4,"method":"trampoline","params":{"name":"$t","template":[72,255,5,{"rel32":"$n"},"$instr","$break"]}}
{"jsonrpc":"2.0","id":5,"method":"instructions","params":{"address":"0x400100","lengths":[5,2,2,7,5,2,1]}}
{"jsonrpc":"2.0","id":6,"method":"padding","params":{"ranges":[["0x400120","0x400140"]]}}
{"jsonrpc":"2.0","id":7,"method":"patches","params":{"address":"0x400100","deltas":[0,5,2],"trampoline":"$t","columns":{"$n":["0x400000","0x400000",4194304]}}}
{"jsonrpc":"2.0","id":8,"method":"patch","params":{"address":"0x400110","trampoline":"$t","metadata":{"$n":"0x400000"}}}
{"jsonrpc":"2.0","id":9,"method":"patches","params":{"address":"0x400115","deltas":[0],"replace":"90"}}
{"jsonrpc":"2.0","id":10,"method":"reserve","params":{"length":64,"bytes":[1,2],"protection":"rw-"}}
{"jsonrpc":"2.0","id":11,"method":"plan"}
{"jsonrpc":"2.0","id":12,"method":"results","params":{"from":0,"count":10}}
{"jsonrpc":"2.0","id":13,"method":"explain","params":{"addresses":["0x400107"]}}
{"jsonrpc":"2.0","id":14,"method":"stats"}
)";
}

/// Digits and words change more often than structure: damage to structure ends at the parser.
std::string damaged(std::string text, std::mt19937& random) {
  const auto pick = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  static const std::string values[] = {"0",
                                       "1",
                                       "15",
                                       "-1",
                                       "4194304",
                                       "\"0x400118\"",
                                       "\"$t\"",
                                       "\"0x3fffff\"",
                                       "\"0x7fffffff\"",
                                       "\"-0x1000\"",
                                       "[]",
                                       "\"0x40017f\"",
                                       "\"0x400180\"",
                                       "\"0x7ffffffffffffff\""};
  for (std::size_t changes = 1 + pick(3); changes > 0; --changes) {
    auto at = pick(text.size());
    if (pick(4) == 0) {
      text[at] = static_cast<char>(' ' + pick(95));
      continue;
    }
    if (pick(6) == 0) {  // a whole line goes, or comes twice
      const auto begin = text.rfind('\n', at) + 1, end = text.find('\n', at);
      if (end == std::string::npos) continue;
      const auto line = text.substr(begin, end + 1 - begin);
      if (pick(2))
        text.insert(begin, line);
      else
        text.erase(begin, line.size());
      if (text.empty()) return "\n";
      continue;
    }
    at = text.find_first_of("0123456789", at);
    if (at == std::string::npos) continue;
    if (pick(2)) {
      text[at] = static_cast<char>('0' + pick(10));
      continue;
    }
    auto begin = text.find_last_of(",:[", at), end = text.find_first_of(",]}", at);
    if (begin == std::string::npos || end == std::string::npos) continue;
    text.replace(begin + 1, end - begin - 1, values[pick(std::size(values))]);
  }
  return text;
}

}  // namespace

TEST_CASE("damaged sessions come to their end") {
  const unsigned seed = 20240613;
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto folder =
      std::filesystem::temp_directory_path() / ("punster-damaged-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  const auto program = folder / "tiny", requests = folder / "requests";
  std::ofstream(program, std::ios::binary) << tiny_program();
  const auto intact = stream_for(program.string());
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  for (int i = 0; i < 2000; ++i) {
    const auto text = i == 0 ? intact : damaged(intact, random);
    std::ofstream(requests, std::ios::binary | std::ios::trunc) << text;
    const int in = open(requests.c_str(), O_RDONLY | O_CLOEXEC);
    INFO("stream " << i << ":\n" << text);
    ServiceStop stop;
    const auto end = serve(in, nowhere, stop);
    close(in);
    CHECK((end == ServiceEnd::done || end == ServiceEnd::failed));
  }
  close(nowhere);
  std::filesystem::remove_all(folder);
}
