#!/bin/bash
# program: /lib/x86_64-linux-gnu/libc.so.6
# A shell session, sort, sed, awk, perl and threads, every process of it on this libc.
mkdir lib && cp "$1" lib/libc.so.6
cat > session <<'S'
ls -l /proc/self/fd > /dev/null
seq 1 5000 | sort -r | sed -n 's/7$/&-seven/p' | awk '{ s += $1 } END { print NR, s }'
for i in 1 2 3; do ( exit $i ); echo "subshell $?"; done
printf '%08.3f %s %d\n' 3.14159 text 42
cat <<END | tr a-z A-Z | md5sum
here document $((2 ** 20))
END
find /usr/share/doc -name copyright | sort | head -300 | xargs cat | sha256sum
date -u -d @1600000000 '+%c'; getent passwd root
perl -e 'my %h; $h{$_ % 97} .= $_ for 1..20000; print join(",", map { length $h{$_} } sort { $a <=> $b } keys %h), "\n"; printf "%.15g %s\n", exp(1), join " ", map { sprintf "%e", $_ ** 0.5 } 2..5'
python3 -c '
import threading, subprocess, math, time, os, re
total = []
ts = [threading.Thread(target=lambda k=k: total.append(sum(math.sin(i * k) for i in range(3000)))) for k in range(8)]
[t.start() for t in ts]; [t.join() for t in ts]
print(sorted(f"{x:.9f}" for x in total))
print(subprocess.run(["cat"], input=b"x" * 100000, capture_output=True).stdout.count(b"x"))
try: os.kill(os.getpid(), 0); open("/missing")
except OSError as e: print(e)'
echo 'int main(){return 11;}' | gcc -xc - -o eleven && ./eleven; echo "compiled $?"
trap 'echo trapped' USR1; kill -USR1 $$
{ sh -c 'kill -KILL $$'; } 2> /dev/null; echo "killed $?"
exit 12
S
export LD_LIBRARY_PATH=$PWD/lib
/bin/bash --norc session
echo "status $?"
/lib64/ld-linux-x86-64.so.2 --library-path "$PWD/lib" /usr/bin/env -i LD_LIBRARY_PATH="$PWD/lib" /bin/sh -c 'echo "through ld.so"; exit 9'
echo "status $?"
