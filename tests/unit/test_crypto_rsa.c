/* RSA: keys in every form, signatures, recovery, encryption, wrapping. */
#include "crypt.h"

static struct parts pub_parts, priv_parts;
static struct key *pub, *priv;

static const struct component rsa_1024[] = { { CKA_MODULUS_BITS, "0000000000000400" }, { 0, NULL } };

static int setup(void **state)
{
	if (crypt_group_setup(state) != 0 ||
	    pair_make(CKM_RSA_PKCS_KEY_PAIR_GEN, rsa_1024, &pub_parts, &priv_parts) != HF_OK)
		return -1;
	pub = key_parts(CKO_PUBLIC_KEY, CKK_RSA, &pub_parts);
	priv = key_parts(CKO_PRIVATE_KEY, CKK_RSA, &priv_parts);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	key_free(pub);
	key_free(priv);
	parts_done(&pub_parts);
	parts_done(&priv_parts);
	return 0;
}

/* --- keys ------------------------------------------------------------------- */

static void a_generated_pair_has_what_the_standard_lists(void **state)
{
	static const uint32_t in_pub[] = { CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_MODULUS_BITS,
		CKA_PUBLIC_KEY_INFO };
	static const uint32_t in_priv[] = { CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT,
		CKA_PRIME_1, CKA_PRIME_2, CKA_EXPONENT_1, CKA_EXPONENT_2, CKA_COEFFICIENT,
		CKA_PUBLIC_KEY_INFO };

	(void)state;
	for (size_t i = 0; i < ITEMS(in_pub); i++)
		assert_non_null(parts_get(&pub_parts, in_pub[i]).p);
	for (size_t i = 0; i < ITEMS(in_priv); i++)
		assert_non_null(parts_get(&priv_parts, in_priv[i]).p);
	assert_int_equal(pub_parts.n, ITEMS(in_pub));
	assert_int_equal(priv_parts.n, ITEMS(in_priv));
	assert_int_equal(parts_get(&pub_parts, CKA_MODULUS).n, 128);
	assert_slice(parts_get(&pub_parts, CKA_PUBLIC_EXPONENT), "010001");
	assert_slice(parts_get(&pub_parts, CKA_MODULUS_BITS), "0000000000000400");
	assert_same(parts_get(&pub_parts, CKA_PUBLIC_KEY_INFO),
		parts_get(&priv_parts, CKA_PUBLIC_KEY_INFO));
	assert_int_equal(key_size(priv), 1024);
	assert_int_equal(key_type(priv), CKK_RSA);
	assert_int_equal(key_class(priv), CKO_PRIVATE_KEY);
}

static void generation_refuses_what_makes_no_key(void **state)
{
	static const struct {
		const char *why, *bits, *e;
		enum hf_err err;
	} cases[] = {
		{ "exponent 3", "0000000000000400", "03", HF_OK },
		{ "even exponent", "0000000000000400", "010000", HF_E_ATTR_VALUE },
		{ "exponent 1", "0000000000000400", "01", HF_E_ATTR_VALUE },
		{ "small modulus", "0000000000000200", "010001", HF_E_ATTR_VALUE },
		{ "large modulus", "0000000000004001", "010001", HF_E_ATTR_VALUE },
		{ "bits of another length", "0400", "010001", HF_E_ATTR_VALUE },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct parts a = { 0 }, b = { 0 };

		print_message("%s\n", cases[i].why);
		assert_int_equal(pair_make(CKM_RSA_PKCS_KEY_PAIR_GEN,
					 COMPONENTS({ CKA_MODULUS_BITS, cases[i].bits },
						 { CKA_PUBLIC_EXPONENT, cases[i].e }),
					 &a, &b),
			cases[i].err);
		parts_done(&a);
		parts_done(&b);
	}
	assert_int_equal(pair_make(CKM_RSA_PKCS_KEY_PAIR_GEN, COMPONENTS({ CKA_PUBLIC_EXPONENT, "03" }),
				 NULL, NULL),
		HF_E_TEMPLATE_INCOMPLETE);
}

