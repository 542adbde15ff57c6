#include "rekey.h"

#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "log.h"
#include "login.h"
#include "object.h"
#include "object_table.h"
#include "opening.h"
#include "partition_int.h"
#include "tags.h"

#define FACT "partition rotation"

/* --- the end of "p/SERIAL": known u8 [ check 32 | under way u8 [ the old key, sealed ] ] ------ */

void rekey_enc(const struct rekey *k, struct buf *out)
{
	buf_bool(out, k->known);
	if (!k->known)
		return;
	buf_raw(out, SLICE_OF(k->check));
	buf_bool(out, k->under_way);
	if (k->under_way)
		buf_raw(out, SLICE_OF(k->old));
}

static bool take(struct rd *r, uint8_t *to, size_t n)
{
	const uint8_t *p;

	if (!rd_take(r, n, &p))
		return false;
	memcpy(to, p, n);
	return true;
}

bool rekey_dec(struct rd *r, struct rekey *ret)
{
	return rd_bool(r, &ret->known) && (!ret->known ||
		(take(r, ret->check, sizeof(ret->check)) && rd_bool(r, &ret->under_way) &&
		(!ret->under_way || take(r, ret->old, sizeof(ret->old)))));
}

/* --- which key it is ------------------------------------------------------------------------- */

static enum hf_err check_of(const struct partition *p, struct slice key, struct secret *ret)
{
	return crypto_derive(key, "holdfast partition key check", slice_str(p->serial), ret);
}

static enum hf_err key_of_old(const struct partition *p, struct slice key, struct secret *ret)
{
	return crypto_derive(key, "holdfast old partition key", slice_str(p->serial), ret);
}

enum hf_err rekey_seal(const struct partition *p, struct slice key, struct slice old,
	struct rekey *ret)
{
	CLEANUP(secret_done) struct secret check = { 0 }, under = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(sizeof(ret->old));

	TRY(check_of(p, key, &check));
	TRY(key_of_old(p, key, &under));
	TRY(crypto_seal(secret_slice(&under), slice_str(p->serial), old, &b));
	if (check.n != sizeof(ret->check) || b.n != sizeof(ret->old))
		return HF_E_INTERNAL;
	*ret = (struct rekey){ .known = true, .under_way = true };
	memcpy(ret->check, check.p, check.n);
	memcpy(ret->old, b.p, b.n);
	return HF_OK;
}

enum hf_err rekey_is_current(const struct partition *p, struct slice key, bool *ret)
{
	CLEANUP(secret_done) struct secret check = { 0 };

	*ret = true;
	if (!p->rekey.known)
		return HF_OK;
	TRY(check_of(p, key, &check));
	*ret = secret_eq(secret_slice(&check), SLICE_OF(p->rekey.check));
	return HF_OK;
}

static enum hf_err open_old(struct partition *p)
{
	CLEANUP(secret_done) struct secret under = { 0 };

	TRY(key_of_old(p, secret_slice(&p->key), &under));
	return crypto_open(secret_slice(&under), slice_str(p->serial), SLICE_OF(p->rekey.old), &p->old_key);
}

void rekey_enter(struct partition *p)
{
	enum hf_err e;

	if (!p->rekey.under_way || p->old_key.n > 0)
		return;
	e = open_old(p);
	if (e != HF_OK)
		log_error("partition %s: its old key does not open: %s", p->serial, err_text(e));
}

enum hf_err rekey_old(struct partition *p, struct secret *ret)
{
	enum hf_err e = HF_OK;

	(void)pthread_rwlock_rdlock(&p->lock);
	if (p->old_key.n > 0)
		e = secret_dup(secret_slice(&p->old_key), ret);
	(void)pthread_rwlock_unlock(&p->lock);
	return e;
}

/* --- steps 2 and 3 --------------------------------------------------------------------------- */

/* struct work: the thread's own copies: a logout may wipe the partition's. */
struct work {
	struct hsm *h;
	struct partition *p; /* a reference, and a login */
	struct secret now, old; /* old is empty where records lack tags only */
	struct secret tagging;
};

static void work_free(struct work *w)
{
	secret_done(&w->now);
	secret_done(&w->old);
	secret_done(&w->tagging);
	partition_unref(w->p);
	hf_free(w);
}

static bool is_deleted(struct partition *p)
{
	bool deleted;

	(void)pthread_rwlock_rdlock(&p->lock);
	deleted = p->deleted;
	(void)pthread_rwlock_unlock(&p->lock);
	return deleted;
}

static void say(struct hsm *h, const struct partition *p, const char *what)
{
	char text[96];

	(void)snprintf(text, sizeof(text), "%s: %s", p->serial, what);
	hsm_fact(h, FACT, text);
}

static enum hf_err make_tags(void *ctx, struct slice plain, struct record_tags *ret)
{
	const struct work *w = ctx;

	return object_tags(secret_slice(&w->tagging), plain, ret);
}

static void tags_kept(void *ctx, const char *name, uint64_t version, const struct record_tags *v)
{
	const struct work *w = ctx;

	tags_put(w->p->tags, name, version, v);
}

static enum hf_err reseal_all(struct work *w)
{
	const struct records_keys keys = { secret_slice(&w->now), secret_slice(&w->old) };
	const struct records_tagging tagging = { w, make_tags, tags_kept };
	char prefix[PART_NAME_LEN], text[64];
	struct records_reseal s = { .prefix = prefix, .keys = &keys, .tagging = &tagging, .more = true };

