/* metrics.c: what the HSM counts, as Prometheus reads it. */
#include "cli.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "hsm.h"

static void head(const char *name, const char *type, const char *help)
{
	printf("# HELP holdfast_%s %s\n# TYPE holdfast_%s %s\n", name, help, name, type);
}

static void gauge(const char *name, const char *help, uint64_t value)
{
	head(name, "gauge", help);
	printf("holdfast_%s %" PRIu64 "\n", name, value);
}

static void count(const char *name, const char *help, uint64_t value)
{
	head(name, "counter", help);
	printf("holdfast_%s %" PRIu64 "\n", name, value);
}

/* Labels are UTF-8; three characters mean something in the exposition format. */
static void print_label(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n')
			fputs("\\n", stdout);
		else
			printf("%s%c", s.p[i] == '"' || s.p[i] == '\\' ? "\\" : "", s.p[i]);
	}
}

static void print_result(const struct call_count *c, const char *result, uint64_t n)
{
	if (n > 0)
		printf("holdfast_calls_total{call=\"%.*s\",result=\"%s\"} %" PRIu64 "\n", (int)c->name.n,
			(const char *)c->name.p, result, n);
}

static void print_calls(struct call_count_list l)
{
	head("calls_total", "counter", "Calls that ended, by whose fault an error was.");
	for (size_t i = 0; i < l.n; i++) {
		const struct call_count *c = &l.v[i];

		print_result(c, "ok", c->done);
		print_result(c, "caller", c->caller);
		print_result(c, "policy", c->policy);
		print_result(c, "hsm", c->hsm);
	}
}

/* struct histogram: labels as they stand in the exposition, such as call="sign". */
struct histogram {
	const char *name, *labels;
	struct u64_list timed;
	uint64_t ns;
};