static void pairs_of_x9_31_have_its_sizes(void **state)
{
	static const struct {
		const char *why, *bits, *exponent;
		enum hf_err err;
	} cases[] = {
		{ "as it should be", "0000000000000800", "010001", HF_OK },
		{ "no multiple of 256", "0000000000000880", "010001", HF_E_ATTR_VALUE },
		{ "too small", "0000000000000400", "010001", HF_E_ATTR_VALUE },
		{ "an exponent without auxiliary primes", "0000000000000800", "03", HF_E_ATTR_VALUE },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct parts a = { 0 }, b = { 0 };

		print_message("%s\n", cases[i].why);
		assert_int_equal(pair_make(CKM_RSA_X9_31_KEY_PAIR_GEN,
					 COMPONENTS({ CKA_MODULUS_BITS, cases[i].bits },
						 { CKA_PUBLIC_EXPONENT, cases[i].exponent }),
					 &a, &b),
			cases[i].err);
		if (cases[i].err == HF_OK)
			assert_int_equal(parts_get(&a, CKA_MODULUS).n, 256);
		parts_done(&a);
		parts_done(&b);
	}
}

/* some copies the named components of the private key. */
static void some(const uint32_t *cka, size_t n, struct parts *ret)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(parts_put(ret, cka[i], parts_get(&priv_parts, cka[i])), HF_OK);
}

static void missing_components_of_a_private_key_are_computed(void **state)
{
	static const struct {
		const char *why;
		uint32_t cka[8];
		size_t n;
		enum hf_err e;
	} cases[] = {
		{ "modulus and exponents",
		  { CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT }, 3, HF_OK },
		{ "no public exponent", { CKA_MODULUS, CKA_PRIVATE_EXPONENT }, 2, HF_OK },
		{ "primes, no private exponent",
		  { CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIME_1, CKA_PRIME_2 }, 4, HF_OK },
		{ "primes, no public exponent",
		  { CKA_MODULUS, CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2 }, 4, HF_OK },
		{ "no coefficient",
		  { CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT, CKA_PRIME_1, CKA_PRIME_2,
			  CKA_EXPONENT_1, CKA_EXPONENT_2 }, 7, HF_OK },
		{ "one prime",
		  { CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT, CKA_PRIME_1 }, 4,
		  HF_E_TEMPLATE_INCOMPLETE },
		{ "public parts only", { CKA_MODULUS, CKA_PUBLIC_EXPONENT }, 2,
		  HF_E_TEMPLATE_INCOMPLETE },
		{ "no modulus", { CKA_PRIVATE_EXPONENT, CKA_PUBLIC_EXPONENT }, 2,
		  HF_E_TEMPLATE_INCOMPLETE },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct parts in = { 0 }, extra = { 0 };
		struct key_source s = parts_source(&in);

		print_message("%s\n", cases[i].why);
		some(cases[i].cka, cases[i].n, &in);
		assert_int_equal(key_import(CKO_PRIVATE_KEY, CKK_RSA, &s, &extra), cases[i].e);
		for (size_t j = 0; cases[i].e == HF_OK && j < priv_parts.n; j++) {
			uint32_t cka = priv_parts.v[j].cka;
			struct slice v = parts_get(&extra, cka);

			if (parts_get(&in, cka).p != NULL)
				assert_null(v.p);
			else /* the primes may come in the other order */
				assert_non_null(v.p);
		}
		parts_done(&in);
		parts_done(&extra);
	}
}

