/* The gate: what every call meets before its work, and the record after it. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit_check.h"
#include "box.h"
#include "tmpl.h"

static struct box box;
static struct who anna, root;

static int setup(void **state)
{
	(void)state;
	box_new(&box);
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&root, &box, ADMIN, 9);
	ready(&anna, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	who_leaves(&anna);
	who_leaves(&root);
	box_free(&box);
	return 0;
}

/* raw sends bytes as they are; false: the connection has to close. */
static bool raw(struct hsm_conn *c, uint16_t op, struct slice fields, uint32_t length,
	enum hf_err *ret)
{
	CLEANUP(buf_done) struct buf out = BUF_MAX(WIRE_MAX_BYTES);
	struct wire_head h = { .length = length, .opcode = op, .request = 5 };

	if (!hsm_serve(c, &h, fields, &out))
		return false;
	assert_int_equal(wire_head_get(out.p, WIRE_MAX_BYTES, &h), HF_OK);
	assert_int_equal(h.request, 5);
	*ret = err_from_wire(h.flags);
	return true;
}

static struct hsm_conn *bare(uint64_t uid)
{
	struct peer p = { .uid = uid, .gid = uid };
	struct hsm_conn *c;

	assert_int_equal(hsm_conn_open(box.hsm, &p, &c), HF_OK);
	return c;
}

static void an_unknown_call_is_answered_so(void **state)
{
	struct hsm_conn *c = bare(OWNER);
	enum hf_err e;

	(void)state;
	assert_true(raw(c, 0x0f, SLICE_NONE, 0, &e));
	assert_int_equal(e, HF_E_UNSUPPORTED);
	assert_true(raw(c, 0xffff, SLICE_NONE, 0, &e));
	assert_int_equal(e, HF_E_UNSUPPORTED);
	hsm_conn_close(c);
}

static void broken_fields_are_answered_and_broken_framing_closes(void **state)
{
	struct hsm_conn *c = bare(OWNER);
	enum hf_err e;

	(void)state;
	assert_true(raw(c, CALLS_HELLO, SLICE_STR("xx"), 2, &e));
	assert_int_equal(e, HF_E_MALFORMED);
	assert_true(raw(c, CALLS_PING, SLICE_STR("x"), 1, &e)); /* something is left */
	assert_int_equal(e, HF_E_MALFORMED);
	assert_false(raw(c, CALLS_PING, SLICE_STR("x"), 7, &e));
	hsm_conn_close(c);
}

static void hello_comes_first(void **state)
{
	struct hsm_conn *c = bare(OWNER);
	enum hf_err e;

	(void)state;
	assert_true(raw(c, CALLS_PING, SLICE_NONE, 0, &e));
	assert_int_equal(e, HF_OK);
	assert_true(raw(c, CALLS_SLOT_LIST, SLICE_NONE, 0, &e));
	assert_int_equal(e, HF_E_ARGUMENTS);
	assert_true(raw(c, CALLS_LOGOUT, SLICE_NONE, 0, &e));
	assert_int_equal(e, HF_E_ARGUMENTS);
	hsm_conn_close(c);
}

static void an_application_is_its_users_own(void **state)
{
	struct hello_req q = { WIRE_VERSION, SLICE_OF(anna.app), SLICE_STR("thief") };
	struct hsm_conn *c = bare(2000);
	CLEANUP(buf_done) struct buf b = BUF_MAX(4096);
	enum hf_err e;

	(void)state;
	hello_req_enc(&b, &q);
	assert_true(raw(c, CALLS_HELLO, buf_slice(&b), (uint32_t)b.n, &e));
	assert_int_equal(e, HF_E_DENIED);
	hsm_conn_close(c);
}

