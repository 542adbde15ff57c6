/* messages_sign.c: many messages under one key: signatures (PKCS#11 3.2 §5.14 and §5.16). A
 * message's parameter is the mechanism's, in the place of the one that came with the beginning. */
#include "module.h"

static const struct message_process signing = {
	OPK_MESSAGE_SIGN, CALLS_MESSAGE_SIGN_INIT, CALLS_MESSAGE_SIGN_FINAL, false
};
static const struct message_process verifying = {
	OPK_MESSAGE_VERIFY, CALLS_MESSAGE_VERIFY_INIT, CALLS_MESSAGE_VERIFY_FINAL, false
};

static CK_RV own_param(struct entry *e, CK_SESSION_HANDLE session, enum op_kind kind,
	const struct slice *given_param, struct slice *ret)
{
	CK_MECHANISM m = { 0, (CK_VOID_PTR)(uintptr_t)given_param->p, given_param->n };
	uint32_t type;
	uint64_t slot; /* none: the handle is wrong */

	*ret = SLICE_NONE;
	REQUIRE(given(given_param->p, given_param->n));
	if (given_param->p == NULL)
		return CKR_OK;
	TRY_CKR(client_session_slot(e->client, session, &slot));
	if (!client_operation(e->client, session, kind, &type))
		return CKR_OPERATION_NOT_INITIALIZED;
	m.mechanism = type;
	return err_ckr(mechanism_encode_param(e, &m, ret));
}

/* --- sign ---------------------------------------------------------------------------- */

static CK_RV begin_signing(struct entry *e, CK_SESSION_HANDLE session, struct slice param)
{
	struct message_sign_begin_req q = { .param = param };
	struct message_sign_begin_res r;

	return err_ckr(do_message_sign_begin(e->client, session, &q, &r, &e->arena));
}

/* feed_signing sends all but the last piece; *data is what is left. */
static CK_RV feed_signing(struct entry *e, CK_SESSION_HANDLE session, struct slice *data)
{
	size_t most = client_part_max(e->client);

	while (data->n > most) {
		struct message_sign_next_req q = { .data = { data->p, most }, .max = WIRE_NO_OUTPUT };
		struct message_sign_next_res r;

		TRY_CKR(do_message_sign_next(e->client, session, &q, &r, &e->arena));
		*data = (struct slice){ data->p + most, data->n - most };
		arena_reset(&e->arena);
	}
	return CKR_OK;
}

static CK_RV end_signing(struct entry *e, CK_SESSION_HANDLE session, struct slice data,
	CK_BYTE_PTR p, CK_ULONG_PTR len)
{
	struct message_sign_next_req q = { .data = data, .last = true, .max = output_max(p, len) };
	struct message_sign_next_res r;

	TRY_CKR(do_message_sign_next(e->client, session, &q, &r, &e->arena));
	return output_give(r.need, r.out, p, len);
}

static CK_RV sign_whole(struct entry *e, CK_SESSION_HANDLE session,
	const struct message_sign_req *q, CK_BYTE_PTR p, CK_ULONG_PTR len)
{
	struct message_sign_res r;

	TRY_CKR(do_message_sign(e->client, session, q, &r, &e->arena));
	return output_give(r.need, r.out, p, len);
}

/* The length is asked for before anything is fed in. */
static CK_RV sign_large(struct entry *e, CK_SESSION_HANDLE session, struct message_sign_req q,
	CK_BYTE_PTR p, CK_ULONG_PTR len)
{
	struct message_sign_req ask = { .param = q.param, .max = WIRE_NO_OUTPUT };
	CK_ULONG need = 0;
	CK_RV rv = sign_whole(e, session, &ask, NULL, &need);

	if (rv == CKR_OK && (p == NULL || *len < need)) {
		*len = need;
		return p == NULL ? CKR_OK : CKR_BUFFER_TOO_SMALL;
	}
	if (rv == CKR_OK)
		rv = begin_signing(e, session, q.param);
	if (rv == CKR_OK)
		rv = feed_signing(e, session, &q.data);
	return rv != CKR_OK ? rv : end_signing(e, session, q.data, p, len);
}

CK_RV C_MessageSignInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
	CK_OBJECT_HANDLE hKey)
{
	return messages_init(hSession, pMechanism, hKey, &signing);
}

CK_RV C_SignMessage(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, CK_ULONG ulParameterLen,
	CK_BYTE_PTR pData, CK_ULONG ulDataLen, CK_BYTE_PTR pSignature, CK_ULONG_PTR pulSignatureLen)
{
	ENTER(e);
	const struct slice param = bytes_of(pParameter, ulParameterLen);
	struct message_sign_req q = { .data = bytes_of(pData, ulDataLen) };
	CK_RV rv;

	REQUIRE(pulSignatureLen != NULL && given(pData, ulDataLen));
	q.max = output_max(pSignature, pulSignatureLen);
	rv = own_param(&e, hSession, OPK_MESSAGE_SIGN, &param, &q.param);
	if (rv != CKR_OK)
		return rv;
	if (q.data.n > client_part_max(e.client))
		return sign_large(&e, hSession, q, pSignature, pulSignatureLen);
	return sign_whole(&e, hSession, &q, pSignature, pulSignatureLen);
}

