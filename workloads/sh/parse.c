/*
 * Text to commands, by recursive descent with one token of lookahead. Words keep their quotes:
 * what they mean is only known when the command runs.
 */
#include "sh.h"

enum token { WORD, NEWLINE, END, OPERATOR };

/* What reading can come to: a mistake or an interrupt makes every function return at once. */
static struct input *source;
static bool first_line; /* of the command: the prompt differs */
static bool aborted;
static bool wrong;

static enum token token;
static char *word; /* text of a WORD or OPERATOR */
static bool quoted; /* the word contains a quote, so it is no reserved word */
static int io_number; /* digits directly before < or >, or -1 */

static struct text consumed; /* the command as typed */
static size_t token_start;
static size_t token_end;
static size_t previous_end;

static struct node *parse_list(void);

static int peek(void)
{
	while (*source->at == '\0') {
		if (aborted || source->at_end || !fill_line(source, first_line)) {
			if (interrupted)
				aborted = true;
			return -1;
		}
		first_line = false;
	}
	return (u8)*source->at;
}

static int take(void)
{
	int c = peek();

	if (c != -1) {
		text_add(&consumed, (char)c);
		source->at++;
	}
	return c;
}

static void mistake(const char *what)
{
	if (aborted)
		return; /* an interrupt is no mistake */
	dprintf(2, "sh: syntax error: %s\n", what);
	wrong = aborted = true;
}

static void unexpected(void)
{
	if (token == END)
		mistake("end of file unexpected");
	else if (token == NEWLINE)
		mistake("newline unexpected");
	else if (!aborted) {
		dprintf(2, "sh: syntax error: \"%s\" unexpected\n", word);
		wrong = aborted = true;
	}
}

static bool is_blank(int c)
{
	return c == ' ' || c == '\t';
}

static bool ends_word(int c)
{
	return c == -1 || is_blank(c) || c == '\n' || strchr("&|;()<>", c) != NULL;
}

/* Up to and with the character that closes; nothing inside has a meaning. */
static void take_single_quoted(struct text *text)
{
	int c;

	while ((c = take()) != '\'') {
		if (c == -1) {
			mistake("unterminated quoted string");
			return;
		}
		text_add(text, (char)c);
	}
	text_add(text, '\'');
}

static void take_double_quoted(struct text *text);

/* What follows a $ and nests: ( ... ) or { ... }, with quotes inside. */
static void take_nested(struct text *text, char open, char close)
{
	int depth = 1;

	text_add(text, (char)take());
	while (depth > 0) {
		int c = take();
		if (c == -1) {
			mistake("unterminated substitution");
			return;
		}
		text_add(text, (char)c);
		if (c == open)
			depth++;
		else if (c == close)
			depth--;
		else if (c == '\'')
			take_single_quoted(text);
		else if (c == '"')
			take_double_quoted(text);
		else if (c == '\\' && peek() != -1)
			text_add(text, (char)take());
	}
}

static void take_dollar(struct text *text)
{
	if (peek() == '(')
		take_nested(text, '(', ')');
	else if (peek() == '{')
		take_nested(text, '{', '}');
}

static void take_double_quoted(struct text *text)
{
	int c;

	while ((c = take()) != '"') {
		if (c == -1) {
			mistake("unterminated quoted string");
			return;
		}
		text_add(text, (char)c);
		if (c == '\\' && peek() != -1)
			text_add(text, (char)take());
		else if (c == '$')
			take_dollar(text);
	}
	text_add(text, '"');
}

static void read_word(void)
{
	struct text text = {0};

	quoted = false;
	while (!ends_word(peek())) {
		int c = take();
		if (c == '\\') {
			int next = take();
			if (next == '\n' || next == -1)
				continue; /* the line goes on */
			quoted = true;
			text_add(&text, '\\');
			text_add(&text, (char)next);
			continue;
		}
		text_add(&text, (char)c);
		if (c == '\'' || c == '"')
			quoted = true;
		if (c == '\'')
			take_single_quoted(&text);
		else if (c == '"')
			take_double_quoted(&text);
		else if (c == '$')
			take_dollar(&text);
	}
	token = WORD;
	word = text_end(&text);
}

static void read_operator(void)
{
	static const char *const longer[] = {"&&", "||", ">>", ">&", "<&", "<>", ">|"};
	char text[3] = {(char)take(), '\0', '\0'};

	int next = peek();
	for (size_t i = 0; i < sizeof(longer) / sizeof(longer[0]); i++) {
		if (longer[i][0] == text[0] && longer[i][1] == next && next != -1) {
			text[1] = (char)take();
			break;
		}
	}
	token = OPERATOR;
	word = allocate_text(text, strlen(text));
}

