/* The client: what it repeats, what it restores, what it gives up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_vault.h"
#include "fault.h"
#include "stubs.h"

#define SLOT 7

static struct fake_vault vault;
static struct client *client;
static struct arena arena;

static int set_up(void **state)
{
	struct client_options o = {
		.program = "test", .wait_ms = 300, .connect = fake_connect, .connect_ctx = &vault,
	};

	(void)state;
	fake_start(&vault);
	return client_open(&o, &client) == HF_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	client_close(client);
	arena_done(&arena);
	return vault.links == 0 ? 0 : -1;
}

/* --- calls ---------------------------------------------------------------- */

static uint64_t open_session(void)
{
	uint64_t s = 0;

	assert_int_equal(client_session_open(client, SLOT, true, &s), HF_OK);
	return s;
}

static enum hf_err log_in(uint64_t s)
{
	return client_login(client, s, 1, SLICE_NONE, SLICE_STR("1234"));
}

static uint64_t open_logged_in(void)
{
	uint64_t s = open_session();

	assert_int_equal(log_in(s), HF_OK);
	return s;
}

static enum hf_err sign_init(uint64_t s)
{
	struct sign_init_req q = { .mech = { .type = 1 }, .key = 5 };
	struct sign_init_res r;

	return do_sign_init(client, s, &q, &r, &arena);
}

static enum hf_err sign_to(uint64_t s, uint32_t max, uint32_t *ret_need)
{
	struct sign_req q = { .data = SLICE_STR("data"), .max = max };
	struct sign_res r = { 0 };
	enum hf_err e = do_sign(client, s, &q, &r, &arena);

	*ret_need = r.need;
	if (e == HF_OK && max == 100)
		assert_true(slice_eq(r.out, SLICE_STR("signature")));
	return e;
}

static enum hf_err sign(uint64_t s)
{
	uint32_t need;

	return sign_to(s, 100, &need);
}

static enum hf_err sign_update(uint64_t s)
{
	struct sign_update_req q = { .data = SLICE_STR("part") };
	struct sign_update_res r;

	return do_sign_update(client, s, &q, &r, &arena);
}

static enum hf_err info(uint64_t s)
{
	struct session_info_req q = { 0 };
	struct session_info_res r;

	return do_session_info(client, s, &q, &r, &arena);
}

static enum hf_err create(uint64_t s, uint64_t *ret)
{
	struct object_create_req q = { 0 };
	struct object_create_res r = { 0 };
	enum hf_err e = do_object_create(client, s, &q, &r, &arena);

	*ret = r.object;
	return e;
}

static void assert_log(const char *wanted)
{
	assert_string_equal(vault.log, wanted);
	fake_log_clear(&vault);
}

/* --- connecting ----------------------------------------------------------- */

static void connects_at_the_first_call_and_then_no_more(void **state)
{
	uint64_t s;

	(void)state;
	assert_int_equal(vault.opened, 0);
	s = open_session();
	assert_int_equal(info(s), HF_OK);
	assert_log("hello session_open session_info ");
	assert_int_equal(vault.opened, 1);
}

static void connecting_is_tried_again(void **state)
{
	(void)state;
	vault.waiting_opens = 3;
	assert_int_not_equal(open_session(), 0);
}

static void connecting_ends_with_an_error_after_the_wait(void **state)
{
	uint64_t s;

	(void)state;
	vault.waiting_opens = 1000000;
	assert_int_equal(client_session_open(client, SLOT, true, &s), HF_E_NO_DAEMON);
}

static void an_unknown_session_is_refused_without_a_call(void **state)
{
	uint64_t slot;

	(void)state;
	assert_int_equal(info(1), HF_E_SESSION_HANDLE);
	assert_int_equal(client_session_slot(client, 1, &slot), HF_E_SESSION_HANDLE);
	assert_int_equal(client_session_close(client, 1), HF_E_SESSION_HANDLE);
	assert_int_equal(vault.opened, 0);
}

/* --- sessions and logins -------------------------------------------------- */