static void components_that_do_not_belong_together_are_refused(void **state)
{
	static const uint32_t all[] = { CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_PRIVATE_EXPONENT,
		CKA_PRIME_1, CKA_PRIME_2, CKA_EXPONENT_1, CKA_EXPONENT_2, CKA_COEFFICIENT };

	(void)state;
	for (size_t i = 0; i < ITEMS(all); i++) {
		struct parts in = { 0 }, extra = { 0 };
		struct key_source s = parts_source(&in);

		some(all, ITEMS(all), &in);
		in.v[i].value.p[0] ^= 0x20;
		assert_int_equal(key_import(CKO_PRIVATE_KEY, CKK_RSA, &s, &extra), HF_E_ATTR_VALUE);
		in.v[i].value.p[0] ^= 0x20;
		memset(in.v[i].value.p, 0, in.v[i].value.n);
		assert_int_equal(key_import(CKO_PRIVATE_KEY, CKK_RSA, &s, &extra), HF_E_ATTR_VALUE);
		assert_int_equal(extra.n, 0);
		parts_done(&in);
	}
}

static void a_public_key_info_must_be_the_keys(void **state)
{
	struct slice info = parts_get(&pub_parts, CKA_PUBLIC_KEY_INFO);
	struct parts in = { 0 }, extra = { 0 };
	struct key_source s = parts_source(&in);
	static const uint32_t both[] = { CKA_MODULUS, CKA_PUBLIC_EXPONENT };

	(void)state;
	some(both, 2, &in);
	assert_int_equal(parts_put(&in, CKA_PUBLIC_KEY_INFO, info), HF_OK);
	assert_int_equal(key_import(CKO_PUBLIC_KEY, CKK_RSA, &s, &extra), HF_OK);
	assert_null(parts_get(&extra, CKA_PUBLIC_KEY_INFO).p);
	parts_done(&extra);
	in.v[2].value.p[40] ^= 1;
	assert_int_equal(key_import(CKO_PUBLIC_KEY, CKK_RSA, &s, &extra), HF_E_TEMPLATE_CONFLICT);
	secret_cut(&in.v[2].value, 0);
	assert_int_equal(key_import(CKO_PUBLIC_KEY, CKK_RSA, &s, &extra), HF_OK);
	assert_same(parts_get(&extra, CKA_PUBLIC_KEY_INFO), info);
	parts_done(&in);
	parts_done(&extra);
}

static void a_private_key_survives_encoding(void **state)
{
	struct secret der = { 0 };
	struct parts back = { 0 };

	(void)state;
	assert_int_equal(key_encode(priv, &der), HF_OK);
	assert_int_equal(key_decode(CKO_PRIVATE_KEY, CKK_RSA, secret_slice(&der), &back), HF_OK);
	assert_int_equal(back.n, priv_parts.n);
	for (size_t i = 0; i < back.n; i++)
		assert_same(secret_slice(&back.v[i].value), parts_get(&priv_parts, back.v[i].cka));
	parts_done(&back);
	assert_int_equal(key_decode(CKO_PRIVATE_KEY, CKK_EC, secret_slice(&der), &back),
		HF_E_WRAPPED_KEY);
	assert_int_equal(key_decode(CKO_PUBLIC_KEY, CKK_RSA, secret_slice(&der), &back),
		HF_E_ATTR_VALUE);
	for (size_t n = 0; n < der.n; n += 13)
		assert_int_equal(key_decode(CKO_PRIVATE_KEY, CKK_RSA, (struct slice){ der.p, n }, &back),
			HF_E_WRAPPED_KEY);
	assert_int_equal(back.n, 0);
	secret_done(&der);
	assert_int_equal(key_encode(pub, &der), HF_E_KEY_NOT_WRAPPABLE);
}

