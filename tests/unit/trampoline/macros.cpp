// Macros: metadata, trampolines, and everything that can be wrong with them.

#include <catch2/catch.hpp>

#include "protocol/hex.h"
#include "tests/unit/trampoline/body.h"

using namespace punster;
using namespace punster::test;
using nlohmann::json;

TEST_CASE("metadata takes the place of a macro") {
  Site site({0x90});
  site.scope.values["$length"] = json::parse(R"([{"int32": 13}])");
  site.scope.values["$text"] = json::parse(R"([".Ltext", {"string": "ret"}])");
  site.scope.values["$plain"] = "jmp\n";
  CHECK(site.text(R"([186, "$length"])") == "mov edx, 0xd");
  CHECK(site.hex(R"([72, 141, 53, {"rel32": ".Ltext"}, "$text"])") == "488d3500000000726574");
  CHECK(site.hex(R"(["$plain"])") == "6a6d700a");
}

TEST_CASE("a number in the metadata serves int and rel elements") {
  Site site({0x90});
  site.scope.values["$slot"] = 0x6ff008;
  site.scope.values["$hex"] = "0x6ff010";
  site.scope.values["$label"] = ".Lhere";
  CHECK(site.text(R"([72, 255, 5, {"rel32": "$slot"}])") == "inc [0x6ff008]");
  CHECK(site.text(R"([72, 255, 5, {"rel32": "$hex"}])") == "inc [0x6ff010]");
  CHECK(site.text(R"([184, {"int32": "$slot"}])") == "mov eax, 0x6ff008");
  CHECK(site.text(R"([235, {"rel8": "$label"}, ".Lhere"])") == "jmp 0x700002");
  CHECK(site.hex(R"([{"int8": "$slot"}])") == "error bad_template /template/0/int8");
  CHECK(site.hex(R"([{"int8": "$none"}])") == "error bad_template /template/0/int8");
}

TEST_CASE("trampolines contain trampolines, and metadata comes first") {
  Site site({0x90});
  site.scope.define("$empty", "[]");
  site.scope.define("$exit", R"([191, {"int32": 3}, 184, {"int32": 60}, 15, 5])");
  site.scope.define("$both", R"(["$empty", "$exit"])");
  CHECK(site.text(R"([".Ltrampoline", "$both", "$instr", "$BREAK"])") ==
        "mov edi, 0x3; mov eax, 0x3c; syscall; nop; jmp 0x401001");
  site.scope.values["$exit"] = json::parse("[204]");
  CHECK(site.text(R"(["$both"])") == "int3");
}

TEST_CASE("the print trampoline that e9tool sends") {
  Site site({0x74, 0x10});
  site.scope.define("$print",
                    R"([72,141,164,36,{"int32":-16384},87,72,141,53,{"rel32":".Lasm@print"},
      186,"$ASM_LEN@print",15,5,95,72,141,164,36,{"int32":16384}])");
  site.scope.values["$DATA@print"] = json::parse(R"([".Lasm@print",{"string":"\u0090"}])");
  site.scope.values["$ASM_LEN@print"] = json::parse(R"([{"int32":11}])");
  CHECK(site.text(R"([".Ltrampoline","$print","$instr","$BREAK"])") ==
        "error bad_template /template/9/rel32");  // the data is missing
  CHECK(site.text(R"([".Ltrampoline","$print","$instr","$BREAK","$DATA@print"])")
            .find("lea rsi, [0x70002b]; mov edx, 0xb; syscall; pop rdi") != std::string::npos);
}

TEST_CASE("an unknown macro is named with its place and the site's address") {
  const Site site({0x90});
  const auto e = site.measure(R"([144, ["$instr", "$missing"]])").error();
  CHECK(e.kind == "bad_template");
  CHECK(e.where == "/template/1/1");
  CHECK(e.address == Vaddr{0x401000});
  CHECK(e.message.find("$missing") != std::string::npos);
}

TEST_CASE("faults inside metadata point into the metadata") {
  Site site({0x90});
  site.scope.values["$a/b"] = json::parse(R"([1, {"int9": 0}])");
  const auto e = site.measure(R"(["$a/b"])").error();
  CHECK(e.where == "/metadata/$a~1b/1/int9");
}

TEST_CASE("recursion ends with an error, however it is done") {
  Site site({0x90});
  site.scope.define("$self", R"(["$self"])");
  site.scope.define("$ping", R"(["$pong"])");
  site.scope.define("$pong", R"(["$ping"])");
  CHECK(site.text(R"(["$self"])") == "error bad_template /template/0");
  CHECK(site.text(R"(["$ping"])") == "error bad_template /template/0");
}

