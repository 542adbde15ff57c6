/* X-Wing against its draft's vector, and both ways. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto.h"
#include "xwing.h"
#include "xwing_vector.h"

static struct slice hex(const char *s, uint8_t *out, size_t max)
{
	size_t n = 0;

	assert_true(hex_decode(s, out, max, &n));
	return (struct slice){ out, n };
}

static void the_vector_of_the_draft(void **state)
{
	uint8_t sk[XWING_SEED], pk[XWING_PUBLIC], ct[XWING_CIPHERTEXT], ss[32], made[XWING_PUBLIC];
	struct slice seed = hex(XWING_SK, sk, sizeof(sk));
	CLEANUP(secret_done) struct secret got = { 0 };

	(void)state;
	assert_int_equal(xwing_public(seed, made), HF_OK);
	assert_true(slice_eq(SLICE_OF(made), hex(XWING_PK, pk, sizeof(pk))));
	assert_int_equal(xwing_decapsulate(seed, hex(XWING_CT, ct, sizeof(ct)), &got), HF_OK);
	assert_true(slice_eq(secret_slice(&got), hex(XWING_SS, ss, sizeof(ss))));
}

static void both_ways(void **state)
{
	uint8_t seed[XWING_SEED], pk[XWING_PUBLIC], ct[XWING_CIPHERTEXT];
	CLEANUP(secret_done) struct secret a = { 0 };
	CLEANUP(secret_done) struct secret b = { 0 };
	CLEANUP(secret_done) struct secret other = { 0 };

	(void)state;
	assert_int_equal(crypto_random(seed, sizeof(seed)), HF_OK);
	assert_int_equal(xwing_public(SLICE_OF(seed), pk), HF_OK);
	assert_int_equal(xwing_encapsulate(SLICE_OF(pk), ct, &a), HF_OK);
	assert_int_equal(xwing_decapsulate(SLICE_OF(seed), SLICE_OF(ct), &b), HF_OK);
	assert_true(secret_eq(secret_slice(&a), secret_slice(&b)));
	ct[7] ^= 1;
	assert_int_equal(xwing_decapsulate(SLICE_OF(seed), SLICE_OF(ct), &other), HF_OK);
	assert_false(secret_eq(secret_slice(&a), secret_slice(&other)));
}

static void what_has_another_length_is_refused(void **state)
{
	uint8_t seed[XWING_SEED] = { 1 }, pk[XWING_PUBLIC] = { 0 }, ct[XWING_CIPHERTEXT] = { 0 };
	CLEANUP(secret_done) struct secret s = { 0 };

	(void)state;
	assert_int_equal(xwing_public((struct slice){ seed, 31 }, pk), HF_E_ARGUMENTS);
	assert_int_equal(xwing_encapsulate((struct slice){ pk, XWING_PUBLIC - 1 }, ct, &s), HF_E_PUBLIC_KEY);
	assert_int_equal(xwing_decapsulate(SLICE_OF(seed), (struct slice){ ct, 1119 }, &s),
		HF_E_WRAPPED_KEY_LEN);
	memset(pk, 0xff, sizeof(pk)); /* no polynomials: coefficients above the modulus */
	assert_int_equal(xwing_encapsulate(SLICE_OF(pk), ct, &s), HF_E_PUBLIC_KEY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vector_of_the_draft),
		cmocka_unit_test(both_ways),
		cmocka_unit_test(what_has_another_length_is_refused),
	};

	assert_int_equal(crypto_init(), HF_OK);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
