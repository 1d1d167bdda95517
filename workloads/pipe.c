/*
 * pipe [MiB=1]: processes that talk through pipes.
 *
 * MiB is 1..1024. A record is 128 words: its producer k, its number s, and 126 words of which the
 * i-th is nth(stream(1, k), 128 * s + i)   (rt/random.h, modulo 2^32). Its mark is rt/random.h's
 * checksum of its words.
 *
 *   records   3 producers write R = 683 * MiB records each into one pipe, in one write each; a
 *             filter takes them in whatever order they come, complements the 126 words and passes
 *             them on through another pipe; the consumer complements again and verifies
 *   stream    one producer writes MiB MiB, nth(stream(2, 0), i), in pieces that no pipe holds;
 *             the consumer reads pieces of odd sizes
 *   end       end of file once the last writer has gone
 *   broken    writing to a pipe without readers: EPIPE, or death by SIGPIPE
 *   full      with O_NONBLOCK a full pipe and an empty one say EAGAIN, and poll says the same
 *
 * Output:
 *   pipe: 2049 records, 262144 words
 *   records: done                         and so for each phase
 *   checksum XXXXXXXX                     of the sum of the marks, their exclusive or, and the
 *                                         checksum of the stream's words
 */
#include "rt/program.h"
#include "rt/random.h"
#include "rt/unix.h"

enum { PRODUCERS = 3, RECORD_WORDS = 128, HEADER = 2, PIECE_WORDS = 24 * 1024 };

static u32 record[RECORD_WORDS];
static u32 records_each;
static u32 stream_words;

static void make_pipe(int ends[2])
{
	if (pipe(ends) == -1)
		fail("pipe: pipe: error %d", errno);
}

static pid_t start_child(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid == -1)
		fail("pipe: fork: error %d", errno);
	return pid;
}

static int wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		fail("pipe: wait: error %d", errno);
	return status;
}

static void expect_success(pid_t pid)
{
	int status = wait_for(pid);

	if (status != 0)
		fail("pipe: a child ended with status %04x", (u32)status);
}

/* => how many bytes were read: fewer only at the end of the file. */
static size_t read_full(int fd, void *to, size_t size)
{
	char *bytes = to;
	size_t done = 0;

	while (done < size) {
		ssize_t count = read(fd, bytes + done, size - done);
		if (count == -1)
			fail("pipe: read: error %d", errno);
		if (count == 0)
			break;
		done += (size_t)count;
	}
	return done;
}

static void write_full(int fd, const void *from, size_t size)
{
	ssize_t count = write(fd, from, size);

	if (count != (ssize_t)size)
		fail("pipe: a write of %u bytes wrote %d: error %d", (u32)size, (int)count, errno);
}

static void produce(int fd, u32 producer)
{
	u32 contents = stream(1, producer);

	record[0] = producer;
	for (u32 number = 0; number < records_each; number++) {
		record[1] = number;
		for (u32 i = HEADER; i < RECORD_WORDS; i++)
			record[i] = nth(contents, number * RECORD_WORDS + i);
		write_full(fd, record, sizeof(record));
	}
}

static void complement(void)
{
	for (u32 i = HEADER; i < RECORD_WORDS; i++)
		record[i] = ~record[i];
}

static void filter(int from, int to)
{
	size_t size;

	while ((size = read_full(from, record, sizeof(record))) == sizeof(record)) {
		complement();
		write_full(to, record, sizeof(record));
	}
	if (size != 0)
		fail("pipe: the filter got a part of a record");
}

static u32 verify_record(u32 next[PRODUCERS])
{
	u32 producer = record[0];
	u32 mark = CHECKSUM_START;

	/* The records of one producer stay in their order. */
	if (producer >= PRODUCERS || record[1] != next[producer]++)
		fail("pipe: record %u of producer %u is out of order", record[1], producer);
	for (u32 i = 0; i < RECORD_WORDS; i++) {
		if (i >= HEADER &&
		    record[i] != nth(stream(1, producer), record[1] * RECORD_WORDS + i))
			fail("pipe: word %u of record %u of producer %u is wrong", i, record[1],
			     producer);
		mark = checksum_word(mark, record[i]);
	}
	return mark;
}

static u32 try_records(u32 checksum)
{
	int first[2];
	int second[2];
	pid_t children[PRODUCERS + 1];
	u32 next[PRODUCERS] = {0};
	u32 sum = 0;
	u32 all = 0;
	u32 count = 0;

	make_pipe(first);
	for (u32 i = 0; i < PRODUCERS; i++) {
		children[i] = start_child();
		if (children[i] == 0) {
			close(first[0]);
			produce(first[1], i);
			_exit(0);
		}
	}
	close(first[1]);
	make_pipe(second);
	children[PRODUCERS] = start_child();
	if (children[PRODUCERS] == 0) {
		close(second[0]);
		filter(first[0], second[1]);
		_exit(0);
	}
	close(first[0]);
	close(second[1]);
	for (; read_full(second[0], record, sizeof(record)) == sizeof(record); count++) {
		complement();
		u32 mark = verify_record(next);
		sum += mark;
		all ^= mark;
	}
	close(second[0]);
	for (u32 i = 0; i <= PRODUCERS; i++)
		expect_success(children[i]);
	if (count != PRODUCERS * records_each)
		fail("pipe: %u records arrived", count);
	printf("records: done\n");
	return checksum_word(checksum_word(checksum, sum), all);
}

