// Loads, stores, sorting, copies and pointers.

#include "bench.h"

// Loads and stores of several widths in 32 KiB.
static uint32_t cells[8192];

static uint32_t load_store(void) {
    uint32_t sum = opaque(0);
    for (uint32_t i = 0; i < LENGTH(cells); i++)
        cells[i] = i * 0x9e3779b1u;
    for (uint32_t round = 0; round < 3; round++) {
        uint8_t *bytes = (uint8_t *)cells;
        uint16_t *halves = (uint16_t *)cells;
        for (uint32_t i = 0; i < LENGTH(cells); i++) {
            uint32_t other = (i * 677 + round) % LENGTH(cells);
            cells[i] += cells[other];
            bytes[4 * other + 1] ^= (uint8_t)i;
            halves[2 * i + 1] += bytes[other];
            sum += halves[other];
        }
    }
    return sum;
}

// A quicksort that knows its elements only by size and by a function that compares them.
typedef int (*compare_function)(const void *, const void *);

static void swap_bytes(uint8_t *a, uint8_t *b, size_t size) {
    while (size-- > 0) {
        uint8_t kept = *a;
        *a++ = *b;
        *b++ = kept;
    }
}

static NOINLINE void sort(uint8_t *base, size_t count, size_t size, compare_function compare) {
    while (count > 8) {
        swap_bytes(base, base + count / 2 * size, size);
        // Everything below `low` is less than the first element, everything from `high` on is not.
        size_t low = 1, high = count;
        while (low < high) {
            if (compare(base + low * size, base) < 0)
                low++;
            else
                swap_bytes(base + low * size, base + --high * size, size);
        }
        swap_bytes(base, base + (low - 1) * size, size);
        sort(base + low * size, count - low, size, compare);
        count = low - 1;
    }
    for (size_t i = 1; i < count; i++)
        for (size_t j = i; j > 0 && compare(base + j * size, base + (j - 1) * size) < 0; j--)
            swap_bytes(base + j * size, base + (j - 1) * size, size);
}

struct record {
    uint32_t key, value;
};

static struct record records[2000];

static NOINLINE int by_key(const void *left, const void *right) {
    uint32_t a = ((const struct record *)left)->key, b = ((const struct record *)right)->key;
    return a < b ? -1 : a > b;
}

static uint32_t quicksort(void) {
    uint32_t state = 12345, sum = 0;
    for (uint32_t i = 0; i < LENGTH(records); i++)
        records[i] = (struct record){next_random(&state), i};
    compare_function volatile compare = by_key;
    sort((uint8_t *)records, LENGTH(records), sizeof records[0], compare);
    for (uint32_t i = 1; i < LENGTH(records); i++) {
        if (records[i].key < records[i - 1].key)
            fail("not sorted");
        sum = sum * 3 + records[i].value;
    }
    return sum;
}

// Copies between two buffers of 128 KiB.
enum { COPY = 128 << 10 };
static uint8_t *copies;

static void copy_setup(void) {
    copies = pages(2 * COPY, 0);
    uint32_t state = 99;
    for (uint32_t i = 0; i < COPY; i++)
        copies[i] = (uint8_t)next_random(&state);
}

static void copy_teardown(void) {
    free_pages(copies, 2 * COPY);
}

static uint32_t copy_sum(void) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < COPY; i += 1021)
        sum = sum * 5 + copies[COPY + i];
    return sum;
}

static uint32_t copy_loop(void) {
    unsigned long *to = (unsigned long *)(copies + COPY), *from = (unsigned long *)copies;
    for (size_t i = 0; i < COPY / sizeof *to; i++)
        to[i] = from[i];
    for (size_t i = 0; i < COPY / 4; i++)
        copies[COPY + i] = copies[i + 1];
    return copy_sum();
}

static void rep_movs(void *to, const void *from, size_t words) {
#ifdef __x86_64__
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
#else
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
#endif
}

// Large copies and many small ones: words, then bytes.
static uint32_t copy_rep(void) {
    rep_movs(copies + COPY, copies, COPY / sizeof(long));
    for (size_t i = 0; i + 64 < COPY; i += 256) {
        void *to = copies + COPY + i;
        const void *from = copies + i + 1;
        size_t count = 40;
        __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
    }
    return copy_sum();
}

// A list whose elements lie in random order over 4 MiB, eight in a page: too many pages for small tables of
// translations, but few enough cache lines that the host's caches hold them, however busy it is.
enum { NODES = 8192, NODE = 512, LINE = 64, ROUNDS = 4 };

struct node {
    struct node *next;
    uint32_t value;
};

static uint8_t *nodes;

static struct node *node(uint32_t index) {
    // Not always at the start of its place, so that all sets of a cache take part.
    return (struct node *)(nodes + (size_t)index * NODE + index / 8 % (NODE / LINE) * LINE);
}

static void chase_setup(void) {
    nodes = pages((size_t)NODES * NODE, 0);
    for (uint32_t i = 0; i < NODES; i++)
        node(i)->value = i;
    // Swapping each element with one before it leaves a single cycle through all of them.
    uint32_t state = 4711;
    for (uint32_t i = NODES - 1; i > 0; i--) {
        uint32_t other = next_random(&state) % i, kept = node(i)->value;
        node(i)->value = node(other)->value;
        node(other)->value = kept;
    }
    for (uint32_t i = 0; i < NODES; i++)
        node(i)->next = node(node(i)->value);
}

static void chase_teardown(void) {
    free_pages(nodes, (size_t)NODES * NODE);
}

static uint32_t chase(void) {
    uint32_t sum = 0;
    struct node *at = node(0);
    for (uint32_t i = 0; i < ROUNDS * NODES; i++) {
        sum = sum * 7 + at->value;
        at = at->next;
    }
    return sum + (at == node(0));
}

const struct test tests_memory[] = {
    {"load-store", "user", NULL, NULL, load_store},
    {"qsort", "user", NULL, NULL, quicksort},
    {"copy-loop", "user", copy_setup, copy_teardown, copy_loop},
    {"copy-rep", "user", copy_setup, copy_teardown, copy_rep},
    {"chase", "user", chase_setup, chase_teardown, chase},
    {0},
};
