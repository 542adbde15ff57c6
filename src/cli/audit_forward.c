/* audit_forward.c: audit forward: the log's records to a collector, each at least
 * once. It reads the segments' files and writes the cursor's; it needs no HSM. */
#include "audit_files.h"
#include "audit_target.h"
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "audit_check.h"
#include "clock.h"
#include "crypto.h"

#define BATCH_RECORDS 1000u
#define BATCH_BYTES (4u << 20)
#define RECORD_ROOM 32768u
#define POLL_NS 200000000
#define RETRY_NS 1000000000

struct forward {
	struct audit_files files;
	struct audit_target target;
	const char *cursor_file; /* NULL: none */
	const char *dir;
	bool follow, failing;
	char said[256];          /* why, last time */
	uint64_t next;           /* the first record that was not delivered */
	uint8_t hash[CRYPTO_HASH]; /* of the one before, where has_hash */
	bool has_hash, resumed;  /* some were delivered before */
	uint64_t lost;           /* not 0: where the cursor stood that the log does not know */
	uint64_t time_us;        /* of the last record, and its HSM */
	char hsm[17];
	uint64_t sent;
	char *text;              /* a batch */
	size_t ends[BATCH_RECORDS + 1], n;
	struct arena arena;
};

static void nap(long ns)
{
	const struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	(void)nanosleep(&t, NULL);
}

/* --- the cursor: the next record's number and the hash of the one before, as a line ---- */

static bool cursor_read(struct forward *f)
{
	FILE *in = fopen(f->cursor_file, "re");
	char line[128] = "", *hash;
	size_t n = 0;
	bool ok;

	if (in == NULL)
		return errno == ENOENT;
	ok = fgets(line, sizeof(line), in) != NULL;
	(void)fclose(in);
	line[strcspn(line, "\n")] = '\0';
	hash = line + strcspn(line, " ");
	f->has_hash = *hash != '\0';
	if (f->has_hash)
		*hash++ = '\0';
	f->resumed = true;
	return ok && cli_number(line, 1, UINT64_MAX, &f->next) &&
		(!f->has_hash || (hex_decode(hash, f->hash, sizeof(f->hash), &n) && n == sizeof(f->hash)));
}

