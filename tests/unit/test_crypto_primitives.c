/* The primitives that Holdfast itself uses, and the self-test. */
#include "crypt.h"
#include "fault.h"

static void sha256_of_two_parts_is_that_of_the_whole(void **state)
{
	uint8_t a[CRYPTO_HASH], b[CRYPTO_HASH];

	(void)state;
	assert_int_equal(crypto_sha256(SLICE_STR("abc"), a), HF_OK);
	assert_int_equal(crypto_sha256_2(SLICE_STR("a"), SLICE_STR("bc"), b), HF_OK);
	/* FIPS 180-4, example */
	assert_slice(SLICE_OF(a), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	assert_memory_equal(a, b, sizeof(a));
}

static void hmac_is_rfc_4231s(void **state)
{
	uint8_t out[CRYPTO_HASH];

	(void)state;
	assert_int_equal(crypto_hmac(SLICE_STR("Jefe"), SLICE_STR("what do ya want for nothing?"),
				 out),
		HF_OK);
	assert_slice(SLICE_OF(out),
		"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

/* The key of the call before does not stay in force. */
static void an_empty_key_is_one_of_its_own(void **state)
{
	uint8_t out[CRYPTO_HASH];

	(void)state;
	assert_int_equal(crypto_hmac(SLICE_STR("Jefe"), SLICE_STR("x"), out), HF_OK);
	assert_int_equal(crypto_hmac(SLICE_NONE, SLICE_STR("what do ya want for nothing?"), out), HF_OK);
	/* by python-cryptography */
	assert_slice(SLICE_OF(out), "76d9e7194e7dbc3aa00bbe8ffb9f6fcb5a932170f971f948bb2ab61607d2b9d6");
}

static void derived_keys_differ_by_label_and_context(void **state)
{
	struct secret a = { 0 }, b = { 0 }, c = { 0 };
	struct slice key = hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b");

	(void)state;
	assert_int_equal(crypto_derive(key, "store", SLICE_STR("1"), &a), HF_OK);
	assert_int_equal(crypto_derive(key, "store", SLICE_STR("2"), &b), HF_OK);
	assert_int_equal(crypto_derive(key, "audit", SLICE_STR("1"), &c), HF_OK);
	assert_int_equal(a.n, CRYPTO_KEY);
	assert_false(secret_eq(secret_slice(&a), secret_slice(&b)));
	assert_false(secret_eq(secret_slice(&a), secret_slice(&c)));
	secret_done(&a);
	secret_done(&b);
	secret_done(&c);
}

static void derivation_without_salt_is_rfc_5869s(void **state)
{
	struct secret out = { 0 };

	(void)state;
	/* §A.3 (no salt, no info): the first 32 bytes */
	assert_int_equal(crypto_derive(hex("0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b"), "",
				 SLICE_NONE, &out),
		HF_OK);
	assert_slice(secret_slice(&out),
		"8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
	secret_done(&out);
}

static const uint8_t seal_key[CRYPTO_KEY] = { 1, 2, 3 };

static void what_is_sealed_opens_again(void **state)
{
	static const char *const texts[] = { "", "x", "a longer text, longer than one block" };
	struct slice key = SLICE_OF(seal_key);

	(void)state;
	for (size_t i = 0; i < ITEMS(texts); i++) {
		struct buf sealed = BUF_MAX(1024);
		struct secret plain = { 0 };

		buf_u8(&sealed, 0xaa); /* seal appends */
		assert_int_equal(crypto_seal(key, SLICE_STR("name"), slice_str(texts[i]), &sealed),
			HF_OK);
		assert_int_equal(sealed.n, 1 + strlen(texts[i]) + CRYPTO_SEAL_EXTRA);
		assert_int_equal(crypto_open(key, SLICE_STR("name"),
					 (struct slice){ sealed.p + 1, sealed.n - 1 }, &plain),
			HF_OK);
		assert_same(secret_slice(&plain), slice_str(texts[i]));
		secret_done(&plain);
		buf_done(&sealed);
	}
}

/* HKDF with a salt, for more than one hash: key and IV of a message that python-cryptography sealed. */
static void what_another_implementation_sealed_opens(void **state)
{
	struct secret plain = { 0 };

	(void)state;
	assert_int_equal(crypto_open(SLICE_OF(seal_key), SLICE_STR("name"),
				 hex("01000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
				     "619895344045e5944873de7fe8e28483ebe777f063a67d772fa987c76b4444dd"
				     "fa98dafaf8b4fd747d"),
				 &plain),
		HF_OK);
	assert_same(secret_slice(&plain), SLICE_STR("of another implementation"));
	secret_done(&plain);
}

static void a_sealed_message_with_any_bit_changed_is_damaged(void **state)
{
	struct buf sealed = BUF_MAX(1024);
	struct secret plain = { 0 };
	struct slice key = SLICE_OF(seal_key), aad = SLICE_STR("name");

	(void)state;
	assert_int_equal(crypto_seal(key, aad, SLICE_STR("secret"), &sealed), HF_OK);
	for (size_t i = 0; i < sealed.n * 8; i++) {
		sealed.p[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(crypto_open(key, aad, buf_slice(&sealed), &plain), HF_E_DAMAGED);
		sealed.p[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	for (size_t n = 0; n < sealed.n; n++)
		assert_int_equal(crypto_open(key, aad, (struct slice){ sealed.p, n }, &plain),
			HF_E_DAMAGED);
	assert_int_equal(crypto_open(key, SLICE_STR("nam"), buf_slice(&sealed), &plain),
		HF_E_DAMAGED);
	assert_int_equal(crypto_open(SLICE_STR("another key of any length......."), aad,
				 buf_slice(&sealed), &plain),
		HF_E_DAMAGED);
	assert_null(plain.p);
	buf_done(&sealed);
}

static void the_same_message_never_seals_the_same(void **state)
{
	struct buf a = BUF_MAX(256), b = BUF_MAX(256);

	(void)state;
	assert_int_equal(crypto_seal(SLICE_OF(seal_key), SLICE_NONE, SLICE_STR("x"), &a), HF_OK);
	assert_int_equal(crypto_seal(SLICE_OF(seal_key), SLICE_NONE, SLICE_STR("x"), &b), HF_OK);
	assert_false(slice_eq(buf_slice(&a), buf_slice(&b)));
	buf_done(&a);
	buf_done(&b);
}

static void argon2id_is_the_reference_implementations(void **state)
{
	struct secret out = { 0 };

	(void)state;
	/* P-H-C/phc-winner-argon2, src/test.c: Argon2id v19, t=2, m=2^16, p=1 */
	assert_int_equal(crypto_argon2id(SLICE_STR("password"), SLICE_STR("somesalt"), 65536, 2,
				 &out),
		HF_OK);
	assert_slice(secret_slice(&out),
		"09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
	secret_done(&out);
	assert_int_equal(crypto_argon2id(SLICE_STR("p"), SLICE_STR("short"), 64, 1, &out),
		HF_E_ARGUMENTS);
}

static void argon2id_without_memory_is_an_error_and_never_another_key(void **state)
{
	struct secret right = { 0 }, out = { 0 };
	bool fired = true;

	(void)state;
	assert_int_equal(crypto_argon2id(SLICE_STR("pin"), SLICE_STR("somesalt"), 64, 1, &right), HF_OK);
	for (long n = 1; fired; n++) {
		enum hf_err e;

		secret_fail_after(n);
		e = crypto_argon2id(SLICE_STR("pin"), SLICE_STR("somesalt"), 64, 1, &out);
		fired = secret_fail_fired();
		secret_fail_after(-1);
		assert_true(e == HF_OK || fired);
		if (e == HF_OK)
			assert_true(secret_eq(secret_slice(&out), secret_slice(&right)));
		secret_done(&out);
	}
	secret_done(&right);
}

static void ed25519_is_rfc_8032s(void **state)
{
	uint8_t pub[32], sig[64], seed[32], copy[32];
	size_t n;

	(void)state;
	/* §7.1, test 3 */
	hex_decode("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7", seed, 32, &n);
	assert_int_equal(crypto_ed25519_public(SLICE_OF(seed), pub), HF_OK);
	assert_slice(SLICE_OF(pub), "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
	assert_int_equal(crypto_ed25519_sign(SLICE_OF(seed), hex("af82"), sig), HF_OK);
	assert_slice(SLICE_OF(sig),
		"6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
		"18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");
	assert_int_equal(crypto_ed25519_verify(SLICE_OF(pub), hex("af82"), SLICE_OF(sig)), HF_OK);
	sig[0] ^= 1;
	assert_int_equal(crypto_ed25519_verify(SLICE_OF(pub), hex("af82"), SLICE_OF(sig)),
		HF_E_SIGNATURE);
	assert_int_equal(crypto_ed25519_verify(SLICE_OF(pub), hex("af82"),
				 (struct slice){ sig, 63 }),
		HF_E_SIGNATURE_LEN);
	memcpy(copy, pub, sizeof(copy));
	assert_int_equal(crypto_ed25519_verify((struct slice){ copy, 31 }, hex("af82"),
				 SLICE_OF(sig)),
		HF_E_PUBLIC_KEY);
	assert_int_equal(crypto_ed25519_public((struct slice){ seed, 31 }, pub), HF_E_ARGUMENTS);
}

static void random_bytes_do_not_repeat(void **state)
{
	uint8_t a[32] = { 0 }, b[32] = { 0 };

	(void)state;
	assert_int_equal(crypto_random(a, sizeof(a)), HF_OK);
	assert_int_equal(crypto_random(b, sizeof(b)), HF_OK);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(crypto_random(a, 0), HF_OK);
}

struct seen {
	unsigned tests, failed;
};

static void count(void *ctx, const char *name, bool ok)
{
	struct seen *s = ctx;

	assert_non_null(name);
	s->tests++;
	s->failed += !ok;
}

/* RFC 7914, section 11. */
static void stretching_without_memory_is_pbkdf2(void **state)
{
	CLEANUP(secret_done) struct secret k = { 0 };
	uint8_t want[CRYPTO_KEY];
	size_t n;

	(void)state;
	assert_true(hex_decode("55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc", want,
		sizeof(want), &n));
	assert_int_equal(crypto_stretch(SLICE_STR("passwd"), SLICE_STR("salt"), 0, 1, &k), HF_OK);
	assert_true(secret_eq(secret_slice(&k), SLICE_OF(want)));
}

static void the_self_test_passes(void **state)
{
	struct seen s = { 0 };

	(void)state;
	assert_true(crypto_selftest(count, &s));
	assert_true(s.tests >= 25);
	assert_int_equal(s.failed, 0);
}

static void the_self_test_fails_as_a_whole_when_one_test_fails(void **state)
{
	static const char *const names[] = { "random-repetition", "ctr-drbg", "aes-gcm",
		"ml-kem-decapsulate", "ecdsa-pair" };

	(void)state;
	for (size_t i = 0; i < ITEMS(names); i++) {
		struct seen s = { 0 };

		assert_int_equal(setenv("HOLDFAST_TEST_FAIL_SELFTEST", names[i], 1), 0);
		assert_false(crypto_selftest(count, &s));
		assert_int_equal(s.failed, 1);
	}
	assert_int_equal(unsetenv("HOLDFAST_TEST_FAIL_SELFTEST"), 0);
}

static void random_bytes_are_judged(void **state)
{
	static uint8_t s[4096];

	(void)state;
	assert_int_equal(crypto_random(s, sizeof(s)), HF_OK);
	assert_true(crypto_repetition_ok(SLICE_OF(s)));
	assert_true(crypto_proportion_ok(SLICE_OF(s)));
	assert_true(crypto_blocks_new(s, (struct slice){ s + CRYPTO_BLOCK, sizeof(s) - CRYPTO_BLOCK }));
	assert_true(crypto_blocks_new(s, (struct slice){ s, CRYPTO_BLOCK - 1 }));
	assert_false(crypto_blocks_new(s, SLICE_OF(s)));
	memcpy(s + sizeof(s) - CRYPTO_BLOCK, s + sizeof(s) - 2 * CRYPTO_BLOCK, CRYPTO_BLOCK);
	assert_false(crypto_blocks_new(s + CRYPTO_BLOCK, SLICE_OF(s)));
	memset(s + 100, 7, 5); /* and one more before or behind would be rare */
	s[99] = 6;
	s[105] = 8;
	assert_true(crypto_repetition_ok(SLICE_OF(s)));
	s[105] = 7;
	assert_false(crypto_repetition_ok(SLICE_OF(s)));
	for (size_t i = 0; i < 512; i++)
		s[512 + i] = (uint8_t)(i % 9 == 0 ? 0 : i | 1); /* 57 of them */
	assert_true(crypto_proportion_ok(SLICE_OF(s)));
	for (size_t i = 0; i < 512; i++)
		s[512 + i] = (uint8_t)(i % 8 == 0 ? 0 : i | 1); /* 64 */
	assert_false(crypto_proportion_ok(SLICE_OF(s)));
}

static void mechanisms_are_in_order_and_found(void **state)
{
	const struct mech *m;
	size_t i = 0;

	(void)state;
	for (; (m = mech_at(i)) != NULL; i++) {
		assert_ptr_equal(mech_find(m->type), m);
		assert_true(i == 0 || mech_at(i - 1)->type < m->type);
		assert_non_null(m->family);
		assert_true(m->ops != 0);
		assert_true(m->min <= m->max);
	}
	assert_true(i > 130);
	assert_null(mech_find(0x7fffffff));
	assert_null(mech_find(CKM_MD2));
}

static void initializing_twice_is_once(void **state)
{
	(void)state;
	assert_int_equal(crypto_init(), HF_OK);
	assert_non_null(strstr(crypto_version(), "OpenSSL 3."));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sha256_of_two_parts_is_that_of_the_whole),
		cmocka_unit_test(hmac_is_rfc_4231s),
		cmocka_unit_test(an_empty_key_is_one_of_its_own),
		cmocka_unit_test(derived_keys_differ_by_label_and_context),
		cmocka_unit_test(derivation_without_salt_is_rfc_5869s),
		cmocka_unit_test(what_is_sealed_opens_again),
		cmocka_unit_test(what_another_implementation_sealed_opens),
		cmocka_unit_test(a_sealed_message_with_any_bit_changed_is_damaged),
		cmocka_unit_test(the_same_message_never_seals_the_same),
		cmocka_unit_test(argon2id_is_the_reference_implementations),
		cmocka_unit_test(stretching_without_memory_is_pbkdf2),
		cmocka_unit_test(argon2id_without_memory_is_an_error_and_never_another_key),
		cmocka_unit_test(ed25519_is_rfc_8032s),
		cmocka_unit_test(random_bytes_do_not_repeat),
		cmocka_unit_test(the_self_test_passes),
		cmocka_unit_test(the_self_test_fails_as_a_whole_when_one_test_fails),
		cmocka_unit_test(random_bytes_are_judged),
		cmocka_unit_test(mechanisms_are_in_order_and_found),
		cmocka_unit_test(initializing_twice_is_once),
	};

	return cmocka_run_group_tests(tests, crypt_group_setup, NULL);
}
