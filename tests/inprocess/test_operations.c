/* Operations through the gate, with real algorithms and real logins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto.h"
#include "fault.h"
#include "vault.h"

#define LEN_16 U(VALUE_LEN, 16)
#define IV SLICE_STR("fedcba9876543210")

static const uint8_t p256[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };

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

/* cbc packs the parameter of a mode with an IV: bytes themselves. */
static struct mech_in cbc(struct buf *b)
{
	buf_bytes(b, IV);
	return MECH_P(AES_CBC_PAD, buf_slice(b));
}

static enum hf_err begin_sign(struct vault *v, struct mech_in m, uint64_t key)
{
	struct sign_init_req q = { .mech = m, .key = key };
	struct sign_init_res r;

	return do_sign_init(v, &q, &r);
}

static enum hf_err sign_once(struct vault *v, uint32_t max, struct sign_res *r)
{
	struct sign_req q = { .data = SLICE_STR("data"), .max = max };

	*r = (struct sign_res){ 0 };
	return do_sign(v, &q, r);
}

/* --- the mechanisms ------------------------------------------------------------------ */

static void mechanisms_are_listed_ascending_and_explained(void **state)
{
	struct vault *v = *state;
	struct mech_list_req lq = { .slot = v->slot };
	struct mech_list_res lr;

	assert_int_equal(do_mech_list(v, &lq, &lr), HF_OK);
	assert_true(lr.types.n > 50);
	for (size_t i = 0; i < lr.types.n; i++) {
		struct mech_info_req q = { .slot = v->slot, .type = lr.types.v[i] };
		struct mech_info_res r;

		assert_true(i == 0 || lr.types.v[i] > lr.types.v[i - 1]);
		assert_int_equal(do_mech_info(v, &q, &r), HF_OK);
		assert_int_not_equal(r.flags, 0);
		assert_true(r.min_size <= r.max_size);
	}
}

static void an_unknown_mechanism_is_not_explained(void **state)
{
	struct vault *v = *state;
	struct mech_info_req q = { .slot = v->slot, .type = 0x7777 };
	struct mech_info_res r;

	assert_int_equal(do_mech_info(v, &q, &r), HF_E_MECHANISM);
	q.slot = 12345;
	q.type = CKM_SHA256;
	assert_int_equal(do_mech_info(v, &q, &r), HF_E_SLOT);
}

/* --- operations ------------------------------------------------------------------------- */

static void digests_in_parts_equal_the_whole(void **state)
{
	struct vault *v = *state;
	struct digest_init_req iq = { .mech = MECH(SHA256) };
	struct digest_init_res ir;
	struct digest_req q = { .data = SLICE_STR("abc"), .max = 32 };
	struct digest_res r;
	struct digest_update_req uq = { .data = SLICE_STR("ab") };
	struct digest_update_res ur;
	struct digest_final_req fq = { .max = 32 };
	struct digest_final_res fr;

	assert_int_equal(do_digest_init(v, &iq, &ir), HF_OK);
	assert_int_equal(do_digest(v, &q, &r), HF_OK);
	assert_int_equal(r.out.n, 32);
	assert_int_equal(r.out.p[0], 0xba); /* FIPS 180-4: ba7816bf... */
	assert_int_equal(do_digest_init(v, &iq, &ir), HF_OK);
	assert_int_equal(do_digest_update(v, &uq, &ur), HF_OK);
	uq.data = SLICE_STR("c");
	assert_int_equal(do_digest_update(v, &uq, &ur), HF_OK);
	assert_int_equal(do_digest_final(v, &fq, &fr), HF_OK);
	assert_true(slice_eq(r.out, fr.out));
}

