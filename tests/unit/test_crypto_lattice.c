/* ML-DSA and ML-KEM. */
#include "crypt.h"

static const struct {
	uint32_t gen, ckk;
	const char *set;
	size_t pub, priv, seed, out;
} sets[] = {
	/* FIPS 204, table 2; FIPS 203, table 3 */
	{ CKM_ML_DSA_KEY_PAIR_GEN, CKK_ML_DSA, U64_HEX(1), 1312, 2560, 32, 2420 },
	{ CKM_ML_DSA_KEY_PAIR_GEN, CKK_ML_DSA, U64_HEX(2), 1952, 4032, 32, 3309 },
	{ CKM_ML_DSA_KEY_PAIR_GEN, CKK_ML_DSA, U64_HEX(3), 2592, 4896, 32, 4627 },
	{ CKM_ML_KEM_KEY_PAIR_GEN, CKK_ML_KEM, U64_HEX(1), 800, 1632, 64, 768 },
	{ CKM_ML_KEM_KEY_PAIR_GEN, CKK_ML_KEM, U64_HEX(2), 1184, 2400, 64, 1088 },
	{ CKM_ML_KEM_KEY_PAIR_GEN, CKK_ML_KEM, U64_HEX(3), 1568, 3168, 64, 1568 },
};

static void make(size_t i, struct parts *pub, struct parts *priv)
{
	assert_int_equal(pair_make(sets[i].gen, COMPONENTS({ CKA_PARAMETER_SET, sets[i].set }), pub,
				 priv),
		HF_OK);
}

static void pairs_have_the_standards_sizes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS(sets); i++) {
		struct parts pub = { 0 }, priv = { 0 };
		struct key *k;

		make(i, &pub, &priv);
		assert_int_equal(parts_get(&pub, CKA_VALUE).n, sets[i].pub);
		assert_int_equal(parts_get(&priv, CKA_VALUE).n, sets[i].priv);
		assert_int_equal(parts_get(&priv, CKA_SEED).n, sets[i].seed);
		assert_slice(parts_get(&pub, CKA_PARAMETER_SET), sets[i].set);
		assert_slice(parts_get(&priv, CKA_PARAMETER_SET), sets[i].set);
		assert_same(parts_get(&pub, CKA_PUBLIC_KEY_INFO), parts_get(&priv, CKA_PUBLIC_KEY_INFO));
		k = key_parts(CKO_PRIVATE_KEY, sets[i].ckk, &priv);
		assert_int_equal(key_size(k), sets[i].pub);
		key_free(k);
		parts_done(&pub);
		parts_done(&priv);
	}
}

/* as imports a private key from some of its components. */
static enum hf_err as(size_t i, const struct parts *priv, bool seed, bool value,
	struct parts *extra)
{
	struct parts in = { 0 };
	struct key_source s = parts_source(&in);
	enum hf_err e;

	hex_parts(COMPONENTS({ CKA_PARAMETER_SET, sets[i].set }), &in);
	if (seed)
		assert_int_equal(parts_put(&in, CKA_SEED, parts_get(priv, CKA_SEED)), HF_OK);
	if (value)
		assert_int_equal(parts_put(&in, CKA_VALUE, parts_get(priv, CKA_VALUE)), HF_OK);
	e = key_import(CKO_PRIVATE_KEY, sets[i].ckk, &s, extra);
	parts_done(&in);
	return e;
}

static void private_keys_come_as_seed_or_expanded(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS(sets); i++) {
		struct parts pub = { 0 }, priv = { 0 }, extra = { 0 };

		make(i, &pub, &priv);
		assert_int_equal(as(i, &priv, true, false, &extra), HF_OK);
		assert_same(parts_get(&extra, CKA_VALUE), parts_get(&priv, CKA_VALUE));
		assert_same(parts_get(&extra, CKA_PUBLIC_KEY_INFO),
			parts_get(&pub, CKA_PUBLIC_KEY_INFO));
		parts_done(&extra);
		assert_int_equal(as(i, &priv, false, true, &extra), HF_OK);
		assert_null(parts_get(&extra, CKA_SEED).p);
		assert_same(parts_get(&extra, CKA_PUBLIC_KEY_INFO),
			parts_get(&pub, CKA_PUBLIC_KEY_INFO));
		parts_done(&extra);
		assert_int_equal(as(i, &priv, true, true, &extra), HF_OK);
		parts_done(&extra);
		assert_int_equal(as(i, &priv, false, false, &extra), HF_E_TEMPLATE_INCOMPLETE);
		priv.v[1].value.p[priv.v[1].value.n - 1] ^= 1; /* CKA_VALUE */
		assert_int_equal(priv.v[1].cka, CKA_VALUE);
		assert_int_equal(as(i, &priv, true, true, &extra), HF_E_ATTR_VALUE);
		assert_int_equal(extra.n, 0);
		parts_done(&pub);
		parts_done(&priv);
	}
}

