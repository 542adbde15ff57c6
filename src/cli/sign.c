/* sign.c: sign and verify, streaming the data. */
#include "cli.h"
#include "pkcs11_numbers.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CHUNK (1u << 20)

/* What signs by default with a key of a type. ED and PQ keys are for single-part
 * use by the standard; the vault gathers their data. */
static const struct {
	uint64_t ckk;
	uint32_t ckm;
} defaults[] = {
	{ CKK_RSA, CKM_SHA256_RSA_PKCS },
	{ CKK_EC, CKM_ECDSA_SHA256 },
	{ CKK_EC_EDWARDS, CKM_EDDSA },
	{ CKK_ML_DSA, CKM_ML_DSA },
	{ CKK_HSS, CKM_HSS },
	{ CKK_XMSS, CKM_XMSS },
	{ CKK_XMSSMT, CKM_XMSSMT },
	{ CKK_AES, CKM_AES_CMAC },
	{ CKK_GENERIC_SECRET, CKM_SHA256_HMAC },
};

/* RSA-PSS takes a parameter: hash, MGF and a salt as long as the hash. */
static const struct {
	uint32_t ckm;
	uint64_t hash, mgf, salt;
} pss[] = {
	{ CKM_SHA256_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256, 32 },
	{ CKM_SHA384_RSA_PKCS_PSS, CKM_SHA384, CKG_MGF1_SHA384, 48 },
	{ CKM_SHA512_RSA_PKCS_PSS, CKM_SHA512, CKG_MGF1_SHA512, 64 },
};

bool cli_sign_mechanism(struct cli *c, uint64_t session, uint64_t key, struct mech_in *ret)
{
	struct slice ckk = cli_attr(c, session, key, CKA_KEY_TYPE);
	uint8_t *p;

	*ret = (struct mech_in){ 0 };
	if (c->opt[OPT_MECHANISM]) {
		if (!mechanism_of_name(c->opt[OPT_MECHANISM], &ret->type)) {
			cli_usage("no mechanism '%s'; see 'holdfast mechanism list'",
				c->opt[OPT_MECHANISM]);
			return false;
		}
	} else {
		for (size_t i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++)
			if (ckk.n == 8 && defaults[i].ckk == get_u64(ckk.p))
				ret->type = defaults[i].ckm;
		if (ret->type == 0) {
			cli_usage("say how to sign with --mechanism for a key of this type");
			return false;
		}
	}
	for (size_t i = 0; i < sizeof(pss) / sizeof(pss[0]); i++)
		if (pss[i].ckm == ret->type && (p = arena_alloc(&c->arena, 24, 1)) != NULL) {
			put_u64(p, pss[i].hash);
			put_u64(p + 8, pss[i].mgf);
			put_u64(p + 16, pss[i].salt);
			ret->param = (struct slice){ p, 24 };
		}
	return true;
}

/* One part of the data: to sign, to verify, or to digest. */
typedef enum hf_err feeder(struct cli *c, uint64_t session, struct slice data, struct arena *a);

static enum hf_err feed_sign(struct cli *c, uint64_t session, struct slice data, struct arena *a)
{
	return do_sign_update(c->client, session, &(struct sign_update_req){ data },
		&(struct sign_update_res){ 0 }, a);
}

static enum hf_err feed_verify(struct cli *c, uint64_t session, struct slice data, struct arena *a)
{
	return do_verify_update(c->client, session, &(struct verify_update_req){ data },
		&(struct verify_update_res){ 0 }, a);
}

static enum hf_err feed_digest(struct cli *c, uint64_t session, struct slice data, struct arena *a)
{
	return do_digest_update(c->client, session, &(struct digest_update_req){ data },
		&(struct digest_update_res){ 0 }, a);
}

/* feed sends all of --in through update. The chunk's memory is used again. */
static enum hf_err feed(struct cli *c, uint64_t session, feeder *update)
{
	const char *path = c->opt[OPT_IN];
	FILE *f = path != NULL ? fopen(path, "rb") : stdin;
	uint8_t *chunk = arena_alloc(&c->arena, CHUNK, 1);
	struct arena scratch = { 0 };
	enum hf_err e = HF_OK;
	size_t n;

	if (f == NULL || chunk == NULL) {
		cli_usage("%s: %s", path, strerror(errno));
		return HF_E_ARGUMENTS;
	}
	while (e == HF_OK && (n = fread(chunk, 1, CHUNK, f)) > 0) {
		e = update(c, session, (struct slice){ chunk, n }, &scratch);
		arena_reset(&scratch);
	}
	if (ferror(f)) {
		cli_usage("%s: cannot be read: %s", path != NULL ? path : "standard input",
			strerror(errno));
		e = HF_E_ARGUMENTS;
	}
	arena_done(&scratch);
	if (f != stdin)
		fclose(f);
	return e;
}

