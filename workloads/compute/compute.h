#ifndef COMPUTE_H
#define COMPUTE_H

#include <stddef.h>
#include <stdint.h>

/* Each guest does `scale` units of its work and returns a checksum. */
typedef uint32_t guest_t(uint32_t scale);

guest_t amo, chase, cold, copy, dmatrix, fib, fill, fnv, interp, mandel, mark, matrix, nbody, queens,
    sha256, sieve, sort, stride, tree;

/* Memory of the guests: 72 MiB in 4 KiB pages that are mapped one by one. */
#define arena ((uint8_t *)0x82000000)

static inline uint32_t
next_random(uint32_t *state)
{
	uint32_t x = *state;
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return *state = x;
}

#endif
