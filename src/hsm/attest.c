/* attest.c: see attest.h; and the calls attest_root and attest_key. */
#include "attest.h"

#include <stdio.h>
#include <string.h>

#include "attestation.h"
#include "certificate.h"
#include "clock.h"
#include "damaged.h"
#include "gate.h"
#include "object.h"
#include "pkcs11_numbers.h"
#include "policies.h"
#include "records.h"
#include "utf8.h"

#define NAME "hsm/attest"
#define FORMAT 1
#define SEED 32u
#define CERTIFICATE_MAX (2 * ATTEST_MAX)

static enum hf_err visit(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct hsm *h = ctx;
	struct rd r = rd_of(plain);
	const uint8_t *seed;
	uint8_t format;

	(void)name;
	(void)version;
	if (!rd_u8(&r, &format) || format != FORMAT || !rd_take(&r, SEED, &seed) ||
	    !rd_u64(&r, &h->attest_made) || !rd_done(&r))
		return HF_E_DAMAGED;
	return secret_dup((struct slice){ seed, SEED }, &h->attest);
}

static void damaged(void *ctx, const char *name)
{
	struct hsm *h = ctx;

	h->attest_made = 1; /* there was one: no new one takes its place */
	damaged_add(h->damaged, name);
}

static enum hf_err make(struct hsm *h)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	CLEANUP(secret_done) struct secret seed = { 0 };
	uint64_t now = clock_wall_us();
	struct record_change c = { .name = NAME, .version = 1, .seal = SEAL_STORE };

	TRY(secret_alloc(&seed, SEED));
	TRY(crypto_random(seed.p, seed.n));
	buf_u8(&b, FORMAT);
	buf_raw(&b, secret_slice(&seed));
	buf_u64(&b, now);
	TRY(buf_err(&b));
	c.plain = buf_slice(&b);
	TRY(records_write(h->records, &c, 1));
	h->attest = secret_take(&seed);
	h->attest_made = now;
	return HF_OK;
}

enum hf_err attest_open(struct hsm *h)
{
	const struct record_visit v = { h, visit, damaged };

	h->attest_made = 0;
	TRY(records_get(h->records, NAME, SEAL_STORE, SLICE_NONE, &v));
	return h->attest_made == 0 ? make(h) : HF_OK;
}

/* --- the root's certificate ------------------------------------------------------------ */

static void name_root(const struct hsm *h, char *out, size_t n)
{
	(void)snprintf(out, n, "Holdfast %s attestation root", h->serial);
}

enum hf_err on_attest_root(struct calls_ctx *c, const struct attest_root_req *q,
	struct attest_root_res *r)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(CERTIFICATE_MAX);
	char name[64];
	struct certificate cert = {
		.serial = SLICE_STR("\x01"), .issuer = name, .subject = name,
		.since_us = c->hsm->attest_made,
	};

	(void)q;
	if (c->hsm->attest.n == 0)
		return HF_E_DAMAGED;
	name_root(c->hsm, name, sizeof(name));
	TRY(certificate_make(&cert, secret_slice(&c->hsm->attest), &b));
	return arena_dup(c->arena, buf_slice(&b), &r->certificate);
}

/* --- statements --------------------------------------------------------------------------- */

static void say_bytes(struct attestation *a, enum attest_field f, struct slice s)
{
	if (s.n == 0 || (attest_rows[f].kind == ATTEST_KIND_TEXT && !utf8_valid(s)))
		return;
	a->v[f].there = true;
	a->v[f].bytes = s;
}

static void say_number(struct attestation *a, enum attest_field f, uint64_t n)
{
	a->v[f].there = true;
	a->v[f].number = n;
}

/* policy_digest: SHA-256 over (number u32, value u64) of each policy, in the list's order. */
static enum hf_err policy_digest(struct calls_ctx *c, struct slice *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(12 * POLICIES);
	uint8_t *hash = arena_alloc(c->arena, CRYPTO_HASH, 1);

	if (hash == NULL)
		return HF_E_SECRET_MEMORY;
	for (size_t i = 0; i < POLICIES; i++) {
		buf_u32(&b, policy_rows[i].number);
		buf_u64(&b, atomic_load(&c->part->policies.v[i]));
	}
	TRY(buf_err(&b));
	TRY(crypto_sha256(buf_slice(&b), hash));
	*ret = (struct slice){ hash, CRYPTO_HASH };
	return HF_OK;
}

static enum hf_err say_place(struct calls_ctx *c, struct attestation *a)
{
	struct slice label, digest;
	enum hf_err e;

