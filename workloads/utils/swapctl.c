/*
 * swapctl -l              lists the swap devices, in blocks of 512 bytes or with -k in KiB
 *         -s              the sum of them in a line
 *         -a path [-p n]  uses a device or file for swapping, with a priority
 *         -d path         stops using it, after bringing back what lies there
 */
#include "../rt/uvmctl.h"
#include "util.h"

#define SWAP_FLAG_PREFER 0x8000

static struct swap_entry *entries;
static size_t count;
static u32 page_blocks = PAGE_BYTES / 512;

static bool load(void)
{
	size_t size;

	entries = uvmctl_table(UVMCTL_SWAP, &size);
	if (entries == NULL)
		return false;
	count = size / sizeof(struct swap_entry);
	return true;
}

static u32 percentage(const struct swap_entry *entry)
{
	return entry->pages == 0 ? 0 : (entry->inuse * 100 + entry->pages / 2) / entry->pages;
}

static void print(const struct swap_entry *entry)
{
	printf("%-12.32s %10u %8u %8u %7u%%    %d\n", entry->path, entry->pages * page_blocks,
	       entry->inuse * page_blocks, (entry->pages - entry->inuse) * page_blocks,
	       percentage(entry), entry->priority);
}

static int list(void)
{
	if (count == 0) {
		printf("no swap devices configured\n");
		return 1;
	}
	printf("%-12s %10s %8s %8s %8s %s\n", "Device",
	       page_blocks == PAGE_BYTES / 512 ? "512-blocks" : "1K-blocks", "Used", "Avail",
	       "Capacity", "Priority");
	struct swap_entry total = {.path = "Total"};
	for (size_t i = 0; i < count; i++) {
		print(&entries[i]);
		total.pages += entries[i].pages;
		total.inuse += entries[i].inuse;
	}
	if (count > 1)
		printf("%-12s %10u %8u %8u %7u%%\n", total.path, total.pages * page_blocks,
		       total.inuse * page_blocks, (total.pages - total.inuse) * page_blocks,
		       percentage(&total));
	return 0;
}

static int summarize(void)
{
	u32 pages = 0;
	u32 inuse = 0;

	for (size_t i = 0; i < count; i++) {
		pages += entries[i].pages;
		inuse += entries[i].inuse;
	}
	printf("total: %u %s allocated, %u used, %u available.\n", pages * page_blocks,
	       page_blocks == PAGE_BYTES / 512 ? "512-blocks" : "1K-blocks", inuse * page_blocks,
	       (pages - inuse) * page_blocks);
	return 0;
}

int main(int argc, char **argv)
{
	const char *add = NULL;
	const char *delete = NULL;
	u32 priority = 0;
	int flags = 0;
	char command = 0;

	for (int i = 1; i < argc; i++) {
		const char *argument = i + 1 < argc ? argv[i + 1] : NULL;
		if (strcmp(argv[i], "-l") == 0 || strcmp(argv[i], "-s") == 0) {
			command = argv[i][1];
		} else if (strcmp(argv[i], "-k") == 0) {
			page_blocks = PAGE_BYTES / 1024;
		} else if (strcmp(argv[i], "-a") == 0 && argument != NULL) {
			command = 'a';
			add = argv[++i];
		} else if (strcmp(argv[i], "-d") == 0 && argument != NULL) {
			command = 'd';
			delete = argv[++i];
		} else if (strcmp(argv[i], "-p") == 0 && argument != NULL &&
			   parse_u32(argument, &priority) && priority < SWAP_FLAG_PREFER) {
			flags = SWAP_FLAG_PREFER | (int)priority;
			i++;
		} else {
			command = 0;
			break;
		}
	}
	switch (command) {
	case 'a':
		return swapon(add, flags) == -1 ? complain("swapctl", add) : 0;
	case 'd':
		return swapoff(delete) == -1 ? complain("swapctl", delete) : 0;
	case 'l':
	case 's':
		if (!load())
			return complain("swapctl", "the table of devices");
		return command == 'l' ? list() : summarize();
	default:
		return usage("swapctl -l [-k] | -s [-k] | -a path [-p priority] | -d path");
	}
}
