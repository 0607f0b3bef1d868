#!/bin/bash
# program: /usr/bin/bash
# A session with subshells, pipes, here-documents, arrays, traps, job control and arithmetic.
cat > script <<'SCRIPT'
set -o pipefail
declare -A age=([ann]=30 [bob]=41)
list=(one "two words" three)
for k in $(printf '%s\n' "${!age[@]}" | sort); do echo "$k=${age[$k]}"; done
echo "${#list[@]} ${list[1]} ${list[@]:1:2} ${list[0]^^}"
fib() { (( $1 < 2 )) && { echo "$1"; return; }; echo $(( $(fib $(($1 - 1))) + $(fib $(($1 - 2))) )); }
fib 9
( cd /; pwd; exit 3 ); echo "subshell $?"
seq 1 200 | grep 7 | while read -r n; do echo -n "$n "; done; echo
cat <<END | tr a-z A-Z
here $((6 * 7)) ${list[2]}
END
read -r first rest <<< "alpha beta gamma"; echo "$rest / $first"
trap 'echo "trapped USR1"' USR1; kill -USR1 $$
trap 'echo leaving' EXIT
false | true; echo "pipefail $?"
x=path/to/file.tar.gz; echo "${x##*/} ${x%%.*} ${x/to/from} ${#x}"
[[ "pun-42" =~ ([a-z]+)-([0-9]+) ]] && echo "${BASH_REMATCH[2]} ${BASH_REMATCH[1]}"
case "$x" in *.gz) echo gzip;; *) echo other;; esac
diff <(seq 1 5) <(seq 2 6); echo "diff $?"
for i in 1 2 3; do (sleep 0.0$i; exit $i) & pids+=($!); done
for p in "${pids[@]}"; do wait "$p"; echo "job $?"; done
coproc UPPER { while read -r l; do echo "${l^^}"; done; }
echo shout >&"${UPPER[1]}"; read -r answer <&"${UPPER[0]}"; echo "$answer"
eval 'echo $(( 16#ff + 2**10 ))'; printf '%q %5.2f %x\n' 'a b$c' 3.14159 255
mapfile -t lines < <(printf 'l1\nl2\n'); echo "${lines[@]}"
sum=0; for ((i = 0; i < 20000; i++)); do ((sum += i * i % 7)); done; echo "$sum"
exec 3>out; echo to-file >&3; exec 3>&-; cat out
nosuchcommand 2>/dev/null; echo "missing $?"
kill -TERM $BASHPID
SCRIPT
"$1" --norc script
echo "status $?"
"$1" -c 'echo "$0 $1"; exit 7' name argument
echo "status $?"
printf 'echo interactive $((1+1))\nexit 5\n' | "$1" --norc -s
echo "status $?"
"$1" -c 'echo "unclosed'
echo "status $?"
