/* tls.c: the PRF of TLS 1.0 to 1.2 (RFC 2246, RFC 5246, RFC 7627): master secrets,
 * key blocks, exported keys, the Finished messages' MACs (PKCS#11 3.2 §6.40). */
#include <string.h>

#include <openssl/core_names.h>

#include "crypto.h"
#include "families.h"
#include "family.h"

enum {
	MASTER = 48,        /* bytes of a master secret, and of an RSA premaster secret */
	VERSION = 2,        /* the latter's head: the client's protocol version */
	PIECE_MAX = 256,    /* bytes of one key or IV of a key block */
	MAC_MIN = 12,
	MAC_MAX = 256,
	SEED_MAX = 1 << 16,
};

/* struct prf_in: PRF(secret, label, a | b). */
struct prf_in {
	const char *digest; /* "MD5-SHA1" before TLS 1.2 */
	struct slice secret, label, a, b;
};

static char others[] = "provider=default"; /* OSSL_PARAM wants it writable */

static enum hf_err prf(const struct prf_in *in, struct secret *out)
{
	EVP_KDF *kdf = tls1_prf_over(hash_by_name(in->digest));
	CLEANUP(EVP_KDF_CTX_free_p) EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	CLEANUP(buf_done) struct buf seed = BUF_MAX(SEED_MAX);
	OSSL_PARAM params[5], *p = params;

	buf_raw(&seed, in->label);
	buf_raw(&seed, in->a);
	buf_raw(&seed, in->b);
	if (buf_err(&seed) != HF_OK)
		return HF_E_MECHANISM_PARAM;
	if (ctx == NULL)
		return ossl_err(HF_E_MEMORY);
	*p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
		(char *)(uintptr_t)in->digest, 0);
	*p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET,
		(void *)(uintptr_t)in->secret.p, in->secret.n);
	*p++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed.p, seed.n);
	if (kdf != algs.tls1_prf) /* its HMAC is to be of the same provider */
		*p++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_PROPERTIES, others, 0);
	*p = OSSL_PARAM_construct_end();
	OSSL_TRY(EVP_KDF_derive(ctx, out->p, out->n, params), HF_E_MECHANISM_PARAM);
	return HF_OK;
}

/* digest_of: CKM_TLS_PRF stands for the PRF before TLS 1.2. */
static enum hf_err digest_of(uint64_t ckm, const char **ret)
{
	const struct hash *h = hash_by_ckm(ckm);

	if (h == NULL && ckm != CKM_TLS_PRF)
		return HF_E_MECHANISM_PARAM;
	*ret = h != NULL ? h->name : "MD5-SHA1";
	return HF_OK;
}

static enum hf_err run(const struct prf_in *in, size_t n, struct secret *ret)
{
	CLEANUP(secret_done) struct secret out = { 0 };

	TRY(secret_alloc(&out, n));
	TRY(prf(in, &out));
	*ret = secret_take(&out);
	return HF_OK;
}

/* --- master secrets ------------------------------------------------------------ */

/* master: rows whose argument is "rsa" take a premaster secret that begins with a
 * version, and tell it. */
static enum hf_err master(struct derivation *d, uint64_t hash, struct prf_in *in)
{
	bool rsa = strcmp(d->mech->arg, "rsa") == 0;

	in->secret = secret_slice(&d->base->value);
	TRY(digest_of(hash, &in->digest));
	if (rsa && in->secret.n != MASTER)
		return HF_E_KEY_SIZE;
	if (d->want[0] != 0 && d->want[0] != MASTER)
		return HF_E_KEY_SIZE;
	if (rsa)
		buf_raw(&d->told, (struct slice){ in->secret.p, VERSION });
	d->n = 1;
	return run(in, MASTER, &d->made[0]);
}

static enum hf_err master_10(struct derivation *d)
{
	const struct param_tls_master *p = &d->params->u.tls_master;

	return master(d, CKM_TLS_PRF, &(struct prf_in){ .label = SLICE_STR("master secret"),
		.a = p->client, .b = p->server });
}

static enum hf_err master_12(struct derivation *d)
{
	const struct param_tls12_master *p = &d->params->u.tls12_master;

	return master(d, p->prf, &(struct prf_in){ .label = SLICE_STR("master secret"),
		.a = p->client, .b = p->server });
}

