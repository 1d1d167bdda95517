/*
 * The environment. What the kernel passed is used as it is until something is changed; names and
 * values set here are never freed, for a caller may still hold them.
 */
#include "rt.h"

char **environ;

static char **own; /* environ, once it is a copy that can grow */

static char **find(const char *name, size_t length)
{
	for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
		if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
			return entry;
	}
	return NULL;
}

char *getenv(const char *name)
{
	size_t length = strlen(name);
	char **entry = find(name, length);

	return entry == NULL ? NULL : *entry + length + 1;
}

/* Makes environ an array of our own with room for one entry more. */
static bool grow(void)
{
	size_t count = 0;

	while (environ != NULL && environ[count] != NULL)
		count++;
	char **larger = malloc((count + 2) * sizeof(char *));
	if (larger == NULL)
		return false;
	memcpy(larger, environ, count * sizeof(char *));
	larger[count] = larger[count + 1] = NULL;
	if (environ == own)
		free(own);
	environ = own = larger;
	return true;
}

int setenv(const char *name, const char *value, int overwrite)
{
	size_t length = strlen(name);
	char **entry = find(name, length);

	if (entry != NULL && !overwrite)
		return 0;
	char *text = malloc(length + strlen(value) + 2);
	if (text == NULL || (entry == NULL && !grow()))
		return -1;
	memcpy(text, name, length);
	text[length] = '=';
	strcpy(text + length + 1, value);
	for (entry = entry == NULL ? environ : entry; *entry != NULL; entry++) {
		if (strncmp(*entry, text, length + 1) == 0)
			break;
	}
	*entry = text;
	return 0;
}

int unsetenv(const char *name)
{
	char **entry = find(name, strlen(name));

	for (; entry != NULL && *entry != NULL; entry++)
		entry[0] = entry[1];
	return 0;
}
