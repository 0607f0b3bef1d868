// Hang-ups, options, transcripts.

#include "protocol/service/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <fstream>
#include <thread>

#include "protocol/service/listener.h"

using namespace punster;

namespace {

bool soon(const std::atomic<bool>& flag) {
  for (int i = 0; i < 500 && !flag; ++i) usleep(10000);
  return flag;
}

std::string fault(const std::vector<std::string>& words) {
  ListenOptions options;
  std::size_t i = 0;
  const auto taken = take_listen_option(words, i, options);
  return taken.has_error() ? taken.error().kind : taken.value() ? "taken" : "unknown";
}

}  // namespace

TEST_CASE("half a close is no hang-up, a whole one is") {
  int ends[2];
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  std::atomic<bool> gone{false};
  const HangUpWatch watch(ends[0], [&] { gone = true; });
  shutdown(ends[1], SHUT_WR);
  usleep(50000);
  CHECK_FALSE(gone);
  close(ends[1]);
  CHECK(soon(gone));
  close(ends[0]);
}

TEST_CASE("a pipe without a reader has hung up, a file never does") {
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  std::atomic<bool> gone{false}, never{false};
  std::FILE* const file = std::tmpfile();
  {
    const HangUpWatch watch(ends[1], [&] { gone = true; });
    const HangUpWatch other(fileno(file), [&] { never = true; });
    close(ends[0]);
    CHECK(soon(gone));
  }
  CHECK_FALSE(never);
  std::fclose(file);
  close(ends[1]);
}

TEST_CASE("a service's options are taken with their values, or refused") {
  ListenOptions options;
  const std::vector<std::string> words = {"--listen", "unix:/tmp/x", "--memory=64", "--grace",
                                          "0",        "--allow-uid", "root",        "--allow-uid=7",
                                          "--log",    "debug"};
  for (std::size_t i = 0; i < words.size(); ++i)
    REQUIRE(take_listen_option(words, i, options).value());
  CHECK(options.path == "/tmp/x");
  CHECK(options.limits.memory == 64u << 20);
  CHECK(options.grace.count() == 0);
  CHECK(options.allowed == std::vector<uid_t>{0, 7});
  CHECK(options.log_level == LogLevel::debug);
  CHECK(fault({"--nothing"}) == "unknown");
  for (const std::vector<std::string>& wrong : {std::vector<std::string>{"--listen"},
                                                {"--listen", "/tmp/x"},
                                                {"--listen=unix:"},
                                                {"--memory", "-1"},
                                                {"--memory", "1x"},
                                                {"--cpu-seconds", "0"},
                                                {"--log", "loud"},
                                                {"--log-format", "xml"},
                                                {"--allow-uid", "no such user"}})
    CHECK(fault(wrong) == "usage");
}

TEST_CASE("a transcript has a line for each line, in both directions") {
  const std::string path = "/tmp/punster-transcript-" + std::to_string(getpid());
  {
    auto recorder = Recorder::create(path).value();
    recorder.heard("{\xff}");
    recorder.said("{}");
  }
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  CHECK(text == "--> {\xff}\n<-- {}\n");
  unlink(path.c_str());
  CHECK(Recorder::create("/nowhere/at/all").error().kind == "unwritable");
}
