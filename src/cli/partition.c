/* partition.c: partition list, create, delete, changes; mechanism list. */
#include "cli.h"
#include "pkcs11_numbers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

static json_t *json_partition(const struct partition_info *p)
{
	char when[28];
	json_t *clients = json_array();

	clock_iso(p->created, when);
	for (size_t i = 0; i < p->clients.n; i++)
		json_array_append_new(clients, json_sprintf("%s:%llu",
			p->clients.v[i].kind == IDENTITY_GID ? "gid" : "uid",
			(unsigned long long)p->clients.v[i].id));
	return json_pack("{s:I, s:o, s:o, s:b, s:I, s:b, s:i, s:i, s:s, s:o, s:o}",
		"slot", (json_int_t)p->slot, "label", json_slice(p->label),
		"serial", json_slice(p->serial), "enabled", p->enabled, "objects", (json_int_t)p->objects,
		"user PIN set", p->user_pin_set, "SO failures", p->so_failures,
		"user failures", p->user_failures, "created", when, "clients", clients,
		"damaged", p->damaged.n ? json_stringn((const char *)p->damaged.p, p->damaged.n) :
					  json_null());
}

int cmd_partition_list(struct cli *c)
{
	struct partition_list_req q = { 0 };
	struct partition_list_res r;
	enum hf_err e = do_partition_list(c->client, 0, &q, &r, &c->arena);
	json_t *a = json_array();

	if (e != HF_OK)
		return cli_fail("partitions", e);
	for (size_t i = 0; i < r.partitions.n; i++)
		json_array_append_new(a, json_partition(&r.partitions.v[i]));
	if (r.partitions.n == 0 && !c->opt[OPT_JSON])
		puts("no partition yet; make one with 'holdfast partition create LABEL'");
	cli_print(c, a);
	return EXIT_DONE;
}

/* clients parses "uid:1000,gid:100". */
static bool clients(struct cli *c, const char *s, struct identity_list *ret)
{
	struct identity *v = arena_alloc(&c->arena, 64, sizeof(*v));
	size_t n = 0;

	while (v != NULL && n < 64) {
		char word[32];
		size_t len = strcspn(s, ",");

		if (len >= sizeof(word))
			return false;
		memcpy(word, s, len);
		word[len] = '\0';
		v[n].kind = strncmp(word, "gid:", 4) == 0 ? IDENTITY_GID : IDENTITY_UID;
		if ((v[n].kind == IDENTITY_UID && strncmp(word, "uid:", 4) != 0) ||
		    !cli_number(word + 4, 0, UINT32_MAX, &v[n].id))
			return false;
		n++;
		if (s[len] == '\0') {
			*ret = (struct identity_list){ v, n };
			return true;
		}
		s += len + 1;
	}
	return false;
}

static int create(struct cli *c, const struct partition_create_req *q)
{
	struct partition_domain_req d = { .so_pin = q->so_pin };
	struct partition_create_res r;
	enum hf_err e = do_partition_create(c->client, 0, q, &r, &c->arena);

	if (e != HF_OK)
		return cli_fail("partition create", e);
	cli_print(c, json_pack("{s:s, s:I, s:o}", "label", c->args[0], "slot", (json_int_t)r.slot,
		"serial", json_slice(r.serial)));
	if (c->opt[OPT_DOMAIN] == NULL)
		return EXIT_DONE;
	d.serial = r.serial;
	d.domain = slice_str(c->opt[OPT_DOMAIN]);
	return cli_domain_set(c, &d);
}

int cmd_partition_create(struct cli *c)
{
	CLEANUP(secret_done) struct secret so = { 0 }, user = { 0 };
	struct partition_create_req q = { .label = slice_str(c->args[0]) };

	if (q.label.n > NAME_BYTES)
		return cli_fail("partition", HF_E_LABEL);
	if (c->opt[OPT_DOMAIN] && !cli_domain(c, c->opt[OPT_DOMAIN]))
		return EXIT_FAILED;
	if (c->opt[OPT_CLIENT] && !clients(c, c->opt[OPT_CLIENT], &q.clients))
		return cli_usage("--client wants uid:NUMBER or gid:NUMBER, comma-separated, not '%s'",
			c->opt[OPT_CLIENT]);
	if (cli_pin(c, OPT_SO_FILE, OPT_SO_FD, "New PIN of the security officer", true, &so) != HF_OK)
		return EXIT_FAILED;
	if ((c->opt[OPT_PIN_FILE] || c->opt[OPT_PIN_FD] || !c->opt[OPT_SO_FILE]) &&
	    cli_pin(c, OPT_PIN_FILE, OPT_PIN_FD, "New PIN of the user", true, &user) != HF_OK)
		return EXIT_FAILED;
	q.so_pin = secret_slice(&so);
	q.user_pin = secret_slice(&user);
	return create(c, &q);
}