static void produce_stream(int fd)
{
	static u32 piece[PIECE_WORDS];

	for (u32 start = 0; start < stream_words; start += PIECE_WORDS) {
		u32 count = stream_words - start < PIECE_WORDS ? stream_words - start : PIECE_WORDS;
		for (u32 i = 0; i < count; i++)
			piece[i] = nth(stream(2, 0), start + i);
		write_full(fd, piece, count * sizeof(u32));
	}
}

static u32 try_stream(u32 checksum)
{
	static u8 bytes[20011];
	u32 odd = 1;
	u32 index = 0;
	u32 word = 0;
	u32 got = 0; /* bytes of the word */
	u32 words = CHECKSUM_START;
	ssize_t size;
	int ends[2];

	make_pipe(ends);
	pid_t pid = start_child();
	if (pid == 0) {
		close(ends[0]);
		produce_stream(ends[1]);
		_exit(0);
	}
	close(ends[1]);
	while ((size = read(ends[0], bytes, odd)) > 0) {
		for (ssize_t i = 0; i < size; i++) {
			word |= (u32)bytes[i] << (8 * got++);
			if (got < sizeof(u32))
				continue;
			if (word != nth(stream(2, 0), index))
				fail("pipe: word %u of the stream reads %08x", index, word);
			words = checksum_word(words, word);
			index++;
			word = got = 0;
		}
		odd = odd * 7 % sizeof(bytes) | 1;
		if (odd > sizeof(bytes))
			odd = 1;
	}
	close(ends[0]);
	expect_success(pid);
	if (index != stream_words || got != 0)
		fail("pipe: the stream ended after %u words", index);
	printf("stream: done\n");
	return checksum_word(checksum, words);
}

/* The child holds the writing end too, so the end comes when it closes its one. */
static void try_end(void)
{
	int ends[2];
	char bytes[4];

	make_pipe(ends);
	pid_t pid = start_child();
	if (pid == 0) {
		close(ends[0]);
		write_full(ends[1], "ab", 2);
		_exit(0);
	}
	close(ends[1]);
	if (read_full(ends[0], bytes, sizeof(bytes)) != 2 || bytes[0] != 'a' || bytes[1] != 'b')
		fail("pipe: what is left in a pipe without writers is lost");
	if (read(ends[0], bytes, sizeof(bytes)) != 0)
		fail("pipe: the end of the file does not last");
	close(ends[0]);
	expect_success(pid);
	printf("end: done\n");
}

static void try_broken(void)
{
	int ends[2];

	make_pipe(ends);
	close(ends[0]);
	pid_t pid = start_child();
	if (pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		(void)!write(ends[1], "x", 1);
		_exit(3);
	}
	int status = wait_for(pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGPIPE)
		fail("pipe: the writer ended with status %04x", (u32)status);
	signal(SIGPIPE, SIG_IGN);
	if (write(ends[1], "x", 1) != -1 || errno != EPIPE)
		fail("pipe: writing for nobody: error %d", errno);
	signal(SIGPIPE, SIG_DFL);
	close(ends[1]);
	printf("broken: done\n");
}

static int polled(int fd, short events)
{
	struct pollfd file = {.fd = fd, .events = events};

	if (poll(&file, 1, 0) == -1)
		fail("pipe: poll: error %d", errno);
	return file.revents & events;
}

static void set_nonblocking(int fd)
{
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == -1)
		fail("pipe: fcntl: error %d", errno);
}

static void try_full(void)
{
	int ends[2];
	u32 written = 0;
	u32 count = 0;
	ssize_t size;

	make_pipe(ends);
	set_nonblocking(ends[0]);
	set_nonblocking(ends[1]);
	if (read(ends[0], record, sizeof(record)) != -1 || errno != EAGAIN)
		fail("pipe: reading an empty pipe: error %d", errno);
	if (polled(ends[0], POLLIN) != 0 || polled(ends[1], POLLOUT) != POLLOUT)
		fail("pipe: poll is wrong about an empty pipe");
	while ((size = write(ends[1], record, sizeof(record))) > 0)
		written += (u32)size;
	if (size != -1 || errno != EAGAIN || written < PAGE_BYTES)
		fail("pipe: writing a full pipe after %u bytes: error %d", written, errno);
	if (polled(ends[0], POLLIN) != POLLIN || polled(ends[1], POLLOUT) != 0)
		fail("pipe: poll is wrong about a full pipe");
	while ((size = read(ends[0], record, sizeof(record))) > 0)
		count += (u32)size;
	if (count != written)
		fail("pipe: of %u bytes %u were read", written, count);
	close(ends[0]);
	close(ends[1]);
	printf("full: done\n");
}

int main(int argc, char **argv)
{
	u32 mib = 1;
	u32 checksum = CHECKSUM_START;

	if (argc > 2 || !argument(argc, argv, 1, 1, 1024, &mib))
		return usage("pipe [MiB=1]");
	records_each = 683 * mib;
	stream_words = mib * (MIB / 4);
	printf("pipe: %u records, %u words\n", PRODUCERS * records_each, stream_words);
	checksum = try_records(checksum);
	checksum = try_stream(checksum);
	try_end();
	try_broken();
	try_full();
	printf("checksum %08x\n", checksum);
	return 0;
}
