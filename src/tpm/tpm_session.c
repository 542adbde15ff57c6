/* tpm_session.c: TPM 2.0 Library, Part 1, "Session-based authorizations" and "Session-based
 * encryption". Everything is SHA-256 and AES-128-CFB. */
#include <string.h>

#include "log.h"
#include "tpm_int.h"

static const TPMT_SYM_DEF aes_cfb = {
	.algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB,
};

static struct slice nonce(const TPM2B_NONCE *n)
{
	return (struct slice){ n->buffer, n->size };
}

/* kdfa: SP 800-108 in counter mode (Part 1, "KDFa"), up to one hash. */
static enum hf_err kdfa(struct slice key, const char *label, struct slice u, struct slice v,
	struct secret *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(256);
	CLEANUP(secret_done) struct secret out = { 0 };

	buf_u32(&b, 1);
	buf_raw(&b, slice_str(label));
	buf_u8(&b, 0);
	buf_raw(&b, u);
	buf_raw(&b, v);
	buf_u32(&b, 8 * TPM_HASH);
	TRY(buf_err(&b));
	TRY(secret_alloc(&out, TPM_HASH));
	TRY(crypto_hmac(key, buf_slice(&b), out.p));
	*ret = secret_take(&out);
	return HF_OK;
}

/* salt_of: KDFe over the point that both agree upon. */
static enum hf_err salt_of(const TPMS_ECC_POINT *theirs, TPMS_ECC_POINT *ours, struct secret *ret)
{
	CLEANUP(secret_done) struct secret z = { 0 }, salt = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(256);
	uint8_t peer[64] = { 0 }, own[64];

	if (theirs->x.size > 32 || theirs->y.size > 32)
		return HF_E_TPM;
	memcpy(peer + 32 - theirs->x.size, theirs->x.buffer, theirs->x.size);
	memcpy(peer + 64 - theirs->y.size, theirs->y.buffer, theirs->y.size);
	TRY(crypto_p256_agree(peer, own, &z));
	ours->x.size = ours->y.size = 32;
	memcpy(ours->x.buffer, own, 32);
	memcpy(ours->y.buffer, own + 32, 32);
	buf_u32(&b, 1);
	buf_raw(&b, secret_slice(&z));
	buf_raw(&b, SLICE_STR("SECRET"));
	buf_u8(&b, 0);
	buf_raw(&b, (struct slice){ own, 32 });
	buf_raw(&b, (struct slice){ peer, 32 });
	TRY(buf_err(&b));
	TRY(secret_alloc(&salt, TPM_HASH));
	TRY(crypto_sha256(buf_slice(&b), salt.p));
	*ret = secret_take(&salt);
	return HF_OK;
}

static enum hf_err new_nonce(TPM2B_NONCE *n)
{
	n->size = TPM_HASH;
	return crypto_random(n->buffer, TPM_HASH);
}

enum hf_err tpm_session_open(struct tpm *t, TPM2_SE type, struct tpm_session *s)
{
	CLEANUP(secret_done) struct secret salt = { 0 };
	TPM2B_ENCRYPTED_SECRET encrypted = { 0 };
	TPMS_ECC_POINT ours = { 0 };
	size_t at = 0;

	TRY(salt_of(&t->point, &ours, &salt));
	TRY(tpm_rc(Tss2_MU_TPMS_ECC_POINT_Marshal(&ours, encrypted.secret, sizeof(encrypted.secret), &at),
		"a point"));
	encrypted.size = (UINT16)at;
	TRY(new_nonce(&s->caller));
	s->tpm.size = sizeof(s->tpm.buffer);
	TRY(tpm_rc(Tss2_Sys_StartAuthSession(t->sys, t->primary, TPM2_RH_NULL, NULL, &s->caller,
		&encrypted, type, &aes_cfb, TPM2_ALG_SHA256, &s->handle, &s->tpm, NULL),
		"StartAuthSession"));
	TRY(kdfa(secret_slice(&salt), "ATH", nonce(&s->tpm), nonce(&s->caller), &s->key));
	s->own = s->key.n;
	s->auth_in_hmac = type == TPM2_SE_HMAC;
	return HF_OK;
}

enum hf_err tpm_session_auth(struct tpm_session *s, struct slice value)
{
	CLEANUP(secret_done) struct secret joined = { 0 };

	TRY(secret_alloc(&joined, s->own + value.n));
	memcpy(joined.p, s->key.p, s->own);
	if (value.n > 0)
		memcpy(joined.p + s->own, value.p, value.n);
	secret_done(&s->key);
	s->key = secret_take(&joined);
	return HF_OK;
}

void tpm_session_close(struct tpm *t, struct tpm_session *s)
{
	if (s->handle != 0)
		(void)Tss2_Sys_FlushContext(t->sys, s->handle);
	secret_done(&s->key);
	*s = (struct tpm_session){ 0 };
}

/* --- one command -------------------------------------------------------------------- */

/* crypt_parameter: key and IV of the direction, from both nonces. */
static enum hf_err crypt_parameter(const struct tpm_session *s, struct slice newer,
	struct slice older, bool encrypt, struct buf *b)
{
	CLEANUP(secret_done) struct secret k = { 0 };

	TRY(kdfa(secret_slice(&s->key), "CFB", newer, older, &k));
	return crypto_aes128_cfb(k.p, k.p + 16, encrypt, b->p, b->n);
}

