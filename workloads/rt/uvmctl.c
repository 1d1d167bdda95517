#include "uvmctl.h"
#include "call.h"

int uvmctl(int what, void *buffer, size_t size)
{
	return call3(SYS_uvmctl, what, (long)buffer, (long)size);
}

/* A table may grow between the question how large it is and the copy, so there is some room. */
void *uvmctl_table(int what, size_t *size)
{
	int needed = uvmctl(what, NULL, 0);

	if (needed == -1)
		return NULL;
	size_t room = (size_t)needed + 16 * sizeof(struct proc_entry);
	void *table = malloc(room);
	if (table == NULL)
		return NULL;
	int written = uvmctl(what, table, room);
	if (written == -1) {
		free(table);
		return NULL;
	}
	*size = (size_t)written;
	return table;
}

bool uvmctl_counters(u64 counters[UVM_COUNTERS])
{
	size_t size;
	char *table = uvmctl_table(UVMCTL_UVMEXP, &size);
	u32 count;

	memset(counters, 0, UVM_COUNTERS * sizeof(u64));
	if (table == NULL)
		return false;
	memcpy(&count, table, sizeof(count));
	if (count > UVM_COUNTERS)
		count = UVM_COUNTERS;
	/* The values follow the count at once, so they are not aligned. */
	memcpy(counters, table + sizeof(count), count * sizeof(u64));
	free(table);
	return true;
}
