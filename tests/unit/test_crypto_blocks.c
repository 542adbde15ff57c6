/* Block ciphers beside AES: DES and triple DES, Camellia, ARIA, SEED; DES keys. */
#include "crypt.h"

#define NOW_IS_THE_TIME "4e6f77206973207468652074696d6520666f7220616c6c20" /* "... for all " */
#define THE_FOX "5468652071756663" "6b2062726f776e20" "666f78206a756d70"
#define DES_KEY "0123456789abcdef"
#define DES2_KEY DES_KEY "23456789abcdef01"
#define DES3_KEY DES2_KEY "456789abcdef0123"
#define CAMELLIA_KEY "0123456789abcdeffedcba9876543210"
#define COUNTING "000102030405060708090a0b0c0d0e0f"
#define COUNTED "00112233445566778899aabbccddeeff"

static const uint8_t counting_iv[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
static const uint8_t des_iv[8] = { 0x12, 0x34, 0x56, 0x78, 0x90, 0xab, 0xcd, 0xef };
static const uint8_t aria_iv[16] = { 0x0f, 0x1e, 0x2d, 0x3c, 0x4b, 0x5a, 0x69, 0x78, 0x87, 0x96,
	0xa5, 0xb4, 0xc3, 0xd2, 0xe1, 0xf0 };
static const uint8_t ctr_block[16] = { 0, 0, 0, 0x30, [15] = 1 };

static const struct params no_param = { .id = PARAM_NONE },
	iv_param = { .id = PARAM_IV, .present = true, .u.iv.raw = { counting_iv, 16 } },
	aria_param = { .id = PARAM_IV, .present = true, .u.iv.raw = { aria_iv, 16 } },
	des_param = { .id = PARAM_IV, .present = true, .u.iv.raw = { des_iv, 8 } },
	ctr_param = { .id = PARAM_CTR, .present = true, .u.ctr = { 32, { ctr_block, 16 } } };

static struct key *secret(uint32_t ckk, const char *value)
{
	return key_hex(CKO_SECRET_KEY, ckk, COMPONENTS({ CKA_VALUE, value }));
}

/* here: no only for SEED, which stands last in every list, where OpenSSL's legacy
 * provider is not installed. */
static bool here(uint32_t ckm)
{
	return mech_find(ckm) != NULL;
}

static const struct {
	const char *from;
	uint32_t ckm, ckk;
	const struct params *p;
	const char *key, *pt, *ct;
} answers[] = {
	{ "FIPS 81, table B1", CKM_DES_ECB, CKK_DES, &no_param, DES_KEY, NOW_IS_THE_TIME,
	  "3fa40e8a984d48156a271787ab8883f9893d51ec4b563b53" },
	{ "FIPS 81, table C1", CKM_DES_CBC, CKK_DES, &des_param, DES_KEY, NOW_IS_THE_TIME,
	  "e5c7cdde872bf27c43e934008c389c0f683788499a7c05f6" },
	{ "FIPS 81, table D3", CKM_DES_CFB64, CKK_DES, &des_param, DES_KEY, NOW_IS_THE_TIME,
	  "f3096249c7f46e51a69e839b1a92f78403467133898ea622" },
	{ "FIPS 81, table D2", CKM_DES_CFB8, CKK_DES, &des_param, DES_KEY, "4e6f7720697320746865",
	  "f31fda07011462ee187f" },
	{ "FIPS 81, table E1", CKM_DES_OFB64, CKK_DES, &des_param, DES_KEY, NOW_IS_THE_TIME,
	  "f3096249c7f46e5135f24a242eeb3d3f3d6d5be3255af8c3" },
	{ "SP 800-67, §B.1", CKM_DES3_ECB, CKK_DES3, &no_param, DES3_KEY, THE_FOX,
	  "a826fd8ce53b855fcce21c8112256fe668d5c05dd9b6b900" },
	{ "CAVP, TCBCMMT2", CKM_DES3_CBC, CKK_DES2,
	  &(const struct params){ .id = PARAM_IV, .present = true,
		  .u.iv.raw = { (const uint8_t *)"\xf5\x5b\x48\x55\x22\x8b\xd0\xb4", 8 } },
	  "34a41a8c293176c1b30732ecfe38ae8a", "7dd880d2a9ab411c", "c91892948b6cadb4" },
	{ "RFC 3713, §A", CKM_CAMELLIA_ECB, CKK_CAMELLIA, &no_param, CAMELLIA_KEY, CAMELLIA_KEY,
	  "67673138549669730857065648eabe43" },
	{ "RFC 3713, §A", CKM_CAMELLIA_ECB, CKK_CAMELLIA, &no_param,
	  CAMELLIA_KEY "0011223344556677", CAMELLIA_KEY, "b4993401b3e996f84ee5cee7d79b09b9" },
	{ "RFC 3713, §A", CKM_CAMELLIA_ECB, CKK_CAMELLIA, &no_param, CAMELLIA_KEY COUNTED,
	  CAMELLIA_KEY, "9acc237dff16d76c20ef7c919e3a7509" },
	{ "python-cryptography", CKM_CAMELLIA_CBC, CKK_CAMELLIA, &iv_param,
	  "2b7e151628aed2a6abf7158809cf4f3c",
	  "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
	  "1607cf494b36bbf00daeb0b503c831aba2f2cf671629ef7840c5a5dfb5074887" },
	{ "RFC 5528, §4, 1", CKM_CAMELLIA_CTR, CKK_CAMELLIA, &ctr_param,
	  "ae6852f8121067cc4bf7a5765577f39e", "53696e676c6520626c6f636b206d7367",
	  "d09dc29a8214619a20877c76db1f0b3f" },
	{ "RFC 5794, §A.1", CKM_ARIA_ECB, CKK_ARIA, &no_param, COUNTING, COUNTED,
	  "d718fbd6ab644c739da95f3be6451778" },
	{ "RFC 5794, §A.2", CKM_ARIA_ECB, CKK_ARIA, &no_param, COUNTING "1011121314151617", COUNTED,
	  "26449c1805dbe7aa25a468ce263a9e79" },
	{ "RFC 5794, §A.3", CKM_ARIA_ECB, CKK_ARIA, &no_param,
	  COUNTING "101112131415161718191a1b1c1d1e1f", COUNTED,
	  "f92bd7c79fb72e2f2b8f80c1972d24fc" },
	{ "KISA, ARIA-128-CBC", CKM_ARIA_CBC, CKK_ARIA, &aria_param, COUNTED,
	  "11111111aaaaaaaa11111111bbbbbbbb11111111cccccccc11111111dddddddd",
	  "49d61860b14909109cef0d22a9268134fadf9fb23151e9645fba75018bdb1538" },
	{ "RFC 4269, §B.1", CKM_SEED_ECB, CKK_SEED, &no_param, "00000000000000000000000000000000",
	  COUNTING, "5ebac6e0054e166819aff1cc6d346cdb" },
};

static void ciphers_are_their_papers_in_parts_of_any_size(void **state)
{
	static const size_t chunks[] = { 0, 1, 7, 8, 15, 17 };

	(void)state;
	for (size_t i = 0; i < ITEMS(answers) && here(answers[i].ckm); i++) {
		struct key *k = secret(answers[i].ckk, answers[i].key);

		print_message("%s\n", answers[i].from);
		for (size_t j = 0; j < ITEMS(chunks); j++) {
			struct use u = { answers[i].ckm, VERB_ENCRYPT, k, answers[i].p,
				hex(answers[i].pt), SLICE_NONE, chunks[j] };
			struct buf out = BUF_MAX(128), back = BUF_MAX(128);

			assert_int_equal(use_run(&u, &out), HF_OK);
			assert_slice(buf_slice(&out), answers[i].ct);
			u.verb = VERB_DECRYPT;
			u.in = buf_slice(&out);
			assert_int_equal(use_run(&u, &back), HF_OK);
			assert_slice(buf_slice(&back), answers[i].pt);
			buf_done(&out);
			buf_done(&back);
		}
		key_free(k);
	}
}

static const struct {
	uint32_t ckk, ecb, cbc, pad, of_ecb, of_cbc;
	const char *key;
	const struct params *iv;
	size_t block;
} kinds[] = {
	{ CKK_DES, CKM_DES_ECB, CKM_DES_CBC, CKM_DES_CBC_PAD, CKM_DES_ECB_ENCRYPT_DATA,
	  CKM_DES_CBC_ENCRYPT_DATA, DES_KEY, &des_param, 8 },
	{ CKK_DES2, CKM_DES3_ECB, CKM_DES3_CBC, CKM_DES3_CBC_PAD, CKM_DES3_ECB_ENCRYPT_DATA,
	  CKM_DES3_CBC_ENCRYPT_DATA, DES2_KEY, &des_param, 8 },
	{ CKK_DES3, CKM_DES3_ECB, CKM_DES3_CBC, CKM_DES3_CBC_PAD, CKM_DES3_ECB_ENCRYPT_DATA,
	  CKM_DES3_CBC_ENCRYPT_DATA, DES3_KEY, &des_param, 8 },
	{ CKK_CAMELLIA, CKM_CAMELLIA_ECB, CKM_CAMELLIA_CBC, CKM_CAMELLIA_CBC_PAD,
	  CKM_CAMELLIA_ECB_ENCRYPT_DATA, CKM_CAMELLIA_CBC_ENCRYPT_DATA, COUNTED, &iv_param, 16 },
	{ CKK_ARIA, CKM_ARIA_ECB, CKM_ARIA_CBC, CKM_ARIA_CBC_PAD, CKM_ARIA_ECB_ENCRYPT_DATA,
	  CKM_ARIA_CBC_ENCRYPT_DATA, COUNTED, &iv_param, 16 },
	{ CKK_SEED, CKM_SEED_ECB, CKM_SEED_CBC, CKM_SEED_CBC_PAD, CKM_SEED_ECB_ENCRYPT_DATA,
	  CKM_SEED_CBC_ENCRYPT_DATA, COUNTED, &iv_param, 16 },
};

static void padding_goes_on_and_comes_off_for_every_length(void **state)
{
	struct slice all = hex(NOW_IS_THE_TIME DES3_KEY);

	(void)state;
	for (size_t i = 0; i < ITEMS(kinds) && here(kinds[i].ecb); i++) {
		struct key *k = secret(kinds[i].ckk, kinds[i].key);

		for (size_t n = 0; n <= all.n; n++) {
			struct use u = { kinds[i].pad, VERB_ENCRYPT, k, kinds[i].iv, { all.p, n },
				SLICE_NONE, n % 5 };
			struct buf out = BUF_MAX(128), back = BUF_MAX(128);

			assert_int_equal(use_run(&u, &out), HF_OK);
			assert_int_equal(out.n, (n / kinds[i].block + 1) * kinds[i].block);
			u.verb = VERB_DECRYPT;
			u.in = buf_slice(&out);
			assert_int_equal(use_run(&u, &back), HF_OK);
			assert_same(buf_slice(&back), (struct slice){ all.p, n });
			buf_done(&out);
			buf_done(&back);
		}
		key_free(k);
	}
}

static void bad_lengths_and_ivs_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS(kinds) && here(kinds[i].ecb); i++) {
		struct key *k = secret(kinds[i].ckk, kinds[i].key);
		struct slice odd = { hex(NOW_IS_THE_TIME).p, kinds[i].block - 1 };
		const struct params *other = kinds[i].block == 8 ? &iv_param : &des_param;
		const struct {
			uint32_t ckm;
			enum verb verb;
			const struct params *p;
			enum hf_err e;
		} cases[] = {
			{ kinds[i].ecb, VERB_ENCRYPT, &no_param, HF_E_DATA_LEN },
			{ kinds[i].cbc, VERB_ENCRYPT, kinds[i].iv, HF_E_DATA_LEN },
			{ kinds[i].cbc, VERB_DECRYPT, kinds[i].iv, HF_E_ENCRYPTED_DATA_LEN },
			{ kinds[i].pad, VERB_DECRYPT, kinds[i].iv, HF_E_ENCRYPTED_DATA_LEN },
			{ kinds[i].cbc, VERB_ENCRYPT, other, HF_E_MECHANISM_PARAM },
		};

		for (size_t j = 0; j < ITEMS(cases); j++) {
			struct use u = { cases[j].ckm, cases[j].verb, k, cases[j].p, odd, SLICE_NONE, 0 };

			assert_int_equal(use_run(&u, NULL), cases[j].e);
		}
		key_free(k);
	}
}