static void a_session_is_its_applications_own(void **state)
{
	struct who ben;

	(void)state;
	opens(&anna, 0, true);
	who_comes(&ben, &box, OWNER, 2);
	ben.session = anna.session;
	assert_int_equal(state_of(&ben), UINT32_MAX);
	assert_int_equal(closes(&ben), HF_E_SESSION_HANDLE);
	who_leaves(&ben);
	assert_int_equal(closes(&anna), HF_OK);
	assert_int_equal(closes(&anna), HF_E_SESSION_HANDLE);
}

static void roles_decide_who_may_call(void **state)
{
	struct audit_read_req aq = { 0, 10 };
	struct audit_read_res ar;
	struct sign_init_req sq = { .mech.type = CKM_SHA256_HMAC };
	struct sign_init_res sr;
	struct stop_req tq = { 0 };
	struct stop_res tr;

	(void)state;
	assert_int_equal(do_audit_read(&anna, &aq, &ar), HF_E_DENIED);
	assert_int_equal(do_stop(&anna, &tq, &tr), HF_E_DENIED);
	assert_false(hsm_stop_wanted(box.hsm));
	opens(&anna, 0, true);
	logs_in(&anna, CKU_SO, SO_PIN, NULL);
	assert_int_equal(do_sign_init(&anna, &sq, &sr), HF_E_NOT_LOGGED_IN);
	assert_int_equal(do_stop(&root, &tq, &tr), HF_OK);
	assert_true(hsm_stop_wanted(box.hsm));
}

static void in_its_error_state_nothing_but_status_answers(void **state)
{
	struct hello_req hq = { WIRE_VERSION, SLICE_OF(anna.app), SLICE_NONE };
	struct random_req rq = { 8 };
	struct hello_res hr;
	struct random_res rr;

	(void)state;
	opens(&anna, 0, true);
	hsm_fail(box.hsm, "a test says so");
	assert_int_equal(do_random(&anna, &rq, &rr), HF_E_SELFTEST);
	assert_int_equal(closes(&anna), HF_E_SELFTEST);
	assert_int_equal(init(&anna, 1, SO_PIN), HF_E_SELFTEST);
	assert_int_equal(do_hello(&anna, &hq, &hr), HF_OK);
	assert_string_equal(fact(&anna, "error"), "a test says so");
}

static void a_failed_self_test_opens_nothing(void **state)
{
	struct session_open_req q = { 0, true };
	struct session_open_res r;

	(void)state;
	who_leaves(&anna);
	who_leaves(&root);
	box_stop(&box);
	assert_int_equal(setenv("HOLDFAST_TEST_FAIL_SELFTEST", "ctr-drbg", 1), 0);
	assert_int_equal(box_start(&box), HF_OK);
	assert_int_equal(unsetenv("HOLDFAST_TEST_FAIL_SELFTEST"), 0);
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&root, &box, ADMIN, 9);
	assert_int_equal(do_session_open(&anna, &q, &r), HF_E_SELFTEST);
	assert_string_equal(fact(&anna, "state"), "error");
}

static enum hf_err new_pair(struct who *w)
{
	static const uint8_t p256[] = { 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07 };
	const struct attr v[] = { { CKA_EC_PARAMS, SLICE_OF(p256) } };
	struct key_pair_generate_req q = { { .type = CKM_EC_KEY_PAIR_GEN }, { v, 1 }, { NULL, 0 } };
	struct key_pair_generate_res r;

	return do_key_pair_generate(w, &q, &r);
}

static enum hf_err random_bytes(struct who *w)
{
	struct random_req q = { 4096 };
	struct random_res r;

	return do_random(w, &q, &r);
}

/* stops_everything: with that test failing once, until the next start. */
static void stops_everything(const char *test, enum hf_err (*call)(struct who *w))
{
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(call(&anna), HF_OK);
	assert_int_equal(setenv("HOLDFAST_TEST_FAIL_SELFTEST", test, 1), 0);
	assert_int_equal(call(&anna), HF_E_SELFTEST);
	assert_int_equal(unsetenv("HOLDFAST_TEST_FAIL_SELFTEST"), 0);
	assert_int_equal(call(&anna), HF_E_SELFTEST);
	assert_string_equal(fact(&root, "state"), "error");
	assert_non_null(strstr(fact(&root, "error"), "conditional self-test"));
	who_leaves(&anna);
	who_leaves(&root);
	box_restart(&box);
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&root, &box, ADMIN, 9);
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(call(&anna), HF_OK);
}