static void an_encoded_key_may_be_filled_up_with_zeros_only(void **state)
{
	struct secret der = { 0 }, filled = { 0 };
	struct parts back = { 0 };

	(void)state;
	assert_int_equal(key_encode(priv, &der), HF_OK);
	assert_int_equal(secret_alloc(&filled, der.n + 16), HF_OK);
	memcpy(filled.p, der.p, der.n);
	assert_int_equal(key_decode(CKO_PRIVATE_KEY, CKK_RSA, (struct slice){ filled.p, der.n + 15 },
				 &back),
		HF_OK);
	parts_done(&back);
	assert_int_equal(key_decode(CKO_PRIVATE_KEY, CKK_RSA, (struct slice){ filled.p, der.n + 16 },
				 &back),
		HF_E_WRAPPED_KEY);
	filled.p[der.n + 2] = 1;
	assert_int_equal(key_decode(CKO_PRIVATE_KEY, CKK_RSA, (struct slice){ filled.p, der.n + 8 },
				 &back),
		HF_E_WRAPPED_KEY);
	secret_done(&der);
	secret_done(&filled);
}

/* --- signatures ------------------------------------------------------------- */

static const struct params no_param = { .id = PARAM_NONE };
static const struct params pss_sha256 = { .id = PARAM_RSA_PSS, .present = true,
	.u.rsa_pss = { CKM_SHA256, CKG_MGF1_SHA256, 32 } };
static const struct params pss_sha1_mix = { .id = PARAM_RSA_PSS, .present = true,
	.u.rsa_pss = { CKM_SHA_1, CKG_MGF1_SHA3_256, 0 } };

#define DIGEST_32 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static const struct {
	uint32_t ckm;
	const struct params *p;
	const char *in;
} signers[] = {
	{ CKM_RSA_PKCS, &no_param, "3031300d" }, { CKM_RSA_X_509, &no_param, "01020304" },
	{ CKM_SHA1_RSA_PKCS, &no_param, "616263" },
	{ CKM_SHA256_RSA_PKCS, &no_param, "" }, { CKM_SHA512_RSA_PKCS, &no_param, "616263" },
	{ CKM_SHA3_384_RSA_PKCS, &no_param, "616263" }, { CKM_RSA_PKCS_PSS, &pss_sha256, DIGEST_32 },
	{ CKM_SHA256_RSA_PKCS_PSS, &pss_sha256, "616263" },
	{ CKM_SHA1_RSA_PKCS_PSS, &pss_sha1_mix, "616263" },
	{ CKM_MD5_RSA_PKCS, &no_param, "616263" }, { CKM_RIPEMD160_RSA_PKCS, &no_param, "616263" },
	{ CKM_SHA1_RSA_X9_31, &no_param, "616263" }, { CKM_RSA_X9_31, &no_param, DIGEST_32 "34" },
};

static void what_one_half_signs_the_other_verifies(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS(signers); i++)
		for (size_t chunk = 0; chunk < 3; chunk++) {
			struct use u = { signers[i].ckm, VERB_SIGN, priv, signers[i].p,
				hex(signers[i].in), SLICE_NONE, chunk };
			struct buf sig = BUF_MAX(128);

			assert_int_equal(use_run(&u, &sig), HF_OK);
			assert_int_equal(sig.n, 128);
			u.verb = VERB_VERIFY;
			u.key = pub;
			u.sig = buf_slice(&sig);
			assert_int_equal(use_run(&u, NULL), HF_OK);
			sig.p[77] ^= 1;
			assert_int_equal(use_run(&u, NULL), HF_E_SIGNATURE);
			u.sig.n--;
			assert_int_equal(use_run(&u, NULL), HF_E_SIGNATURE_LEN);
			buf_done(&sig);
		}
}

/* MD5 and RIPEMD-160 of "abc" (RFC 1321, A.5; ISO/IEC 10118-3) within DigestInfo (RFC 8017, 9.2). */
static void old_digests_are_signed_in_their_digest_info(void **state)
{
	static const struct {
		uint32_t ckm;
		const char *info;
	} cases[] = {
		{ CKM_MD5_RSA_PKCS, "3020300c06082a864886f70d020505000410"
				    "900150983cd24fb0d6963f7d28e17f72" },
		{ CKM_RIPEMD160_RSA_PKCS, "3021300906052b2403020105000414"
					  "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc" },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct use u = { cases[i].ckm, VERB_SIGN, priv, &no_param, hex("616263"),
			SLICE_NONE, 0 };
		struct buf sig = BUF_MAX(128);

		assert_int_equal(use_run(&u, &sig), HF_OK);
		u = (struct use){ CKM_RSA_PKCS, VERB_VERIFY, pub, &no_param, hex(cases[i].info),
			buf_slice(&sig), 0 };
		assert_int_equal(use_run(&u, NULL), HF_OK);
		buf_done(&sig);
	}
}

