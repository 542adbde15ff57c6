/* backup_keys.c: see backup_keys.h; the calls backup_key, backup_split, backup_share and
 * backup_end_key. */
#include "backup_keys.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "damaged.h"
#include "gate.h"
#include "records.h"

#define NAME "hsm/backup-key"
#define FORMAT 1
#define KEPT_NS (QUORUM_S * 1000000000ull)

/* --- this HSM's key --------------------------------------------------------------------- */

enum hf_err backup_own_key(struct hsm *h, struct secret *ret)
{
	return secret_dup(secret_slice(&h->backup_own), ret);
}

static enum hf_err visit(void *ctx, const char *name, uint64_t version, struct slice plain)
{
	struct rd r = rd_of(plain);
	const uint8_t *seed;
	uint8_t format;

	(void)name;
	(void)version;
	if (!rd_u8(&r, &format) || format != FORMAT || !rd_take(&r, XWING_SEED, &seed) || !rd_done(&r))
		return HF_E_DAMAGED;
	return secret_dup((struct slice){ seed, XWING_SEED }, ctx);
}

/* A damaged one is not replaced: backups are sealed to it. */
static void damaged(void *ctx, const char *name)
{
	(void)name;
	((struct secret *)ctx)->n = SIZE_MAX;
}

enum hf_err backup_seed(struct hsm *h, struct secret *ret)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	const struct record_visit v = { &s, visit, damaged };

	TRY(records_get(h->records, NAME, SEAL_STORE, SLICE_NONE, &v));
	if (s.n == SIZE_MAX) {
		s.n = 0;
		return HF_E_DAMAGED;
	}
	*ret = secret_take(&s);
	return HF_OK;
}

static enum hf_err make_seed(struct hsm *h, struct secret *ret)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(64);
	struct record_change c = { .name = NAME, .version = 1, .seal = SEAL_STORE };

	TRY(secret_alloc(&s, XWING_SEED));
	TRY(crypto_random(s.p, s.n));
	buf_u8(&b, FORMAT);
	buf_raw(&b, secret_slice(&s));
	TRY(buf_err(&b));
	c.plain = buf_slice(&b);
	TRY(records_write(h->records, &c, 1));
	*ret = secret_take(&s);
	return HF_OK;
}

static enum hf_err public_of(struct calls_ctx *c, struct slice seed, struct slice *ret)
{
	uint8_t *p = arena_alloc(c->arena, XWING_PUBLIC, 1);

	if (p == NULL)
		return HF_E_SECRET_MEMORY;
	TRY(xwing_public(seed, p));
	*ret = (struct slice){ p, XWING_PUBLIC };
	return HF_OK;
}

enum hf_err backup_card_of(struct calls_ctx *c, bool create, struct backup_card *ret)
{
	CLEANUP(secret_done) struct secret seed = { 0 };
	struct backup_card card = { 0 };
	char name[BACKUP_NAME_MOST];

	TRY(backup_seed(c->hsm, &seed));
	if (seed.n == 0 && !create)
		return HF_E_BACKUP_NO_KEY;
	if (seed.n == 0)
		TRY(make_seed(c->hsm, &seed));
	(void)snprintf(name, sizeof(name), "HSM %s", c->hsm->serial);
	TRY(arena_dup(c->arena, slice_str(name), &card.name));
	TRY(public_of(c, secret_slice(&seed), &card.key));
	TRY(backup_key_id(card.key, card.id));
	*ret = card;
	return HF_OK;
}

static enum hf_err tell_card(struct calls_ctx *c, const struct backup_card *card, struct slice *ret)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(BACKUP_CARD_MOST);

	backup_card_enc(card, &b);
	TRY(buf_err(&b));
	return arena_dup(c->arena, buf_slice(&b), ret);
}

enum hf_err on_backup_key(struct calls_ctx *c, const struct backup_key_req *q,
	struct backup_key_res *r)
{
	struct backup_card card;

	TRY(backup_card_of(c, q->create, &card));
	return tell_card(c, &card, &r->card);
}

/* --- custodians ------------------------------------------------------------------------- */

