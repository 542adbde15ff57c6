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
	e = m->family->generate(m, p, NULL, &s, ret, ret);
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

/* --- one of several keys ----------------------------------------------------------- */

static struct key *secret_of(const char *value)
{
	return key_hex(CKO_SECRET_KEY, CKK_GENERIC_SECRET, COMPONENTS({ CKA_VALUE, value }));
}

/* many runs a derivation; others may end with NULL. The result is d's to free. */
static enum hf_err many(uint32_t ckm, const struct params *p, const char *base,
	const char *const others[2], struct derivation *d)
{
	struct key *k = secret_of(base), *o[2] = { 0 };
	enum hf_err e;

	d->mech = mech_find(ckm);
	assert_non_null(d->mech);
	d->params = p;
	d->base = k;
	d->told = BUF_MAX(4096);
	d->wants = d->wants == 0 ? 1 : d->wants;
	for (size_t i = 0; i < 2 && others != NULL && others[i] != NULL; i++)
		d->other[i] = o[i] = secret_of(others[i]);
	e = d->mech->family->derive_many(d);
	key_free(k);
	key_free(o[0]);
	key_free(o[1]);
	return e;
}

static void check_many(uint32_t ckm, const struct params *p, const char *base,
	const char *const others[2], const char *out)
{
	CLEANUP(derivation_done) struct derivation d = { .want[0] = strlen(out) / 2 };

	assert_int_equal(many(ckm, p, base, others, &d), HF_OK);
	assert_int_equal(d.n, 1);
	assert_slice(secret_slice(&d.made[0]), out);
}

/* --- IKE: NIST's CAVP files of SP 800-135, ikev1 and ikev2, first SHA-1 tests -------- */

#define GXY                                                                    \
	"2a2e0bbe8da3657a83f3d35826e49e2d38e557e912a1b9e6c30c63577b3eab71"      \
	"5466202862027f2c26f3090743555579611771db0b92bef93834432a3a7762fc"      \
	"8a0f4889fd281d6082770d10a40d7bad61e832f041e620d6787e7f62ab2861dd"      \
	"fbe272e0d9d3cdec5f1bbf750e24b8b32d6d714968ad69ce5086c32ad2742ebc"
#define GIR_NEW                                                                \
	"52f00ab174c25d5b7139ae5ff4e8e9eddee5992d2e36adf8a559ffd90dab1442"      \
	"e4fbe429d320c0f33552a17d1557fa41ea70e8fb916c4fa27ed52b5f8ebd8461"      \
	"afa78f1159159a64055ac5f6319e29c28eae58cbc6847770f32c3fed1d047504"      \
	"84f854790f95e9ec01bc5bc461f24966462e359511329305038e94deb6dd42c2"
#define SKEYID "dc37ac99de6dcfbd1ee74af7fb36f9b4b0a7829d"
#define SKEYID_D "486293ed547adb562cefdaf43d3d8457b196f2b6"
#define SKEYID_A "f4053b5ca07e59bb41b8f401037ca90b72b3917e"
#define SK_D "6f1b12cad3cbe097b35430356d869d54cddb0198"

static void ike1_gives_nists_keys(void **state)
{
	static const struct {
		const char *previous, *out;
	} rows[] = {
		{ NULL, SKEYID_D },
		{ SKEYID_D, SKEYID_A },
		{ SKEYID_A, "49a1d53a80fb77e663552964fbbcb45092021473" },
	};
	struct params seed = { .id = PARAM_IKE_PRF, .u.ike_prf = { .prf = CKM_SHA_1_HMAC,
		.data_as_key = true, .ni = hex("ced5635da6796075"),
		.nr = hex("6244b427712fb776") } };

	(void)state;
	check_many(CKM_IKE_PRF_DERIVE, &seed, GXY, NULL, SKEYID);
	for (size_t i = 0; i < ITEMS(rows); i++) {
		struct params p = { .id = PARAM_IKE1_PRF, .u.ike1_prf = { .prf = CKM_SHA_1_HMAC,
			.has_previous = rows[i].previous != NULL, .cky_i = hex("382e5c8b0a3fa307"),
			.cky_r = hex("ba4b7616700a2413"), .number = i } };

		check_many(CKM_IKE1_PRF_DERIVE, &p, SKEYID,
			(const char *const[]){ GXY, rows[i].previous }, rows[i].out);
	}
}

