/* backup.c: see backup.h; the calls backup_begin, backup_base and backup_next. */
#include "backup.h"

#include <string.h>

#include "backup_keys.h"
#include "clock.h"
#include "clone.h"
#include "gate.h"
#include "guard.h"
#include "hsm_roles.h"
#include "object_table.h"
#include "opening.h"
#include "pkcs11_numbers.h"
#include "policy.h"

static void free_it(struct backup **b)
{
	backup_free(*b);
}

/* With the passphrase the file is open to anybody: so it takes two, the officer of the keys
 * and the HSM's security officer. */
enum hf_err backup_permit(struct calls_ctx *c)
{
	TRY(hsm_need(c, CALL_BY_H));
	return policy_need(c, POLICY_BACKUP);
}

bool backup_stateful(const struct calls_ctx *c, const struct object *o)
{
	return attrs_one_time(&o->attrs) && policy_value(c->part, POLICY_STATEFUL) == 0;
}

/* --- the snapshot --------------------------------------------------------------------- */

static void take(struct calls_ctx *c, struct backup *b, struct object *o)
{
	if (b->clone && !clone_may_leave(c, b, o))
		return;
	if (backup_stateful(c, o)) {
		b->left_out++;
		return;
	}
	object_ref(o);
	b->v[b->n++] = o;
}

static enum hf_err take_all(struct calls_ctx *c, struct backup *b)
{
	struct objects *t = c->part->objects;

	b->v = hf_alloc(t->by_handle.n + 1, sizeof(struct object *));
	if (b->v == NULL)
		return HF_E_MEMORY;
	for (struct map_node *n = map_next(&t->by_handle, NULL); n != NULL; n = map_next(&t->by_handle, n)) {
		struct object *o = container_of(n, struct object, by_handle);

		if (o->token)
			take(c, b, o);
	}
	return HF_OK;
}

static enum hf_err take_chosen(struct calls_ctx *c, struct backup *b, struct u64_list chosen)
{
	struct objects *t = c->part->objects;

	b->v = hf_alloc(chosen.n, sizeof(struct object *));
	if (b->v == NULL)
		return HF_E_MEMORY;
	for (size_t i = 0; i < chosen.n; i++) {
		struct object *o = table_get(t, chosen.v[i]);

		if (o == NULL || !o->token)
			return HF_E_OBJECT_HANDLE;
		take(c, b, o);
	}
	return HF_OK;
}

enum hf_err backup_snapshot(struct calls_ctx *c, struct backup *b, struct u64_list chosen)
{
	enum hf_err e;

	TRY(opening_wait(c->part)); /* a login ends before all objects are in memory */
	rwlock_read(&c->part->objects->lock);
	e = chosen.n == 0 ? take_all(c, b) : take_chosen(c, b, chosen);
	rwlock_unlock(&c->part->objects->lock);
	return e;
}

/* --- beginning -------------------------------------------------------------------------- */

static enum hf_err passphrase_length(struct calls_ctx *c, struct slice passphrase)
{
	if (pin_length(c->hsm, NULL, passphrase) == HF_OK)
		return HF_OK;
	call_detail(c, "it takes %u to %u bytes", pin_min(c->hsm, NULL), pin_max(c->hsm, NULL));
	return HF_E_BACKUP_PASSPHRASE;
}

/* Members of a domain get clones, and ask for them (clone.h). */
static enum hf_err to_of(struct calls_ctx *c, const struct recipient *r, bool approved,
	struct backup_to *ret)
{
	struct backup_to to = { .kind = (enum backup_recipient_kind)r->kind, .secret = r->secret,
		.body = r->body };

	passphrase_kdf(c->hsm, approved, &to.kib, &to.passes);
	if (r->kind == BACKUP_TO_PASSPHRASE)
		TRY(passphrase_length(c, r->secret));
	else if (r->kind == BACKUP_TO_KEY) {
		to.body = to.secret = SLICE_NONE;
		TRY(backup_card_dec(r->body, &to.card));
	} else if (r->kind != BACKUP_TO_TOKEN)
		return HF_E_ARGUMENTS;
	*ret = to;
	return HF_OK;
}

static enum hf_err open_base(struct backup *b, struct slice header, struct slice own_key,
	struct backup_header *h)
{
	struct backup_header base;
	uint8_t *hash = b->next_hash;

	b->based = header.n == 0;
	b->increment = header.n != 0;
	if (header.n == 0)
		return HF_OK;
	TRY(backup_header_read(header, &base));
	if (base.scope != h->scope || !slice_eq(base.serial, h->serial))
		return HF_E_BACKUP_CHAIN;
	TRY(backup_unlock_index(&base, own_key, &b->base_chain));
	backup_look(&base, &b->base_chain);
	memcpy(hash, base.hash, CRYPTO_HASH);
	h->base = (struct slice){ hash, CRYPTO_HASH };
	return HF_OK;
}

