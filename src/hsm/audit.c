/* audit.c: records are numbered, chained and encoded under one short lock into
 * the batch that fills; a thread sends batches to the keeper, one after another.
 *
 * Who must have a record durable marks the batch and waits for it. Others go on:
 * after kill -9 of everything at most the last records of class "use" are lost,
 * and the chain goes on behind the last one that was kept, with a record that says so.
 *
 * When the keeper cannot keep records (its disk is full), they queue up to the
 * batches' size. Then those that policy lets go are dropped and counted, and the
 * first record after that says how many. */
#include "audit.h"

#include <stdio.h>
#include <string.h>

#include "app.h"
#include "audit_check.h"
#include "audit_int.h"
#include "audit_resume.h"
#include "audit_sign.h"
#include "clock.h"
#include "hsm_roles.h"
#include "keeper_ask.h"
#include "lock.h"
#include "log.h"
#include "partition.h"
#include "wait.h"

#define GATHER_NS 20000000u          /* how long records wait that nobody waits for */
#define RETRY_NS 200000000u
#define ROOM_NS 10000000000u         /* how long a call waits for room */
#define CHECKPOINT_RECORDS AUDIT_UNSIGNED_MOST
#define CHECKPOINT_SOON (CHECKPOINT_RECORDS / 2) /* by the thread that sends, so that no call has to */
#define CHECKPOINT_NS 60000000000u
#define WITNESS_NS 1000000000u      /* the store is told at most so often */
#define CLOCK_BACK_US 5000000u      /* a clock that went back by less is no event */
#define DROPPED_NS 10000000000u     /* between two lines of the daemon's log about records dropped */

/* A store into memory, so that it costs nothing: what the next process finds there when this one is
 * killed at once. */
static void tally(struct audit *a, uint64_t seq, uint64_t untold)
{
	if (a->tally == NULL)
		return;
	atomic_store_explicit(&a->tally->seq, seq, memory_order_relaxed);
	atomic_store_explicit(&a->tally->untold, untold, memory_order_relaxed);
}

/* --- making a record ------------------------------------------------------------- */

/* has_room: what cannot be kept at all need not fill the memory. */
static bool has_room(const struct audit *a)
{
	return audit_batch_has_room(a->fill, atomic_load(&a->failing) ? APPEND_RECORDS : BATCH_RECORDS);
}

/* When the keeper does not keep up, or restarts, calls wait; when it fails they do not. */
static enum hf_err wait_for_room(struct audit *a)
{
	uint64_t until;

	if (has_room(a))
		return HF_OK;
	until = clock_mono_ns() + ROOM_NS;
	while (!has_room(a))
		if (atomic_load(&a->failing) || !cond_wait_until(&a->room, &a->lock, until))
			return HF_E_AUDIT;
	return HF_OK;
}

/* encode_signed has a function of its own for the size of its frame: most records are not
 * signed, and the compiler clears what stands here. */
static __attribute__((noinline)) enum hf_err encode_signed(struct audit *a, struct audit_record *rec)
{
	uint8_t signature[AUDIT_SIGNATURE_MAX];

	TRY(audit_sign(&a->keys, rec, signature));
	audit_record_enc(&a->fill->bytes, rec);
	return HF_OK;
}

static enum hf_err encode(struct audit *a, struct audit_record *rec, bool signed_)
{
	struct batch *b = a->fill;
	size_t before = b->bytes.n;

	rec->format = AUDIT_FORMAT;
	rec->hsm = slice_str(a->serial);
	rec->seq = a->seq + 1;
	rec->prev = SLICE_OF(a->prev);
	rec->time_us = clock_wall_us();
	rec->mono_ns = clock_mono_ns();
	if (signed_)
		TRY(encode_signed(a, rec));
	else
		audit_record_enc(&b->bytes, rec);
	if (buf_err(&b->bytes) != HF_OK) {
		b->bytes.err = HF_OK;
		buf_cut(&b->bytes, before);
		return HF_E_AUDIT;
	}
	return HF_OK;
}

/* tell_dropped is called where there is room. */
static void tell_dropped(struct audit *a)
{
	char detail[80];
	uint64_t n = a->untold;

	if (n == 0)
		return;
	(void)snprintf(detail, sizeof(detail), "%llu records of calls were dropped here",
		(unsigned long long)n);
	a->untold = 0;
	if (audit_append_event(a, AUDIT_DROPPED, detail, HF_E_AUDIT, false) != HF_OK)
		a->untold = n;
}

