/* health.c: health: for who watches from outside, and whoever balances load. */
#include "cli.h"

int cmd_health(struct cli *c)
{
	struct metrics_req q = { 0 };
	struct metrics_res r;
	enum hf_err e = do_metrics(c->client, 0, &q, &r, &c->arena);
	bool ready;

	if (e != HF_OK)
		return cli_fail("health", e);
	ready = r.state == HSM_OPERATIONAL && !r.store_failing;
	cli_print(c, json_pack("{s:b, s:b, s:b, s:b, s:b, s:I, s:I}", "ready", ready, "selftest",
		r.state != HSM_ERROR, "store", !r.store_failing, "audit", !r.audit_failing, "audit_archive",
		!r.archive_failing, "audit_backlog", (json_int_t)r.audit_backlog, "audit_dropped",
		(json_int_t)r.audit_dropped));
	return ready && !r.audit_failing ? EXIT_DONE : EXIT_FAILED;
}
