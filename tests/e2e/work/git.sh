#!/bin/bash
# program: /usr/bin/git
# Builds a repository, clones it, merges, rebases, packs and reads its log.
# Children of git are git again: a private exec path makes them the same file.
mkdir exec-path home && ln -s /usr/lib/git-core/* exec-path/ && rm -f exec-path/git
ln -s "$1" exec-path/git
export GIT_EXEC_PATH=$PWD/exec-path HOME=$PWD/home PATH=$PWD/exec-path:$PATH GIT_PAGER=cat
export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org
export GIT_COMMITTER_NAME=C GIT_COMMITTER_EMAIL=c@example.org
tick() { now=$((${now:-1600000000} + 60)); export GIT_AUTHOR_DATE="$now +0000" GIT_COMMITTER_DATE="$now +0000"; }
git config --global init.defaultBranch main
git config --global gc.auto 0
git init -q source && cd source || exit 1
for i in $(seq 1 30); do
  seq 1 $((i * 20)) > "file$((i % 5))"; mkdir -p "dir$((i % 3))"; seq $i 300 > "dir$((i % 3))/data"
  git add -A; tick; git commit -qm "Commit $i"
done
git checkout -qb topic HEAD~10; echo topic > topic; git add topic; tick; git commit -qm Topic
git checkout -q main; tick; git merge -q --no-ff -m Merge topic
git checkout -qb side HEAD~3; echo side > side; git add side; tick; git commit -qm Side
tick; git rebase -q main; git checkout -q main; tick; git merge -q side
git tag -a v1 -m "Version 1"
git gc -q; git fsck --strict
cd .. && git clone -q "file://$PWD/source" clone && git clone -q source hardlinked && cd clone || exit 1
git log --stat --format='%H %an %ad %s'
git log -p --graph -5 | md5sum
git log --oneline --all | wc -l
git blame file1 | md5sum
git grep -n '^19$' | head -20
git diff --stat HEAD~12
echo change >> file2; git stash -q; git stash pop -q; git status --short
git archive HEAD | md5sum
git rev-list --objects --all | sort | md5sum
git format-patch --stdout -3 | md5sum
git log no-such-branch
echo "status $?"
