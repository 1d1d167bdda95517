/*
 * A program for the bare virt board: it prints through the serial port, takes timer and disk
 * interrupts, and reads and writes the disk in the first virtio slot. Nothing that it prints
 * depends on how fast the machine is. Ends with 0, or the number of what went wrong.
 */
#include <stdint.h>

#define REG8(a) (*(volatile uint8_t *)(a))
#define REG(a) (*(volatile uint32_t *)(a))

enum {
	UART = 0x10000000,
	CLINT_MTIMECMP = 0x02004000,
	CLINT_MTIME = 0x0200bff8,
	PLIC_PRIORITY = 0x0c000000,
	PLIC_ENABLE = 0x0c002000,
	PLIC_THRESHOLD = 0x0c200000,
	PLIC_CLAIM = 0x0c200004,
	VIRTIO = 0x10001000,
	VIRTIO_IRQ = 1,
	TICKS = 20000, /* of 100 ns: 2 ms */
};

enum { CAUSE_TIMER = 0x80000007u, CAUSE_EXTERNAL = 0x8000000bu };
enum { MIE_MTIE = 1 << 7, MIE_MEIE = 1 << 11, MSTATUS_MIE = 1 << 3 };

static void
putch(char c)
{
	while ((REG8(UART + 5) & 0x20) == 0)
		;
	REG8(UART) = c;
}

static void
print(const char *s)
{
	while (*s != 0)
		putch(*s++);
}

static void
print_hex(uint32_t n)
{
	for (int shift = 28; shift >= 0; shift -= 4)
		putch("0123456789abcdef"[(n >> shift) & 15]);
}

static void
line(const char *what, uint32_t value)
{
	print(what);
	putch(' ');
	print_hex(value);
	putch('\n');
}

/* A program that goes wrong ends with this number. */
static void __attribute__((noreturn))
fail(const char *what, uint32_t code, uint32_t value)
{
	line(what, value);
	REG(0x100000) = code << 16 | 0x3333;
	for (;;)
		;
}

/* Interrupts. */

static volatile uint32_t timer_interrupts, disk_interrupts;

static uint64_t
mtime(void)
{
	uint32_t high, low;

	do {
		high = REG(CLINT_MTIME + 4);
		low = REG(CLINT_MTIME);
	} while (REG(CLINT_MTIME + 4) != high);
	return (uint64_t)high << 32 | low;
}

static void
set_timer(uint64_t when)
{
	REG(CLINT_MTIMECMP + 4) = 0xffffffff;
	REG(CLINT_MTIMECMP) = (uint32_t)when;
	REG(CLINT_MTIMECMP + 4) = (uint32_t)(when >> 32);
}

void
trap(uint32_t cause, uint32_t pc, uint32_t value)
{
	if (cause == CAUSE_TIMER) {
		timer_interrupts++;
		set_timer(mtime() + TICKS);
		return;
	}
	if (cause != CAUSE_EXTERNAL) {
		line("pc", pc);
		line("value", value);
		fail("unexpected trap", 1, cause);
	}
	uint32_t irq = REG(PLIC_CLAIM);
	if (irq == VIRTIO_IRQ) {
		uint32_t status = REG(VIRTIO + 0x60);
		REG(VIRTIO + 0x64) = status;
		if ((status & 1) != 0)
			disk_interrupts++;
	}
	REG(PLIC_CLAIM) = irq;
}

static void
interrupts(int on)
{
	if (on)
		__asm__ volatile("csrs mstatus, %0" : : "r"(MSTATUS_MIE) : "memory");
	else
		__asm__ volatile("csrc mstatus, %0" : : "r"(MSTATUS_MIE) : "memory");
}

/* Sleep until `counter` is no longer `old`. */
static void
wait_for(volatile uint32_t *counter, uint32_t old)
{
	for (;;) {
		interrupts(0);
		if (*counter != old)
			break;
		__asm__ volatile("wfi");
		interrupts(1);
	}
	interrupts(1);
}

/* The disk: VIRTIO 1.2, legacy or not. */

enum { QUEUE = 8, SECTOR = 512, PAGE = 4096 };
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8 };
enum { NEXT = 1, WRITE = 2 };