/* append is called with the lock held. */
static enum hf_err append(struct audit *a, struct audit_record *rec, bool signed_)
{
	struct batch *b;
	size_t before;

	TRY(wait_for_room(a));
	tell_dropped(a);
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
	tally(a, a->seq, a->untold);
	if (signed_) {
		a->signed_seq = rec->seq;
		a->signed_ns = rec->mono_ns;
		a->due.seq = rec->seq;
		memcpy(a->due.hash, a->prev, sizeof(a->due.hash));
	}
	return HF_OK;
}

enum hf_err audit_append_event(struct audit *a, const char *event, const char *detail,
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

/* Signed records say which change of the store is durable already: a store that does not come up to
 * it is an older one (audit_later). */
static void say_store(const struct audit *a, char *detail, size_t size)
{
	size_t n = strlen(detail);

	if (a->witness != NULL)
		(void)snprintf(detail + n, size - n, "%s" AUDIT_STORE "%llu", n > 0 ? "; " : "",
			(unsigned long long)records_sequence(a->witness->records));
}

/* checkpoint_if_due: after so many records without a signature, or some time. */
static void checkpoint_if_due(struct audit *a, uint64_t records)
{
	uint64_t since = a->seq - a->signed_seq;
	char detail[48] = "";

	if (!has_room(a)) /* this thread may be the one that makes room */
		return;
	if (since >= records ||
	    (since > 0 && clock_mono_ns() - a->signed_ns >= CHECKPOINT_NS)) {
		say_store(a, detail, sizeof(detail));
		if (audit_append_event(a, "checkpoint", detail, HF_OK, true) != HF_OK)
			log_error("audit: a checkpoint could not be made");
	}
}

/* audit_wait_kept is called with the lock held, for a record just appended. */
enum hf_err audit_wait_kept(struct audit *a)
{
	struct batch *in = a->fill->n > 0 ? a->fill : a->send;
	uint64_t seq = a->seq;

	if (a->fill->n > 0) {
		a->fill->sync = true;
		cond_signal(&a->work);
	}
	waiting_begin();
	while (a->durable < seq && a->failed < seq)
		cond_wait(&in->kept, &a->lock);
	waiting_end();
	return a->durable >= seq ? HF_OK : HF_E_AUDIT;
}

/* --- the thread that sends ---------------------------------------------------------- */

static void pause_before_retry(struct audit *a)
{
	uint64_t until = clock_mono_ns() + RETRY_NS;

	while (!a->stop && cond_wait_until(&a->work, &a->lock, until))
		;
}

/* Whoever waits for one of the records so far learns that it is not kept; a
 * keeper that only restarts is given its time first. What fails again is no accident. */
static void tell_failure(struct audit *a, enum hf_err e, uint64_t since, bool again)
{
	if (keeper_gone(e) && clock_mono_ns() - since < ROOM_NS)
		return;
	a->failed = a->seq;
	if (again && (e == HF_E_STORE || keeper_gone(e)))
		atomic_store(&a->failing, true);
	cond_broadcast(&a->fill->kept);
	cond_broadcast(&a->send->kept);
	cond_broadcast(&a->room);
}

/* finish sends a->send until the keeper took it; the lock is held at both ends.
 * False: the module closes and it was not taken. */
static bool finish(struct audit *a)
{
	uint64_t last = a->send->first + a->send->n - 1, since = clock_mono_ns();
	bool again = false, mended = false;
	enum hf_err e;

	audit_batch_lay_out(a->send);
	for (;;) {
		mutex_unlock(&a->lock);
		e = audit_batch_send(a->send, a->k, again, &mended);
		mutex_lock(&a->lock);
		if (e == HF_OK)
			break;
		if (!again)
			log_error("audit: records up to %llu were not kept yet: %s", (unsigned long long)last,
				err_text(e));
		tell_failure(a, e, since, again);
		if (a->stop && again)
			return false;
		again = true;
		pause_before_retry(a);
	}
	if (again)
		log_notice("audit: records up to %llu are kept now", (unsigned long long)last);
	a->durable = last;
	a->mended |= mended;
	atomic_store(&a->failing, false);
	audit_batch_empty(a->send);
	cond_broadcast(&a->send->kept);
	return true;
}

/* witness_due: what to tell the store of, once the batch that goes now is durable. Number 0: nothing. */
static struct audit_mark witness_due(const struct audit *a)
{
	bool due = a->witness != NULL &&
		(a->stop || a->told_ns == 0 || clock_mono_ns() - a->told_ns >= WITNESS_NS);

	return due ? a->due : (struct audit_mark){ 0 };
}

/* tell_witness is called with the lock held. Who waits for a record has it by now. */
static void tell_witness(struct audit *a, const struct audit_mark *m)
{
	enum hf_err e;

	if (m->seq == 0 || a->durable < m->seq)
		return;
	a->witness->gaps = a->gaps;
	mutex_unlock(&a->lock);
	e = audit_witness_keep(a->witness, m);
	mutex_lock(&a->lock);
	a->told_ns = clock_mono_ns();
	cond_broadcast(&a->told);
	if (e != HF_OK)
		log_warn("audit: the store was not told of record %llu: %s", (unsigned long long)m->seq,
			err_text(e));
	else if (a->due.seq == m->seq)
		a->due.seq = 0;
}

/* tell_mended is called with the lock held, at once behind what was mended. */
static void tell_mended(struct audit *a)
{
	if (!a->mended || !has_room(a))
		return;
	if (audit_append_event(a, "audit-mended", "the log's open file was deleted or replaced by somebody; "
		"it was written anew, no record is missing", HF_E_DAMAGED, true) != HF_OK)
		return;
	a->mended = false;
	a->gaps++;
}

static void wait_for_work(struct audit *a)
{
	while (a->fill->n == 0 && !a->stop) {
		if (a->seq == a->signed_seq)
			cond_wait(&a->work, &a->lock);
		else if (!cond_wait_until(&a->work, &a->lock, a->signed_ns + CHECKPOINT_NS))
			checkpoint_if_due(a, CHECKPOINT_RECORDS);
	}
	if (!a->fill->sync && !a->stop) {
		uint64_t until = clock_mono_ns() + GATHER_NS;

		while (!a->fill->sync && !a->stop && has_room(a) &&
		       cond_wait_until(&a->work, &a->lock, until))
			;
	}
}

/* go_back continues the chain behind what was kept. */
static enum hf_err go_back(struct audit *a)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct audit_tail_res r;

	TRY(keeper_audit_tail(a->k, &arena, &r));
	if (r.last.n != 1)
		return HF_E_STORE;
	TRY(crypto_sha256(r.last.v[0].record, a->prev));
	a->seq = r.seq;
	return HF_OK;
}

