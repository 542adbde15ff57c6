/* Objects: durable before visible, found quickly, gone when they should be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "engine.h"

#define DATA U(CLASS, CKO_DATA), S(VALUE, "v")
#define ON_TOKEN B(TOKEN, 1)

static int setup(void **state)
{
	static struct engine e;

	engine_open(&e);
	*state = &e;
	return 0;
}

static int teardown(void **state)
{
	engine_close(*state);
	return 0;
}

static bool sees(struct engine *e, uint64_t handle)
{
	CLEANUP(object_release) struct object *o = NULL;

	return object_get(&e->c, handle, HF_E_OBJECT_HANDLE, &o) == HF_OK;
}

static struct object *get(struct engine *e, uint64_t handle)
{
	struct object *o = NULL;

	assert_int_equal(object_get(&e->c, handle, HF_E_OBJECT_HANDLE, &o), HF_OK);
	return o;
}

static enum hf_err add(struct engine *e, struct attr_list t)
{
	struct birth_info b = { .how = BIRTH_CREATE, .cko = ATTRS_AS_GIVEN, .ckk = ATTRS_AS_GIVEN,
		.role = ROLE_USER };
	CLEANUP(attrs_done) struct attrs a = { 0 };
	CLEANUP(object_release) struct object *o = NULL;

	engine_call(e);
	assert_int_equal(attrs_birth(&b, t, &a), HF_OK);
	return object_add(&e->c, &a, &o);
}

static size_t find(struct engine *e, struct attr_list t)
{
	struct u64_list l;
	uint64_t cursor;

	engine_call(e);
	assert_int_equal(objects_find(&e->c, t, 0, 100, &l, &cursor), HF_OK);
	for (size_t i = 1; i < l.n; i++)
		assert_true(l.v[i - 1] < l.v[i]);
	return l.n;
}

/* --- coming ---------------------------------------------------------------------- */

static void a_token_object_is_durable_when_it_appears(void **state)
{
	struct engine *e = *state;

	engine_add(e, TMPL(DATA, ON_TOKEN));
	assert_int_equal(stub_store.records, 1);
	assert_int_equal(objects_count(e->part.objects), 1);
}

static void invisible_during(void *ctx)
{
	struct engine *e = ctx;

	assert_int_equal(objects_count(e->part.objects), 0);
}

static void nothing_appears_before_it_is_durable(void **state)
{
	struct engine *e = *state;

	stub_store.during = invisible_during;
	stub_store.ctx = e;
	engine_add(e, TMPL(DATA, ON_TOKEN));
	assert_int_equal(objects_count(e->part.objects), 1);
}

static void nothing_appears_that_the_store_refused(void **state)
{
	struct engine *e = *state;

	stub_store.fail = HF_E_STORE;
	assert_int_equal(add(e, TMPL(DATA, ON_TOKEN)), HF_E_STORE);
	assert_int_equal(objects_count(e->part.objects), 0);
}

static void a_session_object_is_never_stored(void **state)
{
	struct engine *e = *state;

	engine_add(e, TMPL(DATA));
	assert_int_equal(stub_store.writes, 0);
}

static void handles_have_48_bits_and_follow_the_unique_id(void **state)
{
	struct engine *e = *state;
	struct object *o = engine_add(e, TMPL(DATA));
	struct slice id = attrs_get(&o->attrs, CKA_UNIQUE_ID);
	char hex[13];

	assert_int_equal(id.n, 2 * UID_LEN);
	snprintf(hex, sizeof(hex), "%012llx", (unsigned long long)o->handle);
	assert_memory_equal(hex, id.p, 12);
	assert_true(o->handle != 0 && o->handle >> 48 == 0);
}

static void objects_made_one_after_another_stand_side_by_side(void **state)
{
	enum { MANY = 100 };
	struct engine *e = *state;
	uint8_t uid[MANY][UID_LEN];

	for (size_t i = 0; i < MANY; i++) {
		memcpy(uid[i], engine_add(e, TMPL(DATA))->uid, UID_LEN);
		if (i > 0)
			assert_int_equal(((get_u32(uid[i]) >> 8) - (get_u32(uid[i - 1]) >> 8)) & 0xffffff, 1);
		for (size_t j = 0; j < i; j++)
			assert_memory_not_equal(uid[i] + 3, uid[j] + 3, UID_LEN - 3);
	}
}

