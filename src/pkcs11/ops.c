#include "module.h"

#include <string.h>

/* --- answers with a length ------------------------------------------------ */

uint32_t output_max(const void *p, const CK_ULONG *len)
{
	if (p == NULL)
		return WIRE_NO_OUTPUT;
	return *len < WIRE_NO_OUTPUT ? (uint32_t)*len : WIRE_NO_OUTPUT - 1;
}

CK_RV output_give(uint32_t need, struct slice out, CK_BYTE_PTR p, CK_ULONG_PTR len)
{
	CK_ULONG room = *len;

	*len = p == NULL || need > room ? need : out.n;
	if (p == NULL)
		return CKR_OK;
	if (need > room || out.n > room)
		return CKR_BUFFER_TOO_SMALL;
	if (out.n > 0)
		memcpy(p, out.p, out.n);
	return CKR_OK;
}

/* --- one call ------------------------------------------------------------- */

/* struct step is a call of an operation. All of them are built alike:
 *   | data, if it takes some | signature, if it takes one | max, if it answers |
 *   answer: | need u32 | out bytes | */
struct step {
	enum calls_op op;
	CK_SESSION_HANDLE session;
	const struct slice *data, *signature; /* NULL: it has none */
};

static enum hf_err ask_silent(struct entry *e, const struct step *s)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(WIRE_MAX_BYTES);
	struct transfer t = { s->op, s->session, s->data, SLICE_NONE };

	if (s->signature != NULL)
		buf_bytes(&b, *s->signature);
	TRY(buf_err(&b));
	t.tail = buf_slice(&b);
	return client_transfer(e->client, &t, NULL);
}

/* ask_output: p NULL asks for the length only. */
static enum hf_err ask_output(struct entry *e, const struct step *s, CK_BYTE_PTR p, CK_ULONG room,
	struct transfer_out *ret)
{
	uint32_t max = output_max(p, &room);
	uint8_t tail[4];
	struct transfer t = { s->op, s->session, s->data, SLICE_OF(tail) };

	put_u32(tail, max);
	*ret = (struct transfer_out){ .p = p, .room = p == NULL ? 0 : max };
	return client_transfer(e->client, &t, ret);
}

/* output_otp asks for the length first: a password that finds no room is used up. */
static CK_RV output_otp(struct entry *e, const struct step *s, CK_BYTE_PTR p, CK_ULONG_PTR len)
{
	struct transfer_out o;

	TRY_CKR(ask_output(e, s, NULL, 0, &o));
	if (p == NULL || *len < otp_size(o.need)) {
		*len = otp_size(o.need);
		return p == NULL ? CKR_OK : CKR_BUFFER_TOO_SMALL;
	}
	TRY_CKR(ask_output(e, s, p + otp_size(0), *len - otp_size(0), &o));
	return otp_give(o.n, p, len);
}

/* apart keeps data as they are while p, n bytes, is written: in a copy, if both overlap. */
static enum hf_err apart(struct slice *data, const CK_BYTE *p, CK_ULONG n, struct buf *copy)
{
	uintptr_t out = (uintptr_t)p, in = (uintptr_t)data->p;

	if (out < in ? in - out >= n : out - in >= data->n)
		return HF_OK;
	buf_raw(copy, *data);
	*data = buf_slice(copy);
	return buf_err(copy);
}

static CK_RV output(struct entry *e, const struct step *s, CK_BYTE_PTR p, CK_ULONG_PTR len)
{
	CK_ULONG room = *len;
	struct transfer_out o;

	if ((s->op == CALLS_SIGN || s->op == CALLS_SIGN_FINAL) && signs_otp(e, s->session))
		return output_otp(e, s, p, len);
	TRY_CKR(ask_output(e, s, p, room, &o));
	*len = p == NULL || o.need > room ? o.need : o.n;
	return p != NULL && o.need > room ? CKR_BUFFER_TOO_SMALL : CKR_OK;
}

/* --- more data than a message holds --------------------------------------- */

/* struct family names the calls of one kind of operation. */
struct family {
	enum op_kind kind;
	enum calls_op init, single, update, final;
	bool update_answers; /* encrypt and decrypt give output all along */
};

