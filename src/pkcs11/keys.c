#include "module.h"

#include <string.h>

#define RANDOM_MAX (1u << 20) /* bytes that the vault gives in one call */

/* give_iv: a key made from a password has one. */
static void give_iv(const CK_MECHANISM *m, struct slice iv)
{
	const CK_PBE_PARAMS *p = m->pParameter;

	if (mechanism_param(m->mechanism) == PARAM_PBE && p->pInitVector != NULL && iv.n > 0)
		memcpy(p->pInitVector, iv.p, iv.n);
}

CK_RV C_GenerateKey(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
	CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulCount, CK_OBJECT_HANDLE_PTR phKey)
{
	ENTER(e);
	struct key_generate_req q;
	struct key_generate_res r;

	REQUIRE(phKey != NULL);
	TRY_CKR(mechanism_encode(&e, pMechanism, &q.mech));
	TRY_CKR(template_encode(pTemplate, ulCount, &e.arena, &q.attrs));
	if (async_session(hSession))
		return async_key(&e, hSession, &q);
	TRY_CKR(do_key_generate(e.client, hSession, &q, &r, &e.arena));
	give_iv(pMechanism, r.told);
	*phKey = r.key;
	return CKR_OK;
}

CK_RV C_GenerateKeyPair(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
	CK_ATTRIBUTE_PTR pPublicKeyTemplate, CK_ULONG ulPublicKeyAttributeCount,
	CK_ATTRIBUTE_PTR pPrivateKeyTemplate, CK_ULONG ulPrivateKeyAttributeCount,
	CK_OBJECT_HANDLE_PTR phPublicKey, CK_OBJECT_HANDLE_PTR phPrivateKey)
{
	ENTER(e);
	struct key_pair_generate_req q;
	struct key_pair_generate_res r;

	REQUIRE(phPublicKey != NULL && phPrivateKey != NULL);
	TRY_CKR(mechanism_encode(&e, pMechanism, &q.mech));
	TRY_CKR(template_encode(pPublicKeyTemplate, ulPublicKeyAttributeCount, &e.arena, &q.pub));
	TRY_CKR(template_encode(pPrivateKeyTemplate, ulPrivateKeyAttributeCount, &e.arena,
		&q.priv));
	if (async_session(hSession))
		return async_key_pair(&e, hSession, &q);
	TRY_CKR(do_key_pair_generate(e.client, hSession, &q, &r, &e.arena));
	*phPublicKey = r.public_key;
	*phPrivateKey = r.private_key;
	return CKR_OK;
}

CK_RV C_WrapKey(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
	CK_OBJECT_HANDLE hWrappingKey, CK_OBJECT_HANDLE hKey, CK_BYTE_PTR pWrappedKey,
	CK_ULONG_PTR pulWrappedKeyLen)
{
	ENTER(e);
	struct key_wrap_req q = { .with = hWrappingKey, .key = hKey };
	struct key_wrap_res r;

	REQUIRE(pulWrappedKeyLen != NULL);
	if (wrap_is_behind(pMechanism))
		return wrap_behind(&e, hSession, pMechanism,
			(CK_OBJECT_HANDLE[]){ hWrappingKey, hKey },
			(struct output){ pWrappedKey, pulWrappedKeyLen });
	q.max = output_max(pWrappedKey, pulWrappedKeyLen);
	TRY_CKR(mechanism_encode(&e, pMechanism, &q.mech));
	TRY_CKR(do_key_wrap(e.client, hSession, &q, &r, &e.arena));
	return output_give(r.need, r.out, pWrappedKey, pulWrappedKeyLen);
}

