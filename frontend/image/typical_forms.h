// Forms of FlowInfo::form in compiled code, per 10,000 instructions: the average of six Debian programs and
// libraries (ls, bash, git, gdb, libc, perl). They stand in for statistics in files whose own proven
// code is small. In the comment one of the mnemonics.

#pragma once

#include <cstdint>

namespace punster {

struct TypicalForm {
  std::uint16_t form;
  std::uint16_t per_10000;
};

// clang-format off
inline constexpr TypicalForm typical_forms[] = {
    {0x0989, 944}, {0x018b, 921}, {0x00e8, 682}, {0x018d, 506},  // mov, mov, call, lea
    {0x0189, 371}, {0x00e9, 330}, {0x0074, 268}, {0x0831, 265},  // mov, jmp, jz, xor
    {0x1084, 249}, {0x0985, 204}, {0x008b, 202}, {0x1085, 180},  // jz, test, mov, jnz
    {0x0883, 173}, {0x0075, 170}, {0x0885, 161}, {0x00c7, 137},  // add, jnz, test, movl
    {0x0f83, 136}, {0x00c3, 125}, {0x00eb, 111}, {0x0939, 104},  // cmp, ret, jmp, cmp
    {0x0889, 101}, {0x0d83, 98}, {0x005b, 86}, {0x0089, 80},  // mov, sub, pop, mov
    {0x0c89, 80}, {0x0780, 76}, {0x048b, 74}, {0x005d, 73},  // mov, cmpb, mov, pop
    {0x00ba, 73}, {0x10b6, 66}, {0x0053, 64}, {0x0783, 62},  // mov, movzxb, push, cmpl
    {0x00be, 61}, {0x0055, 58}, {0x0c31, 57}, {0x045c, 56},  // mov, push, xor, pop
    {0x0c83, 55}, {0x00c6, 52}, {0x0901, 50}, {0x00b8, 49},  // and, movb, add, mov
    {0x0929, 48}, {0x0884, 44}, {0x0454, 42}, {0x045d, 41},  // sub, test, push, pop
    {0x0963, 37}, {0x00bf, 37}, {0x0489, 36}, {0x0c85, 33},  // movsxd, mov, mov, test
    {0x1029, 33}, {0x0455, 32}, {0x0f80, 32}, {0x00b9, 31},  // movaps, push, cmp, mov
    {0x106f, 31}, {0x14b6, 31}, {0x045e, 31}, {0x00f6, 30},  // movdqa, movzxb, pop, testb
    {0x1011, 29}, {0x008d, 28}, {0x012b, 26}, {0x0cc1, 25},  // movups, lea, sub, shl
    {0x0456, 25}, {0x18b6, 25}, {0x003c, 24}, {0x045f, 23},  // push, movzx, cmp, pop
};
// clang-format on

}  // namespace punster
