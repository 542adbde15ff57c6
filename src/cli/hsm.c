/* hsm.c: the HSM as a whole: status, selftest, unlock, passphrase, stop, random. */
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#define END_MS 30000 /* milliseconds for a daemon that was told to stop */

static json_t *json_facts(struct fact_list l)
{
	json_t *o = json_object();

	for (size_t i = 0; o != NULL && i < l.n; i++) {
		char name[65];

		snprintf(name, sizeof(name), "%.*s", (int)l.v[i].name.n, (const char *)l.v[i].name.p);
		json_object_set_new(o, name, json_slice(l.v[i].value));
	}
	return o;
}

static const char *state_name(uint8_t s)
{
	static const char *const names[] = { "?", "operational", "locked", "error", "tampered",
		"uninitialized", "zeroized" };

	return s < sizeof(names) / sizeof(names[0]) ? names[s] : names[0];
}

int cmd_status(struct cli *c)
{
	struct status_req q = { 0 };
	struct status_res r;
	enum hf_err e = do_status(c->client, 0, &q, &r, &c->arena);
	json_t *o;

	if (e != HF_OK)
		return cli_fail("status", e);
	o = json_pack("{s:s}", "state", state_name(r.state));
	json_object_update_new(o, json_facts(r.facts));
	cli_print(c, o);
	return r.state == HSM_ERROR ? EXIT_FAILED : EXIT_DONE;
}

int cmd_selftest(struct cli *c)
{
	struct self_test_req q = { 0 };
	struct self_test_res r;
	enum hf_err e = do_self_test(c->client, 0, &q, &r, &c->arena);

	if (e != HF_OK)
		return cli_fail("self-test", e);
	cli_print(c, json_facts(r.results));
	for (size_t i = 0; i < r.results.n; i++)
		if (!slice_eq(r.results.v[i].value, SLICE_STR("passed")))
			return EXIT_FAILED;
	return EXIT_DONE;
}

int cmd_passphrase(struct cli *c)
{
	CLEANUP(secret_done) struct secret s = { 0 };
	struct passphrase_set_req q;
	struct passphrase_set_res r;
	enum hf_err e;

	if (cli_pin(c, OPT_PIN_FILE, OPT_PIN_FD, "New passphrase", true, &s) != HF_OK)
		return EXIT_FAILED;
	q.passphrase = secret_slice(&s);
	e = do_passphrase_set(c->client, 0, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("passphrase", e);
}

int cmd_zeroize(struct cli *c)
{
	struct zeroize_req q = { 0 };
	struct zeroize_res r;
	enum hf_err e;

	if (!cli_sure(c, "Destroy every key of this HSM, for good?"))
		return EXIT_FAILED;
	e = do_zeroize(c->client, 0, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("zeroize", e);
}

int cmd_tamper_report(struct cli *c)
{
	struct tamper_report_req q = { slice_str(c->args[0]) };
	struct tamper_report_res r;
	enum hf_err e;

	if (q.why.n == 0)
		return cli_usage("say what was seen: the reason is empty");
	e = do_tamper_report(c->client, 0, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("tamper", e);
}

int cmd_tamper_clear(struct cli *c)
{
	struct tamper_clear_req q = { 0 };
	struct tamper_clear_res r;
	enum hf_err e = do_tamper_clear(c->client, 0, &q, &r, &c->arena);

	return e == HF_OK ? EXIT_DONE : cli_fail("tamper", e);
}

/* is_daemon: under socket activation it is systemd that listens, and stays. */
static bool is_daemon(int pid)
{
	static const char daemon[] = "holdfastd";
	char path[32], name[sizeof(daemon)];
	size_t n;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	n = fread(name, 1, sizeof(name) - 1, f);
	(void)fclose(f);
	return n == sizeof(name) - 1 && memcmp(name, daemon, n) == 0;
}

/* await_end: false if the process is there after END_MS. */
static bool await_end(int pid)
{
	int fd = pid > 0 && is_daemon(pid) ? pidfd_open(pid, 0) : -1, n;
	struct pollfd p = { fd, POLLIN, 0 };

	if (fd < 0)
		return true; /* it has gone, or cannot be seen from here */
	n = poll(&p, 1, END_MS);
	close(fd);
	return n != 0;
}

/* The vault answers and ends after that, the keeper after it, the monitor last: what still
 * writes to the instance's directory is waited for. */
int cmd_stop(struct cli *c)
{
	struct stop_req q = { 0 };
	struct stop_res r;
	enum hf_err e = do_stop(c->client, 0, &q, &r, &c->arena);
	int pid = client_daemon(c->client);

	if (e != HF_OK)
		return cli_fail("stop", e);
	if (!await_end(pid))
		return cli_usage("told to stop, but the daemon (process %d) has not ended yet", pid);
	return EXIT_DONE;
}

#define RANDOM_MAX (1u << 20) /* bytes */

int cmd_random(struct cli *c)
{
	struct random_req q = { 0 };
	struct random_res r;
	uint64_t session, n = 32;
	struct partition_info p;
	const char *out = c->opt[OPT_OUT];
	enum hf_err e;
	FILE *f;

	if (c->opt[OPT_BYTES] && !cli_number(c->opt[OPT_BYTES], 1, RANDOM_MAX, &n))
		return cli_usage("--bytes wants a number from 1 to %u", RANDOM_MAX);
	if (!cli_partition(c, c->opt[OPT_PARTITION], &p))
		return EXIT_FAILED;
	e = client_session_open(c->client, p.slot, false, &session);
	q.n = (uint32_t)n;
	if (e == HF_OK)
		e = do_random(c->client, session, &q, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("random", e);
	if (out == NULL) {
		if (c->opt[OPT_JSON])
			cli_print(c, json_pack("{s:o}", "random", json_hex(r.out)));
		else
			for (size_t i = 0; i < r.out.n; i++)
				printf("%02x%s", r.out.p[i], i + 1 == r.out.n ? "\n" : "");
		return EXIT_DONE;
	}
	f = fopen(out, "wb");
	if (f == NULL || fwrite(r.out.p, 1, r.out.n, f) != r.out.n || fclose(f) != 0)
		return cli_usage("%s: %s", out, strerror(errno));
	return EXIT_DONE;
}
