/* A hash table of rows: as a whole, and in parts that fit in memory. */
#include "data.h"

/* A row of the table; no key is 0. */
struct row {
	u32 key, value;
};

#define PART (MIB / 4 / sizeof(struct row)) /* rows that a part has room for, at most */
#define PARTS_MAX 256

static u32 key_of(u32 i)
{
	return 2 * i + 1;
}

static void insert(struct row *table, u32 room, u32 key, u32 value)
{
	u32 at = mix32(key) % room;

	while (table[at].key != 0)
		at = at + 1 == room ? 0 : at + 1;
	table[at].key = key;
	table[at].value = value;
}

static u32 find(const struct row *table, u32 room, u32 key)
{
	for (u32 at = mix32(key) % room; table[at].key != 0; at = at + 1 == room ? 0 : at + 1)
		if (table[at].key == key)
			return table[at].value;
	fail("data: key %u is missing", key);
}

/* Keys that are looked up: any of the table's. */
static u32 wanted(u32 i, u32 count)
{
	return key_of(nth(stream(2, 0), i) % count);
}

int join(u32 pages, u32 rows)
{
	u32 room = pages * PAGE_BYTES / sizeof(struct row), count = room / 2, sum = 0;
	struct row *table = map(pages * PAGE_BYTES);

	begin();
	for (u32 i = 0; i < count; i++)
		insert(table, room, key_of(i), mix32(i));
	for (u32 i = 0; i < rows; i++)
		sum += find(table, room, wanted(i, count));
	return end(sum);
}

/* Rows of a relation by part; each part has an equal share of memory, which suffices. */
struct divided {
	u32 parts, room;
	u32 count[PARTS_MAX];
	struct row *rows;
};

static struct row *part_of(const struct divided *relation, u32 part)
{
	return relation->rows + part * relation->room;
}

static void divide(struct divided *relation, u32 parts, u32 count)
{
	relation->parts = parts;
	relation->room = count / parts + count / parts / 4 + 64;
	relation->rows = map(parts * relation->room * sizeof(struct row));
}

static void put(struct divided *relation, u32 key, u32 value)
{
	/* Not the bits that choose the place in a table. */
	u32 part = (mix32(key ^ 0x5bd1e995) >> 8) % relation->parts;

	if (relation->count[part] == relation->room)
		fail("data: part %u is full", part);
	part_of(relation, part)[relation->count[part]++] = (struct row){ key, value };
}

int partitions(u32 pages, u32 rows)
{
	static struct divided built, probed;
	u32 room = pages * PAGE_BYTES / sizeof(struct row), count = room / 2, sum = 0;
	u32 parts = (room + PART - 1) / PART, part_room = room / parts + room / parts / 4;

	if (parts > PARTS_MAX)
		return usage(SYNOPSIS);
	begin();
	struct row *table = map(part_room * sizeof(struct row));
	divide(&built, parts, count);
	divide(&probed, parts, rows);
	for (u32 i = 0; i < count; i++)
		put(&built, key_of(i), mix32(i));
	for (u32 i = 0; i < rows; i++)
		put(&probed, wanted(i, count), 0);
	for (u32 part = 0; part < parts; part++) {
		const struct row *build = part_of(&built, part), *probe = part_of(&probed, part);
		memset(table, 0, part_room * sizeof(struct row));
		for (u32 i = 0; i < built.count[part]; i++)
			insert(table, part_room, build[i].key, build[i].value);
		for (u32 i = 0; i < probed.count[part]; i++)
			sum += find(table, part_room, probe[i].key);
	}
	return end(sum);
}
