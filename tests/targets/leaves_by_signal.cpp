// What the program's own unwinder meets when a signal's handler asks it: the frame of an instruction that faulted,
// in a trampoline if that is where it runs. Prints what was caught, destroyed and found on the stack.
// flags: -O1 -fnon-call-exceptions -fno-omit-frame-pointer -pthread
// patch: no
#include <atomic>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <pthread.h>
#include <unwind.h>

namespace {

struct Guard {
  const char *name;
  ~Guard() { std::printf("%s is destroyed\n", name); }
};

int depth;
bool throws;
sigjmp_buf home;

_Unwind_Reason_Code count(struct _Unwind_Context *, void *) {
  ++depth;
  return _URC_NO_REASON;
}

void handler(int) {
  if (throws) throw 7;
  depth = 0;
  _Unwind_Backtrace(count, nullptr);
  siglongjmp(home, 1);
}

__attribute__((noinline)) int fault(volatile int *p, int n) { return *p + n; }

__attribute__((noinline)) int nested(volatile int *p, int n) {
  Guard guard{"what nested() holds"};
  return n == 0 ? fault(p, n) : nested(p, n - 1) + 1;
}

// The instruction that faults is in the function that catches.
__attribute__((noinline)) int catches_here(volatile int *p) {
  int caught = 0;
  Guard outer{"what catches_here() holds"};
  try {
    Guard inner{"what its try block holds"};
    caught = *p;
  } catch (int value) {
    caught = value;
  } catch (const char *) {
    caught = -1;
  }
  try {
    caught += *p * 2;
  } catch (const char *) {
    caught = -2;
  } catch (...) {
    caught += 100;
  }
  return caught;
}

std::atomic<unsigned> turns;
void (*volatile anything)();

__attribute__((noinline)) void spin() {
  for (unsigned i = 1;; i = i * 3 + 1) {
    turns.store(i | 1, std::memory_order_relaxed);
    if (i == 2) anything();  // never; but then the caller must expect that something is thrown
  }
}

void *thread(void *) {
  Guard guard{"what the thread holds"};
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
  spin();
  return nullptr;
}

void say_depth(volatile int *p, const char *where, int (*call)(volatile int *)) {
  if (sigsetjmp(home, 1) == 0) std::printf("%d\n", call(p));
  std::printf("%d frames from %s\n", depth, where);
}

}  // namespace

int main() {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_NODEFER;
  sigaction(SIGSEGV, &action, nullptr);
  say_depth(nullptr, "a leaf", [](volatile int *p) { return fault(p, 1); });
  throws = true;
  std::printf("caught %d\n", catches_here(nullptr));
  try {
    nested(nullptr, 3);
  } catch (int value) {
    std::printf("caught %d in main\n", value);
  }
  pthread_t id;
  pthread_create(&id, nullptr, thread, nullptr);
  while (turns.load() == 0) {
  }
  pthread_cancel(id);
  void *result = nullptr;
  pthread_join(id, &result);
  std::printf("the thread was %s\n", result == PTHREAD_CANCELED ? "cancelled" : "not cancelled");
  return 0;
}
