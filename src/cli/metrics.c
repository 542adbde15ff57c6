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

static void print_histogram(const struct call_count *c)
{
	uint64_t sum = 0, us = 1;

	for (size_t i = 0; i < c->timed.n; i++, us *= 4) {
		char bound[32];

		sum += c->timed.v[i];
		(void)snprintf(bound, sizeof(bound), "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
		printf("holdfast_call_seconds_bucket{call=\"%.*s\",le=\"%s\"} %" PRIu64 "\n", (int)c->name.n,
			(const char *)c->name.p, i + 1 < c->timed.n ? bound : "+Inf", sum);
	}
	printf("holdfast_call_seconds_sum{call=\"%.*s\"} %" PRIu64 ".%09" PRIu64 "\n"
	       "holdfast_call_seconds_count{call=\"%.*s\"} %" PRIu64 "\n",
		(int)c->name.n, (const char *)c->name.p, c->timed_ns / 1000000000, c->timed_ns % 1000000000,
		(int)c->name.n, (const char *)c->name.p, sum);
}

static void print_times(struct call_count_list l)
{
	head("call_seconds", "histogram", "Time in the vault; of quick calls one in 16 is timed.");
	for (size_t i = 0; i < l.n; i++)
		for (size_t k = 0; k < l.v[i].timed.n; k++)
			if (l.v[i].timed.v[k] > 0) {
				print_histogram(&l.v[i]);
				break;
			}
}

static void print_mechanisms(struct mechanism_count_list l)
{
	head("mechanism_uses_total", "counter", "Calls that went well, by mechanism.");
	for (size_t i = 0; i < l.n; i++) {
		const char *name = name_of_mechanism(l.v[i].mechanism);
		char number[16];

		(void)snprintf(number, sizeof(number), "0x%08" PRIx32, l.v[i].mechanism);
		printf("holdfast_mechanism_uses_total{mechanism=\"%s\"} %" PRIu64 "\n",
			name != NULL ? name : number, l.v[i].uses);
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

static void print_state(uint8_t state)
{
	static const struct { uint8_t state; const char *name; } states[] = {
		{ HSM_OPERATIONAL, "operational" }, { HSM_LOCKED, "locked" }, { HSM_ERROR, "error" },
		{ HSM_TAMPERED, "tampered" }, { HSM_UNINITIALIZED, "uninitialized" },
		{ HSM_ZEROIZED, "zeroized" },
	};

	head("state", "gauge", "1 for the state that the HSM is in.");
	for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		printf("holdfast_state{state=\"%s\"} %d\n", states[i].name, states[i].state == state);
	gauge("ready", "1 if keys can be used.", state == HSM_OPERATIONAL);
	gauge("selftest_passed", "0 after a self-test failed.", state != HSM_ERROR);
}

static void print_metrics(const struct metrics_res *r)
{
	print_state(r->state);
	gauge("connections", "Open connections.", r->connections);
	gauge("audit_sequence", "The last audit record's number.", r->audit_sequence);
	gauge("audit_backlog", "Audit records that are not kept yet.", r->audit_backlog);
	print_partitions(r->partitions);
	print_mechanisms(r->mechanisms);
	print_calls(r->calls);
	print_times(r->calls);
}

/* answer_head reads a request from standard input and begins its answer; false:
 * the head is all of it. /ready is for those who balance load. */
static bool answer_head(bool ready)
{
	char request[1024], line[1024];
	bool about_ready;

	if (fgets(request, sizeof(request), stdin) == NULL)
		return false;
	while (fgets(line, sizeof(line), stdin) != NULL && strcmp(line, "\r\n") != 0 &&
	       strcmp(line, "\n") != 0)
		;
	about_ready = strncmp(request, "GET /ready", 10) == 0;
	printf("HTTP/1.0 %s\r\nContent-Type: text/plain; version=0.0.4\r\n\r\n",
		about_ready && !ready ? "503 Not Ready" : "200 OK");
	if (about_ready)
		puts(ready ? "ready" : "not ready");
	return !about_ready;
}

int cmd_metrics(struct cli *c)
{
	const char *format = c->opt[OPT_FORMAT];
	struct metrics_req q = { 0 };
	struct metrics_res r;
	enum hf_err e = do_metrics(c->client, 0, &q, &r, &c->arena);

	if (e != HF_OK)
		return cli_fail("metrics", e);
	if (format != NULL && strcmp(format, "http") != 0)
		return cli_usage("--format wants http here, not '%s'", format);
	if (format == NULL || answer_head(r.state == HSM_OPERATIONAL))
		print_metrics(&r);
	return EXIT_DONE;
}
