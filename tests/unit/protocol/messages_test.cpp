// Every message round-trips, and every fault names its place.

#include "protocol/messages.h"

#include <catch2/catch.hpp>

#include "protocol/framing.h"
#include "protocol/limits.h"

using namespace punster;

namespace {

/// Parses, writes, and parses the text of what was written: both must agree.
template <typename T>
T round_trip(const std::string& text) {
  const auto first = parse_message<T>(Json::parse(text));
  INFO(text << (first ? "" : " " + first.error().where + ": " + first.error().message));
  REQUIRE(first);
  const Json written = to_json(first.value());
  const auto second = parse_message<T>(parse_json(dump_json(written)).value());
  REQUIRE(second);
  CHECK(to_json(second.value()) == written);
  return second.value();
}

/// "WHERE", after checking that the fault is a bad request with a message.
template <typename T>
std::string fault(const std::string& text) {
  const auto result = parse_message<T>(Json::parse(text), "/params");
  if (result) return "accepted";
  CHECK(result.error().kind == "bad_request");
  CHECK(!result.error().message.empty());
  return result.error().where;
}

}  // namespace

TEST_CASE("initialize round-trips") {
  const auto m = round_trip<InitializeRequest>(
      R"({"protocol_version": 1, "client": {"name": "punster", "version": "0.1"}, "later": []})");
  CHECK(m.version == 1);
  CHECK(m.client_name == "punster");
  CHECK(m.client_version == "0.1");
  const auto reply = round_trip<InitializeReply>(
      R"({"protocol_version": 1, "server": {"name": "b", "version": "2"},
          "capabilities": ["plan"], "limits": {"nesting": 128}})");
  CHECK(reply.capabilities == std::vector<std::string>{"plan"});
  CHECK(reply.limits.at("nesting") == 128);
  CHECK(reply.server_version == "2");
}

TEST_CASE("binary round-trips and takes E9Patch's modes") {
  CHECK(round_trip<BinaryRequest>(R"({"filename": "/bin/ls"})").mode == "");
  CHECK(round_trip<BinaryRequest>(R"({"filename": "/bin/ls", "mode": "elf.exe"})").mode == "exe");
  CHECK(round_trip<BinaryRequest>(R"({"filename": "/bin/ls", "mode": "elf.dso"})").mode == "dso");
  CHECK(round_trip<BinaryReply>(R"({"kind": "pie", "build_id": "ab"})").build_id == "ab");
  CHECK(fault<BinaryRequest>("{}") == "/params");
  CHECK(fault<BinaryRequest>("[]") == "/params");
  CHECK(fault<BinaryRequest>(R"({"filename": 1})") == "/params/filename");
  CHECK(round_trip<BinaryRequest>(R"({"descriptor": 3})").descriptor == 3);
  CHECK(fault<BinaryRequest>(R"({"filename": "a", "descriptor": 3})") == "/params/filename");
  CHECK(fault<BinaryRequest>(R"({"descriptor": -1})") == "/params/descriptor");
  CHECK(fault<BinaryRequest>(R"({"filename": ""})") == "/params/filename");
  CHECK(fault<BinaryRequest>(R"({"filename": "a\u0000b"})") == "/params/filename");
  CHECK(fault<BinaryRequest>(R"({"filename": "a", "mode": "pe.exe"})") == "/params/mode");
}

