/* test_conn.c: one client's connection, with a module that is only made up: a
 * request's fields come back as they are, opcode SLOW is slow, BREAK breaks, FAIL fails,
 * LATER is put aside for as long as the test says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "conn.h"

#define SLOW 7
#define BREAK 8
#define FAIL 9
#define BULK 10
#define LATER 11
#define MOST 100000u

static unsigned served, closed, aside;

bool hsm_is_slow(const struct hsm_conn *c, const struct wire_head *head, struct slice fields)
{
	(void)c;
	(void)fields;
	return head->opcode == SLOW;
}

bool hsm_serve(struct hsm_conn *c, const struct wire_head *head, struct slice fields,
	struct buf *out)
{
	struct wire_head h = *head;
	uint8_t *p = buf_add(out, WIRE_HEAD);

	(void)c;
	served++;
	assert_non_null(p);
	assert_int_equal(fields.n, head->length);
	assert_int_equal(h.flags, HF_OK);
	h.flags = head->opcode == FAIL ? HF_E_KEY_HANDLE : HF_OK;
	wire_head_put(&h, p);
	buf_raw(out, fields);
	return head->opcode != BREAK;
}

static struct {
	struct hsm_conn *c;
	struct wire_head head;
	struct slice fields;
	struct buf *out;
} later;

bool hsm_serve_later(struct hsm_conn *c, const struct wire_head *head, struct slice fields,
	struct hsm_later *l, struct buf *out)
{
	if (head->opcode != LATER)
		return hsm_serve(c, head, fields, out);
	later.c = c;
	later.head = *head;
	later.fields = fields;
	later.out = out;
	l->call = (struct hsm_call *)&later;
	return true;
}

bool hsm_go_on(struct hsm_later *l)
{
	assert_ptr_equal(l->call, &later);
	if (aside > 0) {
		aside--;
		return false;
	}
	l->call = NULL;
	assert_true(hsm_serve(later.c, &later.head, later.fields, later.out));
	return true;
}

bool hsm_takes_bulk(const struct wire_head *head)
{
	return head->opcode == BULK;
}

bool hsm_serve_bulk(struct hsm_conn *c, const struct wire_head *head, struct slice fields,
	const struct hsm_bulk *bulk, struct buf *out)
{
	(void)bulk;
	return hsm_serve(c, head, fields, out);
}

void hsm_conn_close(struct hsm_conn *c)
{
	(void)c;
	closed++;
}

struct env {
	struct conn c;
	struct lane lane;
	int peer;
};

static int open_env(void **state, enum hf_err refused)
{
	static struct env e;
	static uint8_t hsm;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	e = (struct env){ .peer = pair[1] };
	conn_open(&e.c, pair[0], refused == HF_OK ? (struct hsm_conn *)(void *)&hsm : NULL, refused, MOST);
	served = closed = 0;
	*state = &e;
	return 0;
}

static int set_up(void **state)
{
	return open_env(state, HF_OK);
}

static int set_up_refused(void **state)
{
	return open_env(state, HF_E_LIMIT);
}

static int tear_down(void **state)
{
	struct env *e = *state;

	conn_done(&e->c);
	lane_done(&e->lane);
	close(e->peer);
	return 0;
}

static void say_with(struct env *e, uint16_t opcode, uint16_t flags, uint64_t request, size_t n)
{
	static uint8_t frame[WIRE_HEAD + MOST];
	struct wire_head h = { (uint32_t)n, opcode, flags, request, 0 };

	wire_head_put(&h, frame);
	memset(frame + WIRE_HEAD, (int)request, n);
	assert_int_equal(send(e->peer, frame, WIRE_HEAD + n, 0), WIRE_HEAD + n);
}

/* say sends a request with n bytes of fields. */
static void say(struct env *e, uint16_t opcode, uint64_t request, size_t n)
{
	say_with(e, opcode, 0, request, n);
}

static enum conn_next go(struct env *e)
{
	return conn_advance(&e->c, &e->lane, false);
}

/* hear takes one answer and checks that it is this one. */
static void hear(struct env *e, uint64_t request, enum hf_err err, size_t n)
{
	uint8_t head[WIRE_HEAD], byte;
	struct wire_head h;

	assert_int_equal(recv(e->peer, head, sizeof(head), 0), sizeof(head));
	assert_int_equal(wire_head_get(head, WIRE_MAX_BYTES, &h), HF_OK);
	assert_int_equal(h.request, request);
	assert_int_equal(h.flags, err);
	assert_int_equal(h.length, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(recv(e->peer, &byte, 1, 0), 1);
		assert_int_equal(byte, (uint8_t)request);
	}
}