static void private_keys_survive_encoding(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS(sets); i++) {
		struct parts pub = { 0 }, priv = { 0 }, back = { 0 };
		struct secret der = { 0 };
		struct key *k;

		make(i, &pub, &priv);
		k = key_parts(CKO_PRIVATE_KEY, sets[i].ckk, &priv);
		assert_int_equal(key_encode(k, &der), HF_OK);
		assert_int_equal(key_decode(CKO_PRIVATE_KEY, sets[i].ckk, secret_slice(&der), &back),
			HF_OK);
		assert_same(parts_get(&back, CKA_VALUE), parts_get(&priv, CKA_VALUE));
		assert_same(parts_get(&back, CKA_SEED), parts_get(&priv, CKA_SEED));
		secret_done(&der);
		key_free(k);
		parts_done(&pub);
		parts_done(&priv);
		parts_done(&back);
	}
}

static void unknown_sets_and_wrong_sizes_are_refused(void **state)
{
	struct parts pub = { 0 }, priv = { 0 };

	(void)state;
	assert_int_equal(pair_make(CKM_ML_DSA_KEY_PAIR_GEN,
				 COMPONENTS({ CKA_PARAMETER_SET, U64_HEX(4) }), &pub, &priv),
		HF_E_ATTR_VALUE);
	assert_int_equal(pair_make(CKM_ML_KEM_KEY_PAIR_GEN, COMPONENTS({ CKA_LABEL, "00" }), &pub,
				 &priv),
		HF_E_TEMPLATE_INCOMPLETE);
	assert_int_equal(import_hex(CKO_PUBLIC_KEY, CKK_ML_DSA,
				 COMPONENTS({ CKA_PARAMETER_SET, U64_HEX(1) }, { CKA_VALUE, "00" }),
				 &pub),
		HF_E_ATTR_VALUE);
	assert_int_equal(pub.n + priv.n, 0);
}

/* --- ML-DSA ----------------------------------------------------------------- */

struct signer {
	struct parts pub_parts, priv_parts;
	struct key *pub, *priv;
};

static void signer_make(struct signer *s)
{
	memset(s, 0, sizeof(*s));
	make(0, &s->pub_parts, &s->priv_parts);
	s->pub = key_parts(CKO_PUBLIC_KEY, CKK_ML_DSA, &s->pub_parts);
	s->priv = key_parts(CKO_PRIVATE_KEY, CKK_ML_DSA, &s->priv_parts);
}

static void signer_done(struct signer *s)
{
	key_free(s->pub);
	key_free(s->priv);
	parts_done(&s->pub_parts);
	parts_done(&s->priv_parts);
}

static void sign(const struct signer *s, uint32_t ckm, const struct params *p, struct slice in,
	struct buf *out)
{
	struct use u = { ckm, VERB_SIGN, s->priv, p, in, SLICE_NONE, 0 };

	buf_reset(out);
	assert_int_equal(use_run(&u, out), HF_OK);
	assert_int_equal(out->n, sets[0].out);
}

static enum hf_err verify(const struct signer *s, uint32_t ckm, const struct params *p,
	struct slice in, struct slice sig)
{
	struct use u = { ckm, VERB_VERIFY, s->pub, p, in, sig, 3 };

	return use_run(&u, NULL);
}

static const struct params none = { .id = PARAM_CONTEXT };
static const struct params deterministic = { .id = PARAM_CONTEXT, .present = true,
	.u.context = { CKH_DETERMINISTIC_REQUIRED, { NULL, 0 } } };
static const struct params hedged = { .id = PARAM_CONTEXT, .present = true,
	.u.context = { CKH_HEDGE_REQUIRED, { NULL, 0 } } };
