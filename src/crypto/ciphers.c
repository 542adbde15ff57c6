/* ciphers.c: see ciphers.h. */
#include <stdio.h>

#include "ciphers.h"
#include "pkcs11_numbers.h"

#define CIPHER_NAME_MAX 32

static const char *const suffixes[BLOCK_MODES] = {
	[BLOCK_ECB] = "-ECB", [BLOCK_CBC] = "-CBC", [BLOCK_CTR] = "-CTR", [BLOCK_GCM] = "-GCM",
	[BLOCK_CCM] = "-CCM", [BLOCK_WRAP] = "-WRAP", [BLOCK_WRAP_PAD] = "-WRAP-PAD",
	[BLOCK_OFB] = "-OFB", [BLOCK_CFB] = "-CFB", [BLOCK_CFB8] = "-CFB8", [BLOCK_CFB1] = "-CFB1",
	[BLOCK_XTS] = "-XTS", [BLOCK_CTS] = "-CBC-CTS",
	[BLOCK_STREAM] = "", [BLOCK_STREAM_POLY1305] = "-Poly1305",
};

#define MODE(m) (1u << BLOCK_##m)
#define BASIC (MODE(ECB) | MODE(CBC))
#define FEEDBACK (MODE(OFB) | MODE(CFB) | MODE(CFB8) | MODE(CFB1))
#define AES_ALL                                                                \
	(BASIC | FEEDBACK | MODE(CTR) | MODE(GCM) | MODE(CCM) | MODE(WRAP) |          \
	 MODE(WRAP_PAD) | MODE(CTS))

static struct row {
	uint32_t ckk;
	size_t key, block;
	const char *name; /* OpenSSL's, up to the mode */
	unsigned modes;
	bool optional; /* OpenSSL's legacy provider has it */
	EVP_CIPHER *cipher[BLOCK_MODES];
} rows[] = {
	{ CKK_AES, 16, 16, "AES-128", AES_ALL, false, { NULL } },
	{ CKK_AES, 24, 16, "AES-192", AES_ALL, false, { NULL } },
	{ CKK_AES, 32, 16, "AES-256", AES_ALL, false, { NULL } },
	{ CKK_CAMELLIA, 16, 16, "CAMELLIA-128", BASIC | MODE(CTR), false, { NULL } },
	{ CKK_CAMELLIA, 24, 16, "CAMELLIA-192", BASIC | MODE(CTR), false, { NULL } },
	{ CKK_CAMELLIA, 32, 16, "CAMELLIA-256", BASIC | MODE(CTR), false, { NULL } },
	{ CKK_ARIA, 16, 16, "ARIA-128", BASIC, false, { NULL } },
	{ CKK_ARIA, 24, 16, "ARIA-192", BASIC, false, { NULL } },
	{ CKK_ARIA, 32, 16, "ARIA-256", BASIC, false, { NULL } },
	{ CKK_SEED, 16, 16, "SEED", BASIC, true, { NULL } },
	{ CKK_AES_XTS, 32, 16, "AES-128", MODE(XTS), false, { NULL } },
	{ CKK_AES_XTS, 64, 16, "AES-256", MODE(XTS), false, { NULL } },
	{ CKK_CHACHA20, 32, 1, "ChaCha20", MODE(STREAM) | MODE(STREAM_POLY1305), false, { NULL } },
	{ CKK_DES3, 24, 8, "DES-EDE3", BASIC | FEEDBACK, false, { NULL } },
	/* By block_key. */
	{ CKK_DES2, 16, 8, "DES-EDE3", BASIC | FEEDBACK, false, { NULL } },
	{ CKK_DES, 8, 8, "DES-EDE3", BASIC | FEEDBACK, false, { NULL } },
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static enum hf_err fetch(struct row *r)
{
	char name[CIPHER_NAME_MAX];

	for (size_t i = 0; i < BLOCK_MODES; i++) {
		if ((r->modes & 1u << i) == 0)
			continue;
		(void)snprintf(name, sizeof(name), "%s%s", r->name, suffixes[i]);
		r->cipher[i] = EVP_CIPHER_fetch(NULL, name, NULL);
		if (r->cipher[i] == NULL && !r->optional)
			return ossl_err(HF_E_INTERNAL);
	}
	return HF_OK;
}

enum hf_err ciphers_init(void)
{
	for (size_t i = 0; i < ROWS; i++)
		TRY(fetch(&rows[i]));
	ERR_clear_error();
	return HF_OK;
}

bool ciphers_have(uint32_t ckk)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].ckk == ckk && rows[i].optional && rows[i].cipher[BLOCK_CBC] == NULL)
			return false;
	return true;
}

const EVP_CIPHER *cipher_find(uint32_t ckk, size_t key, enum block_mode mode)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].ckk == ckk && rows[i].key == key)
			return rows[i].cipher[mode];
	return NULL;
}

size_t cipher_block(uint32_t ckk)
{
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].ckk == ckk)
			return rows[i].block;
	return 1;
}

struct slice block_key(uint32_t ckk, struct slice value, uint8_t room[BLOCK_KEY_MAX])
{
	if ((ckk != CKK_DES && ckk != CKK_DES2) || value.n == 0)
		return value;
	for (size_t i = 0; i < BLOCK_KEY_MAX; i++) /* K1 K1 K1, or K1 K2 K1 */
		room[i] = value.p[i % value.n];
	return (struct slice){ room, BLOCK_KEY_MAX };
}
