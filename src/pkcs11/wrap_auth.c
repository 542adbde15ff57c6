/* wrap_auth.c: keys wrapped by a cipher that authenticates (PKCS#11 3.2 §5.18.6 and §5.18.7), and
 * C_WrapKey and C_UnwrapKey with CK_GCM_WRAP_PARAMS and CK_CCM_WRAP_PARAMS, which are the
 * same with the tag behind the wrapped key. */
#include "module.h"

#include <string.h>

#define TAG_MAX 16u

/* --- wrap ------------------------------------------------------------------------- */

static enum hf_err wrap(struct entry *e, CK_SESSION_HANDLE session, CK_MECHANISM *m,
	struct key_wrap_auth_req *q, struct key_wrap_auth_res *r)
{
	struct aead_view v;

	TRY(aead_view(m->pParameter, m->ulParameterLen, &v));
	TRY(mechanism_encode_message(e, m, &q->mech));
	TRY(do_key_wrap_auth(e->client, session, q, r, &e->arena));
	aead_give(&v, r->iv, r->tag);
	return HF_OK;
}

CK_RV C_WrapKeyAuthenticated(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
	CK_OBJECT_HANDLE hWrappingKey, CK_OBJECT_HANDLE hKey, CK_BYTE_PTR pAssociatedData,
	CK_ULONG ulAssociatedDataLen, CK_BYTE_PTR pWrappedKey, CK_ULONG_PTR pulWrappedKeyLen)
{
	ENTER(e);
	struct key_wrap_auth_req q = { .with = hWrappingKey, .key = hKey,
		.aad = bytes_of(pAssociatedData, ulAssociatedDataLen) };
	struct key_wrap_auth_res r;

	REQUIRE(pMechanism != NULL && pulWrappedKeyLen != NULL &&
		given(pAssociatedData, ulAssociatedDataLen));
	q.max = output_max(pWrappedKey, pulWrappedKeyLen);
	TRY_CKR(wrap(&e, hSession, pMechanism, &q, &r));
	return output_give(r.need, r.out, pWrappedKey, pulWrappedKeyLen);
}

static enum hf_err unwrap(struct entry *e, CK_SESSION_HANDLE session, const CK_MECHANISM *m,
	struct key_unwrap_auth_req *q, CK_OBJECT_HANDLE *ret)
{
	struct key_unwrap_auth_res r;
	struct aead_view v;

	TRY(aead_view(m->pParameter, m->ulParameterLen, &v));
	TRY(mechanism_encode_message(e, m, &q->mech));
	q->tag = aead_tag(&v);
	TRY(do_key_unwrap_auth(e->client, session, q, &r, &e->arena));
	*ret = r.key;
	return HF_OK;
}

CK_RV C_UnwrapKeyAuthenticated(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
	CK_OBJECT_HANDLE hUnwrappingKey, CK_BYTE_PTR pWrappedKey, CK_ULONG ulWrappedKeyLen,
	CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulAttributeCount, CK_BYTE_PTR pAssociatedData,
	CK_ULONG ulAssociatedDataLen, CK_OBJECT_HANDLE_PTR phKey)
{
	ENTER(e);
	struct key_unwrap_auth_req q = { .with = hUnwrappingKey,
		.aad = bytes_of(pAssociatedData, ulAssociatedDataLen),
		.wrapped = bytes_of(pWrappedKey, ulWrappedKeyLen) };

	REQUIRE(pMechanism != NULL && phKey != NULL && given(pWrappedKey, ulWrappedKeyLen) &&
		given(pAssociatedData, ulAssociatedDataLen));
	TRY_CKR(template_encode(pTemplate, ulAttributeCount, &e.arena, &q.attrs));
	return err_ckr(unwrap(&e, hSession, pMechanism, &q, phKey));
}

/* --- with the tag behind ---------------------------------------------------------------- */

/* struct behind is such a parameter as one of a message, its tag in room. */
struct behind {
	union {
		CK_GCM_MESSAGE_PARAMS gcm;
		CK_CCM_MESSAGE_PARAMS ccm;
	} u;
	CK_MECHANISM m;
	struct slice aad;
	CK_BYTE room[TAG_MAX];
	CK_ULONG tag;
};

