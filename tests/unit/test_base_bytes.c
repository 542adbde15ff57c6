#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bytes.h"
#include "fault.h"

#define IS(s, literal) assert_true(slice_eq(s, SLICE_STR(literal)))

/* --- slices ---------------------------------------------------------------- */

static void slices_are_equal_only_with_the_same_length_and_bytes(void **state)
{
	(void)state;
	assert_true(slice_eq(SLICE_STR("abc"), slice_str("abc")));
	assert_false(slice_eq(SLICE_STR("abc"), SLICE_STR("abd")));
	assert_false(slice_eq(SLICE_STR("abc"), SLICE_STR("ab")));
	assert_true(slice_eq(SLICE_NONE, SLICE_STR("")));
}

static void slices_sort_bytewise_and_the_shorter_first(void **state)
{
	(void)state;
	assert_true(slice_cmp(SLICE_STR("a"), SLICE_STR("b")) < 0);
	assert_true(slice_cmp(SLICE_STR("\xff"), SLICE_STR("a")) > 0);
	assert_true(slice_cmp(SLICE_STR("a"), SLICE_STR("aa")) < 0);
	assert_true(slice_cmp(SLICE_STR("b"), SLICE_STR("aa")) > 0);
	assert_int_equal(slice_cmp(SLICE_NONE, SLICE_NONE), 0);
}

/* --- reading --------------------------------------------------------------- */

static void numbers_are_read_big_endian(void **state)
{
	struct rd r = rd_of(SLICE_STR("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"));
	uint8_t a;
	uint16_t b;
	uint32_t c;
	uint64_t d;

	(void)state;
	assert_true(rd_u8(&r, &a) && rd_u16(&r, &b) && rd_u32(&r, &c) && rd_u64(&r, &d));
	assert_true(rd_done(&r));
	assert_int_equal(a, 1);
	assert_int_equal(b, 0x0203);
	assert_int_equal(c, 0x04050607);
	assert_true(d == 0x08090a0b0c0d0e0fu);
}

static void a_short_read_fails_and_takes_nothing(void **state)
{
	struct rd r = rd_of(SLICE_STR("\x01\x02\x03\x04\x05\x06\x07"));
	const uint8_t *p;
	struct slice s;
	uint64_t d;
	uint32_t c;

	(void)state;
	assert_false(rd_u64(&r, &d));
	assert_false(rd_take(&r, 8, &p));
	assert_false(rd_take(&r, SIZE_MAX, &p));
	assert_false(rd_bytes(&r, SIZE_MAX, &s));
	assert_int_equal(r.n, 7);
	assert_true(rd_u32(&r, &c));
	assert_false(rd_u32(&r, &c));
	assert_int_equal(r.n, 3);
}

static void a_bool_is_0_or_1_and_nothing_else(void **state)
{
	struct rd r = rd_of(SLICE_STR("\x00\x01\x02"));
	bool v;

	(void)state;
	assert_true(rd_bool(&r, &v) && !v);
	assert_true(rd_bool(&r, &v) && v);
	assert_false(rd_bool(&r, &v));
	assert_int_equal(r.n, 1);
}

static void bytes_over_their_limit_are_refused(void **state)
{
	struct rd r = rd_of(SLICE_STR("\x00\x00\x00\x03" "abc"));
	struct slice s;

	(void)state;
	assert_false(rd_bytes(&r, 2, &s));
	assert_int_equal(r.n, 7);
	assert_true(rd_bytes(&r, 3, &s));
	IS(s, "abc");
}

static void bytes_that_claim_more_than_is_there_are_refused(void **state)
{
	struct rd r = rd_of(SLICE_STR("\xff\xff\xff\xff" "abc"));
	struct slice s;
	struct rd child;

	(void)state;
	assert_false(rd_bytes(&r, SIZE_MAX, &s));
	assert_false(rd_child(&r, SIZE_MAX, &child));
	assert_int_equal(r.n, 7);
}

static void a_child_ends_where_its_length_says(void **state)
{
	struct rd r = rd_of(SLICE_STR("\x00\x00\x00\x02" "abc")), child;
	uint16_t v;
	uint8_t last;

	(void)state;
	assert_true(rd_child(&r, 2, &child));
	assert_true(rd_u16(&child, &v));
	assert_true(rd_done(&child));
	assert_true(rd_u8(&r, &last));
	assert_int_equal(last, 'c');
}