static void data_that_does_not_fit_is_refused(void **state)
{
	static const struct {
		const char *why;
		uint32_t ckm;
		const struct params *p;
		size_t n;
		enum hf_err e;
	} cases[] = {
		{ "all that fits", CKM_RSA_PKCS, &no_param, 117, HF_OK },
		{ "nothing", CKM_RSA_PKCS, &no_param, 0, HF_E_DATA_LEN },
		{ "one more", CKM_RSA_PKCS, &no_param, 118, HF_E_DATA_LEN },
		{ "longer than the modulus", CKM_RSA_X_509, &no_param, 129, HF_E_DATA_LEN },
		{ "larger than the modulus", CKM_RSA_X_509, &no_param, 128, HF_E_DATA },
		{ "nothing", CKM_RSA_X_509, &no_param, 0, HF_E_DATA_LEN },
		{ "short digest", CKM_RSA_PKCS_PSS, &pss_sha256, 31, HF_E_DATA_LEN },
		{ "no digest's number", CKM_RSA_X9_31, &no_param, 33, HF_E_DATA },
		{ "not even a number", CKM_RSA_X9_31, &no_param, 0, HF_E_DATA_LEN },
		{ "long digest", CKM_RSA_PKCS_PSS, &pss_sha256, 33, HF_E_DATA_LEN },
	};
	uint8_t ff[129];

	(void)state;
	memset(ff, 0xff, sizeof(ff));
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct use u = { cases[i].ckm, VERB_SIGN, priv, cases[i].p, { ff, cases[i].n },
			SLICE_NONE, 0 };

		print_message("%s\n", cases[i].why);
		assert_int_equal(use_run(&u, NULL), cases[i].e);
	}
}

static void pss_parameters_must_agree_and_fit(void **state)
{
	static const struct {
		const char *why;
		uint32_t ckm;
		struct param_rsa_pss p;
		enum hf_err e;
	} cases[] = {
		{ "another digest than the mechanism's", CKM_SHA256_RSA_PKCS_PSS,
		  { CKM_SHA384, CKG_MGF1_SHA256, 32 }, HF_E_MECHANISM_PARAM },
		{ "no digest", CKM_RSA_PKCS_PSS, { CKM_AES_CBC, CKG_MGF1_SHA256, 32 },
		  HF_E_MECHANISM_PARAM },
		{ "no mask function", CKM_SHA256_RSA_PKCS_PSS, { CKM_SHA256, 0, 32 },
		  HF_E_MECHANISM_PARAM },
		{ "the longest salt", CKM_SHA256_RSA_PKCS_PSS,
		  { CKM_SHA256, CKG_MGF1_SHA256, 128 - 32 - 2 }, HF_OK },
		{ "a longer salt", CKM_SHA256_RSA_PKCS_PSS,
		  { CKM_SHA256, CKG_MGF1_SHA256, 128 - 32 - 1 }, HF_E_MECHANISM_PARAM },
		{ "what OpenSSL takes for 'any length'", CKM_SHA256_RSA_PKCS_PSS,
		  { CKM_SHA256, CKG_MGF1_SHA256, UINT64_MAX - 1 }, HF_E_MECHANISM_PARAM },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct params p = { .id = PARAM_RSA_PSS, .present = true, .u.rsa_pss = cases[i].p };
		struct use u = { cases[i].ckm, VERB_SIGN, priv, &p, SLICE_STR("abc"), SLICE_NONE, 0 };

		print_message("%s\n", cases[i].why);
		assert_int_equal(use_run(&u, NULL), cases[i].e);
	}
}

