/* What the parts of data share. Each returns an exit code. */
#ifndef DATA_H
#define DATA_H

#include "../../rt/unix.h"
#include "../../rt/program.h"
#include "../../rt/random.h"

#define SYNOPSIS "data quick|merge PAGES\n       data join|partitions PAGES ROWS\n" \
	"       data tree|btree LEVELS LOOKUPS\n       data arena|malloc FUNCTIONS\n" \
	"       data core ROUNDS"

/* Private zero-fill memory. */
static inline void *map(u32 bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		fail("data: mmap: error %d", errno);
	return memory;
}

static inline void begin(void)
{
	write(1, "<", 1);
}

static inline int end(u32 sum)
{
	write(1, ">", 1);
	printf("\nchecksum %08x\n", sum);
	return 0;
}

int sort(bool merges, u32 pages);
int join(u32 pages, u32 rows);
int partitions(u32 pages, u32 rows);
int tree(u32 levels, u32 lookups);
int btree(u32 levels, u32 lookups);
int compile(bool uses_arena, u32 functions);
int core(u32 rounds);

#endif
