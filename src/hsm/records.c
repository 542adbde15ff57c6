#include "records.h"

#include <stdio.h>
#include <string.h>

#include "crypto.h"
#include "log.h"
#include "records_int.h"

#define WIPE_BATCH 1000u

/* --- sealing -------------------------------------------------------------- */

/* A value: what crypto_seal makes, whose first byte is 1; or before that
 *
 *   format 2 | tag of the label u32 | tag of the id u32
 */
#define TAGGED 2
#define TAGS_LEN (1u + 4u * RECORD_TAGS)
#define PLACE_MAX (STORE_NAME_MAX + 8u + 4u * RECORD_TAGS)

static void tags_enc(const struct record_tags *t, struct buf *out)
{
	for (unsigned i = 0; i < RECORD_TAGS; i++)
		buf_u32(out, t->v[i]);
}

struct record_tags record_tags(struct slice value)
{
	struct record_tags t = { .are = value.n >= TAGS_LEN && value.p[0] == TAGGED };

	for (size_t i = 0; t.are && i < RECORD_TAGS; i++)
		t.v[i] = get_u32(value.p + 1 + 4 * i);
	return t;
}

/* name | version | tags: a record opens in its own place only. A name has no zeros. */
static enum hf_err place_enc(const struct place *at, uint8_t room[PLACE_MAX], struct slice *ret)
{
	size_t n = at->name.n;

	if (n > STORE_NAME_MAX)
		return HF_E_TOO_BIG;
	if (n > 0)
		memcpy(room, at->name.p, n);
	put_u64(room + n, at->version);
	n += 8;
	for (size_t i = 0; at->tags != NULL && at->tags->are && i < RECORD_TAGS; i++, n += 4)
		put_u32(room + n, at->tags->v[i]);
	*ret = (struct slice){ room, n };
	return HF_OK;
}

enum hf_err seal_key_for(struct slice partition_key, struct secret *ret)
{
	return crypto_derive(partition_key, "holdfast record", SLICE_NONE, ret);
}

enum hf_err record_seal(struct slice key, const struct place *at, struct slice plain, struct buf *out)
{
	uint8_t room[PLACE_MAX];
	struct slice place;

	TRY(place_enc(at, room, &place));
	if (at->tags != NULL && at->tags->are) {
		buf_u8(out, TAGGED);
		tags_enc(at->tags, out);
	}
	return crypto_seal(key, place, plain, out);
}

enum hf_err record_open(struct slice key, struct slice name, uint64_t version,
	struct slice sealed, struct secret *ret)
{
	const struct record_tags tags = record_tags(sealed);
	uint8_t room[PLACE_MAX];
	struct slice place;

	TRY(place_enc(&(struct place){ name, version, &tags }, room, &place));
	if (tags.are)
		sealed = (struct slice){ sealed.p + TAGS_LEN, sealed.n - TAGS_LEN };
	return crypto_open(key, place, sealed, ret);
}

enum hf_err anchor_seal(const struct records *r, const struct anchor_state *s, struct buf *out)
{
	CLEANUP(buf_done) struct buf plain = BUF_MAX(WIRE_MAX_BYTES);

	anchor_state_enc(s, &plain);
	TRY(buf_err(&plain));
	return crypto_seal(secret_slice(&r->seal_key), SLICE_STR("anchor"), buf_slice(&plain), out);
}

enum hf_err digest_term(const struct records *r, struct slice name, uint64_t version,
	uint8_t out[DIGEST_LEN])
{
	uint8_t room[PLACE_MAX];
	struct slice place;

	TRY(place_enc(&(struct place){ name, version, NULL }, room, &place));
	return crypto_hmac(secret_slice(&r->digest_key), place, out);
}

/* --- open and close ------------------------------------------------------- */

void records_close(struct records *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->stale_count; i++)
		hf_free(r->stale[i]);
	hf_free(r->stale);
	anchor_state_done(&r->now);
	anchor_state_done(&r->next);
	secret_done(&r->seal_key);
	secret_done(&r->digest_key);
	secret_done(&r->old_seal_key);
	secret_done(&r->old_digest_key);
	(void)pthread_rwlock_destroy(&r->key_lock);
	cond_done(&r->rest);
	gather_done(&r->gather);
	mutex_done(&r->lock);
	hf_free(r);
}

