#include "frontend/image/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace punster {

Result<std::shared_ptr<const MappedFile>> MappedFile::open(const std::filesystem::path& path) {
  const auto failure = [&](const char* what) {
    return error("unreadable", path.string() + ": " + what);
  };
  // O_NONBLOCK: opening a pipe that nobody writes to must not hang.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0)
    return failure(std::strerror(errno));
  struct stat status {};
  void* memory = nullptr;
  std::size_t size = 0;
  const char* problem = nullptr;
  if (fstat(fd, &status) != 0) {
    problem = std::strerror(errno);
  } else if (!S_ISREG(status.st_mode)) {
    problem = S_ISDIR(status.st_mode) ? "is a directory" : "is not a regular file";
  } else if (size = static_cast<std::size_t>(status.st_size); size > 0) {
    memory = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (memory == MAP_FAILED)
      problem = std::strerror(errno);
  }
  close(fd);
  if (problem != nullptr)
    return failure(problem);
  const auto* begin = static_cast<const std::uint8_t*>(memory);
  return std::shared_ptr<const MappedFile>(new MappedFile({begin, size}));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty())
    munmap(const_cast<std::uint8_t*>(bytes_.data()), bytes_.size());
}

}  // namespace punster
