#include "frontend/cli/output_guard.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

#include "frontend/cli/file_draft.h"
#include "frontend/cli/interruption.h"

namespace punster {

namespace fs = std::filesystem;

namespace {

struct NamedPath {
  const char* name;
  std::string path;
};

/// Files that do not exist yet are the same when they will stand in the same place.
bool same_place(const std::string& a, const std::string& b) {
  return same_file(a, b) || absolute_path(a) == absolute_path(b);
}

Result<void> check_place(const NamedPath& file) {
  struct stat status {};
  const bool exists = ::stat(file.path.c_str(), &status) == 0;
  if (exists && S_ISDIR(status.st_mode))
    return error("unwritable",
                 file.path + ": is a directory (" + file.name + " needs a file name)");
  const fs::path directory = fs::path(absolute_path(file.path)).parent_path();
  if (exists && !S_ISREG(status.st_mode)) return success();
  if (::access(directory.c_str(), W_OK | X_OK) != 0)
    return error("unwritable", file.path + ": cannot be written in " + directory.string() + ": " +
                                   std::strerror(errno) + " (choose another " + file.name + ")");
  return success();
}

}  // namespace

bool same_file(const std::string& a, const std::string& b) {
  struct stat of_a {
  }, of_b{};
  return ::stat(a.c_str(), &of_a) == 0 && ::stat(b.c_str(), &of_b) == 0 &&
         of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino;
}

bool statistics_are_safe(const PatchOptions& options) {
  return !same_place(*options.stats, options.input) && !same_place(*options.stats, options.output);
}

std::string absolute_path(const std::string& path) {
  std::error_code failed;
  const fs::path absolute = fs::absolute(path, failed);
  return failed ? path : absolute.lexically_normal().string();
}

Result<void> check_outputs(const PatchOptions& options) {
  std::vector<NamedPath> files{{"--output", options.output}};
  if (options.stats) files.push_back({"--stats", *options.stats});
  if (options.sites) files.push_back({"--sites", *options.sites});
  if (options.counters) files.push_back({"--counters", *options.counters});
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (same_place(files[i].path, options.input))
      return error("same_file",
                   files[i].path + ": is the input itself (choose another " + files[i].name + ")");
    for (std::size_t j = 0; j < i; ++j)
      if (same_place(files[i].path, files[j].path) && fs::path(files[i].path) != "/dev/stdout" &&
          fs::path(files[i].path) != "/dev/null")
        return error("same_file", files[i].path + ": named twice (" + files[j].name + " and " +
                                      files[i].name + ")");
    PUNSTER_TRY(check_place(files[i]));
  }
  std::error_code ignored;
  if (fs::exists(options.output, ignored) && !fs::is_regular_file(options.output, ignored))
    return error("unwritable",
                 options.output + ": is not a regular file (choose another --output)");
  return success();
}

Result<void> copy_unchanged(const std::string& input, const std::string& output) {
  const Uninterrupted step;
  std::error_code failed;
  fs::copy_file(input, draft_name(output), fs::copy_options::overwrite_existing, failed);
  if (failed) {
    remove_drafts(output);
    return error(failed == std::errc::no_space_on_device ? "disk_full" : "unwritable",
                 output + ": " + failed.message());
  }
  return keep_draft(output);
}

}  // namespace punster
