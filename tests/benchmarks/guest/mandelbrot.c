// A small picture of the Mandelbrot set in double precision. The compiler's options choose the unit that
// calculates, and MANDELBROT is the function's name then.

#include "bench.h"

uint32_t MANDELBROT(void) {
    const uint32_t width = 48, height = 32, limit = 100;
    const double left = (int32_t)opaque(-2), bottom = (int32_t)opaque(-1), extent = opaque(3);
    uint32_t sum = 0;
    for (uint32_t y = 0; y < height; y++) {
        for (uint32_t x = 0; x < width; x++) {
            double cr = left + extent * x / width, ci = bottom + 2.0 * y / height;
            double zr = 0, zi = 0, rr = 0, ii = 0;
            uint32_t n = 0;
            while (n < limit && rr + ii < 4) {
                zi = 2 * zr * zi + ci;
                zr = rr - ii + cr;
                rr = zr * zr;
                ii = zi * zi;
                n++;
            }
            sum = sum * 17 + n;
        }
    }
    return sum;
}
