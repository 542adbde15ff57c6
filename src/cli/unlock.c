/* unlock.c: unlock, and unlock-method list, add, remove, reseal. */
#include "cli.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* Numbers of enum unlock_by (src/hsm/unlock_record.h). */
static const struct {
	const char *name;
	uint8_t by;
	const char *prompt; /* NULL: it takes no secret */
} kinds[] = {
	{ "file", 1, NULL },
	{ "passphrase", 2, "Passphrase of the HSM" },
	{ "custodians", 3, NULL },
	{ "tpm", 5, "PIN of the TPM" },
};

#define UNLOCK_ANY 65535u /* whichever method of the kind opens */
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static size_t kind_named(const char *name)
{
	size_t i = 0;

	while (i < KINDS && strcmp(kinds[i].name, name) != 0)
		i++;
	return i;
}

/* The TPM's PIN is asked for only where one was named: most have none. */
static enum hf_err secret_for(struct cli *c, size_t kind, bool fresh, struct secret *ret)
{
	bool given = c->opt[OPT_PIN_FILE] != NULL || c->opt[OPT_PIN_FD] != NULL;

	if (kinds[kind].prompt == NULL || (kinds[kind].by == 5 && !given && c->opt[OPT_ASK_PIN] == NULL))
		return HF_OK;
	return cli_pin(c, OPT_PIN_FILE, OPT_PIN_FD, kinds[kind].prompt, fresh, ret);
}

static size_t kind_numbered(uint8_t by)
{
	size_t i = 0;

	while (i < KINDS && kinds[i].by != by)
		i++;
	return i;
}

/* by_number: which kind the method of that number is; an exit code. */
static int by_number(struct cli *c, uint64_t number, size_t *ret_kind)
{
	struct unlock_methods_req q = { 0 };
	struct unlock_methods_res r;
	enum hf_err e = do_unlock_methods(c->client, 0, &q, &r, &c->arena);

	if (e != HF_OK)
		return cli_fail("unlock", e);
	for (size_t i = 0; i < r.methods.n; i++)
		if (r.methods.v[i].id == number) {
			*ret_kind = kind_numbered(r.methods.v[i].by);
			return EXIT_DONE;
		}
	(void)cli_fail("unlock", HF_E_UNLOCK_METHOD);
	return EXIT_FAILED;
}

/* unlock_args: what --method says. */
static int unlock_args(struct cli *c, size_t *ret_kind, uint16_t *ret_method)
{
	const char *by = c->opt[OPT_METHOD] ? c->opt[OPT_METHOD] : "passphrase";
	uint64_t number;
	int code;

	*ret_method = UNLOCK_ANY;
	*ret_kind = kind_named(by);
	if (cli_number(by, 0, UINT8_MAX, &number)) {
		*ret_method = (uint16_t)number;
		code = by_number(c, number, ret_kind);
		if (code != EXIT_DONE)
			return code;
	}
	if (*ret_kind == KINDS)
		return cli_usage("--method wants passphrase, tpm or file, or a method's number ('holdfast "
			"unlock-method list'), not '%s'", by);
	if (kinds[*ret_kind].by == 3)
		return cli_usage("custodians unlock with 'holdfast quorum share', each with his own");
	if (kinds[*ret_kind].prompt == NULL && (c->opt[OPT_PIN_FILE] || c->opt[OPT_PIN_FD]))
		return cli_usage("the method '%s' opens by its file alone and takes no passphrase or PIN",
			by);
	return EXIT_DONE;
}

int cmd_unlock(struct cli *c)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	struct unlock_by_req q = { 0 };
	struct unlock_by_res r;
	char what[32] = "unlock";
	enum hf_err e;
	size_t kind;
	int code = unlock_args(c, &kind, &q.method);

	if (code != EXIT_DONE)
		return code;
	if (secret_for(c, kind, false, &s) != HF_OK)
		return EXIT_FAILED;
	q.by = kinds[kind].by;
	q.secret = secret_slice(&s);
	if (q.method != UNLOCK_ANY)
		(void)snprintf(what, sizeof(what), "unlock method %u, %s", q.method, kinds[kind].name);
	e = do_unlock_by(c->client, 0, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail(what, e);
}

