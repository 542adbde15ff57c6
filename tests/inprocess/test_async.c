/* Calls that run apart: begun, waited for, kept past their session, joined. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "vault.h"

#define PUB TMPL(U(MODULUS_BITS, 2048), V(PUBLIC_EXPONENT, SLICE_STR("\1\0\1")))
#define PUB_KEPT TMPL(B(TOKEN, 1), U(MODULUS_BITS, 2048), V(PUBLIC_EXPONENT, SLICE_STR("\1\0\1")))
#define AES_KEY TMPL(U(VALUE_LEN, 16), S(LABEL, "apart"))

static struct vault vault;

static int setup(void **state)
{
	vault_open(&vault);
	*state = &vault;
	return 0;
}

static int teardown(void **state)
{
	vault_close(*state);
	return 0;
}

static enum hf_err start(struct vault *v, enum calls_op op, struct buf *fields, uint64_t *ret)
{
	struct async_start_req q = { .op = (uint16_t)op, .fields = buf_slice(fields) };
	struct async_start_res r = { 0 };
	enum hf_err e = do_async_start(v, &q, &r);

	*ret = r.id;
	return e;
}

static enum hf_err start_key(struct vault *v, struct attr_list t, uint64_t *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(4096);
	struct key_generate_req q = { .mech = MECH(AES_KEY_GEN), .attrs = t };

	key_generate_req_enc(&b, &q);
	return start(v, CALLS_KEY_GENERATE, &b, ret);
}

static enum hf_err start_pair(struct vault *v, struct attr_list pub, struct attr_list priv, uint64_t *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(4096);
	struct key_pair_generate_req q = { .mech = MECH(RSA_PKCS_KEY_PAIR_GEN), .pub = pub, .priv = priv };

	key_pair_generate_req_enc(&b, &q);
	return start(v, CALLS_KEY_PAIR_GENERATE, &b, ret);
}

static struct async_take_res wait_for(struct vault *v, uint64_t id)
{
	const struct timespec pause = { 0, 5000000 };
	struct async_take_req q = { .id = id };
	struct async_take_res r = { 0 };

	while (true) {
		assert_int_equal(do_async_take(v, &q, &r), HF_OK);
		if (r.done)
			return r;
		nanosleep(&pause, NULL);
	}
}

static enum hf_err take(struct vault *v, uint64_t id)
{
	struct async_take_req q = { .id = id };
	struct async_take_res r;

	return do_async_take(v, &q, &r);
}

static enum hf_err keep(struct vault *v, uint64_t id)
{
	struct async_keep_req q = { .id = id };
	struct async_keep_res r;

	return do_async_keep(v, &q, &r);
}

static enum hf_err join(struct vault *v, uint64_t id, enum calls_op op)
{
	struct async_join_req q = { .id = id, .op = (uint16_t)op };
	struct async_join_res r;

	return do_async_join(v, &q, &r);
}

static uint64_t key_of(struct vault *v, uint64_t id)
{
	struct async_take_res r = wait_for(v, id);
	struct key_generate_res k = { 0 };
	struct rd rest = rd_of(r.fields);

	assert_int_equal(r.error, 0);
	assert_true(key_generate_res_dec(&rest, &v->arena, &k) && rd_done(&rest));
	return k.key;
}

static struct key_pair_generate_res pair_of(struct vault *v, uint64_t id)
{
	struct async_take_res r = wait_for(v, id);
	struct key_pair_generate_res k = { 0 };
	struct rd rest = rd_of(r.fields);

	assert_int_equal(r.error, 0);
	assert_true(key_pair_generate_res_dec(&rest, &v->arena, &k) && rd_done(&rest));
	return k;
}

static uint64_t open_session(struct vault *v)
{
	struct session_open_req q = { .slot = v->slot, .rw = true };
	struct session_open_res r;

	assert_int_equal(do_session_open(v, &q, &r), HF_OK);
	return r.session;
}

static void close_session(struct vault *v)
{
	struct session_close_req q = { 0 };
	struct session_close_res r;

	assert_int_equal(do_session_close(v, &q, &r), HF_OK);
}

/* --- one application ---------------------------------------------------------- */

