/* test_keeper_link.c: many threads ask one keeper, which answers in any order. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "keeper_link.h"

#define THREADS 8
#define CALLS 200

/* A keeper that takes up to four requests and answers them last first, with their
 * own fields; opcode STORE_GET is an error. */
static void *backwards(void *arg)
{
	int fd = *(int *)arg;
	struct pollfd p = { fd, POLLIN, 0 };
	struct wire_head heads[4];
	struct buf in[4];
	unsigned n, left = THREADS * CALLS;

	for (n = 0; n < 4; n++)
		in[n] = BUF_MAX(WIRE_MAX_BYTES);
	while (left > 0) {
		for (n = 0; n < 4 && left > 0 && (n == 0 || poll(&p, 1, 1) == 1); n++, left--)
			if (wire_recv(fd, WIRE_MAX_BYTES, &heads[n], &in[n]) != HF_OK)
				return NULL;
		while (n-- > 0) {
			struct slice fields = buf_slice(&in[n]);

			heads[n].flags = heads[n].opcode == KEEPER_STORE_GET ? HF_E_DAMAGED : HF_OK;
			if (heads[n].flags != HF_OK)
				fields = SLICE_NONE;
			if (wire_send(fd, &heads[n], fields) != HF_OK)
				return NULL;
		}
	}
	for (n = 0; n < 4; n++)
		buf_done(&in[n]);
	return NULL;
}

struct asker {
	struct keeper *k;
	uint32_t number;
	bool ok;
};

static void *asks(void *arg)
{
	struct asker *a = arg;

	a->ok = true;
	for (uint32_t i = 0; i < CALLS; i++) {
		CLEANUP(arena_done) struct arena arena = { 0 };
		uint32_t says[2] = { a->number, i };
		struct slice fields = { (const uint8_t *)says, sizeof(says) };
		bool get = i % 3 == 0;
		struct rd rest;
		enum hf_err e = a->k->call(a->k, get ? KEEPER_STORE_GET : KEEPER_ANCHOR_GET, fields, &arena,
			&rest);

		if (get)
			a->ok = a->ok && e == HF_E_DAMAGED;
		else
			a->ok = a->ok && e == HF_OK && rest.n == sizeof(says) &&
				memcmp(rest.p, says, sizeof(says)) == 0;
	}
	return NULL;
}

static void each_thread_gets_its_own_answer(void **state)
{
	struct asker askers[THREADS] = { 0 };
	pthread_t t[THREADS], keeper;
	struct keeper *k;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(pthread_create(&keeper, NULL, backwards, &pair[1]), 0);
	assert_int_equal(keeper_link_open(pair[0], &k), HF_OK);
	for (uint32_t i = 0; i < THREADS; i++) {
		askers[i] = (struct asker){ .k = k, .number = i };
		assert_int_equal(pthread_create(&t[i], NULL, asks, &askers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(t[i], NULL);
		assert_true(askers[i].ok);
	}
	pthread_join(keeper, NULL);
}

static void the_process_ends_with_its_keeper(void **state)
{
	int pair[2], status;
	pid_t pid;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pid = fork();
	if (pid == 0) {
		struct keeper *k;

		close(pair[1]);
		if (keeper_link_open(pair[0], &k) == HF_OK)
			pause();
		_exit(0);
	}
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EXIT_KEEPER_GONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_process_ends_with_its_keeper),
		cmocka_unit_test(each_thread_gets_its_own_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
