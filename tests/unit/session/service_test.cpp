// The service as a client sees it: lines in, lines out, exit status.

#include "backend/session/service.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

#include "protocol/rpc.h"
#include "protocol/service/log.h"

using namespace punster;

namespace {

// What the service logs for its operator would only clutter the tests' output.
[[maybe_unused]] const bool quiet = (set_log({.level = LogLevel::off}), true);

constexpr char hello[] =
    R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocol_version":1}})"
    "\n";

/// A service on a thread, and the client's ends of its streams.
struct Served {
  int to_service[2], from_service[2];
  ServiceStop stop;
  ServiceEnd end{};
  std::thread thread;
  std::vector<Json> heard;  // notifications among the replies

  Served() {
    REQUIRE(pipe(to_service) == 0);
    REQUIRE(pipe(from_service) == 0);
    thread = std::thread([this] {
      end = serve(to_service[0], from_service[1], stop);
      close(from_service[1]);
    });
  }
  ~Served() {
    finish();
    close(to_service[0]);
    close(from_service[0]);
  }
  void put(std::string_view text) {
    REQUIRE(write(to_service[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  ServiceEnd finish() {
    if (to_service[1] >= 0) close(to_service[1]);
    to_service[1] = -1;
    if (thread.joinable()) thread.join();
    return end;
  }
  /// All replies up to the end of the service.
  std::vector<Json> replies() {
    std::vector<Json> all;
    LineReader reader(from_service[0]);
    for (;;) {
      const auto line = reader.next();
      if (!line || !line.value()) return all;
      auto message = parse_json(*line.value()).value();
      (message.contains("method") ? heard : all).push_back(std::move(message));
    }
  }
};

std::string kind_of(const Json& reply) {
  return reply.contains("error") ? reply["error"]["data"].value("kind", "?") : "fine";
}

std::string request(int id, const char* method, const Json& params = Json::object()) {
  return dump_json(make_request(id, method, params)) + "\n";
}

}  // namespace

TEST_CASE("a stream without requests is served") {
  Served served;
  CHECK(served.finish() == ServiceEnd::done);
}

TEST_CASE("initialize opens the strict language, and the end of the stream closes it") {
  Served served;
  served.put(hello + request(2, "stats") + request(3, "nosuch") + "{]\n" + request(4, "plan"));
  CHECK(served.finish() == ServiceEnd::done);
  const auto replies = served.replies();
  REQUIRE(replies.size() == 5);
  CHECK(replies[0]["result"]["protocol_version"] == 1);
  CHECK(replies[0]["result"]["limits"]["nesting"] == 128);
  CHECK(kind_of(replies[1]) == "fine");
  CHECK(kind_of(replies[2]) == "unknown_method");
  CHECK(kind_of(replies[3]) == "parse_error");
  CHECK(replies[3]["id"].is_null());
  CHECK(kind_of(replies[4]) == "no_binary");
}

TEST_CASE("a newer client is answered with our version, an impossible one refused") {
  for (const auto& [asked, expected] :
       {std::pair{7, "fine"}, std::pair{0, "unsupported_version"}}) {
    Served served;
    served.put(request(1, "initialize", {{"protocol_version", asked}}));
    served.finish();
    const auto replies = served.replies();
    REQUIRE(replies.size() == 1);
    CHECK(kind_of(replies[0]) == expected);
    if (asked == 7) CHECK(replies[0]["result"]["protocol_version"] == protocol_version);
  }
}

TEST_CASE("shutdown ends the service while the client's stream is still open") {
  Served served;
  served.put(hello + request(2, "shutdown"));
  served.thread.join();
  CHECK(served.end == ServiceEnd::done);
  CHECK(served.replies().size() == 2);
}

TEST_CASE("cancel hits the jobs sent before it and none sent later") {
  Served served;
  // One write: the reader has seen the cancel before the worker gets anywhere near the jobs, or it
  // catches the first while it runs; either way all three are told.
  served.put(hello);
  std::string text;
  for (int id = 2; id < 5; ++id) text += request(id, "binary", {{"filename", "/proc/self/exe"}});
  for (int id = 5; id < 8; ++id) text += request(id, "plan");
  served.put(text + R"({"jsonrpc":"2.0","id":99,"method":"cancel"})"
                    "\n");
  usleep(50000);
  served.put(request(8, "plan"));
  served.finish();
  unsigned cancelled = 0;
  for (const auto& reply : served.replies()) {
    if (reply["id"] == 8) CHECK(kind_of(reply) == "fine");
    if (reply["id"] == 99) CHECK(kind_of(reply) == "fine");
    cancelled += kind_of(reply) == "cancelled";
  }
  CHECK(cancelled <= 3);
}

TEST_CASE("an interrupt ends a service that waits") {
  Served served;
  served.put(hello);
  usleep(2000);
  served.stop.interrupt();
  served.thread.join();
  CHECK(served.end == ServiceEnd::interrupted);
}

TEST_CASE("a client that vanishes ends the service") {
  Served served;
  served.put(hello);
  close(served.from_service[0]);
  std::string text;
  for (int id = 2; id < 50; ++id) text += request(id, "stats");
  served.put(text);
  served.thread.join();
  CHECK(served.end == ServiceEnd::failed);
  served.from_service[0] = dup(0);
}

TEST_CASE("without initialize the dialect is spoken: no replies, the status tells") {
  Served good;
  good.put(
      "{\"method\":\"binary\",\"params\":{\"filename\":\"/proc/self/"
      "exe\",\"mode\":\"elf.exe\",},}\n");
  CHECK(good.finish() == ServiceEnd::done);
  CHECK(good.replies().empty());
}

TEST_CASE("single instructions and patches are batches of one, metadata and all") {
  Served served;
  served.put(hello + request(2, "instruction", {{"address", "0x1000"}, {"length", 16}}) +
             request(3, "patch", {{"address", "0x1000"}}) +
             request(4, "patch", {{"address", "0x1000"}, {"trampoline", "$t"}, {"metadata", 5}}) +
             request(5, "patch",
                     {{"address", "0x1000"}, {"trampoline", "$t"}, {"metadata", {{"$a", 5}}}}) +
             request(6, "reserve", {{"bytes", {1, "$instr"}}}));
  served.finish();
  const auto replies = served.replies();
  REQUIRE(replies.size() == 6);
  CHECK(replies[1]["error"]["data"]["where"] == "/params/length");
  CHECK(replies[2]["error"]["data"]["where"] == "/params");
  CHECK(replies[3]["error"]["data"]["where"] == "/params/metadata");
  CHECK(kind_of(replies[4]) == "no_binary");
  CHECK(replies[5]["error"]["data"]["where"] == "/params/bytes/1");
}
