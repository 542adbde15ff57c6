/* session.c: getting into a partition, and finding things there. */
#include "cli.h"
#include "pkcs11_numbers.h"

#include <stdio.h>
#include <string.h>

static const uint8_t one = 1, zero = 0;
const struct slice cli_true = { &one, 1 }, cli_false = { &zero, 1 };

struct slice cli_u64(struct cli *c, uint64_t v)
{
	uint8_t *p = arena_alloc(&c->arena, 8, 1);

	if (p == NULL)
		return SLICE_NONE;
	put_u64(p, v);
	return (struct slice){ p, 8 };
}

/* how_named: 0: not so; the higher, the surer. Nobody chooses his serial number, anybody his label. */
static unsigned how_named(const struct partition_info *p, const char *name)
{
	uint64_t slot;

	if (name == NULL || slice_eq(p->serial, slice_str(name)))
		return 3;
	if (slice_eq(p->label, slice_str(name)))
		return 2;
	return cli_number(name, 0, UINT64_MAX, &slot) && slot == p->slot;
}

/* cli_partition: a label that two partitions share is refused, not guessed. */
bool cli_partition(struct cli *c, const char *name, struct partition_info *ret)
{
	struct partition_list_req q = { 0 };
	struct partition_list_res r;
	enum hf_err e = do_partition_list(c->client, 0, &q, &r, &c->arena);
	unsigned best = 1;
	size_t found = 0;

	if (e != HF_OK) {
		cli_fail("partitions", e);
		return false;
	}
	for (size_t i = 0; i < r.partitions.n; i++) {
		unsigned how = how_named(&r.partitions.v[i], name);

		if (how < best)
			continue;
		found = how > best ? 1 : found + 1;
		best = how;
		*ret = r.partitions.v[i];
	}
	if (found == 1)
		return true;
	if (r.partitions.n == 0)
		cli_usage("there is no partition yet; make one with 'holdfast partition create'");
	else if (name == NULL)
		cli_usage("there are %zu partitions; say which with --partition", found);
	else if (found == 0)
		cli_usage("no partition '%s'; see 'holdfast partition list'", name);
	else
		cli_usage("%zu partitions are called '%s'; use the serial number", found, name);
	return false;
}

bool cli_session(struct cli *c, bool rw, uint64_t *ret_session)
{
	CLEANUP(secret_done) struct secret pin = { 0 };
	const char *user = c->opt[OPT_USER];
	struct partition_info p;
	char prompt[120];
	enum hf_err e;

	if (!cli_partition(c, c->opt[OPT_PARTITION], &p))
		return false;
	e = client_session_open(c->client, p.slot, rw, ret_session);
	if (e != HF_OK) {
		cli_fail("session", e);
		return false;
	}
	if (c->opt[OPT_NO_LOGIN])
		return true;
	snprintf(prompt, sizeof(prompt), "PIN of %.32s of '%.*s'", user ? user : "the user",
		(int)p.label.n, (const char *)p.label.p);
	if (cli_pin(c, OPT_PIN_FILE, OPT_PIN_FD, prompt, false, &pin) != HF_OK)
		return false;
	e = client_login(c->client, *ret_session, CKU_USER, user ? slice_str(user) : SLICE_NONE,
		secret_slice(&pin));
	if (e != HF_OK)
		cli_fail("login", e);
	return e == HF_OK;
}

/* hex_arg decodes --id, with or without 0x. */
static bool hex_arg(struct cli *c, const char *s, struct slice *ret)
{
	size_t max, n;
	uint8_t *p;

	if (strncmp(s, "0x", 2) == 0)
		s += 2;
	max = strlen(s) / 2;
	p = arena_alloc(&c->arena, max + 1, 1);
	if (p == NULL || !hex_decode(s, p, max, &n))
		return false;
	*ret = (struct slice){ p, n };
	return true;
}

struct attr_list cli_template(struct cli *c, const struct attr *extra, size_t extra_n)
{
	struct attr *v = arena_alloc(&c->arena, extra_n + 4, sizeof(*v));
	struct slice id;
	uint64_t cko;
	size_t n = 0;

