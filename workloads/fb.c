/*
 * fb [device=/dev/fb0]: draws a picture in the frame buffer and reads it back.
 *
 * The screen, of w x h pixels of 32 bits as FBIOGET_VSCREENINFO says, is mapped shared. Pixel
 * (x, y) is 0x00RRGGBB with RR = 255 * x / (w - 1), GG = 255 * y / (h - 1), BB = (x ^ y) mod 256;
 * those closer than h / 4 to the middle (w / 2, h / 2) are white. Divisions cut off.
 * It is read back through the mapping, through a second one, and with read.
 *
 * Output:
 *   fb: 640 x 480, 32 bits
 *   drawn: 307200 pixels
 *   checksum XXXXXXXX                     rt/random.h's, over the pixels, line by line
 */
#include "rt/program.h"
#include "rt/random.h"
#include "rt/unix.h"

#define FBIOGET_VSCREENINFO 0x4600
#define FBIOGET_FSCREENINFO 0x4602

enum { MAX_WIDTH = 8192 };

struct fb_bitfield {
	u32 offset;
	u32 length;
	u32 msb_right;
};

struct fb_var_screeninfo {
	u32 xres;
	u32 yres;
	u32 xres_virtual;
	u32 yres_virtual;
	u32 xoffset;
	u32 yoffset;
	u32 bits_per_pixel;
	u32 grayscale;
	struct fb_bitfield red;
	struct fb_bitfield green;
	struct fb_bitfield blue;
	struct fb_bitfield transp;
	u32 rest[20];
};

struct fb_fix_screeninfo {
	char id[16];
	u32 smem_start;
	u32 smem_len;
	u32 type;
	u32 type_aux;
	u32 visual;
	unsigned short panning[3];
	u32 line_length;
	u32 rest[5];
};

_Static_assert(sizeof(struct fb_var_screeninfo) == 160 && sizeof(struct fb_fix_screeninfo) == 68,
	       "as the kernel writes them");

static struct fb_var_screeninfo mode;
static struct fb_fix_screeninfo memory;

static u32 pixel(u32 x, u32 y)
{
	int across = (int)x - (int)(mode.xres / 2);
	int down = (int)y - (int)(mode.yres / 2);
	int radius = (int)(mode.yres / 4);

	if (across * across + down * down < radius * radius)
		return 0x00ffffff;
	return (255 * x / (mode.xres - 1)) << 16 | (255 * y / (mode.yres - 1)) << 8 |
	       ((x ^ y) & 0xff);
}

static u32 *line_of(void *screen, u32 y)
{
	return (u32 *)((char *)screen + y * memory.line_length);
}

static void *map_screen(int fd)
{
	u32 size = (mode.yres * memory.line_length + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	void *screen = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (screen == MAP_FAILED)
		fail("fb: mmap of %u bytes: error %d", size, errno);
	return screen;
}

static void verify_line(const u32 *line, u32 y, const char *what)
{
	for (u32 x = 0; x < mode.xres; x++) {
		if (line[x] != pixel(x, y))
			fail("fb: pixel (%u, %u) %s is %08x, not %08x", x, y, what, line[x],
			     pixel(x, y));
	}
}

static void ask(int fd)
{
	if (ioctl(fd, FBIOGET_VSCREENINFO, &mode) == -1)
		fail("fb: FBIOGET_VSCREENINFO: error %d", errno);
	if (ioctl(fd, FBIOGET_FSCREENINFO, &memory) == -1)
		fail("fb: FBIOGET_FSCREENINFO: error %d", errno);
	printf("fb: %u x %u, %u bits\n", mode.xres, mode.yres, mode.bits_per_pixel);
	if (mode.bits_per_pixel != 32 || mode.red.offset != 16 || mode.green.offset != 8 ||
	    mode.blue.offset != 0 || mode.xres < 2 || mode.xres > MAX_WIDTH || mode.yres < 2 ||
	    memory.line_length < 4 * mode.xres)
		fail("fb: not a mode that this program can draw in");
}

int main(int argc, char **argv)
{
	static u32 copy[MAX_WIDTH];
	const char *path = argc > 1 ? argv[1] : "/dev/fb0";
	u32 checksum = CHECKSUM_START;

	if (argc > 2)
		return usage("fb [device=/dev/fb0]");
	int fd = open(path, O_RDWR);
	if (fd == -1)
		fail("fb: %s: error %d", path, errno);
	ask(fd);
	void *screen = map_screen(fd);
	for (u32 y = 0; y < mode.yres; y++) {
		u32 *line = line_of(screen, y);
		for (u32 x = 0; x < mode.xres; x++)
			line[x] = pixel(x, y);
	}
	printf("drawn: %u pixels\n", mode.xres * mode.yres);
	void *second = map_screen(fd);
	for (u32 y = 0; y < mode.yres; y++) {
		u32 size = 4 * mode.xres;
		verify_line(line_of(screen, y), y, "of the mapping");
		verify_line(line_of(second, y), y, "of a second mapping");
		if (lseek(fd, (off_t)y * memory.line_length, SEEK_SET) == -1 ||
		    read(fd, copy, size) != (ssize_t)size)
			fail("fb: reading line %u: error %d", y, errno);
		verify_line(copy, y, "as read");
		for (u32 x = 0; x < mode.xres; x++)
			checksum = checksum_word(checksum, copy[x]);
	}
	printf("checksum %08x\n", checksum);
	return 0;
}