static void a_key_is_made_apart(void **state)
{
	struct vault *v = *state;
	uint64_t id, key;

	assert_int_equal(start_key(v, AES_KEY, &id), HF_OK);
	key = key_of(v, id);
	assert_true(slice_eq(value_of(v, key, CKA_LABEL), SLICE_STR("apart")));
	assert_int_equal(key_of(v, id), key); /* an answer that was lost is asked for again */
}

static void the_session_goes_on_meanwhile(void **state)
{
	struct vault *v = *state;
	uint64_t id, other;

	assert_int_equal(start_pair(v, PUB, TMPL_NONE, &id), HF_OK);
	assert_int_equal(start_pair(v, PUB, TMPL_NONE, &other), HF_E_OP_ACTIVE);
	assert_int_equal(start_key(v, AES_KEY, &other), HF_OK);
	generate(v, MECH(AES_KEY_GEN), AES_KEY);
	key_of(v, other);
	assert_true(exists(v, pair_of(v, id).private_key));
	assert_int_equal(start_pair(v, PUB, TMPL_NONE, &other), HF_OK);
	pair_of(v, other);
	assert_int_equal(take(v, id), HF_E_OP_NONE); /* the next of its kind took its place */
}

static void a_start_sent_again_is_one_job(void **state)
{
	struct vault *v = *state;
	uint64_t id, again;

	assert_int_equal(start_key(v, AES_KEY, &id), HF_OK);
	vault_again(v);
	assert_int_equal(start_key(v, AES_KEY, &again), HF_OK);
	assert_int_equal(id, again);
	key_of(v, id);
	assert_int_equal(count(v, TMPL(S(LABEL, "apart"))), 1);
}

static void what_fails_apart_says_so_afterwards(void **state)
{
	struct vault *v = *state;
	uint64_t id;

	assert_int_equal(start_key(v, TMPL(U(VALUE_LEN, 17)), &id), HF_OK);
	assert_int_not_equal(wait_for(v, id).error, 0);
	log_out(v);
	assert_int_equal(start_key(v, AES_KEY, &id), HF_OK);
	assert_int_equal(err_from_wire(wait_for(v, id).error), HF_E_NOT_LOGGED_IN);
}

static void other_calls_do_not_run_apart(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(4096);
	struct vault *v = *state;
	struct logout_req q = { 0 };
	uint64_t id;

	logout_req_enc(&b, &q);
	assert_int_equal(start(v, CALLS_LOGOUT, &b, &id), HF_E_UNSUPPORTED);
	assert_int_equal(start(v, CALLS_ASYNC_START, &b, &id), HF_E_UNSUPPORTED);
	assert_int_equal(start(v, CALLS_KEY_GENERATE, &b, &id), HF_OK); /* no fields */
	assert_int_not_equal(wait_for(v, id).error, 0);
}

static void session_objects_made_apart_end_with_their_session(void **state)
{
	struct vault *v = *state;
	uint64_t first = v->session, id, key;

	v->session = open_session(v);
	assert_int_equal(start_key(v, AES_KEY, &id), HF_OK);
	key = key_of(v, id);
	v->session = first;
	assert_true(exists(v, key));
	v->session = open_session(v);
	assert_int_equal(start_pair(v, PUB, TMPL_NONE, &id), HF_OK);
	close_session(v);
	v->session = first;
	assert_int_equal(take(v, id), HF_E_OP_NONE);
	/* Nobody tells when such a job is over: one of the same kind may not be sooner. */
	assert_int_equal(start_pair(v, PUB, TMPL_NONE, &id), HF_OK);
	pair_of(v, id);
	assert_true(exists(v, key));
}

static void the_login_ends_with_the_last_session(void **state)
{
	struct vault *v = *state;
	struct session_close_all_req q = { .slot = v->slot };
	struct session_close_all_res r;
	uint64_t id;

	assert_int_equal(start_pair(v, PUB, TMPL_NONE, &id), HF_OK);
	assert_int_equal(do_session_close_all(v, &q, &r), HF_OK);
	v->session = open_session(v);
	assert_int_equal(take(v, id), HF_E_OP_NONE);
	assert_int_equal(count(v, TMPL_NONE), 0);
	assert_int_equal(start_key(v, AES_KEY, &id), HF_OK);
	assert_int_equal(err_from_wire(wait_for(v, id).error), HF_E_NOT_LOGGED_IN);
}

