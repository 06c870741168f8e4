// The benchmark's guest program: runs every test and says on its standard output what is going on, so that
// the host can take the time. It is the initial process of a Linux guest, or an ordinary program.
//
//     @I <bits>                                                        once, at the start
//     @T <name> <set>                                                  a test begins
//     @B                                                               work begins now
//     @E                                                               work has ended now
//     @R <phase> <iterations> <checksum> <nanoseconds> <CPU microseconds>   what the work was
//     @FAIL <why>
//     @DONE
//
// Phases: "cold" is the very first iteration, "warm" makes the code hot and finds how many iterations take
// long enough, "hot" is what counts.
//
// In the environment (a kernel hands over what is on its command line): BENCH_ONLY, names with commas;
// BENCH_MS, how long a measurement takes at least; BENCH_REPEAT, how many there are.

#define _GNU_SOURCE
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

static const struct test *const groups[] = {
    tests_integer, tests_memory, tests_float, tests_vector, tests_kernel, tests_rewrite,
};

// Writes a line and waits until it has left the serial port, so that no work of the line falls into what is
// timed next.
__attribute__((format(printf, 1, 2))) static void say(const char *format, ...) {
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length > (int)sizeof line - 1)
        length = sizeof line - 1;
    for (int at = 0; at < length;) {
        ssize_t written = write(1, line + at, length - at);
        if (written <= 0)
            _exit(3);
        at += written;
    }
    tcdrain(1);
}

void fail(const char *why) {
    say("@FAIL %s\n", why);
    _exit(1);
}

void *pages(size_t bytes, int executable) {
    int access = PROT_READ | PROT_WRITE | (executable ? PROT_EXEC : 0);
    void *at = mmap(NULL, bytes, access, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED)
        fail("mmap gives no memory");
    return at;
}

void free_pages(void *at, size_t bytes) {
    if (munmap(at, bytes) != 0)
        fail("munmap failed");
}

static uint64_t monotonic(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static uint64_t microseconds(struct timeval time) {
    return time.tv_sec * 1000000ull + time.tv_usec;
}

// Processor time of this process and of the children that have ended.
static uint64_t processor_time(void) {
    uint64_t sum = 0;
    const int who[] = {RUSAGE_SELF, RUSAGE_CHILDREN};
    for (size_t i = 0; i < LENGTH(who); i++) {
        struct rusage usage;
        getrusage(who[i], &usage);
        sum += microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
    }
    return sum;
}

// Does the work so many times; returns how long it took by the guest's clock.
static uint64_t measure(const struct test *test, const char *phase, uint32_t iterations) {
    say("@B\n");
    uint64_t used = processor_time(), start = monotonic();
    uint32_t checksum = test->unit();
    for (uint32_t i = 1; i < iterations; i++)
        if (test->unit() != checksum)
            fail("the same work gave another result");
    uint64_t took = monotonic() - start;
    used = processor_time() - used;
    say("@E\n");
    say("@R %s %u %08x %llu %llu\n", phase, iterations, checksum, (unsigned long long)took,
        (unsigned long long)used);
    return took;
}

static void run(const struct test *test, uint64_t target, unsigned repeat) {
    say("@T %s %s\n", test->name, test->set);
    if (test->setup)
        test->setup();
    uint64_t took = measure(test, "cold", 1);
    uint32_t iterations = 1;
    while (took < target && iterations < 1u << 28) {
        uint64_t wanted = took == 0 ? 16 : target * 5 / 4 / took + 1;
        // A first run says little about later ones: approach the length in steps.
        iterations *= wanted > 16 ? 16 : wanted < 2 ? 2 : wanted;
        took = measure(test, "warm", iterations);
    }
    for (unsigned i = 0; i < repeat; i++)
        measure(test, "hot", iterations);
    if (test->teardown)
        test->teardown();
}

static int is_wanted(const char *name, const char *only) {
    if (only == NULL || *only == 0)
        return 1;
    size_t length = strlen(name);
    for (const char *at = only; (at = strstr(at, name)) != NULL; at += length) {
        char after = at[length];
        if ((at == only || at[-1] == ',') && (after == ',' || after == 0))
            return 1;
    }
    return 0;
}

static unsigned setting(const char *name, unsigned otherwise) {
    const char *text = getenv(name);
    return text ? strtoul(text, NULL, 10) : otherwise;
}

static void run_all(void) {
    const char *only = getenv("BENCH_ONLY");
    uint64_t target = setting("BENCH_MS", 800) * 1000000ull;
    unsigned repeat = setting("BENCH_REPEAT", 3);
    say("@I %u\n", (unsigned)sizeof(void *) * 8);
    for (size_t group = 0; group < LENGTH(groups); group++)
        for (const struct test *test = groups[group]; test->name; test++)
            if (is_wanted(test->name, only))
                run(test, target, repeat);
}

// The guests have one processor; this is how the host gives as much.
static void stay_on_one_processor(void) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    sched_setaffinity(0, sizeof one, &one);
}

int main(void) {
    if (getpid() != 1) {
        stay_on_one_processor();
        run_all();
        say("@DONE\n");
        return 0;
    }
    pid_t child = fork();
    if (child == 0) {
        run_all();
        _exit(0);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status))
        say("@FAIL the program was ended by signal %d\n", WTERMSIG(status));
    say("@DONE\n");
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}
