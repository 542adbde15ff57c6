/* tpm_counter.c: a counter in the TPM's non-volatile memory (Part 1, "NV Counter"), read and counted in
 * sessions that only the TPM with our key can have, with an authorization that only we know. */
#include <string.h>

#include "log.h"
#include "tpm_int.h"

#define RETRIES 10u
#define ATTRIBUTES (TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE | TPMA_NV_NO_DA | \
	(TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT))

struct index {
	TPM2B_NV_PUBLIC pub;
	TPM2B_NAME name;
};

static struct slice name_of(const struct index *x)
{
	return (struct slice){ x->name.name, x->name.size };
}

/* check: the name is the hash of what the TPM says of the index, and that is what we made. */
static enum hf_err check(const struct index *x, uint32_t index)
{
	const TPMS_NV_PUBLIC *p = &x->pub.nvPublic;
	uint8_t encoded[sizeof(*p)], own[TPM_NAME];
	size_t n = 0;

	TRY(tpm_rc(Tss2_MU_TPMS_NV_PUBLIC_Marshal(p, encoded, sizeof(encoded), &n), "a counter"));
	put_u16(own, TPM2_ALG_SHA256);
	TRY(crypto_sha256((struct slice){ encoded, n }, own + 2));
	if (slice_eq(SLICE_OF(own), name_of(x)) && p->nvIndex == index && p->dataSize == 8 &&
	    (p->attributes & ~(TPMA_NV)TPMA_NV_WRITTEN) == ATTRIBUTES)
		return HF_OK;
	return HF_E_TPM_COUNTER; /* of that number, but somebody else's */
}

static enum hf_err read_public(struct tpm *t, uint32_t index, struct index *ret)
{
	TSS2_RC rc;

	*ret = (struct index){ .name.size = sizeof(ret->name.name) };
	rc = Tss2_Sys_NV_ReadPublic(t->sys, index, NULL, &ret->pub, &ret->name, NULL);
	if ((rc & (TPM2_RC_FMT1 | 0x3f)) == TPM2_RC_HANDLE)
		return HF_E_TPM_COUNTER;
	return tpm_rc(rc, "NV_ReadPublic");
}

/* both: index names are twice in the commands of one, as what authorizes and as what is meant. */
static enum hf_err both(struct tpm *t, uint32_t index, struct tpm_names *names, struct index *x)
{
	TRY(read_public(t, index, x));
	TRY(check(x, index));
	*names = (struct tpm_names){ { name_of(x), name_of(x) }, 2 };
	return HF_OK;
}

static enum hf_err increment(struct tpm *t, uint32_t index)
{
	struct tpm_names names;
	enum hf_err e = HF_E_CONFLICT;
	struct index x;

	TRY(both(t, index, &names, &x));
	for (unsigned i = 0; i < RETRIES && e == HF_E_CONFLICT; i++) {
		TRY(tpm_rc(Tss2_Sys_NV_Increment_Prepare(t->sys, index, index), "NV_Increment"));
		e = tpm_run(t, &t->hmac, 0, &names, "NV_Increment");
	}
	TRY(e);
	return tpm_rc(Tss2_Sys_NV_Increment_Complete(t->sys), "NV_Increment");
}

/* The name says whether it was ever counted: it is asked anew. */
static enum hf_err read_value(struct tpm *t, uint32_t index, uint64_t *ret)
{
	TPM2B_MAX_NV_BUFFER value = { .size = sizeof(value.buffer) };
	struct tpm_names names;
	struct index x;

	TRY(both(t, index, &names, &x));
	TRY(tpm_rc(Tss2_Sys_NV_Read_Prepare(t->sys, index, index, 8, 0), "NV_Read"));
	TRY(tpm_run(t, &t->hmac, 0, &names, "NV_Read"));
	TRY(tpm_rc(Tss2_Sys_NV_Read_Complete(t->sys, &value), "NV_Read"));
	if (value.size != 8)
		return HF_E_TPM;
	*ret = get_u64(value.buffer);
	return HF_OK;
}

static enum hf_err drop(struct tpm *t, uint32_t index)
{
	const TSS2L_SYS_AUTH_COMMAND auth = { .count = 1, .auths = { { .sessionHandle = TPM2_RS_PW } } };
	TSS2L_SYS_AUTH_RESPONSE answer = { 0 };

