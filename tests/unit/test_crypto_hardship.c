/* No memory, and many threads on one key. */
#include <pthread.h>

#include "crypt.h"
#include "fault.h"

#define P256 "06082a8648ce3d030107"
#define ED25519 "06032b6570"

/* --- allocations that fail ---------------------------------------------------- */

static struct parts rsa_priv, ec_priv, ed_priv, ml_priv, kem_priv, kem_pub;

static int setup(void **state)
{
	struct parts none[4] = { 0 };
	int bad = crypt_group_setup(state);

	bad |= pair_make(CKM_RSA_PKCS_KEY_PAIR_GEN,
		       COMPONENTS({ CKA_MODULUS_BITS, "0000000000000400" }), &none[0], &rsa_priv) !=
		HF_OK;
	bad |= pair_make(CKM_EC_KEY_PAIR_GEN, COMPONENTS({ CKA_EC_PARAMS, P256 }), &none[1],
		       &ec_priv) != HF_OK;
	bad |= pair_make(CKM_EC_EDWARDS_KEY_PAIR_GEN, COMPONENTS({ CKA_EC_PARAMS, ED25519 }), &none[2],
		       &ed_priv) != HF_OK;
	bad |= pair_make(CKM_ML_DSA_KEY_PAIR_GEN, COMPONENTS({ CKA_PARAMETER_SET, U64_HEX(1) }),
		       &none[3], &ml_priv) != HF_OK;
	bad |= pair_make(CKM_ML_KEM_KEY_PAIR_GEN, COMPONENTS({ CKA_PARAMETER_SET, U64_HEX(1) }),
		       &kem_pub, &kem_priv) != HF_OK;
	for (size_t i = 0; i < ITEMS(none); i++)
		parts_done(&none[i]);
	return bad != 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	parts_done(&rsa_priv);
	parts_done(&ec_priv);
	parts_done(&ed_priv);
	parts_done(&ml_priv);
	parts_done(&kem_priv);
	parts_done(&kem_pub);
	return 0;
}

static const struct params no_param = { .id = PARAM_NONE };
static const uint8_t iv[16];
static const struct params gcm = { .id = PARAM_GCM, .present = true,
	.u.gcm = { { iv, 12 }, 96, { NULL, 0 }, 128 } };
static const struct params pss = { .id = PARAM_RSA_PSS, .present = true,
	.u.rsa_pss = { CKM_SHA256, CKG_MGF1_SHA256, 32 } };
static const struct params oaep = { .id = PARAM_RSA_OAEP, .present = true,
	.u.rsa_oaep = { CKM_SHA256, CKG_MGF1_SHA256, 1, { iv, 16 } } };
static const struct params context = { .id = PARAM_CONTEXT };
static const struct params eddsa = { .id = PARAM_EDDSA };
static const struct params iv_optional = { .id = PARAM_IV_OPTIONAL };

static struct slice get(const void *ctx, uint32_t cka)
{
	return parts_get(ctx, cka);
}

/* whole parses a key, uses it once and frees it. */
static enum hf_err whole(uint32_t ckm, enum verb v, uint32_t cko, uint32_t ckk,
	const struct parts *parts, const struct params *p, struct buf *out)
{
	static const uint8_t in[32] = { 1 };
	struct crypt c = { mech_find(ckm), v, NULL, p, NULL };
	struct key_source s = { get, parts };
	struct key *k = NULL;
	enum hf_err e = parts == NULL ? HF_OK : key_parse(cko, ckk, &s, &k);

	if (e == HF_OK) {
		c.key = k;
		e = c.mech->family->begin(&c);
		if (e == HF_OK)
			e = c.mech->family->finish(&c, SLICE_OF(in), SLICE_NONE, out);
		c.mech->family->end(&c);
	}
	key_free(k);
	return e;
}