static void a_pair_that_fails_its_test_stops_everything(void **state)
{
	(void)state;
	stops_everything("pair-wise", new_pair);
}

static void random_bytes_that_come_twice_stop_everything(void **state)
{
	(void)state;
	stops_everything("random-block", random_bytes);
}

static void self_tests_run_on_demand(void **state)
{
	struct self_test_req q = { 0 };
	struct self_test_res r;

	(void)state;
	assert_int_equal(do_self_test(&anna, &q, &r), HF_E_DENIED);
	assert_int_equal(do_self_test(&root, &q, &r), HF_OK);
	assert_true(r.results.n > 10);
	for (size_t i = 0; i < r.results.n; i++)
		assert_true(slice_eq(r.results.v[i].value, SLICE_STR("passed")));
	assert_int_equal(setenv("HOLDFAST_TEST_FAIL_SELFTEST", "aes-gcm", 1), 0);
	(void)do_self_test(&root, &q, &r);
	assert_int_equal(unsetenv("HOLDFAST_TEST_FAIL_SELFTEST"), 0);
	assert_string_equal(fact(&root, "state"), "error");
	assert_non_null(strstr(fact(&root, "error"), "aes-gcm"));
}

/* --- limits --------------------------------------------------------------------------------- */

static void pairs_that_are_quickly_made_need_no_slow_thread(void **state)
{
	static const struct {
		uint32_t ckm;
		bool slow;
	} cases[] = {
		{ CKM_EC_KEY_PAIR_GEN, false },
		{ CKM_EC_EDWARDS_KEY_PAIR_GEN, false },
		{ CKM_ML_DSA_KEY_PAIR_GEN, false },
		{ CKM_ML_KEM_KEY_PAIR_GEN, false },
		{ CKM_RSA_PKCS_KEY_PAIR_GEN, true },
		{ CKM_SLH_DSA_KEY_PAIR_GEN, true },
		{ UINT32_MAX, true },
	};
	struct wire_head h = { .opcode = CALLS_KEY_PAIR_GENERATE };
	struct hsm_conn *c = bare(OWNER);
	uint8_t type[4];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		put_u32(type, cases[i].ckm);
		assert_int_equal(hsm_is_slow(c, &h, SLICE_OF(type)), cases[i].slow);
	}
	assert_true(hsm_is_slow(c, &h, SLICE_NONE));
	hsm_conn_close(c);
}

static void limits_have_their_own_errors(void **state)
{
	struct peer p = { .uid = OWNER };
	struct session_open_req q = { 0, true };
	struct session_open_res r;
	struct hsm_conn *c;

	(void)state;
	who_leaves(&anna);
	who_leaves(&root);
	box.cfg.max_sessions = 2;
	box.cfg.max_connections = 2;
	box_restart(&box);
	who_comes(&anna, &box, OWNER, 1);
	who_comes(&root, &box, ADMIN, 9);
	assert_int_equal(hsm_conn_open(box.hsm, &p, &c), HF_E_LIMIT);
	opens(&anna, 0, true);
	opens(&anna, 0, true);
	assert_int_equal(do_session_open(&anna, &q, &r), HF_E_SESSION_COUNT);
	assert_int_equal(closes(&anna), HF_OK);
	opens(&anna, 0, true);
}

