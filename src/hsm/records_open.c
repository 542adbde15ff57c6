/* records_open.c: is the store the one that was left? */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "crypto.h"
#include "records_int.h"

#define NEWER_TRIES 64u           /* versions that a stale record may lack */
#define NAMING_TRIES (1u << 20)   /* HMACs spent on naming what differs */

/* struct evidence is what was found before anything is believed. */
struct evidence {
	bool state_found, state_ok, anchor_found, anchor_ok;
	struct anchor_state state, anchor;
	uint8_t actual[DIGEST_LEN];
	uint64_t records; /* but hsm/state */
};

static void evidence_done(struct evidence *e)
{
	anchor_state_done(&e->state);
	anchor_state_done(&e->anchor);
}

static void trouble(struct records *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void add_trouble(struct records *r, const char *fmt, va_list ap)
{
	size_t n = strlen(r->trouble);

	if (n > 0 && n + 3 < sizeof(r->trouble))
		n += (size_t)snprintf(r->trouble + n, sizeof(r->trouble) - n, "; ");
	(void)vsnprintf(r->trouble + n, sizeof(r->trouble) - n, fmt, ap);
}

static void trouble(struct records *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_trouble(r, fmt, ap);
	va_end(ap);
}

static bool digest_eq(const uint8_t *a, const uint8_t *b)
{
	return slice_eq((struct slice){ a, DIGEST_LEN }, (struct slice){ b, DIGEST_LEN });
}

/* --- gathering ------------------------------------------------------------ */

/* believe decodes what was sealed; false if it is damaged. */
static enum hf_err believe(enum hf_err opened, const struct secret *plain,
	struct anchor_state *ret, bool *ret_ok)
{
	enum hf_err e = opened;

	if (e == HF_OK)
		e = anchor_state_dec(secret_slice(plain), ret);
	*ret_ok = e == HF_OK;
	return e == HF_E_DAMAGED ? HF_OK : e;
}

static enum hf_err read_state(struct records *r, struct evidence *ev)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	CLEANUP(secret_done) struct secret plain = { 0 };
	struct record rec;
	enum hf_err e;

	TRY(keeper_get(r->k, STATE_NAME, &a, &ev->state_found, &rec));
	if (!ev->state_found)
		return HF_OK;
	r->state_version = rec.version;
	e = record_open(secret_slice(&r->seal_key), rec.name, rec.version, rec.value, &plain);
	return believe(e, &plain, &ev->state, &ev->state_ok);
}

static enum hf_err read_anchor(struct records *r, struct evidence *ev)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	CLEANUP(secret_done) struct secret plain = { 0 };
	struct slice sealed;
	enum hf_err e;

	TRY(keeper_anchor(r->k, &a, &sealed));
	ev->anchor_found = sealed.n > 0;
	if (!ev->anchor_found)
		return HF_OK;
	e = crypto_open(secret_slice(&r->seal_key), SLICE_STR("anchor"), sealed, &plain);
	if (e == HF_E_DAMAGED && r->old_seal_key.n > 0) /* a new key came in force with the state alone */
		e = crypto_open(secret_slice(&r->old_seal_key), SLICE_STR("anchor"), sealed, &plain);
	return believe(e, &plain, &ev->anchor, &ev->anchor_ok);
}

struct summing {
	struct records *r;
	struct evidence *ev;
};

static enum hf_err sum_name(void *ctx, const char *name, uint64_t version)
{
	struct summing *s = ctx;
	uint8_t term[DIGEST_LEN];

	if (strcmp(name, STATE_NAME) == 0)
		return HF_OK;
	TRY(digest_term(s->r, slice_str(name), version, term));
	digest_add(s->ev->actual, term);
	s->ev->records++;
	return HF_OK;
}

/* --- naming what differs --------------------------------------------------- */

struct naming {
	struct records *r;
	const uint8_t *expected, *actual;
	unsigned tries;
};

static enum hf_err add_stale(struct records *r, const char *name, const char *what)
{
	char **v = hf_realloc(r->stale, r->stale_count + 1, sizeof(*v));

	if (v == NULL)
		return HF_E_MEMORY;
	r->stale = v;
	v[r->stale_count] = hf_strdup(name);
	if (v[r->stale_count] == NULL)
		return HF_E_MEMORY;
	r->stale_count++;
	trouble(r, "record %s %s", name, what);
	return HF_OK;
}

/* One record alone explains the difference if the digest without it, or with a
 * later version of it, is the expected one. */