static void from_gcm(const void *v, struct behind *b)
{
	CK_GCM_WRAP_PARAMS p;

	memcpy(&p, v, sizeof(p));
	b->u.gcm = (CK_GCM_MESSAGE_PARAMS){ p.pIv, p.ulIvLen, p.ulIvFixedBits, p.ivGenerator, b->room,
		p.ulTagBits };
	b->m = (CK_MECHANISM){ 0, &b->u.gcm, sizeof(b->u.gcm) };
	b->aad = bytes_of(p.pAAD, p.ulAADLen);
	b->tag = p.ulTagBits / 8;
}

static void from_ccm(const void *v, struct behind *b)
{
	CK_CCM_WRAP_PARAMS p;

	memcpy(&p, v, sizeof(p));
	b->u.ccm = (CK_CCM_MESSAGE_PARAMS){ p.ulDataLen, p.pNonce, p.ulNonceLen, p.ulNonceFixedBits,
		p.nonceGenerator, b->room, p.ulMACLen };
	b->m = (CK_MECHANISM){ 0, &b->u.ccm, sizeof(b->u.ccm) };
	b->aad = bytes_of(p.pAAD, p.ulAADLen);
	b->tag = p.ulMACLen;
}

static const struct {
	enum param_id param;
	size_t size;
	void (*from)(const void *v, struct behind *b);
} behinds[] = {
	{ PARAM_GCM, sizeof(CK_GCM_WRAP_PARAMS), from_gcm },
	{ PARAM_CCM, sizeof(CK_CCM_WRAP_PARAMS), from_ccm },
};

static size_t behind_of(const CK_MECHANISM *m)
{
	size_t i = 0;

	while (i < sizeof(behinds) / sizeof(behinds[0]) &&
	       (mechanism_param(m->mechanism) != behinds[i].param ||
		       m->ulParameterLen != behinds[i].size || m->pParameter == NULL))
		i++;
	return i;
}

bool wrap_is_behind(const CK_MECHANISM *m)
{
	return m != NULL && behind_of(m) < sizeof(behinds) / sizeof(behinds[0]);
}

static enum hf_err look(const CK_MECHANISM *m, struct behind *b)
{
	behinds[behind_of(m)].from(m->pParameter, b);
	b->m.mechanism = m->mechanism;
	return b->tag <= TAG_MAX && given(b->aad.p, b->aad.n) ? HF_OK : HF_E_MECHANISM_PARAM;
}

CK_RV wrap_behind(struct entry *e, CK_SESSION_HANDLE session, const CK_MECHANISM *m,
	const CK_OBJECT_HANDLE keys[2], struct output out)
{
	struct key_wrap_auth_req q = { .with = keys[0], .key = keys[1] };
	struct key_wrap_auth_res r;
	struct behind b;
	CK_ULONG room;

	TRY_CKR(look(m, &b));
	q.aad = b.aad;
	room = *out.len < b.tag ? 0 : *out.len - b.tag;
	q.max = output_max(out.p, &room);
	TRY_CKR(wrap(e, session, &b.m, &q, &r));
	room = *out.len;
	*out.len = r.need + b.tag;
	if (out.p == NULL)
		return CKR_OK;
	if (room < *out.len || r.out.n != r.need)
		return CKR_BUFFER_TOO_SMALL;
	memcpy(out.p, r.out.p, r.out.n);
	memcpy(out.p + r.out.n, b.room, b.tag);
	return CKR_OK;
}

CK_RV unwrap_behind(struct entry *e, CK_SESSION_HANDLE session, const CK_MECHANISM *m,
	const struct key_unwrap_req *q, CK_OBJECT_HANDLE *ret)
{
	struct key_unwrap_auth_req a = { .with = q->with, .attrs = q->attrs };
	struct behind b;

	TRY_CKR(look(m, &b));
	if (q->wrapped.n < b.tag)
		return CKR_WRAPPED_KEY_LEN_RANGE;
	a.aad = b.aad;
	a.wrapped = (struct slice){ q->wrapped.p, q->wrapped.n - b.tag };
	if (b.tag > 0)
		memcpy(b.room, q->wrapped.p + a.wrapped.n, b.tag);
	return err_ckr(unwrap(e, session, &b.m, &a, ret));
}
