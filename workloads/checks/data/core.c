/* Arithmetic in little memory: the result of each round is an input of the next. */
#include "data.h"

#define N 16
#define LIST 64

struct item {
	struct item *next;
	u32 value;
};

static struct item *merge_lists(struct item *a, struct item *b)
{
	struct item head = { 0 }, *last = &head;

	while (a != NULL && b != NULL) {
		struct item **from = a->value <= b->value ? &a : &b;
		last = last->next = *from;
		*from = (*from)->next;
	}
	last->next = a != NULL ? a : b;
	return head.next;
}

static struct item *sort_list(struct item *list)
{
	struct item *half = list, *at = list;

	if (list == NULL || list->next == NULL)
		return list;
	while ((at = at->next) != NULL && (at = at->next) != NULL)
		half = half->next;
	at = half->next;
	half->next = NULL;
	return merge_lists(sort_list(list), sort_list(at));
}

static u32 lists(u32 seed)
{
	struct item items[LIST];
	u32 sum = CHECKSUM_START;

	for (u32 i = 0; i < LIST; i++)
		items[i] = (struct item){ i + 1 < LIST ? &items[i + 1] : NULL, nth(seed, i) % 1000 };
	for (struct item *item = sort_list(items); item != NULL; item = item->next)
		sum = checksum_word(sum, item->value);
	return sum;
}

static u32 matrices(u32 seed)
{
	short a[N][N], b[N][N];
	u32 sum = 0;

	for (u32 i = 0; i < N * N; i++) {
		a[i / N][i % N] = (short)nth(seed, i);
		b[i / N][i % N] = (short)nth(seed, ~i);
	}
	for (u32 i = 0; i < N; i++)
		for (u32 j = 0; j < N; j++) {
			int product = 0;
			for (u32 k = 0; k < N; k++)
				product += a[i][k] * b[k][j];
			sum = sum * 33 + (u32)(product >> 3);
		}
	return sum;
}

enum state { START, SIGN, WHOLE, POINT, FRACTION, WRONG, STATES };

/* Which of the words of a text are numbers. */
static u32 states(u32 seed)
{
	static const char letters[] = "0123456789+-.,,x";
	u32 count[STATES] = { 0 }, sum = 0;
	enum state state = START;

	for (u32 i = 0; i < 512; i++) {
		char c = letters[nth(seed, i) % (sizeof letters - 1)];
		bool digit = c >= '0' && c <= '9';
		if (c == ',') {
			count[state]++;
			state = START;
		} else if (state == START && (c == '+' || c == '-')) {
			state = SIGN;
		} else if (digit && state <= WHOLE) {
			state = WHOLE;
		} else if (c == '.' && state <= WHOLE) {
			state = POINT;
		} else if (digit && (state == POINT || state == FRACTION)) {
			state = FRACTION;
		} else {
			state = WRONG;
		}
	}
	for (u32 i = 0; i < STATES; i++)
		sum = checksum_word(sum, count[i]);
	return sum;
}

int core(u32 rounds)
{
	u32 sum = 1;

	/* All pages that it uses are there. */
	sum ^= lists(sum) ^ matrices(sum) ^ states(sum);
	begin();
	for (u32 round = 0; round < rounds; round++)
		sum = checksum_word(lists(sum) ^ matrices(sum) ^ states(sum), sum);
	return end(sum);
}