	(void)pthread_rwlock_rdlock(&c->part->lock);
	e = arena_dup(c->arena, slice_str(c->part->label), &label);
	(void)pthread_rwlock_unlock(&c->part->lock);
	if (e != HF_OK)
		return e;
	TRY(policy_digest(c, &digest));
	say_bytes(a, ATTEST_HSM, slice_str(c->hsm->serial));
	say_bytes(a, ATTEST_PARTITION, slice_str(c->part->serial));
	say_bytes(a, ATTEST_PARTITION_LABEL, label);
	say_bytes(a, ATTEST_POLICIES, digest);
	say_number(a, ATTEST_TIME, clock_wall_us() / 1000000);
	say_number(a, ATTEST_VERSION, ATTEST_VERSION_NOW);
	return HF_OK;
}

static void say_key(const struct object *o, struct attestation *a)
{
	static const struct { enum attest_field field; uint32_t type; } flags[] = {
		{ ATTEST_LOCAL, CKA_LOCAL },
		{ ATTEST_NEVER_EXTRACTABLE, CKA_NEVER_EXTRACTABLE },
		{ ATTEST_ALWAYS_SENSITIVE, CKA_ALWAYS_SENSITIVE },
		{ ATTEST_SENSITIVE, CKA_SENSITIVE },
		{ ATTEST_EXTRACTABLE, CKA_EXTRACTABLE },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		say_number(a, flags[i].field, attrs_bool(&o->attrs, flags[i].type));
	say_number(a, ATTEST_CLASS, o->cko);
	say_number(a, ATTEST_KEY_TYPE, o->ckk);
	say_bytes(a, ATTEST_UNIQUE_ID, attrs_get(&o->attrs, CKA_UNIQUE_ID));
	say_bytes(a, ATTEST_ID, attrs_get(&o->attrs, CKA_ID));
	say_bytes(a, ATTEST_LABEL, attrs_get(&o->attrs, CKA_LABEL));
	if (attrs_bool(&o->attrs, CKA_LOCAL))
		say_number(a, ATTEST_MECHANISM, attrs_u64(&o->attrs, CKA_KEY_GEN_MECHANISM, 0));
	if (o->cko == CKO_SECRET_KEY)
		say_bytes(a, ATTEST_CHECK_VALUE, attrs_get(&o->attrs, CKA_CHECK_VALUE));
}

static enum hf_err as_certificate(struct calls_ctx *c, const struct object *o,
	const struct attestation *a, struct buf *out)
{
	CLEANUP(buf_done) struct buf extension = BUF_MAX(ATTEST_MAX);
	struct slice uid = attrs_get(&o->attrs, CKA_UNIQUE_ID);
	char issuer[64], subject[65];
	uint8_t serial[16];
	struct certificate cert = {
		.serial = SLICE_OF(serial), .issuer = issuer, .subject = subject,
		.since_us = clock_wall_us(),
		.public_key = attrs_get(&o->attrs, CKA_PUBLIC_KEY_INFO),
	};

	if (o->cko != CKO_PRIVATE_KEY || cert.public_key.n == 0)
		return HF_E_KEY_TYPE;
	name_root(c->hsm, issuer, sizeof(issuer));
	(void)snprintf(subject, sizeof(subject), "%.*s", (int)uid.n, (const char *)uid.p);
	TRY(crypto_random(serial, sizeof(serial)));
	serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and of this length */
	TRY(attestation_der(a, &extension));
	cert.extension = buf_slice(&extension);
	return certificate_make(&cert, secret_slice(&c->hsm->attest), out);
}

static enum hf_err state(struct calls_ctx *c, const struct object *o, const struct attest_key_req *q,
	struct buf *out)
{
	struct attestation a = { 0 };

	TRY(say_place(c, &a));
	say_key(o, &a);
	say_bytes(&a, ATTEST_NONCE, q->nonce);
	if (q->form == ATTEST_X509)
		return as_certificate(c, o, &a, out);
	if (o->cko == CKO_PRIVATE_KEY)
		say_bytes(&a, ATTEST_PUBLIC_KEY, attrs_get(&o->attrs, CKA_PUBLIC_KEY_INFO));
	return attestation_cose(&a, secret_slice(&c->hsm->attest), out);
}

enum hf_err on_attest_key(struct calls_ctx *c, const struct attest_key_req *q,
	struct attest_key_res *r)
{
	CLEANUP(object_release) struct object *o = NULL;
	CLEANUP(buf_done) struct buf b = BUF_MAX(CERTIFICATE_MAX);

	if (q->form > ATTEST_COSE || q->nonce.n > ATTEST_NONCE_MOST ||
	    (q->nonce.n > 0 && q->nonce.n < ATTEST_NONCE_LEAST))
		return HF_E_ARGUMENTS;
	if (c->hsm->attest.n == 0)
		return HF_E_DAMAGED;
	TRY(object_get(c, q->key, HF_E_KEY_HANDLE, &o));
	object_audit(c, o);
	if (o->cko != CKO_PRIVATE_KEY && o->cko != CKO_SECRET_KEY)
		return HF_E_KEY_HANDLE;
	TRY(state(c, o, q, &b));
	return arena_dup(c->arena, buf_slice(&b), &r->statement);
}
