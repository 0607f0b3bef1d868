#include "protocol/rpc.h"

#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

using namespace punster;

namespace {

Dispatcher calculator() {
  Dispatcher d;
  d.bind<ResultsRequest>("count",
                         [](const ResultsRequest& r) -> Result<Json> { return Json(r.count); });
  d.bind<BinaryRequest>("binary", [](const BinaryRequest& r) -> Result<BinaryReply> {
    if (r.filename == "none")
      return Error{"unreadable", "none: no such file", "/params/filename", Vaddr{0x1234}};
    return BinaryReply{"pie", "id"};
  });
  d.bind_plain("nothing", [] { return Result<void>(success()); });
  return d;
}

Json serve(const Dispatcher& d, const char* text) {
  auto message = Json::parse(text);
  return d.serve(message).value_or(Json("no reply"));
}

}  // namespace

TEST_CASE("a request gets a reply with its id") {
  const auto d = calculator();
  CHECK(serve(d, R"({"jsonrpc": "2.0", "id": 7, "method": "count", "params": {"count": 5}})") ==
        Json({{"jsonrpc", "2.0"}, {"id", 7}, {"result", 5}}));
  CHECK(serve(d, R"({"jsonrpc": "2.0", "id": "a", "method": "nothing"})") ==
        Json({{"jsonrpc", "2.0"}, {"id", "a"}, {"result", Json::object()}}));
  CHECK(serve(d, R"({"jsonrpc": "2.0", "id": 1, "method": "binary",
                     "params": {"filename": "x", "unknown": [1]}})")["result"]["kind"] == "pie");
}

TEST_CASE("a notification gets none, whatever becomes of it") {
  const auto d = calculator();
  CHECK(serve(d, R"({"jsonrpc": "2.0", "method": "count"})") == "no reply");
  CHECK(serve(d, R"({"jsonrpc": "2.0", "method": "unheard of"})") == "no reply");
  CHECK(serve(d, R"({"jsonrpc": "2.0", "method": "binary", "params": {}})") == "no reply");
}

TEST_CASE("errors carry code, kind, place and address") {
  const auto d = calculator();
  const auto application = serve(
      d, R"({"jsonrpc": "2.0", "id": 1, "method": "binary", "params": {"filename": "none"}})");
  CHECK(application["error"]["code"] == rpc_code::application);
  CHECK(application["error"]["message"] == "none: no such file");
  CHECK(application["error"]["data"] ==
        Json({{"kind", "unreadable"}, {"where", "/params/filename"}, {"address", "0x1234"}}));
  const auto params =
      serve(d, R"({"jsonrpc": "2.0", "id": 1, "method": "count", "params": {"count": "x"}})");
  CHECK(params["error"]["code"] == rpc_code::invalid_params);
  CHECK(params["error"]["data"]["where"] == "/params/count");
  const auto unknown = serve(d, R"({"jsonrpc": "2.0", "id": 1, "method": "nosuch"})");
  CHECK(unknown["error"]["code"] == rpc_code::unknown_method);
  CHECK(unknown["error"]["data"]["kind"] == "unknown_method");
}

TEST_CASE("an error that went in comes out the same") {
  const Error in{"no_room", "too full", "/params/a", Vaddr{0 - 0x10ull}};
  const auto out = error_of(make_error_reply(3, in)["error"]);
  CHECK(out.kind == in.kind);
  CHECK(out.message == in.message);
  CHECK(out.where == in.where);
  CHECK(out.address == in.address);
  CHECK(error_of(Json::parse(R"({"code": -32601, "message": "?"})")).kind == "unknown_method");
  CHECK(error_of(Json(5)).kind == "internal");
}

TEST_CASE("invalid requests say what is invalid") {
  const auto d = calculator();
  const auto where = [&](const char* text) {
    const auto reply = serve(d, text);
    CHECK(reply["error"]["code"] == rpc_code::invalid_request);
    return reply["error"]["data"].value("where", "");
  };
  CHECK(where(R"({"id": 1, "method": "count"})") == "/jsonrpc");
  CHECK(where(R"({"jsonrpc": "1.0", "id": 1, "method": "count"})") == "/jsonrpc");
  CHECK(where(R"({"jsonrpc": "2.0", "id": 1})") == "/method");
  CHECK(where(R"({"jsonrpc": "2.0", "id": 1, "method": 3})") == "/method");
  CHECK(where(R"({"jsonrpc": "2.0", "id": [], "method": "count"})") == "/id");
  CHECK(where(R"({"jsonrpc": "2.0", "id": 1, "method": "count", "params": [1]})") == "/params");
  CHECK(where("5") == "");
  CHECK(serve(d, R"({"jsonrpc": "2.0", "id": 9})")["id"] == 9);
}

