/* clone.c: see clone.h; the calls clone_request, clone_begin and clone_take. */
#include "clone.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "domain.h"
#include "gate.h"
#include "guard.h"
#include "partition.h"
#include "pkcs11_numbers.h"
#include "policy.h"
#include "records.h"

#define FORMAT 1
#define MAGIC 8u
#define US_PER_S 1000000u

static const struct slice magic = SLICE_STR("HFCLNREQ");

/* --- what may be cloned ------------------------------------------------------------------------- */

bool clone_allowed(const struct calls_ctx *c, uint64_t cko)
{
	if (cko == CKO_PRIVATE_KEY)
		return policy_value(c->part, POLICY_PRIVATE_CLONING) != 0;
	return cko != CKO_SECRET_KEY || policy_value(c->part, POLICY_SECRET_CLONING) != 0;
}

bool clone_may_leave(struct calls_ctx *c, struct backup *b, const struct object *o)
{
	bool allowed = clone_allowed(c, o->cko);
	bool counted = attrs_one_time(&o->attrs) || guard_limited(c, o->handle);

	b->forbidden += !allowed;
	b->left_out += allowed && counted;
	return allowed && !counted;
}

/* Where neither kind of key may, that is what is said. */
static enum hf_err need_policies(struct calls_ctx *c)
{
	if (clone_allowed(c, CKO_PRIVATE_KEY) || clone_allowed(c, CKO_SECRET_KEY))
		return HF_OK;
	call_detail(c, "policies private-key-cloning and secret-key-cloning");
	return HF_E_POLICY;
}

/* domain_here is the domain of the call's partition. */
static enum hf_err domain_here(struct calls_ctx *c, struct domain *ret)
{
	uint8_t id[DOMAIN_ID];

	domain_of(c->part, id);
	if (!domain_set(id))
		return HF_E_CLONE_DOMAIN;
	return domain_get(c->hsm, id, ret);
}

/* --- the record: what this partition asked for ----------------------------------------------------- */

struct ask {
	uint64_t made, version;
	uint8_t domain[DOMAIN_ID];
	struct secret seed; /* empty: nothing */
};

static void ask_done(struct ask *a)
{
	secret_done(&a->seed);
}

static void name_of(const struct partition *p, char ret[PART_NAME_LEN])
{
	(void)snprintf(ret, PART_NAME_LEN, "p/%s/ask", p->serial);
}

static enum hf_err visit(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct rd r = rd_of(plain);
	const uint8_t *id, *seed;
	struct ask *a = ctx;
	uint8_t format;

	(void)name;
	if (!rd_u8(&r, &format) || format != FORMAT || !rd_u64(&r, &a->made) ||
	    !rd_take(&r, DOMAIN_ID, &id) || !rd_take(&r, XWING_SEED, &seed) || !rd_done(&r))
		return HF_E_DAMAGED;
	a->version = version;
	memcpy(a->domain, id, DOMAIN_ID);
	return secret_dup((struct slice){ seed, XWING_SEED }, &a->seed);
}

static void damaged(void *ctx, const char *name)
{
	(void)name;
	((struct ask *)ctx)->version = UINT64_MAX;
}

static enum hf_err ask_get(struct calls_ctx *c, struct ask *ret)
{
	const struct record_visit v = { ret, visit, damaged };
	char name[PART_NAME_LEN];

	name_of(c->part, name);
	TRY(records_get(c->hsm->records, name, SEAL_STORE, SLICE_NONE, &v));
	return ret->version == UINT64_MAX ? HF_E_DAMAGED : HF_OK;
}

static enum hf_err ask_keep(struct calls_ctx *c, const struct ask *a)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(128);
	char name[PART_NAME_LEN];
	struct record_change change = { .name = name, .expect = a->version, .version = a->version + 1,
		.seal = SEAL_STORE };

	name_of(c->part, name);
	buf_u8(&b, FORMAT);
	buf_u64(&b, a->made);
	buf_raw(&b, SLICE_OF(a->domain));
	buf_raw(&b, secret_slice(&a->seed));
	TRY(buf_err(&b));
	change.plain = buf_slice(&b);
	return records_write(c->hsm->records, &change, 1);
}

static enum hf_err ask_forget(struct calls_ctx *c, const struct ask *a)
{
	char name[PART_NAME_LEN];
	struct record_change change = { .name = name, .expect = a->version };

	name_of(c->part, name);
	return records_write(c->hsm->records, &change, 1);
}

/* --- the request ------------------------------------------------------------------------------------ */

static enum hf_err mac_of(const struct domain *d, struct slice body, uint8_t ret[CRYPTO_HASH])
{
	CLEANUP(secret_done) struct secret key = { 0 };

