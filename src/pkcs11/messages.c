/* messages.c: many messages under one key: ciphers (PKCS#11 3.2 §5.9 and §5.11). */
#include "module.h"

#include <string.h>

/* --- the process --------------------------------------------------------------- */

CK_RV messages_init(CK_SESSION_HANDLE session, CK_MECHANISM_PTR m, CK_OBJECT_HANDLE key,
	const struct message_process *p)
{
	ENTER(e);
	CLEANUP(buf_done) struct buf b = BUF_MAX(WIRE_MAX_BYTES);
	struct op_cancel_req cq = { .ops = 1u << p->kind };
	struct op_cancel_res cr;
	struct mech_in in;
	struct rd r;

	if (m == NULL)
		return err_ckr(do_op_cancel(e.client, session, &cq, &cr, &e.arena));
	TRY_CKR(p->cipher ? mechanism_encode_message(&e, m, &in) : mechanism_encode(&e, m, &in));
	mech_in_enc(&b, &in);
	buf_u64(&b, key);
	TRY_CKR(buf_err(&b));
	return err_ckr(client_call(e.client, p->init, session, buf_slice(&b), &e.arena, &r));
}

CK_RV messages_final(CK_SESSION_HANDLE session, const struct message_process *p)
{
	ENTER(e);
	struct rd r;

	return err_ckr(client_call(e.client, p->final, session, SLICE_NONE, &e.arena, &r));
}

static const struct message_process encrypting = {
	OPK_MESSAGE_ENCRYPT, CALLS_MESSAGE_ENCRYPT_INIT, CALLS_MESSAGE_ENCRYPT_FINAL, true
};
static const struct message_process decrypting = {
	OPK_MESSAGE_DECRYPT, CALLS_MESSAGE_DECRYPT_INIT, CALLS_MESSAGE_DECRYPT_FINAL, true
};

/* --- parts ----------------------------------------------------------------------- */

/* struct part is a piece of a message on its way; the answer comes back in it. */
struct part {
	struct slice data;
	bool last;
	uint32_t max, need;
	struct slice out;
};
typedef enum hf_err (*part_call)(struct entry *e, CK_SESSION_HANDLE session,
	const struct aead_view *v, struct part *p);

static enum hf_err encrypt_part(struct entry *e, CK_SESSION_HANDLE session,
	const struct aead_view *v, struct part *p)
{
	struct message_encrypt_next_req q = { .data = p->data, .last = p->last, .max = p->max };
	struct message_encrypt_next_res r;

	TRY(do_message_encrypt_next(e->client, session, &q, &r, &e->arena));
	p->need = r.need;
	p->out = r.out;
	aead_give(v, SLICE_NONE, r.tag);
	return HF_OK;
}

static enum hf_err decrypt_part(struct entry *e, CK_SESSION_HANDLE session,
	const struct aead_view *v, struct part *p)
{
	struct message_decrypt_next_req q = {
		.data = p->data, .last = p->last, .max = p->max,
		.tag = p->last ? aead_tag(v) : SLICE_NONE,
	};
	struct message_decrypt_next_res r;

	TRY(do_message_decrypt_next(e->client, session, &q, &r, &e->arena));
	p->need = r.need;
	p->out = r.out;
	return HF_OK;
}

struct stream {
	const struct message_process *process;
	part_call call;
	CK_SESSION_HANDLE session;
	const struct aead_view *view;
};

/* pieces sends a part that one call does not hold in several; *len is at least data.n. */
static CK_RV pieces(struct entry *e, const struct stream *s, struct part all, CK_BYTE_PTR p,
	CK_ULONG_PTR len)
{
	CK_ULONG done = 0, given = 0, most = client_part_max(e->client);

	while (done < all.data.n) {
		CK_ULONG n = all.data.n - done < most ? all.data.n - done : most;
		CK_ULONG room = *len - given;
		struct part one = { .data = { all.data.p + done, n },
			.last = all.last && done + n == all.data.n, .max = output_max(p, &room) };

		TRY_CKR(s->call(e, s->session, s->view, &one));
		if (one.need > room || one.out.n > room)
			return CKR_DATA_LEN_RANGE;
		if (one.out.n > 0)
			memcpy(p + given, one.out.p, one.out.n);
		given += one.out.n;
		done += n;
		arena_reset(&e->arena);
	}
	*len = given;
	return CKR_OK;
}

/* send_part: what was sent of a part that then failed cannot be taken back. */
static CK_RV send_part(struct entry *e, const struct stream *s, struct part part, CK_BYTE_PTR p,
	CK_ULONG_PTR len)
{
	struct op_cancel_req q = { .ops = 1u << s->process->kind };
	struct op_cancel_res r;
	CK_RV rv;

	if (part.data.n <= client_part_max(e->client)) {
		part.max = output_max(p, len);
		TRY_CKR(s->call(e, s->session, s->view, &part));
		return output_give(part.need, part.out, p, len);
	}
	if (p == NULL || *len < part.data.n) {
		*len = part.data.n;
		return p == NULL ? CKR_OK : CKR_BUFFER_TOO_SMALL;
	}
	rv = pieces(e, s, part, p, len);
	if (rv == CKR_DATA_LEN_RANGE)
		(void)!do_op_cancel(e->client, s->session, &q, &r, &e->arena);
	return rv;
}

