/* ChaCha20, ChaCha20-Poly1305, AES-XTS, AES-CTS. */
#include "crypt.h"

#define ZEROS_32 "0000000000000000000000000000000000000000000000000000000000000000"
#define STREAM_0                                                               \
	"76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"     \
	"da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
#define STREAM_1                                                               \
	"9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"     \
	"29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"

static const uint8_t zeros[32];

static struct key *secret(uint32_t ckk, const char *value)
{
	return key_hex(CKO_SECRET_KEY, ckk, COMPONENTS({ CKA_VALUE, value }));
}

static struct params chacha(const uint8_t *counter, size_t counter_n, size_t nonce_n)
{
	return (struct params){ .id = PARAM_CHACHA20, .present = true,
		.u.chacha20 = { { counter, counter_n }, { zeros, nonce_n } } };
}

static struct params iv_of(const uint8_t *iv, size_t n)
{
	return (struct params){ .id = PARAM_IV, .present = true, .u.iv.raw = { iv, n } };
}

/* check encrypts and decrypts in parts of several sizes. */
static void check(uint32_t ckm, const struct params *p, const struct key *k, const char *pt,
	const char *ct)
{
	static const size_t chunks[] = { 0, 1, 15, 16, 17, 64, 65 };

	for (size_t i = 0; i < ITEMS(chunks); i++) {
		struct use u = { ckm, VERB_ENCRYPT, k, p, hex(pt), SLICE_NONE, chunks[i] };
		struct buf out = BUF_MAX(256), back = BUF_MAX(256);

		assert_int_equal(use_run(&u, &out), HF_OK);
		assert_slice(buf_slice(&out), ct);
		u.verb = VERB_DECRYPT;
		u.in = buf_slice(&out);
		assert_int_equal(use_run(&u, &back), HF_OK);
		assert_slice(buf_slice(&back), pt);
		buf_done(&out);
		buf_done(&back);
	}
}

static void chacha20_is_its_rfcs_with_either_counter(void **state)
{
	static const uint8_t one[8] = { 1 };
	struct key *k = secret(CKK_CHACHA20, ZEROS_32);
	const struct params narrow = chacha(zeros, 4, 12), narrow_1 = chacha(one, 4, 12),
		wide = chacha(zeros, 8, 8), wide_1 = chacha(one, 8, 8);

	(void)state;
	/* RFC 8439 §A.1, 1 and 2; the original is the same where all is zero. */
	check(CKM_CHACHA20, &narrow, k, ZEROS_32 ZEROS_32 ZEROS_32 ZEROS_32, STREAM_0 STREAM_1);
	check(CKM_CHACHA20, &wide, k, ZEROS_32 ZEROS_32 ZEROS_32 ZEROS_32, STREAM_0 STREAM_1);
	check(CKM_CHACHA20, &narrow_1, k, ZEROS_32 ZEROS_32, STREAM_1);
	check(CKM_CHACHA20, &wide_1, k, ZEROS_32 ZEROS_32, STREAM_1);
	key_free(k);
}

static void chacha20s_counter_does_not_come_round(void **state)
{
	static const uint8_t last[8] = { 0xff, 0xff, 0xff, 0xff };
	static const uint8_t data[65];
	struct key *k = secret(CKK_CHACHA20, ZEROS_32);
	const struct params narrow = chacha(last, 4, 12), wide = chacha(last, 8, 8);

	(void)state;
	for (size_t chunk = 0; chunk < 34; chunk += 33) {
		struct use u = { CKM_CHACHA20, VERB_ENCRYPT, k, &narrow, { data, 64 }, SLICE_NONE,
			chunk };
		struct buf out = BUF_MAX(128);

		assert_int_equal(use_run(&u, &out), HF_OK);
		u.in.n = 65;
		assert_int_equal(use_run(&u, NULL), HF_E_DATA_LEN);
		u.verb = VERB_DECRYPT;
		assert_int_equal(use_run(&u, NULL), HF_E_ENCRYPTED_DATA_LEN);
		u.params = &wide;
		assert_int_equal(use_run(&u, NULL), HF_OK);
		buf_done(&out);
	}
	key_free(k);
}

