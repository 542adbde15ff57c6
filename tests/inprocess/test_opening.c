/* More private objects than one page of the store holds: they come into memory behind the login. */
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "module.h"
#include "partition.h"
#include "records.h"
#include "vault.h"

#define OBJECTS 40
#define VALUE 60000u /* bytes: 40 of them are more than a page of 1 MiB */

static uint64_t handle[OBJECTS];

static uint64_t make(struct vault *v, uint8_t n)
{
	static uint8_t value[VALUE];
	struct object_create_req q = { .attrs = TMPL(U(CLASS, CKO_DATA), B(TOKEN, 1), B(PRIVATE, 1),
		S(LABEL, "one of many"), V(OBJECT_ID, ((struct slice){ &n, 1 })),
		V(VALUE, SLICE_OF(value))) };
	struct object_create_res r = { 0 };

	value[0] = n;
	assert_int_equal(do_object_create(v, &q, &r), HF_OK);
	return r.object;
}

static int setup(void **state)
{
	static struct vault v;

	vault_open(&v);
	for (uint8_t i = 0; i < OBJECTS; i++)
		handle[i] = make(&v, i);
	log_out(&v);
	*state = &v;
	return 0;
}

static int teardown(void **state)
{
	vault_close(*state);
	return 0;
}

static enum hf_err first_of(struct vault *v, uint64_t object, uint8_t *ret_first)
{
	const uint32_t types[] = { CKA_VALUE };
	struct attr_get_req q = { .object = object, .types = { types, 1 } };
	struct attr_get_res r = { 0 };

	TRY(do_attr_get(v, &q, &r));
	assert_int_equal(r.got.n, 1);
	assert_int_equal(r.got.v[0].value.n, VALUE);
	*ret_first = r.got.v[0].value.p[0];
	return HF_OK;
}

static size_t how_many(struct vault *v)
{
	struct find_req q = { .attrs = TMPL(S(LABEL, "one of many")), .max = 1000 };
	struct find_res r = { 0 };

	assert_int_equal(do_find(v, &q, &r), HF_OK);
	return r.objects.n;
}

static enum hf_err destroy(struct vault *v, uint64_t object)
{
	struct object_destroy_req q = { .object = object };
	struct object_destroy_res r;

	return do_object_destroy(v, &q, &r);
}

static void each_is_there_by_its_handle_at_once(void **state)
{
	struct vault *v = *state;
	uint8_t first;

	for (unsigned turn = 0; turn < 3; turn++) {
		login_as(v, CKU_USER, USER_PIN);
		for (unsigned i = 0; i < OBJECTS; i++) {
			assert_int_equal(first_of(v, handle[OBJECTS - 1 - i], &first), HF_OK);
			assert_int_equal(first, OBJECTS - 1 - i);
		}
		assert_int_equal(first_of(v, 0x123456789abc, &first), HF_E_OBJECT_HANDLE);
		log_out(v);
		assert_int_equal(first_of(v, handle[0], &first), HF_E_OBJECT_HANDLE);
	}
}

static void a_search_finds_all(void **state)
{
	struct vault *v = *state;

	for (unsigned turn = 0; turn < 10; turn++) {
		login_as(v, CKU_USER, USER_PIN);
		assert_int_equal(how_many(v), OBJECTS);
		log_out(v);
		assert_int_equal(how_many(v), 0);
	}
}

static void what_is_destroyed_meanwhile_stays_away(void **state)
{
	struct vault *v = *state;

	for (unsigned i = 0; i < OBJECTS / 2; i++) {
		login_as(v, CKU_USER, USER_PIN);
		assert_int_equal(destroy(v, handle[OBJECTS - 1 - i]), HF_OK);
		assert_int_equal(how_many(v), OBJECTS - 1 - i);
		log_out(v);
	}
}

static void a_logout_does_not_wait(void **state)
{
	struct vault *v = *state;

	for (unsigned turn = 0; turn < 10; turn++) {
		login_as(v, CKU_USER, USER_PIN);
		log_out(v);
	}
	assert_int_equal(how_many(v), 0);
}

static void a_stop_ends_it(void **state)
{
	struct vault *v = *state;

	login_as(v, CKU_USER, USER_PIN);
	vault_restart(v);
	login_as(v, CKU_USER, USER_PIN);
	assert_int_equal(how_many(v), OBJECTS);
}

/* --- by their tags, while the rest is still on its way ------------------------------ */

