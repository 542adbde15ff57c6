/* quorum.c: quorum create, change, replace: shares are dealt. quorum share: one is given. */
#include "cli.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crypto.h"
#include "quorum_status.h"
#include "share.h"

#define NAMES 1024u
#define SET 16u  /* bytes of a share that say of which set it is */
#define BESIDE 3 /* custodians, of enum unlock_by (src/hsm/unlock_record.h) */

/* --- dealing ------------------------------------------------------------------------ */

/* struct terms: how many, who, and whose custodians: the HSM's, or a role's. */
struct terms {
	uint8_t m, n;
	char names[NAMES]; /* comma-separated */
	char whose[128];
	uint64_t session;  /* the partition's officer's, for a role of his */
	const char *role;  /* NULL: the HSM's own custodians */
	bool again;        /* gives up such a ceremony that is under way */
};

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

static enum hf_err ask_shares(struct cli *c, const struct terms *t, struct share_list *ret)
{
	struct quorum_create_req hq = { t->m, t->n, slice_str(t->names), t->again };
	struct quorum_create_res hr = { 0 };

	TRY(do_quorum_create(c->client, 0, &hq, &hr, &c->arena));
	*ret = hr.shares;
	return HF_OK;
}

static enum hf_err ask_role_shares(struct cli *c, const struct terms *t, struct share_list *ret)
{
	const struct hsm_role_quorum_req hq = { slice_str(t->role), t->m, t->n, slice_str(t->names),
		t->again };
	const struct role_quorum_req rq = { hq.name, t->m, t->n, hq.names, t->again };
	struct hsm_role_quorum_res hr = { 0 };
	struct role_quorum_res rr = { 0 };

	if (t->session == 0)
		TRY(do_hsm_role_quorum(c->client, 0, &hq, &hr, &c->arena));
	else
		TRY(do_role_quorum(c->client, t->session, &rq, &rr, &c->arena));
	*ret = t->session == 0 ? hr.shares : rr.shares;
	return HF_OK;
}

/* set: of the shares that were all kept. */
static enum hf_err put_in_force(struct cli *c, const struct terms *t, struct slice set)
{
	struct slice role = t->role != NULL ? slice_str(t->role) : SLICE_NONE;

	if (t->role == NULL && c->opt[OPT_BESIDE] != NULL)
		return do_unlock_add(c->client, 0, &(struct unlock_add_req){ .by = BESIDE, .set = set },
			&(struct unlock_add_res){ 0 }, &c->arena);
	if (t->role == NULL)
		return do_quorum_commit(c->client, 0, &(struct quorum_commit_req){ set },
			&(struct quorum_commit_res){ 0 }, &c->arena);
	if (t->session == 0)
		return do_hsm_role_quorum_commit(c->client, 0,
			&(struct hsm_role_quorum_commit_req){ role, set },
			&(struct hsm_role_quorum_commit_res){ 0 }, &c->arena);
	return do_role_quorum_commit(c->client, t->session, &(struct role_quorum_commit_req){ role, set },
		&(struct role_quorum_commit_res){ 0 }, &c->arena);
}

/* name_of: the i-th of the names, or its number. */
static void name_of(const struct terms *t, size_t i, char out[64])
{
	const char *s = t->names;

	for (size_t k = 0; k < i && s != NULL; k++) {
		s = strchr(s, ',');
		s = s != NULL ? s + 1 : NULL;
	}
	if (s == NULL || *s == '\0')
		snprintf(out, 64, "custodian %zu", i + 1);
	else
		snprintf(out, 64, "%.*s", (int)strcspn(s, ","), s);
}

static bool keep_one(struct cli *c, const struct terms *t, size_t i, struct slice share)
{
	CLEANUP(secret_done) struct secret pin = { 0 };
	char serial[40], name[64];
	struct share_label l = { .whose = t->whose, .custodian = name,
		.number = (unsigned)i + 1, .needed = t->m, .of = t->n };
	json_t *sealed = NULL;
	enum hf_err e;
	bool ok;

	name_of(t, i, name);
	if (!share_hsm(c, serial, &l) || !place_pin(c, i, name, true, &pin))
		return false;
	e = share_seal(&l, secret_slice(&pin), share, &sealed);
	if (e != HF_OK) {
		cli_fail("share", e);
		return false;
	}
	printf("share %zu of %u, %s: ", i + 1, t->n, name);
	fflush(stdout);
	ok = place_put(c, i, sealed, secret_slice(&pin));
	fflush(stdout); /* before the next is asked for */
	json_decref(sealed);
	return ok;
}

