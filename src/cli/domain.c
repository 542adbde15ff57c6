/* domain.c: domain create, list, show, request, admit, join, leave, assign, unassign. */
#include "message.h"

#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "crypto.h"

#define MESSAGE_MOST 4096u
#define FINGERPRINT 16u /* SHA-256 of a message, cut */

/* --- what there is ----------------------------------------------------------------------------- */

static json_t *json_time(uint64_t us)
{
	char when[28];

	clock_iso(us, when);
	return json_string(when);
}

static json_t *json_domain(const struct domain_info *d)
{
	return json_pack("{s:o, s:o, s:o, s:I, s:I}", "domain", json_slice(d->name), "id", json_hex(d->id),
		"since", json_time(d->since), "partitions", (json_int_t)d->partitions, "known members",
		(json_int_t)d->members.n);
}

static bool list(struct cli *c, struct domain_list_res *ret)
{
	struct domain_list_req q = { 0 };
	enum hf_err e = do_domain_list(c->client, 0, &q, ret, &c->arena);

	if (e != HF_OK)
		(void)cli_fail("domains", e);
	return e == HF_OK;
}

int cmd_domain_list(struct cli *c)
{
	struct domain_list_res r;
	json_t *a;

	if (!list(c, &r))
		return EXIT_FAILED;
	a = json_array();
	for (size_t i = 0; i < r.domains.n; i++)
		json_array_append_new(a, json_domain(&r.domains.v[i]));
	if (r.domains.n == 0 && !c->opt[OPT_JSON])
		puts("this HSM is in no security domain");
	cli_print(c, a);
	return EXIT_DONE;
}

static bool is_called(const struct domain_info *d, const char *name)
{
	char hex[2 * 16 + 1];

	if (d->id.n != 16)
		return false;
	hex_encode(d->id, hex);
	return slice_eq(d->name, slice_str(name)) || strcmp(hex, name) == 0;
}

static json_t *json_members(const struct domain_info *d)
{
	json_t *a = json_array();

	for (size_t i = 0; i < d->members.n; i++) {
		const struct domain_member *m = &d->members.v[i];

		json_array_append_new(a, json_pack("{s:o, s:o, s:s, s:o}", "HSM", json_slice(m->serial),
			"since", json_time(m->since), "how", m->how == 1 ? "admitted by this HSM" :
			"admitted this HSM", "attestation key", json_hex(m->key)));
	}
	return a;
}

static bool find(struct cli *c, const char *name, struct domain_info *ret)
{
	struct domain_list_res r;

	if (!list(c, &r))
		return false;
	for (size_t i = 0; i < r.domains.n; i++)
		if (is_called(&r.domains.v[i], name)) {
			*ret = r.domains.v[i];
			return true;
		}
	(void)cli_fail(name, HF_E_DOMAIN_NONE);
	return false;
}

int cmd_domain_show(struct cli *c)
{
	struct domain_info d;
	json_t *o;

	if (!find(c, c->args[0], &d))
		return EXIT_FAILED;
	o = json_domain(&d);
	json_object_set_new(o, "known members", json_members(&d));
	cli_print(c, o);
	return EXIT_DONE;
}

bool cli_domain(struct cli *c, const char *name)
{
	struct domain_info unused;

	return find(c, name, &unused);
}

int cmd_domain_create(struct cli *c)
{
	struct domain_create_req q = { slice_str(c->args[0]) };
	struct domain_create_res r;
	enum hf_err e = do_domain_create(c->client, 0, &q, &r, &c->arena);

	if (e != HF_OK)
		return cli_fail("domain create", e);
	cli_print(c, json_pack("{s:s, s:o}", "domain", c->args[0], "id", json_hex(r.id)));
	return EXIT_DONE;
}