static void skip_blanks(void)
{
	for (;;) {
		int c = peek();
		if (is_blank(c)) {
			take();
		} else if (c == '\\' && source->at[1] == '\n') {
			take();
			take();
		} else if (c == '#') {
			while (peek() != '\n' && peek() != -1)
				take();
		} else {
			return;
		}
	}
}

static bool all_digits(const char *text)
{
	if (*text == '\0')
		return false;
	while (*text >= '0' && *text <= '9')
		text++;
	return *text == '\0';
}

static void advance(void)
{
	io_number = -1;
	previous_end = token_end;
	skip_blanks();
	token_start = consumed.length;
	int c = peek();
	if (c == -1) {
		token = END;
	} else if (c == '\n') {
		take();
		token = NEWLINE;
	} else if (ends_word(c)) {
		read_operator();
	} else {
		read_word();
		/* A word that a line continuation made empty is none. */
		if (*word == '\0' && !quoted)
			advance();
		c = token == WORD && !quoted && all_digits(word) ? peek() : -1;
		if (c == '<' || c == '>') {
			int number = atoi(word);
			read_operator();
			io_number = number;
		}
	}
	token_end = consumed.length;
}

static bool is_operator(const char *text)
{
	return !aborted && token == OPERATOR && strcmp(word, text) == 0;
}

static bool is_reserved(const char *text)
{
	return !aborted && token == WORD && !quoted && strcmp(word, text) == 0;
}

static void expect_reserved(const char *text)
{
	if (is_reserved(text))
		advance();
	else
		unexpected();
}

static void skip_newlines(void)
{
	while (!aborted && token == NEWLINE)
		advance();
}

static struct node *new_node(enum kind kind)
{
	struct node *node = allocate(sizeof(struct node));

	memset(node, 0, sizeof(*node));
	node->kind = kind;
	return node;
}

static struct node *join(enum kind kind, struct node *left, struct node *right)
{
	struct node *node = new_node(kind);

	node->left = left;
	node->right = right;
	return node;
}

/* Adds the redirection at the current token, if there is one. */
static bool parse_redirect(struct node *node)
{
	if (aborted || token != OPERATOR || (word[0] != '<' && word[0] != '>'))
		return false;
	struct redirect *redirect = allocate(sizeof(struct redirect));
	struct redirect **link = &node->redirects;
	redirect->next = NULL;
	redirect->operator = word[0];
	if (strcmp(word, ">>") == 0)
		redirect->operator = 'a';
	else if (word[1] == '&')
		redirect->operator = '&';
	else if (strcmp(word, "<>") == 0)
		redirect->operator = '+';
	redirect->fd = io_number != -1 ? io_number : word[0] == '>';
	advance();
	if (token != WORD) {
		unexpected();
		return false;
	}
	redirect->target = word;
	advance();
	while (*link != NULL)
		link = &(*link)->next;
	*link = redirect;
	return true;
}

static struct node *parse_simple(void)
{
	struct node *node = new_node(SIMPLE);

	for (;;) {
		if (parse_redirect(node))
			continue;
		if (aborted || token != WORD)
			break;
		bool assigns = node->words.count == 0 && assignment_name(word) > 0;
		list_add(assigns ? &node->assignments : &node->words, word);
		advance();
	}
	if (node->words.count == 0 && node->assignments.count == 0 && node->redirects == NULL)
		unexpected();
	return node;
}

static bool closes_list(void)
{
	static const char *const closing[] = {"then", "else", "elif", "fi", "do", "done", "}"};

	if (aborted || token == END || is_operator(")"))
		return true;
	for (size_t i = 0; i < sizeof(closing) / sizeof(closing[0]); i++) {
		if (is_reserved(closing[i]))
			return true;
	}
	return false;
}

static struct node *parse_if(void)
{
	struct node *node = new_node(IF);

	advance();
	node->condition = parse_list();
	expect_reserved("then");
	node->left = parse_list();
	if (is_reserved("elif")) {
		node->right = parse_if();
		return node; /* its fi is ours */
	}
	if (is_reserved("else")) {
		advance();
		node->right = parse_list();
	}
	expect_reserved("fi");
	return node;
}

static struct node *parse_body(struct node *node)
{
	expect_reserved("do");
	node->left = parse_list();
	expect_reserved("done");
	return node;
}

static struct node *parse_loop(enum kind kind)
{
	struct node *node = new_node(kind);

