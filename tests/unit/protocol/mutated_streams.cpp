// Streams that somebody, or something, has damaged: whatever comes in, every message is either
// served or answered with an error that has a kind, and nothing crashes. Run under the sanitizers
// as well.

#include <unistd.h>

#include <catch2/catch.hpp>
#include <random>

#include "protocol/rpc.h"
#include "tests/unit/protocol/recording_sink.h"

using namespace punster;
using namespace punster::test;

namespace {

constexpr char strict_stream[] =
    R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocol_version":1,"client":{"name":"t"}}}
{"jsonrpc":"2.0","id":2,"method":"binary","params":{"filename":"/bin/ls"}}
{"jsonrpc":"2.0","id":3,"method":"options","params":{"tactics":["B1","T2"],"max_mappings":100,"traps":true}}
{"jsonrpc":"2.0","id":4,"method":"trampoline","params":{"name":"$t","template":[72,255,5,{"rel32":"$n"},"$instr","$break"]}}
{"jsonrpc":"2.0","id":5,"method":"instructions","params":{"address":"0x401000","lengths":[1,2,3,15,7]}}
{"jsonrpc":"2.0","id":6,"method":"padding","params":{"ranges":[["0x402000","0x402008"]]}}
[{"jsonrpc":"2.0","id":7,"method":"patches","params":{"address":"0x401000","deltas":[0,1,2],"trampoline":"$t","columns":{"$n":[1,"0x5",{"int32":3}]}}},{"jsonrpc":"2.0","method":"counters","params":{"path":"/tmp/c","capacity":8}}]
{"jsonrpc":"2.0","id":8,"method":"reserve","params":{"length":4096,"bytes":[1,2],"protection":"rw-"}}
{"jsonrpc":"2.0","id":9,"method":"results","params":{"from":0,"count":10}}
{"jsonrpc":"2.0","id":10,"method":"explain","params":{"addresses":["0x401000"]}}
{"jsonrpc":"2.0","id":11,"method":"emit","params":{"filename":"a.out"}}
)";

constexpr char dialect_stream[] =
    R"({"jsonrpc":"2.0","method":"binary","params":{"version":"1.0.1","filename":"/bin/ls","mode":"elf.exe"},"id":0}
{"jsonrpc":"2.0","method":"options","params":{"argv":["-Oorder=true","--mem-lb","0x1000","--tactic-T3=false"]},"id":1}
{"jsonrpc":"2.0","method":"trampoline","params":{"name":"$tmp_0","template":[".Ltrampoline","$instr","$BREAK",]},"id":3}
{"jsonrpc":"2.0","method":"instruction","params":{"address":"0x19758","length":1,"offset":104280},"id":4}
{"jsonrpc":"2.0","method":"patch","params":{"trampoline":"$tmp_0","metadata":{"$D":[".La",{"string":"jmp"}],},"offset":104280},"id":8}
{"jsonrpc":"2.0","method":"reserve","params":{"address":"0x200000","bytes":[1,2,3,]},"id":9}
{"jsonrpc":"2.0","method":"emit","params":{"filename":"ls.out","format":"binary"},"id":10}
)";

template <typename T>
void bind_echo(Dispatcher& d, const char* method) {
  d.bind<T>(method, [](const T& message) -> Result<Json> { return to_json(message); });
}

Dispatcher echo() {
  Dispatcher d;
  bind_echo<InitializeRequest>(d, "initialize");
  bind_echo<BinaryRequest>(d, "binary");
  bind_echo<OptionsRequest>(d, "options");
  bind_echo<TrampolineRequest>(d, "trampoline");
  bind_echo<InstructionsRequest>(d, "instructions");
  bind_echo<PaddingRequest>(d, "padding");
  bind_echo<PatchesRequest>(d, "patches");
  bind_echo<ReserveRequest>(d, "reserve");
  bind_echo<CountersRequest>(d, "counters");
  bind_echo<ResultsRequest>(d, "results");
  bind_echo<ExplainRequest>(d, "explain");
  bind_echo<EmitRequest>(d, "emit");
  return d;
}

std::string damaged(std::string text, std::mt19937& random) {
  static const std::string pieces[] = {"\"",       "{",           "}",
                                       "[",        "]",           ",",
                                       ":",        "null",        "true",
                                       "-1",       "1e99",        "18446744073709551616",
                                       "0.5",      "\\u0000",     "\\ud800",
                                       "\n",       "\xff",        "\"0x\"",
                                       "\"-0x1\"", "[[[[[[[[",    std::string(200, '['),
                                       "\"$\"",    "\"method\":", "\"params\":5,",
                                       "{}",       "[]"};
  const auto pick = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
  };
  for (std::size_t changes = 1 + pick(4); changes > 0 && !text.empty(); --changes) {
    const auto at = pick(text.size());
    switch (pick(5)) {
      case 0:
        text[at] = static_cast<char>(pick(256));
        break;
      case 1:
        text.erase(at, 1 + pick(12));
        break;
      case 2:
        text.insert(at, pieces[pick(std::size(pieces))]);
        break;
      case 3:
        text.insert(at, text.substr(pick(text.size()), pick(80)));
        break;
      default:
        text.resize(pick(2) ? at : text.size());
        break;
    }
  }
  return text;
}

void check_reply(const Json& reply) {
  if (reply.is_array()) {
    for (const auto& each : reply) check_reply(each);
    return;
  }
  REQUIRE(reply.contains("id"));
  if (reply.contains("result")) return;
  REQUIRE(reply["error"]["code"].is_number_integer());
  REQUIRE_FALSE(reply["error"]["data"]["kind"].get<std::string>().empty());
  REQUIRE_FALSE(reply["error"]["message"].get<std::string>().empty());
}

}  // namespace

TEST_CASE("2,000 damaged strict streams: each message is served or refused") {
  const unsigned seed = 20240611;
  INFO("seed " << seed);
  std::mt19937 random(seed);
  const auto dispatcher = echo();
  unsigned refused = 0, served = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto text = damaged(strict_stream, random);
    const int fd = descriptor_of(text);
    LineReader reader(fd, 4096);
    for (;;) {
      const auto line = reader.next();
      if (line.has_error()) {
        REQUIRE(line.error().kind == "too_long");
        continue;
      }
      if (!line.value()) break;
      auto message = parse_json(*line.value());
      const auto reply =
          message ? dispatcher.serve(message.value()) : make_error_reply(nullptr, message.error());
      if (!reply) continue;
      check_reply(*reply);
      REQUIRE(dump_json(*reply).find('\n') == std::string::npos);
      const bool bad = reply->is_object() && reply->contains("error");
      ++(bad ? refused : served);
    }
    close(fd);
  }
  CHECK(refused > 1000);
  CHECK(served > 10000);
}

TEST_CASE("2,000 damaged dialect streams: translated or refused") {
  const unsigned seed = 20240612;
  INFO("seed " << seed);
  std::mt19937 random(seed);
  unsigned refused = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto result = translate(damaged(dialect_stream, random));
    if (result) continue;
    ++refused;
    REQUIRE_FALSE(result.error().kind.empty());
    REQUIRE_FALSE(result.error().message.empty());
  }
  CHECK(refused > 500);
  CHECK(refused < 2000);
}
