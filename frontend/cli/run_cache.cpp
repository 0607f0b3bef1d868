#include "frontend/cli/run_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>

#include "frontend/cli/file_draft.h"
#include "frontend/cli/interruption.h"
#include "frontend/cli/output_guard.h"
#include "frontend/image/mapped_file.h"
#include "protocol/sha256.h"

namespace punster {
namespace {

namespace fs = std::filesystem;

constexpr const char* record_name = "record";
constexpr auto in_use = std::chrono::minutes(10);

std::string text_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What changes whenever a file does, as far as a look at its inode can tell.
std::string fingerprint(const struct stat& s, bool with_inode) {
  std::string text = std::to_string(s.st_size) + " " + std::to_string(s.st_mtim.tv_sec) + "." +
                     std::to_string(s.st_mtim.tv_nsec);
  if (with_inode)
    text += " " + std::to_string(s.st_dev) + " " + std::to_string(s.st_ino) + " " +
            std::to_string(s.st_ctim.tv_sec) + "." + std::to_string(s.st_ctim.tv_nsec);
  return text;
}

/// Every file of an entry but the record, with size and time; links by their targets.
std::string inventory(const fs::path& folder) {
  std::set<std::string> lines;
  std::error_code failed;
  for (fs::recursive_directory_iterator entry(folder, failed), end; !failed && entry != end;
       entry.increment(failed)) {
    const std::string name = entry->path().lexically_relative(folder).string();
    struct stat status {};
    if (name == record_name || ::lstat(entry->path().c_str(), &status) != 0) continue;
    if (S_ISLNK(status.st_mode))
      lines.insert(name + " -> " + fs::read_symlink(entry->path(), failed).string());
    else if (S_ISREG(status.st_mode))
      lines.insert(name + " " + fingerprint(status, false));
  }
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

bool is_whole(const fs::path& folder) {
  const std::string record = text_of(folder / record_name);
  return record.ends_with("end\n") && record == inventory(folder) + "end\n";
}

/// Held as long as the object lives; given up by the kernel should we die.
class Lock {
 public:
  static Result<Lock> take(const std::string& path, const std::string& what) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return error("unwritable", path + ": " + std::strerror(errno));
    if (::flock(file, LOCK_EX | LOCK_NB) != 0) {
      std::fprintf(stderr, "punster: another process is rewriting %s; waiting for it\n",
                   what.c_str());
      while (::flock(file, LOCK_EX) != 0 && errno == EINTR) {
      }
    }
    return Lock(file);
  }
  Lock(Lock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}
  ~Lock() {
    if (file_ >= 0) ::close(file_);
  }

 private:
  explicit Lock(int file) : file_(file) {}
  int file_;
};

Result<void> check_ours(const std::string& folder) {
  struct stat status {};
  if (::stat(folder.c_str(), &status) != 0 || !S_ISDIR(status.st_mode))
    return error("unwritable",
                 folder + ": cannot be made (name another with --cache or PUNSTER_CACHE)");
  if (status.st_uid != ::geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return error("unsafe_cache", folder +
                                     ": others can write there, and what is in it gets run (chmod "
                                     "go-w, or name another with --cache or PUNSTER_CACHE)");
  return success();
}

Result<std::string> default_place() {
  for (const auto& [variable, below] : {std::pair{"PUNSTER_CACHE", ""},
                                        {"XDG_CACHE_HOME", "/punster"},
                                        {"HOME", "/.cache/punster"}})
    if (const char* value = std::getenv(variable); value != nullptr && *value != '\0')
      return std::string(value) + below;
  return error("unwritable",
               "no place for the cache: neither PUNSTER_CACHE nor HOME is set (name one "
               "with --cache)");
}

struct Entry {
  fs::path folder;
  fs::file_time_type used;
  std::uint64_t bytes = 0;
};

/// Files of a program are those of its `files` entries: each counts where it is linked last.
std::vector<Entry> entries_of(const fs::path& cache) {
  std::vector<Entry> entries;
  std::error_code failed;
  for (const char* kind : {"files", "programs"})
    for (fs::directory_iterator entry(cache / kind, failed), end; !failed && entry != end;
         entry.increment(failed)) {
      Entry one{entry->path(), fs::last_write_time(entry->path() / record_name, failed), 0};
      for (fs::recursive_directory_iterator file(one.folder, failed), last; !failed && file != last;
           file.increment(failed)) {
        struct stat status {};
        if (::lstat(file->path().c_str(), &status) == 0 && S_ISREG(status.st_mode))
          one.bytes += static_cast<std::uint64_t>(status.st_size) / status.st_nlink;
      }
      entries.push_back(std::move(one));
    }
  std::ranges::sort(entries, {}, &Entry::used);
  return entries;
}

}  // namespace

Result<RunCache> RunCache::open(const std::optional<std::string>& asked) {
  std::string place = asked.value_or("");
  if (!asked) {
    PUNSTER_TRY(place, default_place());
  }
  const std::string folder = absolute_path(place);
  std::error_code failed;
  fs::create_directories(fs::path(folder).parent_path(), failed);
  ::mkdir(folder.c_str(), 0700);
  PUNSTER_TRY(check_ours(folder));
  for (const char* part : {"files", "programs", "locks", "contents"})
    ::mkdir((folder + "/" + part).c_str(), 0700);
  return RunCache(folder);
}

Result<std::string> RunCache::entry(const std::string& kind, const std::string& key,
                                    const std::function<Result<void>(const std::string&)>& make) {
  const std::string folder = folder_ + "/" + kind + "/" + key;
  const auto use = [&] {
    ::utimensat(AT_FDCWD, (folder + "/" + record_name).c_str(), nullptr, 0);
    return folder;
  };
  if (is_whole(folder)) return use();
  PUNSTER_TRY(const Lock lock,
              Lock::take(folder_ + "/locks/" + key, kind == "files" ? "a file of it" : "it"));
  if (is_whole(folder)) return use();  // the other one made it
  const std::string draft = draft_name(folder);
  std::error_code failed;
  fs::remove_all(draft, failed);
  PUNSTER_TRY(make_folder(draft));
  auto made = make(draft);
  if (made.has_value()) made = write_file(draft + "/" + record_name, inventory(draft) + "end\n");
  if (made.has_error()) {
    fs::remove_all(draft, failed);
    return std::move(made).error();
  }
  const Uninterrupted step;
  fs::remove_all(folder, failed);  // one that is not whole
  if (::rename(draft.c_str(), folder.c_str()) != 0)
    return error("unwritable", folder + ": " + std::strerror(errno));
  return use();
}

Result<std::string> RunCache::contents_of(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0)
    return error("unreadable", path + ": " + std::strerror(errno));
  const std::string print = fingerprint(status, true);
  const std::string note = folder_ + "/contents/" + sha256_hex(print);
  if (std::string known = text_of(note); known.size() == 64) return known;
  PUNSTER_TRY(const auto file, MappedFile::open(path));
  std::string hash = sha256_hex(file->bytes());
  // A file that changes right now may change again without another time.
  if (std::time(nullptr) - status.st_ctim.tv_sec > 2) (void)write_file(note, hash);
  return hash;
}

void RunCache::shrink(std::uint64_t most) {
  auto entries = entries_of(folder_);
  std::uint64_t total = 0;
  for (const auto& entry : entries) total += entry.bytes;
  const auto oldest_in_use = fs::file_time_type::clock::now() - in_use;
  std::error_code ignored;
  for (const auto& entry : entries) {
    if (total <= most || entry.used > oldest_in_use) return;
    fs::remove_all(entry.folder, ignored);
    total -= entry.bytes;
  }
}

void RunCache::remove_unfinished() const {
  std::error_code failed;
  const std::string ending = draft_name("");
  for (const char* kind : {"files", "programs"})
    for (fs::directory_iterator entry(folder_ + "/" + kind, failed), end; !failed && entry != end;
         entry.increment(failed))
      if (entry->path().string().ends_with(ending)) fs::remove_all(entry->path(), failed);
}

}  // namespace punster