static uint64_t key_called(struct vault *v, const char *label, const char *id)
{
	return generate(v, MECH(AES_KEY_GEN), TMPL(U(VALUE_LEN, 32), B(TOKEN, 1), B(PRIVATE, 1),
		V(LABEL, slice_str(label)), V(ID, slice_str(id))));
}

/* is_being_opened logs in; until let_on only the first page comes. */
static void is_being_opened(struct vault *v)
{
	keeper_memory_hold_opening(v->keeper, true);
	login_as(v, CKU_USER, USER_PIN);
}

static void let_on(struct vault *v)
{
	keeper_memory_hold_opening(v->keeper, false);
}

static size_t called(struct vault *v, const char *label)
{
	return count(v, TMPL(V(LABEL, slice_str(label))));
}

static size_t with_id(struct vault *v, const char *id)
{
	return count(v, TMPL(V(ID, slice_str(id))));
}

static void rename_to(struct vault *v, uint64_t object, const char *label)
{
	struct attr_set_req q = { .object = object, .attrs = TMPL(V(LABEL, slice_str(label))) };
	struct attr_set_res r;

	assert_int_equal(do_attr_set(v, &q, &r), HF_OK);
}

#define KEYS 24

/* Some of the keys lie in the first page, the others behind it. */
static void make_keys(struct vault *v, uint64_t key[KEYS])
{
	char label[16], id[16];

	login_as(v, CKU_USER, USER_PIN);
	for (unsigned i = 0; i < KEYS; i++) {
		(void)snprintf(label, sizeof(label), "key %u", i / 2); /* two of each label */
		(void)snprintf(id, sizeof(id), "id %u", i);
		key[i] = key_called(v, label, id);
	}
	log_out(v);
}

static void all_keys_are_found(struct vault *v)
{
	char label[16], id[16];

	for (unsigned i = 0; i < KEYS; i++) {
		(void)snprintf(label, sizeof(label), "key %u", i / 2);
		(void)snprintf(id, sizeof(id), "id %u", i);
		assert_int_equal(called(v, label), 2);
		assert_int_equal(with_id(v, id), 1);
		assert_int_equal(count(v, TMPL(V(LABEL, slice_str(label)), V(ID, slice_str(id)))), 1);
	}
	assert_int_equal(called(v, "no key"), 0);
	assert_int_equal(with_id(v, "no id"), 0);
	assert_int_equal(count(v, TMPL(S(LABEL, "key 0"), S(ID, "id 5"))), 0);
}

static void a_label_or_id_is_found_before_all_are_there(void **state)
{
	struct vault *v = *state;
	uint64_t key[KEYS];

	make_keys(v, key);
	is_being_opened(v);
	all_keys_are_found(v);
	let_on(v);
	all_keys_are_found(v);
	assert_int_equal(how_many(v), OBJECTS);
}

static void so_it_is_after_a_restart(void **state)
{
	struct vault *v = *state;
	uint64_t key[KEYS];

	make_keys(v, key);
	vault_restart(v);
	is_being_opened(v);
	all_keys_are_found(v);
	let_on(v);
	all_keys_are_found(v);
}

/* What changes while the partition is being opened, and what changed in an opening before, is found
 * as it is now. */
static void what_changes_meanwhile_is_found_as_it_is(void **state)
{
	struct vault *v = *state;
	uint64_t key[KEYS];

	make_keys(v, key);
	is_being_opened(v);
	for (unsigned i = 0; i < KEYS; i += 2)
		rename_to(v, key[i], "renamed");
	(void)key_called(v, "new", "new id");
	for (unsigned turn = 0; turn < 3; turn++) {
		assert_int_equal(called(v, "key 0"), 1);
		assert_int_equal(called(v, "renamed"), KEYS / 2);
		assert_int_equal(with_id(v, "id 0"), 1);
		assert_int_equal(called(v, "new"), 1);
		assert_int_equal(with_id(v, "new id"), 1);
		let_on(v);
		log_out(v);
		if (turn == 1)
			vault_restart(v);
		is_being_opened(v);
	}
	let_on(v);
	assert_int_equal(destroy(v, key[0]), HF_OK);
	log_out(v);
	is_being_opened(v);
	assert_int_equal(called(v, "renamed"), KEYS / 2 - 1);
	assert_int_equal(with_id(v, "id 0"), 0);
	let_on(v);
}