#define FAMILY(name, kind, answers)                                            \
	{ OPK_##kind, CALLS_##name##_INIT, CALLS_##name, CALLS_##name##_UPDATE, \
		CALLS_##name##_FINAL, answers }

static const struct family encryption = FAMILY(ENCRYPT, ENCRYPT, true);
static const struct family decryption = FAMILY(DECRYPT, DECRYPT, true);
static const struct family digesting = FAMILY(DIGEST, DIGEST, false);
static const struct family signing = FAMILY(SIGN, SIGN, false);
static const struct family verifying = FAMILY(VERIFY, VERIFY, false);
static const struct family expecting = FAMILY(VERIFY_SIGNATURE, VERIFY_SIGNATURE, false);

static enum hf_err cancel(struct entry *e, CK_SESSION_HANDLE session, uint32_t ops)
{
	struct op_cancel_req q = { .ops = ops };
	struct op_cancel_res r;

	return do_op_cancel(e->client, session, &q, &r, &e->arena);
}

/* feed sends data in parts that a message holds; output goes to p, room bytes, *ret_n of them used.
 * p NULL: the calls answer nothing. */
static enum hf_err feed(struct entry *e, const struct family *f, CK_SESSION_HANDLE session,
	struct slice data, CK_BYTE_PTR p, CK_ULONG room, CK_ULONG *ret_n)
{
	size_t done = 0, most = client_part_max(e->client);

	*ret_n = 0;
	while (done < data.n) {
		size_t n = data.n - done < most ? data.n - done : most;
		struct slice part = { data.p + done, n };
		struct step s = { f->update, session, &part, NULL };
		CK_ULONG left = room - *ret_n;
		struct transfer_out o = { 0 };
		enum hf_err err = p == NULL ? ask_silent(e, &s) :
					      ask_output(e, &s, p + *ret_n, left, &o);

		if (err != HF_OK)
			return err;
		if (o.need > left)
			return HF_E_DATA_LEN;
		*ret_n += o.n;
		done += n;
	}
	return HF_OK;
}

#define STRIDE 64u /* a multiple of every cipher's block */

/* large_need: what a call with so much data has to have room for. That grows with the data, or not at all
 * (they are gathered, or answered by one number): two short lengths with the same remainder tell. */
static enum hf_err large_need(struct entry *e, const struct step *s, CK_ULONG *ret)
{
	struct slice part = { s->data->p, STRIDE + s->data->n % STRIDE };
	struct step ask = { s->op, s->session, &part, NULL };
	struct transfer_out less, more;

	TRY(ask_output(e, &ask, NULL, 0, &less));
	part.n += STRIDE;
	TRY(ask_output(e, &ask, NULL, 0, &more));
	*ret = more.need;
	if (more.need > less.need)
		*ret += s->data->n - part.n;
	return HF_OK;
}

/* large_cipher does all of a single-part call, or one update. Too small a buffer leaves the operation as it
 * was, so it has to hold what padding might turn out to be, too. */
static CK_RV large_cipher(struct entry *e, const struct family *f, const struct step *s,
	CK_BYTE_PTR p, CK_ULONG_PTR len)
{
	CLEANUP(buf_done) struct buf copy = BUF_MAX(SIZE_MAX);
	struct step final = { f->final, s->session, NULL, NULL };
	struct slice data = *s->data;
	CK_ULONG need, fed, rest = 0;
	enum hf_err err;
	CK_RV rv;

	TRY_CKR(large_need(e, s, &need));
	if (p == NULL || *len < need) {
		*len = need;
		return p == NULL ? CKR_OK : CKR_BUFFER_TOO_SMALL;
	}
	if (p > data.p) /* what comes out of one part would be the next part's data */
		TRY_CKR(apart(&data, p, *len, &copy));
	err = feed(e, f, s->session, data, p, *len, &fed);
	rv = err_ckr(err);
	if (err == HF_OK && s->op == f->single) {
		rest = *len - fed;
		rv = output(e, &final, p + fed, &rest);
	}
	if (rv != CKR_OK) { /* what was fed in cannot be taken back */
		(void)!cancel(e, s->session, 1u << f->kind);
		return rv;
	}
	*len = fed + rest;
	return CKR_OK;
}

/* The length is asked for before anything is fed in, so that too small a buffer
 * leaves the operation as it was. */
static CK_RV large_digest(struct entry *e, const struct family *f, const struct step *s,
	CK_BYTE_PTR p, CK_ULONG_PTR len)
{
	struct step final = { f->final, s->session, NULL, NULL };
	CK_ULONG need = 0, none;
	CK_RV rv = output(e, &final, NULL, &need);

	if (rv != CKR_OK)
		return rv;
	if (p == NULL || *len < need) {
		*len = need;
		return p == NULL ? CKR_OK : CKR_BUFFER_TOO_SMALL;
	}
	TRY_CKR(feed(e, f, s->session, *s->data, NULL, 0, &none));
	return output(e, &final, p, len);
}

/* --- the shapes of a function ---------------------------------------- */

/* begin: NULL for a mechanism ends the active operation (PKCS#11 3.2 §5.8.1). key,
 * signature: NULL: it has none. */
static CK_RV begin_with(const struct family *f, CK_SESSION_HANDLE session, CK_MECHANISM_PTR m,
	const CK_OBJECT_HANDLE *key, const struct slice *signature)
{
	ENTER(e);
	CLEANUP(buf_done) struct buf b = BUF_MAX(WIRE_MAX_BYTES);
	struct mech_in in;
	struct rd r;

	if (m == NULL)
		return err_ckr(cancel(&e, session, 1u << f->kind));
	TRY_CKR(mechanism_encode(&e, m, &in));
	mech_in_enc(&b, &in);
	if (key != NULL)
		buf_u64(&b, *key);
	if (signature != NULL)
		buf_bytes(&b, *signature);
	TRY_CKR(buf_err(&b));
	return err_ckr(client_call(e.client, f->init, session, buf_slice(&b), &e.arena, &r));
}

static CK_RV begin(const struct family *f, CK_SESSION_HANDLE session, CK_MECHANISM_PTR m,
	const CK_OBJECT_HANDLE *key)
{
	return begin_with(f, session, m, key, NULL);
}

/* to_output: data (NULL: none) in, bytes out. f NULL: there is no call for parts. */
static CK_RV to_output(const struct family *f, const struct step *s, CK_BYTE_PTR p,
	CK_ULONG_PTR len)
{
	ENTER(e);
	REQUIRE(len != NULL && (s->data == NULL || given(s->data->p, s->data->n)));
	if (s->data == NULL || s->data->n <= client_part_max(e.client))
		return output(&e, s, p, len);
	if (f == NULL)
		return CKR_DATA_LEN_RANGE;
	return f->update_answers ? large_cipher(&e, f, s, p, len) : large_digest(&e, f, s, p, len);
}

/* to_nothing: data in, nothing out. */
static CK_RV to_nothing(const struct family *f, CK_SESSION_HANDLE session, CK_BYTE_PTR p,
	CK_ULONG n)
{
	ENTER(e);
	struct slice data = bytes_of(p, n);
	struct step s = { f->update, session, &data, NULL };
	CK_ULONG none;

	REQUIRE(given(p, n));
	if (n <= client_part_max(e.client))
		return err_ckr(ask_silent(&e, &s));
	return err_ckr(feed(&e, f, session, data, NULL, 0, &none));
}

/* --- encrypt and decrypt -------------------------------------------------- */

CK_RV C_EncryptInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey)
{
	return begin(&encryption, hSession, pMechanism, &hKey);
}

