/* Mechanism parameters: from the C structure to bytes and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "params.h"
#include "params_pack.h"
#include "pkcs11.h"

/* The module's own (src/pkcs11/param_lists.c) are tested through it. */
enum hf_err pack_prf_data(const void *v, size_t n, struct buf *b)
{
	buf_bytes(b, (struct slice){ v, n });
	return buf_err(b);
}

enum hf_err pack_derived_keys(const void *v, size_t n, struct buf *b)
{
	buf_bytes(b, (struct slice){ v, n });
	return buf_err(b);
}

enum hf_err pack_otp_params(const void *v, size_t n, struct buf *b)
{
	buf_bytes(b, (struct slice){ v, n });
	return buf_err(b);
}

#define IS(s, literal) assert_true(slice_eq(s, SLICE_STR(literal)))

static void gcm_comes_back_and_is_refused_when_cut_or_longer(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(1000);
	CK_BYTE iv[] = { 1, 2, 3 }, aad[] = { 'a', 'a', 'd', '!' };
	CK_GCM_PARAMS c = { .pIv = iv, .ulIvLen = 3, .ulIvBits = 24, .pAAD = aad, .ulAADLen = 4,
		.ulTagBits = 128 };
	struct params p;

	(void)state;
	assert_int_equal(params_pack(PARAM_GCM, &c, sizeof(c), &b), HF_OK);
	IS(buf_slice(&b), "\0\0\0\003\001\002\003" "\0\0\0\0\0\0\0\030"
		"\0\0\0\004aad!" "\0\0\0\0\0\0\0\200");
	assert_int_equal(params_decode(PARAM_GCM, buf_slice(&b), &p), HF_OK);
	assert_true(p.present);
	IS(p.u.gcm.iv, "\001\002\003");
	IS(p.u.gcm.aad, "aad!");
	assert_int_equal(p.u.gcm.tag_bits, 128);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(params_decode(PARAM_GCM, (struct slice){ b.p, n }, &p),
			HF_E_MECHANISM_PARAM);
	buf_u8(&b, 0);
	assert_int_equal(params_decode(PARAM_GCM, buf_slice(&b), &p), HF_E_MECHANISM_PARAM);
}

static void a_fixed_array_has_its_size(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(1000);
	CK_AES_CTR_PARAMS c = { .ulCounterBits = 32, .cb = "0123456789abcde" };
	struct params p;

	(void)state;
	assert_int_equal(params_pack(PARAM_CTR, &c, sizeof(c), &b), HF_OK);
	assert_int_equal(params_decode(PARAM_CTR, buf_slice(&b), &p), HF_OK);
	assert_int_equal(p.u.ctr.bits, 32);
	IS(p.u.ctr.block, "0123456789abcde\0");
	buf_put_u32(&b, 8, 15);
	buf_cut(&b, b.n - 1);
	assert_int_equal(params_decode(PARAM_CTR, buf_slice(&b), &p), HF_E_MECHANISM_PARAM);
}

static void a_structure_of_another_size_is_refused(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(1000);
	CK_RSA_PKCS_PSS_PARAMS c = { 0 };

	(void)state;
	assert_int_equal(params_pack(PARAM_RSA_PSS, &c, sizeof(c) - 1, &b), HF_E_MECHANISM_PARAM);
	assert_int_equal(params_pack(PARAM_RSA_PSS, NULL, sizeof(c), &b), HF_E_MECHANISM_PARAM);
	assert_int_equal(params_pack(PARAM_RSA_PSS, NULL, 0, &b), HF_E_MECHANISM_PARAM);
	assert_int_equal(b.n, 0);
}

static void a_length_without_a_pointer_is_refused(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(1000);
	CK_GCM_PARAMS c = { .ulAADLen = 1 };

	(void)state;
	assert_int_equal(params_pack(PARAM_GCM, &c, sizeof(c), &b), HF_E_MECHANISM_PARAM);
}

static void no_parameter_is_allowed_only_where_the_list_says_so(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(1000);
	struct params p;

	(void)state;
	assert_int_equal(params_pack(PARAM_EDDSA, NULL, 0, &b), HF_OK);
	assert_int_equal(b.n, 0);
	assert_int_equal(params_decode(PARAM_EDDSA, SLICE_NONE, &p), HF_OK);
	assert_false(p.present);
	assert_int_equal(params_decode(PARAM_GCM, SLICE_NONE, &p), HF_E_MECHANISM_PARAM);
}

static void a_mechanism_without_parameter_takes_none(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(1000);
	struct params p;

	(void)state;
	assert_int_equal(params_pack(PARAM_NONE, NULL, 0, &b), HF_OK);
	assert_int_equal(params_pack(PARAM_NONE, "x", 1, &b), HF_E_MECHANISM_PARAM);
	assert_int_equal(params_decode(PARAM_NONE, SLICE_NONE, &p), HF_OK);
	assert_int_equal(params_decode(PARAM_NONE, SLICE_STR("x"), &p), HF_E_MECHANISM_PARAM);
}

static void an_unknown_kind_is_refused(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(1000);
	struct params p;

	(void)state;
	assert_int_equal(params_decode(PARAM_COUNT, SLICE_NONE, &p), HF_E_MECHANISM);
	assert_int_equal(params_pack(PARAM_COUNT, NULL, 0, &b), HF_E_MECHANISM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gcm_comes_back_and_is_refused_when_cut_or_longer),
		cmocka_unit_test(a_fixed_array_has_its_size),
		cmocka_unit_test(a_structure_of_another_size_is_refused),
		cmocka_unit_test(a_length_without_a_pointer_is_refused),
		cmocka_unit_test(no_parameter_is_allowed_only_where_the_list_says_so),
		cmocka_unit_test(a_mechanism_without_parameter_takes_none),
		cmocka_unit_test(an_unknown_kind_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
