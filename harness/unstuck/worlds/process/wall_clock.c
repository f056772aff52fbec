/* A wall clock of its own for a process: CLOCK_REALTIME shifted and drifting, everything else as it is.
 *
 * Preloaded (LD_PRELOAD) into a process and all that it starts. What to show is read from a file that the
 * variable UNSTUCK_WALL_CLOCK names and that is mapped into memory: `wall_clock.py` writes it while processes
 * run. Without the variable nothing changes. The machine's own clock is never touched.
 *
 * Monotonic clocks stay right, and so do relative waits, which Linux measures by them. A wait until a moment of
 * the wall clock is turned into one on the monotonic clock, in slices, so that a change of the wall clock
 * meanwhile moves its end, as it would if the machine's clock were set. No lock, no allocation, no loop without
 * an end: all of this may run in a signal handler and in a forked child.
 *
 * Out of reach: programs that ask the kernel or the vDSO themselves (Go, static programs, musl), stamps of files,
 * POSIX timers (timer_settime), message queues (mq_timedsend, mq_timedreceive), C11's cnd_timedwait.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#if !defined(__GLIBC__) || !__GLIBC_PREREQ(2, 30)
#error "needs glibc 2.30 or newer: it waits by pthread_cond_clockwait and its like"
#endif
#if !defined(__LP64__)
#error "needs a 64-bit system: others have two kinds of time_t"
#endif

#define MAGIC 0x756e737475636b31u /* unstuck1 */
#define SLOTS 32
#define SECOND_NS 1000000000
#define SLICE_NS 100000000 /* how late a wait notices that the wall clock was changed */

/* The file, word by word as `wall_clock.py` lays it out. A setting is written whole into the next slot, and then
 * its number becomes `current`: who reads in between takes the one before, and nobody waits for the writer, who
 * may have been killed. `check` tells a slot of which the words have not all arrived. */
struct setting {
    uint64_t number;
    int64_t offset_ns;
    int64_t drift_ppb;
    int64_t since_ns; /* CLOCK_MONOTONIC, from when on it drifts */
    uint64_t check;
    uint64_t seen; /* ours: 1 once a time by this setting was handed out */
};

struct page {
    uint64_t magic;
    uint64_t current; /* 0: none yet, the time is real */
    struct setting settings[SLOTS];
};

static struct page *page;

/* The C library's own */

#define NEXT(name) ((__typeof__(&name))next(&next_##name, #name))
#define DECLARE(name) static void *next_##name

DECLARE(clock_gettime);
DECLARE(clock_nanosleep);
DECLARE(gettimeofday);
DECLARE(pthread_cond_clockwait);
DECLARE(pthread_mutex_clocklock);
DECLARE(pthread_mutex_timedlock);
DECLARE(pthread_rwlock_clockrdlock);
DECLARE(pthread_rwlock_clockwrlock);
DECLARE(sem_clockwait);
DECLARE(timerfd_settime);
DECLARE(timespec_get);

static void *next(void **known, const char *name)
{
    void *found = __atomic_load_n(known, __ATOMIC_RELAXED);
    if (found == NULL) {
        found = dlsym(RTLD_NEXT, name);
        __atomic_store_n(known, found, __ATOMIC_RELAXED);
    }
    return found;
}

/* All names are looked up before the program begins: dlsym takes locks, which a signal handler must not. */
__attribute__((constructor)) static void open_page(void)
{
    int error = errno;
    NEXT(clock_gettime), NEXT(clock_nanosleep), NEXT(gettimeofday), NEXT(pthread_cond_clockwait);
    NEXT(pthread_mutex_clocklock), NEXT(pthread_mutex_timedlock), NEXT(pthread_rwlock_clockrdlock);
    NEXT(pthread_rwlock_clockwrlock), NEXT(sem_clockwait), NEXT(timerfd_settime), NEXT(timespec_get);
    const char *path = getenv("UNSTUCK_WALL_CLOCK");
    int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (file >= 0) {
        void *mapped = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (mapped != MAP_FAILED && ((struct page *)mapped)->magic == MAGIC)
            page = mapped;
    }
    errno = error;
}

/* Time */

static int64_t in_ns(const struct timespec *time)
{
    return (int64_t)time->tv_sec * SECOND_NS + time->tv_nsec;
}

static struct timespec of_ns(int64_t ns)
{
    if (ns < 0)
        ns = 0; /* before 1970, or before the machine was started: nobody's calendar */
    return (struct timespec){.tv_sec = ns / SECOND_NS, .tv_nsec = ns % SECOND_NS};
}

static int64_t real_ns(clockid_t clock)
{
    struct timespec now = {0};
    /* Constructors of other libraries may ask before ours has run. */
    if (__atomic_load_n(&next_clock_gettime, __ATOMIC_RELAXED) == NULL)
        syscall(SYS_clock_gettime, clock, &now);
    else
        NEXT(clock_gettime)(clock, &now);
    return in_ns(&now);
}