/* next_part: C_EncryptMessageNext and C_DecryptMessageNext. */
static CK_RV next_part(const struct stream *s, const void *param, CK_ULONG n, struct part part,
	CK_BYTE_PTR p, CK_ULONG_PTR len)
{
	ENTER(e);
	struct aead_view v;
	struct stream with = *s;

	REQUIRE(len != NULL && given(part.data.p, part.data.n));
	TRY_CKR(aead_view(param, n, &v));
	with.view = &v;
	return send_part(&e, &with, part, p, len);
}

/* struct whole is a message that comes in one call of the module. */
struct whole {
	const struct stream *stream;
	const struct aead_view *view;
	struct slice param, aad, data;
};

/* look puts parameter and additional data into w, whose view is v. */
static CK_RV look(struct entry *e, const void *param, CK_ULONG n, struct aead_view *v,
	struct whole *w)
{
	REQUIRE(given(w->aad.p, w->aad.n) && given(w->data.p, w->data.n));
	TRY_CKR(aead_view(param, n, v));
	TRY_CKR(aead_encode(e, v, param, n, &w->param));
	w->view = v;
	return CKR_OK;
}

/* in_parts: it is more than a call on the vault holds. */
static CK_RV in_parts(struct entry *e, const struct whole *w, CK_RV (*begin)(struct entry *e,
	const struct whole *w), CK_BYTE_PTR p, CK_ULONG_PTR len)
{
	struct stream s = *w->stream;
	CK_RV rv;

	s.view = w->view;
	if (p == NULL || *len < w->data.n) {
		*len = w->data.n;
		return p == NULL ? CKR_OK : CKR_BUFFER_TOO_SMALL;
	}
	rv = begin(e, w);
	if (rv != CKR_OK)
		return rv;
	return send_part(e, &s, (struct part){ .data = w->data, .last = true }, p, len);
}

static bool is_large(struct entry *e, const struct whole *w)
{
	size_t most = client_part_max(e->client);

	return w->data.n > most || w->aad.n > most - w->data.n;
}

/* --- encrypt ----------------------------------------------------------------------- */

static CK_RV begin_encrypting(struct entry *e, const struct whole *w)
{
	struct message_encrypt_begin_req q = { .param = w->param, .aad = w->aad };
	struct message_encrypt_begin_res r;

	TRY_CKR(do_message_encrypt_begin(e->client, w->stream->session, &q, &r, &e->arena));
	aead_give(w->view, r.iv, SLICE_NONE);
	return CKR_OK;
}

static CK_RV encrypt_whole(struct entry *e, const struct whole *w, CK_BYTE_PTR p, CK_ULONG_PTR len)
{
	struct message_encrypt_req q = {
		.param = w->param, .aad = w->aad, .data = w->data, .max = output_max(p, len),
	};
	struct message_encrypt_res r;

	if (is_large(e, w))
		return in_parts(e, w, begin_encrypting, p, len);
	TRY_CKR(do_message_encrypt(e->client, w->stream->session, &q, &r, &e->arena));
	aead_give(w->view, r.iv, r.tag);
	return output_give(r.need, r.out, p, len);
}

CK_RV C_MessageEncryptInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
	CK_OBJECT_HANDLE hKey)
{
	return messages_init(hSession, pMechanism, hKey, &encrypting);
}

CK_RV C_EncryptMessage(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, CK_ULONG ulParameterLen,
	CK_BYTE_PTR pAssociatedData, CK_ULONG ulAssociatedDataLen, CK_BYTE_PTR pPlaintext,
	CK_ULONG ulPlaintextLen, CK_BYTE_PTR pCiphertext, CK_ULONG_PTR pulCiphertextLen)
{
	ENTER(e);
	const struct stream s = { &encrypting, encrypt_part, hSession, NULL };
	struct aead_view v;
	CK_RV rv;
	struct whole w = { &s, NULL, SLICE_NONE, bytes_of(pAssociatedData, ulAssociatedDataLen),
		bytes_of(pPlaintext, ulPlaintextLen) };

	REQUIRE(pulCiphertextLen != NULL);
	rv = look(&e, pParameter, ulParameterLen, &v, &w);
	return rv != CKR_OK ? rv : encrypt_whole(&e, &w, pCiphertext, pulCiphertextLen);
}

