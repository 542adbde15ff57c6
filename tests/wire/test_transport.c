/* Frames over sockets, and the transports. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "wire.h"

#define IS(s, literal) assert_true(slice_eq(s, SLICE_STR(literal)))

struct fixture {
	int fd[2]; /* a socketpair */
	struct buf b;
};

static int setup(void **state)
{
	struct fixture *f = hf_alloc(1, sizeof(*f));

	f->b = BUF_MAX(WIRE_MAX_BYTES);
	*state = f;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, f->fd);
}

static void hang_up(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	hang_up(&f->fd[0]);
	hang_up(&f->fd[1]);
	buf_done(&f->b);
	hf_free(f);
	return 0;
}

static void put(int fd, struct slice s)
{
	assert_int_equal(send(fd, s.p, s.n, MSG_NOSIGNAL), s.n);
}

/* --- frames ------------------------------------------------------------------ */

static void a_head_is_24_bytes_big_endian(void **state)
{
	static const char bytes[] = "\x00\x00\x00\x05\x00\x4f\x00\x01"
				    "\x01\x02\x03\x04\x05\x06\x07\x08\x11\x12\x13\x14\x15\x16\x17\x18";
	struct wire_head h = { 5, 0x4f, WIRE_FLAG_REPEAT, 0x0102030405060708u, 0x1112131415161718u }, got;
	uint8_t out[WIRE_HEAD];

	(void)state;
	wire_head_put(&h, out);
	assert_memory_equal(out, bytes, WIRE_HEAD);
	assert_int_equal(wire_head_get(out, 5, &got), HF_OK);
	assert_int_equal(got.length, 5);
	assert_int_equal(got.opcode, 0x4f);
	assert_int_equal(got.flags, WIRE_FLAG_REPEAT);
	assert_true(got.request == h.request && got.session == h.session);
	assert_int_equal(wire_head_get(out, 4, &got), HF_E_TOO_BIG);
}

static void a_frame_arrives_as_it_was_sent(void **state)
{
	struct fixture *f = *state;
	struct wire_head h = { .opcode = 3, .request = 9, .session = 4 }, got;

	assert_int_equal(wire_send(f->fd[0], &h, SLICE_STR("fields")), HF_OK);
	assert_int_equal(h.length, 6);
	assert_int_equal(wire_recv(f->fd[1], 6, &got, &f->b), HF_OK);
	assert_memory_equal(&got, &h, sizeof(h));
	IS(buf_slice(&f->b), "fields");
}

static void a_frame_without_fields_empties_the_buffer(void **state)
{
	struct fixture *f = *state;
	struct wire_head h = { .opcode = 2 }, got;

	buf_u8(&f->b, 1);
	assert_int_equal(wire_send(f->fd[0], &h, SLICE_NONE), HF_OK);
	assert_int_equal(wire_recv(f->fd[1], 0, &got, &f->b), HF_OK);
	assert_int_equal(f->b.n, 0);
}

struct big {
	int fd;
	struct slice fields;
	enum hf_err e;
};

static void *send_big(void *arg)
{
	struct big *b = arg;
	struct wire_head h = { .opcode = 1 };

	b->e = wire_send(b->fd, &h, b->fields);
	return NULL;
}

static void a_frame_larger_than_the_sockets_buffer_arrives_whole(void **state)
{
	struct fixture *f = *state;
	const size_t n = 5000003;
	uint8_t *p = hf_alloc(n, 1);
	struct big b = { f->fd[0], { p, n }, HF_E_INTERNAL };
	struct wire_head got;
	pthread_t t;

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i % 251);
	assert_int_equal(pthread_create(&t, NULL, send_big, &b), 0);
	assert_int_equal(wire_recv(f->fd[1], n, &got, &f->b), HF_OK);
	assert_int_equal(pthread_join(t, NULL), 0);
	assert_int_equal(b.e, HF_OK);
	assert_true(slice_eq(buf_slice(&f->b), b.fields));
	hf_free(p);
}

static void a_frame_over_the_limit_breaks_the_connection(void **state)
{
	struct fixture *f = *state;
	struct wire_head h = { .opcode = 1 }, got;

	assert_int_equal(wire_send(f->fd[0], &h, SLICE_STR("1234567")), HF_OK);
	assert_int_equal(wire_recv(f->fd[1], 6, &got, &f->b), HF_E_CONNECTION);
}