	if (v == NULL)
		return (struct attr_list){ 0 };
	for (size_t i = 0; i < extra_n; i++)
		v[n++] = extra[i];
	if (c->opt[OPT_LABEL])
		v[n++] = (struct attr){ CKA_LABEL, slice_str(c->opt[OPT_LABEL]) };
	if (c->opt[OPT_ID]) {
		if (!hex_arg(c, c->opt[OPT_ID], &id)) {
			cli_usage("--id wants an even number of hex digits, not '%s'", c->opt[OPT_ID]);
			return (struct attr_list){ 0 };
		}
		v[n++] = (struct attr){ CKA_ID, id };
	}
	if (c->opt[OPT_CLASS]) {
		if (!class_of_name(c->opt[OPT_CLASS], &cko)) {
			cli_usage("--class wants data, certificate, public, private or secret, not '%s'",
				c->opt[OPT_CLASS]);
			return (struct attr_list){ 0 };
		}
		v[n++] = (struct attr){ CKA_CLASS, cli_u64(c, cko) };
	}
	return (struct attr_list){ v, n };
}

/* cli_find gathers all pages. */
enum hf_err cli_find(struct cli *c, uint64_t session, struct attr_list tmpl, struct u64_list *ret)
{
	struct find_req q = { .attrs = tmpl, .max = WIRE_MAX_LIST };
	struct find_res r;
	uint64_t *all = NULL;
	size_t n = 0;

	do {
		uint64_t *more;

		TRY(do_find(c->client, session, &q, &r, &c->arena));
		more = arena_alloc(&c->arena, n + r.objects.n + 1, sizeof(*more));
		if (more == NULL)
			return HF_E_MEMORY;
		if (n > 0)
			memcpy(more, all, n * sizeof(*all));
		if (r.objects.n > 0)
			memcpy(more + n, r.objects.v, r.objects.n * sizeof(*all));
		all = more;
		n += r.objects.n;
		q.after = r.cursor;
	} while (r.cursor != 0);
	*ret = (struct u64_list){ all, n };
	return HF_OK;
}

bool cli_key(struct cli *c, uint64_t session, uint64_t cko, uint64_t *ret)
{
	const char *name = c->opt[OPT_KEY];
	struct attr t[2] = { { CKA_CLASS, cli_u64(c, cko) } };
	struct u64_list found = { 0 };
	enum hf_err e;

	if (name == NULL) {
		cli_usage("say which key with --key");
		return false;
	}
	t[1] = (struct attr){ CKA_LABEL, slice_str(name) };
	if (strncmp(name, "0x", 2) == 0 && hex_arg(c, name, &t[1].value))
		t[1].type = CKA_ID;
	e = cli_find(c, session, (struct attr_list){ t, 2 }, &found);
	if (e == HF_OK && found.n == 1) {
		*ret = found.v[0];
		return true;
	}
	if (e != HF_OK)
		cli_fail("finding the key", e);
	else if (found.n == 0)
		cli_usage("no %s key '%s'; see 'holdfast object list'", name_of_class(cko), name);
	else
		cli_usage("%zu keys are called '%s'; use --key 0xID", found.n, name);
	return false;
}

struct slice cli_attr(struct cli *c, uint64_t session, uint64_t object, uint32_t type)
{
	struct attr_get_req q = { .object = object, .types = { &type, 1 } };
	struct attr_get_res r;

	if (do_attr_get(c->client, session, &q, &r, &c->arena) != HF_OK || r.got.n != 1 ||
	    r.got.v[0].found != ATTR_FOUND)
		return SLICE_NONE;
	return r.got.v[0].value;
}

struct slice cli_point(struct slice v)
{
	size_t head = v.n > 2 && v.p[1] < 0x80 ? 2 : 3;

	if (v.n < head || v.p[0] != 4 || (head == 3 && v.p[1] != 0x81))
		return SLICE_NONE;
	return (struct slice){ v.p + head, v.n - head };
}
