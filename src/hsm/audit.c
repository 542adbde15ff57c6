/* audit.c: records are numbered, chained and encoded under one short lock into
 * the batch that fills; a thread sends batches to the keeper, one after another.
 *
 * Who must have a record durable marks the batch and waits for it. Others go on:
 * after kill -9 of everything at most the last records of class "use" are lost,
 * and the chain goes on behind the last one that was kept. */
#include "audit.h"

#include <stdio.h>
#include <string.h>

#include "app.h"
#include "audit_check.h"
#include "clock.h"
#include "hsm_roles.h"
#include "keeper_ask.h"
#include "lock.h"
#include "log.h"
#include "partition.h"

#define FORMAT 1
#define BATCH_RECORDS 4096u          /* audit_append's limit */
#define BATCH_BYTES (4u << 20)
#define RECORD_ROOM 4096u            /* more than any record takes */
#define GATHER_NS 20000000u          /* how long records wait that nobody waits for */
#define RETRY_NS 200000000u
#define ROOM_NS 10000000000u         /* how long a call waits for room */
#define CHECKPOINT_RECORDS 10000u
#define CHECKPOINT_NS 60000000000u
#define WITNESS_NS 1000000000u      /* the store is told at most so often */

struct batch {
	struct buf bytes;
	struct entry v[BATCH_RECORDS]; /* lengths at first, views when it is sent */
	size_t n;
	uint64_t first;
	bool sync;
};

struct audit {
	struct keeper *k;
	struct secret seed;
	struct audit_witness *witness; /* the thread's; NULL: none */
	uint8_t public_key[32];
	pthread_t thread;
	struct mutex lock;        /* what follows */
	struct cond work, kept, room;
	struct batch *fill, *send;
	uint64_t seq, durable, failed; /* last numbered, last kept, last that failed once */
	uint64_t signed_seq, signed_ns;
	uint8_t prev[CRYPTO_HASH];
	struct audit_mark due;    /* the last signed record, for the witness; 0: it has it */
	uint64_t told_ns;
	bool stop;
};

/* --- making a record ------------------------------------------------------------- */

static bool has_room(const struct batch *b)
{
	return b->n < BATCH_RECORDS && b->bytes.n + RECORD_ROOM <= BATCH_BYTES;
}

/* Nothing is dropped: when the keeper does not keep up, or is away, calls wait. */
static enum hf_err wait_for_room(struct audit *a)
{
	uint64_t until = clock_mono_ns() + ROOM_NS;

	while (!has_room(a->fill))
		if (!cond_wait_until(&a->room, &a->lock, until))
			return HF_E_AUDIT;
	return HF_OK;
}

static enum hf_err sign(const struct audit *a, struct audit_record *rec, uint8_t out[64])
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(RECORD_ROOM);

	audit_record_enc(&b, rec);
	TRY(buf_err(&b));
	TRY(crypto_ed25519_sign(secret_slice(&a->seed), buf_slice(&b), out));
	rec->signature = (struct slice){ out, 64 };
	return HF_OK;
}

static enum hf_err encode(struct audit *a, struct audit_record *rec, bool signed_)
{
	struct batch *b = a->fill;
	size_t before = b->bytes.n;
	uint8_t signature[64];

	rec->format = FORMAT;
	rec->seq = a->seq + 1;
	rec->prev = SLICE_OF(a->prev);
	rec->time_us = clock_wall_us();
	rec->mono_ns = clock_mono_ns();
	if (signed_)
		TRY(sign(a, rec, signature));
	audit_record_enc(&b->bytes, rec);
	if (buf_err(&b->bytes) != HF_OK) {
		b->bytes.err = HF_OK;
		buf_cut(&b->bytes, before);
		return HF_E_AUDIT;
	}
	return HF_OK;
}

/* append is called with the lock held. */
static enum hf_err append(struct audit *a, struct audit_record *rec, bool signed_)
{
	struct batch *b;
	size_t before;

