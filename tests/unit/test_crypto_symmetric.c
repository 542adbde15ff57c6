/* Digests, MACs, AES, and keys derived from secret keys. */
#include "crypt.h"

#define AES128 "2b7e151628aed2a6abf7158809cf4f3c" /* SP 800-38A, SP 800-38B */
#define BLOCKS                                                                 \
	"6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"     \
	"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"

static struct key *aes_key(const char *value)
{
	return key_hex(CKO_SECRET_KEY, CKK_AES, COMPONENTS({ CKA_VALUE, value }));
}

static struct key *secret_key(const char *value)
{
	return key_hex(CKO_SECRET_KEY, CKK_GENERIC_SECRET, COMPONENTS({ CKA_VALUE, value }));
}

/* --- digests and MACs ------------------------------------------------------- */

static void digests_are_the_same_at_once_and_in_parts(void **state)
{
	static const struct {
		uint32_t ckm;
		const char *of_abc; /* FIPS 180-4 and FIPS 202 examples */
	} cases[] = {
		{ CKM_SHA_1, "a9993e364706816aba3e25717850c26c9cd0d89d" },
		{ CKM_SHA224, "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7" },
		{ CKM_SHA256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ CKM_SHA512_224, "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa" },
		{ CKM_SHA512_256,
		  "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23" },
		{ CKM_SHA3_256, "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532" },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++)
		for (size_t chunk = 0; chunk < 3; chunk++) {
			struct use u = { .ckm = cases[i].ckm, .verb = VERB_DIGEST,
				.in = SLICE_STR("abc"), .chunk = chunk };
			struct buf out = BUF_MAX(64);

			assert_int_equal(use_run(&u, &out), HF_OK);
			assert_slice(buf_slice(&out), cases[i].of_abc);
			buf_done(&out);
		}
}

static enum hf_err mac(uint32_t ckm, enum verb v, const struct key *k, const struct params *p,
	struct slice sig, struct buf *out)
{
	struct use u = { ckm, v, k, p, hex(BLOCKS), sig, 5 };

	return use_run(&u, out);
}

static void a_mac_is_verified_and_refused(void **state)
{
	static const uint32_t ckms[] = { CKM_SHA256_HMAC, CKM_SHA3_512_HMAC, CKM_AES_CMAC };

	(void)state;
	for (size_t i = 0; i < ITEMS(ckms); i++) {
		struct key *k = ckms[i] == CKM_AES_CMAC ? aes_key(AES128) : secret_key("0b0b0b");
		struct buf out = BUF_MAX(64);

		for (int again = 0; again < 2; again++) { /* with a fresh and a kept context */
			buf_reset(&out);
			assert_int_equal(mac(ckms[i], VERB_SIGN, k, NULL, SLICE_NONE, &out), HF_OK);
			assert_int_equal(mac(ckms[i], VERB_VERIFY, k, NULL, buf_slice(&out), NULL),
				HF_OK);
			assert_int_equal(mac(ckms[i], VERB_VERIFY, k, NULL,
						 (struct slice){ out.p, out.n - 1 }, NULL),
				HF_E_SIGNATURE_LEN);
			out.p[out.n - 1] ^= 1;
			assert_int_equal(mac(ckms[i], VERB_VERIFY, k, NULL, buf_slice(&out), NULL),
				HF_E_SIGNATURE);
		}
		buf_done(&out);
		key_free(k);
	}
}

static void a_general_mac_has_the_length_asked_for(void **state)
{
	static const struct {
		uint64_t n;
		enum hf_err e;
	} cases[] = {
		{ 0, HF_E_MECHANISM_PARAM }, { 1, HF_OK }, { 4, HF_OK }, { 16, HF_OK },
		{ 17, HF_E_MECHANISM_PARAM }, { UINT64_MAX, HF_E_MECHANISM_PARAM },
	};
	struct key *k = aes_key(AES128);

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct params p = { .id = PARAM_MAC_LEN, .present = true,
			.u.mac_len.value = cases[i].n };
		struct buf out = BUF_MAX(64);

		assert_int_equal(mac(CKM_AES_CMAC_GENERAL, VERB_SIGN, k, &p, SLICE_NONE, &out),
			cases[i].e);
		if (cases[i].e == HF_OK) {
			/* SP 800-38B §D.1, example 4, shortened */
			assert_same(buf_slice(&out),
				(struct slice){ hex("51f0bebf7e3b9d92fc49741779363cfe").p,
					(size_t)cases[i].n });
			assert_int_equal(mac(CKM_AES_CMAC_GENERAL, VERB_VERIFY, k, &p,
						 buf_slice(&out), NULL),
				HF_OK);
		}
		buf_done(&out);
	}
	key_free(k);
}

/* --- AES modes -------------------------------------------------------------- */

static const uint8_t counting_iv[16] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
static const uint8_t ctr_block[16] = { 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7,
	0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff };

static const struct params no_param = { .id = PARAM_NONE },
	iv_param = { .id = PARAM_IV, .present = true, .u.iv.raw = { counting_iv, 16 } },
	ctr_param = { .id = PARAM_CTR, .present = true, .u.ctr = { 128, { ctr_block, 16 } } };

/* SP 800-38A §F.1.1, F.2.1, F.5.1, F.4.1, F.3.13; the padded one by its own first blocks. */
static const struct {
	uint32_t ckm;
	const struct params *p;
	const char *ct;
} modes[] = {
	{ CKM_AES_ECB, &no_param,
	  "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf"
	  "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4" },
	{ CKM_AES_CBC, &iv_param,
	  "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
	  "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7" },
	{ CKM_AES_CTR, &ctr_param,
	  "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
	  "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee" },
	{ CKM_AES_OFB, &iv_param,
	  "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825"
	  "9740051e9c5fecf64344f7a82260edcc304c6528f659c77866a510d9c1d6ae5e" },
	{ CKM_AES_CFB128, &iv_param,
	  "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b"
	  "26751f67a3cbb140b1808cf187a4f4dfc04b05357c5d1c0eeac4c66f9ff7f2e6" },
};

static void modes_are_sp_800_38as_in_parts_of_any_size(void **state)
{
	static const size_t chunks[] = { 0, 1, 7, 15, 16, 17, 32, 63 };
	struct key *k = aes_key(AES128);

	(void)state;
	for (size_t i = 0; i < ITEMS(modes); i++)
		for (size_t j = 0; j < ITEMS(chunks); j++) {
			struct use u = { modes[i].ckm, VERB_ENCRYPT, k, modes[i].p, hex(BLOCKS),
				SLICE_NONE, chunks[j] };
			struct buf out = BUF_MAX(128), back = BUF_MAX(128);

			assert_int_equal(use_run(&u, &out), HF_OK);
			assert_slice(buf_slice(&out), modes[i].ct);
			u.verb = VERB_DECRYPT;
			u.in = buf_slice(&out);
			assert_int_equal(use_run(&u, &back), HF_OK);
			assert_slice(buf_slice(&back), BLOCKS);
			buf_done(&out);
			buf_done(&back);
		}
	key_free(k);
}

static void cfb_of_small_segments_is_sp_800_38as(void **state)
{
	static const struct {
		uint32_t ckm;
		const char *pt, *ct; /* SP 800-38A §F.3.1, F.3.7 */
	} cases[] = {
		{ CKM_AES_CFB1, "6bc1", "68b3" },
		{ CKM_AES_CFB8, "6bc1bee22e409f96e93d7e117393172aae2d",
		  "3b79424c9c0dd436bace9e0ed4586a4f32b9" },
	};
	struct key *k = aes_key(AES128);

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++)
		for (size_t chunk = 0; chunk < 3; chunk++) {
			struct use u = { cases[i].ckm, VERB_ENCRYPT, k, &iv_param, hex(cases[i].pt),
				SLICE_NONE, chunk };
			struct buf out = BUF_MAX(32), back = BUF_MAX(32);

			assert_int_equal(use_run(&u, &out), HF_OK);
			assert_slice(buf_slice(&out), cases[i].ct);
			u.verb = VERB_DECRYPT;
			u.in = buf_slice(&out);
			assert_int_equal(use_run(&u, &back), HF_OK);
			assert_slice(buf_slice(&back), cases[i].pt);
			buf_done(&out);
			buf_done(&back);
		}
	key_free(k);
}

static void padding_goes_on_and_comes_off_for_every_length(void **state)
{
	struct key *k = aes_key(AES128);
	struct slice all = hex(BLOCKS);

	(void)state;
	for (size_t n = 0; n <= all.n; n++)
		for (size_t chunk = 0; chunk < 34; chunk += 11) {
			struct use u = { CKM_AES_CBC_PAD, VERB_ENCRYPT, k, &iv_param,
				{ all.p, n }, SLICE_NONE, chunk };
			struct buf out = BUF_MAX(128), back = BUF_MAX(128);

			assert_int_equal(use_run(&u, &out), HF_OK);
			assert_int_equal(out.n, n / 16 * 16 + 16);
			u.verb = VERB_DECRYPT;
			u.in = buf_slice(&out);
			assert_int_equal(use_run(&u, &back), HF_OK);
			assert_same(buf_slice(&back), (struct slice){ all.p, n });
			buf_done(&out);
			buf_done(&back);
		}
	key_free(k);
}