static void a_restart_reopens_the_session_and_resumes_the_login(void **state)
{
	uint64_t s = open_logged_in();

	(void)state;
	fake_restart(&vault);
	fake_log_clear(&vault);
	assert_int_equal(info(s), HF_OK);
	assert_log("hello session_open resume session_info ");
	assert_true(vault.logged_in);
	assert_int_equal(info(s), HF_OK);
	assert_log("session_info ");
}

static void sessions_reopen_only_when_used_and_resume_once(void **state)
{
	uint64_t a = open_logged_in(), b = open_session();

	(void)state;
	fake_restart(&vault);
	fake_log_clear(&vault);
	assert_int_equal(info(a), HF_OK);
	assert_int_equal(info(b), HF_OK);
	assert_log("hello session_open resume session_info session_open session_info ");
}

static void a_lost_connection_keeps_the_session_that_the_vault_still_has(void **state)
{
	uint64_t s = open_logged_in();

	(void)state;
	fake_script(&vault, CALLS_SESSION_INFO, FAULT_UNSEEN);
	fake_log_clear(&vault);
	assert_int_equal(info(s), HF_OK);
	assert_log("hello session_info resume session_info ");
}

static void a_session_that_the_vault_forgot_is_opened_anew(void **state)
{
	uint64_t s = open_logged_in();

	(void)state;
	fake_script(&vault, CALLS_SESSION_INFO, FAULT_FORGET);
	fake_log_clear(&vault);
	assert_int_equal(info(s), HF_OK);
	assert_log("session_info session_open resume session_info ");
}

static void a_refused_ticket_is_not_shown_again(void **state)
{
	uint64_t s = open_logged_in();

	(void)state;
	assert_int_equal(sign_init(s), HF_OK);
	vault.refuse_tickets = true;
	fake_restart(&vault);
	fake_log_clear(&vault);
	assert_int_equal(sign(s), HF_E_NOT_LOGGED_IN);
	assert_log("hello session_open resume op_cancel sign_init sign ");
	fake_restart(&vault);
	assert_int_equal(info(s), HF_OK);
	assert_log("hello session_open session_info ");
}

static void a_logout_is_not_undone_by_a_restart(void **state)
{
	uint64_t s = open_logged_in();

	(void)state;
	assert_int_equal(client_logout(client, s), HF_OK);
	fake_restart(&vault);
	fake_log_clear(&vault);
	assert_int_equal(info(s), HF_OK);
	assert_log("hello session_open session_info ");
}

static void a_ticket_is_renewed_before_a_call_when_due(void **state)
{
	const struct timespec due = { 1, 50000000 };
	uint64_t s;

	(void)state;
	vault.renew_s = 1;
	s = open_logged_in();
	fake_log_clear(&vault);
	assert_int_equal(info(s), HF_OK);
	assert_log("session_info ");
	assert_int_equal(nanosleep(&due, NULL), 0);
	assert_int_equal(info(s), HF_OK);
	assert_log("ticket_renew session_info ");
	assert_int_equal(info(s), HF_OK);
	assert_log("session_info ");
}

static void closing_the_only_reopened_session_keeps_the_login_for_the_others(void **state)
{
	uint64_t a = open_logged_in(), b = open_session();

	(void)state;
	fake_restart(&vault);
	assert_int_equal(info(a), HF_OK);
	assert_int_equal(client_session_close(client, a), HF_OK);
	assert_true(vault.logged_in);
	assert_int_equal(sign_init(b), HF_OK);
	assert_int_equal(sign(b), HF_OK);
}

static void closing_a_session_that_the_restarted_vault_never_saw_is_silent(void **state)
{
	uint64_t a = open_logged_in(), b = open_session();

	(void)state;
	fake_restart(&vault);
	assert_int_equal(info(a), HF_OK);
	fake_log_clear(&vault);
	assert_int_equal(client_session_close(client, b), HF_OK);
	assert_log("");
}

