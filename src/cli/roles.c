/* roles.c: hsm init, roles, set, pin, login: the roles of the HSM as a whole. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static bool get_pin(struct cli *c, const char *role, bool fresh, struct secret *ret)
{
	char prompt[80];

	snprintf(prompt, sizeof(prompt), "%s of the HSM's %.32s", fresh ? "New PIN" : "PIN", role);
	return cli_pin(c, fresh ? OPT_PIN_FILE : OPT_AS_FILE, fresh ? OPT_PIN_FD : OPT_AS_FD, prompt,
		fresh, ret) == HF_OK;
}

static bool log_in(struct cli *c, const char *role)
{
	CLEANUP(secret_done) struct secret pin = { 0 };
	struct hsm_login_req q = { .name = slice_str(role) };
	struct hsm_login_res r;
	enum hf_err e;

	if (!get_pin(c, role, false, &pin))
		return false;
	q.pin = secret_slice(&pin);
	e = do_hsm_login(c->client, 0, &q, &r, &c->arena);
	if (e != HF_OK)
		cli_fail("login", e);
	return e == HF_OK;
}

bool cli_enter(struct cli *c)
{
	return c->opt[OPT_AS] == NULL || c->client == NULL || log_in(c, c->opt[OPT_AS]);
}

int cmd_hsm_login(struct cli *c)
{
	return log_in(c, c->args[0]) ? EXIT_DONE : EXIT_FAILED;
}

int cmd_hsm_roles(struct cli *c)
{
	struct hsm_roles_req q = { 0 };
	struct hsm_roles_res r;
	enum hf_err e = do_hsm_roles(c->client, 0, &q, &r, &c->arena);
	json_t *a = json_array();

	if (e != HF_OK)
		return cli_fail("roles", e);
	for (size_t i = 0; i < r.roles.n; i++)
		json_array_append_new(a, cli_user(&r.roles.v[i]));
	cli_print(c, a);
	return EXIT_DONE;
}

static int set(struct cli *c, const char *role)
{
	CLEANUP(secret_done) struct secret pin = { 0 };
	struct hsm_role_set_req q = { .name = slice_str(role), .change = c->opt[OPT_CHANGE] != NULL };
	struct hsm_role_set_res r;
	enum hf_err e;

	if (!get_pin(c, role, true, &pin))
		return EXIT_FAILED;
	q.pin = secret_slice(&pin);
	e = do_hsm_role_set(c->client, 0, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("hsm", e);
}

/* warn_alone: what nobody believes until it is too late. */
static void warn_alone(struct cli *c)
{
	struct quorum_status_req q = { 0 };
	struct quorum_status_res r;

	if (do_quorum_status(c->client, 0, &q, &r, &c->arena) == HF_OK && r.m == 0)
		fputs("holdfast: this HSM has no custodians: nobody unlocks its officer after\n"
			"holdfast: too many wrong PINs ('holdfast quorum create' makes some)\n", stderr);
}

int cmd_hsm_init(struct cli *c)
{
	int code = set(c, "so");

	if (code == EXIT_DONE)
		warn_alone(c);
	return code;
}

int cmd_hsm_set(struct cli *c)
{
	return set(c, c->args[0]);
}

int cmd_hsm_pin(struct cli *c)
{
	CLEANUP(secret_done) struct secret old = { 0 }, new = { 0 };
	struct hsm_pin_set_req q = { .name = slice_str(c->args[0]) };
	struct hsm_pin_set_res r;
	enum hf_err e;

	if (!get_pin(c, c->args[0], false, &old) || !get_pin(c, c->args[0], true, &new))
		return EXIT_FAILED;
	q.old = secret_slice(&old);
	q.new = secret_slice(&new);
	e = do_hsm_pin_set(c->client, 0, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("hsm", e);
}