int cmd_partition_delete(struct cli *c)
{
	struct partition_delete_req q;
	struct partition_delete_res r;
	struct partition_info p;
	char question[200];
	enum hf_err e;

	if (!cli_partition(c, c->args[0], &p))
		return EXIT_FAILED;
	snprintf(question, sizeof(question), "Delete partition '%.*s' and its %llu objects for good?",
		(int)p.label.n, (const char *)p.label.p, (unsigned long long)p.objects);
	if (!cli_sure(c, question))
		return EXIT_FAILED;
	q.serial = p.serial;
	e = do_partition_delete(c->client, 0, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("partition delete", e);
}

/* --- changes of one --------------------------------------------------------- */

/* limit: 0 means that there is none of its own. */
static json_t *json_limit(uint64_t n)
{
	return n != 0 ? json_integer((json_int_t)n) : json_string("as the HSM's");
}

int cmd_partition_show(struct cli *c)
{
	struct partition_info p;
	json_t *o;

	if (!cli_partition(c, c->args[0], &p))
		return EXIT_FAILED;
	o = json_partition(&p);
	json_object_set_new(o, "bytes", json_integer((json_int_t)p.bytes));
	json_object_set_new(o, "most objects", json_limit(p.max_objects));
	json_object_set_new(o, "most bytes", json_limit(p.max_bytes));
	json_object_set_new(o, "security domain", p.domain.n != 0 ? json_slice(p.domain) : json_null());
	cli_print(c, o);
	return EXIT_DONE;
}

/* The bits of partition_change's "what" (src/hsm/partition.h). */
enum { EDIT_LABEL = 1, EDIT_ENABLED = 2, EDIT_LIMITS = 4, EDIT_CLIENTS = 8 };

static int change(struct cli *c, struct partition_change_req *q)
{
	struct partition_change_res r;
	struct partition_info p;
	enum hf_err e;

	if (!cli_partition(c, c->args[0], &p))
		return EXIT_FAILED;
	q->serial = p.serial;
	if (q->what == EDIT_LIMITS && !c->opt[OPT_COUNT])
		q->max_objects = p.max_objects;
	if (q->what == EDIT_LIMITS && !c->opt[OPT_BYTES])
		q->max_bytes = p.max_bytes;
	e = do_partition_change(c->client, 0, q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("partition", e);
}

int cmd_partition_rename(struct cli *c)
{
	struct partition_change_req q = { .what = EDIT_LABEL };

	if (!c->opt[OPT_LABEL])
		return cli_usage("--label says the new label");
	q.label = slice_str(c->opt[OPT_LABEL]);
	return q.label.n > NAME_BYTES ? cli_fail("partition", HF_E_LABEL) : change(c, &q);
}

int cmd_partition_resize(struct cli *c)
{
	struct partition_change_req q = { .what = EDIT_LIMITS };

	if (!c->opt[OPT_COUNT] && !c->opt[OPT_BYTES])
		return cli_usage("--count says how many objects, --bytes how large together; 0: no limit");
	if ((c->opt[OPT_COUNT] && !cli_number(c->opt[OPT_COUNT], 0, UINT32_MAX, &q.max_objects)) ||
	    (c->opt[OPT_BYTES] && !cli_number(c->opt[OPT_BYTES], 0, INT64_MAX, &q.max_bytes)))
		return cli_usage("--count and --bytes want numbers");
	return change(c, &q);
}

int cmd_partition_assign(struct cli *c)
{
	struct partition_change_req q = { .what = EDIT_CLIENTS };

	if (!c->opt[OPT_CLIENT] || !clients(c, c->opt[OPT_CLIENT], &q.clients))
		return cli_usage("--client wants uid:NUMBER or gid:NUMBER, comma-separated");
	return change(c, &q);
}

int cmd_partition_disable(struct cli *c)
{
	struct partition_change_req q = { .what = EDIT_ENABLED, .enabled = false };

	return change(c, &q);
}

int cmd_partition_enable(struct cli *c)
{
	struct partition_change_req q = { .what = EDIT_ENABLED, .enabled = true };

	return change(c, &q);
}

int cmd_rotate_partition(struct cli *c)
{
	CLEANUP(secret_done) struct secret so = { 0 };
	struct rotate_partition_req q = { .force = c->opt[OPT_FORCE] != NULL };
	struct rotate_partition_res r;
	struct partition_info p;
	enum hf_err e;

	if (!cli_partition(c, c->args[0], &p))
		return EXIT_FAILED;
	if (!cli_sure(c, "Replace the partition's key? Backups of the whole HSM before this one hold the "
			"old."))
		return EXIT_FAILED;
	if (cli_pin(c, OPT_SO_FILE, OPT_SO_FD, "PIN of the security officer", false, &so) != HF_OK)
		return EXIT_FAILED;
	q.serial = p.serial;
	q.so_pin = secret_slice(&so);
	e = do_rotate_partition(c->client, 0, &q, &r, &c->arena);
	return e == HF_OK ? EXIT_DONE : cli_fail("rotate", e);
}

/* --- mechanisms ------------------------------------------------------------- */

static const struct {
	uint32_t bit;
	const char *name;
} uses[] = {
	{ CKF_ENCRYPT, "encrypt" }, { CKF_DECRYPT, "decrypt" }, { CKF_DIGEST, "digest" },
	{ CKF_SIGN, "sign" }, { CKF_SIGN_RECOVER, "sign-recover" }, { CKF_VERIFY, "verify" },
	{ CKF_VERIFY_RECOVER, "verify-recover" }, { CKF_GENERATE, "generate" },
	{ CKF_GENERATE_KEY_PAIR, "generate-pair" }, { CKF_WRAP, "wrap" }, { CKF_UNWRAP, "unwrap" },
	{ CKF_DERIVE, "derive" }, { CKF_ENCAPSULATE, "encapsulate" },
	{ CKF_DECAPSULATE, "decapsulate" },
};

static json_t *json_mechanism(struct cli *c, uint64_t slot, uint32_t type)
{
	struct mech_info_req q = { slot, type };
	struct mech_info_res r;
	char ops[200] = "";
	const char *name = name_of_mechanism(type);

	if (do_mech_info(c->client, 0, &q, &r, &c->arena) != HF_OK)
		return json_null();
	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++)
		if (r.flags & uses[i].bit) {
			size_t n = strlen(ops);

			snprintf(ops + n, sizeof(ops) - n, "%s%s", n ? " " : "", uses[i].name);
		}
	return json_pack("{s:o, s:I, s:I, s:s}", "mechanism",
		name != NULL ? json_string(name) : json_sprintf("0x%x", type), "min",
		(json_int_t)r.min_size, "max", (json_int_t)r.max_size, "uses", ops);
}

int cmd_mechanism_list(struct cli *c)
{
	struct slot_list_req slots_q = { 0 };
	struct slot_list_res slots;
	struct mech_list_req q = { 0 };
	struct mech_list_res r;
	json_t *a = json_array();
	struct partition_info p;
	enum hf_err e;

	e = do_slot_list(c->client, 0, &slots_q, &slots, &c->arena);
	if (e == HF_OK && slots.slots.n > 0)
		q.slot = slots.slots.v[0].id;
	if (c->opt[OPT_PARTITION]) {
		if (!cli_partition(c, c->opt[OPT_PARTITION], &p))
			return EXIT_FAILED;
		q.slot = p.slot;
	}
	if (e == HF_OK)
		e = do_mech_list(c->client, 0, &q, &r, &c->arena);
	if (e != HF_OK)
		return cli_fail("mechanisms", e);
	for (size_t i = 0; i < r.types.n; i++)
		json_array_append_new(a, json_mechanism(c, q.slot, r.types.v[i]));
	cli_print(c, a);
	return EXIT_DONE;
}
