/*
 * files [directory=/tmp]: what the calls about files, descriptors and locks return.
 *
 * Each line of the output is the name of a check and its results; a negative one is an errno of
 * Linux. It is the same on every Linux, whatever the host, the time and the numbers of files, so
 * the output under qemu-riscv32 says what is right. The calls are made without the C library.
 */
#include "../rt/call.h"
#include "../rt/program.h"
#include "../rt/unix.h"

enum {
	SYS_flock = 32,
	SYS_mknodat = 33,
	SYS_symlinkat = 36,
	SYS_linkat = 37,
	SYS_fstatfs64 = 44,
	SYS_fallocate = 47,
	SYS_fchmod = 52,
	SYS_fchmodat = 53,
	SYS_fchownat = 54,
	SYS_fchown = 55,
	SYS_preadv = 69,
	SYS_pwritev = 70,
	SYS_sendfile64 = 71,
	SYS_readlinkat = 78,
	SYS_utimensat64 = 412,
	SYS_pselect6 = 413,
};

enum {
	F_SETPIPE_SZ = 1031,
	F_GETPIPE_SZ = 1032,
	F_SETLK = 6,
	F_GETLK64 = 12,
	F_SETLK64 = 13,
	F_SETLKW64 = 14,
	F_OFD_GETLK = 36,
	F_OFD_SETLK = 37,
	F_RDLCK = 0,
	F_WRLCK = 1,
	F_UNLCK = 2,
	LOCK_SH = 1,
	LOCK_EX = 2,
	LOCK_NB = 4,
	LOCK_UN = 8,
	O_NOFOLLOW = 0400000,
	O_PATH = 010000000,
	AT_SYMLINK_NOFOLLOW = 0x100,
	AT_REMOVEDIR = 0x200,
	AT_SYMLINK_FOLLOW = 0x400,
	AT_EMPTY_PATH = 0x1000,
	UTIME_NOW = 0x3fffffff,
	UTIME_OMIT = 0x3ffffffe,
};

struct flock64 {
	short type;
	short whence;
	long long start;
	long long length;
	int pid;
};

struct flock32 {
	short type;
	short whence;
	int start;
	int length;
	int pid;
};

struct iovec {
	void *base;
	size_t length;
};

struct times {
	long long seconds;
	u32 nanoseconds;
	u32 reserved;
};

struct statx {
	u32 mask, blksize;
	u64 attributes;
	u32 nlink, uid, gid;
	unsigned short mode, reserved;
	u64 ino, size, blocks, attributes_mask;
	struct times atime, btime, ctime, mtime;
	u32 rdev_major, rdev_minor, dev_major, dev_minor;
	u64 spare[14];
};

/* Results are what the kernel returns. */
#define CALL6(number, a, b, c, d, e, f, ...) \
	kernel_call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define CALL(...) CALL6(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

static char *const letters = "abcdefghijklmnopqrstuvwxyz";
static char buffer[8192];

static void show(const char *name, long result)
{
	printf("%s %d\n", name, (int)result);
}

static int open_at(const char *path, int flags)
{
	return (int)CALL(SYS_openat, AT_FDCWD, path, flags, 0644);
}

static struct statx status(int fd, const char *path, int flags)
{
	struct statx x;

	memset(&x, 0, sizeof(x));
	CALL(SYS_statx, fd, path, flags, 0x7ff, &x);
	return x;
}

static struct statx fd_status(int fd)
{
	return status(fd, "", AT_EMPTY_PATH);
}

static void remove_file(const char *path)
{
	CALL(SYS_unlinkat, AT_FDCWD, path, 0);
}

/* Processes go on in turn: a byte on the pipe is the turn. */
static int turns[2][2];

static void give(int side)
{
	write(turns[side][1], "x", 1);
}

static void take(int side)
{
	char c;

	read(turns[side][0], &c, 1);
}

static pid_t start_child(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == -1)
		fail("files: fork: error %d", errno);
	return pid;
}

static _Noreturn void end_child(void)
{
	fflush(stdout);
	_exit(0);
}

static void wait_for(pid_t pid)
{
	int wait_status;

	waitpid(pid, &wait_status, 0);
	if (wait_status != 0)
		show("child", wait_status);
}

static long lock(int fd, int command, int type, long long start, long long length)
{
	struct flock64 l = {(short)type, SEEK_SET, start, length, 0};

	return CALL(SYS_fcntl64, fd, command, &l);
}

/* Print what F_GETLK finds. */
static void probe(const char *name, int fd, int type, long long start, long long length, int owner)
{
	struct flock64 l = {(short)type, SEEK_SET, start, length, 0};
	long result = CALL(SYS_fcntl64, fd, F_GETLK64, &l);

	printf("%s %d %d %d %d %s\n", name, (int)result, l.type, (int)l.start, (int)l.length,
	       l.type == F_UNLCK ? "-" : l.pid == owner ? "owner" : "other");
}