enum hf_err backup_keys_new(struct backup_keys **ret)
{
	struct backup_keys *k = hf_alloc(1, sizeof(*k));

	if (k == NULL)
		return HF_E_MEMORY;
	mutex_init(&k->lock);
	*ret = k;
	return HF_OK;
}

static void forget(struct backup_keys *k)
{
	gathering_drop(&k->shares);
	secret_done(&k->seed);
}

void backup_keys_forget(struct backup_keys *k)
{
	if (k == NULL)
		return;
	MUTEX_HOLD(&k->lock);
	forget(k);
}

void backup_keys_free(struct backup_keys *k)
{
	if (k == NULL)
		return;
	forget(k);
	mutex_done(&k->lock);
	hf_free(k);
}

static void shares_done(struct secret (*v)[SHAMIR_MAX])
{
	for (unsigned i = 0; i < SHAMIR_MAX; i++)
		secret_done(&(*v)[i]);
}

static enum hf_err tell_shares(struct calls_ctx *c, const struct secret *shares, unsigned n,
	struct share_list *ret)
{
	struct share *v = arena_alloc(c->arena, n, sizeof(*v));

	if (v == NULL)
		return HF_E_SECRET_MEMORY;
	for (unsigned i = 0; i < n; i++)
		TRY(arena_dup(c->arena, secret_slice(&shares[i]), &v[i].share));
	*ret = (struct share_list){ v, n };
	return HF_OK;
}

/* The quorum's secret is the seed of the key; a share says by the quorum's random id whose it is. */
enum hf_err on_backup_split(struct calls_ctx *c, const struct backup_split_req *q,
	struct backup_split_res *r)
{
	CLEANUP(shares_done) struct secret shares[SHAMIR_MAX] = { { 0 } };
	CLEANUP(secret_done) struct secret seed = { 0 };
	struct backup_card card = { .name = q->name, .m = q->m, .n = q->n };
	struct quorum made = { .m = q->m, .n = q->n };

	call_detail(c, "%u of %u custodians", q->m, q->n);
	if (q->m < 2 || q->m > q->n || q->n > SHAMIR_MAX)
		return HF_E_ARGUMENTS;
	if (!quorum_names(&made, SLICE_NONE))
		return HF_E_ARGUMENTS;
	TRY(quorum_make(c->hsm, "backup", &made, &made, &seed, shares));
	card.hashes = (struct slice){ made.hash[0], made.n * sizeof(made.hash[0]) };
	TRY(public_of(c, secret_slice(&seed), &card.key));
	TRY(backup_key_id(card.key, card.id));
	TRY(tell_shares(c, shares, q->n, &r->shares));
	return tell_card(c, &card, &r->card);
}

/* quorum_of: the custodians of the backup, by the hashes of their shares. The quorum's id is not in
 * there; the hash of the whole share says more. */
static enum hf_err quorum_of(struct slice header, struct slice share, struct quorum *ret,
	uint8_t ret_id[BACKUP_KEY_ID])
{
	struct backup_header h;
	struct backup_found f;

	TRY(backup_header_read(header, &h));
	for (size_t i = 0; i < h.to_n; i++) {
		if (h.to[i].kind != BACKUP_TO_KEY || backup_recipient_look(&h.to[i], &f) != HF_OK ||
		    f.card.m == 0)
			continue;
		*ret = (struct quorum){ .m = f.card.m, .n = f.card.n };
		memcpy(ret->hash, f.card.hashes.p, f.card.hashes.n);
		memcpy(ret_id, f.card.id, BACKUP_KEY_ID);
		if (share.n > QUORUM_ID)
			memcpy(ret->id, share.p, QUORUM_ID);
		return HF_OK;
	}
	return HF_E_BACKUP_NO_SHARES;
}

enum hf_err on_backup_share(struct calls_ctx *c, const struct backup_share_req *q,
	struct backup_share_res *r)
{
	CLEANUP(secret_done) struct secret seed = { 0 };
	struct backup_keys *k = c->hsm->backup_keys;
	uint8_t id[BACKUP_KEY_ID];
	struct quorum of;

