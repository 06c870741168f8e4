// Work in registers and in small tables.

#include "bench.h"

// Arithmetic in registers, as wide as the machine has them.
static uint32_t registers(void) {
    unsigned long a = opaque(0x12345678), b = opaque(0x9abcdef1), c = opaque(3), d = opaque(77);
    for (uint32_t i = 0; i < 60000; i++) {
        a += b;
        c = (c << 7 | c >> (sizeof c * 8 - 7)) ^ a;
        b = b * 0x2c9277b5u + i;
        d -= c & b;
        a ^= d >> 5;
        if ((long)(a - c) < 0)
            c += d;
        d |= a & 0xf0f0;
    }
    unsigned long sum = a ^ b ^ c ^ d;
    return (uint32_t)sum ^ (uint32_t)(sum >> (sizeof sum * 4));
}

// Calls and returns: GCC is kept from turning the recursion into a loop.
__attribute__((noinline, noclone, optimize("no-optimize-sibling-calls"))) static uint32_t
fibonacci(uint32_t n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static uint32_t calls(void) {
    return fibonacci(opaque(21));
}

// A stack machine with indirect jumps. It counts the steps of the Collatz sequences that start below a
// limit.
enum op { PUSH, LOAD, STORE, ADD, MULTIPLY, HALVE, IS_ODD, EQUAL, JUMP, JUMP_IF, END };

static const uint8_t collatz[] = {
    /*  0 */ PUSH, 1, STORE, 0,                               // start = 1
    /*  4 */ LOAD, 0, STORE, 1,                               // n = start
    /*  8 */ LOAD, 1, PUSH, 1, EQUAL, JUMP_IF, 41,            // while n != 1:
    /* 15 */ LOAD, 2, PUSH, 1, ADD, STORE, 2,                 //   steps += 1
    /* 22 */ LOAD, 1, IS_ODD, JUMP_IF, 32,                    //   if even:
    /* 27 */ LOAD, 1, HALVE, JUMP, 37,                        //     n / 2
    /* 32 */ LOAD, 1, PUSH, 3, MULTIPLY,                      //   else: n * 3 (+ 1 below)
    /* 37 */ STORE, 1, JUMP, 58,
    /* 41 */ LOAD, 0, PUSH, 1, ADD, STORE, 0,                 // start += 1
    /* 48 */ LOAD, 0, PUSH, 120, EQUAL, JUMP_IF, 57, JUMP, 4, // until start == 120
    /* 57 */ END,
    /* 58 */ LOAD, 1, LOAD, 3, EQUAL, JUMP_IF, 8,             // (never: variable 3 is 0)
    /* 65 */ LOAD, 1, LOAD, 4, ADD, STORE, 1, JUMP, 8,
};

static NOINLINE uint32_t interpret(const uint8_t *code, uint32_t *variables) {
    static const void *const handlers[] = {
        &&push, &&load, &&store, &&add, &&multiply, &&halve, &&is_odd, &&equal, &&jump, &&jump_if, &&end,
    };
    uint32_t stack[16], *top = stack, executed = 0;
    const uint8_t *at = code;
#define NEXT                                                                                               \
    do {                                                                                                   \
        executed++;                                                                                        \
        goto *handlers[*at++];                                                                             \
    } while (0)
    NEXT;
push:
    *top++ = *at++;
    NEXT;
load:
    *top++ = variables[*at++];
    NEXT;
store:
    variables[*at++] = *--top;
    NEXT;
add:
    top--;
    top[-1] += top[0];
    NEXT;
multiply:
    top--;
    top[-1] *= top[0];
    NEXT;
halve:
    top[-1] >>= 1;
    // Even numbers take no "+ 1".
    variables[4] = 0;
    NEXT;
is_odd:
    top[-1] &= 1;
    variables[4] = 1;
    NEXT;
equal:
    top--;
    top[-1] = top[-1] == top[0];
    NEXT;
jump:
    at = code + *at;
    NEXT;
jump_if:
    at = *--top ? code + *at : at + 1;
    NEXT;
end:
    return executed;
#undef NEXT
}

static uint32_t bytecode(void) {
    uint32_t variables[8] = {0};
    uint32_t executed = interpret(collatz, variables);
    return executed * 31 + variables[2];
}

// SHA-256 (FIPS 180-4) of the same block of text over and over.
static const uint32_t sha_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t rotate(uint32_t x, int by) {
    return x >> by | x << (32 - by);
}

static NOINLINE void sha_block(uint32_t state[8], const uint8_t *block) {
    uint32_t w[64];
    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)block[4 * t] << 24 | block[4 * t + 1] << 16 | block[4 * t + 2] << 8 | block[4 * t + 3];
    for (int t = 16; t < 64; t++) {
        uint32_t low = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t high = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = w[t - 16] + low + w[t - 7] + high;
    }
    uint32_t v[8];
    for (int i = 0; i < 8; i++)
        v[i] = state[i];
    for (int t = 0; t < 64; t++) {
        uint32_t high = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        uint32_t first = v[7] + high + choice + sha_constants[t] + w[t];
        uint32_t low = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        for (int i = 7; i > 0; i--)
            v[i] = v[i - 1];
        v[4] += first;
        v[0] = first + low + majority;
    }
    for (int i = 0; i < 8; i++)
        state[i] += v[i];
}

// The message is 10240 times the byte 'a'; its last block is the padding.
static uint32_t sha256(void) {
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint8_t text[64], padding[64] = {0x80};
    const uint32_t blocks = 160, bits = blocks * 512;
    for (int i = 0; i < 64; i++)
        text[i] = 'a';
    for (int i = 0; i < 4; i++)
        padding[60 + i] = (uint8_t)(bits >> (24 - 8 * i));
    for (uint32_t i = 0; i < blocks; i++)
        sha_block(state, text);
    sha_block(state, padding);
    return state[0];
}

// CRC-32 (the reflected polynomial 0xedb88320) with a table of 256 words.
static uint32_t crc_table[256];
static uint8_t crc_text[32768];

static void crc_setup(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t value = byte;
        for (int bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1 ? 0xedb88320 : 0);
        crc_table[byte] = value;
    }
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof crc_text; i++)
        crc_text[i] = (uint8_t)next_random(&state);
}

static uint32_t crc32(void) {
    uint32_t crc = ~0u;
    for (size_t i = 0; i < sizeof crc_text; i++)
        crc = crc >> 8 ^ crc_table[(crc ^ crc_text[i]) & 0xff];
    return ~crc;
}

const struct test tests_integer[] = {
    {"registers", "user", NULL, NULL, registers},
    {"calls", "user", NULL, NULL, calls},
    {"bytecode", "user", NULL, NULL, bytecode},
    {"sha256", "user", NULL, NULL, sha256},
    {"crc32", "user", crc_setup, NULL, crc32},
    {0},
};