static void print_histogram(const struct histogram *h)
{
	uint64_t sum = 0, us = 1;

	for (size_t i = 0; i < h->timed.n; i++, us *= 4) {
		char bound[32];

		sum += h->timed.v[i];
		(void)snprintf(bound, sizeof(bound), "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
		printf("holdfast_%s_bucket{%s,le=\"%s\"} %" PRIu64 "\n", h->name, h->labels,
			i + 1 < h->timed.n ? bound : "+Inf", sum);
	}
	printf("holdfast_%s_sum{%s} %" PRIu64 ".%09" PRIu64 "\nholdfast_%s_count{%s} %" PRIu64 "\n", h->name,
		h->labels, h->ns / 1000000000, h->ns % 1000000000, h->name, h->labels, sum);
}

static bool any(struct u64_list l)
{
	for (size_t i = 0; i < l.n; i++)
		if (l.v[i] > 0)
			return true;
	return false;
}

static void print_times(struct call_count_list l)
{
	head("call_seconds", "histogram", "Time in the vault; of quick calls one in 16 is timed.");
	for (size_t i = 0; i < l.n; i++) {
		char labels[96];
		struct histogram h = { "call_seconds", labels, l.v[i].timed, l.v[i].timed_ns };

		(void)snprintf(labels, sizeof(labels), "call=\"%.*s\"", (int)l.v[i].name.n,
			(const char *)l.v[i].name.p);
		if (any(h.timed))
			print_histogram(&h);
	}
}

static void mechanism_text(uint32_t mechanism, char *out, size_t n)
{
	const char *name = name_of_mechanism(mechanism);

	if (name != NULL)
		(void)snprintf(out, n, "%s", name);
	else
		(void)snprintf(out, n, "0x%08" PRIx32, mechanism);
}

static void print_mechanism_times(struct mechanism_time_list l)
{
	head("mechanism_seconds", "histogram", "As call_seconds, by call and mechanism.");
	for (size_t i = 0; i < l.n; i++) {
		char labels[200], name[80];
		struct histogram h = { "mechanism_seconds", labels, l.v[i].timed, l.v[i].timed_ns };

		mechanism_text(l.v[i].mechanism, name, sizeof(name));
		(void)snprintf(labels, sizeof(labels), "call=\"%.*s\",mechanism=\"%s\"", (int)l.v[i].call.n,
			(const char *)l.v[i].call.p, name);
		if (any(h.timed))
			print_histogram(&h);
	}
	head("mechanism_calls_total", "counter", "Calls by mechanism, however they ended.");
	for (size_t i = 0; i < l.n; i++) {
		char name[80];

		mechanism_text(l.v[i].mechanism, name, sizeof(name));
		printf("holdfast_mechanism_calls_total{call=\"%.*s\",mechanism=\"%s\"} %" PRIu64 "\n",
			(int)l.v[i].call.n, (const char *)l.v[i].call.p, name, l.v[i].uses);
	}
}

static void print_mechanisms(struct mechanism_count_list l)
{
	head("mechanism_uses_total", "counter", "Calls that went well, by mechanism.");
	for (size_t i = 0; i < l.n; i++) {
		char name[80];

		mechanism_text(l.v[i].mechanism, name, sizeof(name));
		printf("holdfast_mechanism_uses_total{mechanism=\"%s\"} %" PRIu64 "\n", name, l.v[i].uses);
	}
}

static void print_partition(const char *name, const struct partition_count *p, uint64_t value)
{
	printf("holdfast_%s{serial=\"", name);
	print_label(p->serial);
	fputs("\",partition=\"", stdout);
	print_label(p->label);
	printf("\"} %" PRIu64 "\n", value);
}

static void print_partitions(struct partition_count_list l)
{
	head("partition_objects", "gauge", "Objects in memory.");
	for (size_t i = 0; i < l.n; i++)
		print_partition("partition_objects", &l.v[i], l.v[i].objects);
	head("partition_sessions", "gauge", "Open sessions.");
	for (size_t i = 0; i < l.n; i++)
		print_partition("partition_sessions", &l.v[i], l.v[i].sessions);
}

static bool is_ready(const struct metrics_res *r)
{
	return r->state == HSM_OPERATIONAL && !r->store_failing;
}

static void print_state(const struct metrics_res *r)
{
	static const struct { uint8_t state; const char *name; } states[] = {
		{ HSM_OPERATIONAL, "operational" }, { HSM_LOCKED, "locked" }, { HSM_ERROR, "error" },
		{ HSM_TAMPERED, "tampered" }, { HSM_UNINITIALIZED, "uninitialized" },
		{ HSM_ZEROIZED, "zeroized" },
	};

	head("state", "gauge", "1 for the state that the HSM is in.");
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		printf("holdfast_state{state=\"%s\"} %d\n", states[i].name, states[i].state == r->state);
	gauge("ready", "1 if people can log in and use keys.", is_ready(r));
	gauge("selftest_passed", "0 after a self-test failed.", r->state != HSM_ERROR);
}

static void print_selftests(struct selftest_result_list l)
{
	head("selftest_result", "gauge", "1 if the self-test passed when it ran last, 0 if it failed.");
	for (size_t i = 0; i < l.n; i++) {
		fputs("holdfast_selftest_result{test=\"", stdout);
		print_label(l.v[i].name);
		printf("\"} %d\n", l.v[i].passed);
	}
}

static void print_rehearsal(const struct metrics_res *r)
{
	if (r->rehearsed_at == 0)
		return;
	gauge("rehearsal_timestamp_seconds", "When a backup was rehearsed last.", r->rehearsed_at / 1000000);
	gauge("rehearsal_keys", "Keys that it used.", r->rehearsed_keys);
	gauge("rehearsal_failed_keys", "Keys of these that failed.", r->rehearsed_failed);
	gauge("rehearsal_records", "Records of whole partitions that it opened.", r->rehearsed_records);
}

static void print_metrics(const struct metrics_res *r)
{
	print_state(r);
	print_selftests(r->selftests);
	gauge("connections", "Open connections.", r->connections);
	gauge("audit_sequence", "The last audit record's number.", r->audit_sequence);
	gauge("audit_backlog", "Audit records that are not kept yet.", r->audit_backlog);
	gauge("audit_failing", "1 while audit records cannot be kept, or the disk is all but full.",
		r->audit_failing);
	count("audit_dropped_total", "Records of calls that were dropped, the queue being full.",
		r->audit_dropped);
	count("audit_gaps_total", "Times the audit log was found cut, replaced or deleted, ever.",
		r->audit_gaps);
	count("clock_jumps_total", "Jumps of the system's clock.", r->clock_jumps);
	count("locked_pin_calls_total", "Calls that were refused since a PIN is locked.", r->pins_locked);
	count("pins_locked_total", "PINs that locked after too many failures.", r->pins_locked_out);
	gauge("store_failing", "1 while the store refuses writes.", r->store_failing);
	gauge("audit_archive_failing", "1 while closed audit segments cannot be archived.",
		r->archive_failing);
	gauge("slow_calls_waiting", "Slow calls that wait for a thread.", r->slow_waiting);
	print_rehearsal(r);
	print_partitions(r->partitions);
	print_mechanisms(r->mechanisms);
	print_calls(r->calls);
	print_times(r->calls);
	print_mechanism_times(r->times);
}

/* --- over HTTP ------------------------------------------------------------------------ */

enum page { PAGE_METRICS, PAGE_HEALTH, PAGE_READY, PAGE_NONE, PAGE_NOT_GET };

/* read_request reads from standard input as far as an answer needs it. */
static enum page read_request(void)
{
	static const struct { const char *path; enum page page; } pages[] = {
		{ "/metrics", PAGE_METRICS }, { "/healthz", PAGE_HEALTH }, { "/readyz", PAGE_READY },
	};
	char request[1024] = "", line[4096];
	size_t n;

	if (fgets(request, sizeof(request), stdin) == NULL)
		return PAGE_NONE;
	while (fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "\r\n") != 0 &&
	       strcmp(line, "\n") != 0)
		;
	if (strncmp(request, "GET ", 4) != 0)
		return PAGE_NOT_GET;
	n = strcspn(request + 4, " ?\r\n");
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (strlen(pages[i].path) == n && strncmp(request + 4, pages[i].path, n) == 0)
			return pages[i].page;
	return PAGE_NONE;
}