	return tpm_rc(Tss2_Sys_NV_UndefineSpace(t->sys, TPM2_RH_OWNER, index, &auth, &answer),
		"NV_UndefineSpace");
}

static enum hf_err define(struct tpm *t, const struct tpm_counter *c)
{
	const TPM2B_NV_PUBLIC pub = { .nvPublic = { .nvIndex = c->index, .nameAlg = TPM2_ALG_SHA256,
		.attributes = ATTRIBUTES, .dataSize = 8 } };
	struct tpm_names names = { .n = 1 };
	TPM2B_AUTH auth = { .size = TPM_COUNTER_AUTH };
	uint8_t owner[4];
	enum hf_err e;

	put_u32(owner, TPM2_RH_OWNER);
	names.v[0] = SLICE_OF(owner);
	memcpy(auth.buffer, c->auth, TPM_COUNTER_AUTH);
	e = tpm_rc(Tss2_Sys_NV_DefineSpace_Prepare(t->sys, TPM2_RH_OWNER, &auth, &pub), "NV_DefineSpace");
	secret_wipe(&auth, sizeof(auth));
	TRY(e);
	TRY(tpm_run(t, &t->hmac, TPMA_SESSION_DECRYPT, &names, "NV_DefineSpace"));
	return tpm_rc(Tss2_Sys_NV_DefineSpace_Complete(t->sys), "NV_DefineSpace");
}

static enum hf_err make(struct tpm *t, struct tpm_counter *c, uint64_t *ret)
{
	struct index x;
	enum hf_err e = read_public(t, c->index, &x);

	if (e == HF_OK)
		TRY(drop(t, c->index));
	else if (e != HF_E_TPM_COUNTER)
		return e;
	TRY(crypto_random(c->auth, TPM_COUNTER_AUTH));
	c->auth[TPM_COUNTER_AUTH - 1] |= 1; /* the TPM drops zeros at its end */
	TRY(tpm_enter(t));
	memcpy(c->key, t->primary_name.name, TPM_KEY_NAME);
	TRY(define(t, c));
	TRY(tpm_session_auth(&t->hmac, SLICE_OF(c->auth)));
	TRY(increment(t, c->index));
	return read_value(t, c->index, ret);
}

static enum hf_err use(struct tpm *t, const struct tpm_counter *c, bool up, uint64_t *ret)
{
	TRY(tpm_enter(t));
	if (!slice_eq(SLICE_OF(c->key), (struct slice){ t->primary_name.name, t->primary_name.size }))
		return HF_E_TPM_FOREIGN;
	TRY(tpm_session_auth(&t->hmac, SLICE_OF(c->auth)));
	if (up)
		TRY(increment(t, c->index));
	return read_value(t, c->index, ret);
}

/* told: what only sealing and unsealing tell means here that the TPM does not do as it should. */
static enum hf_err told(struct tpm *t, enum hf_err e)
{
	tpm_leave(t);
	if (e == HF_E_PIN_INCORRECT) /* another authorization: somebody made another counter in its place */
		return HF_E_TPM_COUNTER;
	return e == HF_E_TPM_PCR || e == HF_E_CONFLICT || e == HF_E_TPM_LOCKOUT ? HF_E_TPM : e;
}

enum hf_err tpm_counter_make(struct tpm *t, struct tpm_counter *c, uint64_t *ret)
{
	MUTEX_HOLD(&t->lock);

	return told(t, make(t, c, ret));
}

enum hf_err tpm_counter_read(struct tpm *t, const struct tpm_counter *c, uint64_t *ret)
{
	MUTEX_HOLD(&t->lock);

	return told(t, use(t, c, false, ret));
}

enum hf_err tpm_counter_up(struct tpm *t, const struct tpm_counter *c, uint64_t *ret)
{
	MUTEX_HOLD(&t->lock);

	return told(t, use(t, c, true, ret));
}

enum hf_err tpm_counter_there(struct tpm *t, uint32_t index, bool *ret)
{
	MUTEX_HOLD(&t->lock);
	struct index x;
	enum hf_err e = read_public(t, index, &x);

	*ret = e == HF_OK;
	return e == HF_E_TPM_COUNTER ? HF_OK : told(t, e);
}

enum hf_err tpm_counter_drop(struct tpm *t, uint32_t index)
{
	MUTEX_HOLD(&t->lock);

	return told(t, drop(t, index));
}
