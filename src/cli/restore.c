/* restore.c: backup restore, list. First the whole file goes through the vault dry, so that
 * nothing is restored of one that is damaged or that collides; then in earnest. */
#include "backup_file.h"
#include "backup_seal.h"

#include <string.h>

#include "pkcs11_numbers.h"

static const char *const rules[] = { "fail", "skip", "replace", "rename" };
static const char *const outcomes[] = { "new", "same", "replaced", "renamed", "kept",
	"kept: what is there may do less", "left out: stateful", "differs" };
#define OUTCOMES (sizeof(outcomes) / sizeof(outcomes[0]))
#define DIFFERS 7u

#define FILES 64u

/* struct restore is one run: a backup, and behind it those that it was built on. */
struct restore {
	struct backup_file b;
	char **paths;
	size_t files, at;
	struct slice pass;
	struct opener_list keys[FILES]; /* of each file, got in the first pass */
	uint8_t collision;
	uint64_t count[OUTCOMES];
	json_t *list; /* NULL: only counts are wanted */
};

static void restore_done(struct restore *r)
{
	backup_file_done(&r->b);
	json_decref(r->list);
}

static bool rule_of(struct cli *c, uint8_t *ret)
{
	const char *s = c->opt[OPT_COLLISION];

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strcmp(s == NULL ? rules[0] : s, rules[i]) == 0) {
			*ret = (uint8_t)i;
			return true;
		}
	(void)cli_usage("--on-collision is fail, skip, replace or rename, not '%s'", s);
	return false;
}

static void note(struct restore *r, const struct restored *o)
{
	size_t i = o->outcome < OUTCOMES ? o->outcome : DIFFERS;

	r->count[i]++;
	if (r->list != NULL)
		json_array_append_new(r->list, json_pack("{s:s, s:s, s:o, s:o, s:s}", "class",
			name_of_class(o->class), "type",
			o->type == UINT32_MAX ? "-" : name_of_key_type(o->type), "label",
			json_slice(o->label), "unique id", json_hex(o->uid), "here", outcomes[i]));
}

static bool give_frame(struct cli *c, uint64_t session, struct restore *r, bool *ret_last)
{
	CLEANUP(arena_done) struct arena a = { 0 };
	struct restore_next_req q = { .frame = buf_slice(&r->b.raw) };
	struct restore_next_res s = { 0 };
	enum hf_err e = do_restore_next(c->client, session, &q, &s, &a);

	if (e != HF_OK) {
		(void)cli_fail(r->b.path, e);
		return false;
	}
	for (size_t i = 0; i < s.objects.n; i++)
		note(r, &s.objects.v[i]);
	*ret_last = s.last;
	return true;
}

/* open_file opens the next file of the chain. */
static bool open_file(struct cli *c, struct restore *r, size_t at)
{
	backup_file_done(&r->b);
	r->at = at;
	if (!backup_file_open(r->paths[at], &r->b))
		return false;
	if (at + 1 == r->files && r->b.head.base.n != 0) {
		cli_usage("%s builds on another backup: name that one behind it ('holdfast backup inspect')",
			r->b.path);
		return false;
	}
	return r->keys[at].v != NULL || cli_openers(c, &r->b.head, &r->pass, &r->keys[at]);
}

static enum hf_err begin_file(struct cli *c, uint64_t session, struct restore *r, bool dry)
{
	struct slice header = buf_slice(&r->b.head_raw);
	struct restore_begin_req q = { header, r->keys[r->at], r->collision, dry };
	struct restore_base_req base = { header, r->keys[r->at] };
	struct restore_begin_res s;
	struct restore_base_res t;

	if (r->at == 0)
		return do_restore_begin(c->client, session, &q, &s, &c->arena);
	return do_restore_base(c->client, session, &base, &t, &c->arena);
}

static bool pass_file(struct cli *c, uint64_t session, struct restore *r, bool dry)
{
	enum hf_err e = begin_file(c, session, r, dry);
	bool last = false;

	if (e != HF_OK)
		(void)cli_fail(r->b.path, e);
	while (e == HF_OK && !last)
		if (!backup_file_next(&r->b) || !give_frame(c, session, r, &last))
			return false;
	return e == HF_OK && backup_file_over(&r->b);
}

/* pass takes the whole chain through the vault once. */
static bool pass(struct cli *c, uint64_t session, struct restore *r, bool dry)
{
	memset(r->count, 0, sizeof(r->count));
	for (size_t i = 0; i < r->files; i++)
		if (!open_file(c, r, i) || !pass_file(c, session, r, dry))
			return false;
	return true;
}

static bool begin(struct cli *c, struct restore *r, uint64_t *ret_session)
{
	r->paths = c->args;
	r->files = (size_t)c->arg_count;
	if (r->files > FILES) {
		cli_usage("a chain of more than %u backups; make a whole one", FILES);
		return false;
	}
	return open_file(c, r, 0) && cli_session(c, true, ret_session) && pass(c, *ret_session, r, true);
}

static void report(struct cli *c, const struct restore *r, bool dry)
{
	json_t *o = json_pack("{s:s, s:b}", "backup", r->paths[0], "dry run", (int)dry);

	for (size_t i = 0; i < OUTCOMES; i++)
		if (r->count[i] != 0)
			json_object_set_new(o, outcomes[i], json_integer((json_int_t)r->count[i]));
	cli_print(c, o);
}

int cmd_backup_restore(struct cli *c)
{
	CLEANUP(restore_done) struct restore r = { 0 };
	bool dry = c->opt[OPT_DRY_RUN] != NULL;
	uint64_t session;

	if (!rule_of(c, &r.collision))
		return EXIT_USAGE;
	if (!begin(c, &r, &session))
		return EXIT_FAILED;
	if (r.count[DIFFERS] != 0)
		report(c, &r, true);
	if (r.count[DIFFERS] != 0)
		return cli_fail(c->args[0], HF_E_BACKUP_COLLISION);
	if (!dry && !pass(c, session, &r, false))
		return EXIT_FAILED;
	report(c, &r, dry);
	return EXIT_DONE;
}

int cmd_backup_list(struct cli *c)
{
	CLEANUP(restore_done) struct restore r = { .list = json_array() };
	uint64_t session;

	if (!begin(c, &r, &session))
		return EXIT_FAILED;
	cli_print(c, json_incref(r.list));
	return EXIT_DONE;
}