static void a_handle_in_use_is_drawn_again(void **state)
{
	struct engine *e = *state;

	stub_uid((const uint8_t[6]){ 1, 2, 3, 4, 5, 6 }, 1);
	engine_add(e, TMPL(DATA));
	stub_uid((const uint8_t[6]){ 1, 2, 3, 4, 5, 6 }, 2);
	engine_add(e, TMPL(DATA));
	stub_uid((const uint8_t[6]){ 0 }, 1); /* and so is 0 */
	assert_int_not_equal(engine_add(e, TMPL(DATA))->handle, 0);
	assert_int_equal(objects_count(e->part.objects), 3);
}

static void a_read_only_session_makes_no_token_objects(void **state)
{
	struct engine *e = *state;

	e->session.rw = false;
	assert_int_equal(add(e, TMPL(DATA, ON_TOKEN)), HF_E_SESSION_RO);
	assert_int_equal(add(e, TMPL(DATA)), HF_OK);
}

static void nobody_makes_private_objects_without_the_user(void **state)
{
	struct engine *e = *state;

	e->c.role = ROLE_SO;
	assert_int_equal(add(e, TMPL(DATA)), HF_E_NOT_LOGGED_IN);
	assert_int_equal(add(e, TMPL(DATA, B(PRIVATE, 0))), HF_OK);
}

static void a_full_partition_takes_no_more(void **state)
{
	struct engine *e = *state;

	e->hsm.cfg.max_objects = 1;
	assert_int_equal(add(e, TMPL(DATA)), HF_OK);
	assert_int_equal(add(e, TMPL(DATA)), HF_E_LIMIT);
}

static void close_during(void *ctx)
{
	struct engine *e = ctx;

	secret_done(&e->part.key);
	objects_drop_private(e->part.objects);
}

static void a_private_object_made_during_the_last_logout_stays_hidden(void **state)
{
	struct engine *e = *state;

	stub_store.during = close_during;
	stub_store.ctx = e;
	assert_int_equal(add(e, TMPL(DATA, ON_TOKEN)), HF_OK);
	assert_int_equal(stub_store.records, 1);
	assert_int_equal(objects_count(e->part.objects), 0);
}

static void a_closed_session_gets_no_objects(void **state)
{
	struct engine *e = *state;

	e->session.closed = true;
	assert_int_equal(add(e, TMPL(DATA)), HF_E_SESSION_CLOSED);
	assert_int_equal(objects_count(e->part.objects), 0);
}

static enum hf_err add_pair(struct engine *e, uint64_t h[2])
{
	struct birth_info b = { .how = BIRTH_CREATE, .cko = CKO_DATA, .role = ROLE_USER };
	CLEANUP(attrs_done) struct attrs x = { 0 };
	CLEANUP(attrs_done) struct attrs y = { 0 };
	struct object *v[2] = { NULL };
	enum hf_err r;

	engine_call(e);
	assert_int_equal(attrs_birth(&b, TMPL(ON_TOKEN, S(LABEL, "a")), &x), HF_OK);
	assert_int_equal(attrs_birth(&b, TMPL(ON_TOKEN, S(LABEL, "b")), &y), HF_OK);
	r = object_add_pair(&e->c, &x, &y, &v[0], &v[1]);
	for (int i = 0; i < 2 && v[i] != NULL; i++) {
		h[i] = v[i]->handle;
		object_unref(v[i]);
	}
	return r;
}

static void a_pair_is_written_in_one_batch(void **state)
{
	uint64_t h[2];

	assert_int_equal(add_pair(*state, h), HF_OK);
	assert_int_equal(stub_store.writes, 1);
	assert_int_equal(stub_store.records, 2);
}

static void of_a_pair_refused_neither_half_appears(void **state)
{
	struct engine *e = *state;
	uint64_t h[2];

	stub_store.fail = HF_E_STORE;
	assert_int_equal(add_pair(e, h), HF_E_STORE);
	assert_int_equal(objects_count(e->part.objects), 0);
}

/* --- loading ----------------------------------------------------------------------- */

