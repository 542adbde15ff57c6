/* usage_pass.c: uses of keys summed up for the audit log, and kept. */
#include <stdio.h>
#include <string.h>

#include "audit.h"
#include "audit_level.h"
#include "log.h"
#include "partition.h"
#include "records.h"
#include "usage.h"

#define NAME_LEN 80
#define BATCH 256u /* records written at once */

static void enc(struct usage *u, struct buf *b, uint64_t *ret_sum)
{
	uint64_t n, sum = 0;

	buf_u8(b, USAGE_FORMAT);
	for (unsigned i = 0; i < USAGE_KINDS; i++) {
		n = atomic_load(&u->uses[i]);
		buf_u64(b, n);
		sum += n;
	}
	n = atomic_load(&u->failures);
	buf_u64(b, n);
	buf_u64(b, atomic_load(&u->last_us));
	*ret_sum = sum + n;
}

/* struct writing is one batch on its way. */
struct writing {
	struct record_change v[BATCH];
	char name[BATCH][NAME_LEN];
	struct buf plain[BATCH];
	struct usage *u[BATCH];
	uint64_t sum[BATCH];
	size_t n;
};

static void stage(struct writing *w, const struct partition *p, struct usage *u)
{
	size_t i = w->n;
	bool gone = atomic_load(&u->gone);
	char hex[2 * UID_LEN + 1];

	w->plain[i] = BUF_MAX(256);
	enc(u, &w->plain[i], &w->sum[i]);
	if (buf_err(&w->plain[i]) != HF_OK || (gone ? u->version == 0 : w->sum[i] == u->kept)) {
		buf_done(&w->plain[i]);
		return;
	}
	hex_encode(SLICE_OF(u->uid), hex);
	(void)snprintf(w->name[i], NAME_LEN, "p/%s/usage/%s", p->serial, hex);
	w->v[i] = (struct record_change){ .name = w->name[i], .expect = u->version,
		.version = gone ? 0 : u->version + 1, .seal = SEAL_STORE,
		.plain = gone ? SLICE_NONE : buf_slice(&w->plain[i]) };
	w->u[i] = u;
	w->n++;
}

static enum hf_err write_staged(struct hsm *h, struct writing *w)
{
	enum hf_err e = w->n > 0 ? records_write(h->records, w->v, w->n) : HF_OK;

	for (size_t i = 0; i < w->n; i++) {
		if (e == HF_OK) {
			w->u[i]->version = w->v[i].version;
			w->u[i]->kept = w->sum[i];
		}
		buf_done(&w->plain[i]);
	}
	w->n = 0;
	return e;
}

/* --- the pass ------------------------------------------------------------------------ */

/* describe says what was done with the key since the last record; empty: nothing. */
static void describe(struct usage *u, char *out, size_t max)
{
	size_t at = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < USAGE_KINDS; i++) {
		uint64_t now = atomic_load(&u->uses[i]), n = now - u->told[i];

		u->told[i] = now;
		if (n > 0 && at < max)
			at += (size_t)snprintf(out + at, max - at, "%s%s %llu", at > 0 ? ", " : "",
				usage_kind_name(i), (unsigned long long)n);
	}
}

static void tell(struct hsm *h, struct partition *p, struct usage *u, bool counted)
{
	char detail[400], label[33], key_label[65];
	struct audit_uses uses = { .serial = slice_str(p->serial), .object = SLICE_OF(u->uid) };

	describe(u, detail, sizeof(detail));
	if (!counted || detail[0] == '\0')
		return;
	(void)pthread_rwlock_rdlock(&p->lock);
	memcpy(label, p->label, sizeof(label));
	(void)pthread_rwlock_unlock(&p->lock);
	usage_label(p->usages, u, key_label);
	uses.label = slice_str(label);
	uses.object_label = slice_str(key_label);
	uses.detail = slice_str(detail);
	if (audit_uses(h->audit, &uses) != HF_OK)
		log_error("audit: the uses of a key could not be recorded");
}

static enum hf_err pass_partition(struct hsm *h, struct partition *p, struct writing *w)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	bool counted = audit_counts_uses(h, p);
	enum hf_err e = HF_OK;
	struct usage **v;
	size_t n;

	TRY(usages_all(p->usages, &a, &v, &n));
	for (size_t i = 0; i < n && e == HF_OK; i++) {
		tell(h, p, v[i], counted);
		stage(w, p, v[i]);
		if (w->n == BATCH)
			e = write_staged(h, w);
	}
	if (e == HF_OK)
		e = write_staged(h, w);
	for (size_t i = 0; i < n; i++) {
		if (atomic_load(&v[i]->gone) && v[i]->version == 0)
			usages_drop(p->usages, v[i]);
		usage_unref(v[i]);
	}
	return e;
}

void usages_pass(struct hsm *h)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct writing *w = hf_alloc(1, sizeof(*w));
	struct partition **v;
	enum hf_err e = w != NULL ? HF_OK : HF_E_MEMORY;
	size_t n = 0;

	if (e == HF_OK)
		e = partitions_all(h, &a, &v, &n);
	for (size_t i = 0; e == HF_OK && i < n; i++) {
		enum hf_err one = pass_partition(h, v[i], w);

		if (one != HF_OK)
			log_warn("partition %s: the uses of its keys could not be kept: %s", v[i]->serial,
				err_text(one));
	}
	if (e == HF_OK)
		partitions_unref(v, n);
	hf_free(w);
}
