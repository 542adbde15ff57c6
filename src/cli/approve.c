/* approve.c: key request, requests, cancel, approve. */
#include "cli.h"
#include "clock.h"
#include "pkcs11_numbers.h"

#include <string.h>

/* What guard_ask asks for. */
enum { FOR_USE, FOR_GUARD, FOR_PIN };

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

static int bad_options(struct cli *c, uint8_t what)
{
	if ((c->opt[OPT_COUNT] || c->opt[OPT_APPROVERS]) && what != FOR_GUARD)
		return cli_usage("--count and --approvers go with --for guard");
	if ((c->opt[OPT_IN] || c->opt[OPT_MECHANISM]) && what != FOR_USE)
		return cli_usage("--in and --mechanism say what is signed: they go with --for use");
	return EXIT_DONE;
}

/* use_args: which signature, over --in, unless the guard's approvals serve for any. */
static int use_args(struct cli *c, uint64_t session, struct guard_ask_req *q)
{
	struct guard_get_req gq = { q->key };
	struct guard_get_res g;
	enum hf_err e = do_guard_get(c->client, session, &gq, &g, &c->arena);

	if (e != HF_OK)
		return cli_fail("guard", e);
	if (g.needed == 0)
		return cli_usage("no use of this key wants approval; see 'holdfast key guard'");
	if (g.any_data && c->opt[OPT_IN])
		return cli_usage("approvals of this key's uses are for any data: ask without --in");
	if (g.any_data)
		return EXIT_DONE;
	if (!c->opt[OPT_IN])
		return cli_usage("approvals of this key's uses are for named data: say which with --in, "
			"or use the key, which asks by itself");
	q->use = CKF_SIGN;
	return cli_sign_mechanism(c, session, q->key, &q->mech) &&
		cli_sha256(c, session, &q->data) == HF_OK ? EXIT_DONE : EXIT_FAILED;
}

int cmd_key_request(struct cli *c)
{
	struct guard_set_req to = { 0 };
	struct guard_ask_req q = { .key = 0 };
	struct guard_ask_res r;
	uint64_t session;
	enum hf_err e;
	int code;

	if (!for_arg(c->opt[OPT_FOR], &q.what))
		return cli_usage("--for is use, guard or pin, not '%s'", c->opt[OPT_FOR]);
	if (bad_options(c, q.what) != EXIT_DONE || !cli_guard_args(c, &to))
		return EXIT_USAGE;
	if (!cli_session(c, true, &session) || !cli_any_key(c, session, &q.key))
		return EXIT_FAILED;
	to.key = q.key;
	if (q.what == FOR_GUARD && !cli_guard_keep(c, session, &to))
		return EXIT_FAILED;
	code = q.what == FOR_USE ? use_args(c, session, &q) : EXIT_DONE;
	if (code != EXIT_DONE)
		return code;
	q.any_data = to.any_data;
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

static json_t *request_row(const struct key_request *t)
{
	const char *name = name_of_mechanism(t->mechanism);
	char when[28];

	clock_iso(t->expires, when);
	return json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:s}", "request",
		json_sprintf("%llu", (unsigned long long)t->request), "key", json_slice(t->label), "by",
		json_slice(t->requester), "for", json_slice(t->what), "mechanism",
		t->data.n == 0 ? "" : name != NULL ? name : "?", "data", json_hex(t->data), "comment",
		json_slice(t->comment), "approved by", json_slice(t->approved), "until", when);
}

/* key 0: all. */
static enum hf_err get_requests(struct cli *c, uint64_t session, uint64_t key,
	struct guard_requests_res *ret)
{
	struct guard_requests_req q = { key };
	enum hf_err e = do_guard_requests(c->client, session, &q, ret, &c->arena);

	if (e != HF_OK)
		(void)cli_fail("requests", e);
	return e;
}

int cmd_key_requests(struct cli *c)
{
	struct guard_requests_res r;
	json_t *a = json_array();
	uint64_t session, key = 0;

	if (!cli_session(c, true, &session) || (c->opt[OPT_KEY] && !cli_any_key(c, session, &key)) ||
	    get_requests(c, session, key, &r) != HF_OK)
		return EXIT_FAILED;
	for (size_t i = 0; i < r.requests.n; i++)
		json_array_append_new(a, request_row(&r.requests.v[i]));
	cli_print(c, a);
	return EXIT_DONE;
}

/* find_request finds it among all keys, so that nobody has to know which key it is for; --key says it
 * all the same. Says what is wrong. */
static const struct key_request *find_request(struct cli *c, uint64_t *ret_session)
{
	struct guard_requests_res r;
	uint64_t number, key = 0;

	if (!cli_number(c->args[0], 1, UINT64_MAX, &number)) {
		(void)cli_usage("'%s' is no request's number", c->args[0]);
		return NULL;
	}
	if (!cli_session(c, true, ret_session) || (c->opt[OPT_KEY] && !cli_any_key(c, *ret_session, &key)) ||
	    get_requests(c, *ret_session, key, &r) != HF_OK)
		return NULL;
	for (const struct key_request *k = r.requests.v, *end = k + r.requests.n; k < end; k++)
		if (k->request == number)
			return k;
	(void)cli_fail("request", HF_E_REQUEST);
	return NULL;
}

int cmd_key_cancel(struct cli *c)
{
	uint64_t session = 0;
	const struct key_request *t = find_request(c, &session);
	struct guard_cancel_req q;
	struct guard_cancel_res r;
	enum hf_err e;

	if (t == NULL)
		return EXIT_FAILED;
	q = (struct guard_cancel_req){ .key = t->key, .request = t->request };
	e = do_guard_cancel(c->client, session, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("cancel", e);
}

/* is_for_file: with --in, the request is for a use of just these data. */
static bool is_for_file(struct cli *c, uint64_t session, const struct key_request *t)
{
	struct slice sha256;

	if (!c->opt[OPT_IN])
		return true;
	if (cli_sha256(c, session, &sha256) != HF_OK)
		return false;
	if (slice_eq(sha256, t->data))
		return true;
	(void)cli_usage("request %llu is not for the data in %s: not approved; 'holdfast key requests' shows "
		"what it is for", (unsigned long long)t->request, c->opt[OPT_IN]);
	return false;
}

int cmd_key_approve(struct cli *c)
{
	uint64_t session = 0;
	const struct key_request *t = find_request(c, &session);
	struct guard_approve_req q;
	struct guard_approve_res r;
	enum hf_err e;

	if (t == NULL || !is_for_file(c, session, t))
		return EXIT_FAILED;
	q = (struct guard_approve_req){ .key = t->key, .request = t->request };
	e = do_guard_approve(c->client, session, &q, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("approve", e);
	cli_print(c, json_pack("{s:o, s:o, s:o, s:o, s:i, s:i}", "key", json_slice(t->label), "by",
		json_slice(t->requester), "for", json_slice(t->what), "data", json_hex(t->data), "approvals",
		r.approved, "needed", r.needed));
	return EXIT_DONE;
}
