#include "frontend/cli/start_prediction.h"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "frontend/cli/loader_list.h"
#include "frontend/cli/record_printer.h"
#include "frontend/image/dynamic_table.h"
#include "frontend/image/mapped_file.h"
#include "frontend/verify/patched_image.h"
#include "protocol/hex.h"

namespace punster {
namespace {

using Verdict = Prediction::Verdict;

constexpr std::uint64_t page = 4096;
/// Linux before 6.17 reads the table of program headers into one page.
constexpr unsigned headers_in_a_page = page / sizeof(Elf64_Phdr);
/// Measured with glibc 2.36 by dlopen on threads with ever smaller stacks: 69 headers do with 16
/// KiB, 209 need 32, 1,009 need 128: each stands there twice, as a header and as a load command.
constexpr std::uint64_t stack_of_dlopen = 8 << 10, stack_per_header = 2 * sizeof(Elf64_Phdr);
/// The first pages of the stack, and the vdso.
constexpr std::uint64_t space_of_every_process = 160 << 10;

std::uint64_t ceil_page(std::uint64_t n) {
  return (n + page - 1) / page * page;
}

struct Extent {
  std::uint64_t lo = ~0ull, hi = 0, headers = 0, bytes = 0;
  [[nodiscard]] std::uint64_t span() const { return lo < hi ? hi - lo : 0; }
};

Extent extent_of(const ElfTables& tables) {
  Extent extent;
  for (const auto& p : tables.programs)
    if (p.p_type == PT_LOAD) {
      extent.lo = std::min<std::uint64_t>(extent.lo, p.p_vaddr / page * page);
      extent.hi = std::max(extent.hi, ceil_page(p.p_vaddr + p.p_memsz));
      extent.bytes += ceil_page(p.p_vaddr + p.p_memsz) - p.p_vaddr / page * page;
      ++extent.headers;
    }
  return extent;
}

/// What one file brings into a process.
struct Burden {
  std::uint64_t at_once =
      0;  // address space while it is being mapped: all from its lowest address on
  std::uint64_t stays = 0;  // thereafter
  std::uint64_t mappings = 0;
};

/// `by_kernel`: the kernel gives gaps between segments back at once; ld.so keeps them reserved.
Result<Burden> burden_of(const std::string& path, bool by_kernel) {
  PUNSTER_TRY(const auto file, MappedFile::open(path));
  PUNSTER_TRY(const auto tables, ElfTables::read(ByteView(file->bytes()), path));
  const Extent extent = extent_of(tables);
  Burden burden{extent.span(), by_kernel ? extent.bytes : extent.span(), 2 * extent.headers};
  PUNSTER_TRY(const auto patched, PatchedImage::open(path));
  if (patched.header() == nullptr || patched.header_mapped()) return burden;
  const bool reserved = (patched.header()->flags & PUNSTER_FLAG_SHARED_OBJECT) != 0;
  for (const auto& mapping : patched.mappings()) {
    burden.mappings += 2;
    if (!reserved && mapping.kind != PUNSTER_OVERLAY) burden.stays += mapping.pages * page;
  }
  return burden;
}

std::string in_kib(std::uint64_t bytes) {
  return grouped((bytes + 1023) / 1024) + " KiB";
}
std::string in_mib(std::uint64_t bytes) {
  return grouped((bytes + (1 << 20) - 1) >> 20) + " MiB";
}

class Prophet {
 public:
  Prophet(std::string path, const StartConditions& conditions)
      : path_(std::move(path)), conditions_(conditions) {}

  Result<std::vector<Prediction>> run() {
    PUNSTER_TRY(const auto file, MappedFile::open(path_));
    const ByteView bytes(file->bytes());
    const auto tables = ElfTables::read(bytes, path_);
    if (tables.has_error()) {
      add(Verdict::refused, "file", "damaged", "", tables.error().message);
      return std::move(predictions_);
    }
    tables_ = &tables.value();
    find_interpreter(bytes);
    headers();
    segments();
    if (is_program_) {
      permission();
      PUNSTER_TRY(libraries());
    } else {
      stack();
    }
    PUNSTER_TRY(memory());
    return std::move(predictions_);
  }