static void bad_input_has_the_standards_error(void **state)
{
	static const struct params short_iv = { .id = PARAM_IV, .present = true,
		.u.iv.raw = { counting_iv, 15 } };
	static const struct {
		const char *why;
		uint32_t ckm;
		enum verb verb;
		const struct params *p;
		size_t n;
		enum hf_err e;
	} cases[] = {
		{ "part of a block", CKM_AES_ECB, VERB_ENCRYPT, &no_param, 17, HF_E_DATA_LEN },
		{ "part of a block", CKM_AES_CBC, VERB_ENCRYPT, &iv_param, 1, HF_E_DATA_LEN },
		{ "part of a block", CKM_AES_CBC, VERB_DECRYPT, &iv_param, 31,
		  HF_E_ENCRYPTED_DATA_LEN },
		{ "part of a block", CKM_AES_CBC_PAD, VERB_DECRYPT, &iv_param, 20,
		  HF_E_ENCRYPTED_DATA_LEN },
		{ "no padding at all", CKM_AES_CBC_PAD, VERB_DECRYPT, &iv_param, 0,
		  HF_E_ENCRYPTED_DATA_LEN },
		{ "wrong padding", CKM_AES_CBC_PAD, VERB_DECRYPT, &iv_param, 32,
		  HF_E_ENCRYPTED_DATA },
		{ "short IV", CKM_AES_OFB, VERB_ENCRYPT, &short_iv, 16, HF_E_MECHANISM_PARAM },
		{ "short IV", CKM_AES_CFB8, VERB_DECRYPT, &short_iv, 16, HF_E_MECHANISM_PARAM },
		{ "short IV", CKM_AES_CBC, VERB_ENCRYPT, &short_iv, 16, HF_E_MECHANISM_PARAM },
		{ "wrapped key of no block", CKM_AES_CBC, VERB_UNWRAP, &iv_param, 17,
		  HF_E_WRAPPED_KEY_LEN },
		{ "wrapped key, wrong padding", CKM_AES_CBC_PAD, VERB_UNWRAP, &iv_param, 32,
		  HF_E_WRAPPED_KEY },
	};
	struct key *k = aes_key(AES128);

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct use u = { cases[i].ckm, cases[i].verb, k, cases[i].p,
			{ hex(BLOCKS).p, cases[i].n }, SLICE_NONE, 0 };
		struct buf out = BUF_MAX(128);

		print_message("%s\n", cases[i].why);
		assert_int_equal(use_run(&u, &out), cases[i].e);
		buf_done(&out);
	}
	key_free(k);
}

static void a_wrapped_key_is_filled_with_zeros(void **state)
{
	struct key *k = aes_key(AES128);
	struct use u = { CKM_AES_ECB, VERB_WRAP, k, &no_param, hex("0102030405"), SLICE_NONE, 0 };
	struct buf out = BUF_MAX(64), back = BUF_MAX(64);

	(void)state;
	assert_int_equal(use_run(&u, &out), HF_OK);
	assert_int_equal(out.n, 16);
	u.verb = VERB_UNWRAP;
	u.in = buf_slice(&out);
	assert_int_equal(use_run(&u, &back), HF_OK);
	assert_slice(buf_slice(&back), "01020304050000000000000000000000");
	buf_done(&out);
	buf_done(&back);
	key_free(k);
}

static void a_counter_does_not_come_round(void **state)
{
	static const uint8_t near_end[16] = { [15] = 0xfe };
	static const struct {
		uint64_t bits;
		size_t n;
		enum hf_err e;
	} cases[] = {
		{ 8, 32, HF_OK }, { 8, 33, HF_E_DATA_LEN }, { 16, 64, HF_OK }, { 128, 64, HF_OK },
		{ 0, 16, HF_E_MECHANISM_PARAM }, { 129, 16, HF_E_MECHANISM_PARAM },
	};
	struct key *k = aes_key(AES128);

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++)
		for (size_t chunk = 0; chunk < 12; chunk += 11) {
			struct params p = { .id = PARAM_CTR, .present = true,
				.u.ctr = { cases[i].bits, SLICE_OF(near_end) } };
			struct use u = { CKM_AES_CTR, VERB_ENCRYPT, k, &p,
				{ hex(BLOCKS).p, cases[i].n }, SLICE_NONE, chunk };
			struct buf out = BUF_MAX(128);

			assert_int_equal(use_run(&u, &out), cases[i].e);
			buf_done(&out);
		}
	key_free(k);
}

/* --- AEAD ------------------------------------------------------------------- */

/* McGrew and Viega, "The Galois/Counter Mode of Operation", test case 4. */
#define GCM_KEY "feffe9928665731c6d6a8f9467308308"
#define GCM_PT                                                                 \
	"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"     \
	"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define GCM_CT                                                                 \
	"42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"     \
	"21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
#define GCM_TAG "5bc94fbc3221a5db94fae95ae7121a47"
static const uint8_t gcm_iv[] = { 0xca, 0xfe, 0xba, 0xbe, 0xfa, 0xce, 0xdb, 0xad, 0xde, 0xca,
	0xf8, 0x88 };