static const struct params in_context = { .id = PARAM_CONTEXT, .present = true,
	.u.context = { CKH_HEDGE_PREFERRED, { (const uint8_t *)"ctx", 3 } } };

static void hedged_signatures_differ_and_deterministic_ones_do_not(void **state)
{
	struct buf a = BUF_MAX(4096), b = BUF_MAX(4096);
	struct slice m = SLICE_STR("message");
	struct signer s;

	(void)state;
	signer_make(&s);
	sign(&s, CKM_ML_DSA, &deterministic, m, &a);
	sign(&s, CKM_ML_DSA, &deterministic, m, &b);
	assert_same(buf_slice(&a), buf_slice(&b));
	sign(&s, CKM_ML_DSA, &hedged, m, &b);
	assert_memory_not_equal(a.p, b.p, a.n);
	sign(&s, CKM_ML_DSA, &none, m, &a);
	assert_memory_not_equal(a.p, b.p, a.n);
	sign(&s, CKM_ML_DSA, &deterministic, m, &b);
	assert_memory_not_equal(a.p, b.p, a.n);
	assert_int_equal(verify(&s, CKM_ML_DSA, &none, m, buf_slice(&a)), HF_OK);
	assert_int_equal(verify(&s, CKM_ML_DSA, &none, m, buf_slice(&b)), HF_OK);
	buf_done(&a);
	buf_done(&b);
	signer_done(&s);
}

static void a_signature_holds_in_its_context_only(void **state)
{
	static const uint8_t long_context[256];
	struct params other = in_context;
	struct buf sig = BUF_MAX(4096);
	struct slice m = SLICE_STR("message");
	struct signer s;

	(void)state;
	signer_make(&s);
	for (int i = 0; i < 2; i++) { /* the second time with kept contexts */
		sign(&s, CKM_ML_DSA, &in_context, m, &sig);
		assert_int_equal(verify(&s, CKM_ML_DSA, &in_context, m, buf_slice(&sig)), HF_OK);
		assert_int_equal(verify(&s, CKM_ML_DSA, &none, m, buf_slice(&sig)), HF_E_SIGNATURE);
		sign(&s, CKM_ML_DSA, &none, m, &sig);
		assert_int_equal(verify(&s, CKM_ML_DSA, &in_context, m, buf_slice(&sig)),
			HF_E_SIGNATURE);
		assert_int_equal(verify(&s, CKM_ML_DSA, &none, m, buf_slice(&sig)), HF_OK);
	}
	sig.p[9] ^= 1;
	assert_int_equal(verify(&s, CKM_ML_DSA, &none, m, buf_slice(&sig)), HF_E_SIGNATURE);
	assert_int_equal(verify(&s, CKM_ML_DSA, &none, m, (struct slice){ sig.p, sig.n - 1 }),
		HF_E_SIGNATURE_LEN);
	other.u.context.context = SLICE_OF(long_context);
	assert_int_equal(verify(&s, CKM_ML_DSA, &other, m, buf_slice(&sig)), HF_E_MECHANISM_PARAM);
	other = in_context;
	other.u.context.hedge = 3;
	assert_int_equal(verify(&s, CKM_ML_DSA, &other, m, buf_slice(&sig)), HF_E_MECHANISM_PARAM);
	buf_done(&sig);
	signer_done(&s);
}

