/* The generated codecs: bytes written by hand, round trips, refusals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "audit_codec.h"
#include "calls_codec.h"
#include "keeper_codec.h"
#include "wire.h"

#define IS(s, literal) assert_true(slice_eq(s, SLICE_STR(literal)))
#define RD(literal) rd_of(SLICE_STR(literal))

struct fixture {
	struct buf b;
	struct arena a;
};

static int setup(void **state)
{
	struct fixture *f = hf_alloc(1, sizeof(*f));

	f->b = BUF_MAX(WIRE_MAX_BYTES);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	buf_done(&f->b);
	arena_done(&f->a);
	hf_free(f);
	return 0;
}

/* refused_when_cut decodes every proper prefix of what b holds, each in memory
 * that ends where the prefix ends. */
#define REFUSED_WHEN_CUT(type, f)                                              \
	do {                                                                   \
		for (size_t n_ = 0; n_ < (f)->b.n; n_++) {                     \
			uint8_t *p_ = hf_alloc(n_ + 1, 1);                     \
			struct rd r_;                                          \
			struct type v_;                                        \
                                                                               \
			memcpy(p_, (f)->b.p, n_);                              \
			r_ = rd_of((struct slice){ p_, n_ });                  \
			assert_false(type##_dec(&r_, &(f)->a, &v_));           \
			hf_free(p_);                                           \
		}                                                              \
	} while (0)

/* --- vectors ----------------------------------------------------------------- */

static void hello_is_version_application_and_program(void **state)
{
	struct fixture *f = *state;
	struct hello_req q = { .version = 1, .app = SLICE_STR("ABC"), .program = SLICE_STR("p\xc3\xa9") };

	hello_req_enc(&f->b, &q);
	IS(buf_slice(&f->b), "\x00\x01"
			     "\x00\x00\x00\x03" "ABC"
			     "\x00\x00\x00\x03" "p\xc3\xa9");
}

static void sign_init_is_a_mechanism_and_a_key(void **state)
{
	struct fixture *f = *state;
	struct sign_init_req q = { .mech = { 0x1087, SLICE_STR("\x01\x02") }, .key = 0x1122334455667788u };

	sign_init_req_enc(&f->b, &q);
	IS(buf_slice(&f->b), "\x00\x00\x10\x87" "\x00\x00\x00\x02\x01\x02"
			     "\x11\x22\x33\x44\x55\x66\x77\x88");
}

static void attributes_are_a_count_and_types_with_values(void **state)
{
	struct fixture *f = *state;
	struct attr v[2] = { { 0x103, SLICE_STR("\x01") }, { 0x3, SLICE_NONE } };
	struct object_create_req q = { .attrs = { v, 2 } };

	object_create_req_enc(&f->b, &q);
	IS(buf_slice(&f->b), "\x00\x00\x00\x02"
			     "\x00\x00\x01\x03" "\x00\x00\x00\x01\x01"
			     "\x00\x00\x00\x03" "\x00\x00\x00\x00");
}

static void a_list_of_numbers_is_a_count_and_the_numbers(void **state)
{
	struct fixture *f = *state;
	const uint32_t v[] = { 0x101, 0xffffffff };
	struct attr_get_req q = { .object = 5, .types = { v, 2 } };

	attr_get_req_enc(&f->b, &q);
	IS(buf_slice(&f->b), "\x00\x00\x00\x00\x00\x00\x00\x05"
			     "\x00\x00\x00\x02" "\x00\x00\x01\x01" "\xff\xff\xff\xff");
}

static void a_change_of_the_store_names_two_versions(void **state)
{
	struct fixture *f = *state;
	struct change c = { SLICE_STR("p/1"), 7, 8, SLICE_STR("v") };
	struct store_commit_req q = { .changes = { &c, 1 }, .anchor = SLICE_NONE, .early = true };

	store_commit_req_enc(&f->b, &q);
	IS(buf_slice(&f->b), "\x00\x00\x00\x01"
			     "\x00\x00\x00\x03" "p/1"
			     "\x00\x00\x00\x00\x00\x00\x00\x07" "\x00\x00\x00\x00\x00\x00\x00\x08"
			     "\x00\x00\x00\x01" "v"
			     "\x00\x00\x00\x00" "\x01" "\x00");
}

/* --- round trips and cuts -------------------------------------------------------- */

static void hello_comes_back_and_is_refused_when_cut(void **state)
{
	struct fixture *f = *state;
	struct hello_req q = { 1, SLICE_STR("0123456789abcdef0123456789abcdef"), SLICE_STR("prog") }, r;
	struct rd in;

	hello_req_enc(&f->b, &q);
	in = rd_of(buf_slice(&f->b));
	assert_true(hello_req_dec(&in, &f->a, &r));
	assert_true(rd_done(&in));
	assert_int_equal(r.version, 1);
	assert_true(slice_eq(r.app, q.app));
	IS(r.program, "prog");
	REFUSED_WHEN_CUT(hello_req, f);
}

static void a_template_comes_back_and_is_refused_when_cut(void **state)
{
	struct fixture *f = *state;
	struct attr pub[3] = { { 1, SLICE_STR("a") }, { 2, SLICE_NONE }, { 3, SLICE_STR("ccc") } };
	struct attr priv[1] = { { 4, SLICE_STR("dddd") } };
	struct key_pair_generate_req q = { .mech = { 0, SLICE_STR("par") }, .pub = { pub, 3 },
		.priv = { priv, 1 } }, r;
	struct rd in;

	key_pair_generate_req_enc(&f->b, &q);
	in = rd_of(buf_slice(&f->b));
	assert_true(key_pair_generate_req_dec(&in, &f->a, &r));
	assert_true(rd_done(&in));
	assert_int_equal(r.pub.n, 3);
	assert_int_equal(r.pub.v[2].type, 3);
	IS(r.pub.v[2].value, "ccc");
	IS(r.priv.v[0].value, "dddd");
	IS(r.mech.param, "par");
	REFUSED_WHEN_CUT(key_pair_generate_req, f);
}

static void lists_within_lists_come_back_and_are_refused_when_cut(void **state)
{
	struct fixture *f = *state;
	struct identity who[2] = { { 1, 1000 }, { 2, 50 } };
	struct partition_info p[2] = {
		{ .slot = 1, .serial = SLICE_STR("s1"), .clients = { who, 2 }, .user_pin_set = true },
		{ .slot = 2, .serial = SLICE_STR("s2"), .damaged = SLICE_STR("x") },
	};
	struct partition_list_res q = { .partitions = { p, 2 } }, r;
	struct rd in;

	partition_list_res_enc(&f->b, &q);
	in = rd_of(buf_slice(&f->b));
	assert_true(partition_list_res_dec(&in, &f->a, &r));
	assert_true(rd_done(&in));
	assert_int_equal(r.partitions.n, 2);
	assert_int_equal(r.partitions.v[0].clients.n, 2);
	assert_int_equal(r.partitions.v[0].clients.v[1].id, 50);
	assert_true(r.partitions.v[0].user_pin_set);
	assert_int_equal(r.partitions.v[1].clients.n, 0);
	IS(r.partitions.v[1].damaged, "x");
	REFUSED_WHEN_CUT(partition_list_res, f);
}

static void an_audit_record_comes_back_and_is_refused_when_cut(void **state)
{
	struct fixture *f = *state;
	uint8_t prev[32] = { 9 };
	struct audit_record q = { .format = 1, .seq = 3, .prev = SLICE_OF(prev),
		.event = SLICE_STR("sign_init"), .result = 7, .detail = SLICE_STR("why") }, r;
	struct rd in;

	audit_record_enc(&f->b, &q);
	in = rd_of(buf_slice(&f->b));
	assert_true(audit_record_dec(&in, &f->a, &r));
	assert_true(rd_done(&in));
	assert_true(slice_eq(r.prev, SLICE_OF(prev)));
	IS(r.detail, "why");
	assert_int_equal(r.result, 7);
	REFUSED_WHEN_CUT(audit_record, f);
}

/* --- refusals -------------------------------------------------------------------- */

static void a_count_that_the_bytes_cannot_hold_allocates_nothing(void **state)
{
	struct fixture *f = *state;
	struct rd in = RD("\x00\x00\x01\x00" "\x00\x00\x00\x01\x00\x00\x00\x00");
	struct object_create_req r;

	assert_false(object_create_req_dec(&in, &f->a, &r));
	assert_int_equal(f->a.used, 0);
}

static void a_count_over_the_lists_limit_is_refused(void **state)
{
	struct fixture *f = *state;
	struct object_create_req r;
	struct rd in;

	buf_u32(&f->b, 257); /* of at most 256 attributes */
	assert_non_null(buf_add(&f->b, 257 * 8));
	in = rd_of(buf_slice(&f->b));
	assert_false(object_create_req_dec(&in, &f->a, &r));
	assert_int_equal(f->a.used, 0);
	buf_put_u32(&f->b, 0, 256);
	in = rd_of(buf_slice(&f->b));
	assert_true(object_create_req_dec(&in, &f->a, &r));
	assert_int_equal(in.n, 8);
}

static void a_field_over_its_limit_is_refused(void **state)
{
	struct fixture *f = *state;
	struct hello_req q = { .app = SLICE_STR("0123456789abcdef0123456789abcdefX") }, r;
	struct rd in;

	hello_req_enc(&f->b, &q);
	in = rd_of(buf_slice(&f->b));
	assert_false(hello_req_dec(&in, &f->a, &r));
}

static void text_that_is_no_utf8_is_refused(void **state)
{
	struct fixture *f = *state;
	struct hello_req q = { .program = SLICE_STR("a\xff") }, r;
	struct rd in;

	hello_req_enc(&f->b, &q);
	in = rd_of(buf_slice(&f->b));
	assert_false(hello_req_dec(&in, &f->a, &r));
	in = RD("\x00\x00\x00\x01\x00");
	assert_false(rd_text(&in, 10, &r.program));
	assert_int_equal(in.n, 5);
}

static void a_parameter_over_the_limit_is_refused(void **state)
{
	struct fixture *f = *state;
	struct mech_in m;
	struct rd in;

	buf_u32(&f->b, 1);
	buf_u32(&f->b, WIRE_MAX_PARAM + 1);
	assert_non_null(buf_add(&f->b, WIRE_MAX_PARAM + 1));
	in = rd_of(buf_slice(&f->b));
	assert_false(mech_in_dec(&in, &f->a, &m));
	assert_int_equal(in.n, f->b.n);
}

static void a_list_without_memory_is_refused(void **state)
{
	struct fixture *f = *state;
	struct arena small = { .max = 16 };
	struct attr v[2] = { { 0 } };
	struct object_create_req q = { .attrs = { v, 2 } }, r;
	struct rd in;

	object_create_req_enc(&f->b, &q);
	in = rd_of(buf_slice(&f->b));
	assert_false(object_create_req_dec(&in, &small, &r));
	arena_done(&small);
}

/* --- rows ------------------------------------------------------------------------ */

static void a_row_says_what_the_list_says(void **state)
{
	const struct call_row *r = &calls_rows[CALLS_KEY_PAIR_GENERATE];

	(void)state;
	assert_string_equal(r->name, "key_pair_generate");
	assert_int_equal(r->needs, CALL_NEEDS_SESSION);
	assert_int_equal(r->roles, CALL_BY_P | CALL_BY_U | CALL_BY_S | CALL_BY_L | CALL_BY_C);
	assert_int_equal(r->session_only, CALL_BY_C);
	assert_int_equal(r->states, CALL_IN_O);
	assert_int_equal(r->audit, CALL_AUDIT_KEYS);
	assert_true(r->slow);
	assert_int_equal(r->repeat, CALL_REPEAT_ORIGIN);
}

static void there_is_no_call_0(void **state)
{
	(void)state;
	assert_null(calls_rows[0].name);
	assert_null(keeper_rows[0].name);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(hello_is_version_application_and_program),
		T(sign_init_is_a_mechanism_and_a_key),
		T(attributes_are_a_count_and_types_with_values),
		T(a_list_of_numbers_is_a_count_and_the_numbers),
		T(a_change_of_the_store_names_two_versions),
		T(hello_comes_back_and_is_refused_when_cut),
		T(a_template_comes_back_and_is_refused_when_cut),
		T(lists_within_lists_come_back_and_are_refused_when_cut),
		T(an_audit_record_comes_back_and_is_refused_when_cut),
		T(a_count_that_the_bytes_cannot_hold_allocates_nothing),
		T(a_count_over_the_lists_limit_is_refused),
		T(a_field_over_its_limit_is_refused),
		T(text_that_is_no_utf8_is_refused),
		T(a_parameter_over_the_limit_is_refused),
		T(a_list_without_memory_is_refused),
		T(a_row_says_what_the_list_says),
		T(there_is_no_call_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
