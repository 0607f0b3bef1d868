// flags: -shared -fPIC -fno-plt -Wl,-z,lazy
// no-traps: a shared object with traps stays loaded after dlclose, and this one counts its loads
// run: plugin_host {}
// Thread-local storage in a shared object: calls to __tls_get_addr written as 66 66 48 e8.
static __thread long counter = 100;
__thread long visible = 5;

long work(long n) {
  for (long i = 0; i < n; i++) counter += i + visible;
  visible++;
  return counter;
}
