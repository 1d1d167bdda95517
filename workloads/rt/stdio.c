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
	bool left;
	int width;
	int precision; /* negative: none given */
	int longs; /* how many times l was given */
};

static char stdout_buffer[1024];
static struct stream standard_output = {
	.fd = 1, .size = sizeof(stdout_buffer), .buffer = stdout_buffer
};
FILE *const stdout = &standard_output;

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
	int padding = conversion->width - (int)length;

	for (int i = 0; i < padding && !conversion->left; i++)
		put(stream, conversion->pad);
	for (size_t i = 0; i < length; i++)
		put(stream, text[i]);
	for (int i = 0; i < padding && conversion->left; i++)
		put(stream, ' ');
}

static void put_number(struct stream *stream, struct conversion *conversion, u64 value,
		       bool negative)
{
	char digits[22]; /* as many as 2^64 - 1 has in octal; decimal needs twenty with the sign */
	size_t first = sizeof(digits);
	u32 base = conversion->letter == 'x' ? 16 : conversion->letter == 'o' ? 8 : 10;

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

static int parse_count(const char **format, va_list *arguments)
{
	int count = 0;

	if (**format == '*') {
		++*format;
		return va_arg(*arguments, int);
	}
	while (**format >= '0' && **format <= '9')
		count = 10 * count + (*(*format)++ - '0');
	return count;
}

static const char *parse_conversion(const char *format, struct conversion *conversion,
				    va_list *arguments)
{
	*conversion = (struct conversion){.pad = ' ', .precision = -1};
	for (; *format == '0' || *format == '-'; format++) {
		if (*format == '0')
			conversion->pad = '0';
		else
			conversion->left = true;
	}
	if (conversion->left)
		conversion->pad = ' ';
	conversion->width = parse_count(&format, arguments);
	if (*format == '.') {
		format++;
		conversion->precision = parse_count(&format, arguments);
	}
	while (*format == 'l' || *format == 'z') {
		if (*format++ == 'l')
			conversion->longs++;
	}
	conversion->letter = *format;
	return *format == '\0' ? format : format + 1;
}

static size_t bounded_length(const char *text, int limit)
{
	size_t length = 0;

	while ((limit < 0 || length < (size_t)limit) && text[length] != '\0')
		length++;
	return length;
}

static void put_format(struct stream *stream, const char *format, va_list given)
{
	struct conversion conversion;
	va_list arguments; /* a copy: the address of a parameter of this type cannot be passed on */

	va_copy(arguments, given);
	while (*format != '\0') {
		if (*format != '%') {
			put(stream, *format++);
			continue;
		}
		format = parse_conversion(format + 1, &conversion, &arguments);
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
		case 'o':
			put_number(stream, &conversion,
				   conversion.longs > 1 ? va_arg(arguments, u64)
							: va_arg(arguments, u32),
				   false);
			break;
		case 's': {
			const char *text = va_arg(arguments, const char *);
			put_padded(stream, &conversion, text,
				   bounded_length(text, conversion.precision));
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
	va_end(arguments);
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

int fflush(FILE *stream)
{
	flush(stream);
	return 0;
}

_Noreturn void exit(int code)
{
	flush(&standard_output);
	_exit(code);
}