static const uint8_t gcm_aad[] = { 0xfe, 0xed, 0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xfe, 0xed,
	0xfa, 0xce, 0xde, 0xad, 0xbe, 0xef, 0xab, 0xad, 0xda, 0xd2 };
static const struct params gcm_param = { .id = PARAM_GCM, .present = true,
	.u.gcm = { { gcm_iv, 12 }, 96, { gcm_aad, 20 }, 128 } };

static void gcm_is_its_papers(void **state)
{
	struct key *k = aes_key(GCM_KEY);

	(void)state;
	for (size_t chunk = 0; chunk < 40; chunk += 13) {
		struct use u = { CKM_AES_GCM, VERB_ENCRYPT, k, &gcm_param, hex(GCM_PT), SLICE_NONE,
			chunk };
		struct buf out = BUF_MAX(128), back = BUF_MAX(128);

		assert_int_equal(use_run(&u, &out), HF_OK);
		assert_slice(buf_slice(&out), GCM_CT GCM_TAG);
		u.verb = VERB_DECRYPT;
		u.in = buf_slice(&out);
		assert_int_equal(use_run(&u, &back), HF_OK);
		assert_slice(buf_slice(&back), GCM_PT);
		buf_done(&out);
		buf_done(&back);
	}
	key_free(k);
}

static void gcm_gives_no_plaintext_before_the_tag_is_right(void **state)
{
	struct slice sealed = hex(GCM_CT GCM_TAG);
	struct key *k = aes_key(GCM_KEY);
	struct crypt c = { mech_find(CKM_AES_GCM), VERB_DECRYPT, k, &gcm_param, NULL };
	struct buf out = BUF_MAX(256);
	uint8_t bad[76];

	(void)state;
	assert_int_equal(sealed.n, sizeof(bad));
	memcpy(bad, sealed.p, sizeof(bad));
	for (size_t i = 0; i < sizeof(bad); i++) {
		bad[i] ^= 0x80;
		assert_int_equal(c.mech->family->begin(&c), HF_OK);
		assert_int_equal(c.mech->family->bound(&c, 60, false), 0);
		assert_int_equal(c.mech->family->update(&c, (struct slice){ bad, 60 }, &out), HF_OK);
		assert_int_equal(out.n, 0);
		assert_int_equal(c.mech->family->finish(&c, (struct slice){ bad + 60, 16 },
					 SLICE_NONE, &out),
			HF_E_AEAD);
		assert_int_equal(out.n, 0);
		c.mech->family->end(&c);
		bad[i] ^= 0x80;
	}
	buf_done(&out);
	key_free(k);
}

static void gcm_refuses_bad_parameters_and_lengths(void **state)
{
	static const uint8_t long_iv[129];
	static const struct {
		struct slice iv;
		uint64_t tag_bits;
		enum hf_err e;
	} cases[] = {
		{ { gcm_iv, 12 }, 96, HF_OK }, { { gcm_iv, 1 }, 128, HF_OK },
		{ { long_iv, 128 }, 32, HF_OK }, { { long_iv, 129 }, 128, HF_E_MECHANISM_PARAM },
		{ { gcm_iv, 0 }, 128, HF_E_MECHANISM_PARAM },
		{ { gcm_iv, 12 }, 0, HF_E_MECHANISM_PARAM },
		{ { gcm_iv, 12 }, 8, HF_E_MECHANISM_PARAM },
		{ { gcm_iv, 12 }, 100, HF_E_MECHANISM_PARAM },
		{ { gcm_iv, 12 }, 136, HF_E_MECHANISM_PARAM },
	};
	struct key *k = aes_key(GCM_KEY);
	struct use u = { CKM_AES_GCM, VERB_DECRYPT, k, &gcm_param, hex("00112233"), SLICE_NONE, 0 };

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct params p = { .id = PARAM_GCM, .present = true,
			.u.gcm = { cases[i].iv, 0, SLICE_NONE, cases[i].tag_bits } };
		struct use e = { CKM_AES_GCM, VERB_ENCRYPT, k, &p, SLICE_STR("x"), SLICE_NONE, 0 };

		assert_int_equal(use_run(&e, NULL), cases[i].e);
	}
	assert_int_equal(use_run(&u, NULL), HF_E_ENCRYPTED_DATA_LEN);
	key_free(k);
}

/* SP 800-38C, example 2. */
static const uint8_t ccm_nonce[] = { 0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17 };
static const uint8_t ccm_aad[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };

static void ccm_is_sp_800_38cs(void **state)
{
	struct key *k = aes_key("404142434445464748494a4b4c4d4e4f");
	struct params p = { .id = PARAM_CCM, .present = true,
		.u.ccm = { 16, SLICE_OF(ccm_nonce), SLICE_OF(ccm_aad), 6 } };
	struct use u = { CKM_AES_CCM, VERB_ENCRYPT, k, &p, hex("202122232425262728292a2b2c2d2e2f"),
		SLICE_NONE, 0 };

	(void)state;
	for (u.chunk = 0; u.chunk < 10; u.chunk += 3) {
		struct buf out = BUF_MAX(64), back = BUF_MAX(64);

		u.verb = VERB_ENCRYPT;
		u.in = hex("202122232425262728292a2b2c2d2e2f");
		assert_int_equal(use_run(&u, &out), HF_OK);
		assert_slice(buf_slice(&out), "d2a1f0e051ea5f62081a7792073d593d1fc64fbfaccd");
		u.verb = VERB_DECRYPT;
		u.in = buf_slice(&out);
		assert_int_equal(use_run(&u, &back), HF_OK);
		assert_slice(buf_slice(&back), "202122232425262728292a2b2c2d2e2f");
		out.p[0] ^= 1;
		assert_int_equal(use_run(&u, &back), HF_E_AEAD);
		u.in.n = 5;
		assert_int_equal(use_run(&u, &back), HF_E_ENCRYPTED_DATA_LEN);
		buf_done(&out);
		buf_done(&back);
	}
	key_free(k);
}

static void ccm_refuses_other_lengths_than_it_was_told(void **state)
{
	static const struct {
		uint64_t data, tag;
		size_t nonce;
		enum hf_err e;
	} cases[] = {
		{ 3, 8, 8, HF_OK }, { 4, 8, 8, HF_E_DATA_LEN }, { 3, 5, 8, HF_E_MECHANISM_PARAM },
		{ 3, 18, 8, HF_E_MECHANISM_PARAM }, { 3, 8, 6, HF_E_MECHANISM_PARAM },
		{ 3, 8, 14, HF_E_MECHANISM_PARAM }, { 65536, 8, 13, HF_E_MECHANISM_PARAM },
	};
	struct key *k = aes_key(AES128);

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct params p = { .id = PARAM_CCM, .present = true,
			.u.ccm = { cases[i].data, { counting_iv, cases[i].nonce }, SLICE_NONE,
				cases[i].tag } };
		struct use u = { CKM_AES_CCM, VERB_ENCRYPT, k, &p, SLICE_STR("abc"), SLICE_NONE, 0 };

		assert_int_equal(use_run(&u, NULL), cases[i].e);
	}
	key_free(k);
}

/* --- key wrap --------------------------------------------------------------- */

static void keys_wrap_as_in_the_rfcs(void **state)
{
	static const struct {
		uint32_t ckm;
		const char *kek, *key, *wrapped;
	} cases[] = {
		/* RFC 3394 §4.1, §4.6; RFC 5649 §6 */
		{ CKM_AES_KEY_WRAP, "000102030405060708090a0b0c0d0e0f",
		  "00112233445566778899aabbccddeeff",
		  "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5" },
		{ CKM_AES_KEY_WRAP, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
		  "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
		  "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43b"
		  "fb988b9b7a02dd21" },
		{ CKM_AES_KEY_WRAP_KWP, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8",
		  "c37b7e6492584340bed12207808941155068f738",
		  "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a" },
		{ CKM_AES_KEY_WRAP_PAD, "5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8",
		  "466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f" },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++)
		for (int again = 0; again < 2; again++) {
			struct key *k = aes_key(cases[i].kek);
			struct use u = { cases[i].ckm, VERB_WRAP, k, NULL, hex(cases[i].key),
				SLICE_NONE, 0 };
			struct buf out = BUF_MAX(64), back = BUF_MAX(64);

			assert_int_equal(use_run(&u, &out), HF_OK);
			assert_slice(buf_slice(&out), cases[i].wrapped);
			u.verb = VERB_UNWRAP;
			u.in = buf_slice(&out);
			assert_int_equal(use_run(&u, &back), HF_OK);
			assert_slice(buf_slice(&back), cases[i].key);
			out.p[0] ^= 1;
			assert_int_equal(use_run(&u, &back), HF_E_WRAPPED_KEY);
			u.in.n -= 1;
			assert_int_equal(use_run(&u, &back), HF_E_WRAPPED_KEY_LEN);
			u.verb = VERB_DECRYPT;
			assert_int_equal(use_run(&u, &back), HF_E_ENCRYPTED_DATA_LEN);
			buf_done(&out);
			buf_done(&back);
			key_free(k);
		}
}

