/* Keys on curves: ECDSA, ECDH, EdDSA, X25519 and X448. */
#include <openssl/x509.h>

#include "crypt.h"
#include "key.h"

#define P256 "06082a8648ce3d030107"
#define ED25519 "06032b6570"
#define ED448 "06032b6571"
#define X25519 "06032b656e"

/* --- keys ------------------------------------------------------------------- */

struct curve_case {
	uint32_t gen, ckk;
	const char *name; /* PrintableString */
	size_t bits, point, value; /* point: bytes of CKA_EC_POINT */
};

static const struct curve_case curves[] = {
	{ CKM_EC_KEY_PAIR_GEN, CKK_EC, "secp192r1", 192, 51, 24 },
	{ CKM_EC_KEY_PAIR_GEN, CKK_EC, "secp224r1", 224, 59, 28 },
	{ CKM_EC_KEY_PAIR_GEN, CKK_EC, "secp256r1", 256, 67, 32 },
	{ CKM_EC_KEY_PAIR_GEN, CKK_EC, "secp384r1", 384, 99, 48 },
	{ CKM_EC_KEY_PAIR_GEN, CKK_EC, "secp521r1", 521, 136, 66 },
	{ CKM_EC_KEY_PAIR_GEN, CKK_EC, "secp256k1", 256, 67, 32 },
	{ CKM_EC_KEY_PAIR_GEN, CKK_EC, "brainpoolP160r1", 160, 43, 20 },
	{ CKM_EC_KEY_PAIR_GEN, CKK_EC, "brainpoolP256r1", 256, 67, 32 },
	{ CKM_EC_KEY_PAIR_GEN, CKK_EC, "brainpoolP256t1", 256, 67, 32 },
	{ CKM_EC_KEY_PAIR_GEN, CKK_EC, "brainpoolP320r1", 320, 83, 40 },
	{ CKM_EC_KEY_PAIR_GEN, CKK_EC, "brainpoolP384r1", 384, 99, 48 },
	{ CKM_EC_KEY_PAIR_GEN, CKK_EC, "brainpoolP512r1", 512, 132, 64 },
	{ CKM_EC_KEY_PAIR_GEN, CKK_EC, "brainpoolP512t1", 512, 132, 64 },
	{ CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS, CKK_EC, "secp192r1", 192, 51, 24 },
	{ CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS, CKK_EC, "secp256r1", 256, 67, 32 },
	{ CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS, CKK_EC, "secp521r1", 521, 136, 66 },
	{ CKM_EC_KEY_PAIR_GEN_W_EXTRA_BITS, CKK_EC, "brainpoolP512r1", 512, 132, 64 },
	{ CKM_EC_EDWARDS_KEY_PAIR_GEN, CKK_EC_EDWARDS, "edwards25519", 255, 34, 32 },
	{ CKM_EC_EDWARDS_KEY_PAIR_GEN, CKK_EC_EDWARDS, "edwards448", 448, 59, 57 },
	{ CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKK_EC_MONTGOMERY, "curve25519", 255, 34, 32 },
	{ CKM_EC_MONTGOMERY_KEY_PAIR_GEN, CKK_EC_MONTGOMERY, "curve448", 448, 58, 56 },
};

static const struct component *named(const char *name)
{
	static char digits[128];
	static struct component c[2];
	char text[64];

	text[0] = 0x13;
	text[1] = (char)strlen(name);
	memcpy(text + 2, name, strlen(name));
	hex_encode((struct slice){ (uint8_t *)text, strlen(name) + 2 }, digits);
	c[0] = (struct component){ CKA_EC_PARAMS, digits };
	return c;
}

static void pair_of(const struct curve_case *c, struct parts *pub, struct parts *priv)
{
	assert_int_equal(pair_make(c->gen, named(c->name), pub, priv), HF_OK);
}

