/* The audit chain: what it promises to somebody who has the records only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "audit.h"
#include "audit_check.h"
#include "audit_resume.h"
#include "crypto.h"
#include "keeper_ask.h"
#include "keeper_memory.h"
#include "log.h"

static const uint8_t seed[32] = { 7 };

static struct keeper_memory *memory;
static struct audit *audit;

static void open_audit(void)
{
	assert_int_equal(audit_open(&(struct audit_setup){ .keeper = keeper_memory_keeper(memory),
		.seed = SLICE_OF(seed), .must = true }, &audit), HF_OK);
}

static int setup(void **state)
{
	(void)state;
	memory = keeper_memory_new();
	open_audit();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	audit_close(audit);
	keeper_memory_free(memory);
	return 0;
}

static enum hf_err event(const char *name)
{
	return audit_event(audit, name, "", HF_OK);
}

/* struct log_copy is all records, to be tampered with. */
struct log_copy {
	struct arena a;
	struct entry_list l;
	struct entry *v;
};

static void take_log(struct log_copy *c)
{
	*c = (struct log_copy){ 0 };
	assert_int_equal(keeper_audit_fetch(keeper_memory_keeper(memory), 1, 4096, &c->a, &c->l), HF_OK);
	c->v = (struct entry *)(uintptr_t)c->l.v;
}

/* verify returns the number of the first bad record; 0: all are good. */
static uint64_t verify(struct log_copy *c)
{
	struct audit_check check = { 0 };
	struct audit_record rec;
	const char *why;

	memcpy(check.public_key, audit_keys(audit)->public_key, 32);
	for (size_t i = 0; i < c->l.n; i++)
		if (!audit_check_next(&check, c->l.v[i].record, &c->a, &rec, &why))
			return check.seq;
	return 0;
}

static uint64_t verify_and_drop(struct log_copy *c)
{
	uint64_t bad = verify(c);

	arena_done(&c->a);
	return bad;
}

static void some(int n)
{
	for (int i = 0; i < n; i++)
		assert_int_equal(event("something"), HF_OK);
}

static void the_chain_verifies_over_restarts(void **state)
{
	struct log_copy c;

	(void)state;
	for (int i = 0; i < 3; i++) {
		some(5);
		audit_close(audit);
		open_audit();
	}
	take_log(&c);
	assert_int_equal(c.l.n, 1 + 3 * (5 + 2)); /* and start, stop */
	assert_int_equal(verify_and_drop(&c), 0);
}

static void a_changed_record_is_found_at_its_follower(void **state)
{
	struct log_copy c;

	(void)state;
	some(5);
	take_log(&c);
	((uint8_t *)(uintptr_t)c.v[2].record.p)[60] ^= 1; /* in time or what follows */
	assert_int_equal(verify_and_drop(&c), 4);
}

static void a_removed_record_is_found(void **state)
{
	struct log_copy c;

	(void)state;
	some(5);
	take_log(&c);
	memmove(&c.v[2], &c.v[3], (c.l.n - 3) * sizeof(c.v[0]));
	c.l.n--;
	assert_int_equal(verify_and_drop(&c), 4);
}

static void a_swapped_pair_is_found(void **state)
{
	struct log_copy c;
	struct entry e;

	(void)state;
	some(5);
	take_log(&c);
	e = c.v[2];
	c.v[2] = c.v[3];
	c.v[3] = e;
	assert_int_equal(verify_and_drop(&c), 4);
}

static void a_forged_start_is_found(void **state)
{
	struct log_copy c;

	(void)state;
	take_log(&c);
	((uint8_t *)(uintptr_t)c.v[0].record.p)[c.v[0].record.n - 1] ^= 1;
	assert_int_equal(verify_and_drop(&c), 1);
}

static void what_cannot_be_kept_is_an_error_and_is_kept_later_once(void **state)
{
	struct log_copy c;

	(void)state;
	some(1);
	keeper_memory_fail_audit(memory, 1);
	assert_int_equal(event("refused"), HF_E_AUDIT);
	some(1);
	take_log(&c);
	assert_int_equal(c.l.n, 4); /* start, something, refused, something */
	assert_int_equal(verify_and_drop(&c), 0);
}

static void a_log_that_lost_its_order_goes_on_with_a_gap_record(void **state)
{
	struct entry e = { SLICE_STR("no record at all") };
	struct audit_append_req q = { .records = { &e, 1 }, .sync = true };
	struct audit_record rec;
	struct log_copy c;
	bool mended;
	struct rd r;

	(void)state;
	some(2);
	q.first = audit_sequence(audit) + 2; /* behind the stop record */
	audit_close(audit);
	assert_int_equal(keeper_audit_append(keeper_memory_keeper(memory), &q, &mended), HF_OK);
	open_audit();
	take_log(&c);
	assert_int_equal(c.l.n, 7);
	r = rd_of(c.l.v[5].record);
	assert_true(audit_record_dec(&r, &c.a, &rec));
	assert_int_equal(rec.seq, 6);
	assert_true(slice_eq(rec.event, SLICE_STR("audit-gap")));
	assert_int_equal(verify_and_drop(&c), 5);
}

