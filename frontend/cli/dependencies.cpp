#include "frontend/cli/dependencies.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "frontend/cli/loader_list.h"
#include "frontend/cli/named_files.h"
#include "frontend/cli/output_guard.h"
#include "frontend/image/dynamic_table.h"
#include "frontend/image/mapped_file.h"

namespace punster {
namespace {

namespace fs = std::filesystem;

/// Names that bring names: a library found by name may name others. More rounds were never needed.
constexpr int most_rounds = 8;
/// What exec takes as one word is 128 KiB.
constexpr std::size_t most_names = 2000;

std::string real_path(const std::string& path) {
  std::error_code failed;
  const fs::path real = fs::canonical(path, failed);
  return failed ? path : real.string();
}

bool is_library_file(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".so") || name.find(".so.") != std::string::npos;
}

/// A library, or a folder with libraries in it that is not one where ld.so looks anyway. The
/// interpreter, which /usr/bin has a link to, is none.
bool holds_libraries(const std::string& path, const Dependencies& known) {
  std::error_code failed;
  const auto is_library = [&](const fs::path& file) {
    return is_library_file(file) && !same_file(file.string(), known.interpreter);
  };
  if (fs::is_regular_file(path, failed)) return is_library(path);
  if (!fs::is_directory(path, failed)) return false;
  for (const auto& library : known.libraries)
    if (same_file(fs::path(library.source).parent_path().string(), path)) return false;
  for (fs::directory_iterator entry(path, failed), end; !failed && entry != end;
       entry.increment(failed))
    if (is_library(entry->path())) return true;
  return false;
}

class Search {
 public:
  explicit Search(Dependencies& result) : result_(result) {}

  Result<void> run() {
    PUNSTER_TRY(read_names(result_.program));
    if (result_.interpreter.empty()) return success();
    for (int round = 0; round < most_rounds; ++round) {
      PUNSTER_TRY(const bool more, ask(round == 0));
      if (!more) break;
    }
    for (const auto& path : found_.paths)
      if (holds_libraries(path, result_)) result_.by_path.push_back(path);
    std::ranges::sort(result_.by_path);
    const auto doubled = std::ranges::unique(result_.by_path);
    result_.by_path.erase(doubled.begin(), doubled.end());
    return success();
  }

 private:
  /// Whether a library came in that was not known.
  Result<bool> ask(bool only_needed) {
    LoaderQuery query{result_.interpreter, result_.program, {}, {}};
    if (!only_needed)
      for (const auto& name : found_.names)
        if (query.also.size() < most_names && !seen_.contains(name)) query.also.push_back(name);
    PUNSTER_TRY(const auto libraries, ask_loader(query));
    bool more = only_needed;
    for (const LoadedLibrary& library : libraries) {
      if (!library.path) {
        if (only_needed) result_.missing.push_back(library.name);
        continue;
      }
      if (!take(library)) continue;
      more = true;
      PUNSTER_TRY(read_names(*library.path));
    }
    return more;
  }

  bool take(const LoadedLibrary& library) {
    const std::string source = real_path(*library.path);
    if (library.name.find('/') != std::string::npos) {
      // Needed by its path, which only another path could change; or LD_PRELOAD's.
      const auto known = std::ranges::find(result_.libraries, source, &Library::source);
      if (known == result_.libraries.end()) result_.by_path.push_back(library.name);
      return false;
    }
    if (!seen_.emplace(library.name, source).second) return false;
    result_.libraries.push_back({library.name, source});
    return true;
  }

  Result<void> read_names(const std::string& path) {
    PUNSTER_TRY(const auto file, MappedFile::open(path));
    const ByteView bytes(file->bytes());
    const auto tables = ElfTables::read(bytes, path);
    if (tables.has_error()) return success();  // said when it is to be rewritten
    for (const auto& load : tables.value().programs)
      if (load.p_type == PT_LOAD && (load.p_flags & PF_X) == 0)
        find_named_files(bytes.part(load.p_offset, load.p_filesz), found_);
    return success();
  }

  Dependencies& result_;
  NamedFiles found_;
  std::map<std::string, std::string> seen_;
};

Error not_a_program(const std::string& input, const std::string& what) {
  return error("not_a_program", input + ": " + what);
}

/// The path in PT_INTERP; empty when there is none.
Result<std::string> interpreter_of(const std::string& input, ByteView bytes) {
  if (const auto first = bytes.part(0, 2).bytes();
      first.size() == 2 && first[0] == '#' && first[1] == '!')
    return not_a_program(input, "is a script (name its interpreter: INTERPRETER " + input + ")");
  PUNSTER_TRY(const auto tables, ElfTables::read(bytes, input));
  const Elf64_Phdr* header = tables.program(PT_INTERP);
  if (header == nullptr) {
    const auto flags = DynamicTable::read(bytes, tables).get_or_zero(DT_FLAGS_1);
    if (tables.header.e_type == ET_DYN && (flags & DF_1_PIE) == 0)
      return not_a_program(input, "is a library (name a program that uses it)");
    return std::string();
  }
  const std::string path(bytes.text(header->p_offset));
  const std::string name = fs::path(path).filename().string();
  if (!path.starts_with('/') || !(name.starts_with("ld-linux") || name.starts_with("ld-musl")))
    return error("no_interpreter",
                 input + ": its interpreter '" + path +
                     "' is none that is known to list libraries (ld-linux, ld-musl)");
  return path;
}

}  // namespace

Result<Dependencies> find_dependencies(const std::string& input) {
  Dependencies result;
  result.program = real_path(input);
  PUNSTER_TRY(const auto file, MappedFile::open(result.program));
  PUNSTER_TRY(result.interpreter, interpreter_of(input, ByteView(file->bytes())));
  struct stat status {};
  result.set_id =
      ::stat(result.program.c_str(), &status) == 0 && (status.st_mode & (S_ISUID | S_ISGID)) != 0;
  PUNSTER_TRY(Search(result).run());
  return result;
}

Result<std::string> find_program(const std::string& word) {
  if (word.find('/') != std::string::npos) return word;
  const char* variable = std::getenv("PATH");
  const std::string places = variable != nullptr ? variable : "/usr/bin:/bin";
  for (std::size_t begin = 0; begin <= places.size();) {
    const auto end = std::min(places.find(':', begin), places.size());
    const std::string folder = places.substr(begin, end - begin);
    const std::string path = (folder.empty() ? "." : folder) + "/" + word;
    std::error_code failed;
    if (fs::is_regular_file(path, failed) && ::access(path.c_str(), X_OK) == 0) return path;
    begin = end + 1;
  }
  return error("unreadable", word + ": no such program in PATH");
}

}  // namespace punster
