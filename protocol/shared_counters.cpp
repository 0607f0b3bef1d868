#include "protocol/shared_counters.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/interprocess/file_mapping.hpp>
#include <boost/interprocess/mapped_region.hpp>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <string>

#include "runtime/loader_abi.h"

namespace punster {

namespace ipc = boost::interprocess;

struct SharedCounters::Mapped {
  ipc::file_mapping file;
  ipc::mapped_region region;
  PunsterCounters header{};

  [[nodiscard]] const std::uint64_t* array(std::uint64_t offset) const {
    return reinterpret_cast<const std::uint64_t*>(static_cast<const char*>(region.get_address()) +
                                                  offset);
  }
};

namespace {

// The first page holds the header, so that the slots begin on a page of their own.
constexpr std::uint64_t slots_at = page_size.value;

// Far above any file that fits 2 GiB of code, far below what overflows the arithmetic below.
constexpr std::uint64_t max_capacity = std::uint64_t{1} << 32;

std::uint64_t whole_pages(std::uint64_t bytes) {
  return (bytes + page_size.value - 1) / page_size.value * page_size.value;
}

std::uint64_t sites_at(std::uint64_t capacity) { return slots_at + whole_pages(capacity * 8); }

Error system_error(const std::filesystem::path& path, const char* what, int code) {
  const bool full = code == ENOSPC || code == EDQUOT;
  return error(full ? "disk_full" : "unwritable",
               path.string() + ": " + what + ": " + std::strerror(code));
}

/// A file that is removed again unless it is moved to its final place.
class Draft {
 public:
  explicit Draft(const std::filesystem::path& target)
      : path_(target.string() + ".draft-" + std::to_string(::getpid())),
        fd_(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666)) {}
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  ~Draft() {
    if (fd_ < 0) return;
    ::close(fd_);
    if (!kept_) ::unlink(path_.c_str());
  }
  [[nodiscard]] int fd() const { return fd_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool keep_as(const std::filesystem::path& target) {
    kept_ = ::rename(path_.c_str(), target.c_str()) == 0;
    return kept_;
  }

 private:
  std::string path_;
  int fd_;
  bool kept_ = false;
};

/// The one place where exceptions of Boost.Interprocess end.
template <typename Mapped>
Result<std::shared_ptr<Mapped>> map_file(const std::string& path, ipc::mode_t mode) {
  try {
    auto mapped = std::make_shared<Mapped>();
    mapped->file = ipc::file_mapping(path.c_str(), mode);
    mapped->region = ipc::mapped_region(mapped->file, mode);
    return mapped;
  } catch (const ipc::interprocess_exception& failure) {
    return error("unreadable", path + ": cannot map the counters: " + failure.what());
  }
}

/// Whether a header may be trusted, given the size of its file: both arrays aligned, inside, apart.
const char* fault_of(const PunsterCounters& header, std::uint64_t file_size) {
  if (header.magic != PUNSTER_COUNTERS_MAGIC) return "is not a counters file of punster";
  if (header.abi_version != PUNSTER_ABI_VERSION)
    return "was made by another version of punster (patch the program again)";
  if (header.capacity > max_capacity) return "is damaged: it claims too many counters";
  const std::uint64_t array = header.capacity * 8;
  const auto inside = [&](std::uint64_t offset) {
    return offset % 8 == 0 && offset >= sizeof(PunsterCounters) && offset <= file_size &&
           file_size - offset >= array;
  };
  if (!inside(header.slots_offset) || !inside(header.sites_offset))
    return "is damaged: its counters reach past its end";
  const std::uint64_t lower = std::min(header.slots_offset, header.sites_offset);
  const std::uint64_t upper = std::max(header.slots_offset, header.sites_offset);
  if (upper - lower < array) return "is damaged: its counters overlap its addresses";
  return nullptr;
}

}  // namespace

Bytes counters_file_size(std::uint64_t capacity) {
  return Bytes{sites_at(capacity) + whole_pages(capacity * 8)};
}

Result<SharedCounters> SharedCounters::create(const std::filesystem::path& path,
                                              std::span<const Vaddr> sites) {
  assert(sites.size() <= max_capacity);
  Draft draft(path);
  if (draft.fd() < 0) return system_error(path, "cannot create the counters file", errno);
  const auto size = static_cast<off_t>(counters_file_size(sites.size()).value);
  if (const int code = ::posix_fallocate(draft.fd(), 0, size); code != 0)
    return system_error(path, "no room for the counters", code);

  PUNSTER_TRY(auto mapped, map_file<Mapped>(draft.path(), ipc::read_write));
  PunsterCounters& header = mapped->header;
  header.magic = PUNSTER_COUNTERS_MAGIC;
  header.abi_version = PUNSTER_ABI_VERSION;
  header.capacity = sites.size();
  header.slots_offset = slots_at;
  header.sites_offset = sites_at(sites.size());
  char* base = static_cast<char*>(mapped->region.get_address());
  for (std::size_t i = 0; i < sites.size(); ++i)
    std::memcpy(base + header.sites_offset + 8 * i, &sites[i].value, 8);
  std::memcpy(base, &header, sizeof header);

  if (!draft.keep_as(path)) return system_error(path, "cannot create the counters file", errno);
  SharedCounters counters;
  counters.mapped_ = std::move(mapped);
  return counters;
}

Result<SharedCounters> SharedCounters::open(const std::filesystem::path& path) {
  // Looked at before it is mapped: mapping an empty file, a directory or a pipe has no good answer.
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return error("unreadable", path.string() + ": " + std::strerror(errno));
  if (!S_ISREG(status.st_mode))
    return error("not_counters", path.string() + ": is not a regular file");
  if (static_cast<std::uint64_t>(status.st_size) < sizeof(PunsterCounters))
    return error("not_counters", path.string() + ": is not a counters file of punster");

  PUNSTER_TRY(auto mapped, map_file<Mapped>(path.string(), ipc::read_only));
  std::memcpy(&mapped->header, mapped->region.get_address(), sizeof(PunsterCounters));
  if (const char* fault = fault_of(mapped->header, mapped->region.get_size()))
    return error("not_counters", path.string() + ": " + fault);
  SharedCounters counters;
  counters.mapped_ = std::move(mapped);
  return counters;
}

std::uint64_t SharedCounters::capacity() const { return mapped_->header.capacity; }

std::uint64_t SharedCounters::count(std::uint64_t i) const {
  assert(i < capacity());
  return __atomic_load_n(mapped_->array(mapped_->header.slots_offset) + i, __ATOMIC_RELAXED);
}

Vaddr SharedCounters::site(std::uint64_t i) const {
  assert(i < capacity());
  return Vaddr{mapped_->array(mapped_->header.sites_offset)[i]};
}

}  // namespace punster