CK_RV C_Encrypt(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen,
	CK_BYTE_PTR pEncryptedData, CK_ULONG_PTR pulEncryptedDataLen)
{
	struct slice data = bytes_of(pData, ulDataLen);
	struct step s = { CALLS_ENCRYPT, hSession, &data, NULL };

	return to_output(&encryption, &s, pEncryptedData, pulEncryptedDataLen);
}

CK_RV C_EncryptUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen,
	CK_BYTE_PTR pEncryptedPart, CK_ULONG_PTR pulEncryptedPartLen)
{
	struct slice data = bytes_of(pPart, ulPartLen);
	struct step s = { CALLS_ENCRYPT_UPDATE, hSession, &data, NULL };

	return to_output(&encryption, &s, pEncryptedPart, pulEncryptedPartLen);
}

CK_RV C_EncryptFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pLastEncryptedPart,
	CK_ULONG_PTR pulLastEncryptedPartLen)
{
	struct step s = { CALLS_ENCRYPT_FINAL, hSession, NULL, NULL };

	return to_output(NULL, &s, pLastEncryptedPart, pulLastEncryptedPartLen);
}

CK_RV C_DecryptInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey)
{
	return begin(&decryption, hSession, pMechanism, &hKey);
}

CK_RV C_Decrypt(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pEncryptedData,
	CK_ULONG ulEncryptedDataLen, CK_BYTE_PTR pData, CK_ULONG_PTR pulDataLen)
{
	struct slice data = bytes_of(pEncryptedData, ulEncryptedDataLen);
	struct step s = { CALLS_DECRYPT, hSession, &data, NULL };

	return to_output(&decryption, &s, pData, pulDataLen);
}

