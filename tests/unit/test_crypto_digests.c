/* The digests beside SHA-1, SHA-2 and SHA-3: their MACs, and keys derived with them. */
#include "crypt.h"

#define KEY_32 "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define KEY_64 KEY_32 "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
#define BLAKE2B_512_ABC                                                        \
	"ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"     \
	"7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"

static struct params hash_bits(uint64_t n)
{
	return (struct params){ .id = PARAM_HASH_BITS, .present = true, .u.hash_bits.value = n };
}

static struct params mac_len(uint64_t n)
{
	return (struct params){ .id = PARAM_MAC_LEN, .present = true, .u.mac_len.value = n };
}

static struct key *generic(const char *value)
{
	return key_hex(CKO_SECRET_KEY, CKK_GENERIC_SECRET, COMPONENTS({ CKA_VALUE, value }));
}

/* RFC 1321 §A.5; Dobbertin, Bosselaers, Preneel, "RIPEMD-160"; RFC 7693 §A, and
 * the shorter BLAKE2b by Python's hashlib; FIPS 180-4's examples. */
static const struct {
	uint32_t ckm, derive;
	uint64_t bits; /* the parameter */
	const char *of_abc;
} digests[] = {
	{ CKM_MD5, CKM_MD5_KEY_DERIVATION, 0, "900150983cd24fb0d6963f7d28e17f72" },
	{ CKM_RIPEMD160, 0, 0, "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc" },
	{ CKM_BLAKE2B_160, CKM_BLAKE2B_160_KEY_DERIVE, 0, "384264f676f39536840523f284921cdc68b6846b" },
	{ CKM_BLAKE2B_256, CKM_BLAKE2B_256_KEY_DERIVE, 0,
	  "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319" },
	{ CKM_BLAKE2B_384, CKM_BLAKE2B_384_KEY_DERIVE, 0,
	  "6f56a82c8e7ef526dfe182eb5212f7db9df1317e57815dbda46083fc30f54ee6"
	  "c66ba83be64b302d7cba6ce15bb556f4" },
	{ CKM_BLAKE2B_512, CKM_BLAKE2B_512_KEY_DERIVE, 0, BLAKE2B_512_ABC },
	{ CKM_SHA512_T, CKM_SHA512_T_KEY_DERIVATION, 224,
	  "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa" },
	{ CKM_SHA512_T, CKM_SHA512_T_KEY_DERIVATION, 256,
	  "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23" },
};

static void digests_are_their_papers_at_once_and_in_parts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS(digests); i++)
		for (size_t chunk = 0; chunk < 3; chunk++) {
			struct params p = hash_bits(digests[i].bits);
			struct use u = { .ckm = digests[i].ckm, .verb = VERB_DIGEST, .params = &p,
				.in = SLICE_STR("abc"), .chunk = chunk };
			struct buf out = BUF_MAX(64);

			assert_int_equal(use_run(&u, &out), HF_OK);
			assert_slice(buf_slice(&out), digests[i].of_abc);
			buf_done(&out);
		}
}

static void a_digest_of_a_key_is_a_key(void **state)
{
	struct key *k = generic("616263");

	(void)state;
	for (size_t i = 0; i < ITEMS(digests); i++) {
		struct params p = hash_bits(digests[i].bits);
		struct secret v = { 0 };

		if (digests[i].derive == 0)
			continue;
		assert_int_equal(derive_run(digests[i].derive, &p, k, NULL, 0, &v), HF_OK);
		assert_slice(secret_slice(&v), digests[i].of_abc);
		secret_done(&v);
		assert_int_equal(derive_run(digests[i].derive, &p, k, NULL, 8, &v), HF_OK);
		assert_same(secret_slice(&v), (struct slice){ hex(digests[i].of_abc).p, 8 });
		secret_done(&v);
		assert_int_equal(derive_run(digests[i].derive, &p, k, NULL, 65, &v), HF_E_KEY_SIZE);
	}
	key_free(k);
}

static void sha_512_t_has_the_sizes_that_fips_180_4_approves(void **state)
{
	static const uint64_t bad[] = { 0, 8, 223, 384, 512, 513, UINT64_MAX };
	struct key *k = generic("616263");
	struct secret v = { 0 };

	(void)state;
	for (size_t i = 0; i < ITEMS(bad); i++) {
		struct params p = hash_bits(bad[i]);
		struct use digest = { .ckm = CKM_SHA512_T, .verb = VERB_DIGEST, .params = &p };
		struct use mac = { .ckm = CKM_SHA512_T_HMAC, .verb = VERB_SIGN, .key = k,
			.params = &p };

		assert_int_equal(use_run(&digest, NULL), HF_E_MECHANISM_PARAM);
		assert_int_equal(use_run(&mac, NULL), HF_E_MECHANISM_PARAM);
		assert_int_equal(derive_run(CKM_SHA512_T_KEY_DERIVATION, &p, k, NULL, 8, &v),
			HF_E_MECHANISM_PARAM);
	}
	key_free(k);
}

