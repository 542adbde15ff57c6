/* table */
/* selftest_kats.c: the known answers, each with where it stands. Wycheproof:
 * C2SP/wycheproof, testvectors_v1. */
#include "selftest.h"

#define BYTES(array) { array, sizeof(array) }

static const uint8_t cbc_iv[] = {
	0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d,
	0x0e, 0x0f,
};
static const uint8_t gcm_iv[] = {
	0x98, 0xbc, 0x2c, 0x74, 0x38, 0xd5, 0xcd, 0x76, 0x65, 0xd7, 0x6f, 0x6e,
};
static const uint8_t gcm_aad[] = {
	0xc0,
};
static const uint8_t gmac_iv[] = {
	0x02, 0x19, 0x4e, 0xce, 0x3b, 0xc5, 0x0c, 0x51, 0xc5, 0x2b, 0xdd, 0x83,
};
static const uint8_t xts_tweak[] = {
	0x9a, 0x78, 0x56, 0x34, 0x12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
};
static const uint8_t ecdh_peer[] = {
	0x04, 0x62, 0xd5, 0xbd, 0x33, 0x72, 0xaf, 0x75, 0xfe, 0x85, 0xa0, 0x40, 0x71, 0x5d,
	0x0f, 0x50, 0x24, 0x28, 0xe0, 0x70, 0x46, 0x86, 0x8b, 0x0b, 0xfd, 0xfa, 0x61, 0xd7,
	0x31, 0xaf, 0xe4, 0x4f, 0x26, 0xac, 0x33, 0x3a, 0x93, 0xa9, 0xe7, 0x0a, 0x81, 0xcd,
	0x5a, 0x95, 0xb5, 0xbf, 0x8d, 0x13, 0x99, 0x0e, 0xb7, 0x41, 0xc8, 0xc3, 0x88, 0x72,
	0xb4, 0xa0, 0x7d, 0x27, 0x5a, 0x01, 0x4e, 0x30, 0xcf,
};
static const uint8_t hkdf_salt[] = {
	0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c,
};
static const uint8_t hkdf_info[] = {
	0xf0, 0xf1, 0xf2, 0xf3, 0xf4, 0xf5, 0xf6, 0xf7, 0xf8, 0xf9,
};