static enum hf_err suspect(void *ctx, const char *name, uint64_t version)
{
	struct naming *s = ctx;
	uint8_t without[DIGEST_LEN], with[DIGEST_LEN], term[DIGEST_LEN];

	if (strcmp(name, STATE_NAME) == 0 || s->r->stale_count > 0 || s->tries > NAMING_TRIES)
		return HF_OK;
	TRY(digest_term(s->r, slice_str(name), version, term));
	memcpy(without, s->actual, sizeof(without));
	digest_sub(without, term);
	if (digest_eq(without, s->expected))
		return add_stale(s->r, name, "had been deleted");
	for (uint64_t newer = 1; newer <= NEWER_TRIES; newer++, s->tries++) {
		memcpy(with, without, sizeof(with));
		TRY(digest_term(s->r, slice_str(name), version + newer, term));
		digest_add(with, term);
		if (digest_eq(with, s->expected))
			return add_stale(s->r, name, "is an older version");
	}
	return HF_OK;
}

static enum hf_err name_it(struct records *r, const uint8_t *expected, const uint8_t *actual)
{
	struct naming s = { r, expected, actual, 0 };

	TRY(records_names(r, "", &s, suspect));
	if (r->stale_count == 0)
		trouble(r, "records are missing, or several are older versions");
	return HF_OK;
}

/* --- judging --------------------------------------------------------------- */

static bool judge_sequence(struct records *r, const struct evidence *ev)
{
	uint64_t store = ev->state.sequence, anchor = ev->anchor.sequence;

	if (ev->state_ok && ev->anchor_ok && store < anchor)
		trouble(r, "the store is at change %llu, its anchor at %llu: an older store was put back",
			(unsigned long long)store, (unsigned long long)anchor);
	else if (ev->state_ok && ev->anchor_ok && store > anchor + 1)
		trouble(r, "the anchor is at change %llu, the store at %llu: an older anchor was put back",
			(unsigned long long)anchor, (unsigned long long)store);
	else
		return false;
	return true;
}

/* The first batch of a new store may have lost its anchor in a crash. */
static bool judge_presence(struct records *r, const struct evidence *ev)
{
	bool bad = false;

	if (!ev->state_ok && (ev->records > 0 || ev->anchor_found)) {
		trouble(r, "record %s is %s", STATE_NAME, ev->state_found ? "damaged" : "missing");
		bad = true;
	}
	if (!ev->anchor_ok && (ev->anchor_found || ev->state.sequence > 1)) {
		trouble(r, "the anchor is %s", ev->anchor_found ? "damaged" : "missing");
		r->anchor_lost = bad = true;
	}
	return bad;
}

/* The newer of the two witnesses holds: so putting back either alone resets no
 * counter and hides no change. Both put back together, with the whole directory,
 * are seen by a counter outside of it only (generation.h). */
static struct anchor_state *newer(struct evidence *ev)
{
	bool anchor = ev->anchor_ok && (!ev->state_ok || ev->anchor.sequence >= ev->state.sequence);

	return anchor ? &ev->anchor : &ev->state;
}

static enum hf_err gather(struct records *r, struct evidence *ev)
{
	struct summing s = { r, ev };

	TRY(read_state(r, ev));
	TRY(read_anchor(r, ev));
	return records_names(r, "", &s, sum_name);
}

void records_doubt(struct records *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_trouble(r, fmt, ap);
	va_end(ap);
	r->anchor_lost = true;
}

enum hf_err records_judge(struct records *r, bool *ret_rollback, bool *ret_digest)
{
	CLEANUP(evidence_done) struct evidence ev = { 0 };
	bool sequence, presence, differs;
	struct anchor_state *truth;

	TRY(gather(r, &ev));
	sequence = judge_sequence(r, &ev);
	presence = judge_presence(r, &ev);
	truth = newer(&ev);
	differs = (ev.state_ok || ev.anchor_ok) &&
		!digest_eq(truth->digest, ev.actual);
	if (differs)
		TRY(name_it(r, truth->digest, ev.actual));
	TRY(anchor_state_copy(truth, &r->now));
	memcpy(r->now.digest, ev.actual, DIGEST_LEN);
	/* A crash between the two: the anchor catches up before the next change, not to fall two behind. */
	r->anchor_behind = ev.state_ok && ev.anchor_ok && ev.state.sequence == ev.anchor.sequence + 1;
	*ret_rollback = sequence || presence;
	*ret_digest = differs;
	return HF_OK;
}
