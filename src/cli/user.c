/* user.c: user list, set, pin, delete. */
#include "cli.h"
#include "pkcs11_numbers.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "wire.h"

static const struct {
	uint8_t role;
	const char *name;
} roles[] = {
	{ CALL_BY_S, "officer" }, { CALL_BY_U, "crypto-officer" }, { CALL_BY_L, "limited" },
	{ CALL_BY_C, "crypto-user" }, { CALL_BY_H, "HSM officer" }, { CALL_BY_A, "administrator" },
	{ CALL_BY_D, "auditor" },
};
#define ROLES (sizeof(roles) / sizeof(roles[0]))

static const char *role_text(uint8_t role)
{
	for (size_t i = 0; i < ROLES; i++)
		if (roles[i].role == role)
			return roles[i].name;
	return "?";
}

/* --- rights -------------------------------------------------------------- */

static const struct {
	uint32_t bit;
	const char *name, *help;
} rights[] = {
#define RIGHT(id, name, help) { RIGHT_##id, name, help },
#include "rights.def"
#undef RIGHT
};

static json_t *json_rights(uint32_t may)
{
	char text[256] = "";
	size_t n = 0;

	if (may == RIGHTS_ALL)
		return json_string("all");
	for (size_t i = 0; i < RIGHTS; i++)
		if ((may & rights[i].bit) != 0)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", n > 0 ? "," : "",
				rights[i].name);
	return json_string(text);
}

json_t *cli_user(const struct user_info *u)
{
	char when[28] = "-";

	if (u->changed != 0)
		clock_iso(u->changed, when);
	return json_pack("{s:o, s:s, s:b, s:b, s:b, s:b, s:b, s:i, s:s, s:o, s:o}", "name",
		json_slice(u->name), "role", role_text(u->role), "PIN set", u->set,
		"must change it", u->change, "locked", u->locked, "blocked", u->blocked,
		"activated", u->active, "failures", u->failures, "PIN of", when,
		"may", json_rights(u->may), "keys", u->keys.n > 0 ? json_slice(u->keys) : json_string("all"));
}

static bool right_arg(struct slice s, uint32_t *may)
{
	for (size_t i = 0; i < RIGHTS; i++)
		if (slice_eq(slice_str(rights[i].name), s)) {
			*may |= rights[i].bit;
			return true;
		}
	fprintf(stderr, "holdfast: there is no right '%.*s'; there are:\n", (int)s.n,
		(const char *)s.p);
	for (size_t i = 0; i < RIGHTS; i++)
		fprintf(stderr, "  %-12s %s\n", rights[i].name, rights[i].help);
	return false;
}

static bool may_arg(const char *s, uint32_t *ret)
{
	uint32_t may = 0;

	if (strcmp(s, "all") == 0) {
		*ret = RIGHTS_ALL;
		return true;
	}
	if (*s == '\0') {
		cli_usage("--may is empty; say 'all', or which rights");
		return false;
	}
	for (const char *end; *s != '\0'; s = *end != '\0' ? end + 1 : end) {
		end = s + strcspn(s, ",");
		if (!right_arg((struct slice){ (const uint8_t *)s, (size_t)(end - s) }, &may))
			return false;
	}
	*ret = may;
	return true;
}

/* rights_args: what is not named stays as it is (rights_kept), and is all for somebody new. */
static bool rights_args(struct cli *c, struct user_set_req *q)
{
	const char *keys = c->opt[OPT_KEYS];

	q->may = RIGHTS_ALL;
	q->restrict_ = c->opt[OPT_MAY] != NULL || keys != NULL;
	if (keys != NULL && *keys == '\0') {
		cli_usage("--keys is empty; say 'all', or which keys");
		return false;
	}
	if (keys != NULL && strcmp(keys, "all") != 0)
		q->keys = slice_str(keys);
	return c->opt[OPT_MAY] == NULL || may_arg(c->opt[OPT_MAY], &q->may);
}