/* A key derived by encrypting data is what encrypting gives. */
static void encrypting_data_derives_a_key(void **state)
{
	struct slice data = hex(COUNTING COUNTED), odd = { data.p, 20 };

	(void)state;
	for (size_t i = 0; i < ITEMS(kinds) && here(kinds[i].ecb); i++) {
		struct key *k = secret(kinds[i].ckk, kinds[i].key);
		struct slice iv = kinds[i].iv->u.iv.raw;
		bool small = kinds[i].block == 8;
		struct params ecb = { .id = PARAM_DATA, .present = true, .u.data = { data } };
		struct params cbc = { .id = small ? PARAM_CBC_DATA8 : PARAM_CBC_DATA, .present = true };
		struct use u = { kinds[i].ecb, VERB_ENCRYPT, k, &no_param, data, SLICE_NONE, 0 };
		struct buf out = BUF_MAX(64);
		struct secret v = { 0 };

		assert_int_equal(use_run(&u, &out), HF_OK);
		assert_int_equal(derive_run(kinds[i].of_ecb, &ecb, k, NULL, 0, &v), HF_OK);
		assert_same(secret_slice(&v), buf_slice(&out));
		secret_done(&v);
		if (small)
			cbc.u.cbc_data8 = (struct param_cbc_data8){ iv, data };
		else
			cbc.u.cbc_data = (struct param_cbc_data){ iv, data };
		u.ckm = kinds[i].cbc;
		u.params = kinds[i].iv;
		buf_reset(&out);
		assert_int_equal(use_run(&u, &out), HF_OK);
		assert_int_equal(derive_run(kinds[i].of_cbc, &cbc, k, NULL, 24, &v), HF_OK);
		assert_same(secret_slice(&v), (struct slice){ out.p, 24 });
		secret_done(&v);
		assert_int_equal(derive_run(kinds[i].of_cbc, &cbc, k, NULL, 33, &v), HF_E_KEY_SIZE);
		ecb.u.data.data = odd.n % kinds[i].block != 0 ? odd : SLICE_NONE;
		assert_int_equal(derive_run(kinds[i].of_ecb, &ecb, k, NULL, 8, &v),
			HF_E_MECHANISM_PARAM);
		buf_done(&out);
		key_free(k);
	}
}

