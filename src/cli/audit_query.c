/* audit_query.c: audit query, audit tail: the records that somebody looks for, out of the
 * HSM or out of files; one a line, as they come. */
#include "audit_check.h"
#include "audit_files.h"
#include "audit_filter.h"
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"

#define PAGE 1000u
#define POLL_NS 300000000

struct query {
	struct audit_filter filter;
	struct audit_check check; /* of the HSM's records */
	uint64_t at;              /* the next one to ask the HSM for */
	uint64_t next, left, shown;
	bool json;
};

static void put_after(const char *before, struct slice s)
{
	if (s.n == 0)
		return;
	fputs(before, stdout);
	cli_put(s, stdout);
}

static void print_text(const struct audit_record *r)
{
	const char *mech = r->mechanism != UINT32_MAX ? name_of_mechanism(r->mechanism) : NULL;
	char when[28];

	clock_iso(r->time_us, when);
	printf("%" PRIu64 " %s", r->seq, when);
	put_after(" ", r->event);
	printf(": %s", err_name((enum hf_err)r->result));
	put_after(", partition ", r->partition_label);
	put_after(", ", r->role);
	if (r->pid != 0) {
		printf(", uid %" PRIu64 ", ", r->uid);
		cli_put(r->program, stdout);
		printf("[%" PRIu64 "]", r->pid);
	}
	put_after(", object ", r->object_label);
	if (mech != NULL)
		printf(", %s", mech);
	put_after(": ", r->detail);
	putchar('\n');
}

static void print_json(const struct audit_record *r)
{
	json_t *o = cli_audit_record(r);

	if (o != NULL && json_dumpf(o, stdout, JSON_COMPACT) == 0)
		putchar('\n');
	json_decref(o);
}

/* take prints a record that is looked for; false: that was enough. */
static bool take(struct query *q, const struct audit_record *r)
{
	if (r->seq < q->next || !audit_filter_matches(&q->filter, r))
		return true;
	q->shown++;
	(q->json ? print_json : print_text)(r);
	return --q->left > 0;
}

/* A name that is misspelt looks like a good sign otherwise. */
static int done(const struct query *q)
{
	if (q->shown == 0)
		fprintf(stderr, "holdfast: no record matches\n");
	return EXIT_DONE;
}

/* --- out of files ------------------------------------------------------------------ */

static enum hf_err from_files(struct query *q, struct audit_files *f, struct arena *a)
{
	struct auditseg_record r;
	struct audit_record rec;
	bool more;

	for (;;) {
		TRY(audit_files_next(f, &r, &more));
		if (!more)
			return HF_OK;
		if (!r.whole || !audit_read(r.bytes, a, &rec))
			return HF_E_DAMAGED;
		if (!take(q, &rec))
			return HF_OK;
		arena_reset(a);
	}
}

static int query_files(struct cli *c, struct query *q, const char *dir)
{
	struct audit_files f;
	enum hf_err e;

	if (!audit_files_begin(dir, false, &f))
		return EXIT_FAILED;
	audit_files_seek(&f, q->next);
	e = from_files(q, &f, &c->arena);
	audit_files_done(&f);
	return e == HF_OK ? done(q) : audit_files_fail(dir, e);
}

/* --- out of the HSM --------------------------------------------------------------- */

/* one_page shows a page; *ret_more: there may be another one. */
static enum hf_err one_page(struct cli *c, struct query *q, bool *ret_more)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct audit_read_req req = { q->at, PAGE };
	struct audit_read_res r;
	struct audit_record rec;
	const char *why;

	*ret_more = false;
	TRY(do_audit_read(c->client, 0, &req, &r, &a));
	if (r.public_key.n == sizeof(q->check.public_key))
		memcpy(q->check.public_key, r.public_key.p, r.public_key.n);
	for (size_t i = 0; i < r.records.n; i++) {
		if (!audit_check_next(&q->check, r.records.v[i].record, &a, &rec, &why)) {
			(void)cli_usage("audit record %" PRIu64 ": %s", q->check.seq, why);
			return HF_E_DAMAGED;
		}
		if (!take(q, &rec))
			return HF_OK;
	}
	*ret_more = r.records.n > 0;
	if (*ret_more)
		q->at = q->check.seq + 1;
	return HF_OK;
}

static enum hf_err all_pages(struct cli *c, struct query *q)
{
	bool more = true;

	while (more)
		TRY(one_page(c, q, &more));
	return HF_OK;
}

/* begin reads the options. */
static int begin(struct cli *c, struct query *q)
{
	const char *from = c->opt[OPT_FROM], *count = c->opt[OPT_COUNT];
	enum hf_err e;

	*q = (struct query){ .next = 1, .left = UINT64_MAX, .json = c->opt[OPT_JSON] != NULL };
	if (!audit_filter_of(c, &q->filter))
		return EXIT_USAGE;
	if (from != NULL && !cli_number(from, 1, UINT64_MAX, &q->next))
		return cli_usage("--from wants a sequence number, not '%s'", from);
	if (count != NULL && !cli_number(count, 1, UINT64_MAX, &q->left))
		return cli_usage("--count wants a number, not '%s'", count);
	q->at = q->next;
	e = crypto_init();
	return e == HF_OK ? EXIT_DONE : cli_fail("audit", e);
}

int cmd_audit_query(struct cli *c)
{
	struct query q;
	int code = begin(c, &q);
	enum hf_err e;

	if (code != EXIT_DONE)
		return code;
	if (c->arg_count > 0)
		return query_files(c, &q, c->args[0]);
	if (!cli_connect(c))
		return EXIT_FAILED;
	e = all_pages(c, &q);
	return e == HF_OK ? done(&q) : cli_fail("audit", e);
}

/* last_seq is the number of the last record there is. */
static enum hf_err last_seq(struct cli *c, uint64_t *ret)
{
	struct audit_read_req req = { 0, 1 };
	struct audit_read_res r;
	struct audit_record rec;

	*ret = 0;
	TRY(do_audit_read(c->client, 0, &req, &r, &c->arena));
	if (r.records.n == 0)
		return HF_OK;
	if (!audit_read(r.records.v[0].record, &c->arena, &rec))
		return HF_E_DAMAGED;
	*ret = rec.seq;
	return HF_OK;
}

int cmd_audit_tail(struct cli *c)
{
	static const struct timespec nap = { .tv_nsec = POLL_NS };
	uint64_t last, back = 10;
	struct query q;
	enum hf_err e;

	if (c->opt[OPT_COUNT] != NULL && !cli_number(c->opt[OPT_COUNT], 0, UINT64_MAX, &back))
		return cli_usage("--count wants a number, not '%s'", c->opt[OPT_COUNT]);
	c->opt[OPT_COUNT] = NULL;
	if (begin(c, &q) != EXIT_DONE)
		return EXIT_USAGE;
	e = last_seq(c, &last);
	if (e == HF_OK) {
		q.next = last > back ? last - back + 1 : 1;
		q.at = q.next;
		e = all_pages(c, &q);
	}
	while (e == HF_OK && c->opt[OPT_FOLLOW] != NULL) {
		if (fflush(stdout) != 0)
			return EXIT_FAILED;
		(void)nanosleep(&nap, NULL);
		e = all_pages(c, &q);
	}
	return e == HF_OK ? EXIT_DONE : cli_fail("audit", e);
}