	advance();
	node->condition = parse_list();
	return parse_body(node);
}

static struct node *parse_for(void)
{
	static char all_arguments[] = "\"$@\"";
	struct node *node = new_node(FOR);

	advance();
	if (token != WORD || !is_name(word, strlen(word))) {
		unexpected();
		return node;
	}
	node->name = word;
	advance();
	skip_newlines();
	if (is_reserved("in")) {
		advance();
		while (!aborted && token == WORD) {
			list_add(&node->words, word);
			advance();
		}
	} else {
		list_add(&node->words, all_arguments);
	}
	if (is_operator(";"))
		advance();
	skip_newlines();
	return parse_body(node);
}

static struct node *parse_bracketed(enum kind kind)
{
	struct node *node = new_node(kind);

	advance();
	node->left = parse_list();
	if (kind == SUBSHELL ? is_operator(")") : is_reserved("}"))
		advance();
	else
		unexpected();
	return node;
}

static struct node *parse_command(void)
{
	struct node *node;

	if (is_operator("("))
		node = parse_bracketed(SUBSHELL);
	else if (is_reserved("{"))
		node = parse_bracketed(GROUP);
	else if (is_reserved("if"))
		node = parse_if();
	else if (is_reserved("while"))
		node = parse_loop(WHILE);
	else if (is_reserved("until"))
		node = parse_loop(UNTIL);
	else if (is_reserved("for"))
		node = parse_for();
	else if (closes_list()) {
		unexpected();
		return new_node(SIMPLE);
	} else
		return parse_simple();
	while (parse_redirect(node))
		;
	return node;
}

static char *text_since(size_t start)
{
	size_t end = previous_end > start ? previous_end : start;

	return allocate_text(consumed.start + start, end - start);
}

static struct node *parse_pipeline(void)
{
	size_t start = token_start;

	if (is_reserved("!") || is_reserved("time")) {
		enum kind kind = is_reserved("!") ? NOT : TIME;
		advance();
		struct node *inner = parse_pipeline();
		return join(kind, inner, NULL);
	}
	struct node *first = parse_command();
	if (!is_operator("|")) {
		first->text = text_since(start);
		return first;
	}
	struct node *pipeline = join(PIPELINE, first, NULL);
	struct node *last = first;
	while (is_operator("|")) {
		advance();
		skip_newlines();
		last->next = parse_command();
		last = last->next;
	}
	pipeline->text = text_since(start);
	return pipeline;
}

static struct node *parse_and_or(void)
{
	size_t start = token_start;
	struct node *node = parse_pipeline();

	while (is_operator("&&") || is_operator("||")) {
		enum kind kind = is_operator("&&") ? AND : OR;
		advance();
		skip_newlines();
		node = join(kind, node, parse_pipeline());
		node->text = text_since(start);
	}
	return node;
}

/* Commands with what separates them. At the top a newline ends the list, elsewhere it does not. */
static struct node *parse_sequence(bool top)
{
	struct node *sequence = NULL;

	for (;;) {
		if (!top)
			skip_newlines();
		if (aborted || (sequence != NULL && top && token == NEWLINE) || closes_list())
			break;
		struct node *node = parse_and_or();
		bool separated = is_operator(";") || is_operator("&") || (!top && token == NEWLINE);
		if (is_operator("&")) {
			struct node *background = join(BACKGROUND, node, NULL);
			background->text = node->text;
			node = background;
		}
		sequence = sequence == NULL ? node : join(SEQUENCE, sequence, node);
		if (!separated)
			break;
		/* The token behind the newline would need another line: see parse(). */
		if (token != NEWLINE)
			advance();
	}
	return sequence;
}

static struct node *parse_list(void)
{
	struct node *list = parse_sequence(false);

	if (list == NULL)
		unexpected();
	return list;
}

enum parsed parse(struct input *input, struct node **command)
{
	source = input;
	first_line = true;
	aborted = wrong = false;
	consumed = (struct text){0};
	token_start = token_end = previous_end = 0;
	advance();
	if (aborted)
		return wrong ? WRONG : INTERRUPTED;
	if (token == END)
		return FINISHED;
	if (token == NEWLINE)
		return NOTHING;
	*command = parse_sequence(true);
	if (!aborted && token != NEWLINE && token != END)
		unexpected();
	if (!aborted)
		return COMMAND;
	if (!wrong)
		return INTERRUPTED;
	/* Nothing more of a line with a mistake is believed. */
	source->at = "";
	return WRONG;
}