 private:
  void add(Verdict verdict, std::string what, std::string value, std::string limit,
           std::string text = "") {
    predictions_.push_back(
        {verdict, std::move(what), std::move(value), std::move(limit), std::move(text)});
  }

  void find_interpreter(ByteView bytes) {
    const auto dynamic = DynamicTable::read(bytes, *tables_);
    const auto* interpreter = tables_->program(PT_INTERP);
    if (interpreter != nullptr) interpreter_ = bytes.text(interpreter->p_offset);
    const bool pie = (dynamic.get_or_zero(DT_FLAGS_1) & DF_1_PIE) != 0;
    // libc.so.6 has an interpreter and can be started, but is a library.
    is_program_ = tables_->header.e_type == ET_EXEC || pie ||
                  (interpreter != nullptr && dynamic.soname.empty());
  }

  void headers() {
    const unsigned count = tables_->header.e_phnum;
    const bool by_kernel = is_program_ || !interpreter_.empty();
    if (!by_kernel || count <= headers_in_a_page)
      return add(Verdict::fine, "program headers", std::to_string(count),
                 by_kernel ? std::to_string(headers_in_a_page) : "");
    const bool new_enough = conditions_.kernel_major > 6 ||
                            (conditions_.kernel_major == 6 && conditions_.kernel_minor >= 17);
    add(new_enough ? Verdict::warning : Verdict::refused, "program headers", std::to_string(count),
        std::to_string(headers_in_a_page),
        "Linux before 6.17 takes no more: \"Exec format error\" (punster patch --max-headers " +
            std::to_string(headers_in_a_page) + ", or --layout=loader)");
  }

  void segments() {
    std::string fault, doubt;
    for (const auto& p : tables_->programs) {
      const std::string where = " at " + to_hex(Vaddr{p.p_vaddr});
      if (p.p_type == PT_GNU_STACK && (p.p_flags & PF_X) != 0)
        doubt = "wants an executable stack, which dlopen refuses since glibc 2.41";
      if (p.p_type != PT_LOAD) continue;
      if (p.p_align % page != 0)
        doubt = "the alignment of the segment" + where +
                " is not a page's, which ld.so before glibc 2.35 refuses";
      if (!is_position_independent() && p.p_vaddr < conditions_.lowest_address)
        fault = "the kernel maps nothing below vm.mmap_min_addr, where a segment is (" +
                to_hex(Vaddr{p.p_vaddr}) + ")";
      if ((p.p_flags & PF_W) != 0 && (p.p_flags & PF_X) != 0)
        doubt = "the segment" + where + " is writable and executable, which SELinux may refuse";
    }
    const auto count = extent_of(*tables_).headers;
    if (count == 0) fault = "it has no segment to load";
    add(!fault.empty()   ? Verdict::refused
        : !doubt.empty() ? Verdict::warning
                         : Verdict::fine,
        "segments", std::to_string(count), "", !fault.empty() ? fault : doubt);
  }
  [[nodiscard]] bool is_position_independent() const { return tables_->header.e_type == ET_DYN; }

  void permission() {
    struct statvfs place {};
    if (::access(path_.c_str(), X_OK) != 0)
      return add(Verdict::refused, "permission", "not executable", "",
                 "the kernel: permission denied (chmod +x)");
    if (::statvfs(path_.c_str(), &place) == 0 && (place.f_flag & ST_NOEXEC) != 0)
      return add(Verdict::refused, "permission", "noexec", "",
                 "its file system is mounted noexec (copy it to another)");
    add(Verdict::fine, "permission", "executable", "");
  }

