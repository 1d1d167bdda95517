/*
 * hexdump [-C] [file...]: bytes in hexadecimal, sixteen a line, and as characters (that is what -C
 * asks for elsewhere; there is no other format). Lines equal to the one before are a *.
 */
#include "util.h"

static size_t read_full(int fd, u8 *bytes, size_t size)
{
	size_t done = 0;
	ssize_t count;

	while (done < size && (count = read(fd, bytes + done, size - done)) > 0)
		done += (size_t)count;
	return done;
}

static void print(u32 offset, const u8 *bytes, size_t size)
{
	printf("%08x ", offset);
	for (size_t i = 0; i < 16; i++) {
		if (i % 8 == 0)
			printf(" ");
		if (i < size)
			printf("%02x ", bytes[i]);
		else
			printf("   ");
	}
	printf(" |");
	for (size_t i = 0; i < size; i++)
		printf("%c", bytes[i] >= ' ' && bytes[i] < 0x7f ? bytes[i] : '.');
	printf("|\n");
}

static int dump(int fd, const char *name)
{
	u8 buffers[2][16];
	u32 offset = 0;
	size_t size;
	bool repeating = false;

	(void)name;
	for (int i = 0; (size = read_full(fd, buffers[i], 16)) > 0; i = 1 - i) {
		if (offset > 0 && size == 16 && memcmp(buffers[0], buffers[1], 16) == 0) {
			if (!repeating)
				printf("*\n");
			repeating = true;
		} else {
			print(offset, buffers[i], size);
			repeating = false;
		}
		offset += (u32)size;
	}
	if (offset > 0)
		printf("%08x\n", offset);
	return 0;
}

int main(int argc, char **argv)
{
	return each_file(argv, argc > 1 && strcmp(argv[1], "-C") == 0 ? 2 : 1, dump);
}
