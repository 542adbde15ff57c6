/* An answer over HTTP: where it ends, however it arrives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http_answer.h"

#define OK_HEAD "HTTP/1.1 200 OK\r\n"

#define LENGTH(n) OK_HEAD "Content-Length: " n "\r\n\r\n"
#define CHUNKED OK_HEAD "Transfer-Encoding: chunked\r\n\r\n"

static const struct answer {
	const char *why, *text;
	enum http_part part; /* behind all of it */
	bool good;
	const char *said;
} answers[] = {
	{ "a length", LENGTH("5") "hello", HTTP_DONE, true, "HTTP/1.1 200 OK: hello" },
	{ "a length in other letters, spaces", OK_HEAD "cONTENT-lENGTH:  \t5\r\n\r\nhello", HTTP_DONE, true,
		NULL },
	{ "an empty body", LENGTH("0"), HTTP_DONE, true, "HTTP/1.1 200 OK: " },
	{ "a body that lacks its end", LENGTH("6") "hello", HTTP_LENGTH, true, NULL },
	{ "up to the end of the connection", OK_HEAD "\r\nhello", HTTP_TO_END, true, NULL },
	{ "no content", "HTTP/1.1 204 No Content\r\n\r\n", HTTP_DONE, true, NULL },
	{ "chunks", CHUNKED "3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", HTTP_DONE, true,
		"HTTP/1.1 200 OK: hello" },
	{ "chunks with a trailer", CHUNKED "0\r\nA: b\r\n\r\n", HTTP_DONE, true, NULL },
	{ "chunks win over a length", OK_HEAD "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
		"2\r\nab\r\n0\r\n", HTTP_TRAILER, true, NULL },
	{ "chunks without an end", CHUNKED "ff\r\nab", HTTP_CHUNK, true, NULL },
	{ "chunks of no size", CHUNKED "xyz\r\n", HTTP_WRONG, false, NULL },
	{ "lines that end with a newline alone", "HTTP/1.0 201 Made\nContent-Length: 2\n\nok", HTTP_DONE,
		true, NULL },
	{ "one on the way first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 No\r\n"
		"Content-Length: 4\r\n\r\nfull", HTTP_DONE, false, "HTTP/1.1 503 No: full" },
	{ "a head without an end", OK_HEAD "Content-Length: 5\r\n", HTTP_HEAD, false, NULL },
	{ "another protocol", "SSH-2.0-OpenSSH\r\n\r\n", HTTP_WRONG, false, NULL },
	{ "what cannot be printed is not said", "HTTP/1.1 400 \033[31m\r\nContent-Length: 2\r\n\r\n"
		"\a\n", HTTP_DONE, false, "HTTP/1.1 400 [31m: " },
};

static void check(const struct answer *w, size_t step)
{
	struct http_answer a = { .part = HTTP_HEAD };
	size_t n = strlen(w->text);

	for (size_t at = 0; at < n; at += step)
		(void)http_answer_take(&a, (const uint8_t *)w->text + at, n - at < step ? n - at : step);
	if (a.part != w->part || http_answer_good(&a) != w->good ||
	    (w->said != NULL && strcmp(a.said, w->said) != 0))
		fail_msg("%s, %zu at a time: part %d, '%s'", w->why, step, (int)a.part, a.said);
}

static void answers_end_where_they_say_in_pieces_of_any_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		for (size_t step = 1; step <= 64; step++)
			check(&answers[i], step);
}

static void what_stands_behind_an_answer_is_left_alone(void **state)
{
	static const char two[] = LENGTH("1") "xHTTP/1.1 500 No\r\n\r\n";
	struct http_answer a = { .part = HTTP_HEAD };

	(void)state;
	assert_true(http_answer_take(&a, (const uint8_t *)two, sizeof(two) - 1));
	assert_true(http_answer_good(&a));
}

static void the_end_of_the_connection_completes_only_what_has_no_length(void **state)
{
	static const char open_end[] = OK_HEAD "\r\nhe", length[] = LENGTH("9") "he";
	struct http_answer a = { .part = HTTP_HEAD }, b = a;

	(void)state;
	assert_false(http_answer_take(&a, (const uint8_t *)open_end, sizeof(open_end) - 1));
	assert_true(http_answer_end(&a));
	assert_false(http_answer_take(&b, (const uint8_t *)length, sizeof(length) - 1));
	assert_false(http_answer_end(&b));
}

static void a_head_without_bounds_is_refused(void **state)
{
	struct http_answer a = { .part = HTTP_HEAD };
	bool end = false;

	(void)state;
	for (size_t i = 0; i < 2 * HTTP_HEAD_MAX && !end; i++)
		end = http_answer_take(&a, (const uint8_t *)"x", 1);
	assert_int_equal(a.part, HTTP_WRONG);
}

/* Bytes of a seeded sequence, put into the answers above: no end of it may be read over. */
static void changed_answers_are_read_within_bounds(void **state)
{
	uint64_t x = 88172645463325252u;

	(void)state;
	for (int turn = 0; turn < 20000; turn++) {
		const struct answer *w = &answers[(size_t)turn % (sizeof(answers) / sizeof(answers[0]))];
		struct http_answer a = { .part = HTTP_HEAD };
		char *copy = strdup(w->text);
		size_t n = strlen(w->text);

		assert_non_null(copy);
		for (int i = 0; i < 3; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			copy[x % n] = (char)(x >> 32);
		}
		(void)http_answer_take(&a, (const uint8_t *)copy, n);
		assert_true(a.head_n <= HTTP_HEAD_MAX && a.line_n <= HTTP_LINE_MAX);
		assert_true(a.said_n < sizeof(a.said));
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_end_where_they_say_in_pieces_of_any_size),
		cmocka_unit_test(what_stands_behind_an_answer_is_left_alone),
		cmocka_unit_test(the_end_of_the_connection_completes_only_what_has_no_length),
		cmocka_unit_test(a_head_without_bounds_is_refused),
		cmocka_unit_test(changed_answers_are_read_within_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
