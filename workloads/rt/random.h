/*
 * The pseudo-random numbers and the checksum of all programs. Arithmetic is modulo 2^32.
 *
 *   mix32(x):  x ^= x >> 16;  x *= 0x7feb352d;  x ^= x >> 15;  x *= 0x846ca68b;  x ^= x >> 16
 *   stream(seed, number) = mix32(mix32(seed) + number)
 *   nth(stream, i)       = mix32(stream + i)
 *
 * A number is a function of its index, so any word of a large region can be recomputed alone.
 *
 * The checksum is FNV-1a, 32 bits, over words as little-endian bytes:
 *   hash = 0x811c9dc5; for each byte: hash ^= byte; hash *= 0x01000193
 */
#ifndef RANDOM_H
#define RANDOM_H

#include "rt.h"

#define CHECKSUM_START 0x811c9dc5u

static inline u32 mix32(u32 x)
{
	x ^= x >> 16;
	x *= 0x7feb352du;
	x ^= x >> 15;
	x *= 0x846ca68bu;
	x ^= x >> 16;
	return x;
}

static inline u32 stream(u32 seed, u32 number)
{
	return mix32(mix32(seed) + number);
}

static inline u32 nth(u32 stream, u32 index)
{
	return mix32(stream + index);
}

static inline u32 checksum_word(u32 hash, u32 word)
{
	for (int byte = 0; byte < 4; byte++) {
		hash = (hash ^ (word & 0xff)) * 0x01000193u;
		word >>= 8;
	}
	return hash;
}

#endif
