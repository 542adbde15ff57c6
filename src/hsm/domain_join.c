/* domain_join.c: see domain_join.h. */
#include "domain_join.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "records.h"
#include "xwing.h"

#define ASK_NAME "hsm/domain-ask"
#define FORMAT 1
#define MAGIC 8u
#define SIGNATURE 64u

static const struct slice request_magic = SLICE_STR("HFDOMREQ");
static const struct slice answer_magic = SLICE_STR("HFDOMANS");

/* --- what both messages begin and end with ------------------------------------------------------ */

/* struct message is one that was read; its slices point into it. */
struct message {
	struct member from;
	struct rd body; /* between head and signature */
};

static enum hf_err begin(struct hsm *h, struct slice magic, struct buf *out)
{
	uint8_t pub[MEMBER_KEY];

	if (h->attest.n == 0)
		return HF_E_DAMAGED;
	TRY(crypto_ed25519_public(secret_slice(&h->attest), pub));
	buf_raw(out, magic);
	buf_u8(out, FORMAT);
	buf_bytes(out, slice_str(h->serial));
	buf_u64(out, clock_wall_us());
	buf_raw(out, SLICE_OF(pub));
	return HF_OK;
}

static enum hf_err end(struct hsm *h, struct buf *out)
{
	uint8_t signature[SIGNATURE];

	TRY(buf_err(out));
	TRY(crypto_ed25519_sign(secret_slice(&h->attest), buf_slice(out), signature));
	buf_raw(out, SLICE_OF(signature));
	return buf_err(out);
}

static bool serial_of(struct slice s, char ret[SERIAL_LEN + 1])
{
	if (s.n != SERIAL_LEN)
		return false;
	for (size_t i = 0; i < SERIAL_LEN; i++)
		if (strchr("0123456789abcdef", s.p[i]) == NULL || s.p[i] == 0)
			return false;
	(void)snprintf(ret, SERIAL_LEN + 1, "%.*s", (int)s.n, (const char *)s.p);
	return true;
}

static bool head_of(struct slice in, struct slice magic, struct message *m)
{
	const uint8_t *p, *key;
	struct slice serial;
	uint64_t made;
	uint8_t format;

	if (in.n < SIGNATURE)
		return false;
	m->body = rd_of((struct slice){ in.p, in.n - SIGNATURE });
	if (!rd_take(&m->body, MAGIC, &p) || !slice_eq((struct slice){ p, MAGIC }, magic) ||
	    !rd_u8(&m->body, &format) || format != FORMAT || !rd_bytes(&m->body, SERIAL_LEN, &serial) ||
	    !rd_u64(&m->body, &made) || !rd_take(&m->body, MEMBER_KEY, &key))
		return false;
	memcpy(m->from.key, key, MEMBER_KEY);
	return serial_of(serial, m->from.serial);
}

/* The signature says that all of it is of one maker; the fingerprint, who that is. */
static enum hf_err message_read(struct slice in, struct slice magic, struct slice fingerprint,
	struct message *ret)
{
	struct message m = { .from = { .since = clock_wall_us() } };
	uint8_t hash[CRYPTO_HASH];

	if (!head_of(in, magic, &m) ||
	    crypto_ed25519_verify(SLICE_OF(m.from.key), (struct slice){ in.p, in.n - SIGNATURE },
		(struct slice){ in.p + in.n - SIGNATURE, SIGNATURE }) != HF_OK)
		return HF_E_DOMAIN_MESSAGE;
	TRY(crypto_sha256(in, hash));
	if (!slice_eq(fingerprint, (struct slice){ hash, DOMAIN_FINGERPRINT }))
		return HF_E_DOMAIN_FINGERPRINT;
	*ret = m;
	return HF_OK;
}

/* --- the request, and what is remembered of it: format u8 | seed 32 | its SHA-256 32 ------------- */

struct ask {
	struct secret seed; /* empty: none waits */
	uint8_t hash[CRYPTO_HASH];
	uint64_t version;
};

static void ask_done(struct ask *a)
{
	secret_done(&a->seed);
}

static enum hf_err visit(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct rd r = rd_of(plain);
	const uint8_t *seed, *hash;
	struct ask *a = ctx;
	uint8_t format;

	(void)name;
	a->version = version;
	if (!rd_u8(&r, &format) || format != FORMAT || !rd_take(&r, XWING_SEED, &seed) ||
	    !rd_take(&r, CRYPTO_HASH, &hash) || !rd_done(&r))
		return HF_E_DAMAGED;
	memcpy(a->hash, hash, CRYPTO_HASH);
	return secret_dup((struct slice){ seed, XWING_SEED }, &a->seed);
}

/* It is told as none; the next one takes another version, which it cannot have: so it is an error. */
static void damaged(void *ctx, const char *name)
{
	(void)name;
	((struct ask *)ctx)->version = UINT64_MAX;
}

static enum hf_err ask_get(struct hsm *h, struct ask *ret)
{
	const struct record_visit v = { ret, visit, damaged };

	TRY(records_get(h->records, ASK_NAME, SEAL_STORE, SLICE_NONE, &v));
	return ret->version == UINT64_MAX ? HF_E_DAMAGED : HF_OK;
}

