/*
 * wild MODE: does something forbidden to memory and must die by SIGSEGV.
 *
 *   null    load from address 0              data    jump into a data array
 *   nullw   store to address 0               stack   jump to the stack
 *   text    store into its own code          gap     load far from any mapping
 *   rodata  store to a constant              prot    load from a page made PROT_NONE
 *
 * Output: nothing; "survived" and exit code 1 if the access is let through.
 */
#include "rt/program.h"

#if defined(__riscv)
#define RETURN_INSTRUCTION 0x00008067u
#elif defined(__x86_64__) || defined(__i386__)
#define RETURN_INSTRUCTION 0x000000c3u
#elif defined(__aarch64__)
#define RETURN_INSTRUCTION 0xd65f03c0u
#else
#error "add the instruction that returns from a function"
#endif

static const u32 constant = 1;
static u32 code_in_data[] = {RETURN_INSTRUCTION};

int main(int argc, char **argv);

/* Hides where an address comes from, or the compiler would reject or drop the access. */
static uintptr_t hidden(uintptr_t address)
{
	__asm__("" : "+r"(address));
	return address;
}

/* Functions start at any even address; a misaligned access could trap for that reason instead. */
static volatile u32 *word_at(uintptr_t address)
{
	return (volatile u32 *)hidden(address & ~(uintptr_t)3);
}

static void load(uintptr_t address)
{
	(void)*word_at(address);
}

static void store(uintptr_t address)
{
	*word_at(address) = 0;
}

static void jump(uintptr_t address)
{
	((void (*)(void))hidden(address))();
}

static void jump_to_stack(void)
{
	volatile u32 code[] = {RETURN_INSTRUCTION};

	jump((uintptr_t)code);
}

static uintptr_t map_page(void)
{
	void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	if (page == MAP_FAILED)
		fail("wild: mmap: error %d", errno);
	return (uintptr_t)page;
}

/* Kernels place mappings as they like: the middle of the widest gap they leave is surely free. */
static void load_from_gap(void)
{
	uintptr_t heap = (uintptr_t)sbrk(0);
	uintptr_t mapping = map_page();
	uintptr_t stack = (uintptr_t)&heap;
	uintptr_t lower = mapping < stack ? mapping : stack;
	uintptr_t upper = mapping < stack ? stack : mapping;

	if (lower - heap > upper - lower)
		load(heap + (lower - heap) / 2);
	else
		load(lower + (upper - lower) / 2);
}

static void load_from_protected(void)
{
	uintptr_t page = map_page();

	store(page);
	if (mprotect((void *)page, PAGE_BYTES, PROT_NONE) == -1)
		fail("wild: mprotect: error %d", errno);
	load(page);
}

static bool run(const char *mode)
{
	if (strcmp(mode, "null") == 0)
		load(0);
	else if (strcmp(mode, "nullw") == 0)
		store(0);
	else if (strcmp(mode, "text") == 0)
		store((uintptr_t)main);
	else if (strcmp(mode, "rodata") == 0)
		store((uintptr_t)&constant);
	else if (strcmp(mode, "data") == 0)
		jump((uintptr_t)code_in_data);
	else if (strcmp(mode, "stack") == 0)
		jump_to_stack();
	else if (strcmp(mode, "gap") == 0)
		load_from_gap();
	else if (strcmp(mode, "prot") == 0)
		load_from_protected();
	else
		return false;
	return true;
}

int main(int argc, char **argv)
{
	if (argc != 2 || !run(argv[1]))
		return usage("wild null|nullw|text|rodata|data|stack|gap|prot");
	printf("survived\n");
	return 1;
}