static void a_kept_context_forgets_the_last_parameters(void **state)
{
	struct params other = pss_sha256;
	struct use sign = { CKM_SHA256_RSA_PKCS_PSS, VERB_SIGN, priv, &pss_sha256, SLICE_STR("abc"),
		SLICE_NONE, 0 };
	struct use verify = sign;
	struct buf sig = BUF_MAX(256);

	(void)state;
	other.u.rsa_pss.salt_len = 20;
	assert_int_equal(use_run(&sign, &sig), HF_OK);
	verify.verb = VERB_VERIFY;
	verify.key = pub;
	for (int i = 0; i < 3; i++) {
		verify.sig = buf_slice(&sig);
		verify.params = &pss_sha256;
		assert_int_equal(use_run(&verify, NULL), HF_OK);
		verify.params = &other;
		assert_int_equal(use_run(&verify, NULL), HF_E_SIGNATURE);
	}
	buf_done(&sig);
}

static void recovery_gives_back_what_was_signed(void **state)
{
	struct use u = { CKM_RSA_PKCS, VERB_SIGN_RECOVER, priv, NULL, SLICE_STR("recover me"),
		SLICE_NONE, 0 };
	struct buf sig = BUF_MAX(128), data = BUF_MAX(128);

	(void)state;
	assert_int_equal(use_run(&u, &sig), HF_OK);
	u.verb = VERB_VERIFY_RECOVER;
	u.key = pub;
	u.in = buf_slice(&sig);
	assert_int_equal(use_run(&u, &data), HF_OK);
	assert_same(buf_slice(&data), SLICE_STR("recover me"));
	buf_reset(&data);
	u.ckm = CKM_RSA_X_509;
	assert_int_equal(use_run(&u, &data), HF_OK);
	assert_int_equal(data.n, 128);
	assert_memory_equal(data.p, "\0\1\xff", 3);
	u.ckm = CKM_RSA_PKCS;
	u.in.n = 127;
	assert_int_equal(use_run(&u, &data), HF_E_SIGNATURE_LEN);
	sig.p[5] ^= 1;
	u.in.n = 128;
	assert_int_equal(use_run(&u, &data), HF_E_SIGNATURE);
	buf_done(&sig);
	buf_done(&data);
}

/* --- encryption ------------------------------------------------------------- */

static const struct params oaep = { .id = PARAM_RSA_OAEP, .present = true,
	.u.rsa_oaep = { CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED, { NULL, 0 } } };
static const struct params oaep_label = { .id = PARAM_RSA_OAEP, .present = true,
	.u.rsa_oaep = { CKM_SHA256, CKG_MGF1_SHA256, CKZ_DATA_SPECIFIED,
		{ (const uint8_t *)"label", 5 } } };

static void what_is_encrypted_decrypts(void **state)
{
	static const struct {
		uint32_t ckm;
		const struct params *p;
		size_t most;
	} cases[] = {
		{ CKM_RSA_PKCS, &no_param, 117 },
		{ CKM_RSA_PKCS_OAEP, &oaep, 128 - 42 },
		{ CKM_RSA_PKCS_OAEP, &oaep_label, 128 - 66 },
		{ CKM_RSA_PKCS_OAEP, &oaep, 128 - 42 }, /* after one with a label */
	};
	uint8_t in[128] = { 1, 2, 3 };

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++)
		for (size_t n = 0; n <= cases[i].most; n += cases[i].most) {
			struct use u = { cases[i].ckm, VERB_ENCRYPT, pub, cases[i].p, { in, n },
				SLICE_NONE, 10 };
			struct buf ct = BUF_MAX(128), back = BUF_MAX(128);

			assert_int_equal(use_run(&u, &ct), HF_OK);
			assert_int_equal(ct.n, 128);
			u.verb = VERB_DECRYPT;
			u.key = priv;
			u.in = buf_slice(&ct);
			assert_int_equal(use_run(&u, &back), HF_OK);
			assert_same(buf_slice(&back), (struct slice){ in, n });
			u.in.n--;
			assert_int_equal(use_run(&u, &back), HF_E_ENCRYPTED_DATA_LEN);
			u.verb = VERB_UNWRAP;
			assert_int_equal(use_run(&u, &back), HF_E_WRAPPED_KEY_LEN);
			u = (struct use){ cases[i].ckm, VERB_ENCRYPT, pub, cases[i].p,
				{ in, cases[i].most + 1 }, SLICE_NONE, 0 };
			assert_int_equal(use_run(&u, NULL), HF_E_DATA_LEN);
			u.verb = VERB_WRAP;
			assert_int_equal(use_run(&u, NULL), HF_E_KEY_SIZE);
			buf_done(&ct);
			buf_done(&back);
		}
}