static void every_failed_allocation_is_an_error_and_no_more(void **state)
{
	struct parts aes = { 0 };
	const struct {
		uint32_t ckm;
		enum verb verb;
		uint32_t cko, ckk;
		const struct parts *parts;
		const struct params *p;
	} cases[] = {
		{ CKM_SHA256, VERB_DIGEST, 0, 0, NULL, &no_param },
		{ CKM_SHA256_HMAC, VERB_SIGN, CKO_SECRET_KEY, CKK_GENERIC_SECRET, &aes, &no_param },
		{ CKM_AES_CMAC, VERB_SIGN, CKO_SECRET_KEY, CKK_AES, &aes, &no_param },
		{ CKM_AES_ECB, VERB_ENCRYPT, CKO_SECRET_KEY, CKK_AES, &aes, &no_param },
		{ CKM_AES_GCM, VERB_ENCRYPT, CKO_SECRET_KEY, CKK_AES, &aes, &gcm },
		{ CKM_AES_KEY_WRAP_PKCS7, VERB_WRAP, CKO_SECRET_KEY, CKK_AES, &aes, &iv_optional },
		{ CKM_SHA256_RSA_PKCS, VERB_SIGN, CKO_PRIVATE_KEY, CKK_RSA, &rsa_priv, &no_param },
		{ CKM_SHA256_RSA_PKCS_PSS, VERB_SIGN, CKO_PRIVATE_KEY, CKK_RSA, &rsa_priv, &pss },
		{ CKM_RSA_PKCS_OAEP, VERB_ENCRYPT, CKO_PUBLIC_KEY, CKK_RSA, &rsa_priv, &oaep },
		{ CKM_RSA_X_509, VERB_ENCRYPT, CKO_PUBLIC_KEY, CKK_RSA, &rsa_priv, &no_param },
		{ CKM_ECDSA_SHA256, VERB_SIGN, CKO_PRIVATE_KEY, CKK_EC, &ec_priv, &no_param },
		{ CKM_EDDSA, VERB_SIGN, CKO_PRIVATE_KEY, CKK_EC_EDWARDS, &ed_priv, &eddsa },
		{ CKM_ML_DSA, VERB_SIGN, CKO_PRIVATE_KEY, CKK_ML_DSA, &ml_priv, &context },
		{ CKM_HASH_ML_DSA_SHA256, VERB_SIGN, CKO_PRIVATE_KEY, CKK_ML_DSA, &ml_priv, &context },
	};

	(void)state;
	hex_parts(COMPONENTS({ CKA_VALUE, "000102030405060708090a0b0c0d0e0f" }), &aes);
	for (size_t i = 0; i < ITEMS(cases); i++) {
		bool fired = true;
		long n = 1;

		for (; fired; n++) {
			struct buf out = BUF_MAX(8192);
			enum hf_err e;

			secret_fail_after(n);
			e = whole(cases[i].ckm, cases[i].verb, cases[i].cko, cases[i].ckk,
				cases[i].parts, cases[i].p, &out);
			fired = secret_fail_fired();
			secret_fail_after(-1);
			assert_true(e != HF_OK || out.n > 0);
			assert_true(fired || e == HF_OK);
			buf_done(&out);
			assert_true(n < 20000);
		}
		print_message("%s: %ld allocations\n", mech_find(cases[i].ckm)->name, n - 2);
		assert_true(n > 2);
	}
	parts_done(&aes);
}

static enum hf_err import_once(uint32_t cko, uint32_t ckk, const struct parts *p)
{
	struct key_source s = { get, p };
	struct parts extra = { 0 };
	enum hf_err e = key_import(cko, ckk, &s, &extra);

	parts_done(&extra);
	return e;
}

static void every_failed_allocation_of_an_import_is_an_error(void **state)
{
	static const uint32_t without_crt[] = { CKA_MODULUS, CKA_PUBLIC_EXPONENT,
		CKA_PRIVATE_EXPONENT };
	struct parts rsa = { 0 };
	const struct {
		uint32_t ckk;
		const struct parts *p;
	} cases[] = {
		{ CKK_RSA, &rsa }, { CKK_EC, &ec_priv }, { CKK_EC_EDWARDS, &ed_priv },
		{ CKK_ML_KEM, &kem_priv },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(without_crt); i++)
		assert_int_equal(parts_put(&rsa, without_crt[i], parts_get(&rsa_priv, without_crt[i])),
			HF_OK);
	for (size_t i = 0; i < ITEMS(cases); i++) {
		bool fired = true;

		for (long n = 1; fired; n++) {
			enum hf_err e;

			secret_fail_after(n);
			e = import_once(CKO_PRIVATE_KEY, cases[i].ckk, cases[i].p);
			fired = secret_fail_fired();
			secret_fail_after(-1);
			assert_true(fired || e == HF_OK);
			assert_true(n < 20000);
		}
	}
	parts_done(&rsa);
}

