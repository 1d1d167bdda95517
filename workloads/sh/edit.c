/*
 * Lines that are typed on a terminal: editing and history, with the keys of Emacs.
 *
 * While a line is edited the terminal passes on every key; commands find it as it was. A line has one
 * row of the screen: what is longer scrolls. Only printing, backspace and newline move the cursor, from
 * wherever the prompt has left it, so any terminal will do.
 */
#include "sh.h"

enum { MOST_HISTORY = 500, LEAST_WINDOW = 8, BELL = '\a', ESCAPE = 0x1b, DELETE = 0x7f };
#define CONTROL(key) ((key) & 0x1f)

/* Keys that come as several bytes, and what reading can come to instead of a key. */
enum {
	KEY_UP = 256,
	KEY_DOWN,
	KEY_LEFT,
	KEY_RIGHT,
	KEY_HOME,
	KEY_END,
	KEY_DELETE,
	KEY_WORD_LEFT,
	KEY_WORD_RIGHT,
	KEY_ERASE_WORD,
	KEY_DELETE_WORD,
	KEY_UNKNOWN,
	NO_KEY, /* a child has changed its state */
	INTERRUPT,
	END_OF_INPUT,
};

/* Text that stays from line to line, in memory from malloc. */
struct buffer {
	char *start;
	size_t length;
	size_t room;
};

static struct buffer line;
static size_t cursor; /* in bytes, as all places in the line */
static size_t window_start; /* of the part that is shown */
static struct buffer killed; /* what ^Y inserts */
static const char *prompt;

/* What is on the screen behind the prompt, and where its cursor is. */
static struct buffer shown;
static size_t shown_cursor;
/* What is still to be written. */
static struct buffer output;

static char *history[MOST_HISTORY]; /* the oldest first */
static int history_count;
static int history_forgotten; /* of those that were older */
static int history_at; /* the line being edited, history_count: a new one */
static struct buffer new_line; /* while an older one is looked at */

static volatile int child_changed;

static void note_child(int signal_number)
{
	(void)signal_number;
	child_changed = true;
}

static void reserve(struct buffer *buffer, size_t length)
{
	if (length <= buffer->room)
		return;
	while (buffer->room < length)
		buffer->room = buffer->room == 0 ? 128 : 2 * buffer->room;
	buffer->start = realloc(buffer->start, buffer->room);
	if (buffer->start == NULL)
		fail("sh: out of memory");
}

static void insert(struct buffer *buffer, size_t at, const char *text, size_t length)
{
	if (length == 0)
		return;
	reserve(buffer, buffer->length + length);
	memmove(buffer->start + at + length, buffer->start + at, buffer->length - at);
	memcpy(buffer->start + at, text, length);
	buffer->length += length;
}

static void append(struct buffer *buffer, const char *text, size_t length)
{
	insert(buffer, buffer->length, text, length);
}

static void assign(struct buffer *buffer, const char *text, size_t length)
{
	buffer->length = 0;
	append(buffer, text, length);
}

static void put(const char *text, size_t length)
{
	append(&output, text, length);
}

static void put_times(char c, size_t count)
{
	while (count-- > 0)
		put(&c, 1);
}

static void flush_output(void)
{
	size_t done = 0;

	while (done < output.length) {
		ssize_t count = write(2, output.start + done, output.length - done);
		if (count == -1 && errno == EINTR)
			continue;
		if (count <= 0)
			break;
		done += (size_t)count;
	}
	output.length = 0;
}

/* Does `c` go on with a character of UTF-8? */
static bool continues(char c)
{
	return ((u8)c & 0xc0) == 0x80;
}

static bool is_control(char c)
{
	return (u8)c < ' ' || c == DELETE;
}

/* Columns of text without control characters. */
static size_t columns_of(const char *text, size_t length)
{
	size_t columns = 0;

	for (size_t i = 0; i < length; i++)
		columns += !continues(text[i]);
	return columns;
}

