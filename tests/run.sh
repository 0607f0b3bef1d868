#!/usr/bin/env bash
# Installs what is missing, builds into build/, runs every test.
#
#   tests/run.sh                 everything that is not slow
#   tests/run.sh NAME...         tests whose name contains NAME (a regular expression)
#   tests/run.sh --list [NAME]   names only
#   tests/run.sh --slow          the slow proofs as well (mutation under sanitizers, big files)
#   tests/run.sh --no-install    never calls apt-get
#   tests/run.sh --no-build      runs what was built before
#
# The last line is 'N passed, N failed, N skipped'; exit status 1 when a test failed.
set -u
cd "$(dirname "$0")/.." || exit 1
usage() { sed -n '2,/^set -u/{/^set -u/d;s/^# \{0,1\}//p}' tests/run.sh; }

install=yes build=yes list=no slow=no names=()
for argument in "$@"; do
  case $argument in
    --no-install) install=no ;;
    --no-build) build=no ;;
    --list) list=yes ;;
    --slow) slow=yes ;;
    -h | --help) usage; exit 0 ;;
    -*) echo "tests/run.sh: unknown option $argument" >&2; usage >&2; exit 2 ;;
    *) names+=("$argument") ;;
  esac
done

. examples/packages.sh
[ $install = yes ] && { install_missing $build_packages $test_packages || exit 1; }
directory=${PUNSTER_BUILD:-build}
jobs=$(nproc)
if [ $build = yes ]; then
  { cmake -S . -B "$directory" -DBUILD_TESTING=ON > "$directory.log" 2>&1 || { cat "$directory.log"; exit 1; }; }
  rm -f "$directory.log"
  cmake --build "$directory" -j "$jobs" -- --no-print-directory || exit 1
fi

select=()
if [ ${#names[@]} -gt 0 ]; then
  pattern=$(IFS='|'; echo "${names[*]}")
  select+=(-R "$pattern")
fi
[ $slow = yes ] && export PUNSTER_SLOW=1 || { [ ${#names[@]} -gt 0 ] || select+=(-LE slow); }

if [ $list = yes ]; then
  ctest --test-dir "$directory" -N "${select[@]}" | sed -n 's/^ *Test *#[0-9]*: //p'
  exit 0
fi

report=$directory/tests.xml
ctest --test-dir "$directory" -j "$jobs" --output-on-failure --no-tests=error \
      --output-junit "$(realpath -m "$report")" "${select[@]}"
status=$?
count() { grep -o "\b$1=\"[0-9]*\"" "$report" | head -1 | tr -dc 0-9; }
total=$(count tests) failed=$(count failures) skipped=$(($(count skipped) + $(count disabled)))
for name in $(grep -o '<testcase name="[^"]*"[^>]*status="fail"' "$report" | sed 's/.*name="\([^"]*\)".*/\1/'); do
  echo "failed: $name    run it again: tests/run.sh --no-install '^$name\$'"
done
echo "$((total - failed - skipped)) passed, $failed failed, $skipped skipped"
exit $((status != 0))
