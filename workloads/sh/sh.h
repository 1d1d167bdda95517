/*
 * sh: the parts of the shell and what they know of each other.
 *
 *   main.c      options, where commands come from, the loop that reads and runs them
 *   parse.c     text to commands
 *   expand.c    variables; words to arguments
 *   execute.c   commands to processes
 *   edit.c      editing of lines on a terminal, history
 *   complete.c  the rest of a word that was begun
 *   jobs.c      process groups, waiting, the terminal
 *   builtins.c  commands that the shell carries out itself
 *   arena.c     memory of a command, given back when it has run
 */
#ifndef SH_H
#define SH_H

#include "../rt/program.h"
#include "../rt/unix.h"

/* arena.c */
struct mark {
	void *chunk;
	size_t used;
};
void *allocate(size_t size); /* never NULL; aligned for anything */
char *allocate_text(const char *from, size_t length);
struct mark arena_mark(void);
void arena_release(struct mark mark);

/* Text that grows, in the arena. */
struct text {
	char *start;
	size_t length;
	size_t room;
};
void text_add(struct text *text, char c);
void text_add_all(struct text *text, const char *more);
char *text_end(struct text *text); /* terminated */

struct list {
	char **items; /* and a NULL behind the last */
	size_t count;
	size_t room;
};
void list_add(struct list *list, char *item);

/* parse.c */
enum kind {
	SIMPLE, /* assignments, words */
	PIPELINE, /* left | right | ... : stages */
	AND,
	OR,
	SEQUENCE, /* left, then right */
	BACKGROUND, /* left & */
	NOT,
	TIME,
	SUBSHELL, /* ( left ) */
	GROUP, /* { left } */
	IF, /* if condition then left else right */
	WHILE, /* while condition do left */
	UNTIL,
	FOR, /* for name in words do left */
};

struct redirect {
	struct redirect *next;
	int fd;
	char operator; /* < > a (append) & (duplicate) + (read and write) */
	char *target; /* a word, not expanded */
};

struct node {
	enum kind kind;
	struct list assignments;
	struct list words;
	struct redirect *redirects;
	struct node *condition;
	struct node *left;
	struct node *right;
	struct node *next; /* stage of a pipeline */
	char *name;
	char *text; /* as it was typed, for jobs */
};

struct input {
	int fd; /* -1: only the text */
	bool prompts;
	bool at_end;
	const char *at; /* what was read and not looked at yet */
	char *line; /* from malloc */
	size_t room;
};

enum parsed { COMMAND, NOTHING, FINISHED, WRONG, INTERRUPTED };

/* Reads a complete command, up to the end of its line. */
enum parsed parse(struct input *input, struct node **command);

/* main.c */
extern struct shell {
	bool interactive;
	bool job_control;
	bool exit_on_error; /* set -e */
	bool trace; /* set -x */
	int status; /* $? */
	pid_t pid; /* $$: of the first shell, in subshells too */
	pid_t background; /* $! */
	char *name; /* $0 */
	char **arguments; /* $1... */
	int argument_count;
	int loops; /* that the running command is in */
	int breaking; /* loops still to be left */
	bool continuing; /* the last of them is to go on */
} shell;
/* By SIGINT: the shell itself, or its job, which has said so already. */
enum { NOT_INTERRUPTED, INTERRUPTED_SHELL, INTERRUPTED_JOB };
extern volatile int interrupted;

bool fill_line(struct input *input, bool first);
int run_input(struct input *input);
int run_text(const char *text);
int run_file(const char *path);
_Noreturn void leave(int status);

/* edit.c */
bool edit_line(struct input *input, const char *text);
void print_history(void);
void clear_history(void);

/* complete.c */
void complete(const char *line, struct list *names, struct text *more);

/* expand.c */
void import_environment(char **environment);
char **export_environment(void);
const char *get_variable(const char *name);
void set_variable(const char *name, const char *value);
void export_variable(const char *name);
void unset_variable(const char *name);
void print_variables(bool exported_only);
bool is_name(const char *text, size_t length);
size_t assignment_name(const char *word); /* length of NAME in NAME=..., or 0 */
void expand_word(const char *word, struct list *fields);
char *expand_single(const char *word); /* one field, whatever it contains */

/* execute.c */
int run(struct node *node);
_Noreturn void execute(char **argv); /* never comes back: exit code 126 or 127 */
bool apply_redirects(struct redirect *redirects);
pid_t fork_flushed(void);
int substitute(const char *command, struct text *output);

/* jobs.c */
struct job *new_job(const char *text, bool foreground);
pid_t fork_into(struct job *job); /* 0 in the child, which is set up; -1: complained */
int finish_launch(struct job *job); /* waits for it in the foreground; => status */
int wait_foreground(struct job *job, bool resume);
void resume_background(struct job *job);
int wait_job(struct job *job);
struct job *find_job(const char *name); /* %n, %, or a process; NULL: none */
pid_t job_group(const struct job *job);
struct job *first_job(void);
struct job *following_job(struct job *job);
bool job_stopped(const struct job *job);
void report_jobs(bool all);
bool jobs_changed(void); /* report_jobs(false) has something to say */
bool any_stopped_job(void);
void poll_jobs(void);
void forget_jobs(void);
void setup_terminal(void);
void default_signals(void);

/* builtins.c */
typedef int builtin(int argc, char **argv);
builtin *find_builtin(const char *name);
const char *builtin_name(size_t index); /* NULL behind the last */

#endif
