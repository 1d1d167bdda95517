/*
 * matmul [N=256] [seed=1]: multiplies two N x N matrices of 32-bit words in heap memory.
 *
 * N is 1..4096; arithmetic is modulo 2^32. Matrices are stored by rows: word i of A is
 * nth(stream(seed, 0), i), of B nth(stream(seed, 1), i) (rt/random.h). C = A * B is verified by
 * Freivalds' check: A * (B * r) must equal C * r for four pseudo-random vectors r.
 *
 * Output:
 *   matmul: 256 x 256, seed 1
 *   verify: A(Br) = Cr for 4 vectors
 *   checksum XXXXXXXX                     rt/random.h's, over the words of C in order
 */
#include "rt/program.h"
#include "rt/random.h"

/* Three 32 x 32 blocks of words take 12 KiB. */
enum { BLOCK = 32, VECTORS = 4 };

static u32 *allocate(u32 count)
{
	u32 *words = malloc(count * sizeof(u32));

	if (words == NULL)
		fail("matmul: out of memory");
	return words;
}

static void fill(u32 *words, u32 count, u32 numbers)
{
	for (u32 i = 0; i < count; i++)
		words[i] = nth(numbers, i);
}

static u32 block_end(u32 start, u32 n)
{
	return n - start < BLOCK ? n : start + BLOCK;
}

static void multiply_block(u32 *c, const u32 *a, const u32 *b, u32 n, u32 row, u32 inner,
			   u32 column)
{
	u32 row_end = block_end(row, n);
	u32 inner_end = block_end(inner, n);
	u32 column_end = block_end(column, n);

	for (u32 i = row; i < row_end; i++) {
		for (u32 k = inner; k < inner_end; k++) {
			u32 factor = a[i * n + k];
			for (u32 j = column; j < column_end; j++)
				c[i * n + j] += factor * b[k * n + j];
		}
	}
}

static void multiply(u32 *c, const u32 *a, const u32 *b, u32 n)
{
	memset(c, 0, n * n * sizeof(u32));
	for (u32 row = 0; row < n; row += BLOCK)
		for (u32 inner = 0; inner < n; inner += BLOCK)
			for (u32 column = 0; column < n; column += BLOCK)
				multiply_block(c, a, b, n, row, inner, column);
}

static void apply(u32 *result, const u32 *matrix, const u32 *vector, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		u32 sum = 0;
		for (u32 j = 0; j < n; j++)
			sum += matrix[i * n + j] * vector[j];
		result[i] = sum;
	}
}

/*
 * The first vector is odd throughout: an odd factor never cancels an error, so a single wrong
 * word in a row is always found. Even factors are needed against errors that cancel in pairs.
 */
static void verify(const u32 *a, const u32 *b, const u32 *c, u32 n, u32 seed)
{
	u32 *vector = allocate(n);
	u32 *partial = allocate(n);
	u32 *expected = allocate(n);
	u32 *actual = allocate(n);

	for (u32 round = 0; round < VECTORS; round++) {
		fill(vector, n, stream(seed, 2 + round));
		for (u32 i = 0; round == 0 && i < n; i++)
			vector[i] |= 1;
		apply(partial, b, vector, n);
		apply(expected, a, partial, n);
		apply(actual, c, vector, n);
		for (u32 i = 0; i < n; i++) {
			if (actual[i] != expected[i])
				fail("matmul: row %u of the product is wrong", i);
		}
	}
	free(vector);
	free(partial);
	free(expected);
	free(actual);
}

int main(int argc, char **argv)
{
	u32 n = 256;
	u32 seed = 1;

	if (argc > 3 || !argument(argc, argv, 1, 1, 4096, &n) ||
	    !argument(argc, argv, 2, 0, UINT32_MAX, &seed))
		return usage("matmul [N=256] [seed=1]");

	printf("matmul: %u x %u, seed %u\n", n, n, seed);
	u32 *a = allocate(n * n);
	u32 *b = allocate(n * n);
	u32 *c = allocate(n * n);
	fill(a, n * n, stream(seed, 0));
	fill(b, n * n, stream(seed, 1));
	multiply(c, a, b, n);
	verify(a, b, c, n, seed);
	printf("verify: A(Br) = Cr for %d vectors\n", VECTORS);

	u32 checksum = CHECKSUM_START;
	for (u32 i = 0; i < n * n; i++)
		checksum = checksum_word(checksum, c[i]);
	printf("checksum %08x\n", checksum);
	free(a);
	free(b);
	free(c);
	return 0;
}