TEST_CASE("options round-trip; what is absent stays open") {
  const auto m = round_trip<OptionsRequest>(
      R"({"tactics": ["B1", "T3"], "max_mappings": 5000, "traps": false, "trap_with": "int-03", "chaining": false, "unwind": false,
          "raise": "never", "jobs": 2,
          "build_id": "new", "solver": "greedy", "landing_pads": false, "stubs": false, "lookahead": 2,
          "optimize": "size", "ignored": ["-O2"]})");
  CHECK(m.tactics.size() == 2);
  CHECK(m.max_mappings == 5000);
  CHECK(m.traps == false);
  CHECK(m.trap_with == "int-03");
  CHECK(fault<OptionsRequest>(R"({"trap_with": "into"})") == "/params/trap_with");
  CHECK(m.chaining == false);
  CHECK(m.unwind == false);
  CHECK(m.raise == "never");
  CHECK(m.jobs == 2u);
  CHECK(m.build_id == "new");
  CHECK(m.solver == "greedy");
  CHECK(m.landing_pads == false);
  CHECK(m.stubs == false);
  CHECK(m.lookahead == 2u);
  CHECK(m.optimize == "size");
  CHECK_FALSE(round_trip<OptionsRequest>("{}").traps.has_value());
  CHECK_FALSE(round_trip<OptionsRequest>("{}").chaining.has_value());
  CHECK_FALSE(round_trip<OptionsRequest>(R"({"jobs": null})").jobs.has_value());
  CHECK(fault<OptionsRequest>(R"({"tactics": ["B1", "T9"]})") == "/params/tactics/1");
  CHECK(fault<OptionsRequest>(R"({"tactics": [1]})") == "/params/tactics/0");
  CHECK(fault<OptionsRequest>(R"({"jobs": 0})") == "/params/jobs");
  CHECK(fault<OptionsRequest>(R"({"jobs": -1})") == "/params/jobs");
  CHECK(fault<OptionsRequest>(R"({"max_mappings": "many"})") == "/params/max_mappings");
  CHECK(fault<OptionsRequest>(R"({"build_id": "none"})") == "/params/build_id");
  CHECK(fault<OptionsRequest>(R"({"solver": "best"})") == "/params/solver");
  CHECK(fault<OptionsRequest>(R"({"lookahead": 6})") == "/params/lookahead");
  CHECK(fault<OptionsRequest>(R"({"optimize": "all"})") == "/params/optimize");
  CHECK(fault<OptionsRequest>(R"({"traps": 1})") == "/params/traps");
  CHECK(fault<OptionsRequest>(R"({"chaining": "no"})") == "/params/chaining");
}

TEST_CASE("trampoline round-trips and keeps its code as it is") {
  const auto m = round_trip<TrampolineRequest>(
      R"({"name": "$t", "template": [1, {"rel32": ".La"}, ["$instr"], null]})");
  CHECK(m.code.size() == 4);
  CHECK(fault<TrampolineRequest>(R"({"name": "t", "template": []})") == "/params/name");
  CHECK(fault<TrampolineRequest>(R"({"name": "$instr", "template": []})") == "/params/name");
  CHECK(fault<TrampolineRequest>(R"({"name": "$t"})") == "/params");
  CHECK(fault<TrampolineRequest>(R"({"name": "$t", "template": {}})") == "/params/template");
  CHECK_FALSE(m.retarget_calls);
  CHECK(
      round_trip<TrampolineRequest>(R"({"name": "$t", "template": [144], "retarget_calls": true})")
          .retarget_calls);
  CHECK(fault<TrampolineRequest>(R"({"name": "$t", "template": [], "retarget_calls": 1})") ==
        "/params/retarget_calls");
}

