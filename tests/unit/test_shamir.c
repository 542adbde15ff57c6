/* Shamir's shares: the field against FIPS 197, and every choice of m among n. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto.h"
#include "shamir.h"

#define SECRET SLICE_STR("0123456789abcdef0123456789ABCDEF")

static void the_field_is_the_one_of_aes(void **state)
{
	(void)state;
	/* FIPS 197 §4.2 and §4.2.1 */
	assert_int_equal(shamir_mul(0x57, 0x83), 0xc1);
	assert_int_equal(shamir_mul(0x57, 0x13), 0xfe);
	assert_int_equal(shamir_mul(0x57, 0x02), 0xae);
	assert_int_equal(shamir_mul(0x57, 0x04), 0x47);
	assert_int_equal(shamir_mul(0x57, 0x08), 0x8e);
	assert_int_equal(shamir_mul(0x57, 0x10), 0x07);
	for (unsigned a = 0; a < 256; a++) {
		assert_int_equal(shamir_mul((uint8_t)a, 1), a);
		assert_int_equal(shamir_mul((uint8_t)a, 0), 0);
	}
}

/* By hand: the line 0x2a + 3x; at 1 it is 0x29, at 2 it is 0x2c. */
static void two_points_make_a_line(void **state)
{
	static const uint8_t y1 = 0x29, y2 = 0x2c;
	const struct shamir_share v[] = { { 1, { &y1, 1 } }, { 2, { &y2, 1 } } };
	struct secret s = { 0 };

	(void)state;
	assert_int_equal(shamir_join(v, 2, &s), HF_OK);
	assert_int_equal(s.p[0], 0x2a);
	secret_done(&s);
}

static void joins(const struct secret *shares, unsigned mask, unsigned m, bool expect)
{
	struct shamir_share v[SHAMIR_MAX];
	struct secret s = { 0 };
	size_t n = 0;

	for (unsigned i = 0; i < SHAMIR_MAX; i++)
		if ((mask >> i & 1) != 0)
			v[n++] = (struct shamir_share){ (uint8_t)(i + 1), secret_slice(&shares[i]) };
	assert_int_equal(shamir_join(v, m, &s), HF_OK);
	assert_int_equal(secret_eq(secret_slice(&s), SECRET), expect);
	secret_done(&s);
}

static void any_m_of_n_and_no_fewer(void **state)
{
	unsigned choices = 0;

	(void)state;
	for (unsigned n = 1; n <= 8; n++)
		for (unsigned m = 1; m <= n; m++) {
			struct secret shares[SHAMIR_MAX] = { { 0 } };

			assert_int_equal(shamir_split(SECRET, m, n, shares), HF_OK);
			for (unsigned mask = 1; mask < 1u << n; mask++) {
				unsigned have = (unsigned)__builtin_popcount(mask);

				if (have > m)
					continue;
				joins(shares, mask, have, have == m);
				choices++;
			}
			for (unsigned i = 0; i < n; i++)
				secret_done(&shares[i]);
		}
	assert_true(choices > 1000);
}

static void the_greatest(void **state)
{
	struct secret shares[SHAMIR_MAX] = { { 0 } };

	(void)state;
	assert_int_equal(shamir_split(SECRET, SHAMIR_MAX, SHAMIR_MAX, shares), HF_OK);
	joins(shares, 0xffff, SHAMIR_MAX, true);
	joins(shares, 0x7fff, SHAMIR_MAX - 1, false);
	for (unsigned i = 0; i < SHAMIR_MAX; i++)
		secret_done(&shares[i]);
}

static void what_cannot_be_split(void **state)
{
	struct secret shares[SHAMIR_MAX + 1] = { { 0 } };

	(void)state;
	assert_int_equal(shamir_split(SECRET, 0, 3, shares), HF_E_ARGUMENTS);
	assert_int_equal(shamir_split(SECRET, 4, 3, shares), HF_E_ARGUMENTS);
	assert_int_equal(shamir_split(SECRET, 2, SHAMIR_MAX + 1, shares), HF_E_ARGUMENTS);
	assert_int_equal(shamir_split(SLICE_NONE, 2, 3, shares), HF_E_ARGUMENTS);
}

static void what_cannot_be_joined(void **state)
{
	static const uint8_t y[2] = { 1, 2 };
	struct shamir_share v[] = { { 1, { y, 1 } }, { 1, { y, 1 } } };
	struct secret s = { 0 };

	(void)state;
	assert_int_equal(shamir_join(v, 0, &s), HF_E_ARGUMENTS);
	assert_int_equal(shamir_join(v, 2, &s), HF_E_ARGUMENTS); /* one twice */
	v[1].x = 0;
	assert_int_equal(shamir_join(v, 2, &s), HF_E_ARGUMENTS);
	v[1] = (struct shamir_share){ 2, { y, 2 } };
	assert_int_equal(shamir_join(v, 2, &s), HF_E_ARGUMENTS); /* of two lengths */
}

static int setup(void **state)
{
	(void)state;
	return crypto_init() == HF_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_field_is_the_one_of_aes),
		cmocka_unit_test(two_points_make_a_line),
		cmocka_unit_test(any_m_of_n_and_no_fewer),
		cmocka_unit_test(the_greatest),
		cmocka_unit_test(what_cannot_be_split),
		cmocka_unit_test(what_cannot_be_joined),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