static void every_curve_makes_pairs_that_import_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS(curves); i++) {
		struct parts pub = { 0 }, priv = { 0 }, extra = { 0 };
		struct key_source s = parts_source(&priv), ps = parts_source(&pub);
		struct key *k;

		pair_of(&curves[i], &pub, &priv);
		assert_int_equal(parts_get(&pub, CKA_EC_POINT).n, curves[i].point);
		assert_int_equal(parts_get(&pub, CKA_EC_POINT).p[0], 4);
		assert_int_equal(parts_get(&priv, CKA_VALUE).n, curves[i].value);
		assert_int_equal(parts_get(&priv, CKA_EC_PARAMS).p[0], 0x13); /* as given */
		assert_null(parts_get(&priv, CKA_EC_POINT).p);
		assert_same(parts_get(&pub, CKA_PUBLIC_KEY_INFO), parts_get(&priv, CKA_PUBLIC_KEY_INFO));
		assert_int_equal(key_import(CKO_PRIVATE_KEY, curves[i].ckk, &s, &extra), HF_OK);
		assert_int_equal(extra.n, 0);
		assert_int_equal(key_import(CKO_PUBLIC_KEY, curves[i].ckk, &ps, &extra), HF_OK);
		assert_same(parts_get(&extra, CKA_EC_POINT), parts_get(&pub, CKA_EC_POINT));
		k = key_parts(CKO_PUBLIC_KEY, curves[i].ckk, &pub);
		assert_int_equal(key_size(k), curves[i].bits);
		key_free(k);
		parts_done(&pub);
		parts_done(&priv);
		parts_done(&extra);
	}
}

/* mixed has a's private half and b's public one. */
static EVP_PKEY *mixed(const char *type, EVP_PKEY *a, EVP_PKEY *b)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *ret = NULL;
	OSSL_PARAM *parts, *pub;
	size_t n;

	assert_int_equal(EVP_PKEY_todata(a, EVP_PKEY_KEYPAIR, &parts), 1);
	pub = OSSL_PARAM_locate(parts, "pub");
	assert_non_null(pub);
	assert_int_equal(EVP_PKEY_get_octet_string_param(b, "pub", pub->data, pub->data_size, &n), 1);
	assert_int_equal(n, pub->data_size);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &ret, EVP_PKEY_KEYPAIR, parts), 1);
	OSSL_PARAM_free(parts);
	EVP_PKEY_CTX_free(ctx);
	return ret;
}

static void halves_of_two_pairs_do_not_agree(void **state)
{
	static const struct {
		const char *type, *group;
	} cases[] = {
		{ "EC", "P-256" }, { "EC", "P-521" }, { "EC", "brainpoolP256r1" }, { "ED25519", NULL },
		{ "ED448", NULL }, { "X25519", NULL }, { "X448", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		EVP_PKEY *a = EVP_PKEY_Q_keygen(NULL, NULL, cases[i].type, cases[i].group);
		EVP_PKEY *b = EVP_PKEY_Q_keygen(NULL, NULL, cases[i].type, cases[i].group);
		EVP_PKEY *both = mixed(cases[i].type, a, b), *same = mixed(cases[i].type, a, a);

		assert_int_equal(key_pair_agrees(a), HF_OK);
		assert_int_equal(key_pair_agrees(same), HF_OK);
		assert_int_equal(key_pair_agrees(both), HF_E_SELFTEST);
		assert_int_equal(key_pair_test(same), HF_OK);
		assert_int_equal(key_pair_test(both), HF_E_SELFTEST);
		EVP_PKEY_free(a);
		EVP_PKEY_free(b);
		EVP_PKEY_free(both);
		EVP_PKEY_free(same);
	}
}

/* In approved mode the test of a pair signs and verifies. */
static void the_test_of_a_pair_is_told_the_mode(void **state)
{
	static const bool approved[] = { true, false };
	const struct mech *m = mech_find(CKM_EC_KEY_PAIR_GEN);

	(void)state;
	for (size_t i = 0; i < ITEMS(approved); i++) {
		struct params params = { .approved = approved[i] };
		struct parts pub = { 0 }, priv = { 0 }, tmpl = { 0 };
		struct key_source s = parts_source(&tmpl);

		assert_int_equal(parts_put(&tmpl, CKA_EC_PARAMS, hex(P256)), HF_OK);
		assert_int_equal(m->family->generate(m, &params, &s, &s, &pub, &priv), HF_OK);
		parts_done(&pub);
		parts_done(&priv);
		assert_int_equal(setenv("HOLDFAST_TEST_FAIL_SELFTEST", "pair-wise-use", 1), 0);
		assert_int_equal(m->family->generate(m, &params, &s, &s, &pub, &priv),
			approved[i] ? HF_E_SELFTEST : HF_OK);
		parts_done(&pub);
		parts_done(&priv);
		assert_int_equal(setenv("HOLDFAST_TEST_FAIL_SELFTEST", "pair-wise", 1), 0);
		assert_int_equal(m->family->generate(m, &params, &s, &s, &pub, &priv), HF_E_SELFTEST);
		assert_int_equal(unsetenv("HOLDFAST_TEST_FAIL_SELFTEST"), 0);
		parts_done(&tmpl);
	}
}

static void a_public_keys_info_is_what_openssl_writes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS(curves); i++) {
		struct parts pub = { 0 }, priv = { 0 };
		unsigned char *der = NULL;
		struct slice info;
		const unsigned char *p;
		EVP_PKEY *pkey;
		int n;

		pair_of(&curves[i], &pub, &priv);
		info = parts_get(&pub, CKA_PUBLIC_KEY_INFO);
		p = info.p;
		pkey = d2i_PUBKEY(NULL, &p, (long)info.n);
		assert_non_null(pkey);
		assert_ptr_equal(p, info.p + info.n);
		n = i2d_PUBKEY(pkey, &der);
		assert_true(n > 0);
		assert_same(((struct slice){ der, (size_t)n }), info);
		OPENSSL_free(der);
		EVP_PKEY_free(pkey);
		parts_done(&pub);
		parts_done(&priv);
	}
}