/* last_words gives up what could not be kept, and puts on record how much that was: there is little
 * room for it, which the keeper holds back. */
static void last_words(struct audit *a)
{
	uint64_t numbered = a->seq - 1, untold = a->untold; /* without the stop's */
	bool mended = false;
	enum hf_err e = go_back(a);

	audit_batch_empty(a->send);
	audit_batch_empty(a->fill);
	a->untold += numbered - (e == HF_OK ? a->seq : a->durable);
	log_error("audit: %llu records of calls were lost: they could not be kept before the stop",
		(unsigned long long)a->untold);
	if (e == HF_OK)
		e = audit_append_event(a, "stop", "", HF_OK, true);
	a->fill->sync = a->fill->last = true;
	audit_batch_lay_out(a->fill);
	if (e == HF_OK)
		e = audit_batch_send(a->fill, a->k, false, &mended);
	if (e == HF_OK)
		return;
	tally(a, numbered, untold);
	log_error("audit: nor could it be put on record: %s", err_text(e));
}

static void *run(void *ctx)
{
	struct audit *a = ctx;
	MUTEX_HOLD(&a->lock);

	for (;;) {
		struct audit_mark due;
		struct batch *b;

		wait_for_work(a);
		if (a->fill->n == 0)
			return NULL; /* stopped, and nothing is left */
		b = a->fill;
		a->fill = a->send;
		a->send = b;
		due = witness_due(a);
		b->sync |= due.seq != 0; /* when power fails, the store must not know of more than there is */
		cond_broadcast(&a->room);
		tell_dropped(a);
		checkpoint_if_due(a, CHECKPOINT_SOON);
		if (!finish(a)) {
			last_words(a);
			return NULL;
		}
		tell_mended(a);
		tell_witness(a, &due);
	}
}

