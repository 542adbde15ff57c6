#include "audit_format.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "cli.h"

#define FACILITY 13           /* "log audit" */
#define SD_ID "holdfast@32473" /* 32473: the enterprise number for documentation */
#define FIELDS 24

/* struct field: `cef` is the key that ArcSight's dictionary has for it; a custom
 * string of it gets a label. */
struct field {
	const char *name, *cef;
	struct slice value;
};

struct fields {
	struct field v[FIELDS];
	size_t n;
	char room[FIELDS][40];
};

static void add(struct fields *f, const char *name, const char *cef, struct slice value)
{
	if (value.n > 0)
		f->v[f->n++] = (struct field){ name, cef, value };
}

static void add_number(struct fields *f, const char *name, const char *cef, uint64_t value)
{
	char *p = f->room[f->n];

	(void)snprintf(p, sizeof(f->room[0]), "%" PRIu64, value);
	add(f, name, cef, slice_str(p));
}

static void add_hex(struct fields *f, const char *name, const char *cef, struct slice value)
{
	char *p = f->room[f->n];

	if (value.n == 0 || 2 * value.n >= sizeof(f->room[0]))
		return;
	hex_encode(value, p);
	add(f, name, cef, slice_str(p));
}

static void add_mechanism(struct fields *f, uint32_t mechanism)
{
	const char *name = name_of_mechanism(mechanism);

	if (mechanism == UINT32_MAX)
		return;
	if (name != NULL)
		add(f, "mechanism", "cs4", slice_str(name));
	else
		add_number(f, "mechanism", "cs4", mechanism);
}

static const char *kind_name(uint8_t kind)
{
	static const char *const kinds[] = { "event", "admin", "auth", "keys", "use" };

	return kind < 5 ? kinds[kind] : "?";
}

static void collect(const struct audit_record *r, struct fields *f)
{
	f->n = 0;
	add_number(f, "seq", "externalId", r->seq);
	add(f, "event", "act", r->event);
	add(f, "kind", "cat", slice_str(kind_name(r->kind)));
	add(f, "result", "outcome", slice_str(err_name((enum hf_err)r->result)));
	add(f, "hsm", "deviceExternalId", r->hsm);
	add(f, "serial", "cs5", r->partition);
	add(f, "partition", "cs1", r->partition_label);
	add(f, "role", "spriv", r->role);
	add_number(f, "uid", "suid", r->uid);
	add_number(f, "pid", "spid", r->pid);
	add(f, "program", "sproc", r->program);
	add_number(f, "connection", "flexNumber2", r->connection);
	add_number(f, "session", "cn2", r->session);
	add_number(f, "request", "cn3", r->request);
	add_hex(f, "object", "cs2", r->object);
	add(f, "label", "cs3", r->object_label);
	add_mechanism(f, r->mechanism);
	add_number(f, "us", "cn1", r->duration_ns / 1000);
	add_number(f, "mono_ns", "flexNumber1", r->mono_ns);
	add(f, "detail", "msg", r->detail);
}

/* --- text that others parse ---------------------------------------------------------- */

/* print_value writes s on one line, as cli_plain does, `special` characters behind a
 * backslash. */
static void print_value(struct slice s, const char *special, FILE *out)
{
	char *plain = cli_plain(s);

	for (const char *p = plain; p != NULL && *p != '\0'; p++)
		(void)fprintf(out, "%s%c", strchr(special, *p) != NULL ? "\\" : "", *p);
	hf_free(plain);
}

/* severity as syslog counts it: an alert, a warning, information. */
static unsigned severity(const struct audit_record *r)
{
	if (r->result != HF_OK && r->kind == 0)
		return 1;
	return r->result != HF_OK ? 4 : 6;
}

static void print_sd(const struct fields *f, FILE *out)
{
	(void)fputs("[" SD_ID, out);
	for (size_t i = 0; i < f->n; i++) {
		(void)fprintf(out, " %s=\"", f->v[i].name);
		print_value(f->v[i].value, "\"\\]", out);
		(void)fputc('"', out);
	}
	(void)fputc(']', out);
}

static bool needs_label(const char *cef)
{
	return isdigit((unsigned char)cef[strlen(cef) - 1]) != 0;
}