static void record_of(const struct object *o, struct secret *ret, char name[80])
{
	char hex[2 * UID_LEN + 1];
	struct slice plain;
	uint64_t version;

	hex_encode((struct slice){ o->uid, UID_LEN }, hex);
	assert_true(stub_record(hex, &plain, &version));
	assert_int_equal(secret_dup(plain, ret), HF_OK);
	snprintf(name, 80, "p/0123456789abcdef/prv/%s", hex);
}

static void a_stored_object_loads_as_it_was(void **state)
{
	struct engine *e = *state;
	struct object *o = engine_add(e, TMPL(DATA, ON_TOKEN, S(LABEL, "kept")));
	CLEANUP(secret_done) struct secret plain = { 0 };
	uint64_t handle = o->handle;
	char name[80];

	record_of(o, &plain, name);
	objects_drop_private(e->part.objects);
	assert_false(sees(e, handle));
	assert_int_equal(objects_load(e->part.objects, name, 1, secret_slice(&plain)), HF_OK);
	assert_true(sees(e, handle));
	assert_int_equal(find(e, TMPL(S(LABEL, "kept"))), 1);
}

static void loading_twice_changes_nothing(void **state)
{
	struct engine *e = *state;
	struct object *o = engine_add(e, TMPL(DATA, ON_TOKEN));
	CLEANUP(secret_done) struct secret plain = { 0 };
	char name[80];

	record_of(o, &plain, name);
	assert_int_equal(objects_load(e->part.objects, name, 1, secret_slice(&plain)), HF_OK);
	assert_int_equal(objects_count(e->part.objects), 1);
}

#define MANY (2 * OBJECTS_BATCH + 5)

/* load_many loads one record under many names, whose first 12 digits are the handle. */
static enum hf_err load_many(struct objects_batch *b, struct slice plain, unsigned rest)
{
	char name[80];

	for (unsigned i = 1; i <= MANY; i++) {
		snprintf(name, sizeof(name), "p/0123456789abcdef/prv/%012x%020x", i, rest);
		TRY(objects_load_later(b, name, 1, plain));
	}
	return objects_batch_put(b);
}

static void many_stored_objects_load_together(void **state)
{
	struct engine *e = *state;
	struct object *o = engine_add(e, TMPL(DATA, ON_TOKEN, S(LABEL, "many")));
	struct objects_batch b = { .t = e->part.objects };
	CLEANUP(secret_done) struct secret plain = { 0 };
	char name[80];

	record_of(o, &plain, name);
	objects_drop_private(b.t);
	objects_expect(b.t, MANY);
	assert_int_equal(load_many(&b, secret_slice(&plain), 7), HF_OK);
	assert_int_equal(b.n, 0);
	assert_int_equal(objects_count(b.t), MANY);
	assert_int_equal(find(e, TMPL(S(LABEL, "many"))), 100); /* at most, here */
	for (unsigned i = 1; i <= MANY; i++)
		assert_true(sees(e, i));
	assert_int_equal(load_many(&b, secret_slice(&plain), 7), HF_OK); /* they are there already */
	/* others with their handles */
	assert_int_equal(load_many(&b, secret_slice(&plain), 8), HF_E_CONFLICT);
	assert_int_equal(b.n, 0);
	assert_int_equal(objects_count(b.t), MANY);
	assert_int_equal(objects_load_later(&b, name, 1, secret_slice(&plain)), HF_OK);
	objects_batch_done(&b);
	assert_int_equal(objects_count(b.t), MANY);
}

static void what_is_no_record_is_damaged(void **state)
{
	struct engine *e = *state;
	struct object *o = engine_add(e, TMPL(DATA, ON_TOKEN));
	CLEANUP(secret_done) struct secret plain = { 0 };
	struct objects *t = NULL;
	char name[80];

	record_of(o, &plain, name);
	assert_int_equal(objects_new(&t), HF_OK);
	for (size_t n = 0; n < plain.n; n++)
		assert_int_equal(
			objects_load(t, name, 1, (struct slice){ plain.p, n }), HF_E_DAMAGED);
	assert_int_equal(objects_load(t, "p/x/prv/12", 1, secret_slice(&plain)), HF_E_DAMAGED);
	plain.p[0] = 9;
	assert_int_equal(objects_load(t, name, 1, secret_slice(&plain)), HF_E_DAMAGED);
	assert_int_equal(objects_count(t), 0);
	objects_free(t);
}

