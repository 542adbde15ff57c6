/* backup_token.c: the secret that a backup is sealed under, kept by a key in another token: an AES
 * key (CBC, padded) or an RSA pair (OAEP), through that token's PKCS#11 module.
 *
 *   how u8 | token's label bytes | key's label bytes | IV 16 | encrypted bytes */
#include "backup_seal.h"

#include <string.h>

#include "bench.h"

#define IV 16u
#define SECRET 32u
#define LABEL_MOST 64u
#define ENCRYPTED_MOST 1024u

enum { HOW_AES = 1, HOW_RSA = 2 };

struct kept {
	uint8_t how;
	struct slice token, key, encrypted;
	uint8_t iv[IV];
};

static void close_token(struct bench **b)
{
	bench_close(*b);
}

static bool open_token(struct cli *c, const char *token, struct bench **ret)
{
	CLEANUP(secret_done) struct secret pin = { 0 };
	CLEANUP(buf_done) struct buf text = BUF_MAX(512);
	struct bench_target t = { .module = c->opt[OPT_TOKEN_MODULE], .token = token };

	if (cli_pin(c, OPT_TOKEN_PIN, OPT_TOKEN_PIN_FD, "PIN of the other token", false, &pin) != HF_OK)
		return false;
	buf_raw(&text, secret_slice(&pin));
	buf_u8(&text, 0);
	if (buf_err(&text) != HF_OK)
		return false;
	t.pin = (const char *)text.p;
	return bench_open(&t, ret);
}

static CK_MECHANISM mechanism_of(struct kept *k, CK_RSA_PKCS_OAEP_PARAMS *oaep)
{
	*oaep = (CK_RSA_PKCS_OAEP_PARAMS){ .hashAlg = CKM_SHA_1, .mgf = CKG_MGF1_SHA1,
		.source = CKZ_DATA_SPECIFIED };
	if (k->how == HOW_AES)
		return (CK_MECHANISM){ CKM_AES_CBC_PAD, k->iv, IV };
	return (CK_MECHANISM){ CKM_RSA_PKCS_OAEP, oaep, sizeof(*oaep) };
}

static CK_OBJECT_HANDLE key_of(struct bench *b, const struct kept *k, CK_OBJECT_CLASS rsa)
{
	char label[LABEL_MOST + 1] = "";

	memcpy(label, k->key.p, k->key.n);
	return bench_find(b, b->session, CKA_LABEL, label, k->how == HOW_AES ? CKO_SECRET_KEY : rsa);
}

static bool encrypt(struct bench *b, struct kept *k, struct slice secret, uint8_t *out, size_t *n)
{
	CK_RSA_PKCS_OAEP_PARAMS oaep;
	CK_MECHANISM m;
	CK_OBJECT_HANDLE key;
	CK_ULONG got = *n;

	k->how = HOW_AES;
	key = key_of(b, k, CKO_PUBLIC_KEY);
	if (key == 0) {
		k->how = HOW_RSA;
		key = key_of(b, k, CKO_PUBLIC_KEY);
	}
	if (key == 0) {
		cli_usage("the other token has not one AES key or RSA pair called '%.*s'", (int)k->key.n,
			(const char *)k->key.p);
		return false;
	}
	m = mechanism_of(k, &oaep);
	if (!said(b->p11->C_EncryptInit(b->session, &m, key), "C_EncryptInit") ||
	    !said(b->p11->C_Encrypt(b->session, (CK_BYTE *)(uintptr_t)secret.p, secret.n, out, &got),
		    "C_Encrypt"))
		return false;
	*n = got;
	return true;
}

static bool enc(const struct kept *k, struct buf *out)
{
	buf_u8(out, k->how);
	buf_bytes(out, k->token);
	buf_bytes(out, k->key);
	buf_raw(out, SLICE_OF(k->iv));
	buf_bytes(out, k->encrypted);
	return buf_err(out) == HF_OK;
}

static bool dec(struct slice in, struct kept *k)
{
	struct rd r = rd_of(in);
	const uint8_t *iv;

	if (!rd_u8(&r, &k->how) || k->how < HOW_AES || k->how > HOW_RSA ||
	    !rd_bytes(&r, LABEL_MOST, &k->token) || !rd_bytes(&r, LABEL_MOST, &k->key) ||
	    !rd_take(&r, IV, &iv) || !rd_bytes(&r, ENCRYPTED_MOST, &k->encrypted) || !rd_done(&r))
		return false;
	memcpy(k->iv, iv, IV);
	return true;
}

bool cli_token_keep(struct cli *c, struct recipient *ret)
{
	CLEANUP(close_token) struct bench *b = NULL;
	CLEANUP(buf_done) struct buf body = BUF_MAX(BACKUP_BODY_MOST);
	const char *token = c->opt[OPT_TOKEN], *key = c->opt[OPT_TOKEN_KEY];
	uint8_t encrypted[ENCRYPTED_MOST], *secret = arena_alloc(&c->arena, SECRET, 1);
	size_t n = sizeof(encrypted);
	struct kept k = { 0 };

	if (token == NULL || key == NULL || strlen(token) > LABEL_MOST || strlen(key) > LABEL_MOST) {
		cli_usage("--token-module takes --token and --token-key too: the labels of token and key");
		return false;
	}
	k.token = slice_str(token);
	k.key = slice_str(key);
	if (secret == NULL || crypto_random(secret, SECRET) != HF_OK || crypto_random(k.iv, IV) != HF_OK ||
	    !open_token(c, token, &b) || !encrypt(b, &k, (struct slice){ secret, SECRET }, encrypted, &n))
		return false;
	k.encrypted = (struct slice){ encrypted, n };
	*ret = (struct recipient){ .kind = BACKUP_TO_TOKEN, .secret = { secret, SECRET } };
	return enc(&k, &body) && arena_dup(&c->arena, buf_slice(&body), &ret->body) == HF_OK;
}

static bool decrypt(struct cli *c, struct bench *b, struct kept *k, struct slice *ret)
{
	CK_RSA_PKCS_OAEP_PARAMS oaep;
	CK_MECHANISM m = mechanism_of(k, &oaep);
	CK_OBJECT_HANDLE key = key_of(b, k, CKO_PRIVATE_KEY);
	uint8_t *p = arena_alloc(&c->arena, ENCRYPTED_MOST, 1);
	CK_ULONG n = ENCRYPTED_MOST;

	if (key == 0) {
		cli_usage("the other token has not one key called '%.*s'", (int)k->key.n,
			(const char *)k->key.p);
		return false;
	}
	if (p == NULL || !said(b->p11->C_DecryptInit(b->session, &m, key), "C_DecryptInit") ||
	    !said(b->p11->C_Decrypt(b->session, (CK_BYTE *)(uintptr_t)k->encrypted.p, k->encrypted.n, p, &n),
		    "C_Decrypt"))
		return false;
	*ret = (struct slice){ p, n };
	return true;
}

bool cli_token_recall(struct cli *c, struct slice body, struct opener *ret)
{
	CLEANUP(close_token) struct bench *b = NULL;
	char token[LABEL_MOST + 1] = "";
	struct kept k;

	if (!dec(body, &k)) {
		cli_usage("what the backup says of its token is damaged");
		return false;
	}
	memcpy(token, k.token.p, k.token.n);
	ret->kind = BACKUP_TO_TOKEN;
	return open_token(c, token, &b) && decrypt(c, b, &k, &ret->secret);
}
