// Integer vectors of SSE2.

#include <emmintrin.h>

#include "bench.h"

enum { COUNT = 1024 };
static __m128i input[COUNT], output[COUNT];

static void setup(void) {
    uint32_t state = 31337;
    uint32_t *words = (uint32_t *)input;
    for (uint32_t i = 0; i < COUNT * 4; i++)
        words[i] = next_random(&state);
}

// Something of everything that a picture or sound decoder does.
static uint32_t vectors(void) {
    __m128i sum = _mm_setzero_si128(), differences = _mm_setzero_si128();
    const __m128i weights = _mm_set_epi16(9, -7, 5, -3, 1, -2, 4, -6), low = _mm_set1_epi16(0x00ff);
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < COUNT; i++) {
            __m128i a = input[i], b = input[(i * 5 + round) % COUNT];
            __m128i product = _mm_madd_epi16(a, weights);
            __m128i packed = _mm_packus_epi16(_mm_and_si128(a, low), _mm_srli_epi16(b, 8));
            __m128i mixed = _mm_unpacklo_epi8(packed, _mm_avg_epu8(a, b));
            __m128i mask = _mm_cmpgt_epi32(product, b);
            __m128i chosen = _mm_or_si128(_mm_and_si128(mask, product), _mm_andnot_si128(mask, mixed));
            chosen = _mm_shuffle_epi32(_mm_adds_epi16(chosen, b), 0x4e);
            output[i] = _mm_xor_si128(_mm_slli_epi32(chosen, 3), _mm_max_epi16(a, mixed));
            sum = _mm_add_epi32(sum, output[i]);
            differences = _mm_add_epi64(differences, _mm_sad_epu8(a, packed));
        }
    }
    uint32_t parts[8];
    _mm_storeu_si128((__m128i *)parts, sum);
    _mm_storeu_si128((__m128i *)(parts + 4), differences);
    uint32_t result = 0;
    for (int i = 0; i < 8; i++)
        result = result * 13 + parts[i];
    return result;
}

const struct test tests_vector[] = {
    {"vectors", "user", setup, NULL, vectors},
    {0},
};
