/* Keys through the gate: made, wrapped, unwrapped, derived, agreed upon. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto.h"
#include "vault.h"

#define AES U(CLASS, CKO_SECRET_KEY), U(KEY_TYPE, CKK_AES)
#define OPEN B(SENSITIVE, 0), B(EXTRACTABLE, 1)
#define LEN_16 U(VALUE_LEN, 16)

static const uint8_t p256[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7 };
static const uint8_t ed25519[] = { 6, 3, 0x2b, 0x65, 0x70 };
static const uint8_t x25519[] = { 6, 3, 0x2b, 0x65, 0x6e };

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

static uint64_t aes(struct vault *v, struct attr_list t)
{
	return generate(v, MECH(AES_KEY_GEN), t);
}

static enum hf_err generate_fails(struct vault *v, struct mech_in m, struct attr_list t)
{
	struct key_generate_req q = { .mech = m, .attrs = t };
	struct key_generate_res r;

	return do_key_generate(v, &q, &r);
}

/* --- generation ------------------------------------------------------------------ */

static void a_generated_key_is_local_and_closed(void **state)
{
	struct vault *v = *state;
	uint64_t k = aes(v, TMPL(LEN_16));

	assert_true(flag_of(v, k, CKA_LOCAL));
	assert_true(flag_of(v, k, CKA_ALWAYS_SENSITIVE));
	assert_true(flag_of(v, k, CKA_NEVER_EXTRACTABLE));
	assert_int_equal(told(v, k, CKA_VALUE, NULL), ATTR_SENSITIVE);
	assert_int_equal(get_u64(value_of(v, k, CKA_KEY_GEN_MECHANISM).p), CKM_AES_KEY_GEN);
	assert_int_equal(get_u64(value_of(v, k, CKA_CLASS).p), CKO_SECRET_KEY);
	assert_int_equal(get_u64(value_of(v, k, CKA_KEY_TYPE).p), CKK_AES);
	assert_int_equal(value_of(v, k, CKA_CHECK_VALUE).n, 3);
}

static void impossible_generations_get_the_standards_error(void **state)
{
	struct vault *v = *state;

	assert_int_equal(generate_fails(v, MECH(AES_KEY_GEN), TMPL_NONE), HF_E_TEMPLATE_INCOMPLETE);
	assert_int_equal(generate_fails(v, MECH(AES_KEY_GEN), TMPL(LEN_16, U(KEY_TYPE, CKK_HKDF))),
		HF_E_TEMPLATE_CONFLICT);
	assert_int_not_equal(generate_fails(v, MECH(AES_KEY_GEN), TMPL(U(VALUE_LEN, 17))), HF_OK);
	assert_int_equal(generate_fails(v, MECH(SHA256), TMPL(LEN_16)), HF_E_MECHANISM);
	assert_int_equal(generate_fails(v, MECH(RSA_PKCS_KEY_PAIR_GEN), TMPL(LEN_16)),
		HF_E_MECHANISM);
	assert_int_equal(
		generate_fails(v, MECH_P(AES_KEY_GEN, SLICE_STR("x")), TMPL(LEN_16)),
		HF_E_MECHANISM_PARAM);
	assert_int_equal(count(v, TMPL_NONE), 0);
}

static void a_generation_sent_again_makes_one_key(void **state)
{
	struct vault *v = *state;
	uint64_t k = aes(v, TMPL(LEN_16)), pub, priv, pub2, priv2;

	vault_again(v);
	assert_int_equal(aes(v, TMPL(LEN_16)), k);
	generate_pair(v, MECH(EC_KEY_PAIR_GEN), TMPL(V(EC_PARAMS, SLICE_OF(p256))), TMPL_NONE,
		&pub, &priv);
	vault_again(v);
	generate_pair(v, MECH(EC_KEY_PAIR_GEN), TMPL(V(EC_PARAMS, SLICE_OF(p256))), TMPL_NONE,
		&pub2, &priv2);
	assert_int_equal(pub, pub2);
	assert_int_equal(priv, priv2);
	assert_int_equal(count(v, TMPL_NONE), 3);
}

