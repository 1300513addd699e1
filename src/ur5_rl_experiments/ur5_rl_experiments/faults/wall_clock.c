/* Shifts the wall clock of a process by as many nanoseconds as a file says at the time.
 *
 * Preloaded, it stands before those functions of the C library that read the wall clock or
 * wait for a time of it; CLOCK_REALTIME alone is shifted. The file named by
 * UR5RL_WALL_CLOCK holds one int64 and is mapped once, so that a jump is seen by all
 * processes at once. As under a clock that is really set, a wait until a wall-clock time
 * that is under way gets longer or shorter by the jump.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS 1000000000LL
#define SLICE_NS 20000000LL            /* how late a wait hears of a jump */
#define EARLIEST_WALL_S 1000000000LL   /* September 2001; no machine runs for so long */

typedef int (*condition_wait)(pthread_cond_t *, pthread_mutex_t *,
                              const struct timespec *);
typedef int (*semaphore_wait)(sem_t *, const struct timespec *);
typedef int (*mutex_wait)(pthread_mutex_t *, const struct timespec *);

static const int64_t no_shift_ns = 0;
static const volatile int64_t *shift_ns = &no_shift_ns;

static int64_t nanoseconds(const struct timespec *t) {
  return (int64_t)t->tv_sec * SECOND_NS + t->tv_nsec;
}

__attribute__((constructor)) static void map_shift(void) {
  const char *path = getenv("UR5RL_WALL_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *page = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
  close(file);
  if (page != MAP_FAILED) shift_ns = page;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int result = (int)syscall(SYS_clock_gettime, clock, now);
  if (result == 0 && clock == CLOCK_REALTIME) {
    int64_t ns = nanoseconds(now) + *shift_ns;
    now->tv_sec = ns / SECOND_NS;
    now->tv_nsec = ns % SECOND_NS;
  }
  return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  (void)zone;
  struct timespec spec;
  int result = clock_gettime(CLOCK_REALTIME, &spec);
  now->tv_sec = spec.tv_sec;
  now->tv_usec = spec.tv_nsec / 1000;
  return result;
}

time_t time(time_t *result) {
  struct timespec spec;
  clock_gettime(CLOCK_REALTIME, &spec);
  if (result) *result = spec.tv_sec;
  return spec.tv_sec;
}

/* Without a version the oldest function answers, which may know another structure. */
static void *real(const char *name, const char *version) {
  void *found = dlvsym(RTLD_NEXT, name, version);
  return found ? found : dlsym(RTLD_NEXT, name);
}

/* Returns whether the shifted clock has come to `until`. */
static int is_over(const struct timespec *until) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return nanoseconds(&now) >= nanoseconds(until);
}

/* Returns the end of a slice of a wait until `until`, on the machine's own clock. */
static struct timespec end_of_slice(const struct timespec *until) {
  struct timespec now;
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
  int64_t end_ns = nanoseconds(&now) + SLICE_NS;
  int64_t until_ns = nanoseconds(until) - *shift_ns;
  if (until_ns < end_ns) end_ns = until_ns > 0 ? until_ns : 0;
  return (struct timespec){end_ns / SECOND_NS, end_ns % SECOND_NS};
}

/* The end of a slice looks like a spurious wake-up, which callers expect. */
int pthread_cond_timedwait(pthread_cond_t *restrict condition,
                           pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
  static condition_wait wait;
  if (!wait) wait = (condition_wait)real("pthread_cond_timedwait", "GLIBC_2.3.2");
  if (until->tv_sec < EARLIEST_WALL_S)  /* a time of the steady clock */
    return wait(condition, mutex, until);
  struct timespec end = end_of_slice(until);
  int result = wait(condition, mutex, &end);
  return result == ETIMEDOUT && !is_over(until) ? 0 : result;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
  static semaphore_wait wait;
  if (!wait) wait = (semaphore_wait)real("sem_timedwait", "GLIBC_2.34");
  int result;
  do {
    struct timespec end = end_of_slice(until);
    result = wait(semaphore, &end);
  } while (result != 0 && errno == ETIMEDOUT && !is_over(until));
  return result;
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex,
                            const struct timespec *restrict until) {
  static mutex_wait wait;
  if (!wait) wait = (mutex_wait)real("pthread_mutex_timedlock", "GLIBC_2.34");
  int result;
  do {
    struct timespec end = end_of_slice(until);
    result = wait(mutex, &end);
  } while (result == ETIMEDOUT && !is_over(until));
  return result;
}