static void padded_text_fits_where_its_plaintext_fits(void **state)
{
	struct vault *v = *state;
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	struct mech_in m = cbc(&b);
	uint64_t key = generate(v, MECH(AES_KEY_GEN), TMPL(LEN_16));
	struct decrypt_init_req iq = { .mech = m, .key = key };
	struct decrypt_init_res ir;
	struct decrypt_req q = { .max = 4 };
	struct decrypt_res r;

	assert_int_equal(encrypt_with(v, m, key, SLICE_STR("five!"), &q.data), HF_OK);
	assert_int_equal(do_decrypt_init(v, &iq, &ir), HF_OK);
	assert_int_equal(do_decrypt(v, &q, &r), HF_OK);
	assert_int_equal(r.need, 5);
	assert_int_equal(r.out.n, 0);
	q.max = 5;
	assert_int_equal(do_decrypt(v, &q, &r), HF_OK);
	assert_true(slice_eq(r.out, SLICE_STR("five!")));
}

static void text_in_parts_decrypts_to_the_whole(void **state)
{
	struct vault *v = *state;
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	CLEANUP(buf_done) struct buf ct = BUF_MAX(1024);
	struct mech_in m = cbc(&b);
	uint64_t key = generate(v, MECH(AES_KEY_GEN), TMPL(LEN_16));
	struct encrypt_init_req iq = { .mech = m, .key = key };
	struct encrypt_init_res ir;
	struct encrypt_update_req uq = { .data = SLICE_STR("0123456"), .max = 100 };
	struct encrypt_update_res ur;
	struct encrypt_final_req fq = { .max = 100 };
	struct encrypt_final_res fr;
	struct slice plain;

	assert_int_equal(do_encrypt_init(v, &iq, &ir), HF_OK);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(do_encrypt_update(v, &uq, &ur), HF_OK);
		buf_raw(&ct, ur.out);
	}
	assert_int_equal(do_encrypt_final(v, &fq, &fr), HF_OK);
	buf_raw(&ct, fr.out);
	assert_int_equal(decrypt_with(v, m, key, buf_slice(&ct), &plain), HF_OK);
	assert_true(slice_eq(plain, SLICE_STR("01234560123456012345601234560123456")));
}

static void an_altered_text_does_not_decrypt(void **state)
{
	struct vault *v = *state;
	CLEANUP(buf_done) struct buf b = BUF_MAX(256);
	uint64_t key = generate(v, MECH(AES_KEY_GEN), TMPL(LEN_16));
	struct slice ct, plain;
	struct mech_in m;
	uint8_t bad[64];

	buf_bytes(&b, SLICE_STR("012345678901"));
	buf_u64(&b, 96);
	buf_bytes(&b, SLICE_STR("aad"));
	buf_u64(&b, 128);
	m = MECH_P(AES_GCM, buf_slice(&b));
	assert_int_equal(encrypt_with(v, m, key, SLICE_STR("text"), &ct), HF_OK);
	assert_int_equal(decrypt_with(v, m, key, ct, &plain), HF_OK);
	assert_true(slice_eq(plain, SLICE_STR("text")));
	memcpy(bad, ct.p, ct.n);
	bad[0] ^= 1;
	assert_int_equal(decrypt_with(v, m, key, (struct slice){ bad, ct.n }, &plain), HF_E_AEAD);
}

static void a_signature_with_recovery_gives_its_data_back(void **state)
{
	struct vault *v = *state;
	struct sign_recover_init_req si = { .mech = MECH(RSA_PKCS) };
	struct sign_recover_init_res sir;
	struct sign_recover_req s = { .data = SLICE_STR("data"), .max = 256 };
	struct sign_recover_res sr;
	struct verify_recover_init_req vi = { .mech = MECH(RSA_PKCS) };
	struct verify_recover_init_res vir;
	struct verify_recover_req q = { .max = 4 };
	struct verify_recover_res r;

	generate_pair(v, MECH(RSA_PKCS_KEY_PAIR_GEN), TMPL(U(MODULUS_BITS, 2048)), TMPL_NONE,
		&vi.key, &si.key);
	assert_int_equal(do_sign_recover_init(v, &si, &sir), HF_OK);
	assert_int_equal(do_sign_recover(v, &s, &sr), HF_OK);
	assert_int_equal(do_verify_recover_init(v, &vi, &vir), HF_OK);
	q.signature = sr.out;
	assert_int_equal(do_verify_recover(v, &q, &r), HF_OK);
	assert_true(slice_eq(r.out, SLICE_STR("data")));
}