	TRY(wait_for_room(a));
	b = a->fill;
	before = b->bytes.n;
	TRY(encode(a, rec, signed_));
	TRY(crypto_sha256((struct slice){ b->bytes.p + before, b->bytes.n - before }, a->prev));
	if (b->n == 0) {
		b->first = rec->seq;
		cond_signal(&a->work);
	}
	b->v[b->n++].record.n = b->bytes.n - before;
	a->seq = rec->seq;
	if (signed_) {
		a->signed_seq = rec->seq;
		a->signed_ns = rec->mono_ns;
		a->due.seq = rec->seq;
		memcpy(a->due.hash, a->prev, sizeof(a->due.hash));
	}
	return HF_OK;
}

static enum hf_err append_event(struct audit *a, const char *event, const char *detail,
	enum hf_err result, bool signed_)
{
	struct audit_record rec = {
		.event = slice_str(event),
		.kind = AUDIT_EVENT,
		.mechanism = UINT32_MAX,
		.result = (uint16_t)result,
		.detail = slice_str(detail),
	};

	return append(a, &rec, signed_);
}

static void checkpoint_if_due(struct audit *a)
{
	uint64_t since = a->seq - a->signed_seq;

	if (!has_room(a->fill)) /* this thread is the one that makes room */
		return;
	if (since >= CHECKPOINT_RECORDS ||
	    (since > 0 && clock_mono_ns() - a->signed_ns >= CHECKPOINT_NS))
		if (append_event(a, "checkpoint", "", HF_OK, true) != HF_OK)
			log_error("audit: a checkpoint could not be made");
}

/* wait_kept is called with the lock held, for a record just appended. */
static enum hf_err wait_kept(struct audit *a)
{
	uint64_t seq = a->seq;

	if (a->fill->n > 0) {
		a->fill->sync = true;
		cond_signal(&a->work);
	}
	while (a->durable < seq && a->failed < seq)
		cond_wait(&a->kept, &a->lock);
	return a->durable >= seq ? HF_OK : HF_E_AUDIT;
}

/* --- the thread that sends ---------------------------------------------------------- */

static void lay_out(struct batch *b)
{
	size_t at = 0;

	for (size_t i = 0; i < b->n; at += b->v[i].record.n, i++)
		b->v[i].record.p = b->bytes.p + at;
}

static enum hf_err read_seq(struct slice encoded, uint64_t *ret)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct audit_record rec;
	struct rd r = rd_of(encoded);

	if (!audit_record_dec(&r, &a, &rec) || !rd_done(&r) || rec.format != FORMAT)
		return HF_E_DAMAGED;
	*ret = rec.seq;
	return HF_OK;
}

/* An append that ended in an error may have been kept, whole or in part. */
static size_t already_kept(struct audit *a, const struct batch *b)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct entry_list last;
	uint64_t seq;

	if (keeper_audit_tail(a->k, &arena, &last) != HF_OK || last.n == 0 ||
	    read_seq(last.v[0].record, &seq) != HF_OK || seq < b->first)
		return 0;
	return seq - b->first + 1 < b->n ? (size_t)(seq - b->first + 1) : b->n;
}

static enum hf_err send_batch(struct audit *a, const struct batch *b, bool again)
{
	size_t skip = again ? already_kept(a, b) : 0;
	struct audit_append_req q = {
		.first = b->first + skip,
		.records = { b->v + skip, b->n - skip },
		.sync = b->sync || again,
	};

	return keeper_audit_append(a->k, &q);
}

static void batch_empty(struct batch *b)
{
	buf_reset(&b->bytes);
	b->n = 0;
	b->sync = false;
}

static void pause_before_retry(struct audit *a)
{
	uint64_t until = clock_mono_ns() + RETRY_NS;

	while (!a->stop && cond_wait_until(&a->work, &a->lock, until))
		;
}

/* Whoever waits for one of the records so far learns that it is not kept; a
 * keeper that only restarts is given its time first. */
static void tell_failure(struct audit *a, enum hf_err e, uint64_t since)
{
	if (keeper_gone(e) && clock_mono_ns() - since < ROOM_NS)
		return;
	a->failed = a->seq;
	cond_broadcast(&a->kept);
}

/* finish sends a->send until the keeper took it; the lock is held at both ends.
 * False: the module closes and it was not taken. */