	TRY(opening_wait(w->p));
	(void)snprintf(prefix, sizeof(prefix), OBJECT_PRIVATE_PREFIX, w->p->serial);
	while (s.more) {
		if (atomic_load(&w->h->rekeys.stop) || is_deleted(w->p))
			return HF_E_FUNCTION_CANCELED;
		TRY(records_reseal(w->h->records, &s));
		(void)snprintf(text, sizeof(text), "%zu records looked at, %zu sealed anew", s.looked,
			s.sealed);
		say(w->h, w->p, text);
	}
	tags_settle(w->p->tags);
	return HF_OK;
}

static void set_under_way(struct partition *p, bool under_way)
{
	(void)pthread_rwlock_wrlock(&p->lock);
	p->rekey.under_way = under_way;
	if (!under_way)
		secret_done(&p->old_key);
	(void)pthread_rwlock_unlock(&p->lock);
}

/* forget: the caller holds roles.pin. */
static enum hf_err forget(struct hsm *h, struct partition *p)
{
	struct rekey next = p->rekey;

	if (is_deleted(p))
		return HF_E_FUNCTION_CANCELED;
	next.under_way = false;
	TRY(audit_event(h->audit, "partition-rotated", p->serial, HF_OK));
	TRY(partition_write(h, p, &next));
	set_under_way(p, false);
	return HF_OK;
}

static enum hf_err finish(const struct work *w)
{
	enum hf_err e;

	if (!mutex_lock_unless(&w->p->roles->pin, &w->h->rekeys.stop))
		return HF_E_FUNCTION_CANCELED;
	e = forget(w->h, w->p);
	mutex_unlock(&w->p->roles->pin);
	return e;
}

static void end(struct hsm *h)
{
	MUTEX_HOLD(&h->rekeys.lock);

	h->rekeys.n--;
	cond_broadcast(&h->rekeys.ended);
}

static void tell(const struct work *w, enum hf_err e)
{
	if (e == HF_OK && w->old.n == 0) {
		say(w->h, w->p, "none is under way");
		log_notice("partition %s: its records are of the new format now", w->p->serial);
	} else if (e == HF_OK) {
		say(w->h, w->p, "done");
		log_notice("partition %s: its key was replaced: the old one opens nothing any more",
			w->p->serial);
	} else if (e != HF_E_FUNCTION_CANCELED) {
		say(w->h, w->p, "rests until the next login; see the log");
		log_error("partition %s: the rotation of its key rests: %s; it goes on with the next login",
			w->p->serial, err_text(e));
	}
}

static void *run(void *ctx)
{
	struct work *w = ctx;
	struct hsm *h = w->h;
	enum hf_err e = reseal_all(w);

	if (e == HF_OK && w->old.n > 0)
		e = finish(w);
	else if (e != HF_OK && e != HF_E_FUNCTION_CANCELED)
		tags_doubt(w->p->tags);
	(void)pthread_rwlock_wrlock(&w->p->lock);
	w->p->rekeying = false;
	(void)pthread_rwlock_unlock(&w->p->lock);
	login_gone(h, w->p, ROLE_SO);
	tell(w, e);
	work_free(w);
	end(h);
	return NULL;
}

/* take_up: *ret stays NULL if there is nothing to do, or somebody does it. */
static enum hf_err take_up(struct hsm *h, struct partition *p, struct work **ret)
{
	bool rotates = p->rekey.under_way && p->old_key.n > 0;
	struct work *w;

	if ((!rotates && !tags_lack(p->tags)) || p->rekeying || h->cfg.read_only)
		return HF_OK;
	w = hf_alloc(1, sizeof(*w));
	if (w == NULL)
		return HF_E_MEMORY;
	w->h = h;
	w->p = p;
	partition_ref(p);
	if (secret_dup(secret_slice(&p->key), &w->now) != HF_OK ||
	    (rotates && secret_dup(secret_slice(&p->old_key), &w->old) != HF_OK) ||
	    tags_key(secret_slice(&w->now), &w->tagging) != HF_OK) {
		work_free(w);
		return HF_E_MEMORY;
	}
	p->rekeying = true;
	p->logins++;
	*ret = w;
	return HF_OK;
}

static enum hf_err start(struct hsm *h, struct work *w)
{
	MUTEX_HOLD(&h->rekeys.lock);
	pthread_t t;

	if (atomic_load(&h->rekeys.stop))
		return HF_E_FUNCTION_CANCELED;
	say(h, w->p, "begun");
	if (pthread_create(&t, NULL, run, w) != 0)
		return HF_E_MEMORY;
	(void)pthread_detach(t);
	h->rekeys.n++;
	return HF_OK;
}

/* The caller's own login keeps the partition open. */
static void give_up(struct work *w)
{
	(void)pthread_rwlock_wrlock(&w->p->lock);
	w->p->rekeying = false;
	w->p->logins--;
	(void)pthread_rwlock_unlock(&w->p->lock);
	work_free(w);
}

void rekey_resume(struct hsm *h, struct partition *p)
{
	struct work *w = NULL;
	enum hf_err e;

	(void)pthread_rwlock_wrlock(&p->lock);
	e = take_up(h, p, &w);
	(void)pthread_rwlock_unlock(&p->lock);
	if (e == HF_OK && w != NULL) {
		e = start(h, w);
		if (e != HF_OK)
			give_up(w);
	}
	if (e != HF_OK)
		log_error("partition %s: the rotation of its key rests: %s; it goes on with the next login",
			p->serial, err_text(e));
}

void rekeys_stop(struct hsm *h)
{
	MUTEX_HOLD(&h->rekeys.lock);

	atomic_store(&h->rekeys.stop, true);
	while (h->rekeys.n > 0)
		cond_wait(&h->rekeys.ended, &h->rekeys.lock);
}

void rekeys_start(struct hsm *h)
{
	atomic_store(&h->rekeys.stop, false);
}