static enum hf_err master_extended(struct derivation *d)
{
	const struct param_tls12_extended *p = &d->params->u.tls12_extended;

	if (p->session_hash.n == 0)
		return HF_E_MECHANISM_PARAM;
	return master(d, p->prf, &(struct prf_in){ .label = SLICE_STR("extended master secret"),
		.a = p->session_hash });
}

/* --- key blocks ------------------------------------------------------------------ */

/*  client MAC | server MAC | client key | server key | client IV | server IV  */
static enum hf_err split(struct derivation *d, const struct secret *block, const size_t piece[3])
{
	const uint8_t *at = block->p;

	for (d->n = 0; d->n < 4; d->n++) {
		size_t n = piece[d->n / 2];

		if (n > 0)
			TRY(secret_dup((struct slice){ at, n }, &d->made[d->n]));
		at += n;
	}
	d->macs = 2;
	buf_raw(&d->told, (struct slice){ at, 2 * piece[2] });
	return buf_err(&d->told);
}

static enum hf_err block_of(struct derivation *d, struct prf_in *in, const uint64_t bits[3])
{
	CLEANUP(secret_done) struct secret block = { 0 };
	size_t piece[3], n = 0;

	for (size_t i = 0; i < 3; i++) {
		if (bits[i] % 8 != 0 || bits[i] / 8 > PIECE_MAX)
			return HF_E_MECHANISM_PARAM;
		piece[i] = (size_t)bits[i] / 8;
		n += 2 * piece[i];
	}
	in->secret = secret_slice(&d->base->value);
	in->label = SLICE_STR("key expansion");
	if (n == 0)
		return HF_E_MECHANISM_PARAM;
	if (in->secret.n != MASTER)
		return HF_E_KEY_SIZE;
	TRY(run(in, n, &block));
	return split(d, &block, piece);
}

static enum hf_err keys_10(struct derivation *d)
{
	const struct param_tls_keys *p = &d->params->u.tls_keys;
	struct prf_in in = { .digest = "MD5-SHA1", .a = p->server, .b = p->client };

	if (p->export)
		return HF_E_MECHANISM_PARAM;
	return block_of(d, &in, (uint64_t[]){ p->mac_bits, p->key_bits, p->iv_bits });
}

/* keys_12: the safe variant never tells IVs. */
static enum hf_err keys_12(struct derivation *d)
{
	const struct param_tls12_keys *p = &d->params->u.tls12_keys;
	struct prf_in in = { .a = p->server, .b = p->client };
	bool safe = strcmp(d->mech->arg, "safe") == 0;

	if (p->export)
		return HF_E_MECHANISM_PARAM;
	TRY(digest_of(p->prf, &in.digest));
	return block_of(d, &in, (uint64_t[]){ p->mac_bits, p->key_bits, safe ? 0 : p->iv_bits });
}

/* exported: RFC 5705. */
static enum hf_err exported(struct derivation *d)
{
	const struct param_tls_kdf *p = &d->params->u.tls_kdf;
	CLEANUP(buf_done) struct buf seed = BUF_MAX(SEED_MAX);
	struct prf_in in = { .secret = secret_slice(&d->base->value), .label = p->label };

	TRY(digest_of(p->prf, &in.digest));
	buf_raw(&seed, p->client);
	buf_raw(&seed, p->server);
	if (p->context.n > 0) {
		buf_u16(&seed, (uint16_t)p->context.n);
		buf_raw(&seed, p->context);
	}
	if (p->label.n == 0 || p->context.n > UINT16_MAX || buf_err(&seed) != HF_OK)
		return HF_E_MECHANISM_PARAM;
	if (d->want[0] == 0)
		return HF_E_TEMPLATE_INCOMPLETE;
	in.a = buf_slice(&seed);
	d->n = 1;
	return run(&in, d->want[0], &d->made[0]);
}

static enum hf_err derive_many(struct derivation *d)
{
	static const struct {
		enum param_id id;
		enum hf_err (*run)(struct derivation *d);
	} ways[] = {
		{ PARAM_TLS_MASTER, master_10 },     { PARAM_TLS12_MASTER, master_12 },
		{ PARAM_TLS12_EXTENDED, master_extended },
		{ PARAM_TLS_KEYS, keys_10 },         { PARAM_TLS12_KEYS, keys_12 },
		{ PARAM_TLS_KDF, exported },
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (ways[i].id == d->params->id)
			return ways[i].run(d);
	return HF_E_INTERNAL;
}

/* generate makes a premaster secret: a version and 46 random bytes. */
static enum hf_err generate(const struct mech *m, const struct params *p,
	const struct key_source *pub_tmpl, const struct key_source *tmpl, struct parts *pub,
	struct parts *priv)
{
	CLEANUP(secret_done) struct secret v = { 0 };
	struct slice version = p->u.version.raw;
	uint64_t n = MASTER;