/* set_of: which set they are of stands at the begin of each (src/hsm/quorum.h). */
static struct slice set_of(const struct share_list *l)
{
	return l->n > 0 && l->v[0].share.n >= SET ? (struct slice){ l->v[0].share.p, SET } : SLICE_NONE;
}

/* forget: the next ceremony need not wait until the time of this one is over. */
static enum hf_err forget(struct cli *c, struct slice set)
{
	return do_quorum_forget(c->client, 0, &(struct quorum_forget_req){ set },
		&(struct quorum_forget_res){ 0 }, &c->arena);
}

static int give_up(struct cli *c, struct slice set)
{
	enum hf_err e = forget(c, set);

	if (e != HF_OK)
		cli_fail("quorum", e);
	return cli_usage("not every share was kept, so nothing has changed; begin anew");
}

static int deal(struct cli *c, const struct terms *t)
{
	struct share_list shares = { 0 };
	enum hf_err e = crypto_init();

	if (!place_chosen(c) || !place_pins(c, t->n))
		return EXIT_USAGE;
	if (!cli_sure(c, "Whoever loses more than N-M shares loses what they open. Go on?"))
		return EXIT_FAILED;
	if (e == HF_OK)
		e = t->role == NULL ? ask_shares(c, t, &shares) : ask_role_shares(c, t, &shares);
	if (e != HF_OK)
		return cli_fail("quorum", e);
	for (size_t i = 0; i < shares.n; i++)
		if (!keep_one(c, t, i, shares.v[i].share))
			return give_up(c, set_of(&shares));
	e = put_in_force(c, t, set_of(&shares));
	if (e == HF_OK)
		return EXIT_DONE;
	(void)cli_fail("quorum", e);
	(void)forget(c, set_of(&shares)); /* nobody can put them in force any more */
	return EXIT_FAILED;
}

/* whose_of: a role's custodians take its partition's officer. */
static bool whose_of(struct cli *c, struct terms *t)
{
	t->role = c->opt[OPT_ROLE];
	t->again = c->opt[OPT_AGAIN] != NULL;
	snprintf(t->whose, sizeof(t->whose), t->role != NULL ? "HSM, role %.32s" : "HSM", t->role);
	if (c->opt[OPT_PARTITION] == NULL && c->opt[OPT_USER] == NULL)
		return true;
	if (c->opt[OPT_PARTITION] == NULL || c->opt[OPT_USER] == NULL) {
		cli_usage("a role's custodians: --partition NAME --user so, user, or a named user; "
			"or --role so, administrator or auditor of the HSM");
		return false;
	}
	t->role = c->opt[OPT_USER];
	snprintf(t->whose, sizeof(t->whose), "partition %.40s, role %.32s", c->opt[OPT_PARTITION],
		t->role);
	return cli_officer(c, &t->session);
}

int cmd_quorum_create(struct cli *c)
{
	struct terms t = { 0 };
	size_t names = 0;

	if (!cli_m_of_n(c->args[0], &t.m, &t.n))
		return cli_usage("'%s' is not M/N with 2 <= M <= N <= 16", c->args[0]);
	if (c->opt[OPT_NAMES] != NULL && !cli_names("--names", c->opt[OPT_NAMES], &names))
		return EXIT_USAGE;
	if (c->opt[OPT_NAMES] != NULL && names != t.n)
		return cli_usage("--names has %zu names, and there are to be %u custodians", names, t.n);
	if (c->opt[OPT_NAMES] != NULL)
		snprintf(t.names, sizeof(t.names), "%s", c->opt[OPT_NAMES]);
	if (c->opt[OPT_BESIDE] != NULL && !custodians_beside(c))
		return EXIT_USAGE;
	return whose_of(c, &t) ? deal(c, &t) : EXIT_FAILED;
}

