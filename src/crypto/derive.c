/* derive.c: secret keys put together from another and data, or taken out of it
 * (PKCS#11 3.2 §6.43). */
#include <string.h>

#include "families.h"
#include "family.h"

struct inputs {
	struct slice base, data; /* data: the parameter's, or the other key's */
	uint64_t bit;
};

static enum hf_err join(struct slice a, struct slice b, struct secret *ret)
{
	TRY(secret_alloc(ret, a.n + b.n));
	if (a.n > 0)
		memcpy(ret->p, a.p, a.n);
	if (b.n > 0)
		memcpy(ret->p + a.n, b.p, b.n);
	return HF_OK;
}

static enum hf_err base_and_data(const struct inputs *in, size_t want, struct secret *ret)
{
	(void)want;
	return join(in->base, in->data, ret);
}

static enum hf_err data_and_base(const struct inputs *in, size_t want, struct secret *ret)
{
	(void)want;
	return join(in->data, in->base, ret);
}

static enum hf_err xor(const struct inputs *in, size_t want, struct secret *ret)
{
	(void)want;
	TRY(secret_alloc(ret, in->base.n < in->data.n ? in->base.n : in->data.n));
	for (size_t i = 0; i < ret->n; i++)
		ret->p[i] = in->base.p[i] ^ in->data.p[i];
	return HF_OK;
}

/* extract takes bits from position bit on, going round at the end; bit 0 is the
 * first byte's highest. */
static enum hf_err extract(const struct inputs *in, size_t want, struct secret *ret)
{
	size_t bits = in->base.n * 8;

	if (in->bit >= bits)
		return HF_E_MECHANISM_PARAM;
	TRY(secret_alloc(ret, want == 0 ? in->base.n : want));
	if (ret->n > in->base.n)
		return HF_E_KEY_SIZE;
	for (size_t i = 0; i < ret->n * 8; i++) {
		size_t at = ((size_t)in->bit + i) % bits;
		unsigned b = (unsigned)in->base.p[at / 8] >> (7 - at % 8) & 1u;

		ret->p[i / 8] |= (uint8_t)(b << (7 - i % 8));
	}
	return HF_OK;
}

static const struct {
	const char *name; /* the row's argument */
	enum hf_err (*run)(const struct inputs *in, size_t want, struct secret *ret);
} ways[] = {
	{ "base-and-key", base_and_data },
	{ "base-and-data", base_and_data },
	{ "data-and-base", data_and_base },
	{ "xor", xor },
	{ "extract", extract },
};

static enum hf_err inputs_of(const struct params *p, const struct key *base,
	const struct key *other, struct inputs *ret)
{
	*ret = (struct inputs){ .base = secret_slice(&base->value) };
	if (p->id == PARAM_DATA)
		ret->data = p->u.data.data;
	if (p->id == PARAM_EXTRACT)
		ret->bit = p->u.extract.value;
	if (p->id != PARAM_HANDLE)
		return HF_OK;
	if (other == NULL || other->cko != CKO_SECRET_KEY)
		return HF_E_KEY_HANDLE;
	ret->data = secret_slice(&other->value);
	return HF_OK;
}

static enum hf_err derive(const struct mech *m, const struct params *p, const struct key *base,
	const struct key *other, size_t want, struct secret *ret)
{
	CLEANUP(secret_done) struct secret out = { 0 };
	struct inputs in;
	size_t i = 0;

	TRY(inputs_of(p, base, other, &in));
	while (strcmp(ways[i].name, m->arg) != 0)
		i++;
	TRY(ways[i].run(&in, want, &out));
	TRY(cut_derived(&out, want));
	if (out.n == 0)
		return HF_E_MECHANISM_PARAM;
	*ret = secret_take(&out);
	return HF_OK;
}

const struct family family_public_half = { .name = "public_half", .public_half = key_public_half };

const struct family family_derive = { .name = "derive", .derive = derive };