static void fields_over_the_limit_are_not_sent(void **state)
{
	struct fixture *f = *state;
	struct wire_head h = { .opcode = 1 };
	struct slice huge = { (const uint8_t *)f, (size_t)WIRE_MAX_BYTES + 1 };
	char c;

	assert_int_equal(wire_send(f->fd[0], &h, huge), HF_E_TOO_BIG);
	assert_int_equal(recv(f->fd[1], &c, 1, MSG_DONTWAIT), -1);
}

static void a_length_alone_does_not_make_the_receiver_allocate(void **state)
{
	struct fixture *f = *state;
	struct wire_head h = { .length = WIRE_MAX_BYTES, .opcode = 1 }, got;
	uint8_t head[WIRE_HEAD];

	wire_head_put(&h, head);
	put(f->fd[0], SLICE_OF(head));
	put(f->fd[0], SLICE_STR("a few bytes"));
	hang_up(&f->fd[0]);
	assert_int_equal(wire_recv(f->fd[1], WIRE_MAX_BYTES, &got, &f->b), HF_E_CONNECTION);
	assert_true(f->b.cap <= 65536);
}

static void a_frame_cut_anywhere_breaks_the_connection(void **state)
{
	struct wire_head h = { .length = 3, .opcode = 1 }, got;
	uint8_t frame[WIRE_HEAD + 3] = { 0 };

	wire_head_put(&h, frame);
	for (size_t n = 0; n < sizeof(frame); n++) {
		struct fixture *f;

		assert_int_equal(setup(state), 0);
		f = *state;
		put(f->fd[0], (struct slice){ frame, n });
		hang_up(&f->fd[0]);
		assert_int_equal(wire_recv(f->fd[1], 3, &got, &f->b), HF_E_CONNECTION);
		(void)teardown(state);
	}
}

static void sending_to_nobody_is_an_error_and_no_signal(void **state)
{
	struct fixture *f = *state;
	struct wire_head h = { .opcode = 1 };

	(void)signal(SIGPIPE, SIG_DFL);
	hang_up(&f->fd[1]);
	assert_int_equal(wire_send(f->fd[0], &h, SLICE_STR("x")), HF_E_CONNECTION);
}

static void a_silent_peer_times_out(void **state)
{
	struct fixture *f = *state;
	struct timeval t = { 0, 1000 };
	struct wire_head got;

	assert_int_equal(setsockopt(f->fd[1], SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t)), 0);
	assert_int_equal(wire_recv(f->fd[1], 10, &got, &f->b), HF_E_TIMEOUT);
}

/* --- unix -------------------------------------------------------------------- */

struct server {
	char dir[400]; /* longer than a socket's address may be */
	int listen;
	pthread_t thread;
};

static int enter(const char *dir)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "sock" };
	char was[400];

	assert_non_null(getcwd(was, sizeof(was)));
	assert_int_equal(chdir(dir), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(chdir(was), 0);
	return fd;
}

static void server_open(struct server *s)
{
	char name[130];

	(void)snprintf(s->dir, sizeof(s->dir), "%s/hf-wire-XXXXXX",
		getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(s->dir));
	memset(name, 'd', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	memcpy(s->dir + strlen(s->dir), name, sizeof(name));
	assert_int_equal(mkdir(s->dir, 0700), 0);
	s->listen = enter(s->dir);
}

static void server_close(struct server *s)
{
	char path[420];

	(void)close(s->listen);
	(void)snprintf(path, sizeof(path), "%s/sock", s->dir);
	(void)unlink(path);
	(void)rmdir(s->dir);
	*strrchr(s->dir, '/') = '\0';
	(void)rmdir(s->dir);
}

/* Answers each request with its own fields, the request id plus what the
 * fields' first byte says; closes on "x". */
static void *echo(void *arg)
{
	struct server *s = arg;
	int fd = accept(s->listen, NULL, NULL);
	CLEANUP(buf_done) struct buf b = BUF_MAX(1000);
	struct wire_head h;

	while (wire_recv(fd, 1000, &h, &b) == HF_OK && b.n > 0 && b.p[0] != 'x') {
		h.request += b.p[0];
		h.session = 0;
		if (wire_send(fd, &h, buf_slice(&b)) != HF_OK)
			break;
	}
	(void)close(fd);
	return NULL;
}

static struct transport *dial(struct server *s)
{
	struct transport *t = NULL;

	server_open(s);
	assert_int_equal(listen(s->listen, 5), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, echo, s), 0);
	assert_int_equal(transport_unix(s->dir, "sock", 1000, &t), HF_OK);
	return t;
}

