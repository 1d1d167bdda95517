/*
 * mmap [MiB=1] [file]: a file through mappings and through read and write, which must agree.
 *
 * MiB is 1..256. The file (one in /tmp unless named; it is made anew and removed in the end) has
 * P = 256 * MiB + 1 pages, of which the last ends after 1000 bytes. In generation g, word i of it
 * is nth(stream(1, g), i)   (rt/random.h, modulo 2^32). Every page is in generation 0 at first.
 *
 *   shared    read through a shared mapping what write wrote; the page beyond the end of the file
 *             is zero up to the end of its page; store generation 1 in pages p with p mod 3 = 0
 *             and read them with pread
 *   written   pwrite generation 2 to pages p with p mod 5 = 0; they show in the mapping
 *   private   stores in a private mapping show there and not in the file, also after msync
 *   fixed     anonymous memory over pages 4..7 of the mapping: zero, and its neighbours unharmed;
 *             then the file over it again with MAP_FIXED, at an offset
 *   protect   a store in a page made read-only calls a SIGSEGV handler, which makes it writable;
 *             it stores generation 3 in page 8
 *   bus       an access to the page behind the last calls a SIGBUS handler, which makes the file
 *             longer; so does an access to a page that ftruncate cut off
 *   unlinked  without name and descriptor the mapping still holds the contents
 *
 * Output:
 *   mmap: 257 pages
 *   shared: done                          and so for each phase
 *   checksum XXXXXXXX                     rt/random.h's, over the words of the P - 1 whole pages
 */
#include "rt/program.h"
#include "rt/random.h"
#include "rt/unix.h"

enum { TAIL_BYTES = 1000 };

static const char *path;
static char own_path[64] = "/tmp/mmap.";
static int fd;
static u32 pages; /* whole ones */
static u32 *shared;

/* Shared with the handler of faults, which no call of this program announces. */
static volatile off_t file_size; /* that a fault behind the end of the file brings */
static void *volatile faulted; /* where the last one was */
static volatile int fault_code;
static volatile int fault_count;

_Noreturn static void give_up(const char *what)
{
	int error = errno;

	unlink(path);
	fail("mmap: %s: error %d", what, error);
}

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	unlink(path);
	fail("mmap: %s", what);
}

static u32 generation(u32 page, u32 phase)
{
	if (phase >= 3 && page == 8)
		return 3;
	if (phase >= 2 && page % 5 == 0)
		return 2;
	return phase >= 1 && page % 3 == 0 ? 1 : 0;
}

static u32 word_of(u32 page, u32 phase, u32 i)
{
	return nth(stream(1, generation(page, phase)), page * PAGE_WORDS + i);
}

/* Does a whole page read as it should once the first `phase` generations were stored? */
static void verify_page(const volatile u32 *words, u32 page, u32 phase, const char *what)
{
	for (u32 i = 0; i < PAGE_WORDS; i++) {
		u32 expected = word_of(page, phase, i);
		if (words[i] == expected)
			continue;
		unlink(path);
		fail("mmap: %s: word %u of page %u reads %08x, not %08x", what, i, page, words[i],
		     expected);
	}
}

static void verify_mapping(const u32 *words, u32 phase, const char *what)
{
	for (u32 page = 0; page < pages; page++)
		verify_page(words + page * PAGE_WORDS, page, phase, what);
}

static void verify_file(u32 phase, const char *what)
{
	static u32 words[PAGE_WORDS];

	for (u32 page = 0; page < pages; page++) {
		if (pread(fd, words, PAGE_BYTES, (off_t)page * PAGE_BYTES) != PAGE_BYTES)
			give_up("pread");
		verify_page(words, page, phase, what);
	}
}

static void store_page(u32 *words, u32 page, u32 phase)
{
	for (u32 i = 0; i < PAGE_WORDS; i++)
		words[i] = word_of(page, phase, i);
}

static void *map_file(int sharing, u32 count)
{
	void *start = mmap(NULL, count * PAGE_BYTES, PROT_READ | PROT_WRITE, sharing, fd, 0);

	if (start == MAP_FAILED)
		give_up("mmap");
	return start;
}

static void create(void)
{
	static u32 words[PAGE_WORDS];

	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd == -1)
		fail("mmap: %s: error %d", path, errno);
	for (u32 page = 0; page <= pages; page++) {
		u32 size = page < pages ? PAGE_BYTES : TAIL_BYTES;
		store_page(words, page, 0);
		if (write(fd, words, size) != (ssize_t)size)
			give_up("write");
	}
}

static void try_shared(void)
{
	shared = map_file(MAP_SHARED, pages + 1);
	verify_mapping(shared, 0, "shared");
	const u32 *last = shared + pages * PAGE_WORDS;
	for (u32 i = 0; i < PAGE_WORDS; i++) {
		u32 expected = i < TAIL_BYTES / 4 ? word_of(pages, 0, i) : 0;
		require(last[i] == expected, "shared: the end of the file is not followed by zeros");
	}
	for (u32 page = 0; page < pages; page += 3)
		store_page(shared + page * PAGE_WORDS, page, 1);
	verify_file(1, "shared");
	if (msync(shared, pages * PAGE_BYTES, MS_SYNC) == -1)
		give_up("msync");
	verify_file(1, "msync");
	printf("shared: done\n");
}

static void try_written(void)
{
	static u32 words[PAGE_WORDS];

	for (u32 page = 0; page < pages; page += 5) {
		store_page(words, page, 2);
		if (pwrite(fd, words, PAGE_BYTES, (off_t)page * PAGE_BYTES) != PAGE_BYTES)
			give_up("pwrite");
	}
	verify_mapping(shared, 2, "written");
	printf("written: done\n");
}