static void the_last_session_of_a_slot_takes_the_login_along(void **state)
{
	uint64_t s = open_logged_in();

	(void)state;
	assert_int_equal(client_session_close(client, s), HF_OK);
	s = open_session();
	fake_restart(&vault);
	fake_log_clear(&vault);
	assert_int_equal(info(s), HF_OK);
	assert_log("hello session_open session_info ");
}

static void close_all_ends_every_session_of_the_slot(void **state)
{
	uint64_t a = open_session(), b = open_session();

	(void)state;
	assert_int_equal(client_session_close_all(client, SLOT), HF_OK);
	assert_int_equal(info(a), HF_E_SESSION_HANDLE);
	assert_int_equal(info(b), HF_E_SESSION_HANDLE);
}

/* --- what may be repeated ------------------------------------------------- */

static void a_single_part_call_survives_a_restart(void **state)
{
	uint64_t s = open_logged_in();

	(void)state;
	assert_int_equal(sign_init(s), HF_OK);
	fake_script(&vault, CALLS_SIGN, FAULT_RESTART);
	fake_log_clear(&vault);
	assert_int_equal(sign(s), HF_OK);
	assert_log("sign hello session_open resume op_cancel sign_init sign ");
}

static void a_single_part_call_survives_a_lost_answer(void **state)
{
	uint64_t s = open_logged_in();

	(void)state;
	assert_int_equal(sign_init(s), HF_OK);
	fake_script(&vault, CALLS_SIGN, FAULT_DONE);
	fake_log_clear(&vault);
	assert_int_equal(sign(s), HF_OK);
	assert_log("sign hello session_info resume op_cancel sign_init sign ");
}

static void an_init_that_arrived_does_not_meet_itself(void **state)
{
	uint64_t s = open_logged_in();

	(void)state;
	fake_script(&vault, CALLS_SIGN_INIT, FAULT_DONE);
	assert_int_equal(sign_init(s), HF_OK);
	assert_int_equal(sign_init(s), HF_E_OP_ACTIVE);
	assert_int_equal(sign(s), HF_OK);
}

static void a_length_query_leaves_the_operation_repeatable(void **state)
{
	uint64_t s = open_logged_in();
	uint32_t need;

	(void)state;
	assert_int_equal(sign_init(s), HF_OK);
	assert_int_equal(sign_to(s, WIRE_NO_OUTPUT, &need), HF_OK);
	assert_int_equal(need, 9);
	assert_int_equal(sign_to(s, 3, &need), HF_OK);
	fake_restart(&vault);
	assert_int_equal(sign(s), HF_OK);
	assert_int_equal(sign(s), HF_E_OP_NONE);
}

static void an_operation_that_was_fed_is_lost_once(void **state)
{
	uint64_t s = open_logged_in();

	(void)state;
	assert_int_equal(sign_init(s), HF_OK);
	assert_int_equal(sign_update(s), HF_OK);
	fake_restart(&vault);
	assert_int_equal(sign_update(s), HF_E_OP_LOST);
	assert_int_equal(sign_update(s), HF_E_OP_NONE);
	assert_int_equal(sign_init(s), HF_OK);
	assert_int_equal(sign(s), HF_OK);
}

static void a_first_part_is_repeated(void **state)
{
	uint64_t s = open_logged_in();

	(void)state;
	assert_int_equal(sign_init(s), HF_OK);
	fake_script(&vault, CALLS_SIGN_UPDATE, FAULT_RESTART);
	assert_int_equal(sign_update(s), HF_OK);
	fake_script(&vault, CALLS_SIGN_UPDATE, FAULT_DONE);
	assert_int_equal(sign_update(s), HF_E_OP_LOST);
}

static enum hf_err sign_into(uint64_t s, struct slice data, struct transfer_out *o)
{
	uint8_t tail[4];
	struct transfer t = { CALLS_SIGN, s, &data, SLICE_OF(tail) };

	put_u32(tail, (uint32_t)o->room);
	assert_int_equal(sign_init(s), HF_OK);
	return client_transfer(client, &t, o);
}

