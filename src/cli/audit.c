/* audit.c: audit show: reads records from the HSM and checks their chain here. */
#include "audit_check.h"
#include "cli.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"

#define PAGE 1000 /* records a call */

json_t *cli_audit_record(const struct audit_record *r)
{
	static const char *const kinds[] = { "event", "admin", "auth", "keys", "use" };
	char when[28];
	const char *mech = name_of_mechanism(r->mechanism);

	clock_iso(r->time_us, when);
	return json_pack("{s:I, s:s, s:o, s:s, s:o, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:s, s:I, s:o, "
		"s:o, s:o, s:I, s:o, s:I, s:I}",
		"seq", (json_int_t)r->seq, "time", when, "event", json_slice(r->event),
		"kind", r->kind < 5 ? kinds[r->kind] : "?",
		"partition", r->partition_label.n ? json_slice(r->partition_label) : json_null(),
		"role", json_slice(r->role), "uid", (json_int_t)r->uid, "pid", (json_int_t)r->pid,
		"program", json_slice(r->program),
		"object", r->object.n ? json_hex(r->object) : json_null(),
		"label", r->object_label.n ? json_slice(r->object_label) : json_null(),
		"mechanism", r->mechanism == UINT32_MAX ? json_null() :
			     mech != NULL ? json_string(mech) : json_sprintf("0x%x", r->mechanism),
		"result", err_name((enum hf_err)r->result),
		"us", (json_int_t)(r->duration_ns / 1000),
		"detail", r->detail.n ? json_slice(r->detail) : json_null(),
		"hsm", json_slice(r->hsm), "serial", json_slice(r->partition),
		"connection", (json_int_t)r->connection,
		"session", json_sprintf("%llu", (unsigned long long)r->session), /* too long for a double */
		"request", (json_int_t)r->request, "mono_ns", (json_int_t)r->mono_ns);
}

/* page fetches from c->from on; *ret_last is the sequence number behind it. */
static enum hf_err page(struct cli *c, uint64_t from, uint64_t max, struct audit_read_res *ret)
{
	struct audit_read_req q = { from, (uint32_t)(max < PAGE ? max : PAGE) };

	return do_audit_read(c->client, 0, &q, ret, &c->arena);
}

/* show adds the records of one page to a; false after naming a bad one. */
static bool show(struct audit_read_res *r, struct audit_check *check, json_t *a, struct arena *arena)
{
	struct audit_record rec;
	const char *why;

	for (size_t i = 0; i < r->records.n; i++) {
		if (!audit_check_next(check, r->records.v[i].record, arena, &rec, &why)) {
			cli_usage("audit record %llu: %s", (unsigned long long)check->seq, why);
			return false;
		}
		json_array_append_new(a, cli_audit_record(&rec));
	}
	return true;
}

int cmd_audit_show(struct cli *c)
{
	uint64_t from = 0, count = 50, seen = 0;
	struct audit_check check = { 0 };
	struct audit_read_res r;
	json_t *a = json_array();
	bool good = true;
	enum hf_err e = HF_OK;

	if (c->opt[OPT_FROM]) {
		count = UINT32_MAX;
		if (!cli_number(c->opt[OPT_FROM], 1, UINT64_MAX, &from))
			return cli_usage("--from wants a sequence number, not '%s'", c->opt[OPT_FROM]);
	}
	if (c->opt[OPT_COUNT] && !cli_number(c->opt[OPT_COUNT], 1, UINT32_MAX, &count))
		return cli_usage("--count wants a number, not '%s'", c->opt[OPT_COUNT]);
	e = crypto_init();
	if (e != HF_OK)
		return cli_fail("audit", e);
	do {
		e = page(c, from, count - seen, &r);
		if (e != HF_OK)
			break;
		memcpy(check.public_key, r.public_key.p, r.public_key.n == 32 ? 32 : 0);
		good = show(&r, &check, a, &c->arena);
		seen += r.records.n;
		from = check.seq + 1;
	} while (good && r.records.n > 0 && seen < count);
	cli_print(c, a);
	if (e != HF_OK)
		return cli_fail("audit", e);
	if (!good)
		return EXIT_FAILED;
	if (!c->opt[OPT_JSON])
		fprintf(stderr, "%llu records; chain and signatures are intact\n",
			(unsigned long long)seen);
	return EXIT_DONE;
}

/* last_of: number and hash of the only record there; 0: there is none. */
static struct audit_check last_of(const struct audit_read_res *r, struct arena *a)
{
	struct audit_check check = { 0 };
	struct audit_record rec;
	const char *why;

	memcpy(check.public_key, r->public_key.p, r->public_key.n == 32 ? 32 : 0);
	if (r->records.n == 0 || !audit_check_next(&check, r->records.v[0].record, a, &rec, &why))
		check.seq = 0;
	return check;
}

int cli_audit_keys(struct cli *c, const char *path)
{
	struct audit_keys_req q = { 0 };
	struct audit_keys_res r;
	enum hf_err e = do_audit_keys(c->client, 0, &q, &r, &c->arena);
	FILE *f;
	bool ok;

	if (e != HF_OK)
		return cli_fail("audit", e);
	f = fopen(path, "we");
	if (f == NULL)
		return cli_fail(path, HF_E_STORE);
	fputs("ed25519 ", f);
	for (size_t i = 0; i < r.ed25519.n; i++)
		fprintf(f, "%02x", r.ed25519.p[i]);
	fputs(r.ml_dsa_65.n > 0 ? "\nml-dsa-65 " : "", f);
	for (size_t i = 0; i < r.ml_dsa_65.n; i++)
		fprintf(f, "%02x", r.ml_dsa_65.p[i]);
	fputc('\n', f);
	ok = ferror(f) == 0;
	return fclose(f) == 0 && ok ? EXIT_DONE : cli_fail(path, HF_E_STORE);
}

int cmd_audit_key(struct cli *c)
{
	struct audit_read_res r;
	struct audit_check last;
	enum hf_err e = crypto_init();

	if (c->opt[OPT_OUT] != NULL && cli_audit_keys(c, c->opt[OPT_OUT]) != EXIT_DONE)
		return EXIT_FAILED;

	if (e == HF_OK)
		e = page(c, 0, 1, &r);
	if (e != HF_OK)
		return cli_fail("audit", e);
	last = last_of(&r, &c->arena);
	cli_print(c, json_pack("{s:o, s:I, s:o}", "key", json_hex(r.public_key), "last",
		(json_int_t)last.seq, "hash", json_hex(SLICE_OF(last.prev))));
	return EXIT_DONE;
}
