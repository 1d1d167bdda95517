/* The kinds of work that CoreMark mixes: a linked list, a matrix, a state machine, a CRC. */
#include "compute.h"

struct item {
	struct item *next;
	int16_t key;
	int16_t value;
};

static uint32_t __attribute__((noinline))
crc16(uint32_t data, uint32_t crc)
{
	for (int i = 0; i < 16; i++) {
		uint32_t carry = (data ^ crc) & 1;
		data >>= 1;
		crc >>= 1;
		if (carry != 0)
			crc ^= 0xa001;
	}
	return crc;
}

static struct item *__attribute__((noinline))
merge_sort(struct item *list, int by_value)
{
	if (list == NULL || list->next == NULL)
		return list;
	struct item *slow = list, *fast = list->next;
	while (fast != NULL && fast->next != NULL) {
		slow = slow->next;
		fast = fast->next->next;
	}
	struct item *right = merge_sort(slow->next, by_value);
	slow->next = NULL;
	struct item *left = merge_sort(list, by_value);
	struct item head, *tail = &head;
	while (left != NULL && right != NULL) {
		int first = by_value ? left->value <= right->value : left->key <= right->key;
		struct item **from = first ? &left : &right;
		tail = tail->next = *from;
		*from = (*from)->next;
	}
	tail->next = left != NULL ? left : right;
	return head.next;
}

static struct item *__attribute__((noinline))
reverse(struct item *list)
{
	struct item *done = NULL;
	while (list != NULL) {
		struct item *next = list->next;
		list->next = done;
		done = list;
		list = next;
	}
	return done;
}

static uint32_t __attribute__((noinline))
work_on_list(struct item *items, int count, uint32_t seed)
{
	struct item *list = NULL;
	for (int i = 0; i < count; i++) {
		items[i].next = list;
		items[i].key = (int16_t)next_random(&seed);
		items[i].value = (int16_t)i;
		list = &items[i];
	}
	uint32_t crc = 0;
	for (int round = 0; round < 4; round++) {
		list = merge_sort(list, round & 1);
		for (struct item *i = list; i != NULL; i = i->next)
			if ((i->key & 15) == round)
				crc = crc16((uint16_t)i->value, crc);
		list = reverse(list);
	}
	return crc;
}

static uint32_t __attribute__((noinline))
work_on_matrix(int16_t *a, int16_t *b, int32_t *c, int n, int16_t value)
{
	for (int i = 0; i < n * n; i++)
		a[i] = (int16_t)(a[i] + value), b[i] = (int16_t)(b[i] ^ i);
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++) {
			int32_t sum = 0;
			for (int k = 0; k < n; k++)
				sum += a[i * n + k] * b[k * n + j];
			c[i * n + j] = sum;
		}
	uint32_t crc = 0;
	int32_t last = 0;
	for (int i = 0; i < n * n; i++) {
		if (c[i] > last)
			crc += 10;
		else
			crc += ((c[i] >> 2) & 15) * ((c[i] >> 5) & 127);
		last = c[i];
	}
	return crc;
}

enum { START, SIGN, INTEGER, POINT, FRACTION, EXPONENT, SCIENTIFIC, INVALID, STATES };

static int __attribute__((noinline))
scan(const char **text)
{
	int state = START;
	const char *s = *text;
	for (; *s != 0 && state != INVALID; s++) {
		char c = *s;
		int digit = c >= '0' && c <= '9';
		if (c == ',') {
			s++;
			break;
		}
		switch (state) {
		case START:
			state = digit ? INTEGER : c == '+' || c == '-' ? SIGN : c == '.' ? POINT : INVALID;
			break;
		case SIGN:
			state = digit ? INTEGER : c == '.' ? POINT : INVALID;
			break;
		case INTEGER:
			state = c == '.' ? POINT : digit ? INTEGER : INVALID;
			break;
		case POINT:
			state = c == 'e' || c == 'E' ? EXPONENT : digit ? FRACTION : INVALID;
			break;
		case FRACTION:
			state = c == 'e' || c == 'E' ? EXPONENT : digit ? FRACTION : INVALID;
			break;
		case EXPONENT:
			state = c == '+' || c == '-' || digit ? SCIENTIFIC : INVALID;
			break;
		case SCIENTIFIC:
			state = digit ? SCIENTIFIC : INVALID;
			break;
		default:
			break;
		}
	}
	*text = s;
	return state;
}

static uint32_t __attribute__((noinline))
work_on_text(char *text, int length, uint32_t step)
{
	uint32_t counts[STATES] = { 0 };
	for (const char *s = text; *s != 0;)
		counts[scan(&s)]++;
	for (int i = 0; i < length; i += (int)step)
		if (text[i] != ',')
			text[i] ^= 1;
	uint32_t crc = 0;
	for (int i = 0; i < STATES; i++)
		crc = crc16(counts[i], crc);
	return crc;
}

uint32_t
mark(uint32_t scale)
{
	enum { ITEMS = 300, N = 20 };
	static const char *const words[] = { "5012", "1234", "-874", "+122", "35.54400", ".1234500",
		"-110.700", "+0.64400", "5.500e+3", "-.123e-2", "-87e+832", "+0.6e-12", "T0.3e-1F",
		"-T.T++Tq", "1T3.4e4z", "34.0e-T^" };
	struct item *items = (struct item *)arena;
	int16_t *a = (int16_t *)(arena + 65536), *b = a + N * N;
	int32_t *c = (int32_t *)(arena + 131072);
	char *text = (char *)arena + 196608;
	int length = 0;
	for (int i = 0; i < 60; i++) {
		for (const char *w = words[i * 7 % 16]; *w != 0; w++)
			text[length++] = *w;
		text[length++] = ',';
	}
	text[length] = 0;
	for (int i = 0; i < N * N; i++)
		a[i] = (int16_t)i, b[i] = (int16_t)(i * 3);
	uint32_t crc = 0;
	for (uint32_t i = 0; i < scale * 60; i++) {
		crc = crc16(work_on_list(items, ITEMS, i + 1), crc);
		crc = crc16(work_on_matrix(a, b, c, N, (int16_t)i), crc);
		crc = crc16(work_on_text(text, length, 3 + i % 5), crc);
	}
	return crc;
}