static void ike2_gives_nists_keys(void **state)
{
	struct params plus = { .id = PARAM_IKE2_PLUS, .u.ike2_plus = { .prf = CKM_SHA_1_HMAC,
		.seed = hex("3651fef5c9c35e93c09a8b90a3f04d598e5c3ae507221684b1f201bb155c3acd") } };
	struct params child = { .id = PARAM_IKE2_PLUS, .u.ike2_plus = { .prf = CKM_SHA_1_HMAC,
		.has_seed_key = true, .seed = hex("3651fef5c9c35e93c09a8b90a3f04d59") } };
	struct params rekey = { .id = PARAM_IKE_PRF, .u.ike_prf = { .prf = CKM_SHA_1_HMAC,
		.rekey = true, .ni = hex("3651fef5c9c35e93"), .nr = hex("c09a8b90a3f04d59") } };
	const char *const new_secret[2] = { GIR_NEW, NULL };

	(void)state;
	check_many(CKM_IKE2_PRF_PLUS_DERIVE, &plus, "cd2e8050137832245f1dbacc6e4f0a92f94d45d6",
		NULL, SK_D "ec859174d53ceb92dddedbe2436db69f60977c58"
		"fa63bbb667f8d36920b109baae8f6c61a9ac49feda01843225d080ec5539d588");
	check_many(CKM_IKE2_PRF_PLUS_DERIVE, &child, SK_D, new_secret,
		"b109c21ad4c0797768c1cec9e63554681e48f224bca7f23c20c4ea7041983451e9aa1d54");
	check_many(CKM_IKE_PRF_DERIVE, &rekey, SK_D, new_secret,
		"3b03bce748c96d5e8306918d2ff89b68f0648da3");
}

/* RFC 2409, appendix B: K1 = prf(key, 0), and the key itself where it is long enough. */
static void ike1_stretches_a_short_key_only(void **state)
{
	struct params p = { .id = PARAM_IKE1_EXTENDED,
		.u.ike1_extended = { .prf = CKM_SHA_1_HMAC } };
	CLEANUP(derivation_done) struct derivation d = { .want[0] = 40 };

	(void)state;
	check_many(CKM_IKE1_EXTENDED_DERIVE, &p, SKEYID, NULL, "dc37ac99de6dcfbd");
	assert_int_equal(many(CKM_IKE1_EXTENDED_DERIVE, &p, SKEYID, NULL, &d), HF_OK);
	assert_int_equal(d.made[0].n, 40);
	assert_false(slice_eq((struct slice){ d.made[0].p, 20 }, hex(SKEYID)));
}

static void ike_refuses_contradictions_and_missing_keys(void **state)
{
	struct params both = { .id = PARAM_IKE_PRF, .u.ike_prf = { .prf = CKM_SHA_1_HMAC,
		.data_as_key = true, .rekey = true } };
	struct params no_gxy = { .id = PARAM_IKE1_PRF, .u.ike1_prf = { .prf = CKM_SHA_1_HMAC } };
	struct params no_prf = { .id = PARAM_IKE2_PLUS, .u.ike2_plus = { .prf = CKM_AES_CBC } };
	CLEANUP(derivation_done) struct derivation d = { .want[0] = 16 };

	(void)state;
	assert_int_equal(many(CKM_IKE_PRF_DERIVE, &both, SKEYID, NULL, &d), HF_E_MECHANISM_PARAM);
	assert_int_equal(many(CKM_IKE1_PRF_DERIVE, &no_gxy, SKEYID, NULL, &d), HF_E_KEY_HANDLE);
	assert_int_equal(many(CKM_IKE2_PRF_PLUS_DERIVE, &no_prf, SKEYID, NULL, &d),
		HF_E_MECHANISM_PARAM);
	d.want[0] = 255 * 20 + 1;
	no_prf.u.ike2_plus.prf = CKM_SHA_1_HMAC;
	assert_int_equal(many(CKM_IKE2_PRF_PLUS_DERIVE, &no_prf, SKEYID, NULL, &d), HF_E_KEY_SIZE);
}

/* --- TLS 1.0: NIST's test vectors, as OpenSSL's evpkdf_tls11_prf.txt has them --------- */

#define TLS10_MASTER                                                           \
	"2f6962dfbc744c4b2138bb6b3d33054c5ecc14f24851d9896395a44ab3964efc"      \
	"2090c5bf51a0891209f46c1e1e998f62"