static void every_failed_allocation_of_the_primitives_is_an_error(void **state)
{
	bool fired = true;

	(void)state;
	for (long n = 1; fired; n++) {
		struct buf sealed = BUF_MAX(256);
		struct secret plain = { 0 };
		enum hf_err e;

		secret_fail_after(n);
		e = crypto_seal(SLICE_STR("key"), SLICE_STR("aad"), SLICE_STR("text"), &sealed);
		if (e == HF_OK)
			e = crypto_open(SLICE_STR("key"), SLICE_STR("aad"), buf_slice(&sealed), &plain);
		fired = secret_fail_fired();
		secret_fail_after(-1);
		assert_true(fired || e == HF_OK);
		assert_true(e != HF_E_DAMAGED); /* that would be a lie */
		assert_true(e == HF_OK ? plain.n == 4 : plain.p == NULL);
		buf_done(&sealed);
		secret_done(&plain);
	}
}

/* --- threads ------------------------------------------------------------------ */

#define THREADS 4
#define ROUNDS 300

static struct key *shared_ec, *shared_aes;

static bool sign_and_encrypt(unsigned i)
{
	static const uint32_t signers[] = { CKM_ECDSA, CKM_ECDSA_SHA256, CKM_ECDSA_SHA384,
		CKM_ECDSA_SHA512 };
	static const uint8_t in[32] = { 7 };
	struct buf out = BUF_MAX(256), back = BUF_MAX(256);
	struct crypt c = { mech_find(signers[i % 4]), VERB_SIGN, shared_ec, &no_param, NULL };
	struct crypt e = { mech_find(CKM_AES_GCM), VERB_ENCRYPT, shared_aes, &gcm, NULL };
	struct crypt d = { mech_find(CKM_AES_GCM), VERB_DECRYPT, shared_aes, &gcm, NULL };
	bool ok = c.mech->family->begin(&c) == HF_OK &&
		c.mech->family->finish(&c, SLICE_OF(in), SLICE_NONE, &out) == HF_OK && out.n == 64;

	c.mech->family->end(&c);
	buf_reset(&out);
	ok = ok && e.mech->family->begin(&e) == HF_OK &&
		e.mech->family->finish(&e, SLICE_OF(in), SLICE_NONE, &out) == HF_OK;
	e.mech->family->end(&e);
	ok = ok && d.mech->family->begin(&d) == HF_OK &&
		d.mech->family->finish(&d, buf_slice(&out), SLICE_NONE, &back) == HF_OK &&
		slice_eq(buf_slice(&back), SLICE_OF(in));
	d.mech->family->end(&d);
	buf_done(&out);
	buf_done(&back);
	return ok;
}

static void *work(void *arg)
{
	uintptr_t ok = 1;

	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++)
		ok &= sign_and_encrypt(i);
	return (void *)ok;
}

static void threads_share_a_key(void **state)
{
	pthread_t t[THREADS];
	void *ok;

	(void)state;
	shared_ec = key_parts(CKO_PRIVATE_KEY, CKK_EC, &ec_priv);
	shared_aes = key_hex(CKO_SECRET_KEY, CKK_AES,
		COMPONENTS({ CKA_VALUE, "000102030405060708090a0b0c0d0e0f" }));
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, work, NULL), 0);
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(t[i], &ok), 0);
		assert_non_null(ok);
	}
	key_free(shared_ec);
	key_free(shared_aes);
}

static void a_key_keeps_states_for_more_mechanisms_than_it_has_places(void **state)
{
	struct key *k = key_hex(CKO_SECRET_KEY, CKK_GENERIC_SECRET, COMPONENTS({ CKA_VALUE, "0102" }));
	struct crypt c[12] = { 0 };
	size_t n = 0;

	(void)state;
	for (size_t i = 0; n < ITEMS(c); i++) {
		const struct mech *m = mech_at(i);

		assert_non_null(m);
		if (strcmp(m->family->name, "hmac") != 0 || m->param != PARAM_NONE)
			continue;
		c[n] = (struct crypt){ m, VERB_SIGN, k, &no_param, NULL };
		assert_int_equal(m->family->begin(&c[n++]), HF_OK);
		if (n == 11) /* there are no more */
			break;
	}
	for (size_t i = 0; i < n; i++)
		c[i].mech->family->end(&c[i]);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(c[i].mech->family->begin(&c[i]), HF_OK);
		c[i].mech->family->end(&c[i]);
	}
	key_free(k);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_failed_allocation_is_an_error_and_no_more),
		cmocka_unit_test(every_failed_allocation_of_an_import_is_an_error),
		cmocka_unit_test(every_failed_allocation_of_the_primitives_is_an_error),
		cmocka_unit_test(threads_share_a_key),
		cmocka_unit_test(a_key_keeps_states_for_more_mechanisms_than_it_has_places),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
