/*
 * calc [expression...]: what expressions are worth, those of its arguments or of the lines of
 * standard input: + - * / % ^ ( ), numbers with fractions, the functions sqrt, abs and floor,
 * assignment to variables of any name, which keep their values.
 *
 * Output: for each expression its value in at most 12 digits, or "error: " and why. The exit code
 * is 1 if there was an error.
 *
 * An error leaves the recursion by longjmp; the names that it had made are on a list and go.
 */
#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct variable {
	struct variable *next;
	double value;
	char name[];
};

static struct variable *variables;
static jmp_buf give_up;
static const char *reason;
static const char *at;
static int errors;

static double sum(void);

_Noreturn static void wrong(const char *why)
{
	reason = why;
	longjmp(give_up, 1);
}

static void skip_blanks(void)
{
	while (isspace((unsigned char)*at))
		at++;
}

static int take(char c)
{
	skip_blanks();
	if (*at != c)
		return 0;
	at++;
	return 1;
}

static size_t name_length(void)
{
	size_t length = 0;

	if (!isalpha((unsigned char)*at))
		return 0;
	while (isalnum((unsigned char)at[length]) || at[length] == '_')
		length++;
	return length;
}

static struct variable *find(const char *name, size_t length)
{
	struct variable *variable = variables;

	while (variable != NULL &&
	       (strncmp(variable->name, name, length) != 0 || variable->name[length] != '\0'))
		variable = variable->next;
	return variable;
}

static double call(const char *name, size_t length)
{
	double value = sum();

	if (!take(')'))
		wrong("a ) is missing");
	if (length == 4 && strncmp(name, "sqrt", 4) == 0) {
		if (value < 0)
			wrong("square root of a negative number");
		return sqrt(value);
	}
	if (length == 3 && strncmp(name, "abs", 3) == 0)
		return fabs(value);
	if (length == 5 && strncmp(name, "floor", 5) == 0)
		return floor(value);
	wrong("unknown function");
}

static double primary(void)
{
	char *end;

	if (take('-'))
		return -primary();
	if (take('(')) {
		double value = sum();
		if (!take(')'))
			wrong("a ) is missing");
		return value;
	}
	size_t length = name_length();
	if (length > 0) {
		const char *name = at;
		at += length;
		if (take('('))
			return call(name, length);
		struct variable *variable = find(name, length);
		if (variable == NULL)
			wrong("unknown variable");
		return variable->value;
	}
	if (!isdigit((unsigned char)*at) && *at != '.')
		wrong(*at == '\0' ? "an operand is missing" : "unexpected character");
	double value = strtod(at, &end);
	if (end == at)
		wrong("not a number");
	at = end;
	return value;
}

/* Exponents are whole numbers; 2 ^ 3 ^ 2 is 2 ^ 9. */
static double power(void)
{
	double base = primary();

	if (!take('^'))
		return base;
	double exponent = power();
	if (floor(exponent) != exponent || fabs(exponent) > 1024)
		wrong("not an exponent");
	double result = 1;
	for (int i = 0; i < (int)fabs(exponent); i++)
		result *= base;
	return exponent < 0 ? 1 / result : result;
}

static double term(void)
{
	double value = power();

	for (;;) {
		int divides = take('/');
		int remains = !divides && take('%');
		if (!divides && !remains) {
			if (!take('*'))
				return value;
			value *= power();
			continue;
		}
		double divisor = power();
		if (divisor == 0)
			wrong("division by zero");
		value = divides ? value / divisor : fmod(value, divisor);
	}
}

static double sum(void)
{
	double value = term();

	for (;;) {
		if (take('+'))
			value += term();
		else if (take('-'))
			value -= term();
		else
			return value;
	}
}

static double assign(const char *name, size_t length, double value)
{
	struct variable *variable = find(name, length);

	if (variable == NULL) {
		variable = malloc(sizeof(*variable) + length + 1);
		if (variable == NULL)
			wrong("out of memory");
		memcpy(variable->name, name, length);
		variable->name[length] = '\0';
		variable->next = variables;
		variables = variable;
	}
	return variable->value = value;
}

static double statement(void)
{
	skip_blanks();
	const char *name = at;
	size_t length = name_length();
	at += length;
	int assigns = length > 0 && take('=');
	if (!assigns)
		at = name;
	double value = sum();
	skip_blanks();
	if (*at != '\0')
		wrong("unexpected character");
	return assigns ? assign(name, length, value) : value;
}

static void evaluate(const char *text)
{
	at = text;
	if (setjmp(give_up) != 0) {
		printf("error: %s\n", reason);
		errors++;
		return;
	}
	printf("%.12g\n", statement());
}

int main(int argc, char **argv)
{
	char line[256];

	for (int i = 1; i < argc; i++)
		evaluate(argv[i]);
	while (argc == 1 && fgets(line, sizeof(line), stdin) != NULL) {
		if (strspn(line, " \t\n") < strlen(line))
			evaluate(line);
	}
	return errors > 0;
}