static void an_own_iv_does_not_stay_for_the_next_use(void **state)
{
	static const uint8_t iv[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct params own = { .id = PARAM_IV_OPTIONAL, .present = true,
		.u.iv_optional.raw = SLICE_OF(iv) };
	struct key *k = aes_key("000102030405060708090a0b0c0d0e0f");
	struct use u = { CKM_AES_KEY_WRAP, VERB_WRAP, k, &own,
		hex("00112233445566778899aabbccddeeff"), SLICE_NONE, 0 };
	struct buf out = BUF_MAX(64);

	(void)state;
	assert_int_equal(use_run(&u, &out), HF_OK);
	buf_reset(&out);
	u.params = NULL;
	assert_int_equal(use_run(&u, &out), HF_OK);
	assert_slice(buf_slice(&out), "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5");
	own.u.iv_optional.raw.n = 7;
	u.params = &own;
	assert_int_equal(use_run(&u, &out), HF_E_MECHANISM_PARAM);
	buf_done(&out);
	key_free(k);
}

static void key_wrap_refuses_lengths_it_cannot_have(void **state)
{
	static const struct {
		uint32_t ckm;
		size_t n;
		enum hf_err e;
	} cases[] = {
		{ CKM_AES_KEY_WRAP, 8, HF_E_KEY_SIZE }, { CKM_AES_KEY_WRAP, 20, HF_E_KEY_SIZE },
		{ CKM_AES_KEY_WRAP, 24, HF_OK }, { CKM_AES_KEY_WRAP_KWP, 0, HF_E_KEY_SIZE },
		{ CKM_AES_KEY_WRAP_KWP, 1, HF_OK }, { CKM_AES_KEY_WRAP_PKCS7, 20, HF_OK },
		{ CKM_AES_KEY_WRAP_PKCS7, 24, HF_OK },
	};
	struct key *k = aes_key(AES128);

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct use u = { cases[i].ckm, VERB_WRAP, k, NULL, { hex(BLOCKS).p, cases[i].n },
			SLICE_NONE, 0 };
		struct buf out = BUF_MAX(64), back = BUF_MAX(64);

		assert_int_equal(use_run(&u, &out), cases[i].e);
		if (cases[i].e == HF_OK) {
			u.verb = VERB_UNWRAP;
			u.in = buf_slice(&out);
			assert_int_equal(use_run(&u, &back), HF_OK);
			assert_same(buf_slice(&back), (struct slice){ hex(BLOCKS).p, cases[i].n });
		}
		buf_done(&out);
		buf_done(&back);
	}
	key_free(k);
}

/* --- secret keys: making, importing, deriving -------------------------------- */

static void a_secret_key_has_length_and_check_value(void **state)
{
	struct parts extra = { 0 };

	(void)state;
	assert_int_equal(import_hex(CKO_SECRET_KEY, CKK_AES, COMPONENTS({ CKA_VALUE, AES128 }),
				 &extra),
		HF_OK);
	assert_slice(parts_get(&extra, CKA_VALUE_LEN), "0000000000000010");
	assert_slice(parts_get(&extra, CKA_CHECK_VALUE), "7df76b"); /* AES(0), checked by openssl enc */
	assert_null(parts_get(&extra, CKA_VALUE).p);
	parts_done(&extra);
	assert_int_equal(import_hex(CKO_SECRET_KEY, CKK_AES,
				 COMPONENTS({ CKA_VALUE, AES128 }, { CKA_CHECK_VALUE, "000000" }),
				 &extra),
		HF_E_ATTR_VALUE);
	assert_int_equal(import_hex(CKO_SECRET_KEY, CKK_AES,
				 COMPONENTS({ CKA_VALUE, AES128 }, { CKA_CHECK_VALUE, "7df76b" }),
				 &extra),
		HF_OK);
	parts_done(&extra);
}

static void secret_keys_of_impossible_size_are_refused(void **state)
{
	struct parts extra = { 0 };
	struct key *k = NULL;

	(void)state;
	assert_int_equal(parse_hex(CKO_SECRET_KEY, CKK_AES, COMPONENTS({ CKA_VALUE, "00" }), &k),
		HF_E_ATTR_VALUE);
	assert_int_equal(parse_hex(CKO_SECRET_KEY, CKK_AES, COMPONENTS({ CKA_LABEL, "00" }), &k),
		HF_E_TEMPLATE_INCOMPLETE);
	assert_int_equal(parse_hex(CKO_SECRET_KEY, CKK_GENERIC_SECRET, COMPONENTS({ CKA_VALUE, "" }),
				 &k),
		HF_E_ATTR_VALUE);
	assert_int_equal(parse_hex(CKO_SECRET_KEY, CKK_BATON, COMPONENTS({ CKA_VALUE, AES128 }), &k),
		HF_E_ATTR_VALUE);
	assert_int_equal(key_decode(CKO_SECRET_KEY, CKK_AES, SLICE_STR("short"), &extra),
		HF_E_WRAPPED_KEY);
	assert_int_equal(extra.n, 0);
	assert_null(k);
}