static void every_private_key_survives_encoding(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS(curves); i++) {
		struct parts pub = { 0 }, priv = { 0 }, back = { 0 };
		struct secret der = { 0 };
		struct key *k;

		pair_of(&curves[i], &pub, &priv);
		k = key_parts(CKO_PRIVATE_KEY, curves[i].ckk, &priv);
		assert_int_equal(key_encode(k, &der), HF_OK);
		assert_int_equal(key_decode(CKO_PRIVATE_KEY, curves[i].ckk, secret_slice(&der), &back),
			HF_OK);
		assert_same(parts_get(&back, CKA_VALUE), parts_get(&priv, CKA_VALUE));
		assert_int_equal(parts_get(&back, CKA_EC_PARAMS).p[0], 6);
		assert_int_equal(key_decode(CKO_PRIVATE_KEY,
					 curves[i].ckk == CKK_EC ? CKK_EC_EDWARDS : CKK_EC,
					 secret_slice(&der), &back),
			HF_E_WRAPPED_KEY);
		secret_done(&der);
		parts_done(&pub);
		parts_done(&priv);
		parts_done(&back);
		key_free(k);
	}
}

/* RFC 6979 §A.2.5 */
#define P256_D "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"
#define P256_X "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
#define P256_Y "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
/* RFC 8032 §7.1, test 2 */
#define ED25519_PUB "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"

#define F30 "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define O30 "000000000000000000000000000000000000000000000000000000000000"
#define O56 O30 "0000000000000000000000000000000000000000000000000000"

static void points_come_raw_or_in_an_octet_string_and_leave_in_one(void **state)
{
	static const struct {
		const char *why, *params, *point;
		uint32_t ckk;
		enum hf_err e;
	} cases[] = {
		{ "raw", P256, "04" P256_X P256_Y, CKK_EC, HF_OK },
		{ "DER", P256, "044104" P256_X P256_Y, CKK_EC, HF_OK },
		{ "compressed", P256, "03" P256_X, CKK_EC, HF_OK },
		{ "compressed in DER", P256, "042103" P256_X, CKK_EC, HF_OK },
		{ "not on the curve", P256, "04" P256_Y P256_X, CKK_EC, HF_E_PUBLIC_KEY },
		{ "infinity", P256, "00", CKK_EC, HF_E_PUBLIC_KEY },
		{ "empty", P256, "", CKK_EC, HF_E_PUBLIC_KEY },
		{ "hybrid", P256, "07" P256_X P256_Y, CKK_EC, HF_E_PUBLIC_KEY },
		{ "short", P256, "04" P256_X, CKK_EC, HF_E_PUBLIC_KEY },
		{ "another curve's", "06052b81040022", "04" P256_X P256_Y, CKK_EC, HF_E_PUBLIC_KEY },
		{ "raw Edwards", ED25519, ED25519_PUB, CKK_EC_EDWARDS, HF_OK },
		{ "DER Edwards", ED25519, "0420" ED25519_PUB, CKK_EC_EDWARDS, HF_OK },
		/* ACVP EDDSA keyVer 1.0, tcId 4 */
		{ "no Edwards point", ED25519,
			"a9ce8635f02076ac8aeea359d4572f509d16428abf8b4e2eab660f62cb42a7d3",
			CKK_EC_EDWARDS, HF_E_PUBLIC_KEY },
		{ "y not reduced", ED25519, "ed" F30 "7f", CKK_EC_EDWARDS, HF_E_PUBLIC_KEY },
		{ "-0", ED25519, "01" O30 "80", CKK_EC_EDWARDS, HF_E_PUBLIC_KEY },
		{ "no Ed448 point", "06032b6571", "02" O56, CKK_EC_EDWARDS, HF_E_PUBLIC_KEY },
		{ "short Edwards", ED25519, "0102", CKK_EC_EDWARDS, HF_E_PUBLIC_KEY },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct parts extra = { 0 };
		const char *out = cases[i].ckk == CKK_EC ? "044104" P256_X P256_Y : "0420" ED25519_PUB;

		print_message("%s\n", cases[i].why);
		assert_int_equal(import_hex(CKO_PUBLIC_KEY, cases[i].ckk,
					 COMPONENTS({ CKA_EC_PARAMS, cases[i].params },
						 { CKA_EC_POINT, cases[i].point }),
					 &extra),
			cases[i].e);
		if (cases[i].e == HF_OK)
			assert_slice(parts_get(&extra, CKA_EC_POINT), out);
		parts_done(&extra);
	}
}

