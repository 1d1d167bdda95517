/*
 * ls [-a] [-l] [file...]: names, sorted. With -l: mode, links, owner, group, size (of a device: its
 * numbers), time in UTC, name.
 */
#include "util.h"

struct entry {
	char *name;
	struct stat status;
};

static bool all;
static bool in_detail;

static char type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFDIR:
		return 'd';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	case S_IFIFO:
		return 'p';
	case S_IFLNK:
		return 'l';
	default:
		return '-';
	}
}

static void format_mode(mode_t mode, char text[11])
{
	text[0] = type_letter(mode);
	for (int i = 0; i < 9; i++)
		text[i + 1] = (mode & (0400u >> i)) != 0 ? "rwx"[i % 3] : '-';
	text[10] = '\0';
}

/* Days are counted from 1 March of year 0, so that a leap day is the last of its year. */
static void print_time(long long seconds)
{
	static const char months[] = "MarAprMayJunJulAugSepOctNovDecJanFeb";
	u32 minutes = (u32)(seconds / 60);
	u32 days = minutes / 1440 + 719468;
	u32 era = days / 146097;
	u32 day_of_era = days % 146097;
	u32 year = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	u32 day = day_of_era - (365 * year + year / 4 - year / 100);
	u32 month = (5 * day + 2) / 153;

	year += era * 400 + (month >= 10);
	printf("%.3s %2u %4u %02u:%02u ", months + 3 * month, day - (153 * month + 2) / 5 + 1, year,
	       minutes / 60 % 24, minutes % 60);
}

static void print(const struct entry *entry)
{
	const struct stat *status = &entry->status;
	char mode[11];

	if (in_detail) {
		format_mode(status->st_mode, mode);
		printf("%s %3u %4u %4u ", mode, status->st_nlink, status->st_uid, status->st_gid);
		if (S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode))
			printf("%4u, %3u ", status->st_rdev_major, status->st_rdev_minor);
		else
			printf("%9llu ", (u64)status->st_size);
		print_time(status->st_mtime);
	}
	printf("%s\n", entry->name);
}

static void sort(struct entry *entries, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct entry moving = entries[i];
		size_t j = i;
		for (; j > 0 && strcmp(moving.name, entries[j - 1].name) < 0; j--)
			entries[j] = entries[j - 1];
		entries[j] = moving;
	}
}

static int list_directory(const char *path)
{
	struct entry *entries = NULL;
	size_t count = 0;
	size_t room = 0;
	int code = 0;
	DIR *directory = opendir(path);
	struct dirent *found;
	char full[512];

	if (directory == NULL)
		return complain("ls", path);
	while ((found = readdir(directory)) != NULL) {
		if (found->d_name[0] == '.' && !all)
			continue;
		if (count == room) {
			room = room == 0 ? 32 : 2 * room;
			entries = realloc(entries, room * sizeof(struct entry));
			if (entries == NULL)
				fail("ls: out of memory");
		}
		struct entry *entry = &entries[count++];
		memset(entry, 0, sizeof(*entry));
		entry->name = strdup(found->d_name);
		if (entry->name == NULL)
			fail("ls: out of memory");
		if (!in_detail || strlen(path) + strlen(entry->name) + 2 > sizeof(full))
			continue;
		strcat(strcat(strcpy(full, path), "/"), entry->name);
		if (lstat(full, &entry->status) == -1)
			code = complain("ls", full);
	}
	closedir(directory);
	sort(entries, count);
	for (size_t i = 0; i < count; i++) {
		print(&entries[i]);
		free(entries[i].name);
	}
	free(entries);
	return code;
}

/* Files that are no folders come first, as in every ls. */
static int list(char **names, int count)
{
	int code = 0;
	int printed = 0;
	struct entry entry;

	for (int i = 0; i < count; i++) {
		entry.name = names[i];
		if (lstat(names[i], &entry.status) == -1) {
			code = complain("ls", names[i]);
			names[i] = NULL;
		} else if (!S_ISDIR(entry.status.st_mode)) {
			print(&entry);
			printed++;
			names[i] = NULL;
		}
	}
	for (int i = 0; i < count; i++) {
		if (names[i] == NULL)
			continue;
		if (count > 1)
			printf("%s%s:\n", printed++ > 0 ? "\n" : "", names[i]);
		code |= list_directory(names[i]);
	}
	return code;
}

int main(int argc, char **argv)
{
	static char *here[] = {".", NULL};
	int first = 1;

	for (; first < argc && argv[first][0] == '-' && argv[first][1] != '\0'; first++) {
		for (const char *option = argv[first] + 1; *option != '\0'; option++) {
			if (*option == 'a')
				all = true;
			else if (*option == 'l')
				in_detail = true;
			else if (*option != '1')
				return usage("ls [-al1] [file...]");
		}
	}
	return first == argc ? list(here, 1) : list(argv + first, argc - first);
}