/* --- open and close --------------------------------------------------------------------- */

static void audit_free(struct audit *a)
{
	audit_batch_free(a->fill);
	audit_batch_free(a->send);
	audit_keys_done(&a->keys);
	cond_done(&a->work);
	cond_done(&a->told);
	cond_done(&a->room);
	mutex_done(&a->lock);
	hf_free(a);
}

static enum hf_err audit_new(const struct audit_setup *set, struct audit **ret)
{
	struct audit *a = hf_alloc(1, sizeof(*a));

	if (a == NULL)
		return HF_E_MEMORY;
	*ret = a;
	a->k = set->keeper;
	a->serial = set->serial != NULL ? set->serial : "";
	a->witness = set->witness;
	a->pair = set->pair;
	a->tally = set->tally;
	mutex_init(&a->lock);
	cond_init(&a->work);
	cond_init(&a->told);
	cond_init(&a->room);
	a->fill = audit_batch_new();
	a->send = audit_batch_new();
	if (a->fill == NULL || a->send == NULL)
		return HF_E_MEMORY;
	return audit_keys_open(set->seed, set->ml_seed, &a->keys);
}

/* append_gap goes on behind the number that the store remembers, so that none is used
 * again. */
static enum hf_err append_gap(struct audit *a, const char *why)
{
	const struct audit_mark *m = a->witness != NULL ? &a->witness->mark : NULL;
	char hex[2 * CRYPTO_HASH + 1], detail[320];
	size_t n = (size_t)snprintf(detail, sizeof(detail), "%s", why);

	a->gaps++;
	if (m != NULL && m->seq > a->seq) {
		n += (size_t)snprintf(detail + n, sizeof(detail) - n, "; records %llu to %llu are not there",
			(unsigned long long)a->seq + 1, (unsigned long long)m->seq);
		a->seq = a->durable = a->signed_seq = m->seq;
		a->fill->jump = true;
	}
	if (m != NULL && m->seq != 0) {
		hex_encode(SLICE_OF(m->hash), hex);
		(void)snprintf(detail + n, sizeof(detail) - n, "; the store knows of record %llu, hash %s",
			(unsigned long long)m->seq, hex);
	}
	return audit_append_event(a, AUDIT_GAP, detail, HF_E_DAMAGED, false);
}

static bool tally_is_ours(const struct audit *a)
{
	return a->tally != NULL && *a->serial != '\0' &&
		strncmp(a->tally->serial, a->serial, sizeof(a->tally->serial)) == 0;
}

/* append_lost: what the process before this one recorded, and could not give to the keeper any more. */
static enum hf_err append_lost(struct audit *a, bool stopped)
{
	uint64_t seq = a->tally != NULL ? atomic_load(&a->tally->seq) : 0, n;
	char detail[192] = "how many records of calls were lost is not known: the HSM ended without a stop, "
		"its monitor with it, or the machine's power failed";

	if (!tally_is_ours(a)) {
		if (a->tally != NULL)
			(void)snprintf(a->tally->serial, sizeof(a->tally->serial), "%s", a->serial);
		return stopped || a->seq == 0 ? HF_OK :
			audit_append_event(a, AUDIT_LOST, detail, HF_E_AUDIT, false);
	}
	n = (seq > a->seq ? seq - a->seq : 0) + atomic_load(&a->tally->untold);
	if (n == 0)
		return HF_OK;
	a->dropped += n;
	(void)snprintf(detail, sizeof(detail), "%llu records of calls were lost: they were not kept yet when "
		"the vault or the keeper was ended", (unsigned long long)n);
	log_error("audit: %s", detail);
	return audit_append_event(a, AUDIT_LOST, detail, HF_E_AUDIT, false);
}

/* append_start names the keys that sign. */
static enum hf_err append_start(struct audit *a)
{
	char hex[65], hash_hex[2 * CRYPTO_HASH + 1], detail[256];
	uint8_t hash[CRYPTO_HASH];
	size_t n;

