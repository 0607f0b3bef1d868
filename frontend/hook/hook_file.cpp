// A hook file is a position-independent executable without interpreter: gcc and ld make one with
// -nostdlib -static-pie. All that is left to do when it is loaded is to add its address to the
// words that hold addresses, which it does by itself (support.c). Whatever else a linker may leave
// for later has nobody to do it, and is refused here, where there is somebody to read why.

#include "frontend/hook/hook_file.h"

#include <cxxabi.h>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "frontend/hook/hook_code.h"
#include "frontend/image/elf_tables.h"
#include "frontend/image/mapped_file.h"
#include "protocol/hex.h"

namespace punster {
namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t most_memory = 64u << 20;

std::uint64_t page_up(std::uint64_t address) {
  return (address + page - 1) & ~(page - 1);
}

/// "f(long*, char)" of a mangled name, or nothing.
std::optional<std::string> demangled(const char* name) {
  int status = 0;
  char* text = abi::__cxa_demangle(name, nullptr, nullptr, &status);
  if (status != 0 || text == nullptr) return std::nullopt;
  std::string result(text);
  std::free(text);
  return result;
}

/// The parts between commas outside of brackets; none of "".
std::vector<std::string> parameters_in(std::string_view list) {
  std::vector<std::string> parts;
  int depth = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= list.size(); ++i) {
    const char c = i < list.size() ? list[i] : ',';
    if (c == '(' || c == '<') ++depth;
    if (c == ')' || c == '>') --depth;
    if (c != ',' || depth > 0) continue;
    while (begin < i && list[begin] == ' ') ++begin;
    if (begin < i) parts.emplace_back(list.substr(begin, i - begin));
    begin = i + 1;
  }
  return parts;
}

HookFunction function_of(const std::string& symbol, Vaddr address) {
  const auto whole = symbol.starts_with("_Z") ? demangled(symbol.c_str()) : std::nullopt;
  const auto open = whole ? whole->find('(') : std::string::npos;
  if (open == std::string::npos) return {symbol, std::nullopt, address};
  const auto close = whole->rfind(')');
  return {whole->substr(0, open), parameters_in(whole->substr(open + 1, close - open - 1)),
          address};
}

}  // namespace

std::string HookFunction::described() const {
  if (!parameters) return name;
  std::string text = name + "(";
  for (const auto& parameter : *parameters) text += (text.back() == '(' ? "" : ", ") + parameter;
  return text + ")";
}

/// Reads one file; every check is a member, in the order in which open() asks.
class HookReader {
 public:
  HookReader(ByteView file, std::string path, ElfTables tables)
      : file_(file), tables_(std::move(tables)) {
    hook_.path_ = std::move(path);
  }

  Result<std::shared_ptr<const HookFile>> run() {
    if (tables_.program(PT_INTERP) != nullptr || tables_.header.e_type != ET_DYN)
      return refused("is an ordinary program, not what `punster cc` makes");
    PUNSTER_TRY(read_dynamic());
    PUNSTER_TRY(read_symbols());
    if (tables_.program(PT_TLS) != nullptr)
      return refused("has thread-local variables" + (tls_.empty() ? "" : " (" + tls_ + ")") +
                     ", which a hook cannot have: threads were started without them");
    PUNSTER_TRY(check_relocations());
    PUNSTER_TRY(read_chunks());
    look_at_code();
    if (code_.vector_use && !hook_.vector_call_)
      return refused("uses vector or floating-point registers, in `" + name_at(*code_.vector_use) +
                     "`, which nobody saves for it (compile it with punster cc --vector)");
    hook_.uses_direction_flag_ = code_.string_instructions;
    return std::shared_ptr<const HookFile>(std::make_shared<HookFile>(std::move(hook_)));
  }

 private:
  struct Code {
    Vaddr address;
    std::string name;
  };

  [[nodiscard]] Error refused(const std::string& what) const {
    return error("bad_hook", hook_.path_ + ": " + what);
  }

  Result<void> read_dynamic() {
    const Elf64_Phdr* dynamic = tables_.program(PT_DYNAMIC);
    if (dynamic == nullptr) return success();
    const ByteView table = file_.part(dynamic->p_offset, dynamic->p_filesz);
    std::uint64_t names = 0, needed = 0;
    bool needs = false;
    for (std::uint64_t at = 0;; at += sizeof(Elf64_Dyn)) {
      const auto entry = table.read<Elf64_Dyn>(at);
      if (!entry || entry->d_tag == DT_NULL) break;
      const std::uint64_t value = entry->d_un.d_val;
      if (entry->d_tag == DT_STRTAB) names = value;
      if (entry->d_tag == DT_NEEDED) {
        needs = true;
        needed = value;
      }
      if (entry->d_tag == DT_RELA) relocations_ = value;
      if (entry->d_tag == DT_RELASZ) relocations_size_ = value;
      if (entry->d_tag == DT_JMPREL) late_ = value;
      if (entry->d_tag == DT_PLTRELSZ) late_size_ = value;
      if (entry->d_tag == DT_TEXTREL) return refused("has relocations in its code");
      if (entry->d_tag == DT_RELR || entry->d_tag == DT_REL)
        return refused("has relocations of a kind that `punster cc` does not make");
    }
    if (needs)
      return refused("needs the library " + std::string(tables_.from(file_, names).text(needed)) +
                     ", and hooks have none (make it with `punster cc`)");
    return success();
  }

