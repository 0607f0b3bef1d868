// E9Patch's dialect, with messages as e9tool 1.0.1 writes them.

#include "protocol/dialect.h"

#include <catch2/catch.hpp>

#include "tests/unit/protocol/recording_sink.h"

using namespace punster;
using namespace punster::test;

namespace {

std::string repaired(std::string text) {
  drop_trailing_commas(text);
  return text;
}

constexpr char opening[] =
    R"({"jsonrpc":"2.0","method":"binary","params":{"version":"1.0.1","filename":"/bin/ls","mode":"elf.exe"},"id":0}
)";

}  // namespace

TEST_CASE("trailing commas go, all other commas stay") {
  CHECK(repaired("[1,2,]") == "[1,2 ]");
  CHECK(repaired("{\"a\":[],\n }") == "{\"a\":[] \n }");
  CHECK(repaired("[1,2]") == "[1,2]");
  CHECK(repaired(R"(["a,]", "\",]"])") == R"(["a,]", "\",]"])");
  CHECK(repaired("[,]") == "[ ]");
  CHECK(repaired("[1,,]") == "[1, ]");
}

TEST_CASE("a session of e9tool becomes batches, whatever the order of addresses") {
  const auto log = translate(std::string(opening) + R"(
{"jsonrpc":"2.0","method":"trampoline","params":{"name":"$empty","template":[]},"id":2}
{"jsonrpc":"2.0","method":"trampoline","params":{"name":"$tmp_0","template":[".Ltrampoline","$empty","$instr","$BREAK",]},"id":3}
{"jsonrpc":"2.0","method":"instruction","params":{"address":"0x19758","length":1,"offset":104280},"id":4}
{"jsonrpc":"2.0","method":"instruction","params":{"address":"0x19754","length":4,"offset":104276},"id":5}
{"jsonrpc":"2.0","method":"patch","params":{"trampoline":"$tmp_0","offset":104276},"id":6}
{"jsonrpc":"2.0","method":"instruction","params":{"address":"0x19740","length":7,"offset":104256},"id":7}
{"jsonrpc":"2.0","method":"patch","params":{"trampoline":"$tmp_0","metadata":{},"offset":104256},"id":8}
{"jsonrpc":"2.0","method":"emit","params":{"filename":"ls.out","format":"binary"},"id":9})")
                       .value();
  CHECK(log == Json::parse(R"([
    {"method": "binary", "params": {"filename": "/bin/ls", "mode": "exe"}},
    {"method": "trampoline", "params": {"name": "$empty", "template": []}},
    {"method": "trampoline",
     "params": {"name": "$tmp_0", "template": [".Ltrampoline", "$empty", "$instr", "$BREAK"]}},
    {"method": "instructions", "params": {"address": "0x19740", "lengths": [7]}},
    {"method": "instructions", "params": {"address": "0x19754", "lengths": [4, 1]}},
    {"method": "patches",
     "params": {"address": "0x19754", "deltas": [0, -20], "trampoline": "$tmp_0"}},
    {"method": "emit", "params": {"filename": "ls.out", "format": "binary"}}])"));
}

TEST_CASE("metadata become columns; other names begin another batch") {
  const auto log = translate(std::string(opening) + R"(
{"method":"instruction","params":{"address":4096,"length":1,"offset":0}}
{"method":"instruction","params":{"address":4097,"length":1,"offset":"0x1"}}
{"method":"patch","params":{"trampoline":"$t","metadata":{"$s":{"string":"a"},"$n":[{"int32":1}],},"offset":0}}
{"method":"patch","params":{"trampoline":"$t","metadata":{"$n":2,"$s":"b",},"offset":"0x1"}}
{"method":"patch","params":{"trampoline":"$t","metadata":{"$n":2},"offset":1}}
{"method":"emit","params":{"filename":"o"}})")
                       .value();
  CHECK(log[1]["params"]["columns"] ==
        Json::parse(R"({"$n": [[{"int32": 1}], 2], "$s": [{"string": "a\u0000"}, "b"]})"));
  CHECK(log[3]["params"]["columns"] == Json::parse(R"({"$n": [2]})"));
}

TEST_CASE("a patch may carry its template; the same one is defined once") {
  const auto log = translate(std::string(opening) + R"(
{"method":"instruction","params":{"address":4096,"length":1,"offset":0}}
{"method":"patch","params":{"trampoline":["$instr","$break"],"offset":0}}
{"method":"patch","params":{"trampoline":["$instr","$break"],"offset":0}}
{"method":"emit","params":{"filename":"o"}})")
                       .value();
  CHECK(log[1]["params"]["name"] == "$inline.1");
  CHECK(log[2]["method"] == "instructions");
  CHECK(log[3]["params"]["deltas"] == Json({0, 0}));
}

TEST_CASE("messages may span lines or share one") {
  const auto log = translate(
      "{\n \"method\": \"binary\",\n \"params\":\n {\n \"filename\": \"a}{\",\n },\n}"
      "{\"method\":\"emit\",\"params\":{\"filename\":\"b\"}} {\"method\":\"emit\",\n"
      "\"params\":{\"filename\":\"c\"}}");
  REQUIRE(log);
  CHECK(log.value().size() == 3);
  CHECK(log.value()[0]["params"]["filename"] == "a}{");
}