static void a_cancelled_operation_is_gone(void **state)
{
	struct vault *v = *state;
	uint64_t key = create(v, TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_SHA256_HMAC),
		AES_16));
	struct op_cancel_req q = { .ops = 1u << OPK_SIGN };
	struct op_cancel_res r;
	struct sign_res s;

	assert_int_equal(begin_sign(v, MECH(SHA256_HMAC), key), HF_OK);
	assert_int_equal(begin_sign(v, MECH(SHA256_HMAC), key), HF_E_OP_ACTIVE);
	assert_int_equal(do_op_cancel(v, &q, &r), HF_OK);
	assert_int_equal(sign_once(v, 32, &s), HF_E_OP_NONE);
	assert_int_equal(begin_sign(v, MECH(SHA256_HMAC), key), HF_OK);
	assert_int_equal(sign_once(v, 32, &s), HF_OK);
	assert_int_equal(s.out.n, 32);
}

static void a_mechanism_that_the_key_does_not_list_is_refused(void **state)
{
	static const uint8_t list[] = { 0, 0, 0, 0, 0, 0, 0x02, 0x51 }; /* CKM_SHA256_HMAC */
	struct vault *v = *state;
	uint64_t key = create(v, TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_GENERIC_SECRET),
		AES_16, V(ALLOWED_MECHANISMS, SLICE_OF(list))));
	struct slice sig;

	assert_int_equal(sign_with(v, MECH(SHA256_HMAC), key, SLICE_STR("x"), &sig), HF_OK);
	assert_int_equal(sign_with(v, MECH(SHA512_HMAC), key, SLICE_STR("x"), &sig),
		HF_E_MECHANISM);
}

/* --- logins ----------------------------------------------------------------------------- */

static void after_a_logout_nothing_signs_with_a_private_key(void **state)
{
	struct vault *v = *state;
	uint64_t pub, priv;
	struct sign_res s;

	generate_pair(v, MECH(EC_KEY_PAIR_GEN), TMPL(V(EC_PARAMS, SLICE_OF(p256))),
		TMPL(B(TOKEN, 1)), &pub, &priv);
	assert_int_equal(begin_sign(v, MECH(ECDSA_SHA256), priv), HF_OK);
	log_out(v);
	assert_int_equal(sign_once(v, 64, &s), HF_E_OP_NONE);
	assert_int_equal(begin_sign(v, MECH(ECDSA_SHA256), priv), HF_E_KEY_HANDLE);
	login_as(v, CKU_USER, USER_PIN);
	assert_int_equal(sign_once(v, 64, &s), HF_E_OP_NONE);
}

static void a_guarded_key_wants_the_pin_for_every_signature(void **state)
{
	struct vault *v = *state;
	uint64_t pub, priv;
	struct sign_res s;

	generate_pair(v, MECH(EC_KEY_PAIR_GEN), TMPL(V(EC_PARAMS, SLICE_OF(p256))),
		TMPL(B(ALWAYS_AUTHENTICATE, 1)), &pub, &priv);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(begin_sign(v, MECH(ECDSA_SHA256), priv), HF_OK);
		assert_int_equal(sign_once(v, 64, &s), HF_E_NOT_LOGGED_IN);
		assert_int_equal(begin_sign(v, MECH(ECDSA_SHA256), priv), HF_OK);
		login_as(v, CKU_CONTEXT_SPECIFIC, USER_PIN);
		assert_int_equal(sign_once(v, 64, &s), HF_OK);
		assert_int_equal(s.out.n, 64);
	}
}

/* --- random --------------------------------------------------------------------------------- */

static void random_bytes_come_as_many_as_asked(void **state)
{
	struct vault *v = *state;
	struct random_req q = { .n = 1 << 20 };
	struct random_res r, s;

	assert_int_equal(do_random(v, &q, &r), HF_OK);
	assert_int_equal(r.out.n, 1 << 20);
	q.n = 32;
	assert_int_equal(do_random(v, &q, &r), HF_OK);
	assert_int_equal(do_random(v, &q, &s), HF_OK);
	assert_false(slice_eq(r.out, s.out));
	q.n = (1 << 20) + 1;
	assert_int_equal(do_random(v, &q, &r), HF_E_ARGUMENTS);
	q.n = 0;
	assert_int_equal(do_random(v, &q, &r), HF_OK);
}

