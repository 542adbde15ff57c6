/* onetime.c: see onetime.h. */
#include "onetime.h"

#include <stdio.h>
#include <string.h>

#include "gate.h"
#include "log.h"
#include "object_table.h"
#include "pkcs11_numbers.h"

#define FORMAT 1
#define LOSS 64 /* a range is at most this part of all: what one crash costs */

/* struct onetime: numbers below next were given out; kept is what the record says. */
struct onetime {
	struct map_node by_handle;
	uint8_t uid[UID_LEN];
	uint64_t version; /* of the record */
	uint64_t mark, next, kept, total;
};

struct onetimes {
	struct mutex lock; /* held while a record is written */
	struct map by_handle;
};

static struct onetime *of_node(struct map_node *n)
{
	return container_of(n, struct onetime, by_handle);
}

static struct onetime *find(struct onetimes *t, uint64_t handle)
{
	struct map_node *n = map_get(&t->by_handle, handle);

	return n != NULL ? of_node(n) : NULL;
}

enum hf_err onetimes_new(struct onetimes **ret)
{
	struct onetimes *t = hf_alloc(1, sizeof(*t));

	if (t == NULL)
		return HF_E_MEMORY;
	mutex_init(&t->lock);
	*ret = t;
	return HF_OK;
}

static void drop(struct map_node *n)
{
	hf_free(of_node(n));
}

void onetimes_clear(struct onetimes *t)
{
	MUTEX_HOLD(&t->lock);

	map_free(&t->by_handle, drop);
}

void onetimes_free(struct onetimes *t)
{
	if (t == NULL)
		return;
	onetimes_clear(t);
	mutex_done(&t->lock);
	hf_free(t);
}

/* --- records: format 1 | mark 8 | kept 8 | total 8 -------------------------------------- */

static void enc(const struct onetime *o, struct buf *b)
{
	buf_u8(b, FORMAT);
	buf_u64(b, o->mark);
	buf_u64(b, o->kept);
	buf_u64(b, o->total);
}

static bool dec(struct slice in, struct onetime *o)
{
	struct rd r = rd_of(in);
	uint8_t format;

	return rd_u8(&r, &format) && format == FORMAT && rd_u64(&r, &o->mark) && rd_u64(&r, &o->kept) &&
		rd_u64(&r, &o->total) && rd_done(&r) && o->kept <= o->total;
}

enum hf_err onetime_load(struct onetimes *t, uint64_t mark, const char *name, uint64_t version,
	struct slice plain)
{
	struct onetime *o = hf_alloc(1, sizeof(*o));
	size_t n;

	if (o == NULL)
		return HF_E_MEMORY;
	if (!hex_decode(strrchr(name, '/') + 1, o->uid, sizeof(o->uid), &n) || n != UID_LEN ||
	    !dec(plain, o)) {
		hf_free(o);
		return HF_E_DAMAGED;
	}
	o->version = version;
	o->next = o->kept;
	if (o->mark != mark)
		log_error("the store was changed behind the HSM: the key of %s never signs again", name);
	MUTEX_HOLD(&t->lock);
	if (map_put(&t->by_handle, object_handle(o->uid), &o->by_handle) != HF_OK) {
		hf_free(o);
		return HF_E_MEMORY;
	}
	return HF_OK;
}

static void record_name(const struct calls_ctx *c, const uint8_t uid[UID_LEN], char ret[80])
{
	char hex[2 * UID_LEN + 1];

	hex_encode((struct slice){ uid, UID_LEN }, hex);
	(void)snprintf(ret, 80, "p/%s/onetime/%s", c->part->serial, hex);
}

void onetime_change_done(struct onetime_change *s)
{
	buf_done(&s->plain);
}

static enum hf_err stage(struct calls_ctx *c, const struct onetime *o, struct onetime_change *s,
	struct record_change *ret)
{
	s->plain = BUF_MAX(64);
	enc(o, &s->plain);
	TRY(buf_err(&s->plain));
	record_name(c, o->uid, s->name);
	*ret = (struct record_change){
		.name = s->name, .expect = o->version, .version = o->version + 1, .seal = SEAL_STORE,
		.plain = buf_slice(&s->plain),
	};
	return HF_OK;
}

static struct onetime fresh(const struct calls_ctx *c, const struct object *o)
{
	struct onetime n = { .mark = c->hsm->onetime_mark };

	memcpy(n.uid, o->uid, UID_LEN);
	n.total = attrs_u64(&o->attrs, CKA_HSS_KEYS_REMAINING, 0);
	return n;
}

enum hf_err onetime_stage_new(struct calls_ctx *c, const struct object *o, struct onetime_change *s,
	struct record_change *ret)
{
	struct onetime n = fresh(c, o);

	return stage(c, &n, s, ret);
}

bool onetime_stage_gone(struct calls_ctx *c, const struct object *o, struct onetime_change *s,
	struct record_change *ret)
{
	struct onetimes *t = c->part->onetimes;
	struct onetime *n;

