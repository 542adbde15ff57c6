/* HSS/LMS, XMSS and XMSS^MT: keys, every kind of hash, trees that follow one another,
 * signatures that are cut, changed or longer than they say. */
#include "crypt.h"
#include "hss.h"
#include "xmss.h"

#define MESSAGE SLICE_STR("a message")

struct pair {
	uint32_t ckm;
	struct key *pub, *priv;
	uint64_t most;
	struct parts pub_parts, priv_parts;
};

static void parse_pair(struct pair *p, uint32_t ckk)
{
	p->pub = key_parts(CKO_PUBLIC_KEY, ckk, &p->pub_parts);
	p->priv = key_parts(CKO_PRIVATE_KEY, ckk, &p->priv_parts);
	p->most = get_u64(parts_get(&p->priv_parts, CKA_HSS_KEYS_REMAINING).p);
	assert_same(parts_get(&p->pub_parts, CKA_PUBLIC_KEY_INFO),
		parts_get(&p->priv_parts, CKA_PUBLIC_KEY_INFO));
}

static struct pair hss(const char *lms, const char *ots)
{
	struct pair p = { .ckm = CKM_HSS };

	assert_int_equal(pair_make(CKM_HSS_KEY_PAIR_GEN,
				 COMPONENTS({ CKA_HSS_LMS_TYPES, lms }, { CKA_HSS_LMOTS_TYPES, ots }),
				 &p.pub_parts, &p.priv_parts),
		HF_OK);
	parse_pair(&p, CKK_HSS);
	return p;
}

static struct pair xmss(uint32_t ckk, const char *set)
{
	bool one = ckk == CKK_XMSS;
	struct pair p = { .ckm = one ? CKM_XMSS : CKM_XMSSMT };

	assert_int_equal(pair_make(one ? CKM_XMSS_KEY_PAIR_GEN : CKM_XMSSMT_KEY_PAIR_GEN,
				 COMPONENTS({ CKA_PARAMETER_SET, set }), &p.pub_parts, &p.priv_parts),
		HF_OK);
	parse_pair(&p, ckk);
	return p;
}

static void pair_free(struct pair *p)
{
	key_free(p->pub);
	key_free(p->priv);
	parts_done(&p->pub_parts);
	parts_done(&p->priv_parts);
}

static enum hf_err sign(const struct pair *p, uint64_t leaf, struct buf *out)
{
	struct use u = { .ckm = p->ckm, .verb = VERB_SIGN, .key = p->priv, .in = MESSAGE, .leaf = leaf };

	return use_run(&u, out);
}

static enum hf_err verify(const struct pair *p, struct slice message, struct slice sig)
{
	struct use u = { .ckm = p->ckm, .verb = VERB_VERIFY, .key = p->pub, .in = message, .sig = sig };

	return use_run(&u, NULL);
}

static void signs(const struct pair *p, uint64_t leaf)
{
	struct buf sig = BUF_MAX(65536);

	assert_int_equal(sign(p, leaf, &sig), HF_OK);
	assert_int_equal(verify(p, MESSAGE, buf_slice(&sig)), HF_OK);
	assert_int_equal(verify(p, SLICE_STR("another"), buf_slice(&sig)), HF_E_SIGNATURE);
	buf_done(&sig);
}

/* RFC 8554, appendix F, test case 2: both private keys, and their roots. */
static void test_keys_of_the_rfc(void **state)
{
	static const struct {
		const char *lms, *ots, *seeds, *root;
	} cases[] = {
		{ U64_HEX(6), U64_HEX(3),
			"d08fabd4a2091ff0a8cb4ed834e74534"
			"558b8966c48ae9cb898b423c83443aae014a72f1b1ab5cc85cf1d892903b5439",
			"32a58885cd9ba0431235466bff9651c6c92124404d45fa53cf161c28f1ad5a8e" },
		{ U64_HEX(5), U64_HEX(4),
			"215f83b7ccb9acbcd08db97b0d04dc2b"
			"a1c4696e2608035a886100d05cd99945eb3370731884a8235e2fb3d4d71f2547",
			"a1cd035833e0e90059603f26e07ad2aad152338e7a5e5984bcd5f7bb4eba40b7" },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct pair p = { .ckm = CKM_HSS };
		struct parts t = { 0 };
		struct key_source s = parts_source(&t);
		struct slice v;

		hex_parts(COMPONENTS({ CKA_HSS_LMS_TYPES, cases[i].lms },
				  { CKA_HSS_LMOTS_TYPES, cases[i].ots }), &t);
		assert_int_equal(hss_make(&s, hex(cases[i].seeds), &p.pub_parts, &p.priv_parts), HF_OK);
		v = parts_get(&p.pub_parts, CKA_VALUE);
		assert_slice((struct slice){ v.p + 28, 32 }, cases[i].root);
		parse_pair(&p, CKK_HSS);
		signs(&p, 7);
		pair_free(&p);
		parts_done(&t);
	}
}