/* SP 800-38B §D.4, D.5. */
static void cmac_of_triple_des_is_sp_800_38bs(void **state)
{
	static const struct {
		uint32_t ckk;
		const char *key, *in, *mac;
	} cases[] = {
		{ CKK_DES3, "8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5", "", "b7a688e122ffaf95" },
		{ CKK_DES3, "8aa83bf8cbda10620bc1bf19fbb6cd58bc313d4a371ca8b5", "6bc1bee22e409f96",
		  "8e8f293136283797" },
		{ CKK_DES2, "4cf15134a2850dd58a3d10ba80570d38", "", "bd2ebf9a3ba00361" },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct key *k = secret(cases[i].ckk, cases[i].key);
		struct params four = { .id = PARAM_MAC_LEN, .present = true, .u.mac_len.value = 4 };
		struct params nine = { .id = PARAM_MAC_LEN, .present = true, .u.mac_len.value = 9 };
		struct use u = { CKM_DES3_CMAC, VERB_SIGN, k, NULL, hex(cases[i].in), SLICE_NONE, 0 };
		struct buf out = BUF_MAX(16);

		assert_int_equal(use_run(&u, &out), HF_OK);
		assert_slice(buf_slice(&out), cases[i].mac);
		u = (struct use){ CKM_DES3_CMAC_GENERAL, VERB_VERIFY, k, &four, hex(cases[i].in),
			{ out.p, 4 }, 3 };
		assert_int_equal(use_run(&u, NULL), HF_OK);
		out.p[3] ^= 1;
		assert_int_equal(use_run(&u, NULL), HF_E_SIGNATURE);
		u.params = &nine;
		assert_int_equal(use_run(&u, NULL), HF_E_MECHANISM_PARAM);
		buf_done(&out);
		key_free(k);
	}
}