TEST_CASE("instructions round-trip") {
  const auto m =
      round_trip<InstructionsRequest>(R"({"address": "0x401000", "lengths": [1, 15, 3]})");
  CHECK(m.address == Vaddr{0x401000});
  CHECK(m.lengths == std::vector<std::uint8_t>{1, 15, 3});
  CHECK(round_trip<InstructionsRequest>(R"({"address": 4096, "lengths": []})").address ==
        Vaddr{4096});
  CHECK(fault<InstructionsRequest>(R"({"lengths": [1]})") == "/params");
  CHECK(fault<InstructionsRequest>(R"({"address": "0x1"})") == "/params/lengths");
  CHECK(fault<InstructionsRequest>(R"({"address": "1000", "lengths": [1]})") == "/params/address");
  CHECK(fault<InstructionsRequest>(R"({"address": 9007199254740992, "lengths": [1]})") ==
        "/params/address");
  CHECK(fault<InstructionsRequest>(R"({"address": "-0x1000", "lengths": [1]})") ==
        "/params/address");
  CHECK(fault<InstructionsRequest>(R"({"address": "0x1", "lengths": [1, 0]})") ==
        "/params/lengths/1");
  CHECK(fault<InstructionsRequest>(R"({"address": "0x1", "lengths": [1, 2, 16]})") ==
        "/params/lengths/2");
  CHECK(fault<InstructionsRequest>(R"({"address": "0x1", "lengths": ["1"]})") ==
        "/params/lengths/0");
  CHECK(fault<InstructionsRequest>(R"({"address": "0x1", "lengths": 1})") == "/params/lengths");
  for (const char* digits : {"1g", "10", "1 2", "F"})
    CHECK(fault<InstructionsRequest>(std::string(R"({"address": "0x1", "lengths": ")") + digits +
                                     "\"}") == "/params/lengths");
}

TEST_CASE("long columns of lengths and deltas travel as digits") {
  InstructionsRequest instructions{Vaddr{0x1000}, {}};
  PatchesRequest patches;
  patches.address = Vaddr{0x1000};
  patches.trampoline = "$t";
  for (unsigned i = 0; i < 40; ++i) {
    instructions.lengths.push_back(static_cast<std::uint8_t>(1 + i % 15));
    patches.deltas.push_back(i * 6);
  }
  const Json sent = to_json(instructions);
  CHECK(sent["lengths"] == "123456789abcdef123456789abcdef123456789a");
  CHECK(round_trip<InstructionsRequest>(sent.dump()).lengths == instructions.lengths);
  CHECK(to_json(patches)["deltas"].get<std::string>().substr(0, 10) == "00060c1218");
  CHECK(round_trip<PatchesRequest>(to_json(patches).dump()).deltas == patches.deltas);
  for (const std::int64_t wide : {256, -1}) {
    patches.deltas[39] = wide;
    CHECK(to_json(patches)["deltas"].is_array());
    CHECK(round_trip<PatchesRequest>(to_json(patches).dump()).deltas == patches.deltas);
  }
  for (const char* faulty : {"0", "000", "0g", "0X"})
    CHECK(
        fault<PatchesRequest>(std::string(R"({"address": "0x1", "trampoline": "$t", "deltas": ")") +
                              faulty + "\"}") == "/params/deltas");
  CHECK(fault<PatchesRequest>(
            R"({"address": "0x7ffffffffffffff", "trampoline": "$t", "deltas": "0001"})") ==
        "/params/deltas/1");
}

TEST_CASE("padding round-trips") {
  const auto m = round_trip<PaddingRequest>(R"({"ranges": [["0x10", "0x20"], ["0x30", 64]]})");
  CHECK(m.ranges ==
        std::vector<AddressRange>{{Vaddr{0x10}, Vaddr{0x20}}, {Vaddr{0x30}, Vaddr{64}}});
  CHECK(fault<PaddingRequest>("{}") == "/params");
  CHECK(fault<PaddingRequest>(R"({"ranges": [["0x10", "0x20"], ["0x20", "0x20"]]})") ==
        "/params/ranges/1");
  CHECK(fault<PaddingRequest>(R"({"ranges": [["0x10"]]})") == "/params/ranges/0");
  CHECK(fault<PaddingRequest>(R"({"ranges": {}})") == "/params/ranges");
}