static void name_of(const struct vault *v, uint64_t object, char ret[RECORD_NAME])
{
	struct partition *p = partition_at(v->hsm, v->slot);
	char prefix[64];

	(void)snprintf(prefix, sizeof(prefix), "p/%s/prv/%012llx", p->serial, (unsigned long long)object);
	(void)snprintf(ret, RECORD_NAME, "%s", keeper_memory_find(v->keeper, prefix, 0));
	partition_unref(p);
}

/* The record of a changed tag does not open: neither during the opening nor after is it found. */
static void a_tag_that_was_changed_makes_a_damaged_record(void **state)
{
	struct vault *v = *state;
	char name[RECORD_NAME];
	uint64_t key[KEYS];

	make_keys(v, key);
	for (size_t byte = 1; byte < 9; byte++) {
		name_of(v, key[2 * byte], name);
		keeper_memory_flip(v->keeper, name, byte);
	}
	vault_restart(v);
	for (unsigned turn = 0; turn < 2; turn++) {
		is_being_opened(v);
		if (turn == 1)
			let_on(v);
		for (size_t byte = 1; byte < 9; byte++) {
			char label[16], id[16];

			(void)snprintf(label, sizeof(label), "key %zu", byte);
			(void)snprintf(id, sizeof(id), "id %zu", 2 * byte);
			assert_int_equal(called(v, label), 1);
			assert_int_equal(with_id(v, id), 0);
		}
		let_on(v);
		assert_int_equal(called(v, "key 0"), 2);
		assert_int_equal(how_many(v), OBJECTS);
		log_out(v);
	}
}

/* --- records of the format before ---------------------------------------------------- */

static enum hf_err as_before(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct vault *v = ctx;
	struct partition *p = partition_at(v->hsm, v->slot);
	const struct record_change c = { .name = name, .expect = version, .version = version,
		.seal = SEAL_PARTITION, .key = secret_slice(&p->key), .plain = plain };

	assert_int_equal(records_write(v->hsm->records, &c, 1), HF_OK);
	partition_unref(p);
	return HF_OK;
}

static void no_damage(void *ctx, const char *name)
{
	(void)ctx;
	fail_msg("%s", name);
}

/* make_old writes all records as they were before there were tags. */
static void make_old(struct vault *v)
{
	const struct record_visit visit = { v, as_before, no_damage };
	struct partition *p = partition_at(v->hsm, v->slot);
	char prefix[64];

	login_as(v, CKU_USER, USER_PIN);
	assert_int_equal(how_many(v), OBJECTS);
	(void)snprintf(prefix, sizeof(prefix), "p/%s/prv/", p->serial);
	assert_int_equal(records_scan(v->hsm->records, prefix, SEAL_PARTITION, secret_slice(&p->key), &visit),
		HF_OK);
	partition_unref(p);
	vault_restart(v);
}

static bool has_tags(const struct vault *v, uint64_t object)
{
	static uint8_t value[1 << 17];
	char name[RECORD_NAME];

	name_of(v, object, name);
	(void)keeper_memory_value(v->keeper, name, value, sizeof(value));
	return value[0] == 2;
}

static void wait_for_tags(struct vault *v)
{
	struct rekeys *k = &v->hsm->rekeys;
	MUTEX_HOLD(&k->lock);

	while (k->n > 0)
		cond_wait(&k->ended, &k->lock);
}

static void an_old_store_is_read_and_gets_tags(void **state)
{
	struct vault *v = *state;
	uint64_t key[KEYS];

	make_keys(v, key);
	make_old(v);
	assert_false(has_tags(v, key[0]));
	login_as(v, CKU_USER, USER_PIN);
	all_keys_are_found(v);
	wait_for_tags(v);
	for (unsigned i = 0; i < KEYS; i++)
		assert_true(has_tags(v, key[i]));
	all_keys_are_found(v);
	vault_restart(v);
	is_being_opened(v);
	all_keys_are_found(v);
	let_on(v);
	assert_int_equal(how_many(v), OBJECTS);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_is_there_by_its_handle_at_once),
		T(a_search_finds_all),
		T(what_is_destroyed_meanwhile_stays_away),
		T(a_logout_does_not_wait),
		T(a_stop_ends_it),
		T(a_label_or_id_is_found_before_all_are_there),
		T(so_it_is_after_a_restart),
		T(what_changes_meanwhile_is_found_as_it_is),
		T(a_tag_that_was_changed_makes_a_damaged_record),
		T(an_old_store_is_read_and_gets_tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