static bool rights_kept(struct cli *c, struct user_set_req *q)
{
	struct partition_info p;
	struct user_list_req lq;
	struct user_list_res r;
	enum hf_err e;

	if (!q->restrict_ || (c->opt[OPT_MAY] != NULL && c->opt[OPT_KEYS] != NULL))
		return true;
	if (!cli_partition(c, c->opt[OPT_PARTITION], &p))
		return false;
	lq.serial = p.serial;
	e = do_user_list(c->client, 0, &lq, &r, &c->arena);
	if (e != HF_OK) {
		(void)cli_fail("users", e);
		return false;
	}
	for (size_t i = 0; i < r.users.n; i++) {
		if (!slice_eq(r.users.v[i].name, q->name))
			continue;
		if (c->opt[OPT_MAY] == NULL)
			q->may = r.users.v[i].may;
		if (c->opt[OPT_KEYS] == NULL)
			q->keys = r.users.v[i].keys;
	}
	return true;
}

/* --- listing ------------------------------------------------------------- */

int cmd_user_list(struct cli *c)
{
	json_t *a = json_array();
	struct user_list_req q;
	struct user_list_res r;
	struct partition_info p;
	enum hf_err e;

	if (!cli_partition(c, c->opt[OPT_PARTITION], &p))
		return EXIT_FAILED;
	q.serial = p.serial;
	e = do_user_list(c->client, 0, &q, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("users", e);
	for (size_t i = 0; i < r.users.n; i++)
		json_array_append_new(a, cli_user(&r.users.v[i]));
	cli_print(c, a);
	return EXIT_DONE;
}

bool cli_officer(struct cli *c, uint64_t *ret_session)
{
	CLEANUP(secret_done) struct secret so = { 0 };
	struct partition_info p;
	enum hf_err e;

	if (!cli_partition(c, c->opt[OPT_PARTITION], &p) ||
	    cli_pin(c, OPT_SO_FILE, OPT_SO_FD, "PIN of the security officer", false, &so) != HF_OK)
		return false;
	e = client_session_open(c->client, p.slot, true, ret_session);
	if (e == HF_OK)
		e = client_login(c->client, *ret_session, CKU_SO, SLICE_NONE, secret_slice(&so));
	if (e != HF_OK)
		cli_fail("login", e);
	return e == HF_OK;
}

/* --- changing ------------------------------------------------------------ */

static bool role_arg(const char *s, uint8_t *ret)
{
	const unsigned made = CALL_BY_U | CALL_BY_L | CALL_BY_C;

	for (size_t i = 0; i < ROLES; i++)
		if ((roles[i].role & made) != 0 && strcmp(roles[i].name, s) == 0) {
			*ret = roles[i].role;
			return true;
		}
	return false;
}

/* The crypto officer is there from the beginning: what he gets is C_InitPIN's. */
static int set_crypto_officer(struct cli *c)
{
	CLEANUP(secret_done) struct secret pin = { 0 };
	struct pin_init_req q;
	struct pin_init_res r;
	uint64_t session;
	enum hf_err e;

	if (c->opt[OPT_ROLE] || c->opt[OPT_CHANGE] || c->opt[OPT_MAY] || c->opt[OPT_KEYS])
		return cli_usage("the crypto officer ('user') only gets a PIN");
	if (!cli_officer(c, &session) ||
	    cli_pin(c, OPT_PIN_FILE, OPT_PIN_FD, "New PIN of the crypto officer", true, &pin) != HF_OK)
		return EXIT_FAILED;
	q.pin = secret_slice(&pin);
	e = do_pin_init(c->client, session, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("user", e);
}

int cmd_user_set(struct cli *c)
{
	CLEANUP(secret_done) struct secret pin = { 0 };
	struct user_set_req q = {
		.name = slice_str(c->args[0]), .role = CALL_BY_C, .change = c->opt[OPT_CHANGE] != NULL,
	};
	struct user_set_res r;
	uint64_t session;
	char prompt[80];
	enum hf_err e;

	if (strcmp(c->args[0], "user") == 0)
		return set_crypto_officer(c);
	if (c->opt[OPT_ROLE] && !role_arg(c->opt[OPT_ROLE], &q.role))
		return cli_usage("--role is crypto-officer, limited or crypto-user");
	if (q.name.n > NAME_BYTES)
		return cli_fail("user", HF_E_USER_NAME);
	if (!rights_args(c, &q))
		return EXIT_USAGE;
	if (!rights_kept(c, &q) || !cli_officer(c, &session))
		return EXIT_FAILED;
	snprintf(prompt, sizeof(prompt), "New PIN of '%.32s'", c->args[0]);
	if (cli_pin(c, OPT_PIN_FILE, OPT_PIN_FD, prompt, true, &pin) != HF_OK)
		return EXIT_FAILED;
	q.pin = secret_slice(&pin);
	e = do_user_set(c->client, session, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("user", e);
}

/* What custodians make has no PIN to type: the call then waits for their shares. */
int cmd_user_pin(struct cli *c)
{
	CLEANUP(secret_done) struct secret old = { 0 }, new = { 0 };
	const char *name = c->args[0] != NULL ? c->args[0] : "user";
	struct pin_change_req q = { .name = slice_str(name) };
	struct pin_change_res r;
	struct partition_info p;
	uint64_t session;
	enum hf_err e;

	if (!cli_partition(c, c->opt[OPT_PARTITION], &p) ||
	    cli_pin(c, OPT_PIN_FILE, OPT_PIN_FD, "PIN until now", false, &old) != HF_OK ||
	    cli_pin(c, OPT_NEW_FILE, OPT_NEW_FD, "New PIN", true, &new) != HF_OK)
		return EXIT_FAILED;
	q.old = secret_slice(&old);
	q.new = secret_slice(&new);
	e = client_session_open(c->client, p.slot, true, &session);
	if (e == HF_OK)
		e = do_pin_change(c->client, session, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("PIN", e);
}

int cmd_user_restrict(struct cli *c)
{
	struct user_set_req q = { .name = slice_str(c->args[0]) };
	struct user_set_res r;
	uint64_t session;
	enum hf_err e;

	if (q.name.n > NAME_BYTES)
		return cli_fail("user", HF_E_USER_NAME);
	if (!rights_args(c, &q))
		return EXIT_USAGE;
	if (!q.restrict_)
		return cli_usage("say what the user may with --may, --keys, or both");
	if (!rights_kept(c, &q) || !cli_officer(c, &session))
		return EXIT_FAILED;
	e = do_user_set(c->client, session, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("user", e);
}

int cmd_user_delete(struct cli *c)
{
	struct user_delete_req q = { slice_str(c->args[0]) };
	struct user_delete_res r;
	char question[80];
	uint64_t session;
	enum hf_err e;

	snprintf(question, sizeof(question), "Delete the user '%.32s'?", c->args[0]);
	if (!cli_sure(c, question) || !cli_officer(c, &session))
		return EXIT_FAILED;
	e = do_user_delete(c->client, session, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("user", e);
}

int cmd_user_challenge(struct cli *c)
{
	CLEANUP(secret_done) struct secret challenge = { 0 };
	struct challenge_set_req q = { .name = slice_str(c->args[0]) };
	struct challenge_set_res r;
	uint64_t session;
	enum hf_err e;

	if (!cli_officer(c, &session) || cli_pin(c, OPT_PIN_FILE, OPT_PIN_FD, "Challenge for applications",
	    true, &challenge) != HF_OK)
		return EXIT_FAILED;
	q.challenge = secret_slice(&challenge);
	e = do_challenge_set(c->client, session, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("user", e);
}

int cmd_user_activate(struct cli *c)
{
	struct activate_req q = { 0 };
	struct activate_res r;
	uint64_t session;
	enum hf_err e;

	if (!cli_session(c, true, &session))
		return EXIT_FAILED;
	e = do_activate(c->client, session, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("user", e);
}

int cmd_user_deactivate(struct cli *c)
{
	struct deactivate_req q = { slice_str(c->args[0]) };
	struct deactivate_res r;
	uint64_t session;
	enum hf_err e;

	if (!cli_officer(c, &session))
		return EXIT_FAILED;
	e = do_deactivate(c->client, session, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("user", e);
}

static int block(struct cli *c, bool blocked)
{
	struct user_block_req q = { slice_str(c->args[0]), blocked };
	struct user_block_res r;
	uint64_t session;
	enum hf_err e;

	if (!cli_officer(c, &session))
		return EXIT_FAILED;
	e = do_user_block(c->client, session, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("user", e);
}

int cmd_user_block(struct cli *c)
{
	return block(c, true);
}

int cmd_user_unblock(struct cli *c)
{
	return block(c, false);
}