static void curves_are_named_by_oid_or_name(void **state)
{
	static const struct {
		const char *params;
		uint32_t ckk;
		enum hf_err e;
	} cases[] = {
		{ "13085032353672310000", CKK_EC, HF_E_CURVE },            /* P256r1\0\0 */
		{ "06052b81040006", CKK_EC, HF_E_CURVE },                  /* secp112r1 */
		{ ED25519, CKK_EC, HF_E_CURVE },
		{ P256, CKK_EC_EDWARDS, HF_E_CURVE },
		{ "0500", CKK_EC, HF_E_DOMAIN_PARAMS },                    /* implicitlyCA */
		{ "3003020101", CKK_EC, HF_E_DOMAIN_PARAMS },              /* explicit */
		{ "", CKK_EC, HF_E_DOMAIN_PARAMS },
		{ P256 "00", CKK_EC, HF_E_DOMAIN_PARAMS },
		{ "060a2b06010401da470f0100", CKK_EC_EDWARDS, HF_E_CURVE },
		{ "06092b06010401da470f01", CKK_EC_EDWARDS, HF_OK },       /* GnuPG's Ed25519 */
		{ "060a2b060104019755010501", CKK_EC_MONTGOMERY, HF_OK }, /* GnuPG's X25519 */
		{ "130a70726d653235367631", CKK_EC, HF_E_DOMAIN_PARAMS },
		{ "130a7072696d653235367631", CKK_EC, HF_OK }, /* prime256v1 */
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		const uint32_t gen = cases[i].ckk == CKK_EC ? CKM_EC_KEY_PAIR_GEN :
			cases[i].ckk == CKK_EC_EDWARDS ? CKM_EC_EDWARDS_KEY_PAIR_GEN :
							 CKM_EC_MONTGOMERY_KEY_PAIR_GEN;
		struct parts pub = { 0 }, priv = { 0 };

		print_message("%s\n", cases[i].params);
		assert_int_equal(pair_make(gen, COMPONENTS({ CKA_EC_PARAMS, cases[i].params }), &pub,
					 &priv),
			cases[i].e);
		parts_done(&pub);
		parts_done(&priv);
	}
}

static void private_values_must_be_in_range(void **state)
{
	static const struct {
		const char *why, *params, *value;
		uint32_t ckk;
		enum hf_err e;
	} cases[] = {
		{ "one", P256, "01", CKK_EC, HF_OK },
		{ "with a leading zero", P256, "00" P256_D, CKK_EC, HF_OK },
		{ "zero", P256, "00", CKK_EC, HF_E_ATTR_VALUE },
		{ "the order", P256,
		  "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", CKK_EC,
		  HF_E_ATTR_VALUE },
		{ "order - 1", P256,
		  "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632550", CKK_EC, HF_OK },
		{ "long", P256, "0000" P256_D, CKK_EC, HF_E_ATTR_VALUE },
		{ "empty", P256, "", CKK_EC, HF_E_ATTR_VALUE },
		{ "short Edwards", ED25519, "0102", CKK_EC_EDWARDS, HF_E_ATTR_VALUE },
	};
	struct parts extra = { 0 };

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		print_message("%s\n", cases[i].why);
		assert_int_equal(import_hex(CKO_PRIVATE_KEY, cases[i].ckk,
					 COMPONENTS({ CKA_EC_PARAMS, cases[i].params },
						 { CKA_VALUE, cases[i].value }),
					 &extra),
			cases[i].e);
		parts_done(&extra);
	}
	assert_int_equal(import_hex(CKO_PRIVATE_KEY, CKK_EC, COMPONENTS({ CKA_VALUE, P256_D }), &extra),
		HF_E_TEMPLATE_INCOMPLETE);
	assert_int_equal(import_hex(CKO_PRIVATE_KEY, CKK_EC, COMPONENTS({ CKA_EC_PARAMS, P256 }),
				 &extra),
		HF_E_TEMPLATE_INCOMPLETE);
}

