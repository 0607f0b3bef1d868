#include "frontend/cli/file_draft.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "frontend/cli/interruption.h"

namespace punster {

namespace fs = std::filesystem;

namespace {

Error system_error(const std::string& path, int code) {
  return error(code == ENOSPC || code == EDQUOT ? "disk_full" : "unwritable",
               path + ": " + std::strerror(code));
}

/// The draft itself, or what the backend calls its drafts of it; never that of process 123 for 12.
bool is_draft(const std::string& name, const std::string& draft) {
  const std::size_t at = name.find(draft);
  if (at == std::string::npos) return false;
  const std::size_t end = at + draft.size();
  return end == name.size() || name[end] < '0' || name[end] > '9';
}

template <typename Make>
Result<void> made(const std::string& path, const Make& make) {
  const Uninterrupted step;
  std::error_code failed;
  make(fs::path(path), failed);
  if (failed) return error("unwritable", path + ": " + failed.message());
  return success();
}

}  // namespace

std::string draft_name(const std::string& path) {
  return path + ".draft-" + std::to_string(::getpid());
}

void remove_drafts(const std::string& path) {
  const fs::path draft = draft_name(path);
  const fs::path directory = draft.has_parent_path() ? draft.parent_path() : fs::path(".");
  std::error_code ignored;
  std::vector<fs::path> found;
  for (fs::directory_iterator entry(directory, ignored), end; entry != end;
       entry.increment(ignored)) {
    const std::string name = entry->path().filename().string();
    if (is_draft(name, draft.filename().string())) found.push_back(entry->path());
    if (ignored) break;
  }
  for (const fs::path& path_of_draft : found) ::unlink(path_of_draft.c_str());
}

Result<void> keep_draft(const std::string& path) {
  const Uninterrupted step;
  if (::rename(draft_name(path).c_str(), path.c_str()) != 0) return system_error(path, errno);
  return success();
}

FileDraft::FileDraft(std::string path, bool direct, std::FILE* file)
    : path_(std::move(path)), direct_(direct), file_(file) {}

FileDraft::FileDraft(FileDraft&& other) noexcept
    : path_(std::move(other.path_)),
      direct_(other.direct_),
      file_(std::exchange(other.file_, nullptr)),
      failure_(other.failure_) {}

Result<FileDraft> FileDraft::open(const std::string& path) {
  const Uninterrupted step;
  std::error_code ignored;
  const bool direct = fs::exists(path, ignored) && !fs::is_regular_file(path, ignored);
  std::FILE* file = std::fopen(direct ? path.c_str() : draft_name(path).c_str(), "we");
  if (file == nullptr) return system_error(path, errno);
  return FileDraft(path, direct, file);
}

FileDraft::~FileDraft() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  if (!direct_) ::unlink(draft_name(path_).c_str());
}

void FileDraft::write(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), file_) != text.size() && failure_ == 0)
    failure_ = errno;
}

Result<void> FileDraft::keep() {
  if (std::fclose(std::exchange(file_, nullptr)) != 0 && failure_ == 0) failure_ = errno;
  if (failure_ != 0) {
    if (!direct_) ::unlink(draft_name(path_).c_str());
    return system_error(path_, failure_);
  }
  if (direct_) return success();
  return keep_draft(path_);
}

Result<void> write_file(const std::string& path, std::string_view text) {
  PUNSTER_TRY(auto file, FileDraft::open(path));
  file.write(text);
  return file.keep();
}

Result<void> make_folder(const std::string& path) {
  return made(path,
              [](const auto& folder, auto& failed) { fs::create_directories(folder, failed); });
}

Result<void> make_link(const std::string& target, const std::string& link) {
  return made(link, [&](const auto& at, auto& failed) { fs::create_symlink(target, at, failed); });
}

Result<void> make_hard_link(const std::string& file, const std::string& link) {
  return made(link, [&](const auto& at, auto& failed) { fs::create_hard_link(file, at, failed); });
}

}  // namespace punster