static void test_every_one_time_type_of_lms(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		static const unsigned lms[] = { 5, 10, 15, 20 };
		char tree[17], ots[17];

		(void)snprintf(tree, sizeof(tree), "%016x", lms[i / 4]);
		(void)snprintf(ots, sizeof(ots), "%016x", i + 1);
		struct pair p = hss(tree, ots);

		assert_int_equal(p.most, 32);
		signs(&p, 0);
		signs(&p, 31);
		pair_free(&p);
	}
}

static void test_trees_follow_one_another(void **state)
{
	struct pair p = hss(U64_HEX(5) U64_HEX(5) U64_HEX(5), U64_HEX(3) U64_HEX(2) U64_HEX(3));
	static const uint64_t at[] = { 0, 1, 31, 32, 33, 31, 1023, 1024, 1022, 32767, 0 };

	(void)state;
	assert_int_equal(p.most, 32768);
	for (size_t i = 0; i < ITEMS(at); i++)
		signs(&p, at[i]);
	pair_free(&p);
	p = xmss(CKK_XMSSMT, U64_HEX(2));
	assert_int_equal(p.most, 1u << 20);
	for (size_t i = 0; i < ITEMS(at); i++)
		signs(&p, at[i] * 32 + 31);
	pair_free(&p);
}

/* What one number signs it signs always alike: nothing but the number is state. */
static void test_same_number_same_signature(void **state)
{
	struct pair p = hss(U64_HEX(5) U64_HEX(5), U64_HEX(4) U64_HEX(4));
	struct buf a = BUF_MAX(65536), b = BUF_MAX(65536);
	struct key *again = key_parts(CKO_PRIVATE_KEY, CKK_HSS, &p.priv_parts);
	struct pair q = { .ckm = CKM_HSS, .pub = p.pub, .priv = again };

	(void)state;
	assert_int_equal(sign(&p, 77, &a), HF_OK);
	assert_int_equal(sign(&q, 77, &b), HF_OK);
	assert_same(buf_slice(&a), buf_slice(&b));
	buf_done(&a);
	buf_done(&b);
	key_free(again);
	pair_free(&p);
}

static void test_tall_tree_keeps_a_part(void **state)
{
	struct pair p = hss("000000000000000c", U64_HEX(5)); /* height 15 */

	(void)state;
	assert_int_equal(p.most, 32768);
	signs(&p, 0);
	signs(&p, 20000);
	signs(&p, 32767);
	signs(&p, 15);
	pair_free(&p);
}

static void test_every_hash_of_xmss(void **state)
{
	static const char *const sets[] = { "02", "0a", "12", "1a", "22", "2a", "32" };

	(void)state;
	for (size_t i = 0; i < ITEMS(sets); i++) {
		char set[17];

		(void)snprintf(set, sizeof(set), "00000000000000%s", sets[i]);
		struct pair p = xmss(CKK_XMSSMT, set);

		signs(&p, 5);
		signs(&p, (1u << 20) - 1);
		pair_free(&p);
	}
}

static void test_number_past_the_end_is_refused(void **state)
{
	struct pair p = hss(U64_HEX(5), U64_HEX(4));
	struct buf out = BUF_MAX(65536);

	(void)state;
	assert_int_equal(sign(&p, 32, &out), HF_E_INTERNAL);
	assert_int_equal(sign(&p, UINT64_MAX, &out), HF_E_INTERNAL);
	buf_done(&out);
	pair_free(&p);
}

static bool refused(enum hf_err e)
{
	return e == HF_E_SIGNATURE || e == HF_E_SIGNATURE_LEN;
}

static void hurt(const struct pair *p, uint64_t leaf)
{
	struct buf sig = BUF_MAX(65536);

	assert_int_equal(sign(p, leaf, &sig), HF_OK);
	for (size_t i = 0; i < sig.n; i += i < 64 ? 1 : 97) {
		sig.p[i] ^= 0x10;
		assert_true(refused(verify(p, MESSAGE, buf_slice(&sig))));
		sig.p[i] ^= 0x10;
		assert_true(refused(verify(p, MESSAGE, (struct slice){ sig.p, i })));
	}
	buf_u8(&sig, 0);
	assert_true(refused(verify(p, MESSAGE, buf_slice(&sig))));
	buf_done(&sig);
}

static void test_hurt_signatures(void **state)
{
	struct pair p = hss(U64_HEX(5) U64_HEX(5), U64_HEX(4) U64_HEX(3));

	(void)state;
	hurt(&p, 40);
	pair_free(&p);
	p = xmss(CKK_XMSSMT, U64_HEX(2));
	hurt(&p, 40);
	pair_free(&p);
}

#define ID "000102030405060708090a0b0c0d0e0f"
#define ROOT24 "000102030405060708090a0b0c0d0e0f1011121314151617"
#define ROOT32 ROOT24 "18191a1b1c1d1e1f"

