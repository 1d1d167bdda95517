/*
 * What every program does: read its arguments and say what is wrong. Exit code 2 is for wrong
 * arguments, 1 for anything that failed.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include "rt.h"

static inline bool parse_u32(const char *text, u32 *value)
{
	u64 number = 0;

	if (*text == '\0')
		return false;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return false;
		number = 10 * number + (u32)(*text - '0');
		if (number > UINT32_MAX)
			return false;
	}
	*value = (u32)number;
	return true;
}

/* Argument `index`, if present, replaces *value. False: it is no number in min..max. */
static inline bool argument(int argc, char **argv, int index, u32 min, u32 max, u32 *value)
{
	if (index >= argc)
		return true;
	return parse_u32(argv[index], value) && *value >= min && *value <= max;
}

static inline int usage(const char *synopsis)
{
	dprintf(2, "usage: %s\n", synopsis);
	return 2;
}

__attribute__((format(printf, 1, 2))) _Noreturn static inline void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vdprintf(2, format, arguments);
	va_end(arguments);
	dprintf(2, "\n");
	exit(1);
}

#endif
