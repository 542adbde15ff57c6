/* SLH-DSA: all sets, contexts, digests. */
#include "crypt.h"

static const struct {
	const char *set;
	size_t pub, sig;
	bool fast; /* signs in milliseconds */
} sets[] = {
	/* FIPS 205, table 2 */
	{ U64_HEX(1), 32, 7856, false },  { U64_HEX(2), 32, 7856, false },
	{ U64_HEX(3), 32, 17088, true },  { U64_HEX(4), 32, 17088, true },
	{ U64_HEX(5), 48, 16224, false }, { U64_HEX(6), 48, 16224, false },
	{ U64_HEX(7), 48, 35664, true },  { U64_HEX(8), 48, 35664, false },
	{ U64_HEX(9), 64, 29792, false }, { U64_HEX(a), 64, 29792, false },
	{ U64_HEX(b), 64, 49856, false }, { U64_HEX(c), 64, 49856, false },
};

#define MESSAGE SLICE_STR("a message")

struct pair {
	struct key *pub, *priv;
};

static struct pair pair_of(const char *set)
{
	struct parts pub = { 0 }, priv = { 0 };
	struct pair p;

	assert_int_equal(pair_make(CKM_SLH_DSA_KEY_PAIR_GEN, COMPONENTS({ CKA_PARAMETER_SET, set }),
				 &pub, &priv),
		HF_OK);
	p.pub = key_parts(CKO_PUBLIC_KEY, CKK_SLH_DSA, &pub);
	p.priv = key_parts(CKO_PRIVATE_KEY, CKK_SLH_DSA, &priv);
	assert_int_equal(parts_get(&priv, CKA_VALUE).n, 2 * parts_get(&pub, CKA_VALUE).n);
	assert_same(parts_get(&pub, CKA_PUBLIC_KEY_INFO), parts_get(&priv, CKA_PUBLIC_KEY_INFO));
	parts_done(&pub);
	parts_done(&priv);
	return p;
}

static void pair_free(struct pair *p)
{
	key_free(p->pub);
	key_free(p->priv);
}

static struct params context(uint64_t hedge, struct slice c)
{
	return (struct params){ .id = PARAM_CONTEXT, .present = true,
		.u.context = { .hedge = hedge, .context = c } };
}

static struct params hash_context(uint64_t hash)
{
	return (struct params){ .id = PARAM_HASH_CONTEXT, .present = true,
		.u.hash_context = { .hedge = CKH_DETERMINISTIC_REQUIRED, .hash = hash } };
}

static enum hf_err sign(const struct pair *k, uint32_t ckm, const struct params *p,
	struct slice in, struct buf *out)
{
	return use_run(&(struct use){ ckm, VERB_SIGN, k->priv, p, in, SLICE_NONE, 0 }, out);
}

static enum hf_err verify(const struct pair *k, uint32_t ckm, const struct params *p,
	struct slice in, struct slice sig)
{
	return use_run(&(struct use){ ckm, VERB_VERIFY, k->pub, p, in, sig, 0 }, NULL);
}

static void all_sets_have_the_standards_sizes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS(sets); i++) {
		CLEANUP(buf_done) struct buf sig = BUF_MAX(65536);
		CLEANUP(pair_free) struct pair k = pair_of(sets[i].set);
		struct params p = context(CKH_HEDGE_PREFERRED, SLICE_NONE);

		assert_int_equal(key_size(k.pub), sets[i].pub);
		if (!sets[i].fast)
			continue;
		assert_int_equal(sign(&k, CKM_SLH_DSA, &p, MESSAGE, &sig), HF_OK);
		assert_int_equal(sig.n, sets[i].sig);
		assert_int_equal(verify(&k, CKM_SLH_DSA, &p, MESSAGE, buf_slice(&sig)), HF_OK);
	}
}

static void deterministic_signatures_are_equal_and_hedged_ones_are_not(void **state)
{
	CLEANUP(buf_done) struct buf a = BUF_MAX(65536), b = BUF_MAX(65536);
	CLEANUP(buf_done) struct buf c = BUF_MAX(65536);
	CLEANUP(pair_free) struct pair k = pair_of(U64_HEX(3));
	struct params p = context(CKH_DETERMINISTIC_REQUIRED, SLICE_NONE);
	struct params hedged = context(CKH_HEDGE_REQUIRED, SLICE_NONE);

	(void)state;
	assert_int_equal(sign(&k, CKM_SLH_DSA, &p, MESSAGE, &a), HF_OK);
	assert_int_equal(sign(&k, CKM_SLH_DSA, &p, MESSAGE, &b), HF_OK);
	assert_same(buf_slice(&a), buf_slice(&b));
	assert_int_equal(sign(&k, CKM_SLH_DSA, &hedged, MESSAGE, &c), HF_OK);
	assert_false(slice_eq(buf_slice(&a), buf_slice(&c)));
	assert_int_equal(verify(&k, CKM_SLH_DSA, &p, MESSAGE, buf_slice(&c)), HF_OK);
}