static void a_request_is_answered(void **state)
{
	struct env *e = *state;

	say(e, 1, 5, 10);
	assert_int_equal(go(e), CONN_READ);
	hear(e, 5, HF_OK, 10);
}

static void an_idle_connection_has_no_buffers(void **state)
{
	struct env *e = *state;

	say(e, 1, 5, 10);
	assert_int_equal(go(e), CONN_READ);
	assert_null(e->c.in.p);
	assert_null(e->c.out.p);
	assert_non_null(e->lane.in.p);
	assert_int_equal(e->c.since_ns, 0);
}

static void requests_in_a_row_are_answered_in_order(void **state)
{
	struct env *e = *state;

	for (uint64_t i = 1; i <= 20; i++)
		say(e, 1, i, i);
	assert_int_equal(go(e), CONN_READ);
	for (uint64_t i = 1; i <= 20; i++)
		hear(e, i, HF_OK, i);
}

static void a_quiet_request_is_not_answered(void **state)
{
	struct env *e = *state;

	say_with(e, 1, WIRE_FLAG_QUIET, 5, 10);
	say(e, 1, 6, 3);
	assert_int_equal(go(e), CONN_READ);
	hear(e, 6, HF_OK, 3);
	assert_int_equal(served, 2);
}

static void a_quiet_request_that_fails_stops_the_next(void **state)
{
	struct env *e = *state;

	say_with(e, FAIL, WIRE_FLAG_QUIET, 5, 10);
	say(e, 1, 6, 3);
	say(e, 1, 7, 3);
	assert_int_equal(go(e), CONN_READ);
	hear(e, 6, HF_E_KEY_HANDLE, 0);
	hear(e, 7, HF_OK, 3);
	assert_int_equal(served, 2);
}

static void one_client_does_not_hold_a_thread(void **state)
{
	struct env *e = *state;

	for (uint64_t i = 0; i < 150; i++)
		say(e, 1, i, 0);
	assert_int_equal(go(e), CONN_AGAIN);
	assert_true(served < 100);
	while (go(e) == CONN_AGAIN)
		;
	assert_int_equal(served, 150);
}

static void a_request_may_come_byte_by_byte(void **state)
{
	struct env *e = *state;
	uint8_t frame[WIRE_HEAD + 3] = { 0 };
	struct wire_head h = { .length = 3, .opcode = 1, .request = 0 };
	uint64_t since = 0;

	wire_head_put(&h, frame);
	for (size_t i = 0; i < sizeof(frame); i++) {
		assert_int_equal(send(e->peer, frame + i, 1, 0), 1);
		assert_int_equal(go(e), CONN_READ);
		if (i == 0)
			since = e->c.since_ns;
		else if (i < sizeof(frame) - 1)
			assert_int_equal(e->c.since_ns, since);
	}
	assert_true(since != 0);
	assert_int_equal(e->c.since_ns, 0);
	hear(e, 0, HF_OK, 3);
}

static void a_long_request_comes_whole(void **state)
{
	struct env *e = *state;

	say(e, 1, 9, MOST);
	assert_true(go(e) == CONN_READ || e->c.out.n > 0);
	hear(e, 9, HF_OK, MOST);
}

static void a_length_alone_allocates_little(void **state)
{
	struct env *e = *state;
	uint8_t head[WIRE_HEAD];
	struct wire_head h = { .length = MOST, .opcode = 1 };

	wire_head_put(&h, head);
	assert_int_equal(send(e->peer, head, sizeof(head), 0), sizeof(head));
	assert_int_equal(go(e), CONN_READ);
	assert_true(e->c.in.cap <= 32768);
}

static void one_that_is_too_long_is_told_so_and_read_to_its_end(void **state)
{
	struct env *e = *state;
	uint8_t head[WIRE_HEAD], more[5000] = { 0 };
	struct wire_head h = { .length = MOST + 1, .opcode = 1, .request = 77 };

	wire_head_put(&h, head);
	assert_int_equal(send(e->peer, head, sizeof(head), 0), sizeof(head));
	assert_int_equal(go(e), CONN_READ);
	hear(e, 77, HF_E_TOO_BIG, 0);
	assert_int_equal(send(e->peer, more, sizeof(more), 0), sizeof(more));
	assert_int_equal(go(e), CONN_READ);
	assert_true(e->c.since_ns != 0);
	shutdown(e->peer, SHUT_WR);
	assert_int_equal(go(e), CONN_CLOSE);
	assert_int_equal(served, 0);
}

static void a_refused_client_is_told_why(void **state)
{
	struct env *e = *state;

	assert_true(e->c.since_ns != 0);
	say(e, 1, 3, 4);
	assert_int_equal(go(e), CONN_READ);
	hear(e, 3, HF_E_LIMIT, 0);
	assert_int_equal(served, 0);
	assert_true(e->c.since_ns != 0);
}

