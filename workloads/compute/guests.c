/* What the guests do. A unit of each takes some ten million instructions. */
#include "compute.h"

/* Primes below 2^19, by the sieve of Eratosthenes. */
uint32_t
sieve(uint32_t scale)
{
	enum { LIMIT = 1 << 19 };
	uint32_t sum = 0;
	while (scale-- != 0) {
		for (uint32_t i = 2; i < LIMIT; i++)
			arena[i] = 1;
		for (uint32_t i = 2; i * i < LIMIT; i++)
			if (arena[i] != 0)
				for (uint32_t j = i * i; j < LIMIT; j += i)
					arena[j] = 0;
		for (uint32_t i = 2; i < LIMIT; i++)
			sum += arena[i];
	}
	return sum;
}

/* Ways to place 10 queens, by recursion over bit sets. */
static uint32_t __attribute__((noinline))
place(uint32_t all, uint32_t columns, uint32_t left, uint32_t right)
{
	uint32_t count = 0;
	if (columns == all)
		return 1;
	for (uint32_t free = all & ~(columns | left | right); free != 0;) {
		uint32_t bit = free & -free;
		free ^= bit;
		count += place(all, columns | bit, (left | bit) << 1, (right | bit) >> 1);
	}
	return count;
}

uint32_t
queens(uint32_t scale)
{
	uint32_t sum = 0;
	while (scale-- != 0)
		for (int i = 0; i < 16; i++)
			sum += place((1 << 10) - 1, 0, 0, 0);
	return sum;
}