static void ten_thousand_sessions_are_no_trouble(void **state)
{
	struct session_close_all_req q = { 0 };
	struct session_close_all_res r;
	struct token_info_req iq = { 0 };
	struct token_info_res ir;

	(void)state;
	for (int i = 0; i < 10000; i++)
		opens(&anna, 0, i % 2 == 0);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(state_of(&anna), CKS_RO_USER_FUNCTIONS);
	assert_int_equal(do_token_info(&anna, &iq, &ir), HF_OK);
	assert_int_equal(ir.sessions, 10000);
	assert_int_equal(ir.rw_sessions, 5000);
	assert_int_equal(log_out(&anna), HF_OK);
	assert_int_equal(do_session_close_all(&anna, &q, &r), HF_OK);
	assert_int_equal(do_token_info(&anna, &iq, &ir), HF_OK);
	assert_int_equal(ir.sessions, 0);
	assert_string_equal(fact(&anna, "sessions"), "0 (0 read/write)");
}

/* --- logout and what runs ------------------------------------------------------------------------ */

static uint64_t a_key(struct who *w)
{
	static const uint8_t yes = 1, len[8] = { 0, 0, 0, 0, 0, 0, 0, 32 };
	const struct attr v[] = {
		{ CKA_VALUE_LEN, SLICE_OF(len) }, { CKA_SIGN, { &yes, 1 } }, { CKA_PRIVATE, { &yes, 1 } },
	};
	struct key_generate_req q = { { .type = CKM_GENERIC_SECRET_KEY_GEN }, { v, 3 } };
	struct key_generate_res r;

	assert_int_equal(do_key_generate(w, &q, &r), HF_OK);
	return r.key;
}

static enum hf_err begin(struct who *w, uint64_t key)
{
	struct sign_init_req q = { { .type = CKM_SHA256_HMAC }, key };
	struct sign_init_res r;

	return do_sign_init(w, &q, &r);
}

static enum hf_err sign(struct who *w)
{
	struct sign_req q = { SLICE_STR("data"), 64 };
	struct sign_res r;

	return do_sign(w, &q, &r);
}

static void a_logout_ends_operations_in_every_session(void **state)
{
	uint64_t first, second, key;

	(void)state;
	opens(&anna, 0, true);
	first = anna.session;
	opens(&anna, 0, true);
	second = anna.session;
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	key = a_key(&anna);
	assert_int_equal(begin(&anna, key), HF_OK);
	anna.session = first;
	assert_int_equal(begin(&anna, key), HF_OK);
	assert_int_equal(log_out(&anna), HF_OK);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(sign(&anna), HF_E_OP_NONE);
	anna.session = second;
	assert_int_equal(sign(&anna), HF_E_OP_NONE);
	assert_int_equal(begin(&anna, key), HF_E_KEY_HANDLE); /* a private session object */
}

/* --- the record ------------------------------------------------------------------------------------ */

/* last finds the newest record of this event. */
static bool last(const char *event, struct audit_record *ret)
{
	struct audit_read_req q = { 0, 50 };
	struct audit_read_res r;
	struct audit_record rec;
	bool found = false;

	assert_int_equal(do_audit_read(&root, &q, &r), HF_OK);
	for (size_t i = 0; i < r.records.n; i++) {
		struct rd in = rd_of(r.records.v[i].record);

		assert_true(audit_record_dec(&in, &root.arena, &rec));
		if (!slice_eq(rec.event, slice_str(event)))
			continue;
		*ret = rec;
		found = true;
	}
	return found;
}

static void a_refused_login_is_on_record(void **state)
{
	struct audit_record rec;

	(void)state;
	opens(&anna, 0, true);
	assert_int_equal(log_in(&anna, CKU_USER, "wrong-secret-pin"), HF_E_PIN_INCORRECT);
	assert_true(last("login", &rec));
	assert_int_equal(rec.result, HF_E_PIN_INCORRECT);
	assert_int_equal(rec.uid, OWNER);
	assert_true(slice_eq(rec.program, SLICE_STR("test")));
	assert_true(slice_eq(rec.partition_label, SLICE_STR("test")));
	/* Behind it stands after which change of the store, for the next start. */
	assert_true(rec.detail.n > 15);
	assert_memory_equal(rec.detail.p, "as user; store ", 15);
	assert_int_equal(rec.session, anna.session);
}