struct desc {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static struct {
	struct desc desc[QUEUE];
	struct {
		uint16_t flags, idx, ring[QUEUE];
	} avail;
	struct {
		uint16_t flags, idx;
		struct {
			uint32_t id, len;
		} ring[QUEUE];
	} used __attribute__((aligned(PAGE)));
} queue __attribute__((aligned(PAGE)));

static struct {
	uint32_t type, reserved;
	uint64_t sector;
} header;
static volatile uint8_t status;
static uint8_t data[8 * SECTOR];

static void
disk_init(void)
{
	uint32_t version = REG(VIRTIO + 4);

	if (REG(VIRTIO) != 0x74726976)
		fail("no virtio slot", 2, REG(VIRTIO));
	if (REG(VIRTIO + 8) != 2)
		fail("no disk", 3, REG(VIRTIO + 8));
	REG(VIRTIO + 0x70) = 0;
	REG(VIRTIO + 0x70) = 1;
	REG(VIRTIO + 0x70) = 3;
	/* FLUSH, and VERSION_1 where there is one. */
	REG(VIRTIO + 0x24) = 0;
	REG(VIRTIO + 0x20) = 1 << 9;
	if (version == 1) {
		REG(VIRTIO + 0x28) = PAGE;
	} else {
		REG(VIRTIO + 0x24) = 1;
		REG(VIRTIO + 0x20) = 1;
		REG(VIRTIO + 0x70) = 11;
		if ((REG(VIRTIO + 0x70) & 8) == 0)
			fail("features", 4, REG(VIRTIO + 0x70));
	}
	REG(VIRTIO + 0x30) = 0;
	if (REG(VIRTIO + 0x34) < QUEUE)
		fail("queue", 5, REG(VIRTIO + 0x34));
	REG(VIRTIO + 0x38) = QUEUE;
	if (version == 1) {
		REG(VIRTIO + 0x3c) = PAGE;
		REG(VIRTIO + 0x40) = (uint32_t)&queue / PAGE;
	} else {
		REG(VIRTIO + 0x80) = (uint32_t)queue.desc;
		REG(VIRTIO + 0x84) = 0;
		REG(VIRTIO + 0x90) = (uint32_t)&queue.avail;
		REG(VIRTIO + 0x94) = 0;
		REG(VIRTIO + 0xa0) = (uint32_t)&queue.used;
		REG(VIRTIO + 0xa4) = 0;
		REG(VIRTIO + 0x44) = 1;
	}
	REG(VIRTIO + 0x70) = version == 1 ? 7 : 15;
}

static void
disk(uint32_t type, uint32_t sector, uint32_t length)
{
	static uint16_t served;
	uint32_t old = disk_interrupts;
	struct desc *d = queue.desc;

	header.type = type;
	header.sector = sector;
	status = 0xff;
	d[0] = (struct desc){ (uint32_t)&header, 16, NEXT, length == 0 ? 2 : 1 };
	d[1] = (struct desc){ (uint32_t)data, length, NEXT | (type == T_OUT ? 0 : WRITE), 2 };
	d[2] = (struct desc){ (uint32_t)&status, 1, WRITE, 0 };
	queue.avail.ring[queue.avail.idx % QUEUE] = 0;
	__asm__ volatile("fence" : : : "memory");
	queue.avail.idx++;
	__asm__ volatile("fence" : : : "memory");
	REG(VIRTIO + 0x50) = 0;
	wait_for(&disk_interrupts, old);
	if (*(volatile uint16_t *)&queue.used.idx != (uint16_t)(served + 1))
		fail("used index", 6, queue.used.idx);
	served++;
	if (status != 0)
		fail("disk status", 7, status);
}

static uint32_t
checksum(uint32_t length)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < length; i++)
		sum = sum * 31 + data[i];
	return sum;
}

static void
use_disk(void)
{
	line("disk sectors", REG(VIRTIO + 0x100));
	disk(T_GET_ID, 0, 20);
	print("disk id ");
	for (int i = 0; i < 20 && data[i] != 0; i++)
		putch(data[i]);
	putch('\n');
	disk(T_IN, 0, sizeof data);
	line("read", checksum(sizeof data));
	for (uint32_t i = 0; i < sizeof data; i++)
		data[i] = data[i] * 5 + i;
	uint32_t sum = checksum(sizeof data);
	disk(T_OUT, 8, sizeof data);
	disk(T_FLUSH, 0, 0);
	for (uint32_t i = 0; i < sizeof data; i++)
		data[i] = 0;
	disk(T_IN, 8, sizeof data);
	line("written", sum);
	if (checksum(sizeof data) != sum)
		fail("read back", 8, checksum(sizeof data));
	line("disk interrupts", disk_interrupts);
}

int
main(uint32_t hart, const uint32_t *tree)
{
	line("hart", hart);
	line("tree", tree[0]);
	REG(PLIC_PRIORITY + 4 * VIRTIO_IRQ) = 1;
	REG(PLIC_ENABLE) = 1 << VIRTIO_IRQ;
	REG(PLIC_THRESHOLD) = 0;
	set_timer(mtime() + TICKS);
	__asm__ volatile("csrs mie, %0" : : "r"(MIE_MTIE | MIE_MEIE));
	interrupts(1);
	for (uint32_t i = 0; i < 3; i++)
		wait_for(&timer_interrupts, timer_interrupts);
	print("three timer interrupts\n");
	disk_init();
	use_disk();
	print("done\n");
	return 0;
}
