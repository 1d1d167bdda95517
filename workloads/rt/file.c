/*
 * Files and pipes. 64-bit offsets travel as two words, the lower one first, wherever they fall
 * among the arguments.
 */
#include "unix.h"
#include "call.h"

#define AT_REMOVEDIR 0x200
#define AT_EMPTY_PATH 0x1000
#define AT_SYMLINK_NOFOLLOW 0x100
#define STATX_BASIC_STATS 0x7ffu

struct statx_time {
	long long seconds;
	u32 nanoseconds;
	u32 reserved;
};

struct statx {
	u32 mask;
	u32 blksize;
	u64 attributes;
	u32 nlink;
	u32 uid;
	u32 gid;
	unsigned short mode;
	unsigned short reserved;
	u64 ino;
	u64 size;
	u64 blocks;
	u64 attributes_mask;
	struct statx_time atime;
	struct statx_time btime;
	struct statx_time ctime;
	struct statx_time mtime;
	u32 rdev_major;
	u32 rdev_minor;
	u32 dev_major;
	u32 dev_minor;
	u64 spare[14];
};

_Static_assert(sizeof(struct statx) == 256, "as the kernel writes it");

static long low(off_t offset)
{
	return (long)offset;
}

static long high(off_t offset)
{
	return (long)(offset >> 32);
}

int open(const char *path, int flags, ...)
{
	va_list arguments;
	mode_t mode = 0;

	if ((flags & O_CREAT) != 0) {
		va_start(arguments, flags);
		mode = va_arg(arguments, mode_t);
		va_end(arguments);
	}
	return call5(SYS_openat, AT_FDCWD, (long)path, flags, (long)mode, 0);
}

int close(int fd)
{
	return call3(SYS_close, fd, 0, 0);
}

ssize_t pread(int fd, void *buffer, size_t size, off_t offset)
{
	return call5(SYS_pread64, fd, (long)buffer, (long)size, low(offset), high(offset));
}

ssize_t pwrite(int fd, const void *buffer, size_t size, off_t offset)
{
	return call5(SYS_pwrite64, fd, (long)buffer, (long)size, low(offset), high(offset));
}

off_t lseek(int fd, off_t offset, int whence)
{
	off_t result;

	if (call5(SYS_llseek, fd, high(offset), low(offset), (long)&result, whence) == -1)
		return -1;
	return result;
}

int ftruncate(int fd, off_t size)
{
	return call3(SYS_ftruncate64, fd, low(size), high(size));
}

int fsync(int fd)
{
	return call3(SYS_fsync, fd, 0, 0);
}

void sync(void)
{
	call3(SYS_sync, 0, 0, 0);
}

int pipe(int ends[2])
{
	return call3(SYS_pipe2, (long)ends, 0, 0);
}

int dup(int fd)
{
	return call3(SYS_dup, fd, 0, 0);
}

/* dup3 refuses what dup2 allows: a descriptor onto itself. */
int dup2(int from, int to)
{
	if (from == to)
		return fcntl(from, F_GETFD) == -1 ? -1 : to;
	return call3(SYS_dup3, from, to, 0);
}

int fcntl(int fd, int command, ...)
{
	va_list arguments;

	va_start(arguments, command);
	long argument = va_arg(arguments, long);
	va_end(arguments);
	return call3(SYS_fcntl64, fd, command, argument);
}

int ioctl(int fd, unsigned long request, ...)
{
	va_list arguments;

	va_start(arguments, request);
	long argument = va_arg(arguments, long);
	va_end(arguments);
	return call3(SYS_ioctl, fd, (long)request, argument);
}

int poll(struct pollfd *files, unsigned long count, int milliseconds)
{
	struct timespec limit = {milliseconds / 1000, milliseconds % 1000 * 1000000};
	const struct timespec *wait = milliseconds < 0 ? NULL : &limit;

	return call5(SYS_ppoll64, (long)files, (long)count, (long)wait, 0, SIGSET_BYTES);
}

int access(const char *path, int mode)
{
	return call3(SYS_faccessat, AT_FDCWD, (long)path, mode);
}

static int status_at(int fd, const char *path, int flags, struct stat *status)
{
	struct statx x;

	if (call5(SYS_statx, fd, (long)path, flags, STATX_BASIC_STATS, (long)&x) == -1)
		return -1;
	*status = (struct stat){
		.st_ino = x.ino,
		.st_mode = x.mode,
		.st_nlink = x.nlink,
		.st_uid = x.uid,
		.st_gid = x.gid,
		.st_rdev_major = x.rdev_major,
		.st_rdev_minor = x.rdev_minor,
		.st_dev_major = x.dev_major,
		.st_dev_minor = x.dev_minor,
		.st_blksize = x.blksize,
		.st_size = (off_t)x.size,
		.st_blocks = x.blocks,
		.st_mtime = x.mtime.seconds,
	};
	return 0;
}

int stat(const char *path, struct stat *status)
{
	return status_at(AT_FDCWD, path, 0, status);
}

int lstat(const char *path, struct stat *status)
{
	return status_at(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, status);
}

int fstat(int fd, struct stat *status)
{
	return status_at(fd, "", AT_EMPTY_PATH, status);
}

int mkdir(const char *path, mode_t mode)
{
	return call3(SYS_mkdirat, AT_FDCWD, (long)path, (long)mode);
}

int rmdir(const char *path)
{
	return call3(SYS_unlinkat, AT_FDCWD, (long)path, AT_REMOVEDIR);
}

int unlink(const char *path)
{
	return call3(SYS_unlinkat, AT_FDCWD, (long)path, 0);
}

int rename(const char *from, const char *to)
{
	return call5(SYS_renameat2, AT_FDCWD, (long)from, AT_FDCWD, (long)to, 0);
}

int chdir(const char *path)
{
	return call3(SYS_chdir, (long)path, 0, 0);
}

char *getcwd(char *buffer, size_t size)
{
	return call3(SYS_getcwd, (long)buffer, (long)size, 0) == -1 ? NULL : buffer;
}

mode_t umask(mode_t mask)
{
	return (mode_t)call3(SYS_umask, (long)mask, 0, 0);
}