static void a_key_and_its_use_are_on_record(void **state)
{
	struct audit_record rec;

	(void)state;
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(begin(&anna, a_key(&anna)), HF_OK);
	assert_int_equal(sign(&anna), HF_OK);
	assert_true(last("sign_init", &rec));
	assert_int_equal(rec.result, HF_OK);
	assert_int_equal(rec.mechanism, CKM_SHA256_HMAC);
	assert_int_equal(rec.object.n, 16);
	assert_true(slice_eq(rec.role, SLICE_STR("user")));
	assert_true(last("key_generate", &rec));
	assert_int_equal(rec.object.n, 16);
}

static void what_a_rule_refused_is_on_record_even_of_calls_that_are_not(void **state)
{
	struct audit_read_req q = { 0, 10 };
	struct audit_read_res r;
	struct audit_record rec;

	(void)state;
	assert_int_equal(do_audit_read(&anna, &q, &r), HF_E_DENIED);
	assert_true(last("audit_read", &rec));
	assert_int_equal(rec.result, HF_E_DENIED);
	assert_true(slice_eq(rec.detail, SLICE_STR("needs the HSM's auditor (--as auditor)")));
}

static void the_whole_log_verifies(void **state)
{
	struct audit_read_req q = { 1, 4096 };
	struct audit_read_res r;
	struct audit_check check = { 0 };
	struct audit_record rec;
	const char *why;

	(void)state;
	for (int i = 0; i < 20; i++) {
		opens(&anna, 0, true);
		logs_in(&anna, CKU_USER, USER_PIN, NULL);
		assert_int_equal(closes(&anna), HF_OK);
	}
	assert_int_equal(do_audit_read(&root, &q, &r), HF_OK);
	assert_true(r.records.n > 20);
	memcpy(check.public_key, r.public_key.p, 32);
	for (size_t i = 0; i < r.records.n; i++)
		assert_true(audit_check_next(&check, r.records.v[i].record, &root.arena, &rec, &why));
}

/* --- threads ------------------------------------------------------------------------------------------ */

#define THREADS 6
#define ROUNDS 15

static void *live(void *ctx)
{
	struct who w;
	uint64_t slot = *(const uint64_t *)ctx % 2;

	who_comes(&w, &box, OWNER, (uint8_t)(100 + *(const uint64_t *)ctx));
	for (int i = 0; i < ROUNDS; i++) {
		opens(&w, slot, true);
		logs_in(&w, CKU_USER, USER_PIN, NULL);
		assert_int_equal(makes(&w, "x", i % 2 == 0), HF_OK);
		assert_true(finds(&w) > 0);
		assert_int_equal(begin(&w, a_key(&w)), HF_OK);
		assert_int_equal(sign(&w), HF_OK);
		if (i % 3 == 0)
			assert_int_equal(log_out(&w), HF_OK);
		if (i % 4 != 0)
			assert_int_equal(closes(&w), HF_OK);
		else
			(void)fact(&w, "objects");
		who_leaves(&w);
		who_comes(&w, &box, OWNER, (uint8_t)(100 + *(const uint64_t *)ctx));
	}
	who_leaves(&w);
	return NULL;
}

