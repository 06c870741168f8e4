// The tests with floating point. `mandelbrot.c` is compiled twice.

#include "bench.h"

const struct test tests_float[] = {
    {"mandelbrot-x87", "user", NULL, NULL, mandelbrot_x87},
    {"mandelbrot-sse2", "user", NULL, NULL, mandelbrot_sse2},
    {0},
};