static void a_seed_from_outside_is_mixed_in(void **state)
{
	struct random_seed_req q = { .seed = SLICE_STR("seed") };
	struct random_seed_res r;
	struct random_req n = { .n = 32 };
	struct random_res a, b;

	assert_int_equal(do_random_seed(*state, &q, &r), HF_OK);
	assert_int_equal(do_random(*state, &n, &a), HF_OK);
	assert_int_equal(do_random_seed(*state, &q, &r), HF_OK);
	assert_int_equal(do_random(*state, &n, &b), HF_OK);
	assert_false(slice_eq(a.out, b.out)); /* it determines nothing */
}

/* --- memory --------------------------------------------------------------------------------- */

static enum hf_err make(struct vault *v)
{
	struct key_generate_req q = { .mech = MECH(AES_KEY_GEN), .attrs = TMPL(LEN_16, B(TOKEN, 1)) };
	struct key_generate_res r;

	return do_key_generate(v, &q, &r);
}

/* make_without has the n-th allocation fail, on either side of the call. */
static enum hf_err make_without(struct vault *v, long n, bool *ret_fired)
{
	enum hf_err e;

	v->fired = false;
	secret_fail_after(n);
	e = make(v);
	*ret_fired = v->fired || secret_fail_fired();
	secret_fail_after(-1);
	return e;
}

/* The answer may be lost when the work is done, but never the other way round. */
static void a_lack_of_memory_anywhere_makes_no_half_key(void **state)
{
	struct vault *v = *state;
	size_t made = 0, tried = 0;
	bool fired = true;

	for (long n = 1; fired; n++, tried++) {
		size_t before = count(v, TMPL_NONE);
		enum hf_err e = make_without(v, n, &fired);

		made = count(v, TMPL_NONE);
		assert_true(made == before + 1 || (made == before && e != HF_OK));
	}
	assert_true(tried > 10);
	vault_restart(v);
	login_as(v, CKU_USER, USER_PIN);
	assert_int_equal(count(v, TMPL_NONE), made);
}

static void a_lack_of_memory_anywhere_leaves_signing_possible(void **state)
{
	struct vault *v = *state;
	uint64_t key = create(v, TMPL(U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_SHA256_HMAC),
		AES_16));
	struct op_cancel_req q = { .ops = 1u << OPK_SIGN };
	struct op_cancel_res r;
	struct slice sig;
	bool fired = true;

	for (long n = 1; fired; n++) {
		v->fired = false;
		secret_fail_after(n);
		(void)!begin_sign(v, MECH(SHA256_HMAC), key);
		fired = v->fired || secret_fail_fired();
		secret_fail_after(-1);
		assert_int_equal(do_op_cancel(v, &q, &r), HF_OK);
		assert_int_equal(sign_with(v, MECH(SHA256_HMAC), key, SLICE_STR("x"), &sig), HF_OK);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(mechanisms_are_listed_ascending_and_explained),
		T(an_unknown_mechanism_is_not_explained),
		T(digests_in_parts_equal_the_whole),
		T(padded_text_fits_where_its_plaintext_fits),
		T(text_in_parts_decrypts_to_the_whole),
		T(an_altered_text_does_not_decrypt),
		T(a_signature_with_recovery_gives_its_data_back),
		T(a_cancelled_operation_is_gone),
		T(a_mechanism_that_the_key_does_not_list_is_refused),
		T(after_a_logout_nothing_signs_with_a_private_key),
		T(a_guarded_key_wants_the_pin_for_every_signature),
		T(random_bytes_come_as_many_as_asked),
		T(a_seed_from_outside_is_mixed_in),
		T(a_lack_of_memory_anywhere_makes_no_half_key),
		T(a_lack_of_memory_anywhere_leaves_signing_possible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