static void pipes(void)
{
	int a[2], b[2], size, i;
	struct statx x, y;
	struct iovec parts[2] = {{buffer, 3}, {buffer + 100, 4}};

	pipe(a);
	pipe(b);
	x = fd_status(a[0]);
	y = fd_status(a[1]);
	printf("pipe: type %o nlink %d blksize %d size %d\n", x.mode & S_IFMT, (int)x.nlink,
	       (int)x.blksize, (int)x.size);
	printf("pipe: mode %o one number %d another %d\n", x.mode & 0777, x.ino == y.ino,
	       x.ino == fd_status(b[0]).ino);
	show("pipe: fchmod", CALL(SYS_fchmod, a[0], 0640));
	printf("pipe: mode %o\n", fd_status(a[1]).mode & 0777);
	show("pipe: fstatfs", CALL(SYS_fstatfs64, a[0], 88, buffer));
	printf("pipe: magic %x\n", *(u32 *)buffer);
	show("pipe: size", CALL(SYS_fcntl64, a[0], F_GETPIPE_SZ));
	show("pipe: set 5000", CALL(SYS_fcntl64, a[0], F_SETPIPE_SZ, 5000));
	show("pipe: set 0", CALL(SYS_fcntl64, a[1], F_SETPIPE_SZ, 0));
	show("pipe: set 8192", CALL(SYS_fcntl64, a[1], F_SETPIPE_SZ, 8192));
	size = 1;
	show("pipe: FIONBIO", CALL(SYS_ioctl, a[1], 0x5421, &size));
	show("pipe: flags", CALL(SYS_fcntl64, a[1], F_GETFL));
	memset(buffer, 'p', sizeof(buffer));
	for (size = 0, i = 0; i >= 0; size += i > 0 ? i : 0)
		i = (int)CALL(SYS_write, a[1], buffer, 4096);
	printf("pipe: %d until %d\n", size, i);
	show("pipe: shrink full", CALL(SYS_fcntl64, a[1], F_SETPIPE_SZ, 4096));
	show("pipe: grow", CALL(SYS_fcntl64, a[1], F_SETPIPE_SZ, 16384));
	memcpy(buffer, letters, 26);
	show("pipe: write more", CALL(SYS_write, a[1], buffer, 26));
	for (size = 0; size < 8192; size += i)
		i = (int)CALL(SYS_read, a[0], buffer, 4096);
	memset(buffer, 0, 100);
	show("pipe: read the rest", CALL(SYS_read, a[0], buffer, 4096));
	printf("pipe: %s\n", buffer);
	show("pipe: size of no pipe", CALL(SYS_fcntl64, open_at(".", 0), F_GETPIPE_SZ));
	show("pipe: preadv", CALL(SYS_preadv, a[0], parts, 2, 0, 0));
	show("pipe: fallocate", CALL(SYS_fallocate, a[1], 0, 0, 0, 10, 0));
	for (i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
}

static void record_locks(void)
{
	int fd = open_at("locks", O_RDWR | O_CREAT);
	int other = open_at("locks", O_RDONLY);
	int writer = open_at("locks", O_WRONLY);
	struct flock64 bad = {7, SEEK_SET, 0, 1, 0};
	struct flock64 end = {F_WRLCK, SEEK_END, 0, -10, 0};
	struct flock32 narrow = {F_WRLCK, SEEK_SET, 200, 5, 0};
	pid_t parent = getpid(), child;

	write(fd, letters, 26);
	show("lock: type", CALL(SYS_fcntl64, fd, F_SETLK64, &bad));
	bad = (struct flock64){F_WRLCK, 9, 0, 1, 0};
	show("lock: whence", CALL(SYS_fcntl64, fd, F_SETLK64, &bad));
	bad = (struct flock64){F_WRLCK, SEEK_SET, 5, -6, 0};
	show("lock: before the start", CALL(SYS_fcntl64, fd, F_SETLK64, &bad));
	show("lock: bad address", CALL(SYS_fcntl64, fd, F_SETLK64, 8));
	show("lock: write, read only", lock(other, F_SETLK64, F_WRLCK, 0, 1));
	show("lock: read, write only", lock(writer, F_SETLK64, F_RDLCK, 0, 1));
	show("lock: 0 to 9", lock(fd, F_SETLK64, F_WRLCK, 0, 10));
	show("lock: by the end", CALL(SYS_fcntl64, fd, F_SETLK64, &end));
	show("lock: narrow", CALL(SYS_fcntl64, fd, F_SETLK, &narrow));
	probe("lock: one's own", fd, F_WRLCK, 0, 0, parent);
	child = start_child();
	if (child == 0) {
		fd = open_at("locks", O_RDWR);
		probe("lock: first", fd, F_WRLCK, 0, 0, parent);
		probe("lock: hole", fd, F_WRLCK, 10, 6, parent);
		probe("lock: end", fd, F_RDLCK, 11, 10, parent);
		probe("lock: narrow", fd, F_RDLCK, 100, 0, parent);
		show("lock: taken", lock(fd, F_SETLK64, F_RDLCK, 9, 1));
		show("lock: free", lock(fd, F_SETLK64, F_WRLCK, 30, 10));
		give(0);
		take(1);
		probe("lock: split 1", fd, F_RDLCK, 0, 4, parent);
		probe("lock: split 2", fd, F_RDLCK, 4, 2, parent);
		probe("lock: split 3", fd, F_RDLCK, 6, 4, parent);
		probe("lock: shared", fd, F_RDLCK, 40, 1, parent);
		probe("lock: not shared", fd, F_WRLCK, 40, 0, parent);
		give(0);
		show("lock: waited", lock(fd, F_SETLKW64, F_WRLCK, 6, 1));
		end_child();
	}
	take(0);
	show("lock: the child's", lock(fd, F_SETLK64, F_WRLCK, 39, 1));
	show("lock: split", lock(fd, F_SETLK64, F_UNLCK, 4, 2));
	show("lock: share", lock(fd, F_SETLK64, F_RDLCK, 40, 10));
	show("lock: join", lock(fd, F_SETLK64, F_RDLCK, 50, 0));
	fflush(stdout);
	give(1);
	take(0);
	/* Closing any descriptor of the file ends all of them. */
	close(other);
	wait_for(child);
	show("lock: after its end", lock(fd, F_SETLK64, F_WRLCK, 0, 0));
	close(fd);
	close(writer);
	remove_file("locks");
}

static volatile int alarms;

static void on_alarm(int number)
{
	(void)number;
	alarms++;
}

static void waiting_locks(void)
{
	int fd = open_at("locks", O_RDWR | O_CREAT);
	struct sigaction action = {.sa_handler = on_alarm};
	struct itimerval timer = {{0, 0}, {0, 20000}};
	pid_t child;

	show("wait: parent's", lock(fd, F_SETLK64, F_WRLCK, 0, 1));
	child = start_child();
	if (child == 0) {
		show("wait: child's", lock(fd, F_SETLK64, F_WRLCK, 1, 1));
		sigaction(SIGALRM, &action, NULL);
		setitimer(ITIMER_REAL, &timer, NULL);
		show("wait: interrupted", lock(fd, F_SETLKW64, F_WRLCK, 0, 1));
		show("wait: alarms", alarms);
		fflush(stdout);
		give(0);
		show("wait: for the parent", lock(fd, F_SETLKW64, F_WRLCK, 0, 1));
		end_child();
	}
	take(0);
	/* The child waits for this process, at the latest after a while. */
	nanosleep(&(struct timespec){0, 200000000}, NULL);
	show("wait: deadlock", lock(fd, F_SETLKW64, F_WRLCK, 1, 1));
	fflush(stdout);
	lock(fd, F_SETLK64, F_UNLCK, 0, 1);
	wait_for(child);
	show("wait: afterwards", lock(fd, F_SETLKW64, F_WRLCK, 0, 0));
	close(fd);
	remove_file("locks");
}

static void owner_locks(void)
{
	int a = open_at("locks", O_RDWR | O_CREAT), b = open_at("locks", O_RDWR), c = dup(a);
	struct flock64 l = {F_WRLCK, SEEK_SET, 0, 0, 0};
	struct flock64 pid = {F_WRLCK, SEEK_SET, 0, 0, 5};

	show("ofd: pid", CALL(SYS_fcntl64, a, F_OFD_SETLK, &pid));
	show("ofd: set", lock(a, F_OFD_SETLK, F_WRLCK, 0, 10));
	show("ofd: again", lock(c, F_OFD_SETLK, F_WRLCK, 0, 10));
	show("ofd: another", lock(b, F_OFD_SETLK, F_RDLCK, 5, 1));
	show("ofd: a process", lock(b, F_SETLK64, F_RDLCK, 5, 1));
	CALL(SYS_fcntl64, b, F_OFD_GETLK, &l);
	printf("ofd: found %d %d %d %d\n", l.type, (int)l.start, (int)l.length, l.pid);
	close(a);
	show("ofd: after one close", lock(b, F_OFD_SETLK, F_RDLCK, 5, 1));
	close(c);
	show("ofd: after both", lock(b, F_OFD_SETLK, F_RDLCK, 5, 1));
	close(b);
	remove_file("locks");
}

static void whole_file_locks(void)
{
	int a = open_at("locks", O_RDWR | O_CREAT), b = open_at("locks", O_RDONLY), c = dup(a);
	pid_t child;

	show("flock: nothing", CALL(SYS_flock, a, 0));
	show("flock: two", CALL(SYS_flock, a, LOCK_SH | LOCK_EX));
	show("flock: closed", CALL(SYS_flock, 99, LOCK_SH));
	show("flock: shared", CALL(SYS_flock, a, LOCK_SH));
	show("flock: both", CALL(SYS_flock, b, LOCK_SH));
	show("flock: upgrade", CALL(SYS_flock, a, LOCK_EX | LOCK_NB));
	show("flock: the other's, alone now", CALL(SYS_flock, b, LOCK_EX | LOCK_NB));
	show("flock: release", CALL(SYS_flock, b, LOCK_UN));
	show("flock: exclusive", CALL(SYS_flock, a, LOCK_EX));
	show("flock: by the copy", CALL(SYS_flock, c, LOCK_EX | LOCK_NB));
	show("flock: refused", CALL(SYS_flock, b, LOCK_SH | LOCK_NB));
	show("flock: records are others", lock(a, F_SETLK64, F_WRLCK, 0, 0));
	child = start_child();
	if (child == 0) {
		show("flock: inherited", CALL(SYS_flock, a, LOCK_EX | LOCK_NB));
		b = open_at("locks", O_RDONLY);
		show("flock: child, refused", CALL(SYS_flock, b, LOCK_SH | LOCK_NB));
		fflush(stdout);
		close(a);
		close(c);
		give(0);
		show("flock: child, waited", CALL(SYS_flock, b, LOCK_SH));
		end_child();
	}
	take(0);
	close(a);
	close(c);
	wait_for(child);
	show("flock: after its end", CALL(SYS_flock, b, LOCK_EX | LOCK_NB));
	close(b);
	remove_file("locks");
}

static void show_times(const char *name, struct statx x)
{
	printf("%s %lld.%09u %lld.%09u\n", name, x.atime.seconds, x.atime.nanoseconds,
	       x.mtime.seconds, x.mtime.nanoseconds);
}

static bool is_recent(struct times t)
{
	struct timespec now;
	long long past;

	clock_gettime(CLOCK_REALTIME, &now);
	past = (now.tv_sec - t.seconds) * 1000000000 + now.tv_nsec - t.nanoseconds;
	/* Linux takes the time of files from a clock that is a tick behind. */
	return past > -1 && past < 60 * 1000000000ll;
}

static void times(void)
{
	int fd = open_at("file", O_RDWR | O_CREAT);
	struct timespec both[2] = {{1000, 123456789}, {2000, 987654321}};
	struct statx x;

	x = fd_status(fd);
	printf("times: new %d %d %d\n", is_recent(x.atime), is_recent(x.mtime), is_recent(x.ctime));
	show("times: set", CALL(SYS_utimensat64, AT_FDCWD, "file", both, 0));
	show_times("times:", fd_status(fd));
	printf("times: changed now %d\n", is_recent(fd_status(fd).ctime));
	both[0].tv_nsec = UTIME_OMIT;
	both[1] = (struct timespec){3000, 5};
	show("times: futimens", CALL(SYS_utimensat64, fd, NULL, both, 0));
	show_times("times:", fd_status(fd));
	both[0] = (struct timespec){-5, 7};
	both[1].tv_nsec = UTIME_OMIT;
	show("times: before 1970", CALL(SYS_utimensat64, fd, NULL, both, 0));
	show_times("times:", fd_status(fd));
	both[0] = (struct timespec){0, UTIME_NOW};
	show("times: now", CALL(SYS_utimensat64, fd, NULL, both, 0));
	x = fd_status(fd);
	printf("times: now %d not %d\n", is_recent(x.atime), is_recent(x.mtime));
	both[0] = (struct timespec){0, 1000000000};
	show("times: nanoseconds", CALL(SYS_utimensat64, fd, NULL, both, 0));
	show("times: no path", CALL(SYS_utimensat64, AT_FDCWD, NULL, NULL, 0));
	show("times: no file", CALL(SYS_utimensat64, AT_FDCWD, "nothing", NULL, 0));
	show("times: closed", CALL(SYS_utimensat64, 99, NULL, NULL, 0));
	show("times: flags", CALL(SYS_utimensat64, AT_FDCWD, "file", NULL, 1));
	both[0] = both[1] = (struct timespec){0, UTIME_OMIT};
	show("times: omit both", CALL(SYS_utimensat64, AT_FDCWD, "nothing", both, 0));
	CALL(SYS_symlinkat, "file", AT_FDCWD, "link");
	both[0] = (struct timespec){11, 12};
	both[1] = (struct timespec){13, 14};
	show("times: of a link", CALL(SYS_utimensat64, AT_FDCWD, "link", both, AT_SYMLINK_NOFOLLOW));
	show_times("times: link", status(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW));
	both[0] = (struct timespec){21, 12};
	both[1].tv_sec = 23;
	show("times: through it", CALL(SYS_utimensat64, AT_FDCWD, "link", both, 0));
	/* To follow a link is to read it. */
	printf("times: link %lld\n", status(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW).mtime.seconds);
	show_times("times: file", fd_status(fd));
	write(fd, letters, 5);
	x = fd_status(fd);
	printf("times: written, read %lld written now %d\n", x.atime.seconds, is_recent(x.mtime));
	pread(fd, buffer, 5, 0);
	printf("times: read now %d\n", is_recent(fd_status(fd).atime));
	both[0].tv_sec = 100;
	both[1].tv_sec = 50;
	CALL(SYS_utimensat64, fd, NULL, both, 0);
	CALL(SYS_ftruncate64, fd, 2, 0);
	printf("times: cut now %d\n", is_recent(fd_status(fd).mtime));
	CALL(SYS_utimensat64, AT_FDCWD, ".", both, 0);
	show_times("times: folder", status(AT_FDCWD, ".", 0));
	remove_file("link");
	printf("times: a name less, now %d\n", is_recent(status(AT_FDCWD, ".", 0).mtime));
	close(fd);
	remove_file("file");
}

static void transfers(void)
{
	int fd = open_at("file", O_RDWR | O_CREAT), copy = open_at("copy", O_RDWR | O_CREAT);
	int ends[2];
	struct iovec parts[2] = {{buffer, 3}, {buffer + 100, 4}};
	long long offset = 20;

	pipe(ends);
	write(fd, letters, 26);
	lseek(fd, 3, SEEK_SET);
	show("FIONREAD", CALL(SYS_ioctl, fd, 0x541b, buffer));
	show("FIONREAD: left", *(int *)buffer);
	lseek(fd, 0, SEEK_SET);
	show("sendfile: all", CALL(SYS_sendfile64, copy, fd, NULL, 100));
	show("sendfile: at the end", CALL(SYS_sendfile64, copy, fd, NULL, 100));
	lseek(fd, 2, SEEK_SET);
	show("sendfile: from 2", CALL(SYS_sendfile64, copy, fd, NULL, 4));
	show("sendfile: now at", (long)lseek(fd, 0, SEEK_CUR));
	show("sendfile: with an offset", CALL(SYS_sendfile64, ends[1], fd, &offset, 100));
	printf("sendfile: %d %d\n", (int)offset, (int)lseek(fd, 0, SEEK_CUR));
	memset(buffer, 0, 64);
	show("sendfile: through the pipe", CALL(SYS_read, ends[0], buffer, 64));
	printf("sendfile: %s\n", buffer);
	memset(buffer, 0, 64);
	show("sendfile: the copy", pread(copy, buffer, 64, 0));
	printf("sendfile: %s\n", buffer);
	offset = -1;
	show("sendfile: negative", CALL(SYS_sendfile64, copy, fd, &offset, 100));
	show("sendfile: closed", CALL(SYS_sendfile64, 99, fd, NULL, 1));
	show("sendfile: from what is written", CALL(SYS_sendfile64, copy, ends[1], NULL, 1));
	offset = 0;
	show("sendfile: offset of a pipe", CALL(SYS_sendfile64, copy, ends[0], &offset, 1));
	memcpy(buffer, "123", 3);
	memcpy(buffer + 100, "4567", 4);
	show("pwritev", CALL(SYS_pwritev, fd, parts, 2, 10, 0));
	memset(buffer, 0, 200);
	show("preadv", CALL(SYS_preadv, fd, parts, 2, 12, 0));
	printf("preadv: %s %s\n", buffer, buffer + 100);
	show("preadv: negative", CALL(SYS_preadv, fd, parts, 2, -1, -1));
	show("preadv: now at", (long)lseek(fd, 0, SEEK_CUR));
	show("fallocate", CALL(SYS_fallocate, fd, 0, 0, 0, 10000, 0));
	show("fallocate: size", (long)lseek(fd, 0, SEEK_END));
	show("fallocate: nothing", CALL(SYS_fallocate, fd, 0, 0, 0, 0, 0));
	show("fallocate: negative", CALL(SYS_fallocate, fd, 0, -1, -1, 1, 0));
	show("fallocate: keep", CALL(SYS_fallocate, fd, 1, 0, 0, 100, 0));
	show("fallocate: punch", CALL(SYS_fallocate, fd, 3, 5, 0, 9000, 0));
	show("fallocate: punch without keep", CALL(SYS_fallocate, fd, 2, 0, 0, 1, 0));
	memset(buffer, 'x', 64);
	pread(fd, buffer, 64, 0);
	printf("fallocate: %s, size %d\n", buffer, (int)lseek(fd, 0, SEEK_END));
	show("fallocate: read only", CALL(SYS_fallocate, open_at("file", O_RDONLY), 0, 0, 0, 1, 0));
	show("dup3: onto itself", CALL(SYS_dup3, fd, fd, 0));
	show("dup3: closed onto itself", CALL(SYS_dup3, 99, 99, 0));
	show("dup3: flags before descriptors", CALL(SYS_dup3, 99, 5, 1));
	show("dup3: closed", CALL(SYS_dup3, 99, 98, 0));
	show("dup3: no such number", CALL(SYS_dup3, fd, 1 << 20, 0));
	close(ends[0]);
	close(ends[1]);
	close(fd);
	close(copy);
	remove_file("file");
	remove_file("copy");
}

static void select_files(void)
{
	int ends[2];
	u32 in[32], out[32];
	struct timespec no_time = {0, 0}, bad = {0, -1}, short_time = {0, 1000000};
	struct {
		const u32 *set;
		u32 size;
	} mask = {NULL, 8};

	pipe(ends);
	memset(in, 0, sizeof(in));
	memset(out, 0, sizeof(out));
	in[0] = 1u << ends[0];
	out[0] = 1u << ends[1];
	show("select: writable", CALL(SYS_pselect6, 32, in, out, NULL, &no_time, &mask));
	printf("select: %d %d\n", in[0] == 0, out[0] == 1u << ends[1]);
	write(ends[1], "x", 1);
	in[0] = 1u << ends[0];
	show("select: both", CALL(SYS_pselect6, 32, in, out, NULL, NULL, NULL));
	read(ends[0], buffer, 1);
	in[0] = 1u << ends[0];
	show("select: timeout", CALL(SYS_pselect6, 32, in, NULL, NULL, &short_time, NULL));
	show("select: bad time", CALL(SYS_pselect6, 32, in, NULL, NULL, &bad, NULL));
	show("select: negative", CALL(SYS_pselect6, -1, in, NULL, NULL, &no_time, NULL));
	close(ends[1]);
	in[0] = 1u << ends[0];
	show("select: end of file", CALL(SYS_pselect6, 32, in, NULL, NULL, NULL, NULL));
	close(ends[0]);
	in[0] = 1u << ends[0];
	show("select: closed", CALL(SYS_pselect6, 32, in, NULL, NULL, NULL, NULL));
	show("select: bad address", CALL(SYS_pselect6, 32, 8, NULL, NULL, NULL, NULL));
}

static void names(void)
{
	int fd = open_at("file", O_RDWR | O_CREAT), path;
	struct statx x;

	CALL(SYS_write, fd, letters, 26);
	show("link", CALL(SYS_linkat, AT_FDCWD, "file", AT_FDCWD, "second", 0));
	show("link: exists", CALL(SYS_linkat, AT_FDCWD, "file", AT_FDCWD, "second", 0));
	show("link: folder", CALL(SYS_linkat, AT_FDCWD, ".", AT_FDCWD, "third", 0));
	show("link: nothing", CALL(SYS_linkat, AT_FDCWD, "nothing", AT_FDCWD, "third", 0));
	show("link: flags", CALL(SYS_linkat, AT_FDCWD, "file", AT_FDCWD, "third", 1));
	x = status(AT_FDCWD, "second", 0);
	printf("link: names %d one file %d\n", (int)x.nlink, x.ino == fd_status(fd).ino);
	show("rename onto the same", CALL(SYS_renameat2, AT_FDCWD, "file", AT_FDCWD, "second", 0));
	show("rename: names", (long)fd_status(fd).nlink);
	show("symlink", CALL(SYS_symlinkat, "file", AT_FDCWD, "soft"));
	show("symlink: exists", CALL(SYS_symlinkat, "file", AT_FDCWD, "soft"));
	show("symlink: empty", CALL(SYS_symlinkat, "", AT_FDCWD, "softer"));
	x = status(AT_FDCWD, "soft", AT_SYMLINK_NOFOLLOW);
	printf("symlink: %o size %d names %d\n", x.mode, (int)x.size, (int)x.nlink);
	printf("symlink: leads to the file %d\n", status(AT_FDCWD, "soft", 0).ino == fd_status(fd).ino);
	memset(buffer, 0, 16);
	show("readlink", CALL(SYS_readlinkat, AT_FDCWD, "soft", buffer, 3));
	printf("readlink: %s\n", buffer);
	show("readlink: file", CALL(SYS_readlinkat, AT_FDCWD, "file", buffer, 3));
	show("link to a link", CALL(SYS_linkat, AT_FDCWD, "soft", AT_FDCWD, "soft2", 0));
	printf("link to a link: %o\n", status(AT_FDCWD, "soft2", AT_SYMLINK_NOFOLLOW).mode & S_IFMT);
	show("link through a link",
	     CALL(SYS_linkat, AT_FDCWD, "soft", AT_FDCWD, "fourth", AT_SYMLINK_FOLLOW));
	show("link: names", (long)fd_status(fd).nlink);
	show("open: not through a link", open_at("soft", O_RDONLY | O_NOFOLLOW));
	show("open: exclusive", open_at("soft", O_RDWR | O_CREAT | O_EXCL));
	CALL(SYS_symlinkat, "loop", AT_FDCWD, "loop");
	show("loop", open_at("loop", O_RDONLY));
	show("loop: create", open_at("loop", O_RDWR | O_CREAT));
	CALL(SYS_symlinkat, "made", AT_FDCWD, "dangling");
	show("dangling", open_at("dangling", O_RDONLY));
	path = open_at("dangling", O_RDWR | O_CREAT);
	printf("dangling: made %d %d\n", path >= 0, (int)status(AT_FDCWD, "made", 0).nlink);
	close(path);
	show("unlink a link", CALL(SYS_unlinkat, AT_FDCWD, "soft", 0));
	show("unlink a link as folder", CALL(SYS_unlinkat, AT_FDCWD, "soft2", AT_REMOVEDIR));
	show("file is still there", (long)fd_status(fd).nlink);
	show("rename a link over a file", CALL(SYS_renameat2, AT_FDCWD, "soft2", AT_FDCWD, "fourth", 0));
	show("file lost a name", (long)fd_status(fd).nlink);
	path = open_at("file", O_PATH);
	show("path: read", CALL(SYS_read, path, buffer, 1));
	show("path: fchmod", CALL(SYS_fchmod, path, 0600));
	show("path: size", (long)fd_status(path).size);
	close(path);
	show("fchmod", CALL(SYS_fchmod, fd, 04751));
	printf("fchmod: %o\n", fd_status(fd).mode);
	show("fchmodat", CALL(SYS_fchmodat, AT_FDCWD, "file", 0640));
	printf("fchmodat: %o\n", fd_status(fd).mode);
	show("fchown: nobody else", CALL(SYS_fchown, fd, -1, -1));
	show("fchownat: nothing", CALL(SYS_fchownat, AT_FDCWD, "nothing", -1, -1, 0));
	show("fchownat: flags", CALL(SYS_fchownat, AT_FDCWD, "file", -1, -1, 1));
	if (geteuid() == 0) {
		CALL(SYS_fchmod, fd, 06755);
		show("fchown", CALL(SYS_fchown, fd, 12, 34));
		x = fd_status(fd);
		printf("fchown: %d %d %o\n", (int)x.uid, (int)x.gid, x.mode);
		show("fchownat", CALL(SYS_fchownat, AT_FDCWD, "dangling", 56, -1, AT_SYMLINK_NOFOLLOW));
		x = status(AT_FDCWD, "dangling", AT_SYMLINK_NOFOLLOW);
		printf("fchownat: %d %d, file %d\n", (int)x.uid, (int)x.gid,
		       (int)status(AT_FDCWD, "made", 0).uid);
	}
	close(fd);
	for (const char *const *name = (const char *const[]){"file", "second", "fourth", "loop",
							     "dangling", "made", NULL};
	     *name != NULL; name++)
		remove_file(*name);
}

static void fifos(void)
{
	int reader, writer;
	struct pollfd wait = {0, POLLIN | POLLOUT, 0};
	struct statx x;
	pid_t child;

	show("fifo", CALL(SYS_mknodat, AT_FDCWD, "fifo", S_IFIFO | 0640, 0));
	show("fifo: exists", CALL(SYS_mknodat, AT_FDCWD, "fifo", S_IFIFO | 0640, 0));
	x = status(AT_FDCWD, "fifo", 0);
	printf("fifo: %o names %d size %d\n", x.mode, (int)x.nlink, (int)x.size);
	show("fifo: nobody reads", open_at("fifo", O_WRONLY | O_NONBLOCK));
	reader = open_at("fifo", O_RDONLY | O_NONBLOCK);
	wait.fd = reader;
	show("fifo: poll, nobody writes yet", poll(&wait, 1, 0));
	show("fifo: read, nobody writes yet", CALL(SYS_read, reader, buffer, 10));
	writer = open_at("fifo", O_WRONLY | O_NONBLOCK);
	show("fifo: empty", CALL(SYS_read, reader, buffer, 10));
	show("fifo: write", CALL(SYS_write, writer, letters, 5));
	printf("fifo: poll %d", poll(&wait, 1, 0));
	printf(" %x\n", wait.revents);
	show("fifo: lseek", CALL(SYS_llseek, reader, 0, 0, buffer, 0));
	show("fifo: pread", CALL(SYS_pread64, reader, buffer, 1, 0, 0));
	show("fifo: read", CALL(SYS_read, reader, buffer, 10));
	CALL(SYS_write, writer, letters, 3);
	close(writer);
	show("fifo: what is left", CALL(SYS_read, reader, buffer, 10));
	show("fifo: end", CALL(SYS_read, reader, buffer, 10));
	printf("fifo: poll %d", poll(&wait, 1, 0));
	printf(" %x\n", wait.revents);
	close(reader);
	child = start_child();
	if (child == 0) {
		/* Each open waits for the other side's. */
		writer = open_at("fifo", O_WRONLY);
		CALL(SYS_write, writer, letters, 26);
		close(writer);
		reader = open_at("fifo", O_RDONLY);
		show("fifo: back", CALL(SYS_read, reader, buffer, 10));
		end_child();
	}
	reader = open_at("fifo", O_RDONLY);
	show("fifo: from the child", CALL(SYS_read, reader, buffer, 10));
	show("fifo: more", CALL(SYS_read, reader, buffer, 100));
	show("fifo: no more", CALL(SYS_read, reader, buffer, 100));
	fflush(stdout);
	close(reader);
	writer = open_at("fifo", O_WRONLY);
	CALL(SYS_write, writer, letters, 7);
	close(writer);
	wait_for(child);
	reader = open_at("fifo", O_RDWR);
	show("fifo: both ways", CALL(SYS_write, reader, letters, 4));
	show("fifo: to itself", CALL(SYS_read, reader, buffer, 10));
	show("fifo: unlink", CALL(SYS_unlinkat, AT_FDCWD, "fifo", 0));
	show("fifo: names", (long)fd_status(reader).nlink);
	close(reader);
	show("mknod: file", CALL(SYS_mknodat, AT_FDCWD, "plain", 0600, 0));
	printf("mknod: %o\n", status(AT_FDCWD, "plain", 0).mode);
	show("mknod: folder", CALL(SYS_mknodat, AT_FDCWD, "folder", S_IFDIR | 0600, 0));
	remove_file("plain");
}

static void devices(void)
{
	int fd = open_at("/dev/urandom", O_RDONLY), ends[2];
	int *zeros, *shared;
	pid_t child;

	show("urandom", CALL(SYS_read, fd, buffer, 16));
	printf("urandom: differs %d\n", memcmp(buffer, buffer + 8, 8) != 0);
	close(fd);
	show("random: type", status(AT_FDCWD, "/dev/random", 0).mode & S_IFMT);
	fd = open_at("/dev/zero", O_RDWR);
	memset(buffer, 'x', 8);
	show("zero: pread", CALL(SYS_pread64, fd, buffer, 4, 1000, 0));
	printf("zero: %d %d\n", buffer[3], buffer[4]);
	show("zero: lseek", (long)lseek(fd, 77, SEEK_SET));
	show("zero: FIOCLEX", CALL(SYS_ioctl, fd, 0x5451, 0));
	show("zero: closes", fcntl(fd, F_GETFD));
	show("zero: FIONCLEX", CALL(SYS_ioctl, fd, 0x5450, 0));
	show("zero: stays", fcntl(fd, F_GETFD));
	zeros = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	printf("zero: %d %d\n", zeros[5], shared[1030]);
	zeros[5] = 1;
	child = start_child();
	if (child == 0) {
		zeros[5] = 2;
		shared[1030] = 3;
		end_child();
	}
	wait_for(child);
	printf("zero: %d %d\n", zeros[5], shared[1030]);
	close(fd);
	fd = open_at("/dev/shm/object", O_RDWR | O_CREAT | O_EXCL);
	show("shm: size", CALL(SYS_ftruncate64, fd, 5000, 0));
	shared = mmap(NULL, 5000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	shared[1100] = 77;
	show("shm: read", CALL(SYS_pread64, fd, buffer, 4, 4400, 0));
	show("shm: value", buffer[0]);
	close(fd);
	show("shm: unlink", CALL(SYS_unlinkat, AT_FDCWD, "/dev/shm/object", 0));
	pipe(ends);
	write(ends[1], letters, 3);
	memcpy(buffer, "/dev/fd/0", 10);
	buffer[8] = (char)('0' + ends[0]);
	fd = open_at(buffer, O_RDONLY);
	printf("fd: a pipe %d\n", (status(AT_FDCWD, buffer, 0).mode & S_IFMT) == S_IFIFO);
	show("fd: read", CALL(SYS_read, fd, buffer, 10));
	close(fd);
	show("fd: closed", open_at("/dev/fd/99", O_RDONLY));
	fflush(stdout);
	child = start_child();
	if (child == 0) {
		dup2(ends[1], 1);
		fd = open_at("/dev/stdout", O_WRONLY);
		CALL(SYS_write, fd, "to stdout", 9);
		_exit(0);
	}
	wait_for(child);
	memset(buffer, 0, 16);
	show("stdout", CALL(SYS_read, ends[0], buffer, 16));
	printf("stdout: %s\n", buffer);
}

int main(int argc, char **argv)
{
	const char *directory = argc > 1 ? argv[1] : "/tmp";

	if (argc > 2)
		usage("files [directory]");
	umask(022);
	if (chdir(directory) == -1 || pipe(turns[0]) == -1 || pipe(turns[1]) == -1)
		fail("files: %s: error %d", directory, errno);
	pipes();
	record_locks();
	waiting_locks();
	owner_locks();
	whole_file_locks();
	times();
	transfers();
	select_files();
	names();
	fifos();
	devices();
	return 0;
}