static void nothing_can_be_taken_from_an_empty_reader(void **state)
{
	struct rd r = rd_of(SLICE_NONE);
	const uint8_t *p;
	bool v;

	(void)state;
	assert_true(rd_done(&r));
	assert_true(rd_take(&r, 0, &p));
	assert_false(rd_take(&r, 1, &p));
	assert_false(rd_bool(&r, &v));
}

/* --- writing --------------------------------------------------------------- */

static void a_buffer_writes_what_a_reader_reads(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(100);

	(void)state;
	buf_u8(&b, 1);
	buf_u16(&b, 0x0203);
	buf_u32(&b, 0x04050607);
	buf_u64(&b, 0x08090a0b0c0d0e0fu);
	buf_bool(&b, true);
	buf_bytes(&b, SLICE_STR("ab"));
	buf_raw(&b, SLICE_STR("c"));
	assert_int_equal(buf_err(&b), HF_OK);
	IS(buf_slice(&b), "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
			  "\x01\x00\x00\x00\x02" "abc");
}

static void a_full_buffer_says_so_until_it_is_reset(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(3);

	(void)state;
	buf_u16(&b, 1);
	buf_u16(&b, 2);
	buf_u8(&b, 3); /* would fit, but the error sticks */
	assert_int_equal(buf_err(&b), HF_E_TOO_BIG);
	assert_int_equal(buf_slice(&b).n, 2);
	buf_reset(&b);
	buf_raw(&b, SLICE_STR("abc"));
	assert_int_equal(buf_err(&b), HF_OK);
	IS(buf_slice(&b), "abc");
}

static void a_buffer_grows_to_its_maximum_and_keeps_its_bytes(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(1000003);
	size_t i;

	(void)state;
	for (i = 0; i < 1000003; i++)
		buf_u8(&b, (uint8_t)(i * 7));
	assert_int_equal(buf_err(&b), HF_OK);
	assert_true(b.cap <= b.max);
	for (i = 0; i < b.n && b.p[i] == (uint8_t)(i * 7); i++)
		;
	assert_int_equal(i, 1000003);
	buf_u8(&b, 0);
	assert_int_equal(buf_err(&b), HF_E_TOO_BIG);
}

static void room_in_a_buffer_is_zeroed_even_where_bytes_were_cut(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(100);
	const uint8_t *p;

	(void)state;
	buf_raw(&b, SLICE_STR("secret"));
	buf_cut(&b, 2);
	p = buf_add(&b, 4);
	assert_non_null(p);
	assert_memory_equal(p, "\0\0\0\0", 4);
	buf_reset(&b);
	p = buf_add(&b, 6);
	assert_memory_equal(p, "\0\0\0\0\0\0", 6);
}

static void no_room_asked_for_is_no_error(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(0);

	(void)state;
	assert_non_null(buf_add(&b, 0));
	buf_raw(&b, SLICE_NONE);
	assert_int_equal(buf_err(&b), HF_OK);
	assert_null(buf_add(&b, 1));
	assert_int_equal(buf_err(&b), HF_E_TOO_BIG);
}

static void lent_bytes_are_appended_where_they_stand(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	uint8_t *p;

	(void)state;
	buf_u8(&b, 1);
	p = buf_lend(&b, 4, 8);
	assert_non_null(p);
	assert_int_equal(b.n, 1);
	memcpy(p, "lent", 4);
	buf_bytes(&b, (struct slice){ p, 4 });
	assert_int_equal(buf_err(&b), HF_OK);
	assert_memory_equal(b.p, "\1\0\0\0\4lent", 9);
	assert_int_equal(b.n, 9);
	assert_null(buf_lend(&b, 4, 64));
	assert_int_equal(buf_err(&b), HF_E_TOO_BIG);
}

static void lent_bytes_that_nobody_appends_are_wiped(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	static const uint8_t zero[8];

	(void)state;
	memcpy(buf_lend(&b, 4, 8), "lent out", 8);
	buf_bytes(&b, SLICE_STR("own"));
	buf_cut(&b, b.n);
	assert_memory_equal(b.p, "\0\0\0\3own", 7);
	assert_memory_equal(buf_add(&b, 8), zero, 8);
	memcpy(buf_lend(&b, 0, 8), "lent out", 8);
	buf_reset(&b);
	assert_memory_equal(b.p + 15, zero, 8);
}