static void test_hurt_public_keys(void **state)
{
	static const struct {
		uint32_t ckk;
		const char *set, *value, *why;
	} cases[] = {
		{ CKK_HSS, NULL, "", "empty" },
		{ CKK_HSS, NULL, "000000010000000500000004", "cut" },
		{ CKK_HSS, NULL, "000000000000000500000004" ID ROOT32, "no level" },
		{ CKK_HSS, NULL, "000000090000000500000004" ID ROOT32, "nine levels" },
		{ CKK_HSS, NULL, "ffffffff0000000500000004" ID ROOT32, "more levels" },
		{ CKK_HSS, NULL, "000000010000000400000004" ID ROOT32, "tree type" },
		{ CKK_HSS, NULL, "000000010000000500000011" ID ROOT32, "one-time type" },
		{ CKK_HSS, NULL, "000000010000000500000008" ID ROOT32, "lengths differ" },
		{ CKK_HSS, NULL, "00000001000000050000000c" ID ROOT32, "hashes differ" },
		{ CKK_HSS, NULL, "000000010000000500000004" ID ROOT24, "short root" },
		{ CKK_HSS, NULL, "000000010000000500000004" ID ROOT32 "00", "a byte more" },
		{ CKK_XMSS, U64_HEX(1), "00000001" ROOT32, "cut" },
		{ CKK_XMSS, U64_HEX(2), "00000001" ROOT32 ROOT32, "another set" },
		{ CKK_XMSS, U64_HEX(0), "00000000" ROOT32 ROOT32, "no set" },
		{ CKK_XMSS, "0000000000000016", "00000016" ROOT32 ROOT32, "past the last set" },
		{ CKK_XMSSMT, "0000000000000039", "00000039" ROOT32 ROOT32, "past the last set" },
		{ CKK_XMSSMT, U64_HEX(1), "00000001" ROOT32 ROOT32 "00", "a byte more" },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct key *k = NULL;
		const struct component with[] = { { CKA_VALUE, cases[i].value },
			{ cases[i].set != NULL ? CKA_PARAMETER_SET : 0, cases[i].set }, { 0, NULL } };

		assert_int_not_equal(parse_hex(CKO_PUBLIC_KEY, cases[i].ckk, with, &k), HF_OK);
		assert_null(k);
	}
}

static void test_types_that_do_not_go_together(void **state)
{
	static const struct {
		const char *levels, *lms, *ots;
		enum hf_err e;
	} cases[] = {
		{ U64_HEX(2), U64_HEX(5), U64_HEX(4), HF_E_TEMPLATE_CONFLICT },
		{ U64_HEX(1), U64_HEX(5) U64_HEX(5), U64_HEX(4) U64_HEX(4), HF_E_TEMPLATE_CONFLICT },
		{ U64_HEX(1), U64_HEX(5), U64_HEX(4) U64_HEX(4), HF_E_ATTR_VALUE },
		{ U64_HEX(1), U64_HEX(5), U64_HEX(5), HF_E_ATTR_VALUE },
		{ U64_HEX(2), U64_HEX(5) U64_HEX(a), U64_HEX(4) U64_HEX(8), HF_E_ATTR_VALUE },
		{ U64_HEX(1), "ffffffff00000005", U64_HEX(4), HF_E_ATTR_VALUE },
		{ U64_HEX(3), U64_HEX(9) U64_HEX(9) U64_HEX(9), U64_HEX(4) U64_HEX(4) U64_HEX(4),
			HF_E_ATTR_VALUE },
	};
	struct parts pub = { 0 }, priv = { 0 };

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++)
		assert_int_equal(pair_make(CKM_HSS_KEY_PAIR_GEN,
					 COMPONENTS({ CKA_HSS_LEVELS, cases[i].levels },
						 { CKA_HSS_LMS_TYPES, cases[i].lms },
						 { CKA_HSS_LMOTS_TYPES, cases[i].ots }),
					 &pub, &priv),
			cases[i].e);
}

static void test_private_keys_do_not_leave(void **state)
{
	struct pair p = hss(U64_HEX(5), U64_HEX(4));
	struct secret v = { 0 };

	(void)state;
	assert_int_equal(key_encode(p.priv, &v), HF_E_KEY_NOT_WRAPPABLE);
	pair_free(&p);
}

static void test_sets(void **state)
{
	unsigned one = 0, many = 0, approved = 0;

	(void)state;
	for (uint32_t i = 0; i < 64; i++) {
		const struct xmss_set *a = xmss_set_of(CKK_XMSS, i), *b = xmss_set_of(CKK_XMSSMT, i);

		one += a != NULL;
		many += b != NULL;
		approved += a != NULL && a->approved;
	}
	assert_int_equal(one, 21);
	assert_int_equal(many, 56);
	assert_int_equal(approved, 12);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keys_of_the_rfc),
		cmocka_unit_test(test_every_one_time_type_of_lms),
		cmocka_unit_test(test_trees_follow_one_another),
		cmocka_unit_test(test_same_number_same_signature),
		cmocka_unit_test(test_tall_tree_keeps_a_part),
		cmocka_unit_test(test_every_hash_of_xmss),
		cmocka_unit_test(test_number_past_the_end_is_refused),
		cmocka_unit_test(test_hurt_signatures),
		cmocka_unit_test(test_hurt_public_keys),
		cmocka_unit_test(test_types_that_do_not_go_together),
		cmocka_unit_test(test_private_keys_do_not_leave),
		cmocka_unit_test(test_sets),
	};

	return cmocka_run_group_tests(tests, crypt_group_setup, NULL);
}