static bool finish(struct audit *a)
{
	uint64_t last = a->send->first + a->send->n - 1, since = clock_mono_ns();
	bool again = false;
	enum hf_err e;

	lay_out(a->send);
	for (;;) {
		mutex_unlock(&a->lock);
		e = send_batch(a, a->send, again);
		mutex_lock(&a->lock);
		if (e == HF_OK)
			break;
		if (!again)
			log_error("audit: records up to %llu were not kept yet: %s", (unsigned long long)last,
				err_text(e));
		tell_failure(a, e, since);
		if (a->stop && again)
			return false;
		again = true;
		pause_before_retry(a);
	}
	if (again)
		log_notice("audit: records up to %llu are kept now", (unsigned long long)last);
	a->durable = last;
	batch_empty(a->send);
	cond_broadcast(&a->kept);
	return true;
}

/* tell_witness is called with the lock held. Who waits for a record has it by now. */
static void tell_witness(struct audit *a)
{
	struct audit_mark m = a->due;
	enum hf_err e;

	if (a->witness == NULL || m.seq == 0 || a->durable < m.seq ||
	    (!a->stop && a->told_ns != 0 && clock_mono_ns() - a->told_ns < WITNESS_NS))
		return;
	mutex_unlock(&a->lock);
	e = audit_witness_keep(a->witness, &m);
	mutex_lock(&a->lock);
	a->told_ns = clock_mono_ns();
	cond_broadcast(&a->kept);
	if (e != HF_OK)
		log_warn("audit: the store was not told of record %llu: %s", (unsigned long long)m.seq,
			err_text(e));
	else if (a->due.seq == m.seq)
		a->due.seq = 0;
}

static void wait_for_work(struct audit *a)
{
	while (a->fill->n == 0 && !a->stop) {
		if (a->seq == a->signed_seq)
			cond_wait(&a->work, &a->lock);
		else if (!cond_wait_until(&a->work, &a->lock, a->signed_ns + CHECKPOINT_NS))
			checkpoint_if_due(a);
	}
	if (!a->fill->sync && !a->stop) {
		uint64_t until = clock_mono_ns() + GATHER_NS;

		while (!a->fill->sync && !a->stop && has_room(a->fill) &&
		       cond_wait_until(&a->work, &a->lock, until))
			;
	}
}

static void *run(void *ctx)
{
	struct audit *a = ctx;
	MUTEX_HOLD(&a->lock);

	for (;;) {
		struct batch *b;

		wait_for_work(a);
		if (a->fill->n == 0)
			return NULL; /* stopped, and nothing is left */
		b = a->fill;
		a->fill = a->send;
		a->send = b;
		cond_broadcast(&a->room);
		checkpoint_if_due(a);
		if (!finish(a)) {
			log_error("audit: %zu records were lost", a->send->n + a->fill->n);
			return NULL;
		}
		tell_witness(a);
	}
}

/* --- open and close --------------------------------------------------------------------- */

/* count finds the last number the hard way, where the last record is unreadable. */
static enum hf_err count(struct audit *a, uint64_t *ret)
{
	uint64_t from = 1;

	for (;;) {
		CLEANUP(arena_done) struct arena arena = { 0 };
		struct entry_list l;

		TRY(keeper_audit_fetch(a->k, from, 1024, &arena, &l));
		if (l.n == 0)
			break;
		from += l.n;
	}
	*ret = from - 1;
	return HF_OK;
}

/* check_last checks the last record with the one before it. */
static enum hf_err check_last(struct audit *a, const char **ret_why)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct audit_check c = { 0 };
	struct audit_record rec;
	struct entry_list l;

	memcpy(c.public_key, a->public_key, sizeof(c.public_key));
	TRY(keeper_audit_fetch(a->k, a->seq > 1 ? a->seq - 1 : 1, 2, &arena, &l));
	*ret_why = l.n == (a->seq > 1 ? 2 : 1) ? NULL : "records are missing";
	for (size_t i = 0; i < l.n && *ret_why == NULL; i++)
		if (!audit_check_next(&c, l.v[i].record, &arena, &rec, ret_why))
			break;
	return HF_OK;
}

