/* attest.c: attest root, create, verify. Verifying needs the root certificate and the statement,
 * and no HSM. */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "attestation.h"
#include "certificate.h"
#include "clock.h"
#include "crypto.h"
#include "pkcs11_numbers.h"

#define FILE_MAX_BYTES (4 * ATTEST_MAX)

static int write_all(struct cli *c, struct slice s)
{
	const char *path = c->opt[OPT_OUT];
	FILE *f = path != NULL ? fopen(path, "wb") : stdout;

	if (f == NULL || fwrite(s.p, 1, s.n, f) != s.n || (f != stdout && fclose(f) != 0)) {
		(void)cli_usage("%s: %s", path != NULL ? path : "standard output", strerror(errno));
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

static bool read_all(struct cli *c, const char *path, struct slice *ret)
{
	FILE *f = fopen(path, "rb");
	uint8_t *p = arena_alloc(&c->arena, FILE_MAX_BYTES, 1);
	bool ok = f != NULL && p != NULL;

	if (ok) {
		*ret = (struct slice){ p, fread(p, 1, FILE_MAX_BYTES, f) };
		ok = ferror(f) == 0;
	}
	if (!ok)
		(void)cli_usage("%s: %s", path, strerror(errno));
	if (f != NULL)
		(void)fclose(f);
	return ok;
}

static int write_pem(struct cli *c, struct slice der)
{
	CLEANUP(buf_done) struct buf pem = BUF_MAX(FILE_MAX_BYTES);
	enum hf_err e = certificate_pem(der, &pem);

	return e == HF_OK ? write_all(c, buf_slice(&pem)) : cli_fail("attest", e);
}

int cmd_attest_root(struct cli *c)
{
	struct attest_root_req q = { 0 };
	struct attest_root_res r;
	enum hf_err e = do_attest_root(c->client, 0, &q, &r, &c->arena);

	return e == HF_OK ? write_pem(c, r.certificate) : cli_fail("attest", e);
}

/* --- create -------------------------------------------------------------------------- */

static bool form_of(struct cli *c, uint8_t *ret)
{
	const char *s = c->opt[OPT_FORM];

	*ret = s != NULL && strcmp(s, "cose") == 0 ? ATTEST_COSE : ATTEST_X509;
	if (s == NULL || *ret == ATTEST_COSE || strcmp(s, "x509") == 0)
		return true;
	(void)cli_usage("--form is x509 or cose, not '%s'", s);
	return false;
}

/* nonce_of fills room; an absent one is empty. */
static bool nonce_of(struct cli *c, uint8_t room[ATTEST_NONCE_MOST], struct slice *ret)
{
	const char *s = c->opt[OPT_NONCE];

	*ret = (struct slice){ room, 0 };
	if (s == NULL || (hex_decode(s, room, ATTEST_NONCE_MOST, &ret->n) && ret->n >= ATTEST_NONCE_LEAST))
		return true;
	(void)cli_usage("--nonce wants %u to %u bytes in hex", ATTEST_NONCE_LEAST, ATTEST_NONCE_MOST);
	return false;
}

int cmd_attest_create(struct cli *c)
{
	uint8_t room[ATTEST_NONCE_MOST];
	struct attest_key_req q = { 0 };
	struct attest_key_res r;
	uint64_t session;
	enum hf_err e;

	if (!form_of(c, &q.form) || !nonce_of(c, room, &q.nonce))
		return EXIT_USAGE;
	if (!cli_session(c, false, &session) || !cli_any_key(c, session, &q.key))
		return EXIT_FAILED;
	e = do_attest_key(c->client, session, &q, &r, &c->arena);
	if (e == HF_E_KEY_TYPE && q.form == ATTEST_X509) {
		(void)cli_usage("a key without a public half has no certificate: use --form cose");
		return EXIT_FAILED;
	}
	if (e != HF_OK)
		return cli_fail("attest", e);
	return q.form == ATTEST_X509 ? write_pem(c, r.statement) : write_all(c, r.statement);
}

/* --- verify -------------------------------------------------------------------------- */

struct verified {
	struct attestation said;
	struct slice public_key; /* p NULL: none */
	bool certificate;        /* which form */
	const char *why;         /* it is not good */
};

static enum hf_err check_signed(struct slice root, struct slice in, struct buf *mem, struct verified *v)
{
	struct certified cert;
	uint8_t key[32];

	v->certificate = certificate_is(in);
	TRY(certificate_root(root, key, &v->why));
	if (!v->certificate) {
		TRY(attestation_read_cose(in, key, &v->said, &v->why));
		v->public_key = v->said.v[ATTEST_PUBLIC_KEY].bytes;
		return HF_OK;
	}
	TRY(certificate_check(root, in, mem, &cert, &v->why));
	v->why = "the certificate's extension says what this program does not understand";
	TRY(attestation_read_der(cert.extension, &v->said));
	v->public_key = cert.public_key;
	return HF_OK;
}

static bool whole(const struct attestation *a)
{
	static const enum attest_field must[] = { ATTEST_HSM, ATTEST_UNIQUE_ID, ATTEST_TIME,
		ATTEST_PARTITION, ATTEST_POLICIES, ATTEST_CLASS, ATTEST_KEY_TYPE, ATTEST_LOCAL,
		ATTEST_NEVER_EXTRACTABLE, ATTEST_ALWAYS_SENSITIVE, ATTEST_SENSITIVE, ATTEST_EXTRACTABLE };

	for (size_t i = 0; i < sizeof(must) / sizeof(must[0]); i++)
		if (!a->v[must[i]].there)
			return false;
	return true;
}

static bool check_said(struct verified *v, struct slice nonce)
{
	const struct attestation *a = &v->said;

	v->why = "the statement is of a version that this program does not know";
	if (!a->v[ATTEST_VERSION].there || a->v[ATTEST_VERSION].number != ATTEST_VERSION_NOW)
		return false;
	v->why = "the statement lacks what each has to say";
	if (!whole(a))
		return false;
	v->why = "the statement was not made for this --nonce: it may be an old one";
	return nonce.n == 0 || slice_eq(nonce, a->v[ATTEST_NONCE].bytes);
}

static json_t *field(const struct attestation *a, size_t i)
{
	char when[28];
	const char *name = NULL;
	uint64_t n = a->v[i].number;

	switch (attest_rows[i].kind) {
	case ATTEST_KIND_TEXT:
		return json_slice(a->v[i].bytes);
	case ATTEST_KIND_BYTES:
		return json_hex(a->v[i].bytes);
	case ATTEST_KIND_FLAG:
		return json_boolean(n != 0);
	case ATTEST_KIND_TIME:
		clock_iso(n > UINT64_MAX / 1000000 ? 0 : n * 1000000, when);
		return json_string(when);
	case ATTEST_KIND_NUMBER:
		if (i == ATTEST_CLASS)
			name = name_of_class(n);
		else if (i == ATTEST_KEY_TYPE)
			name = name_of_key_type(n);
		else if (i == ATTEST_MECHANISM)
			name = name_of_mechanism(n);
		return name != NULL ? json_string(name) : json_sprintf("%llu", (unsigned long long)n);
	}
	return json_null();
}

/* never_seen: made inside, and at no time outside in the clear. */
static bool never_seen(const struct attestation *a)
{
	return a->v[ATTEST_LOCAL].number != 0 && a->v[ATTEST_NEVER_EXTRACTABLE].number != 0 &&
	       a->v[ATTEST_ALWAYS_SENSITIVE].number != 0;
}

static void print(struct cli *c, const struct verified *v, struct slice nonce)
{
	json_t *o = json_pack("{s:b, s:s}", "genuine", true, "checked", v->certificate ?
		"root signs itself; certificate names it and is signed by it; statement is whole" :
		"root signs itself; CWT names it and is signed by it; statement is whole");

	if (nonce.n > 0)
		json_object_set_new(o, "made for this nonce", json_true());
	json_object_set_new(o, "made inside and never outside", json_boolean(never_seen(&v->said)));
	for (size_t i = 0; i < ATTEST_FIELDS; i++)
		if (v->said.v[i].there && i != ATTEST_PUBLIC_KEY)
			json_object_set_new(o, attest_rows[i].name, field(&v->said, i));
	if (v->public_key.n > 0)
		json_object_set_new(o, attest_rows[ATTEST_PUBLIC_KEY].name, json_hex(v->public_key));
	cli_print(c, o);
}

static int refuse(struct cli *c, const struct verified *v)
{
	if (c->opt[OPT_JSON])
		cli_print(c, json_pack("{s:b, s:s}", "genuine", false, "why", v->why));
	(void)cli_usage("%s: %s", c->args[0], v->why);
	return EXIT_FAILED;
}

int cmd_attest_verify(struct cli *c)
{
	CLEANUP(buf_done) struct buf mem = BUF_MAX(4 * ATTEST_MAX);
	uint8_t room[ATTEST_NONCE_MOST];
	struct slice root, in, nonce;
	struct verified v = { .why = "no memory" };
	enum hf_err e;

	if (c->opt[OPT_ROOT] == NULL)
		return cli_usage("--root is needed: what 'holdfast attest root' printed at that HSM");
	if (!nonce_of(c, room, &nonce))
		return EXIT_USAGE;
	if (!read_all(c, c->opt[OPT_ROOT], &root) || !read_all(c, c->args[0], &in))
		return EXIT_FAILED;
	e = crypto_init();
	if (e != HF_OK)
		return cli_fail("attest", e);
	if (check_signed(root, in, &mem, &v) != HF_OK || !check_said(&v, nonce))
		return refuse(c, &v);
	print(c, &v, nonce);
	return EXIT_DONE;
}