/* --- keys --------------------------------------------------------------------- */

static void keys_of_wrong_size_or_parity_are_refused(void **state)
{
	static const struct {
		uint32_t ckk;
		const char *value;
	} cases[] = {
		{ CKK_DES, "0123456789abcdee" }, { CKK_DES, "0123456789abcd" }, { CKK_DES, DES2_KEY },
		{ CKK_DES2, DES_KEY "23456789abcdef00" }, { CKK_DES2, DES_KEY },
		{ CKK_DES3, DES2_KEY "446789abcdef0123" }, { CKK_DES3, DES2_KEY },
		{ CKK_CAMELLIA, DES_KEY }, { CKK_ARIA, DES_KEY },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct slice value = hex(cases[i].value);
		struct parts p = { 0 };
		struct key *k = NULL;

		assert_int_equal(parse_hex(CKO_SECRET_KEY, cases[i].ckk,
					 COMPONENTS({ CKA_VALUE, cases[i].value }), &k),
			HF_E_ATTR_VALUE);
		assert_int_equal(key_decode(CKO_SECRET_KEY, cases[i].ckk, value, &p),
			HF_E_WRAPPED_KEY);
		parts_done(&p);
	}
}

static void a_key_of_one_size_loses_the_zeros_that_filled_its_block(void **state)
{
	static const struct {
		const char *plain;
		enum hf_err e;
	} cases[] = {
		{ DES3_KEY "0000000000000000", HF_OK },
		{ DES3_KEY "0000000000000001", HF_E_WRAPPED_KEY },
		{ DES3_KEY "00000000000000000000000000000000", HF_E_WRAPPED_KEY },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct parts p = { 0 };

		assert_int_equal(key_decode(CKO_SECRET_KEY, CKK_DES3, hex(cases[i].plain), &p),
			cases[i].e);
		if (cases[i].e == HF_OK)
			assert_slice(parts_get(&p, CKA_VALUE), DES3_KEY);
		parts_done(&p);
	}
}