/* check_witness compares the log with what the store knows of it. */
static enum hf_err check_witness(struct audit *a, const char **ret_why)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	const struct audit_mark *m = &a->witness->mark;
	uint8_t hash[CRYPTO_HASH];
	struct entry_list l = { 0 };

	if (a->witness->damaged)
		*ret_why = "what the store knew of the log's end is damaged";
	if (m->seq == 0)
		return HF_OK;
	if (m->seq <= a->seq)
		TRY(keeper_audit_fetch(a->k, m->seq, 1, &arena, &l));
	if (l.n == 0) {
		*ret_why = "records at the end of the log are missing";
		return HF_OK;
	}
	TRY(crypto_sha256(l.v[0].record, hash));
	if (!slice_eq(SLICE_OF(hash), SLICE_OF(m->hash)))
		*ret_why = "the log was replaced by another one";
	return HF_OK;
}

static enum hf_err go_on(struct audit *a, const char **ret_why)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct entry_list last;

	*ret_why = NULL;
	TRY(keeper_audit_tail(a->k, &arena, &last));
	if (last.n == 0)
		return HF_OK;
	TRY(crypto_sha256(last.v[0].record, a->prev));
	if (read_seq(last.v[0].record, &a->seq) == HF_OK)
		return check_last(a, ret_why);
	*ret_why = "the last record is damaged";
	return count(a, &a->seq);
}

static void batch_free(struct batch *b)
{
	if (b != NULL)
		buf_done(&b->bytes);
	hf_free(b);
}

static void audit_free(struct audit *a)
{
	batch_free(a->fill);
	batch_free(a->send);
	secret_done(&a->seed);
	cond_done(&a->work);
	cond_done(&a->kept);
	cond_done(&a->room);
	mutex_done(&a->lock);
	hf_free(a);
}

static enum hf_err audit_new(struct keeper *k, struct slice seed, struct audit_witness *w,
	struct audit **ret)
{
	struct audit *a = hf_alloc(1, sizeof(*a));

	if (a == NULL)
		return HF_E_MEMORY;
	*ret = a;
	a->k = k;
	a->witness = w;
	mutex_init(&a->lock);
	cond_init(&a->work);
	cond_init(&a->kept);
	cond_init(&a->room);
	a->fill = hf_alloc(1, sizeof(*a->fill));
	a->send = hf_alloc(1, sizeof(*a->send));
	if (a->fill == NULL || a->send == NULL)
		return HF_E_MEMORY;
	a->fill->bytes = a->send->bytes = BUF_MAX(BATCH_BYTES);
	TRY(secret_dup(seed, &a->seed));
	return crypto_ed25519_public(seed, a->public_key);
}

static enum hf_err append_gap(struct audit *a, const char *why)
{
	char hex[2 * CRYPTO_HASH + 1], detail[256];

	if (a->witness == NULL || a->witness->mark.seq == 0)
		return append_event(a, "audit-gap", why, HF_E_DAMAGED, false);
	hex_encode(SLICE_OF(a->witness->mark.hash), hex);
	(void)snprintf(detail, sizeof(detail), "%s; the store knows of record %llu, hash %s", why,
		(unsigned long long)a->witness->mark.seq, hex);
	return append_event(a, "audit-gap", detail, HF_E_DAMAGED, false);
}

static enum hf_err start(struct audit *a)
{
	char hex[65], detail[128];
	const char *why;
	MUTEX_HOLD(&a->lock);

	TRY(go_on(a, &why));
	if (why == NULL && a->witness != NULL)
		TRY(check_witness(a, &why));
	a->durable = a->seq;
	a->signed_seq = a->seq;
	a->signed_ns = clock_mono_ns();
	if (why != NULL) {
		log_error("audit: the log does not end as it should (record %llu): %s; going on behind it",
			(unsigned long long)a->seq, why);
		TRY(append_gap(a, why));
	}
	hex_encode(SLICE_OF(a->public_key), hex);
	(void)snprintf(detail, sizeof(detail), "audit key %s", hex);
	TRY(append_event(a, "start", detail, HF_OK, true));
	return pthread_create(&a->thread, NULL, run, a) == 0 ? HF_OK : HF_E_MEMORY;
}

static void stop(struct audit *a)
{
	{
		MUTEX_HOLD(&a->lock);
		if (append_event(a, "stop", "", HF_OK, true) != HF_OK)
			log_error("audit: the stop record could not be made");
		a->fill->sync = true;
		a->stop = true;
		cond_broadcast(&a->work);
	}
	(void)pthread_join(a->thread, NULL);
}

