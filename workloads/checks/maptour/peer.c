/*
 * The memory of another process.
 */
#include "tour.h"

char *theirs;
static int their_file;

ssize_t move(bool store, void *remote, u32 remote_pages, void *local, u32 local_pages)
{
	struct iovec there = {remote, remote_pages * PAGE_BYTES};
	struct iovec here = {local, local_pages * PAGE_BYTES};

	return store ? process_vm_writev(other.pid, &here, 1, &there, 1, 0)
		     : process_vm_readv(other.pid, &here, 1, &there, 1, 0);
}

/* As many pages were moved as there are before something else. */
static void moved(bool store, u32 page, u32 count, void *local, u32 expected, const char *what)
{
	ssize_t bytes = move(store, at(theirs, page), count, local, count);

	if (bytes >= 0)
		errno = refusals ? ENOMEM : 0;
	if (expected == 0)
		require(bytes == -1 && errno == EFAULT, what);
	else
		require(bytes == (ssize_t)(expected * PAGE_BYTES), what);
}

static void cousin(void)
{
	check(theirs, 0, 8, 1, "a grandchild");
	stamp(theirs, 0, 1, 15);
	turn();
	await();
	check(theirs, 1, 7, 1, "a grandchild of one that is written to");
}

static void target(void)
{
	map_at(theirs, 8, RW, PRIVATE | MAP_FIXED, -1, 0);
	stamp(theirs, 0, 8, 1);
	map_at(at(theirs, 9), 2, RW, PRIVATE | MAP_FIXED, -1, 0);
	stamp(theirs, 9, 2, 1);
	expect(mprotect(at(theirs, 9), 2 * PAGE_BYTES, PROT_READ), 0, "mprotect");
	unmap(at(theirs, 11), 1);
	map_at(at(theirs, 12), 4, RW, PRIVATE | MAP_FIXED, -1, 0);
	map_at(at(theirs, 16), 8, RW, MAP_PRIVATE | MAP_FIXED, their_file, 16);
	map_at(at(theirs, 24), 8, RW, ANON_SHARED | MAP_FIXED, -1, 0);
	stamp(theirs, 24, 8, 4);
	map_at(at(theirs, 36), 60, RW, PRIVATE | MAP_FIXED, -1, 0);
	stamp(theirs, 36, 60, 1);
	map_at(at(theirs, 96), 300, RW, PRIVATE | MAP_FIXED, -1, 0);
	/* Its parts have references of their own now. */
	expect(mprotect(at(theirs, 50), 2 * PAGE_BYTES, PROT_READ), 0, "mprotect");
	expect(mprotect(at(theirs, 50), 2 * PAGE_BYTES, RW), 0, "mprotect");
	turn();
	await();
	check(theirs, 13, 1, 5, "what another stored to untouched memory");
	check(theirs, 17, 1, 6, "what another stored to a copy of a file");
	check(theirs, 24, 8, 7, "what another stored to shared memory");
	/* One that has a copy of the same memory, with most of its pages. */
	struct other parent = other;
	start_other(cousin);
	await();
	struct other child = other;
	other = parent;
	turn();
	await();
	check(theirs, 0, 1, 1, "what a child wrote");
	check(theirs, 1, 1, 8, "what another stored");
	check(theirs, 2, 6, 1, "beside what another stored");
	other = child;
	turn();
	end_other();
	other = parent;
	/* It forks while another reads what is in swap. */
	for (u32 round = 0; round < 3; round++) {
		advise(at(theirs, 36), 60, MADV_PAGEOUT, 0, "PAGEOUT");
		turn();
		for (u32 i = 0; i < 6; i++) {
			pid_t pid = forked();
			if (pid == 0) {
				check(theirs, 36 + i, 1, i < round ? 10 : 1, "a child");
				stamp(theirs, 36 + i, 1, 16);
				_exit(0);
			}
			stamp(theirs, 60 + i, 1, 9);
			require(status_of(pid) == 0, "a child failed");
		}
		check(theirs, 60, 6, 9, "what this process stored meanwhile");
		await();
		stamp(theirs, 36, round + 1, 10);
	}
}

