/*
 * What the files of maptour share.
 */
#ifndef TOUR_H
#define TOUR_H

#include "../../rt/program.h"
#include "../../rt/random.h"
#include "../../rt/unix.h"

#ifdef RT_NATIVE
#include <sys/uio.h>
#define GUEST 0
#else
#include "../../rt/call.h"
#include "../../rt/uvmctl.h"
#define GUEST 1
#define MAP_FIXED_NOREPLACE 0x100000
#define MADV_COLD 20
#define FIONREAD 0x541b

struct iovec {
	void *iov_base;
	size_t iov_len;
};

static inline ssize_t process_vm_readv(pid_t pid, const struct iovec *local, unsigned long n,
					const struct iovec *remote, unsigned long m,
					unsigned long flags)
{
	return checked(kernel_call(270, pid, (long)local, n, (long)remote, m, flags));
}

static inline ssize_t process_vm_writev(pid_t pid, const struct iovec *local, unsigned long n,
					 const struct iovec *remote, unsigned long m,
					 unsigned long flags)
{
	return checked(kernel_call(271, pid, (long)local, n, (long)remote, m, flags));
}
#endif

enum { RW = PROT_READ | PROT_WRITE, PRIVATE = MAP_PRIVATE | MAP_ANONYMOUS };
enum { ANON_SHARED = MAP_SHARED | MAP_ANONYMOUS, REFUSED = 3, NOBODY = 65534 };

enum { LENT = 24 };
enum stamper { STAMPED, STAMP_HERE, STAMP_THERE };

extern bool refusals; /* mode "refused" */
extern const char *stop_name;
extern int probe_ends[2];

/*
 * A second process, which takes turns with the first. In the first process bytes written to `to` are
 * turns; in the second these are its own ends.
 */
extern struct other {
	pid_t pid;
	int to, from;
} other;

extern void *kept;
extern char *locked;
extern char *theirs;
extern char *lent;
extern void *fault_at;

/*
 * tour.c. A page of generation g has three words of the stream g; generation 0 is zeros. What `what`
 * names is printed if it is not as it should be.
 */
_Noreturn void wrong(const char *what);
void require(bool holds, const char *what);
/* The call returned 0, or failed with `error`. */
void expect(int result, int error, const char *what);
char *at(void *start, u32 page);
/* The copy of page `from` and those behind it that is at `start`. */
void stamp_copy(void *start, u32 from, u32 count, u32 generation);
void stamp(void *start, u32 from, u32 count, u32 generation);
bool marked(void *copy, u32 page, u32 generation);
void check_copy(void *start, u32 from, u32 count, u32 generation, const char *what);
void check(void *start, u32 from, u32 count, u32 generation, const char *what);
/* Can the kernel read from there, and write there? */
bool readable(void *address);
bool writable(void *address);
void *map_at(void *address, u32 count, int protection, int flags, int fd, u32 page);
void *map(u32 count, int flags, int fd);
/* Fresh private memory at a place of its own. */
void *put(void *address, u32 count);
void unmap(void *start, u32 count);
/* Addresses where nothing is mapped. */
void *gap(u32 count);
void advise(void *start, u32 count, int advice, int error, const char *what);
int open_file(u32 count);
pid_t forked(void);
int status_of(pid_t pid);
/* Runs `body` in a child, which must return, or must die. */
void in_child(void (*body)(void));
void dies(void (*body)(void), int signal_number, const char *what);
/* It is the other's turn; wait for our own. */
void turn(void);
void await(void);
void start_other(void (*body)(void));
void end_other(void);

/* enter.c */
void stop_enter(void);
void stop_join(void);
void stop_joinshared(void);
void stop_sparse(void);

/* advice.c */
void stop_advice(void);
void stop_remove(void);

/* lock.c */
void limit(int resource, u32 kib);
void stop_lock(void);
void stop_code(void);

/* remap.c */
void stop_mremap(void);
void stop_reshare(void);

/* parts.c */
void stop_parts(void);

/* grow.c */
u32 deep(u32 levels);
void touch(void);
void stop_stack(void);
void stop_heap(void);

/* peer.c */
ssize_t move(bool store, void *remote, u32 remote_pages, void *local, u32 local_pages);
void stop_peer(void);

/* lend.c */
void lend(void *start, int stamper, void (*change)(void), u32 changed, const char *what);
void stop_lend(void);
/* What cannot be lent is copied, `whole` pages of it at least if that is all. */
void cannot_lend(void *start, u32 whole, const char *what);
void stop_unlent(void);

/* race.c */
void race(bool sound);
void stop_race(void);

/* short.c */
void stop_short(void);

/* broken.c */
void stop_device(void);
void stop_broken(void);

#endif