static void try_private(void)
{
	u32 *copy = map_file(MAP_PRIVATE, pages);

	verify_mapping(copy, 2, "private");
	for (u32 page = 0; page < pages; page += 2) {
		for (u32 i = 0; i < PAGE_WORDS; i++)
			copy[page * PAGE_WORDS + i] = ~word_of(page, 2, i);
	}
	if (msync(copy, pages * PAGE_BYTES, MS_SYNC) == -1)
		give_up("msync of the private mapping");
	verify_file(2, "private");
	verify_mapping(shared, 2, "private");
	for (u32 page = 0; page < pages; page++) {
		u32 flip = page % 2 == 0 ? ~0u : 0;
		for (u32 i = 0; i < PAGE_WORDS; i++)
			require(copy[page * PAGE_WORDS + i] == (word_of(page, 2, i) ^ flip),
				"private: a private page does not keep what was stored");
	}
	if (munmap(copy, pages * PAGE_BYTES) == -1)
		give_up("munmap");
	printf("private: done\n");
}

static void try_fixed(void)
{
	u32 *hole = shared + 4 * PAGE_WORDS;
	void *there = mmap(hole, 4 * PAGE_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	require(there == hole, "fixed: MAP_FIXED did not take the given place");
	for (u32 i = 0; i < 4 * PAGE_WORDS; i++) {
		require(hole[i] == 0, "fixed: new memory is not zero");
		hole[i] = ~i;
	}
	verify_page(shared + 3 * PAGE_WORDS, 3, 2, "fixed");
	verify_page(shared + 8 * PAGE_WORDS, 8, 2, "fixed");
	verify_file(2, "fixed");
	there = mmap(hole, 4 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		     4 * PAGE_BYTES);
	require(there == hole, "fixed: MAP_FIXED did not take the given place again");
	verify_mapping(shared, 2, "fixed");
	printf("fixed: done\n");
}

static void catch_fault(int signal_number, siginfo_t *info, void *context)
{
	(void)context;
	faulted = info->si_addr;
	fault_code = info->si_code;
	fault_count++;
	if (fault_count > 3)
		_exit(1);
	if (signal_number == SIGSEGV)
		mprotect(shared + 8 * PAGE_WORDS, PAGE_BYTES, PROT_READ | PROT_WRITE);
	else if (ftruncate(fd, file_size) == -1)
		_exit(1);
}

static void catch_faults(void)
{
	struct sigaction action = {.sa_sigaction = catch_fault, .sa_flags = SA_SIGINFO};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
}

static void try_protect(void)
{
	u32 *page = shared + 8 * PAGE_WORDS;

	if (mprotect(page, PAGE_BYTES, PROT_READ) == -1)
		give_up("mprotect");
	verify_page(page, 8, 2, "protect");
	store_page(page, 8, 3);
	require(fault_count == 1, "protect: the store was not caught once");
	require(faulted == page, "protect: si_addr is not where the store was");
	require(fault_code == SEGV_ACCERR, "protect: si_code is not SEGV_ACCERR");
	verify_file(3, "protect");
	printf("protect: done\n");
}

/* The file grows by a page behind its partial one, and shrinks to half and grows again. */
static void try_bus(void)
{
	volatile u32 *longer = map_file(MAP_SHARED, pages + 2);
	volatile u32 *behind = longer + (pages + 1) * PAGE_WORDS + 5;

	fault_count = 0;
	file_size = (off_t)(pages + 2) * PAGE_BYTES;
	require(*behind == 0, "bus: what was added to the file is not zero");
	require(fault_count == 1, "bus: an access behind the file was not caught once");
	require(faulted == behind, "bus: si_addr is not where the access was");
	require(fault_code == BUS_ADRERR, "bus: si_code is not BUS_ADRERR");

	*behind = 1;
	if (ftruncate(fd, (off_t)pages * PAGE_BYTES) == -1)
		give_up("ftruncate");
	require(*behind == 0, "bus: what was cut off has come back");
	require(fault_count == 2, "bus: an access to what was cut off was not caught once");
	verify_mapping((const u32 *)longer, 3, "bus");
	if (munmap((void *)longer, (pages + 2) * PAGE_BYTES) == -1)
		give_up("munmap");
	printf("bus: done\n");
}

static void try_unlinked(void)
{
	close(fd);
	if (unlink(path) == -1)
		fail("mmap: unlink: error %d", errno);
	verify_mapping(shared, 3, "unlinked");
	printf("unlinked: done\n");
}

int main(int argc, char **argv)
{
	u32 mib = 1;
	char *end = own_path;

	if (argc > 3 || !argument(argc, argv, 1, 1, 256, &mib))
		return usage("mmap [MiB=1] [file]");
	while (*end != '\0')
		end++;
	for (int pid = getpid(); pid > 0; pid /= 10)
		*end++ = (char)('0' + pid % 10);
	path = argc > 2 ? argv[2] : own_path;
	pages = mib * (MIB / PAGE_BYTES);

	printf("mmap: %u pages\n", pages + 1);
	create();
	try_shared();
	try_written();
	try_private();
	try_fixed();
	catch_faults();
	try_protect();
	try_bus();
	try_unlinked();
	u32 checksum = CHECKSUM_START;
	for (u32 i = 0; i < pages * PAGE_WORDS; i++)
		checksum = checksum_word(checksum, shared[i]);
	printf("checksum %08x\n", checksum);
	return 0;
}