static void oaep_tells_only_that_it_does_not_decrypt(void **state)
{
	struct use u = { CKM_RSA_PKCS_OAEP, VERB_ENCRYPT, pub, &oaep_label, SLICE_STR("x"),
		SLICE_NONE, 0 };
	struct buf ct = BUF_MAX(128);

	(void)state;
	assert_int_equal(use_run(&u, &ct), HF_OK);
	u.key = priv;
	u.in = buf_slice(&ct);
	u.verb = VERB_DECRYPT;
	u.params = &oaep;
	assert_int_equal(use_run(&u, NULL), HF_E_ENCRYPTED_DATA);
	u.verb = VERB_UNWRAP;
	assert_int_equal(use_run(&u, NULL), HF_E_WRAPPED_KEY);
	ct.p[100] ^= 1;
	u.params = &oaep_label;
	assert_int_equal(use_run(&u, NULL), HF_E_WRAPPED_KEY);
	buf_done(&ct);
}

static void oaep_parameters_are_checked(void **state)
{
	static const struct param_rsa_oaep cases[] = {
		{ CKM_AES_CBC, CKG_MGF1_SHA1, 1, { NULL, 0 } }, { CKM_SHA_1, 99, 1, { NULL, 0 } },
		{ CKM_SHA_1, CKG_MGF1_SHA1, 2, { NULL, 0 } },
		{ CKM_SHA_1, CKG_MGF1_SHA1, 0, { (const uint8_t *)"l", 1 } },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct params p = { .id = PARAM_RSA_OAEP, .present = true, .u.rsa_oaep = cases[i] };
		struct use u = { CKM_RSA_PKCS_OAEP, VERB_ENCRYPT, pub, &p, SLICE_STR("x"), SLICE_NONE,
			0 };

		assert_int_equal(use_run(&u, NULL), HF_E_MECHANISM_PARAM);
	}
}

/* Implicit rejection: no error tells an attacker that the padding was wrong, and
 * the same ciphertext gives the same wrong bytes. */
static void a_wrong_pkcs1_padding_is_not_told(void **state)
{
	struct use u = { CKM_RSA_PKCS, VERB_ENCRYPT, pub, NULL, SLICE_STR("x"), SLICE_NONE, 0 };
	struct buf ct = BUF_MAX(128), a = BUF_MAX(128), b = BUF_MAX(128);

	(void)state;
	assert_int_equal(use_run(&u, &ct), HF_OK);
	ct.p[127] ^= 1;
	u = (struct use){ CKM_RSA_PKCS, VERB_DECRYPT, priv, NULL, buf_slice(&ct), SLICE_NONE, 0 };
	assert_int_equal(use_run(&u, &a), HF_OK);
	assert_int_equal(use_run(&u, &b), HF_OK);
	assert_same(buf_slice(&a), buf_slice(&b));
	buf_done(&ct);
	buf_done(&a);
	buf_done(&b);
}