/* first_kept waits for the start record, and until the store was told of it. */
static enum hf_err first_kept(struct audit *a)
{
	MUTEX_HOLD(&a->lock);

	TRY(wait_kept(a));
	while (a->witness != NULL && a->told_ns == 0)
		cond_wait(&a->kept, &a->lock);
	return HF_OK;
}

enum hf_err audit_open(struct keeper *k, struct slice seed, struct audit_witness *w,
	struct audit **ret)
{
	struct audit *a = NULL;
	enum hf_err e = audit_new(k, seed, w, &a);

	if (e == HF_OK)
		e = start(a);
	if (e != HF_OK) {
		if (a != NULL)
			audit_free(a);
		return e;
	}
	e = first_kept(a);
	if (e != HF_OK) {
		stop(a);
		audit_free(a);
		return e;
	}
	*ret = a;
	return HF_OK;
}

void audit_close(struct audit *a)
{
	if (a == NULL)
		return;
	stop(a);
	audit_free(a);
}

/* --- for callers --------------------------------------------------------------------------- */

enum hf_err audit_flush(struct audit *a)
{
	MUTEX_HOLD(&a->lock);

	return wait_kept(a);
}

uint64_t audit_sequence(struct audit *a)
{
	MUTEX_HOLD(&a->lock);

	return a->seq;
}

uint64_t audit_backlog(struct audit *a)
{
	MUTEX_HOLD(&a->lock);

	return a->seq - a->durable;
}

void audit_public_key(const struct audit *a, uint8_t out[32])
{
	memcpy(out, a->public_key, sizeof(a->public_key));
}

enum hf_err audit_event(struct audit *a, const char *event, const char *detail, enum hf_err result)
{
	MUTEX_HOLD(&a->lock);

	TRY(append_event(a, event, detail, result, false));
	return wait_kept(a);
}

static enum audit_kind kind_of(const struct call_row *row)
{
	switch (row->audit) {
	case CALL_AUDIT_ADMIN:
		return AUDIT_ADMIN;
	case CALL_AUDIT_AUTH:
		return AUDIT_AUTH;
	case CALL_AUDIT_KEYS:
		return AUDIT_KEYS;
	case CALL_AUDIT_USE:
	case CALL_AUDIT_NO: /* here because a rule refused it */
		break;
	}
	return AUDIT_USE;
}

/* The label may change while this is copied out. */
static void describe_part(const struct calls_ctx *c, struct audit_record *rec, char label[33])
{
	if (c->part == NULL)
		return;
	(void)pthread_rwlock_rdlock(&c->part->lock);
	memcpy(label, c->part->label, 33);
	(void)pthread_rwlock_unlock(&c->part->lock);
	rec->partition = slice_str(c->part->serial);
	rec->partition_label = slice_str(label);
	if (c->row->needs == CALL_NEEDS_SESSION || c->role != ROLE_PUBLIC)
		rec->role = slice_str(role_name(c->role));
}

enum hf_err audit_call(struct audit *a, const struct calls_ctx *c, enum hf_err result,
	uint64_t duration_ns)
{
	char label[33] = "";
	struct audit_record rec = {
		.event = slice_str(c->row->name),
		.kind = (uint8_t)kind_of(c->row),
		.role = slice_str(hsm_role_told(c)),
		.uid = c->conn->peer.uid,
		.pid = c->conn->peer.pid,
		.program = c->app != NULL ? slice_str(c->app->program) : SLICE_NONE,
		.session = c->head.session,
		.request = c->head.request,
		.object_label = slice_str(c->audit.object_label),
		.mechanism = c->audit.mechanism,
		.result = (uint16_t)result,
		.duration_ns = duration_ns,
		.detail = slice_str(c->audit.detail),
	};

	describe_part(c, &rec, label);
	if (c->audit.has_object)
		rec.object = SLICE_OF(c->audit.object);
	MUTEX_HOLD(&a->lock);
	TRY(append(a, &rec, false));
	return rec.kind == AUDIT_USE ? HF_OK : wait_kept(a);
}