static void a_slow_call_goes_to_another_thread(void **state)
{
	struct env *e = *state;
	struct lane other = { 0 };

	say(e, 1, 1, 0);
	say(e, SLOW, 2, 5);
	say(e, SLOW, 3, 0);
	assert_int_equal(go(e), CONN_SLOW);
	hear(e, 1, HF_OK, 0);
	assert_int_equal(conn_advance(&e->c, &other, true), CONN_SLOW);
	hear(e, 2, HF_OK, 5);
	assert_int_equal(conn_advance(&e->c, &other, true), CONN_READ);
	hear(e, 3, HF_OK, 0);
	lane_done(&other);
}

static void who_does_not_read_holds_no_thread(void **state)
{
	struct env *e = *state;
	uint64_t asked = 0, heard = 0;
	enum conn_next next;

	do {
		say(e, 1, asked++, 20000);
		next = go(e);
	} while (next == CONN_READ && asked < 100);
	assert_int_equal(next, CONN_WRITE);
	assert_int_equal(e->c.since_ns, 0);
	while (heard < asked) {
		hear(e, heard++, HF_OK, 20000);
		(void)go(e);
	}
	assert_int_equal(go(e), CONN_READ);
}

static void a_broken_protocol_closes(void **state)
{
	struct env *e = *state;

	say(e, BREAK, 1, 0);
	assert_int_equal(go(e), CONN_CLOSE);
}

static void the_client_goes_in_the_middle(void **state)
{
	struct env *e = *state;

	assert_int_equal(send(e->peer, "abc", 3, 0), 3);
	assert_int_equal(go(e), CONN_READ);
	shutdown(e->peer, SHUT_RDWR);
	assert_int_equal(go(e), CONN_CLOSE);
	assert_int_equal(served, 0);
}

static void a_call_is_put_aside_and_answered_when_it_is_ready(void **state)
{
	struct env *e = *state;
	struct lane other = { 0 };
	uint8_t byte;

	e->c.aside = (struct aside *)e; /* there is one */
	say(e, 1, 4, 3);
	say(e, LATER, 5, 10);
	say(e, 1, 6, 7);
	assert_int_equal(go(e), CONN_ASIDE);
	hear(e, 4, HF_OK, 3);
	assert_int_equal(recv(e->peer, &byte, 1, MSG_DONTWAIT), -1);
	aside = 1;
	assert_int_equal(conn_go_on(&e->c, &other), CONN_ASIDE);
	assert_int_equal(recv(e->peer, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(conn_go_on(&e->c, &other), CONN_AGAIN);
	hear(e, 5, HF_OK, 10);
	assert_int_equal(go(e), CONN_READ);
	hear(e, 6, HF_OK, 7);
	assert_null(e->c.in.p);
	lane_done(&other);
}

static void where_no_call_is_put_aside_it_is_served_at_once(void **state)
{
	struct env *e = *state;

	say(e, LATER, 5, 10);
	assert_int_equal(go(e), CONN_READ);
	hear(e, 5, HF_OK, 10);
}

static void the_call_aside_is_the_last_of_what_was_read(void **state)
{
	struct env *e = *state;

	e->c.aside = (struct aside *)e;
	aside = 0;
	say(e, LATER, 5, 10);
	assert_int_equal(go(e), CONN_ASIDE);
	assert_int_equal(conn_go_on(&e->c, &e->lane), CONN_READ);
	hear(e, 5, HF_OK, 10);
	assert_null(e->c.in.p);
	assert_null(e->c.out.p);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_request_is_answered),
		CASE(an_idle_connection_has_no_buffers),
		CASE(requests_in_a_row_are_answered_in_order),
		CASE(a_quiet_request_is_not_answered),
		CASE(a_quiet_request_that_fails_stops_the_next),
		CASE(one_client_does_not_hold_a_thread),
		CASE(a_request_may_come_byte_by_byte),
		CASE(a_long_request_comes_whole),
		CASE(a_length_alone_allocates_little),
		CASE(one_that_is_too_long_is_told_so_and_read_to_its_end),
		cmocka_unit_test_setup_teardown(a_refused_client_is_told_why, set_up_refused, tear_down),
		CASE(a_slow_call_goes_to_another_thread),
		CASE(who_does_not_read_holds_no_thread),
		CASE(a_broken_protocol_closes),
		CASE(the_client_goes_in_the_middle),
		CASE(a_call_is_put_aside_and_answered_when_it_is_ready),
		CASE(where_no_call_is_put_aside_it_is_served_at_once),
		CASE(the_call_aside_is_the_last_of_what_was_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
