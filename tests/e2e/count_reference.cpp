// count_reference PROGRAM [ARGUMENT...]: how often each instruction of PROGRAM runs, by single-stepping.
//
// The reference for `-P count`: it shares no code and no idea with the rewriter. The program runs under
// ptrace with address-space randomisation off; after every step the address is counted if it lies in the
// program's own file. Prints `address,count` lines (link-time addresses, ascending) to the file named by
// COUNT_REFERENCE_OUTPUT, since stdout belongs to the program.
//
// A repeated string instruction stops after every iteration but is one execution: it is counted when the
// step before stood elsewhere. Other instructions that jump to themselves count every time.

#include <elf.h>
#include <fcntl.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(125);
}

struct Image {
  std::uint64_t lo = ~0ull, hi = 0, bias = 0;
};

/// Where the kernel put the program: the mappings of its file. The bias is 0 for fixed addresses.
Image image_of(pid_t child, const std::string& program) {
  Image image;
  std::ifstream maps("/proc/" + std::to_string(child) + "/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.size() < program.size() || line.compare(line.size() - program.size(), program.size(), program) != 0)
      continue;
    unsigned long lo = 0, hi = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx", &lo, &hi) != 2) continue;
    if (lo < image.lo) image.lo = lo;
    if (hi > image.hi) image.hi = hi;
  }
  Elf64_Ehdr header{};
  std::ifstream(program, std::ios::binary).read(reinterpret_cast<char*>(&header), sizeof header);
  image.bias = header.e_type == ET_DYN ? image.lo : 0;
  return image;
}

bool is_repeated_string(pid_t child, std::uint64_t address) {
  errno = 0;
  const long word = ::ptrace(PTRACE_PEEKTEXT, child, address, nullptr);
  if (errno != 0) return false;
  const auto* bytes = reinterpret_cast<const unsigned char*>(&word);
  bool repeated = false;
  for (int i = 0; i < 5; ++i) {
    const unsigned char b = bytes[i];
    if (b == 0xf2 || b == 0xf3) repeated = true;
    else if (b == 0x66 || b == 0x67 || (b & 0xf0) == 0x40) continue;
    else return repeated && ((b >= 0xa4 && b <= 0xa7) || (b >= 0xaa && b <= 0xaf) || (b >= 0x6c && b <= 0x6f));
  }
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  const char* output = std::getenv("COUNT_REFERENCE_OUTPUT");
  if (argc < 2 || output == nullptr) {
    std::cerr << "usage: COUNT_REFERENCE_OUTPUT=FILE count_reference PROGRAM [ARGUMENT...]\n";
    return 2;
  }
  char real[PATH_MAX];
  if (::realpath(argv[1], real) == nullptr) fail(argv[1]);

  const pid_t child = ::fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    ::personality(ADDR_NO_RANDOMIZE);
    ::unsetenv("COUNT_REFERENCE_OUTPUT");
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::execv(argv[1], argv + 1);
    std::_Exit(126);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!WIFSTOPPED(status)) return 126;

  const Image image = image_of(child, real);
  std::vector<std::uint64_t> counts(image.hi - image.lo);
  std::map<std::uint64_t, bool> repeated;
  std::uint64_t before = 0;
  for (int signal = 0; WIFSTOPPED(status);) {
    user_regs_struct registers{};
    if (::ptrace(PTRACE_GETREGS, child, nullptr, &registers) != 0) break;
    const std::uint64_t at = registers.rip;
    if (at >= image.lo && at < image.hi) {
      auto known = repeated.find(at);
      if (known == repeated.end()) known = repeated.emplace(at, is_repeated_string(child, at)).first;
      if (!known->second || before != at) ++counts[at - image.lo];
    }
    before = at;
    if (::ptrace(PTRACE_SINGLESTEP, child, nullptr, signal) != 0) break;
    if (::waitpid(child, &status, 0) < 0) break;
    signal = WIFSTOPPED(status) && WSTOPSIG(status) != SIGTRAP ? WSTOPSIG(status) : 0;
  }

  std::ofstream out(output);
  out << "address,count\n" << std::hex;
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (counts[i] != 0) out << "0x" << image.lo - image.bias + i << std::dec << ',' << counts[i] << std::hex << '\n';
  if (WIFSIGNALED(status)) return 128 + WTERMSIG(status);
  return WEXITSTATUS(status);
}
