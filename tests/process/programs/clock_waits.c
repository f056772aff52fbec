/* Waits until moments of the wall clock in every way that the C library has, and says how long each took.
 *
 * Arguments: for how long, in ms of the wall clock. Prints `name outcome ms` of each, by the monotonic clock. */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static long wait_ms;

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static struct timespec in_a_moment(clockid_t clock)
{
    int64_t ns = now_ns(clock) + wait_ms * 1000000;
    return (struct timespec){ns / 1000000000, ns % 1000000000};
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, taken = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t semaphore;

static int condition(clockid_t clock)
{
    pthread_condattr_t attributes;
    pthread_cond_t one;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, clock);
    pthread_cond_init(&one, &attributes);
    struct timespec until = in_a_moment(clock);
    pthread_mutex_lock(&mutex);
    int result;
    while ((result = pthread_cond_timedwait(&one, &mutex, &until)) == 0) /* a wake-up without a reason */
        ;
    pthread_mutex_unlock(&mutex);
    return result;
}

static int wall_condition(void) { return condition(CLOCK_REALTIME); }
static int monotonic_condition(void) { return condition(CLOCK_MONOTONIC); }

static int wall_semaphore(void)
{
    struct timespec until = in_a_moment(CLOCK_REALTIME);
    return sem_timedwait(&semaphore, &until) == 0 ? 0 : errno;
}

static int by_gettimeofday(void)
{
    struct timeval now;
    gettimeofday(&now, NULL);
    int64_t us = (int64_t)now.tv_sec * 1000000 + now.tv_usec + wait_ms * 1000;
    struct timespec until = {us / 1000000, us % 1000000 * 1000};
    return sem_timedwait(&semaphore, &until) == 0 ? 0 : errno;
}

static int monotonic_semaphore(void)
{
    struct timespec until = in_a_moment(CLOCK_MONOTONIC);
    return sem_clockwait(&semaphore, CLOCK_MONOTONIC, &until) == 0 ? 0 : errno;
}

static void *try_mutex(void *result)
{
    struct timespec until = in_a_moment(CLOCK_REALTIME);
    *(int *)result = pthread_mutex_timedlock(&taken, &until);
    return NULL;
}

static void *try_rwlock(void *result)
{
    struct timespec until = in_a_moment(CLOCK_REALTIME);
    *(int *)result = pthread_rwlock_timedrdlock(&lock, &until);
    return NULL;
}

static int in_thread(void *(*function)(void *))
{
    pthread_t thread;
    int result = -1;
    pthread_create(&thread, NULL, function, &result);
    pthread_join(thread, NULL);
    return result;
}

static int wall_mutex(void) { return in_thread(try_mutex); }
static int wall_rwlock(void) { return in_thread(try_rwlock); }

static int wall_sleep(void)
{
    struct timespec until = in_a_moment(CLOCK_REALTIME);
    return clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, NULL);
}

static int timer(clockid_t clock)
{
    int fd = timerfd_create(clock, 0);
    struct itimerspec when = {.it_value = in_a_moment(clock)};
    uint64_t times = 0;
    timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, NULL);
    ssize_t size = read(fd, &times, sizeof times);
    close(fd);
    return size == sizeof times ? (int)times : errno;
}

static int wall_timer(void) { return timer(CLOCK_REALTIME); }
static int monotonic_timer(void) { return timer(CLOCK_MONOTONIC); }

static void tell(const char *name, int (*function)(void))
{
    int64_t began_ns = now_ns(CLOCK_MONOTONIC);
    int result = function();
    printf("%s %d %.1f\n", name, result, (now_ns(CLOCK_MONOTONIC) - began_ns) / 1e6);
}

int main(int count, char **arguments)
{
    wait_ms = count > 1 ? atol(arguments[1]) : 100;
    setvbuf(stdout, NULL, _IOLBF, 0);
    sem_init(&semaphore, 0, 0);
    pthread_mutex_lock(&taken);
    pthread_rwlock_wrlock(&lock);
    tell("wall_condition", wall_condition);
    tell("monotonic_condition", monotonic_condition);
    tell("wall_semaphore", wall_semaphore);
    tell("by_gettimeofday", by_gettimeofday);
    tell("monotonic_semaphore", monotonic_semaphore);
    tell("wall_mutex", wall_mutex);
    tell("wall_rwlock", wall_rwlock);
    tell("wall_sleep", wall_sleep);
    tell("wall_timer", wall_timer);
    tell("monotonic_timer", monotonic_timer);
    return 0;
}