/* with_another puts a name in the place of one in the list; false: it is not there. */
static bool with_another(struct slice list, const char *out_goes, const char *comes, char ret[NAMES])
{
	struct slice rest = list;
	bool found = false;
	size_t n = 0;

	while (rest.n > 0) {
		const uint8_t *comma = memchr(rest.p, ',', rest.n);
		size_t len = comma != NULL ? (size_t)(comma - rest.p) : rest.n;
		struct slice one = { rest.p, len };
		bool this = slice_eq(one, slice_str(out_goes));

		found |= this;
		one = this ? slice_str(comes) : one;
		n += (size_t)snprintf(ret + n, n < NAMES ? NAMES - n : 0, "%s%.*s", n > 0 ? "," : "",
			(int)one.n, (const char *)one.p);
		rest = (struct slice){ rest.p + len + (comma != NULL), rest.n - len - (comma != NULL) };
	}
	return found && n < NAMES;
}

int cmd_quorum_replace(struct cli *c)
{
	struct terms t = { 0 };
	struct slice names;
	size_t count;

	if (c->opt[OPT_BY] == NULL)
		return cli_usage("--by NAME says who comes in the place of '%s'", c->args[0]);
	if (!whose_of(c, &t) || !custodians_now(c, &t.m, &t.n, &names))
		return EXIT_FAILED;
	if (!with_another(names, c->args[0], c->opt[OPT_BY], t.names))
		return cli_usage("there is no custodian '%s'; there are %.*s", c->args[0], (int)names.n,
			(const char *)names.p);
	if (!cli_names("--by", t.names, &count))
		return EXIT_USAGE;
	return deal(c, &t);
}

/* --- giving ------------------------------------------------------------------------- */

/* give hands over the first of them that the request takes: a card may hold the share of
 * the set before as well. */
static enum hf_err give(struct cli *c, json_t *all, struct slice pin, struct quorum_share_req *q,
	struct quorum_share_res *r)
{
	enum hf_err e = HF_E_CARD_EMPTY;
	json_t *o;
	size_t i;

	json_array_foreach(all, i, o) {
		CLEANUP(secret_done) struct secret share = { 0 };
		enum hf_err now = share_open(o, pin, &share);

		q->share = secret_slice(&share);
		if (now == HF_OK)
			now = do_quorum_share(c->client, 0, q, r, &c->arena);
		if (now == HF_OK)
			return HF_OK;
		if (i == 0 || (e == HF_E_SHARE_OLD && now != HF_E_SHARE_FOREIGN))
			e = now;
	}
	return e;
}

int cmd_quorum_share(struct cli *c)
{
	CLEANUP(secret_done) struct secret pin = { 0 };
	struct quorum_share_req q = { 0 };
	struct quorum_share_res r;
	json_t *all = NULL;
	enum hf_err e = crypto_init();

	if (c->opt[OPT_REQUEST] != NULL && !cli_number(c->opt[OPT_REQUEST], 1, UINT64_MAX, &q.request))
		return cli_usage("'%s' is no request's number", c->opt[OPT_REQUEST]);
	if (!place_chosen(c))
		return EXIT_USAGE;
	if (!quorum_shown(c, &q.request) || !place_pin(c, 0, "yourself", false, &pin) ||
	    !place_get(c, secret_slice(&pin), &all))
		return EXIT_FAILED;
	if (e == HF_OK)
		e = give(c, all, secret_slice(&pin), &q, &r);
	json_decref(all);
	if (e != HF_OK)
		return cli_fail("quorum", e);
	cli_print(c, json_pack("{s:o, s:I, s:o, s:i, s:i}", "custodian", json_slice(r.custodian), "request",
		(json_int_t)r.request, "for", json_slice(r.what), "shares", r.have, "needed", r.needed));
	return EXIT_DONE;
}

int cmd_quorum_cancel(struct cli *c)
{
	struct quorum_cancel_req q;
	struct quorum_cancel_res r;
	enum hf_err e;

	if (!cli_number(c->args[0], 1, UINT64_MAX, &q.request))
		return cli_usage("'%s' is no request's number", c->args[0]);
	e = do_quorum_cancel(c->client, 0, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("quorum", e);
}

static int consent(struct cli *c, bool needed)
{
	struct consent_set_req q = { slice_str(c->args[0]), needed };
	struct consent_set_res r;
	enum hf_err e = do_consent_set(c->client, 0, &q, &r, &c->arena);

	return e == HF_OK ? EXIT_DONE : cli_fail("quorum", e);
}

int cmd_quorum_require(struct cli *c)
{
	return consent(c, true);
}

int cmd_quorum_waive(struct cli *c)
{
	return consent(c, false);
}
