/* tpm.c: sealing under a primary key of the owner's hierarchy, which the TPM makes anew,
 * the same each time, until somebody clears it. */
#include "tpm.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "tpm_int.h"

#define FORMAT 1
#define COMMAND_MAX 4096
#define RETRIES 10u
#define PIN_LABEL "holdfast tpm pin"

enum hf_err tpm_rc(TSS2_RC rc, const char *what)
{
	TSS2_RC base = (rc & TPM2_RC_FMT1) != 0 ? rc & (TPM2_RC_FMT1 | 0x3f) : rc;

	if (rc == TSS2_RC_SUCCESS)
		return HF_OK;
	if (base == TPM2_RC_POLICY_FAIL || rc == TPM2_RC_PCR_CHANGED)
		return HF_E_TPM_PCR;
	if (base == TPM2_RC_AUTH_FAIL || base == TPM2_RC_BAD_AUTH)
		return HF_E_PIN_INCORRECT;
	if (rc == TPM2_RC_RETRY || rc == TPM2_RC_YIELDED || rc == TPM2_RC_TESTING)
		return HF_E_CONFLICT;
	if (rc == TPM2_RC_LOCKOUT)
		return HF_E_TPM_LOCKOUT;
	if (base == TPM2_RC_INTEGRITY)
		return HF_E_TPM_FOREIGN;
	log_error("TPM: %s: response code 0x%x", what, (unsigned)rc);
	return HF_E_TPM;
}

/* --- coming and going ------------------------------------------------------------------- */

enum hf_err tpm_open(int fd, struct tpm **ret)
{
	size_t size = Tss2_Sys_GetContextSize(COMMAND_MAX);
	TSS2_ABI_VERSION abi = TSS2_ABI_VERSION_CURRENT;
	struct tpm *t = secret_calloc(1, sizeof(*t));

	if (t == NULL)
		return HF_E_SECRET_MEMORY;
	mutex_init(&t->lock);
	tpm_channel_init(&t->channel, fd);
	t->sys = secret_calloc(1, size);
	if (t->sys == NULL || Tss2_Sys_Initialize(t->sys, size,
			(TSS2_TCTI_CONTEXT *)&t->channel.common, &abi) != TSS2_RC_SUCCESS) {
		t->channel.fd = -1;
		tpm_close(t);
		return HF_E_INTERNAL;
	}
	*ret = t;
	return HF_OK;
}

void tpm_close(struct tpm *t)
{
	if (t == NULL)
		return;
	if (t->channel.fd >= 0)
		close(t->channel.fd);
	secret_free(t->sys);
	mutex_done(&t->lock);
	secret_free(t);
}

static void flush(struct tpm *t, TPM2_HANDLE *handle)
{
	if (*handle != 0)
		(void)Tss2_Sys_FlushContext(t->sys, *handle);
	*handle = 0;
}

void tpm_leave(struct tpm *t)
{
	tpm_session_close(t, &t->policy);
	tpm_session_close(t, &t->hmac);
	flush(t, &t->object);
	flush(t, &t->primary);
	secret_wipe(&t->in, sizeof(t->in));
	secret_wipe(&t->out, sizeof(t->out));
}

static struct slice name_of(const TPM2B_NAME *n)
{
	return (struct slice){ n->name, n->size };
}

/* The storage key's template (TCG EK Credential Profile, "SRK"). */
static const TPM2B_PUBLIC primary_template = { .publicArea = {
	.type = TPM2_ALG_ECC,
	.nameAlg = TPM2_ALG_SHA256,
	.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
		TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA |
		TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
	.parameters.eccDetail = {
		.symmetric = { .algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB },
		.scheme.scheme = TPM2_ALG_NULL,
		.curveID = TPM2_ECC_NIST_P256,
		.kdf.scheme = TPM2_ALG_NULL,
	},
} };

/* check_name: the name is the hash of what the TPM says that the key is. */
static enum hf_err check_name(const TPM2B_PUBLIC *pub, const TPM2B_NAME *name)
{
	uint8_t encoded[sizeof(*pub)], own[TPM_NAME];
	size_t n = 0;