static enum hf_err encrypt(uint64_t s)
{
	struct encrypt_init_req q = { .mech = { .type = 1 }, .key = 5 };
	struct encrypt_init_res r;
	struct slice data = SLICE_STR("data");
	uint8_t tail[4], out[32];
	struct transfer t = { CALLS_ENCRYPT, s, &data, SLICE_OF(tail) };
	struct transfer_out o = { .p = out, .room = sizeof(out) };

	put_u32(tail, sizeof(out));
	TRY(do_encrypt_init(client, s, &q, &r, &arena));
	return client_transfer(client, &t, &o);
}

static void data_that_came_too_late_are_sent_at_once(void **state)
{
	uint64_t s;

	(void)state;
	vault.pairs = true;
	s = open_logged_in();
	assert_int_equal(encrypt(s), HF_OK);
	assert_true(vault.poured);
	for (unsigned i = 0; i < 2; i++) { /* its _init goes ahead then */
		fake_log_clear(&vault);
		fake_script(&vault, CALLS_ENCRYPT, FAULT_LATE);
		assert_int_equal(encrypt(s), HF_OK);
		assert_false(vault.poured);
		assert_log("encrypt_init encrypt encrypt ");
	}
}

static void what_was_taken_out_early_is_taken_again_after_a_restart(void **state)
{
	uint64_t s = open_logged_in();
	uint8_t out[32];
	struct transfer_out o = { .p = out, .room = sizeof(out) };

	(void)state;
	fake_script(&vault, CALLS_SIGN, FAULT_EARLY);
	assert_int_equal(sign_into(s, SLICE_STR("data"), &o), HF_OK);
	assert_true(vault.early);
	assert_int_equal(o.n, 9);
	assert_memory_equal(out, "signature", 9);
}

static void what_may_be_needed_again_is_not_written_over_early(void **state)
{
	static const struct {
		size_t at, room;
		bool early;
	} cases[] = { /* the data are at 20, 4 bytes */
		{ 0, 20, true }, { 24, 20, true }, { 0, 21, false }, { 23, 20, false }, { 20, 20, false },
		{ 0, 40, false }, { 21, 10, false },
	};
	uint64_t s = open_logged_in();
	uint8_t b[44] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct transfer_out o = { .p = b + cases[i].at, .room = cases[i].room };

		memcpy(b + 20, "data", 4);
		assert_int_equal(sign_into(s, (struct slice){ b + 20, 4 }, &o), HF_OK);
		assert_int_equal(vault.early, cases[i].early);
		assert_memory_equal(b + cases[i].at, "signature", 9);
	}
}

/* --- an _init that waits for the call it is for ----------------------------- */

/* with_known_init: signed once, so that the same _init is known to go well. */
static uint64_t with_known_init(void)
{
	uint64_t s;

	vault.pairs = true;
	s = open_logged_in();
	assert_int_equal(sign_init(s), HF_OK);
	assert_int_equal(sign(s), HF_OK);
	fake_log_clear(&vault);
	return s;
}

static void a_known_init_goes_with_the_next_call(void **state)
{
	uint64_t s = with_known_init();

	(void)state;
	assert_int_equal(sign_init(s), HF_OK);
	assert_log("");
	assert_int_equal(sign(s), HF_OK);
	assert_log("sign_init sign ");
}

static void a_late_init_goes_before_any_other_call(void **state)
{
	uint64_t s = with_known_init();

	(void)state;
	assert_int_equal(sign_init(s), HF_OK);
	assert_int_equal(sign_init(s), HF_E_OP_ACTIVE);
	assert_int_equal(info(s), HF_OK);
	assert_int_equal(sign_update(s), HF_OK);
	assert_true(strstr(vault.log, "sign_init session_info sign_update ") != NULL);
}