static void generated_secret_keys_have_the_size_asked_for(void **state)
{
	static const struct {
		uint32_t ckm;
		const char *len;
		enum hf_err e;
	} cases[] = {
		{ CKM_AES_KEY_GEN, "0000000000000020", HF_OK },
		{ CKM_AES_KEY_GEN, "0000000000000011", HF_E_ATTR_VALUE },
		{ CKM_AES_KEY_GEN, "20", HF_E_ATTR_VALUE },
		{ CKM_GENERIC_SECRET_KEY_GEN, "0000000000000001", HF_OK },
		{ CKM_GENERIC_SECRET_KEY_GEN, "0000000000000000", HF_E_ATTR_VALUE },
		{ CKM_GENERIC_SECRET_KEY_GEN, "ffffffffffffffff", HF_E_ATTR_VALUE },
		{ CKM_SHA256_KEY_GEN, "0000000000000040", HF_OK },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct parts out = { 0 };

		assert_int_equal(pair_make(cases[i].ckm, COMPONENTS({ CKA_VALUE_LEN, cases[i].len }),
					 NULL, &out),
			cases[i].e);
		if (cases[i].e == HF_OK) {
			assert_int_equal(parts_get(&out, CKA_VALUE).n, get_u64(hex(cases[i].len).p));
			assert_int_equal(parts_get(&out, CKA_CHECK_VALUE).n, 3);
		}
		parts_done(&out);
	}
	assert_int_equal(pair_make(CKM_AES_KEY_GEN, COMPONENTS({ CKA_LABEL, "" }), NULL, NULL),
		HF_E_TEMPLATE_INCOMPLETE);
}

static void check_derived(uint32_t ckm, const struct params *p, const struct key *base,
	const struct key *other, size_t want, const char *expected)
{
	struct secret out = { 0 };

	assert_int_equal(derive_run(ckm, p, base, other, want, &out), HF_OK);
	assert_slice(secret_slice(&out), expected);
	secret_done(&out);
}

static void simple_derivations_put_bytes_together(void **state)
{
	struct key *base = secret_key("01020304"), *other = secret_key("aabb");
	struct params data = { .id = PARAM_DATA, .u.data.data = hex("f0f1") };
	struct params handle = { .id = PARAM_HANDLE, .u.handle.value = 5 };
	struct params bit = { .id = PARAM_EXTRACT, .u.extract.value = 12 };
	uint64_t others[OTHER_KEYS_MAX];
	struct secret out = { 0 };

	(void)state;
	check_derived(CKM_CONCATENATE_BASE_AND_KEY, &handle, base, other, 0, "01020304aabb");
	check_derived(CKM_CONCATENATE_BASE_AND_DATA, &data, base, NULL, 0, "01020304f0f1");
	check_derived(CKM_CONCATENATE_DATA_AND_BASE, &data, base, NULL, 3, "f0f101");
	check_derived(CKM_XOR_BASE_AND_DATA, &data, base, NULL, 0, "f1f3");
	check_derived(CKM_EXTRACT_KEY_FROM_KEY, &bit, base, NULL, 2, "2030");
	check_derived(CKM_EXTRACT_KEY_FROM_KEY, &bit, base, NULL, 4, "20304010");
	mech_other_keys(mech_find(CKM_CONCATENATE_BASE_AND_KEY), &handle, others);
	assert_int_equal(others[0], 5);
	assert_int_equal(others[1], 0);
	mech_other_keys(mech_find(CKM_XOR_BASE_AND_DATA), &data, others);
	assert_int_equal(others[0], 0);
	assert_int_equal(derive_run(CKM_XOR_BASE_AND_DATA, &data, base, NULL, 3, &out), HF_E_KEY_SIZE);
	assert_int_equal(derive_run(CKM_EXTRACT_KEY_FROM_KEY, &bit, base, NULL, 5, &out),
		HF_E_KEY_SIZE);
	bit.u.extract.value = 32;
	assert_int_equal(derive_run(CKM_EXTRACT_KEY_FROM_KEY, &bit, base, NULL, 1, &out),
		HF_E_MECHANISM_PARAM);
	assert_int_equal(derive_run(CKM_CONCATENATE_BASE_AND_KEY, &handle, base, NULL, 0, &out),
		HF_E_KEY_HANDLE);
	key_free(base);
	key_free(other);
}

static void encrypting_and_digesting_derive_keys(void **state)
{
	struct key *aes = aes_key(AES128);
	struct params none = { .id = PARAM_NONE };
	struct params ecb = { .id = PARAM_DATA, .u.data.data = hex(BLOCKS) };
	struct params cbc = { .id = PARAM_CBC_DATA,
		.u.cbc_data = { { counting_iv, 16 }, hex(BLOCKS) } };
	struct secret out = { 0 };

	(void)state;
	check_derived(CKM_AES_ECB_ENCRYPT_DATA, &ecb, aes, NULL, 16,
		"3ad77bb40d7a3660a89ecaf32466ef97");
	check_derived(CKM_AES_CBC_ENCRYPT_DATA, &cbc, aes, NULL, 32,
		"7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2");
	ecb.u.data.data.n = 17;
	assert_int_equal(derive_run(CKM_AES_ECB_ENCRYPT_DATA, &ecb, aes, NULL, 0, &out),
		HF_E_MECHANISM_PARAM);
	ecb.u.data.data.n = 16;
	assert_int_equal(derive_run(CKM_AES_ECB_ENCRYPT_DATA, &ecb, aes, NULL, 17, &out),
		HF_E_KEY_SIZE);
	key_free(aes);
	aes = secret_key("616263");
	check_derived(CKM_SHA256_KEY_DERIVATION, &none, aes, NULL, 4, "ba7816bf");
	assert_int_equal(derive_run(CKM_SHA1_KEY_DERIVATION, &none, aes, NULL, 21, &out),
		HF_E_KEY_SIZE);
	key_free(aes);
}

