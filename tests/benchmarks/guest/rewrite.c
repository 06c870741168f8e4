// Code that rewrites itself: what a translator keeps of it is wrong a moment later.

#include <string.h>

#include "bench.h"

enum { SIZE = 4096, PATCH = 1 };

// The same bytes in 32- and 64-bit code:
//     mov eax, PATCH
//     mov ecx, 8
//  l: add eax, ecx
//     rol eax, 1
//     sub ecx, 1
//     jnz l
//     ret
static const uint8_t template[] = {
    0xb8, 0, 0, 0, 0, 0xb9, 8, 0, 0, 0, 0x01, 0xc8, 0xd1, 0xc0, 0x83, 0xe9, 0x01, 0x75, 0xf7, 0xc3,
};

static uint8_t *code;

static void setup(void) {
    code = pages(SIZE, 1);
    memcpy(code, template, sizeof template);
}

static void teardown(void) {
    free_pages(code, SIZE);
}

static uint32_t expected(uint32_t a) {
    for (uint32_t c = 8; c > 0; c--) {
        a += c;
        a = a << 1 | a >> 31;
    }
    return a;
}

// Rewrites the constant `patches` times and calls the code `calls` times after each.
static uint32_t rewrite(uint32_t patches, uint32_t calls) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < patches; i++) {
        uint32_t value = i * 0x01010101u + 7;
        memcpy(code + PATCH, &value, sizeof value);
        __asm__ volatile("" : : : "memory");
        uint32_t result = 0;
        for (uint32_t j = 0; j < calls; j++)
            result = ((uint32_t(*)(void))code)();
        if (result != expected(value))
            fail("the code ran as it was before it was rewritten");
        sum += result;
    }
    return sum;
}

static uint32_t each_call(void) {
    return rewrite(100, 1);
}

static uint32_t each_hundredth_call(void) {
    return rewrite(10, 100);
}

const struct test tests_rewrite[] = {
    {"rewrite-1", "rewrite", setup, teardown, each_call},
    {"rewrite-100", "rewrite", setup, teardown, each_hundredth_call},
    {0},
};
