#!/bin/sh
# Some programs of this system, and one file that is none, through one service.
set -e
cd "$(dirname "$0")"
export PYTHONPATH="../..:$PYTHONPATH"
work=$(mktemp -d)
"${PUNSTER:-punster}" serve --listen "unix:$work/socket" --log off &
service=$!
trap 'kill $service; wait $service || true; rm -rf "$work"' EXIT
mkdir "$work/in"
for program in cat ls true sort date; do cp "/bin/$program" "$work/in/"; done
echo "no program" > "$work/in/notes"
while [ ! -S "$work/socket" ]; do sleep 0.1; done
python3 patch_folder.py "$work/in" "$work/out" --service "$work/socket" | sed "s|$work/||g"
"$work/out/ls" /etc > /dev/null
