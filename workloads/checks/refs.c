/*
 * refs: references to memory in an order, for experiments that compare policies of paging.
 *
 *   refs sweep PAGES ROUNDS        all pages in turn, ROUNDS times
 *   refs random PAGES COUNT        any page
 *   refs hot PAGES COUNT           nine of ten references to a tenth of the pages
 *   refs scan PAGES ROUNDS         a third of PAGES in turn, then as many that are used once; and so on
 *   refs lu N ROUNDS               LU decomposition of an N by N matrix, row by row, ROUNDS times
 *   refs sor N ROUNDS              relaxation: each word from its neighbours, ROUNDS times
 *   refs holes PAGES RUN FRESH     PAGES go to swap; RUN of each 2 * RUN are given up; FRESH others go
 *
 *   refs map KIND read|write PAGES map PAGES of zero-fill memory, or of a file privately or shared
 *                                  (KIND is zero, private or shared), refer to each, unmap them
 *   refs pageswap PAGES ROUNDS     store to PAGES and page them out, ROUNDS times; then read them
 *
 * A reference to a page adds 1 to a word of it, which is verified in the end. PAGES is 1..65536, the
 * others at least 1. "<" and ">" are printed before and after the references that count; of `holes`
 * those are what pages the others out.
 */
#include "../rt/unix.h"
#include "../rt/program.h"
#include "../rt/random.h"

#define SYNOPSIS "refs sweep|random|hot|scan PAGES COUNT\n" \
	"       refs lu|sor N ROUNDS\n       refs holes PAGES RUN FRESH\n" \
	"       refs map zero|private|shared read|write PAGES\n       refs pageswap PAGES ROUNDS"

static u32 *map(u32 pages, int flags)
{
	u32 *memory = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS,
			   -1, 0);

	if (memory == MAP_FAILED)
		fail("refs: mmap: error %d", errno);
	return memory;
}

static void mark(const char *text)
{
	write(1, text, 1);
}

/* Uses of the pages so far, which must be what the pages say in the end. */
static u32 *memory, *uses;

static void use(u32 page)
{
	((volatile u32 *)memory)[page * PAGE_WORDS + page % PAGE_WORDS]++;
	uses[page]++;
}

static void setup(u32 pages)
{
	memory = map(pages, MAP_PRIVATE);
	uses = map(pages / PAGE_WORDS + 1, MAP_PRIVATE);
}

static int verify(u32 pages)
{
	mark(">");
	for (u32 page = 0; page < pages; page++)
		if (memory[page * PAGE_WORDS + page % PAGE_WORDS] != uses[page])
			fail("refs: page %u has lost what was stored in it", page);
	return 0;
}

static int sweep(u32 pages, u32 rounds)
{
	setup(pages);
	mark("<");
	for (u32 round = 0; round < rounds; round++)
		for (u32 page = 0; page < pages; page++)
			use(page);
	return verify(pages);
}

static int any(bool hot, u32 pages, u32 count)
{
	u32 numbers = stream(1, 0), few = pages / 10 + 1;

	setup(pages);
	mark("<");
	for (u32 i = 0; i < count; i++) {
		u32 number = nth(numbers, 2 * i);
		bool is_hot = hot && nth(numbers, 2 * i + 1) % 10 != 0;
		use(number % (is_hot ? few : pages));
	}
	return verify(pages);
}

static int scan(u32 pages, u32 rounds)
{
	u32 third = pages / 3 + 1, once = third;

	setup(third + third * rounds);
	mark("<");
	for (u32 round = 0; round < rounds; round++) {
		for (u32 page = 0; page < third; page++)
			use(page);
		for (u32 i = 0; i < third; i++)
			use(once++);
	}
	return verify(once);
}

/* Numbers modulo a prime: every result is exact, and every pivot but zero has an inverse. */
#define PRIME 65521u

static u32 power(u32 base, u32 exponent)
{
	u32 result = 1;

	for (; exponent > 0; exponent >>= 1, base = base * base % PRIME)
		if (exponent & 1)
			result = result * base % PRIME;
	return result;
}

static u32 entry(u32 i, u32 j)
{
	return nth(stream(2, i), j) % PRIME;
}

static void decompose(u32 *a, u32 n)
{
	for (u32 i = 0; i < n; i++)
		for (u32 j = 0; j < n; j++)
			a[i * n + j] = entry(i, j);
	for (u32 k = 0; k < n; k++) {
		u32 inverse = power(a[k * n + k], PRIME - 2);
		for (u32 i = k + 1; i < n; i++) {
			u32 factor = a[i * n + k] = a[i * n + k] * inverse % PRIME;
			for (u32 j = k + 1; j < n; j++)
				a[i * n + j] = (a[i * n + j] + (PRIME - factor) * a[k * n + j]) % PRIME;
		}
	}
}

static int lu(u32 n, u32 rounds)
{
	u32 *a = map(n * n / PAGE_WORDS + 1, MAP_PRIVATE);

	mark("<");
	for (u32 round = 0; round < rounds; round++)
		decompose(a, n);
	mark(">");
	/* A row of the product of the two triangles is a row of the matrix. */
	for (u32 j = 0; j < n; j++) {
		u32 i = n - 1, sum = 0;
		for (u32 k = 0; k <= i && k <= j; k++)
			sum = (sum + (k == i ? 1 : a[i * n + k]) * a[k * n + j]) % PRIME;
		if (sum != entry(i, j))
			fail("refs: the product of the triangles is not the matrix");
	}
	return 0;
}

