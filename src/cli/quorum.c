/* quorum.c: quorum create, change, collect.
 *
 * A share file is JSON: what it is of, and the share under a key that Argon2id
 * makes of its custodian's passphrase. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crypto.h"

#define SALT 16u
#define KIB 19456u /* of Argon2id */
#define PASSES 4u
#define SEALED_MAX 512u
#define WHOLE "holdfast share"

static enum hf_err file_key(struct slice passphrase, struct slice salt, struct secret *ret)
{
	CLEANUP(secret_done) struct secret stretched = { 0 };

	TRY(crypto_argon2id(passphrase, salt, KIB, PASSES, &stretched));
	return crypto_derive(secret_slice(&stretched), WHOLE, SLICE_NONE, ret);
}

/* --- writing -------------------------------------------------------------------- */

static enum hf_err seal(struct slice passphrase, struct slice share, json_t **ret)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	CLEANUP(buf_done) struct buf sealed = BUF_MAX(SEALED_MAX);
	uint8_t salt[SALT];

	TRY(crypto_random(salt, sizeof(salt)));
	TRY(file_key(passphrase, SLICE_OF(salt), &key));
	TRY(crypto_seal(secret_slice(&key), SLICE_STR(WHOLE), share, &sealed));
	*ret = json_pack("{s:i, s:o, s:o}", WHOLE, 1, "salt", json_hex(SLICE_OF(salt)), "sealed",
		json_hex(buf_slice(&sealed)));
	return *ret != NULL ? HF_OK : HF_E_MEMORY;
}

/* A share that is there already is never overwritten. */
static bool write_file(const char *path, json_t *o)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && json_dumpfd(o, fd, JSON_INDENT(2)) == 0 && fsync(fd) == 0;

	if (!ok)
		cli_usage("%s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

bool cli_share_write(struct cli *c, const char *dir, size_t i, struct slice share)
{
	CLEANUP(secret_done) struct secret pass = { 0 };
	char path[4096], prompt[80];
	json_t *o = NULL;
	enum hf_err e;
	bool ok;

	snprintf(path, sizeof(path), "%s/share-%zu.json", dir, i + 1);
	snprintf(prompt, sizeof(prompt), "Passphrase of custodian %zu", i + 1);
	e = cli_pin(c, OPT_PIN_FILE, OPT_PIN_FD, prompt, true, &pass);
	if (e != HF_OK)
		return false;
	e = pass.n > 0 ? seal(secret_slice(&pass), share, &o) : HF_E_PIN_LENGTH;
	if (e != HF_OK) {
		cli_fail("share", e);
		return false;
	}
	ok = write_file(path, o);
	json_decref(o);
	if (ok)
		printf("%s\n", path);
	return ok;
}

bool cli_m_of_n(const char *s, uint8_t *ret_m, uint8_t *ret_n)
{
	const char *slash = strchr(s, '/');
	char m[8] = "";
	uint64_t a, b;

	if (slash == NULL || (size_t)(slash - s) >= sizeof(m))
		return false;
	memcpy(m, s, (size_t)(slash - s));
	if (!cli_number(m, 2, 16, &a) || !cli_number(slash + 1, 2, 16, &b) || a > b)
		return false;
	*ret_m = (uint8_t)a;
	*ret_n = (uint8_t)b;
	return true;
}

int cmd_quorum_create(struct cli *c)
{
	const char *dir = c->opt[OPT_OUT] ? c->opt[OPT_OUT] : ".";
	struct quorum_create_req q = { 0 };
	struct quorum_create_res r;
	struct quorum_commit_req done = { 0 };
	struct quorum_commit_res done_res;
	enum hf_err e = crypto_init();

	if (!cli_m_of_n(c->args[0], &q.m, &q.n))
		return cli_usage("'%s' is not M/N with 2 <= M <= N <= 16", c->args[0]);
	if (!cli_sure(c, "Whoever loses more than N-M shares loses every key. Go on?"))
		return EXIT_FAILED;
	if (e == HF_OK)
		e = do_quorum_create(c->client, 0, &q, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("quorum", e);
	for (size_t i = 0; i < r.shares.n; i++)
		if (!cli_share_write(c, dir, i, r.shares.v[i].share))
			return cli_usage("not every share was written, so nothing has changed; begin anew");
	e = do_quorum_commit(c->client, 0, &done, &done_res, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("quorum", e);
}

/* --- reading --------------------------------------------------------------------- */

static bool hex_of(json_t *o, const char *name, uint8_t *out, size_t max, size_t *ret_n)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s != NULL && hex_decode(s, out, max, ret_n);
}

static enum hf_err unseal(json_t *o, struct slice passphrase, struct secret *ret)
{
	CLEANUP(secret_done) struct secret key = { 0 };
	uint8_t salt[SALT], sealed[SEALED_MAX];
	size_t n, sealed_n;
	enum hf_err e;

	if (json_integer_value(json_object_get(o, WHOLE)) != 1 ||
	    !hex_of(o, "salt", salt, sizeof(salt), &n) || n != SALT ||
	    !hex_of(o, "sealed", sealed, sizeof(sealed), &sealed_n))
		return HF_E_MALFORMED;
	TRY(file_key(passphrase, SLICE_OF(salt), &key));
	e = crypto_open(secret_slice(&key), SLICE_STR(WHOLE), (struct slice){ sealed, sealed_n }, ret);
	return e == HF_E_DAMAGED ? HF_E_PIN_INCORRECT : e;
}

enum hf_err cli_share_read(struct cli *c, const char *path, struct secret *ret)
{
	CLEANUP(secret_done) struct secret pass = { 0 };
	json_t *o = json_load_file(path, 0, NULL);
	enum hf_err e;

	if (o == NULL) {
		cli_usage("'%s' is no share file", path);
		return HF_E_ARGUMENTS;
	}
	e = cli_pin(c, OPT_PIN_FILE, OPT_PIN_FD, "Passphrase of this share", false, &pass);
	if (e == HF_OK)
		e = unseal(o, secret_slice(&pass), ret);
	json_decref(o);
	return e;
}

int cmd_quorum_collect(struct cli *c)
{
	CLEANUP(secret_done) struct secret share = { 0 };
	struct quorum_share_req q;
	struct quorum_share_res r;
	enum hf_err e = crypto_init();

	if (e == HF_OK)
		e = cli_share_read(c, c->args[0], &share);
	q.share = secret_slice(&share);
	if (e == HF_OK)
		e = do_quorum_share(c->client, 0, &q, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("quorum", e);
	cli_print(c, json_pack("{s:i, s:i}", "shares", r.have, "needed", r.needed));
	return EXIT_DONE;
}