static void generated_keys_are_keys_of_their_type(void **state)
{
	static const struct {
		uint32_t ckm, ckk;
		size_t n;
	} cases[] = {
		{ CKM_DES_KEY_GEN, CKK_DES, 8 }, { CKM_DES2_KEY_GEN, CKK_DES2, 16 },
		{ CKM_DES3_KEY_GEN, CKK_DES3, 24 }, { CKM_SEED_KEY_GEN, CKK_SEED, 16 },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases) && here(cases[i].ckm); i++)
		for (int again = 0; again < 8; again++) {
			struct parts none = { 0 }, made = { 0 };
			struct key *k;

			assert_int_equal(pair_make(cases[i].ckm, COMPONENTS({ 0, NULL }), &none, &made),
				HF_OK);
			k = key_parts(CKO_SECRET_KEY, cases[i].ckk, &made);
			assert_int_equal(key_size(k), cases[i].n);
			key_free(k);
			parts_done(&made);
		}
}

static void derived_des_keys_have_their_parity(void **state)
{
	struct secret v = { 0 };

	(void)state;
	assert_int_equal(secret_dup(hex(COUNTING COUNTED), &v), HF_OK);
	assert_int_equal(key_fit(CKK_DES3, &v), HF_OK);
	assert_slice(secret_slice(&v), "01010202040407070808" "0b0b0d0d0e0e" "0110233245546776");
	assert_int_equal(key_fit(CKK_AES, &v), HF_OK);
	assert_int_equal(v.n, 24);
	secret_cut(&v, 7);
	assert_int_equal(key_fit(CKK_DES, &v), HF_E_KEY_SIZE);
	secret_done(&v);
}

static void a_check_value_encrypts_zeros(void **state)
{
	struct parts p = { 0 };

	(void)state;
	/* By the payment industry's custom: the first bytes of 8CA64DE9C1B123A7. */
	assert_int_equal(import_hex(CKO_SECRET_KEY, CKK_DES,
				 COMPONENTS({ CKA_VALUE, "0101010101010101" }), &p),
		HF_OK);
	assert_slice(parts_get(&p, CKA_CHECK_VALUE), "8ca64d");
	parts_done(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(ciphers_are_their_papers_in_parts_of_any_size),
		cmocka_unit_test(padding_goes_on_and_comes_off_for_every_length),
		cmocka_unit_test(bad_lengths_and_ivs_are_refused),
		cmocka_unit_test(encrypting_data_derives_a_key),
		cmocka_unit_test(cmac_of_triple_des_is_sp_800_38bs),
		cmocka_unit_test(keys_of_wrong_size_or_parity_are_refused),
		cmocka_unit_test(a_key_of_one_size_loses_the_zeros_that_filled_its_block),
		cmocka_unit_test(generated_keys_are_keys_of_their_type),
		cmocka_unit_test(derived_des_keys_have_their_parity),
		cmocka_unit_test(a_check_value_encrypts_zeros),
	};

	return cmocka_run_group_tests(tests, crypt_group_setup, NULL);
}