static void wait_for_writers(struct records *r)
{
	MUTEX_HOLD(&r->lock);

	while (r->busy || r->first != NULL)
		cond_wait(&r->rest, &r->lock);
}

/* What is under way ends before this returns: nothing of it comes after what the caller writes. */
void records_forget_keys(struct records *r)
{
	atomic_store(&r->forgotten, true);
	secret_wipe(r->seal_key.p, r->seal_key.n);
	secret_wipe(r->digest_key.p, r->digest_key.n);
	if (r->old_seal_key.n > 0)
		secret_wipe(r->old_seal_key.p, r->old_seal_key.n);
	wait_for_writers(r);
}

static void close_it(struct records **r)
{
	records_close(*r);
}

enum hf_err records_open(struct keeper *k, const struct records_keys *keys,
	struct records_judged *ret_judged, struct records **ret)
{
	CLEANUP(close_it) struct records *r = hf_alloc(1, sizeof(*r));

	if (r == NULL)
		return HF_E_MEMORY;
	r->k = k;
	r->last = &r->first;
	mutex_init(&r->lock);
	cond_init(&r->rest);
	gather_init(&r->gather);
	(void)pthread_rwlock_init(&r->key_lock, NULL);
	TRY(seal_key_for(keys->now, &r->seal_key));
	TRY(crypto_derive(keys->now, "holdfast digest", SLICE_NONE, &r->digest_key));
	if (keys->old.n > 0)
		TRY(seal_key_for(keys->old, &r->old_seal_key));
	TRY(records_judge(r, &ret_judged->rollback, &ret_judged->digest));
	*ret = r;
	r = NULL;
	return HF_OK;
}

const char *records_trouble(const struct records *r)
{
	return r->trouble;
}

bool records_anchor_lost(const struct records *r)
{
	return r->anchor_lost;
}

uint64_t records_sequence(struct records *r)
{
	MUTEX_HOLD(&r->lock);
	return r->now.sequence;
}

bool records_is_stale(const struct records *r, struct slice name)
{
	for (size_t i = 0; i < r->stale_count; i++)
		if (slice_eq(slice_str(r->stale[i]), name))
			return true;
	return false;
}

/* --- reading -------------------------------------------------------------- */

struct scan {
	struct records *r;
	enum seal seal;
	struct slice key, old; /* the second may be empty */
	const struct record_visit *v;
};

static void copy_name(struct slice name, char ret[RECORD_NAME])
{
	size_t n = name.n < RECORD_NAME - 1 ? name.n : RECORD_NAME - 1;

	if (n > 0)
		memcpy(ret, name.p, n);
	ret[n] = '\0';
}

enum hf_err record_open_either(const struct records_keys *k, const struct record *rec,
	struct secret *ret, bool *ret_old)
{
	enum hf_err e = record_open(k->now, rec->name, rec->version, rec->value, ret);

	*ret_old = e == HF_E_DAMAGED && k->old.n > 0;
	return *ret_old ? record_open(k->old, rec->name, rec->version, rec->value, ret) : e;
}

enum hf_err store_open(struct records *r, const struct record *rec, struct secret *ret,
	bool *ret_old)
{
	struct records_keys k;
	enum hf_err e;

	lock_check(pthread_rwlock_rdlock(&r->key_lock));
	k = (struct records_keys){ secret_slice(&r->seal_key), secret_slice(&r->old_seal_key) };
	e = record_open_either(&k, rec, ret, ret_old);
	lock_check(pthread_rwlock_unlock(&r->key_lock));
	return e;
}

static enum hf_err open_record(const struct scan *s, const struct record *rec, struct secret *ret)
{
	bool old;

	if (records_is_stale(s->r, rec->name))
		return HF_E_DAMAGED;
	if (s->seal == SEAL_NONE)
		return secret_dup(rec->value, ret);
	if (s->seal == SEAL_STORE)
		return store_open(s->r, rec, ret, &old);
	return record_open_either(&(struct records_keys){ s->key, s->old }, rec, ret, &old);
}