/* Columns of a part of the line, where control characters are shown as ^X. */
static size_t line_columns(size_t from, size_t to)
{
	size_t columns = 0;

	for (size_t i = from; i < to; i++)
		columns += is_control(line.start[i]) ? 2 : !continues(line.start[i]);
	return columns;
}

/* Of its last row, without sequences that set colours. */
static size_t prompt_columns(void)
{
	const char *row = strrchr(prompt, '\n');
	size_t columns = 0;

	for (const char *at = row == NULL ? prompt : row + 1; *at != '\0'; at++) {
		if (at[0] == ESCAPE && at[1] == '[') {
			at += 2;
			while (*at != '\0' && (*at < '@' || *at > '~'))
				at++;
			if (*at == '\0')
				break;
		} else if (!is_control(*at) && !continues(*at)) {
			columns++;
		}
	}
	return columns;
}

static size_t screen_columns(void)
{
	struct winsize size;

	return ioctl(2, TIOCGWINSZ, &size) == -1 || size.ws_col == 0 ? 80 : size.ws_col;
}

/* Columns for the line; the last one of the screen is for the cursor alone. */
static size_t window_columns(void)
{
	size_t taken = prompt_columns() + 1;
	size_t all = screen_columns();

	return all < taken + LEAST_WINDOW ? LEAST_WINDOW : all - taken;
}

static size_t next_character(size_t at)
{
	if (at < line.length)
		at++;
	while (at < line.length && continues(line.start[at]))
		at++;
	return at;
}

static size_t previous_character(size_t at)
{
	if (at > 0)
		at--;
	while (at > 0 && continues(line.start[at]))
		at--;
	return at;
}

static void move_shown_cursor(size_t to)
{
	if (to < shown_cursor)
		put_times('\b', columns_of(shown.start + to, shown_cursor - to));
	else
		put(shown.start + shown_cursor, to - shown_cursor);
	shown_cursor = to;
}

/* Chooses the part of the line that is shown: with the cursor. */
static void scroll(size_t window)
{
	if (line_columns(0, line.length) <= window)
		window_start = 0;
	/* Another line may have been recalled, with another character there. */
	if (window_start < line.length && continues(line.start[window_start]))
		window_start = previous_character(window_start);
	if (window_start <= cursor && line_columns(window_start, cursor) <= window)
		return;
	/* The cursor comes into the middle. */
	window_start = cursor;
	for (size_t used = 0; window_start > 0;) {
		size_t before = previous_character(window_start);
		used += line_columns(before, window_start);
		if (used > window / 2)
			break;
		window_start = before;
	}
}

/* Makes the screen show the line: prints from the first difference on. */
static void refresh(void)
{
	static struct buffer fresh;
	size_t window = window_columns();
	size_t columns = 0;
	size_t fresh_cursor = 0;
	size_t same = 0;

	scroll(window);
	fresh.length = 0;
	for (size_t at = window_start; at <= line.length; at = next_character(at)) {
		if (at == cursor)
			fresh_cursor = fresh.length;
		size_t end = next_character(at);
		columns += line_columns(at, end);
		if (at == line.length || columns > window)
			break;
		if (is_control(line.start[at])) {
			const char mark[2] = {'^', (char)(line.start[at] ^ 0x40)};
			append(&fresh, mark, 2);
		} else {
			append(&fresh, line.start + at, end - at);
		}
	}
	while (same < fresh.length && same < shown.length && fresh.start[same] == shown.start[same])
		same++;
	while (same > 0 && ((same < fresh.length && continues(fresh.start[same])) ||
			    (same < shown.length && continues(shown.start[same]))))
		same--;
	if (same < fresh.length || same < shown.length) {
		size_t old = columns_of(shown.start + same, shown.length - same);
		size_t now = columns_of(fresh.start + same, fresh.length - same);
		move_shown_cursor(same);
		put(fresh.start + same, fresh.length - same);
		if (old > now) {
			put_times(' ', old - now);
			put_times('\b', old - now);
		}
		assign(&shown, fresh.start, fresh.length);
		shown_cursor = shown.length;
	}
	move_shown_cursor(fresh_cursor);
	flush_output();
}

