/*
 * hog MODE: take as much of one thing as the kernel gives, say what it answered in the end, and
 * give it back.
 *
 *   fork      processes, each of which forks as often as it can
 *   map       100,000 regions that cannot be merged
 *   open      open files, in as many processes as that takes
 *   pipe      pipes that are full
 *   files     files in /tmp
 */
#include "../rt/program.h"
#include "../rt/rt.h"
#include "../rt/unix.h"

static struct {
	volatile u32 count;
	volatile u32 error;
} * shared;

static void pause_ms(u32 ms)
{
	struct timespec time = {0, ms * 1000000};

	nanosleep(&time, NULL);
}

static _Noreturn void stay(void)
{
	for (;;)
		pause_ms(900);
}

static void finish(const char *mode)
{
	printf("%s: errno %u after %u\n", mode, shared->error, shared->count);
}

static _Noreturn void bomb(void)
{
	setpgid(0, 0);
	for (;;) {
		shared->count++;
		if (fork() < 0) {
			shared->error = errno;
			stay();
		}
	}
}

/* Every process of the group `leader` is gone. */
static void reap(pid_t leader)
{
	kill(-leader, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0)
		;
	while (kill(-leader, 0) == 0)
		pause_ms(1);
}

static void hog_fork(void)
{
	pid_t leader = fork();
	u32 before;

	if (leader == 0)
		bomb();
	do {
		before = shared->count;
		pause_ms(100);
	} while (shared->error == 0 || before != shared->count);
	reap(leader);
	finish("fork");
}

static void hog_map(u32 n)
{
	char *const base = (char *)0x10000000;

	for (shared->count = 0; shared->count < n; shared->count++) {
		char *at = base + (size_t)shared->count * PAGE_BYTES;
		int protection = shared->count % 2 == 0 ? PROT_READ | PROT_WRITE : PROT_READ;
		if (mmap(at, PAGE_BYTES, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		    MAP_FAILED) {
			shared->error = errno;
			break;
		}
	}
	munmap(base, (size_t)n * PAGE_BYTES);
	finish("map");
}

static void open_all(void)
{
	while (open("/dev/null", O_RDONLY) >= 0)
		shared->count++;
	shared->error = errno;
}

static void hog_open(void)
{
	pid_t leader = 0;

	do {
		u32 before;
		pid_t child = fork();
		if (child < 0) {
			shared->error = errno;
			break;
		}
		if (child == 0) {
			setpgid(0, leader);
			open_all();
			stay();
		}
		if (leader == 0)
			leader = child;
		do {
			before = shared->count;
			pause_ms(20);
		} while (shared->error == 0 || before != shared->count);
		if (shared->error == EMFILE)
			shared->error = 0;
	} while (shared->error == 0);
	reap(leader);
	finish("open");
}

static void hog_pipe(void)
{
	static char page[PAGE_BYTES];
	int ends[2];

	while (pipe(ends) == 0) {
		for (int i = 0; i < 16; i++) {
			if (write(ends[1], page, sizeof(page)) < 0) {
				shared->error = errno;
				return;
			}
			shared->count++;
		}
	}
	shared->error = errno;
}

static void file_name(char *name, u32 i)
{
	strcpy(name, "/tmp/hog");
	for (name += strlen(name); i > 0; i /= 10)
		*name++ = (char)('0' + i % 10);
	*name = '\0';
}

static void hog_files(void)
{
	char name[32];
	int fd;

	for (;; shared->count++) {
		file_name(name, shared->count + 1);
		fd = open(name, O_CREAT | O_WRONLY, 0600);
		if (fd < 0)
			break;
		close(fd);
	}
	shared->error = errno;
	for (u32 i = 0; i < shared->count; i++) {
		file_name(name, i + 1);
		unlink(name);
	}
	finish("files");
}

int main(int argc, char **argv)
{
	u32 n = 100000;

	if (argc < 2)
		return 2;
	shared = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return 3;
	if (strcmp(argv[1], "fork") == 0)
		hog_fork();
	else if (strcmp(argv[1], "map") == 0)
		hog_map(n);
	else if (strcmp(argv[1], "open") == 0)
		hog_open();
	else if (strcmp(argv[1], "files") == 0)
		hog_files();
	else if (strcmp(argv[1], "pipe") == 0) {
		hog_pipe();
		finish("pipe");
	} else
		return 2;
	return 0;
}