struct kind {
	const char *name;
	struct mech_in gen, sign;
	struct attr_list pub;
};

#define KINDS(...) const struct kind kinds[] = { __VA_ARGS__ }
#define EACH(i) (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)

static void every_kind_of_pair_signs_and_survives_a_restart(void **state)
{
	KINDS({ "RSA", MECH(RSA_PKCS_KEY_PAIR_GEN), MECH(SHA256_RSA_PKCS), TMPL(U(MODULUS_BITS, 2048)) },
		{ "P-256", MECH(EC_KEY_PAIR_GEN), MECH(ECDSA_SHA256),
			TMPL(V(EC_PARAMS, SLICE_OF(p256))) },
		{ "Ed25519", MECH(EC_EDWARDS_KEY_PAIR_GEN), MECH(EDDSA),
			TMPL(V(EC_PARAMS, SLICE_OF(ed25519))) },
		{ "ML-DSA-65", MECH(ML_DSA_KEY_PAIR_GEN), MECH(ML_DSA),
			TMPL(U(PARAMETER_SET, CKP_ML_DSA_65)) });
	struct vault *v = *state;
	uint64_t pub[4], priv[4];
	struct slice sig;

	for EACH(i) {
		struct attr t[8];

		memcpy(t, kinds[i].pub.v, kinds[i].pub.n * sizeof(t[0]));
		t[kinds[i].pub.n] = (struct attr)B(TOKEN, 1);
		generate_pair(v, kinds[i].gen, (struct attr_list){ t, kinds[i].pub.n + 1 },
			TMPL(B(TOKEN, 1)), &pub[i], &priv[i]);
	}
	vault_restart(v);
	login_as(v, CKU_USER, USER_PIN);
	for EACH(i) {
		if (sign_with(v, kinds[i].sign, priv[i], SLICE_STR("data"), &sig) != HF_OK ||
		    verify_with(v, kinds[i].sign, pub[i], SLICE_STR("data"), sig) != HF_OK)
			fail_msg("%s", kinds[i].name);
		assert_int_equal(verify_with(v, kinds[i].sign, pub[i], SLICE_STR("other"), sig),
			HF_E_SIGNATURE);
		assert_true(slice_eq(value_of(v, pub[i], CKA_PUBLIC_KEY_INFO),
			value_of(v, priv[i], CKA_PUBLIC_KEY_INFO)));
		assert_false(flag_of(v, pub[i], CKA_PRIVATE));
		assert_true(flag_of(v, priv[i], CKA_NEVER_EXTRACTABLE));
	}
}

static void of_a_pair_that_may_not_be_neither_half_is_made(void **state)
{
	struct vault *v = *state;
	struct key_pair_generate_req q = { .mech = MECH(EC_KEY_PAIR_GEN),
		.pub = TMPL(V(EC_PARAMS, SLICE_OF(p256))), .priv = TMPL(B(TOKEN, 1)) };
	struct key_pair_generate_res r;

	keeper_memory_fail_commits(v->keeper, 1);
	assert_int_equal(do_key_pair_generate(v, &q, &r), HF_E_STORE);
	log_out(v);
	q.priv = TMPL_NONE;
	assert_int_equal(do_key_pair_generate(v, &q, &r), HF_E_NOT_LOGGED_IN);
	login_as(v, CKU_USER, USER_PIN);
	assert_int_equal(count(v, TMPL_NONE), 0);
}

/* --- wrapping ----------------------------------------------------------------------- */

