// Whole sessions: any lines behind an `initialize`, and any bytes as the dialect, against a small
// program that is open already. The service comes to its end, and every line it says is a message.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "backend/session/service.h"
#include "protocol/service/log.h"
#include "tests/unit/session/tiny_program.h"

using namespace punster;

namespace {

void require(bool holds) {
  if (!holds) abort();
}

int memory_file(std::string_view contents) {
  const int fd = memfd_create("fuzz", MFD_CLOEXEC);
  require(fd >= 0 &&
          write(fd, contents.data(), contents.size()) == static_cast<ssize_t>(contents.size()));
  lseek(fd, 0, SEEK_SET);
  return fd;
}

/// A folder that the session may read and write in, and nothing outside of it.
struct Folder {
  std::string path;
  Folder() {
    path = (std::filesystem::temp_directory_path() / "punster-fuzz-XXXXXX").string();
    require(mkdtemp(path.data()) != nullptr);
    const std::string program = tiny_program();
    const int fd = open((path + "/in").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
    require(fd >= 0 &&
            write(fd, program.data(), program.size()) == static_cast<ssize_t>(program.size()));
    close(fd);
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = (set_log({.level = LogLevel::off}), true);
  static const Folder folder;
  require(quiet);
  if (size == 0) return 0;
  std::string stream;
  if (data[0] & 1)
    stream = R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocol_version":1}})"
             "\n";
  stream += R"({"jsonrpc":"2.0","id":2,"method":"binary","params":{"filename":"in"}})"
            "\n";
  stream.append(reinterpret_cast<const char*>(data) + 1, size - 1);
  const int in = memory_file(stream), out = memory_file("");
  {
    ServiceStop stop;
    LineReader lines(in, max_line_bytes, stop.fd());
    auto files = SessionFiles::below(folder.path, nullptr);
    Connection connection{lines, out, stop, files.value()};
    serve(connection);
  }
  lseek(out, 0, SEEK_SET);
  LineReader lines(out);
  for (;;) {
    const auto line = lines.next();
    require(line.has_value());
    if (!line.value()) break;
    require(parse_json(*line.value()).has_value());
  }
  close(in);
  close(out);
  return 0;
}
