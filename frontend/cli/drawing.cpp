// Each section is a strip, cut into rows as a book cuts text into lines. A cell stands for `step`
// bytes, the same in all sections, chosen so that the picture has at most `most_rows` rows. A cell
// has the colour of the class that matters most among its bytes, not of the most frequent one: a
// table of 16 bytes amid code is what one looks for. Neighbours of one colour are one rectangle.

#include "frontend/cli/drawing.h"

#include <fmt/format.h>

#include <algorithm>

#include "frontend/cli/record_printer.h"
#include "protocol/hex.h"

namespace punster {

namespace {

constexpr std::uint64_t columns = 512, most_rows = 160;
constexpr unsigned cell_width = 2, row_height = 8, left = 130, head = 44, section_head = 22;

struct Paint {
  ByteClass kind;
  const char* colour;
};
/// What matters least first: a later one covers an earlier one.
constexpr Paint paints[] = {{ByteClass::padding, "#d9d9d9"},
                            {ByteClass::code, "#4c78a8"},
                            {ByteClass::data, "#f2a33a"},
                            {ByteClass::doubt, "#d62728"}};

std::size_t rank(ByteClass kind) {
  return static_cast<std::size_t>(std::ranges::find(paints, kind, &Paint::kind) - paints);
}

std::uint64_t rows_of(const Section& section, std::uint64_t step) {
  return (section.range.size().value + columns * step - 1) / (columns * step);
}

std::uint64_t step_for(const Image& image) {
  for (std::uint64_t step = 1;; step *= 2) {
    std::uint64_t rows = 0;
    for (const Section& section : image.code_sections()) rows += rows_of(section, step);
    if (rows <= most_rows + image.code_sections().size()) return step;
  }
}

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '<')
      result += "&lt;";
    else if (c == '&')
      result += "&amp;";
    else if (c == '"')
      result += "&quot;";
    else
      result += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return result;
}

/// The rank of every cell of one section.
std::vector<std::size_t> cells_of(const Section& section, const CodeMap& code, std::uint64_t step) {
  std::vector<std::size_t> cells((section.range.size().value + step - 1) / step, 0);
  auto range = std::ranges::partition_point(
      code.ranges, [&](const ClassRange& r) { return r.range.hi <= section.range.lo; });
  for (; range != code.ranges.end() && range->range.lo < section.range.hi; ++range) {
    const std::uint64_t first = (range->range.lo - section.range.lo).value / step;
    const std::uint64_t last = (range->range.hi - section.range.lo).value - 1;
    for (std::uint64_t cell = first; cell <= last / step && cell < cells.size(); ++cell)
      cells[cell] = std::max(cells[cell], rank(range->kind));
  }
  return cells;
}

class Picture {
 public:
  explicit Picture(const Subject& subject) : subject_(subject), step_(step_for(subject.image)) {}

  std::string svg() {
    add_legend();
    for (const Section& section : subject_.image.code_sections()) add_section(section);
    return fmt::format(
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
               "viewBox=\"0 0 {0} {1}\" font-family=\"monospace\" font-size=\"11\">\n"
               "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n",
               left + columns * cell_width + 10, y_ + 10) +
           body_ + "</svg>\n";
  }

 private:
  void text(std::uint64_t x, std::uint64_t y, const std::string& words) {
    body_ += fmt::format("<text x=\"{}\" y=\"{}\">{}</text>\n", x, y, escaped(words));
  }

  void add_legend() {
    const CodeMap& code = subject_.code;
    text(6, 16, subject_.image.path().string() + ", " + std::to_string(step_) + " bytes a cell");
    std::uint64_t x = 6;
    for (const auto& [kind, bytes] : {std::pair{ByteClass::code, code.code},
                                      {ByteClass::data, code.data},
                                      {ByteClass::padding, code.padding},
                                      {ByteClass::doubt, code.doubt}}) {
      body_ += fmt::format("<rect x=\"{}\" y=\"24\" width=\"10\" height=\"10\" fill=\"{}\"/>\n", x,
                           paints[rank(kind)].colour);
      const std::string words = fmt::format("{} {} ({})", to_string(kind), grouped(bytes.value),
                                            percent(bytes.value, code.text.value));
      text(x + 14, 33, words);
      x += 40 + 7 * words.size();
    }
  }

  void add_section(const Section& section) {
    y_ += section_head;
    text(6, y_ - 6, section.name + ", " + grouped(section.range.size().value) + " bytes");
    const auto cells = cells_of(section, subject_.code, step_);
    for (std::uint64_t from = 0; from < cells.size(); from += columns) {
      text(6, y_ + row_height, to_hex(section.range.lo + Bytes{from * step_}));
      const std::uint64_t to = std::min<std::uint64_t>(from + columns, cells.size());
      for (std::uint64_t at = from; at < to;) {
        std::uint64_t end = at;
        while (end < to && cells[end] == cells[at]) ++end;
        body_ += fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\"/>\n",
                             left + (at - from) * cell_width, y_, (end - at) * cell_width,
                             row_height - 1, paints[cells[at]].colour);
        at = end;
      }
      y_ += row_height;
    }
  }

  const Subject& subject_;
  std::uint64_t step_;
  std::uint64_t y_ = head;
  std::string body_;
};

}  // namespace

std::string draw(const Subject& subject, bool html) {
  const std::string svg = Picture(subject).svg();
  if (!html) return svg;
  const std::string name = escaped(subject.image.path().string());
  std::string page =
      "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>" + name +
      "</title></head>\n<body>\n" + svg +
      "<table border=\"1\" cellspacing=\"0\" cellpadding=\"3\">\n<tr><th>doubtful region"
      "</th><th>bytes</th><th>near</th><th>why</th></tr>\n";
  for (const Doubt& doubt : subject.code.doubts)
    page += "<tr><td>" + to_hex(doubt.range.lo) + "</td><td>" +
            std::to_string(doubt.range.size().value) + "</td><td>" +
            escaped(subject.image.describe(doubt.range.lo)) + "</td><td>" +
            escaped(describe(doubt.reason, doubt.at)) + "</td></tr>\n";
  return page + "</table>\n</body></html>\n";
}

}  // namespace punster