  Result<void> read_symbols() {
    const auto found =
        std::find_if(tables_.sections.begin(), tables_.sections.end(),
                     [](const Elf64_Shdr& section) { return section.sh_type == SHT_SYMTAB; });
    if (found == tables_.sections.end() || found->sh_link >= tables_.sections.size())
      return refused("has no symbols (was it stripped?)");
    const ByteView table = ElfTables::contents(file_, *found);
    const ByteView names = ElfTables::contents(file_, tables_.sections[found->sh_link]);
    for (std::uint64_t at = sizeof(Elf64_Sym); const auto symbol = table.read<Elf64_Sym>(at);
         at += sizeof(Elf64_Sym)) {
      const std::string name(names.text(symbol->st_name));
      PUNSTER_TRY(take_symbol(*symbol, name));
    }
    if (!marked_) return refused("was not made by `punster cc`");
    std::sort(code_symbols_.begin(), code_symbols_.end(),
              [](const Code& a, const Code& b) { return a.address < b.address; });
    return success();
  }

  Result<void> take_symbol(const Elf64_Sym& symbol, const std::string& name) {
    const auto type = ELF64_ST_TYPE(symbol.st_info);
    const bool strong = ELF64_ST_BIND(symbol.st_info) == STB_GLOBAL;
    if (name.empty()) return success();
    if (symbol.st_shndx == SHN_UNDEF) {
      if (strong) return refused("`" + name + "` is not defined");
      return success();
    }
    if (type == STT_GNU_IFUNC)
      return refused("`" + name + "` is chosen when the file is loaded (IFUNC), and nobody does");
    if (type == STT_TLS) tls_ = name;
    if (symbol.st_shndx >= tables_.sections.size()) return success();
    const bool code = (tables_.sections[symbol.st_shndx].sh_flags & SHF_EXECINSTR) != 0;
    if (code && type != STT_SECTION) code_symbols_.push_back({Vaddr{symbol.st_value}, name});
    if (type == STT_OBJECT) hook_.variables_.push_back(name);
    if (!code || (type != STT_FUNC && type != STT_NOTYPE)) return success();
    const Vaddr address{symbol.st_value};
    if (name == "punster_hook_start") marked_ = start_ = address;
    if (name == "punster_hook_end") end_ = address;
    if (name == "punster_hook_vector_call") hook_.vector_call_ = address;
    if (name.starts_with("punster_hook_") || name.find('.') != std::string::npos) return success();
    HookFunction function = function_of(name, address);
    if (function.name == "init" || function.name == "fini") {
      if (function.parameters)
        return refused("`" + function.described() +
                       "` is a C++ function: declare it extern \"C\" to have it called");
      (function.name == "init" ? has_init_ : hook_.needs_end_) = true;
    }
    hook_.functions_.push_back(std::move(function));
    return success();
  }

  Result<void> check_relocations() {
    for (const auto& [address, size] :
         {std::pair{relocations_, relocations_size_}, {late_, late_size_}}) {
      const ByteView table = tables_.from(file_, address).part(0, size);
      if (table.size() != size) return refused("has relocations outside of the file");
      for (std::uint64_t at = 0; const auto entry = table.read<Elf64_Rela>(at);
           at += sizeof(Elf64_Rela)) {
        const auto type = ELF64_R_TYPE(entry->r_info);
        if (type == R_X86_64_IRELATIVE)
          return refused("has a function that is chosen when the file is loaded (IFUNC)");
        if (type != R_X86_64_RELATIVE)
          return refused("has a relocation (type " + std::to_string(type) + " at " +
                         to_hex(Vaddr{entry->r_offset}) + ") that needs a dynamic linker");
        const bool writable =
            std::any_of(tables_.programs.begin(), tables_.programs.end(), [&](const Elf64_Phdr& p) {
              return p.p_type == PT_LOAD && (p.p_flags & PF_W) != 0 &&
                     entry->r_offset >= p.p_vaddr && entry->r_offset - p.p_vaddr + 8 <= p.p_memsz;
            });
        if (!writable)
          return refused("has a relocation of what is not writable, at " +
                         to_hex(Vaddr{entry->r_offset}));
      }
    }
    return success();
  }

