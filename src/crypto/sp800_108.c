/* sp800_108.c: the KDFs of SP 800-108 (PKCS#11 3.2 §6.42): the PRF's input is put
 * together from the caller's list of fields; each derived key begins with a
 * fresh output of the PRF. */
#include <string.h>

#include "families.h"
#include "prf.h"
#include "sp800_108.h"

#define FIELDS_MAX 32
#define SEGMENTS_MAX (1u << 16)

enum mode { MODE_COUNTER, MODE_FEEDBACK, MODE_PIPELINE };

struct field {
	uint64_t type; /* CK_SP800_108_... */
	uint64_t method;
	bool little;
	size_t width; /* bytes of a number */
	uint8_t number[8];
	struct slice v;
};

struct kdf {
	enum mode mode;
	struct prf prf;
	struct field f[FIELDS_MAX];
	size_t n;
	struct slice iv;
	uint8_t k[EVP_MAX_MD_SIZE]; /* K(i), the last output */
	uint8_t a[EVP_MAX_MD_SIZE]; /* A(i), of the pipeline */
	uint32_t i;                 /* the outputs made so far */
};

static void kdf_done(struct kdf *k)
{
	prf_done(&k->prf);
	secret_wipe(k->k, sizeof(k->k));
	secret_wipe(k->a, sizeof(k->a));
}

/* --- the list of fields ------------------------------------------------------ */

static bool read_format(struct rd *r, struct field *f, size_t max)
{
	uint64_t bits;

	if (!rd_bool(r, &f->little) || !rd_u64(r, &bits) || bits == 0 || bits % 8 != 0 ||
	    bits / 8 > max)
		return false;
	f->width = (size_t)bits / 8;
	return true;
}

static bool read_value(const struct kdf *k, struct slice value, struct field *f)
{
	struct rd r = rd_of(value);

	f->v = value;
	switch (f->type) {
	case CK_SP800_108_ITERATION_VARIABLE:
		return k->mode != MODE_COUNTER ? value.n == 0 : read_format(&r, f, 4) && rd_done(&r);
	case CK_SP800_108_OPTIONAL_COUNTER:
		return k->mode != MODE_COUNTER && read_format(&r, f, 4) && rd_done(&r);
	case CK_SP800_108_DKM_LENGTH:
		return rd_u64(&r, &f->method) && read_format(&r, f, 8) && rd_done(&r) &&
			(f->method == CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS ||
				f->method == CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS);
	case CK_SP800_108_BYTE_ARRAY:
	case CK_SP800_108_KEY_HANDLE:
		return value.n != 0;
	default:
		return false;
	}
}

static size_t count(const struct kdf *k, uint64_t type)
{
	size_t n = 0;

	for (size_t i = 0; i < k->n; i++)
		n += k->f[i].type == type;
	return n;
}

static enum hf_err read_fields(struct kdf *k, struct slice fields, const struct derivation *d)
{
	struct rd r = rd_of(fields);
	struct slice value;
	size_t keys = 0;

	while (!rd_done(&r)) {
		struct field *f = &k->f[k->n];

		if (k->n == FIELDS_MAX || !rd_u64(&r, &f->type) || !rd_bytes(&r, r.n, &value) ||
		    !read_value(k, value, f))
			return HF_E_MECHANISM_PARAM;
		if (f->type == CK_SP800_108_KEY_HANDLE) {
			if (keys == OTHER_KEYS_MAX || d->other[keys] == NULL)
				return HF_E_KEY_HANDLE;
			f->v = secret_slice(&d->other[keys++]->value);
		}
		k->n++;
	}
	if (count(k, CK_SP800_108_ITERATION_VARIABLE) != 1 ||
	    count(k, CK_SP800_108_OPTIONAL_COUNTER) > 1 || count(k, CK_SP800_108_DKM_LENGTH) > 1)
		return HF_E_MECHANISM_PARAM;
	return HF_OK;
}

size_t sp800_108_keys(struct slice fields, uint64_t ret[OTHER_KEYS_MAX])
{
	struct rd r = rd_of(fields);
	uint64_t type;
	struct slice v;
	size_t n = 0;

	while (n < OTHER_KEYS_MAX && rd_u64(&r, &type) && rd_bytes(&r, r.n, &v))
		if (type == CK_SP800_108_KEY_HANDLE && v.n == 8)
			ret[n++] = get_u64(v.p);
	return n;
}

/* --- numbers ----------------------------------------------------------------- */