static void chacha20_refuses_other_counters_and_nonces(void **state)
{
	static const size_t bad[][2] = { { 0, 12 }, { 4, 8 }, { 4, 24 }, { 8, 12 }, { 8, 24 }, { 16, 0 },
		{ 3, 13 } };
	struct key *k = secret(CKK_CHACHA20, ZEROS_32);

	(void)state;
	for (size_t i = 0; i < ITEMS(bad); i++) {
		struct params p = chacha(zeros, bad[i][0], bad[i][1]);
		struct use u = { CKM_CHACHA20, VERB_ENCRYPT, k, &p, { zeros, 8 }, SLICE_NONE, 0 };

		assert_int_equal(use_run(&u, NULL), HF_E_MECHANISM_PARAM);
	}
	key_free(k);
}

/* RFC 8439 §2.8.2 */
#define AEAD_KEY "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
#define AEAD_PT                                                                \
	"4c616469657320616e642047656e746c656d656e206f662074686520636c6173"     \
	"73206f66202739393a204966204920636f756c64206f6666657220796f75206f"     \
	"6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73"     \
	"637265656e20776f756c642062652069742e"
#define AEAD_CT                                                                \
	"d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"     \
	"3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"     \
	"92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"     \
	"3ff4def08e4b7a9de576d26586cec64b6116"
#define AEAD_TAG "1ae10b594f09e26a7e902ecbd0600691"
static const uint8_t aead_nonce[] = { 7, 0, 0, 0, 0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47 };
static const uint8_t aead_aad[] = { 0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5,
	0xc6, 0xc7 };

static void chacha20_poly1305_is_its_rfcs(void **state)
{
	struct params p = { .id = PARAM_CHACHA20_POLY1305, .present = true,
		.u.chacha20_poly1305 = { { aead_nonce, 12 }, { aead_aad, 12 } } };
	struct key *k = secret(CKK_CHACHA20, AEAD_KEY);
	struct use u = { CKM_CHACHA20_POLY1305, VERB_DECRYPT, k, &p, hex(AEAD_CT AEAD_TAG), SLICE_NONE, 9 };
	uint8_t forged[130];

	(void)state;
	check(CKM_CHACHA20_POLY1305, &p, k, AEAD_PT, AEAD_CT AEAD_TAG);
	assert_int_equal(u.in.n, sizeof(forged));
	memcpy(forged, u.in.p, sizeof(forged));
	u.in = SLICE_OF(forged);
	for (size_t i = 0; i < sizeof(forged); i++) {
		struct buf out = BUF_MAX(256);

		forged[i] ^= 1;
		assert_int_equal(use_run(&u, &out), HF_E_AEAD);
		assert_int_equal(out.n, 0);
		forged[i] ^= 1;
		buf_done(&out);
	}
	p.u.chacha20_poly1305.nonce.n = 8;
	assert_int_equal(use_run(&u, NULL), HF_E_MECHANISM_PARAM);
	key_free(k);
}

/* IEEE 1619-2007, annex B, vectors 2, 3 and 15. */
static void xts_is_ieee_1619s(void **state)
{
	static const uint8_t threes[16] = { 0x33, 0x33, 0x33, 0x33, 0x33 },
		sector[16] = { 0x9a, 0x78, 0x56, 0x34, 0x12 };
	static const struct {
		const uint8_t *tweak;
		const char *key, *pt, *ct;
	} cases[] = {
		{ threes, "1111111111111111111111111111111122222222222222222222222222222222",
		  "4444444444444444444444444444444444444444444444444444444444444444",
		  "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0" },
		{ threes, "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f022222222222222222222222222222222",
		  "4444444444444444444444444444444444444444444444444444444444444444",
		  "af85336b597afc1a900b2eb21ec949d292df4c047e0b21532186a5971a227a89" },
		{ sector, "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0",
		  "000102030405060708090a0b0c0d0e0f10", "6c1625db4671522d3d7599601de7ca09ed" },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct key *k = secret(CKK_AES_XTS, cases[i].key);
		struct params p = iv_of(cases[i].tweak, 16);

		check(CKM_AES_XTS, &p, k, cases[i].pt, cases[i].ct);
		key_free(k);
	}
}

