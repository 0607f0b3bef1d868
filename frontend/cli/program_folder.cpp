#include "frontend/cli/program_folder.h"

#include <filesystem>
#include <map>

#include "frontend/cli/file_draft.h"
#include "frontend/cli/loader_list.h"
#include "frontend/cli/output_guard.h"

namespace punster {
namespace {

namespace fs = std::filesystem;

std::string file_name(const std::string& path) {
  return fs::path(path).filename().string();
}

class Filling {
 public:
  Filling(const Dependencies& dependencies, const std::string& folder, const MakePart& make)
      : dependencies_(dependencies),
        folder_(folder),
        libraries_(folder_ / library_folder),
        make_(make) {
    result_.by_path = dependencies.by_path;
    result_.missing = dependencies.missing;
    result_.set_id = dependencies.set_id;
  }

  Result<ProgramFolder> fill(const std::function<bool(const std::string&)>& is_wanted) {
    PUNSTER_TRY(add_program());
    PUNSTER_TRY(make_folder(libraries_.string()));
    for (const Library& library : dependencies_.libraries)
      if (is_wanted(library.name)) {
        PUNSTER_TRY(add(library));
      } else {
        leave(library, "not asked for");
      }
    if (!dependencies_.interpreter.empty()) {
      PUNSTER_TRY(settle());
    }
    std::error_code failed;
    result_.has_libraries = !fs::is_empty(libraries_, failed);
    if (!result_.has_libraries) fs::remove(libraries_, failed);
    return std::move(result_);
  }

 private:
  Result<void> add_program() {
    const std::string name = file_name(dependencies_.program);
    PUNSTER_TRY(ProgramPart part, make_(dependencies_.program, (folder_ / name).string(), true));
    part.output = name;
    std::error_code failed;  // with these bits, ld.so would not look into our folder
    fs::permissions(folder_ / name, fs::perms::set_uid | fs::perms::set_gid,
                    fs::perm_options::remove, failed);
    if (failed) return error("unwritable", (folder_ / name).string() + ": " + failed.message());
    keep(std::move(part), name, dependencies_.program);
    return success();
  }

  Result<void> add(const Library& library) {
    if (const auto known = file_of_.find(library.source); known != file_of_.end()) {
      if (known->second.empty()) return success();
      return make_link(known->second, (libraries_ / library.name).string());
    }
    std::string file = file_name(library.source);
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(libraries_ / file, ignored))) file = library.name;
    PUNSTER_TRY(ProgramPart part, make_(library.source, (libraries_ / file).string(), false));
    const bool there = part.rewritten;
    if (there) part.output = std::string(library_folder) + "/" + file;
    file_of_[library.source] = there ? file : "";
    keep(std::move(part), library.name, library.source);
    if (there && file != library.name) return make_link(file, (libraries_ / library.name).string());
    return success();
  }

  void leave(const Library& library, const char* reason) {
    ProgramPart part;
    part.reason = reason;
    keep(std::move(part), library.name, library.source);
  }

  void keep(ProgramPart part, const std::string& name, const std::string& source) {
    part.name = name;
    part.source = source;
    result_.parts.push_back(std::move(part));
  }

  Result<std::map<std::string, std::string>> found() const {
    LoaderQuery query{dependencies_.interpreter,
                      (folder_ / result_.parts.front().name).string(),
                      {},
                      libraries_.string()};
    for (const auto& library : dependencies_.libraries) query.also.push_back(library.name);
    PUNSTER_TRY(const auto libraries, ask_loader(query));
    std::map<std::string, std::string> places;
    for (const auto& library : libraries)
      if (library.path) places.emplace(library.name, *library.path);
    return places;
  }

  /// ld.so has the last word on what it will load. What is not rewritten and is found no more gets
  /// a link; what is rewritten and is not what ld.so finds is named.
  Result<void> settle() {
    PUNSTER_TRY(const auto before, found());
    bool linked = false;
    for (const auto& part : result_.parts) {
      if (part.rewritten || &part == &result_.parts.front()) continue;
      const auto place = before.find(part.name);
      if (place != before.end() && same_file(place->second, part.source)) continue;
      PUNSTER_TRY(make_link(part.source, (libraries_ / part.name).string()));
      linked = true;
    }
    auto now = before;
    if (linked) {
      PUNSTER_TRY(now, found());
    }
    for (const auto& part : result_.parts) {
      if (!part.rewritten || &part == &result_.parts.front()) continue;
      const auto place = now.find(part.name);
      if (place == now.end() || !same_file(place->second, (folder_ / part.output).string()))
        result_.elsewhere.push_back(part.name + ": " +
                                    (place == now.end() ? "not found" : place->second));
    }
    return success();
  }

  const Dependencies& dependencies_;
  const fs::path folder_, libraries_;
  const MakePart& make_;
  ProgramFolder result_;
  std::map<std::string, std::string> file_of_;  // by source; empty: not rewritten
};

Json to_json(const ProgramPart& part) {
  return {{"name", part.name},           {"source", part.source},    {"output", part.output},
          {"rewritten", part.rewritten}, {"refused", part.refused},  {"reason", part.reason},
          {"sites", part.sites},         {"patched", part.patched},  {"trapped", part.trapped},
          {"failed", part.failed},       {"mappings", part.mappings}};
}

}  // namespace

Result<ProgramFolder> fill_folder(const Dependencies& dependencies, const std::string& folder,
                                  const std::function<bool(const std::string&)>& is_wanted,
                                  const MakePart& make) {
  return Filling(dependencies, folder, make).fill(is_wanted);
}

ProgramPart part_of(const RunReport& report) {
  ProgramPart part;
  const Statistics& s = report.backend;
  part.rewritten = report.status == "ok" || report.status == "partial";
  if (report.error) {
    part.refused = report.error->kind != "no_match";
    part.reason = part.refused ? report.error->message : "no instruction matches";
    // The name stands beside it already.
    if (const auto name = report.input + ": "; part.reason.starts_with(name))
      part.reason.erase(0, name.size());
  }
  if (!part.rewritten) return part;
  part.sites = s.sites;
  part.patched = s.patched;
  part.trapped = s.trapped;
  part.failed = s.failed;
  part.mappings = s.mappings;
  return part;
}

Json to_json(const ProgramFolder& folder) {
  Json parts = Json::array();
  for (const auto& part : folder.parts) parts.push_back(to_json(part));
  return {{"files", parts},
          {"by_path", folder.by_path},
          {"missing", folder.missing},
          {"elsewhere", folder.elsewhere},
          {"set_id", folder.set_id}};
}

}  // namespace punster