/* --- ECDSA ------------------------------------------------------------------ */

static void ecdsa_signs_and_verifies_on_every_curve(void **state)
{
	static const uint32_t ckms[] = { CKM_ECDSA, CKM_ECDSA_SHA1, CKM_ECDSA_SHA512,
		CKM_ECDSA_SHA3_256 };

	(void)state;
	for (size_t i = 0; i < ITEMS(curves) && curves[i].ckk == CKK_EC; i++) {
		struct parts pub = { 0 }, priv = { 0 };
		struct key *k, *pk;

		pair_of(&curves[i], &pub, &priv);
		k = key_parts(CKO_PRIVATE_KEY, CKK_EC, &priv);
		pk = key_parts(CKO_PUBLIC_KEY, CKK_EC, &pub);
		for (size_t j = 0; j < ITEMS(ckms) * 2; j++) {
			struct use u = { ckms[j / 2], VERB_SIGN, k, NULL, SLICE_STR("a message"),
				SLICE_NONE, j % 2 };
			struct buf sig = BUF_MAX(256);

			assert_int_equal(use_run(&u, &sig), HF_OK);
			assert_int_equal(sig.n, 2 * curves[i].value);
			u.verb = VERB_VERIFY;
			u.key = pk;
			u.sig = buf_slice(&sig);
			assert_int_equal(use_run(&u, NULL), HF_OK);
			sig.p[3] ^= 1;
			assert_int_equal(use_run(&u, NULL), HF_E_SIGNATURE);
			u.sig.n -= 2;
			assert_int_equal(use_run(&u, NULL), HF_E_SIGNATURE_LEN);
			buf_done(&sig);
		}
		key_free(k);
		key_free(pk);
		parts_done(&pub);
		parts_done(&priv);
	}
}

static void ecdsa_verifies_rfc_6979s_signature(void **state)
{
	struct key *k = key_hex(CKO_PUBLIC_KEY, CKK_EC,
		COMPONENTS({ CKA_EC_PARAMS, P256 }, { CKA_EC_POINT, "04" P256_X P256_Y }));
	uint8_t zeros[64] = { 0 };
	struct use u = { CKM_ECDSA_SHA256, VERB_VERIFY, k, NULL, SLICE_STR("sample"),
		hex("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
		    "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"), 2 };

	(void)state;
	assert_int_equal(use_run(&u, NULL), HF_OK);
	u.in = SLICE_STR("simple");
	assert_int_equal(use_run(&u, NULL), HF_E_SIGNATURE);
	u.sig = SLICE_OF(zeros);
	assert_int_equal(use_run(&u, NULL), HF_E_SIGNATURE);
	u.sig = SLICE_NONE;
	assert_int_equal(use_run(&u, NULL), HF_E_SIGNATURE_LEN);
	u.ckm = CKM_ECDSA;
	u.in = SLICE_NONE;
	u.sig = SLICE_OF(zeros);
	assert_int_equal(use_run(&u, NULL), HF_E_DATA_LEN);
	key_free(k);
}

/* --- ECDH ------------------------------------------------------------------- */

static void both_sides_agree_on_every_curve(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS(curves); i++) {
		struct parts pub[2] = { 0 }, priv[2] = { 0 };
		struct secret z[2] = { 0 };

		if (curves[i].ckk == CKK_EC_EDWARDS)
			continue;
		pair_of(&curves[i], &pub[0], &priv[0]);
		pair_of(&curves[i], &pub[1], &priv[1]);
		for (int j = 0; j < 2; j++) {
			struct params p = { .id = PARAM_ECDH, .present = true,
				.u.ecdh = { CKD_NULL, SLICE_NONE,
					parts_get(&pub[1 - j], CKA_EC_POINT) } };
			struct key *k = key_parts(CKO_PRIVATE_KEY, curves[i].ckk, &priv[j]);

			assert_int_equal(derive_run(CKM_ECDH1_DERIVE, &p, k, NULL, 0, &z[j]), HF_OK);
			key_free(k);
		}
		assert_int_equal(z[0].n, curves[i].value);
		assert_same(secret_slice(&z[0]), secret_slice(&z[1]));
		for (int j = 0; j < 2; j++) {
			secret_done(&z[j]);
			parts_done(&pub[j]);
			parts_done(&priv[j]);
		}
	}
}