CK_RV C_DecryptUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pEncryptedPart,
	CK_ULONG ulEncryptedPartLen, CK_BYTE_PTR pPart, CK_ULONG_PTR pulPartLen)
{
	struct slice data = bytes_of(pEncryptedPart, ulEncryptedPartLen);
	struct step s = { CALLS_DECRYPT_UPDATE, hSession, &data, NULL };

	return to_output(&decryption, &s, pPart, pulPartLen);
}

CK_RV C_DecryptFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pLastPart,
	CK_ULONG_PTR pulLastPartLen)
{
	struct step s = { CALLS_DECRYPT_FINAL, hSession, NULL, NULL };

	return to_output(NULL, &s, pLastPart, pulLastPartLen);
}

/* --- digest --------------------------------------------------------------- */

CK_RV C_DigestInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism)
{
	return begin(&digesting, hSession, pMechanism, NULL);
}

CK_RV C_Digest(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen,
	CK_BYTE_PTR pDigest, CK_ULONG_PTR pulDigestLen)
{
	struct slice data = bytes_of(pData, ulDataLen);
	struct step s = { CALLS_DIGEST, hSession, &data, NULL };

	return to_output(&digesting, &s, pDigest, pulDigestLen);
}

CK_RV C_DigestUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen)
{
	return to_nothing(&digesting, hSession, pPart, ulPartLen);
}

CK_RV C_DigestKey(CK_SESSION_HANDLE hSession, CK_OBJECT_HANDLE hKey)
{
	ENTER(e);
	struct digest_key_req q = { .key = hKey };
	struct digest_key_res r;

	return err_ckr(do_digest_key(e.client, hSession, &q, &r, &e.arena));
}

CK_RV C_DigestFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pDigest, CK_ULONG_PTR pulDigestLen)
{
	struct step s = { CALLS_DIGEST_FINAL, hSession, NULL, NULL };

	return to_output(NULL, &s, pDigest, pulDigestLen);
}

/* --- sign ----------------------------------------------------------------- */

CK_RV C_SignInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey)
{
	return begin(&signing, hSession, pMechanism, &hKey);
}

CK_RV C_Sign(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen,
	CK_BYTE_PTR pSignature, CK_ULONG_PTR pulSignatureLen)
{
	struct slice data = bytes_of(pData, ulDataLen);
	struct step s = { CALLS_SIGN, hSession, &data, NULL };

	return to_output(&signing, &s, pSignature, pulSignatureLen);
}

CK_RV C_SignUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen)
{
	return to_nothing(&signing, hSession, pPart, ulPartLen);
}

CK_RV C_SignFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSignature, CK_ULONG_PTR pulSignatureLen)
{
	struct step s = { CALLS_SIGN_FINAL, hSession, NULL, NULL };

	return to_output(NULL, &s, pSignature, pulSignatureLen);
}

static const struct family sign_recovering = {
	OPK_SIGN_RECOVER, CALLS_SIGN_RECOVER_INIT, CALLS_SIGN_RECOVER, 0, 0, false
};

CK_RV C_SignRecoverInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
	CK_OBJECT_HANDLE hKey)
{
	return begin(&sign_recovering, hSession, pMechanism, &hKey);
}

CK_RV C_SignRecover(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen,
	CK_BYTE_PTR pSignature, CK_ULONG_PTR pulSignatureLen)
{
	struct slice data = bytes_of(pData, ulDataLen);
	struct step s = { CALLS_SIGN_RECOVER, hSession, &data, NULL };

	return to_output(NULL, &s, pSignature, pulSignatureLen);
}

/* --- verify --------------------------------------------------------------- */

CK_RV C_VerifyInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism, CK_OBJECT_HANDLE hKey)
{
	return begin(&verifying, hSession, pMechanism, &hKey);
}