static void tls_1_0_gives_nists_master_secret(void **state)
{
	struct params p = { .id = PARAM_TLS_MASTER, .u.tls_master = {
		.client = hex("e5acaf549cd25c22d964c0d930fa4b5261d2507fad84c33715b7b9a864020693"),
		.server = hex("135e4d557fdf3aa6406d82975d5c606a9734c9334b42136e96990fbd5358cdb2")
	} };
	CLEANUP(derivation_done) struct derivation d = { .want[0] = 48 };

	(void)state;
	assert_int_equal(many(CKM_TLS_MASTER_KEY_DERIVE, &p,
				 "bded7fa5c1699c010be23dd06ada3a48349f21e5f86263d512c0c5cc379f0e78"
				 "0ec55d9844b2f1db02a96453513568d0", NULL, &d),
		HF_OK);
	assert_slice(secret_slice(&d.made[0]), TLS10_MASTER);
	assert_slice(buf_slice(&d.told), "bded");
}

static void tls_1_0_gives_nists_key_block(void **state)
{
	struct params p = { .id = PARAM_TLS_KEYS, .u.tls_keys = {
		.mac_bits = 160, .key_bits = 128, .iv_bits = 128,
		.server = hex("67267e650eb32444119d222a368c191af3082888dc35afe8368e638c828874be"),
		.client = hex("d58a7b1cd4fedaa232159df652ce188f9d997e061b9bf48e83b62990440931f6")
	} };
	CLEANUP(derivation_done) struct derivation d = { 0 }, none = { 0 };

	(void)state;
	assert_int_equal(many(CKM_TLS_KEY_AND_MAC_DERIVE, &p, TLS10_MASTER, NULL, &d), HF_OK);
	assert_int_equal(d.n, 4);
	assert_int_equal(d.macs, 2);
	assert_slice(secret_slice(&d.made[0]), "3088825988e77fce68d19f756e18e43eb7fe6724");
	assert_slice(secret_slice(&d.made[1]), "33504feaf99b3c503d9091b164f166db301d70c9");
	assert_slice(secret_slice(&d.made[2]), "fc0870b4a94563907bee1a61fb786cb7");
	assert_slice(secret_slice(&d.made[3]), "17576890bcc51cb9ead97e01d0a2fea9");
	assert_slice(buf_slice(&d.told),
		"9c953377b195205ff07b369589178796edc963fd80fdbe518a2fc1c35c18ae8d");
	p.u.tls_keys.export = true;
	assert_int_equal(many(CKM_TLS_KEY_AND_MAC_DERIVE, &p, TLS10_MASTER, NULL, &none),
		HF_E_MECHANISM_PARAM);
}

/* The Finished MAC is the PRF under another label: TLS_KDF gives the same bytes. */
static void a_finished_mac_is_the_prfs_output(void **state)
{
	struct params mac = { .id = PARAM_TLS_MAC,
		.u.tls_mac = { .prf = CKM_SHA256, .n = 12, .side = 1 } };
	struct params kdf = { .id = PARAM_TLS_KDF, .u.tls_kdf = { .prf = CKM_SHA256,
		.label = SLICE_STR("server finished"), .client = SLICE_STR("the handshake") } };
	CLEANUP(derivation_done) struct derivation d = { .want[0] = 12 };
	CLEANUP(buf_done) struct buf out = BUF_MAX(64);
	struct key *k = secret_of(TLS10_MASTER);
	struct use u = { CKM_TLS_MAC, VERB_SIGN, k, &mac, SLICE_STR("the handshake"), SLICE_NONE, 5 };

	(void)state;
	assert_int_equal(many(CKM_TLS12_KDF, &kdf, TLS10_MASTER, NULL, &d), HF_OK);
	assert_int_equal(use_run(&u, &out), HF_OK);
	assert_same(buf_slice(&out), secret_slice(&d.made[0]));
	u.verb = VERB_VERIFY;
	u.sig = buf_slice(&out);
	assert_int_equal(use_run(&u, NULL), HF_OK);
	out.p[3] ^= 1;
	assert_int_equal(use_run(&u, NULL), HF_E_SIGNATURE);
	mac.u.tls_mac.side = 3;
	assert_int_equal(use_run(&u, NULL), HF_E_MECHANISM_PARAM);
	key_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pbkdf2_gives_the_answers_of_rfc_6070),
		cmocka_unit_test(pbkdf2_refuses_what_it_cannot_do),
		cmocka_unit_test(pkcs12_gives_the_published_mac_key),
		cmocka_unit_test(ike1_gives_nists_keys),
		cmocka_unit_test(ike2_gives_nists_keys),
		cmocka_unit_test(ike1_stretches_a_short_key_only),
		cmocka_unit_test(ike_refuses_contradictions_and_missing_keys),
		cmocka_unit_test(tls_1_0_gives_nists_master_secret),
		cmocka_unit_test(tls_1_0_gives_nists_key_block),
		cmocka_unit_test(a_finished_mac_is_the_prfs_output),
	};

	return cmocka_run_group_tests(tests, crypt_group_setup, NULL);
}