static void a_log_of_the_first_format_goes_on(void **state)
{
	static const uint8_t zero[CRYPTO_HASH];
	CLEANUP(audit_keys_done) struct audit_keys keys = { 0 };
	CLEANUP(buf_done) struct buf b = BUF_MAX(8192);
	struct audit_record rec = { .format = 1, .seq = 1, .prev = SLICE_OF(zero),
		.event = SLICE_STR("stop"), .mechanism = UINT32_MAX, .detail = SLICE_STR("of old"),
		.hsm = SLICE_STR("not in it") };
	uint8_t signature[AUDIT_SIGNATURE_MAX];
	struct audit_append_req q = { .first = 1, .sync = true };
	struct log_copy c;
	struct entry e;
	bool mended;

	(void)state;
	audit_close(audit);
	keeper_memory_free(memory);
	memory = keeper_memory_new();
	assert_int_equal(audit_keys_open(SLICE_OF(seed), SLICE_NONE, &keys), HF_OK);
	assert_int_equal(audit_sign(&keys, &rec, signature), HF_OK);
	audit_write(&b, &rec);
	assert_int_equal(buf_err(&b), HF_OK);
	e.record = buf_slice(&b);
	q.records = (struct entry_list){ &e, 1 };
	assert_int_equal(keeper_audit_append(keeper_memory_keeper(memory), &q, &mended), HF_OK);
	open_audit();
	take_log(&c);
	assert_int_equal(c.l.n, 2); /* start after stop, and no gap between */
	assert_true(audit_read(c.l.v[0].record, &c.a, &rec));
	assert_true(slice_eq(rec.detail, SLICE_STR("of old")) && rec.hsm.n == 0 && rec.format == 1);
	assert_true(audit_read(c.l.v[1].record, &c.a, &rec));
	assert_int_equal(rec.format, AUDIT_FORMAT);
	assert_int_equal(verify_and_drop(&c), 0);
}

static void checkpoints_are_signed(void **state)
{
	struct audit_record rec;
	struct log_copy c;
	struct rd r;

	(void)state;
	take_log(&c);
	r = rd_of(c.l.v[0].record);
	assert_true(audit_record_dec(&r, &c.a, &rec));
	assert_true(slice_eq(rec.event, SLICE_STR("start")));
	assert_int_equal(rec.signature.n, 64);
	arena_done(&c.a);
}

static enum hf_err open_with(struct keeper_memory *log, struct records *r, struct audit_witness *w,
	struct audit **ret)
{
	TRY(audit_witness_open(r, w));
	return audit_open(&(struct audit_setup){ .keeper = keeper_memory_keeper(log),
		.seed = SLICE_OF(seed), .witness = w, .must = true }, ret);
}

/* What the third record of `log`, behind start and stop, says where it is a gap. */
static void assert_gap(struct keeper_memory *log, struct records *r, uint64_t seq, const char *why)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct audit_witness w;
	struct audit_record rec;
	struct entry_list l;
	struct audit *a = NULL;
	struct rd in;

	assert_int_equal(open_with(log, r, &w, &a), HF_OK);
	assert_int_equal(keeper_audit_fetch(keeper_memory_keeper(log), seq, 1, &arena, &l), HF_OK);
	in = rd_of(l.v[0].record);
	assert_true(audit_record_dec(&in, &arena, &rec));
	assert_true(slice_eq(rec.event, slice_str(why != NULL ? "audit-gap" : "start")));
	if (why != NULL)
		assert_memory_equal(rec.detail.p, why, strlen(why));
	audit_close(a);
}

/* What audit_cut says of a log whose record seq the store was told of. */
static const char *cut_by(struct keeper_memory *log, const struct audit_witness *knows, uint64_t seq)
{
	struct audit_witness w = *knows;
	const char *why = "";

	w.mark.seq = seq;
	assert_int_equal(audit_cut(keeper_memory_keeper(log), &w, &why), HF_OK);
	return why;
}

/* The log of `log` begins at record 7, as one does whose oldest files retention deleted. */
static void assert_cut(struct keeper_memory *log, struct keeper_memory *empty, const struct audit_witness *w)
{
	struct audit_witness none = { 0 }, damaged = *w;

	damaged.damaged = true;
	assert_null(cut_by(log, w, w->mark.seq));
	assert_null(cut_by(log, w, 5));
	assert_null(cut_by(empty, &none, 0));
	assert_string_equal(cut_by(log, w, w->mark.seq + 1), "records at the end of the log are missing");
	assert_string_equal(cut_by(log, w, 8), "the log was replaced by another one");
	assert_string_equal(cut_by(empty, w, 1), "records at the end of the log are missing");
	assert_non_null(cut_by(log, &damaged, w->mark.seq));
}