/* Something else has been printed, up to the end of a line: the prompt and the line again. */
static void draw(void)
{
	shown.length = shown_cursor = 0;
	put(prompt, strlen(prompt));
	refresh();
}

/* Goes to a new row, for something else. */
static void leave_row(void)
{
	move_shown_cursor(shown.length);
	put("\n", 1);
	flush_output();
}

/* `inside`: of a key of several bytes. */
static int read_byte(int fd, bool inside)
{
	for (;;) {
		u8 c;
		if (interrupted)
			return INTERRUPT;
		if (child_changed && !inside)
			return NO_KEY;
		ssize_t count = read(fd, &c, 1);
		if (count == 1)
			return c;
		if (count == 0 || errno != EINTR)
			return END_OF_INPUT;
	}
}

/* Behind ESC [: numbers, separated by semicolons, and a character that ends them. */
static int read_sequence(int fd)
{
	int first = 0;
	int last = 0;
	int c;

	for (bool behind = false;; behind |= c == ';') {
		c = read_byte(fd, true);
		if (c >= INTERRUPT || c < ' ' || c >= '@')
			break;
		if (c < '0' || c > '9')
			last = 0;
		else
			last = (last * 10 + c - '0') % 1000;
		if (!behind)
			first = last;
	}
	switch (c) {
	case INTERRUPT:
	case END_OF_INPUT:
		return c;
	case 'A':
		return KEY_UP;
	case 'B':
		return KEY_DOWN;
	case 'C': /* 5: with control, 3: with alt */
		return last == 5 || last == 3 ? KEY_WORD_RIGHT : KEY_RIGHT;
	case 'D':
		return last == 5 || last == 3 ? KEY_WORD_LEFT : KEY_LEFT;
	case 'H':
		return KEY_HOME;
	case 'F':
		return KEY_END;
	case '~':
		if (first == 1 || first == 7)
			return KEY_HOME;
		if (first == 4 || first == 8)
			return KEY_END;
		return first == 3 ? KEY_DELETE : KEY_UNKNOWN;
	default:
		return KEY_UNKNOWN;
	}
}

static int read_key(int fd)
{
	int c = read_byte(fd, false);

	if (c != ESCAPE)
		return c;
	do
		c = read_byte(fd, true);
	while (c == ESCAPE);
	switch (c) {
	case INTERRUPT:
	case END_OF_INPUT:
		return c;
	case '[':
	case 'O':
		return read_sequence(fd);
	case 'b':
		return KEY_WORD_LEFT;
	case 'f':
		return KEY_WORD_RIGHT;
	case 'd':
		return KEY_DELETE_WORD;
	case DELETE:
	case CONTROL('H'):
		return KEY_ERASE_WORD;
	default:
		return KEY_UNKNOWN;
	}
}

static bool in_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '_' || (u8)c >= 0x80;
}

static size_t word_left(size_t at)
{
	while (at > 0 && !in_word(line.start[at - 1]))
		at--;
	while (at > 0 && in_word(line.start[at - 1]))
		at--;
	return at;
}

static size_t word_right(size_t at)
{
	while (at < line.length && !in_word(line.start[at]))
		at++;
	while (at < line.length && in_word(line.start[at]))
		at++;
	return at;
}

/* As ^W on a terminal: up to a blank. */
static size_t blank_left(size_t at)
{
	while (at > 0 && (line.start[at - 1] == ' ' || line.start[at - 1] == '\t'))
		at--;
	while (at > 0 && line.start[at - 1] != ' ' && line.start[at - 1] != '\t')
		at--;
	return at;
}