/* NIST CAVS 14.1, ECC CDH primitive, P-256, count 0 */
#define CDH_D "7d7dc5f71eb29ddaf80d6214632eeae03d9058af1fb6d22ed80badb62bc1a534"
#define CDH_PEER                                                               \
	"04700c48f77f56584c5cc632ca65640db91b6bacce3a4df6b42ce7cc838833d287"   \
	"db71e509e3fd9b060ddb20ba5c51dcc5948d46fbf640dfe0441782cab85fa4ac"
#define CDH_Z "46fc62106420ff012e54a434fbdd2d25ccc5852060561e68040dd7778997bd7b"

static void ecdh_is_cavs_and_shortens_from_the_front(void **state)
{
	struct key *k = key_hex(CKO_PRIVATE_KEY, CKK_EC,
		COMPONENTS({ CKA_EC_PARAMS, P256 }, { CKA_VALUE, CDH_D }));
	struct params p = { .id = PARAM_ECDH, .present = true,
		.u.ecdh = { CKD_NULL, SLICE_NONE, hex(CDH_PEER) } };
	struct secret z = { 0 };

	(void)state;
	assert_int_equal(derive_run(CKM_ECDH1_DERIVE, &p, k, NULL, 32, &z), HF_OK);
	assert_slice(secret_slice(&z), CDH_Z);
	secret_done(&z);
	assert_int_equal(derive_run(CKM_ECDH1_COFACTOR_DERIVE, &p, k, NULL, 16, &z), HF_OK);
	assert_slice(secret_slice(&z), "ccc5852060561e68040dd7778997bd7b");
	secret_done(&z);
	assert_int_equal(derive_run(CKM_ECDH1_DERIVE, &p, k, NULL, 33, &z), HF_E_KEY_SIZE);
	key_free(k);
}

static void the_kdfs_hash_secret_counter_and_shared_data(void **state)
{
	static const struct {
		uint64_t kdf;
		const char *before, *between; /* around Z: the counter's place */
		uint32_t hash;
		size_t n;
	} cases[] = {
		{ CKD_SHA256_KDF, "", "00000001", CKM_SHA256, 32 },
		{ CKD_SHA1_KDF, "", "00000001", CKM_SHA_1, 20 },
		{ CKD_SHA3_512_KDF, "", "00000001", CKM_SHA3_512, 64 },
		{ CKD_SHA256_KDF_SP800, "00000001", "", CKM_SHA256, 32 },
	};
	struct key *k = key_hex(CKO_PRIVATE_KEY, CKK_EC,
		COMPONENTS({ CKA_EC_PARAMS, P256 }, { CKA_VALUE, CDH_D }));

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct params p = { .id = PARAM_ECDH, .present = true,
			.u.ecdh = { cases[i].kdf, SLICE_STR("info"), hex(CDH_PEER) } };
		struct buf in = BUF_MAX(256), md = BUF_MAX(64);
		struct use u = { cases[i].hash, VERB_DIGEST, NULL, NULL, SLICE_NONE, SLICE_NONE, 0 };
		struct secret out = { 0 };

		buf_raw(&in, hex(cases[i].before));
		buf_raw(&in, hex(CDH_Z));
		buf_raw(&in, hex(cases[i].between));
		buf_raw(&in, SLICE_STR("info"));
		u.in = buf_slice(&in);
		assert_int_equal(use_run(&u, &md), HF_OK);
		assert_int_equal(derive_run(CKM_ECDH1_DERIVE, &p, k, NULL, 0, &out), HF_OK);
		assert_same(secret_slice(&out), buf_slice(&md));
		secret_done(&out);
		assert_int_equal(derive_run(CKM_ECDH1_DERIVE, &p, k, NULL, 100, &out), HF_OK);
		assert_int_equal(out.n, 100);
		assert_memory_equal(out.p, md.p, cases[i].n);
		secret_done(&out);
		buf_done(&in);
		buf_done(&md);
	}
	key_free(k);
}