static void answer(const char *status, const char *text)
{
	printf("HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n%s\n",
		status, text);
}

/* The HSM in its error state is not healthy; one that is locked is, and not ready. */
static void answer_all(enum page p, const struct metrics_res *r)
{
	bool healthy = r != NULL && r->state != HSM_ERROR && r->state != HSM_ZEROIZED;
	bool ready = r != NULL && is_ready(r);

	switch (p) {
	case PAGE_METRICS:
		if (r == NULL) {
			answer("503 Service Unavailable", "the HSM does not answer");
			return;
		}
		printf("HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
		       "Connection: close\r\n\r\n");
		print_metrics(r);
		return;
	case PAGE_HEALTH:
		answer(healthy ? "200 OK" : "503 Service Unavailable", healthy ? "healthy" : "not healthy");
		return;
	case PAGE_READY:
		answer(ready ? "200 OK" : "503 Service Unavailable", ready ? "ready" : "not ready");
		return;
	case PAGE_NONE:
		answer("404 Not Found", "there are /metrics, /healthz and /readyz");
		return;
	case PAGE_NOT_GET:
		answer("405 Method Not Allowed", "GET only");
		return;
	}
}

int cmd_metrics(struct cli *c)
{
	const char *format = c->opt[OPT_FORMAT];
	struct metrics_req q = { 0 };
	struct metrics_res r;
	enum hf_err e;

	if (format != NULL && strcmp(format, "http") != 0)
		return cli_usage("--format wants http here, not '%s'", format);
	e = do_metrics(c->client, 0, &q, &r, &c->arena);
	if (format != NULL)
		answer_all(read_request(), e == HF_OK ? &r : NULL);
	else if (e == HF_OK)
		print_metrics(&r);
	return e == HF_OK ? EXIT_DONE : cli_fail("metrics", e);
}