	hex_encode(SLICE_OF(a->keys.public_key), hex);
	n = (size_t)snprintf(detail, sizeof(detail), "audit key %s", hex);
	if (a->keys.ml_seed.n > 0) {
		TRY(crypto_sha256(SLICE_OF(a->keys.ml_public), hash));
		hex_encode(SLICE_OF(hash), hash_hex);
		n += (size_t)snprintf(detail + n, sizeof(detail) - n, "; ML-DSA-65 key's SHA-256 %s",
			hash_hex);
	}
	if (crypto_is_fips())
		(void)snprintf(detail + n, sizeof(detail) - n, "; FIPS provider %s",
			crypto_fips_version());
	say_store(a, detail, sizeof(detail));
	return audit_append_event(a, "start", detail, HF_OK, true);
}

static enum hf_err start(struct audit *a)
{
	struct audit_last last;
	struct audit_pair same;
	MUTEX_HOLD(&a->lock);

	memcpy(same.old_key, a->keys.public_key, 32);
	memcpy(same.new_key, a->keys.public_key, 32);

	TRY(audit_resume(a->k, a->pair != NULL ? a->pair : &same, a->witness, &last));
	a->seq = a->durable = a->signed_seq = last.mark.seq;
	memcpy(a->prev, last.mark.hash, sizeof(a->prev));
	a->signed_ns = clock_mono_ns();
	a->gaps = a->witness != NULL ? a->witness->gaps : 0;
	if (last.why != NULL) {
		log_error("audit: the log does not end as it should (record %llu): %s; going on behind it",
			(unsigned long long)a->seq, last.why);
		TRY(append_gap(a, last.why));
	}
	TRY(append_lost(a, last.stopped || last.why != NULL));
	if (clock_wall_us() + CLOCK_BACK_US < last.time_us)
		TRY(audit_append_event(a, "clock-jump", "the clock is behind the log's last record",
			HF_E_CLOCK, false));
	TRY(append_start(a));
	return pthread_create(&a->thread, NULL, run, a) == 0 ? HF_OK : HF_E_MEMORY;
}

static void stop(struct audit *a)
{
	{
		MUTEX_HOLD(&a->lock);
		char detail[48] = "";

		say_store(a, detail, sizeof(detail));
		if (audit_append_event(a, "stop", detail, HF_OK, true) != HF_OK)
			log_error("audit: the stop record could not be made");
		a->fill->sync = true;
		a->stop = true;
		cond_broadcast(&a->work);
	}
	(void)pthread_join(a->thread, NULL);
}

/* first_kept waits for the start record, and until the store was told of it. */
static enum hf_err first_kept(struct audit *a, bool must)
{
	MUTEX_HOLD(&a->lock);

	if (audit_wait_kept(a) != HF_OK) {
		atomic_store(&a->failing, true); /* until one is kept: whoever asks now is to know */
		return must ? HF_E_AUDIT : HF_OK;
	}
	while (a->witness != NULL && a->told_ns == 0)
		cond_wait(&a->told, &a->lock);
	return HF_OK;
}

enum hf_err audit_open(const struct audit_setup *set, struct audit **ret)
{
	struct audit *a = NULL;
	enum hf_err e = audit_new(set, &a);

	if (e == HF_OK)
		e = start(a);
	if (e != HF_OK) {
		if (a != NULL)
			audit_free(a);
		return e;
	}
	e = first_kept(a, set->must);
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

uint64_t audit_flush(struct audit *a)
{
	MUTEX_HOLD(&a->lock);

	if (audit_wait_kept(a) != HF_OK)
		log_warn("audit: records after %llu are not kept yet", (unsigned long long)a->durable);
	return a->durable;
}

enum hf_err audit_event(struct audit *a, const char *event, const char *detail, enum hf_err result)
{
	MUTEX_HOLD(&a->lock);

	TRY(audit_append_event(a, event, detail, result, false));
	return audit_wait_kept(a);
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

/* drop is loud, but not once a record. */
static void drop(struct audit *a)
{
	uint64_t now = clock_mono_ns();

	a->dropped++;
	a->untold++;
	tally(a, a->seq, a->untold);
	if (a->dropped_ns != 0 && now - a->dropped_ns < DROPPED_NS)
		return;
	a->dropped_ns = now;
	log_error("audit: records of calls are being dropped, %llu since the start: they cannot be kept, see "
		"above, and the queue is full", (unsigned long long)a->dropped);
}

static bool waits(const struct audit *a, enum audit_want want)
{
	return want == AUDIT_OR_NOTHING || (want == AUDIT_DURABLE && !atomic_load(&a->failing));
}

/* put appends; *ret_wait: it is to be waited for. */
static enum hf_err put(struct audit *a, struct audit_record *rec, enum audit_want want, bool *ret_wait)
{
	bool wait = waits(a, want);
	enum hf_err e = append(a, rec, false);