	MUTEX_HOLD(&t->lock);
	n = find(t, o->handle);
	if (n == NULL)
		return false;
	record_name(c, o->uid, s->name);
	*ret = (struct record_change){ .name = s->name, .expect = n->version, .seal = SEAL_STORE };
	return true;
}

enum hf_err onetime_born(struct calls_ctx *c, const struct object *o)
{
	struct onetimes *t = c->part->onetimes;
	struct onetime *n;
	enum hf_err e;

	if (!o->token || !attrs_one_time(&o->attrs))
		return HF_OK;
	n = hf_alloc(1, sizeof(*n));
	if (n == NULL)
		return HF_E_MEMORY;
	*n = fresh(c, o);
	n->version = 1;
	MUTEX_HOLD(&t->lock);
	e = map_put(&t->by_handle, o->handle, &n->by_handle);
	if (e != HF_OK)
		hf_free(n);
	return e;
}

void onetime_gone(struct calls_ctx *c, const struct object *o)
{
	struct onetimes *t = c->part->onetimes;
	struct onetime *n;

	MUTEX_HOLD(&t->lock);
	n = find(t, o->handle);
	if (n == NULL)
		return;
	(void)map_del(&t->by_handle, o->handle);
	hf_free(n);
}

/* --- session objects -------------------------------------------------------------------- */

struct onetime_session {
	atomic_uint refs;
	struct mutex lock; /* what follows */
	uint64_t next, total;
};

struct onetime_session *onetime_session_ref(struct onetime_session *s)
{
	if (s != NULL)
		atomic_fetch_add(&s->refs, 1);
	return s;
}

void onetime_session_unref(struct onetime_session *s)
{
	if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	mutex_done(&s->lock);
	hf_free(s);
}

enum hf_err onetime_session_new(const struct attrs *a, struct onetime_session **ret)
{
	struct onetime_session *s;

	if (!attrs_one_time(a) || attrs_bool(a, CKA_TOKEN))
		return HF_OK;
	s = hf_alloc(1, sizeof(*s));
	if (s == NULL)
		return HF_E_MEMORY;
	atomic_init(&s->refs, 1);
	mutex_init(&s->lock);
	s->total = attrs_u64(a, CKA_HSS_KEYS_REMAINING, 0);
	*ret = s;
	return HF_OK;
}

static enum hf_err take_session(struct onetime_session *s, uint64_t *ret)
{
	if (s == NULL)
		return HF_E_KEY_STALE;
	MUTEX_HOLD(&s->lock);
	if (s->next >= s->total)
		return HF_E_KEY_EXHAUSTED;
	*ret = s->next++;
	return HF_OK;
}

/* --- taking numbers ------------------------------------------------------------------------ */

/* reserve makes a range durable. Whatever becomes of the record, the numbers in memory
 * stand; if it was written in spite of an error, the next write finds another version
 * there and the key refuses until the HSM starts anew. */
static enum hf_err reserve(struct calls_ctx *c, struct onetime *o)
{
	CLEANUP(onetime_change_done) struct onetime_change s = { 0 };
	uint64_t most = o->total / LOSS, more = c->hsm->cfg.onetime_reserve;
	struct onetime next = *o;
	struct record_change ch;

	more = more > most ? most : more;
	more = more == 0 ? 1 : more;
	next.kept += more < o->total - o->kept ? more : o->total - o->kept;
	TRY(stage(c, &next, &s, &ch));
	TRY(records_write(c->hsm->records, &ch, 1));
	o->kept = next.kept;
	o->version++;
	return HF_OK;
}

static enum hf_err trusted(struct calls_ctx *c, const struct onetime *o)
{
	if (o != NULL && o->mark == c->hsm->onetime_mark)
		return HF_OK;
	call_detail(c, o == NULL ? "its count is missing" : "the store was changed behind the HSM");
	return HF_E_KEY_STALE;
}

enum hf_err onetime_take(struct calls_ctx *c, const struct object *key, uint64_t *ret)
{
	struct onetimes *t = c->part->onetimes;
	struct onetime *o;

	if (!key->token)
		return take_session(key->onetime, ret);
	MUTEX_HOLD(&t->lock);
	o = find(t, key->handle);
	TRY(trusted(c, o));
	if (o->next == o->kept) {
		if (o->kept == o->total)
			return HF_E_KEY_EXHAUSTED;
		TRY(reserve(c, o));
	}
	*ret = o->next++;
	return HF_OK;
}

uint64_t onetime_left(struct calls_ctx *c, const struct object *key)
{
	struct onetimes *t = c->part->onetimes;
	const struct onetime *o;

	if (!key->token) {
		if (key->onetime == NULL)
			return 0;
		MUTEX_HOLD(&key->onetime->lock);
		return key->onetime->total - key->onetime->next;
	}
	MUTEX_HOLD(&t->lock);
	o = find(t, key->handle);
	return o != NULL && o->mark == c->hsm->onetime_mark ? o->total - o->next : 0;
}
