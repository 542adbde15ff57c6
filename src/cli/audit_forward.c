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
	bool follow, failing;
	uint64_t next;           /* the first record that was not delivered */
	uint64_t sent;
	char *text;              /* a batch */
	size_t ends[BATCH_RECORDS], n;
	struct arena arena;
};

static void nap(long ns)
{
	const struct timespec t = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	(void)nanosleep(&t, NULL);
}

/* --- the cursor: the next record's number, as a line ---------------------------------- */

static bool cursor_read(struct forward *f)
{
	FILE *in = fopen(f->cursor_file, "re");
	char line[32] = "";
	bool ok;

	if (in == NULL)
		return errno == ENOENT;
	ok = fgets(line, sizeof(line), in) != NULL;
	line[strcspn(line, "\n")] = '\0';
	(void)fclose(in);
	return ok && cli_number(line, 1, UINT64_MAX, &f->next);
}

/* A crash leaves the old cursor or the new one. */
static bool cursor_write(const struct forward *f)
{
	char name[4096], line[32];
	int n = snprintf(line, sizeof(line), "%" PRIu64 "\n", f->next), fd;
	bool ok;

	if (f->cursor_file == NULL)
		return true;
	if ((size_t)snprintf(name, sizeof(name), "%s.new", f->cursor_file) >= sizeof(name))
		return false;
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	ok = write(fd, line, (size_t)n) == n && fsync(fd) == 0;
	return close(fd) == 0 && ok && rename(name, f->cursor_file) == 0;
}

/* --- one batch -------------------------------------------------------------------------- */

static void print_one(struct forward *f, FILE *out, const struct auditseg_record *r)
{
	struct audit_record rec = { .seq = r->seq, .event = SLICE_STR("damaged-record"),
		.result = HF_E_DAMAGED, .mechanism = UINT32_MAX };
	struct rd in = rd_of(r->bytes);

	/* The collector hears of a record that cannot be read, too. */
	if (!r->whole || !audit_record_dec(&in, &f->arena, &rec) || !rd_done(&in))
		rec = (struct audit_record){ .seq = r->seq, .event = SLICE_STR("damaged-record"),
			.result = HF_E_DAMAGED, .mechanism = UINT32_MAX };
	audit_target_print(&f->target, &rec, out);
	arena_reset(&f->arena);
}

static bool has_room(const struct forward *f)
{
	return f->n < BATCH_RECORDS && (f->n == 0 || f->ends[f->n - 1] + RECORD_ROOM <= BATCH_BYTES);
}

/* fill gathers what there is now; *ret_last is the last record's number. */
static enum hf_err fill(struct forward *f, FILE *out, uint64_t *ret_last)
{
	struct auditseg_record r;
	bool more = true;

	for (f->n = 0; has_room(f);) {
		enum hf_err e = audit_files_next(&f->files, &r, &more);

		/* What cannot be read at the end may only not be written yet. */
		if (!more || (e == HF_E_DAMAGED && audit_files_at_end(&f->files)))
			return HF_OK;
		if (e != HF_OK)
			return e;
		if (r.seq < f->next)
			continue;
		print_one(f, out, &r);
		f->ends[f->n++] = (size_t)ftell(out);
		*ret_last = r.seq;
	}
	return HF_OK;
}

/* deliver repeats the batch until it is taken, or once where nobody follows. */
static enum hf_err deliver(struct forward *f)
{
	const struct slice text = { (const uint8_t *)f->text, f->ends[f->n - 1] };
	enum hf_err e;

	while ((e = audit_target_send(&f->target, text, f->ends, f->n)) != HF_OK) {
		if (!f->failing)
			fprintf(stderr, "holdfast: record %" PRIu64 " and what follows wait: %s\n", f->next,
				f->target.why);
		f->failing = true;
		if (!f->follow)
			return e;
		nap(RETRY_NS);
	}
	if (f->failing)
		fprintf(stderr, "holdfast: records are delivered again\n");
	f->failing = false;
	return HF_OK;
}

static enum hf_err one_batch(struct forward *f)
{
	FILE *out = fmemopen(f->text, BATCH_BYTES, "w");
	uint64_t last = 0;
	enum hf_err e;

	if (out == NULL)
		return HF_E_MEMORY;
	e = fill(f, out, &last);
	if (fclose(out) != 0 && e == HF_OK)
		e = HF_E_MEMORY;
	if (e != HF_OK || f->n == 0)
		return e;
	TRY(deliver(f));
	f->sent += f->n;
	f->next = last + 1;
	return cursor_write(f) ? HF_OK : HF_E_STORE;
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
		TRY(audit_files_refresh(&f->files));
	}
}

/* --- the command ------------------------------------------------------------------------ */

static int read_options(struct cli *c, struct forward *f)
{
	const char *to = c->opt[OPT_TO], *format = c->opt[OPT_FORMAT], *from = c->opt[OPT_FROM];

	if (to == NULL || !audit_target_of(to, &f->target))
		return cli_usage("--to wants file:PATH, journald:, or udp, tcp, tls, http or https with "
			"://HOST:PORT, not '%s'", to != NULL ? to : "");
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

int cmd_audit_forward(struct cli *c)
{
	struct forward *f = hf_alloc(1, sizeof(*f));
	enum hf_err e = HF_E_MEMORY;
	int code;

	if (f == NULL)
		return cli_fail("audit", e);
	f->next = 1;
	(void)signal(SIGPIPE, SIG_IGN);
	code = read_options(c, f);
	if (code == EXIT_DONE && audit_files_open(c->args[0], &f->files) != HF_OK) {
		(void)cli_usage("%s cannot be read: %s", c->args[0], strerror(errno));
		code = EXIT_FAILED;
	}
	if (code == EXIT_DONE) {
		audit_files_seek(&f->files, f->next);
		f->text = hf_alloc(BATCH_BYTES, 1);
		if (f->text != NULL)
			e = forward_all(f);
		audit_files_done(&f->files);
		fprintf(stderr, "holdfast: %" PRIu64 " records delivered\n", f->sent);
		code = e == HF_OK ? EXIT_DONE : cli_fail(*f->target.why ? f->target.why : c->args[0], e);
	}
	arena_done(&f->arena);
	hf_free(f->text);
	hf_free(f);
	return code;
}
