/* audit_verify.c: audit verify: the log's files and the audit key's public half are
 * all that it needs. */
#include "audit_check.h"
#include "audit_files.h"
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct verify {
	struct audit_files files;
	struct audit_check check; /* of the records until now */
	uint64_t from, last;      /* which have to be there */
	uint8_t last_hash[CRYPTO_HASH]; /* of the record `last`, if it is known */
	bool has_hash;
	uint8_t ml_public[CRYPTO_ML_DSA65_PUBLIC];
	uint64_t last_us, clock_back; /* of the record before; how often the clock went back */
	uint64_t records, signed_seq;
	bool stopped;             /* the last record is the one of an orderly stop */
	json_t *gaps;             /* that the HSM itself found */
	uint64_t lost, unknown;   /* records that the log says were lost; losses without a number */
	char why[160];            /* what is wrong with the record `bad`; or empty */
	uint64_t bad;
};

static bool found(struct verify *v, uint64_t seq, const char *why)
{
	v->bad = seq;
	(void)snprintf(v->why, sizeof(v->why), "%s", why);
	return false;
}

static uint64_t expected(const struct verify *v)
{
	return v->records > 0 ? v->check.seq + 1 : v->from;
}

static void note(struct verify *v, const struct audit_record *rec)
{
	uint64_t lost;

	v->records++;
	v->clock_back += rec->time_us < v->last_us;
	v->last_us = rec->time_us;
	if (rec->signature.n > 0)
		v->signed_seq = rec->seq;
	v->stopped = slice_eq(rec->event, SLICE_STR("stop"));
	if (audit_is_loss(rec, &lost)) {
		v->lost += lost;
		v->unknown += lost == 0;
	}
}

static bool says_gap(const struct auditseg_record *r, struct arena *a)
{
	struct audit_record rec;

	return r->whole && audit_read(r->bytes, a, &rec) && audit_is_gap(&rec);
}

/* note_gap is called before the record is noted. Where no number is left out, records were
 * replaced, or lost before numbers went on. */
static void note_gap(struct verify *v, uint64_t before, const struct audit_record *rec)
{
	bool lost = rec->seq > before;

	json_array_append_new(v->gaps, json_pack("{s:I, s:o, s:o, s:o}", "at", (json_int_t)rec->seq, "first",
		lost ? json_integer((json_int_t)before) : json_null(), "last",
		lost ? json_integer((json_int_t)rec->seq - 1) : json_null(), "detail",
		json_slice(rec->detail)));
}

/* found_none: the record that is wanted first is not there. Old files may have been deleted as set. */
static bool found_none(struct verify *v, uint64_t first)
{
	if (v->records > 0 || first < v->from || v->files.list.v[0].first != first)
		return found(v, expected(v), "the record is missing, damaged or out of its order");
	(void)found(v, v->from, "");
	(void)snprintf(v->why, sizeof(v->why), "the log does not go back to it, and begins with record %"
		PRIu64 "; '--from %" PRIu64 "' verifies what is there", first, first);
	return false;
}

/* good checks one record; the checksum names a flipped bit's own record, where the
 * chain alone would name the next one. */
static bool good(struct verify *v, const struct auditseg_record *r, struct arena *a)
{
	uint64_t before = expected(v);
	struct audit_record rec;
	const char *why;

	if (r->seq < before || (r->seq > before && !says_gap(r, a)))
		return found_none(v, r->seq);
	if (!r->whole)
		return found(v, r->seq, "the record was changed: its checksum is wrong");
	if (!audit_check_next(&v->check, r->bytes, a, &rec, &why))
		return found(v, r->seq, why);
	if (rec.seq != r->seq)
		return found(v, r->seq, "the record stands in the place of another one");
	if (v->has_hash && rec.seq == v->last && !slice_eq(SLICE_OF(v->check.prev), SLICE_OF(v->last_hash)))
		return found(v, r->seq, "the record is not the one that was there: the log was replaced");
	if (audit_is_gap(&rec))
		note_gap(v, before, &rec);
	note(v, &rec);
	return true;
}