static void delete(size_t from, size_t to)
{
	memmove(line.start + from, line.start + to, line.length - to);
	line.length -= to - from;
	cursor = from;
}

static void kill_text(size_t from, size_t to)
{
	if (from == to)
		return;
	assign(&killed, line.start + from, to - from);
	delete(from, to);
}

static void insert_here(const char *text, size_t length)
{
	insert(&line, cursor, text, length);
	cursor += length;
}

static void remember(void)
{
	size_t length = line.length;
	const char *last = history_count == 0 ? "" : history[history_count - 1];

	if (length == 0 || (strlen(last) == length && memcmp(last, line.start, length) == 0))
		return;
	char *copy = malloc(length + 1);
	if (copy == NULL)
		return; /* the line itself is worth more */
	memcpy(copy, line.start, length);
	copy[length] = '\0';
	if (history_count == MOST_HISTORY) {
		free(history[0]);
		history_count--;
		history_forgotten++;
		memmove(history, history + 1, sizeof(history) - sizeof(history[0]));
	}
	history[history_count++] = copy;
}

void print_history(void)
{
	for (int i = 0; i < history_count; i++)
		printf("%5d  %s\n", history_forgotten + i + 1, history[i]);
}

void clear_history(void)
{
	while (history_count > 0)
		free(history[--history_count]);
	history_forgotten = 0;
}

static void recall(int step)
{
	int to = history_at + step;

	if (to < 0 || to > history_count) {
		put_times(BELL, 1);
		return;
	}
	if (history_at == history_count)
		assign(&new_line, line.start, line.length);
	history_at = to;
	if (to == history_count)
		assign(&line, new_line.start, new_line.length);
	else
		assign(&line, history[to], strlen(history[to]));
	cursor = line.length;
}

/* Names next to each other, in columns from top to bottom. */
static void list_names(const struct list *names)
{
	size_t widest = 0;

	for (size_t i = 0; i < names->count; i++) {
		size_t columns = columns_of(names->items[i], strlen(names->items[i]));
		if (columns > widest)
			widest = columns;
	}
	size_t across = screen_columns() / (widest + 2);
	size_t rows = across < 2 ? names->count : (names->count + across - 1) / across;
	for (size_t row = 0; row < rows; row++) {
		for (size_t i = row; i < names->count; i += rows) {
			const char *name = names->items[i];
			put(name, strlen(name));
			if (i + rows < names->count)
				put_times(' ', widest + 2 - columns_of(name, strlen(name)));
		}
		put("\n", 1);
	}
}

static void complete_here(void)
{
	struct mark mark = arena_mark();
	struct list names = {0};
	struct text more = {0};

	complete(allocate_text(line.start, cursor), &names, &more);
	if (more.length > 0) {
		insert_here(more.start, more.length);
	} else if (names.count > 1) {
		leave_row();
		list_names(&names);
		draw();
	} else {
		put_times(BELL, 1);
	}
	arena_release(mark);
}

/* A key that only changes the line, or moves in it. => whether it is one. */
static bool edit(int key)
{
	switch (key) {
	case KEY_LEFT:
	case CONTROL('B'):
		cursor = previous_character(cursor);
		return true;
	case KEY_RIGHT:
	case CONTROL('F'):
		cursor = next_character(cursor);
		return true;
	case KEY_HOME:
	case CONTROL('A'):
		cursor = 0;
		return true;
	case KEY_END:
	case CONTROL('E'):
		cursor = line.length;
		return true;
	case KEY_WORD_LEFT:
		cursor = word_left(cursor);
		return true;
	case KEY_WORD_RIGHT:
		cursor = word_right(cursor);
		return true;
	case DELETE:
	case CONTROL('H'):
		delete(previous_character(cursor), cursor);
		return true;
	case KEY_DELETE:
	case CONTROL('D'):
		delete(cursor, next_character(cursor));
		return true;
	case CONTROL('K'):
		kill_text(cursor, line.length);
		return true;
	case CONTROL('U'):
		kill_text(0, cursor);
		return true;
	case CONTROL('W'):
		kill_text(blank_left(cursor), cursor);
		return true;
	case KEY_ERASE_WORD:
		kill_text(word_left(cursor), cursor);
		return true;
	case KEY_DELETE_WORD:
		kill_text(cursor, word_right(cursor));
		return true;
	case CONTROL('Y'):
		insert_here(killed.start, killed.length);
		return true;
	case KEY_UP:
	case CONTROL('P'):
		recall(-1);
		return true;
	case KEY_DOWN:
	case CONTROL('N'):
		recall(1);
		return true;
	default:
		return false;
	}
}