static void a_wrapped_key_comes_back_the_same(void **state)
{
	struct vault *v = *state;
	uint64_t with = aes(v, TMPL(LEN_16)), key = aes(v, TMPL(LEN_16, B(EXTRACTABLE, 1))), back;
	struct slice w, a, b;

	assert_int_equal(wrap_with(v, MECH(AES_KEY_WRAP), with, key, &w), HF_OK);
	assert_int_equal(w.n, 24);
	assert_int_equal(unwrap_with(v, MECH(AES_KEY_WRAP), with, w, TMPL(AES), &back), HF_OK);
	assert_int_equal(encrypt_with(v, MECH(AES_ECB), key, SLICE_STR("0123456789abcdef"), &a),
		HF_OK);
	assert_int_equal(encrypt_with(v, MECH(AES_ECB), back, SLICE_STR("0123456789abcdef"), &b),
		HF_OK);
	assert_true(slice_eq(a, b));
	assert_false(flag_of(v, back, CKA_LOCAL));
	assert_false(flag_of(v, back, CKA_ALWAYS_SENSITIVE));
	assert_false(flag_of(v, back, CKA_NEVER_EXTRACTABLE));
}

static void a_private_key_comes_back_and_signs(void **state)
{
	struct vault *v = *state;
	uint64_t with = aes(v, TMPL(LEN_16)), pub, priv, back;
	struct slice w, sig;

	generate_pair(v, MECH(EC_KEY_PAIR_GEN), TMPL(V(EC_PARAMS, SLICE_OF(p256))),
		TMPL(B(EXTRACTABLE, 1)), &pub, &priv);
	assert_int_equal(wrap_with(v, MECH(AES_KEY_WRAP_KWP), with, priv, &w), HF_OK);
	assert_int_equal(unwrap_with(v, MECH(AES_KEY_WRAP_KWP), with, w,
		TMPL(U(CLASS, CKO_PRIVATE_KEY), U(KEY_TYPE, CKK_EC)), &back), HF_OK);
	assert_int_equal(sign_with(v, MECH(ECDSA_SHA256), back, SLICE_STR("x"), &sig), HF_OK);
	assert_int_equal(verify_with(v, MECH(ECDSA_SHA256), pub, SLICE_STR("x"), sig), HF_OK);
}

static void asking_for_the_wrapped_length_wraps_nothing(void **state)
{
	struct vault *v = *state;
	struct key_wrap_req q = { .mech = MECH(AES_KEY_WRAP), .max = WIRE_NO_OUTPUT };
	struct key_wrap_res r;

	q.with = aes(v, TMPL(LEN_16));
	q.key = aes(v, TMPL(LEN_16, B(EXTRACTABLE, 1)));
	assert_int_equal(do_key_wrap(v, &q, &r), HF_OK);
	assert_int_equal(r.need, 24);
	assert_int_equal(r.out.n, 0);
	q.max = 23;
	assert_int_equal(do_key_wrap(v, &q, &r), HF_OK);
	assert_int_equal(r.out.n, 0);
}

static enum hf_err wrap_fails(struct vault *v, uint64_t with, uint64_t key)
{
	struct slice w;

	return wrap_with(v, MECH(AES_KEY_WRAP), with, key, &w);
}

static const uint8_t only_labelled[] = { 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 2, 'o', 'k' };