static enum hf_err write_number(struct field *f, uint64_t v)
{
	if (f->width < 8 && v >> (8 * f->width) != 0)
		return HF_E_KEY_SIZE;
	for (size_t i = 0; i < f->width; i++)
		f->number[f->little ? i : f->width - 1 - i] = (uint8_t)(v >> (8 * i));
	f->v = (struct slice){ f->number, f->width };
	return HF_OK;
}

static size_t segments_of(const struct kdf *k, size_t bytes)
{
	return (bytes + k->prf.n - 1) / k->prf.n;
}

/* write_length puts the whole length, in bits, where the list wants it. */
static enum hf_err write_length(struct kdf *k, const struct derivation *d)
{
	uint64_t keys = 0, segments = 0;

	for (size_t i = 0; i < d->wants; i++) {
		size_t bytes = d->want[i] != 0 ? d->want[i] : k->prf.n;

		keys += bytes * 8;
		segments += segments_of(k, bytes);
	}
	if (segments > SEGMENTS_MAX)
		return HF_E_KEY_SIZE;
	for (size_t i = 0; i < k->n; i++)
		if (k->f[i].type == CK_SP800_108_DKM_LENGTH)
			TRY(write_number(&k->f[i],
				k->f[i].method == CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS ?
					keys : segments * k->prf.n * 8));
	return HF_OK;
}

/* --- outputs ----------------------------------------------------------------- */

/* pipeline makes A(i): of A(i-1), and the first of all fields but the variables. */
static enum hf_err pipeline(struct kdf *k)
{
	struct slice part[FIELDS_MAX];
	size_t n = 0;

	if (k->i == 1) {
		for (size_t i = 0; i < k->n; i++)
			if (k->f[i].type != CK_SP800_108_ITERATION_VARIABLE &&
			    k->f[i].type != CK_SP800_108_OPTIONAL_COUNTER)
				part[n++] = k->f[i].v;
	} else {
		part[n++] = (struct slice){ k->a, k->prf.n };
	}
	return prf_run(&k->prf, part, n, k->a);
}

static struct slice variable(const struct kdf *k)
{
	if (k->mode == MODE_PIPELINE)
		return (struct slice){ k->a, k->prf.n };
	return k->i == 1 ? k->iv : (struct slice){ k->k, k->prf.n };
}

/* next makes K(i) for the next i. */
static enum hf_err next(struct kdf *k)
{
	struct slice part[FIELDS_MAX];

	k->i++;
	if (k->mode == MODE_PIPELINE)
		TRY(pipeline(k));
	for (size_t i = 0; i < k->n; i++) {
		if (k->f[i].type == CK_SP800_108_OPTIONAL_COUNTER ||
		    (k->f[i].type == CK_SP800_108_ITERATION_VARIABLE && k->mode == MODE_COUNTER))
			TRY(write_number(&k->f[i], k->i));
		part[i] = k->f[i].type == CK_SP800_108_ITERATION_VARIABLE &&
			k->mode != MODE_COUNTER ? variable(k) : k->f[i].v;
	}
	return prf_run(&k->prf, part, k->n, k->k);
}

static enum hf_err make_key(struct kdf *k, size_t bytes, struct secret *ret)
{
	CLEANUP(secret_done) struct secret out = { 0 };

	TRY(secret_alloc(&out, bytes));
	for (size_t at = 0; at < bytes; at += k->prf.n) {
		TRY(next(k));
		memcpy(out.p + at, k->k, bytes - at < k->prf.n ? bytes - at : k->prf.n);
	}
	*ret = secret_take(&out);
	return HF_OK;
}

static enum hf_err derive_many(struct derivation *d)
{
	CLEANUP(kdf_done) struct kdf k = { .mode = MODE_COUNTER };
	const struct params *p = d->params;
	bool feedback = p->id == PARAM_SP800_108_FEEDBACK;

	if (feedback)
		k.mode = MODE_FEEDBACK;
	else if (strcmp(d->mech->arg, "pipeline") == 0)
		k.mode = MODE_PIPELINE;
	if (feedback)
		k.iv = p->u.sp800_108_feedback.iv;
	TRY(read_fields(&k, feedback ? p->u.sp800_108_feedback.fields : p->u.sp800_108.fields, d));
	TRY(prf_begin(feedback ? p->u.sp800_108_feedback.prf : p->u.sp800_108.prf,
		secret_slice(&d->base->value), &k.prf));
	TRY(write_length(&k, d));
	for (; d->n < d->wants; d->n++)
		TRY(make_key(&k, d->want[d->n] != 0 ? d->want[d->n] : k.prf.n, &d->made[d->n]));
	return HF_OK;
}

const struct family family_sp800_108 = { .name = "sp800_108", .derive_many = derive_many };
