/* export.c: key export: public keys and certificates, in the forms that others read. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "crypto.h"
#include "jwk.h"
#include "keyfile.h"
#include "pkcs11_numbers.h"

#define OUT_MAX ((size_t)1 << 20)

/* struct chosen is the object that shall go out. */
struct chosen {
	struct cli *c;
	uint64_t session, object, cko;
};

static struct slice attr_of(const struct chosen *o, uint32_t cka)
{
	return cli_attr(o->c, o->session, o->object, cka);
}

static struct slice der_of(const struct chosen *o)
{
	return attr_of(o, o->cko == CKO_CERTIFICATE ? CKA_VALUE : CKA_PUBLIC_KEY_INFO);
}

static enum hf_err as_der(const struct chosen *o, struct buf *out)
{
	struct slice der = der_of(o);

	if (der.n == 0)
		return HF_E_ATTR_TYPE;
	buf_raw(out, der);
	return buf_err(out);
}

static enum hf_err as_pem(const struct chosen *o, struct buf *out)
{
	struct slice der = der_of(o);

	if (der.n == 0)
		return HF_E_ATTR_TYPE;
	return keyfile_write(o->cko == CKO_CERTIFICATE ? "CERTIFICATE" : "PUBLIC KEY", der, out);
}

static enum hf_err as_jwk(const struct chosen *o, struct buf *out)
{
	json_t *j = o->cko == CKO_CERTIFICATE ? NULL : jwk_public(o->c, o->session, o->object);
	struct slice label = attr_of(o, CKA_LABEL);
	char *text;

	if (j == NULL)
		return HF_E_ATTR_TYPE;
	if (label.n > 0)
		json_object_set_new(j, "kid", json_slice(label));
	text = json_dumps(j, JSON_INDENT(2));
	json_decref(j);
	if (text == NULL)
		return HF_E_MEMORY;
	buf_raw(out, slice_str(text));
	buf_u8(out, '\n');
	hf_free(text);
	return buf_err(out);
}

/* --- OpenSSH: RFC 4253 §6.6, RFC 5656 §3.1, RFC 8709 §4 ------------------- */

#define OID(...) { (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }) }

static const struct {
	uint32_t ckk;
	const char *name, *curve;
	struct slice params;
} ssh_types[] = {
	{ CKK_RSA, "ssh-rsa", NULL, { 0 } },
	{ CKK_EC, "ecdsa-sha2-nistp256", "nistp256", OID(6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7) },
	{ CKK_EC, "ecdsa-sha2-nistp384", "nistp384", OID(6, 5, 0x2b, 0x81, 4, 0, 0x22) },
	{ CKK_EC, "ecdsa-sha2-nistp521", "nistp521", OID(6, 5, 0x2b, 0x81, 4, 0, 0x23) },
	{ CKK_EC_EDWARDS, "ssh-ed25519", NULL, OID(6, 3, 0x2b, 0x65, 0x70) },
};

/* put_mpint: RFC 4251 §5. */
static void put_mpint(struct buf *b, struct slice v)
{
	bool high;

	while (v.n > 0 && v.p[0] == 0) {
		v.p++;
		v.n--;
	}
	high = v.n > 0 && v.p[0] >= 0x80;
	buf_u32(b, (uint32_t)(v.n + high));
	if (high)
		buf_u8(b, 0);
	buf_raw(b, v);
}

static enum hf_err ssh_blob(const struct chosen *o, size_t i, struct buf *b)
{
	buf_bytes(b, slice_str(ssh_types[i].name));
	if (ssh_types[i].ckk == CKK_RSA) {
		put_mpint(b, attr_of(o, CKA_PUBLIC_EXPONENT));
		put_mpint(b, attr_of(o, CKA_MODULUS));
		return buf_err(b);
	}
	if (ssh_types[i].curve != NULL)
		buf_bytes(b, slice_str(ssh_types[i].curve));
	buf_bytes(b, cli_point(attr_of(o, CKA_EC_POINT)));
	return buf_err(b);
}

static enum hf_err as_ssh(const struct chosen *o, struct buf *out)
{
	CLEANUP(buf_done) struct buf b = BUF_MAX(OUT_MAX);
	struct slice type = attr_of(o, CKA_KEY_TYPE), params = attr_of(o, CKA_EC_PARAMS);
	size_t i = 0, n = sizeof(ssh_types) / sizeof(ssh_types[0]);

	while (i < n && (type.n != 8 || ssh_types[i].ckk != get_u64(type.p) ||
			 !slice_eq(ssh_types[i].params, params)))
		i++;
	if (o->cko == CKO_CERTIFICATE || i == n)
		return HF_E_ATTR_TYPE;
	TRY(ssh_blob(o, i, &b));
	buf_raw(out, slice_str(ssh_types[i].name));
	buf_u8(out, ' ');
	TRY(base64_encode(buf_slice(&b), false, out));
	buf_u8(out, ' ');
	buf_raw(out, attr_of(o, CKA_LABEL));
	buf_u8(out, '\n');
	return buf_err(out);
}

static const struct {
	const char *name;
	enum hf_err (*write)(const struct chosen *o, struct buf *out);
} forms[] = { { "pem", as_pem }, { "der", as_der }, { "jwk", as_jwk }, { "ssh", as_ssh } };

static int put(struct cli *c, const struct buf *b)
{
	const char *path = c->opt[OPT_OUT];
	FILE *f = path == NULL ? stdout : fopen(path, "wbe");
	bool ok;

	if (f == NULL)
		return cli_usage("%s: %s", path, strerror(errno));
	ok = fwrite(b->p, 1, b->n, f) == b->n;
	if (f != stdout)
		ok = fclose(f) == 0 && ok;
	return ok ? EXIT_DONE : cli_usage("%s: %s", path == NULL ? "standard output" : path, strerror(errno));
}

int cmd_key_export(struct cli *c)
{
	CLEANUP(buf_done) struct buf out = BUF_MAX(OUT_MAX);
	struct chosen o = { .c = c, .cko = CKO_PUBLIC_KEY };
	const char *form = c->opt[OPT_FORMAT] == NULL ? forms[0].name : c->opt[OPT_FORMAT];
	size_t i = 0, n = sizeof(forms) / sizeof(forms[0]);
	enum hf_err e = crypto_init();

	while (i < n && strcmp(forms[i].name, form) != 0)
		i++;
	if (i == n)
		return cli_usage("--format is pem, der, jwk or ssh, not '%s'", form);
	if (c->opt[OPT_CLASS] != NULL && (!class_of_name(c->opt[OPT_CLASS], &o.cko) ||
					  (o.cko != CKO_PUBLIC_KEY && o.cko != CKO_CERTIFICATE)))
		return cli_usage("only public keys and certificates leave the HSM like this");
	if (e != HF_OK)
		return cli_fail("key export", e);
	if (!cli_session(c, false, &o.session) || !cli_key(c, o.session, o.cko, &o.object))
		return EXIT_FAILED;
	e = forms[i].write(&o, &out);
	if (e == HF_E_ATTR_TYPE)
		return cli_usage("this kind of key has no form '%s'", form);
	return e == HF_OK ? put(c, &out) : cli_fail("key export", e);
}