static void a_late_init_that_fails_answers_for_its_call(void **state)
{
	uint64_t s = with_known_init();

	(void)state;
	assert_int_equal(sign_init(s), HF_OK);
	vault.key_gone = true; /* another program destroyed it */
	assert_int_equal(sign(s), HF_E_KEY_HANDLE);
	assert_int_equal(sign(s), HF_E_OP_NONE);
	assert_int_equal(sign_init(s), HF_E_KEY_HANDLE);
}

static void after_a_change_an_init_is_asked_at_once(void **state)
{
	uint64_t s = with_known_init(), object;

	(void)state;
	assert_int_equal(create(s, &object), HF_OK);
	fake_log_clear(&vault);
	assert_int_equal(sign_init(s), HF_OK);
	assert_log("sign_init ");
	assert_int_equal(sign(s), HF_OK);
}

static void a_late_init_survives_a_restart(void **state)
{
	uint64_t s = with_known_init();

	(void)state;
	assert_int_equal(sign_init(s), HF_OK);
	fake_restart(&vault);
	assert_int_equal(sign(s), HF_OK);
	assert_int_equal(sign_init(s), HF_OK);
	fake_script(&vault, CALLS_SIGN, FAULT_DONE);
	assert_int_equal(sign(s), HF_OK);
	assert_int_equal(sign(s), HF_E_OP_NONE);
}

/* --- random bytes fetched ahead ------------------------------------------------ */

static void small_wishes_for_random_bytes_share_a_call(void **state)
{
	uint64_t s = open_session();
	uint8_t p[8];

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(client_random(client, s, p, sizeof(p)), HF_OK);
	assert_int_equal(vault.randoms, 1);
	assert_int_equal(client_random(client, s + 1, p, sizeof(p)), HF_E_SESSION_HANDLE);
}

static void a_great_wish_goes_to_the_vault(void **state)
{
	uint64_t s = open_session();
	uint8_t p[1000];

	(void)state;
	assert_int_equal(client_random(client, s, p, 8), HF_OK);
	assert_int_equal(client_random(client, s, p, sizeof(p)), HF_OK);
	assert_int_equal(vault.randoms, 2);
	assert_int_equal(p[999], 2);
	assert_int_equal(client_random(client, s, NULL, 0), HF_OK);
}

static void no_random_byte_is_given_twice(void **state)
{
	uint64_t s = open_session();
	uint8_t p[500];

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(client_random(client, s, p, sizeof(p)), HF_OK);
		/* eight to a call, all of the newest */
		assert_int_equal(p[0], (uint8_t)(i / 8 + 1));
		assert_int_equal(p[499], (uint8_t)(i / 8 + 1));
	}
	assert_int_equal(vault.randoms, 125);
}

