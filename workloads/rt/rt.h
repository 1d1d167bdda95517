/*
 * The C library of the guest programs: the few POSIX functions they use, over the
 * Linux riscv32 system calls. With RT_NATIVE the same names come from the host's libc,
 * so that one source builds for both.
 */
#ifndef RT_H
#define RT_H

#ifdef RT_NATIVE
#define _GNU_SOURCE
#endif

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* uint32_t is `unsigned long` on one side and `unsigned int` on the other; these fit %u and
   %llu on both. */
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

_Static_assert(sizeof(u32) == 4 && sizeof(u64) == 8, "fixed widths");

/* The unit in which the programs count memory, whatever the page size of a native host. */
#define PAGE_BYTES 4096u
#define PAGE_WORDS (PAGE_BYTES / 4u)
#define MIB (1024u * 1024u)

#ifdef RT_NATIVE

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <time.h>
#include <unistd.h>

#else

typedef int ssize_t;
typedef long long off_t;

/* The kernel's 64-bit layout. */
struct timespec {
	long long tv_sec;
	long long tv_nsec;
};

#define EPERM 1
#define ENOENT 2
#define ESRCH 3
#define EINTR 4
#define EIO 5
#define E2BIG 7
#define ENOEXEC 8
#define EBADF 9
#define ECHILD 10
#define EAGAIN 11
#define ENOMEM 12
#define EACCES 13
#define EFAULT 14
#define EBUSY 16
#define EEXIST 17
#define EXDEV 18
#define ENODEV 19
#define ENOTDIR 20
#define EISDIR 21
#define EINVAL 22
#define ENFILE 23
#define EMFILE 24
#define ENOTTY 25
#define EFBIG 27
#define ENOSPC 28
#define ESPIPE 29
#define EROFS 30
#define EPIPE 32
#define ENAMETOOLONG 36
#define ENOSYS 38
#define ENOTEMPTY 39

#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1

#define PROT_NONE 0
#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4

#define MAP_SHARED 0x01
#define MAP_PRIVATE 0x02
#define MAP_FIXED 0x10
#define MAP_ANONYMOUS 0x20
#define MAP_FAILED ((void *)-1)

#define IPC_PRIVATE 0
#define IPC_CREAT 01000
#define IPC_RMID 0
#define SHM_RDONLY 010000

/* Set by a function that returns -1 (or MAP_FAILED, or NULL from malloc). */
extern int errno;

/* syscalls.c */
ssize_t read(int fd, void *buffer, size_t size);
ssize_t write(int fd, const void *buffer, size_t size);
_Noreturn void _exit(int code);
int getpid(void);
void *sbrk(intptr_t increment);
void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset);
int munmap(void *address, size_t size);
int mprotect(void *address, size_t size, int protection);
int shmget(int key, size_t size, int flags);
void *shmat(int id, const void *address, int flags);
int shmdt(const void *address);
int shmctl(int id, int command, void *buffer);
int swapon(const char *path, int flags);
int swapoff(const char *path);
int clock_gettime(int clock, struct timespec *time);

/*
 * stdio.c: %d %u %x %o %s %c %%, the flags 0 and -, a width (a number or *), a precision for %s, and
 * the sizes l, ll and z. Standard output is the only stream.
 */
typedef struct stream FILE;
extern FILE *const stdout;
int fflush(FILE *stream);
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int dprintf(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
int vdprintf(int fd, const char *format, va_list arguments);
_Noreturn void exit(int code);

/* malloc.c */
void *malloc(size_t size);
void free(void *pointer);
void *calloc(size_t count, size_t size);
void *realloc(void *pointer, size_t size);

/* string.c */
void *memcpy(void *to, const void *from, size_t size);
void *memmove(void *to, const void *from, size_t size);
void *memset(void *to, int byte, size_t size);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t size);
int memcmp(const void *a, const void *b, size_t size);
void *memchr(const void *from, int byte, size_t size);
char *strchr(const char *text, int c);
char *strrchr(const char *text, int c);
char *strstr(const char *text, const char *part);
char *strcpy(char *to, const char *from);
char *strcat(char *to, const char *from);
char *strdup(const char *text);
long strtol(const char *text, char **end, int base);
int atoi(const char *text);

/* strerror.c */
char *strerror(int error);

/* environ.c */
extern char **environ;
char *getenv(const char *name);
int setenv(const char *name, const char *value, int overwrite);
int unsetenv(const char *name);

#endif
#endif
