/*
 * A program in U-mode that does nothing but call M-mode, a million times: each call is a trap to a
 * handler that saves what C may change, counts, and returns. Prints `calls N` in hexadecimal.
 */
#include <stdint.h>

#define REG8(a) (*(volatile uint8_t *)(a))

enum { UART = 0x10000000, CALLS = 1000000, USER_ECALL = 8 };

static volatile uint32_t calls;

void
trap(uint32_t cause, uint32_t pc, uint32_t value)
{
	(void)value;
	while (cause != USER_ECALL)
		;
	calls++;
	__asm__ volatile("csrw mepc, %0" : : "r"(pc + 4));
}

/* U-mode may access all of memory. */
static void
enter_user_mode(void)
{
	__asm__ volatile("csrw pmpaddr0, %0\n\t"
			 "csrw pmpcfg0, %1\n\t"
			 "csrc mstatus, %2\n\t"
			 "la t0, 1f\n\t"
			 "csrw mepc, t0\n\t"
			 "mret\n"
			 "1:"
			 :
			 : "r"(-1), "r"(0x1f), "r"(0x1800)
			 : "t0", "memory");
}

int
main(void)
{
	enter_user_mode();
	for (uint32_t n = 0; n < CALLS; n++)
		__asm__ volatile("ecall" : : : "memory");
	for (const char *s = "calls "; *s != 0; s++)
		REG8(UART) = *s;
	for (int shift = 28; shift >= 0; shift -= 4)
		REG8(UART) = "0123456789abcdef"[(calls >> shift) & 15];
	REG8(UART) = '\n';
	return 0;
}