/* The store outlives the logs: each `keeper_memory` here lends its log alone. */
static void the_store_remembers_the_end_of_the_log(void **state)
{
	static const uint8_t store_key[CRYPTO_KEY] = { 1 };
	struct keeper_memory *cut = keeper_memory_new(), *other = keeper_memory_new();
	struct audit_witness w;
	struct records *r;
	struct audit *a;
	const struct records_keys keys = { .now = SLICE_OF(store_key) };
	struct records_judged judged;

	(void)state;
	assert_int_equal(records_open(keeper_memory_keeper(memory), &keys, &judged, &r), HF_OK);
	audit_close(audit); /* records 1 and 2: start and stop */
	assert_int_equal(open_with(memory, r, &w, &audit), HF_OK);
	audit_close(audit); /* 3 and 4 */
	assert_int_equal(w.mark.seq, 4);
	assert_gap(memory, r, 5, NULL); /* 5 and 6 */
	assert_gap(cut, r, 7, "records at the end of the log are missing; records 1 to 6 are not there; "
		"the store knows of record 6,"); /* 7 to 9: no number is used again */
	assert_gap(cut, r, 10, NULL);
	assert_int_equal(audit_witness_open(r, &w), HF_OK);
	assert_cut(cut, other, &w);
	assert_int_equal(audit_open(&(struct audit_setup){ .keeper = keeper_memory_keeper(other),
		.seed = SLICE_OF(seed), .must = true }, &a), HF_OK);
	for (int i = 0; i < 10; i++)
		assert_int_equal(audit_event(a, "else", "", HF_OK), HF_OK);
	audit_close(a); /* 12 records, of another history */
	assert_gap(other, r, 13, "the log was replaced by another one; the store knows of record 11,");
	assert_gap(other, r, 16, NULL);
	assert_int_equal(audit_witness_open(r, &w), HF_OK);
	assert_int_equal(w.gaps, 2);
	records_close(r);
	keeper_memory_free(cut);
	keeper_memory_free(other);
	open_audit();
}

/* --- what a killed process had made and not kept ---------------------------------------- */

static struct audit *open_tallied(struct keeper_memory *log, struct audit_tally *t)
{
	struct audit *a;

	assert_int_equal(audit_open(&(struct audit_setup){ .keeper = keeper_memory_keeper(log),
		.serial = "00c0ffee", .seed = SLICE_OF(seed), .tally = t, .must = true }, &a), HF_OK);
	return a;
}

static void assert_record(struct keeper_memory *log, uint64_t seq, const char *name, const char *detail)
{
	CLEANUP(arena_done) struct arena arena = { 0 };
	struct audit_record rec;
	struct entry_list l;
	struct rd in;

	assert_int_equal(keeper_audit_fetch(keeper_memory_keeper(log), seq, 1, &arena, &l), HF_OK);
	assert_int_equal(l.n, 1);
	in = rd_of(l.v[0].record);
	assert_true(audit_record_dec(&in, &arena, &rec));
	assert_true(slice_eq(rec.event, slice_str(name)));
	assert_memory_equal(rec.detail.p, detail, strlen(detail));
}

static void records_that_a_killed_process_had_not_kept_are_counted(void **state)
{
	struct audit_tally t = { .seq = 99 }; /* of no HSM yet */
	struct keeper_memory *log = keeper_memory_new();
	struct audit *a = open_tallied(log, &t);

	(void)state;
	audit_close(a); /* start, stop */
	assert_int_equal(t.seq, 2);
	a = open_tallied(log, &t);
	assert_record(log, 3, "start", "audit key ");
	audit_close(a);
	t.seq += 5; /* records of the queue */
	t.untold = 2;
	a = open_tallied(log, &t);
	assert_record(log, 5, "audit-lost", "7 records of calls were lost");
	assert_record(log, 6, "start", "");
	assert_int_equal(audit_dropped(a), 7);
	audit_close(a);
	assert_int_equal(t.seq, 7);
	assert_int_equal(t.untold, 0);
	a = open_tallied(log, &t);
	assert_record(log, 8, "start", "");
	audit_close(a);
	(void)snprintf(t.serial, sizeof(t.serial), "another");
	t.seq = 50;
	audit_close(open_tallied(log, &t));
	assert_record(log, 10, "start", "");
	keeper_memory_free(log);
}