	TRY(crypto_derive(secret_slice(&d->key), "holdfast clone request", SLICE_NONE, &key));
	return crypto_hmac(secret_slice(&key), body, ret);
}

static enum hf_err request_enc(struct calls_ctx *c, const struct ask *a, const struct domain *d,
	struct buf *out)
{
	uint8_t pub[XWING_PUBLIC], mac[CRYPTO_HASH];

	TRY(xwing_public(secret_slice(&a->seed), pub));
	buf_raw(out, magic);
	buf_u8(out, FORMAT);
	buf_bytes(out, slice_str(c->hsm->serial));
	buf_bytes(out, slice_str(c->part->serial));
	buf_u64(out, a->made);
	buf_raw(out, SLICE_OF(d->id));
	buf_raw(out, SLICE_OF(pub));
	TRY(buf_err(out));
	TRY(mac_of(d, buf_slice(out), mac));
	buf_raw(out, SLICE_OF(mac));
	return buf_err(out);
}

/* struct asked is one that was read; its slices point into it. */
struct asked {
	struct slice hsm, serial, key, body, mac;
	const uint8_t *domain;
};

static bool request_read(struct slice in, struct asked *q)
{
	struct rd r = rd_of(in);
	const uint8_t *p, *key, *mac;
	uint64_t made;
	uint8_t format;

	if (!rd_take(&r, MAGIC, &p) || !slice_eq((struct slice){ p, MAGIC }, magic) || !rd_u8(&r, &format) ||
	    format != FORMAT || !rd_bytes(&r, SERIAL_LEN, &q->hsm) || !rd_bytes(&r, SERIAL_LEN, &q->serial) ||
	    !rd_u64(&r, &made) || !rd_take(&r, DOMAIN_ID, &q->domain) || !rd_take(&r, XWING_PUBLIC, &key) ||
	    !rd_take(&r, CRYPTO_HASH, &mac) || !rd_done(&r))
		return false;
	q->key = (struct slice){ key, XWING_PUBLIC };
	q->mac = (struct slice){ mac, CRYPTO_HASH };
	q->body = (struct slice){ in.p, in.n - CRYPTO_HASH };
	return true;
}

bool clone_asker(struct slice request, struct slice *ret_hsm, struct slice *ret_partition)
{
	struct asked q;

	if (!request_read(request, &q))
		return false;
	*ret_hsm = q.hsm;
	*ret_partition = q.serial;
	return true;
}

/* Who asks knows the domain's key: so it is a member's vault, which says truly who it is. */
static enum hf_err request_check(struct calls_ctx *c, struct slice in, struct domain *d, struct asked *ret)
{
	uint8_t mac[CRYPTO_HASH];

	if (!request_read(in, ret))
		return HF_E_CLONE_REQUEST;
	TRY(domain_here(c, d));
	if (!slice_eq((struct slice){ ret->domain, DOMAIN_ID }, SLICE_OF(d->id)))
		return HF_E_CLONE_DOMAIN;
	TRY(mac_of(d, ret->body, mac));
	return secret_eq(ret->mac, SLICE_OF(mac)) ? HF_OK : HF_E_CLONE_REQUEST;
}

enum hf_err on_clone_request(struct calls_ctx *c, const struct clone_request_req *q,
	struct clone_request_res *r)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(CLONE_REQUEST_MOST);
	CLEANUP(domain_done) struct domain d = { 0 };
	CLEANUP(ask_done) struct ask a = { 0 };

	(void)q;
	TRY(need_policies(c));
	TRY(domain_here(c, &d));
	TRY(ask_get(c, &a));
	secret_done(&a.seed);
	TRY(secret_alloc(&a.seed, XWING_SEED));
	TRY(crypto_random(a.seed.p, a.seed.n));
	a.made = clock_wall_us();
	memcpy(a.domain, d.id, DOMAIN_ID);
	TRY(request_enc(c, &a, &d, &b));
	call_detail(c, "domain %s", d.name);
	TRY(ask_keep(c, &a));
	return arena_dup(c->arena, buf_slice(&b), &r->request);
}

/* --- the answer --------------------------------------------------------------------------------------- */

static void free_it(struct backup **b)
{
	backup_free(*b);
}

static enum hf_err start(struct calls_ctx *c, struct backup *b, const struct asked *q, const struct domain *d,
	struct slice *ret_header)
{
	struct backup_start s = { .h = { .scope = BACKUP_OF_OBJECTS, .serial = slice_str(c->part->serial) } };
	struct backup_to to = { .kind = BACKUP_TO_MEMBER, .secret = secret_slice(&d->key),
		.body = SLICE_OF(d->id) };
	struct backup_make m = { .to = &to, .to_n = 1 };
	char name[BACKUP_NAME_MOST], label[sizeof(c->part->label)];