static void keys_that_may_not_leave_do_not(void **state)
{
	struct vault *v = *state;
	uint64_t with = aes(v, TMPL(LEN_16)), out = aes(v, TMPL(LEN_16, B(EXTRACTABLE, 1)));
	uint64_t narrow = aes(v, TMPL(LEN_16, V(WRAP_TEMPLATE, SLICE_OF(only_labelled))));

	assert_int_equal(wrap_fails(v, with, aes(v, TMPL(LEN_16))), HF_E_KEY_UNEXTRACTABLE);
	assert_int_equal(wrap_fails(v, with, aes(v, TMPL(LEN_16, B(EXTRACTABLE, 1),
		B(WRAP_WITH_TRUSTED, 1)))), HF_E_KEY_NOT_WRAPPABLE);
	assert_int_equal(wrap_fails(v, aes(v, TMPL(LEN_16, B(WRAP, 0))), out), HF_E_KEY_FUNCTION);
	assert_int_equal(wrap_fails(v, 1, out), HF_E_WRAPPING_KEY_HANDLE);
	assert_int_equal(wrap_fails(v, with, 1), HF_E_KEY_HANDLE);
	assert_int_equal(wrap_fails(v, create(v, TMPL(U(CLASS, CKO_SECRET_KEY),
		U(KEY_TYPE, CKK_GENERIC_SECRET), AES_16)), out), HF_E_WRAPPING_KEY_TYPE);
	assert_int_equal(wrap_fails(v, narrow, out), HF_E_KEY_HANDLE);
	assert_int_equal(wrap_fails(v, narrow, aes(v, TMPL(LEN_16, B(EXTRACTABLE, 1),
		S(LABEL, "ok")))), HF_OK);
}

static void a_trusted_key_wraps_what_wants_trust(void **state)
{
	struct vault *v = *state;
	uint64_t with = aes(v, TMPL(LEN_16, B(TOKEN, 1), B(PRIVATE, 0)));
	struct attr_set_req q = { .object = with, .attrs = TMPL(B(TRUSTED, 1)) };
	struct attr_set_res r;

	log_out(v);
	login_as(v, CKU_SO, SO_PIN);
	assert_int_equal(do_attr_set(v, &q, &r), HF_OK);
	log_out(v);
	login_as(v, CKU_USER, USER_PIN);
	assert_int_equal(wrap_fails(v, with, aes(v, TMPL(LEN_16, B(EXTRACTABLE, 1),
		B(WRAP_WITH_TRUSTED, 1)))), HF_OK);
}

static void an_unwrap_template_rules_what_comes_in(void **state)
{
	struct vault *v = *state;
	uint64_t with = aes(v, TMPL(LEN_16, V(UNWRAP_TEMPLATE, SLICE_OF(only_labelled))));
	uint64_t key = aes(v, TMPL(LEN_16, B(EXTRACTABLE, 1))), back;
	struct slice w;

	assert_int_equal(wrap_with(v, MECH(AES_KEY_WRAP), with, key, &w), HF_OK);
	assert_int_equal(unwrap_with(v, MECH(AES_KEY_WRAP), with, w, TMPL(AES), &back), HF_OK);
	assert_true(slice_eq(value_of(v, back, CKA_LABEL), SLICE_STR("ok")));
	assert_int_equal(unwrap_with(v, MECH(AES_KEY_WRAP), with, w, TMPL(AES, S(LABEL, "mine")),
		&back), HF_E_TEMPLATE_CONFLICT);
}

static void what_is_no_wrapped_key_is_refused(void **state)
{
	struct vault *v = *state;
	uint64_t with = aes(v, TMPL(LEN_16)), key = aes(v, TMPL(LEN_16, B(EXTRACTABLE, 1))), back;
	struct slice w;
	uint8_t bad[24];

	assert_int_equal(wrap_with(v, MECH(AES_KEY_WRAP), with, key, &w), HF_OK);
	memcpy(bad, w.p, 24);
	bad[5] ^= 1;
	assert_int_equal(unwrap_with(v, MECH(AES_KEY_WRAP), with, SLICE_OF(bad), TMPL(AES), &back),
		HF_E_WRAPPED_KEY);
	w.n = 23;
	assert_int_equal(unwrap_with(v, MECH(AES_KEY_WRAP), with, w, TMPL(AES), &back),
		HF_E_WRAPPED_KEY_LEN);
	w.n = 24;
	assert_int_equal(unwrap_with(v, MECH(AES_KEY_WRAP), with, w,
		TMPL(U(CLASS, CKO_PRIVATE_KEY), U(KEY_TYPE, CKK_EC)), &back), HF_E_WRAPPED_KEY);
	assert_int_equal(unwrap_with(v, MECH(AES_KEY_WRAP), with, w, TMPL(AES, AES_16), &back),
		HF_E_ATTR_READ_ONLY);
	assert_int_equal(unwrap_with(v, MECH(AES_KEY_WRAP), with, w, TMPL_NONE, &back),
		HF_E_TEMPLATE_INCOMPLETE);
	assert_int_equal(unwrap_with(v, MECH(AES_KEY_WRAP), 1, w, TMPL(AES), &back),
		HF_E_UNWRAPPING_KEY_HANDLE);
}

