/*
 * Variables, and words to arguments: $ expansions, fields, file names, quotes.
 */
#include "sh.h"

struct variable {
	struct variable *next;
	char *value; /* NULL: only exported, not set */
	bool exported;
	char name[];
};

static struct variable *variables;

/* A field under construction. A backslash stands before a character that was quoted. */
struct expansion {
	struct list *fields;
	struct text field;
	bool begun; /* the field exists even if it is empty */
	bool split; /* in fields, and match file names */
};

bool is_name(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		char c = text[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
		if (!letter && (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return length > 0;
}

static size_t name_length(const char *text)
{
	size_t length = 0;

	while (is_name(text, length + 1))
		length++;
	return length;
}

size_t assignment_name(const char *word)
{
	size_t length = name_length(word);

	return word[length] == '=' ? length : 0;
}

static struct variable *find(const char *name)
{
	struct variable *variable = variables;

	while (variable != NULL && strcmp(variable->name, name) != 0)
		variable = variable->next;
	return variable;
}

static struct variable *find_or_make(const char *name)
{
	struct variable *variable = find(name);

	if (variable != NULL)
		return variable;
	variable = malloc(sizeof(struct variable) + strlen(name) + 1);
	if (variable == NULL)
		fail("sh: out of memory");
	*variable = (struct variable){.next = variables};
	strcpy(variable->name, name);
	variables = variable;
	return variable;
}

const char *get_variable(const char *name)
{
	struct variable *variable = find(name);

	return variable == NULL ? NULL : variable->value;
}

void set_variable(const char *name, const char *value)
{
	struct variable *variable = find_or_make(name);
	char *copy = strdup(value);

	if (copy == NULL)
		fail("sh: out of memory");
	free(variable->value);
	variable->value = copy;
}

void export_variable(const char *name)
{
	find_or_make(name)->exported = true;
}

void unset_variable(const char *name)
{
	for (struct variable **link = &variables; *link != NULL; link = &(*link)->next) {
		struct variable *variable = *link;
		if (strcmp(variable->name, name) != 0)
			continue;
		*link = variable->next;
		free(variable->value);
		free(variable);
		return;
	}
}

void import_environment(char **environment)
{
	for (; environment != NULL && *environment != NULL; environment++) {
		struct mark mark = arena_mark();
		size_t length = assignment_name(*environment);
		if (length == 0)
			continue;
		char *name = allocate_text(*environment, length);
		set_variable(name, *environment + length + 1);
		export_variable(name);
		arena_release(mark);
	}
}

char **export_environment(void)
{
	struct list entries = {0};

	for (struct variable *variable = variables; variable != NULL; variable = variable->next) {
		struct text entry = {0};
		if (!variable->exported || variable->value == NULL)
			continue;
		text_add_all(&entry, variable->name);
		text_add(&entry, '=');
		text_add_all(&entry, variable->value);
		list_add(&entries, text_end(&entry));
	}
	if (entries.count == 0) {
		list_add(&entries, NULL);
		entries.count = 0;
	}
	return entries.items;
}

void print_variables(bool exported_only)
{
	for (struct variable *variable = variables; variable != NULL; variable = variable->next) {
		if (exported_only && !variable->exported)
			continue;
		if (exported_only)
			printf("export ");
		printf("%s", variable->name);
		if (variable->value != NULL)
			printf("='%s'", variable->value);
		printf("\n");
	}
}

static void end_field(struct expansion *expansion)
{
	if (!expansion->begun)
		return;
	list_add(expansion->fields, text_end(&expansion->field));
	expansion->field = (struct text){0};
	expansion->begun = false;
}

static void add_literal(struct expansion *expansion, char c, bool is_quoted)
{
	if (is_quoted && strchr("*?[]\\", c) != NULL)
		text_add(&expansion->field, '\\');
	text_add(&expansion->field, c);
	expansion->begun = true;
}

/* What an expansion yields: unquoted it is cut into fields at blanks. */
static void add_value(struct expansion *expansion, const char *value, bool in_quotes)
{
	for (; *value != '\0'; value++) {
		bool blank = *value == ' ' || *value == '\t' || *value == '\n';
		if (blank && !in_quotes && expansion->split)
			end_field(expansion);
		else
			add_literal(expansion, *value, in_quotes || *value == '\\');
	}
}

static char *number_text(long number)
{
	struct text text = {0};
	char digits[24];
	size_t count = 0;
	unsigned long rest = number < 0 ? -(unsigned long)number : (unsigned long)number;

	do
		digits[count++] = (char)('0' + rest % 10);
	while ((rest /= 10) != 0);
	if (number < 0)
		text_add(&text, '-');
	while (count > 0)
		text_add(&text, digits[--count]);
	return text_end(&text);
}

/*
 * Arithmetic: the operators of C on numbers and variables, without assignment. A level of the
 * table binds tighter than the one before it.
 */
struct arithmetic {
	const char *at;
	bool wrong;
};

static const char *const levels[][5] = {
	{"||"}, {"&&"}, {"|"}, {"^"}, {"&"}, {"==", "!="}, {"<=", ">=", "<", ">"}, {"<<", ">>"},
	{"+", "-"}, {"*", "/", "%"},
};

enum { LEVELS = sizeof(levels) / sizeof(levels[0]) };

static long calculate(struct arithmetic *state, int level);

static void skip_spaces(struct arithmetic *state)
{
	while (*state->at == ' ' || *state->at == '\t' || *state->at == '\n')
		state->at++;
}

static long primary(struct arithmetic *state)
{
	skip_spaces(state);
	char c = *state->at;
	if (c != '\0' && strchr("-+!~(", c) != NULL) {
		state->at++;
		long value = c == '(' ? calculate(state, 0) : primary(state);
		if (c == '(') {
			skip_spaces(state);
			if (*state->at != ')')
				state->wrong = true;
			else
				state->at++;
		}
		return c == '-' ? (long)-(unsigned long)value : c == '!' ? !value : c == '~' ? ~value : value;
	}
	size_t length = name_length(state->at);
	if (length > 0) {
		const char *value = get_variable(allocate_text(state->at, length));
		state->at += length;
		return value == NULL ? 0 : strtol(value, NULL, 0);
	}
	char *end;
	long value = strtol(state->at, &end, 0);
	if (end == state->at)
		state->wrong = true;
	state->at = end;
	return value;
}

static const char *operator_at(struct arithmetic *state, int level)
{
	skip_spaces(state);
	for (int i = 0; i < 5 && levels[level][i] != NULL; i++) {
		const char *operator = levels[level][i];
		size_t length = strlen(operator);
		char next = strncmp(state->at, operator, length) == 0 ? state->at[length] : '\0';
		/* A single | & < > may be half of a longer operator of another level. */
		bool half = length == 1 && next == operator[0] && strchr("|&<>", next) != NULL;
		if (strncmp(state->at, operator, length) == 0 && !half)
			return operator;
	}
	return NULL;
}

static long apply(struct arithmetic *state, const char *operator, long left, long right)
{
	switch (operator[0] + (operator[1] == operator[0] ? 256 : operator[1] == '=' ? 512 : 0)) {
	case '|' + 256:
		return left || right;
	case '&' + 256:
		return left && right;
	case '|':
		return left | right;
	case '^':
		return left ^ right;
	case '&':
		return left & right;
	case '=' + 256:
		return left == right;
	case '!' + 512:
		return left != right;
	case '<' + 512:
		return left <= right;
	case '>' + 512:
		return left >= right;
	case '<':
		return left < right;
	case '>':
		return left > right;
	case '<' + 256:
		return (long)((unsigned long)left << (right & 31));
	case '>' + 256:
		return left >> (right & 31);
	case '+':
		return (long)((unsigned long)left + (unsigned long)right);
	case '-':
		return (long)((unsigned long)left - (unsigned long)right);
	case '*':
		return (long)((unsigned long)left * (unsigned long)right);
	}
	if (right == 0) {
		state->wrong = true;
		return 0;
	}
	if (right == -1)
		return operator[0] == '/' ? (long)-(unsigned long)left : 0;
	return operator[0] == '/' ? left / right : left % right;
}

static long calculate(struct arithmetic *state, int level)
{
	const char *operator;

	if (level == LEVELS)
		return primary(state);
	long value = calculate(state, level + 1);
	while (!state->wrong && (operator = operator_at(state, level)) != NULL) {
		state->at += strlen(operator);
		value = apply(state, operator, value, calculate(state, level + 1));
	}
	return value;
}

static char *arithmetic_value(const char *expression)
{
	struct arithmetic state = {.at = expand_single(expression)};
	long value = calculate(&state, 0);

	skip_spaces(&state);
	if (state.wrong || *state.at != '\0') {
		dprintf(2, "sh: arithmetic: \"%s\"\n", expression);
		shell.status = 2;
		return allocate_text("0", 1);
	}
	return number_text(value);
}

/* The value of $x for a special x; NULL: not special. */
static const char *special_value(char c)
{
	switch (c) {
	case '?':
		return number_text(shell.status);
	case '$':
		return number_text(shell.pid);
	case '!':
		return shell.background == 0 ? "" : number_text(shell.background);
	case '#':
		return number_text(shell.argument_count);
	case '-':
		return shell.interactive ? "i" : "";
	default:
		break;
	}
	if (c == '0')
		return shell.name;
	if (c < '1' || c > '9')
		return NULL;
	return c - '0' <= shell.argument_count ? shell.arguments[c - '1'] : "";
}

/* "$@" is a field for each argument; $* and "$*" are values like others. */
static void add_arguments(struct expansion *expansion, char c, bool in_quotes)
{
	for (int i = 0; i < shell.argument_count; i++) {
		if (i > 0 && c == '@' && in_quotes && expansion->split)
			end_field(expansion);
		else if (i > 0)
			add_value(expansion, " ", in_quotes);
		if (in_quotes)
			expansion->begun = true;
		add_value(expansion, shell.arguments[i], in_quotes);
	}
}

/* ${name}, ${#name}, ${name-word} and with = + ? and a colon before them; => behind the }. */
static const char *expand_braced(struct expansion *expansion, const char *at, bool in_quotes)
{
	const char *start = at;
	int depth = 1;

	for (; *at != '\0' && depth > 0; at++)
		depth += *at == '{' ? 1 : *at == '}' ? -1 : 0;
	const char *end = at;
	size_t inner = (size_t)(end - start) - 1;
	bool measures = start[0] == '#' && inner > 1;
	start += measures;
	inner -= measures;
	size_t length = name_length(start);
	if (length == 0 && inner > 0)
		length = 1;
	if (length > inner)
		length = inner;
	char *name = allocate_text(start, length);
	const char *value = length == 1 && !is_name(name, 1) ? special_value(name[0])
							       : get_variable(name);
	if (measures) {
		add_value(expansion, number_text(value == NULL ? 0 : (long)strlen(value)), in_quotes);
		return end;
	}
	if ((name[0] == '@' || name[0] == '*') && inner == 1) {
		add_arguments(expansion, name[0], in_quotes);
		return end;
	}
	const char *rest = start + length;
	bool colon = *rest == ':';
	char operator = rest[colon];
	bool has = value != NULL && !(colon && *value == '\0');
	if (length < inner) {
		size_t skipped = length + colon + 1;
		char *word = allocate_text(start + skipped, inner > skipped ? inner - skipped : 0);
		if (operator == '+')
			value = has ? expand_single(word) : "";
		else if (!has && operator == '?') {
			dprintf(2, "sh: %s: %s\n", name, *word == '\0' ? "not set" : word);
			if (!shell.interactive)
				leave(2);
			value = "";
		} else if (!has)
			value = expand_single(word);
		if (!has && operator == '=')
			set_variable(name, value);
	}
	add_value(expansion, value == NULL ? "" : value, in_quotes);
	return end;
}

static const char *expand_parenthesized(struct expansion *expansion, const char *at, bool in_quotes)
{
	const char *start = at;
	int depth = 1;

	/* As parse.c found it: what is quoted does not count. */
	for (; *at != '\0' && depth > 0; at++) {
		if (*at == '\\' && at[1] != '\0')
			at++;
		else if (*at == '\'' && strchr(at + 1, '\'') != NULL)
			at = strchr(at + 1, '\'');
		else
			depth += *at == '(' ? 1 : *at == ')' ? -1 : 0;
	}
	size_t length = (size_t)(at - start) - 1;
	if (start[0] == '(' && length >= 2 && start[length - 1] == ')') {
		add_value(expansion, arithmetic_value(allocate_text(start + 1, length - 2)),
			  in_quotes);
		return at;
	}
	struct text output = {0};
	shell.status = substitute(allocate_text(start, length), &output);
	add_value(expansion, text_end(&output), in_quotes);
	return at;
}

/* `at` is behind the $. => behind what was expanded. */
static const char *expand_dollar(struct expansion *expansion, const char *at, bool in_quotes)
{
	size_t length = name_length(at);

	if (*at == '(')
		return expand_parenthesized(expansion, at + 1, in_quotes);
	if (*at == '{')
		return expand_braced(expansion, at + 1, in_quotes);
	if (length > 0) {
		const char *value = get_variable(allocate_text(at, length));
		add_value(expansion, value == NULL ? "" : value, in_quotes);
		return at + length;
	}
	if (*at == '@' || *at == '*') {
		add_arguments(expansion, *at, in_quotes);
		return at + 1;
	}
	const char *value = *at == '\0' ? NULL : special_value(*at);
	if (value == NULL) {
		add_literal(expansion, '$', true);
		return at;
	}
	add_value(expansion, value, in_quotes);
	return at + 1;
}

static const char *expand_quoted(struct expansion *expansion, const char *at)
{
	/* "$@" of no arguments is no field at all. */
	if (strncmp(at, "$@\"", 3) != 0 || shell.argument_count > 0)
		expansion->begun = true;
	while (*at != '"' && *at != '\0') {
		if (*at == '$') {
			at = expand_dollar(expansion, at + 1, true);
			continue;
		}
		if (*at == '\\' && at[1] == '\n') {
			at += 2;
			continue;
		}
		if (*at == '\\' && at[1] != '\0' && strchr("$`\"\\", at[1]) != NULL)
			at++;
		add_literal(expansion, *at++, true);
	}
	return *at == '"' ? at + 1 : at;
}

static const char *expand_tilde(struct expansion *expansion, const char *word)
{
	const char *home = get_variable("HOME");

	if (word[0] != '~' || (word[1] != '/' && word[1] != '\0') || home == NULL)
		return word;
	add_value(expansion, home, true);
	return word + 1;
}

static void expand_into(struct expansion *expansion, const char *word)
{
	word = expand_tilde(expansion, word);
	while (*word != '\0') {
		char c = *word++;
		if (c == '$') {
			word = expand_dollar(expansion, word, false);
		} else if (c == '"') {
			word = expand_quoted(expansion, word);
		} else if (c == '\'') {
			expansion->begun = true;
			while (*word != '\'' && *word != '\0')
				add_literal(expansion, *word++, true);
			word += *word == '\'';
		} else if (c == '\\' && *word != '\0') {
			add_literal(expansion, *word++, true);
		} else {
			add_literal(expansion, c, false);
		}
	}
	end_field(expansion);
}

static char *without_backslashes(const char *pattern)
{
	struct text text = {0};

	for (; *pattern != '\0'; pattern++) {
		if (*pattern == '\\' && pattern[1] != '\0')
			pattern++;
		text_add(&text, *pattern);
	}
	return text_end(&text);
}

static bool has_wildcard(const char *pattern)
{
	for (; *pattern != '\0'; pattern++) {
		if (*pattern == '\\' && pattern[1] != '\0')
			pattern++;
		else if (*pattern == '*' || *pattern == '?' || *pattern == '[')
			return true;
	}
	return false;
}

/* => behind the ], or NULL if there is none and the [ stands for itself. */
static const char *match_class(const char *pattern, char c, bool *matches)
{
	const char *at = pattern + 1;
	bool inverted = *at == '!' || *at == '^';
	bool found = false;

	at += inverted;
	do {
		if (*at == '\0')
			return NULL;
		char low = *at == '\\' && at[1] != '\0' ? *++at : *at;
		char high = low;
		at++;
		if (at[0] == '-' && at[1] != ']' && at[1] != '\0') {
			high = at[1];
			at += 2;
		}
		found |= c >= low && c <= high;
	} while (*at != ']');
	*matches = found != inverted;
	return at + 1;
}

static bool match(const char *pattern, const char *name)
{
	for (; *pattern != '\0'; pattern++, name++) {
		if (*pattern == '*') {
			do {
				if (match(pattern + 1, name))
					return true;
			} while (*name++ != '\0');
			return false;
		}
		if (*name == '\0')
			return false;
		if (*pattern == '?')
			continue;
		bool matches;
		const char *behind = *pattern == '[' ? match_class(pattern, *name, &matches) : NULL;
		if (behind != NULL) {
			if (!matches)
				return false;
			pattern = behind - 1;
			continue;
		}
		if (*pattern == '\\' && pattern[1] != '\0')
			pattern++;
		if (*pattern != *name)
			return false;
	}
	return *name == '\0';
}

static void insert_sorted(struct list *list, size_t first, char *item)
{
	list_add(list, item);
	for (size_t i = list->count - 1; i > first; i--) {
		if (strcmp(list->items[i - 1], item) <= 0)
			break;
		list->items[i] = list->items[i - 1];
		list->items[i - 1] = item;
	}
}

/* Wildcards are looked for in the last part of a path only. => whether anything matched. */
static bool match_files(const char *pattern, struct list *fields)
{
	const char *slash = strrchr(pattern, '/');
	const char *last = slash == NULL ? pattern : slash + 1;
	char *folder = without_backslashes(allocate_text(pattern, (size_t)(last - pattern)));
	DIR *directory = opendir(*folder == '\0' ? "." : folder);
	struct dirent *entry;
	size_t first = fields->count;

	if (directory == NULL)
		return false;
	while ((entry = readdir(directory)) != NULL) {
		struct text path = {0};
		if ((entry->d_name[0] == '.' && *last != '.') || !match(last, entry->d_name))
			continue;
		text_add_all(&path, folder);
		text_add_all(&path, entry->d_name);
		insert_sorted(fields, first, text_end(&path));
	}
	closedir(directory);
	return fields->count > first;
}

void expand_word(const char *word, struct list *fields)
{
	struct list patterns = {0};
	struct expansion expansion = {.fields = &patterns, .split = true};

	expand_into(&expansion, word);
	for (size_t i = 0; i < patterns.count; i++) {
		if (!has_wildcard(patterns.items[i]) || !match_files(patterns.items[i], fields))
			list_add(fields, without_backslashes(patterns.items[i]));
	}
}

char *expand_single(const char *word)
{
	struct list fields = {0};
	struct expansion expansion = {.fields = &fields};

	expand_into(&expansion, word);
	return fields.count == 0 ? allocate_text("", 0) : without_backslashes(fields.items[0]);
}
