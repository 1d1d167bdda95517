/*
 * swapload [device=/dev/ld0] [workers=3] [KiB=1024] [passes=2]: takes a swap device out of use and
 * into use again while several processes need it.
 *
 * workers is 1..16, KiB (of each worker) 4..1048576, passes 1..1000. In pass g, word i of worker k
 * is nth(stream(k, g), i)   (rt/random.h, modulo 2^32). Each worker writes pass 0 and then, page
 * by page in an order of its own, verifies a page and writes the next pass to it, again and again.
 * The program waits until each has done `passes`, calls swapoff, waits for as many passes more,
 * calls swapon, and waits again; then the workers finish their pass, verify it, and write and
 * verify a last one, of which g is 2^32 - 1.
 *
 * Output:
 *   swapload: 3 workers of 256 pages, device /dev/ld0
 *   swapoff: done                         or: swapoff: refused, if memory is too small for it all
 *   swapon: done
 *   workers: 3 verified
 *   checksum XXXXXXXX                     of the workers' checksums, each over its last pass
 *
 * If swapoff is refused the device stays in use and nothing else differs. Every other error, and
 * a device that swapctl still shows after swapoff or does not show after swapon, is a failure.
 */
#include "rt/program.h"
#include "rt/random.h"
#include "rt/unix.h"
#include "rt/uvmctl.h"

enum { MAX_WORKERS = 16, LAST_PASS = 0xffffffff };

/* Shared by all. */
struct progress {
	volatile u32 stop;
	volatile u32 passes[MAX_WORKERS];
	volatile u32 checksums[MAX_WORKERS];
};

static struct progress *progress;
static u32 workers = 3;
static u32 pages;
static pid_t pids[MAX_WORKERS];

static void *map(u32 size, int sharing)
{
	void *start = mmap(NULL, size, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);

	if (start == MAP_FAILED)
		fail("swapload: mmap of %u bytes: error %d", size, errno);
	return start;
}

static void write_page(u32 *words, u32 worker, u32 pass, u32 page)
{
	u32 contents = stream(worker, pass);

	for (u32 i = page * PAGE_WORDS; i < (page + 1) * PAGE_WORDS; i++)
		words[i] = nth(contents, i);
}

static void verify_page(const u32 *words, u32 worker, u32 pass, u32 page)
{
	u32 contents = stream(worker, pass);

	for (u32 i = page * PAGE_WORDS; i < (page + 1) * PAGE_WORDS; i++) {
		if (words[i] != nth(contents, i))
			fail("swapload: word %u of worker %u in pass %u reads %08x, not %08x", i,
			     worker, pass, words[i], nth(contents, i));
	}
}

/* Pages from `start` on and round: workers do not meet the same part of theirs at one time. */
static void work(u32 worker)
{
	u32 *words = map(pages * PAGE_BYTES, MAP_PRIVATE);
	u32 start = worker * 5 % pages;
	u32 pass = 0;
	u32 checksum = CHECKSUM_START;

	for (u32 page = 0; page < pages; page++)
		write_page(words, worker, pass, page);
	for (; progress->stop == 0; pass++) {
		for (u32 i = 0; i < pages; i++) {
			u32 page = (start + i) % pages;
			verify_page(words, worker, pass, page);
			write_page(words, worker, pass + 1, page);
		}
		progress->passes[worker] = pass + 1;
	}
	for (u32 page = 0; page < pages; page++) {
		verify_page(words, worker, pass, page);
		write_page(words, worker, LAST_PASS, page);
	}
	for (u32 page = 0; page < pages; page++)
		verify_page(words, worker, LAST_PASS, page);
	for (u32 i = 0; i < pages * PAGE_WORDS; i++)
		checksum = checksum_word(checksum, words[i]);
	progress->checksums[worker] = checksum;
}

static void stop_all(void)
{
	for (u32 worker = 0; worker < workers; worker++)
		kill(pids[worker], SIGKILL);
}

/* Until each worker has done that many passes more. A worker that failed has said why. */
static void wait_for_passes(u32 passes)
{
	u32 before[MAX_WORKERS];
	struct timespec pause = {0, 10000000};

	for (u32 worker = 0; worker < workers; worker++)
		before[worker] = progress->passes[worker];
	for (u32 worker = 0; worker < workers; worker++) {
		while (progress->passes[worker] - before[worker] < passes) {
			if (waitpid(-1, NULL, WNOHANG) != 0) {
				stop_all();
				fail("swapload: a worker ended before it was told to");
			}
			nanosleep(&pause, NULL);
		}
	}
}

static bool is_listed(const char *device)
{
	size_t size;
	bool found = false;
	struct swap_entry *entries = uvmctl_table(UVMCTL_SWAP, &size);

	if (entries == NULL) {
		int error = errno;
		stop_all();
		fail("swapload: no table of swap devices: error %d", error);
	}
	for (size_t i = 0; i < size / sizeof(struct swap_entry); i++)
		found |= strncmp(entries[i].path, device, sizeof(entries[i].path)) == 0;
	free(entries);
	return found;
}

static void require(bool holds, const char *what, int error)
{
	if (holds)
		return;
	stop_all();
	fail("swapload: %s: error %d", what, error);
}

static void take_out_and_in(const char *device, u32 passes)
{
	require(is_listed(device), "the device is no swap device", 0);
	wait_for_passes(passes);
	int result = swapoff(device);
	require(result == 0 || errno == ENOMEM, "swapoff", errno);
	require(is_listed(device) == (result != 0), "swapoff and the table disagree", 0);
	printf("swapoff: %s\n", result == 0 ? "done" : "refused");
	wait_for_passes(passes);
	if (result == 0) {
		require(swapon(device, 0) == 0, "swapon", errno);
		require(is_listed(device), "swapon and the table disagree", 0);
	}
	printf("swapon: done\n");
	wait_for_passes(passes);
}

static void start(u32 worker)
{
	pids[worker] = fork();
	if (pids[worker] == -1) {
		int error = errno;
		workers = worker;
		stop_all();
		fail("swapload: fork: error %d", error);
	}
	if (pids[worker] == 0) {
		work(worker);
		_exit(0);
	}
}

int main(int argc, char **argv)
{
	const char *device = argc > 1 ? argv[1] : "/dev/ld0";
	u32 kib = 1024;
	u32 passes = 2;
	u32 checksum = CHECKSUM_START;

	if (argc > 5 || !argument(argc, argv, 2, 1, MAX_WORKERS, &workers) ||
	    !argument(argc, argv, 3, 4, 1024 * 1024, &kib) ||
	    !argument(argc, argv, 4, 1, 1000, &passes))
		return usage("swapload [device=/dev/ld0] [workers=3] [KiB=1024] [passes=2]");
	pages = kib / (PAGE_BYTES / 1024);
	printf("swapload: %u workers of %u pages, device %s\n", workers, pages, device);
	fflush(stdout);
	progress = map(sizeof(*progress), MAP_SHARED);
	for (u32 worker = 0; worker < workers; worker++)
		start(worker);
	take_out_and_in(device, passes);
	progress->stop = 1;
	for (u32 worker = 0; worker < workers; worker++) {
		int status = -1;
		if (waitpid(pids[worker], &status, 0) != pids[worker] || status != 0) {
			stop_all();
			fail("swapload: worker %u ended with status %04x", worker, (u32)status);
		}
		checksum = checksum_word(checksum, progress->checksums[worker]);
	}
	printf("workers: %u verified\n", workers);
	printf("checksum %08x\n", checksum);
	return 0;
}