	TRY(tpm_rc(Tss2_MU_TPMT_PUBLIC_Marshal(&pub->publicArea, encoded, sizeof(encoded), &n), "a key"));
	put_u16(own, TPM2_ALG_SHA256);
	TRY(crypto_sha256((struct slice){ encoded, n }, own + 2));
	return slice_eq(SLICE_OF(own), name_of(name)) ? HF_OK : HF_E_TPM;
}

static enum hf_err make_primary(struct tpm *t)
{
	static const TPM2B_SENSITIVE_CREATE nothing;
	static const TPML_PCR_SELECTION no_pcrs;
	const TSS2L_SYS_AUTH_COMMAND auth = { .count = 1, .auths = { { .sessionHandle = TPM2_RS_PW } } };
	TSS2L_SYS_AUTH_RESPONSE answer = { 0 };
	TPM2B_PUBLIC pub = { 0 };

	t->primary_name.size = sizeof(t->primary_name.name);
	TRY(tpm_rc(Tss2_Sys_CreatePrimary(t->sys, TPM2_RH_OWNER, &auth, &nothing, &primary_template, NULL,
		&no_pcrs, &t->primary, &pub, NULL, NULL, NULL, &t->primary_name, &answer),
		"CreatePrimary (the owner's authorization has to be empty)"));
	TRY(check_name(&pub, &t->primary_name));
	t->point = pub.publicArea.unique.ecc;
	return HF_OK;
}

enum hf_err tpm_enter(struct tpm *t)
{
	TRY(make_primary(t));
	return tpm_session_open(t, TPM2_SE_HMAC, &t->hmac);
}

/* --- PCRs -------------------------------------------------------------------------------- */

struct pcrs {
	uint32_t set;
	uint8_t v[TPM_PCRS][TPM_HASH];
};

static TPML_PCR_SELECTION selection(uint32_t pcrs)
{
	TPML_PCR_SELECTION s = { .count = 1 };

	s.pcrSelections[0].hash = TPM2_ALG_SHA256;
	s.pcrSelections[0].sizeofSelect = TPM_PCRS / 8;
	for (unsigned i = 0; i < TPM_PCRS / 8; i++)
		s.pcrSelections[0].pcrSelect[i] = (uint8_t)(pcrs >> (8 * i));
	return s;
}

/* read_some: the TPM gives as many at once as it likes; *left is what it did not. */
static enum hf_err read_some(struct tpm *t, uint32_t *left, struct pcrs *ret)
{
	static const struct tpm_names none;
	const TPML_PCR_SELECTION want = selection(*left);
	TPML_PCR_SELECTION got = { 0 };
	TPML_DIGEST digests = { 0 };
	UINT32 counter;
	unsigned k = 0;

	TRY(tpm_rc(Tss2_Sys_PCR_Read_Prepare(t->sys, &want), "PCR_Read"));
	TRY(tpm_run(t, &t->hmac, TPMA_SESSION_AUDIT, &none, "PCR_Read"));
	TRY(tpm_rc(Tss2_Sys_PCR_Read_Complete(t->sys, &counter, &got, &digests), "PCR_Read"));
	for (unsigned i = 0; i < TPM_PCRS && k < digests.count; i++)
		if (got.count > 0 && (got.pcrSelections[0].pcrSelect[i / 8] >> (i % 8) & 1) != 0 &&
		    (*left >> i & 1) != 0 && digests.digests[k].size == TPM_HASH) {
			memcpy(ret->v[i], digests.digests[k++].buffer, TPM_HASH);
			*left &= ~(1u << i);
		}
	if (k > 0)
		return HF_OK;
	log_error("the TPM has no SHA-256 bank of PCRs");
	return HF_E_TPM;
}

static enum hf_err read_pcrs(struct tpm *t, uint32_t set, struct pcrs *ret)
{
	uint32_t left = set;

	ret->set = set;
	while (left != 0)
		TRY(read_some(t, &left, ret));
	return HF_OK;
}