/* --- past its session --------------------------------------------------------------- */

static void a_kept_job_is_joined_by_another_application_of_the_user(void **state)
{
	struct vault *v = *state;
	uint64_t id;

	assert_int_equal(start_pair(v, PUB_KEPT, TMPL(B(TOKEN, 1)), &id), HF_OK);
	assert_int_equal(keep(v, id), HF_OK);
	hsm_conn_close(v->conn);
	vault_connect(v);
	assert_int_equal(join(v, id, CALLS_KEY_PAIR_GENERATE), HF_E_SAVED_STATE); /* not logged in */
	login_as(v, CKU_USER, USER_PIN);
	assert_int_equal(take(v, id), HF_E_OP_NONE);
	assert_int_equal(join(v, id, CALLS_KEY_GENERATE), HF_E_SAVED_STATE);
	assert_int_equal(join(v, id + 1, CALLS_KEY_PAIR_GENERATE), HF_E_SAVED_STATE);
	assert_int_equal(join(v, id, CALLS_KEY_PAIR_GENERATE), HF_OK);
	assert_int_equal(join(v, id, CALLS_KEY_PAIR_GENERATE), HF_E_SAVED_STATE); /* once */
	assert_true(exists(v, pair_of(v, id).private_key));
}

static void what_would_not_last_is_not_kept(void **state)
{
	struct vault *v = *state;
	uint64_t id;

	assert_int_equal(start_pair(v, PUB_KEPT, TMPL_NONE, &id), HF_OK);
	assert_int_equal(keep(v, id), HF_E_STATE_UNSAVEABLE);
	assert_int_equal(keep(v, id + 1), HF_E_OP_NONE);
	pair_of(v, id);
}

static void a_job_that_was_not_kept_is_nobody_elses(void **state)
{
	struct vault *v = *state;
	struct hsm_conn *conn = v->conn;
	uint64_t session = v->session, id;

	assert_int_equal(start_pair(v, PUB_KEPT, TMPL(B(TOKEN, 1)), &id), HF_OK);
	vault_connect(v);
	login_as(v, CKU_USER, USER_PIN);
	assert_int_equal(join(v, id, CALLS_KEY_PAIR_GENERATE), HF_E_SAVED_STATE);
	assert_int_equal(take(v, id), HF_E_OP_NONE);
	assert_int_equal(keep(v, id), HF_E_OP_NONE);
	hsm_conn_close(v->conn);
	v->conn = conn;
	v->session = session;
	pair_of(v, id);
}

static void a_restart_of_the_hsm_loses_the_job(void **state)
{
	struct vault *v = *state;
	uint64_t id;

	assert_int_equal(start_pair(v, PUB_KEPT, TMPL(B(TOKEN, 1)), &id), HF_OK);
	assert_int_equal(keep(v, id), HF_OK);
	pair_of(v, id);
	vault_restart(v);
	login_as(v, CKU_USER, USER_PIN);
	assert_int_equal(join(v, id, CALLS_KEY_PAIR_GENERATE), HF_E_SAVED_STATE);
	assert_int_equal(count(v, TMPL(B(TOKEN, 1))), 2);
}

static void so_many_jobs_and_no_more(void **state)
{
	struct vault *v = *state;
	enum hf_err e = HF_OK;
	uint64_t id;
	int n = 0;

	for (; e == HF_OK && n < 100; n++) {
		v->session = open_session(v);
		e = start_key(v, AES_KEY, &id);
	}
	assert_int_equal(e, HF_E_JOBS);
	assert_int_equal(n, 33);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_key_is_made_apart),
		T(the_session_goes_on_meanwhile),
		T(a_start_sent_again_is_one_job),
		T(what_fails_apart_says_so_afterwards),
		T(other_calls_do_not_run_apart),
		T(session_objects_made_apart_end_with_their_session),
		T(the_login_ends_with_the_last_session),
		T(a_kept_job_is_joined_by_another_application_of_the_user),
		T(what_would_not_last_is_not_kept),
		T(a_job_that_was_not_kept_is_nobody_elses),
		T(a_restart_of_the_hsm_loses_the_job),
		T(so_many_jobs_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