	(void)pub_tmpl;
	(void)pub;
	if (version.n != VERSION)
		return HF_E_MECHANISM_PARAM;
	if (source_has(tmpl, CKA_VALUE_LEN))
		TRY(source_u64(tmpl, CKA_VALUE_LEN, &n));
	if (n != MASTER)
		return HF_E_ATTR_VALUE;
	TRY(secret_alloc(&v, MASTER));
	memcpy(v.p, version.p, VERSION);
	TRY(crypto_random(v.p + VERSION, v.n - VERSION));
	TRY(parts_put(priv, CKA_VALUE, secret_slice(&v)));
	return secret_output(m->key, secret_slice(&v), priv);
}

const struct family family_tls = {
	.name = "tls",
	.generate = generate,
	.derive_many = derive_many,
};

/* --- Finished ---------------------------------------------------------------------- */

struct finished {
	struct buf hash; /* of the handshake, as it comes */
	struct prf_in in;
	size_t n;
};

/* side: 1 server, 2 client (CK_TLS_MAC_PARAMS). */
static enum hf_err set_up(struct finished *s, const struct crypt *c)
{
	const struct param_tls_mac *p = &c->params->u.tls_mac;
	uint64_t side = p->side, n = p->n, hash = p->prf;

	if (c->params->id != PARAM_TLS_MAC) {
		side = strcmp(c->mech->arg, "server") == 0 ? 1 : 2;
		n = MAC_MIN;
		hash = CKM_TLS_PRF;
	}
	if ((side != 1 && side != 2) || n < MAC_MIN || n > MAC_MAX)
		return HF_E_MECHANISM_PARAM;
	s->hash.max = SEED_MAX / 2;
	s->n = (size_t)n;
	s->in.secret = secret_slice(&c->key->value);
	s->in.label = side == 1 ? SLICE_STR("server finished") : SLICE_STR("client finished");
	return digest_of(hash, &s->in.digest);
}

static enum hf_err begin(struct crypt *c)
{
	c->state = secret_calloc(1, sizeof(struct finished));
	if (c->state == NULL)
		return HF_E_MEMORY;
	return set_up(c->state, c);
}

static enum hf_err update(struct crypt *c, struct slice in, struct buf *out)
{
	struct finished *s = c->state;

	(void)out;
	return gather_more(&s->hash, in) == HF_OK ? HF_OK : HF_E_DATA_LEN;
}

static enum hf_err finish(struct crypt *c, struct slice in, struct slice sig, struct buf *out)
{
	CLEANUP(secret_done) struct secret mac = { 0 };
	struct finished *s = c->state;

	TRY(update(c, in, out));
	s->in.a = buf_slice(&s->hash);
	TRY(run(&s->in, s->n, &mac));
	if (c->verb == VERB_SIGN) {
		buf_raw(out, secret_slice(&mac));
		return buf_err(out);
	}
	if (sig.n != mac.n)
		return HF_E_SIGNATURE_LEN;
	return secret_eq(secret_slice(&mac), sig) ? HF_OK : HF_E_SIGNATURE;
}

static enum hf_err copy(const struct crypt *from, struct crypt *to)
{
	const struct finished *f = from->state;
	struct finished *t = to->state;

	return gather_copy(&f->hash, &t->hash);
}

static size_t bound(const struct crypt *c, size_t in, bool last)
{
	const struct finished *s = c->state;

	(void)in;
	return last && c->verb == VERB_SIGN ? s->n : 0;
}

static void end(struct crypt *c)
{
	struct finished *s = c->state;

	if (s != NULL)
		buf_done(&s->hash);
	secret_free(s);
	c->state = NULL;
}

const struct family family_tls_mac = {
	.name = "tls_mac",
	.begin = begin,
	.update = update,
	.finish = finish,
	.bound = bound,
	.end = end,
	.copy = copy,
};