static enum hf_err visit_record(const struct scan *s, const struct record *rec)
{
	CLEANUP(secret_done) struct secret plain = { 0 };
	char name[RECORD_NAME];
	enum hf_err e;

	copy_name(rec->name, name);
	e = open_record(s, rec, &plain);
	if (e == HF_OK)
		e = s->v->visit(s->v->ctx, name, rec->version, secret_slice(&plain));
	if (e != HF_E_DAMAGED && e != HF_E_MALFORMED)
		return e;
	s->v->damaged(s->v->ctx, name);
	return HF_OK;
}

/* for_page visits one page; *after becomes its last name. */
static enum hf_err for_page(const struct records *r, const char *prefix, struct buf *after,
	void *ctx, enum hf_err (*visit)(void *ctx, const struct record *rec), bool *ret_more)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct store_scan_res page;

	TRY(keeper_scan(r->k, prefix, buf_slice(after), KEEPER_PAGE, &a, &page));
	for (size_t i = 0; i < page.records.n; i++)
		TRY(visit(ctx, &page.records.v[i]));
	*ret_more = page.more && page.records.n > 0;
	if (*ret_more) {
		buf_reset(after);
		buf_raw(after, page.records.v[page.records.n - 1].name);
	}
	return buf_err(after);
}

static enum hf_err for_all(const struct records *r, const char *prefix, void *ctx,
	enum hf_err (*visit)(void *ctx, const struct record *rec))
{
	CLEANUP(buf_done) struct buf after = BUF_MAX(STORE_NAME_MAX);
	bool more = true;

	while (more)
		TRY(for_page(r, prefix, &after, ctx, visit, &more));
	return HF_OK;
}

static enum hf_err visit_for_scan(void *ctx, const struct record *rec)
{
	return visit_record(ctx, rec);
}

/* scan_begin: own holds the key if it has to be made. */
static enum hf_err scan_begin(struct scan *s, struct slice key, struct secret *own)
{
	if (s->seal != SEAL_PARTITION)
		return HF_OK;
	TRY(seal_key_for(key, own));
	s->key = secret_slice(own);
	return HF_OK;
}

enum hf_err records_scan(struct records *r, const char *prefix, enum seal seal, struct slice key,
	const struct record_visit *v)
{
	CLEANUP(secret_done) struct secret own = { 0 };
	struct scan s = { .r = r, .seal = seal, .v = v };

	TRY(scan_begin(&s, key, &own));
	return for_all(r, prefix, &s, visit_for_scan);
}

/* scan_private: *more says whether all pages are wanted, and whether some are left. */
static enum hf_err scan_private(struct records *r, const char *prefix, const struct records_keys *keys,
	const struct record_visit *v, bool *more)
{
	CLEANUP(secret_done) struct secret now = { 0 }, old = { 0 };
	CLEANUP(buf_done) struct buf after = BUF_MAX(STORE_NAME_MAX);
	struct scan s = { .r = r, .seal = SEAL_PARTITION, .v = v };

	TRY(seal_key_for(keys->now, &now));
	if (keys->old.n > 0)
		TRY(seal_key_for(keys->old, &old));
	s.key = secret_slice(&now);
	s.old = secret_slice(&old);
	if (*more)
		return for_all(r, prefix, &s, visit_for_scan);
	return for_page(r, prefix, &after, &s, visit_for_scan, more);
}

enum hf_err records_scan_private(struct records *r, const char *prefix,
	const struct records_keys *keys, const struct record_visit *v)
{
	bool more = true;

	return scan_private(r, prefix, keys, v, &more);
}

enum hf_err records_scan_first(struct records *r, const char *prefix, const struct records_keys *keys,
	const struct record_visit *v, bool *ret_more)
{
	*ret_more = false;
	return scan_private(r, prefix, keys, v, ret_more);
}

enum hf_err records_get(struct records *r, const char *name, enum seal seal, struct slice key,
	const struct record_visit *v)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	CLEANUP(secret_done) struct secret own = { 0 };
	struct scan s = { .r = r, .seal = seal, .v = v };
	struct record rec;
	bool found;

	TRY(scan_begin(&s, key, &own));
	TRY(keeper_get(r->k, name, &a, &found, &rec));
	return found ? visit_record(&s, &rec) : HF_OK;
}