static void hang_up_all(struct server *s, struct transport *t)
{
	t->ops->close(t);
	assert_int_equal(pthread_join(s->thread, NULL), 0);
	server_close(s);
}

static void a_call_over_unix_gets_its_answer_however_long_the_path(void **state)
{
	struct fixture *f = *state;
	struct server s;
	struct transport *t = dial(&s);
	bool sent = false;

	for (uint64_t i = 1; i < 4; i++) {
		struct wire_head h = { .opcode = 7, .request = i };

		assert_int_equal(transport_call(t, &h, SLICE_STR("\0abc"), &f->b, &sent), HF_OK);
		assert_true(sent);
		assert_true(h.request == i && h.length == 4);
		IS(buf_slice(&f->b), "\0abc");
	}
	hang_up_all(&s, t);
}

static void a_request_in_pieces_arrives_as_one(void **state)
{
	const struct request ahead = {
		.head = { .opcode = 6, .flags = WIRE_FLAG_QUIET }, .fields = SLICE_STR("first"),
	};
	const struct request q = {
		.head = { .opcode = 7, .request = 2 },
		.fields = SLICE_STR("in "),
		.data = SLICE_STR("three "),
		.tail = SLICE_STR("pieces"),
		.ahead = &ahead,
	};
	struct fixture *f = *state;
	struct wire_head got;

	assert_int_equal(wire_send_request(f->fd[0], &q), HF_OK);
	assert_int_equal(wire_recv(f->fd[1], 64, &got, &f->b), HF_OK);
	assert_int_equal(got.opcode, 6);
	IS(buf_slice(&f->b), "first");
	assert_int_equal(wire_recv(f->fd[1], 64, &got, &f->b), HF_OK);
	assert_int_equal(got.opcode, 7);
	IS(buf_slice(&f->b), "in three pieces");
}

static void an_answer_to_another_request_breaks_the_connection(void **state)
{
	struct fixture *f = *state;
	struct server s;
	struct transport *t = dial(&s);
	struct wire_head h = { .opcode = 7, .request = 1 };
	bool sent = false;

	assert_int_equal(transport_call(t, &h, SLICE_STR("\001"), &f->b, &sent), HF_E_CONNECTION);
	assert_true(sent);
	assert_int_equal(transport_call(t, &h, SLICE_STR("\0"), &f->b, &sent), HF_E_CONNECTION);
	assert_false(sent);
	hang_up_all(&s, t);
}

static void a_peer_that_closes_may_have_seen_the_request(void **state)
{
	struct fixture *f = *state;
	struct server s;
	struct transport *t = dial(&s);
	struct wire_head h = { .opcode = 7, .request = 1 };
	bool sent = false;

	assert_int_equal(transport_call(t, &h, SLICE_STR("x"), &f->b, &sent), HF_E_CONNECTION);
	assert_true(sent);
	hang_up_all(&s, t);
}

static void a_request_too_big_to_send_leaves_the_connection(void **state)
{
	struct fixture *f = *state;
	struct server s;
	struct transport *t = dial(&s);
	struct wire_head h = { .opcode = 7, .request = 1 };
	struct slice huge = { (const uint8_t *)f, (size_t)WIRE_MAX_BYTES + 1 };
	bool sent = true;

	assert_int_equal(transport_call(t, &h, huge, &f->b, &sent), HF_E_TOO_BIG);
	assert_false(sent);
	assert_int_equal(transport_call(t, &h, SLICE_STR("\0"), &f->b, &sent), HF_OK);
	hang_up_all(&s, t);
}

