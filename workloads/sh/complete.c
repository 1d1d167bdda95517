/*
 * The rest of a word that was begun: the names of files that begin like it, and for the first word of
 * a command those of builtins and programs.
 */
#include "sh.h"

/* The word at the end of a line. */
struct beginning {
	struct text plain; /* without its quotes */
	char quote; /* that is still open, or 0 */
	bool is_command;
};

static bool ends_word(char c)
{
	return c == ' ' || c == '\t' || strchr("&|;()<>", c) != NULL;
}

static struct beginning last_word(const char *line)
{
	struct beginning word = {.is_command = true};
	bool quoted = false;

	for (const char *at = line; *at != '\0'; at++) {
		if (word.quote != 0 ? *at == word.quote : *at == '\'' || *at == '"') {
			word.quote = word.quote != 0 ? 0 : *at;
			quoted = true;
		} else if (word.quote != '\'' && at[0] == '\\' && at[1] != '\0') {
			text_add(&word.plain, *++at);
		} else if (word.quote == 0 && ends_word(*at)) {
			bool blank = *at == ' ' || *at == '\t';
			bool empty = word.plain.length == 0 && !quoted;
			if (!blank)
				word.is_command = *at != '<' && *at != '>';
			else if (!empty)
				word.is_command = false;
			word.plain.length = 0;
			quoted = false;
		} else {
			text_add(&word.plain, *at);
		}
	}
	text_end(&word.plain);
	return word;
}

static void add_name(struct list *names, const char *name, const char *beginning)
{
	if (strncmp(name, beginning, strlen(beginning)) != 0)
		return;
	for (size_t i = 0; i < names->count; i++) {
		if (strcmp(names->items[i], name) == 0)
			return;
	}
	list_add(names, allocate_text(name, strlen(name)));
	/* Into its place by the alphabet. */
	for (size_t i = names->count - 1; i > 0; i--) {
		char **items = names->items + i;
		if (strcmp(items[-1], items[0]) < 0)
			break;
		char *later = items[-1];
		items[-1] = items[0];
		items[0] = later;
	}
}

static void add_files(struct list *names, const char *path, const char *beginning)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	if (directory == NULL)
		return;
	while ((entry = readdir(directory)) != NULL) {
		if (entry->d_name[0] != '.' || beginning[0] == '.')
			add_name(names, entry->d_name, beginning);
	}
	closedir(directory);
}

static void add_commands(struct list *names, const char *beginning)
{
	const char *path = get_variable("PATH");

	for (size_t i = 0; builtin_name(i) != NULL; i++)
		add_name(names, builtin_name(i), beginning);
	for (const char *at = path == NULL ? "/bin" : path; *at != '\0';) {
		const char *end = strchr(at, ':');
		size_t length = end == NULL ? strlen(at) : (size_t)(end - at);
		add_files(names, length == 0 ? "." : allocate_text(at, length), beginning);
		at += length + (end != NULL);
	}
}

/* How many bytes all names have in common, whole characters of UTF-8. */
static size_t common_length(const struct list *names)
{
	const char *first = names->items[0];
	size_t length = strlen(first);

	for (size_t i = 1; i < names->count; i++) {
		size_t same = 0;
		while (same < length && names->items[i][same] == first[same])
			same++;
		length = same;
	}
	while (length > 0 && ((u8)first[length] & 0xc0) == 0x80)
		length--;
	return length;
}

static bool is_directory(const char *path)
{
	struct stat status;

	return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* The names that the last word of `line` can become, and in `more` what all of them add to it. */
void complete(const char *line, struct list *names, struct text *more)
{
	struct beginning word = last_word(line);
	char *name = strrchr(word.plain.start, '/');
	struct text path = {0};

	if (name != NULL) {
		name++;
		text_add_all(&path, allocate_text(word.plain.start, (size_t)(name - word.plain.start)));
		add_files(names, text_end(&path), name);
	} else {
		name = word.plain.start;
		if (word.is_command)
			add_commands(names, name);
		else
			add_files(names, ".", name);
	}
	if (names->count == 0)
		return;
	const char *rest = names->items[0] + strlen(name);
	const char *end = names->items[0] + common_length(names);
	for (; rest < end; rest++) {
		bool special = strchr(word.quote == 0 ? " \t\n&|;()<>'\"\\$*?[#~`" : "\"\\$`", *rest) != NULL;
		if (special && word.quote != '\'')
			text_add(more, '\\');
		text_add(more, *rest);
	}
	if (names->count > 1)
		return;
	text_add_all(&path, names->items[0]);
	if ((!word.is_command || path.length > strlen(names->items[0])) && is_directory(text_end(&path))) {
		text_add(more, '/');
		return;
	}
	if (word.quote != 0)
		text_add(more, word.quote);
	text_add(more, ' ');
}