/* complete: nothing is missing behind the last record, as far as that can be seen. */
static bool complete(struct verify *v)
{
	if (v->records == 0)
		return found(v, v->from, "there are no records");
	if (v->check.ml_public != NULL && v->check.ml_signed == 0)
		return found(v, v->check.seq, "no record has a signature by the ML-DSA key");
	if (v->check.seq < v->last)
		return found(v, v->check.seq + 1, "the end of the log is missing");
	return true;
}

/* walk returns HF_OK too where a record is bad: v->why says so. */
static enum hf_err walk(struct verify *v, struct arena *a)
{
	struct auditseg_record r;
	bool more;

	for (;;) {
		enum hf_err e = audit_files_next(&v->files, &r, &more);

		if (e == HF_E_DAMAGED) {
			(void)found(v, expected(v), "the record is cut off or damaged");
			return HF_OK;
		}
		if (e != HF_OK)
			return e;
		if (!more) {
			(void)complete(v);
			return HF_OK;
		}
		if (!good(v, &r, a))
			return HF_OK;
		arena_reset(a);
	}
}

static void tell_gaps(const struct verify *v)
{
	size_t n = json_array_size(v->gaps), i;
	json_t *gap;

	if (n > 0)
		(void)cli_usage("%zu %s in the log, of which the HSM itself says:", n,
			n == 1 ? "gap" : "gaps");
	json_array_foreach(v->gaps, i, gap) {
		json_int_t at = json_integer_value(json_object_get(gap, "at"));
		const char *detail = json_string_value(json_object_get(gap, "detail"));

		if (json_is_null(json_object_get(gap, "first")))
			(void)cli_usage("said at record %lld: %s", (long long)at, detail);
		else
			(void)cli_usage("records %lld..%lld lost, said at record %lld: %s",
				(long long)json_integer_value(json_object_get(gap, "first")),
				(long long)json_integer_value(json_object_get(gap, "last")), (long long)at,
				detail);
	}
}

static void tell_lost(const struct verify *v)
{
	if (v->lost > 0)
		fprintf(stderr, "%" PRIu64 " records of calls were dropped or lost before they were in the "
			"log, as it says itself ('audit query --call " AUDIT_DROPPED "," AUDIT_LOST "')\n",
			v->lost);
	if (v->unknown > 0)
		fprintf(stderr, "%" PRIu64 " %s of the HSM lost records without knowing how many ('audit "
			"query --call " AUDIT_LOST "')\n", v->unknown, v->unknown == 1 ? "end" : "ends");
}

static int report(struct cli *c, const struct verify *v)
{
	bool intact = v->why[0] == '\0' && json_array_size(v->gaps) == 0;
	json_t *o = json_pack("{s:b, s:O, s:I, s:I, s:I, s:I, s:I, s:b, s:I, s:I}", "intact", intact, "gaps",
		v->gaps, "lost", (json_int_t)v->lost, "lost_unknown", (json_int_t)v->unknown, "records",
		(json_int_t)v->records, "last", (json_int_t)v->check.seq, "last_signed",
		(json_int_t)v->signed_seq, "stopped", v->stopped, "ml_dsa_signed",
		(json_int_t)v->check.ml_signed,
		"clock_went_back", (json_int_t)v->clock_back);

	if (v->why[0] != '\0') {
		json_object_set_new(o, "bad", json_integer((json_int_t)v->bad));
		json_object_set_new(o, "why", json_string(v->why));
	}
	cli_print(c, o);
	tell_gaps(v);
	tell_lost(v);
	if (v->why[0] != '\0') {
		(void)cli_usage("audit record %" PRIu64 ": %s", v->bad, v->why);
		return EXIT_FAILED;
	}
	if (!intact)
		return EXIT_FAILED;
	if (!v->stopped && v->last == 0)
		fprintf(stderr, "the log does not end with a stop; that nothing is missing behind record %"
			PRIu64 " shows with --last only\n", v->check.seq);
	return EXIT_DONE;
}

/* read_last takes SEQ or SEQ:HASH. */
static bool read_last(struct verify *v, const char *arg)
{
	const char *colon = strchr(arg, ':');
	char seq[24];
	size_t n = 0;

	(void)snprintf(seq, sizeof(seq), "%.*s", colon != NULL ? (int)(colon - arg) : 23, arg);
	v->has_hash = colon != NULL;
	return cli_number(seq, 1, UINT64_MAX, &v->last) &&
		(colon == NULL || (hex_decode(colon + 1, v->last_hash, CRYPTO_HASH, &n) && n == CRYPTO_HASH));
}