static uint64_t check_of(const struct setting *one)
{
    return MAGIC ^ one->number ^ ((uint64_t)one->offset_ns << 1) ^ ((uint64_t)one->drift_ppb << 2)
           ^ ((uint64_t)one->since_ns << 3);
}

static bool read_setting(uint64_t number, struct setting *copy)
{
    struct setting *slot = &page->settings[number % SLOTS];
    copy->number = __atomic_load_n(&slot->number, __ATOMIC_RELAXED);
    copy->offset_ns = __atomic_load_n(&slot->offset_ns, __ATOMIC_RELAXED);
    copy->drift_ppb = __atomic_load_n(&slot->drift_ppb, __ATOMIC_RELAXED);
    copy->since_ns = __atomic_load_n(&slot->since_ns, __ATOMIC_RELAXED);
    copy->check = __atomic_load_n(&slot->check, __ATOMIC_RELAXED);
    return copy->number == number && copy->check == check_of(copy);
}

/* The setting in force, or one that changes nothing (number 0). */
static struct setting in_force(void)
{
    struct setting copy;
    for (int again = 0; page != NULL && again < 4; again++) {
        uint64_t number = __atomic_load_n(&page->current, __ATOMIC_ACQUIRE);
        if (number == 0)
            break;
        if (read_setting(number, &copy) || (number > 1 && read_setting(number - 1, &copy)))
            return copy;
    }
    return (struct setting){0};
}

/* How far the wall clock is off at this moment. */
static int64_t off_ns(const struct setting *one)
{
    if (one->drift_ppb == 0)
        return one->offset_ns;
    __int128 since = real_ns(CLOCK_MONOTONIC) - one->since_ns;
    return one->offset_ns + (int64_t)(since * one->drift_ppb / SECOND_NS);
}

static bool is_wall(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_REALTIME_ALARM
           || clock == CLOCK_TAI;
}

/* Adds to a time that is handed out what the clock is off, and says in the file that somebody has it. */
static void shift(struct timespec *time)
{
    struct setting one = in_force();
    if (one.number == 0)
        return;
    *time = of_ns(in_ns(time) + off_ns(&one));
    uint64_t *seen = &page->settings[one.number % SLOTS].seen;
    if (__atomic_load_n(seen, __ATOMIC_RELAXED) == 0)
        __atomic_store_n(seen, 1, __ATOMIC_RELAXED);
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = next_clock_gettime == NULL ? (int)syscall(SYS_clock_gettime, clock, time)
                                            : NEXT(clock_gettime)(clock, time);
    if (result == 0 && page != NULL && is_wall(clock))
        shift(time);
    return result;
}

static struct timespec now(void)
{
    struct timespec time = of_ns(real_ns(CLOCK_REALTIME));
    if (page != NULL)
        shift(&time);
    return time;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    int result = NEXT(gettimeofday)(time, zone);
    if (result == 0 && page != NULL) {
        struct timespec shifted = now();
        time->tv_sec = shifted.tv_sec;
        time->tv_usec = shifted.tv_nsec / 1000;
    }
    return result;
}

time_t time(time_t *also)
{
    time_t seconds = now().tv_sec;
    if (also != NULL)
        *also = seconds;
    return seconds;
}

int timespec_get(struct timespec *time, int base)
{
    int result = NEXT(timespec_get)(time, base);
    if (result == TIME_UTC && page != NULL)
        shift(time);
    return result;
}

/* Waits until a moment of the wall clock */

static bool is_ours(clockid_t clock, const struct timespec *deadline)
{
    return page != NULL && clock == CLOCK_REALTIME && deadline->tv_sec >= 0 && deadline->tv_nsec >= 0
           && deadline->tv_nsec < SECOND_NS; /* the C library says of others what is wrong with them */
}

/* Real nanoseconds until the wall clock shows `deadline`, `most` of them; 0: it does already. */
static int64_t left_ns(const struct timespec *deadline, int64_t most)
{
    struct setting one = in_force();
    __int128 left = (__int128)deadline->tv_sec * SECOND_NS + deadline->tv_nsec;
    left -= real_ns(CLOCK_REALTIME) + off_ns(&one);
    int64_t rate_ppb = SECOND_NS + one.drift_ppb;
    if (left <= 0)
        return 0;
    if (rate_ppb <= 0)
        return most; /* it stands still */
    left = (left * SECOND_NS + rate_ppb - 1) / rate_ppb;
    return left < most ? (int64_t)left : most;
}

static struct timespec slice(const struct timespec *deadline, clockid_t clock)
{
    return of_ns(real_ns(clock) + left_ns(deadline, SLICE_NS));
}

static bool has_come(const struct timespec *deadline)
{
    return left_ns(deadline, SLICE_NS) == 0;
}