static void a_pre_hash_is_the_same_whoever_makes_it(void **state)
{
	static const struct {
		uint32_t ckm, hash, digest;
	} cases[] = {
		{ CKM_HASH_ML_DSA_SHA256, CKM_SHA256, 32 },
		{ CKM_HASH_ML_DSA_SHA512, CKM_SHA512, 64 },
		{ CKM_HASH_ML_DSA_SHA3_384, CKM_SHA3_384, 48 },
	};
	struct buf sig = BUF_MAX(4096);
	struct slice m = SLICE_STR("message");
	struct signer s;

	(void)state;
	signer_make(&s);
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct params given = { .id = PARAM_HASH_CONTEXT, .present = true,
			.u.hash_context = { CKH_HEDGE_PREFERRED, SLICE_STR("ctx"), cases[i].hash } };
		struct use u = { cases[i].hash, VERB_DIGEST, NULL, NULL, m, SLICE_NONE, 0 };
		struct buf md = BUF_MAX(64);

		assert_int_equal(use_run(&u, &md), HF_OK);
		sign(&s, cases[i].ckm, &in_context, m, &sig);
		assert_int_equal(verify(&s, cases[i].ckm, &in_context, m, buf_slice(&sig)), HF_OK);
		assert_int_equal(verify(&s, CKM_HASH_ML_DSA, &given, buf_slice(&md), buf_slice(&sig)),
			HF_OK);
		assert_int_equal(verify(&s, CKM_ML_DSA, &in_context, m, buf_slice(&sig)),
			HF_E_SIGNATURE);
		assert_int_equal(verify(&s, CKM_HASH_ML_DSA, &given, m, buf_slice(&sig)),
			HF_E_DATA_LEN);
		given.u.hash_context.hash = CKM_AES_CBC;
		assert_int_equal(verify(&s, CKM_HASH_ML_DSA, &given, m, buf_slice(&sig)),
			HF_E_MECHANISM_PARAM);
		given.u.hash_context.hash = CKM_SHA_1;
		assert_int_equal(verify(&s, CKM_HASH_ML_DSA, &given,
					 (struct slice){ md.p, 20 }, buf_slice(&sig)),
			HF_E_MECHANISM_PARAM);
		buf_done(&md);
	}
	sign(&s, CKM_HASH_ML_DSA_SHAKE128, &none, m, &sig);
	assert_int_equal(verify(&s, CKM_HASH_ML_DSA_SHAKE128, &none, m, buf_slice(&sig)), HF_OK);
	assert_int_equal(verify(&s, CKM_HASH_ML_DSA_SHAKE256, &none, m, buf_slice(&sig)),
		HF_E_SIGNATURE);
	buf_done(&sig);
	signer_done(&s);
}

/* --- ML-KEM ----------------------------------------------------------------- */

static void what_is_encapsulated_decapsulates(void **state)
{
	const struct mech *m = mech_find(CKM_ML_KEM);

	(void)state;
	for (size_t i = 3; i < ITEMS(sets); i++) {
		struct parts pub = { 0 }, priv = { 0 };
		struct secret a = { 0 }, b = { 0 };
		struct buf ct = BUF_MAX(sets[i].out);
		struct params p = { .id = PARAM_NONE };
		struct key *e, *d;

		make(i, &pub, &priv);
		e = key_parts(CKO_PUBLIC_KEY, CKK_ML_KEM, &pub);
		d = key_parts(CKO_PRIVATE_KEY, CKK_ML_KEM, &priv);
		assert_int_equal(m->family->kem(m, &p, e, SLICE_NONE, &ct, &a), HF_OK);
		assert_int_equal(ct.n, sets[i].out);
		assert_int_equal(m->family->kem(m, &p, d, buf_slice(&ct), NULL, &b), HF_OK);
		assert_int_equal(a.n, 32);
		assert_same(secret_slice(&a), secret_slice(&b));
		secret_done(&b);
		ct.p[0] ^= 1; /* implicit rejection: another secret */
		assert_int_equal(m->family->kem(m, &p, d, buf_slice(&ct), NULL, &b), HF_OK);
		assert_memory_not_equal(a.p, b.p, 32);
		secret_done(&b);
		assert_int_equal(m->family->kem(m, &p, d, (struct slice){ ct.p, ct.n - 1 }, NULL, &b),
			HF_E_WRAPPED_KEY_LEN);
		assert_int_equal(m->family->kem(m, &p, d, SLICE_NONE, NULL, &b), HF_E_WRAPPED_KEY_LEN);
		secret_done(&a);
		buf_done(&ct);
		key_free(e);
		key_free(d);
		parts_done(&pub);
		parts_done(&priv);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_have_the_standards_sizes),
		cmocka_unit_test(private_keys_come_as_seed_or_expanded),
		cmocka_unit_test(private_keys_survive_encoding),
		cmocka_unit_test(unknown_sets_and_wrong_sizes_are_refused),
		cmocka_unit_test(hedged_signatures_differ_and_deterministic_ones_do_not),
		cmocka_unit_test(a_signature_holds_in_its_context_only),
		cmocka_unit_test(a_pre_hash_is_the_same_whoever_makes_it),
		cmocka_unit_test(what_is_encapsulated_decapsulates),
	};

	return cmocka_run_group_tests(tests, crypt_group_setup, NULL);
}
