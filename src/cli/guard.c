/* guard.c: key guard, pin. approve.c: what its guard asks of others. */
#include "cli.h"
#include "clock.h"
#include "pkcs11_numbers.h"

#include <stdio.h>
#include <string.h>

#define VALID_S 86400u /* of a request */

bool cli_any_key(struct cli *c, uint64_t session, uint64_t *ret)
{
	struct attr t[2] = {
		{ CKA_CLASS, cli_u64(c, CKO_PRIVATE_KEY) },
		{ CKA_LABEL, slice_str(c->opt[OPT_KEY] ? c->opt[OPT_KEY] : "") },
	};
	struct u64_list found = { 0 };

	if (c->opt[OPT_KEY] && cli_find(c, session, (struct attr_list){ t, 2 }, &found) == HF_OK &&
	    found.n == 1) {
		*ret = found.v[0];
		return true;
	}
	return cli_key(c, session, CKO_SECRET_KEY, ret);
}

/* The session has the key's own PIN from then on. */
static bool open_by(struct cli *c, uint64_t session, uint64_t key, enum opt file, enum opt fd)
{
	CLEANUP(secret_done) struct secret pin = { 0 };
	struct guard_open_req q = { .key = key };
	struct guard_open_res r;
	enum hf_err e;

	if (!c->opt[file] && !c->opt[fd])
		return true;
	if (cli_pin(c, file, fd, "PIN of the key", false, &pin) != HF_OK)
		return false;
	q.pin = secret_slice(&pin);
	e = do_guard_open(c->client, session, &q, &r, &c->arena);
	if (e == HF_E_PIN_LOCKED)
		cli_usage("the key's own PIN is locked after too many wrong ones: only with the policy "
			"officer-resets-key-pin it gets another ('holdfast key pin'), else the key is lost");
	else if (e != HF_OK)
		(void)cli_fail("the key's PIN", e);
	return e == HF_OK;
}

bool cli_open_guard(struct cli *c, uint64_t session, uint64_t key)
{
	return open_by(c, session, key, OPT_KEY_PIN_FILE, OPT_KEY_PIN_FD);
}

static int show(struct cli *c, uint64_t session, uint64_t key)
{
	struct guard_get_req q = { key };
	struct guard_get_res r;
	enum hf_err e = do_guard_get(c->client, session, &q, &r, &c->arena);

	if (e != HF_OK)
		return cli_fail("guard", e);
	cli_print(c, json_pack("{s:I, s:I, s:b, s:b, s:i, s:b, s:o, s:o, s:o}", "limit", (json_int_t)r.limit,
		"used", (json_int_t)r.used, "own PIN", r.pin, "PIN locked", r.locked, "approvals needed",
		r.needed, "for any data", r.any_data, "approvers",
		json_slice(r.approvers), "request", json_sprintf("%llu", (unsigned long long)r.request),
		"asked for by", json_slice(r.requester)));
	return EXIT_DONE;
}

/* approvers parses "M:NAME,NAME"; false: it has said what is wrong. */
static bool approvers(const char *s, struct guard_set_req *q)
{
	size_t n = strcspn(s, ":");
	char m[4] = "";
	uint64_t needed;
	size_t names;

	memcpy(m, s, n < sizeof(m) ? n : 0);
	if (s[n] != ':' || !cli_number(m, 1, 16, &needed)) {
		(void)cli_usage("--approvers wants M:NAME,NAME, such as 2:anna,bob,carol");
		return false;
	}
	if (!cli_names("--approvers", s + n + 1, &names))
		return false;
	if (needed > names) {
		(void)cli_usage("--approvers names %zu, of whom %u cannot approve", names, (unsigned)needed);
		return false;
	}
	q->needed = (uint8_t)needed;
	q->approvers = slice_str(s + n + 1);
	return true;
}

bool cli_guard_args(struct cli *c, struct guard_set_req *q)
{
	q->valid_s = VALID_S;
	q->any_data = c->opt[OPT_ANY_DATA] != NULL;
	if (c->opt[OPT_COUNT] && !cli_number(c->opt[OPT_COUNT], 1, INT64_MAX, &q->limit)) {
		(void)cli_usage("--count says how many uses, at least 1");
		return false;
	}
	if (c->opt[OPT_APPROVERS] && !approvers(c->opt[OPT_APPROVERS], q))
		return false;
	if (q->any_data && !c->opt[OPT_APPROVERS]) {
		(void)cli_usage("--any-data goes with --approvers");
		return false;
	}
	return true;
}

bool cli_guard_keep(struct cli *c, uint64_t session, struct guard_set_req *q)
{
	struct guard_get_req gq = { q->key };
	struct guard_get_res r;
	enum hf_err e = q->limit != 0 ? HF_OK : do_guard_get(c->client, session, &gq, &r, &c->arena);

	if (e != HF_OK)
		(void)cli_fail("guard", e);
	else if (q->limit == 0)
		q->limit = r.limit;
	return e == HF_OK;
}

int cmd_key_guard(struct cli *c)
{
	struct guard_set_req q = { 0 };
	struct guard_set_res r;
	uint64_t session;
	enum hf_err e;

	if (!cli_guard_args(c, &q))
		return EXIT_USAGE;
	if (!cli_session(c, true, &session) || !cli_any_key(c, session, &q.key))
		return EXIT_FAILED;
	if (!c->opt[OPT_COUNT] && !c->opt[OPT_APPROVERS])
		return show(c, session, q.key);
	if (!cli_guard_keep(c, session, &q) || !cli_open_guard(c, session, q.key))
		return EXIT_FAILED;
	e = do_guard_set(c->client, session, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("guard", e);
}

int cmd_key_pin(struct cli *c)
{
	CLEANUP(secret_done) struct secret pin = { 0 };
	struct guard_pin_req q;
	struct guard_pin_res r;
	uint64_t session;
	enum hf_err e;

	if (!cli_session(c, true, &session) || !cli_any_key(c, session, &q.key) ||
	    !open_by(c, session, q.key, OPT_OLD_KEY_FILE, OPT_OLD_KEY_FD) ||
	    cli_pin(c, OPT_KEY_PIN_FILE, OPT_KEY_PIN_FD, "New PIN of the key", true, &pin) != HF_OK)
		return EXIT_FAILED;
	q.pin = secret_slice(&pin);
	e = do_guard_pin(c->client, session, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("key pin", e);
}