static void another_context_message_or_bit_is_refused(void **state)
{
	static const uint8_t long_context[256];
	CLEANUP(buf_done) struct buf sig = BUF_MAX(65536);
	CLEANUP(pair_free) struct pair k = pair_of(U64_HEX(4));
	struct params p = context(CKH_HEDGE_PREFERRED, SLICE_STR("mine"));
	struct params other = context(CKH_HEDGE_PREFERRED, SLICE_STR("theirs"));
	struct params too_long = context(CKH_HEDGE_PREFERRED, SLICE_OF(long_context));
	struct slice s;

	(void)state;
	assert_int_equal(sign(&k, CKM_SLH_DSA, &p, MESSAGE, &sig), HF_OK);
	s = buf_slice(&sig);
	assert_int_equal(verify(&k, CKM_SLH_DSA, &p, MESSAGE, s), HF_OK);
	assert_int_equal(verify(&k, CKM_SLH_DSA, &other, MESSAGE, s), HF_E_SIGNATURE);
	assert_int_equal(verify(&k, CKM_SLH_DSA, &p, SLICE_STR("A message"), s), HF_E_SIGNATURE);
	assert_int_equal(verify(&k, CKM_SLH_DSA, &too_long, MESSAGE, s), HF_E_MECHANISM_PARAM);
	assert_int_equal(verify(&k, CKM_SLH_DSA, &p, MESSAGE, (struct slice){ s.p, s.n - 1 }),
		HF_E_SIGNATURE_LEN);
	sig.p[100] ^= 1;
	assert_int_equal(verify(&k, CKM_SLH_DSA, &p, MESSAGE, s), HF_E_SIGNATURE);
}

static void a_digest_made_here_or_by_the_caller_is_the_same(void **state)
{
	CLEANUP(buf_done) struct buf a = BUF_MAX(65536), b = BUF_MAX(65536);
	CLEANUP(pair_free) struct pair k = pair_of(U64_HEX(3));
	struct params p = context(CKH_DETERMINISTIC_REQUIRED, SLICE_NONE);
	struct params h = hash_context(CKM_SHA256);
	uint8_t md[CRYPTO_HASH];

	(void)state;
	assert_int_equal(crypto_sha256(MESSAGE, md), HF_OK);
	assert_int_equal(sign(&k, CKM_HASH_SLH_DSA_SHA256, &p, MESSAGE, &a), HF_OK);
	assert_int_equal(sign(&k, CKM_HASH_SLH_DSA, &h, SLICE_OF(md), &b), HF_OK);
	assert_same(buf_slice(&a), buf_slice(&b));
	assert_int_equal(sign(&k, CKM_HASH_SLH_DSA, &h, MESSAGE, &b), HF_E_DATA_LEN);
	assert_int_equal(verify(&k, CKM_SLH_DSA, &p, MESSAGE, buf_slice(&a)), HF_E_SIGNATURE);
	assert_int_equal(verify(&k, CKM_SLH_DSA, &p, SLICE_OF(md), buf_slice(&a)), HF_E_SIGNATURE);
}

static void every_digest_signs_and_no_other_verifies(void **state)
{
	CLEANUP(pair_free) struct pair k = pair_of(U64_HEX(3));
	struct params p = context(CKH_HEDGE_PREFERRED, SLICE_NONE);

	(void)state;
	for (uint32_t m = CKM_HASH_SLH_DSA_SHA224; m <= CKM_HASH_SLH_DSA_SHAKE256; m++) {
		CLEANUP(buf_done) struct buf sig = BUF_MAX(65536);
		uint32_t other = m == CKM_HASH_SLH_DSA_SHA224 ? m + 1 : m - 1;

		assert_int_equal(sign(&k, m, &p, MESSAGE, &sig), HF_OK);
		assert_int_equal(verify(&k, m, &p, MESSAGE, buf_slice(&sig)), HF_OK);
		assert_int_equal(verify(&k, other, &p, MESSAGE, buf_slice(&sig)), HF_E_SIGNATURE);
	}
}

/* ACVP's SLH-DSA keyGen-FIPS205, tcId 1: the whole private key, its public half. */
#define ACVP_PRIVATE                                                           \
	"2f896d61d9cd9038ca303394fadaa22a24ac5ec1d86a989ca2196c3c8632419c"      \
	"1a05a42fe300e87b16aee116cb2e236358e2c3e62632c9de03d08a535a0eb7e"
static void a_private_key_with_another_root_is_refused(void **state)
{
	struct parts extra = { 0 };
	struct slice info;

	(void)state;
	assert_int_equal(import_hex(CKO_PRIVATE_KEY, CKK_SLH_DSA,
				 COMPONENTS({ CKA_PARAMETER_SET, U64_HEX(1) },
					 { CKA_VALUE, ACVP_PRIVATE "7" }),
				 &extra),
		HF_OK);
	info = parts_get(&extra, CKA_PUBLIC_KEY_INFO);
	assert_slice((struct slice){ info.p + info.n - 16, 16 },
		"58e2c3e62632c9de03d08a535a0eb7e7");
	parts_done(&extra);
	assert_int_equal(import_hex(CKO_PRIVATE_KEY, CKK_SLH_DSA,
				 COMPONENTS({ CKA_PARAMETER_SET, U64_HEX(1) },
					 { CKA_VALUE, ACVP_PRIVATE "6" }),
				 &extra),
		HF_E_ATTR_VALUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_sets_have_the_standards_sizes),
		cmocka_unit_test(deterministic_signatures_are_equal_and_hedged_ones_are_not),
		cmocka_unit_test(another_context_message_or_bit_is_refused),
		cmocka_unit_test(a_digest_made_here_or_by_the_caller_is_the_same),
		cmocka_unit_test(every_digest_signs_and_no_other_verifies),
		cmocka_unit_test(a_private_key_with_another_root_is_refused),
	};

	return cmocka_run_group_tests(tests, crypt_group_setup, NULL);
}