CK_RV C_SignMessageBegin(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter,
	CK_ULONG ulParameterLen)
{
	ENTER(e);
	struct slice param = bytes_of(pParameter, ulParameterLen), own;
	CK_RV rv = own_param(&e, hSession, OPK_MESSAGE_SIGN, &param, &own);

	return rv != CKR_OK ? rv : begin_signing(&e, hSession, own);
}

/* A NULL for the length: there is more to come. Within a message its parameter says nothing. */
CK_RV C_SignMessageNext(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, CK_ULONG ulParameterLen,
	CK_BYTE_PTR pData, CK_ULONG ulDataLen, CK_BYTE_PTR pSignature, CK_ULONG_PTR pulSignatureLen)
{
	ENTER(e);
	struct slice data = bytes_of(pData, ulDataLen);
	struct message_sign_next_req q = { .max = WIRE_NO_OUTPUT };
	struct message_sign_next_res r;
	CK_RV rv;

	REQUIRE(given(pData, ulDataLen) && given(pParameter, ulParameterLen));
	rv = feed_signing(&e, hSession, &data);
	if (rv != CKR_OK)
		return rv;
	if (pulSignatureLen != NULL)
		return end_signing(&e, hSession, data, pSignature, pulSignatureLen);
	q.data = data;
	return err_ckr(do_message_sign_next(e.client, hSession, &q, &r, &e.arena));
}

CK_RV C_MessageSignFinal(CK_SESSION_HANDLE hSession)
{
	return messages_final(hSession, &signing);
}

/* --- verify -------------------------------------------------------------------------- */

static CK_RV begin_verifying(struct entry *e, CK_SESSION_HANDLE session, struct slice param)
{
	struct message_verify_begin_req q = { .param = param };
	struct message_verify_begin_res r;

	return err_ckr(do_message_verify_begin(e->client, session, &q, &r, &e->arena));
}

/* next_verifying sends a part in as many pieces as it takes; last: signature holds. */
static CK_RV next_verifying(struct entry *e, CK_SESSION_HANDLE session, struct slice data,
	struct slice signature, bool last)
{
	size_t most = client_part_max(e->client);

	if (signature.n > most)
		return CKR_SIGNATURE_LEN_RANGE;
	do {
		size_t n = data.n < most ? data.n : most;
		bool end = last && n == data.n;
		struct message_verify_next_req q = { .data = { data.p, n }, .last = end,
			.signature = end ? signature : SLICE_NONE };
		struct message_verify_next_res r;

		TRY_CKR(do_message_verify_next(e->client, session, &q, &r, &e->arena));
		data = (struct slice){ n == 0 ? NULL : data.p + n, data.n - n };
		arena_reset(&e->arena);
	} while (data.n > 0);
	return CKR_OK;
}

CK_RV C_MessageVerifyInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
	CK_OBJECT_HANDLE hKey)
{
	return messages_init(hSession, pMechanism, hKey, &verifying);
}

CK_RV C_VerifyMessage(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, CK_ULONG ulParameterLen,
	CK_BYTE_PTR pData, CK_ULONG ulDataLen, CK_BYTE_PTR pSignature, CK_ULONG ulSignatureLen)
{
	ENTER(e);
	const struct slice param = bytes_of(pParameter, ulParameterLen);
	struct message_verify_req q = { .data = bytes_of(pData, ulDataLen),
		.signature = bytes_of(pSignature, ulSignatureLen) };
	struct message_verify_res r;
	CK_RV rv;

	REQUIRE(given(pData, ulDataLen) && given(pSignature, ulSignatureLen));
	rv = own_param(&e, hSession, OPK_MESSAGE_VERIFY, &param, &q.param);
	if (rv == CKR_OK && q.signature.n > client_part_max(e.client))
		rv = CKR_SIGNATURE_LEN_RANGE;
	if (rv == CKR_OK && q.data.n > client_part_max(e.client)) {
		rv = begin_verifying(&e, hSession, q.param);
		return rv != CKR_OK ? rv : next_verifying(&e, hSession, q.data, q.signature, true);
	}
	return rv != CKR_OK ? rv : err_ckr(do_message_verify(e.client, hSession, &q, &r, &e.arena));
}

CK_RV C_VerifyMessageBegin(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter,
	CK_ULONG ulParameterLen)
{
	ENTER(e);
	struct slice param = bytes_of(pParameter, ulParameterLen), own;
	CK_RV rv = own_param(&e, hSession, OPK_MESSAGE_VERIFY, &param, &own);

	return rv != CKR_OK ? rv : begin_verifying(&e, hSession, own);
}

/* A NULL for the signature: there is more to come. */
CK_RV C_VerifyMessageNext(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter,
	CK_ULONG ulParameterLen, CK_BYTE_PTR pData, CK_ULONG ulDataLen, CK_BYTE_PTR pSignature,
	CK_ULONG ulSignatureLen)
{
	ENTER(e);
	REQUIRE(given(pData, ulDataLen) && given(pParameter, ulParameterLen) &&
		given(pSignature, ulSignatureLen));
	return next_verifying(&e, hSession, bytes_of(pData, ulDataLen),
		bytes_of(pSignature, ulSignatureLen), pSignature != NULL);
}

CK_RV C_MessageVerifyFinal(CK_SESSION_HANDLE hSession)
{
	return messages_final(hSession, &verifying);
}
