// Work that is mostly the kernel's.

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

static uint32_t system_calls(void) {
    long parent = syscall(SYS_getppid);
    uint32_t same = 0;
    for (int i = 0; i < 500; i++)
        same += syscall(SYS_getppid) == parent;
    return same;
}

// Fresh pages: each first touch is a page fault.
static uint32_t page_faults(void) {
    enum { PAGES = 64, PAGE = 4096 };
    uint8_t *at = pages(PAGES * PAGE, 0);
    uint32_t sum = 0;
    for (int i = 0; i < PAGES; i++) {
        at[i * PAGE + 8 * i] += i;
        sum += at[i * PAGE + 8 * i] + at[i * PAGE];
    }
    free_pages(at, PAGES * PAGE);
    return sum;
}

// A process that starts, ends and is waited for.
static uint32_t processes(void) {
    pid_t child = fork();
    if (child == 0)
        _exit(42);
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child)
        fail("fork or wait failed");
    return status;
}

// A byte that goes to another process and comes back with one added.
static uint32_t pipes(void) {
    enum { TRIPS = 100 };
    int there[2], back[2];
    if (pipe(there) != 0 || pipe(back) != 0)
        fail("no pipe");
    pid_t child = fork();
    uint8_t byte = 0;
    if (child == 0) {
        for (int i = 0; i < TRIPS; i++) {
            if (read(there[0], &byte, 1) != 1)
                _exit(1);
            byte++;
            if (write(back[1], &byte, 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    uint32_t sum = 0;
    for (int i = 0; i < TRIPS; i++) {
        if (write(there[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
            fail("a pipe broke");
        sum = sum * 3 + byte;
    }
    int status = 0;
    waitpid(child, &status, 0);
    for (int i = 0; i < 2; i++) {
        close(there[i]);
        close(back[i]);
    }
    return sum + status;
}

const struct test tests_kernel[] = {
    {"syscalls", "kernel", NULL, NULL, system_calls},
    {"faults", "kernel", NULL, NULL, page_faults},
    {"fork", "kernel", NULL, NULL, processes},
    {"pipe", "kernel", NULL, NULL, pipes},
    {0},
};
