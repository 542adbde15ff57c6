/* audit_export.c: audit export: the log's files as JSON lines, for other programs. */
#include "audit_codec.h"
#include "audit_files.h"
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static enum hf_err print_line(const struct auditseg_record *r, struct arena *a)
{
	struct audit_record rec;
	struct rd in = rd_of(r->bytes);
	json_t *line;
	bool ok;

	if (!r->whole || !audit_record_dec(&in, a, &rec) || !rd_done(&in))
		return HF_E_DAMAGED;
	line = cli_audit_record(&rec);
	ok = line != NULL && json_dumpf(line, stdout, JSON_COMPACT) == 0 && putchar('\n') != EOF;
	json_decref(line);
	return ok ? HF_OK : HF_E_STORE;
}

/* print_all stops at the first damaged record, *ret_last being the one before. */
static enum hf_err print_all(struct audit_files *f, uint64_t from, struct arena *a, uint64_t *ret_last)
{
	struct auditseg_record r;
	bool more;

	for (;;) {
		TRY(audit_files_next(f, &r, &more));
		if (!more)
			return HF_OK;
		if (r.seq >= from)
			TRY(print_line(&r, a));
		*ret_last = r.seq;
		arena_reset(a);
	}
}

int cmd_audit_export(struct cli *c)
{
	uint64_t from = 1, last = 0;
	struct audit_files f;
	enum hf_err e;

	if (c->opt[OPT_FROM] && !cli_number(c->opt[OPT_FROM], 1, UINT64_MAX, &from))
		return cli_usage("--from wants a sequence number, not '%s'", c->opt[OPT_FROM]);
	if (audit_files_open(c->args[0], &f) != HF_OK) {
		(void)cli_usage("%s cannot be read: %s", c->args[0], strerror(errno));
		return EXIT_FAILED;
	}
	e = print_all(&f, from, &c->arena, &last);
	audit_files_done(&f);
	if (e == HF_OK)
		return EXIT_DONE;
	fprintf(stderr, "holdfast: what follows record %" PRIu64 " was not exported\n", last);
	return cli_fail(c->args[0], e);
}
