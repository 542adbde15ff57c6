/* MACs of block ciphers, AES-GMAC, Poly1305. */
#include "crypt.h"

/* Wycheproof, aes_gmac_test, 8 */
#define GMAC_KEY "1d4a92394c7356a6f528cfb3adb8f253"
#define GMAC_IN "19b69d4178d49c20b4ee5846cb440c99"
#define GMAC_TAG "3790b32d5cda9f8ef72b643d701077d3"
#define COUNTING "000102030405060708090a0b0c0d0e0f"

static struct key *secret(uint32_t ckk, const char *value)
{
	return key_hex(CKO_SECRET_KEY, ckk, COMPONENTS({ CKA_VALUE, value }));
}

static struct params mac_len(uint64_t n)
{
	return (struct params){ .id = PARAM_MAC_LEN, .present = true, .u.mac_len.value = n };
}

/* check signs and verifies in parts of several sizes, then refuses forgeries. */
static void check(uint32_t ckm, const struct params *p, const struct key *k, struct slice in,
	struct slice mac)
{
	static const size_t chunks[] = { 0, 1, 7, 8, 15, 16, 17, 32 };

	for (size_t i = 0; i < ITEMS(chunks); i++) {
		struct use u = { ckm, VERB_SIGN, k, p, in, SLICE_NONE, chunks[i] };
		struct buf out = BUF_MAX(64);

		assert_int_equal(use_run(&u, &out), HF_OK);
		assert_same(buf_slice(&out), mac);
		u.verb = VERB_VERIFY;
		u.sig = buf_slice(&out);
		assert_int_equal(use_run(&u, NULL), HF_OK);
		out.p[0] ^= 1;
		assert_int_equal(use_run(&u, NULL), HF_E_SIGNATURE);
		u.sig.n--;
		assert_int_equal(use_run(&u, NULL), HF_E_SIGNATURE_LEN);
		buf_done(&out);
	}
}

static void cbc_mac_is_fips_113s(void **state)
{
	struct key *k = secret(CKK_DES, "0123456789abcdef");
	struct slice in = hex("37363534333231204e6f77206973207468652074696d6520666f7220");
	struct slice mac = hex("f1d30f6849312ca4"); /* FIPS 113, appendix 2 */

	(void)state;
	check(CKM_DES_MAC, NULL, k, in, (struct slice){ mac.p, 4 });
	for (size_t n = 1; n <= 8; n++) {
		struct params p = mac_len(n);

		check(CKM_DES_MAC_GENERAL, &p, k, in, (struct slice){ mac.p, n });
	}
	key_free(k);
}

/* The MAC of CBC's input, its IV added to the first block, is CBC's last block. */
static const struct {
	const char *from;
	uint32_t mac, general, ckk;
	const char *key, *iv, *pt, *last;
} answers[] = {
	{ "SP 800-38A, §F.2.1", CKM_AES_MAC, CKM_AES_MAC_GENERAL, CKK_AES,
	  "2b7e151628aed2a6abf7158809cf4f3c", COUNTING,
	  "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
	  "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
	  "3ff1caa1681fac09120eca307586e1a7" },
	{ "python-cryptography", CKM_CAMELLIA_MAC, CKM_CAMELLIA_MAC_GENERAL, CKK_CAMELLIA,
	  "2b7e151628aed2a6abf7158809cf4f3c", COUNTING,
	  "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
	  "a2f2cf671629ef7840c5a5dfb5074887" },
	{ "KISA, ARIA-128-CBC", CKM_ARIA_MAC, CKM_ARIA_MAC_GENERAL, CKK_ARIA,
	  "00112233445566778899aabbccddeeff", "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
	  "11111111aaaaaaaa11111111bbbbbbbb11111111cccccccc11111111dddddddd",
	  "fadf9fb23151e9645fba75018bdb1538" },
	{ "CAVP, TCBCMMT2", CKM_DES3_MAC, CKM_DES3_MAC_GENERAL, CKK_DES2,
	  "70a88fa1dfb9942fa77f40157ffef2ad", "ece08ce2fdc6ce80",
	  "bc225304d5a3a5c9918fc5006cbc40cc", "b68f63fa7c2d454a" },
	{ "RFC 4269, §B.1", CKM_SEED_MAC, CKM_SEED_MAC_GENERAL, CKK_SEED,
	  "00000000000000000000000000000000", "00000000000000000000000000000000", COUNTING,
	  "5ebac6e0054e166819aff1cc6d346cdb" },
};