int cmd_rotate_root(struct cli *c)
{
	struct rotate_root_req q = { 0 };
	struct rotate_root_res r;
	enum hf_err e;

	if (!cli_sure(c, "Replace the root key? Backups of the whole home before this one still open by the "
			"old."))
		return EXIT_FAILED;
	e = do_rotate_root(c->client, 0, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("rotate", e);
}

/* --- unlock-method ---------------------------------------------------------------------- */

static const char *name_of_kind(uint8_t by)
{
	size_t i = kind_numbered(by);

	return i < KINDS ? kinds[i].name : "unknown";
}

static json_t *json_time(uint64_t us)
{
	time_t t = (time_t)(us / 1000000u);
	char text[32];
	struct tm tm;

	if (us == 0 || gmtime_r(&t, &tm) == NULL)
		return json_string("");
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_string(text);
}

int cmd_unlock_list(struct cli *c)
{
	struct unlock_methods_req q = { 0 };
	struct unlock_methods_res r;
	enum hf_err e = do_unlock_methods(c->client, 0, &q, &r, &c->arena);
	json_t *a = json_array();

	if (e != HF_OK) {
		json_decref(a);
		return cli_fail("unlock-method", e);
	}
	for (size_t i = 0; i < r.methods.n; i++) {
		const struct unlock_method *m = &r.methods.v[i];

		json_array_append_new(a, json_pack("{s:i, s:s, s:o, s:o}", "id", m->id, "method",
			name_of_kind(m->by), "since", json_time(m->made), "what", json_slice(m->what)));
	}
	cli_print(c, a);
	return EXIT_DONE;
}

/* pcrs: "0,2,4,7" as bits; false: it is no such list. */
static bool pcrs_of(const char *text, uint32_t *ret)
{
	char copy[128], *rest = copy, *one;
	uint64_t n;

	*ret = 0;
	if (text == NULL)
		return true;
	if (strlen(text) >= sizeof(copy))
		return false;
	memcpy(copy, text, strlen(text) + 1);
	while ((one = strsep(&rest, ",")) != NULL) {
		if (!cli_number(one, 0, 23, &n))
			return false;
		*ret |= 1u << n;
	}
	return true;
}

int cmd_unlock_add(struct cli *c)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	size_t kind = kind_named(c->args[0]);
	struct unlock_add_req q = { 0 };
	struct unlock_add_res r;
	enum hf_err e;

	if (kind == KINDS || kinds[kind].by == 3)
		return cli_usage("'%s' is not passphrase, tpm or file (custodians: 'holdfast quorum create "
			"--beside')", c->args[0]);
	if (!pcrs_of(c->opt[OPT_PCRS], &q.pcrs))
		return cli_usage("--pcrs wants numbers from 0 to 23 with commas between, not '%s'",
			c->opt[OPT_PCRS]);
	if (secret_for(c, kind, true, &s) != HF_OK)
		return EXIT_FAILED;
	q.by = kinds[kind].by;
	q.secret = secret_slice(&s);
	e = do_unlock_add(c->client, 0, &q, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("unlock-method", e);
	cli_print(c, json_pack("{s:i}", "id", r.id));
	return EXIT_DONE;
}

static bool id_of(const char *s, uint8_t *ret)
{
	uint64_t id;

	if (!cli_number(s, 0, 255, &id)) {
		cli_usage("'%s' is no number of an unlock method; 'holdfast unlock-method list' has them", s);
		return false;
	}
	*ret = (uint8_t)id;
	return true;
}

int cmd_unlock_remove(struct cli *c)
{
	struct unlock_remove_req q = { 0 };
	struct unlock_remove_res r;
	enum hf_err e;

	if (!id_of(c->args[0], &q.id))
		return EXIT_USAGE;
	if (!cli_sure(c, "Can you open the HSM by another method? Go on?"))
		return EXIT_FAILED;
	e = do_unlock_remove(c->client, 0, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("unlock-method", e);
}

int cmd_unlock_reseal(struct cli *c)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	struct unlock_reseal_req q = { 0 };
	struct unlock_reseal_res r;
	enum hf_err e;

	if (!id_of(c->args[0], &q.id))
		return EXIT_USAGE;
	if (secret_for(c, kind_named("tpm"), false, &s) != HF_OK)
		return EXIT_FAILED;
	q.secret = secret_slice(&s);
	e = do_unlock_reseal(c->client, 0, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("unlock-method", e);
}