/* RFC 5869 §A.1 */
static const uint8_t hkdf_salt[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };
static const uint8_t hkdf_info[] = { 0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9 };
#define HKDF_PRK "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
#define HKDF_OKM                                                               \
	"3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"     \
	"34007208d5b887185865"

static void hkdf_extracts_and_expands(void **state)
{
	struct params p = { .id = PARAM_HKDF, .present = true,
		.u.hkdf = { .extract = true, .expand = true, .prf = CKM_SHA256,
			.salt_type = CKF_HKDF_SALT_DATA, .salt = SLICE_OF(hkdf_salt),
			.info = SLICE_OF(hkdf_info) } };
	struct key *ikm = secret_key("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");
	struct key *prk = secret_key(HKDF_PRK), *salt = secret_key("000102030405060708090a0b0c");
	struct secret out = { 0 };

	(void)state;
	check_derived(CKM_HKDF_DERIVE, &p, ikm, NULL, 42, HKDF_OKM);
	p.u.hkdf.salt_type = CKF_HKDF_SALT_KEY;
	check_derived(CKM_HKDF_DERIVE, &p, ikm, salt, 42, HKDF_OKM);
	assert_int_equal(derive_run(CKM_HKDF_DERIVE, &p, ikm, NULL, 42, &out), HF_E_KEY_HANDLE);
	p.u.hkdf.expand = false;
	check_derived(CKM_HKDF_DERIVE, &p, ikm, salt, 0, HKDF_PRK);
	assert_int_equal(derive_run(CKM_HKDF_DERIVE, &p, ikm, salt, 33, &out), HF_E_KEY_SIZE);
	p.u.hkdf.extract = false;
	assert_int_equal(derive_run(CKM_HKDF_DERIVE, &p, ikm, salt, 0, &out), HF_E_MECHANISM_PARAM);
	p.u.hkdf.expand = true;
	check_derived(CKM_HKDF_DATA, &p, prk, NULL, 42, HKDF_OKM);
	assert_int_equal(derive_run(CKM_HKDF_DERIVE, &p, prk, NULL, 255 * 32 + 1, &out),
		HF_E_KEY_SIZE);
	p.u.hkdf.prf = CKM_AES_CBC;
	assert_int_equal(derive_run(CKM_HKDF_DERIVE, &p, prk, NULL, 42, &out), HF_E_MECHANISM_PARAM);
	key_free(ikm);
	key_free(prk);
	key_free(salt);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_the_same_at_once_and_in_parts),
		cmocka_unit_test(a_mac_is_verified_and_refused),
		cmocka_unit_test(a_general_mac_has_the_length_asked_for),
		cmocka_unit_test(modes_are_sp_800_38as_in_parts_of_any_size),
		cmocka_unit_test(cfb_of_small_segments_is_sp_800_38as),
		cmocka_unit_test(padding_goes_on_and_comes_off_for_every_length),
		cmocka_unit_test(bad_input_has_the_standards_error),
		cmocka_unit_test(a_wrapped_key_is_filled_with_zeros),
		cmocka_unit_test(a_counter_does_not_come_round),
		cmocka_unit_test(gcm_is_its_papers),
		cmocka_unit_test(gcm_gives_no_plaintext_before_the_tag_is_right),
		cmocka_unit_test(gcm_refuses_bad_parameters_and_lengths),
		cmocka_unit_test(ccm_is_sp_800_38cs),
		cmocka_unit_test(ccm_refuses_other_lengths_than_it_was_told),
		cmocka_unit_test(keys_wrap_as_in_the_rfcs),
		cmocka_unit_test(an_own_iv_does_not_stay_for_the_next_use),
		cmocka_unit_test(key_wrap_refuses_lengths_it_cannot_have),
		cmocka_unit_test(a_secret_key_has_length_and_check_value),
		cmocka_unit_test(secret_keys_of_impossible_size_are_refused),
		cmocka_unit_test(generated_secret_keys_have_the_size_asked_for),
		cmocka_unit_test(simple_derivations_put_bytes_together),
		cmocka_unit_test(encrypting_and_digesting_derive_keys),
		cmocka_unit_test(hkdf_extracts_and_expands),
	};

	return cmocka_run_group_tests(tests, crypt_group_setup, NULL);
}
