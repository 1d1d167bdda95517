/*
 * Formatted output. Standard output is buffered up to the end of a line, so that a line is one
 * system call and is seen when it is complete.
 */
#include "rt.h"

struct stream {
	int fd;
	int written; /* characters of the current call, buffered or not */
	size_t used;
	size_t size;
	char *buffer;
};

struct conversion {
	char letter;
	char pad;
	int width;
	int longs; /* how many times l was given */
};

static char stdout_buffer[1024];
static struct stream standard_output = {
	.fd = 1, .size = sizeof(stdout_buffer), .buffer = stdout_buffer
};

static void flush(struct stream *stream)
{
	size_t done = 0;

	while (done < stream->used) {
		ssize_t count = write(stream->fd, stream->buffer + done, stream->used - done);
		if (count <= 0)
			break; /* nobody is left to be told */
		done += (size_t)count;
	}
	stream->used = 0;
}

static void put(struct stream *stream, char c)
{
	if (stream->used == stream->size)
		flush(stream);
	stream->buffer[stream->used++] = c;
	stream->written++;
}

static void put_padded(struct stream *stream, const struct conversion *conversion,
		       const char *text, size_t length)
{
	for (int i = (int)length; i < conversion->width; i++)
		put(stream, conversion->pad);
	for (size_t i = 0; i < length; i++)
		put(stream, text[i]);
}

static void put_number(struct stream *stream, struct conversion *conversion, u64 value,
		       bool negative)
{
	char digits[20]; /* 2^64 - 1 has twenty, -2^63 nineteen and a sign */
	size_t first = sizeof(digits);
	u32 base = conversion->letter == 'x' ? 16 : 10;

	/* A 64-bit division is a library call, so it is kept for values that need it. */
	for (; value > UINT32_MAX; value /= base)
		digits[--first] = "0123456789abcdef"[value % base];
	u32 low = (u32)value;
	do {
		digits[--first] = "0123456789abcdef"[low % base];
		low /= base;
	} while (low != 0);

	if (negative && conversion->pad == '0') {
		put(stream, '-');
		conversion->width--;
	} else if (negative) {
		digits[--first] = '-';
	}
	put_padded(stream, conversion, digits + first, sizeof(digits) - first);
}

static const char *parse_conversion(const char *format, struct conversion *conversion)
{
	*conversion = (struct conversion){.pad = ' '};
	if (*format == '0') {
		conversion->pad = '0';
		format++;
	}
	while (*format >= '0' && *format <= '9')
		conversion->width = 10 * conversion->width + (*format++ - '0');
	while (*format == 'l' || *format == 'z') {
		if (*format++ == 'l')
			conversion->longs++;
	}
	conversion->letter = *format;
	return *format == '\0' ? format : format + 1;
}

static void put_format(struct stream *stream, const char *format, va_list arguments)
{
	struct conversion conversion;

	while (*format != '\0') {
		if (*format != '%') {
			put(stream, *format++);
			continue;
		}
		format = parse_conversion(format + 1, &conversion);
		switch (conversion.letter) {
		case 'd': {
			long long value = conversion.longs > 1 ? va_arg(arguments, long long)
							       : va_arg(arguments, int);
			u64 magnitude = value < 0 ? -(u64)value : (u64)value;
			put_number(stream, &conversion, magnitude, value < 0);
			break;
		}
		case 'u':
		case 'x':
			put_number(stream, &conversion,
				   conversion.longs > 1 ? va_arg(arguments, u64)
							: va_arg(arguments, u32),
				   false);
			break;
		case 's': {
			const char *text = va_arg(arguments, const char *);
			put_padded(stream, &conversion, text, strlen(text));
			break;
		}
		case 'c': {
			char c = (char)va_arg(arguments, int);
			put_padded(stream, &conversion, &c, 1);
			break;
		}
		default:
			put(stream, conversion.letter);
		}
	}
}

int printf(const char *format, ...)
{
	struct stream *stream = &standard_output;
	va_list arguments;

	stream->written = 0;
	va_start(arguments, format);
	put_format(stream, format, arguments);
	va_end(arguments);
	for (size_t i = stream->used; i > 0; i--) {
		if (stream->buffer[i - 1] == '\n') {
			flush(stream);
			break;
		}
	}
	return stream->written;
}

int vdprintf(int fd, const char *format, va_list arguments)
{
	char buffer[128];
	struct stream stream = {.fd = fd, .size = sizeof(buffer), .buffer = buffer};

	put_format(&stream, format, arguments);
	flush(&stream);
	return stream.written;
}

int dprintf(int fd, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int written = vdprintf(fd, format, arguments);
	va_end(arguments);
	return written;
}

_Noreturn void exit(int code)
{
	flush(&standard_output);
	_exit(code);
}