const struct kat kats[] = {
	/* FIPS 180-4 examples */
	{
		.name = "sha1",
		.kind = KAT_OUTPUT,
		.verb = VERB_DIGEST,
		.ckm = CKM_SHA_1,
		.ckk = CKK_NONE,
		.in = "616263",
		.out = "a9993e364706816aba3e25717850c26c9cd0d89d",
	},
	/* FIPS 180-4 examples */
	{
		.name = "sha256",
		.kind = KAT_OUTPUT,
		.verb = VERB_DIGEST,
		.ckm = CKM_SHA256,
		.ckk = CKK_NONE,
		.in = "616263",
		.out = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	},
	/* FIPS 180-4 examples */
	{
		.name = "sha512",
		.kind = KAT_OUTPUT,
		.verb = VERB_DIGEST,
		.ckm = CKM_SHA512,
		.ckk = CKK_NONE,
		.in = "616263",
		.out =
			"ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a8"
			"36ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
	},
	/* FIPS 202 examples */
	{
		.name = "sha3-256",
		.kind = KAT_OUTPUT,
		.verb = VERB_DIGEST,
		.ckm = CKM_SHA3_256,
		.ckk = CKK_NONE,
		.in = "616263",
		.out = "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
	},
	/* RFC 4231 §4.2 */
	{
		.name = "hmac-sha256",
		.kind = KAT_OUTPUT,
		.verb = VERB_SIGN,
		.ckm = CKM_SHA256_HMAC,
		.cko = CKO_SECRET_KEY,
		.ckk = CKK_GENERIC_SECRET,
		.part = {
			{ CKA_VALUE, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b" },
		},
		.in = "4869205468657265",
		.out = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
	},
	/* RFC 4231 §4.2 */
	{
		.name = "hmac-sha512",
		.kind = KAT_OUTPUT,
		.verb = VERB_SIGN,
		.ckm = CKM_SHA512_HMAC,
		.cko = CKO_SECRET_KEY,
		.ckk = CKK_GENERIC_SECRET,
		.part = {
			{ CKA_VALUE, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b" },
		},
		.in = "4869205468657265",
		.out =
			"87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702"
			"038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
	},
	/* FIPS 197 §C.3 */
	{
		.name = "aes-ecb",
		.kind = KAT_OUTPUT,
		.verb = VERB_ENCRYPT,
		.ckm = CKM_AES_ECB,
		.cko = CKO_SECRET_KEY,
		.ckk = CKK_AES,
		.part = {
			{ CKA_VALUE, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" },
		},
		.in = "00112233445566778899aabbccddeeff",
		.out = "8ea2b7ca516745bfeafc49904b496089",
	},
	/* SP 800-38A §F.2.1 */
	{
		.name = "aes-cbc",
		.kind = KAT_OUTPUT,
		.verb = VERB_ENCRYPT,
		.ckm = CKM_AES_CBC,
		.cko = CKO_SECRET_KEY,
		.ckk = CKK_AES,
		.part = {
			{ CKA_VALUE, "2b7e151628aed2a6abf7158809cf4f3c" },
		},
		.params = { .id = PARAM_IV, .present = true, .u.iv.raw = BYTES(cbc_iv) },
		.in = "6bc1bee22e409f96e93d7e117393172a",
		.out = "7649abac8119b246cee98e9b12e9197d",
	},
	/* SP 800-38A §F.4.1 */
	{
		.name = "aes-ofb",
		.kind = KAT_OUTPUT,
		.verb = VERB_ENCRYPT,
		.ckm = CKM_AES_OFB,
		.cko = CKO_SECRET_KEY,
		.ckk = CKK_AES,
		.part = {
			{ CKA_VALUE, "2b7e151628aed2a6abf7158809cf4f3c" },
		},
		.params = { .id = PARAM_IV, .present = true, .u.iv.raw = BYTES(cbc_iv) },
		.in = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
		.out = "3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825",
	},
	/* SP 800-38A §F.3.13 */
	{
		.name = "aes-cfb128",
		.kind = KAT_OUTPUT,
		.verb = VERB_ENCRYPT,
		.ckm = CKM_AES_CFB128,
		.cko = CKO_SECRET_KEY,
		.ckk = CKK_AES,
		.part = {
			{ CKA_VALUE, "2b7e151628aed2a6abf7158809cf4f3c" },
		},
		.params = { .id = PARAM_IV, .present = true, .u.iv.raw = BYTES(cbc_iv) },
		.in = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
		.out = "3b3fd92eb72dad20333449f8e83cfb4ac8a64537a0b3a93fcde3cdad9f1ce58b",
	},
	/* Wycheproof aes_gcm_test, 100 */
	{
		.name = "aes-gcm",
		.kind = KAT_OUTPUT,
		.verb = VERB_ENCRYPT,
		.ckm = CKM_AES_GCM,
		.cko = CKO_SECRET_KEY,
		.ckk = CKK_AES,
		.part = {
			{ CKA_VALUE, "b279f57e19c8f53f2f963f5f2519fdb7c1779be2ca2b3ae8e1128b7d6c627fc4" },
		},
		.params = { .id = PARAM_GCM, .present = true,
		  .u.gcm = { .iv = BYTES(gcm_iv), .aad = BYTES(gcm_aad), .tag_bits = 128 } },
		.in = "fcc515b294408c8645c9183e3f4ecee5127846d1",
		.out = "eb5500e3825952866d911253f8de860c00831c81ecb660e1fb0541ec41e8d68a64141b3a",
	},
	/* Wycheproof aes_gmac_test, 8 */
	{
		.name = "aes-gmac",
		.kind = KAT_OUTPUT,
		.verb = VERB_SIGN,
		.ckm = CKM_AES_GMAC,
		.cko = CKO_SECRET_KEY,
		.ckk = CKK_AES,
		.part = {
			{ CKA_VALUE, "1d4a92394c7356a6f528cfb3adb8f253" },
		},
		.params = { .id = PARAM_GCM, .present = true,
		  .u.gcm = { .iv = BYTES(gmac_iv), .tag_bits = 128 } },
		.in = "19b69d4178d49c20b4ee5846cb440c99",
		.out = "3790b32d5cda9f8ef72b643d701077d3",
	},
	/* IEEE 1619-2007, annex B, vector 15 */
	{
		.name = "aes-xts",
		.kind = KAT_OUTPUT,
		.verb = VERB_ENCRYPT,
		.ckm = CKM_AES_XTS,
		.cko = CKO_SECRET_KEY,
		.ckk = CKK_AES_XTS,
		.part = {
			{ CKA_VALUE, "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0bfbebdbcbbbab9b8b7b6b5b4b3b2b1b0" },
		},
		.params = { .id = PARAM_IV, .present = true, .u.iv.raw = BYTES(xts_tweak) },
		.in = "000102030405060708090a0b0c0d0e0f10",
		.out = "6c1625db4671522d3d7599601de7ca09ed",
	},
	/* RFC 4493 §4, example 2 */
	{
		.name = "aes-cmac",
		.kind = KAT_OUTPUT,
		.verb = VERB_SIGN,
		.ckm = CKM_AES_CMAC,
		.cko = CKO_SECRET_KEY,
		.ckk = CKK_AES,
		.part = {
			{ CKA_VALUE, "2b7e151628aed2a6abf7158809cf4f3c" },
		},
		.in = "6bc1bee22e409f96e93d7e117393172a",
		.out = "070a16b46b4d4144f79bdd9dd04a287c",
	},
	/* RFC 3394 §4.1 */
	{
		.name = "aes-kw",
		.kind = KAT_OUTPUT,
		.verb = VERB_WRAP,
		.ckm = CKM_AES_KEY_WRAP,
		.cko = CKO_SECRET_KEY,
		.ckk = CKK_AES,
		.part = {
			{ CKA_VALUE, "000102030405060708090a0b0c0d0e0f" },
		},
		.in = "00112233445566778899aabbccddeeff",
		.out = "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5",
	},
	/* Wycheproof rsa_pkcs1_2048_sig_gen_test, 83 */
	{
		.name = "rsa-pkcs1-sign",
		.kind = KAT_OUTPUT,
		.verb = VERB_SIGN,
		.ckm = CKM_SHA256_RSA_PKCS,
		.cko = CKO_PRIVATE_KEY,
		.ckk = CKK_RSA,
		.part = {
			{ CKA_MODULUS,
			"00a2b451a07d0aa5f96e455671513550514a8a5b462ebef717094fa1fee82224e637f9746d3f7caf"
			"d31878d80325b6ef5a1700f65903b469429e89d6eac8845097b5ab393189db92512ed8a7711a1253"
			"facd20f79c15e8247f3d3e42e46e48c98e254a2fe9765313a03eff8f17e1a029397a1fa26a8dce26"
			"f490ed81299615d9814c22da610428e09c7d9658594266f5c021d0fceca08d945a12be82de4d1ece"
			"6b4c03145b5d3495d4ed5411eb878daf05fd7afc3e09ada0f1126422f590975a1969816f48698bcb"
			"ba1b4d9cae79d460d8f9f85e7975005d9bc22c4e5ac0f7c1a45d12569a62807d3b9a02e5a530e773"
			"066f453d1f5b4c2e9cf7820283f742b9d5" },
			{ CKA_PUBLIC_EXPONENT, "010001" },
			{ CKA_PRIVATE_EXPONENT,
			"7627eef3567b2a27268e52053ecd31c3a7172ccb9ddcee819b306a5b3c66b7573ca4fa88efc6f3c4"
			"a00bfa0ae7139f64543a4dac3d05823f6ff477cfcec84fe2ac7a68b17204b390232e110310c4e899"
			"c4e7c10967db4acde042dbbf19dbe00b4b4741de1020aaaaffb5054c797c9f136f7d93ac3fc8caff"
			"6654242d7821ebee517bf537f44366a0fdd45ae05b9909c2e6cc1ed9281eff4399f76c96b96233ec"
			"29ae0bbf0d752b234fc197389f51050aa1acd01c074c3ac8fbdb9ea8b651a95995e8db4ad5c43b6c"
			"8673e5a126e7ee94b8dff4c5afc01259bc8da76950bae6f8bae715f50985b0d6f66d04c6fef3b700"
			"720eecdcdf171bb7b1ecbe7289c467c1" },
		},
		.in = "54657374",
		.out =
			"264491e844c119f14e425c03282139a558dcdaeb82a4628173cd407fd319f9076eaebc0dd87a1c22"
			"e4d17839096886d58a9d5b7f7aeb63efec56c45ac7bead4203b6886e1faa90e028ec0ae094d46bf3"
			"f97efdd19045cfbc25a1abda2432639f9876405c0d68f8edbf047c12a454f7681d5d5a2b54bd3723"
			"d193dbad4338baad753264006e2d08931c4b8bb79aa1c9cad10eb6605f87c5831f6e2b08e002f9c6"
			"f21141f5841d92727dd3e1d99c36bc560da3c9067df99fcaf818941f72588be33032bad22caf6704"
			"223bb114d575b6d02d9d222b580005d930e8f40cce9f672eebb634a20177d84351627964b83f2053"
			"d736a84ab1a005f63bd5ba943de6205c",
	},
	/* the same, verified */
	{
		.name = "rsa-pkcs1-verify",
		.kind = KAT_VERIFY,
		.verb = VERB_VERIFY,
		.ckm = CKM_SHA256_RSA_PKCS,
		.cko = CKO_PUBLIC_KEY,
		.ckk = CKK_RSA,
		.part = {
			{ CKA_MODULUS,
			"00a2b451a07d0aa5f96e455671513550514a8a5b462ebef717094fa1fee82224e637f9746d3f7caf"
			"d31878d80325b6ef5a1700f65903b469429e89d6eac8845097b5ab393189db92512ed8a7711a1253"
			"facd20f79c15e8247f3d3e42e46e48c98e254a2fe9765313a03eff8f17e1a029397a1fa26a8dce26"
			"f490ed81299615d9814c22da610428e09c7d9658594266f5c021d0fceca08d945a12be82de4d1ece"
			"6b4c03145b5d3495d4ed5411eb878daf05fd7afc3e09ada0f1126422f590975a1969816f48698bcb"
			"ba1b4d9cae79d460d8f9f85e7975005d9bc22c4e5ac0f7c1a45d12569a62807d3b9a02e5a530e773"
			"066f453d1f5b4c2e9cf7820283f742b9d5" },
			{ CKA_PUBLIC_EXPONENT, "010001" },
		},
		.in = "54657374",
		.sig =
			"264491e844c119f14e425c03282139a558dcdaeb82a4628173cd407fd319f9076eaebc0dd87a1c22"
			"e4d17839096886d58a9d5b7f7aeb63efec56c45ac7bead4203b6886e1faa90e028ec0ae094d46bf3"
			"f97efdd19045cfbc25a1abda2432639f9876405c0d68f8edbf047c12a454f7681d5d5a2b54bd3723"
			"d193dbad4338baad753264006e2d08931c4b8bb79aa1c9cad10eb6605f87c5831f6e2b08e002f9c6"
			"f21141f5841d92727dd3e1d99c36bc560da3c9067df99fcaf818941f72588be33032bad22caf6704"
			"223bb114d575b6d02d9d222b580005d930e8f40cce9f672eebb634a20177d84351627964b83f2053"
			"d736a84ab1a005f63bd5ba943de6205c",
	},
	/* Wycheproof rsa_pss_2048_sha256_mgf1_32_test, 3 */
	{
		.name = "rsa-pss-verify",
		.kind = KAT_VERIFY,
		.verb = VERB_VERIFY,
		.ckm = CKM_SHA256_RSA_PKCS_PSS,
		.cko = CKO_PUBLIC_KEY,
		.ckk = CKK_RSA,
		.part = {
			{ CKA_MODULUS,
			"00a2b451a07d0aa5f96e455671513550514a8a5b462ebef717094fa1fee82224e637f9746d3f7caf"
			"d31878d80325b6ef5a1700f65903b469429e89d6eac8845097b5ab393189db92512ed8a7711a1253"
			"facd20f79c15e8247f3d3e42e46e48c98e254a2fe9765313a03eff8f17e1a029397a1fa26a8dce26"
			"f490ed81299615d9814c22da610428e09c7d9658594266f5c021d0fceca08d945a12be82de4d1ece"
			"6b4c03145b5d3495d4ed5411eb878daf05fd7afc3e09ada0f1126422f590975a1969816f48698bcb"
			"ba1b4d9cae79d460d8f9f85e7975005d9bc22c4e5ac0f7c1a45d12569a62807d3b9a02e5a530e773"
			"066f453d1f5b4c2e9cf7820283f742b9d5" },
			{ CKA_PUBLIC_EXPONENT, "010001" },
		},
		.params = { .id = PARAM_RSA_PSS, .present = true,
		  .u.rsa_pss = { CKM_SHA256, CKG_MGF1_SHA256, 32 } },
		.in = "54657374",
		.sig =
			"401eb03cdb47ca88033e3030f6bdecbac8f5c8fc1dd6a13d23d379ed9a2b309891d13d74fea9d21d"
			"159b9e6d8f37efa2489962e24555f56dd434ff1d31ce4f9f5abd3f22cbea8b691d6a11e44efb83e2"
			"bca155e6a164325e0fde2a8865afd5c9f51161a9d615f62af7ec2e31b3e5ab649c164490d31d88cf"
			"ae35b84aea7925690f929a144b6d2f48e8fb894a52deecd1b9a6496990c4ecf1588699a42cacd10c"
			"53af350514e4291ea9a058e77f101e32c1c0cefa61d945f7bc931f8bd19e7ba3169358a60e5a8b01"
			"23bc3199b9fdcafe8e519c41ba675491a27b85e44ef2d77277c10fe107293c8290186913bc9a99b6"
			"40d8da041b64f31eab1d35920985f4a5",
	},
	/* Wycheproof ecdsa_secp256r1_sha256_p1363_test, 1 */
	{
		.name = "ecdsa-verify",
		.kind = KAT_VERIFY,
		.verb = VERB_VERIFY,
		.ckm = CKM_ECDSA_SHA256,
		.cko = CKO_PUBLIC_KEY,
		.ckk = CKK_EC,
		.part = {
			{ CKA_EC_PARAMS, "06082a8648ce3d030107" },
			{ CKA_EC_POINT,
			"042927b10512bae3eddcfe467828128bad2903269919f7086069c8c4df6c732838c7787964eaac00"
			"e5921fb1498a60f4606766b3d9685001558d1a974e7341513e" },
		},
		.in = "313233343030",
		.sig =
			"2ba3a8be6b94d5ec80a6d9d1190a436effe50d85a1eee859b8cc6af9bd5c2e184cd60b855d442f5b"
			"3c7b11eb6c4e0ae7525fe710fab9aa7c77a67f79e6fadd76",
	},
	/* Wycheproof ecdh_secp256r1_test, 1 */
	{
		.name = "ecdh",
		.kind = KAT_DERIVE,
		.ckm = CKM_ECDH1_DERIVE,
		.cko = CKO_PRIVATE_KEY,
		.ckk = CKK_EC,
		.part = {
			{ CKA_EC_PARAMS, "06082a8648ce3d030107" },
			{ CKA_VALUE, "0612465c89a023ab17855b0a6bcebfd3febb53aef84138647b5352e02c10c346" },
		},
		.params = { .id = PARAM_ECDH, .present = true,
		  .u.ecdh = { .kdf = CKD_NULL, .peer = BYTES(ecdh_peer) } },
		.out = "53020d908b0219328b658b525f26780e3ae12bcd952bb25a93bc0895e1714285",
	},
	/* RFC 8032 §7.1, test 2 */
	{
		.name = "ed25519-sign",
		.kind = KAT_OUTPUT,
		.verb = VERB_SIGN,
		.ckm = CKM_EDDSA,
		.cko = CKO_PRIVATE_KEY,
		.ckk = CKK_EC_EDWARDS,
		.part = {
			{ CKA_EC_PARAMS, "06032b6570" },
			{ CKA_VALUE, "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb" },
		},
		.in = "72",
		.out =
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e"
			"458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
	},
	/* the same, verified */
	{
		.name = "ed25519-verify",
		.kind = KAT_VERIFY,
		.verb = VERB_VERIFY,
		.ckm = CKM_EDDSA,
		.cko = CKO_PUBLIC_KEY,
		.ckk = CKK_EC_EDWARDS,
		.part = {
			{ CKA_EC_PARAMS, "06032b6570" },
			{ CKA_EC_POINT, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c" },
		},
		.in = "72",
		.sig =
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e"
			"458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
	},
	/* RFC 5869 §A.1 */
	{
		.name = "hkdf",
		.kind = KAT_DERIVE,
		.ckm = CKM_HKDF_DERIVE,
		.cko = CKO_SECRET_KEY,
		.ckk = CKK_HKDF,
		.part = {
			{ CKA_VALUE, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b" },
		},
		.params = { .id = PARAM_HKDF, .present = true,
		  .u.hkdf = { .extract = true, .expand = true, .prf = CKM_SHA256,
			  .salt_type = CKF_HKDF_SALT_DATA, .salt = BYTES(hkdf_salt),
			  .info = BYTES(hkdf_info) } },
		.out = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
	},
	/* Wycheproof mldsa_44_sign_seed_test, 1 (the signature's SHA-256) */
	{
		.name = "ml-dsa-sign",
		.kind = KAT_OUTPUT,
		.verb = VERB_SIGN,
		.ckm = CKM_ML_DSA,
		.cko = CKO_PRIVATE_KEY,
		.ckk = CKK_ML_DSA,
		.part = {
			{ CKA_PARAMETER_SET, "0000000000000001" },
			{ CKA_SEED, "2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a2a" },
		},
		.params = { .id = PARAM_CONTEXT, .present = true,
		  .u.context = { .hedge = CKH_DETERMINISTIC_REQUIRED } },
		.in = "48656c6c6f20776f726c64",
		.out = "8cd6fc03daa72e87210a4e721523e84c14f27733789075e65736744d4787fdd5",
	},
	/* the same, verified */
	{
		.name = "ml-dsa-verify",
		.kind = KAT_VERIFY,
		.verb = VERB_VERIFY,
		.ckm = CKM_ML_DSA,
		.cko = CKO_PUBLIC_KEY,
		.ckk = CKK_ML_DSA,
		.part = {
			{ CKA_PARAMETER_SET, "0000000000000001" },
			{ CKA_VALUE,
			"db9ac67708f2ba0fac1f92bd802f9be89ecab966feef59872a1a9ac90b1111170a561290ae86b139"
			"68f2506023c014ba09fa449a26e4e9d35595e73986506cc8790e4d07a94d6c736f7ae78cc5e3e3cf"
			"025ce06a09252bef97fe92e94cbd107b1844d1a7c690d88bff9e9336f8f58e0bd5ee384de9c7ffbb"
			"149a6fcd87c77288601d8843e28e0c7a60149d02ebc57b183c39888d98b61cd8ad48135ddb8a1666"
			"743bb689f44c1a92d52017b6a8fa493eeb839dffb086a9a6c399b194a52f0e4164c96ff8a2a54337"
			"de24350a866b5fe4195257778e72511221778f1eae5fa93ed3532f696b9b0767aded85f62ea31102"
			"7c7f5fc4182dcd2864b1c26bd6dcf72ebdedf70471327be0ea1c2ae53e46489c6dbefa512a78fdd7"
			"be0ad3ada16a7f7b1ece49817b44868a2cc234bfdba556c32cc92ec2c5e8a5d206f2e4ee372d4168"
			"1e67d1b7e7b0061870c57f600fafca85f98aed8ce4ba76bba961f9ed56e563220d3ced853b6b28e7"
			"527da0e0912bc932a23c8bab811429bbb4d49b2770bcda44abb932b11c0a5866409fce39fed2b459"
			"c86c8f6e1ab0aefc5879503f4b21a49b4b2de6760c9b6aaf041144a656a26af39f4578e1d482ddc1"
			"360ef751d9784b860ec373d415360fe99f32e126a2ac1243430e8bed1bc90b19b3d219c2712edcf8"
			"1c44b4331f6421088e662b695e1fd8fa5091f616ab60af70f159b63368f1ac60d77b279ed47ef7f2"
			"4ec2044bb6c2bc76d933ecd568f7e663392afc1d335abac6c03670adf87747dde90052f5cd45f7d3"
			"0f43a4dc3c500ceb658fce235c171240baca1b5a14733d774b9416c540f53eb83481afc98344b12a"
			"4309e6222b08d978430467497010314c6f6b8caf65361c216106395275a67d7500dbc120f7918c6f"
			"8db7aa63fa965b4a22c70dc88f727d768ce2bfc7597fd470184e1c59a6b2e1204cc8c3d052c594d5"
			"771e0ccc8cfb191f47038b1c0672f07caf4747562d3d76a9816fb1def1391cf0f05fcdbf2a0eb6c2"
			"1ac24b26e74ee403133e80a79313ddb02c1fa386c6dd1d420195343e3a104aff6d60887f7304fa9e"
			"3bb59bb55f820dd85b1445c54e9a38dc1c7f3b88eb36a9f48d13455e51c934825ff3cd8bedb2b542"
			"2344120399eef83a360b83440ebdd8ea6e01c95159e3735bb4408500caa785ca4049891c7331c4ea"
			"31ad9060ece768fd339e6904f88e27bad3b28845687be2cc9314f300fda56fe3ff2508e54c59123b"
			"068f86fe00213d5af8da1b1735423ed688f097c306dbc121b81f532fcaf872d9f80596642295d6e4"
			"bead478644081618ab903b39e9b5e7cc0b5f2742d8337b18d4ad4788db7443e946cafc1762a5da84"
			"070e8c2fd86d6c633f0b44ee234ba11b9e1440c94a08d0437015279690405353059020fd2f58f15d"
			"ab18754177244adfb81ceab79c7840bf3884a3d364afc8c453a425fd8c5378eaa7445f8c6256bfbd"
			"03a66c53e8cf27e2c52f14ef3294afe79cda408f5dff933ca0211a78a4e3be3d9a932558ed71ed19"
			"bbb57f87937fa3d4a78128491ff096a261045bdd186325c42caa8c7564195a4d2499a1c17d21a52d"
			"1aacd221d9c8a1866963a20390f2fd43dcf56b308a1c01c38091fd3e04c12b695de497d48bcc268d"
			"50cb0bed793b8e6937e8d533afd568521f1c9377a3804d38e785674d7ce868d289938e33dda6edc7"
			"6d25b15fcb38852b7803cfe62f08d9fbd070957c4e6f134973964c9dc009985c8501e7d8f72e7ec2"
			"85d5289fdd07f64d62acaa9737b039efa7a9d1d175577c6bcf9dddcf692877af38e75263bebe2453"
			"155be61f0723c274388a532abe29dd7023e327085f4c9dda41839b7b3357ab9d" },
		},
		.params = { .id = PARAM_CONTEXT },
		.in = "48656c6c6f20776f726c64",
		.sig =
			"1aa69cb5ed35204534f25f40a17eb0d767f8981f5e7cec46d3bf3252bfc78e09d02ef0c82da6dde9"
			"73611c849472890106158cb15ffa6ca891615e888efa0d2d8a121b75ca440228ad32991be3424962"
			"0f158ffd6f74d7b03bf919218ce259b500808ec157ead67b56b79e9e6607eafb9227b8a30adbec08"
			"7d35bc1aec2f1a0c4dd126dfcfb9fbf0bd74fb1e092495fa994ab5a7cd1333281aafe834694a6dc1"
			"1e889c762b5645638e172dfab3060031ebcdc1fd455d5de6050bf71b074a4dd34af5ebf15487651f"
			"0f13e5d3cee231b9b347810bfc418196df9d7231780c09171b9aae732bea27a1649d8c03220f417e"
			"30a016b08ccb1d55c9337b4812e20e04523f5d29a760a01b3a80d76285521206481ee1e44df09a76"
			"913ba54ae50c8eb973a3ced73950fbf39c4c0c1262a216821a442072c10cc82839ac57b898411be9"
			"e810f893272a2546ff7d1d920f146210efc2b4528bc98a099a398302d301fc1dea31b3d8ff78246a"
			"66f690ef536b68e02bd7ea23a5378930dde7f1beb51749896a7944e5a40e6fbbb1f76c3fda09e32e"
			"0a58062c24cac7ddb8c1d2cbb352a81e336425c5f551246db45ecd0ab29dac88cdebf51c60bebc2e"
			"27c974f56da12c1fec4f5745850429b607f5ed7cd821f2c91fc2dda8c2c8e8ec278d1b2a5bf50ec7"
			"0c5623fc681b4d1dccff96b324cb53ff97470f9de177c2006a89af8f18603a6d4ea2625794695fe7"
			"9cd30318a1e76307a4c2a353db1e076ad9b609a2489b94cb6dd821c3af31046bb7a5d43d190e09fc"
			"e4969fe4e93c8393975e64cb2d9c2294fc427ef5191c40937929b3b0e1b037e6b84cc0299d5af2b5"
			"410118bfd88ef6491af6f21233390ca7a19f1576e6c5a10a673796905562075047896e3a2379f64d"
			"fbbc12b9bfe64939c2d05efbc5f6e4b5ca69ce1ed4b7d25e8c835b0612b33e13ed7a8a7233b4b3d5"
			"8eead0bc4c841acb65a5ec0ed45e2584c23c2a162392b5789c62358e4038864e20c10e10c67d940c"
			"e78993178dbeb3de1fea1e50e7c29f4d7d938c3bfe50229ea040102f30d5b3a64cb8e13420065d54"
			"a1ac50a77383bdff3cae2340ebf15a1557fde897007c1b67d04f19431ca00cb0f08db87e90e166e0"
			"f4ce6fd69c6ecef1b3f70d9eb601b57a7bf931057c2afe2d3567b6bbec7891c664713385122fdd78"
			"9c1d5a8a9cfd491f407c16d0b0c5dfc53a6862208e264b981bf2ddbdd1d7db9729b5265c4c3868a9"
			"47c982880bc55b786153b89ef3324067b35a928c51236bcbe9f860ad9eee5644478f894a9fe78d26"
			"a5a17d482612f1cb9983b864e6fba84591c0f73b7b27918819d2121d4af640f533e2939d3da0f0aa"
			"6b9df80837a80165ae8b7579715192eb0f6cca78a43d8ad8d7abb56d816e3af2de59b88bfdcf6767"
			"abfb043d3ae24223d05001953faa292671c57ade1fe28988075ab8d14ac98363412bd694c40ae85b"
			"1f104afcd0f25aa590f57ba4f5dfdf613bf8594e3f54baadfdf50c0881af2475590758a23b7eee72"
			"5513e4d1ea9f4630159c424a289f18a9879e5e173390f8e630f6ee2a6043d82a1983dc97c7acfea3"
			"b0c03e27e865d810d012daeec28dc454f59334edf24627d435701d329ff5e68d19bbdca5ef7d5e00"
			"204fa947d08f81cb6484cabe60989d2f61fbe70940f7e4f449b3fcb103a89143d74b15d72e7913dc"
			"e9193a0b9c5a7b2a97bde6d7f396ae80b4b566f9f2e7345bc42ce3b002818e19f0f16416b850832c"
			"d02279ee8d58a381deaac09b1b4d4613f4d066805d2faea6716e015fe361c0526c6e4617a389ffdf"
			"930213c1dc0c4c905c3106a7517dce7abea7a9341132f8ad98de3e42f6b75809fff38f6eeafb9739"
			"8e79d50a5622338763c4e45a88ddda7fb87ab7f5cec61109fdc1c5d4a16310275241fc34178028a4"
			"9fd79581a05c3b6984eecd6cb9bd60a44da72600f8f2604a4ff4578126194fb2269c8e6e71447445"
			"e8e80bf8c6063dbbf29c7ded58abbc0d2eed347bf495b6a9cbe68585a594aa0e65834bfbcccc3f6b"
			"f42fe4ef42d86232c3fb1412dd0b5f8a0489958f5c3b883bf7851337a35b13dd2b6517626ff2d106"
			"4cd189beb402497dd6b8893d414dde7d1d51018c7a83766a2d8a29b80e8f428237732f7ee5ba8781"
			"63f0aa8af5b60533b4d4621a38fdc54383acb3325b5e876e21483eddcc64c419596e656d1557be31"
			"b530ea66054f79d4f4a755f9ee33c84fed5d552ec5e2eccd061cf4c4b5c3c16a70a7baecccfc208d"
			"2430e78621c9ae5b0d080973b4e1df0a1f5c0415db6d3c85f9ea9041e9a9abdde71d6776a522aa95"
			"7f708b14a33eda10ebbab93bb8ec2b7a04679f38eb44fc558ee698d3c6937e0e647dce898d7599fe"
			"f6de32ae4d52adc722443610b2126559756aa36f3c79696b99be3d908f780fcbaef33b215693634d"
			"63ce2a0777dfbbc899d2be72efdbafbc10aefb26a1a63cdcfda00235b34db723c91624ee5f939024"
			"dfedba0863ad08f648767d41fc7fd6b317c51f4b1b87e21e07d488c9423581f9bbdae43e4d32b37e"
			"8283960524f9a601ab69f5cd7fb01c9a8a5c64fe863519a1e9f3426398f691a96e1748491b4e209f"
			"ca2ab29481a674621c797614ba16fbfdfd1a4184e7f84667e720e6bcd9debef32c2b9e891a6e3c04"
			"23158f539838d8413e9fc707d5c65b23368b6edc95d9c3f8e20bbb844499311614945606c1487ef4"
			"015d1e260fa8239abaa071be572163132bdb06ef21e31be0f9d4b6747134e4842bedcd3bf53b0d6f"
			"054693bc428e9a715d5a32a79e6a3cb8b81faf2c04087d8816752637a2fe11eacb38341e02484856"
			"2a29d4585e4ee56552ce9b1fad43b965a37bff8558921790ef0f4ac55bcac4327d1783f5e1e79bf0"
			"1e96934bb4a8f5dd06c83bb70b2377189d622a106100f0cbdd38e34c0565900c616561161b326185"
			"9133f83893feb22b0bafc82cf4f0dbafde0648e2f86260e6e747034e5cb3ece98087fbf74179c630"
			"6f0c460b5d609b9b3a66761472ee0b9dabb5dfa872d5c6bc9b33461a27b5427bd8833f874f479ecc"
			"5f0a20304b9a75aacc82420a87af6469daaef53391ae8a25468e717dc47f464fce45a31147c0c4e1"
			"2ac2f834567e4005b0827d13b3ec80cd8b7a907436e6624c6c8ac6a80add35cfa1a28872fb65cb3f"
			"a46894d116a052f19b5fe20c7ead10bd24d27ad2b5683f299d1193ec6d9ff3379f3b3e39cb999183"
			"1f194af2041085508da4dcb7b8785cbdc4e04cf4d826d1ef4a11036e4c5803c3aaa7669b4dd3bc12"
			"ff888984e9bbdace0e772ab59332b47300334757677578808e90929697a9cecfd6ed1b303d425073"
			"8a97a0aabac6d91e283a4b696f7181828493aec8cdcfe1eaecfc0227484957595badbcbfc8fa0000"
			"00000000000000000000000000000000121f323e",
	},
	/* Wycheproof mlkem_512_test, 1 */
	{
		.name = "ml-kem-decapsulate",
		.kind = KAT_DECAPSULATE,
		.ckm = CKM_ML_KEM,
		.cko = CKO_PRIVATE_KEY,
		.ckk = CKK_ML_KEM,
		.part = {
			{ CKA_PARAMETER_SET, "0000000000000001" },
			{ CKA_SEED,
			"a3896e30892230a6c1dff667f8caee759ff84a08e3462ae484fcbca9971d7959cdc6c5ec65f10a5a"
			"24b5145aac863232ee3b2229ca3a6c4b9c8a2dafc315d9d4" },
		},
		.in =
			"00ec7fcdb617629fead7f43cf59a7d3a0b946b5c5f472407812c15c44249e52974483eb31fb6ce5e"
			"15728708ef24f78bb61bb5c8b6ebb4e8a96e5b898e069c499c44a57efb0907234597e810f4de40d8"
			"5d6eacd775b83400937ac863cfe5d406469b8d3ca4f6dbe0aced60fbecb32588f1ddaaa08ba5c5b1"
			"77ab51b548d8ae2218eb2d9b02b31cb4bb6e7754b6a74856316ad3e0394025f750412023a74ab851"
			"fc03171cada993c6469fa254b5d384edab1efe8f2efb6eba37c7ba7434bb243331938849114ad398"
			"cf91038fb96c30a712f47e1c7183956838d487016f023bd9900a94c606edaa42bf0e67f2aedd03f5"
			"a581e55af29e24af061ba73da64c3869d7598a0c95c3c8330ecb4481cab2c85ccaaa366f99f3bafc"
			"980362f4d701a233d0967ded78e4f1874b42cda774b888d31f1671d6567d1636d5b2bcc117e2a256"
			"f343541c3e173e900b6d6c71bcd55479d23dee6b54e2fe32303c7955fa5f567894605ed75e65e548"
			"58222c0d065ba9231fcd82ab86af63c242d10d1d30b4176e2bb8169fbd7f03cfa044098853382083"
			"284ef8cecf05f9d0bd3d9af84f6df551e3d11e9281794d36a619f61e47901ea0dd695782241250f0"
			"b5c2a20d76d3afefcb11d015179d6a9a74121c448e315f507cb29add40da4eb05cae27320c4b18a2"
			"5d7af24ac7b0bdf7382143d4d02db3e7d016f9ff5638e0df7968f785ac8000c7545a1a70d6fd43cc"
			"3ba28d82e9eb6ccb391e094ba85a49ad6e9f8fd8faa9954062a5df13c69847bee485bc6624b40b81"
			"28fe911231b4ef9b4a22ced4f8140df65a5b8180665128273fde02955a65921f0d1be139fbe1edf0"
			"ac01db1d2a5ffd95d63d33b0a7627cab4bcd37647238c80197d4fa88a7e34d4caa066dba2ae6feff"
			"f6a1e804a72d49ed443c29b2db313fdf25d98d0dee992befc4572f8b1eee0db7227b6e202ef69ea8"
			"340ae3690fc064d3edfd8d067934db3061767e4857e805e888294efa7248743fcaa1e01acdaf491d"
			"e408c58869bc9624c951103c079793be1edfa9442df4dece40eabb99e9b01410fc0108b26a13cd42"
			"4cd9a9de5bafa1fc",
		.out = "cf3bcfeb2679cb43658fcdcd01aa1505bcea1e72a165ccac7bfb66d9dc0c0e90",
	},
};
const size_t kat_count = sizeof(kats) / sizeof(kats[0]);
