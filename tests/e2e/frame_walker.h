// Walks the frames of a stopped process by the tables in its program's file, .debug_frame or else
// .eh_frame, as elfutils reads them. Knows nothing of how programs are rewritten.

#pragma once

#include <elfutils/libdw.h>
#include <sys/user.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

/// A frame that is waiting for a call to return.
struct Caller {
  std::uint64_t return_address = 0;  ///< link-time
  std::uint64_t cfa = 0;             ///< of the frame that will return there
  friend bool operator==(const Caller&, const Caller&) = default;
};

class FrameWalker {
 public:
  /// Throws std::runtime_error when the file cannot be read. Tables need not be there.
  explicit FrameWalker(const std::string& program);
  ~FrameWalker();
  FrameWalker(const FrameWalker&) = delete;
  FrameWalker& operator=(const FrameWalker&) = delete;

  using ReadWord = std::function<std::uint64_t(std::uint64_t runtime_address)>;
  /// The callers, innermost first, as far as the program's tables describe them. Nothing when they
  /// do not describe where it stands. `at_entry`: AT_ENTRY of the process.
  [[nodiscard]] std::optional<std::vector<Caller>> walk(const user_regs_struct& registers,
                                                        std::uint64_t at_entry,
                                                        const ReadWord& word) const;

  [[nodiscard]] std::uint64_t link_time(std::uint64_t address, std::uint64_t at_entry) const {
    return address - at_entry + entry_;
  }

 private:
  static constexpr int columns = 17;  // DWARF's registers, the return address last
  struct Machine {
    std::uint64_t registers[columns];
  };
  [[nodiscard]] bool step(Machine& machine, std::uint64_t bias, std::uint64_t look_up,
                          const ReadWord& word, std::uint64_t& cfa) const;

  int file_ = -1;
  Elf* elf_ = nullptr;
  Dwarf* dwarf_ = nullptr;
  Dwarf_CFI *debug_frame_ = nullptr, *eh_frame_ = nullptr;
  std::uint64_t entry_ = 0;
};