	(void)snprintf(name, sizeof(name), "HSM %.*s", (int)q->hsm.n, (const char *)q->hsm.p);
	to.card.name = slice_str(name);
	to.card.key = q->key;
	TRY(backup_key_id(q->key, to.card.id));
	lock_check(pthread_rwlock_rdlock(&c->part->lock));
	memcpy(label, c->part->label, sizeof(label));
	lock_check(pthread_rwlock_unlock(&c->part->lock));
	s.h.label = slice_str(label);
	TRY(backup_start_to(c, b, &m, &s));
	*ret_header = s.header;
	return HF_OK;
}

enum hf_err on_clone_begin(struct calls_ctx *c, const struct clone_begin_req *q, struct clone_begin_res *r)
{
	CLEANUP(free_it) struct backup *b = hf_alloc(1, sizeof(*b));
	CLEANUP(domain_done) struct domain d = { 0 };
	struct asked of;

	if (b == NULL)
		return HF_E_MEMORY;
	b->clone = true;
	TRY(need_policies(c));
	TRY(request_check(c, q->request, &d, &of));
	call_detail(c, "domain %s, to HSM %.*s, partition %.*s", d.name, (int)of.hsm.n,
		(const char *)of.hsm.p, (int)of.serial.n, (const char *)of.serial.p);
	TRY(start(c, b, &of, &d, &r->header));
	TRY(backup_snapshot(c, b, q->objects));
	r->objects = b->n;
	r->left_out = b->left_out;
	r->forbidden = b->forbidden;
	call_detail(c, ", %zu objects", b->n);
	backup_drop(c->session);
	c->session->backup = b;
	b = NULL;
	return HF_OK;
}

/* --- taking it ------------------------------------------------------------------------------------------ */

/* opener_for: what opens it, if it answers what this partition asked for last. */
static enum hf_err opener_for(struct slice header, const struct ask *a,
	struct backup_opener *ret)
{
	uint64_t now = clock_wall_us();
	uint8_t pub[XWING_PUBLIC];
	struct backup_header h;

	TRY(backup_header_read(header, &h));
	if (h.scope != BACKUP_OF_OBJECTS || h.to_n != 1 || h.to[0].kind != BACKUP_TO_MEMBER || h.base.n != 0)
		return HF_E_CLONE_NONE;
	if (a->seed.n == 0 || now - a->made > CLONE_ASK_S * (uint64_t)US_PER_S)
		return HF_E_CLONE_ANSWER;
	*ret = (struct backup_opener){ .kind = BACKUP_TO_MEMBER, .secret = secret_slice(&a->seed) };
	TRY(xwing_public(ret->secret, pub));
	TRY(backup_key_id(SLICE_OF(pub), ret->id));
	return backup_recipient_fits(&h.to[0], ret) ? HF_OK : HF_E_CLONE_ANSWER;
}

/* In earnest the request is over before anything is taken: no clone is taken twice. */
static enum hf_err open_clone(struct calls_ctx *c, struct backup *b, struct slice header)
{
	CLEANUP(domain_done) struct domain d = { 0 };
	CLEANUP(ask_done) struct ask a = { 0 };
	struct backup_opener o;

	TRY(ask_get(c, &a));
	TRY(opener_for(header, &a, &o));
	TRY(domain_here(c, &d));
	if (!slice_eq(SLICE_OF(d.id), SLICE_OF(a.domain)))
		return HF_E_CLONE_DOMAIN;
	o.domain_key = secret_slice(&d.key);
	call_detail(c, "domain %s, ", d.name);
	TRY(restore_open_with(c, b, header, &o, 1));
	return b->dry ? HF_OK : ask_forget(c, &a);
}

enum hf_err on_clone_take(struct calls_ctx *c, const struct clone_take_req *q, struct clone_take_res *r)
{
	CLEANUP(free_it) struct backup *b = hf_alloc(1, sizeof(*b));

	(void)r;
	if (b == NULL)
		return HF_E_MEMORY;
	TRY(need_policies(c));
	if (!c->session->rw)
		return HF_E_SESSION_RO;
	if (q->collision > RESTORE_RENAME)
		return HF_E_ARGUMENTS;
	b->clone = true;
	b->collision = (enum restore_collision)q->collision;
	b->dry = q->dry;
	TRY(open_clone(c, b, q->header));
	backup_drop(c->session);
	c->session->backup = b;
	b = NULL;
	return HF_OK;
}
