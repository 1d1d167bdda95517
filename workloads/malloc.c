/*
 * malloc [steps=20000] [seed=1]: the allocator under blocks of all sizes that come and go.
 *
 * steps is 0..10000000. There are 256 slots, empty at first. Step s (from 1) draws
 * a = nth(stream(seed, 0), s) and b = nth(stream(seed, 1), s)   (rt/random.h, modulo 2^32).
 * The slot is a mod 256, and the size b mod 2^(5 + (a >> 8) mod 10), plus 1. An empty slot gets a
 * block of the size, by calloc if bit 31 of a is set. A full one is verified; then, by the top two
 * bits of a, 0 or 1: it is freed; 2: it is resized; 3: it stays. A block given or resized in step
 * s has tag s: its byte i is the low byte of nth(tag, i). Resizing keeps what both sizes have.
 *
 * A block that is freed, and in the end each that is left, from slot 0 up, adds its size and the
 * sum of its bytes to the checksum.
 *
 * Output:
 *   malloc: 20000 steps, seed 1
 *   end: 148 blocks of 148020 bytes left
 *   checksum XXXXXXXX
 */
#include "rt/program.h"
#include "rt/random.h"

enum { SLOTS = 256 };

struct slot {
	u8 *block;
	u32 size;
	u32 tag;
};

static struct slot slots[SLOTS];
static u32 checksum = CHECKSUM_START;

static u8 byte_of(u32 tag, u32 i)
{
	return (u8)nth(tag, i);
}

/* => the sum of the first `size` bytes. */
static u32 verify(const struct slot *slot, u32 size, const char *what)
{
	u32 sum = 0;

	for (u32 i = 0; i < size; i++) {
		u8 expected = byte_of(slot->tag, i);
		if (slot->block[i] != expected)
			fail("malloc: %s: byte %u of the %u of tag %u reads %02x, not %02x", what,
			     i, slot->size, slot->tag, slot->block[i], expected);
		sum += expected;
	}
	return sum;
}

static void fill(struct slot *slot, u32 size, u32 tag)
{
	if (slot->block == NULL)
		fail("malloc: no memory for %u bytes", size);
	if ((uintptr_t)slot->block % 8 != 0)
		fail("malloc: a block of %u bytes is not aligned", size);
	slot->size = size;
	slot->tag = tag;
	for (u32 i = 0; i < size; i++)
		slot->block[i] = byte_of(tag, i);
}

static void allocate(struct slot *slot, u32 size, u32 tag, bool cleared)
{
	slot->block = cleared ? calloc(size, 1) : malloc(size);
	for (u32 i = 0; cleared && slot->block != NULL && i < size; i++) {
		if (slot->block[i] != 0)
			fail("malloc: byte %u of %u from calloc is not zero", i, size);
	}
	fill(slot, size, tag);
}

static void release(struct slot *slot)
{
	u32 sum = verify(slot, slot->size, "free");

	checksum = checksum_word(checksum_word(checksum, slot->size), sum);
	free(slot->block);
	slot->block = NULL;
}

static void resize(struct slot *slot, u32 size, u32 tag)
{
	u8 *block = realloc(slot->block, size);

	if (block == NULL)
		fail("malloc: no memory for %u bytes", size);
	slot->block = block;
	verify(slot, size < slot->size ? size : slot->size, "realloc");
	fill(slot, size, tag);
}

static void step(u32 a, u32 b, u32 tag)
{
	struct slot *slot = &slots[a % SLOTS];
	u32 size = b % (1u << (5 + (a >> 8) % 10)) + 1;

	if (slot->block == NULL) {
		allocate(slot, size, tag, a >> 31 != 0);
		return;
	}
	switch (a >> 30) {
	case 2:
		resize(slot, size, tag);
		break;
	case 3:
		verify(slot, slot->size, "visit");
		break;
	default:
		release(slot);
	}
}

int main(int argc, char **argv)
{
	u32 steps = 20000;
	u32 seed = 1;
	u32 left = 0;
	u32 bytes = 0;

	if (argc > 3 || !argument(argc, argv, 1, 0, 10000000, &steps) ||
	    !argument(argc, argv, 2, 0, UINT32_MAX, &seed))
		return usage("malloc [steps=20000] [seed=1]");

	printf("malloc: %u steps, seed %u\n", steps, seed);
	for (u32 s = 1; s <= steps; s++)
		step(nth(stream(seed, 0), s), nth(stream(seed, 1), s), s);
	for (u32 i = 0; i < SLOTS; i++) {
		if (slots[i].block == NULL)
			continue;
		left++;
		bytes += slots[i].size;
		release(&slots[i]);
	}
	printf("end: %u blocks of %u bytes left\n", left, bytes);
	printf("checksum %08x\n", checksum);
	return 0;
}