static void a_log_without_a_stop_says_that_nobody_knows_what_was_lost(void **state)
{
	struct keeper_memory *log = keeper_memory_new();
	struct log_copy c;
	bool mended;

	(void)state;
	take_log(&c); /* its start */
	assert_int_equal(keeper_audit_append(keeper_memory_keeper(log), &(struct audit_append_req){
		.first = 1, .records = { c.v, 1 }, .sync = true }, &mended), HF_OK);
	audit_close(open_tallied(log, NULL));
	assert_record(log, 2, "audit-lost", "how many records of calls were lost is not known");
	assert_record(log, 3, "start", "");
	keeper_memory_free(log);
	assert_int_equal(verify_and_drop(&c), 0);
}

#define THREADS 8
#define EACH 50

static void *record_many(void *ctx)
{
	for (int i = 0; i < EACH; i++)
		if (event("parallel") != HF_OK)
			return ctx;
	return NULL;
}

static void many_threads_make_one_chain(void **state)
{
	pthread_t t[THREADS];
	struct log_copy c;
	void *failed;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, record_many, state), 0);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(t[i], &failed), 0);
		assert_null(failed);
	}
	take_log(&c);
	assert_int_equal(c.l.n, 1 + THREADS * EACH);
	assert_int_equal(verify_and_drop(&c), 0);
}

/* --- with ML-DSA ------------------------------------------------------------------------ */

static const uint8_t ml_seed[32] = { 9 };

static void open_with_ml_dsa(void)
{
	audit_close(audit);
	assert_int_equal(audit_open(&(struct audit_setup){ .keeper = keeper_memory_keeper(memory),
		.seed = SLICE_OF(seed), .ml_seed = SLICE_OF(ml_seed), .must = true }, &audit), HF_OK);
}

/* ml_verify returns the number of the first bad record; 0: all are good. */
static uint64_t ml_verify(struct log_copy *c, const uint8_t *ml_public, uint64_t *ret_signed)
{
	struct audit_check check = { .ml_public = ml_public };
	struct audit_record rec;
	const char *why;

	memcpy(check.public_key, audit_keys(audit)->public_key, 32);
	memcpy(check.ml_of, check.public_key, 32);
	for (size_t i = 0; i < c->l.n; i++)
		if (!audit_check_next(&check, c->l.v[i].record, &c->a, &rec, &why))
			return check.seq;
	*ret_signed = check.ml_signed;
	return 0;
}

static void ml_dsa_signs_besides_and_is_checked_with_its_key(void **state)
{
	uint8_t other[CRYPTO_ML_DSA65_PUBLIC];
	struct log_copy c;
	uint64_t n;

	(void)state;
	some(2);
	open_with_ml_dsa();
	some(2);
	take_log(&c);
	assert_int_equal(ml_verify(&c, audit_keys(audit)->ml_public, &n), 0);
	assert_int_equal(n, 1); /* the second start */
	assert_int_equal(ml_verify(&c, NULL, &n), 0);
	assert_int_equal(n, 0);
	memcpy(other, audit_keys(audit)->ml_public, sizeof(other));
	other[100] ^= 1;
	assert_int_equal(ml_verify(&c, other, &n), 5);
	((uint8_t *)(uintptr_t)c.v[4].record.p)[c.v[4].record.n - 1] ^= 1;
	assert_int_equal(ml_verify(&c, NULL, &n), 6); /* by the hash in the next one */
	assert_int_equal(ml_verify(&c, audit_keys(audit)->ml_public, &n), 5);
	arena_done(&c.a);
}

static void once_begun_every_signed_record_has_it(void **state)
{
	uint8_t ml_public[CRYPTO_ML_DSA65_PUBLIC];
	struct log_copy c;
	uint64_t n;

	(void)state;
	open_with_ml_dsa();
	memcpy(ml_public, audit_keys(audit)->ml_public, sizeof(ml_public));
	audit_close(audit);
	open_audit();
	take_log(&c);
	assert_int_equal(ml_verify(&c, ml_public, &n), 5); /* start, stop, start, stop, start */
	arena_done(&c.a);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_chain_verifies_over_restarts),
		T(a_changed_record_is_found_at_its_follower),
		T(a_removed_record_is_found),
		T(a_swapped_pair_is_found),
		T(a_forged_start_is_found),
		T(what_cannot_be_kept_is_an_error_and_is_kept_later_once),
		T(a_log_that_lost_its_order_goes_on_with_a_gap_record),
		T(a_log_of_the_first_format_goes_on),
		T(checkpoints_are_signed),
		T(the_store_remembers_the_end_of_the_log),
		T(records_that_a_killed_process_had_not_kept_are_counted),
		T(a_log_without_a_stop_says_that_nobody_knows_what_was_lost),
		T(ml_dsa_signs_besides_and_is_checked_with_its_key),
		T(once_begun_every_signed_record_has_it),
		T(many_threads_make_one_chain),
	};

	log_open("vault", LOG_L_ERROR);
	if (crypto_init() != HF_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