TEST_CASE("batches, by the specification") {
  const auto d = calculator();
  const auto replies = serve(d, R"([
      {"jsonrpc": "2.0", "id": 1, "method": "nothing"},
      {"jsonrpc": "2.0", "method": "nothing"},
      5,
      [],
      {"jsonrpc": "2.0", "id": 2, "method": "nosuch"}])");
  REQUIRE(replies.size() == 4);
  CHECK(replies[0]["id"] == 1);
  CHECK(replies[1]["error"]["code"] == rpc_code::invalid_request);
  CHECK(replies[1]["id"].is_null());
  CHECK(replies[2]["error"]["code"] == rpc_code::invalid_request);
  CHECK(replies[3]["error"]["code"] == rpc_code::unknown_method);
  CHECK(serve(d, "[]")["error"]["code"] == rpc_code::invalid_request);
  CHECK(serve(d, R"([{"jsonrpc": "2.0", "method": "nothing"}])") == "no reply");
  Json large = Json::array();
  for (std::size_t i = 0; i <= max_batch; ++i) large.push_back(1);
  CHECK(d.serve(large)->at("error")["code"] == rpc_code::invalid_request);
}

namespace {

/// A client and a served dispatcher at the two ends of a socket pair.
struct Connection {
  int ends[2];
  std::thread server;
  std::optional<RpcClient> client;

  explicit Connection(std::size_t answers = SIZE_MAX) {
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    server = std::thread([this, answers] {
      const auto d = calculator();
      LineReader in(ends[1]);
      LineWriter out(ends[1]);
      for (std::size_t i = 0; i < answers; ++i) {
        const auto line = in.next();
        if (!line || !line.value()) break;
        auto message = parse_json(*line.value()).value();
        (void)out.send(make_notification("progress", {{"done", i}}));
        if (const auto reply = d.serve(message)) (void)out.send(*reply);
      }
      shutdown(ends[1], SHUT_RDWR);
    });
    client.emplace(ends[0], ends[0]);
  }
  ~Connection() {
    shutdown(ends[0], SHUT_RDWR);
    server.join();
    close(ends[0]);
    close(ends[1]);
  }
};

}  // namespace

TEST_CASE("a client calls, posts, notifies and hears notifications") {
  Connection connection;
  auto& client = *connection.client;
  unsigned heard = 0;
  client.on_notification(
      [&](const std::string& method, const Json&) { heard += method == "progress"; });
  CHECK(client.call("count", {{"count", 3}}).value() == 3);
  CHECK(client.call_as<BinaryReply>("binary", BinaryRequest{"x", "", {}}).value().kind == "pie");
  for (int i = 0; i < 1000; ++i) REQUIRE(client.post("nothing"));
  CHECK(client.notify("nothing"));
  CHECK(client.drain());
  CHECK(client.call("count", {{"count", 4}}).value() == 4);
  CHECK(heard == 1004);
}

TEST_CASE("an error of a posted request is told once, later") {
  Connection connection;
  auto& client = *connection.client;
  REQUIRE(client.post_message("binary", BinaryRequest{"none", "", {}}));
  REQUIRE(client.post("nothing"));
  const auto later = client.call("count", {{"count", 3}});
  REQUIRE(later.has_error());
  CHECK(later.error().kind == "unreadable");
  CHECK(later.error().address == Vaddr{0x1234});
  CHECK(client.call("count", {{"count", 3}}).value() == 3);
}

TEST_CASE("a service that goes away is an error, not a hang") {
  Connection connection(2);
  auto& client = *connection.client;
  CHECK(client.call("nothing"));
  CHECK(client.call("nothing"));
  CHECK(client.call("nothing").error().kind == "disconnected");
}