static void cutting_to_more_than_there_is_changes_nothing(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(10);

	(void)state;
	buf_raw(&b, SLICE_STR("abc"));
	buf_cut(&b, 4);
	IS(buf_slice(&b), "abc");
}

static void a_number_is_overwritten_only_where_bytes_are(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(10);

	(void)state;
	buf_raw(&b, SLICE_STR("abcdef"));
	buf_put_u32(&b, 2, 0x31323334);
	IS(buf_slice(&b), "ab1234");
	buf_put_u32(&b, 3, 0);
	assert_int_equal(buf_err(&b), HF_E_INTERNAL);
	IS(buf_slice(&b), "ab1234");
}

static void a_buffer_without_memory_says_so(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(100);

	(void)state;
	secret_fail_after(1);
	buf_u8(&b, 1);
	secret_fail_after(-1);
	assert_int_equal(buf_err(&b), HF_E_SECRET_MEMORY);
}

static void a_released_buffer_is_empty_and_usable(void **state)
{
	struct buf b = BUF_MAX(10);

	(void)state;
	buf_done(NULL);
	buf_raw(&b, SLICE_STR("abc"));
	buf_done(&b);
	assert_null(b.p);
	assert_int_equal(b.n, 0);
	buf_u8(&b, 1);
	assert_int_equal(buf_err(&b), HF_OK);
	buf_done(&b);
}

/* --- hex --------------------------------------------------------------------- */

static void hex_goes_there_and_back(void **state)
{
	char text[9];
	uint8_t out[4];
	size_t n;

	(void)state;
	hex_encode(SLICE_STR("\x00\x1f\xa0\xff"), text);
	assert_string_equal(text, "001fa0ff");
	assert_true(hex_decode("001FA0ff", out, sizeof(out), &n));
	assert_int_equal(n, 4);
	assert_memory_equal(out, "\x00\x1f\xa0\xff", 4);
}

static void hex_that_is_odd_too_long_or_no_hex_is_refused(void **state)
{
	static const char *const wrong[] = { "0", "001", "0g", "g0", " 1", "0x", "0011223344" };
	uint8_t out[4];
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(hex_decode(wrong[i], out, sizeof(out), &n));
	assert_true(hex_decode("", out, 0, &n));
	assert_int_equal(n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slices_are_equal_only_with_the_same_length_and_bytes),
		cmocka_unit_test(slices_sort_bytewise_and_the_shorter_first),
		cmocka_unit_test(numbers_are_read_big_endian),
		cmocka_unit_test(a_short_read_fails_and_takes_nothing),
		cmocka_unit_test(a_bool_is_0_or_1_and_nothing_else),
		cmocka_unit_test(bytes_over_their_limit_are_refused),
		cmocka_unit_test(bytes_that_claim_more_than_is_there_are_refused),
		cmocka_unit_test(a_child_ends_where_its_length_says),
		cmocka_unit_test(nothing_can_be_taken_from_an_empty_reader),
		cmocka_unit_test(a_buffer_writes_what_a_reader_reads),
		cmocka_unit_test(a_full_buffer_says_so_until_it_is_reset),
		cmocka_unit_test(a_buffer_grows_to_its_maximum_and_keeps_its_bytes),
		cmocka_unit_test(room_in_a_buffer_is_zeroed_even_where_bytes_were_cut),
		cmocka_unit_test(no_room_asked_for_is_no_error),
		cmocka_unit_test(cutting_to_more_than_there_is_changes_nothing),
		cmocka_unit_test(lent_bytes_are_appended_where_they_stand),
		cmocka_unit_test(lent_bytes_that_nobody_appends_are_wiped),
		cmocka_unit_test(a_number_is_overwritten_only_where_bytes_are),
		cmocka_unit_test(a_buffer_without_memory_says_so),
		cmocka_unit_test(a_released_buffer_is_empty_and_usable),
		cmocka_unit_test(hex_goes_there_and_back),
		cmocka_unit_test(hex_that_is_odd_too_long_or_no_hex_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