static void pcrs_enc(const struct pcrs *p, struct buf *b)
{
	for (unsigned i = 0; i < TPM_PCRS; i++)
		if ((p->set >> i & 1) != 0)
			buf_raw(b, SLICE_OF(p->v[i]));
}

/* extend: the policy's digest after one more command (Part 3, "PolicyPCR", "PolicyAuthValue"). */
static enum hf_err extend(uint8_t digest[TPM_HASH], TPM2_CC command, struct slice arguments)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(256);

	buf_raw(&b, (struct slice){ digest, TPM_HASH });
	buf_u32(&b, command);
	buf_raw(&b, arguments);
	TRY(buf_err(&b));
	return crypto_sha256(buf_slice(&b), digest);
}

static enum hf_err policy_of(const struct pcrs *p, bool pin, uint8_t digest[TPM_HASH])
{
	CLEANUP(buf_done) struct buf values = BUF_MAX(TPM_PCRS * TPM_HASH);
	const TPML_PCR_SELECTION s = selection(p->set);
	uint8_t arguments[256];
	size_t n = 0;

	memset(digest, 0, TPM_HASH);
	if (p->set != 0) {
		pcrs_enc(p, &values);
		TRY(buf_err(&values));
		TRY(tpm_rc(Tss2_MU_TPML_PCR_SELECTION_Marshal(&s, arguments, sizeof(arguments), &n), "PCRs"));
		TRY(crypto_sha256(buf_slice(&values), arguments + n));
		TRY(extend(digest, TPM2_CC_PolicyPCR, (struct slice){ arguments, n + TPM_HASH }));
	}
	return pin ? extend(digest, TPM2_CC_PolicyAuthValue, SLICE_NONE) : HF_OK;
}

/* pin_value: an authorization value of any PIN. The TPM drops zeros at its end. */
static enum hf_err pin_value(struct slice pin, struct secret *ret)
{
	CLEANUP(secret_done) struct secret v = { 0 };

	if (pin.n == 0)
		return HF_OK;
	TRY(secret_alloc(&v, TPM_HASH));
	TRY(crypto_hmac(SLICE_STR(PIN_LABEL), pin, v.p));
	while (v.n > 1 && v.p[v.n - 1] == 0)
		secret_cut(&v, v.n - 1);
	*ret = secret_take(&v);
	return HF_OK;
}

/* --- sealing ------------------------------------------------------------------------------ */

static TPM2B_PUBLIC sealed_template(const uint8_t policy[TPM_HASH], bool pin)
{
	TPM2B_PUBLIC p = { .publicArea = {
		.type = TPM2_ALG_KEYEDHASH,
		.nameAlg = TPM2_ALG_SHA256,
		.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
			TPMA_OBJECT_ADMINWITHPOLICY | (pin ? 0 : TPMA_OBJECT_NODA),
		.authPolicy.size = TPM_HASH,
		.parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL,
	} };

	memcpy(p.publicArea.authPolicy.buffer, policy, TPM_HASH);
	return p;
}

static enum hf_err create(struct tpm *t, const TPM2B_PUBLIC *template, TPM2B_PRIVATE *private_,
	TPM2B_PUBLIC *pub)
{
	static const TPM2B_DATA nothing;
	static const TPML_PCR_SELECTION no_pcrs;
	const struct tpm_names names = { { name_of(&t->primary_name) }, 1 };

	TRY(tpm_rc(Tss2_Sys_Create_Prepare(t->sys, t->primary, &t->in, template, &nothing, &no_pcrs),
		"Create"));
	TRY(tpm_run(t, &t->hmac, TPMA_SESSION_DECRYPT, &names, "Create"));
	private_->size = sizeof(private_->buffer);
	return tpm_rc(Tss2_Sys_Create_Complete(t->sys, private_, pub, NULL, NULL, NULL), "Create");
}