CK_RV C_UnwrapKey(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
	CK_OBJECT_HANDLE hUnwrappingKey, CK_BYTE_PTR pWrappedKey, CK_ULONG ulWrappedKeyLen,
	CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulAttributeCount, CK_OBJECT_HANDLE_PTR phKey)
{
	ENTER(e);
	struct key_unwrap_req q = {
		.with = hUnwrappingKey,
		.wrapped = bytes_of(pWrappedKey, ulWrappedKeyLen),
	};
	struct key_unwrap_res r;

	REQUIRE(phKey != NULL && given(pWrappedKey, ulWrappedKeyLen));
	TRY_CKR(template_encode(pTemplate, ulAttributeCount, &e.arena, &q.attrs));
	if (wrap_is_behind(pMechanism))
		return unwrap_behind(&e, hSession, pMechanism, &q, phKey);
	TRY_CKR(mechanism_encode(&e, pMechanism, &q.mech));
	TRY_CKR(do_key_unwrap(e.client, hSession, &q, &r, &e.arena));
	*phKey = r.key;
	return CKR_OK;
}

CK_RV C_EncapsulateKey(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
	CK_OBJECT_HANDLE hPublicKey, CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulAttributeCount,
	CK_BYTE_PTR pCiphertext, CK_ULONG_PTR pulCiphertextLen, CK_OBJECT_HANDLE_PTR phKey)
{
	ENTER(e);
	struct encapsulate_req q = { .with = hPublicKey };
	struct encapsulate_res r;
	CK_RV rv;

	/* who only asks for the length gets no key */
	REQUIRE(pulCiphertextLen != NULL && (phKey != NULL || pCiphertext == NULL));
	q.max = output_max(pCiphertext, pulCiphertextLen);
	TRY_CKR(mechanism_encode(&e, pMechanism, &q.mech));
	TRY_CKR(template_encode(pTemplate, ulAttributeCount, &e.arena, &q.attrs));
	TRY_CKR(do_encapsulate(e.client, hSession, &q, &r, &e.arena));
	rv = output_give(r.need, r.out, pCiphertext, pulCiphertextLen);
	if (rv == CKR_OK && pCiphertext != NULL)
		*phKey = r.key;
	return rv;
}

CK_RV C_DecapsulateKey(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
	CK_OBJECT_HANDLE hPrivateKey, CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulAttributeCount,
	CK_BYTE_PTR pCiphertext, CK_ULONG ulCiphertextLen, CK_OBJECT_HANDLE_PTR phKey)
{
	ENTER(e);
	struct decapsulate_req q = {
		.with = hPrivateKey,
		.wrapped = bytes_of(pCiphertext, ulCiphertextLen),
	};
	struct decapsulate_res r;

	REQUIRE(phKey != NULL && given(pCiphertext, ulCiphertextLen));
	TRY_CKR(mechanism_encode(&e, pMechanism, &q.mech));
	TRY_CKR(template_encode(pTemplate, ulAttributeCount, &e.arena, &q.attrs));
	TRY_CKR(do_decapsulate(e.client, hSession, &q, &r, &e.arena));
	*phKey = r.key;
	return CKR_OK;
}

/* --- random --------------------------------------------------------------- */

CK_RV C_SeedRandom(CK_SESSION_HANDLE hSession, CK_BYTE_PTR pSeed, CK_ULONG ulSeedLen)
{
	ENTER(e);
	struct random_seed_req q = { .seed = bytes_of(pSeed, ulSeedLen) };
	struct random_seed_res r;

	REQUIRE(given(pSeed, ulSeedLen));
	return err_ckr(do_random_seed(e.client, hSession, &q, &r, &e.arena));
}

CK_RV C_GenerateRandom(CK_SESSION_HANDLE hSession, CK_BYTE_PTR RandomData, CK_ULONG ulRandomLen)
{
	ENTER(e);
	CK_ULONG done = 0, most = client_part_max(e.client);

	if (most > RANDOM_MAX)
		most = RANDOM_MAX;
	REQUIRE(given(RandomData, ulRandomLen));
	do { /* once even for no bytes: the session may be wrong */
		size_t n = ulRandomLen - done < most ? ulRandomLen - done : most;

		TRY_CKR(client_random(e.client, hSession, RandomData == NULL ? NULL : RandomData + done,
			n));
		done += n;
	} while (done < ulRandomLen);
	return CKR_OK;
}