static void an_xts_key_is_two_different_keys(void **state)
{
	static const char *const bad[] = { ZEROS_32, ZEROS_32 ZEROS_32, ZEROS_32 "0000000000000001" };
	struct key *k = NULL;

	(void)state;
	for (size_t i = 0; i < ITEMS(bad); i++)
		assert_int_equal(parse_hex(CKO_SECRET_KEY, CKK_AES_XTS,
					 COMPONENTS({ CKA_VALUE, bad[i] }), &k),
			HF_E_ATTR_VALUE);
}

/* RFC 3962 §B has CS3; CS1 puts the last two blocks in the other order, and does
 * so for whole blocks too. */
static void cts_is_rfc_3962s_in_the_order_of_cs1(void **state)
{
	static const struct {
		const char *pt, *ct;
	} cases[] = {
		{ "4920776f756c64206c696b652074686520", "97c6353568f2bf8cb4d8a580362da7ff7f" },
		{ "4920776f756c64206c696b65207468652047656e6572616c20476175277320",
		  "97687268d6ecccc0c07b25e25ecfe5fc00783e0efdb2c1d445d4c8eff7ed22" },
		{ "4920776f756c64206c696b65207468652047656e6572616c2047617527732043",
		  "97687268d6ecccc0c07b25e25ecfe58439312523a78662d5be7fcbcc98ebf5a8" },
	};
	struct key *k = secret(CKK_AES, "636869636b656e207465726979616b69");
	struct params p = iv_of(zeros, 16);

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++)
		check(CKM_AES_CTS, &p, k, cases[i].pt, cases[i].ct);
	key_free(k);
}

static void less_than_a_block_is_refused(void **state)
{
	static const uint32_t ckms[] = { CKM_AES_XTS, CKM_AES_CTS };

	(void)state;
	for (size_t i = 0; i < ITEMS(ckms); i++) {
		struct key *k = ckms[i] == CKM_AES_CTS ? secret(CKK_AES, ZEROS_32) :
			secret(CKK_AES_XTS, AEAD_KEY);
		struct params p = iv_of(zeros, 16), short_iv = iv_of(zeros, 15);
		struct use u = { ckms[i], VERB_ENCRYPT, k, &p, { zeros, 15 }, SLICE_NONE, 4 };

		assert_int_equal(use_run(&u, NULL), HF_E_DATA_LEN);
		u.verb = VERB_DECRYPT;
		assert_int_equal(use_run(&u, NULL), HF_E_ENCRYPTED_DATA_LEN);
		u.params = &short_iv;
		assert_int_equal(use_run(&u, NULL), HF_E_MECHANISM_PARAM);
		key_free(k);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(chacha20_is_its_rfcs_with_either_counter),
		cmocka_unit_test(chacha20s_counter_does_not_come_round),
		cmocka_unit_test(chacha20_refuses_other_counters_and_nonces),
		cmocka_unit_test(chacha20_poly1305_is_its_rfcs),
		cmocka_unit_test(xts_is_ieee_1619s),
		cmocka_unit_test(an_xts_key_is_two_different_keys),
		cmocka_unit_test(cts_is_rfc_3962s_in_the_order_of_cs1),
		cmocka_unit_test(less_than_a_block_is_refused),
	};

	return cmocka_run_group_tests(tests, crypt_group_setup, NULL);
}
