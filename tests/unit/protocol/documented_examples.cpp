// PROTOCOL.md is read and believed: every example in it must be a message that our own code
// accepts, and every method must have one.

#include <catch2/catch.hpp>
#include <fstream>
#include <set>

#include "protocol/rpc.h"
#include "protocol/serve_messages.h"

using namespace punster;

namespace {

template <typename Request, typename Reply>
void document(Dispatcher& requests, Dispatcher& replies, const char* method) {
  requests.bind<Request>(method, [](const Request& m) -> Result<Json> { return to_json(m); });
  if constexpr (!std::is_void_v<Reply>)
    replies.bind_raw(method, [](Json& json) -> Result<Json> {
      PUNSTER_TRY(const auto m, parse_message<Reply>(json, "/result"));
      return to_json(m);
    });
}

std::vector<std::string> lines_of_page() {
  std::string path = __FILE__;
  path.resize(path.rfind("tests/unit/protocol/"));
  std::ifstream page(path + "protocol/PROTOCOL.md");
  REQUIRE(page);
  std::vector<std::string> lines;
  for (std::string line; std::getline(page, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("documented examples are valid, and every method has one") {
  Dispatcher requests, replies;
  document<InitializeRequest, InitializeReply>(requests, replies, "initialize");
  document<BinaryRequest, BinaryReply>(requests, replies, "binary");
  document<OptionsRequest, void>(requests, replies, "options");
  document<TrampolineRequest, void>(requests, replies, "trampoline");
  document<InstructionsRequest, void>(requests, replies, "instructions");
  document<PaddingRequest, void>(requests, replies, "padding");
  document<PatchesRequest, void>(requests, replies, "patches");
  document<ReserveRequest, ReserveReply>(requests, replies, "reserve");
  document<CountersRequest, CountersReply>(requests, replies, "counters");
  document<EmitRequest, Statistics>(requests, replies, "emit");
  document<ResultsRequest, ResultsReply>(requests, replies, "results");
  document<ExplainRequest, ExplainReply>(requests, replies, "explain");
  document<OpenRequest, void>(requests, replies, "open");
  document<SitesRequest, void>(requests, replies, "sites");
  document<RewriteRequest, void>(requests, replies, "rewrite");
  document<ProveRequest, void>(requests, replies, "verify");
  const std::set<std::string> without_struct = {"plan",     "stats",       "cancel",
                                                "shutdown", "instruction", "patch"};
  for (const auto& method : without_struct)
    requests.bind_plain(method, [] { return Result<void>(success()); });
  for (const auto* method : {"plan", "stats"})
    replies.bind_raw(method, [](Json& json) -> Result<Json> {
      PUNSTER_TRY(const auto m, parse_message<Statistics>(json, "/result"));
      return to_json(m);
    });

  std::set<std::string> seen;
  std::string method;
  Json id;
  for (const auto& line : lines_of_page()) {
    if (line.starts_with("    --> ")) {
      INFO(line);
      auto message = parse_json(line.substr(8)).value();
      method = message["method"];
      id = message.value("id", Json());
      seen.insert(method);
      const auto reply = requests.serve(message);
      if (reply) {
        INFO(reply->dump());
        CHECK_FALSE(reply->contains("error"));
      }
    } else if (line.starts_with("    <-- ")) {
      INFO(line);
      const auto message = parse_json(line.substr(8)).value();
      if (message.contains("method")) {
        CHECK(parse_message<Progress>(message["params"]));
        continue;
      }
      CHECK(message["id"] == id);
      if (message.contains("error")) {
        const auto error = error_of(message["error"]);
        CHECK(code_of(error) == message["error"]["code"]);
        continue;
      }
      RpcRequest parse{1, method, message["result"]};
      const auto reply = *replies.serve(parse);
      INFO(reply.dump());
      CHECK((reply.contains("result") ||
             reply["error"]["code"] == rpc_code::unknown_method));  // replies without content
    }
  }
  for (const auto* each :
       {"initialize", "binary",  "options", "trampoline", "instructions", "instruction",
        "padding",    "patches", "patch",   "reserve",    "counters",     "plan",
        "emit",       "stats",   "results", "explain",    "cancel",       "shutdown",
        "open",       "sites",   "rewrite", "verify"})
    CHECK(seen.count(each) == 1);
}