	TRY(quorum_of(q->header, q->share, &of, id));
	if (q->share.n > QUORUM_ID)
		call_detail(c, "share %u", q->share.p[QUORUM_ID]);
	MUTEX_HOLD(&k->lock);
	if (!slice_eq(SLICE_OF(k->id), SLICE_OF(id)))
		forget(k);
	memcpy(k->id, id, BACKUP_KEY_ID);
	TRY(quorum_take(&k->shares, &of, q->share, &seed));
	r->needed = of.m;
	r->have = seed.n > 0 ? of.m : (uint8_t)gathering_count(&k->shares);
	if (seed.n == 0)
		return HF_OK;
	call_detail(c, ", enough");
	secret_done(&k->seed);
	k->seed = secret_take(&seed);
	k->until_ns = clock_mono_ns() + KEPT_NS;
	return HF_OK;
}

/* --- openers ------------------------------------------------------------------------------ */

void backup_openers_done(struct backup_openers *o)
{
	secret_done(&o->own);
	secret_done(&o->custodians);
}

static void add(struct backup_openers *o, uint8_t kind, const struct secret *seed,
	const uint8_t id[BACKUP_KEY_ID])
{
	struct backup_opener *v = &o->v[o->n++];

	*v = (struct backup_opener){ .kind = kind, .secret = secret_slice(seed) };
	memcpy(v->id, id, BACKUP_KEY_ID);
}

static enum hf_err add_own(struct calls_ctx *c, struct backup_openers *o)
{
	struct backup_card card;

	TRY(backup_seed(c->hsm, &o->own));
	if (o->own.n == 0)
		return HF_OK;
	TRY(backup_card_of(c, false, &card));
	add(o, BACKUP_TO_KEY, &o->own, card.id);
	return HF_OK;
}

static enum hf_err add_custodians(struct calls_ctx *c, struct backup_openers *o)
{
	struct backup_keys *k = c->hsm->backup_keys;
	MUTEX_HOLD(&k->lock);

	if (k->seed.n > 0 && clock_mono_ns() > k->until_ns)
		forget(k);
	if (k->seed.n == 0)
		return HF_OK;
	TRY(secret_dup(secret_slice(&k->seed), &o->custodians));
	add(o, BACKUP_TO_KEY, &o->custodians, k->id);
	return HF_OK;
}

enum hf_err backup_openers_get(struct calls_ctx *c, struct opener_list keys,
	struct backup_openers *ret)
{
	for (size_t i = 0; i < keys.n && i < BACKUP_RECIPIENTS; i++)
		if (keys.v[i].kind == BACKUP_TO_PASSPHRASE || keys.v[i].kind == BACKUP_TO_TOKEN)
			ret->v[ret->n++] = (struct backup_opener){ .kind = keys.v[i].kind,
				.secret = keys.v[i].secret };
	TRY(add_own(c, ret));
	return add_custodians(c, ret);
}

enum hf_err backup_key_missing(struct calls_ctx *c, struct slice header)
{
	struct backup_keys *k = c->hsm->backup_keys;
	uint8_t id[BACKUP_KEY_ID];
	struct quorum of;
	unsigned have;
	MUTEX_HOLD(&k->lock);

	if (quorum_of(header, SLICE_NONE, &of, id) != HF_OK || !slice_eq(SLICE_OF(k->id), SLICE_OF(id)))
		return HF_E_BACKUP_KEY;
	have = gathering_count(&k->shares);
	if (have == 0)
		return HF_E_BACKUP_KEY;
	call_detail(c, "; %u of %u shares were given", have, of.m);
	return HF_E_BACKUP_SHARES;
}

enum hf_err on_backup_end_key(struct calls_ctx *c, const struct backup_end_key_req *q,
	struct backup_end_key_res *r)
{
	CLEANUP(backup_openers_done) struct backup_openers o = { 0 };
	CLEANUP(backup_chain_done) struct backup_chain chain = { 0 };
	struct backup_header h;

	TRY(backup_header_read(q->header, &h));
	TRY(backup_openers_get(c, q->keys, &o));
	TRY(backup_unlock(&h, o.v, o.n, false, &chain));
	return arena_dup(c->arena, secret_slice(&chain.end_key), &r->key);
}