int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                           const struct timespec *deadline)
{
    if (!is_ours(clock, deadline))
        return NEXT(pthread_cond_clockwait)(condition, mutex, clock, deadline);
    struct timespec until = slice(deadline, CLOCK_MONOTONIC);
    int result = NEXT(pthread_cond_clockwait)(condition, mutex, CLOCK_MONOTONIC, &until);
    /* 1. the slice ends, 2. another thread signals, and nobody is there, 3. we would wait on for it. So the caller
     * looks at its condition after each slice: a wake-up without a reason, which POSIX allows. */
    return result == ETIMEDOUT && !has_come(deadline) ? 0 : result;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict deadline)
{
    /* Which clock a condition waits by is set when it is made, and nothing tells: this bit is where glibc keeps it
     * since 2.25. The probe of `wall_clock.py` tries it. */
    clockid_t clock = condition->__data.__wrefs & 2 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
    return pthread_cond_clockwait(condition, mutex, clock, deadline);
}

int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *deadline)
{
    if (!is_ours(clock, deadline))
        return NEXT(sem_clockwait)(semaphore, clock, deadline);
    for (;;) {
        struct timespec until = slice(deadline, CLOCK_MONOTONIC);
        int result = NEXT(sem_clockwait)(semaphore, CLOCK_MONOTONIC, &until);
        if (result == 0 || errno != ETIMEDOUT || has_come(deadline))
            return result;
    }
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict deadline)
{
    return sem_clockwait(semaphore, CLOCK_REALTIME, deadline);
}

/* Locks that inherit priorities know no monotonic clock before Linux 5.14: these wait by the real wall clock. */
int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict deadline)
{
    if (!is_ours(CLOCK_REALTIME, deadline))
        return NEXT(pthread_mutex_timedlock)(mutex, deadline);
    for (;;) {
        struct timespec until = slice(deadline, CLOCK_REALTIME);
        int result = NEXT(pthread_mutex_timedlock)(mutex, &until);
        if (result != ETIMEDOUT || has_come(deadline))
            return result;
    }
}

int pthread_mutex_clocklock(pthread_mutex_t *restrict mutex, clockid_t clock, const struct timespec *restrict deadline)
{
    if (!is_ours(clock, deadline))
        return NEXT(pthread_mutex_clocklock)(mutex, clock, deadline);
    return pthread_mutex_timedlock(mutex, deadline);
}

#define RWLOCK(clocked, timed)                                                                              \
    int clocked(pthread_rwlock_t *restrict lock, clockid_t clock, const struct timespec *restrict deadline) \
    {                                                                                                       \
        if (!is_ours(clock, deadline))                                                                      \
            return NEXT(clocked)(lock, clock, deadline);                                                    \
        for (;;) {                                                                                          \
            struct timespec until = slice(deadline, CLOCK_MONOTONIC);                                       \
            int result = NEXT(clocked)(lock, CLOCK_MONOTONIC, &until);                                      \
            if (result != ETIMEDOUT || has_come(deadline))                                                  \
                return result;                                                                              \
        }                                                                                                   \
    }                                                                                                       \
    int timed(pthread_rwlock_t *restrict lock, const struct timespec *restrict deadline)                    \
    {                                                                                                       \
        return clocked(lock, CLOCK_REALTIME, deadline);                                                     \
    }

RWLOCK(pthread_rwlock_clockrdlock, pthread_rwlock_timedrdlock)
RWLOCK(pthread_rwlock_clockwrlock, pthread_rwlock_timedwrlock)

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time, struct timespec *left)
{
    if (!(flags & TIMER_ABSTIME) || !is_ours(clock, time))
        return NEXT(clock_nanosleep)(clock, flags, time, left);
    for (;;) {
        struct timespec until = slice(time, CLOCK_MONOTONIC);
        int result = NEXT(clock_nanosleep)(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
        if (result != 0 || has_come(time))
            return result;
    }
}

/* Timers of the kernel go on without us: their end is where it is when they are set. */

static bool is_wall_timer(int timer)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", timer);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? -1 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    if (size <= 0)
        return false;
    text[size] = 0;
    const char *clock = strstr(text, "clockid: ");
    return clock != NULL && is_wall((clockid_t)atoi(clock + strlen("clockid: ")));
}

int timerfd_settime(int timer, int flags, const struct itimerspec *wanted, struct itimerspec *before)
{
    const int64_t century_ns = (int64_t)100 * 366 * 86400 * SECOND_NS;
    bool is_set = wanted != NULL && (wanted->it_value.tv_sec != 0 || wanted->it_value.tv_nsec != 0);
    if (!is_set || !(flags & TFD_TIMER_ABSTIME) || !is_ours(CLOCK_REALTIME, &wanted->it_value) || !is_wall_timer(timer))
        return NEXT(timerfd_settime)(timer, flags, wanted, before);
    struct itimerspec real = *wanted;
    real.it_value = of_ns(real_ns(CLOCK_REALTIME) + left_ns(&wanted->it_value, century_ns));
    return NEXT(timerfd_settime)(timer, flags, &real, before);
}
