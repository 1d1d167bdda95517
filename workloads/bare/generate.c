/*
 * A program that generates code, as a just-in-time compiler does: it writes a function of 16
 * instructions into a page, executes fence.i and calls it, again and again, with other operations
 * and constants each time. Prints `functions N` and `checksum X`, both in hexadecimal: X begins as
 * 0x811c9dc5, and for each function it is X xor what the function returned, times 0x01000193.
 */
#include <stdint.h>

#define REG8(a) (*(volatile uint8_t *)(a))

enum { UART = 0x10000000, FUNCTIONS = 100000, WORDS = 16, PAGE_WORDS = 1024 };

static uint32_t code[PAGE_WORDS] __attribute__((aligned(4096)));

void
trap(uint32_t cause, uint32_t pc, uint32_t value)
{
	(void)cause;
	(void)pc;
	(void)value;
	for (;;)
		;
}

static void
print(const char *s)
{
	while (*s != 0)
		REG8(UART) = *s++;
}

static void
line(const char *what, uint32_t value)
{
	print(what);
	for (int shift = 28; shift >= 0; shift -= 4)
		REG8(UART) = "0123456789abcdef"[(value >> shift) & 15];
	REG8(UART) = '\n';
}

enum { RET = 0x00008067, SKIP_UNLESS_ODD = 0x00058463 /* beq a1, x0, 8 */ };

/* addi, xori, ori and andi from a0 to a0. */
static const uint32_t operations[4] = { 0x00050513, 0x00054513, 0x00056513, 0x00057513 };

int
main(void)
{
	uint32_t sum = 0x811c9dc5, at = 0, x = 1;
	for (uint32_t n = 0; n < FUNCTIONS; n++) {
		uint32_t *place = code + at;
		at = (at + WORDS) % PAGE_WORDS;
		for (uint32_t i = 0; i < WORDS - 1; i++) {
			x = x * 1664525 + 1013904223;
			place[i] = operations[x >> 30] | (x << 8 & 0xfff00000);
		}
		place[x >> 27 & 7] = SKIP_UNLESS_ODD;
		place[WORDS - 1] = RET;
		__asm__ volatile(".4byte 0x0000100f" : : : "memory"); /* fence.i */
		uint32_t got = ((uint32_t (*)(uint32_t, uint32_t))place)(n, n & 1);
		sum = (sum ^ got) * 0x01000193;
	}
	line("functions ", FUNCTIONS);
	line("checksum ", sum);
	return 0;
}