int cmd_domain_leave(struct cli *c)
{
	struct domain_leave_req q = { slice_str(c->args[0]) };
	struct domain_leave_res r;
	char question[200];
	enum hf_err e;

	snprintf(question, sizeof(question),
		"Leave '%.64s'? Where no other HSM is in it, it is gone for good.", c->args[0]);
	if (!cli_sure(c, question))
		return EXIT_FAILED;
	e = do_domain_leave(c->client, 0, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("domain leave", e);
}

/* --- joining ------------------------------------------------------------------------------------ */

static bool fingerprint_of(struct slice message, uint8_t ret[CRYPTO_HASH])
{
	return crypto_init() == HF_OK && crypto_sha256(message, ret) == HF_OK;
}

/* tell writes a message and says what the other side's officer wants to hear. */
static int tell(struct cli *c, const char *field, struct slice message, const char *next)
{
	uint8_t hash[CRYPTO_HASH];
	char hex[2 * FINGERPRINT + 1];
	int code;

	if (!fingerprint_of(message, hash))
		return cli_fail(field, HF_E_MEMORY);
	hex_encode((struct slice){ hash, FINGERPRINT }, hex);
	code = cli_message_write(c->opt[OPT_OUT],
		json_pack("{s:o, s:s}", field, json_hex(message), "fingerprint", hex));
	if (code == EXIT_DONE)
		fprintf(stderr, "fingerprint: %s\n%s\n", hex, next);
	return code;
}

static bool read_message(struct cli *c, const char *path, const char *field, struct slice *ret)
{
	if (cli_message_read(c, path, field, MESSAGE_MOST, ret))
		return true;
	(void)cli_usage("'%s' is no %s of 'holdfast domain'", path, field);
	return false;
}

/* The officer says the fingerprint, or that it is the one that the other one reads to him. */
static bool compared(struct cli *c, struct slice message, struct slice *ret)
{
	const char *said = c->opt[OPT_FINGERPRINT];
	uint8_t hash[CRYPTO_HASH], given[FINGERPRINT];
	char hex[2 * FINGERPRINT + 1], question[160];
	size_t n;

	if (said != NULL) {
		if (!hex_decode(said, given, sizeof(given), &n)) {
			(void)cli_usage("--fingerprint wants %u hex digits", 2 * FINGERPRINT);
			return false;
		}
		return arena_dup(&c->arena, (struct slice){ given, n }, ret) == HF_OK;
	}
	if (!isatty(STDIN_FILENO)) {
		(void)cli_usage("say with --fingerprint what the officer of the other HSM reads to you");
		return false;
	}
	if (!fingerprint_of(message, hash))
		return false;
	hex_encode((struct slice){ hash, FINGERPRINT }, hex);
	snprintf(question, sizeof(question),
		"fingerprint: %s\nDoes the officer of the other HSM read the same to you?", hex);
	return cli_sure(c, question) &&
		arena_dup(&c->arena, (struct slice){ hash, FINGERPRINT }, ret) == HF_OK;
}

int cmd_domain_request(struct cli *c)
{
	struct domain_request_req q = { 0 };
	struct domain_request_res r;
	enum hf_err e = do_domain_request(c->client, 0, &q, &r, &c->arena);

	if (e != HF_OK)
		return cli_fail("domain request", e);
	return tell(c, "request", r.request,
		"read it to the officer of the member, who says 'holdfast domain admit DOMAIN FILE'");
}

int cmd_domain_admit(struct cli *c)
{
	struct domain_admit_req q = { .domain = slice_str(c->args[0]) };
	struct domain_admit_res r;
	enum hf_err e;

	if (!read_message(c, c->args[1], "request", &q.request) ||
	    !compared(c, q.request, &q.fingerprint))
		return EXIT_FAILED;
	e = do_domain_admit(c->client, 0, &q, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("domain admit", e);
	return tell(c, "answer", r.answer,
		"read it to the officer of the HSM that asked, who says 'holdfast domain join FILE'");
}

int cmd_domain_join(struct cli *c)
{
	struct domain_join_req q = { 0 };
	struct domain_join_res r;
	enum hf_err e;

	if (!read_message(c, c->args[0], "answer", &q.answer) || !compared(c, q.answer, &q.fingerprint))
		return EXIT_FAILED;
	e = do_domain_join(c->client, 0, &q, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("domain join", e);
	cli_print(c, json_pack("{s:o}", "joined", json_slice(r.name)));
	return EXIT_DONE;
}

/* --- of a partition -------------------------------------------------------------------------------- */

int cli_domain_set(struct cli *c, const struct partition_domain_req *q)
{
	struct partition_domain_res r;
	enum hf_err e = do_partition_domain(c->client, 0, q, &r, &c->arena);

	return e == HF_OK ? EXIT_DONE : cli_fail("domain of the partition", e);
}

static int assign(struct cli *c, const char *domain)
{
	CLEANUP(secret_done) struct secret so = { 0 };
	struct partition_domain_req q = { .domain = slice_str(domain) };
	struct partition_info p;

	if (!cli_partition(c, c->opt[OPT_PARTITION], &p) ||
	    cli_pin(c, OPT_SO_FILE, OPT_SO_FD, "PIN of the security officer", false, &so) != HF_OK)
		return EXIT_FAILED;
	q.serial = p.serial;
	q.so_pin = secret_slice(&so);
	return cli_domain_set(c, &q);
}

int cmd_domain_assign(struct cli *c)
{
	return assign(c, c->args[0]);
}

int cmd_domain_unassign(struct cli *c)
{
	return assign(c, "");
}