TEST_CASE("patches round-trip, with columns of any template code") {
  const auto m = round_trip<PatchesRequest>(
      R"({"address": "0x1000", "deltas": [0, 5, -3], "trampoline": "$t",
          "columns": {"$n": [1, {"int32": 2}, [3]], "$s": [null, "$x", ".Ly"]}})");
  CHECK(m.deltas == std::vector<std::int64_t>{0, 5, -3});
  CHECK(m.columns.at("$n")[1] == Json({{"int32", 2}}));
  CHECK(m.columns.at("$s")[0].is_null());
  const auto in_place =
      round_trip<PatchesRequest>(R"({"address": "0x1000", "deltas": [0], "replace": "31 c0c3"})");
  CHECK(in_place.replace == "\x31\xc0\xc3");
  CHECK(round_trip<PatchesRequest>(R"({"address": "0x1", "deltas": [0], "replace": ""})")
            .replace->empty());
}

TEST_CASE("faulty patches are named to the entry") {
  const auto where = fault<PatchesRequest>;
  CHECK(where(R"({"address": "0x1", "deltas": [0]})") == "/params");
  CHECK(where(R"({"address": "0x1", "trampoline": "$t"})") == "/params/deltas");
  CHECK(where(R"({"address": "0x1", "deltas": [0, 1.5], "trampoline": "$t"})") ==
        "/params/deltas/1");
  CHECK(where(R"({"address": "0x1", "deltas": [0, -2], "trampoline": "$t"})") ==
        "/params/deltas/1");  // below zero
  CHECK(where(R"({"address": "0x1", "deltas": [0], "trampoline": "$t", "replace": "90"})") ==
        "/params/trampoline");
  CHECK(where(R"({"address": "0x1", "deltas": [0], "replace": "9"})") == "/params/replace");
  CHECK(where(R"({"address": "0x1", "deltas": [0],
                  "replace": "90909090909090909090909090909090"})") == "/params/replace");
  CHECK(where(R"({"address": "0x1", "deltas": [0], "trampoline": "$t", "columns": []})") ==
        "/params/columns");
  CHECK(where(R"({"address": "0x1", "deltas": [0], "trampoline": "$t", "columns": {"n": [1]}})") ==
        "/params/columns/n");
  CHECK(where(R"({"address": "0x1", "deltas": [0], "trampoline": "$t",
                  "columns": {"$a/b": [1, 2]}})") == "/params/columns/$a~1b");
  CHECK(where(R"({"address": "0x1", "deltas": [0], "trampoline": 5})") == "/params/trampoline");
}

TEST_CASE("a batch has a size limit") {
  InstructionsRequest m;
  m.address = Vaddr{0x1000};
  m.lengths.assign(max_batch_entries, 1);
  CHECK(parse_message<InstructionsRequest>(to_json(m)));
  m.lengths.push_back(1);
  CHECK(parse_message<InstructionsRequest>(to_json(m)).error().where == "/lengths");
}

TEST_CASE("reserve round-trips") {
  const auto m = round_trip<ReserveRequest>(
      R"({"address": "0x200000", "length": 65536, "protection": "r-x", "init": "0x200010"})");
  CHECK(m.address == Vaddr{0x200000});
  CHECK(m.raw["init"] == "0x200010");
  CHECK(round_trip<ReserveRequest>(R"({"bytes": "7f454c46"})").bytes ==
        "\x7f"
        "ELF");
  CHECK(round_trip<ReserveRequest>(R"({"bytes": [127, {"string": "ELF"}]})").raw["bytes"].size() ==
        2);
  CHECK(round_trip<ReserveReply>(R"({"address": "-0x1000"})").address == Vaddr{0 - 0x1000ull});
  CHECK(fault<ReserveRequest>("{}") == "/params");
  CHECK(fault<ReserveRequest>(R"({"length": 1, "protection": "rwx"})") == "/params/protection");
  CHECK(fault<ReserveRequest>(R"({"length": 1, "protection": "q"})") == "/params/protection");
  CHECK(fault<ReserveRequest>(R"({"length": 4294967296})") == "/params/length");
  CHECK(fault<ReserveRequest>(R"({"bytes": 7})") == "/params/bytes");
}

