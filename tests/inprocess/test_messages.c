/* Messages through the gate: what the module's own tests do not see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto.h"
#include "fault.h"
#include "vault.h"

static const uint8_t zero_iv[12];

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

static uint64_t aes(struct vault *v)
{
	return create(v, TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES), AES_16, B(TOKEN, 1),
		B(ENCRYPT, 1), B(DECRYPT, 1), B(SIGN, 1)));
}

/* gcm packs a message's parameter: IV of zeros, tag of 16 bytes. */
static struct slice gcm(struct buf *b, uint64_t fixed, uint64_t generator)
{
	buf_reset(b);
	buf_bytes(b, SLICE_OF(zero_iv));
	buf_u64(b, fixed);
	buf_u64(b, generator);
	buf_u64(b, 128);
	return buf_slice(b);
}

static enum hf_err begin(struct vault *v, uint64_t key)
{
	struct message_encrypt_init_req q = { .mech = MECH(AES_GCM), .key = key };
	struct message_encrypt_init_res r;

	return do_message_encrypt_init(v, &q, &r);
}

static enum hf_err encrypt(struct vault *v, struct slice param, struct message_encrypt_res *r)
{
	struct message_encrypt_req q = { .param = param, .data = SLICE_STR("data"), .max = 100 };

	*r = (struct message_encrypt_res){ 0 };
	return do_message_encrypt(v, &q, r);
}

static void a_session_in_the_place_of_a_lost_one_goes_on_behind_its_count(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(100);
	struct vault *v = *state;
	struct session_open_req q = { .slot = v->slot, .rw = true, .ivs = 7 };
	struct session_open_res o;
	struct message_encrypt_res r;
	uint64_t key = aes(v), first = v->session;

	assert_int_equal(begin(v, key), HF_OK);
	assert_int_equal(encrypt(v, gcm(&b, 0, CKG_GENERATE_COUNTER), &r), HF_OK);
	assert_int_equal(r.iv.p[11], 0);
	assert_int_equal(do_session_open(v, &q, &o), HF_OK);
	v->session = o.session;
	assert_int_equal(begin(v, key), HF_OK);
	assert_int_equal(encrypt(v, gcm(&b, 0, CKG_GENERATE_COUNTER), &r), HF_OK);
	assert_int_equal(r.iv.p[11], 7);
	v->session = first;
}

static void a_count_of_64_bits_does_not_come_round(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(100);
	struct vault *v = *state;
	struct session_open_req q = { .slot = v->slot, .rw = true, .ivs = UINT64_MAX };
	struct session_open_res o;
	struct message_encrypt_res r;
	uint64_t key = aes(v), first = v->session;

	assert_int_equal(do_session_open(v, &q, &o), HF_OK);
	v->session = o.session;
	assert_int_equal(begin(v, key), HF_OK);
	assert_int_equal(encrypt(v, gcm(&b, 0, CKG_GENERATE_COUNTER), &r), HF_OK);
	assert_int_equal(encrypt(v, gcm(&b, 0, CKG_GENERATE_COUNTER), &r), HF_E_IV_EXHAUSTED);
	assert_int_equal(encrypt(v, gcm(&b, 0, CKG_GENERATE_RANDOM), &r), HF_E_IV_EXHAUSTED);
	v->session = first;
}

static void each_of_many_keys_has_a_count_of_its_own(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(100);
	struct vault *v = *state;
	struct message_encrypt_res r;
	enum hf_err e = HF_OK;
	int n = 0;

	for (; n < 300 && e == HF_OK; n++) {
		uint64_t key = generate(v, MECH(AES_KEY_GEN), TMPL(U(VALUE_LEN, 16), B(ENCRYPT, 1)));
		struct op_cancel_req q = { .ops = 1u << OPK_MESSAGE_ENCRYPT };
		struct op_cancel_res c;

		assert_int_equal(begin(v, key), HF_OK);
		e = encrypt(v, gcm(&b, 0, CKG_GENERATE_COUNTER), &r);
		assert_int_equal(do_op_cancel(v, &q, &c), HF_OK);
		assert_int_equal(r.iv.p[11], 0);
	}
	assert_int_equal(e, HF_OK);
}

static void a_parameter_cut_short_or_too_long_is_refused(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(100);
	struct vault *v = *state;
	struct message_encrypt_res r;

	assert_int_equal(begin(v, aes(v)), HF_OK);
	(void)gcm(&b, 0, CKG_NO_GENERATE);
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(encrypt(v, (struct slice){ b.p, n }, &r), HF_E_MECHANISM_PARAM);
	buf_u8(&b, 0);
	assert_int_equal(encrypt(v, buf_slice(&b), &r), HF_E_MECHANISM_PARAM);
	assert_int_equal(encrypt(v, gcm(&b, 0, 5), &r), HF_E_MECHANISM_PARAM);
	assert_int_equal(encrypt(v, gcm(&b, UINT64_MAX, CKG_GENERATE), &r), HF_E_MECHANISM_PARAM);
	assert_int_equal(encrypt(v, gcm(&b, 0, CKG_NO_GENERATE), &r), HF_OK);
}

static void without_memory_nothing_is_given_away(void **state)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(100);
	struct vault *v = *state;
	struct message_encrypt_res r;
	uint8_t seen[256] = { 0 };
	enum hf_err e;

	assert_int_equal(begin(v, aes(v)), HF_OK);
	for (long n = 1; n < 200; n++) {
		secret_fail_after(n);
		e = encrypt(v, gcm(&b, 88, CKG_GENERATE_COUNTER), &r);
		secret_fail_after(-1);
		if (e == HF_OK)
			assert_int_equal(seen[r.iv.p[11]]++, 0);
	}
	assert_int_equal(encrypt(v, gcm(&b, 88, CKG_GENERATE_COUNTER), &r), HF_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_session_in_the_place_of_a_lost_one_goes_on_behind_its_count, setup, teardown),
		cmocka_unit_test_setup_teardown(a_count_of_64_bits_does_not_come_round, setup, teardown),
		cmocka_unit_test_setup_teardown(each_of_many_keys_has_a_count_of_its_own, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_parameter_cut_short_or_too_long_is_refused, setup,
			teardown),
		cmocka_unit_test_setup_teardown(without_memory_nothing_is_given_away, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
