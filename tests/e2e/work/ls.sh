#!/bin/bash
# program: /usr/bin/ls
# Recursive listings of a tree with known dates, and of system folders; errors too.
ls=$1
umask 022
mkdir -p tree/a/b/c tree/empty "tree/with space"
for i in $(seq 1 40); do echo "$i" > "tree/a/file$i.txt"; done
head -c 5000 /dev/zero > tree/a/b/zeros
ln -s ../a tree/empty/link
ln -s missing tree/dangling
chmod 4755 tree/a/file1.txt
mkfifo tree/pipe
find tree -exec touch -h -d '2020-02-03 04:05:06 UTC' {} +
"$ls" -lAR --time-style=full-iso tree | grep -v '^total'
"$ls" -R --color=always --classify tree
"$ls" -1v tree/a
"$ls" -lS --human-readable tree/a/b
"$ls" -m --quoting-style=c tree tree/a
"$ls" -R /usr/include /usr/share/doc 2>&1 | md5sum
"$ls" -lnR --time-style=+%s /usr/bin | md5sum
"$ls" --help | grep -v "^Usage:" | md5sum
"$ls" missing-file tree/empty
echo "status $?"
"$ls" --no-such-option
echo "status $?"