CK_RV C_EncryptMessageBegin(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter,
	CK_ULONG ulParameterLen, CK_BYTE_PTR pAssociatedData, CK_ULONG ulAssociatedDataLen)
{
	ENTER(e);
	const struct stream s = { &encrypting, encrypt_part, hSession, NULL };
	struct aead_view v;
	CK_RV rv;
	struct whole w = { &s, NULL, SLICE_NONE, bytes_of(pAssociatedData, ulAssociatedDataLen),
		SLICE_NONE };

	rv = look(&e, pParameter, ulParameterLen, &v, &w);
	return rv != CKR_OK ? rv : begin_encrypting(&e, &w);
}

CK_RV C_EncryptMessageNext(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter,
	CK_ULONG ulParameterLen, CK_BYTE_PTR pPlaintextPart, CK_ULONG ulPlaintextPartLen,
	CK_BYTE_PTR pCiphertextPart, CK_ULONG_PTR pulCiphertextPartLen, CK_FLAGS flags)
{
	const struct stream s = { &encrypting, encrypt_part, hSession, NULL };
	struct part part = { .data = bytes_of(pPlaintextPart, ulPlaintextPartLen),
		.last = (flags & CKF_END_OF_MESSAGE) != 0 };

	return next_part(&s, pParameter, ulParameterLen, part, pCiphertextPart,
		pulCiphertextPartLen);
}

CK_RV C_MessageEncryptFinal(CK_SESSION_HANDLE hSession)
{
	return messages_final(hSession, &encrypting);
}

/* --- decrypt ----------------------------------------------------------------------- */

static CK_RV begin_decrypting(struct entry *e, const struct whole *w)
{
	struct message_decrypt_begin_req q = { .param = w->param, .aad = w->aad };
	struct message_decrypt_begin_res r;

	return err_ckr(do_message_decrypt_begin(e->client, w->stream->session, &q, &r, &e->arena));
}

static CK_RV decrypt_whole(struct entry *e, const struct whole *w, CK_BYTE_PTR p, CK_ULONG_PTR len)
{
	struct message_decrypt_req q = {
		.param = w->param, .aad = w->aad, .data = w->data, .tag = aead_tag(w->view),
		.max = output_max(p, len),
	};
	struct message_decrypt_res r;

	if (is_large(e, w))
		return in_parts(e, w, begin_decrypting, p, len);
	TRY_CKR(do_message_decrypt(e->client, w->stream->session, &q, &r, &e->arena));
	return output_give(r.need, r.out, p, len);
}

CK_RV C_MessageDecryptInit(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
	CK_OBJECT_HANDLE hKey)
{
	return messages_init(hSession, pMechanism, hKey, &decrypting);
}

CK_RV C_DecryptMessage(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter, CK_ULONG ulParameterLen,
	CK_BYTE_PTR pAssociatedData, CK_ULONG ulAssociatedDataLen, CK_BYTE_PTR pCiphertext,
	CK_ULONG ulCiphertextLen, CK_BYTE_PTR pPlaintext, CK_ULONG_PTR pulPlaintextLen)
{
	ENTER(e);
	const struct stream s = { &decrypting, decrypt_part, hSession, NULL };
	struct aead_view v;
	CK_RV rv;
	struct whole w = { &s, NULL, SLICE_NONE, bytes_of(pAssociatedData, ulAssociatedDataLen),
		bytes_of(pCiphertext, ulCiphertextLen) };

	REQUIRE(pulPlaintextLen != NULL);
	rv = look(&e, pParameter, ulParameterLen, &v, &w);
	return rv != CKR_OK ? rv : decrypt_whole(&e, &w, pPlaintext, pulPlaintextLen);
}

CK_RV C_DecryptMessageBegin(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter,
	CK_ULONG ulParameterLen, CK_BYTE_PTR pAssociatedData, CK_ULONG ulAssociatedDataLen)
{
	ENTER(e);
	const struct stream s = { &decrypting, decrypt_part, hSession, NULL };
	struct aead_view v;
	CK_RV rv;
	struct whole w = { &s, NULL, SLICE_NONE, bytes_of(pAssociatedData, ulAssociatedDataLen),
		SLICE_NONE };

	rv = look(&e, pParameter, ulParameterLen, &v, &w);
	return rv != CKR_OK ? rv : begin_decrypting(&e, &w);
}

CK_RV C_DecryptMessageNext(CK_SESSION_HANDLE hSession, CK_VOID_PTR pParameter,
	CK_ULONG ulParameterLen, CK_BYTE_PTR pCiphertextPart, CK_ULONG ulCiphertextPartLen,
	CK_BYTE_PTR pPlaintextPart, CK_ULONG_PTR pulPlaintextPartLen, CK_FLAGS flags)
{
	const struct stream s = { &decrypting, decrypt_part, hSession, NULL };
	struct part part = { .data = bytes_of(pCiphertextPart, ulCiphertextPartLen),
		.last = (flags & CKF_END_OF_MESSAGE) != 0 };

	return next_part(&s, pParameter, ulParameterLen, part, pPlaintextPart, pulPlaintextPartLen);
}

CK_RV C_MessageDecryptFinal(CK_SESSION_HANDLE hSession)
{
	return messages_final(hSession, &decrypting);
}