static void a_forked_child_gets_other_random_bytes(void **state)
{
	uint64_t s = open_session();
	uint8_t p[8];
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(client_random(client, s, p, sizeof(p)), HF_OK);
	pid = fork();
	if (pid == 0)
		_exit(client_random(client, s, p, sizeof(p)) == HF_OK && p[0] == 2 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(client_random(client, s, p, sizeof(p)), HF_OK);
	assert_int_equal(p[0], 1);
}

static void an_object_is_made_once_though_the_answer_was_lost(void **state)
{
	uint64_t s = open_logged_in(), object;

	(void)state;
	fake_script(&vault, CALLS_OBJECT_CREATE, FAULT_DONE);
	assert_int_equal(create(s, &object), HF_OK);
	assert_int_equal(object, 1);
	assert_int_equal(vault.created, 1);
	assert_int_equal(create(s, &object), HF_OK);
	assert_int_equal(object, 2);
}

static void a_login_that_may_have_arrived_is_not_repeated(void **state)
{
	uint64_t s = open_session();

	(void)state;
	fake_script(&vault, CALLS_LOGIN, FAULT_SEEN);
	assert_int_equal(log_in(s), HF_E_CONNECTION);
	assert_int_equal(log_in(s), HF_OK);
}

static void a_login_after_a_restart_in_idle_time_works(void **state)
{
	uint64_t s = open_session();

	(void)state;
	fake_restart(&vault);
	assert_int_equal(log_in(s), HF_OK);
	assert_true(vault.logged_in);
}

static void a_logout_whose_answer_was_lost_is_done(void **state)
{
	uint64_t s = open_logged_in();

	(void)state;
	fake_script(&vault, CALLS_LOGOUT, FAULT_DONE);
	assert_int_equal(client_logout(client, s), HF_OK);
	assert_false(vault.logged_in);
	fake_restart(&vault);
	assert_int_equal(info(s), HF_OK);
	assert_false(vault.logged_in);
}

static void many_restarts_are_not_seen_by_single_part_calls(void **state)
{
	uint64_t s = open_logged_in();

	(void)state;
	for (int i = 0; i < 200; i++) {
		fake_script(&vault, i % 2 ? CALLS_SIGN : CALLS_SIGN_INIT,
			(enum fake_fault)(FAULT_UNSEEN + i % 4));
		assert_int_equal(sign_init(s), HF_OK);
		assert_int_equal(sign(s), HF_OK);
	}
}

/* --- threads, fork, memory ------------------------------------------------ */

static void *sign_often(void *arg)
{
	uint64_t s = open_session();
	uintptr_t failed = 0;

	(void)arg;
	for (int i = 0; i < 50; i++) {
		struct arena a = { 0 };
		struct sign_init_req qi = { .key = 5 };
		struct sign_init_res ri;
		struct sign_req q = { .data = SLICE_STR("data"), .max = 100 };
		struct sign_res r;

		failed += do_sign_init(client, s, &qi, &ri, &a) != HF_OK;
		failed += do_sign(client, s, &q, &r, &a) != HF_OK;
		if (i % 10 == 0) {
			MUTEX_HOLD(&vault.lock);
			fake_restart(&vault);
		}
		arena_done(&a);
	}
	return (void *)failed;
}

static void threads_and_restarts_together_lose_nothing(void **state)
{
	pthread_t t[16];
	void *failed;

	(void)state;
	(void)open_logged_in();
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(pthread_create(&t[i], NULL, sign_often, NULL), 0);
	for (size_t i = 0; i < 16; i++) {
		assert_int_equal(pthread_join(t[i], &failed), 0);
		assert_null(failed);
	}
	assert_true(vault.links <= 17);
}

static void *one_info(void *arg)
{
	return (void *)(uintptr_t)info(*(uint64_t *)arg);
}

static void short_lived_threads_share_a_connection(void **state)
{
	uint64_t s = open_session();
	pthread_t t;
	void *e;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(pthread_create(&t, NULL, one_info, &s), 0);
		assert_int_equal(pthread_join(t, &e), 0);
		assert_null(e);
	}
	assert_int_equal(vault.opened, 1);
}

#define MORE_THREADS 300 /* than a client has connections */

static void *some_infos(void *arg)
{
	uintptr_t failed = 0;

	for (int i = 0; i < 20; i++) {
		struct arena a = { 0 };
		struct session_info_req q = { 0 };
		struct session_info_res r;

		failed += do_session_info(client, *(uint64_t *)arg, &q, &r, &a) != HF_OK;
		arena_done(&a);
	}
	return (void *)failed;
}

static void more_threads_than_connections_take_turns(void **state)
{
	uint64_t s = open_session();
	pthread_t t[MORE_THREADS];
	void *failed;

	(void)state;
	mutex_lock(&vault.lock); /* so that all connections are in use when the last threads come */
	for (size_t i = 0; i < MORE_THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, some_infos, &s), 0);
	(void)usleep(20000);
	mutex_unlock(&vault.lock);
	for (size_t i = 0; i < MORE_THREADS; i++) {
		assert_int_equal(pthread_join(t[i], &failed), 0);
		assert_null(failed);
	}
}

/* Protected memory of the parent is gone in the child; there is new to be had. */
static bool child_works(void)
{
	struct arena a = { 0 };
	uint64_t s;

	arena = a;
	return set_up(NULL) == 0 && client_session_open(client, SLOT, true, &s) == HF_OK &&
	       log_in(s) == HF_OK && sign_init(s) == HF_OK && sign(s) == HF_OK;
}

