# Calls, dictionaries, json, regular expressions: about half a second.
import json
import re


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


words = {}
text = "the quick brown fox jumps over the lazy dog " * 12000
for word in re.findall(r"\w+", text):
    words[word] = words.get(word, 0) + 1
data = json.loads(json.dumps({"words": words, "rows": [{"k": i, "v": str(i)} for i in range(60000)]}))
print(fib(25), sorted(words.items()), sum(int(r["v"]) for r in data["rows"]))