static enum hf_err sealed_enc(const struct tpm *t, const struct pcrs *p, bool pin,
	const TPM2B_PRIVATE *private_, const TPM2B_PUBLIC *pub, struct buf *out)
{
	uint8_t bytes[sizeof(*pub) + sizeof(*private_)];
	size_t n = 0;

	TRY(tpm_rc(Tss2_MU_TPM2B_PUBLIC_Marshal(pub, bytes, sizeof(bytes), &n), "an object"));
	TRY(tpm_rc(Tss2_MU_TPM2B_PRIVATE_Marshal(private_, bytes, sizeof(bytes), &n), "an object"));
	buf_u8(out, FORMAT);
	buf_u32(out, p->set);
	buf_bool(out, pin);
	buf_raw(out, name_of(&t->primary_name));
	pcrs_enc(p, out);
	buf_raw(out, (struct slice){ bytes, n });
	return buf_err(out);
}

static enum hf_err seal(struct tpm *t, uint32_t set, struct slice pin, struct slice secret,
	struct buf *out)
{
	CLEANUP(secret_done) struct secret value = { 0 };
	TPM2B_PRIVATE private_ = { 0 };
	TPM2B_PUBLIC template, pub = { 0 };
	struct pcrs pcrs = { 0 };
	uint8_t policy[TPM_HASH];

	TRY(pin_value(pin, &value));
	TRY(tpm_enter(t));
	TRY(read_pcrs(t, set, &pcrs));
	TRY(policy_of(&pcrs, pin.n > 0, policy));
	t->in.sensitive.userAuth.size = (UINT16)value.n;
	if (value.n > 0)
		memcpy(t->in.sensitive.userAuth.buffer, value.p, value.n);
	t->in.sensitive.data.size = (UINT16)secret.n;
	memcpy(t->in.sensitive.data.buffer, secret.p, secret.n);
	template = sealed_template(policy, pin.n > 0);
	TRY(create(t, &template, &private_, &pub));
	return sealed_enc(t, &pcrs, pin.n > 0, &private_, &pub, out);
}

enum hf_err tpm_seal(struct tpm *t, uint32_t pcrs, struct slice pin, struct slice secret,
	struct buf *out)
{
	MUTEX_HOLD(&t->lock);
	enum hf_err e = HF_E_ARGUMENTS;

	if (secret.n > 0 && secret.n <= 64 && pcrs >> TPM_PCRS == 0)
		e = seal(t, pcrs, pin, secret, out);
	tpm_leave(t);
	return e == HF_E_TPM_PCR || e == HF_E_PIN_INCORRECT || e == HF_E_CONFLICT ? HF_E_TPM : e;
}

/* --- unsealing ---------------------------------------------------------------------------- */

struct sealed {
	struct pcrs pcrs;
	bool pin;
	struct slice primary;
	TPM2B_PUBLIC pub;
	TPM2B_PRIVATE private_;
};

static bool sealed_dec(struct slice in, struct sealed *s)
{
	struct rd r = rd_of(in);
	const uint8_t *p;
	uint8_t format;
	size_t at = 0;

	if (!tpm_sealed_for(in, &s->pcrs.set, &s->pin) || !rd_u8(&r, &format) ||
	    !rd_take(&r, 5, &p) || !rd_take(&r, TPM_NAME, &p))
		return false;
	s->primary = (struct slice){ p, TPM_NAME };
	for (unsigned i = 0; i < TPM_PCRS; i++)
		if ((s->pcrs.set >> i & 1) != 0) {
			if (!rd_take(&r, TPM_HASH, &p))
				return false;
			memcpy(s->pcrs.v[i], p, TPM_HASH);
		}
	return Tss2_MU_TPM2B_PUBLIC_Unmarshal(r.p, r.n, &at, &s->pub) == TSS2_RC_SUCCESS &&
		Tss2_MU_TPM2B_PRIVATE_Unmarshal(r.p, r.n, &at, &s->private_) == TSS2_RC_SUCCESS && at == r.n;
}

/* Those that differ are named; that the TPM refuses is its own doing. */
static enum hf_err compare(struct tpm *t, const struct sealed *s, char why[TPM_WHY])
{
	struct pcrs now = { 0 };
	uint32_t differ = 0;
	char list[TPM_PCRS_TEXT];

