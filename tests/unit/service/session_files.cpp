// The fence around a session's files, without a session.

#include "protocol/service/session_files.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

using namespace punster;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path;
  Folder() {
    std::string name = "/tmp/punster-files-XXXXXX";
    path = mkdtemp(name.data());
  }
  ~Folder() { fs::remove_all(path); }
};

void put(const fs::path& path, std::string_view text) {
  std::ofstream(path) << text;
}

std::string contents(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

/// A socket pair: what is sent into `client` is received at `service`.
struct Sockets {
  int client = -1, service = -1;
  Sockets() {
    int both[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, both) == 0);
    client = both[0], service = both[1];
  }
  ~Sockets() { close(client), close(service); }
  void send(int fd) const {
    char byte = '\n';
    iovec bytes{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &bytes, message.msg_iovlen = 1;
    message.msg_control = control, message.msg_controllen = sizeof control;
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET, part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(part), &fd, sizeof fd);
    REQUIRE(sendmsg(client, &message, 0) == 1);
  }
};

template <typename T>
std::string kind(const Result<T>& result) {
  return result.has_error() ? result.error().kind : "fine";
}

}  // namespace

TEST_CASE("below a root, names cannot lead out, however they are written") {
  Folder folder;
  const auto root = folder.path / "root", outside = folder.path / "outside";
  fs::create_directory(root), fs::create_directory(outside);
  put(root / "in", "inner"), put(outside / "in", "outer");
  fs::create_symlink(outside, root / "way");
  fs::create_symlink("in", root / "alias");
  auto files = SessionFiles::below(root.string() + "//", nullptr).value();
  CHECK(contents(files.input({"in", {}}).value()) == "inner");
  CHECK(contents(files.input({"alias", {}}).value()) == "inner");
  CHECK(contents(files.input({(root / "in").string(), {}}).value()) == "inner");
  for (const auto& name : {std::string("../outside/in"), std::string("way/in"),
                           (outside / "in").string(), root.string() + "/../outside/in"}) {
    INFO(name);
    CHECK(kind(files.input({name, {}})) == "not_allowed");
    CHECK(kind(files.output({name, {}})) == "not_allowed");
  }
  CHECK(kind(files.input({"none", {}})) == "unreadable");
  CHECK(kind(files.output({"in/", {}})) == "unwritable");
  CHECK_FALSE(files.any_path());
}

TEST_CASE("an output below a root replaces a link instead of following it, and is all or nothing") {
  Folder folder;
  const auto root = folder.path / "root";
  fs::create_directory(root);
  put(folder.path / "victim", "untouched");
  fs::create_symlink(folder.path / "victim", root / "out");
  auto files = SessionFiles::below(root, nullptr).value();
  {
    const auto place = files.output({"out", {}});
    put(place.value().path(), "half");
    CHECK(entries(root) == 2);
  }
  CHECK(entries(root) == 1);  // the draft went with the place
  auto place = files.output({"out", {}});
  put(place.value().path(), "whole");
  REQUIRE(place.value().keep());
  CHECK(contents(root / "out") == "whole");
  CHECK_FALSE(fs::is_symlink(root / "out"));
  CHECK(contents(folder.path / "victim") == "untouched");
  CHECK(entries(root) == 1);
}

TEST_CASE("a descriptor is read as it was when it came, and written only when all is done") {
  Folder folder;
  put(folder.path / "in", "first"), put(folder.path / "out", "old and long");
  const int in = open((folder.path / "in").c_str(), O_RDWR);
  const int out = open((folder.path / "out").c_str(), O_RDWR);
  Sockets sockets;
  ReceivedDescriptors received(sockets.service);
  sockets.send(in), sockets.send(out);
  char byte;
  while (received.read(&byte, 1) == 1 &&
         recv(sockets.service, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1) {
  }
  auto files = SessionFiles::none(&received);
  const auto path = files.input({"", 0}).value();
  REQUIRE(ftruncate(in, 0) == 0);
  CHECK(contents(path) == "first");
  {
    const auto place = files.output({"", 1});
    put(place.value().path(), "new");
  }
  CHECK(contents(folder.path / "out") == "old and long");
  CHECK(kind(files.output({"", 1})) == "no_descriptor");  // it was used
  sockets.send(out);
  REQUIRE(received.read(&byte, 1) == 1);
  auto place = files.output({"", 2});
  put(place.value().path(), "new");
  REQUIRE(place.value().keep());
  CHECK(contents(folder.path / "out") == "new");
  close(in), close(out);
}

TEST_CASE("what is no file of the client's is refused with a reason") {
  Sockets sockets;
  ReceivedDescriptors received(sockets.service);
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  sockets.send(ends[0]), sockets.send(ends[1]);
  char bytes[2];
  for (int i = 0; i < 2; ++i) REQUIRE(received.read(bytes, 1) == 1);
  auto files = SessionFiles::none(&received);
  CHECK(kind(files.input({"", 0})) == "unreadable");
  CHECK(kind(files.output({"", 1})) == "unwritable");
  CHECK(kind(files.input({"/etc/passwd", {}})) == "not_allowed");
  CHECK(kind(files.output({"/tmp/x", {}})) == "not_allowed");
  CHECK(kind(SessionFiles::own().input({"", 0})) == "no_descriptor");
  CHECK(kind(SessionFiles::below("/etc/passwd", nullptr)) == "unreadable");
  close(ends[0]), close(ends[1]);
}

TEST_CASE("descriptors beyond those that may wait are closed") {
  Sockets sockets;
  ReceivedDescriptors received(sockets.service);
  char byte;
  for (std::size_t i = 0; i < ReceivedDescriptors::most_waiting + 3; ++i) {
    sockets.send(0);
    REQUIRE(received.read(&byte, 1) == 1);
  }
  CHECK(kind(received.take(ReceivedDescriptors::most_waiting, "")) == "no_descriptor");
  CHECK(kind(received.take(0, "")) == "fine");
  sockets.send(0);  // there is room again
  REQUIRE(received.read(&byte, 1) == 1);
  CHECK(kind(received.take(ReceivedDescriptors::most_waiting + 3, "")) == "fine");
}