/* --- derivation ---------------------------------------------------------------------- */

static enum hf_err derive(struct vault *v, struct mech_in m, uint64_t base, struct attr_list t,
	uint64_t *ret)
{
	struct key_derive_req q = { .mech = m, .base = base, .attrs = t };
	struct key_derive_res r = { 0 };
	enum hf_err e = do_key_derive(v, &q, &r);

	*ret = r.key;
	return e;
}

/* ecdh_with packs CK_ECDH1_DERIVE_PARAMS without a KDF; buf belongs to the caller. */
static struct mech_in ecdh_with(struct buf *b, struct slice point)
{
	buf_u64(b, CKD_NULL);
	buf_bytes(b, SLICE_NONE);
	buf_bytes(b, point);
	return MECH_P(ECDH1_DERIVE, buf_slice(b));
}

/* agree makes two pairs of a curve and derives both ways. */
static void agree(struct vault *v, struct mech_in gen, struct slice curve)
{
	uint64_t pub[2], priv[2], key[2];

	for (int i = 0; i < 2; i++)
		generate_pair(v, gen, TMPL(V(EC_PARAMS, curve)), TMPL(B(DERIVE, 1)), &pub[i],
			&priv[i]);
	for (int i = 0; i < 2; i++) {
		CLEANUP(buf_done) struct buf b = BUF_MAX(1024);
		struct mech_in m = ecdh_with(&b, value_of(v, pub[1 - i], CKA_EC_POINT));

		assert_int_equal(derive(v, m, priv[i], TMPL(AES, U(VALUE_LEN, 32), OPEN), &key[i]),
			HF_OK);
	}
	assert_true(slice_eq(value_of(v, key[0], CKA_VALUE), value_of(v, key[1], CKA_VALUE)));
}

static void both_sides_of_an_agreement_get_one_key(void **state)
{
	agree(*state, MECH(EC_KEY_PAIR_GEN), SLICE_OF(p256));
	agree(*state, MECH(EC_MONTGOMERY_KEY_PAIR_GEN), SLICE_OF(x25519));
}

static void a_derived_key_is_a_generic_secret_unless_asked(void **state)
{
	struct vault *v = *state;
	CLEANUP(buf_done) struct buf b = BUF_MAX(1024);
	uint64_t pub, priv, key;

	generate_pair(v, MECH(EC_KEY_PAIR_GEN), TMPL(V(EC_PARAMS, SLICE_OF(p256))),
		TMPL(B(DERIVE, 1)), &pub, &priv);
	assert_int_equal(derive(v, ecdh_with(&b, value_of(v, pub, CKA_EC_POINT)), priv, TMPL_NONE,
		&key), HF_OK);
	assert_int_equal(get_u64(value_of(v, key, CKA_KEY_TYPE).p), CKK_GENERIC_SECRET);
	assert_int_equal(get_u64(value_of(v, key, CKA_VALUE_LEN).p), 32);
	assert_true(flag_of(v, key, CKA_ALWAYS_SENSITIVE));
	assert_false(flag_of(v, key, CKA_LOCAL));
}