enum hf_err cli_sha256(struct cli *c, uint64_t session, struct slice *ret)
{
	const struct digest_init_req q = { .mech.type = CKM_SHA256 };
	struct digest_final_req fq = { .max = 32 };
	struct digest_init_res unused;
	struct digest_final_res r;
	enum hf_err e = do_digest_init(c->client, session, &q, &unused, &c->arena);

	if (e == HF_OK)
		e = feed(c, session, feed_digest);
	if (e == HF_OK)
		e = do_digest_final(c->client, session, &fq, &r, &c->arena);
	if (e == HF_OK)
		*ret = r.out;
	else
		(void)cli_fail("SHA-256", e);
	return e;
}

static int write_out(struct cli *c, struct slice s)
{
	const char *path = c->opt[OPT_OUT];
	FILE *f = path != NULL ? fopen(path, "wb") : stdout;

	if (path == NULL && c->opt[OPT_JSON]) {
		cli_print(c, json_pack("{s:o}", "signature", json_hex(s)));
		return EXIT_DONE;
	}
	if (f == NULL || fwrite(s.p, 1, s.n, f) != s.n || (f != stdout && fclose(f) != 0))
		return cli_usage("%s: %s", path != NULL ? path : "standard output", strerror(errno));
	return EXIT_DONE;
}

/* writable: a signature that has nowhere to go would cost a key one of its uses. */
static bool writable(struct cli *c)
{
	const char *path = c->opt[OPT_OUT];
	FILE *f = path != NULL ? fopen(path, "ab") : NULL;

	if (path == NULL || (f != NULL && fclose(f) == 0))
		return true;
	(void)cli_usage("%s: %s", path, strerror(errno));
	return false;
}

/* signing_key: the private key of that name, or else the secret one. */
static bool signing_key(struct cli *c, uint64_t session, uint64_t cko, uint64_t *ret)
{
	struct attr t[2] = { { CKA_CLASS, cli_u64(c, CKO_SECRET_KEY) },
		{ CKA_LABEL, slice_str(c->opt[OPT_KEY] ? c->opt[OPT_KEY] : "") } };
	struct u64_list l;

	if (cli_find(c, session, (struct attr_list){ t, 2 }, &l) == HF_OK && l.n == 1) {
		*ret = l.v[0];
		return true;
	}
	return cli_key(c, session, cko, ret) && cli_open_guard(c, session, *ret);
}

int cmd_sign(struct cli *c)
{
	struct sign_init_req q;
	struct sign_init_res unused;
	struct sign_final_req fq = { .max = CHUNK };
	struct sign_final_res r;
	uint64_t session;
	enum hf_err e;

	if (!cli_session(c, false, &session) ||
	    !signing_key(c, session, CKO_PRIVATE_KEY, &q.key) ||
	    !cli_sign_mechanism(c, session, q.key, &q.mech) || !writable(c))
		return EXIT_FAILED;
	e = do_sign_init(c->client, session, &q, &unused, &c->arena);
	if (e == HF_OK)
		e = feed(c, session, feed_sign);
	if (e == HF_OK)
		e = do_sign_final(c->client, session, &fq, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("sign", e);
	return write_out(c, r.out);
}

static bool read_signature(struct cli *c, struct slice *ret)
{
	const char *path = c->opt[OPT_SIGNATURE];
	FILE *f = path != NULL ? fopen(path, "rb") : NULL;
	uint8_t *p = arena_alloc(&c->arena, CHUNK, 1);

	if (f == NULL || p == NULL) {
		cli_usage("%s: %s", path != NULL ? path : "--signature is needed",
			path != NULL ? strerror(errno) : "the file with the signature");
		return false;
	}
	*ret = (struct slice){ p, fread(p, 1, CHUNK, f) };
	fclose(f);
	return true;
}

int cmd_verify(struct cli *c)
{
	struct verify_init_req q;
	struct verify_init_res unused;
	struct verify_final_req fq;
	struct verify_final_res r;
	uint64_t session;
	enum hf_err e;

	if (!read_signature(c, &fq.signature) || !cli_session(c, false, &session) ||
	    !signing_key(c, session, CKO_PUBLIC_KEY, &q.key) ||
	    !cli_sign_mechanism(c, session, q.key, &q.mech))
		return EXIT_FAILED;
	e = do_verify_init(c->client, session, &q, &unused, &c->arena);
	if (e == HF_OK)
		e = feed(c, session, feed_verify);
	if (e == HF_OK)
		e = do_verify_final(c->client, session, &fq, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("verify", e);
	if (c->opt[OPT_JSON])
		cli_print(c, json_pack("{s:b}", "valid", 1));
	else
		puts("the signature is valid");
	return EXIT_DONE;
}