/* --- seeing --------------------------------------------------------------------------- */

static void private_objects_are_the_users_alone(void **state)
{
	struct engine *e = *state;
	uint64_t open = engine_add(e, TMPL(DATA, B(PRIVATE, 0)))->handle;
	uint64_t closed = engine_add(e, TMPL(DATA))->handle;

	e->c.role = ROLE_SO;
	assert_true(sees(e, open));
	assert_false(sees(e, closed));
	assert_int_equal(find(e, TMPL(DATA)), 1);
	e->c.role = ROLE_PUBLIC;
	assert_false(sees(e, closed));
}

static void session_objects_are_their_applications_alone(void **state)
{
	struct engine *e = *state;
	uint64_t session = engine_add(e, TMPL(DATA))->handle;
	uint64_t token = engine_add(e, TMPL(DATA, ON_TOKEN))->handle;
	struct app other = { 0 };

	e->c.app = &other;
	assert_false(sees(e, session));
	assert_true(sees(e, token));
	assert_int_equal(find(e, TMPL_NONE), 1);
	e->c.app = &e->app;
}

static void session_objects_go_with_their_session(void **state)
{
	struct engine *e = *state;
	uint64_t mine = engine_add(e, TMPL(DATA))->handle;
	uint64_t token = engine_add(e, TMPL(DATA, ON_TOKEN))->handle, later;

	e->session.by_id.key = 8;
	later = engine_add(e, TMPL(DATA))->handle;
	objects_drop_session(e->part.objects, &e->app, 7, false);
	assert_false(sees(e, mine));
	assert_true(sees(e, later));
	assert_true(sees(e, token));
	objects_drop_session(e->part.objects, &e->app, 0, false);
	assert_false(sees(e, later));
}

static void a_logout_takes_private_session_objects_only(void **state)
{
	struct engine *e = *state;
	uint64_t closed = engine_add(e, TMPL(DATA))->handle;
	uint64_t open = engine_add(e, TMPL(DATA, B(PRIVATE, 0)))->handle;

	objects_drop_session(e->part.objects, &e->app, 0, true);
	assert_false(sees(e, closed));
	assert_true(sees(e, open));
}

static void the_last_logout_forgets_private_token_objects(void **state)
{
	struct engine *e = *state;
	uint64_t closed = engine_add(e, TMPL(DATA, ON_TOKEN))->handle;
	uint64_t open = engine_add(e, TMPL(DATA, ON_TOKEN, B(PRIVATE, 0)))->handle;

	objects_drop_private(e->part.objects);
	assert_false(sees(e, closed));
	assert_true(sees(e, open));
	assert_int_equal(stub_store.records, 2);
}

/* --- changing and going ------------------------------------------------------------- */

static enum hf_err relabel(struct engine *e, struct object *o, const char *label)
{
	CLEANUP(attrs_done) struct attrs a = { 0 };

	assert_int_equal(attrs_dup(&o->attrs, &a), HF_OK);
	assert_int_equal(attrs_set(&a, CKA_LABEL, slice_str(label)), HF_OK);
	return object_replace(&e->c, o, &a);
}

static void a_change_makes_a_new_snapshot(void **state)
{
	struct engine *e = *state;
	uint64_t handle = engine_add(e, TMPL(DATA, ON_TOKEN, S(LABEL, "old")))->handle;
	CLEANUP(object_release) struct object *before = get(e, handle);
	CLEANUP(object_release) struct object *after = NULL;

	assert_int_equal(relabel(e, before, "new"), HF_OK);
	after = get(e, handle);
	assert_true(slice_eq(attrs_get(&before->attrs, CKA_LABEL), SLICE_STR("old")));
	assert_true(slice_eq(attrs_get(&after->attrs, CKA_LABEL), SLICE_STR("new")));
	assert_int_equal(find(e, TMPL(S(LABEL, "old"))), 0);
	assert_int_equal(find(e, TMPL(S(LABEL, "new"))), 1);
}