CK_RV C_Verify(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen,
	CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen)
{
	ENTER(e);
	struct slice data = bytes_of(pData, ulDataLen);
	struct slice signature = bytes_of(pSignature, ulSignatureLen);
	struct step s = { CALLS_VERIFY, hSession, &data, &signature };
	CK_ULONG none;

	REQUIRE(given(pData, ulDataLen) && given(pSignature, ulSignatureLen));
	if (ulSignatureLen > client_part_max(e.client))
		return CKR_SIGNATURE_LEN_RANGE;
	if (ulDataLen > client_part_max(e.client)) {
		TRY_CKR(feed(&e, &verifying, hSession, data, NULL, 0, &none));
		s = (struct step){ CALLS_VERIFY_FINAL, hSession, NULL, &signature };
	}
	return err_ckr(ask_silent(&e, &s));
}

CK_RV C_VerifyUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen)
{
	return to_nothing(&verifying, hSession, pPart, ulPartLen);
}

CK_RV C_VerifyFinal(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen)
{
	ENTER(e);
	struct slice signature = bytes_of(pSignature, ulSignatureLen);
	struct step s = { CALLS_VERIFY_FINAL, hSession, NULL, &signature };

	REQUIRE(given(pSignature, ulSignatureLen));
	if (ulSignatureLen > client_part_max(e.client))
		return CKR_SIGNATURE_LEN_RANGE;
	return err_ckr(ask_silent(&e, &s));
}

static const struct family verify_recovering = {
	OPK_VERIFY_RECOVER, CALLS_VERIFY_RECOVER_INIT, CALLS_VERIFY_RECOVER, 0, 0, false
};

CK_RV C_VerifyRecoverInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
	CK_OBJECT_HANDLE hKey)
{
	return begin(&verify_recovering, hSession, pMechanism, &hKey);
}

CK_RV C_VerifyRecover(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen,
	CK_BYTE_PTR pData, CK_ULONG_PTR pulDataLen)
{
	struct slice signature = bytes_of(pSignature, ulSignatureLen);
	struct step s = { CALLS_VERIFY_RECOVER, hSession, &signature, NULL };

	return to_output(NULL, &s, pData, pulDataLen);
}

/* --- verify a signature known beforehand (PKCS#11 3.2 §5.15) -------------- */

CK_RV C_VerifySignatureInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
	CK_OBJECT_HANDLE hKey, CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen)
{
	struct slice signature = bytes_of(pSignature, ulSignatureLen);

	if (pMechanism != NULL) {
		ENTER(e);
		REQUIRE(given(pSignature, ulSignatureLen));
		if (ulSignatureLen > client_part_max(e.client))
			return CKR_SIGNATURE_LEN_RANGE;
	}
	return begin_with(&expecting, hSession, pMechanism, &hKey, &signature);
}

CK_RV C_VerifySignature(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pData, CK_ULONG ulDataLen)
{
	ENTER(e);
	struct slice data = bytes_of(pData, ulDataLen);
	struct step s = { CALLS_VERIFY_SIGNATURE, hSession, &data, NULL };
	CK_ULONG none;

	REQUIRE(given(pData, ulDataLen));
	if (ulDataLen > client_part_max(e.client)) {
		TRY_CKR(feed(&e, &expecting, hSession, data, NULL, 0, &none));
		s = (struct step){ CALLS_VERIFY_SIGNATURE_FINAL, hSession, NULL, NULL };
	}
	return err_ckr(ask_silent(&e, &s));
}

CK_RV C_VerifySignatureUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen)
{
	return to_nothing(&expecting, hSession, pPart, ulPartLen);
}

CK_RV C_VerifySignatureFinal(CK_SESSION_HANDLE hSession)
{
	ENTER(e);
	struct step s = { CALLS_VERIFY_SIGNATURE_FINAL, hSession, NULL, NULL };

	return err_ckr(ask_silent(&e, &s));
}

/* --- two operations at once (PKCS#11 3.2 §5.17) --------------------------- */

/* The cipher goes first, for it may find the buffer too small and leave all as
 * it was. That the other operation is active is made sure of by feeding it
 * nothing. */