static void a_key_that_may_not_derive_does_not(void **state)
{
	struct vault *v = *state;
	CLEANUP(buf_done) struct buf b = BUF_MAX(1024);
	uint64_t pub, priv, key;
	struct mech_in m;

	generate_pair(v, MECH(EC_KEY_PAIR_GEN),
		TMPL(V(EC_PARAMS, SLICE_OF(p256)), B(DERIVE, 1)), TMPL_NONE, &pub, &priv);
	m = ecdh_with(&b, value_of(v, pub, CKA_EC_POINT));
	assert_int_equal(derive(v, m, priv, TMPL_NONE, &key), HF_E_KEY_FUNCTION);
	assert_int_equal(derive(v, m, pub, TMPL_NONE, &key), HF_E_KEY_TYPE);
	assert_int_equal(derive(v, m, aes(v, TMPL(LEN_16, B(DERIVE, 1))), TMPL_NONE, &key),
		HF_E_KEY_TYPE);
}

static void a_derive_template_rules_what_is_derived(void **state)
{
	static const uint8_t closed[] = { 0, 0, 0, 1, 0, 0, 1, 0x62, 0, 0, 0, 1, 0 };
	struct vault *v = *state;
	CLEANUP(buf_done) struct buf b = BUF_MAX(1024);
	uint64_t pub, priv, key;
	struct mech_in m;

	generate_pair(v, MECH(EC_KEY_PAIR_GEN), TMPL(V(EC_PARAMS, SLICE_OF(p256))),
		TMPL(B(DERIVE, 1), V(DERIVE_TEMPLATE, SLICE_OF(closed))), &pub, &priv);
	m = ecdh_with(&b, value_of(v, pub, CKA_EC_POINT));
	assert_int_equal(derive(v, m, priv, TMPL(B(EXTRACTABLE, 1)), &key),
		HF_E_TEMPLATE_CONFLICT);
	assert_int_equal(derive(v, m, priv, TMPL_NONE, &key), HF_OK);
}

static void a_derivation_sent_again_makes_one_key(void **state)
{
	struct vault *v = *state;
	CLEANUP(buf_done) struct buf b = BUF_MAX(1024);
	uint64_t pub, priv, key, again;
	struct mech_in m;

	generate_pair(v, MECH(EC_KEY_PAIR_GEN), TMPL(V(EC_PARAMS, SLICE_OF(p256))),
		TMPL(B(DERIVE, 1)), &pub, &priv);
	m = ecdh_with(&b, value_of(v, pub, CKA_EC_POINT));
	assert_int_equal(derive(v, m, priv, TMPL_NONE, &key), HF_OK);
	vault_again(v);
	assert_int_equal(derive(v, m, priv, TMPL_NONE, &again), HF_OK);
	assert_int_equal(key, again);
}

/* --- encapsulation ------------------------------------------------------------------- */

static void kem_pair(struct vault *v, uint64_t *ret_pub, uint64_t *ret_priv)
{
	generate_pair(v, MECH(ML_KEM_KEY_PAIR_GEN), TMPL(U(PARAMETER_SET, CKP_ML_KEM_768)),
		TMPL_NONE, ret_pub, ret_priv);
}

static enum hf_err encapsulate(struct vault *v, uint64_t with, uint32_t max,
	struct encapsulate_res *r)
{
	struct encapsulate_req q = { .mech = MECH(ML_KEM), .with = with, .max = max,
		.attrs = TMPL(AES, LEN_16, OPEN) };

	return do_encapsulate(v, &q, r);
}

static enum hf_err decapsulate(struct vault *v, uint64_t with, struct slice ct, uint64_t *ret)
{
	struct decapsulate_req q = { .mech = MECH(ML_KEM), .with = with, .wrapped = ct,
		.attrs = TMPL(AES, LEN_16, OPEN) };
	struct decapsulate_res r = { 0 };
	enum hf_err e = do_decapsulate(v, &q, &r);

	*ret = r.key;
	return e;
}

