/* More private objects than one page of the store holds: they come into memory behind the login. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(each_is_there_by_its_handle_at_once),
		T(a_search_finds_all),
		T(what_is_destroyed_meanwhile_stays_away),
		T(a_logout_does_not_wait),
		T(a_stop_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