enum hf_err backup_start_to(struct calls_ctx *c, struct backup *b, struct backup_make *m,
	struct backup_start *s)
{
	CLEANUP(secret_done) struct secret own = { 0 };
	CLEANUP(buf_done) struct buf head = BUF_MAX(BACKUP_HEADER_MOST);

	s->h.created = clock_wall_us();
	s->h.hsm = slice_str(c->hsm->serial);
	TRY(backup_own_key(c->hsm, &own));
	m->own_key = secret_slice(&own);
	TRY(open_base(b, s->base, m->own_key, &s->h));
	TRY(backup_header_make(&s->h, m, &head, &b->chain));
	return arena_dup(c->arena, buf_slice(&head), &s->header);
}

#define TOLD 8 /* bytes of a hash that name a backup or a key */

void backup_name(const struct backup_header *h, char out[BACKUP_TOLD])
{
	hex_encode((struct slice){ h->hash, TOLD }, out);
}

void backup_tell(struct calls_ctx *c, const struct backup_header *h)
{
	static const char *const kinds[] = { [BACKUP_TO_PASSPHRASE] = "a passphrase",
		[BACKUP_TO_KEY] = "key ", [BACKUP_TO_TOKEN] = "a token", [BACKUP_TO_MEMBER] = "member " };
	char hex[2 * TOLD + 1];

	backup_name(h, hex);
	call_detail(c, "backup %s to ", hex);
	for (size_t i = 0; i < h->to_n; i++) {
		const struct backup_recipient *r = &h->to[i];
		struct backup_found f = { 0 };
		bool keyed = r->kind == BACKUP_TO_KEY || r->kind == BACKUP_TO_MEMBER;

		hex[0] = '\0';
		if (keyed && backup_recipient_look(r, &f) == HF_OK)
			hex_encode((struct slice){ f.card.id, TOLD }, hex);
		call_detail(c, "%s%s, ", r->kind <= BACKUP_TO_MEMBER && kinds[r->kind] != NULL ?
			kinds[r->kind] : "?", hex);
	}
}

static enum hf_err tell_made(struct calls_ctx *c, struct slice header)
{
	struct backup_header h;

	TRY(backup_header_read(header, &h));
	backup_tell(c, &h);
	return HF_OK;
}

enum hf_err backup_start(struct calls_ctx *c, struct backup *b, struct recipient_list to,
	struct backup_start *s)
{
	struct backup_to v[BACKUP_RECIPIENTS];
	struct backup_make m = { .to = v };

	for (; m.to_n < to.n && m.to_n < BACKUP_RECIPIENTS; m.to_n++)
		TRY(to_of(c, &to.v[m.to_n], s->approved, &v[m.to_n]));
	TRY(backup_start_to(c, b, &m, s));
	return tell_made(c, s->header);
}

enum hf_err on_backup_begin(struct calls_ctx *c, const struct backup_begin_req *q,
	struct backup_begin_res *r)
{
	CLEANUP(free_it) struct backup *b = hf_alloc(1, sizeof(*b));
	char label[sizeof(c->part->label)];
	struct backup_start s = { .h = { .scope = BACKUP_OF_OBJECTS, .serial = slice_str(c->part->serial) },
		.base = q->base, .approved = approved_mode(c->part) };

	if (b == NULL)
		return HF_E_MEMORY;
	TRY(backup_permit(c));
	lock_check(pthread_rwlock_rdlock(&c->part->lock));
	memcpy(label, c->part->label, sizeof(label));
	lock_check(pthread_rwlock_unlock(&c->part->lock));
	s.h.label = slice_str(label);
	TRY(backup_start(c, b, q->to, &s));
	r->header = s.header;
	TRY(backup_snapshot(c, b, q->objects));
	r->objects = b->n;
	r->left_out = b->left_out;
	call_detail(c, "%zu objects%s", b->n, b->increment ? ", what changed" : "");
	backup_drop(c->session);
	c->session->backup = b;
	b = NULL;
	return HF_OK;
}

/* --- the base ----------------------------------------------------------------------------- */

/* The index stands in front, so whatever else comes ends it. */
enum hf_err backup_take_base(struct backup *b, struct slice frame, bool *ret)
{
	CLEANUP(secret_done) struct secret plain = { 0 };
	struct backup_frame f;

	if (b->based || b->indexed != 0)
		return HF_E_BACKUP_CHAIN;
	TRY(backup_frame_check(&b->base_chain, frame, &f));
	*ret = b->based = f.kind != BACKUP_INDEX;
	if (b->based)
		return HF_OK;
	TRY(backup_frame_open(&b->base_chain, &f, &plain));
	return backup_index_read(&b->base, secret_slice(&plain));
}

enum hf_err on_backup_base(struct calls_ctx *c, const struct backup_base_req *q,
	struct backup_base_res *r)
{
	struct backup *b = c->session->backup;
	enum hf_err e;

