/* reseal.c: what the old key of the store, or of a partition, seals is sealed anew, while others
 * read and write. */
#include <stdio.h>
#include <string.h>

#include "records_int.h"
#include "unlock_record.h"

#define AT_ONCE 64u

struct batch {
	struct record_change v[AT_ONCE];
	char name[AT_ONCE][RECORD_NAME];
	struct secret plain[AT_ONCE];
	size_t n;
	struct secret now, old; /* what seals the records of a partition */
};

static void batch_free(struct batch **b)
{
	if (*b == NULL)
		return;
	for (size_t i = 0; i < AT_ONCE; i++)
		secret_done(&(*b)->plain[i]);
	secret_done(&(*b)->now);
	secret_done(&(*b)->old);
	hf_free(*b);
}

/* Records that the store key does not seal: by whom they are sealed stays as it is. */
static bool is_other(struct slice name)
{
	static const char private_[] = "/prv/";

	return slice_eq(name, SLICE_STR(STATE_NAME)) || slice_eq(name, SLICE_STR(ROOT_NAME)) ||
		memmem(name.p, name.n, private_, sizeof(private_) - 1) != NULL;
}

static enum hf_err open_one(struct records *r, const struct record *rec, struct batch *b, bool *ret_old)
{
	const struct records_keys keys = { secret_slice(&b->now), secret_slice(&b->old) };

	if (b->now.n > 0)
		return record_open_either(&keys, rec, &b->plain[b->n], ret_old);
	return is_other(rec->name) ? HF_E_DAMAGED : store_open(r, rec, &b->plain[b->n], ret_old);
}

/* add: a record that opens by neither key is damaged, or sealed by another. */
static enum hf_err add(struct records *r, const struct records_reseal *s, const struct record *rec,
	struct batch *b)
{
	bool old = false;
	enum hf_err e = open_one(r, rec, b, &old);

	if (e == HF_E_DAMAGED)
		return HF_OK;
	TRY(e);
	if (!old && (s->tagging == NULL || record_tags(rec->value).are)) {
		secret_done(&b->plain[b->n]);
		return HF_OK;
	}
	(void)snprintf(b->name[b->n], RECORD_NAME, "%.*s", (int)rec->name.n, (const char *)rec->name.p);
	b->v[b->n] = (struct record_change){
		.name = b->name[b->n], .expect = rec->version, .version = rec->version,
		.seal = SEAL_STORE, .plain = secret_slice(&b->plain[b->n]),
	};
	if (s->keys != NULL) {
		b->v[b->n].seal = SEAL_PARTITION;
		b->v[b->n].key = s->keys->now;
	}
	if (s->tagging != NULL)
		TRY(s->tagging->make(s->tagging->ctx, secret_slice(&b->plain[b->n]), &b->v[b->n].tags));
	b->n++;
	return HF_OK;
}

static enum hf_err write_some(struct records *r, const struct records_reseal *s,
	const struct record_change *v, size_t n)
{
	TRY(records_write(r, v, n));
	for (size_t i = 0; s->tagging != NULL && i < n; i++)
		s->tagging->kept(s->tagging->ctx, v[i].name, v[i].version, &v[i].tags);
	return HF_OK;
}

/* Who wrote one of them meanwhile did so under the new key. */
static enum hf_err write_all(struct records *r, const struct records_reseal *s, const struct batch *b)
{
	enum hf_err e = b->n > 0 ? write_some(r, s, b->v, b->n) : HF_OK;

	for (size_t i = 0; e == HF_E_CONFLICT && i < b->n; i++) {
		enum hf_err one = write_some(r, s, &b->v[i], 1);

		if (one != HF_OK && one != HF_E_CONFLICT)
			return one;
	}
	return e == HF_E_CONFLICT ? HF_OK : e;
}

static enum hf_err page(struct records *r, const struct store_scan_res *p, struct batch *b,
	struct records_reseal *s)
{
	size_t i = 0;

	for (; i < p->records.n && b->n < AT_ONCE; i++)
		TRY(add(r, s, &p->records.v[i], b));
	TRY(write_all(r, s, b));
	s->looked += i;
	s->sealed += b->n;
	s->more = i < p->records.n || p->more;
	if (i > 0)
		(void)snprintf(s->after, sizeof(s->after), "%.*s", (int)p->records.v[i - 1].name.n,
			(const char *)p->records.v[i - 1].name.p);
	return HF_OK;
}

enum hf_err records_reseal(struct records *r, struct records_reseal *s)
{
	CLEANUP(batch_free) struct batch *b = hf_alloc(1, sizeof(*b));
	CLEANUP(arena_done) struct arena a = { 0 };
	struct store_scan_res p;

	if (b == NULL)
		return HF_E_MEMORY;
	if (s->keys != NULL) {
		TRY(seal_key_for(s->keys->now, &b->now));
		if (s->keys->old.n > 0)
			TRY(seal_key_for(s->keys->old, &b->old));
	}
	TRY(keeper_scan(r->k, s->prefix != NULL ? s->prefix : "", slice_str(s->after), KEEPER_PAGE, &a, &p));
	return page(r, &p, b, s);
}
