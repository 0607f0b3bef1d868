#!/bin/bash
# program: /usr/bin/python3.11
# json, re, threads, subprocesses, generators, exceptions, digests, compression, big numbers.
export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
cat > work.py <<'PY'
import collections, dataclasses, decimal, functools, hashlib, heapq, itertools, json, math, os, random
import re, struct, subprocess, sys, threading, zlib
data = {"n": list(range(50)), "s": "pün " * 3, "nested": [{"k": i, "v": i / 7} for i in range(20)]}
text = json.dumps(data, sort_keys=True, indent=1)
assert json.loads(text) == data
print(hashlib.sha256(text.encode()).hexdigest(), zlib.crc32(zlib.compress(text.encode(), 9)))
print(re.sub(r"(\w+)@(\w+)\.org", r"\2 at \1", "ann@example.org bob@test.org"))
print(len(re.findall(r"(?:a|b)+c?", "abacabab" * 50)))
def primes():
    seen = {}
    for n in itertools.count(2):
        if (p := seen.pop(n, None)) is None:
            yield n
            seen[n * n] = [n]
        else:
            for q in p: seen.setdefault(n + q, []).append(q)
print(list(itertools.islice(primes(), 400))[-5:])
total, lock = 0, threading.Lock()
def add(k):
    global total
    for i in range(2000):
        with lock: total += i * k
threads = [threading.Thread(target=add, args=(k,)) for k in range(6)]
[t.start() for t in threads]; [t.join() for t in threads]
print(total)
print(subprocess.run(["sort", "-r"], input="b\na\nc\n", text=True, capture_output=True).stdout.split())
print(subprocess.run([sys.executable, "-c", "import sys; print('child', 2**100); sys.exit(4)"], capture_output=True))
class Deep(Exception): pass
def down(n):
    if n == 0: raise Deep("bottom")
    try: down(n - 1)
    finally: counts["finally"] += 1
counts = collections.Counter()
try: down(200)
except Deep as e: print(e, counts)
try: down(10**6)
except RecursionError: print("recursion limit")
@dataclasses.dataclass(order=True)
class Item: key: float; name: str
random.seed(5)
heap = [Item(random.random(), str(i)) for i in range(500)]
heapq.heapify(heap)
print([heapq.heappop(heap).name for _ in range(8)])
print(math.factorial(200) % 10**30, decimal.Decimal(2).sqrt(), struct.pack("<dI", 1.5, 7).hex())
@functools.lru_cache(None)
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
print(fib(150), sorted({f"{i*i%97}" for i in range(97)})[:9], "{:>10.3e}".format(12345.678))
r, w = os.pipe()
if os.fork() == 0: os.write(w, b"from fork"); os._exit(0)
os.wait(); print(os.read(r, 20))
async def ticker(n): return [i async for i in agen(n)]
async def agen(n):
    for i in range(n): yield i
import asyncio; print(asyncio.run(ticker(5)))
def boom(): return 1 / 0
boom()
PY
"$1" work.py
echo "status $?"
echo 'print("from stdin", 1 << 70)' | "$1" -
"$1" -m json.tool <<< '{"b":[1,2,{"c":null}],"a":true}'
"$1" -c 'import sys; sys.exit("message")'
echo "status $?"
if [ -n "$PUNSTER_SLOW" ] && "$1" -c 'import test.test_json' 2>/dev/null; then
  "$1" -m test -q test_json test_re test_dict test_generators test_exceptions test_struct 2>&1 | grep -vE 'ms|sec|0x'
fi