static uint32_t __attribute__((noinline))
fibonacci(uint32_t n)
{
	return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

uint32_t
fib(uint32_t scale)
{
	uint32_t sum = 0;
	while (scale-- != 0)
		sum += fibonacci(27);
	return sum;
}

/* Copies words between two places 16 MiB and 37 pages apart. */
uint32_t
copy(uint32_t scale)
{
	uint32_t *from = (uint32_t *)arena;
	uint32_t *to = (uint32_t *)(arena + (16 << 20) + 37 * 4096);
	enum { WORDS = (1 << 20) / 4 };
	for (uint32_t i = 0; i < WORDS; i++)
		from[i] = i * 2654435761u;
	while (scale-- != 0) {
		for (int round = 0; round < 16; round++) {
			for (uint32_t i = 0; i < WORDS; i += 4) {
				uint32_t a = from[i], b = from[i + 1], c = from[i + 2], d = from[i + 3];
				to[i] = a, to[i + 1] = b, to[i + 2] = c, to[i + 3] = d;
			}
			__asm__ volatile("" : : : "memory");
		}
		from[0] = scale;
	}
	uint32_t sum = 0;
	for (uint32_t i = 0; i < WORDS; i++)
		sum = sum * 31 + to[i];
	return sum;
}

/* Fills 8 MiB with bytes and with words. */
uint32_t
fill(uint32_t scale)
{
	enum { BYTES = 8 << 20 };
	uint32_t *words = (uint32_t *)arena;
	for (uint32_t n = 0; n < scale; n++) {
		for (uint32_t i = 0; i < BYTES / 4; i += 8)
			for (uint32_t j = 0; j < 8; j++)
				words[i + j] = n + j;
		for (uint32_t i = 0; i < BYTES; i += 2)
			arena[i] = (uint8_t)n;
		__asm__ volatile("" : : : "memory");
	}
	uint32_t sum = 0;
	for (uint32_t i = 0; i < BYTES / 4; i++)
		sum = sum * 31 + words[i];
	return sum;
}

/* FNV-1a over 256 KiB. */
uint32_t
fnv(uint32_t scale)
{
	enum { BYTES = 1 << 18 };
	uint32_t sum = 0x811c9dc5;
	for (uint32_t i = 0; i < BYTES; i++)
		arena[i] = (uint8_t)(i * 7);
	while (scale-- != 0)
		for (int round = 0; round < 8; round++)
			for (uint32_t i = 0; i < BYTES; i++)
				sum = (sum ^ arena[i]) * 0x01000193;
	return sum;
}

/* Follows a chain through 64 MiB in random order. */
uint32_t
chase(uint32_t scale)
{
	enum { LINE = 64, COUNT = (64 << 20) / LINE };
	uint32_t seed = 1;
	/* Sattolo's shuffle makes one cycle of all places. */
	for (uint32_t i = 0; i < COUNT; i++)
		*(uint32_t *)(arena + i * LINE) = i;
	for (uint32_t i = COUNT - 1; i > 0; i--) {
		uint32_t j = next_random(&seed) % i;
		uint32_t *a = (uint32_t *)(arena + i * LINE), *b = (uint32_t *)(arena + j * LINE);
		uint32_t t = *a;
		*a = *b;
		*b = t;
	}
	uint32_t at = 0;
	while (scale-- != 0)
		for (int i = 0; i < 1000000; i++)
			at = *(uint32_t *)(arena + at * LINE);
	return at;
}

/* A load from each page of 32 MiB. */
uint32_t
stride(uint32_t scale)
{
	enum { PAGE = 4096, PAGES = 8192 };
	uint32_t sum = 0;
	for (uint32_t i = 0; i < PAGES; i++)
		*(uint32_t *)(arena + i * PAGE + (i & 63) * 64) = i * 17;
	while (scale-- != 0)
		for (int round = 0; round < 200; round++)
			for (uint32_t i = 0; i < PAGES; i++)
				sum = sum * 3 + *(uint32_t *)(arena + i * PAGE + (i & 63) * 64);
	return sum;
}

static const uint32_t sha_constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static inline uint32_t
ror(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

/* The compression function of SHA-256, FIPS 180-4 section 6.2.2. */
static void __attribute__((noinline))
sha_block(uint32_t state[8], const uint32_t block[16])
{
	uint32_t w[64];
	for (int i = 0; i < 16; i++)
		w[i] = block[i];
	for (int i = 16; i < 64; i++) {
		uint32_t s0 = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3;
		uint32_t s1 = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10;
		w[i] = w[i - 16] + s0 + w[i - 7] + s1;
	}
	uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
	uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
	for (int i = 0; i < 64; i++) {
		uint32_t s1 = ror(e, 6) ^ ror(e, 11) ^ ror(e, 25);
		uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + sha_constants[i] + w[i];
		uint32_t s0 = ror(a, 2) ^ ror(a, 13) ^ ror(a, 22);
		uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
		h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
	}
	state[0] += a, state[1] += b, state[2] += c, state[3] += d;
	state[4] += e, state[5] += f, state[6] += g, state[7] += h;
}

uint32_t
sha256(uint32_t scale)
{
	uint32_t state[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
		0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
	uint32_t block[16];
	for (uint32_t i = 0; i < scale * 4000; i++) {
		for (int j = 0; j < 16; j++)
			block[j] = i + j;
		sha_block(state, block);
	}
	return state[0] ^ state[7];
}

/* A bytecode interpreter that counts primes by division. */
enum { LOADI, ADD, SUB, MUL, REM, LESS, JUMP, JUMPZ, MOVE, AND, XOR, INC, HALT };

static const uint8_t bytecode[] = {
	LOADI, 0, 0, /* r0 count */
	LOADI, 1, 2, /* r1 n */
	/* 6: next n */
	LOADI, 2, 2, /* r2 divisor */
	/* 9: */
	MUL, 3, 2, MOVE, 3, 2, MUL, 3, 2, LESS, 4, 3, /* r4 = r3 <= n: r4 = !(n < r3) */
	JUMPZ, 4, 39, /* divisor^2 > n: prime */
	MOVE, 5, 1, REM, 5, 2, JUMPZ, 5, 42, /* divides: no prime */
	INC, 2, 0, JUMP, 0, 9,
	/* 39: */
	INC, 0, 0,
	/* 42: */
	INC, 1, 0, XOR, 6, 1, AND, 6, 7, SUB, 7, 6, ADD, 7, 1, MOVE, 8, 1, LESS, 8, 9,
	JUMPZ, 8, 69, JUMP, 0, 6,
	/* 69: */
	HALT, 0, 0,
};

static uint32_t __attribute__((noinline))
interpret(const uint8_t *code, uint32_t limit)
{
	uint32_t r[16] = { 0 };
	r[9] = limit;
	for (uint32_t pc = 0;; ) {
		uint32_t a = code[pc + 1], b = code[pc + 2];
		switch (code[pc]) {
		case LOADI: r[a] = b; break;
		case ADD: r[a] += r[b]; break;
		case SUB: r[a] -= r[b]; break;
		case MUL: r[a] *= r[b]; break;
		case REM: r[a] %= r[b]; break;
		case LESS: r[a] = a == 8 ? r[a] < r[b] : r[1] >= r[b]; break;
		case JUMP: pc = b; continue;
		case JUMPZ: if (r[a] == 0) { pc = b; continue; } break;
		case MOVE: r[a] = r[b]; break;
		case AND: r[a] &= r[b]; break;
		case XOR: r[a] ^= r[b]; break;
		case INC: r[a]++; break;
		default: return r[0] * 31 + r[6] + r[7];
		}
		pc += 3;
	}
}

uint32_t
interp(uint32_t scale)
{
	uint32_t sum = 0;
	while (scale-- != 0)
		sum = sum * 31 + interpret(bytecode, 7000);
	return sum;
}

/* Quicksort with a function that compares. */
typedef int compare_t(const uint32_t *, const uint32_t *);

static int __attribute__((noinline))
ascending(const uint32_t *a, const uint32_t *b)
{
	return *a < *b ? -1 : *a > *b;
}

static void __attribute__((noinline))
quicksort(uint32_t *a, int low, int high, compare_t *compare)
{
	while (low < high) {
		uint32_t pivot = a[(low + high) >> 1];
		int i = low, j = high;
		while (i <= j) {
			while (compare(&a[i], &pivot) < 0)
				i++;
			while (compare(&a[j], &pivot) > 0)
				j--;
			if (i <= j) {
				uint32_t t = a[i];
				a[i++] = a[j];
				a[j--] = t;
			}
		}
		quicksort(a, low, j, compare);
		low = i;
	}
}

uint32_t
sort(uint32_t scale)
{
	enum { COUNT = 30000 };
	uint32_t *a = (uint32_t *)arena;
	uint32_t seed = 1, sum = 0;
	while (scale-- != 0) {
		for (int i = 0; i < COUNT; i++)
			a[i] = next_random(&seed);
		quicksort(a, 0, COUNT - 1, ascending);
		sum = sum * 31 + a[COUNT / 2];
	}
	return sum;
}

/* Product of matrices of 64 by 64 integers. */
uint32_t
matrix(uint32_t scale)
{
	enum { N = 64 };
	static int32_t a[N][N], b[N][N], c[N][N];
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++)
			a[i][j] = i * j + 1, b[i][j] = i - j;
	while (scale-- != 0)
		for (int round = 0; round < 6; round++)
			for (int i = 0; i < N; i++)
				for (int j = 0; j < N; j++) {
					int32_t sum = 0;
					for (int k = 0; k < N; k++)
						sum += a[i][k] * b[k][j];
					c[i][j] += sum;
				}
	uint32_t sum = 0;
	for (int i = 0; i < N; i++)
		for (int j = 0; j < N; j++)
			sum = sum * 31 + (uint32_t)c[i][j];
	return sum;
}

/* A spin lock, a counter and a ring of flags by lr.w, sc.w and amos. */
uint32_t
amo(uint32_t scale)
{
	volatile uint32_t *words = (volatile uint32_t *)arena;
	uint32_t *lock = (uint32_t *)arena, *count = lock + 1, *ring = lock + 16;
	words[0] = words[1] = 0;
	for (uint32_t i = 0; i < 16; i++)
		ring[i] = 0;
	for (uint32_t i = 0; i < scale * 400000; i++) {
		while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) != 0)
			;
		__atomic_fetch_add(count, i, __ATOMIC_RELAXED);
		__atomic_fetch_xor(&ring[i & 15], i, __ATOMIC_RELAXED);
		uint32_t old = ring[i & 7];
		__atomic_compare_exchange_n(&ring[i & 7], &old, old + 1, 0, __ATOMIC_RELAXED,
		    __ATOMIC_RELAXED);
		__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
	}
	uint32_t sum = words[1];
	for (uint32_t i = 0; i < 16; i++)
		sum = sum * 31 + ring[i];
	return sum;
}

/* A binary search tree: insertions and look-ups. */
struct node {
	uint32_t key;
	struct node *child[2];
};

uint32_t
tree(uint32_t scale)
{
	enum { COUNT = 20000 };
	struct node *nodes = (struct node *)arena;
	uint32_t sum = 0, seed = 7;
	while (scale-- != 0) {
		struct node *root = NULL;
		for (int i = 0; i < COUNT; i++) {
			struct node **at = &root;
			uint32_t key = next_random(&seed);
			while (*at != NULL)
				at = &(*at)->child[key > (*at)->key];
			nodes[i] = (struct node){ key, { NULL, NULL } };
			*at = &nodes[i];
		}
		for (int i = 0; i < 2 * COUNT; i++) {
			uint32_t key = next_random(&seed);
			for (struct node *n = root; n != NULL; n = n->child[key > n->key])
				sum += n->key;
		}
	}
	return sum;
}