static void of_two_changes_at_once_one_is_refused(void **state)
{
	struct engine *e = *state;

	for (int token = 0; token < 2; token++) {
		uint64_t handle = engine_add(e, TMPL(DATA, B(TOKEN, (uint8_t)token)))->handle;
		CLEANUP(object_release) struct object *o = get(e, handle);

		assert_int_equal(relabel(e, o, "first"), HF_OK);
		assert_int_equal(relabel(e, o, "second"), HF_E_CONFLICT);
		assert_int_equal(object_destroy(&e->c, o), HF_E_CONFLICT);
	}
	assert_int_equal(find(e, TMPL(S(LABEL, "first"))), 2);
}

static void an_object_the_store_would_not_delete_stays_usable(void **state)
{
	struct engine *e = *state;
	uint64_t handle = engine_add(e, TMPL(DATA, ON_TOKEN))->handle;
	CLEANUP(object_release) struct object *o = get(e, handle);

	stub_store.fail = HF_E_STORE;
	assert_int_equal(object_destroy(&e->c, o), HF_E_STORE);
	assert_true(sees(e, handle));
}

static void a_destroyed_object_is_gone_everywhere(void **state)
{
	struct engine *e = *state;
	uint64_t handle = engine_add(e, TMPL(DATA, ON_TOKEN, S(LABEL, "x")))->handle;
	CLEANUP(object_release) struct object *o = get(e, handle);

	assert_int_equal(object_destroy(&e->c, o), HF_OK);
	assert_false(sees(e, handle));
	assert_int_equal(stub_store.records, 0);
	assert_int_equal(find(e, TMPL(S(LABEL, "x"))), 0);
}

static void the_undestroyable_and_the_read_only_stay(void **state)
{
	struct engine *e = *state;
	struct object *fixed = engine_add(e, TMPL(DATA, B(DESTROYABLE, 0)));
	struct object *token = engine_add(e, TMPL(DATA, ON_TOKEN));

	assert_int_equal(object_destroy(&e->c, fixed), HF_E_DESTROY_PROHIBITED);
	e->session.rw = false;
	assert_int_equal(object_destroy(&e->c, token), HF_E_SESSION_RO);
	assert_int_equal(relabel(e, token, "x"), HF_E_SESSION_RO);
}

/* --- repeating ------------------------------------------------------------------------- */

static void a_repeated_call_finds_what_it_made(void **state)
{
	struct engine *e = *state;
	uint64_t handle = engine_add(e, TMPL(DATA, ON_TOKEN))->handle;
	struct object *was[2];

	assert_int_equal(object_by_origin(&e->c, was), 0);
	e->c.head.flags = WIRE_FLAG_REPEAT;
	assert_int_equal(object_by_origin(&e->c, was), 1);
	assert_int_equal(was[0]->handle, handle);
	object_unref(was[0]);
	e->c.head.request++;
	assert_int_equal(object_by_origin(&e->c, was), 0);
}

static void a_repeated_pair_is_found_public_half_first(void **state)
{
	struct engine *e = *state;
	struct object *was[2];

	engine_add(e, TMPL(U(CLASS, CKO_PUBLIC_KEY), U(KEY_TYPE, CKK_EC), S(EC_PARAMS, "p"),
		S(EC_POINT, "q")));
	e->c.head.request--;
	engine_add(e, TMPL(U(CLASS, CKO_PRIVATE_KEY), U(KEY_TYPE, CKK_EC), S(EC_PARAMS, "p"),
		S(VALUE, "x")));
	e->c.head.flags = WIRE_FLAG_REPEAT;
	assert_int_equal(object_by_origin(&e->c, was), 2);
	assert_int_equal(was[0]->cko, CKO_PUBLIC_KEY);
	assert_int_equal(was[1]->cko, CKO_PRIVATE_KEY);
	object_unref(was[0]);
	object_unref(was[1]);
}

/* --- finding ------------------------------------------------------------------------- */

static void objects_are_found_by_each_way(void **state)
{
	struct engine *e = *state;
	struct object *o = engine_add(e, TMPL(DATA, S(LABEL, "one"), S(APPLICATION, "app")));
	struct slice uid = attrs_get(&o->attrs, CKA_UNIQUE_ID);

	engine_add(e, TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES), AES_16, S(ID, "id")));
	assert_int_equal(find(e, TMPL_NONE), 2);
	assert_int_equal(find(e, TMPL(S(LABEL, "one"))), 1);
	assert_int_equal(find(e, TMPL(S(LABEL, "one"), U(CLASS, CKO_SECRET_KEY))), 0);
	assert_int_equal(find(e, TMPL(S(ID, "id"))), 1);
	assert_int_equal(find(e, TMPL(V(UNIQUE_ID, uid))), 1);
	assert_int_equal(find(e, TMPL(S(UNIQUE_ID, "no such id"))), 0);
	assert_int_equal(find(e, TMPL(U(CLASS, CKO_DATA))), 1);
	assert_int_equal(find(e, TMPL(S(APPLICATION, "app"))), 1);
	assert_int_equal(find(e, TMPL(E(LABEL))), 1);
}