static void raw_rsa_is_the_two_halves_of_one_permutation(void **state)
{
	struct use u = { CKM_RSA_X_509, VERB_ENCRYPT, pub, NULL, hex("0a0b"), SLICE_NONE, 1 };
	struct buf ct = BUF_MAX(128), back = BUF_MAX(128);

	(void)state;
	assert_int_equal(use_run(&u, &ct), HF_OK);
	u = (struct use){ CKM_RSA_X_509, VERB_DECRYPT, priv, NULL, buf_slice(&ct), SLICE_NONE, 50 };
	assert_int_equal(use_run(&u, &back), HF_OK);
	assert_int_equal(back.n, 128);
	assert_memory_equal(back.p + 126, "\x0a\x0b", 2);
	buf_done(&ct);
	buf_done(&back);
}

static void a_key_of_any_length_wraps_under_rsa_and_aes(void **state)
{
	struct params p = { .id = PARAM_RSA_AES_WRAP, .present = true,
		.u.rsa_aes_wrap = { 256, CKM_SHA_1, CKG_MGF1_SHA1, CKZ_DATA_SPECIFIED,
			{ NULL, 0 } } };
	struct use u = { CKM_RSA_AES_KEY_WRAP, VERB_WRAP, pub, &p, SLICE_NONE, SLICE_NONE, 0 };
	struct buf out = BUF_MAX(2048), back = BUF_MAX(2048);
	struct secret der = { 0 };

	(void)state;
	assert_int_equal(key_encode(priv, &der), HF_OK);
	u.in = secret_slice(&der);
	assert_int_equal(use_run(&u, &out), HF_OK);
	u.verb = VERB_UNWRAP;
	u.key = priv;
	u.in = buf_slice(&out);
	assert_int_equal(use_run(&u, &back), HF_OK);
	assert_same(buf_slice(&back), secret_slice(&der));
	p.u.rsa_aes_wrap.aes_bits = 128;
	assert_int_equal(use_run(&u, NULL), HF_E_WRAPPED_KEY);
	p.u.rsa_aes_wrap.aes_bits = 160;
	assert_int_equal(use_run(&u, NULL), HF_E_MECHANISM_PARAM);
	p.u.rsa_aes_wrap.aes_bits = 256;
	out.p[200] ^= 1;
	assert_int_equal(use_run(&u, NULL), HF_E_WRAPPED_KEY);
	u.in.n = 140;
	assert_int_equal(use_run(&u, NULL), HF_E_WRAPPED_KEY_LEN);
	secret_done(&der);
	buf_done(&out);
	buf_done(&back);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_generated_pair_has_what_the_standard_lists),
		cmocka_unit_test(generation_refuses_what_makes_no_key),
		cmocka_unit_test(missing_components_of_a_private_key_are_computed),
		cmocka_unit_test(components_that_do_not_belong_together_are_refused),
		cmocka_unit_test(a_public_key_info_must_be_the_keys),
		cmocka_unit_test(a_private_key_survives_encoding),
		cmocka_unit_test(an_encoded_key_may_be_filled_up_with_zeros_only),
		cmocka_unit_test(what_one_half_signs_the_other_verifies),
		cmocka_unit_test(old_digests_are_signed_in_their_digest_info),
		cmocka_unit_test(pairs_of_x9_31_have_its_sizes),
		cmocka_unit_test(data_that_does_not_fit_is_refused),
		cmocka_unit_test(pss_parameters_must_agree_and_fit),
		cmocka_unit_test(a_kept_context_forgets_the_last_parameters),
		cmocka_unit_test(recovery_gives_back_what_was_signed),
		cmocka_unit_test(what_is_encrypted_decrypts),
		cmocka_unit_test(oaep_tells_only_that_it_does_not_decrypt),
		cmocka_unit_test(oaep_parameters_are_checked),
		cmocka_unit_test(a_wrong_pkcs1_padding_is_not_told),
		cmocka_unit_test(raw_rsa_is_the_two_halves_of_one_permutation),
		cmocka_unit_test(a_key_of_any_length_wraps_under_rsa_and_aes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
