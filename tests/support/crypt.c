/* crypt.c: see crypt.h. */
#include "crypt.h"

int crypt_group_setup(void **state)
{
	(void)state;
	return crypto_init() == HF_OK ? 0 : -1;
}

struct slice hex(const char *digits)
{
	static uint8_t v[8][4096];
	static unsigned turn;
	uint8_t *p = v[turn++ % 8];
	size_t n = 0;

	assert_true(hex_decode(digits, p, sizeof(v[0]), &n));
	return (struct slice){ p, n };
}

void assert_slice(struct slice v, const char *digits)
{
	assert_same(v, hex(digits));
}

void assert_same(struct slice a, struct slice b)
{
	assert_int_equal(a.n, b.n);
	if (a.n > 0)
		assert_memory_equal(a.p, b.p, a.n);
}

void hex_parts(const struct component *c, struct parts *ret)
{
	for (; c->hex != NULL; c++) {
		uint8_t v[8192];
		size_t n = 0;

		assert_true(hex_decode(c->hex, v, sizeof(v), &n));
		assert_int_equal(parts_put(ret, c->cka, (struct slice){ v, n }), HF_OK);
	}
}

static struct slice get(const void *ctx, uint32_t cka)
{
	return parts_get(ctx, cka);
}

struct key_source parts_source(const struct parts *p)
{
	return (struct key_source){ get, p };
}

enum hf_err parse_hex(uint32_t cko, uint32_t ckk, const struct component *c, struct key **ret)
{
	struct parts p = { 0 };
	struct key_source s = parts_source(&p);
	enum hf_err e;

	hex_parts(c, &p);
	e = key_parse(cko, ckk, &s, ret);
	parts_done(&p);
	return e;
}

enum hf_err import_hex(uint32_t cko, uint32_t ckk, const struct component *c, struct parts *extra)
{
	struct parts p = { 0 };
	struct key_source s = parts_source(&p);
	enum hf_err e;

	hex_parts(c, &p);
	e = key_import(cko, ckk, &s, extra);
	parts_done(&p);
	return e;
}

struct key *key_hex(uint32_t cko, uint32_t ckk, const struct component *c)
{
	struct key *k = NULL;

	assert_int_equal(parse_hex(cko, ckk, c, &k), HF_OK);
	return k;
}

struct key *key_parts(uint32_t cko, uint32_t ckk, const struct parts *p)
{
	struct key_source s = parts_source(p);
	struct key *k = NULL;

	assert_int_equal(key_parse(cko, ckk, &s, &k), HF_OK);
	return k;
}

static enum hf_err step(struct crypt *c, struct slice in, struct slice sig, struct buf *out,
	bool last)
{
	size_t room = c->mech->family->bound(c, in.n, last);
	struct secret mem = { 0 };
	enum hf_err e;

	assert_int_equal(secret_alloc(&mem, room == 0 ? 1 : room), HF_OK);
	struct buf b = { .p = mem.p, .cap = room, .max = room };

	e = last ? c->mech->family->finish(c, in, sig, &b) : c->mech->family->update(c, in, &b);
	assert_ptr_equal(b.p, mem.p);
	if (e == HF_OK && out != NULL)
		buf_raw(out, buf_slice(&b));
	if (e != HF_OK)
		assert_int_equal(b.n, 0);
	secret_done(&mem);
	return e;
}

enum hf_err use_run(const struct use *u, struct buf *out)
{
	const struct mech *m = mech_find(u->ckm);
	struct params none = { 0 };
	struct slice in = u->in;
	struct crypt c;
	enum hf_err e;

	assert_non_null(m);
	none.id = m->param;
	c = (struct crypt){ m, u->verb, u->key, u->params == NULL ? &none : u->params, .leaf = u->leaf,
		.has_leaf = true };
	e = m->family->begin(&c);
	while (e == HF_OK && u->chunk > 0 && in.n > u->chunk && m->family->update != NULL) {
		e = step(&c, (struct slice){ in.p, u->chunk }, SLICE_NONE, out, false);
		in.p += u->chunk;
		in.n -= u->chunk;
	}
	if (e == HF_OK)
		e = step(&c, in, u->sig, out, true);
	m->family->end(&c);
	return e;
}

enum hf_err derive_run(uint32_t ckm, const struct params *p, const struct key *base,
	const struct key *other, size_t want, struct secret *ret)
{
	const struct mech *m = mech_find(ckm);

	assert_non_null(m);
	return m->family->derive(m, p, base, other, want, ret);
}

enum hf_err pair_make(uint32_t ckm, const struct component *tmpl, struct parts *pub,
	struct parts *priv)
{
	const struct mech *m = mech_find(ckm);
	struct params none = { 0 };
	struct parts t = { 0 };
	struct key_source s = parts_source(&t);
	enum hf_err e;

	assert_non_null(m);
	hex_parts(tmpl, &t);
	e = m->family->generate(m, &none, &s, &s, pub, priv);
	parts_done(&t);
	return e;
}