	TRY(read_pcrs(t, s->pcrs.set, &now));
	for (unsigned i = 0; i < TPM_PCRS; i++)
		if (memcmp(now.v[i], s->pcrs.v[i], TPM_HASH) != 0)
			differ |= 1u << i;
	if (differ == 0)
		return HF_OK;
	tpm_pcrs_text(differ, list);
	(void)snprintf(why, TPM_WHY,
		"PCR %s changed since it was sealed: firmware, boot loader, kernel or Secure Boot", list);
	return HF_E_TPM_PCR;
}

static enum hf_err load(struct tpm *t, const struct sealed *s)
{
	const struct tpm_names names = { { name_of(&t->primary_name) }, 1 };

	TRY(tpm_rc(Tss2_Sys_Load_Prepare(t->sys, t->primary, &s->private_, &s->pub), "Load"));
	TRY(tpm_run(t, &t->hmac, 0, &names, "Load"));
	t->object_name.size = sizeof(t->object_name.name);
	TRY(tpm_rc(Tss2_Sys_Load_Complete(t->sys, &t->object, &t->object_name), "Load"));
	return check_name(&s->pub, &t->object_name);
}

static enum hf_err satisfy(struct tpm *t, const struct sealed *s, struct slice value)
{
	static const TPM2B_DIGEST any;
	const TPML_PCR_SELECTION pcrs = selection(s->pcrs.set);

	TRY(tpm_session_open(t, TPM2_SE_POLICY, &t->policy));
	if (s->pcrs.set != 0)
		TRY(tpm_rc(Tss2_Sys_PolicyPCR(t->sys, t->policy.handle, NULL, &any, &pcrs, NULL),
			"PolicyPCR"));
	if (s->pin) {
		TRY(tpm_rc(Tss2_Sys_PolicyAuthValue(t->sys, t->policy.handle, NULL, NULL),
			"PolicyAuthValue"));
		t->policy.auth_in_hmac = true;
	}
	return tpm_session_auth(&t->policy, value);
}

static enum hf_err take_out(struct tpm *t, struct secret *ret)
{
	const struct tpm_names names = { { name_of(&t->object_name) }, 1 };

	enum hf_err e = HF_E_CONFLICT;

	/* Before its first look at a PIN the TPM writes down that it will, and asks us again. */
	for (unsigned i = 0; i < RETRIES && e == HF_E_CONFLICT; i++) {
		TRY(tpm_rc(Tss2_Sys_Unseal_Prepare(t->sys, t->object), "Unseal"));
		e = tpm_run(t, &t->policy, TPMA_SESSION_ENCRYPT, &names, "Unseal");
	}
	TRY(e);
	t->out.size = sizeof(t->out.buffer);
	TRY(tpm_rc(Tss2_Sys_Unseal_Complete(t->sys, &t->out), "Unseal"));
	return secret_dup((struct slice){ t->out.buffer, t->out.size }, ret);
}

static enum hf_err unseal(struct tpm *t, const struct sealed *s, struct slice pin,
	struct secret *ret, char why[TPM_WHY])
{
	CLEANUP(secret_done) struct secret value = { 0 };

	TRY(pin_value(s->pin ? pin : SLICE_NONE, &value));
	TRY(tpm_enter(t));
	if (!slice_eq(s->primary, name_of(&t->primary_name)))
		return HF_E_TPM_FOREIGN;
	TRY(compare(t, s, why));
	if (s->pin && pin.n == 0) {
		(void)snprintf(why, TPM_WHY, "it wants its PIN");
		return HF_E_PIN_LENGTH;
	}
	TRY(load(t, s));
	TRY(satisfy(t, s, secret_slice(&value)));
	return take_out(t, ret);
}

enum hf_err tpm_unseal(struct tpm *t, struct slice sealed, struct slice pin, struct secret *ret,
	char why[TPM_WHY])
{
	MUTEX_HOLD(&t->lock);
	struct sealed s = { 0 };
	enum hf_err e = HF_E_DAMAGED;

	why[0] = '\0';
	if (sealed_dec(sealed, &s))
		e = unseal(t, &s, pin, ret, why);
	tpm_leave(t);
	return e == HF_E_CONFLICT ? HF_E_TPM : e;
}