TEST_CASE("counters, emit and progress round-trip") {
  CHECK(round_trip<CountersRequest>(R"({"path": "/tmp/c", "capacity": 9})").capacity == 9);
  CHECK(round_trip<CountersReply>(R"({"address": "0x9000"})").address == Vaddr{0x9000});
  CHECK(fault<CountersRequest>(R"({"path": "c", "capacity": 9})") == "/params/path");
  CHECK(fault<CountersRequest>(R"({"path": "/c", "capacity": 0})") == "/params/capacity");
  CHECK(round_trip<EmitRequest>(R"({"filename": "a.out"})").format == "binary");
  CHECK(fault<EmitRequest>(R"({"filename": "a.out", "format": "patch.gz"})") == "/params/format");
  CHECK(round_trip<Progress>(R"({"phase": "solve", "done": 1, "total": 2})").total == 2);
}

TEST_CASE("statistics round-trip") {
  const auto m = round_trip<Statistics>(
      R"({"sites": 10, "patched": 7, "trapped": 2, "failed": 1, "by_tactic": {"B1": 7, "B0": 2},
          "by_means": {"pad": 1}, "mappings": 3, "virtual_pages": 4, "physical_pages": 2,
          "output_bytes": 99, "layout": "loader", "raised_by": "0x80000000", "not_raised": "why",
          "shadow_stack_cleared": true, "seconds": {"solve": 0.25}, "peak_rss_bytes": 5})");
  CHECK(m.by_tactic.at("B0") == 2);
  CHECK(m.by_means.at("pad") == 1);
  CHECK(m.raised_by == 0x80000000);
  CHECK(m.not_raised == "why");
  CHECK(m.shadow_stack_cleared);
  CHECK(m.seconds_solve == 0.25);
  CHECK(m.output_bytes == 99);
  CHECK(fault<Statistics>(R"({"sites": 1, "patched": 1, "trapped": 0, "failed": 0,
                              "by_tactic": {"B1": -1}})") == "/params/by_tactic/B1");
}

TEST_CASE("results round-trip") {
  CHECK(round_trip<ResultsRequest>("{}").count == 4096);
  CHECK(fault<ResultsRequest>(R"({"count": 0})") == "/params/count");
  const auto m = round_trip<ResultsReply>(
      R"({"address": ["0x10", "0x20"], "result": ["patched", "failed"], "tactic": ["T2", ""],
          "means": [["evict"], []], "trampoline": ["-0x1000", null], "evicted": [["0x15"], []],
          "reason": ["", "no room"], "total": 2})");
  CHECK(m.means[0][0] == "evict");
  CHECK(m.trampoline[0] == Vaddr{0 - 0x1000ull});
  CHECK_FALSE(m.trampoline[1].has_value());
  CHECK(m.evicted[0][0] == Vaddr{0x15});
  CHECK(fault<ResultsReply>(R"({"address": ["0x10"], "result": [], "tactic": [], "means": [],
                                "trampoline": [], "evicted": [], "reason": [], "total": 1})") ==
        "/params");
}

TEST_CASE("explain round-trips") {
  CHECK(round_trip<ExplainRequest>(R"({"addresses": ["0x10"]})").addresses[0] == Vaddr{0x10});
  CHECK(fault<ExplainRequest>(R"({"addresses": ["0x10", "main"]})") == "/params/addresses/1");
  const auto m = round_trip<ExplainReply>(
      R"({"explanations": [{"address": "0x10", "result": "patched", "tactic": "B2",
          "jump_target": "0x99", "trampoline": null, "borrowed_from": ["0x12"], "note": "n",
          "alternatives": [{"tactic": "B1", "outcome": "too short"}]}]})");
  CHECK(m.explanations[0].alternatives[0].outcome == "too short");
  CHECK(m.explanations[0].jump_target == Vaddr{0x99});
  CHECK(m.explanations[0].borrowed_from[0] == Vaddr{0x12});
  CHECK(fault<ExplainReply>(R"({"explanations": [{"address": "0x10", "result": "x",
                                "alternatives": [{}]}]})") ==
        "/params/explanations/0/alternatives/0");
}