	if (e == HF_OK && a->seq - a->signed_seq >= CHECKPOINT_RECORDS)
		checkpoint_if_due(a, CHECKPOINT_RECORDS);
	if (e != HF_OK && want != AUDIT_OR_NOTHING)
		drop(a);
	*ret_wait = e == HF_OK && wait;
	return want == AUDIT_OR_NOTHING ? e : HF_OK;
}

enum hf_err audit_uses(struct audit *a, const struct audit_uses *u)
{
	struct audit_record rec = {
		.event = SLICE_STR("key_uses"),
		.kind = AUDIT_USE,
		.partition = u->serial,
		.partition_label = u->label,
		.object = u->object,
		.object_label = u->object_label,
		.mechanism = UINT32_MAX,
		.detail = u->detail,
	};
	bool wait;
	MUTEX_HOLD(&a->lock);

	return put(a, &rec, AUDIT_QUEUED, &wait);
}

/* struct told is a record of a call with what it borrows. */
struct told {
	struct audit_record rec;
	char label[33], detail[sizeof(((struct calls_ctx *)0)->audit.detail) + 32];
};

static void describe(const struct audit *a, const struct calls_ctx *c, const struct audit_end *end,
	struct told *t)
{
	t->rec = (struct audit_record){
		.event = slice_str(c->row->name),
		.kind = (uint8_t)kind_of(c->row),
		.role = slice_str(hsm_role_told(c)),
		.uid = c->conn->peer.uid,
		.pid = c->conn->peer.pid,
		.program = c->app != NULL ? slice_str(c->app->program) : SLICE_NONE,
		.connection = c->conn->id,
		.session = c->head.session,
		.request = c->head.request,
		.object_label = slice_str(c->audit.object_label),
		.mechanism = c->audit.mechanism == UINT32_MAX && c->worked != 0 ? c->worked - 1 :
			c->audit.mechanism,
		.result = (uint16_t)end->result,
		.duration_ns = end->duration_ns,
		.detail = slice_str(c->audit.detail),
	};
	t->label[0] = '\0';
	describe_part(c, &t->rec, t->label);
	if (c->audit.has_object)
		t->rec.object = SLICE_OF(c->audit.object);
	if (audit_counts(end->result)) {
		(void)snprintf(t->detail, sizeof(t->detail), "%s", c->audit.detail);
		say_store(a, t->detail, sizeof(t->detail));
		t->rec.detail = slice_str(t->detail);
	}
}

/* put_told is called with the lock held. */
static void put_told(struct audit *a, struct told *t, struct audit_each *v, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		v[i].err = put(a, &t[i].rec, v[i].end->want, &v[i].end->kept);
		any |= v[i].end->kept;
	}
	if (any && audit_wait_kept(a) == HF_OK)
		return;
	for (size_t i = 0; i < n; i++) {
		if (!v[i].end->kept || a->durable >= t[i].rec.seq)
			continue;
		v[i].end->kept = false;
		if (v[i].end->want == AUDIT_OR_NOTHING)
			v[i].err = HF_E_AUDIT;
	}
}

enum hf_err audit_call(struct audit *a, const struct calls_ctx *c, struct audit_end *end)
{
	struct audit_each one = { .c = c, .end = end };
	struct told t;

	describe(a, c, end, &t);
	MUTEX_HOLD(&a->lock);
	put_told(a, &t, &one, 1);
	return one.err;
}

void audit_calls(struct audit *a, struct audit_each *v, size_t n)
{
	struct told *t = hf_alloc(n, sizeof(*t));

	for (size_t i = 0; i < n && t != NULL; i++)
		describe(a, v[i].c, v[i].end, &t[i]);
	if (t != NULL) {
		MUTEX_HOLD(&a->lock);
		put_told(a, t, v, n);
	}
	for (size_t i = 0; i < n && t == NULL; i++)
		v[i].err = audit_call(a, v[i].c, v[i].end);
	hf_free(t);
}