static void shake_makes_as_many_bytes_as_are_wanted(void **state)
{
	static const struct {
		uint32_t ckm;
		size_t n;
		const char *of_abc; /* by Python's hashlib */
	} cases[] = {
		{ CKM_SHAKE_128_KEY_DERIVATION, 16, "5881092dd818bf5cf8a3ddb793fbcba7" },
		{ CKM_SHAKE_256_KEY_DERIVATION, 64,
		  "483366601360a8771c6863080cc4114d8db44530f8f1e1ee4f94ea37e78b5739"
		  "d5a15bef186a5386c75744c0527e1faa9f8726e462a12a4feb06bd8801e751e4" },
	};
	const struct params none = { .id = PARAM_NONE };
	struct key *k = generic("616263");

	(void)state;
	for (size_t i = 0; i < ITEMS(cases); i++) {
		struct secret v = { 0 };

		for (size_t n = 1; n <= cases[i].n; n += 5) {
			assert_int_equal(derive_run(cases[i].ckm, &none, k, NULL, n, &v), HF_OK);
			assert_same(secret_slice(&v), (struct slice){ hex(cases[i].of_abc).p, n });
			secret_done(&v);
		}
		assert_int_equal(derive_run(cases[i].ckm, &none, k, NULL, 0, &v),
			HF_E_TEMPLATE_INCOMPLETE);
	}
	key_free(k);
}

/* RFC 2202 §2, test 1; RFC 2286 §2, test 1; BLAKE2's own keyed answers (the first
 * of "blake2b", and others by Python's hashlib); RFC 4231's key and data. */
static const struct {
	uint32_t whole, general;
	uint64_t bits;
	const char *key, *in, *mac;
} macs[] = {
	{ CKM_MD5_HMAC, CKM_MD5_HMAC_GENERAL, 0, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
	  "4869205468657265", "9294727a3638bb1c13f48ef8158bfc9d" },
	{ CKM_RIPEMD160_HMAC, CKM_RIPEMD160_HMAC_GENERAL, 0,
	  "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
	  "24cb4bd67d20fc1a5d2ed7732dcc39377f0a5668" },
	{ CKM_BLAKE2B_160_HMAC, CKM_BLAKE2B_160_HMAC_GENERAL, 0, KEY_32, "616263",
	  "9a44793314a8cd80c4d8dbf3ea3a8ab62c65ea6a" },
	{ CKM_BLAKE2B_256_HMAC, CKM_BLAKE2B_256_HMAC_GENERAL, 0, KEY_32, "616263",
	  "d63a32d3e44738d7907f964316c241adaba0abfeabc32349677578a15a203f7f" },
	{ CKM_BLAKE2B_384_HMAC, CKM_BLAKE2B_384_HMAC_GENERAL, 0, KEY_32, "616263",
	  "4a649da98f82c317a5bf47afdb6a267426fd46ba74fb50c41f291ec72ee630fa"
	  "e55dde84a66dec99f7f5dac125f850f3" },
	{ CKM_BLAKE2B_512_HMAC, CKM_BLAKE2B_512_HMAC_GENERAL, 0, KEY_64, "",
	  "10ebb67700b1868efb4417987acf4690ae9d972fb7a590c2f02871799aaa4786"
	  "b5e996e8f0f4eb981fc214b005f42d2ff4233499391653df7aefcbc13fc51568" },
	{ CKM_SHA512_T_HMAC, 0, 256, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
	  "4869205468657265", "9f9126c3d9c3c330d760425ca8a217e31feae31bfe70196ff81642b868402eab" },
};

static void check_mac(uint32_t ckm, const struct params *p, const struct key *k, struct slice in,
	struct slice mac)
{
	for (size_t chunk = 0; chunk < 4; chunk++) { /* with a fresh and a kept context */
		struct use u = { ckm, VERB_SIGN, k, p, in, SLICE_NONE, chunk };
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

static void macs_are_their_papers_whole_and_shortened(void **state)
{
	(void)state;
	for (size_t i = 0; i < ITEMS(macs); i++) {
		struct params whole = hash_bits(macs[i].bits), shortened = mac_len(9),
			none = mac_len(0);
		struct key *k = generic(macs[i].key);
		struct slice in = hex(macs[i].in), mac = hex(macs[i].mac);
		struct use u = { macs[i].general, VERB_SIGN, k, &none, in, SLICE_NONE, 0 };
		struct params too_long = mac_len(mac.n + 1);

		check_mac(macs[i].whole, &whole, k, in, mac);
		if (macs[i].general != 0) {
			mac.n = 9;
			check_mac(macs[i].general, &shortened, k, in, mac);
			assert_int_equal(use_run(&u, NULL), HF_E_MECHANISM_PARAM);
			u.params = &too_long;
			assert_int_equal(use_run(&u, NULL), HF_E_MECHANISM_PARAM);
		}
		key_free(k);
	}
}

static void blake2_refuses_a_key_longer_than_its_own_limit(void **state)
{
	struct key *k = generic(KEY_64 "40");
	struct use u = { .ckm = CKM_BLAKE2B_512_HMAC, .verb = VERB_SIGN, .key = k };

	(void)state;
	assert_int_equal(use_run(&u, NULL), HF_E_KEY_SIZE);
	key_free(k);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(digests_are_their_papers_at_once_and_in_parts),
		cmocka_unit_test(a_digest_of_a_key_is_a_key),
		cmocka_unit_test(sha_512_t_has_the_sizes_that_fips_180_4_approves),
		cmocka_unit_test(shake_makes_as_many_bytes_as_are_wanted),
		cmocka_unit_test(macs_are_their_papers_whole_and_shortened),
		cmocka_unit_test(blake2_refuses_a_key_longer_than_its_own_limit),
	};

	return cmocka_run_group_tests(tests, crypt_group_setup, NULL);
}