static void print_cef(const struct audit_record *r, const struct fields *f, FILE *out)
{
	static const unsigned from_syslog[] = { 10, 9, 8, 7, 6, 5, 3, 0 };

	(void)fputs("CEF:0|Holdfast|Holdfast HSM|" HF_VERSION "|", out);
	print_value(r->event, "|\\", out);
	(void)fputc('|', out);
	print_value(r->event, "|\\", out);
	(void)fprintf(out, "|%u|rt=%" PRIu64, from_syslog[severity(r)], r->time_us / 1000);
	for (size_t i = 0; i < f->n; i++) {
		if (needs_label(f->v[i].cef))
			(void)fprintf(out, " %sLabel=%s", f->v[i].cef, f->v[i].name);
		(void)fprintf(out, " %s=", f->v[i].cef);
		print_value(f->v[i].value, "=\\", out);
	}
}

static void print_leef(const struct audit_record *r, const struct fields *f, FILE *out)
{
	(void)fputs("LEEF:2.0|Holdfast|Holdfast HSM|" HF_VERSION "|", out);
	print_value(r->event, "|\\", out);
	(void)fprintf(out, "|x09|devTime=%" PRIu64, r->time_us / 1000);
	for (size_t i = 0; i < f->n; i++) {
		(void)fprintf(out, "\t%s=", f->v[i].name);
		print_value(f->v[i].value, "", out);
	}
}

static void print_json(const struct audit_record *r, FILE *out)
{
	json_t *o = cli_audit_record(r);

	if (o == NULL || json_dumpf(o, out, JSON_COMPACT) != 0)
		(void)fprintf(out, "{\"seq\":%" PRIu64 ",\"error\":\"out of memory\"}", r->seq);
	json_decref(o);
}

/* --- for callers ------------------------------------------------------------------------ */

bool audit_format_of(const char *name, enum audit_format *ret)
{
	static const char *const names[] = { "json", "rfc5424", "cef", "leef" };

	for (unsigned i = 0; i < 4; i++)
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum audit_format)i;
			return true;
		}
	return false;
}

void audit_format_syslog(enum audit_format format, const struct audit_record *r, FILE *out)
{
	char when[28], host[256] = "-";
	struct fields f;

	collect(r, &f);
	clock_iso(r->time_us, when);
	if (gethostname(host, sizeof(host) - 1) != 0 || *host == '\0')
		(void)snprintf(host, sizeof(host), "-");
	(void)fprintf(out, "<%u>1 %s %s holdfast - ", FACILITY * 8 + severity(r), when, host);
	print_value(r->event, "", out);
	(void)fputc(' ', out);
	switch (format) {
	case AUDIT_RFC5424:
		print_sd(&f, out);
		(void)fprintf(out, " %" PRIu64 " %.*s: %s", r->seq, (int)r->event.n,
			(const char *)r->event.p, err_name((enum hf_err)r->result));
		return;
	case AUDIT_JSON:
	case AUDIT_CEF:
	case AUDIT_LEEF:
		break;
	}
	(void)fputs("- ", out);
	audit_format_print(format, r, out);
}

void audit_format_print(enum audit_format format, const struct audit_record *r, FILE *out)
{
	struct fields f;

	collect(r, &f);
	switch (format) {
	case AUDIT_JSON:
		print_json(r, out);
		return;
	case AUDIT_RFC5424:
		audit_format_syslog(format, r, out);
		return;
	case AUDIT_CEF:
		print_cef(r, &f, out);
		return;
	case AUDIT_LEEF:
		print_leef(r, &f, out);
		return;
	}
}

void audit_format_journal(const struct audit_record *r, FILE *out)
{
	struct fields f;

	collect(r, &f);
	(void)fprintf(out, "MESSAGE=");
	print_value(r->event, "", out);
	(void)fprintf(out, ": %s\nPRIORITY=%u\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=holdfast\n",
		err_name((enum hf_err)r->result), severity(r), FACILITY);
	for (size_t i = 0; i < f.n; i++) {
		(void)fputs("HOLDFAST_", out);
		for (const char *p = f.v[i].name; *p; p++)
			(void)fputc(toupper((unsigned char)*p), out);
		(void)fputc('=', out);
		print_value(f.v[i].value, "", out);
		(void)fputc('\n', out);
	}
}
