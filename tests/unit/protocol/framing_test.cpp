#include "protocol/framing.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <thread>

using namespace punster;

namespace {

struct Pipe {
  int read_end, write_end;
  Pipe() {
    int fds[2];
    REQUIRE(pipe(fds) == 0);
    read_end = fds[0];
    write_end = fds[1];
  }
  ~Pipe() {
    close(read_end);
    close_writer();
  }
  void close_writer() {
    if (write_end >= 0) close(write_end);
    write_end = -1;
  }
  void put(std::string_view text) const {
    REQUIRE(write(write_end, text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
};

std::string nested(unsigned levels) {
  return std::string(levels, '[') + std::string(levels, ']');
}

}  // namespace

TEST_CASE("lines come one at a time; blank ones and line ends do not") {
  Pipe pipe;
  pipe.put("one\n\n  \t\r\ntwo\r\nthree");
  pipe.close_writer();
  LineReader reader(pipe.read_end);
  CHECK(*reader.next().value() == "one");
  CHECK(*reader.next().value() == "two\r");
  CHECK(*reader.next().value() == "three");  // a last line needs no line end
  CHECK_FALSE(reader.next().value().has_value());
  CHECK_FALSE(reader.next().value().has_value());
}

TEST_CASE("a line may arrive in pieces") {
  Pipe pipe;
  std::thread writer([&] {
    for (const char c : std::string("abc\ndef\n")) {
      pipe.put({&c, 1});
      usleep(200);
    }
    pipe.close_writer();
  });
  LineReader reader(pipe.read_end);
  CHECK(*reader.next().value() == "abc");
  CHECK(*reader.next().value() == "def");
  CHECK_FALSE(reader.next().value().has_value());
  writer.join();
}

TEST_CASE("a line that is too long is skipped, and the next one is read") {
  Pipe pipe;
  std::thread writer([&] {
    pipe.put("short\n" + std::string(100000, 'x') + "\nnext\n");
    pipe.put(std::string(100000, 'y'));
    pipe.close_writer();
  });
  LineReader reader(pipe.read_end, 1000);
  CHECK(*reader.next().value() == "short");
  CHECK(reader.next().error().kind == "too_long");
  CHECK(*reader.next().value() == "next");
  CHECK(reader.next().error().kind == "too_long");
  CHECK_FALSE(reader.next().value().has_value());
  writer.join();
}

TEST_CASE("long lines within the limit arrive whole") {
  Pipe pipe;
  const std::string line(3 << 20, 'z');
  std::thread writer([&] {
    for (int i = 0; i < 3; ++i) {
      LineWriter out(pipe.write_end);
      CHECK(out.write(line));
    }
    pipe.close_writer();
  });
  LineReader reader(pipe.read_end);
  for (int i = 0; i < 3; ++i) CHECK(*reader.next().value() == line);
  CHECK_FALSE(reader.next().value().has_value());
  writer.join();
}

TEST_CASE("a vanished reader is an error, not a signal") {
  Pipe pipe;
  LineWriter out(pipe.write_end);
  close(pipe.read_end);
  CHECK(out.write("x").error().kind == "disconnected");
  pipe.read_end = dup(pipe.write_end);
}

TEST_CASE("a closed descriptor is an error") {
  LineReader reader(-1);
  CHECK(reader.next().error().kind == "io");
}

TEST_CASE("the stop descriptor ends the stream") {
  Pipe pipe, stop;
  pipe.put("first\n");
  LineReader reader(pipe.read_end, max_line_bytes, stop.read_end);
  CHECK(*reader.next().value() == "first");
  std::thread stopper([&] {
    usleep(2000);
    stop.put("!");
  });
  CHECK_FALSE(reader.next().value().has_value());
  stopper.join();
}

TEST_CASE("parse errors name the column") {
  CHECK(parse_json("{\"a\": 1}").value()["a"] == 1);
  const auto e = parse_json("{\"a\": 1,}").error();
  CHECK(e.kind == "parse_error");
  CHECK(e.message.find("column 9") != std::string::npos);
  CHECK(parse_json("").error().kind == "parse_error");
  CHECK(parse_json("{} {}").error().kind == "parse_error");
  CHECK(parse_json("\"\xff\"").error().kind == "parse_error");
  const auto nul = parse_json(std::string_view("{}\0{}", 5));
  REQUIRE(nul.has_error());
  CHECK(nul.error().message == "not valid JSON at column 3");
  CHECK(parse_json("[1e999]").error().kind == "parse_error");
}

TEST_CASE("nesting has a limit, brackets in strings do not count") {
  CHECK(parse_json(nested(max_nesting)));
  CHECK(parse_json(nested(max_nesting + 1)).error().kind == "parse_error");
  CHECK(parse_json(std::string(1 << 20, '[')).error().kind == "parse_error");
  CHECK(parse_json("\"" + std::string(1000, '[') + "\\\"[\""));
}

TEST_CASE("what is not UTF-8 is written as a replacement character") {
  CHECK(dump_json(nlohmann::json("a\xff")) == "\"a\xef\xbf\xbd\"");
}