static void bad_peers_and_parameters_are_refused(void **state)
{
	static const struct {
		const char *why;
		uint64_t kdf;
		const char *shared, *peer;
		enum hf_err e;
	} cases[] = {
		{ "not on the curve", CKD_NULL, "", "04" P256_X P256_X, HF_E_PUBLIC_KEY },
		{ "no point", CKD_NULL, "", "", HF_E_PUBLIC_KEY },
		{ "infinity", CKD_NULL, "", "00", HF_E_PUBLIC_KEY },
		{ "unknown KDF", 99, "", CDH_PEER, HF_E_MECHANISM_PARAM },
		{ "no KDF", 0, "", CDH_PEER, HF_E_MECHANISM_PARAM },
		{ "shared data without KDF", CKD_NULL, "00", CDH_PEER, HF_E_MECHANISM_PARAM },
	};
	struct key *k = key_hex(CKO_PRIVATE_KEY, CKK_EC,
		COMPONENTS({ CKA_EC_PARAMS, P256 }, { CKA_VALUE, CDH_D }));
	struct key *x = key_hex(CKO_PRIVATE_KEY, CKK_EC_MONTGOMERY,
		COMPONENTS({ CKA_EC_PARAMS, X25519 }, { CKA_VALUE, CDH_D }));
	struct params small = { .id = PARAM_ECDH, .present = true, .u.ecdh = { CKD_NULL, SLICE_NONE,
		hex("0000000000000000000000000000000000000000000000000000000000000000") } };
	struct secret z = { 0 };

	(void)state;
	assert_int_equal(derive_run(CKM_ECDH1_DERIVE, &small, x, NULL, 0, &z), HF_E_PUBLIC_KEY);
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct params p = { .id = PARAM_ECDH, .present = true,
			.u.ecdh = { cases[i].kdf, hex(cases[i].shared), hex(cases[i].peer) } };

		print_message("%s\n", cases[i].why);
		assert_int_equal(derive_run(CKM_ECDH1_DERIVE, &p, k, NULL, 0, &z), cases[i].e);
	}
	key_free(k);
	key_free(x);
}

/* --- EdDSA ------------------------------------------------------------------ */

