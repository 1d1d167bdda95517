/*
 * Compute-bound programs for comparing emulators, in user mode, all memory mapped by 4 KiB pages.
 * The kernel's command line names one of them and how much it does: "sieve 20". Prints its checksum,
 * which does not depend on the machine.
 */
#include "compute.h"

enum { UART = 0x10000000, RAM = 0x80000000u, PAGE = 4096, MAPPED = 128 << 20 };
enum { V = 1, R = 2, W = 4, X = 8, U = 16, A = 64, D = 128 };

static uint32_t root[1024] __attribute__((aligned(4096)));
static uint32_t tables[MAPPED / PAGE] __attribute__((aligned(4096)));
static uint32_t devices[1024] __attribute__((aligned(4096)));

/* => the value of satp */
uint32_t
build_page_table(void)
{
	for (uint32_t i = 0; i < MAPPED / PAGE; i++)
		tables[i] = (RAM / PAGE + i) << 10 | D | A | U | X | W | R | V;
	for (uint32_t i = 0; i < MAPPED / PAGE / 1024; i++)
		root[RAM / PAGE / 1024 + i] = ((uint32_t)(uintptr_t)tables / PAGE + i) << 10 | V;
	devices[0] = UART / PAGE << 10 | D | A | U | W | R | V;
	root[UART / PAGE / 1024] = (uint32_t)(uintptr_t)devices / PAGE << 10 | V;
	return 1u << 31 | (uint32_t)(uintptr_t)root / PAGE;
}

void *
memset(void *to, int c, size_t n)
{
	uint8_t *p = to;
	while (n-- != 0)
		*p++ = (uint8_t)c;
	return to;
}

static void
print(const char *s)
{
	while (*s != 0)
		*(volatile uint8_t *)UART = *s++;
}

static const struct {
	const char *name;
	guest_t *run;
} guests[] = {
	{ "amo", amo }, { "chase", chase }, { "cold", cold }, { "copy", copy },
	{ "dmatrix", dmatrix }, { "fib", fib }, { "fill", fill }, { "fnv", fnv },
	{ "interp", interp }, { "mandel", mandel }, { "mark", mark }, { "matrix", matrix },
	{ "nbody", nbody }, { "queens", queens }, { "sha256", sha256 }, { "sieve", sieve },
	{ "sort", sort }, { "stride", stride }, { "tree", tree },
};

static uint32_t
big_endian(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

static int
equal(const char *a, const char *b)
{
	while (*a != 0 && *a == *b)
		a++, b++;
	return *a == *b;
}

/* The property "bootargs" of a flattened device tree, or "". */
static const char *
boot_arguments(const uint8_t *tree)
{
	const uint8_t *at = tree + big_endian(tree + 8);
	const char *names = (const char *)tree + big_endian(tree + 12);
	for (;;) {
		uint32_t token = big_endian(at);
		at += 4;
		if (token == 1) { /* a node begins */
			while (*at != 0)
				at++;
			at = (const uint8_t *)(((uintptr_t)at + 4) & ~3u);
		} else if (token == 3) { /* a property */
			uint32_t length = big_endian(at);
			if (equal(names + big_endian(at + 4), "bootargs"))
				return (const char *)at + 8;
			at += 8 + ((length + 3) & ~3u);
		} else if (token == 9)
			return "";
	}
}

int
main(const uint8_t *tree)
{
	const char *arguments = boot_arguments(tree);
	for (size_t i = 0; i < sizeof(guests) / sizeof(guests[0]); i++) {
		const char *a = arguments;
		const char *name = guests[i].name;
		while (*name != 0 && *name == *a)
			name++, a++;
		if (*name != 0 || *a != ' ')
			continue;
		uint32_t scale = 0;
		while (*++a >= '0' && *a <= '9')
			scale = scale * 10 + (*a - '0');
		uint32_t sum = guests[i].run(scale);
		print(guests[i].name);
		print(" ");
		for (int shift = 28; shift >= 0; shift -= 4) {
			char digit[2] = { "0123456789abcdef"[(sum >> shift) & 15], 0 };
			print(digit);
		}
		print("\n");
		return 0;
	}
	print("usage: NAME SCALE, as the command line\n");
	return 1;
}