TEST_CASE(
    "options: tactics are switched, values may be elements of their own, the rest is ignored") {
  std::map<std::string, bool> tactics;
  const auto first =
      translate_options({"-Oorder=true", "--tactic-T3=false", "--mem-lb", "0x1000", "--batch"},
                        tactics)
          .value();
  CHECK(first.tactics == std::vector<std::string>{"C1", "B1", "B2", "T1", "T2", "B0"});
  CHECK(first.ignored == std::vector<std::string>{"-Oorder=true", "--mem-lb=0x1000", "--batch"});
  CHECK_FALSE(first.traps.has_value());
  const auto second = translate_options({"--tactic-B0", "false", "--tactic-T3"}, tactics).value();
  CHECK(second.tactics == std::vector<std::string>{"C1", "B1", "B2", "T1", "T2", "T3"});
  CHECK(second.traps == false);
  CHECK(translate_options({"-O2"}, tactics).value().ignored.size() == 1);
  CHECK(translate_options({"--batch", "--wrong"}, tactics).error().where == "/params/argv/1");
  CHECK(translate_options({"--tactic-T1=maybe"}, tactics).error().where == "/params/argv/0");
}

TEST_CASE("reservations keep their template and the fields of later work") {
  const auto log =
      translate(R"({"method":"reserve","params":{"address":"0x200000","length":"0x1000",
      "init":"0x200010"}} {"method":"reserve","params":{"address":23687168,"bytes":[127,{"string":"E"},]}})")
          .value();
  CHECK(log[0]["params"] == Json::parse(R"({"address": "0x200000", "length": 4096,
      "init": "0x200010", "protection": "r-x"})"));
}

TEST_CASE("faults of the dialect name their place") {
  const auto where = [](const char* text) {
    const auto result = translate(text);
    return result ? std::string("accepted") : result.error().kind + " " + result.error().where;
  };
  CHECK(where(R"({"method":"patch","params":{"trampoline":"$t","offset":7}})") ==
        "bad_request /params/offset");
  CHECK(where(R"({"method":"instruction","params":{"address":"0x1","length":16}})") ==
        "bad_request /params/length");
  CHECK(where(R"({"method":"instruction","params":{"address":"zero","length":1}})") ==
        "bad_request /params/address");
  CHECK(where(R"({"method":"instruction","params":{"length":1}})") == "bad_request /params");
  CHECK(where(R"({"method":"options","params":{"argv":[1]}})") == "bad_request /params/argv/0");
  CHECK(where(R"({"method":"dance"})") == "unknown_method /method");
  CHECK(where(R"({"params":{}})") == "invalid_request /method");
  CHECK(where("[]") == "invalid_request ");
  CHECK(where(R"({"method":"emit","params":{"filename":"a","format":"patch.gz"}})") ==
        "bad_request /params/format");
  CHECK(where("{\"method\":") == "parse_error ");
  CHECK(where("garbage") == "parse_error ");
}

TEST_CASE("plain messages are read without a parser, and to the same values") {
  const auto plain = read_plain(
      R"({"jsonrpc":"2.0","method":"instruction","params":{"address":"0x2ab808","length":1,"offset":2799624},"id":4})");
  REQUIRE(plain);
  CHECK((!plain->is_patch && plain->address == 0x2ab808 && plain->length == 1 &&
         plain->offset == 2799624));
  const auto patch = read_plain(
      R"({"jsonrpc":"2.0","method":"patch","params":{"trampoline":"$tmp_0","offset":"0x10"},"id":5})");
  REQUIRE(patch);
  CHECK((patch->is_patch && patch->trampoline == "$tmp_0" && patch->offset == 16));
  for (
      const auto* other :
      {R"({"jsonrpc":"2.0","method":"patch","params":{"trampoline":"$t","offset":1},"id":5} )",
       R"({"jsonrpc":"2.0","method":"patch","params":{"trampoline":"$t","offset":1},"id":5}})",
       R"({"jsonrpc":"2.0","method":"patch","params":{"trampoline":"$t\u0041","offset":1},"id":5})",
       R"({"jsonrpc":"2.0","method":"patch","params":{"trampoline":"t","offset":1},"id":5})",
       R"({"jsonrpc":"2.0","method":"patch","params":{"trampoline":"$t","offset":01},"id":5})",
       R"({"jsonrpc":"2.0","method":"patch","params":{"trampoline":"$t","offset":-1},"id":5})",
       R"({"jsonrpc":"2.0","method":"instruction","params":{"address":99999999999999999999,"length":1,"offset":1},"id":4})",
       R"({"jsonrpc":"2.0","method":"instruction","params":{"address":"0x","length":1,"offset":1},"id":4})",
       R"({"jsonrpc":"2.0","method":"instruction","params":{"address":1,"length":1},"id":4})", "",
       "{"})
    CHECK_FALSE(read_plain(other));
}

TEST_CASE("plain and parsed messages may follow each other in any way") {
  const std::string stream =
      R"({"jsonrpc":"2.0","method":"instruction","params":{"address":4096,"length":1,"offset":0},"id":1}
{"method":"trampoline","params":{"name":"$t",
 "template":[1,]}} {"method":"instruction","params":{"address":4097,"length":1,"offset":1}}
{"jsonrpc":"2.0","method":"patch","params":{"trampoline":"$t","offset":0},"id":2}
{"jsonrpc":"2.0","method":"patch","params":{"trampoline":"$t","offset":1},"id":3}
{"method":"emit","params":{"filename":"o"}})";
  CHECK(translate(stream, true).value() == translate(stream, false).value());
}