/* RFC 8032 §7.1 test 2; §7.2 "foo"; §7.3; §7.4 "1 octet (with context)" */
static const struct {
	const char *params, *seed, *msg, *context;
	bool present, prehash;
	const char *sig;
} eddsa[] = {
	{ ED25519, "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "72", "",
	  false, false,
	  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
	  "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
	{ ED25519, "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", "72", "",
	  true, false,
	  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
	  "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
	{ ED25519, "0305334e381af78f141cb666f6199f57bc3495335a256a95bd2a55bf546663f6",
	  "f726936d19c800494e3fdaff20b276a8", "666f6f", true, false,
	  "55a4cc2f70a54e04288c5f4cd1e45a7bb520b36292911876cada7323198dd87a"
	  "8b36950b95130022907a7fb7c4e9b2d5f6cca685a587b4b21f4b888e4e7edb0d" },
	{ ED25519, "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42", "616263", "",
	  true, true,
	  "98a70222f0b8121aa9d30f813d683f809e462b469c7ff87639499bb94e6dae41"
	  "31f85042463c2a355a2003d062adf5aaa10b8c61e636062aaad11c2a26083406" },
	{ ED448,
	  "c4eab05d357007c632f3dbb48489924d552b08fe0c353a0d4a1f00acda2c463afbea67c5e8d2877c"
	  "5e3bc397a659949ef8021e954e0a12274e",
	  "03", "666f6f", true, false,
	  "d4f8f6131770dd46f40867d6fd5d5055de43541f8c5e35abbcd001b32a89f7d2151f7647f11d8ca2"
	  "ae279fb842d607217fce6e042f6815ea000c85741de5c8da1144a6a1aba7f96de42505d7a7298524"
	  "fda538fccbbb754f578c1cad10d54d0d5428407e85dcbc98a49155c13764e66c3c00" },
};

static void eddsa_is_rfc_8032s_in_any_order(void **state)
{
	struct params plain = { .id = PARAM_EDDSA };

	(void)state;
	for (size_t i = 0; i < 2 * ITEMS(eddsa); i++) {
		size_t j = i % ITEMS(eddsa);
		struct key *k = key_hex(CKO_PRIVATE_KEY, CKK_EC_EDWARDS,
			COMPONENTS({ CKA_EC_PARAMS, eddsa[j].params }, { CKA_VALUE, eddsa[j].seed }));
		struct params p = { .id = PARAM_EDDSA, .present = eddsa[j].present,
			.u.eddsa = { eddsa[j].prehash, hex(eddsa[j].context) } };
		struct use u = { CKM_EDDSA, VERB_SIGN, k, &plain, hex(eddsa[j].msg), SLICE_NONE, 0 };
		struct buf sig = BUF_MAX(256), other = BUF_MAX(256);

		if (i >= ITEMS(eddsa)) /* a context kept from plain use */
			assert_int_equal(use_run(&u, &other), HF_OK);
		u.params = &p;
		assert_int_equal(use_run(&u, &sig), HF_OK);
		assert_slice(buf_slice(&sig), eddsa[j].sig);
		buf_done(&sig);
		buf_done(&other);
		key_free(k);
	}
}

static void eddsa_verifies_with_the_same_parameters_only(void **state)
{
	static const uint8_t long_context[256];
	struct parts pub = { 0 }, priv = { 0 };
	struct params ctx = { .id = PARAM_EDDSA, .present = true,
		.u.eddsa = { false, SLICE_STR("context") } };
	struct params plain = { .id = PARAM_EDDSA };
	struct buf sig = BUF_MAX(64);
	struct key *k, *pk;
	struct use u;

	(void)state;
	assert_int_equal(pair_make(CKM_EC_EDWARDS_KEY_PAIR_GEN, COMPONENTS({ CKA_EC_PARAMS, ED25519 }),
				 &pub, &priv),
		HF_OK);
	k = key_parts(CKO_PRIVATE_KEY, CKK_EC_EDWARDS, &priv);
	pk = key_parts(CKO_PUBLIC_KEY, CKK_EC_EDWARDS, &pub);
	u = (struct use){ CKM_EDDSA, VERB_SIGN, k, &ctx, SLICE_STR("m"), SLICE_NONE, 0 };
	assert_int_equal(use_run(&u, &sig), HF_OK);
	u = (struct use){ CKM_EDDSA, VERB_VERIFY, pk, &ctx, SLICE_STR("m"), buf_slice(&sig), 0 };
	assert_int_equal(use_run(&u, NULL), HF_OK);
	u.params = &plain;
	assert_int_equal(use_run(&u, NULL), HF_E_SIGNATURE);
	u.params = &ctx;
	assert_int_equal(use_run(&u, NULL), HF_OK);
	ctx.u.eddsa.prehash = true;
	assert_int_equal(use_run(&u, NULL), HF_E_SIGNATURE);
	u.sig.n = 63;
	assert_int_equal(use_run(&u, NULL), HF_E_SIGNATURE_LEN);
	ctx.u.eddsa.context = SLICE_OF(long_context);
	assert_int_equal(use_run(&u, NULL), HF_E_MECHANISM_PARAM);
	buf_done(&sig);
	key_free(k);
	key_free(pk);
	parts_done(&pub);
	parts_done(&priv);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_curve_makes_pairs_that_import_again),
		cmocka_unit_test(halves_of_two_pairs_do_not_agree),
		cmocka_unit_test(the_test_of_a_pair_is_told_the_mode),
		cmocka_unit_test(a_public_keys_info_is_what_openssl_writes),
		cmocka_unit_test(every_private_key_survives_encoding),
		cmocka_unit_test(points_come_raw_or_in_an_octet_string_and_leave_in_one),
		cmocka_unit_test(curves_are_named_by_oid_or_name),
		cmocka_unit_test(private_values_must_be_in_range),
		cmocka_unit_test(ecdsa_signs_and_verifies_on_every_curve),
		cmocka_unit_test(ecdsa_verifies_rfc_6979s_signature),
		cmocka_unit_test(both_sides_agree_on_every_curve),
		cmocka_unit_test(ecdh_is_cavs_and_shortens_from_the_front),
		cmocka_unit_test(the_kdfs_hash_secret_counter_and_shared_data),
		cmocka_unit_test(bad_peers_and_parameters_are_refused),
		cmocka_unit_test(eddsa_is_rfc_8032s_in_any_order),
		cmocka_unit_test(eddsa_verifies_with_the_same_parameters_only),
	};

	return cmocka_run_group_tests(tests, crypt_group_setup, NULL);
}
