/* import.c: key import. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "crypto.h"
#include "incoming.h"
#include "jwk.h"
#include "keyfile.h"
#include "pkcs11_numbers.h"

/* What the vault works out by itself and takes from nobody. */
static bool is_given(uint32_t cka)
{
	return cka != CKA_MODULUS_BITS && cka != CKA_VALUE_LEN && cka != CKA_PUBLIC_KEY_INFO;
}

static enum hf_err put_parts(struct cli *c, struct incoming *i, const struct parts *p)
{
	for (size_t k = 0; k < p->n; k++)
		if (is_given(p->v[k].cka))
			TRY(incoming_put(c, i, p->v[k].cka, secret_slice(&p->v[k].value)));
	return HF_OK;
}

/* put_names puts what the options say; id: what the file says, or what stands for it. */
static enum hf_err put_names(struct cli *c, struct incoming *i, struct slice id)
{
	struct attr token = { CKA_TOKEN, cli_true };
	struct attr_list given = cli_template(c, &token, 1);

	if (given.n == 0)
		return HF_E_ARGUMENTS;
	for (size_t k = 0; k < given.n; k++)
		TRY(incoming_put(c, i, given.v[k].type, given.v[k].value));
	if (!incoming_has(i, CKA_ID) && id.n > 0)
		TRY(incoming_put(c, i, CKA_ID, id));
	return HF_OK;
}

static enum hf_err put_protection(struct cli *c, struct incoming *i)
{
	TRY(incoming_put_bool(c, i, CKA_SENSITIVE, true));
	TRY(incoming_put_bool(c, i, CKA_PRIVATE, true));
	return incoming_put_bool(c, i, CKA_EXTRACTABLE, c->opt[OPT_EXTRACT] != NULL);
}

static enum hf_err half(struct cli *c, struct incoming_list *l, uint32_t cko, const struct keyfile_item *k)
{
	struct incoming *i;

	TRY(incoming_new(c, l, &i));
	TRY(incoming_put_u64(c, i, CKA_CLASS, cko));
	if (cko == CKO_CERTIFICATE)
		TRY(incoming_put_u64(c, i, CKA_CERTIFICATE_TYPE, CKC_X_509));
	else
		TRY(incoming_put_u64(c, i, CKA_KEY_TYPE, k->ckk));
	TRY(put_names(c, i, SLICE_OF(k->id)));
	if (cko == CKO_PRIVATE_KEY)
		TRY(put_protection(c, i));
	return put_parts(c, i, cko == CKO_PRIVATE_KEY ? &k->priv : &k->pub);
}

static enum hf_err from_keyfile(struct cli *c, const struct keyfile *f, struct incoming_list *l)
{
	TRY(incoming_list_new(c, 2 * f->n, l));
	for (size_t i = 0; i < f->n; i++) {
		const struct keyfile_item *k = &f->v[i];

		if (k->kind == KEYFILE_PAIR)
			TRY(half(c, l, CKO_PRIVATE_KEY, k));
		TRY(half(c, l, k->kind == KEYFILE_CERTIFICATE ? CKO_CERTIFICATE : CKO_PUBLIC_KEY, k));
	}
	return HF_OK;
}

static bool ask(void *ctx, struct secret *ret)
{
	return cli_pin(ctx, OPT_PASS_FILE, OPT_PASS_FD, "passphrase of the file", false, ret) == HF_OK;
}

/* NAMELESS is of a key that has no name of its own and is given none. */
#define NAMELESS "say with --label what a key without a \"kid\" shall be called"

/* put_jwk; *ret_wrong as in struct jwk. */
static enum hf_err put_jwk(struct cli *c, json_t *o, struct incoming_list *l, const char **ret_wrong)
{
	size_t first = l->n;
	struct jwk k;
	enum hf_err e = jwk_read(c, o, l, &k);

	*ret_wrong = k.wrong;
	if (e != HF_OK)
		return e;
	for (size_t i = first; i < l->n; i++) {
		TRY(put_names(c, &l->v[i], k.id));
		if (!incoming_has(&l->v[i], CKA_LABEL) && k.kid.n > 0)
			TRY(incoming_put(c, &l->v[i], CKA_LABEL, k.kid));
		if (i > first || !k.is_public)
			TRY(put_protection(c, &l->v[i]));
	}
	return HF_OK;
}

/* refuse names a key of a set by its place, from 1 on; the others come. */
static enum hf_err refuse(struct cli *c, json_t *o, struct incoming_list *l, size_t place, const char *wrong)
{
	const char *kid = jwk_kid(o);
	struct incoming *i;
	char text[160];
	struct slice kept;

