/* domain.c: see domain.h. */
#include "domain.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "records.h"
#include "utf8.h"

#define PREFIX "hsm/domain/"
#define FORMAT 1
#define RECORD_MOST 8192u
#define NAME_LEN (sizeof(PREFIX) + 2 * DOMAIN_ID)

void domain_done(struct domain *d)
{
	secret_done(&d->key);
}

bool domain_set(const uint8_t id[DOMAIN_ID])
{
	static const uint8_t none[DOMAIN_ID];

	return !slice_eq((struct slice){ id, DOMAIN_ID }, SLICE_OF(none));
}

void domain_of(struct partition *p, uint8_t ret[DOMAIN_ID])
{
	lock_check(pthread_rwlock_rdlock(&p->lock));
	memcpy(ret, p->domain, DOMAIN_ID);
	lock_check(pthread_rwlock_unlock(&p->lock));
}

/* --- the record ------------------------------------------------------------------------------ */

static void name_of(const uint8_t id[DOMAIN_ID], char ret[NAME_LEN])
{
	memcpy(ret, PREFIX, sizeof(PREFIX));
	hex_encode((struct slice){ id, DOMAIN_ID }, ret + sizeof(PREFIX) - 1);
}

static void member_enc(const struct member *m, struct buf *out)
{
	buf_bytes(out, slice_str(m->serial));
	buf_raw(out, SLICE_OF(m->key));
	buf_u64(out, m->since);
	buf_u8(out, m->how);
}

static bool member_dec(struct rd *r, struct member *m)
{
	struct slice serial;
	const uint8_t *key;

	if (!rd_bytes(r, SERIAL_LEN, &serial) || !rd_take(r, MEMBER_KEY, &key) || !rd_u64(r, &m->since) ||
	    !rd_u8(r, &m->how))
		return false;
	(void)snprintf(m->serial, sizeof(m->serial), "%.*s", (int)serial.n, (const char *)serial.p);
	memcpy(m->key, key, MEMBER_KEY);
	return true;
}

static void domain_enc(const struct domain *d, struct buf *out)
{
	buf_u8(out, FORMAT);
	buf_bytes(out, slice_str(d->name));
	buf_u64(out, d->since);
	buf_raw(out, secret_slice(&d->key));
	buf_u32(out, (uint32_t)d->member_count);
	for (size_t i = 0; i < d->member_count; i++)
		member_enc(&d->members[i], out);
}

static enum hf_err domain_dec(struct slice plain, struct domain *d)
{
	struct rd r = rd_of(plain);
	struct slice label;
	const uint8_t *key;
	uint8_t format;
	uint32_t n;

	if (!rd_u8(&r, &format) || format != FORMAT || !rd_bytes(&r, DOMAIN_NAME, &label) ||
	    !rd_u64(&r, &d->since) || !rd_take(&r, CRYPTO_KEY, &key) || !rd_u32(&r, &n) || n > MEMBERS_MOST)
		return HF_E_DAMAGED;
	(void)snprintf(d->name, sizeof(d->name), "%.*s", (int)label.n, (const char *)label.p);
	for (d->member_count = 0; d->member_count < n; d->member_count++)
		if (!member_dec(&r, &d->members[d->member_count]))
			return HF_E_DAMAGED;
	return rd_done(&r) ? secret_dup((struct slice){ key, CRYPTO_KEY }, &d->key) : HF_E_DAMAGED;
}

/* struct seeing is what the visitor gets. */
struct seeing {
	void *ctx;
	enum hf_err (*see)(void *ctx, const struct domain *d);
};

static enum hf_err visit(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	CLEANUP(domain_done) struct domain d = { .version = version };
	const struct seeing *s = ctx;
	size_t n;

	if (!hex_decode(name + sizeof(PREFIX) - 1, d.id, sizeof(d.id), &n) || n != DOMAIN_ID)
		return HF_E_DAMAGED;
	TRY(domain_dec(plain, &d));
	return s->see(s->ctx, &d);
}

/* Who asks for a damaged one is told that it is not there. */
static void damaged(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
}

enum hf_err domains_each(struct hsm *h, void *ctx, enum hf_err (*see)(void *ctx, const struct domain *d))
{
	struct seeing s = { ctx, see };
	const struct record_visit v = { &s, visit, damaged };

	return records_scan(h->records, PREFIX, SEAL_STORE, SLICE_NONE, &v);
}

