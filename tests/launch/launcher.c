// launcher HOW PROGRAM [ARGUMENT...]: starts PROGRAM in ways that a shell cannot.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int opened(const char *path) { return open(path, O_RDONLY | O_CLOEXEC); }

static int in_memory(const char *path) {
  static char buffer[1 << 16];
  const int from = opened(path), to = memfd_create("program", MFD_CLOEXEC);
  for (long size; (size = read(from, buffer, sizeof buffer)) > 0;)
    if (write(to, buffer, (size_t)size) != size) exit(99);
  return to;
}

static void block_sigill(void) {
  sigset_t all;
  signal(SIGILL, SIG_IGN);
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, NULL);
}

int main(int argc, char **argv, char **envp) {
  const char *const how = argv[1], *const path = argv[2];
  char **const words = argv + 2;
  (void)argc;
  if (!strcmp(how, "fd")) fexecve(opened(path), words, envp);
  if (!strcmp(how, "memfd")) fexecve(in_memory(path), words, envp);
  if (!strcmp(how, "path-of-fd")) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", open(path, O_PATH | O_CLOEXEC));
    execve(name, words, envp);
  }
  if (!strcmp(how, "deleted") || !strcmp(how, "replaced")) {
    char copy[4096], command[8300];
    snprintf(copy, sizeof copy, "%s.%s", path, how);
    snprintf(command, sizeof command, "cp %s %s", path, copy);
    if (system(command)) return 98;
    const int fd = opened(copy);
    unlink(copy);
    if (!strcmp(how, "replaced") && symlink("/bin/false", copy)) return 97;
    fexecve(fd, words, envp);
  }
  if (!strcmp(how, "no-arguments")) execve(path, (char *[]){NULL}, envp);
  if (!strcmp(how, "no-environment")) execve(path, words, (char *[]){NULL});
  if (!strcmp(how, "blocked")) block_sigill(), execve(path, words, envp);
  if (!strcmp(how, "few-files")) {
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){4, 4});
    execve(path, words, envp);
  }
  if (!strcmp(how, "no-files")) {
    close(0), close(2);
    execve(path, words, envp);
  }
  if (!strcmp(how, "deleted-directory")) {
    if (mkdir("gone", 0700) || chdir("gone") || rmdir("../gone")) return 96;
    execve(path, words, envp);
  }
  perror(how);
  return 95;
}