  Result<void> read_chunks() {
    std::uint64_t reached = 0, array = 0, ends = 0;
    for (const Elf64_Phdr& load : tables_.programs) {
      if (load.p_type != PT_LOAD || load.p_memsz == 0) continue;
      if ((load.p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
        return refused("has memory that is writable and executable");
      const std::uint64_t lo = load.p_vaddr & ~(page - 1),
                          hi = page_up(load.p_vaddr + load.p_memsz);
      if (lo < reached || hi > most_memory)
        return refused(lo < reached ? "has segments that share a page"
                                    : "has more than 64 MiB of code and variables (hook_map gets "
                                      "memory at run time)");
      if (lo > reached && hook_.chunks_.empty()) return refused("does not begin at address 0");
      if (lo > reached) hook_.chunks_.back().length.value += lo - reached;
      const auto bytes = file_.part(load.p_offset, load.p_filesz).bytes();
      std::string content(load.p_vaddr - lo, '\0');
      content.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      std::string protection = "r";
      if ((load.p_flags & PF_W) != 0) protection += "w";
      if ((load.p_flags & PF_X) != 0) protection += "x";
      hook_.chunks_.push_back({Vaddr{lo}, std::move(content), Bytes{hi - lo}, protection});
      reached = hi;
    }
    if (hook_.chunks_.empty()) return refused("has nothing to load");
    for (const Elf64_Shdr& section : tables_.sections) {
      if (section.sh_type == SHT_INIT_ARRAY) array += section.sh_size;
      if (section.sh_type == SHT_FINI_ARRAY) ends += section.sh_size;
    }
    if (relocations_size_ + array > 0 || has_init_) hook_.start_ = start_;
    hook_.needs_end_ |= ends > 0;
    if (hook_.needs_end_ || array > 0) hook_.end_ = end_;
    return success();
  }

  void look_at_code() {
    for (std::size_t i = 0; i < code_symbols_.size(); ++i) {
      const auto& [address, name] = code_symbols_[i];
      if (name.starts_with("punster_hook_")) continue;
      std::uint64_t hi = code_end(address);
      for (std::size_t next = i + 1; next < code_symbols_.size(); ++next)
        if (code_symbols_[next].address > address) {
          hi = std::min(hi, code_symbols_[next].address.value);
          break;
        }
      const auto bytes = tables_.from(file_, address.value).part(0, hi - address.value).bytes();
      look_at(bytes, address, code_);
    }
  }

  /// Where the section that holds `address` ends.
  [[nodiscard]] std::uint64_t code_end(Vaddr address) const {
    for (const Elf64_Shdr& s : tables_.sections)
      if ((s.sh_flags & SHF_EXECINSTR) != 0 && address.value >= s.sh_addr &&
          address.value < s.sh_addr + s.sh_size)
        return s.sh_addr + s.sh_size;
    return address.value;
  }

  [[nodiscard]] std::string name_at(Vaddr address) const {
    const Code* before = nullptr;
    for (const Code& symbol : code_symbols_)
      if (symbol.address <= address) before = &symbol;
    return before != nullptr ? function_of(before->name, address).described() : to_hex(address);
  }

  const ByteView file_;
  const ElfTables tables_;
  HookFile hook_;
  HookCode code_;
  std::vector<Code> code_symbols_;
  std::optional<Vaddr> marked_, start_, end_;
  std::string tls_;
  bool has_init_ = false;
  std::uint64_t relocations_ = 0, relocations_size_ = 0, late_ = 0, late_size_ = 0;
};

Result<std::shared_ptr<const HookFile>> HookFile::open(const std::string& path,
                                                       const std::string& shown) {
  const std::string& name = shown.empty() ? path : shown;
  PUNSTER_TRY(const auto mapped, MappedFile::open(path));
  const ByteView file(mapped->bytes());
  PUNSTER_TRY(auto tables, ElfTables::read(file, name));
  return HookReader(file, name, std::move(tables)).run();
}

std::vector<const HookFunction*> HookFile::functions(const std::string& name) const {
  std::vector<const HookFunction*> found;
  for (const HookFunction& function : functions_)
    if (function.name == name) found.push_back(&function);
  return found;
}

std::string HookFile::no_function(const std::string& name) const {
  if (std::find(variables_.begin(), variables_.end(), name) != variables_.end())
    return "`" + name + "` of " + path_ + " is a variable, not a function";
  std::vector<std::string> names;
  for (const HookFunction& function : functions_)
    if (!function.name.starts_with("hook_") && !function.name.starts_with("__") &&
        !function.name.starts_with("mem") && !function.name.starts_with("str"))
      names.push_back(function.name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::string listed;
  for (std::size_t i = 0; i < names.size() && i < 8; ++i) listed += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > 8) listed += ", ...";
  return path_ + " has no function `" + name + "`" +
         (listed.empty() ? "" : "; there are " + listed);
}

}  // namespace punster