enum hf_err records_next(struct records *r, const char *prefix, const char *after,
	char ret[RECORD_NAME])
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct store_scan_res page;

	TRY(keeper_scan(r->k, prefix, slice_str(after), 1, &a, &page));
	*ret = '\0';
	if (page.records.n > 0)
		copy_name(page.records.v[0].name, ret);
	return HF_OK;
}

enum hf_err records_freeze(struct records *r, uint64_t *ret_id)
{
	return keeper_freeze(r->k, true, ret_id);
}

/* What is not thawed is forgotten with the next freeze, and with the keeper. */
void records_thaw(struct records *r)
{
	uint64_t none;

	if (keeper_freeze(r->k, false, &none) != HF_OK)
		log_warn("the keeper could not be told that a backup is over");
}

enum hf_err records_frozen(struct records *r, const struct store_scan_frozen_req *q, struct arena *a,
	struct store_scan_frozen_res *ret)
{
	return keeper_scan_frozen(r->k, q, a, ret);
}

enum hf_err records_unseal(struct records *r, const struct record *rec, struct secret *ret)
{
	const struct scan s = { .r = r, .seal = SEAL_STORE, .key = secret_slice(&r->seal_key) };

	return open_record(&s, rec, ret);
}

struct names {
	void *ctx;
	enum hf_err (*visit)(void *ctx, const char *name, uint64_t version);
};

static enum hf_err visit_for_names(void *ctx, const struct record *rec)
{
	const struct names *n = ctx;
	char name[RECORD_NAME];

	copy_name(rec->name, name);
	return n->visit(n->ctx, name, rec->version);
}

enum hf_err records_names(struct records *r, const char *prefix, void *ctx,
	enum hf_err (*visit)(void *ctx, const char *name, uint64_t version))
{
	struct names n = { ctx, visit };

	return for_all(r, prefix, &n, visit_for_names);
}

struct tagged {
	void *ctx;
	enum hf_err (*visit)(void *ctx, const char *name, uint64_t version, const struct record_tags *v);
};

static enum hf_err visit_for_tags(void *ctx, const struct record *rec)
{
	const struct tagged *t = ctx;
	const struct record_tags v = record_tags(rec->value);
	char name[RECORD_NAME];

	copy_name(rec->name, name);
	return t->visit(t->ctx, name, rec->version, &v);
}

enum hf_err records_tags(struct records *r, const char *prefix, void *ctx,
	enum hf_err (*visit)(void *ctx, const char *name, uint64_t version, const struct record_tags *v))
{
	struct tagged t = { ctx, visit };

	return for_all(r, prefix, &t, visit_for_tags);
}

/* --- wiping --------------------------------------------------------------- */

struct wipe {
	struct record_change v[WIPE_BATCH];
	char names[WIPE_BATCH][RECORD_NAME];
	size_t n;
};

/* A name at a time, until the batch is full: HF_E_LIMIT ends the scan. */
static enum hf_err wipe_add(void *ctx, const char *name, uint64_t version)
{
	struct wipe *w = ctx;

	if (w->n == WIPE_BATCH)
		return HF_E_LIMIT;
	(void)snprintf(w->names[w->n], sizeof(w->names[w->n]), "%s", name);
	w->v[w->n] = (struct record_change){ .name = w->names[w->n], .expect = version };
	w->n++;
	return HF_OK;
}

static void wipe_free(struct wipe **w)
{
	hf_free(*w);
}

enum hf_err records_wipe(struct records *r, const char *prefix)
{
	CLEANUP(wipe_free) struct wipe *w = hf_alloc(1, sizeof(*w));
	enum hf_err e;

	if (w == NULL)
		return HF_E_MEMORY;
	do {
		w->n = 0;
		e = records_names(r, prefix, w, wipe_add);
		if (e != HF_OK && e != HF_E_LIMIT)
			return e;
		if (w->n > 0)
			TRY(records_write(r, w->v, w->n));
	} while (e == HF_E_LIMIT);
	return HF_OK;
}