static void both_sides_of_an_encapsulation_get_one_key(void **state)
{
	struct vault *v = *state;
	struct encapsulate_res r;
	uint64_t pub, priv, key;

	kem_pair(v, &pub, &priv);
	assert_int_equal(encapsulate(v, pub, 4096, &r), HF_OK);
	assert_int_equal(decapsulate(v, priv, r.out, &key), HF_OK);
	assert_int_equal(value_of(v, key, CKA_VALUE).n, 16);
	assert_true(slice_eq(value_of(v, key, CKA_VALUE), value_of(v, r.key, CKA_VALUE)));
	assert_false(flag_of(v, key, CKA_ALWAYS_SENSITIVE));
}

static void without_room_for_the_ciphertext_no_key_is_made(void **state)
{
	struct vault *v = *state;
	struct encapsulate_res r;
	uint64_t pub, priv;

	kem_pair(v, &pub, &priv);
	assert_int_equal(encapsulate(v, pub, WIRE_NO_OUTPUT, &r), HF_OK);
	assert_int_equal(r.need, 1088);
	assert_int_equal(r.key, 0);
	assert_int_equal(encapsulate(v, pub, 1087, &r), HF_OK);
	assert_int_equal(count(v, TMPL(U(CLASS, CKO_SECRET_KEY))), 0);
}

static void an_encapsulation_sent_again_leaves_one_key_that_fits(void **state)
{
	struct vault *v = *state;
	struct encapsulate_res first, second;
	uint64_t pub, priv, key;

	kem_pair(v, &pub, &priv);
	assert_int_equal(encapsulate(v, pub, 4096, &first), HF_OK);
	vault_again(v);
	assert_int_equal(encapsulate(v, pub, 4096, &second), HF_OK);
	assert_int_equal(count(v, TMPL(U(CLASS, CKO_SECRET_KEY))), 1);
	assert_int_equal(decapsulate(v, priv, second.out, &key), HF_OK);
	assert_true(slice_eq(value_of(v, key, CKA_VALUE), value_of(v, second.key, CKA_VALUE)));
}

static void ciphertexts_of_the_wrong_length_are_refused(void **state)
{
	struct vault *v = *state;
	struct encapsulate_res r;
	uint64_t pub, priv, key;

	kem_pair(v, &pub, &priv);
	assert_int_equal(encapsulate(v, pub, 4096, &r), HF_OK);
	assert_int_equal(decapsulate(v, priv, SLICE_NONE, &key), HF_E_WRAPPED_KEY_LEN);
	r.out.n--;
	assert_int_not_equal(decapsulate(v, priv, r.out, &key), HF_OK);
	r.out.n++;
	assert_int_equal(decapsulate(v, pub, r.out, &key), HF_E_KEY_FUNCTION);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_generated_key_is_local_and_closed),
		T(impossible_generations_get_the_standards_error),
		T(a_generation_sent_again_makes_one_key),
		T(every_kind_of_pair_signs_and_survives_a_restart),
		T(of_a_pair_that_may_not_be_neither_half_is_made),
		T(a_wrapped_key_comes_back_the_same),
		T(a_private_key_comes_back_and_signs),
		T(asking_for_the_wrapped_length_wraps_nothing),
		T(keys_that_may_not_leave_do_not),
		T(a_trusted_key_wraps_what_wants_trust),
		T(an_unwrap_template_rules_what_comes_in),
		T(what_is_no_wrapped_key_is_refused),
		T(both_sides_of_an_agreement_get_one_key),
		T(a_derived_key_is_a_generic_secret_unless_asked),
		T(a_key_that_may_not_derive_does_not),
		T(a_derive_template_rules_what_is_derived),
		T(a_derivation_sent_again_makes_one_key),
		T(both_sides_of_an_encapsulation_get_one_key),
		T(without_room_for_the_ciphertext_no_key_is_made),
		T(an_encapsulation_sent_again_leaves_one_key_that_fits),
		T(ciphertexts_of_the_wrong_length_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