static void many_applications_at_once_do_not_disturb_each_other(void **state)
{
	pthread_t t[THREADS];
	uint64_t n[THREADS];

	(void)state;
	ready(&anna, 1);
	for (uint64_t i = 0; i < THREADS; i++) {
		n[i] = i;
		assert_int_equal(pthread_create(&t[i], NULL, live, &n[i]), 0);
	}
	for (uint64_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	opens(&anna, 0, true);
	logs_in(&anna, CKU_USER, USER_PIN, NULL);
	assert_int_equal(finds(&anna), THREADS / 2 * ROUNDS);
}

static void *make_keys(void *ctx)
{
	struct who w;

	who_comes(&w, &box, OWNER, (uint8_t)(100 + *(const uint64_t *)ctx));
	opens(&w, 0, true);
	logs_in(&w, CKU_USER, USER_PIN, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		struct key_generate_req q = { { .type = CKM_GENERIC_SECRET_KEY_GEN },
			TMPL(B(TOKEN, 1), B(PRIVATE, 1), B(SIGN, 1), U(VALUE_LEN, 32)) };
		struct key_generate_res r;

		assert_int_equal(do_key_generate(&w, &q, &r), HF_OK);
		q.attrs = TMPL(B(TOKEN, 1), B(PRIVATE, 1), B(SIGN, 1), U(VALUE_LEN, 0));
		assert_int_not_equal(do_key_generate(&w, &q, &r), HF_OK);
	}
	who_leaves(&w);
	return NULL;
}

/* Threads make one another's records; each key has one, which is there when the call is answered. */
static void keys_made_at_once_have_one_record_each(void **state)
{
	struct audit_read_req q = { 1, 4096 };
	struct audit_read_res r;
	struct audit_record rec;
	pthread_t t[THREADS];
	uint64_t n[THREADS];
	size_t made = 0, failed = 0;

	(void)state;
	for (uint64_t i = 0; i < THREADS; i++) {
		n[i] = i;
		assert_int_equal(pthread_create(&t[i], NULL, make_keys, &n[i]), 0);
	}
	for (uint64_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	assert_int_equal(do_audit_read(&root, &q, &r), HF_OK);
	for (size_t i = 0; i < r.records.n; i++) {
		struct rd in = rd_of(r.records.v[i].record);

		assert_true(audit_record_dec(&in, &root.arena, &rec));
		if (!slice_eq(rec.event, SLICE_STR("key_generate")))
			continue;
		made += rec.result == HF_OK && rec.object.n == 16;
		failed += rec.result != HF_OK && rec.object.n == 0;
	}
	assert_int_equal(made, THREADS * ROUNDS);
	assert_int_equal(failed, THREADS * ROUNDS);
}

/* Several threads of one application, in sessions that others close under them. */
static void *share(void *ctx)
{
	struct who w;

	(void)ctx;
	who_comes(&w, &box, OWNER, 50);
	for (int i = 0; i < ROUNDS * 4; i++) {
		struct session_close_all_req q = { 0 };
		struct session_close_all_res r;

		opens(&w, 0, true);
		(void)log_in(&w, CKU_USER, USER_PIN);
		(void)state_of(&w);
		(void)log_out(&w);
		if (i % 5 == 0)
			assert_int_equal(do_session_close_all(&w, &q, &r), HF_OK);
	}
	who_leaves(&w);
	return NULL;
}

static void threads_of_one_application_may_close_each_others_sessions(void **state)
{
	pthread_t t[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, share, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(t[i], NULL), 0);
	assert_string_equal(fact(&anna, "sessions"), "0 (0 read/write)");
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_unknown_call_is_answered_so),
		T(broken_fields_are_answered_and_broken_framing_closes),
		T(hello_comes_first),
		T(an_application_is_its_users_own),
		T(a_session_is_its_applications_own),
		T(roles_decide_who_may_call),
		T(in_its_error_state_nothing_but_status_answers),
		T(a_failed_self_test_opens_nothing),
		T(self_tests_run_on_demand),
		T(a_pair_that_fails_its_test_stops_everything),
		T(random_bytes_that_come_twice_stop_everything),
		T(pairs_that_are_quickly_made_need_no_slow_thread),
		T(limits_have_their_own_errors),
		T(ten_thousand_sessions_are_no_trouble),
		T(a_logout_ends_operations_in_every_session),
		T(a_refused_login_is_on_record),
		T(a_key_and_its_use_are_on_record),
		T(what_a_rule_refused_is_on_record_even_of_calls_that_are_not),
		T(the_whole_log_verifies),
		T(many_applications_at_once_do_not_disturb_each_other),
		T(keys_made_at_once_have_one_record_each),
		T(threads_of_one_application_may_close_each_others_sessions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