static void pages_hold_every_object_once_in_order(void **state)
{
	struct engine *e = *state;
	uint64_t after = 0, last = 0, cursor = 1;
	struct u64_list l;
	size_t total = 0;

	for (int i = 0; i < 500; i++)
		engine_add(e, TMPL(DATA, S(LABEL, "same")));
	while (cursor != 0) {
		engine_call(e);
		assert_int_equal(objects_find(&e->c, TMPL(S(LABEL, "same")), after, 7, &l, &cursor),
			HF_OK);
		assert_true(l.n == 7 || cursor == 0);
		for (size_t i = 0; i < l.n; i++) {
			assert_true(l.v[i] > last);
			last = l.v[i];
		}
		total += l.n;
		after = cursor;
	}
	assert_int_equal(total, 500);
}

static void labels_are_found_among_many(void **state)
{
	struct engine *e = *state;
	char label[16];

	e->hsm.cfg.max_objects = 3000;
	for (int i = 0; i < 2000; i++) {
		snprintf(label, sizeof(label), "key-%d", i);
		engine_add(e, TMPL(DATA, V(LABEL, slice_str(label))));
	}
	for (int i = 0; i < 2000; i += 97) {
		snprintf(label, sizeof(label), "key-%d", i);
		assert_int_equal(find(e, TMPL(V(LABEL, slice_str(label)))), 1);
	}
}

static void a_label_that_is_no_text_does_not_reach_the_audit(void **state)
{
	struct engine *e = *state;
	const uint8_t bad[] = { 'a', 0xff, 0 };

	object_audit(&e->c, engine_add(e, TMPL(DATA, V(LABEL, SLICE_OF(bad)))));
	assert_string_equal(e->c.audit.object_label, "(not text)");
	object_audit(&e->c, engine_add(e, TMPL(DATA, S(LABEL, "schl\xc3\xbcssel"))));
	assert_string_equal(e->c.audit.object_label, "schl\xc3\xbcssel");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_token_object_is_durable_when_it_appears),
		T(nothing_appears_before_it_is_durable),
		T(nothing_appears_that_the_store_refused),
		T(a_session_object_is_never_stored),
		T(handles_have_48_bits_and_follow_the_unique_id),
		T(objects_made_one_after_another_stand_side_by_side),
		T(a_handle_in_use_is_drawn_again),
		T(a_read_only_session_makes_no_token_objects),
		T(nobody_makes_private_objects_without_the_user),
		T(a_full_partition_takes_no_more),
		T(a_private_object_made_during_the_last_logout_stays_hidden),
		T(a_closed_session_gets_no_objects),
		T(a_pair_is_written_in_one_batch),
		T(of_a_pair_refused_neither_half_appears),
		T(a_stored_object_loads_as_it_was),
		T(loading_twice_changes_nothing),
		T(many_stored_objects_load_together),
		T(what_is_no_record_is_damaged),
		T(private_objects_are_the_users_alone),
		T(session_objects_are_their_applications_alone),
		T(session_objects_go_with_their_session),
		T(a_logout_takes_private_session_objects_only),
		T(the_last_logout_forgets_private_token_objects),
		T(a_change_makes_a_new_snapshot),
		T(of_two_changes_at_once_one_is_refused),
		T(an_object_the_store_would_not_delete_stays_usable),
		T(a_destroyed_object_is_gone_everywhere),
		T(the_undestroyable_and_the_read_only_stay),
		T(a_repeated_call_finds_what_it_made),
		T(a_repeated_pair_is_found_public_half_first),
		T(objects_are_found_by_each_way),
		T(pages_hold_every_object_once_in_order),
		T(labels_are_found_among_many),
		T(a_label_that_is_no_text_does_not_reach_the_audit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