static enum hf_err ask_keep(struct hsm *h, const struct ask *before, struct slice seed,
	struct slice request)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(128);
	struct record_change c = { .name = ASK_NAME, .expect = before->version,
		.version = before->version + 1, .seal = SEAL_STORE };
	uint8_t hash[CRYPTO_HASH];

	TRY(crypto_sha256(request, hash));
	buf_u8(&b, FORMAT);
	buf_raw(&b, seed);
	buf_raw(&b, SLICE_OF(hash));
	TRY(buf_err(&b));
	c.plain = buf_slice(&b);
	return records_write(h->records, &c, 1);
}

enum hf_err domain_ask(struct hsm *h, struct buf *out)
{
	CLEANUP(ask_done) struct ask before = { 0 };
	CLEANUP(secret_done) struct secret seed = { 0 };
	uint8_t pub[CRYPTO_KEM_PUBLIC];

	TRY(ask_get(h, &before));
	TRY(begin(h, request_magic, out));
	TRY(crypto_kem_new(pub, &seed));
	buf_raw(out, SLICE_OF(pub));
	TRY(end(h, out));
	return ask_keep(h, &before, secret_slice(&seed), buf_slice(out));
}

/* --- the answer ---------------------------------------------------------------------------------- */

enum hf_err domain_answer(struct hsm *h, const struct domain *d, struct slice request,
	struct slice fingerprint, struct member *ret, struct buf *out)
{
	CLEANUP(buf_done) struct buf wrapped = BUF_MAX(CRYPTO_KEM_WRAPPED);
	uint8_t hash[CRYPTO_HASH];
	const uint8_t *pub;
	struct message m;

	TRY(message_read(request, request_magic, fingerprint, &m));
	if (!rd_take(&m.body, CRYPTO_KEM_PUBLIC, &pub) || !rd_done(&m.body))
		return HF_E_DOMAIN_MESSAGE;
	TRY(begin(h, answer_magic, out));
	TRY(crypto_sha256(request, hash));
	buf_raw(out, SLICE_OF(hash));
	buf_raw(out, SLICE_OF(d->id));
	buf_bytes(out, slice_str(d->name));
	TRY(buf_err(out));
	TRY(crypto_kem_wrap((struct slice){ pub, CRYPTO_KEM_PUBLIC }, buf_slice(out),
		secret_slice(&d->key), &wrapped));
	buf_raw(out, buf_slice(&wrapped));
	TRY(end(h, out));
	m.from.how = DOMAIN_WE_ADMITTED;
	*ret = m.from;
	return HF_OK;
}

/* struct invitation is what one says; its slices point into the message. */
struct invitation {
	const uint8_t *request, *id;
	struct slice name, place, wrapped;
};

static bool invitation_read(struct slice in, struct rd *r, struct invitation *a)
{
	const uint8_t *wrapped;

	if (!rd_take(r, CRYPTO_HASH, &a->request) || !rd_take(r, DOMAIN_ID, &a->id) ||
	    !rd_bytes(r, DOMAIN_NAME, &a->name))
		return false;
	a->place = (struct slice){ in.p, (size_t)(r->p - in.p) };
	if (!rd_take(r, CRYPTO_KEM_WRAPPED, &wrapped))
		return false;
	a->wrapped = (struct slice){ wrapped, CRYPTO_KEM_WRAPPED };
	return rd_done(r);
}

static enum hf_err join(struct hsm *h, const struct ask *ask, const struct invitation *a,
	const struct member *from, struct domain *ret)
{
	CLEANUP(domain_done) struct domain d = { .since = from->since };
	struct record_change over = { .name = ASK_NAME, .expect = ask->version };
	enum hf_err e = domain_get(h, a->id, &d);

	if (e != HF_E_DOMAIN_NONE)
		return e == HF_OK ? HF_E_DOMAIN_EXISTS : e;
	TRY(domain_free_name(h, a->name));
	TRY(crypto_kem_unwrap(secret_slice(&ask->seed), a->place, a->wrapped, &d.key) == HF_OK ? HF_OK :
		HF_E_DOMAIN_MESSAGE);
	memcpy(d.id, a->id, DOMAIN_ID);
	memcpy(d.name, a->name.p, a->name.n);
	TRY(domain_remember(&d, from));
	TRY(domain_keep(h, &d, &over));
	*ret = d;
	d.key = (struct secret){ 0 };
	return HF_OK;
}

enum hf_err domain_take(struct hsm *h, struct slice answer, struct slice fingerprint, struct domain *ret)
{
	CLEANUP(ask_done) struct ask ask = { 0 };
	struct message m;
	struct invitation a;

	TRY(message_read(answer, answer_magic, fingerprint, &m));
	if (!invitation_read(answer, &m.body, &a))
		return HF_E_DOMAIN_MESSAGE;
	TRY(ask_get(h, &ask));
	if (ask.seed.n == 0 || !slice_eq((struct slice){ a.request, CRYPTO_HASH }, SLICE_OF(ask.hash)))
		return HF_E_DOMAIN_ANSWER;
	m.from.how = DOMAIN_ADMITTED_US;
	return join(h, &ask, &a, &m.from, ret);
}
