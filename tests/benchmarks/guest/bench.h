// What the tests share.

#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

// A piece of work of a fixed size. `unit` does the same work at each call and returns the same checksum,
// on every machine of the same width.
struct test {
    const char *name;
    // "user", "kernel" or "rewrite".
    const char *set;
    // Both may be null.
    void (*setup)(void);
    void (*teardown)(void);
    uint32_t (*unit)(void);
};

extern const struct test tests_integer[], tests_memory[], tests_float[], tests_vector[], tests_kernel[],
    tests_rewrite[];

uint32_t mandelbrot_x87(void);
uint32_t mandelbrot_sse2(void);

// Fresh zeroed pages; the program ends if there are none.
void *pages(size_t bytes, int executable);
void free_pages(void *at, size_t bytes);

// Prints a line that the host takes for a failure, and ends the program.
__attribute__((noreturn)) void fail(const char *why);

// A constant that the compiler cannot see through.
static inline uint32_t opaque(uint32_t value) {
    __asm__ volatile("" : "+r"(value));
    return value;
}

// The next of a sequence of numbers that look random (xorshift; the state is never 0).
static inline uint32_t next_random(uint32_t *state) {
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define NOINLINE __attribute__((noinline, noclone))

#endif