static void a_forked_child_closes_without_a_word_and_begins_anew(void **state)
{
	uint64_t s = open_logged_in();
	int status;
	pid_t child;

	(void)state;
	fake_log_clear(&vault);
	child = fork();
	if (child == 0) {
		client_forget(client);
		_exit(vault.links == 0 && vault.log_n == 0 && child_works() ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(info(s), HF_OK);
	assert_log("session_info ");
}

static enum hf_err whole_story(void)
{
	uint64_t s;

	TRY(client_session_open(client, SLOT, true, &s));
	TRY(log_in(s));
	TRY(sign_init(s));
	fake_restart(&vault);
	TRY(sign(s));
	TRY(sign_init(s));
	TRY(client_logout(client, s));
	return client_session_close(client, s);
}

static void every_failed_allocation_is_an_error_and_no_more(void **state)
{
	(void)state;
	for (long n = 1; n < 2000; n++) {
		bool fired;

		(void)tear_down(NULL);
		assert_int_equal(set_up(NULL), 0);
		arena = (struct arena){ 0 };
		secret_fail_after(n);
		(void)!whole_story();
		fired = secret_fail_fired();
		secret_fail_after(-1);
		if (!fired)
			return;
	}
	fail_msg("the story never ended without a failure");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(connects_at_the_first_call_and_then_no_more),
		T(connecting_is_tried_again),
		T(connecting_ends_with_an_error_after_the_wait),
		T(an_unknown_session_is_refused_without_a_call),
		T(a_restart_reopens_the_session_and_resumes_the_login),
		T(sessions_reopen_only_when_used_and_resume_once),
		T(a_lost_connection_keeps_the_session_that_the_vault_still_has),
		T(a_session_that_the_vault_forgot_is_opened_anew),
		T(a_refused_ticket_is_not_shown_again),
		T(a_logout_is_not_undone_by_a_restart),
		T(a_ticket_is_renewed_before_a_call_when_due),
		T(closing_the_only_reopened_session_keeps_the_login_for_the_others),
		T(closing_a_session_that_the_restarted_vault_never_saw_is_silent),
		T(the_last_session_of_a_slot_takes_the_login_along),
		T(close_all_ends_every_session_of_the_slot),
		T(a_single_part_call_survives_a_restart),
		T(a_single_part_call_survives_a_lost_answer),
		T(an_init_that_arrived_does_not_meet_itself),
		T(a_length_query_leaves_the_operation_repeatable),
		T(data_that_came_too_late_are_sent_at_once),
		T(what_was_taken_out_early_is_taken_again_after_a_restart),
		T(what_may_be_needed_again_is_not_written_over_early),
		T(an_operation_that_was_fed_is_lost_once),
		T(small_wishes_for_random_bytes_share_a_call),
		T(a_great_wish_goes_to_the_vault),
		T(no_random_byte_is_given_twice),
		T(a_forked_child_gets_other_random_bytes),
		T(a_known_init_goes_with_the_next_call),
		T(a_late_init_goes_before_any_other_call),
		T(a_late_init_that_fails_answers_for_its_call),
		T(after_a_change_an_init_is_asked_at_once),
		T(a_late_init_survives_a_restart),
		T(a_first_part_is_repeated),
		T(an_object_is_made_once_though_the_answer_was_lost),
		T(a_login_that_may_have_arrived_is_not_repeated),
		T(a_login_after_a_restart_in_idle_time_works),
		T(a_logout_whose_answer_was_lost_is_done),
		T(many_restarts_are_not_seen_by_single_part_calls),
		T(threads_and_restarts_together_lose_nothing),
		T(short_lived_threads_share_a_connection),
		T(more_threads_than_connections_take_turns),
		T(a_forked_child_closes_without_a_word_and_begins_anew),
		T(every_failed_allocation_is_an_error_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