/* cursor_new writes the new cursor beside the old one, under *ret_name. */
static bool cursor_new(const struct forward *f, char ret_name[4096])
{
	char line[128], hex[2 * CRYPTO_HASH + 1] = "";
	int n, fd;
	bool ok;

	if (f->has_hash)
		hex_encode(SLICE_OF(f->hash), hex);
	n = snprintf(line, sizeof(line), "%" PRIu64 "%s%s\n", f->next, f->has_hash ? " " : "", hex);
	if (snprintf(ret_name, 4096, "%s.new", f->cursor_file) >= 4096) {
		errno = ENAMETOOLONG;
		return false;
	}
	fd = open(ret_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	ok = write(fd, line, (size_t)n) == n && fsync(fd) == 0;
	return close(fd) == 0 && ok;
}

static enum hf_err cursor_failed(struct forward *f)
{
	(void)snprintf(f->target.why, sizeof(f->target.why), "the cursor %s cannot be written: %s",
		f->cursor_file, strerror(errno));
	return HF_E_STORE;
}

/* A crash leaves the old cursor or the new one. */
static enum hf_err cursor_write(struct forward *f)
{
	char name[4096];

	if (f->cursor_file == NULL || (cursor_new(f, name) && rename(name, f->cursor_file) == 0))
		return HF_OK;
	return cursor_failed(f);
}

/* cursor_try: what is delivered, and not noted, would be delivered again and again. */
static enum hf_err cursor_try(struct forward *f)
{
	char name[4096];

	if (f->cursor_file == NULL || (cursor_new(f, name) && unlink(name) == 0))
		return HF_OK;
	return cursor_failed(f);
}

/* --- where to go on ----------------------------------------------------------------- */

/* struct place: what the log has of the record before the cursor. */
struct place {
	bool found, same;  /* it is there; it is the one that was delivered */
	uint64_t first, last; /* the numbers that it has, as far as it was read */
	uint64_t gap;      /* the last gap's record before the cursor; 0: none */
};

static enum hf_err reopen(struct forward *f, uint64_t at)
{
	audit_files_done(&f->files);
	TRY(audit_files_open(f->dir, &f->files));
	audit_files_seek(&f->files, at);
	return HF_OK;
}

static bool is_gap(struct forward *f, const struct auditseg_record *r)
{
	struct audit_record rec;
	bool yes = r->whole && audit_read(r->bytes, &f->arena, &rec) && audit_is_gap(&rec);

	arena_reset(&f->arena);
	return yes;
}

/* look reads up to the cursor from segment `from` on. */
static enum hf_err look(struct forward *f, uint64_t from, struct place *ret)
{
	struct place p = { .last = 0 };
	struct auditseg_record r;
	uint8_t hash[CRYPTO_HASH];
	bool more = true;

	TRY(reopen(f, from));
	while (audit_files_next(&f->files, &r, &more) == HF_OK && more && r.seq < f->next) {
		p.last = r.seq;
		if (p.first == 0)
			p.first = r.seq;
		if (is_gap(f, &r))
			p.gap = r.seq;
		if (r.seq + 1 != f->next)
			continue;
		TRY(crypto_sha256(r.bytes, hash));
		p.found = true;
		p.same = !f->has_hash || slice_eq(SLICE_OF(hash), SLICE_OF(f->hash));
	}
	if (more && r.seq >= f->next)
		p.last = r.seq;
	*ret = p;
	return HF_OK;
}

/* unsigned_from: without a gap's record only what stood behind the last signed one was cut. Those
 * numbers may have been given anew by now. */
static uint64_t unsigned_from(uint64_t next, const struct place *p)
{
	uint64_t from = next > AUDIT_UNSIGNED_MOST ? next - AUDIT_UNSIGNED_MOST : 1;

	return from > p->first ? from : p->first;
}

/* go_on finds where the log goes on behind the cursor. Where the log is not the one that the
 * cursor comes from, it goes back to the record in which the HSM says so. */
static enum hf_err go_on(struct forward *f)
{
	uint64_t before = f->next - 1;
	struct place p;

	if (before == 0)
		return reopen(f, 1);
	TRY(look(f, before, &p));
	if (p.found ? !p.same : p.last < before) {
		TRY(look(f, 1, &p));
		f->lost = f->next;
		f->next = p.gap != 0 ? p.gap : unsigned_from(f->next, &p);
		f->has_hash = false;
		fprintf(stderr, "holdfast: record %" PRIu64 ", the last one delivered, is not in the log as "
			"it is: the log was cut, replaced or deleted. Going on with record %" PRIu64 "\n",
			before, f->next);
	}
	return reopen(f, f->next);
}

/* --- one batch -------------------------------------------------------------------------- */

static void print(struct forward *f, FILE *out, const struct audit_record *rec)
{
	audit_target_print(&f->target, rec, out);
	f->ends[f->n++] = (size_t)ftell(out);
}

/* own is a record of the forwarder's, about the log: its number is that of the next one. */
static void own(struct forward *f, FILE *out, uint64_t seq, const char *event, const char *detail)
{
	print(f, out, &(struct audit_record){ .seq = seq, .time_us = f->time_us != 0 ? f->time_us :
		clock_wall_us(), .event = slice_str(event), .result = HF_E_DAMAGED, .mechanism = UINT32_MAX,
		.detail = slice_str(detail), .hsm = slice_str(f->hsm) });
}

/* The collector hears of a record that cannot be read, too. */
static void print_one(struct forward *f, FILE *out, const struct auditseg_record *r)
{
	struct audit_record rec;

	if (r->whole && audit_read(r->bytes, &f->arena, &rec)) {
		f->time_us = rec.time_us;
		(void)snprintf(f->hsm, sizeof(f->hsm), "%.*s", (int)rec.hsm.n, (const char *)rec.hsm.p);
		print(f, out, &rec);
	} else {
		own(f, out, r->seq, "damaged-record", "the record cannot be read");
	}
	arena_reset(&f->arena);
}

static void tell_lost(struct forward *f, FILE *out)
{
	char detail[160];

	if (f->lost == 0)
		return;
	(void)snprintf(detail, sizeof(detail), "the log was cut, replaced or deleted: record %" PRIu64
		", the last one delivered, is not in it; going on with record %" PRIu64, f->lost - 1,
		f->next);
	own(f, out, f->next, "log-rolled-back", detail);
	f->lost = 0;
}

static void tell_missing(struct forward *f, FILE *out, uint64_t from, uint64_t to)
{
	char detail[80];

	(void)snprintf(detail, sizeof(detail), "records %" PRIu64 " to %" PRIu64 " are not in the log", from,
		to);
	own(f, out, to + 1, "records-missing", detail);
	fprintf(stderr, "holdfast: %s\n", detail);
}

static bool has_room(const struct forward *f)
{
	return f->n < BATCH_RECORDS && (f->n == 0 || f->ends[f->n - 1] + RECORD_ROOM <= BATCH_BYTES);
}

/* add: one record, and what is missing before it. */
static enum hf_err add(struct forward *f, FILE *out, const struct auditseg_record *r, uint64_t *next)
{
	if (r->seq > *next && (f->resumed || *next > f->next))
		tell_missing(f, out, *next, r->seq - 1);
	print_one(f, out, r);
	*next = r->seq + 1;
	f->has_hash = true;
	return crypto_sha256(r->bytes, f->hash);
}

/* fill gathers what there is now; *ret_next is the number behind it. */
static enum hf_err fill(struct forward *f, FILE *out, uint64_t *ret_next)
{
	struct auditseg_record r;
	bool more = true;

	*ret_next = f->next;
	f->n = 0;
	tell_lost(f, out);
	while (has_room(f)) {
		enum hf_err e = audit_files_next(&f->files, &r, &more);

		/* What cannot be read at the end may only not be written yet. */
		if (!more || (e == HF_E_DAMAGED && audit_files_at_end(&f->files)))
			return HF_OK;
		if (e != HF_OK)
			return e;
		if (r.seq >= *ret_next)
			TRY(add(f, out, &r, ret_next));
	}
	return HF_OK;
}

/* deliver repeats the batch until it is taken, or once where nobody follows. */
static enum hf_err deliver(struct forward *f)
{
	const struct slice text = { (const uint8_t *)f->text, f->ends[f->n - 1] };
	enum hf_err e;

	while ((e = audit_target_send(&f->target, text, f->ends, f->n)) != HF_OK) {
		if (!f->failing || strcmp(f->said, f->target.why) != 0)
			fprintf(stderr, "holdfast: record %" PRIu64 " and what follows wait: %s\n", f->next,
				f->target.why);
		f->failing = true;
		(void)snprintf(f->said, sizeof(f->said), "%s", f->target.why);
		if (!f->follow)
			return e;
		nap(RETRY_NS);
	}
	if (f->failing)
		fprintf(stderr, "holdfast: records are delivered again\n");
	f->failing = false;
	f->target.why[0] = '\0';
	return HF_OK;
}

static enum hf_err one_batch(struct forward *f)
{
	FILE *out = fmemopen(f->text, BATCH_BYTES, "w");
	uint64_t next = 0;
	enum hf_err e;

	if (out == NULL)
		return HF_E_MEMORY;
	e = fill(f, out, &next);
	if (fclose(out) != 0 && e == HF_OK)
		e = HF_E_MEMORY;
	if (e != HF_OK || f->n == 0)
		return e;
	TRY(deliver(f));
	f->sent += f->n;
	f->next = next;
	f->resumed = true;
	return cursor_write(f);
}

static enum hf_err forward_all(struct forward *f)
{
	for (;;) {
		TRY(one_batch(f));
		if (f->n > 0)
			continue;
		if (!f->follow)
			return HF_OK;
		nap(POLL_NS);
		TRY(audit_files_lost(&f->files) ? go_on(f) : audit_files_refresh(&f->files));
	}
}

/* --- the command ------------------------------------------------------------------------ */

static int read_target(struct cli *c, struct forward *f)
{
	const char *to = c->opt[OPT_TO];
	uint64_t port;

	if (to == NULL || !audit_target_of(to, &f->target))
		return cli_usage("--to wants file:PATH, journald:, or udp, tcp, tls, http or https with "
			"://HOST:PORT, not '%s'", to != NULL ? to : "");
	if (f->target.port[0] != '\0' && !cli_number(f->target.port, 1, 65535, &port))
		return cli_usage("--to wants a port from 1 to 65535, not '%s'", f->target.port);
	return EXIT_DONE;
}

static int read_options(struct cli *c, struct forward *f)
{
	const char *format = c->opt[OPT_FORMAT], *from = c->opt[OPT_FROM];
	int code = read_target(c, f);

	if (code != EXIT_DONE)
		return code;
	f->target.format = AUDIT_JSON;
	if (format != NULL && !audit_format_of(format, &f->target.format))
		return cli_usage("--format wants json, rfc5424, cef or leef, not '%s'", format);
	f->target.tls = (struct tls_files){ c->opt[OPT_CA], c->opt[OPT_CERT] };
	f->target.token = getenv("HOLDFAST_COLLECTOR_TOKEN");
	f->cursor_file = c->opt[OPT_CURSOR];
	f->follow = c->opt[OPT_FOLLOW] != NULL;
	if (from != NULL && !cli_number(from, 1, UINT64_MAX, &f->next))
		return cli_usage("--from wants a sequence number, not '%s'", from);
	if (f->cursor_file != NULL && !cursor_read(f))
		return cli_usage("the cursor %s cannot be read, or holds no number", f->cursor_file);
	return EXIT_DONE;
}

/* failed: what the target says is more than the error's own text. */
static int failed(const struct forward *f, enum hf_err e)
{
	if (*f->target.why == '\0')
		return audit_files_fail(f->dir, e);
	(void)cli_usage("%s", f->target.why);
	return EXIT_FAILED;
}

int cmd_audit_forward(struct cli *c)
{
	struct forward *f = hf_alloc(1, sizeof(*f));
	enum hf_err e = HF_E_MEMORY;
	int code;

	if (f == NULL)
		return cli_fail("audit", e);
	f->next = 1;
	f->dir = c->args[0];
	(void)signal(SIGPIPE, SIG_IGN);
	code = read_options(c, f);
	/* What follows may wait for a log's beginning; that a log is gone is for the collector. */
	if (code == EXIT_DONE && !audit_files_begin(c->args[0], f->follow || f->resumed, &f->files))
		code = EXIT_FAILED;
	if (code == EXIT_DONE) {
		f->text = hf_alloc(BATCH_BYTES, 1);
		if (f->text != NULL)
			e = crypto_init();
		if (e == HF_OK)
			e = cursor_try(f);
		if (e == HF_OK)
			e = go_on(f);
		if (e == HF_OK)
			e = forward_all(f);
		audit_files_done(&f->files);
		fprintf(stderr, "holdfast: %" PRIu64 " records delivered\n", f->sent);
		code = e == HF_OK ? EXIT_DONE : failed(f, e);
	}
	arena_done(&f->arena);
	hf_free(f->text);
	hf_free(f);
	return code;
}
