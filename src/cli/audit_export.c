/* audit_export.c: audit export: the log's files as lines for other programs. */
#include "audit_files.h"
#include "audit_form.h"
#include "audit_format.h"
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>

static enum hf_err print_line(const struct auditseg_record *r, enum audit_format format, struct arena *a)
{
	struct audit_record rec;

	if (!r->whole || !audit_read(r->bytes, a, &rec))
		return HF_E_DAMAGED;
	audit_format_print(format, &rec, stdout);
	return putchar('\n') != EOF ? HF_OK : HF_E_STORE;
}

/* print_all stops at the first damaged record, *ret_last being the one before. */
static enum hf_err print_all(struct audit_files *f, uint64_t from, enum audit_format format,
	struct arena *a, uint64_t *ret_last)
{
	struct auditseg_record r;
	bool more;

	for (;;) {
		TRY(audit_files_next(f, &r, &more));
		if (!more)
			return HF_OK;
		if (r.seq >= from)
			TRY(print_line(&r, format, a));
		*ret_last = r.seq;
		arena_reset(a);
	}
}

int cmd_audit_export(struct cli *c)
{
	const char *name = c->opt[OPT_FORMAT];
	enum audit_format format = AUDIT_JSON;
	uint64_t from = 1, last = 0;
	struct audit_files f;
	enum hf_err e;

	if (c->opt[OPT_FROM] && !cli_number(c->opt[OPT_FROM], 1, UINT64_MAX, &from))
		return cli_usage("--from wants a sequence number, not '%s'", c->opt[OPT_FROM]);
	if (name != NULL && !audit_format_of(name, &format))
		return cli_usage("--format wants json, rfc5424, cef or leef, not '%s'", name);
	if (!audit_files_begin(c->args[0], false, &f))
		return EXIT_FAILED;
	e = print_all(&f, from, format, &c->arena, &last);
	audit_files_done(&f);
	if (e == HF_OK)
		return EXIT_DONE;
	fprintf(stderr, "holdfast: what follows record %" PRIu64 " was not exported\n", last);
	return audit_files_fail(c->args[0], e);
}