	if (b == NULL || b->restoring)
		return HF_E_OP_LOST;
	e = backup_take_base(b, q->frame, &r->last);
	if (e != HF_OK)
		backup_drop(c->session);
	return e;
}

/* --- frames ----------------------------------------------------------------------------- */

/* struct encoded is an object on its way out. */
struct encoded {
	struct buf content, guard;
	struct backup_entry entry;
};

static void encoded_done(struct encoded *e)
{
	buf_done(&e->content);
	buf_done(&e->guard);
}

static enum hf_err encode(struct calls_ctx *c, const struct object *o, struct encoded *e)
{
	*e = (struct encoded){ .content = BUF_MAX(BACKUP_CONTENT_MOST), .guard = BUF_MAX(BACKUP_GUARD_MOST) };
	object_enc(o, &e->content);
	TRY(buf_err(&e->content));
	guard_export(c, o->handle, &e->guard);
	TRY(buf_err(&e->guard));
	memcpy(e->entry.id, o->uid, BACKUP_ID);
	return backup_tag(buf_slice(&e->content), buf_slice(&e->guard), &e->entry);
}

static enum hf_err index_object(struct calls_ctx *c, const struct object *o, struct buf *out)
{
	CLEANUP(encoded_done) struct encoded e = { 0 };

	TRY(encode(c, o, &e));
	backup_entry_enc(&e.entry, out);
	return buf_err(out);
}

static enum hf_err put_object(struct calls_ctx *c, struct backup *b, const struct object *o,
	struct buf *out)
{
	CLEANUP(encoded_done) struct encoded e = { 0 };

	TRY(encode(c, o, &e));
	if (b->increment && backup_index_has(&b->base, &e.entry))
		return HF_OK;
	buf_raw(out, SLICE_OF(o->uid));
	buf_u64(out, o->version);
	buf_bytes(out, buf_slice(&e.content));
	buf_bytes(out, buf_slice(&e.guard));
	b->objects++;
	return buf_err(out);
}

static enum hf_err index_frame(struct calls_ctx *c, struct backup *b, struct buf *frame)
{
	CLEANUP(buf_done) struct buf plain = BUF_MAX(BACKUP_FRAME_MOST);
	size_t to = b->indexed;

	while (to < b->n && plain.n < BACKUP_FULL)
		TRY(index_object(c, b->v[to++], &plain));
	TRY(backup_frame_make(&b->chain, BACKUP_INDEX, buf_slice(&plain), frame));
	b->indexed = to;
	return HF_OK;
}

static enum hf_err objects_frame(struct calls_ctx *c, struct backup *b, struct buf *frame)
{
	CLEANUP(buf_done) struct buf plain = BUF_MAX(BACKUP_FRAME_MOST);
	uint64_t before = b->objects;
	size_t to = b->at;

	while (to < b->n && b->objects - before < BACKUP_FRAME_OBJECTS && plain.n < BACKUP_FULL)
		TRY(put_object(c, b, b->v[to++], &plain));
	TRY(backup_frame_make(&b->chain, BACKUP_OBJECTS, buf_slice(&plain), frame));
	call_detail(c, "%llu objects", (unsigned long long)(b->objects - before));
	while (b->at < to)
		object_unref(b->v[b->at++]);
	return HF_OK;
}

enum hf_err backup_end_frame(struct backup *b, struct buf *frame)
{
	CLEANUP(buf_done) struct buf plain = BUF_MAX(256);
	struct backup_end end = {
		.objects = b->objects, .left_out = b->left_out, .frames = b->chain.next,
	};

	memcpy(end.chain, b->chain.last, CRYPTO_HASH);
	backup_end_enc(&end, &plain);
	TRY(buf_err(&plain));
	return backup_frame_make(&b->chain, BACKUP_END, buf_slice(&plain), frame);
}

static enum hf_err next_frame(struct calls_ctx *c, struct backup *b, struct buf *frame)
{
	if (b->indexed < b->n)
		return index_frame(c, b, frame);
	return b->at < b->n ? objects_frame(c, b, frame) : backup_end_frame(b, frame);
}

enum hf_err on_backup_next(struct calls_ctx *c, const struct backup_next_req *q,
	struct backup_next_res *r)
{
	CLEANUP(buf_done) struct buf frame = BUF_MAX(BACKUP_FRAME_MOST + BACKUP_FRAME_PREFIX);
	struct backup *b = c->session->backup;

	(void)q;
	if (b == NULL || b->restoring)
		return HF_E_OP_LOST;
	if (!b->based)
		return HF_E_BACKUP_CHAIN;
	r->last = b->at == b->n;
	TRY(next_frame(c, b, &frame));
	TRY(arena_dup(c->arena, buf_slice(&frame), &r->frame));
	r->objects = b->objects;
	if (r->last)
		backup_drop(c->session);
	return HF_OK;
}