/* read_key_file reads the lines "ed25519 HEX" and "ml-dsa-65 HEX". */
static bool read_key_file(struct verify *v, const char *path)
{
	static const char ed[] = "ed25519 ", ml[] = "ml-dsa-65 ";
	char line[2 * CRYPTO_ML_DSA65_PUBLIC + 32];
	FILE *f = fopen(path, "re");
	bool has_ed = false, ok = f != NULL;
	size_t n;

	while (ok && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		if (strncmp(line, ed, strlen(ed)) == 0) {
			has_ed = hex_decode(line + strlen(ed), v->check.public_key, 32, &n) && n == 32;
		} else if (strncmp(line, ml, strlen(ml)) == 0) {
			ok = hex_decode(line + strlen(ml), v->ml_public, sizeof(v->ml_public), &n) &&
				n == sizeof(v->ml_public);
			v->check.ml_public = v->ml_public;
		}
	}
	memcpy(v->check.ml_of, v->check.public_key, sizeof(v->check.ml_of));
	if (f != NULL)
		(void)fclose(f);
	return ok && has_ed;
}

static bool read_key(struct verify *v, const char *key)
{
	size_t n = 0;

	if (strlen(key) == 64 && hex_decode(key, v->check.public_key, 32, &n) && n == 32)
		return true;
	return read_key_file(v, key);
}

static int read_options(struct cli *c, struct verify *v)
{
	const char *key = c->opt[OPT_AUDIT_KEY], *from = c->opt[OPT_FROM], *last = c->opt[OPT_LAST];

	if (key == NULL || !read_key(v, key))
		return cli_usage("--audit-key wants the 64 digits that 'holdfast audit key' prints, or the "
			"file that it writes with --out");
	if (from != NULL && !cli_number(from, 1, UINT64_MAX, &v->from))
		return cli_usage("--from wants a sequence number, not '%s'", from);
	if (last != NULL && !read_last(v, last))
		return cli_usage("--last wants a sequence number, or SEQ:HASH as 'holdfast audit key' prints "
			"them, not '%s'", last);
	return EXIT_DONE;
}

/* --- keys that followed one another -------------------------------------------------------- */

#define TAKEOVERS 256u

struct takeovers {
	struct audit_pair v[TAKEOVERS];
	size_t n;
};

static void add_takeover(struct takeovers *t, struct slice encoded, struct arena *a)
{
	struct audit_record rec;

	if (t->n < TAKEOVERS && audit_read(encoded, a, &rec) &&
	    audit_took_over(&rec, &t->v[t->n]))
		t->n++;
	arena_reset(a);
}

/* first_key goes back from a key that is known to the one that the log began with: each
 * signed whom it followed. Damage is the later walk's to tell. */
static void first_key(const char *dir, struct arena *a, uint8_t key[32])
{
	struct takeovers t = { .n = 0 };
	struct audit_files files;
	struct auditseg_record r;
	bool more = true;

	if (audit_files_open(dir, &files) != HF_OK)
		return;
	files.quiet = true;
	while (audit_files_next(&files, &r, &more) == HF_OK && more)
		add_takeover(&t, r.bytes, a);
	audit_files_done(&files);
	for (size_t i = t.n; i-- > 0;)
		if (memcmp(t.v[i].new_key, key, 32) == 0)
			memcpy(key, t.v[i].old_key, 32);
}

int cmd_audit_verify(struct cli *c)
{
	struct verify v = { .from = 1 };
	int code = read_options(c, &v);
	enum hf_err e;

	if (code != EXIT_DONE)
		return code;
	e = crypto_init();
	if (e != HF_OK)
		return cli_fail("audit", e);
	if (!audit_files_begin(c->args[0], true, &v.files))
		return EXIT_FAILED;
	if (v.from == 1)
		first_key(c->args[0], &c->arena, v.check.public_key);
	v.gaps = json_array();
	e = walk(&v, &c->arena);
	audit_files_done(&v.files);
	code = e != HF_OK ? cli_fail(c->args[0], e) : report(c, &v);
	json_decref(v.gaps);
	return code;
}