static int sor(u32 n, u32 rounds)
{
	u32 *a = map(n * n / PAGE_WORDS + 1, MAP_PRIVATE), sum = 0;

	for (u32 i = 0; i < n * n; i++)
		a[i] = i % n == 0 || i < n ? 1u << 20 : 0;
	mark("<");
	for (u32 round = 0; round < rounds; round++)
		for (u32 i = 1; i + 1 < n; i++)
			for (u32 j = 1; j + 1 < n; j++) {
				u32 *x = a + i * n + j;
				*x = (x[-1] + x[1] + x[-(int)n] + x[n]) / 4;
			}
	mark(">");
	for (u32 i = 0; i < n * n; i++)
		sum = checksum_word(sum, a[i]);
	printf("\nchecksum %08x\n", sum);
	return 0;
}

/* Wait until all that goes to swap is there. */
static void written(void)
{
	nanosleep(&(struct timespec){ .tv_sec = 60 }, NULL);
}

static int holes(u32 pages, u32 run, u32 fresh)
{
	u32 *old = map(pages, MAP_SHARED), *more;

	for (u32 page = 0; page < pages; page++)
		old[page * PAGE_WORDS] = page;
	if (madvise(old, pages * PAGE_BYTES, MADV_PAGEOUT) != 0)
		fail("refs: madvise: error %d", errno);
	/* A page that is under way keeps its slot. */
	written();
	for (u32 page = 0; page + run <= pages; page += 2 * run)
		if (madvise(old + page * PAGE_WORDS, run * PAGE_BYTES, MADV_REMOVE) != 0)
			fail("refs: madvise: error %d", errno);
	more = map(fresh, MAP_SHARED);
	for (u32 page = 0; page < fresh; page++)
		more[page * PAGE_WORDS] = page + 1;
	mark("<");
	if (madvise(more, fresh * PAGE_BYTES, MADV_PAGEOUT) != 0)
		fail("refs: madvise: error %d", errno);
	written();
	mark(">");
	for (u32 page = 0; page < fresh; page++)
		if (more[page * PAGE_WORDS] != page + 1)
			fail("refs: page %u has lost what was stored in it", page);
	return 0;
}

/* A file of PAGES whose pages are all in memory. */
static int resident_file(u32 pages)
{
	int fd = open("/tmp/refs", O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || ftruncate(fd, pages * PAGE_BYTES) != 0)
		fail("refs: /tmp/refs: error %d", errno);
	u32 *contents = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (contents == MAP_FAILED)
		fail("refs: mmap: error %d", errno);
	for (u32 page = 0; page < pages; page++)
		((volatile u32 *)contents)[page * PAGE_WORDS] = page;
	munmap(contents, pages * PAGE_BYTES);
	return fd;
}

static int map_and_unmap(const char *kind, const char *access, u32 pages)
{
	int flags = strcmp(kind, "shared") == 0 ? MAP_SHARED : MAP_PRIVATE;
	bool is_zero = strcmp(kind, "zero") == 0, is_read = strcmp(access, "read") == 0;
	int fd = is_zero ? -1 : resident_file(pages);

	if ((!is_zero && flags == MAP_PRIVATE && strcmp(kind, "private") != 0) ||
	    (!is_read && strcmp(access, "write") != 0))
		return usage(SYNOPSIS);
	if (is_zero)
		flags |= MAP_ANONYMOUS;
	mark("<");
	volatile u32 *words = mmap(NULL, pages * PAGE_BYTES, PROT_READ | PROT_WRITE, flags, fd, 0);
	if (words == MAP_FAILED)
		fail("refs: mmap: error %d", errno);
	for (u32 page = 0; page < pages; page++) {
		if (!is_read)
			words[page * PAGE_WORDS] = page;
		else if (words[page * PAGE_WORDS] != (is_zero ? 0 : page))
			fail("refs: page %u is not what was stored in it", page);
	}
	if (munmap((void *)words, pages * PAGE_BYTES) != 0)
		fail("refs: munmap: error %d", errno);
	mark(">");
	return 0;
}

static int pageswap(u32 pages, u32 rounds)
{
	setup(pages);
	mark("<");
	for (u32 round = 0; round < rounds; round++) {
		for (u32 page = 0; page < pages; page++)
			use(page);
		if (madvise(memory, pages * PAGE_BYTES, MADV_PAGEOUT) != 0)
			fail("refs: madvise: error %d", errno);
	}
	return verify(pages);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	u32 size = 0, count = 0, fresh = 0;

	if (argc == 5 && strcmp(what, "map") == 0 && argument(argc, argv, 4, 1, 65536, &size))
		return map_and_unmap(argv[2], argv[3], size);
	if (!argument(argc, argv, 2, 1, 65536, &size) ||
	    !argument(argc, argv, 3, 1, 1000000000, &count) ||
	    !argument(argc, argv, 4, 1, 65536, &fresh))
		return usage(SYNOPSIS);
	if (argc == 4 && strcmp(what, "lu") == 0 && size <= 4096)
		return lu(size, count);
	if (argc == 4 && strcmp(what, "sor") == 0 && size <= 4096)
		return sor(size, count);
	if (argc == 4 && strcmp(what, "sweep") == 0)
		return sweep(size, count);
	if (argc == 4 && (strcmp(what, "random") == 0 || strcmp(what, "hot") == 0))
		return any(what[0] == 'h', size, count);
	if (argc == 4 && strcmp(what, "scan") == 0)
		return scan(size, count);
	if (argc == 4 && strcmp(what, "pageswap") == 0)
		return pageswap(size, count);
	if (argc == 5 && strcmp(what, "holes") == 0)
		return holes(size, count, fresh);
	return usage(SYNOPSIS);
}
