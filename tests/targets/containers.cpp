// Virtual calls, std::function, regular expressions, sorting: much code, many call forms.
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <string>
#include <vector>

struct Shape { virtual ~Shape() = default; virtual double area() const = 0; };
struct Square : Shape { double a; explicit Square(double x) : a(x) {} double area() const override { return a * a; } };
struct Circle : Shape { double r; explicit Circle(double x) : r(x) {} double area() const override { return 3 * r * r; } };

int main() {
  std::vector<std::unique_ptr<Shape>> shapes;
  for (int i = 1; i < 6; i++) {
    if (i % 2) shapes.push_back(std::make_unique<Square>(i));
    else shapes.push_back(std::make_unique<Circle>(i));
  }
  std::sort(shapes.begin(), shapes.end(), [](auto& x, auto& y) { return x->area() > y->area(); });
  for (auto& s : shapes) std::cout << s->area() << '\n';
  std::map<std::string, std::function<int(int)>> table{{"twice", [](int x) { return 2 * x; }}, {"next", [](int x) { return x + 1; }}};
  for (auto& [name, f] : table) std::cout << name << ' ' << f(20) << '\n';
  std::regex word("([a-z]+)-([0-9]+)");
  std::string text = "pun-12 stub-7 arena";
  for (std::sregex_iterator it(text.begin(), text.end(), word), end; it != end; ++it)
    std::cout << (*it)[2] << ':' << (*it)[1] << '\n';
  return 0;
}