static void tell_jobs(void)
{
	child_changed = false;
	if (!jobs_changed())
		return;
	leave_row();
	report_jobs(false);
	draw();
}

static void clear_screen(void)
{
	static const char clear[] = "\033[H\033[2J";

	put(clear, sizeof(clear) - 1);
	draw();
}

/* ^V: the next byte, whatever it is. */
static int insert_literally(int fd)
{
	int c = read_byte(fd, true);

	if (c >= INTERRUPT)
		return c;
	if (c != '\0' && c != '\n') {
		char byte = (char)c;
		insert_here(&byte, 1);
	}
	return KEY_UNKNOWN;
}

/* Has all of the character before the cursor come? A part of one cannot be shown. */
static bool is_complete(void)
{
	size_t start = previous_character(cursor);

	if (cursor == 0)
		return true;
	u8 first = (u8)line.start[start];
	size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;

	return cursor - start >= length;
}

/* => why it ended: a newline, or INTERRUPT, or END_OF_INPUT. */
static int edit_keys(int fd)
{
	for (;;) {
		int key = read_key(fd);
		if (key == CONTROL('D') && line.length == 0)
			key = END_OF_INPUT;
		if (key == CONTROL('V'))
			key = insert_literally(fd);
		switch (key) {
		case INTERRUPT:
			move_shown_cursor(shown.length);
			put("^C", 2);
			flush_output();
			return INTERRUPT;
		case END_OF_INPUT:
		case '\n':
		case '\r':
			leave_row();
			return key;
		case NO_KEY:
			tell_jobs();
			continue;
		case '\t':
			complete_here();
			break;
		case CONTROL('L'):
			clear_screen();
			break;
		default:
			if (!edit(key) && key >= ' ' && key < 256) {
				char byte = (char)key;
				insert_here(&byte, 1);
			}
		}
		if (is_complete())
			refresh();
	}
}

/* The same as fill_line, for a terminal. The line is good until the next one is edited. */
bool edit_line(struct input *input, const char *text)
{
	struct sigaction action = {.sa_handler = note_child}; /* it ends a read */
	struct sigaction old_action;
	struct termios before;

	if (tcgetattr(input->fd, &before) == -1)
		return false;
	struct termios modes = before;
	modes.c_iflag &= ~IXON;
	modes.c_lflag &= ~(ICANON | ECHO | IEXTEN);
	modes.c_lflag |= ISIG;
	modes.c_cc[VMIN] = 1;
	modes.c_cc[VTIME] = 0;
	tcsetattr(input->fd, TCSADRAIN, &modes);
	child_changed = true; /* perhaps, before the handler was there */
	sigaction(SIGCHLD, &action, &old_action);
	prompt = text;
	line.length = new_line.length = 0;
	cursor = window_start = 0;
	history_at = history_count;
	draw();
	int end = edit_keys(input->fd);
	sigaction(SIGCHLD, &old_action, NULL);
	tcsetattr(input->fd, TCSADRAIN, &before);
	if (end == INTERRUPT)
		return false;
	if (end == END_OF_INPUT) {
		input->at_end = true;
		return false;
	}
	remember();
	append(&line, "\n", 2); /* with the end of the string */
	input->at = line.start;
	return true;
}
