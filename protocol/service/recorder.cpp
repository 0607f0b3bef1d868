#include "protocol/service/recorder.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>

namespace punster {

struct Recorder::File {
  std::FILE* stream = nullptr;
  std::mutex mutex;

  ~File() {
    if (stream) std::fclose(stream);
  }
  // Flushed line by line: the transcript of a session that crashes is the one that is wanted.
  void put(std::string_view direction, std::string_view line) {
    const std::lock_guard lock(mutex);
    std::fwrite(direction.data(), 1, direction.size(), stream);
    std::fwrite(line.data(), 1, line.size(), stream);
    std::fputc('\n', stream);
    std::fflush(stream);
  }
};

Recorder::Recorder(std::unique_ptr<File> file) : file_(std::move(file)) {}
Recorder::Recorder(Recorder&&) noexcept = default;
Recorder::~Recorder() = default;

Result<Recorder> Recorder::create(const std::string& path) {
  auto file = std::make_unique<File>();
  file->stream = std::fopen(path.c_str(), "we");
  if (!file->stream) return error("unwritable", path + ": " + std::strerror(errno));
  return Recorder(std::move(file));
}

void Recorder::heard(std::string_view line) {
  file_->put("--> ", line);
}

void Recorder::said(std::string_view line) {
  file_->put("<-- ", line);
}

}  // namespace punster