/* --- finding one ----------------------------------------------------------------------------- */

static enum hf_err copy(const struct domain *from, struct domain *ret)
{
	CLEANUP(secret_done) struct secret key = { 0 };

	TRY(secret_dup(secret_slice(&from->key), &key));
	domain_done(ret);
	*ret = *from;
	ret->key = secret_take(&key);
	return HF_OK;
}

static enum hf_err take(void *ctx, const struct domain *d)
{
	return copy(d, ctx);
}

enum hf_err domain_get(struct hsm *h, const uint8_t id[DOMAIN_ID], struct domain *ret)
{
	CLEANUP(domain_done) struct domain d = { 0 };
	struct seeing s = { &d, take };
	const struct record_visit v = { &s, visit, damaged };
	char name[NAME_LEN];

	name_of(id, name);
	TRY(records_get(h->records, name, SEAL_STORE, SLICE_NONE, &v));
	if (d.version == 0)
		return HF_E_DOMAIN_NONE;
	*ret = d;
	d.key = (struct secret){ 0 };
	return HF_OK;
}

struct looking {
	struct slice name;
	struct domain found;
	size_t all;
};

static void looking_done(struct looking *l)
{
	domain_done(&l->found);
}

static enum hf_err look(void *ctx, const struct domain *d)
{
	struct looking *l = ctx;
	char hex[2 * DOMAIN_ID + 1];

	l->all++;
	hex_encode(SLICE_OF(d->id), hex);
	return slice_eq(l->name, slice_str(d->name)) || slice_eq(l->name, slice_str(hex)) ?
		copy(d, &l->found) : HF_OK;
}

enum hf_err domain_named(struct hsm *h, struct slice name, struct domain *ret)
{
	CLEANUP(looking_done) struct looking l = { .name = name };

	TRY(domains_each(h, &l, look));
	if (l.found.version == 0)
		return HF_E_DOMAIN_NONE;
	*ret = l.found;
	l.found.key = (struct secret){ 0 };
	return HF_OK;
}

/* --- changes ----------------------------------------------------------------------------------- */

enum hf_err domain_free_name(struct hsm *h, struct slice name)
{
	CLEANUP(looking_done) struct looking l = { .name = name };

	if (name.n == 0 || name.n > DOMAIN_NAME || !utf8_valid(name) || memchr(name.p, 0, name.n) != NULL)
		return HF_E_ARGUMENTS;
	TRY(domains_each(h, &l, look));
	if (l.found.version != 0)
		return HF_E_DOMAIN_EXISTS;
	return l.all < DOMAINS_MOST ? HF_OK : HF_E_LIMIT;
}

enum hf_err domain_new(struct hsm *h, struct slice name, struct domain *ret)
{
	CLEANUP(domain_done) struct domain d = { .since = clock_wall_us() };

	TRY(domain_free_name(h, name));
	memcpy(d.name, name.p, name.n);
	TRY(crypto_random(d.id, sizeof(d.id)));
	TRY(secret_alloc(&d.key, CRYPTO_KEY));
	TRY(crypto_random(d.key.p, d.key.n));
	*ret = d;
	d.key = (struct secret){ 0 };
	return HF_OK;
}

enum hf_err domain_keep(struct hsm *h, struct domain *d, const struct record_change *more)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(RECORD_MOST);
	char name[NAME_LEN];
	struct record_change v[2] = { { .name = name, .expect = d->version, .version = d->version + 1,
		.seal = SEAL_STORE } };

	name_of(d->id, name);
	domain_enc(d, &b);
	TRY(buf_err(&b));
	v[0].plain = buf_slice(&b);
	if (more != NULL)
		v[1] = *more;
	TRY(records_write(h->records, v, more == NULL ? 1 : 2));
	d->version++;
	return HF_OK;
}

enum hf_err domain_forget(struct hsm *h, const struct domain *d)
{
	char name[NAME_LEN];
	struct record_change c = { .name = name, .expect = d->version };

	name_of(d->id, name);
	return records_write(h->records, &c, 1);
}

enum hf_err domain_remember(struct domain *d, const struct member *m)
{
	size_t i = 0;

	while (i < d->member_count && !slice_eq(SLICE_OF(d->members[i].key), SLICE_OF(m->key)))
		i++;
	if (i == MEMBERS_MOST)
		return HF_E_LIMIT;
	d->members[i] = *m;
	if (i == d->member_count)
		d->member_count++;
	return HF_OK;
}
