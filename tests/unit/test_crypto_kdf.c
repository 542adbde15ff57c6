/* Keys made from passwords and from other keys, by answers of others. */
#include "crypt.h"

static enum hf_err made_of_password(uint32_t ckm, const struct params *p,
	const struct component *tmpl, struct parts *ret)
{
	const struct mech *m = mech_find(ckm);
	struct parts in = { 0 };
	struct key_source s = parts_source(&in);
	enum hf_err e;

	assert_non_null(m);
	hex_parts(tmpl, &in);
	e = m->family->generate(m, p, NULL, &s, NULL, ret);
	parts_done(&in);
	return e;
}

static struct params pbkd2(const char *password, const char *salt, uint64_t iterations)
{
	return (struct params){ .id = PARAM_PBKD2, .present = true, .u.pbkd2 = {
		.source = CKZ_SALT_SPECIFIED, .salt = slice_str(salt), .iterations = iterations,
		.prf = CKP_PKCS5_PBKD2_HMAC_SHA1, .password = slice_str(password) } };
}

/* CKK_GENERIC_SECRET is 0x10. */
#define GENERIC(len) COMPONENTS({ CKA_KEY_TYPE, "0000000000000010" }, { CKA_VALUE_LEN, len })

static void pbkdf2_gives_the_answers_of_rfc_6070(void **state)
{
	static const struct {
		const char *password, *salt;
		uint64_t iterations;
		const char *len, *out;
	} rows[] = {
		{ "password", "salt", 1, "0000000000000014",
			"0c60c80f961f0e71f3a9b524af6012062fe037a6" },
		{ "password", "salt", 4096, "0000000000000014",
			"4b007901b765489abead49d926f721d065a429c1" },
		{ "passwordPASSWORDpassword", "saltSALTsaltSALTsaltSALTsaltSALTsalt", 4096,
			"0000000000000019", "3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038" },
	};

	(void)state;
	for (size_t i = 0; i < ITEMS(rows); i++) {
		struct params p = pbkd2(rows[i].password, rows[i].salt, rows[i].iterations);
		struct parts made = { 0 };

		assert_int_equal(made_of_password(CKM_PKCS5_PBKD2, &p, GENERIC(rows[i].len), &made),
			HF_OK);
		assert_slice(parts_get(&made, CKA_VALUE), rows[i].out);
		parts_done(&made);
	}
}

static void pbkdf2_refuses_what_it_cannot_do(void **state)
{
	struct params no_work = pbkd2("password", "salt", 0);
	struct params no_end = pbkd2("password", "salt", UINT64_MAX);
	struct params no_prf = pbkd2("password", "salt", 1);
	struct params no_salt = pbkd2("password", "salt", 1);
	struct params fine = pbkd2("password", "salt", 1);
	struct parts made = { 0 };

	(void)state;
	no_prf.u.pbkd2.prf = CKP_PKCS5_PBKD2_HMAC_GOSTR3411;
	no_salt.u.pbkd2.source = 0;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
			made_of_password(CKM_PKCS5_PBKD2,
				(const struct params *[]){ &no_work, &no_end, &no_prf, &no_salt }[i],
				GENERIC("0000000000000010"), &made),
			HF_E_MECHANISM_PARAM);
	assert_int_equal(made_of_password(CKM_PKCS5_PBKD2, &fine,
				 COMPONENTS({ CKA_KEY_TYPE, "0000000000000010" }), &made),
		HF_E_TEMPLATE_INCOMPLETE);
	/* an AES key (0x1f) of 20 bytes */
	assert_int_equal(made_of_password(CKM_PKCS5_PBKD2, &fine,
				 COMPONENTS({ CKA_KEY_TYPE, "000000000000001f" },
					 { CKA_VALUE_LEN, "0000000000000014" }),
				 &made),
		HF_E_ATTR_VALUE);
}

/* The published PKCS#12 key generation vectors ("smeg"; also in Bouncy Castle's tests). */
static void pkcs12_gives_the_published_mac_key(void **state)
{
	struct params p = { .id = PARAM_PBE, .present = true, .u.pbe = {
		.password = SLICE_STR("smeg"), .salt = hex("3d83c0e4546ac140"), .iterations = 1 } };
	struct parts made = { 0 };

	(void)state;
	assert_int_equal(made_of_password(CKM_PBA_SHA1_WITH_SHA1_HMAC, &p, COMPONENTS({ 0, NULL }),
				 &made),
		HF_OK);
	assert_slice(parts_get(&made, CKA_VALUE), "8d967d88f6caa9d714800ab3d48051d63f73a312");
	parts_done(&made);
	p.u.pbe.iterations = 0;
	assert_int_equal(made_of_password(CKM_PBA_SHA1_WITH_SHA1_HMAC, &p, COMPONENTS({ 0, NULL }),
				 &made),
		HF_E_MECHANISM_PARAM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pbkdf2_gives_the_answers_of_rfc_6070),
		cmocka_unit_test(pbkdf2_refuses_what_it_cannot_do),
		cmocka_unit_test(pkcs12_gives_the_published_mac_key),
	};

	return cmocka_run_group_tests(tests, crypt_group_setup, NULL);
}