static void without_a_daemon_the_error_says_so(void **state)
{
	struct transport *t = NULL;
	struct server s;

	(void)state;
	server_open(&s);
	assert_int_equal(transport_unix("/nonexistent", "sock", 10, &t), HF_E_NO_DAEMON);
	assert_int_equal(transport_unix(s.dir, "other", 10, &t), HF_E_NO_DAEMON);
	assert_int_equal(transport_unix(s.dir, "sock", 10, &t), HF_E_NO_DAEMON); /* nobody listens */
	assert_null(t);
	server_close(&s);
}

static void a_daemon_that_does_not_accept_times_out(void **state)
{
	struct transport *t[3] = { NULL };
	enum hf_err e = HF_OK;
	struct server s;

	(void)state;
	server_open(&s);
	assert_int_equal(listen(s.listen, 0), 0);
	for (int i = 0; i < 3 && e == HF_OK; i++)
		e = transport_unix(s.dir, "sock", 20, &t[i]);
	assert_int_equal(e, HF_E_TIMEOUT);
	for (int i = 0; i < 3; i++)
		if (t[i] != NULL)
			t[i]->ops->close(t[i]);
	server_close(&s);
}

/* --- loopback ------------------------------------------------------------------ */

static void serve_copy(void *ctx, struct slice request, struct buf *response)
{
	(*(int *)ctx)++;
	buf_raw(response, request);
}

static void serve_half(void *ctx, struct slice request, struct buf *response)
{
	(*(int *)ctx)++;
	buf_raw(response, (struct slice){ request.p, request.n - 1 });
}

static void serve_nothing(void *ctx, struct slice request, struct buf *response)
{
	(void)ctx;
	(void)request;
	(void)response;
}

static void closed(void *ctx)
{
	*(int *)ctx = -1;
}

static void loopback_serves_in_this_process(void **state)
{
	struct fixture *f = *state;
	struct wire_head h = { .opcode = 7, .request = 1 };
	struct transport *t = NULL;
	bool sent = false;
	int calls = 0;

	assert_int_equal(transport_loopback(serve_copy, &calls, closed, &t), HF_OK);
	assert_int_equal(transport_call(t, &h, SLICE_STR("abc"), &f->b, &sent), HF_OK);
	assert_true(sent);
	assert_int_equal(calls, 1);
	assert_int_equal(h.length, 3);
	IS(buf_slice(&f->b), "abc");
	t->ops->close(t);
	assert_int_equal(calls, -1);
}

static void a_broken_loopback_answer_is_a_broken_connection(void **state)
{
	static const loopback_serve broken[] = { serve_half, serve_nothing };
	struct fixture *f = *state;
	int calls = 0;

	for (size_t i = 0; i < 2; i++) {
		struct wire_head h = { .opcode = 7, .request = 1 };
		struct transport *t = NULL;
		bool sent = false;

		assert_int_equal(transport_loopback(broken[i], &calls, NULL, &t), HF_OK);
		assert_int_equal(transport_call(t, &h, SLICE_STR("abc"), &f->b, &sent), HF_E_CONNECTION);
		assert_true(sent);
		t->ops->close(t);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_is_24_bytes_big_endian),
		T(a_frame_arrives_as_it_was_sent),
		T(a_frame_without_fields_empties_the_buffer),
		T(a_frame_larger_than_the_sockets_buffer_arrives_whole),
		T(a_frame_over_the_limit_breaks_the_connection),
		T(fields_over_the_limit_are_not_sent),
		T(a_length_alone_does_not_make_the_receiver_allocate),
		cmocka_unit_test(a_frame_cut_anywhere_breaks_the_connection),
		T(sending_to_nobody_is_an_error_and_no_signal),
		T(a_silent_peer_times_out),
		T(a_call_over_unix_gets_its_answer_however_long_the_path),
		T(a_request_in_pieces_arrives_as_one),
		T(an_answer_to_another_request_breaks_the_connection),
		T(a_peer_that_closes_may_have_seen_the_request),
		T(a_request_too_big_to_send_leaves_the_connection),
		T(without_a_daemon_the_error_says_so),
		T(a_daemon_that_does_not_accept_times_out),
		T(loopback_serves_in_this_process),
		T(a_broken_loopback_answer_is_a_broken_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