	TRY(incoming_new(c, l, &i));
	(void)snprintf(text, sizeof(text), "key %zu of the set: %s", place,
		wrong != NULL ? wrong : "no key, or of a kind that is not known");
	(void)cli_usage("%s", text);
	TRY(arena_dup(&c->arena, (struct slice){ (const uint8_t *)text, strlen(text) + 1 }, &kept));
	i->refused = (const char *)kept.p;
	return kid == NULL ? HF_OK : incoming_put(c, i, CKA_LABEL, slice_str(kid));
}

/* from_jwks; *ret_wrong is of one that is in no set. */
static enum hf_err from_jwks(struct cli *c, json_t *keys, bool set, struct incoming_list *l,
	const char **ret_wrong)
{
	TRY(incoming_list_new(c, 2 * json_array_size(keys), l));
	for (size_t k = 0; k < json_array_size(keys); k++) {
		json_t *o = json_array_get(keys, k);
		size_t first = l->n;
		enum hf_err e = put_jwk(c, o, l, ret_wrong);

		if (e == HF_OK && set && !incoming_has(&l->v[first], CKA_LABEL)) {
			e = HF_E_KEYFILE;
			*ret_wrong = NAMELESS;
		}
		if (e == HF_E_KEYFILE && set) {
			l->n = first;
			e = refuse(c, o, l, k + 1, *ret_wrong);
		}
		if (e != HF_OK)
			return e;
	}
	return HF_OK;
}

/* named: each has to be called something, and no two the same. */
static bool named(struct cli *c, size_t keys, const struct incoming_list *l)
{
	if (keys > 1 && c->opt[OPT_ID] != NULL) {
		(void)cli_usage("--id is for one key, and the set has %zu", keys);
		return false;
	}
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].refused == NULL && !incoming_has(&l->v[i], CKA_LABEL)) {
			(void)cli_usage(NAMELESS);
			return false;
		}
	return true;
}

static int take_jwks(struct cli *c, struct slice text)
{
	struct incoming_list l;
	uint64_t session;
	const char *wrong = NULL;
	bool set = false;
	json_t *keys = jwk_file(text, &set);
	enum hf_err e = keys == NULL ? HF_E_KEYFILE : from_jwks(c, keys, set, &l, &wrong);
	bool ok = e == HF_OK && named(c, json_array_size(keys), &l);

	json_decref(keys);
	if (e == HF_E_KEYFILE && wrong != NULL) {
		(void)cli_usage("%s: %s", c->args[0], wrong);
		return EXIT_FAILED;
	}
	if (e != HF_OK)
		return cli_fail(c->args[0], e);
	if (!ok)
		return EXIT_USAGE;
	return cli_session(c, true, &session) ? incoming_take(c, session, &l) : EXIT_FAILED;
}

static int take_keyfile(struct cli *c, struct slice file)
{
	CLEANUP(keyfile_done) struct keyfile f = { 0 };
	struct incoming_list l;
	uint64_t session;
	enum hf_err e;

	if (c->opt[OPT_LABEL] == NULL)
		return cli_usage("say with --label what the key shall be called");
	e = keyfile_read(file, ask, c, &f);
	if (e == HF_OK)
		e = from_keyfile(c, &f, &l);
	if (e != HF_OK)
		return cli_fail(c->args[0], e);
	return cli_session(c, true, &session) ? incoming_take(c, session, &l) : EXIT_FAILED;
}

/* slurp reads a file, into protected memory. */
static bool slurp(const char *path, struct buf *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *p;
	ssize_t n;

	if (fd < 0) {
		(void)cli_usage("%s: %s", path, strerror(errno));
		return false;
	}
	do {
		size_t was = ret->n;

		p = buf_add(ret, 16384);
		n = p == NULL ? -1 : read(fd, p, 16384);
		buf_cut(ret, was + (n > 0 ? (size_t)n : 0));
	} while (n > 0);
	if (n < 0)
		(void)cli_usage("%s: %s", path, p == NULL ? "too large for a file of keys" : strerror(errno));
	(void)close(fd);
	return n == 0;
}

static bool is_json(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (strchr(" \t\r\n", s.p[i]) == NULL)
			return s.p[i] == '{';
	return false;
}

int cmd_key_import(struct cli *c)
{
	CLEANUP(buf_done) struct buf file = BUF_MAX(KEYFILE_MAX);
	enum hf_err e = crypto_init();

	json_set_alloc_funcs(secret_malloc, secret_free); /* a JWK may hold a key */
	if (e != HF_OK)
		return cli_fail("key import", e);
	if (!slurp(c->args[0], &file))
		return EXIT_FAILED;
	return is_json(buf_slice(&file)) ? take_jwks(c, buf_slice(&file)) : take_keyfile(c, buf_slice(&file));
}