TEST_CASE("macros that multiply are stopped, with bytes or without") {
  for (const char* last : {R"([1, 2, 3, 4])", R"([])"}) {
    Site site({0x90});
    site.scope.define("$m0", last);
    for (int i = 1; i < 24; ++i) {
      const auto inner = "\"$m" + std::to_string(i - 1) + "\"";
      std::string code = "[" + inner;
      for (int k = 0; k < 15; ++k) code += "," + inner;
      site.scope.define("$m" + std::to_string(i), (code + "]").c_str());
    }
    const auto shape = site.measure(R"(["$m23"])");
    REQUIRE(shape.has_error());
    CHECK(shape.error().kind == "bad_template");
  }
}

TEST_CASE("a body has at most 65,536 bytes") {
  Site site({0x90});
  const json large = {{{"string", std::string(65536, 'x')}}};
  CHECK(site.measure(large.dump().c_str()).value().size == 65536);
  const json larger = {{{"string", std::string(65530, 'x')}}, "$instr", "$break", "$instr"};
  CHECK(site.measure(larger.dump().c_str()).error().kind == "bad_template");
}

TEST_CASE("labels: twice, nowhere, out of reach, built in") {
  const Site site({0x90});
  CHECK(site.text(R"([".La", 144, ".La"])") == "error bad_template /template/2");
  CHECK(site.text(R"([235, {"rel8": ".La"}])") == "error bad_template /template/1/rel8");
  CHECK(site.text(R"([".Lbreak"])") == "error bad_template /template/0");
  CHECK(site.text(R"([235, {"rel8": "0x401000"}])") == "error out_of_range /template/1/rel8");
  CHECK(site.text(R"([233, {"rel32": "0x7fff00000000"}])") ==
        "error out_of_range /template/1/rel32");
  const json far = {235, {{"rel8", ".La"}}, {{"string", std::string(128, 'x')}}, ".La"};
  CHECK(site.text(far.dump().c_str()) == "error out_of_range /template/1/rel8");
}

TEST_CASE("every malformed element is named") {
  const Site site({0x90});
  const auto where = [&](const char* code) { return site.text(code); };
  CHECK(where("[256]") == "error bad_template /template/0");
  CHECK(where("[-1]") == "error bad_template /template/0");
  CHECK(where("[1.5]") == "error bad_template /template/0");
  CHECK(where("[true]") == "error bad_template /template/0");
  CHECK(where(R"(["instr"])") == "error bad_template /template/0");
  CHECK(where(R"(["$"])") == "error bad_template /template/0");
  CHECK(where(R"([[1, [{}]]])") == "error bad_template /template/0/1/0");
  CHECK(where(R"([{"int8": 1, "int16": 2}])") == "error bad_template /template/0");
  CHECK(where(R"([{"int24": 1}])") == "error bad_template /template/0/int24");
  CHECK(where(R"([{"int32": "12"}])") == "error bad_template /template/0/int32");
  CHECK(where(R"([{"rel32": "main"}])") == "error bad_template /template/0/rel32");
  CHECK(where(R"([{"string": 7}])") == "error bad_template /template/0/string");
  CHECK(where(R"(["$take"])") == "error bad_template /template/0");  // nop is no branch
  std::string deep;
  for (int i = 0; i < 40; ++i) deep = "[" + deep + "]";
  CHECK(site.measure(deep.c_str()).error().kind == "bad_template");
}

TEST_CASE("data knows labels among itself, but no site") {
  const auto data = [](const char* code) {
    return Template::encode_data(json::parse(code), "/bytes", Vaddr{0x5000});
  };
  CHECK(to_hex(data(R"([127, {"string": "ELF"}, {"rel32": ".Lend"}, ".Lend", {"rel32": "0x500c"}])")
                   .value()) == "7f454c460000000000000000");
  CHECK(data(R"([0, "$instr"])").error().where == "/bytes/1");
  CHECK(data(R"([{"rel32": ".Lbreak"}])").error().kind == "bad_template");
  CHECK(data(R"(["$macro"])").error().kind == "bad_template");
}

TEST_CASE("what cannot be relocated is the relocation's error") {
  Site site({0xff, 0xff});
  const auto shape = site.measure(R"(["$instr", "$break"])");
  REQUIRE(shape.has_error());
  CHECK(shape.error().kind == "cannot_relocate");
  CHECK(site.measure(R"([144, "$instr", "$break"])").error().kind == "cannot_relocate");
  CHECK(site.hex(R"(["$bytes"])") == "ffff");
}
