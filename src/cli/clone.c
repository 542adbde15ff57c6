/* clone.c: partition clone-request, clone: to a file, a pipe, or another instance on this machine. */
#include "backup_file.h"
#include "making.h"
#include "message.h"
#include "receive.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUEST_MOST 2048u

/* --- asking ---------------------------------------------------------------------------------------- */

static bool ask(struct cli *c, uint64_t *ret_session, struct slice *ret)
{
	struct clone_request_req q = { 0 };
	struct clone_request_res r;
	enum hf_err e;

	if (!cli_session(c, true, ret_session))
		return false;
	e = do_clone_request(c->client, *ret_session, &q, &r, &c->arena);
	if (e != HF_OK)
		(void)cli_fail("clone request", e);
	else
		*ret = r.request;
	return e == HF_OK;
}

int cmd_partition_clone_request(struct cli *c)
{
	struct slice request;
	uint64_t session;

	c->opt[OPT_PARTITION] = c->args[0];
	if (!ask(c, &session, &request))
		return EXIT_FAILED;
	return cli_message_write(c->opt[OPT_OUT], json_pack("{s:o}", "clone request", json_hex(request)));
}

/* --- making ----------------------------------------------------------------------------------------- */

static bool begin(struct cli *c, struct maker *k, struct slice request, struct slice *ret_header,
	json_t **ret_told)
{
	struct clone_begin_req q = { .request = request };
	struct clone_begin_res r;
	enum hf_err e;

	if (!cli_session(c, false, &k->session) || !cli_chosen(c, k->session, &q.objects))
		return false;
	e = do_clone_begin(c->client, k->session, &q, &r, &c->arena);
	if (e != HF_OK) {
		(void)cli_fail("clone", e);
		return false;
	}
	*ret_header = r.header;
	*ret_told = json_pack("{s:I, s:I, s:I}", "objects", (json_int_t)r.objects,
		"left out (stateful or limited keys)", (json_int_t)r.left_out, "left out (policy)",
		(json_int_t)r.forbidden);
	return true;
}

static bool make(struct cli *c, struct slice request, struct making *m, json_t **ret_told)
{
	struct maker k = { .c = c };
	struct slice header;

	return begin(c, &k, request, &header, ret_told) && making_put(m, header) && maker_fetch(&k, m);
}

/* What is told goes to standard error where the clone itself goes to standard output. */
static void tell(struct cli *c, json_t *told, bool aside)
{
	if (!aside) {
		cli_print(c, told);
		return;
	}
	json_dumpf(told, stderr, 0);
	fputc('\n', stderr);
	json_decref(told);
}

static int to_file(struct cli *c, struct slice request)
{
	const char *path = c->opt[OPT_OUT];
	json_t *told = NULL;
	struct making m;
	bool ok;

	if (path == NULL && isatty(STDOUT_FILENO))
		return cli_usage("a clone is no text: --out FILE, or a pipe to 'holdfast partition receive'");
	if (path == NULL)
		making_to(STDOUT_FILENO, &m);
	else if (!making_open(path, &m))
		return EXIT_FAILED;
	ok = make(c, request, &m, &told) && (path == NULL || making_finish(&m));
	making_close(&m, ok);
	if (!ok) {
		json_decref(told);
		return EXIT_FAILED;
	}
	tell(c, told, path == NULL);
	return EXIT_DONE;
}

/* --- both on this machine ----------------------------------------------------------------------------- */

/* A client finds its instance with its first call. */
static bool reach(struct cli *c)
{
	struct ping_req q = { 0 };
	struct ping_res r;
	enum hf_err e = cli_connect(c) ? do_ping(c->client, 0, &q, &r, &c->arena) : HF_E_CONNECTION;

	if (e != HF_OK)
		(void)cli_fail("the instance", e);
	return e == HF_OK;
}

/* other: the same program's run for the other instance. */
static bool other(struct cli *c, struct cli *ret)
{
	char *home = getenv("HOLDFAST_HOME");
	char *was = home != NULL ? hf_strdup(home) : NULL;
	bool ok;

	*ret = (struct cli){ .args = c->args, .arg_count = c->arg_count };
	ret->opt[OPT_PARTITION] = c->opt[OPT_TO_PARTITION] ? c->opt[OPT_TO_PARTITION] : c->opt[OPT_PARTITION];
	ret->opt[OPT_PIN_FILE] = c->opt[OPT_TO_PIN_FILE];
	ret->opt[OPT_PIN_FD] = c->opt[OPT_TO_PIN_FD];
	ret->opt[OPT_COLLISION] = c->opt[OPT_COLLISION];
	ret->opt[OPT_DRY_RUN] = c->opt[OPT_DRY_RUN];
	ret->opt[OPT_JSON] = c->opt[OPT_JSON];
	ok = (home == NULL || was != NULL) && reach(c) &&
		setenv("HOLDFAST_HOME", c->opt[OPT_TO_HOME], 1) == 0 && reach(ret);
	if (was != NULL)
		(void)setenv("HOLDFAST_HOME", was, 1);
	else
		(void)unsetenv("HOLDFAST_HOME");
	hf_free(was);
	return ok;
}

static int through(struct cli *c, struct cli *to, FILE *spool)
{
	struct slice request;
	json_t *told = NULL;
	struct making m;
	uint64_t session;

	making_to(fileno(spool), &m);
	if (!ask(to, &session, &request))
		return EXIT_FAILED;
	cli_asks(c->client);
	if (!make(c, request, &m, &told)) {
		json_decref(told);
		return EXIT_FAILED;
	}
	tell(c, told, c->opt[OPT_JSON] != NULL);
	cli_asks(to->client);
	return cli_receive(to, session, spool);
}

static int to_home(struct cli *c)
{
	FILE *spool = tmpfile();
	struct cli to;
	int code = EXIT_FAILED;

	if (spool == NULL)
		return cli_usage("no temporary file can be made");
	if (other(c, &to))
		code = through(c, &to, spool);
	cli_asks(c->client);
	client_close(to.client);
	arena_done(&to.arena);
	(void)fclose(spool);
	return code;
}

int cmd_partition_clone(struct cli *c)
{
	struct slice request;

	c->opt[OPT_PARTITION] = c->args[0];
	if (c->opt[OPT_TO_HOME] != NULL)
		return c->arg_count == 1 ? to_home(c) : cli_usage("with --to-home no request is needed");
	if (c->arg_count != 2)
		return cli_usage("name the file of 'partition clone-request', or - for standard input");
	if (!cli_message_read(c, c->args[1], "clone request", REQUEST_MOST, &request))
		return cli_usage("'%s' is no request of 'holdfast partition clone-request'", c->args[1]);
	return to_file(c, request);
}