void stop_peer(void)
{
	char *buffer = map(60, PRIVATE, -1);

	their_file = open_file(32);
	char *view = map(32, MAP_SHARED, their_file);
	stamp(view, 0, 32, 3);
	theirs = map_at(NULL, 400, PROT_NONE, PRIVATE, -1, 0);
	start_other(target);
	await();
	moved(false, 0, 8, buffer, 8, "readv");
	check_copy(buffer, 0, 8, 1, "readv");
	moved(false, 0, 12, buffer, 8, "readv up to what allows no access");
	moved(false, 8, 2, buffer, 0, "readv without access");
	moved(false, 9, 2, buffer, 2, "readv of what may be read");
	moved(true, 9, 2, buffer, 0, "writev to what may be read");
	moved(false, 10, 4, buffer, 1, "readv up to a hole");
	moved(false, 11, 2, buffer, 0, "readv of a hole");
	moved(false, 12, 4, buffer, 4, "readv of untouched memory");
	check_copy(buffer, 12, 4, 0, "readv of untouched memory");
	moved(false, 200, 4, buffer, 4, "readv of much untouched memory");
	check_copy(buffer, 200, 4, 0, "readv of much untouched memory");
	stamp_copy(buffer, 13, 1, 5);
	moved(true, 13, 1, buffer, 1, "writev to untouched memory");
	moved(false, 16, 8, buffer, 8, "readv of a file");
	check_copy(buffer, 16, 8, 3, "readv of a file");
	stamp_copy(buffer, 17, 1, 6);
	moved(true, 17, 1, buffer, 1, "writev to a copy of a file");
	check(view, 0, 32, 3, "a file of which a copy was written to");
	stamp_copy(buffer, 24, 8, 7);
	moved(true, 24, 12, buffer, 8, "writev to shared memory, up to a hole");
	moved(false, 36, 60, buffer, 60, "readv of much");
	check_copy(buffer, 36, 60, 1, "readv of much");
	/* Lists; nothing; addresses that are none; a process that is none. */
	struct iovec there[3] = {{at(theirs, 0), 2 * PAGE_BYTES}, {at(theirs, 36), 100},
				 {at(theirs, 10), 2 * PAGE_BYTES}};
	struct iovec here[2] = {{buffer, PAGE_BYTES + 50}, {buffer + PAGE_BYTES + 50, 6 * PAGE_BYTES}};
	require(process_vm_readv(other.pid, here, 2, there, 3, 0) == (ssize_t)(3 * PAGE_BYTES + 100),
		"readv of a list");
	check(buffer, 0, 2, 1, "readv of a list");
	require(move(false, theirs, 0, buffer, 1) == 0, "readv of nothing");
	require(move(false, theirs, 1, at(theirs, 8), 1) == -1 && errno == EFAULT, "readv to nowhere");
	require(move(true, theirs, 1, at(theirs, 8), 1) == -1 && errno == EFAULT, "writev from nowhere");
	require(move(false, (char *)-(uintptr_t)PAGE_BYTES, 1, buffer, 1) == -1 && errno == EFAULT,
		"readv of the kernel");
	require(process_vm_readv(other.pid, here, 1, there, 1, 1) == -1 && errno == EINVAL,
		"readv with flags");
	require(process_vm_readv(0x3fffff, here, 1, there, 1, 0) == -1 && errno == ESRCH,
		"readv of nobody");
	turn();
	await();
	stamp_copy(buffer, 1, 1, 8);
	moved(true, 1, 1, buffer, 1, "writev to what a grandchild has, too");
	turn();
	for (u32 round = 0; round < 3; round++) {
		await();
		moved(false, 36, 60, buffer, 60, "readv of what is in swap");
		for (u32 page = 36; page < 96; page++)
			require(marked(at(buffer, page - 36), page, page < 36 + round ? 10 : 1) ||
					(page >= 60 && page < 66 && marked(at(buffer, page - 36), page, 9)),
				"readv of what is in swap");
		turn();
	}
	end_other();
	unmap(view, 32);
	close(their_file);
	unmap(theirs, 400);
}