static CK_RV dual(enum calls_op cipher, enum calls_op other, const struct step *in,
	CK_BYTE_PTR p, CK_ULONG_PTR len)
{
	ENTER(e);
	CLEANUP(buf_done) struct buf copy = BUF_MAX(WIRE_MAX_BYTES);
	struct slice nothing = SLICE_NONE, plain = *in->data;
	struct step first = { cipher, in->session, in->data, NULL };
	struct step second = { other, in->session, &nothing, NULL };
	CK_RV rv;

	REQUIRE(len != NULL && given(plain.p, plain.n));
	if (plain.n > client_part_max(e.client))
		return CKR_DATA_LEN_RANGE;
	TRY_CKR(ask_silent(&e, &second));
	if (cipher == CALLS_ENCRYPT_UPDATE && p != NULL)
		TRY_CKR(apart(&plain, p, *len, &copy));
	rv = output(&e, &first, p, len);
	if (rv != CKR_OK || p == NULL)
		return rv;
	if (cipher == CALLS_DECRYPT_UPDATE)
		plain = bytes_of(p, *len);
	second.data = &plain;
	return err_ckr(ask_silent(&e, &second));
}

CK_RV C_DigestEncryptUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen,
	CK_BYTE_PTR pEncryptedPart, CK_ULONG_PTR pulEncryptedPartLen)
{
	struct slice data = bytes_of(pPart, ulPartLen);
	struct step s = { 0, hSession, &data, NULL };

	return dual(CALLS_ENCRYPT_UPDATE, CALLS_DIGEST_UPDATE, &s, pEncryptedPart,
		pulEncryptedPartLen);
}

CK_RV C_DecryptDigestUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pEncryptedPart,
	CK_ULONG ulEncryptedPartLen, CK_BYTE_PTR pPart, CK_ULONG_PTR pulPartLen)
{
	struct slice data = bytes_of(pEncryptedPart, ulEncryptedPartLen);
	struct step s = { 0, hSession, &data, NULL };

	return dual(CALLS_DECRYPT_UPDATE, CALLS_DIGEST_UPDATE, &s, pPart, pulPartLen);
}

CK_RV C_SignEncryptUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pPart, CK_ULONG ulPartLen,
	CK_BYTE_PTR pEncryptedPart, CK_ULONG_PTR pulEncryptedPartLen)
{
	struct slice data = bytes_of(pPart, ulPartLen);
	struct step s = { 0, hSession, &data, NULL };

	return dual(CALLS_ENCRYPT_UPDATE, CALLS_SIGN_UPDATE, &s, pEncryptedPart,
		pulEncryptedPartLen);
}

CK_RV C_DecryptVerifyUpdate(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pEncryptedPart,
	CK_ULONG ulEncryptedPartLen, CK_BYTE_PTR pPart, CK_ULONG_PTR pulPartLen)
{
	struct slice data = bytes_of(pEncryptedPart, ulEncryptedPartLen);
	struct step s = { 0, hSession, &data, NULL };

	return dual(CALLS_DECRYPT_UPDATE, CALLS_VERIFY_UPDATE, &s, pPart, pulPartLen);
}

/* --- C_SessionCancel (PKCS#11 3.2 §5.6.10) -------------------------------- */

CK_RV C_SessionCancel(CK_SESSION_HANDLE hSession, CK_FLAGS flags)
{
	static const struct { CK_FLAGS flag; enum op_kind kind; } kinds[] = {
		{ CKF_ENCRYPT, OPK_ENCRYPT },
		{ CKF_DECRYPT, OPK_DECRYPT },
		{ CKF_DIGEST, OPK_DIGEST },
		{ CKF_SIGN, OPK_SIGN },
		{ CKF_SIGN_RECOVER, OPK_SIGN_RECOVER },
		{ CKF_VERIFY, OPK_VERIFY },
		{ CKF_VERIFY, OPK_VERIFY_SIGNATURE },
		{ CKF_VERIFY_RECOVER, OPK_VERIFY_RECOVER },
		{ CKF_MESSAGE_ENCRYPT, OPK_MESSAGE_ENCRYPT },
		{ CKF_MESSAGE_DECRYPT, OPK_MESSAGE_DECRYPT },
		{ CKF_MESSAGE_SIGN, OPK_MESSAGE_SIGN },
		{ CKF_MESSAGE_VERIFY, OPK_MESSAGE_VERIFY },
	};
	ENTER(e);
	uint32_t ops = 0;
	uint64_t slot;

	TRY_CKR(client_session_slot(e.client, hSession, &slot));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (flags & kinds[i].flag)
			ops |= 1u << kinds[i].kind;
	if (flags & CKF_FIND_OBJECTS)
		find_forget(hSession);
	return ops == 0 ? CKR_OK : err_ckr(cancel(&e, hSession, ops));
}