static enum hf_err encrypt_first(struct tpm *t, const struct tpm_session *s)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(4096);
	const uint8_t *p;
	size_t n;

	TRY(tpm_rc(Tss2_Sys_GetDecryptParam(t->sys, &n, &p), "a parameter"));
	buf_raw(&b, (struct slice){ p, n });
	TRY(buf_err(&b));
	TRY(crypt_parameter(s, nonce(&s->caller), nonce(&s->tpm), true, &b));
	return tpm_rc(Tss2_Sys_SetDecryptParam(t->sys, b.n, b.p), "a parameter");
}

static enum hf_err decrypt_first(struct tpm *t, const struct tpm_session *s)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(4096);
	const uint8_t *p;
	size_t n;

	TRY(tpm_rc(Tss2_Sys_GetEncryptParam(t->sys, &n, &p), "an answer"));
	buf_raw(&b, (struct slice){ p, n });
	TRY(buf_err(&b));
	TRY(crypt_parameter(s, nonce(&s->tpm), nonce(&s->caller), false, &b));
	return tpm_rc(Tss2_Sys_SetEncryptParam(t->sys, b.n, b.p), "an answer");
}

static enum hf_err hash_command(struct tpm *t, const struct tpm_names *names, uint8_t out[TPM_HASH])
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(8192);
	const uint8_t *p;
	uint8_t code[4];
	size_t n;

	TRY(tpm_rc(Tss2_Sys_GetCommandCode(t->sys, code), "a command"));
	TRY(tpm_rc(Tss2_Sys_GetCpBuffer(t->sys, &n, &p), "a command"));
	buf_raw(&b, SLICE_OF(code));
	for (size_t i = 0; i < names->n; i++)
		buf_raw(&b, names->v[i]);
	buf_raw(&b, (struct slice){ p, n });
	TRY(buf_err(&b));
	return crypto_sha256(buf_slice(&b), out);
}

static enum hf_err hash_answer(struct tpm *t, uint8_t out[TPM_HASH])
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(8192);
	const uint8_t *p;
	uint8_t code[4];
	size_t n;

	TRY(tpm_rc(Tss2_Sys_GetCommandCode(t->sys, code), "an answer"));
	TRY(tpm_rc(Tss2_Sys_GetRpBuffer(t->sys, &n, &p), "an answer"));
	buf_u32(&b, 0); /* the response code */
	buf_raw(&b, SLICE_OF(code));
	buf_raw(&b, (struct slice){ p, n });
	TRY(buf_err(&b));
	return crypto_sha256(buf_slice(&b), out);
}

static enum hf_err hmac_of(const struct tpm_session *s, const uint8_t hash[TPM_HASH],
	struct slice newer, struct slice older, TPMA_SESSION attributes, uint8_t out[TPM_HASH])
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(256);
	struct slice key = { s->key.p, s->auth_in_hmac ? s->key.n : s->own };

	buf_raw(&b, (struct slice){ hash, TPM_HASH });
	buf_raw(&b, newer);
	buf_raw(&b, older);
	buf_u8(&b, (uint8_t)attributes);
	TRY(buf_err(&b));
	return crypto_hmac(key, buf_slice(&b), out);
}

static enum hf_err authorize(struct tpm *t, struct tpm_session *s, TPMA_SESSION attributes,
	const struct tpm_names *names)
{
	TSS2L_SYS_AUTH_COMMAND auths = { .count = 1 };
	uint8_t hash[TPM_HASH];

	TRY(new_nonce(&s->caller));
	if ((attributes & TPMA_SESSION_DECRYPT) != 0)
		TRY(encrypt_first(t, s));
	TRY(hash_command(t, names, hash));
	auths.auths[0].sessionHandle = s->handle;
	auths.auths[0].nonce = s->caller;
	auths.auths[0].sessionAttributes = attributes;
	auths.auths[0].hmac.size = TPM_HASH;
	TRY(hmac_of(s, hash, nonce(&s->caller), nonce(&s->tpm), attributes, auths.auths[0].hmac.buffer));
	return tpm_rc(Tss2_Sys_SetCmdAuths(t->sys, &auths), "an authorization");
}

/* check: the answer is this TPM's, to this command. */
static enum hf_err check(struct tpm *t, struct tpm_session *s)
{
	TSS2L_SYS_AUTH_RESPONSE auths = { 0 };
	uint8_t hash[TPM_HASH], expected[TPM_HASH];
	const TPMS_AUTH_RESPONSE *a = &auths.auths[0];

	TRY(tpm_rc(Tss2_Sys_GetRspAuths(t->sys, &auths), "an answer"));
	TRY(hash_answer(t, hash));
	if (auths.count != 1)
		return HF_E_TPM;
	s->tpm = a->nonce;
	TRY(hmac_of(s, hash, nonce(&s->tpm), nonce(&s->caller), a->sessionAttributes, expected));
	if (secret_eq(SLICE_OF(expected), (struct slice){ a->hmac.buffer, a->hmac.size }))
		return HF_OK;
	log_error("the TPM's answer is not authentic: somebody is between it and us");
	return HF_E_TPM;
}

enum hf_err tpm_run(struct tpm *t, struct tpm_session *s, TPMA_SESSION attributes,
	const struct tpm_names *names, const char *what)
{
	attributes |= TPMA_SESSION_CONTINUESESSION;
	TRY(authorize(t, s, attributes, names));
	TRY(tpm_rc(Tss2_Sys_Execute(t->sys), what));
	TRY(check(t, s));
	return (attributes & TPMA_SESSION_ENCRYPT) != 0 ? decrypt_first(t, s) : HF_OK;
}
