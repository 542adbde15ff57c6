/* Many threads in one partition: nothing lost, nothing left, nothing mixed up. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "vault.h"

#define THREADS 4
#define ROUNDS 150

/* struct worker is one application: its own connection, session and login. */
struct worker {
	struct vault v;
	pthread_t thread;
	int id;
	uint64_t object; /* that all of them change */
	const char *failed; /* NULL: all went well */
};

static void start(const struct vault *v, struct worker w[THREADS], void *(*run)(void *),
	uint64_t object)
{
	for (int i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .v = *v, .id = i, .object = object };
		w[i].v.arena = (struct arena){ 0 };
		w[i].v.answer = BUF_MAX(WIRE_MAX_BYTES);
		vault_connect(&w[i].v);
		login_as(&w[i].v, CKU_USER, USER_PIN);
	}
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&w[i].thread, NULL, run, &w[i]), 0);
}

static void end(struct worker w[THREADS])
{
	for (int i = 0; i < THREADS; i++) {
		(void)pthread_join(w[i].thread, NULL);
		if (w[i].failed != NULL)
			fail_msg("thread %d: %s", i, w[i].failed);
		hsm_conn_close(w[i].v.conn);
		buf_done(&w[i].v.answer);
		arena_done(&w[i].v.arena);
	}
}

#define WANT(w, what)                                                          \
	do {                                                                   \
		if (!(what)) {                                                 \
			(w)->failed = #what;                                   \
			return;                                                \
		}                                                              \
	} while (0)

static void one_round(struct worker *w, int round)
{
	char label[32];
	struct slice name, sig;
	struct object_create_res made;
	struct attr_set_res set;
	struct object_destroy_res gone;
	struct find_res found;
	struct vault *v = &w->v;

	snprintf(label, sizeof(label), "thread %d, round %d", w->id, round);
	name = slice_str(label);
	struct object_create_req q = { .attrs = TMPL(U(CLASS, CKO_SECRET_KEY),
		U(KEY_TYPE, CKK_SHA256_HMAC), AES_16, B(TOKEN, round % 3 == 0)) };
	WANT(w, do_object_create(v, &q, &made) == HF_OK);
	struct attr_set_req sq = { .object = made.object, .attrs = TMPL(V(LABEL, name)) };
	WANT(w, do_attr_set(v, &sq, &set) == HF_OK);
	struct find_req fq = { .attrs = TMPL(V(LABEL, name)), .max = 10 };
	WANT(w, do_find(v, &fq, &found) == HF_OK);
	WANT(w, found.objects.n == 1 && found.objects.v[0] == made.object);
	WANT(w, sign_with(v, MECH(SHA256_HMAC), made.object, name, &sig) == HF_OK);
	struct object_destroy_req dq = { .object = made.object };
	WANT(w, do_object_destroy(v, &dq, &gone) == HF_OK);
	WANT(w, !exists(v, made.object));
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < ROUNDS && w->failed == NULL; i++) {
		one_round(w, i);
		arena_reset(&w->v.arena);
	}
	return NULL;
}

static void applications_do_not_disturb_each_other(void **state)
{
	static struct vault v;
	static struct worker w[THREADS];

	(void)state;
	vault_open(&v);
	start(&v, w, work, 0);
	end(w);
	assert_int_equal(count(&v, TMPL_NONE), 0);
	vault_close(&v);
}

static bool store_is_as_left(struct vault *v)
{
	struct status_req q = { 0 };
	struct status_res r;

	assert_int_equal(do_status(v, &q, &r), HF_OK);
	for (size_t i = 0; i < r.facts.n; i++)
		if (slice_eq(r.facts.v[i].name, SLICE_STR("store")))
			return slice_eq(r.facts.v[i].value, SLICE_STR("as it was left"));
	return false;
}

/* Whoever comes too late is told so, and nobody's change is half done. */
static void *relabel(void *arg)
{
	struct worker *w = arg;
	struct attr_set_res r;
	char label[8] = { (char)('a' + w->id) };
	struct attr_set_req q = { .object = w->object,
		.attrs = TMPL(V(LABEL, slice_str(label)), V(ID, slice_str(label))) };

	for (int i = 0; i < ROUNDS && w->failed == NULL; i++) {
		enum hf_err e = do_attr_set(&w->v, &q, &r);

		if (e != HF_OK && e != HF_E_CONFLICT)
			w->failed = err_name(e);
	}
	return NULL;
}

static void changes_of_one_object_are_whole(void **state)
{
	static struct vault v;
	static struct worker w[THREADS];
	uint64_t object;

	(void)state;
	vault_open(&v);
	object = create(&v, TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES), AES_16,
		B(TOKEN, 1)));
	start(&v, w, relabel, object);
	end(w);
	assert_true(slice_eq(value_of(&v, object, CKA_LABEL), value_of(&v, object, CKA_ID)));
	assert_int_equal(count(&v, TMPL_NONE), 1);
	vault_restart(&v);
	assert_true(store_is_as_left(&v));
	vault_close(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(applications_do_not_disturb_each_other),
		cmocka_unit_test(changes_of_one_object_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
