/* derive.c: C_DeriveKey; some mechanisms hand out keys and bytes through pointers
 * in their parameter. */
#include "module.h"

#include <string.h>


static void give_each(const CK_DERIVED_KEY *k, CK_ULONG n, const struct key_derive_res *r)
{
	for (CK_ULONG i = 0; i < n && i < r->more.n; i++)
		*k[i].phKey = r->more.v[i];
}

static void give_counter(const void *param, const struct key_derive_res *r)
{
	const CK_SP800_108_KDF_PARAMS *p = param;

	give_each(p->pAdditionalDerivedKeys, p->ulAdditionalDerivedKeys, r);
}

static void give_feedback(const void *param, const struct key_derive_res *r)
{
	const CK_SP800_108_FEEDBACK_KDF_PARAMS *p = param;

	give_each(p->pAdditionalDerivedKeys, p->ulAdditionalDerivedKeys, r);
}

static void give_version(CK_VERSION *v, const struct key_derive_res *r)
{
	if (v != NULL && r->told.n == 2)
		*v = (CK_VERSION){ r->told.p[0], r->told.p[1] };
}

static void give_master(const void *param, const struct key_derive_res *r)
{
	give_version(((const CK_SSL3_MASTER_KEY_DERIVE_PARAMS *)param)->pVersion, r);
}

static void give_master_12(const void *param, const struct key_derive_res *r)
{
	give_version(((const CK_TLS12_MASTER_KEY_DERIVE_PARAMS *)param)->pVersion, r);
}

static void give_extended(const void *param, const struct key_derive_res *r)
{
	give_version(((const CK_TLS12_EXTENDED_MASTER_KEY_DERIVE_PARAMS *)param)->pVersion, r);
}

static void give_keys(CK_SSL3_KEY_MAT_OUT *out, const struct key_derive_res *r)
{
	size_t iv = r->told.n / 2;

	out->hClientMacSecret = r->key;
	out->hServerMacSecret = r->more.n > 0 ? r->more.v[0] : CK_INVALID_HANDLE;
	out->hClientKey = r->more.n > 1 ? r->more.v[1] : CK_INVALID_HANDLE;
	out->hServerKey = r->more.n > 2 ? r->more.v[2] : CK_INVALID_HANDLE;
	if (iv > 0 && out->pIVClient != NULL)
		memcpy(out->pIVClient, r->told.p, iv);
	if (iv > 0 && out->pIVServer != NULL)
		memcpy(out->pIVServer, r->told.p + iv, iv);
}

static void give_tls_keys(const void *param, const struct key_derive_res *r)
{
	give_keys(((const CK_SSL3_KEY_MAT_PARAMS *)param)->pReturnedKeyMaterial, r);
}

static void give_tls12_keys(const void *param, const struct key_derive_res *r)
{
	give_keys(((const CK_TLS12_KEY_MAT_PARAMS *)param)->pReturnedKeyMaterial, r);
}

/* How the parameters that have pointers for results get them. */
static const struct giving {
	enum param_id id;
	bool all; /* the first key as well: phKey is unused */
	void (*give)(const void *param, const struct key_derive_res *r);
} givings[] = {
	{ PARAM_SP800_108, false, give_counter },
	{ PARAM_SP800_108_FEEDBACK, false, give_feedback },
	{ PARAM_TLS_MASTER, false, give_master },
	{ PARAM_TLS12_MASTER, false, give_master_12 },
	{ PARAM_TLS12_EXTENDED, false, give_extended },
	{ PARAM_TLS_KEYS, true, give_tls_keys },
	{ PARAM_TLS12_KEYS, true, give_tls12_keys },
};

static const struct giving *giving_of(const CK_MECHANISM *m)
{
	enum param_id id = m == NULL ? PARAM_COUNT : mechanism_param(m->mechanism);

	for (size_t i = 0; i < sizeof(givings) / sizeof(givings[0]); i++)
		if (givings[i].id == id)
			return &givings[i];
	return NULL;
}

CK_RV C_DeriveKey(CK_SESSION_HANDLE hSession, CK_MECHANISM_PTR pMechanism,
	CK_OBJECT_HANDLE hBaseKey, CK_ATTRIBUTE_PTR pTemplate, CK_ULONG ulAttributeCount,
	CK_OBJECT_HANDLE_PTR phKey)
{
	ENTER(e);
	const struct giving *g = giving_of(pMechanism);
	struct key_derive_req q = { .base = hBaseKey };
	struct key_derive_res r = { 0 };

	REQUIRE(phKey != NULL || (g != NULL && g->all));
	TRY_CKR(mechanism_encode(&e, pMechanism, &q.mech));
	TRY_CKR(template_encode(pTemplate, ulAttributeCount, &e.arena, &q.attrs));
	TRY_CKR(do_key_derive(e.client, hSession, &q, &r, &e.arena));
	if (g != NULL)
		g->give(pMechanism->pParameter, &r);
	if (phKey != NULL)
		*phKey = r.key;
	return CKR_OK;
}