  Result<void> libraries() {
    if (interpreter_.empty()) return success();
    if (::access(interpreter_.c_str(), X_OK) != 0) {
      add(Verdict::refused, "interpreter", interpreter_, "",
          "the kernel: no such file or directory (the interpreter is missing, not the program)");
      return success();
    }
    add(Verdict::fine, "interpreter", interpreter_, "");
    files_.push_back(interpreter_);
    PUNSTER_TRY(const auto loaded, ask_loader({interpreter_, path_, {}, {}}));
    std::string missing;
    for (const auto& library : loaded) {
      if (library.path) files_.push_back(*library.path);
      if (!library.path) missing += (missing.empty() ? "" : ", ") + library.name;
    }
    const std::string count = std::to_string(loaded.size());
    if (missing.empty()) {
      add(Verdict::fine, "libraries", count, "");
    } else {
      add(Verdict::refused, "libraries", count, "",
          "ld.so does not find " + missing + " (LD_LIBRARY_PATH)");
    }
    return success();
  }

  void stack() {
    const auto needed = stack_of_dlopen + stack_per_header * tables_->header.e_phnum;
    const bool fits = needed <= conditions_.stack;
    add(fits ? Verdict::fine : Verdict::refused, "stack of dlopen", in_kib(needed),
        in_kib(conditions_.stack),
        fits
            ? ""
            : "ld.so keeps program headers on the stack of the thread that calls dlopen, and would "
              "overflow it (larger stacks, or fewer headers: punster patch --max-headers)");
  }

  Result<void> memory() {
    files_.insert(files_.begin(), path_);
    std::uint64_t stays = is_program_ ? space_of_every_process : 0, needed = 0, mappings = 0;
    for (const auto& file : files_) {
      const bool by_kernel = is_program_ && (file == path_ || file == interpreter_);
      PUNSTER_TRY(const auto one, burden_of(file, by_kernel));
      needed = std::max(needed, stays + one.at_once);
      stays += one.stays;
      mappings += one.mappings;
    }
    needed = std::max(needed, stays);
    const auto& most = conditions_.address_space;
    const bool fits = !most || needed <= *most;
    add(fits ? Verdict::fine : Verdict::refused, "address space", in_mib(needed),
        most ? in_mib(*most) : "",
        fits ? ""
             : "beyond RLIMIT_AS (ulimit -v): \"cannot allocate memory\", or the process is killed "
               "at "
               "its start (raise the limit; punster patch --raise=never)");
    add(mappings < conditions_.most_mappings ? Verdict::fine : Verdict::refused, "mappings",
        "at most " + grouped(mappings), grouped(conditions_.most_mappings),
        mappings < conditions_.most_mappings ? "" : "more than vm.max_map_count");
    return success();
  }

  const std::string path_;
  const StartConditions& conditions_;
  const ElfTables* tables_ = nullptr;
  std::string interpreter_;
  bool is_program_ = false;
  std::vector<std::string> files_;
  std::vector<Prediction> predictions_;
};

std::uint64_t number_in(const char* path, std::uint64_t otherwise) {
  std::ifstream file(path);
  std::uint64_t value = 0;
  return file >> value ? value : otherwise;
}

}  // namespace

const char* to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::fine:
      return "fine";
    case Verdict::warning:
      return "warning";
    case Verdict::refused:
      break;
  }
  return "refused";
}

StartConditions StartConditions::of_this_machine() {
  StartConditions here;
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    here.address_space = limit.rlim_cur;
  utsname names{};
  if (::uname(&names) == 0)
    (void)std::sscanf(names.release, "%u.%u", &here.kernel_major, &here.kernel_minor);
  here.most_mappings = number_in("/proc/sys/vm/max_map_count", here.most_mappings);
  here.lowest_address = number_in("/proc/sys/vm/mmap_min_addr", here.lowest_address);
  return here;
}

Result<std::vector<Prediction>> predict_start(const std::string& path,
                                              const StartConditions& conditions) {
  return Prophet(path, conditions).run();
}

}  // namespace punster