static void cbc_mac_is_the_last_block_of_cbc(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS(answers) && mech_find(answers[i].mac) != NULL; i++) {
		struct key *k = secret(answers[i].ckk, answers[i].key);
		struct slice iv = hex(answers[i].iv), pt = hex(answers[i].pt),
			mac = hex(answers[i].last);
		struct params whole = mac_len(mac.n), none = mac_len(0), more = mac_len(mac.n + 1);
		struct use u = { answers[i].general, VERB_SIGN, k, &none, pt, SLICE_NONE, 0 };
		uint8_t in[64];

		print_message("%s\n", answers[i].from);
		memcpy(in, pt.p, pt.n);
		for (size_t j = 0; j < iv.n; j++)
			in[j] ^= iv.p[j];
		check(answers[i].general, &whole, k, (struct slice){ in, pt.n }, mac);
		check(answers[i].mac, NULL, k, (struct slice){ in, pt.n },
			(struct slice){ mac.p, mac.n / 2 });
		assert_int_equal(use_run(&u, NULL), HF_E_MECHANISM_PARAM);
		u.params = &more;
		assert_int_equal(use_run(&u, NULL), HF_E_MECHANISM_PARAM);
		u = (struct use){ .ckm = answers[i].mac, .verb = VERB_SIGN, .key = k };
		assert_int_equal(use_run(&u, NULL), HF_E_DATA_LEN);
		key_free(k);
	}
}

static void xcbc_is_its_rfcs(void **state)
{
	static const struct {
		const char *in, *mac; /* RFC 3566 §4 */
	} cases[] = {
		{ "", "75f0251d528ac01c4573dfd584d79f29" },
		{ "000102", "5b376580ae2f19afe7219ceef172756f" },
		{ COUNTING, "d2a246fa349b68a79998a4394ff7a263" },
		{ COUNTING "10111213", "47f51b4564966215b8985c63055ed308" },
		{ COUNTING "101112131415161718191a1b1c1d1e1f", "f54f0ec8d2b9f3d36807734bd5283fd4" },
		{ COUNTING "101112131415161718191a1b1c1d1e1f2021", "becbb3bccdb518a30677d5481fb6b4d8" },
	};
	struct key *k = secret(CKK_AES, COUNTING);

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct slice mac = hex(cases[i].mac);

		check(CKM_AES_XCBC_MAC, NULL, k, hex(cases[i].in), mac);
		check(CKM_AES_XCBC_MAC_96, NULL, k, hex(cases[i].in), (struct slice){ mac.p, 12 });
	}
	key_free(k);
}

static void gmac_is_gcms_tag_over_additional_data(void **state)
{
	static const uint8_t iv[] = { 0x02, 0x19, 0x4e, 0xce, 0x3b, 0xc5, 0x0c, 0x51, 0xc5, 0x2b,
		0xdd, 0x83 };
	static const struct {
		struct slice iv, aad;
		uint64_t bits;
	} bad[] = {
		{ { iv, 0 }, { iv, 0 }, 128 }, { { iv, 12 }, { iv, 1 }, 128 },
		{ { iv, 12 }, { iv, 0 }, 0 }, { { iv, 12 }, { iv, 0 }, 129 },
	};
	struct params p = { .id = PARAM_GCM, .present = true, .u.gcm = { { iv, 12 }, 96, { iv, 0 }, 128 } };
	struct key *k = secret(CKK_AES, GMAC_KEY);
	struct use u = { CKM_AES_GMAC, VERB_SIGN, k, &p, hex(GMAC_IN), SLICE_NONE, 0 };
	struct slice tag = hex(GMAC_TAG);

	(void)state;
	check(CKM_AES_GMAC, &p, k, hex(GMAC_IN), tag);
	p.u.gcm.tag_bits = 96;
	check(CKM_AES_GMAC, &p, k, hex(GMAC_IN), (struct slice){ tag.p, 12 });
	for (size_t i = 0; i < ITEMS(bad); i++) {
		p.u.gcm = (struct param_gcm){ bad[i].iv, 0, bad[i].aad, bad[i].bits };
		assert_int_equal(use_run(&u, NULL), HF_E_MECHANISM_PARAM);
	}
	key_free(k);
}

static void poly1305_is_its_rfcs(void **state)
{
	struct key *k = secret(CKK_POLY1305,
		"85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b");

	(void)state;
	/* RFC 8439 §2.5.2 */
	check(CKM_POLY1305, NULL, k, SLICE_STR("Cryptographic Forum Research Group"),
		hex("a8061dc1305136c6c22b8baf0c0127a9"));
	key_free(k);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(cbc_mac_is_fips_113s),
		cmocka_unit_test(cbc_mac_is_the_last_block_of_cbc),
		cmocka_unit_test(xcbc_is_its_rfcs),
		cmocka_unit_test(gmac_is_gcms_tag_over_additional_data),
		cmocka_unit_test(poly1305_is_its_rfcs),
	};

	return cmocka_run_group_tests(tests, crypt_group_setup, NULL);
}
