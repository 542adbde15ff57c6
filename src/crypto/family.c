/* family.c: see family.h. */
#include "family.h"

static const struct {
	enum hf_err len, data;
} faults[] = {
	[VERB_ENCRYPT] = { HF_E_DATA_LEN, HF_E_DATA },
	[VERB_DECRYPT] = { HF_E_ENCRYPTED_DATA_LEN, HF_E_ENCRYPTED_DATA },
	[VERB_DIGEST] = { HF_E_DATA_LEN, HF_E_DATA },
	[VERB_SIGN] = { HF_E_DATA_LEN, HF_E_DATA },
	[VERB_VERIFY] = { HF_E_SIGNATURE_LEN, HF_E_SIGNATURE },
	[VERB_SIGN_RECOVER] = { HF_E_DATA_LEN, HF_E_DATA },
	[VERB_VERIFY_RECOVER] = { HF_E_SIGNATURE_LEN, HF_E_SIGNATURE },
	[VERB_WRAP] = { HF_E_KEY_SIZE, HF_E_KEY_NOT_WRAPPABLE },
	[VERB_UNWRAP] = { HF_E_WRAPPED_KEY_LEN, HF_E_WRAPPED_KEY },
};

enum hf_err crypt_bad_len(const struct crypt *c)
{
	return faults[c->verb].len;
}

enum hf_err crypt_bad_data(const struct crypt *c)
{
	return faults[c->verb].data;
}

enum hf_err kept_begin(struct crypt *c, size_t n, void (*drop)(struct kept *s), bool *ret_new)
{
	struct kept *s = kept_take(c->key, c->mech, c->verb);

	*ret_new = s == NULL;
	if (s == NULL) {
		s = secret_calloc(1, n);
		if (s == NULL)
			return HF_E_MEMORY;
		*s = (struct kept){ c->mech, c->verb, drop };
	}
	c->state = s;
	return HF_OK;
}

void kept_end(struct crypt *c)
{
	if (c->state != NULL)
		kept_give(c->key, c->state);
	c->state = NULL;
}

enum hf_err gather_more(struct buf *b, struct slice in)
{
	if (in.n > b->max || b->n > b->max - in.n)
		return HF_E_TOO_BIG;
	buf_raw(b, in);
	return buf_err(b);
}

enum hf_err gather_copy(const struct buf *from, struct buf *to)
{
	return from->n > GATHER_COPY_MAX ? HF_E_STATE_UNSAVEABLE : gather_more(to, buf_slice(from));
}

enum hf_err gather_all(struct buf *b, struct slice in, struct slice *ret)
{
	if (b->n == 0) {
		*ret = in;
		return HF_OK;
	}
	TRY(gather_more(b, in));
	*ret = buf_slice(b);
	return HF_OK;
}

enum hf_err out_add(struct buf *out, size_t n, uint8_t **ret)
{
	*ret = buf_add(out, n);
	return buf_err(out);
}

enum hf_err cut_derived(struct secret *v, size_t want)
{
	if (want > v->n)
		return HF_E_KEY_SIZE;
	if (want != 0)
		secret_cut(v, want);
	return HF_OK;
}

const struct hash *hash_of(const struct mech *m, const struct params *p)
{
	if (m->param != PARAM_HASH_BITS)
		return hash_by_name(m->arg);
	switch (p->u.hash_bits.value) { /* FIPS 180-4 §5.3.6 approves no other t */
	case 224:
		return hash_by_name("SHA512-224");
	case 256:
		return hash_by_name("SHA512-256");
	default:
		return NULL;
	}
}
