/* guard.c: key guard, pin, request, requests, cancel, approve. */
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
	if (e != HF_OK)
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
	cli_print(c, json_pack("{s:I, s:I, s:b, s:b, s:i, s:o, s:o, s:o}", "limit", (json_int_t)r.limit,
		"used", (json_int_t)r.used, "own PIN", r.pin, "PIN locked", r.locked, "approvals needed",
		r.needed, "approvers",
		json_slice(r.approvers), "request", json_sprintf("%llu", (unsigned long long)r.request),
		"asked for by", json_slice(r.requester)));
	return EXIT_DONE;
}

/* approvers parses "M:NAME,NAME". */
static bool approvers(const char *s, struct guard_set_req *q)
{
	size_t n = strcspn(s, ":");
	char m[4] = "";
	uint64_t needed;

	if (s[n] != ':' || n >= sizeof(m))
		return false;
	memcpy(m, s, n);
	if (!cli_number(m, 1, 16, &needed))
		return false;
	q->needed = (uint8_t)needed;
	q->approvers = slice_str(s + n + 1);
	return true;
}

/* guard_args: what the guard is to be. */
static bool guard_args(struct cli *c, struct guard_set_req *q)
{
	if (c->opt[OPT_COUNT] && !cli_number(c->opt[OPT_COUNT], 1, INT64_MAX, &q->limit)) {
		(void)cli_usage("--count says how many uses, at least 1");
		return false;
	}
	if (c->opt[OPT_APPROVERS] && !approvers(c->opt[OPT_APPROVERS], q)) {
		(void)cli_usage("--approvers wants M:NAME,NAME, such as 2:anna,bob,carol");
		return false;
	}
	return true;
}

int cmd_key_guard(struct cli *c)
{
	struct guard_set_req q = { .valid_s = VALID_S };
	struct guard_set_res r;
	uint64_t session;
	enum hf_err e;

	if (!guard_args(c, &q))
		return EXIT_USAGE;
	if (!cli_session(c, true, &session) || !cli_any_key(c, session, &q.key))
		return EXIT_FAILED;
	if (!c->opt[OPT_COUNT] && !c->opt[OPT_APPROVERS])
		return show(c, session, q.key);
	e = do_guard_set(c->client, session, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("guard", e);
}

/* for_arg: --for as guard_ask counts. */
static bool for_arg(const char *s, uint8_t *ret)
{
	static const char *const names[] = { "use", "guard", "pin" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (s == NULL || strcmp(s, names[i]) == 0) {
			*ret = (uint8_t)i;
			return true;
		}
	return false;
}

int cmd_key_request(struct cli *c)
{
	struct guard_set_req to = { .valid_s = VALID_S };
	struct guard_ask_req q = { .key = 0 };
	struct guard_ask_res r;
	uint64_t session;
	enum hf_err e;

	if (!for_arg(c->opt[OPT_FOR], &q.what))
		return cli_usage("--for is use, guard or pin, not '%s'", c->opt[OPT_FOR]);
	if ((c->opt[OPT_COUNT] || c->opt[OPT_APPROVERS]) && q.what != 1)
		return cli_usage("--count and --approvers go with --for guard");
	if (!guard_args(c, &to))
		return EXIT_USAGE;
	if (!cli_session(c, true, &session) || !cli_any_key(c, session, &q.key))
		return EXIT_FAILED;
	q.limit = to.limit;
	q.needed = to.needed;
	q.approvers = to.approvers;
	q.valid_s = to.valid_s;
	q.comment = slice_str(c->opt[OPT_COMMENT] ? c->opt[OPT_COMMENT] : "");
	e = do_guard_ask(c->client, session, &q, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("request", e);
	cli_print(c, json_pack("{s:o}", "request",
		json_sprintf("%llu", (unsigned long long)r.request)));
	return EXIT_DONE;
}

int cmd_key_requests(struct cli *c)
{
	struct guard_requests_req q;
	struct guard_requests_res r;
	json_t *a = json_array();
	uint64_t session;
	enum hf_err e;
	char when[28];

	if (!cli_session(c, true, &session) || !cli_any_key(c, session, &q.key))
		return EXIT_FAILED;
	e = do_guard_requests(c->client, session, &q, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("requests", e);
	for (size_t i = 0; i < r.requests.n; i++) {
		const struct key_request *t = &r.requests.v[i];

		clock_iso(t->expires, when);
		json_array_append_new(a, json_pack("{s:o, s:o, s:o, s:o, s:o, s:s}", "request",
			json_sprintf("%llu", (unsigned long long)t->request), "by", json_slice(t->requester),
			"for", json_slice(t->what), "comment", json_slice(t->comment), "approved by",
			json_slice(t->approved), "until", when));
	}
	cli_print(c, a);
	return EXIT_DONE;
}

/* one_request reads the number that was given, and opens a session with the key it is for. */
static int one_request(struct cli *c, uint64_t *ret_session, uint64_t *ret_request, uint64_t *ret_key)
{
	if (!cli_number(c->args[0], 1, UINT64_MAX, ret_request))
		return cli_usage("'%s' is no request's number", c->args[0]);
	return cli_session(c, true, ret_session) && cli_any_key(c, *ret_session, ret_key) ? EXIT_DONE :
		EXIT_FAILED;
}

int cmd_key_cancel(struct cli *c)
{
	struct guard_cancel_req q = { 0 };
	struct guard_cancel_res r;
	uint64_t session = 0;
	int code = one_request(c, &session, &q.request, &q.key);
	enum hf_err e;

	if (code != EXIT_DONE)
		return code;
	e = do_guard_cancel(c->client, session, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("cancel", e);
}

int cmd_key_approve(struct cli *c)
{
	struct guard_approve_req q = { 0 };
	struct guard_approve_res r;
	uint64_t session = 0;
	int code = one_request(c, &session, &q.request, &q.key);
	enum hf_err e;

	if (code != EXIT_DONE)
		return code;
	e = do_guard_approve(c->client, session, &q, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("approve", e);
	cli_print(c, json_pack("{s:i, s:i}", "approvals", r.approved, "needed", r.needed));
	return EXIT_DONE;
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
